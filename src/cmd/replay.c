/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synward replay: a capture, frame by frame, through the same tracker as a live interface. The clock is the capture's
 * and never runs backwards: a frame that is dated before its predecessor counts as simultaneous with it.
 */
#include "base/exit.h"
#include "base/log.h"
#include "base/pcap.h"
#include "cmd/cmd.h"
#include "cmd/replay_engine.h"
#include "cmd/replay_schedule.h"
#include "config/cli.h"
#include "config/options.h"
#include "daemon/flow_export.h"
#include "daemon/lock_down.h"
#include "events/loss.h"
#include "loader/object.h"
#include "output/conn_id.h"
#include "output/output_file.h"
#include "output/torn_line.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Event time is capture time plus this: in a flow a time of 0 means "not seen", and captures may start in 1970. */
#define EPOCH SW_SECOND
#define LRU_SLACK 4096 /* the LRU keeps free entries for each CPU, and evicts before it is full */
#define PENDING_MAX (128u << 10)
#define UPTIME (1000000ull << 31) /* half of what NetFlow's milliseconds can say */

struct replay {
    struct sw_common_opts opts;
    struct sw_export_opts export_opts;
    struct sw_flow_export *flow_export; /* of --export, or NULL */
    const char *path;
    const char *name; /* of the capture, without its folders */
    struct sw_pcap *pcap;
    bool through_bpf;
    struct sw_hash_key hash_key;
    struct sw_replay_engine *engine;
    struct sw_output_file *file; /* of --output, or NULL */
    struct sw_report *report;
    struct sw_account account;
    __u64 now; /* event time */
    struct sw_replay_schedule schedule;
    __u64 next_stats;
    __u64 frames;
    __u64 runts; /* frames without a whole Ethernet header: a test run takes none */
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

/* A signal, without waiting for one: the first one ends the input, the second one the output. */
static void look_for_signal(struct replay *c)
{
    struct signalfd_siginfo info;

    if (read(c->signal_fd, &info, sizeof(info)) <= 0)
        return;
    if (c->stopped)
        c->out_err = -EINTR;
    c->stopped = true;
}

/* The uptime of NetFlow v9 begins so long before the capture that it holds for what lasts as long. */
static void export_event(struct replay *c, const struct sw_event *ev)
{
    if (!c->drained)
        sw_flow_export_set_clock(c->flow_export, -(__s64)EPOCH, ev->ts - UPTIME);
    sw_flow_export_event(c->flow_export, ev);
}

static int on_event(void *arg, void *data, size_t size)
{
    struct replay *c = arg;
    const struct sw_event *ev = data;

    if (size < sizeof(*ev) || size != ev->size)
        return -EINVAL;
    export_event(c, ev);
    int err = sw_report_event(c->report, ev);
    if (err && err != -ENOMEM) /* which the reporter includes in its next loss line */
        return err;
    c->drained++;
    if (sw_report_pending(c->report) > PENDING_MAX) {
        write_out(c);
        if (!c->out_err)
            look_for_signal(c);
    }
    return c->out_err;
}

/* Sweeps at event time until nothing is held back because of a full ring, and reports losses. */
static int sweep(struct replay *c, __u64 flush, bool final)
{
    __u64 before;

    do {
        before = c->drained;
        int err = sw_account_update(&c->account, c->now, flush, final);
        if (!err)
            err = c->engine->read(c->engine);
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
    if (frame->len < ETH_HLEN) {
        c->runts++;
        return 0;
    }
    int err = c->engine->feed(c->engine, frame, c->now);
    return err ? err : c->engine->read(c->engine);
}

static int setup(struct replay *c)
{
    struct utsname uts;

    c->account = (struct sw_account){
        .source = &c->engine->source,
        .event_mask = c->opts.event_mask | c->opts.object.cfg.event_mask,
        .max_flows = c->opts.object.max_flows,
        .max_half_open = c->opts.object.max_half_open,
        .sweep.next = ~0ULL,
        .exports = sw_flow_export_counts(c->flow_export),
    };
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
        .labels = &c->opts.labels,
        .sample = c->opts.sample,
        .host = uname(&uts) ? "" : uts.nodename,
        .clock_offset_ns = -(__s64)EPOCH,
        .replay = true,
        .iface = c->name,
    };
    return sw_report_new(&report, &c->report);
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
    sw_flow_export_end(c->flow_export, c->now, c->account.reported[SW_EV_CONN]);
    if (!err)
        err = sw_account_stats(&c->account, c->report, c->now, true);
    if (!err)
        write_out(c);
    sw_log_text(summary, sw_report_summary(c->report, summary));
    return err ? err : c->out_err;
}

/* A sweep walks these maps, so they are no larger than the capture can fill. */
static void fit_maps(struct replay *c)
{
    struct sw_object_opts *o = &c->opts.object;
    __u64 n = sw_pcap_frames_max(c->pcap);

    o->ended_max = o->max_flows;
    if (n < o->max_flows)
        o->max_flows = n + 1;
    if (n < o->max_half_open && 2 * n + LRU_SLACK < o->max_half_open)
        o->max_half_open = 2 * n + LRU_SLACK;
    if (n < o->syn_cache_max && 4 * n + LRU_SLACK < o->syn_cache_max) /* so that each note finds a place in its set */
        o->syn_cache_max = 4 * n + LRU_SLACK;
}

/* Whose connections share a slot goes by numbers that nobody knows who made some of the capture's packets; but of one
 * capture, and its copies, the lines are the same each time. */
static void key_hashes(struct replay *c)
{
    static __u8 begin[64 << 10];
    struct stat st;
    ssize_t len;
    int fd;

    if (!strcmp(c->path, "-") || stat(c->path, &st) || !S_ISREG(st.st_mode))
        return; /* random ones */
    fd = open(c->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    len = read(fd, begin, sizeof(begin));
    close(fd);
    if (len < 0)
        return;
    for (size_t i = 0; i < sizeof(c->hash_key.word) / sizeof(c->hash_key.word[0]); i++) {
        const __u64 key[2] = {i, st.st_size};
        __u64 hash[2];

        sw_siphash128(key, begin, len, hash);
        c->hash_key.word[i] = hash[0];
    }
    c->opts.object.hash_key = &c->hash_key;
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
    key_hashes(c);
    int err = (c->through_bpf ? sw_replay_bpf : sw_replay_native)(&c->opts.object, on_event, c, &c->engine, &reason);
    if (err) {
        sw_err("replay: %s: %s", c->through_bpf ? "cannot load the BPF programs" : "cannot start",
               reason ? reason : strerror(-err));
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
    if (sw_flow_export_open(&c->export_opts, &c->flow_export, &failure)) {
        sw_err("replay: %s", failure.line);
        return failure.exit_code;
    }
    err = setup(c);
    if (err) {
        sw_err("replay: cannot start: %s", strerror(-err));
        return err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INTERNAL;
    }
    if (sw_lock_down_replay(&c->opts, c->engine->obj, &failure)) {
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

    int err = feed_all(c, &read), memory = err == -ENOMEM ? err : 0;
    if (!c->out_err && (!err || memory)) /* also what had a place when memory ended has its lines */
        err = finish(c);
    err = err ? err : memory;
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
        return err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INTERNAL;
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
    sw_flow_export_free(c->flow_export);
    if (c->engine)
        c->engine->free(c->engine);
    sw_pcap_close(c->pcap);
    close(c->signal_fd);
    free(c);
    return code;
}

static const struct sw_option options[] = {
    {"no-checksum", 'C', .type = SW_OPT_CLEAR, SW_FIELD(struct replay, opts.object.cfg.checksum),
     .help = "do not verify TCP checksums, as Zeek's -C: the same as --checksum=off"},
    {"through-bpf", .type = SW_OPT_SET, SW_FIELD(struct replay, through_bpf),
     .help = "feed the frames to the program in the kernel, as a live interface does: needs root, gives each "
             "connection the same lines, and takes several times as long"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

static void defaults(void *opts)
{
    struct replay *c = opts;

    sw_common_defaults(&c->opts, true);
    sw_export_defaults(&c->export_opts);
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
    struct replay *c = opts;

    if (!operands_len)
        sw_usage_die(cli, "which capture? FILE, or - for standard input");
    sw_export_check(cli, &c->export_opts, &c->opts);
}

const struct sw_command sw_replay_command = {
    .name = "replay",
    .summary = "the same tracker over a capture file",
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
               {&sw_rules_group, offsetof(struct replay, opts.filter)},
               {&sw_export_group, offsetof(struct replay, export_opts)}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
