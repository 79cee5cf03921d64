/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/start.h"
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/nic.h"
#include "base/notify.h"
#include "daemon/announce.h"
#include "daemon/dispatch.h"
#include "daemon/flow_export.h"
#include "daemon/loop.h"
#include "daemon/run_dir_fail.h"
#include "events/checkpoint.h"
#include "guard/keys.h"
#include "guard/startup.h"
#include "loader/hooks.h"
#include "loader/hooks_pinned.h"
#include "loader/object.h"
#include "loader/sweep.h"
#include "loader/takeover.h"
#include "loader/tc.h"
#include "output/format.h"
#include "output/torn_line.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct start {
    const struct sw_run *opts;
    struct sw_common_opts common; /* with what is found on the way */
    struct sw_guard_opts guard;
    bool committed; /* pinned, and the start succeeded */
    struct sw_pin pin;
    struct sw_hooks hooks;
    struct sw_instance inst;
    struct sw_loop loop;
    struct sw_failure failure;
    int start_lock;
    bool service; /* of a manager that waits for READY=1 */
};

static int add_interfaces(struct start *s)
{
    int err = 0;

    for (size_t i = 0; i < s->opts->names_len && !err; i++)
        err = sw_hooks_add(&s->hooks, s->opts->names[i], &s->failure);
    return err;
}

/* What can be found wrong before anything is touched. */
static int prepare_guard(struct start *s)
{
    if (!s->guard.given)
        return 0;
    sw_keys_protect_process();
    s->hooks.guard = true;
    return sw_guard_runtime_new(&s->guard, &s->loop.guard, &s->failure);
}

static void free_guard(struct start *s)
{
    sw_guard_runtime_free(s->loop.guard);
    s->loop.guard = NULL;
}

static int open_output(struct start *s)
{
    const struct sw_rotation *rotation = &s->opts->rotation;
    int err;

    if (!s->common.output) {
        sw_output_append(STDOUT_FILENO);
        return 0;
    }
    err = sw_output_open(s->common.output, rotation, &s->loop.file);
    if (err)
        return sw_fail(&s->failure, SW_EXIT_OUTPUT, err, "output '%s': %s", s->common.output,
                       err == -ENXIO ? "a named pipe that nobody reads" : strerror(-err));
    if (!s->loop.file && (rotation->size || rotation->interval || rotation->keep))
        return sw_fail(&s->failure, SW_EXIT_USAGE, -EINVAL, "output '%s': only a file can be rotated",
                       s->common.output);
    return 0;
}

static void close_output(struct start *s)
{
    sw_output_free(s->loop.file);
    s->loop.file = NULL;
}

static int open_exporter(struct start *s)
{
    return sw_exporter_open(&s->opts->exporter, &s->loop.exporter, &s->failure);
}

static void close_exporter(struct start *s)
{
    sw_exporter_free(s->loop.exporter);
    s->loop.exporter = NULL;
}

/* Its name is looked up now; from the sandbox nothing can be. */
static int open_flow_export(struct start *s)
{
    int err = sw_flow_export_open(&s->opts->flow_export, &s->loop.flow_export, &s->failure);

    if (s->loop.flow_export)
        memcpy(s->inst.export, s->opts->flow_export.url, sizeof(s->inst.export));
    return err;
}

static void close_flow_export(struct start *s)
{
    sw_flow_export_free(s->loop.flow_export);
    s->loop.flow_export = NULL;
}

/* Before anything is open that its process must not keep. */
static int open_owners(struct start *s)
{
    int err = sw_owners_new(s->common.owner, s->common.object.max_flows, !s->common.no_sandbox, &s->loop.owners);

    if (!err && s->common.owner == SW_OWNER_PROCESS && !sw_can_look_at_processes())
        sw_warn("--owner=process without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH: only own processes are known");
    return err ? sw_fail(&s->failure, SW_EXIT_INTERNAL, err, "owners of sockets: %s", strerror(-err)) : 0;
}

static void close_owners(struct start *s)
{
    sw_owners_free(s->loop.owners);
    s->loop.owners = NULL;
}

static int lock_start(struct start *s)
{
    s->start_lock = sw_instance_begin();
    if (s->start_lock >= 0)
        return 0;
    return sw_run_dir_fail(s->start_lock, &s->failure);
}

static void unlock_start(struct start *s)
{
    sw_instance_end(s->start_lock);
    s->start_lock = -1;
}

static int catch_signals(struct start *s)
{
    s->loop.signal_fd = sw_dispatch_catch_signals(s->loop.guard || s->common.output, s->service);
    if (s->loop.signal_fd >= 0)
        return 0;
    return sw_fail(&s->failure, SW_EXIT_INTERNAL, s->loop.signal_fd, "signalfd: %s", strerror(-s->loop.signal_fd));
}

