/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward run: configure everything, then attach, follow, detach. */
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/notify.h"
#include "cmd/cmd.h"
#include "config/cli.h"
#include "config/guard_options.h"
#include "config/options.h"
#include "daemon/loop.h"
#include "events/checkpoint.h"
#include "guard/guard.h"
#include "guard/keys.h"
#include "guard/startup.h"
#include "loader/hooks.h"
#include "loader/hooks_pinned.h"
#include "loader/instance.h"
#include "loader/object.h"
#include "loader/pins.h"
#include "loader/takeover.h"
#include "loader/tc.h"
#include "output/torn_line.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { OPT_DURATION = 0x200, OPT_FLUSH, OPT_MODE, OPT_INGRESS_ONLY, OPT_PIN };

static const struct argp_option options[] = {
    {"interface", 'i', "IF", 0, "follow this interface; may be given several times", 0},
    {"duration", OPT_DURATION, "S", 0, "stop after S seconds (default: at SIGINT or SIGTERM)", 0},
    {"flush", OPT_FLUSH, 0, 0, "at the end, tell the conn line of connections that are still open too", 0},
    {"mode", OPT_MODE, "auto|native|generic", 0, "XDP in the driver, in the stack, or whichever works (auto)", 0},
    {"ingress-only", OPT_INGRESS_ONLY, 0, 0, "no egress hook: what this host sends is inferred", 0},
    {"pin", OPT_PIN, "NAME", OPTION_ARG_OPTIONAL,
     "the programs and all state outlive the end of this process, and the next one goes on from there", 0},
    {0},
};

struct run {
    struct sw_common_opts common;
    struct sw_guard_opts guard;
    const char *names[SW_IFACES_MAX];
    size_t names_len;
    enum sw_mode mode;
    bool ingress_only;
    bool pinned;
    bool settled; /* pinned, and it stays */
    struct sw_pin pin;
    enum sw_guard_mode guard_mode; /* as --guard says */
    struct sw_hooks hooks;
    struct sw_instance inst;
    struct sw_loop loop;
    struct sw_failure failure;
    int start_lock;
    bool service; /* of a manager that waits for our word */
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
    case OPT_PIN:
        run->pinned = true;
        if (arg && !sw_pin_name_ok(arg))
            sw_usage_die("--pin: '%s' is no name: up to %d letters, digits and _ + - : @", arg, SW_PIN_NAME - 1);
        if (arg)
            snprintf(run->pin.name, sizeof(run->pin.name), "%s", arg);
        break;
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
        if (run->guard.given && run->ingress_only)
            sw_usage_die("--guard does not go with --ingress-only: inferred handshakes can be forged blindly");
        if (run->pinned && run->loop.flush)
            sw_usage_die("--flush does not go with --pin: the next one goes on with what is still open");
        if (run->pinned && !*run->pin.name && sw_pin_name_of(run->names, run->names_len, run->pin.name))
            sw_usage_die("--pin: the interfaces' names make no name for the pins: --pin=NAME");
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
            sw_tc_try(run->hooks.ifaces[i].id.ifindex, SW_TC_EGRESS, run->hooks.guard || run->pinned))
            object->cfg.one_sided = 1;
    object->pinned = run->pinned;
    if (run->loop.guarding)
        sw_guarding_object(run->loop.guarding, &run->hooks, object);
    err = sw_object_open(object, &run->loop.obj, &why);
    if (!err && run->loop.pin) {
        err = sw_pin_reuse(run->loop.pin, run->loop.obj);
        why = sw_object_why(err);
    }
    if (!err)
        err = sw_object_load(run->loop.obj, object, &why);
    if (!err)
        return 0;
    sw_object_free(run->loop.obj);
    run->loop.obj = NULL;
    if (sw_object_exit_code(err) == SW_EXIT_MEMORY)
        return sw_fail(
            &run->failure, SW_EXIT_MEMORY, err,
            "no memory for maps of about %llu MB (--flows, --embryos, --handshakes, --ring, --ring-open): %s",
            sw_object_bytes(object) >> 20, strerror(-err));
    if (err == -ESTALE)
        return sw_fail(&run->failure, SW_EXIT_PINS, err,
                       "the pins '%s' do not fit: %s; 'synward unpin %s' removes them", run->pin.name, run->pin.error,
                       run->pin.name);
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
        .seq = run->pin.adopted ? sw_books_last(&run->pin.at->saved)->seq : 0,
    };
    int err;

    if (run->pin.adopted)
        sw_tail_mend(STDOUT_FILENO);
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

static void note_ids(struct run *run)
{
    struct synward_bpf *obj = run->loop.obj;
    struct sw_instance *inst = &run->inst;

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
}

/* What flows and status need to find us, and the next start to clean up after us. */
static int write_instance(struct run *run, bool attached)
{
    struct sw_instance *inst = &run->inst;
    int err;

    if (run->loop.obj)
        note_ids(run);
    if (run->pinned)
        memcpy(inst->pin, run->pin.name, sizeof(inst->pin));
    inst->len = run->hooks.len;
    for (size_t i = 0; i < inst->len; i++) {
        inst->ifaces[i] = run->hooks.ifaces[i].id;
        if (attached)
            continue;
        snprintf(inst->ifaces[i].mode, sizeof(inst->ifaces[i].mode), "none");
        /* should we be killed in between, it is ours */
        inst->ifaces[i].made_clsact = !sw_clsact_there(inst->ifaces[i].ifindex);
    }
    err = sw_instance_write(inst);
    if (err)
        return sw_fail(&run->failure, SW_EXIT_INTERNAL, err, "/run/synward: %s", strerror(-err));
    return 0;
}

