/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/start.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/run_dir.h"
#include "daemon/loop.h"
#include "events/checkpoint.h"
#include "guard/keys.h"
#include "guard/startup.h"
#include "loader/hooks.h"
#include "loader/hooks_pinned.h"
#include "loader/object.h"
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

struct start {
    const struct sw_run *opts;
    struct sw_common_opts common; /* with what is found on the way */
    struct sw_guard_opts guard;
    bool settled; /* pinned, and it stays */
    struct sw_pin pin;
    struct sw_hooks hooks;
    struct sw_instance inst;
    struct sw_loop loop;
    struct sw_failure failure;
    int start_lock;
    bool service; /* of a manager that waits for our word */
};

static int load(struct start *s)
{
    struct sw_object_opts *object = &s->common.object;
    const char *why;
    int err;

    object->cfg.one_sided = s->opts->ingress_only;
    for (size_t i = 0; i < s->hooks.len && !s->opts->ingress_only; i++)
        if (!s->hooks.ifaces[i].loopback &&
            sw_tc_try(s->hooks.ifaces[i].id.ifindex, SW_TC_EGRESS, s->hooks.guard || s->opts->pinned))
            object->cfg.one_sided = 1;
    object->pinned = s->opts->pinned;
    if (s->loop.guarding)
        sw_guarding_object(s->loop.guarding, &s->hooks, object);
    err = sw_object_open(object, &s->loop.obj, &why);
    if (!err && s->loop.pin) {
        err = sw_pin_reuse(s->loop.pin, s->loop.obj);
        why = sw_object_why(err);
    }
    if (!err)
        err = sw_object_load(s->loop.obj, object, &why);
    if (!err)
        return 0;
    sw_object_free(s->loop.obj);
    s->loop.obj = NULL;
    if (sw_object_exit_code(err) == SW_EXIT_MEMORY)
        return sw_fail(
            &s->failure, SW_EXIT_MEMORY, err,
            "no memory for maps of about %llu MB (--flows, --embryos, --handshakes, --ring, --ring-open): %s",
            sw_object_bytes(object) >> 20, strerror(-err));
    if (err == -ESTALE)
        return sw_fail(&s->failure, SW_EXIT_PINS, err, "the pins '%s' do not fit: %s; 'synward unpin %s' removes them",
                       s->pin.name, s->pin.error, s->pin.name);
    return sw_fail(&s->failure, sw_object_exit_code(err), err, "%s: %s", why, strerror(-err));
}

static int make_report(struct start *s)
{
    static char host[256];
    struct sw_report_opts opts = {
        .fd = STDOUT_FILENO,
        .format = s->common.format,
        .color = s->common.color,
        .event_mask = s->common.event_mask,
        .cid_seed = s->common.cid_seed,
        .host = host,
        .seq = s->pin.adopted ? sw_books_last(&s->pin.at->saved)->seq : 0,
    };
    int err;

    if (s->pin.adopted)
        sw_tail_mend(STDOUT_FILENO);
    gethostname(host, sizeof(host) - 1);
    s->loop.clock_offset = opts.clock_offset_ns = sw_clock_offset();
    err = sw_report_new(&opts, &s->loop.report);
    for (size_t i = 0; i < s->hooks.len && !err; i++)
        err = sw_report_set_iface(s->loop.report, s->hooks.ifaces[i].id.ifindex, s->hooks.ifaces[i].id.name);
    if (err)
        return sw_fail(&s->failure, SW_EXIT_MEMORY, err, "report: %s", strerror(-err));
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

static void note_ids(struct start *s)
{
    struct synward_bpf *obj = s->loop.obj;
    struct sw_instance *inst = &s->inst;

    inst->map_flows = map_id(obj->maps.flows);
    inst->map_embryos = map_id(obj->maps.embryos);
    inst->map_counters = map_id(obj->maps.counters);
    inst->prog_ingress = sw_hooks_ingress_id(&s->hooks);
    inst->prog_egress = prog_id(obj->progs.sw_egress);
    inst->prog_sweep = prog_id(obj->progs.sw_sweep);
    if (s->loop.guarding) {
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
static int write_instance(struct start *s, bool attached)
{
    struct sw_instance *inst = &s->inst;
    int err;

    if (s->loop.obj)
        note_ids(s);
    if (s->opts->pinned)
        memcpy(inst->pin, s->pin.name, sizeof(inst->pin));
    inst->len = s->hooks.len;
    for (size_t i = 0; i < inst->len; i++) {
        inst->ifaces[i] = s->hooks.ifaces[i].id;
        if (attached)
            continue;
        snprintf(inst->ifaces[i].mode, sizeof(inst->ifaces[i].mode), "none");
        /* should we be killed in between, it is ours */
        inst->ifaces[i].made_clsact = !sw_clsact_there(inst->ifaces[i].ifindex);
    }
    err = sw_instance_write(inst);
    if (err)
        return sw_fail(&s->failure, SW_EXIT_INTERNAL, err, SW_RUN_DIR ": %s", strerror(-err));
    return 0;
}

/* Without the guard there is nothing to read again, and the terminal is gone. But a service has none, and only was told
 * to reload; and under nohup(1) it is ignored, which a signal that is blocked would not be. */
static bool wants_hangup(const struct start *s)
{
    struct sigaction hangup = {0};

    sigaction(SIGHUP, NULL, &hangup);
    return s->loop.guarding || (!s->service && hangup.sa_handler != SIG_IGN);
}

static int catch_signals(struct start *s)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGQUIT);
    if (wants_hangup(s))
        sigaddset(&set, SIGHUP);
    else
        signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); /* what other daemons reopen a log at must not end this one with its programs attached */
    signal(SIGUSR2, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write over the limit then fails as one to a full disk does */
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->loop.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->loop.signal_fd < 0)
        return sw_fail(&s->failure, SW_EXIT_INTERNAL, -errno, "signalfd: %s", strerror(errno));
    return 0;
}

