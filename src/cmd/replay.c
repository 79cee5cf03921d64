/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synward replay: a capture, frame by frame, through the same program as a live interface, by
 * BPF_PROG_TEST_RUN. The clock is the capture's and never runs backwards: a frame that is dated
 * before its predecessor counts as simultaneous with it.
 */
#include "base/exit.h"
#include "base/log.h"
#include "base/pcap.h"
#include "cmd/cmd.h"
#include "cmd/replay_schedule.h"
#include "config/cli.h"
#include "config/options.h"
#include "daemon/lock_down.h"
#include "events/loss.h"
#include "output/output_file.h"
#include "output/torn_line.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Event time is capture time plus this: in a flow a time of 0 means "not seen", and captures may start in 1970. */
#define EPOCH SW_SECOND
#define FRAME_MAX (72 << 10) /* what a test run takes with frags: a page and 17 more */
#define FRAME_LINEAR 3000    /* and without, before Linux 5.18 */
#define LRU_SLACK 4096       /* the LRU keeps free entries for each CPU, and evicts before it is full */
#define PENDING_MAX (128u << 10)

struct replay {
    struct sw_common_opts opts;
    const char *path;
    const char *name; /* of the capture, without its folders */
    struct sw_pcap *pcap;
    struct synward_bpf *obj;
    struct ring_buffer *rings[SW_RINGS]; /* in this order: what one holds happened before what the next one holds */
    struct sw_output_file *file;         /* of --output, or NULL */
    struct sw_report *report;
    struct sw_account account;
    struct bpf_test_run_opts run;
    __u64 now; /* event time */
    struct sw_replay_schedule schedule;
    __u64 next_stats;
    __u64 frames;
    __u64 runts;     /* frames without a whole Ethernet header: no test run takes them */
    __u32 frame_max; /* longer frames are handed over cut, as a snap length would */
    __u64 drained;
    int signal_fd; /* SIGINT, SIGTERM */
    bool stopped;
    int out_err; /* first failure of the output */
};

/* Waits for fd. Returns true if a signal came first. */
static bool interrupted(struct replay *c, int fd, short events)
{
    struct pollfd fds[] = {{.fd = c->signal_fd, .events = POLLIN}, {.fd = fd, .events = events}};
    struct signalfd_siginfo info;

    if (poll(fds, 2, -1) < 0 || !fds[0].revents)
        return false;
    return read(c->signal_fd, &info, sizeof(info)) > 0;
}

/* Writes all pending lines, waiting for the reader; a signal ends the wait. */
static void write_out(struct replay *c)
{
    while (!c->out_err) {
        int err = sw_report_flush(c->report);
        if (err != -EAGAIN) {
            c->out_err = err;
            return;
        }
        if (interrupted(c, STDOUT_FILENO, POLLOUT))
            c->out_err = -EINTR;
    }
}

/* The first signal ends the input only: open connections still get their lines. */
static int on_idle(void *arg, int fd)
{
    struct replay *c = arg;

    if (c->report)
        write_out(c);
    if (!c->out_err && !c->stopped)
        c->stopped = interrupted(c, fd, POLLIN);
    return c->out_err || c->stopped;
}

static int on_event(void *arg, void *data, size_t size)
{
    struct replay *c = arg;
    const struct sw_event *ev = data;

    if (size < sizeof(*ev) || size != ev->size)
        return -EINVAL;
    int err = sw_report_event(c->report, ev);
    if (err && err != -ENOMEM) /* which the reporter includes in its next loss line */
        return err;
    c->drained++;
    if (sw_report_pending(c->report) > PENDING_MAX)
        write_out(c);
    return c->out_err;
}

static int drain(struct replay *c)
{
    for (int i = 0; i < SW_RINGS; i++) {
        int n = ring_buffer__consume(c->rings[i]);
        if (n < 0)
            return n;
    }
    return 0;
}

/* Sweeps at event time until nothing is held back because of a full ring, and reports losses. */
static int sweep(struct replay *c, __u64 flush, bool final)
{
    __u64 before;

    c->obj->bss->replay_now = c->now;
    do {
        before = c->drained;
        int err = sw_account_update(&c->account, c->now, flush, final);
        if (!err)
            err = drain(c);
        if (err)
            return err;
    } while (c->account.sweep.held_back && c->drained > before);
    c->account.counters[SW_C_PACKETS] += c->runts;
    c->account.counters[SW_C_TRUNCATED] += c->runts;
    return sw_account_loss(&c->account, c->report, c->now);
}

/* Moves the clock on to ts, with the sweeps that are due on the way. */
static int advance(struct replay *c, __u64 ts)
{
    if (!c->frames) {
        c->now = ts;
        sw_replay_schedule_start(&c->schedule, &c->opts.object.cfg, ts);
        c->next_stats = c->opts.interval_ns ? ts + c->opts.interval_ns : ~0ULL;
    }
    if (ts <= c->now)
        return 0;
    sw_replay_schedule_frame(&c->schedule, c->now, ts);
    for (__u64 at; (at = sw_replay_schedule_next(&c->schedule, c->account.sweep.next, c->next_stats)) <= ts;) {
        c->now = at;
        int err = sweep(c, 0, false);
        sw_replay_schedule_swept(&c->schedule, at);
        if (!err && c->now >= c->next_stats) {
            err = sw_account_stats(&c->account, c->report, c->now, false);
            c->next_stats = c->now + c->opts.interval_ns;
        }
        if (err)
            return err;
    }
    c->now = ts;
    return 0;
}

