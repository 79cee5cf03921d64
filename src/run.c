/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward run: configure everything, then attach, follow, detach. */
#include "attach.h"
#include "clock.h"
#include "cmd.h"
#include "exit.h"
#include "guarding.h"
#include "guardopts.h"
#include "instance.h"
#include "keys.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "others.h"
#include "privilege.h"
#include "synward.skel.h"
#include "tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { OPT_DURATION = 0x200, OPT_FLUSH, OPT_MODE, OPT_INGRESS_ONLY };

static const struct argp_option options[] = {
    {"interface", 'i', "IF", 0, "follow this interface; may be given several times", 0},
    {"duration", OPT_DURATION, "S", 0, "stop after S seconds (default: at SIGINT or SIGTERM)", 0},
    {"flush", OPT_FLUSH, 0, 0, "at the end, tell the conn line of connections that are still open too", 0},
    {"mode", OPT_MODE, "auto|native|generic", 0, "XDP in the driver, in the stack, or whichever works (auto)", 0},
    {"ingress-only", OPT_INGRESS_ONLY, 0, 0, "no egress hook: what this host sends is inferred", 0},
    {0},
};

struct run {
    struct sw_common_opts common;
    struct sw_guard_opts guard;
    const char *names[SW_IFACES_MAX];
    size_t names_len;
    enum sw_mode mode;
    bool ingress_only;
    struct sw_hooks hooks;
    struct sw_instance inst;
    struct sw_loop loop;
    struct sw_failure failure;
    int start_lock;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct run *run = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &run->common;
        state->child_inputs[1] = &run->guard;
        break;
    case 'i':
        if (run->names_len == SW_IFACES_MAX)
            sw_usage_die("more than %d interfaces", SW_IFACES_MAX);
        run->names[run->names_len++] = arg;
        break;
    case OPT_DURATION: run->loop.duration_ns = sw_arg_seconds("--duration", arg, 0.001, 1e9); break;
    case OPT_FLUSH: run->loop.flush = true; break;
    case OPT_INGRESS_ONLY: run->ingress_only = true; break;
    case OPT_MODE:
        if (!strcmp(arg, "auto"))
            run->mode = SW_MODE_AUTO;
        else if (!strcmp(arg, "native"))
            run->mode = SW_MODE_NATIVE;
        else if (!strcmp(arg, "generic"))
            run->mode = SW_MODE_GENERIC;
        else
            sw_usage_die("--mode: '%s' is none of auto, native, generic", arg);
        break;
    case ARGP_KEY_ARG: sw_usage_die("unexpected argument '%s'", arg);
    case ARGP_KEY_END:
        if (!run->names_len)
            sw_usage_die("no interface: -i IF");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_child children[] = {
    {&sw_common_argp, 0, "What is told and how:", 1}, {&sw_guard_argp, 0, "The guard against SYN floods:", 2}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .children = children,
    .args_doc = "-i IF [-i IF...]",
    .doc =
        "Follows every TCP connection on the interfaces and tells its life, a line an event, on standard output. With "
        "--guard it answers SYN floods against this host with cookies.",
};

static int load(struct run *run)
{
    struct sw_object_opts *object = &run->common.object;
    const char *why;
    int err;

    object->cfg.one_sided = run->ingress_only;
    for (size_t i = 0; i < run->hooks.len && !run->ingress_only; i++)
        if (!run->hooks.ifaces[i].loopback &&
            sw_tc_try(run->hooks.ifaces[i].id.ifindex, SW_TC_EGRESS, run->hooks.guard))
            object->cfg.one_sided = 1;
    if (run->loop.guarding)
        sw_guarding_object(run->loop.guarding, &run->hooks, object);
    err = sw_object_load(object, &run->loop.obj, &why);
    if (!err)
        return 0;
    if (sw_object_exit_code(err) == SW_EXIT_MEMORY)
        return sw_fail(
            &run->failure, SW_EXIT_MEMORY, err,
            "no memory for maps of about %llu MB (--flows, --embryos, --handshakes, --ring, --ring-open): %s",
            sw_object_bytes(object) >> 20, strerror(-err));
    return sw_fail(&run->failure, sw_object_exit_code(err), err, "%s: %s", why, strerror(-err));
}

static int make_report(struct run *run)
{
    static char host[256];
    struct sw_report_opts opts = {
        .fd = STDOUT_FILENO,
        .format = run->common.format,
        .color = run->common.color,
        .event_mask = run->common.event_mask,
        .cid_seed = run->common.cid_seed,
        .host = host,
    };
    int err;

    gethostname(host, sizeof(host) - 1);
    run->loop.clock_offset = opts.clock_offset_ns = sw_clock_offset();
    err = sw_report_new(&opts, &run->loop.report);
    for (size_t i = 0; i < run->hooks.len && !err; i++)
        err = sw_report_set_iface(run->loop.report, run->hooks.ifaces[i].id.ifindex, run->hooks.ifaces[i].id.name);
    if (err)
        return sw_fail(&run->failure, SW_EXIT_MEMORY, err, "report: %s", strerror(-err));
    return 0;
}

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

/* What flows and status need to find us. */
static int write_instance(struct run *run)
{
    struct synward_bpf *obj = run->loop.obj;
    struct sw_instance *inst = &run->inst;
    int err;

    inst->map_flows = map_id(obj->maps.flows);
    inst->map_embryos = map_id(obj->maps.embryos);
    inst->map_counters = map_id(obj->maps.counters);
    inst->prog_ingress = sw_hooks_ingress_id(&run->hooks);
    inst->prog_egress = prog_id(obj->progs.sw_egress);
    inst->prog_sweep = prog_id(obj->progs.sw_sweep);
    if (run->loop.guarding) {
        inst->map_guard = map_id(obj->maps.guard);
        inst->map_services = map_id(obj->maps.services);
        inst->map_service_ports = map_id(obj->maps.service_ports);
        inst->map_service_counters = map_id(obj->maps.service_counters);
        inst->map_allow = map_id(obj->maps.allow);
        inst->map_block = map_id(obj->maps.block);
        inst->prog_judge = prog_id(obj->progs.sw_judge);
    }
    inst->len = run->hooks.len;
    for (size_t i = 0; i < inst->len; i++)
        inst->ifaces[i] = run->hooks.ifaces[i].id;
    err = sw_instance_write(inst);
    if (err)
        return sw_fail(&run->failure, SW_EXIT_INTERNAL, err, "/run/synward: %s", strerror(-err));
    return 0;
}

static int catch_signals(struct run *run)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    run->loop.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (run->loop.signal_fd < 0)
        return sw_fail(&run->failure, SW_EXIT_INTERNAL, -errno, "signalfd: %s", strerror(errno));
    return 0;
}

