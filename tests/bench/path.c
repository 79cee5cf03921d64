/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nanoseconds per packet over an empty program, in one run on one core: the same driver plays the same
 * segments (drive.bpf.c) once into an empty program and once into synward's, round after round in turn.
 * Each scenario checks by synward's own counters that it measured what its name says. docs/performance.md
 * emits how to read it. SW_BENCH_ROUNDS sets the rounds, SW_BENCH_ONLY picks scenarios by a part of the name,
 * SW_BENCH_GUARD (set to anything): with the guard in the programs, no service protected; SW_BENCH_SERVICE: the server
 * is a service as well, and calm, with SW_BENCH_ACCEPT as behind an edge; SW_BENCH_LADDER: with ladders.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "drive.h"
#include "pkt.h"
#include "base/filter_rules.h"
#include "base/log.h"
#include "events/reader.h"
#include "loader/filter.h"
#include "loader/map_reader.h"
#include "loader/object.h"
#include "loader/sweep.h"
#include "output/report.h"
#include "drive.skel.h"
#include "synward.skel.h"

enum { ROUNDS_MAX = 99, HEADERS = 52, FRAME = 1514 };
enum { FIN = TH_FIN_, SYN = TH_SYN_, RST = TH_RST_, PSH = TH_PSH_, ACK = TH_ACK_ };

struct bench {
    struct synward_bpf *sw;
    struct drive_bpf *dr;
    struct sw_rings rings;
    struct sw_report *report;
    struct sw_object_opts opts;
    __u8 frame[FRAME + 20];
    size_t len;
    int rounds;
    __u64 before[SW_C_MAX]; /* counters when the scenario's measured part began */
};