static int feed(struct replay *c, const struct sw_frame *frame)
{
    int fd = bpf_program__fd(c->obj->progs.sw_ingress);

    if (frame->len < ETH_HLEN) {
        c->runts++;
        return 0;
    }
    c->obj->bss->replay_now = c->now;
    c->obj->bss->replay_wire = frame->wire;
    c->obj->bss->replay_captured = frame->len;
    c->run.data_in = frame->data;
    c->run.data_size_in = frame->len < c->frame_max ? frame->len : c->frame_max;
    c->run.data_size_out = 0; /* the last run left its frame's here, and would be taken for a limit */
    int err = bpf_prog_test_run_opts(fd, &c->run);
    if (err && err != -EINTR && c->run.data_size_in > FRAME_LINEAR) {
        c->frame_max = c->run.data_size_in = FRAME_LINEAR;
        c->run.data_size_out = 0;
        err = bpf_prog_test_run_opts(fd, &c->run);
    }
    if (err == -EINTR) /* before 5.13: it ran, and we were stopped (SIGSTOP, a debugger) meanwhile */
        err = 0;
    return err ? err : drain(c);
}

static int setup(struct replay *c)
{
    struct utsname uts;

    c->frame_max = FRAME_MAX;
    c->account = (struct sw_account){
        .obj = c->obj,
        .event_mask = c->opts.event_mask | c->opts.object.cfg.event_mask,
        .max_flows = c->opts.object.max_flows,
        .max_half_open = c->opts.object.max_half_open,
        .sweep.next = ~0ULL,
    };
    c->run = (struct bpf_test_run_opts){.sz = sizeof(c->run), .repeat = 1};
    struct sw_report_opts report = {
        .fd = STDOUT_FILENO,
        .format = c->opts.format,
        .full_events = c->opts.full_events,
        .color = c->opts.colored,
        .wide = c->opts.wide,
        .utc = c->opts.utc,
        .summary = c->opts.summary,
        .kinds = c->opts.object.cfg.event_mask,
        .event_mask = c->opts.event_mask,
        .cid_seed = c->opts.cid_seed,
        .host = uname(&uts) ? "" : uts.nodename,
        .clock_offset_ns = -(__s64)EPOCH,
        .replay = true,
        .iface = c->name,
    };
    int err = sw_report_new(&report, &c->report);
    if (err)
        return err;
    const struct bpf_map *maps[] = {c->obj->maps.events, c->obj->maps.events_open, c->obj->maps.events_anomaly};
    for (int i = 0; i < SW_RINGS; i++) {
        c->rings[i] = ring_buffer__new(bpf_map__fd(maps[i]), on_event, c, NULL);
        if (!c->rings[i])
            return -errno;
    }
    return 0;
}

/* Feeds the whole capture. *ret_read is the last result of the reader: 0 the end, -EIO damaged. */
static int feed_all(struct replay *c, int *ret_read)
{
    struct sw_frame frame;
    int err = 0;

    while (!c->stopped && !err && (*ret_read = sw_pcap_next(c->pcap, &frame)) == 1) {
        err = advance(c, frame.ts + EPOCH);
        if (!err)
            err = feed(c, &frame);
        c->frames++;
    }
    return err;
}

/* Whatever is still open gets its conn line; nothing that was tracked is lost to a bad end of the input. */
static int finish(struct replay *c)
{
    char summary[SW_SUMMARY_ROOM];

    int err = sweep(c, 2, true);
    if (!err)
        err = sw_account_stats(&c->account, c->report, c->now, true);
    if (!err)
        write_out(c);
    sw_log_text(summary, sw_report_summary(c->report, summary));
    return err ? err : c->out_err;
}

/* A sweep walks the whole maps, so they are no larger than the capture can fill. */
static void fit_maps(struct replay *c)
{
    struct sw_object_opts *o = &c->opts.object;
    __u64 n = sw_pcap_frames_max(c->pcap);

    if (n < o->max_flows)
        o->max_flows = n + 1;
    if (n < o->max_half_open && 2 * n + LRU_SLACK < o->max_half_open)
        o->max_half_open = 2 * n + LRU_SLACK;
    if (n < o->syn_cache_max && 2 * n + LRU_SLACK < o->syn_cache_max)
        o->syn_cache_max = 2 * n + LRU_SLACK;
}

