/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/exporter.h"

#include "base/clock.h"
#include "daemon/flow_export.h"
#include "loader/histograms.h"
#include "loader/map_reader.h"
#include "loader/service_stats.h"
#include "metrics/file.h"
#include "metrics/server.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sw_exporter {
    struct sw_loop_state *loop; /* as of the last tick */
    struct sw_metrics_server *server;
    struct sw_metrics_file *file;
    char place[SW_METRICS_PLACE];
};

/* What one exposition is made of. */
struct look {
    struct sw_metrics m;
    struct sw_gateway_state gateway;
    struct sw_metrics_own own;
    struct sw_metrics_iface ifaces[SW_IFACES_MAX];
    struct sw_histograms *roles;
    struct sw_service_stats guard;
};

static void fill_instance(const struct sw_loop *in, struct look *ret)
{
    const struct sw_instance *inst = in->inst;

    ret->m.running = true;
    ret->m.netns = inst->netns;
    ret->m.started = inst->started;
    ret->m.ifaces = ret->ifaces;
    ret->m.ifaces_len = inst->len;
    for (size_t i = 0; i < inst->len; i++) {
        ret->ifaces[i] = (struct sw_metrics_iface){.ingress = inst->ifaces[i].mode,
                                                   .egress = sw_egress_name(inst->ifaces[i].egress),
                                                   .shared = inst->ifaces[i].shared};
        memcpy(ret->ifaces[i].name, inst->ifaces[i].name, IF_NAMESIZE);
    }
}

static void fill_accounts(const struct sw_loop_state *l, struct look *ret)
{
    ret->m.flows = l->account.sweep.flows;
    ret->m.flows_max = l->account.max_flows;
    ret->m.established = l->account.sweep.established;
    ret->m.half_open = l->account.sweep.half_open;
    ret->m.half_open_max = l->account.max_half_open;
    ret->own.half_open_evicted = l->account.evicted;
}

static void fill_own(const struct sw_exporter *e, struct look *ret)
{
    const struct sw_report_counts *counts = sw_report_counts(e->loop->in->report);
    const struct sw_export_counts *exports = sw_flow_export_counts(e->loop->in->flow_export);

    ret->m.own = &ret->own;
    for (int kind = 0; kind < SW_LOSSES; kind++)
        ret->own.lines_lost += counts->unmade[kind];
    ret->own.readers = sw_readers_count(e->loop->in->readers);
    if (e->file) {
        ret->own.file_failures = e->file->failures;
        ret->own.file_interval_ns = e->file->interval;
    }
    if (exports) {
        ret->own.exported = exports->exported;
        ret->own.export_lost = exports->lost;
    }
    sw_metrics_server_counts(e->server, &ret->own.requests, &ret->own.refused);
}

static int fill_guard(const struct sw_loop *in, __u64 now, struct look *ret)
{
    const struct synward_bpf *obj = in->obj;
    int err;

    if (!in->guard)
        return 0;
    err = sw_service_stats_read(bpf_map__fd(obj->maps.services), bpf_map__fd(obj->maps.svc_counters), now, &ret->guard);
    if (!err)
        err = sw_service_stats_unprotected(bpf_map__fd(obj->maps.guard), &ret->m.services_unprotected);
    if (!err)
        err = sw_service_stats_keys(bpf_map__fd(obj->maps.guard), now, true, &ret->m.keys);
    if (!err && obj->rodata->cfg.gateway == SW_GATEWAY_TRANSLATE) {
        const __u32 zero = 0;

        err = bpf_map_lookup_elem(bpf_map__fd(obj->maps.gateway_state), &zero, &ret->gateway) ? -errno : 0;
        ret->m.gateway = &ret->gateway;
    }
    ret->m.services = ret->guard.services;
    ret->m.tallies = ret->guard.tally;
    return err;
}