/* One scenario: how to play, how often in a round, what it must have done. */
struct scenario {
    const char *name;
    const struct drive_step *script;
    __u32 steps;
    __u32 flows;             /* established before, then taken in turn; 0: every connection is a new one */
    __u32 runs;              /* segments in a round */
    enum sw_counter expect;  /* this counter grows by one for each `per` segments */
    __u32 per;               /* segments that the printed figure is for: 1, or a whole connection's */
    bool six, egress, flood; /* flood: nothing is drained, the map half_open is full */
    __u16 ether_type;        /* not TCP: this type, */
    __u8 proto;              /* or this IP protocol */
    const char *filter;      /* a list's name and its items */
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* data offset 10: the options of a usual SYN; 8: timestamps */
#define SEG(flags, seq, ack, len, server)                                                                              \
    {                                                                                                                  \
        (seq), (ack), 0, 0, ((flags)&SYN ? 10 : 8) << 12 | (flags), ((flags)&SYN ? HEADERS + 8 : HEADERS) + (len),     \
            server                                                                                                     \
    }

static const struct drive_step connection[] = {
    SEG(SYN, 0, 0, 0, 0),         SEG(SYN | ACK, 0, 1, 0, 1),      SEG(ACK, 1, 1, 0, 0),
    SEG(ACK | PSH, 1, 1, 200, 0),                                  /* request */
    SEG(ACK, 1, 201, 0, 1),       SEG(ACK | PSH, 1, 201, 1000, 1), /* response */
    SEG(ACK, 201, 1001, 0, 0),    SEG(FIN | ACK, 201, 1001, 0, 0), SEG(FIN | ACK, 1001, 202, 0, 1),
    SEG(ACK, 202, 1002, 0, 0),
};
enum { CONNECTION = sizeof(connection) / sizeof(connection[0]), ESTABLISHED_AFTER = 7 };

static const struct drive_step data_in[] = {{201, 1001, 1448, 0, 8 << 12 | ACK, HEADERS + 1448, 0}};
static const struct drive_step pure_ack[] = {{201, 1001, 0, 0, 8 << 12 | ACK, HEADERS, 0}};
/* two segments of data, then what acknowledges both */
static const struct drive_step transfer[] = {
    {201, 1001, 2896, 0, 8 << 12 | ACK, HEADERS + 1448, 0},
    {1649, 1001, 2896, 0, 8 << 12 | ACK, HEADERS + 1448, 0},
    {1001, 3097, 0, 2896, 8 << 12 | ACK, HEADERS, 1},
};
static const struct drive_step lost_again[] = {{1, 1001, 0, 0, 8 << 12 | ACK, HEADERS + 200, 0}};
static const struct drive_step syn[] = {SEG(SYN, 0, 0, 0, 0)};
static const struct drive_step answered[] = {SEG(SYN, 0, 0, 0, 0), SEG(SYN | ACK, 0, 1, 0, 1)};

#define SCRIPT(s) .script = (s), .steps = sizeof(s) / sizeof((s)[0])
static const struct scenario scenarios[] = {
    {"ARP", .runs = 400000, .expect = SW_C_NOT_IP, .per = 1, .ether_type = 0x0806},
    {"UDP", .runs = 400000, .expect = SW_C_NOT_TCP, .per = 1, .proto = 17},
    {"UDP, IPv6", .runs = 400000, .expect = SW_C_NOT_TCP, .per = 1, .proto = 17, .six = true},
    {"data segment", SCRIPT(data_in), 1, 400000, SW_C_FAST_PATH, 1},
    {"data segment, IPv6", SCRIPT(data_in), 1, 400000, SW_C_FAST_PATH, 1, .six = true},
    {"data segment, 32768 flows", SCRIPT(data_in), 32768, 262144, SW_C_FAST_PATH, 1},
    {"data segment, egress hook", SCRIPT(data_in), 1, 400000, SW_C_FAST_PATH, 1, .egress = true},
    {"pure ACK", SCRIPT(pure_ack), 1, 400000, SW_C_FAST_PATH, 1},
    {"data and ACKs, both ways", SCRIPT(transfer), 1, 399999, SW_C_FAST_PATH, 1},
    {"retransmission (not fast)", SCRIPT(lost_again), 1, 200000, SW_C_TCP, 1},
    {"filter: another port", SCRIPT(data_in), 1, 400000, SW_C_FAST_PATH, 1, .filter = "not-port 9000"},
    {"filter: another network", SCRIPT(data_in), 1, 400000, SW_C_FAST_PATH, 1, .filter = "not-net 192.0.2.0/24"},
    {"excluded by its port", SCRIPT(data_in), 1, 400000, SW_C_FILTERED, 1, .filter = "not-port 443"},
    {"excluded by its network", SCRIPT(data_in), 1, 400000, SW_C_FILTERED, 1, .filter = "not-net 10.0.0.0/8"},
    {"excluded by one of 16 networks", SCRIPT(data_in), 1, 400000, SW_C_FILTERED, 1,
     .filter = "not-net 192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5,192.0.2.6,192.0.2.7,192.0.2.8,192.0.2.9,"
               "192.0.2.10,192.0.2.11,192.0.2.12,192.0.2.13,192.0.2.14,192.0.2.15,10.0.0.0/8"},
    {"excluded by its server's port", SCRIPT(data_in), 0, 16384, SW_C_FILTERED, 1, .filter = "not-server 443"},
    {"SYN", SCRIPT(syn), 0, 16384, SW_C_HALF_OPEN_CREATED, 1},
    {"SYN flood, map and ring full", SCRIPT(syn), 0, 131072, SW_C_HALF_OPEN_CREATED, 1, .flood = true},
    {"the same, each SYN answered", SCRIPT(answered), 0, 131072, SW_C_OPENING_DEFERRED, 2, .flood = true},
    {"connection of 10 segments", SCRIPT(connection), 0, CONNECTION * 8192, SW_C_HALF_OPEN_PROMOTED, CONNECTION},
    {"the same, both ends this host's", SCRIPT(connection), 0, CONNECTION * 8192, SW_C_HALF_OPEN_PROMOTED, CONNECTION,
     .egress = true},
};

static void frame_build(struct bench *b, const struct scenario *s)
{
    struct pkt p = {.v6 = s->six, .sport = 1024, .dport = 443, .flags = SYN, .win = 8192, .payload = 1448};

    if (s->six) {
        p.src[0] = p.dst[0] = 0x20;
        p.src[1] = p.dst[1] = 0x01;
    } else {
        pkt_v4(p.src, 0x0a000001);
        pkt_v4(p.dst, 0x0a630001);
    }
    if (s->script)
        pkt_opt_usual(&p, 1460, 7);
    p.payload = s->script ? 1440 : 100;
    p.proto = s->proto;
    p.force_eth = s->ether_type;
    b->len = pkt_build(&p, b->frame, sizeof(b->frame));
}

static void drive_set(struct bench *b, const struct drive_step *script, __u32 steps, __u32 flows, bool six)
{
    struct drive *d = &b->dr->bss->drive;

    memset(d, 0, sizeof(*d));
    if (script)
        memcpy(d->step, script, steps * sizeof(*script));
    d->steps = steps;
    d->mask = flows ? flows - 1 : ~0u;
    d->shift = flows ? (__u32)__builtin_ctz(flows) : 0;
    d->six = six;
    d->still = !script;
    d->stir = 1;
}

static int aim(struct bench *b, bool egress, bool empty)
{
    const struct bpf_program *to = egress ? (empty ? b->dr->progs.empty_skb : b->sw->progs.sw_egress)
                                          : (empty ? b->dr->progs.empty_xdp : sw_object_ingress(b->sw));
    int map = bpf_map__fd(egress ? b->dr->maps.next_skb : b->dr->maps.next_xdp), fd = bpf_program__fd(to);
    __u32 slot = 0;

    return bpf_map_update_elem(map, &slot, &fd, BPF_ANY) ? -errno : 0;
}

/* Plays n segments; the time of each, in nanoseconds. */
static int play(struct bench *b, bool egress, __u32 n, double *ret_ns)
{
    struct bpf_program *prog = egress ? b->dr->progs.drive_skb : b->dr->progs.drive_xdp;
    __u8 out[FRAME + 64];
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = b->frame, .data_size_in = b->len, .data_out = out,
                .data_size_out = sizeof(out), .repeat = (int)n);