/* Without the guard there is nothing to read again, and the terminal is gone. But a service has none, and only was told
 * to reload; and under nohup(1) it is ignored, which a signal that is blocked would not be. */
static bool wants_hangup(const struct run *run)
{
    struct sigaction hangup = {0};

    sigaction(SIGHUP, NULL, &hangup);
    return run->loop.guarding || (!run->service && hangup.sa_handler != SIG_IGN);
}

static int catch_signals(struct run *run)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGQUIT);
    if (wants_hangup(run))
        sigaddset(&set, SIGHUP);
    else
        signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); /* what other daemons reopen a log at must not end this one with its programs attached */
    signal(SIGUSR2, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write over the limit then fails as one to a full disk does */
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

static int open_guard(struct run *run)
{
    if (!run->loop.guarding)
        return 0;
    return sw_guarding_open(run->loop.guarding, run->loop.obj, &run->hooks, run->loop.clock_offset, &run->failure);
}

/* A mode that was set by `synward guard` stays, unless --guard says another one than the last time. */
static int fill_guard(struct run *run)
{
    bool adopted = run->pin.adopted, same = adopted && run->pin.at->guard_mode == (__u32)run->guard.mode;
    struct sw_guard before;
    __u32 zero = 0;
    int err;

    if (!run->loop.guarding)
        return 0;
    run->guard_mode = run->guard.mode;
    if (adopted)
        sw_guarding_adopt(run->loop.guarding, !run->guard.key_file && !run->pin.at->key_file);
    if (same && !bpf_map_lookup_elem(bpf_map__fd(run->loop.obj->maps.guard), &zero, &before))
        run->guard.mode = before.mode;
    err = sw_guarding_fill(run->loop.guarding, &run->failure);
    if (!err && adopted && !same)
        sw_guarding_set_mode(run->loop.guarding, run->guard.mode);
    return err;
}

static int open_pins(struct run *run)
{
    int err;

    if (!run->pinned)
        return 0;
    err = sw_pin_open(&run->pin, &run->hooks, run->guard.given, &run->failure);
    run->hooks.stay = !err;
    run->loop.pin = err ? NULL : &run->pin;
    return err;
}

static int make_pins(struct run *run)
{
    return run->pinned ? sw_pin_make(&run->pin, run->loop.obj, &run->hooks, &run->failure) : 0;
}

/* Attached: from here on it is left there; or not, and then it is as before. */
static void settle_pins(struct run *run, int err)
{
    if (!run->loop.pin)
        return;
    if (err) {
        sw_stay_undo(&run->hooks);
        sw_pin_undo(&run->pin);
        return;
    }
    if (run->pin.adopted)
        sw_info("goes on from the pins '%s' (synward %.31s, pid %d)", run->pin.name, run->pin.at->made_by,
                run->pin.at->pid);
    sw_stay_settle(&run->hooks);
    sw_pin_settle(&run->pin, &run->hooks, run->inst.pid);
    run->pin.at->guard_mode = run->guard_mode;
    run->pin.at->key_file = !!run->guard.key_file;
    sw_instance_forget(run->pin.name);
    run->settled = true;
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
        err = open_pins(run);
    if (!err)
        err = sw_clear_the_way(&run->hooks, run->loop.pin, &run->failure);
    if (!err) /* before anything is tried on the interfaces */
        err = write_instance(run, false);
    if (!err)
        err = load(run);
    if (!err)
        err = make_report(run);
    if (!err)
        err = open_guard(run);
    if (!err && !run->pin.adopted)
        err = fill_guard(run);
    if (!err)
        err = make_pins(run);
    if (!err) /* before attaching: should we be killed in between, the next start knows */
        err = write_instance(run, false);
    if (!err)
        err = sw_hooks_attach(&run->hooks, run->loop.obj, run->mode, &run->failure);
    if (!err)
        err = write_instance(run, true);
    if (!err && run->pin.adopted) /* others go on from these settings if the start fails */
        err = fill_guard(run);
    settle_pins(run, err);
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
    run->loop.signal_fd = run->start_lock = run->pin.fd = -1;
    sw_parse(&argp, "run", argc, argv, run);
    sw_log_init(run->common.verbose);
    run->service = sw_notify_open();
    run->hooks.ingress_only = run->ingress_only;
    run->loop.opts = &run->common;
    run->loop.hooks = &run->hooks;
    run->loop.inst = &run->inst;

    if (!sw_can_attach()) {
        code = sw_fail(&run->failure, SW_EXIT_PRIVILEGE, SW_EXIT_PRIVILEGE,
                       "run needs root, or CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON");
    } else if (run->pinned && !sw_can_inspect()) {
        code = sw_fail(&run->failure, SW_EXIT_PRIVILEGE, SW_EXIT_PRIVILEGE, "--pin needs root, or CAP_SYS_ADMIN");
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
    if (run->settled)
        sw_instance_leave(&run->inst);
    else
        sw_instance_remove(&run->inst);
    sw_guarding_free(run->loop.guarding);
    sw_report_free(run->loop.report);
    sw_object_free(run->loop.obj);
    sw_pin_close(&run->pin);
    if (run->loop.signal_fd >= 0)
        close(run->loop.signal_fd);
    free(run);
    return code;
}
