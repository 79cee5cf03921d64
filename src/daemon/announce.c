/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/announce.h"

#include "loader/hooks.h"
#include "loader/tc.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>

static __u32 map_id(const struct bpf_map *map)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    return bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &len) ? 0 : info.id;
}

static __u32 prog_id(const struct bpf_program *prog)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    return bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len) ? 0 : info.id;
}

static void set_ids(struct sw_instance *inst, const struct sw_hooks *hooks, struct synward_bpf *obj)
{
    inst->map_flows = map_id(obj->maps.flows);
    inst->map_half_open = map_id(obj->maps.half_open);
    inst->map_counters = map_id(obj->maps.counters);
    inst->map_filter = map_id(obj->maps.filter);
    inst->map_ladders = obj->rodata->cfg.ladder ? map_id(obj->maps.ladders) : 0;
    inst->map_ladders_open = obj->rodata->cfg.ladder ? map_id(obj->maps.ladders_open) : 0;
    inst->map_histograms = map_id(obj->maps.histograms);
    inst->map_server_histograms = map_id(obj->maps.server_histograms);
    inst->prog_ingress = sw_hooks_ingress_id(hooks);
    inst->prog_egress = prog_id(obj->progs.sw_egress);
    inst->prog_sweep = prog_id(obj->progs.sw_sweep);
    if (!hooks->guard)
        return;
    inst->map_guard = map_id(obj->maps.guard);
    inst->map_services = map_id(obj->maps.services);
    inst->map_svc_ports = map_id(obj->maps.svc_ports);
    inst->map_svc_counters = map_id(obj->maps.svc_counters);
    inst->map_allow = map_id(obj->maps.allow);
    inst->map_block = map_id(obj->maps.block);
    if (obj->rodata->cfg.gateway == SW_GATEWAY_TRANSLATE) {
        inst->map_gateway_state = map_id(obj->maps.gateway_state);
        inst->map_backends = map_id(obj->maps.backends);
    }
    inst->prog_detect = prog_id(obj->progs.sw_detect);
}

int sw_instance_announce(struct sw_instance *inst, const struct sw_hooks *hooks, struct synward_bpf *obj, bool attached)
{
    if (obj)
        set_ids(inst, hooks, obj);
    inst->len = hooks->len;
    for (size_t i = 0; i < inst->len; i++) {
        inst->ifaces[i] = hooks->ifaces[i].id;
        if (attached)
            continue;
        snprintf(inst->ifaces[i].mode, sizeof(inst->ifaces[i].mode), "none");
        /* should we be killed in between, it is ours */
        inst->ifaces[i].made_clsact = !sw_clsact_there(inst->ifaces[i].ifindex);
    }
    return sw_instance_write(inst);
}