/* Counters of now; tables as of the last tick, which has swept them. */
static int fill(const struct sw_exporter *e, __u64 now, struct look *ret)
{
    const struct sw_loop *in = e->loop->in;
    __u32 len;
    int err = sw_histograms_read(bpf_map__fd(in->obj->maps.histograms), &ret->roles, &len);

    ret->m.roles = ret->roles;
    if (!err)
        err = sw_counters_read(bpf_map__fd(in->obj->maps.counters), ret->m.counters);
    if (!err)
        err = fill_guard(in, now, ret);
    fill_instance(in, ret);
    fill_accounts(e->loop, ret);
    fill_own(e, ret);
    return err;
}

/* named: it will stand beside those of other instances. */
static int make(const struct sw_exporter *e, bool named, enum sw_metrics_format format, char **ret_text,
                size_t *ret_len)
{
    struct look *look = calloc(1, sizeof(*look));
    int err = look ? fill(e, sw_clock_now(), look) : -ENOMEM;
    FILE *f = err ? NULL : open_memstream(ret_text, ret_len);
    bool failed;

    if (!err && !f)
        err = -ENOMEM;
    if (f) {
        sw_metrics_print(&look->m, 1, named, format, f);
        failed = ferror(f);
        if (fclose(f) || failed) {
            free(*ret_text);
            err = -ENOMEM;
        }
    }
    if (look)
        free(look->roles);
    free(look);
    return err;
}

static int make_served(void *ctx, enum sw_metrics_format format, char **ret_text, size_t *ret_len)
{
    return make(ctx, false, format, ret_text, ret_len);
}

static int open_server(struct sw_exporter *e, const struct sw_metrics_place *place, struct sw_failure *f)
{
    int fd = sw_metrics_listen(place, e->place, f);

    if (fd < 0)
        return fd;
    e->server = sw_metrics_server_new(fd, make_served, e);
    if (e->server)
        return 0;
    close(fd);
    return sw_fail(f, SW_EXIT_MEMORY, -ENOMEM, "metrics: %s", strerror(ENOMEM));
}

int sw_exporter_open(const struct sw_exporter_opts *opts, struct sw_exporter **ret, struct sw_failure *f)
{
    struct sw_exporter *e;
    int err = 0;

    *ret = NULL;
    if (!opts->place.given && !opts->file)
        return 0;
    e = *ret = calloc(1, sizeof(*e));
    if (!e)
        return sw_fail(f, SW_EXIT_MEMORY, -ENOMEM, "metrics: %s", strerror(ENOMEM));
    if (opts->place.given)
        err = open_server(e, &opts->place, f);
    if (!err && opts->file) {
        err = sw_metrics_file_open(opts->file, opts->interval_ns, &e->file);
        if (err)
            sw_fail(f, SW_EXIT_OUTPUT, err, "metrics file '%s': %s", opts->file,
                    err == -ENOTSUP ? "something else than a file is there" : strerror(-err));
    }
    return err;
}

void sw_exporter_free(struct sw_exporter *e)
{
    if (!e)
        return;
    sw_metrics_server_free(e->server);
    sw_metrics_file_free(e->file);
    free(e);
}

const char *sw_exporter_place(const struct sw_exporter *e)
{
    return e && e->server ? e->place : NULL;
}

int sw_exporter_dir(const struct sw_exporter *e, const char **ret_name)
{
    if (!e || !e->file)
        return -1;
    *ret_name = e->file->name;
    return e->file->dir;
}

void sw_exporter_tick(struct sw_exporter *e, struct sw_loop_state *l, __u64 now)
{
    char *text = NULL;
    size_t len = 0;
    int err;

    if (!e)
        return;
    e->loop = l;
    sw_metrics_server_tick(e->server, l->epoll, now);
    if (!sw_metrics_file_due(e->file, now))
        return;
    err = make(e, true, SW_METRICS_TEXT, &text, &len);
    sw_metrics_file_write(e->file, err ? NULL : text, len, err, now);
    if (!err)
        free(text);
}

bool sw_exporter_handle(struct sw_exporter *e, const struct epoll_event *ev, __u64 now)
{
    return e && sw_metrics_server_handle(e->server, ev, now);
}