static void say_how(struct start *s)
{
    for (size_t i = 0; i < s->hooks.len; i++) {
        const struct sw_hook_iface *iface = &s->hooks.ifaces[i];

        if (iface->native_error)
            sw_info("'%s' takes no native XDP (%s): generic XDP is used, which is slower", iface->id.name,
                    strerror(-iface->native_error));
        if (iface->egress_error)
            sw_info("'%s' takes no egress hook (%s): what this host sends is inferred", iface->id.name,
                    strerror(-iface->egress_error));
    }
    if (s->loop.guarding)
        sw_guarding_say(s->loop.guarding, &s->hooks);
}

/* What can be found wrong before anything is touched. */
static int prepare_guard(struct start *s)
{
    if (!s->guard.given)
        return 0;
    sw_keys_protect_process();
    s->hooks.guard = true;
    return sw_guarding_new(&s->guard, &s->loop.guarding, &s->failure);
}

static int open_guard(struct start *s)
{
    if (!s->loop.guarding)
        return 0;
    return sw_guarding_open(s->loop.guarding, s->loop.obj, &s->hooks, s->loop.clock_offset, &s->failure);
}

/* A mode that was set by `synward guard` stays, unless --guard says another one than the last time. */
static int fill_guard(struct start *s)
{
    bool adopted = s->pin.adopted, same = adopted && s->pin.at->guard_mode == (__u32)s->guard.mode;
    struct sw_guard before;
    __u32 zero = 0;
    int err;

    if (!s->loop.guarding)
        return 0;
    if (adopted)
        sw_guarding_adopt(s->loop.guarding, !s->guard.key_file && !s->pin.at->key_file);
    if (same && !bpf_map_lookup_elem(bpf_map__fd(s->loop.obj->maps.guard), &zero, &before))
        s->guard.mode = before.mode;
    err = sw_guarding_fill(s->loop.guarding, &s->failure);
    if (!err && adopted && !same)
        sw_guarding_set_mode(s->loop.guarding, s->guard.mode);
    return err;
}

static int open_pins(struct start *s)
{
    int err;

    if (!s->opts->pinned)
        return 0;
    err = sw_pin_open(&s->pin, &s->hooks, s->guard.given, &s->failure);
    s->hooks.stay = !err;
    s->loop.pin = err ? NULL : &s->pin;
    return err;
}

static int make_pins(struct start *s)
{
    return s->opts->pinned ? sw_pin_make(&s->pin, s->loop.obj, &s->hooks, &s->failure) : 0;
}