static void say_how(struct run *run)
{
    for (size_t i = 0; i < run->hooks.len; i++) {
        const struct sw_hook_iface *iface = &run->hooks.ifaces[i];

        if (iface->native_error)
            sw_info("'%s' takes no native XDP (%s): generic XDP is used, which is slower", iface->id.name,
                    strerror(-iface->native_error));
        if (iface->egress_error)
            sw_info("'%s' takes no egress hook (%s): what this host sends is inferred", iface->id.name,
                    strerror(-iface->egress_error));
    }
    if (run->loop.guarding)
        sw_guarding_say(run->loop.guarding, &run->hooks);
}

/* What can be found wrong before anything is touched. */
static int prepare_guard(struct run *run)
{
    if (!run->guard.given)
        return 0;
    sw_keys_protect_process();
    run->hooks.guard = true;
    return sw_guarding_new(&run->guard, &run->loop.guarding, &run->failure);
}

static int fill_guard(struct run *run)
{
    if (!run->loop.guarding)
        return 0;
    return sw_guarding_fill(run->loop.guarding, run->loop.obj, &run->hooks, run->loop.clock_offset, &run->failure);
}

static int start(struct run *run)
{
    int err = 0;

    for (size_t i = 0; i < run->names_len && !err; i++)
        err = sw_hooks_add(&run->hooks, run->names[i], &run->failure);
    if (!err)
        err = prepare_guard(run);
    if (err)
        return err;
    run->start_lock = sw_instance_begin();
    if (run->start_lock < 0)
        return sw_fail(&run->failure, SW_EXIT_INTERNAL, run->start_lock, "/run/synward: %s",
                       strerror(-run->start_lock));
    err = catch_signals(run);
    if (!err)
        err = sw_clear_the_way(&run->hooks, &run->failure);
    if (!err)
        err = load(run);
    if (!err)
        err = make_report(run);
    if (!err)
        err = fill_guard(run);
    if (!err) /* before attaching: should we be killed in between, the next start knows */
        err = write_instance(run);
    if (!err)
        err = sw_hooks_attach(&run->hooks, run->loop.obj, run->mode, &run->failure);
    if (!err)
        err = write_instance(run);
    sw_instance_end(run->start_lock);
    run->start_lock = -1;
    return err;
}

int cmd_run(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    int code;

    if (!run)
        return SW_EXIT_MEMORY;
    sw_common_defaults(&run->common, false);
    sw_guard_defaults(&run->guard);
    run->inst = (struct sw_instance){.pid = getpid(),
                                     .netns = sw_instance_netns(),
                                     .started = time(NULL),
                                     .contract = SW_CONTRACT_VERSION,
                                     .fd = -1};
    run->loop.signal_fd = run->start_lock = -1;
    sw_parse(&argp, "run", argc, argv, run);
    sw_log_init(run->common.verbose);
    run->hooks.ingress_only = run->ingress_only;
    run->loop.opts = &run->common;
    run->loop.hooks = &run->hooks;
    run->loop.inst = &run->inst;

    if (!sw_can_attach()) {
        code = sw_fail(&run->failure, SW_EXIT_PRIVILEGE, SW_EXIT_PRIVILEGE,
                       "run needs root, or CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON");
    } else if (start(run)) {
        code = run->failure.exit_code;
    } else {
        say_how(run);
        code = sw_loop_run(&run->loop, &run->failure);
    }
    if (code)
        sw_err("%s", run->failure.line);
    sw_hooks_detach(&run->hooks);
    sw_instance_end(run->start_lock);
    sw_instance_remove(&run->inst);
    sw_guarding_free(run->loop.guarding);
    sw_report_free(run->loop.report);
    sw_object_free(run->loop.obj);
    if (run->loop.signal_fd >= 0)
        close(run->loop.signal_fd);
    free(run);
    return code;
}