static int open_all(struct replay *c)
{
    struct sw_failure failure;
    const char *reason = NULL;
    char why[512];

    const char *slash = strrchr(c->path, '/');
    c->name = !strcmp(c->path, "-") ? "stdin" : slash ? slash + 1 : c->path;
    if (!strcmp(c->path, "-") && isatty(STDIN_FILENO)) {
        sw_err("replay: standard input is a terminal, not a capture");
        return SW_EXIT_INPUT;
    }
    if (sw_pcap_open(c->path, on_idle, c, &c->pcap, why, sizeof(why))) {
        sw_err("replay: %s: %s", c->path, why);
        return SW_EXIT_INPUT;
    }
    fit_maps(c);
    int err = sw_object_new(&c->opts.object, &c->obj, &reason);
    if (err) {
        sw_err("replay: cannot load the BPF programs: %s", reason ? reason : strerror(-err));
        return sw_object_exit_code(err);
    }
    if (c->opts.output) {
        err = sw_output_open(c->opts.output, &(struct sw_rotation){0}, &c->file);
        if (err) {
            sw_err("replay: output '%s': %s", c->opts.output, strerror(-err));
            return SW_EXIT_OUTPUT;
        }
        if (c->file)
            sw_torn_line_repair(STDOUT_FILENO, c->opts.format);
    }
    err = setup(c);
    if (err) {
        sw_err("replay: cannot start: %s", strerror(-err));
        return err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INTERNAL;
    }
    if (sw_lock_down_replay(&c->opts, c->obj, &failure)) {
        sw_err("replay: %s", failure.line);
        return failure.exit_code;
    }
    return SW_EXIT_OK;
}

/* As Zeek does: where a capture was made, checksums may not have been there yet. */
static void warn_of_checksums(const struct replay *c)
{
    const __u64 bad = c->account.counters[SW_C_BAD_CHECKSUM], all = c->account.counters[SW_C_TCP];

    if (bad > all / 2)
        sw_warn(
            "replay: %s: %llu of %llu TCP checksums are wrong, and such segments are not tracked; if the capture was "
            "made where the network card computes them, -C takes them as they are",
            c->path, (unsigned long long)bad, (unsigned long long)all);
}

static int replay(struct replay *c)
{
    int read = 0;

    int err = feed_all(c, &read);
    if (!c->out_err && !err)
        err = finish(c);
    if (!c->out_err && !err)
        warn_of_checksums(c);
    if (c->out_err == -EPIPE || c->out_err == -EINTR)
        return SW_EXIT_OK;
    if (c->out_err) {
        sw_err("replay: %s: %s", c->opts.output ? c->opts.output : "standard output", strerror(-c->out_err));
        return SW_EXIT_OUTPUT;
    }
    if (err) {
        sw_err("replay: frame %llu: %s", (unsigned long long)c->frames, strerror(-err));
        return SW_EXIT_INTERNAL;
    }
    if (read < 0 && !c->stopped) {
        sw_err("replay: %s: damaged after frame %llu: %s", c->path, (unsigned long long)c->frames,
               sw_pcap_why(c->pcap));
        return SW_EXIT_INPUT;
    }
    return SW_EXIT_OK;
}

static int cmd_replay(int argc, char **argv)
{
    struct replay *c = calloc(1, sizeof(*c));

    if (!c)
        return SW_EXIT_MEMORY;
    sw_parse(&sw_replay_command, argc, argv, c);
    sw_log_init(c->opts.verbose);

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    c->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);

    int code = open_all(c);
    if (code == SW_EXIT_OK)
        code = replay(c);
    sw_report_free(c->report);
    sw_output_free(c->file);
    for (int i = 0; i < SW_RINGS; i++)
        ring_buffer__free(c->rings[i]);
    sw_object_free(c->obj);
    sw_pcap_close(c->pcap);
    close(c->signal_fd);
    free(c);
    return code;
}

static const struct sw_option options[] = {
    {"no-checksum", 'C', .type = SW_OPT_CLEAR, SW_FIELD(struct replay, opts.object.cfg.checksum),
     .help = "do not verify TCP checksums, as Zeek's -C: the same as --checksum=off"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

static void defaults(void *opts)
{
    struct replay *c = opts;

    sw_common_defaults(&c->opts, true);
}

static const struct sw_operand operands[] = {{"FILE", .complete = SW_COMPLETE_FILES}, {0}};

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct replay *c = opts;

    if (n)
        sw_usage_die(cli, "one capture at a time: '%s' is one too many", arg);
    c->path = arg;
    return 0;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    (void)opts;
    if (!operands_len)
        sw_usage_die(cli, "which capture? FILE, or - for standard input");
}

const struct sw_command sw_replay_command = {
    .name = "replay",
    .summary = "the same program over a capture file",
    .args_doc = "FILE",
    .doc = "Runs the capture FILE (pcap or pcapng, - is standard input) through the tracker, with the capture's own "
           "clock.\v--interval is of capture time. Connections that are open when the capture ends get their conn "
           "line with reason end_of_input.",
    .main = cmd_replay,
    .size = sizeof(struct replay),
    .defaults = defaults,
    .groups = {{&group, 0},
               {&sw_common_group, offsetof(struct replay, opts)},
               {&sw_timeout_group, offsetof(struct replay, opts)},
               {&sw_rules_group, offsetof(struct replay, opts.filter)}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