/* Attached: from here on it is left there; or not, and then it is as before. */
static void settle_pins(struct start *s, int err)
{
    if (!s->loop.pin)
        return;
    if (err) {
        sw_stay_undo(&s->hooks);
        sw_pin_undo(&s->pin);
        return;
    }
    if (s->pin.adopted)
        sw_info("goes on from the pins '%s' (synward %.31s, pid %d)", s->pin.name, s->pin.at->made_by, s->pin.at->pid);
    sw_stay_settle(&s->hooks);
    sw_pin_settle(&s->pin, &s->hooks, s->inst.pid);
    s->pin.at->guard_mode = s->opts->guard.mode;
    s->pin.at->key_file = !!s->guard.key_file;
    sw_instance_forget(s->pin.name);
    s->settled = true;
}

static int start(struct start *s)
{
    int err = 0;

    for (size_t i = 0; i < s->opts->names_len && !err; i++)
        err = sw_hooks_add(&s->hooks, s->opts->names[i], &s->failure);
    if (!err)
        err = prepare_guard(s);
    if (err)
        return err;
    s->start_lock = sw_instance_begin();
    if (s->start_lock < 0)
        return sw_fail(&s->failure, SW_EXIT_INTERNAL, s->start_lock, SW_RUN_DIR ": %s", strerror(-s->start_lock));
    err = catch_signals(s);
    if (!err)
        err = open_pins(s);
    if (!err)
        err = sw_clear_the_way(&s->hooks, s->loop.pin, &s->failure);
    if (!err) /* before anything is tried on the interfaces */
        err = write_instance(s, false);
    if (!err)
        err = load(s);
    if (!err)
        err = make_report(s);
    if (!err)
        err = open_guard(s);
    if (!err && !s->pin.adopted)
        err = fill_guard(s);
    if (!err)
        err = make_pins(s);
    if (!err) /* before attaching: should we be killed in between, the next start knows */
        err = write_instance(s, false);
    if (!err)
        err = sw_hooks_attach(&s->hooks, s->loop.obj, s->opts->mode, &s->failure);
    if (!err)
        err = write_instance(s, true);
    if (!err && s->pin.adopted) /* others go on from these settings if the start fails */
        err = fill_guard(s);
    settle_pins(s, err);
    sw_instance_end(s->start_lock);
    s->start_lock = -1;
    return err;
}

void sw_run_defaults(struct sw_run *run)
{
    sw_common_defaults(&run->common, false);
    sw_guard_defaults(&run->guard);
}

static void end(struct start *s)
{
    sw_hooks_detach(&s->hooks);
    sw_instance_end(s->start_lock);
    if (s->settled)
        sw_instance_leave(&s->inst);
    else
        sw_instance_remove(&s->inst);
    sw_guarding_free(s->loop.guarding);
    sw_report_free(s->loop.report);
    sw_object_free(s->loop.obj);
    sw_pin_close(&s->pin);
    if (s->loop.signal_fd >= 0)
        close(s->loop.signal_fd);
}

int sw_run(const struct sw_run *run)
{
    struct start *s = calloc(1, sizeof(*s));
    int code;

    if (!s)
        return SW_EXIT_MEMORY;
    s->opts = run;
    s->common = run->common;
    if (run->common.object.server_ports)
        s->common.object.server_ports = s->common.server_ports;
    s->guard = run->guard;
    s->inst = (struct sw_instance){.pid = getpid(),
                                   .netns = sw_instance_netns(),
                                   .started = time(NULL),
                                   .contract = SW_CONTRACT_VERSION,
                                   .fd = -1};
    memcpy(s->pin.name, run->pin_name, sizeof(s->pin.name));
    s->hooks.ingress_only = run->ingress_only;
    s->service = sw_notify_open();
    s->start_lock = s->pin.fd = -1;
    s->loop = (struct sw_loop){.opts = &s->common,
                               .hooks = &s->hooks,
                               .inst = &s->inst,
                               .duration_ns = run->duration_ns,
                               .flush = run->flush,
                               .signal_fd = -1};
    if (start(s)) {
        code = s->failure.exit_code;
    } else {
        say_how(s);
        code = sw_loop_run(&s->loop, &s->failure);
    }
    if (code)
        sw_err("%s", s->failure.line);
    end(s);
    free(s);
    return code;
}