static void close_signals(struct start *s)
{
    if (s->loop.signal_fd >= 0)
        close(s->loop.signal_fd);
}

static int open_pins(struct start *s)
{
    int err;

    if (!s->opts->pinned)
        return 0;
    err = sw_pin_open(&s->pin, &s->hooks, s->guard.given, s->guard.gateway, &s->failure);
    s->hooks.pinned = !err;
    s->loop.pin = err ? NULL : &s->pin;
    return err;
}

static void close_pins(struct start *s)
{
    sw_pin_close(&s->pin);
}

static int take_over(struct start *s)
{
    return sw_takeover(&s->hooks, s->loop.pin, &s->failure);
}

static int announce(struct start *s, bool attached)
{
    int err;

    s->inst.has_output = s->loop.file; /* reopen may come from now on */
    err = sw_instance_announce(&s->inst, &s->hooks, s->loop.obj, attached);

    return err ? sw_run_dir_fail(err, &s->failure) : 0;
}

static int announce_start(struct start *s)
{
    return announce(s, false);
}

static int announce_attached(struct start *s)
{
    return announce(s, true);
}

static void withdraw(struct start *s)
{
    (s->committed ? sw_instance_leave : sw_instance_remove)(&s->inst);
}

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
    object->cfg.whole_sums = 1;
    for (size_t i = 0; i < s->hooks.len; i++)
        object->cfg.whole_sums &= sw_nic_is_card(s->hooks.ifaces[i].id.name);
    for (size_t i = 0; i < s->hooks.len; i++)
        if (s->hooks.ifaces[i].loopback)
            object->cfg.loopback = s->hooks.ifaces[i].id.ifindex;
    object->pinned = s->opts->pinned;
    object->no_ingress = !s->opts->pinned;
    if (s->loop.guard)
        sw_guard_runtime_object(s->loop.guard, &s->hooks, object);
    err = sw_object_open(object, &s->loop.obj, &why);
    if (!err && s->loop.pin) {
        err = sw_pin_reuse(s->loop.pin, s->loop.obj);
        why = sw_object_why(err);
    }
    if (!err)
        err = sw_object_load(s->loop.obj, object, &why);
    if (!err && s->pin.adopted)
        sw_object_counts_unknown(s->loop.obj);
    if (!err)
        return 0;
    sw_object_free(s->loop.obj);
    s->loop.obj = NULL;
    if (sw_object_exit_code(err) == SW_EXIT_MEMORY)
        return sw_fail(
            &s->failure, SW_EXIT_MEMORY, err,
            "no memory for maps of about %llu MB (--max-flows, --max-half-open, --syn-cache, --ring, --ring-open): %s",
            sw_object_bytes(object) >> 20, strerror(-err));
    if (err == -ESTALE)
        return sw_fail(&s->failure, SW_EXIT_PINS, err,
                       "pinned state '%s' is incompatible: %s; 'synward unpin %s' removes it", s->pin.name,
                       s->pin.error, s->pin.name);
    return sw_fail(&s->failure, sw_object_exit_code(err), err, "%s: %s", why, strerror(-err));
}

static void free_object(struct start *s)
{
    sw_object_free(s->loop.obj);
    s->loop.obj = NULL;
}

static int make_report(struct start *s)
{
    static char host[256];
    struct sw_report_counts counts;
    struct sw_report_opts opts = {
        .fd = STDOUT_FILENO,
        .format = s->common.format,
        .full_events = s->common.full_events,
        .color = s->common.colored,
        .wide = s->common.wide,
        .utc = s->common.utc,
        .summary = s->common.summary,
        .kinds = s->common.object.cfg.event_mask,
        .event_mask = s->loop.no_output ? 0 : s->common.event_mask,
        .cid_seed = s->common.cid_seed,
        .labels = &s->common.labels,
        .sample = s->common.sample,
        .host = host,
        .owners = s->loop.owners,
        .seq = s->pin.adopted ? sw_checkpoint_last(&s->pin.at->saved)->seq : 0,
    };
    int err;

    if (s->pin.adopted) {
        sw_checkpoint_counts(&s->pin.at->saved, &counts);
        opts.counts = &counts;
    }
    if (!s->loop.no_output && (s->pin.adopted || s->loop.file))
        sw_torn_line_repair(STDOUT_FILENO, s->common.format);
    gethostname(host, sizeof(host) - 1);
    s->loop.clock_offset = opts.clock_offset_ns = sw_clock_offset();
    sw_flow_export_set_clock(s->loop.flow_export, s->loop.clock_offset, 0);
    err = sw_report_new(&opts, &s->loop.report);
    for (size_t i = 0; i < s->hooks.len && !err; i++)
        err = sw_report_set_iface(s->loop.report, s->hooks.ifaces[i].id.ifindex, s->hooks.ifaces[i].id.name);
    if (err)
        return sw_fail(&s->failure, SW_EXIT_MEMORY, err, "report: %s", strerror(-err));
    if (s->guard.given && !s->loop.no_output && !(sw_formatter(opts.format)->lines >> SW_LINE_GUARD & 1))
        sw_info("--format %s has connections only: `synward events` has the guard's lines",
                sw_formatter(opts.format)->name);
    return 0;
}