    if (bpf_prog_test_run_opts(bpf_program__fd(prog), &run))
        return -errno;
    /* whole nanoseconds, cut off; alike for both programs of a round. The wall clock would add the waiting of the
     * call itself, whole ticks of it */
    *ret_ns = run.duration;
    return (int)run.retval == (egress ? -1 : 2) ? 0 : -EPROTO;
}

static void drain(struct bench *b)
{
    for (int i = 0; i < SW_RINGS; i++)
        while (sw_rings_take(&b->rings, i))
            ;
}

/* Ends every flow and reads every record, so that the next round finds what this one found. */
static int clear(struct bench *b)
{
    struct sw_sweep sweep;
    int err, left = 64;

    do {
        drain(b);
        err = sw_object_sweep(b->sw, 0, 2, &sweep);
    } while (!err && sweep.held_back && left--);
    drain(b);
    return err ? err : sweep.held_back ? -EBUSY : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* NULL: none. */
static int filter_set(struct bench *b, const char *text)
{
    struct sw_filter_rules rules = {0};
    struct sw_filter_map *map;
    char why[160];
    int err = sw_filter_map(bpf_map__fd(b->sw->maps.filter), &map);

    for (int list = 0; text && list < SW_FL_MAX && !err; list++) {
        size_t len = strlen(sw_filter_list_names[list]);

        if (!strncmp(text, sw_filter_list_names[list], len) && text[len] == ' ')
            err = sw_filter_add(&rules, list, text + len + 1, why, sizeof(why));
    }
    if (err)
        return err;
    sw_filter_init(map, &rules);
    sw_filter_unmap(map);
    return text && !rules.lists ? -EINVAL : 0;
}

static int scenario_prepare(struct bench *b, const struct scenario *s)
{
    double ns;
    int err = filter_set(b, NULL);

    if (!err)
        err = clear(b);
    if (!err)
        err = aim(b, s->egress, false);
    if (!err && s->flows) {
        /* the flows' data is all in the driver's first round: 0 of what advances was sent yet */
        drive_set(b, connection, ESTABLISHED_AFTER, s->flows, s->six);
        err = play(b, s->egress, ESTABLISHED_AFTER * s->flows, &ns);
        drain(b);
    }
    if (!err && s->filter)
        err = filter_set(b, s->filter);
    if (!err && s->flood) {
        drive_set(b, s->script, s->steps, 0, s->six);
        err = play(b, s->egress, 12 * s->steps * b->opts.max_half_open, &ns); /* the SYN cache is full, too */
    }
    return err;
}

/* One round over the empty program and one over synward's, with the same segments. */
static int scenario_round(struct bench *b, const struct scenario *s, double *ret_empty, double *ret_ours)
{
    struct drive from;
    int err;

    if (!s->flows && !s->flood && s->script) {
        err = clear(b);
        if (err)
            return err;
    }
    memcpy(&from, &b->dr->bss->drive, sizeof(from));
    err = aim(b, s->egress, true);
    if (!err)
        err = play(b, s->egress, s->runs, ret_empty);
    memcpy(&b->dr->bss->drive, &from, sizeof(from));
    if (!err)
        err = aim(b, s->egress, false);
    if (!err)
        err = play(b, s->egress, s->runs, ret_ours);
    return err;
}

/* A benchmark that measured another path than it says is worse than none. */
static int scenario_check(struct bench *b, const struct scenario *s)
{
    __u64 after[SW_C_MAX], want = (__u64)s->runs / s->per * (__u64)b->rounds, got;
    int err = sw_counters_read(bpf_map__fd(b->sw->maps.counters), after);

    if (err)
        return err;
    got = after[s->expect] - b->before[s->expect];
    if (s->flood && after[SW_C_OPENING_DEFERRED] == b->before[SW_C_OPENING_DEFERRED])
        got = 0;
    if (got == want)
        return 0;
    fprintf(stderr, "bench: %s: %llu of %llu went the way that was to be measured\n", s->name, got, want);
    return -EPROTO;
}

static int scenario_run(struct bench *b, const struct scenario *s)
{
    double empty[ROUNDS_MAX], over[ROUNDS_MAX], ours;
    int err;

    frame_build(b, s);
    err = scenario_prepare(b, s);
    if (err)
        return err;
    if (!s->flood)
        drive_set(b, s->script, s->steps, s->flows, s->six);
    if (s->flows > 1) /* neighbours in memory one after another would flatter the cache */
        b->dr->bss->drive.stir = 0x9e3779b1;
    err = sw_counters_read(bpf_map__fd(b->sw->maps.counters), b->before);
    for (int i = 0; i < b->rounds && !err; i++) {
        err = scenario_round(b, s, &empty[i], &ours);
        over[i] = (ours - empty[i]) * s->per;
    }
    if (!err)
        err = scenario_check(b, s);
    if (err)
        return err;
    qsort(empty, (size_t)b->rounds, sizeof(double), by_value);
    qsort(over, (size_t)b->rounds, sizeof(double), by_value);
    printf("%-30s %8.1f %8.1f %10.1f\n", s->name, over[0], over[b->rounds / 2], empty[b->rounds / 2]);
    fflush(stdout);
    return 0;
}

static int read_rings(struct bench *b, __u64 *ret_events)
{
    bool more = true;
    int err = 0;

    while (more && !err) {
        more = false;
        for (int i = 0; i < SW_RINGS && !err; i++) {
            more |= sw_rings_take(&b->rings, i);
            for (size_t k = 0; k < b->rings.batch[i].len && !err; k++)
                err = sw_report_event(b->report, sw_batch_at(&b->rings.batch[i], k));
            *ret_events += b->rings.batch[i].len;
        }
        if (!err)
            err = sw_report_flush(b->report);
    }
    return err;
}

/* Real records of whole connections, opening to conn, through the daemon's reader and reporter. */
static int events_run(struct bench *b)
{
    const __u32 conns = 8192;
    double rate[ROUNDS_MAX], sweep_ns[ROUNDS_MAX], start, ns;
    __u64 events = 0;
    struct sw_sweep sweep;
    int err = aim(b, false, false);

    frame_build(b, &scenarios[3]);
    for (int i = 0; i < b->rounds && !err; i++) {
        events = 0;
        err = clear(b);
        drive_set(b, connection, CONNECTION, 0, false);
        b->dr->bss->drive.conn = (__u32)i * conns;
        if (!err)
            err = play(b, false, CONNECTION * conns, &ns);
        start = now_ns();
        if (!err)
            err = sw_object_sweep(b->sw, 0, 2, &sweep);
        sweep_ns[i] = (now_ns() - start) / conns;
        if (!err && sweep.held_back)
            err = -EBUSY;
        start = now_ns();
        if (!err)
            err = read_rings(b, &events);
        rate[i] = (double)events / (now_ns() - start) * 1e9;
        if (!err && events != 4ull * conns) {
            fprintf(stderr, "bench: %llu events of %u connections\n", events, conns);
            err = -EPROTO;
        }
    }
    if (err)
        return err;
    qsort(rate, (size_t)b->rounds, sizeof(double), by_value);
    qsort(sweep_ns, (size_t)b->rounds, sizeof(double), by_value);
    printf("\n%-30s %8.1f %8.1f ns, for each flow that ends (its conn record made)\n", "sweep", sweep_ns[0],
           sweep_ns[b->rounds / 2]);
    printf("%-30s %8.0f %8.0f events/s, ring to JSON, one core, best and median\n", "reader", rate[b->rounds - 1],
           rate[b->rounds / 2]);
    return 0;
}

/* The server of the IPv4 scripts, which is never evaluated. */
static int protect(struct bench *b)
{
    const struct sw_service calm = {
        .ip = {[10] = 0xff, 0xff, 10, 99, 0, 1}, .port = htons(443), .backend = SW_BK_REQSK, .due = ~0ull};
    const __u32 one = 1, port = 443;

    if (bpf_map_update_elem(bpf_map__fd(b->sw->maps.services), &one, &calm, BPF_ANY) ||
        bpf_map_update_elem(bpf_map__fd(b->sw->maps.svc_ports), &port, &one, BPF_ANY))
        return -errno;
    return 0;
}

static int bench_open(struct bench *b)
{
    struct sw_report_opts report = {.event_mask = ~0u, .host = "bench.example", .clock_offset_ns = 1764000000000000000};
    const char *why = NULL;
    int err;

    sw_object_defaults(&b->opts);
    b->opts.ring_bytes = 64u << 20; /* so that one sweep ends all of a round */
    b->opts.ring_open_bytes = 16u << 20;
    b->opts.cfg.guard = getenv("SW_BENCH_GUARD") || getenv("SW_BENCH_SERVICE");
    b->opts.cfg.accept = getenv("SW_BENCH_ACCEPT") != NULL;
    if (getenv("SW_BENCH_NO_OWNERS"))
        b->opts.cfg.owners = 0;
    b->opts.cfg.ladder = getenv("SW_BENCH_LADDER") != NULL;
    err = sw_object_new(&b->opts, &b->sw, &why);
    if (err) {
        fprintf(stderr, "bench: loading synward: %s\n", why ? why : "no reason given");
        return err;
    }
    if (getenv("SW_BENCH_SERVICE"))
        err = protect(b);
    if (err)
        return err;
    b->dr = drive_bpf__open_and_load();
    if (!b->dr)
        return -errno;
    err = sw_rings_open(&b->rings, b->sw);
    if (err)
        return err;
    report.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (report.fd < 0)
        return -errno;
    err = sw_report_new(&report, &b->report);
    return err ? err : sw_report_set_iface(b->report, 1, "bench0");
}

static void bench_close(struct bench *b)
{
    sw_rings_close(&b->rings);
    sw_report_free(b->report);
    drive_bpf__destroy(b->dr);
    sw_object_free(b->sw);
}

/* On one CPU: per-CPU state is then the same one, and its caches stay warm. */
static void stay_here(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
}

int main(void)
{
    static struct bench b;
    const char *rounds = getenv("SW_BENCH_ROUNDS"), *only = getenv("SW_BENCH_ONLY");
    int err;

    b.rounds = rounds ? atoi(rounds) : 11;
    if (b.rounds < 1 || b.rounds > ROUNDS_MAX) {
        fprintf(stderr, "bench: SW_BENCH_ROUNDS: 1 to %d\n", ROUNDS_MAX);
        return 2;
    }
    sw_log_init(0);
    stay_here();
    err = bench_open(&b);
    if (!err)
        printf("ns over an empty program, %d rounds          \n%-30s %8s %8s %10s\n", b.rounds, "", "min", "median",
               "(empty)");
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]) && !err; i++)
        if (!only || strstr(scenarios[i].name, only))
            err = scenario_run(&b, &scenarios[i]);
    if (!err && (!only || strstr("events", only)))
        err = events_run(&b);
    if (err)
        fprintf(stderr, "bench: %s\n", strerror(-err));
    bench_close(&b);
    return err ? 1 : 0;
}