static void free_report(struct start *s)
{
    sw_report_free(s->loop.report);
}

static int open_readers(struct start *s)
{
    const gid_t group = s->opts->socket_grouped ? s->opts->socket_group : SW_NO_GROUP;

    int err = sw_readers_open(&s->inst, group, s->common.event_mask, &s->loop.readers, &s->failure);

    if (err == -EPERM || err == -EACCES)
        sw_run_dir_foreign(err, &s->failure); /* that may be why */
    return err;
}

static void close_readers(struct start *s)
{
    sw_readers_close(s->loop.readers);
    s->loop.readers = NULL;
}

static int open_guard(struct start *s)
{
    if (!s->loop.guard)
        return 0;
    return sw_guard_runtime_open(s->loop.guard, s->loop.obj, &s->hooks, s->loop.clock_offset, &s->failure);
}

static int fill_new_guard(struct start *s)
{
    return s->loop.guard && !s->pin.adopted ? sw_guard_runtime_fill(s->loop.guard, &s->failure) : 0;
}

/*
 * The previous settings remain if the start fails, so this comes last. A mode that was set by `synward guard` is kept,
 * unless --guard differs from the last time.
 */
static int fill_adopted_guard(struct start *s)
{
    bool same = s->pin.adopted && s->pin.at->guard_mode == (__u32)s->guard.mode;
    struct sw_guard before;
    __u32 zero = 0;
    int err;

    if (!s->loop.guard || !s->pin.adopted)
        return 0;
    sw_guard_runtime_adopt(s->loop.guard, !s->guard.key_file && !s->pin.at->key_file);
    if (same && !bpf_map_lookup_elem(bpf_map__fd(s->loop.obj->maps.guard), &zero, &before))
        s->guard.mode = before.mode;
    err = sw_guard_runtime_fill(s->loop.guard, &s->failure);
    if (!err && !same)
        sw_guard_runtime_set_mode(s->loop.guard, s->guard.mode);
    return err;
}

static int make_pins(struct start *s)
{
    return s->opts->pinned ? sw_pin_make(&s->pin, s->loop.obj, &s->hooks, &s->failure) : 0;
}

static void undo_pins(struct start *s)
{
    sw_pin_undo(&s->pin);
}

static int attach(struct start *s)
{
    return sw_hooks_attach(&s->hooks, s->loop.obj, s->opts->mode, &s->failure);
}

/* What is pinned stays attached once it has settled; before that it is as it was. */
static void detach(struct start *s)
{
    if (s->hooks.pinned && !s->committed)
        sw_hooks_pinned_undo(&s->hooks);
    else
        sw_hooks_detach(&s->hooks);
}

/* From here on it is left there. */
static int commit_pins(struct start *s)
{
    if (!s->loop.pin)
        return 0;
    if (s->pin.adopted)
        sw_info("continuing with pinned state '%s' (synward %.31s, pid %d)", s->pin.name, s->pin.at->made_by,
                s->pin.at->pid);
    sw_hooks_pinned_commit(&s->hooks);
    sw_pin_commit(&s->pin, &s->hooks, s->inst.pid);
    s->pin.at->guard_mode = s->opts->guard.mode;
    s->pin.at->key_file = !!s->guard.key_file;
    s->pin.at->gateway = s->guard.gateway;
    sw_instance_forget(s->pin.name);
    s->committed = true;
    return 0;
}

static int end_start(struct start *s)
{
    unlock_start(s);
    return 0;
}

/*
 * A start, step by step. If one fails, its undo and those of the steps before run, the last one first; at the end of
 * the run all of them run. Each undo is safe after a step that failed half-way or did nothing.
 */
static const struct step {
    int (*take)(struct start *s); /* 0, or -errno with s->failure */
    void (*undo)(struct start *s);
} steps[] = {
    {add_interfaces, NULL},
    {open_owners, close_owners}, /* its process has none of what is opened or read from here on */
    {prepare_guard, free_guard},
    {open_output, close_output},
    {open_exporter, close_exporter},
    {open_flow_export, close_flow_export},
    {lock_start, unlock_start}, /* one start at a time */
    {catch_signals, close_signals},
    {open_pins, close_pins},
    {take_over, NULL},
    {announce_start, withdraw}, /* before anything is tried on the interfaces */
    {load, free_object},
    {make_report, free_report},
    {open_readers, close_readers},
    {open_guard, free_guard},
    {fill_new_guard, NULL},
    {make_pins, undo_pins},
    {announce_start, withdraw}, /* with the ids of the maps: if we are killed in between, the next start finds them */
    {attach, detach},
    {announce_attached, NULL},
    {fill_adopted_guard, NULL},
    {commit_pins, NULL},
    {end_start, NULL},
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* How many steps were begun; the last one failed if *ret_err. */
static size_t start(struct start *s, int *ret_err)
{
    size_t n = 0;

    for (*ret_err = 0; n < STEPS && !*ret_err; n++)
        *ret_err = steps[n].take(s);
    return n;
}

static void undo(struct start *s, size_t begun)
{
    while (begun--)
        if (steps[begun].undo)
            steps[begun].undo(s);
}

static void report_hooks(struct start *s)
{
    for (size_t i = 0; i < s->hooks.len; i++) {
        const struct sw_hook_iface *iface = &s->hooks.ifaces[i];

        if (iface->native_error)
            sw_info("'%s' takes no native XDP (%s): generic XDP is used, which is slower", iface->id.name,
                    strerror(-iface->native_error));
        if (iface->no_answers && iface->xdp_mode == XDP_MODE_SKB && s->opts->mode == SW_MODE_AUTO)
            sw_info(
                "'%s' is a veth whose other end has no XDP program, so native XDP could send no answer: generic XDP is "
                "used, which is slower",
                iface->id.name);
        if (iface->egress_error && !iface->loopback)
            sw_info("'%s' takes no egress hook (%s): what this host sends is inferred", iface->id.name,
                    strerror(-iface->egress_error));
    }
    if (s->loop.guard)
        sw_guard_runtime_report(s->loop.guard, &s->hooks);
}

void sw_run_defaults(struct sw_run *run)
{
    sw_common_defaults(&run->common, false);
    sw_guard_defaults(&run->guard);
    run->common.owner = SW_OWNER_SOCKET;
    sw_export_defaults(&run->flow_export);
    run->exporter.interval_ns = 10 * SW_SECOND;
}

/* The terminal's signals reach us, and so do those of its keys. */
static bool has_terminal(void)
{
    return isatty(STDERR_FILENO) && tcgetpgrp(STDERR_FILENO) == getpgrp();
}

static void init(struct start *s, const struct sw_run *run)
{
    s->opts = run;
    s->common = run->common;
    if (run->common.object.server_ports)
        s->common.object.server_ports = s->common.server_ports;
    if (run->common.object.filter)
        s->common.object.filter = &s->common.filter;
    s->guard = run->guard;
    s->inst = (struct sw_instance){.pid = getpid(),
                                   .netns = sw_instance_netns(),
                                   .started = time(NULL),
                                   .contract = SW_CONTRACT_VERSION,
                                   .fd = -1};
    memcpy(s->pin.name, run->pin_name, sizeof(s->pin.name));
    if (run->pinned)
        memcpy(s->inst.pin, run->pin_name, sizeof(s->inst.pin));
    s->hooks.ingress_only = run->ingress_only;
    s->service = sw_notify_open();
    s->start_lock = s->pin.fd = -1;
    s->loop = (struct sw_loop){.opts = &s->common,
                               .hooks = &s->hooks,
                               .inst = &s->inst,
                               .duration_ns = run->duration_ns,
                               .no_output = run->common.output && !strcmp(run->common.output, "none"),
                               .log_open_at_exit = run->log_open_at_exit,
                               .terminal = has_terminal(),
                               .signal_fd = -1};
}

int sw_run(const struct sw_run *run)
{
    struct start *s = calloc(1, sizeof(*s));
    size_t begun;
    int code, err;

    if (!s)
        return SW_EXIT_MEMORY;
    init(s, run);
    begun = start(s, &err);
    if (err) {
        code = s->failure.exit_code;
    } else {
        report_hooks(s);
        code = sw_loop_run(&s->loop, &s->failure);
    }
    if (code)
        sw_err("%s", s->failure.line);
    undo(s, begun);
    free(s);
    return code;
}
