/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What grows with the number of connections and of CPUs: memory of the tables as the kernel charges it, nanoseconds of
 * a data segment against the number of flows in the table, and the same packets on two CPUs at once. The segments are
 * played by drive.bpf.c, into an empty program and into synward's in turn, as in path.c. docs/scale.md reads it.
 * SW_BENCH_ROUNDS sets the rounds, SW_BENCH_FLOWS the largest table (4194304).
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive.h"
#include "pkt.h"
#include "base/log.h"
#include "events/reader.h"
#include "loader/map_reader.h"
#include "loader/object.h"
#include "drive.skel.h"
#include "synward.skel.h"

enum { ROUNDS_MAX = 99, LANES = 2, RUNS = 262144, HEADERS = 52, OPENING = 3 };
enum { SYN = TH_SYN_, ACK = TH_ACK_ };

#define SEG(flags, seq, ack, len, server)                                                                              \
    {                                                                                                                  \
        (seq), (ack), 0, 0, ((flags)&SYN ? 10 : 8) << 12 | (flags), ((flags)&SYN ? HEADERS + 8 : HEADERS) + (len),     \
            server                                                                                                     \
    }
static const struct drive_step opening[OPENING] = {SEG(SYN, 0, 0, 0, 0), SEG(SYN | ACK, 0, 1, 0, 1),
                                                   SEG(ACK, 1, 1, 0, 0)};
static const struct drive_step data_up[] = {{1, 1, 1448, 0, 8 << 12 | ACK, HEADERS + 1448, 0}};
/* one flow from both ends: little, so that neither's acknowledgement falls out of the other's window */
static const struct drive_step bit_up[] = {{1, 1, 1, 0, 8 << 12 | ACK, HEADERS + 1, 0}};
static const struct drive_step bit_down[] = {{1, 1, 1, 0, 8 << 12 | ACK, HEADERS + 1, 1}};

/* One CPU's driver and frame. */
struct lane {
    struct drive_bpf *dr;
    int cpu, prog, err;
    double ns;
    pthread_barrier_t *start;
    __u8 frame[1600];
    __u32 len, repeat;
};

struct bench {
    struct synward_bpf *sw;
    struct sw_rings rings;
    struct lane lane[LANES];
    int lanes, rounds;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int pin_to(int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof(one), &one) ? -errno : 0;
}

static void lane_script(struct lane *l, const struct drive_step *script, __u32 steps, __u32 flows, bool six)
{
    struct pkt p = {.v6 = six, .sport = 1024, .dport = 443, .flags = SYN, .win = 8192, .payload = 1440};
    struct drive *d = &l->dr->bss->drive;

    if (six) {
        p.src[0] = p.dst[0] = 0x20;
        p.src[1] = p.dst[1] = 0x01;
    } else {
        pkt_v4(p.src, 0x0a000001);
        pkt_v4(p.dst, 0x0a630001);
    }
    pkt_opt_usual(&p, 1460, 7);
    l->len = (__u32)pkt_build(&p, l->frame, sizeof(l->frame));
    memset(d, 0, sizeof(*d));
    memcpy(d->step, script, steps * sizeof(*script));
    d->steps = steps;
    d->mask = flows ? flows - 1 : ~0u;
    d->shift = flows ? (__u32)__builtin_ctz(flows) : 0;
    d->six = six;
    d->stir = flows > 1 && steps == 1 ? 0x9e3779b1 : 1; /* not in the order of their birth, which the cache likes */
}

static void *lane_thread(void *arg)
{
    struct lane *l = arg;
    __u8 out[2048];
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = l->frame, .data_size_in = l->len, .data_out = out,
                .data_size_out = sizeof(out), .repeat = (int)l->repeat);

    l->err = pin_to(l->cpu);
    pthread_barrier_wait(l->start);
    if (!l->err && bpf_prog_test_run_opts(bpf_program__fd(l->dr->progs.drive_xdp), &run))
        l->err = -errno;
    else if (!l->err && run.retval != 2)
        l->err = -EPROTO;
    l->ns = run.duration;
    return NULL;
}

/* The lanes from first on play at once; each is sent to the program first. */
static int play(struct bench *b, int first, int lanes, bool empty, __u32 repeat)
{
    pthread_barrier_t start;
    pthread_t thread[LANES];
    __u32 slot = 0;
    int err = 0;

    pthread_barrier_init(&start, NULL, (unsigned int)lanes);
    for (int i = first; i < first + lanes; i++) {
        struct lane *l = &b->lane[i];
        int fd = bpf_program__fd(empty ? l->dr->progs.empty_xdp : sw_object_ingress(b->sw));

        l->start = &start;
        l->repeat = repeat;
        if (bpf_map_update_elem(bpf_map__fd(l->dr->maps.next_xdp), &slot, &fd, BPF_ANY))
            err = -errno;
        pthread_create(&thread[i], NULL, lane_thread, l);
    }
    for (int i = first; i < first + lanes; i++) {
        pthread_join(thread[i], NULL);
        err = err ? err : b->lane[i].err;
    }
    pthread_barrier_destroy(&start);
    return err;
}

static void drain(struct bench *b)
{
    for (int i = 0; i < SW_RINGS; i++)
        while (sw_rings_take(&b->rings, i))
            ;
}

/* Rounds over both programs in turn, with the same segments; the mean of the lanes at once, least and middle. */
static int measure(struct bench *b, int first, int lanes, double *ret_least, double *ret_middle)
{
    double over[ROUNDS_MAX];
    int err = 0;

    for (int r = 0; r < b->rounds && !err; r++) {
        struct drive from[LANES];
        double ns[2] = {0, 0};

        for (int i = first; i < first + lanes; i++)
            memcpy(&from[i], &b->lane[i].dr->bss->drive, sizeof(from[i]));
        for (int ours = 0; ours < 2 && !err; ours++) {
            err = play(b, first, lanes, !ours, RUNS);
            for (int i = first; i < first + lanes; i++) {
                ns[ours] += b->lane[i].ns / lanes;
                if (!ours)
                    memcpy(&b->lane[i].dr->bss->drive, &from[i], sizeof(from[i]));
            }
        }
        over[r] = ns[1] - ns[0];
        drain(b);
    }
    if (err)
        return err;
    qsort(over, (size_t)b->rounds, sizeof(double), by_value);
    *ret_least = over[0];
    *ret_middle = over[b->rounds / 2];
    return 0;
}

static int counted(struct bench *b, enum sw_counter what, __u64 *ret)
{
    __u64 all[SW_C_MAX];
    int err = sw_counters_read(bpf_map__fd(b->sw->maps.counters), all);

    *ret = all[what];
    return err;
}

/*
 * Measures, and fails unless so many of a thousand segments raised the counter: another path than the row says is no
 * figure. The share is printed.
 */
static int row(struct bench *b, const char *name, int first, int lanes, enum sw_counter expect, __u32 least_share)
{
    __u64 before = 0, after = 0, want = (__u64)b->rounds * (__u64)lanes * RUNS;
    double least, middle;
    int err = counted(b, expect, &before);

    if (!err)
        err = measure(b, first, lanes, &least, &middle);
    if (!err)
        err = counted(b, expect, &after);
    if (!err && after - before < want / 1000 * least_share) {
        fprintf(stderr, "bench: %s: %llu of %llu went the way that was to be measured\n", name, after - before, want);
        err = -EPROTO;
    }
    if (!err)
        printf("%-52s %8.1f %8.1f %7.1f%%\n", name, least, middle, 100.0 * (double)(after - before) / (double)want);
    fflush(stdout);
    return err;
}

static __u64 charged(const struct bpf_map *map)
{
    unsigned long long bytes = 0;
    char path[64], line[128];
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "memlock: %llu", &bytes) == 1)
            break;
    if (f)
        fclose(f);
    return bytes;
}

/* What the whole machine has left, in bytes: it includes what the tables' own account does not. */
static long long available(void)
{
    long long kb = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "MemAvailable: %lld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb * 1024;
}

static int load(struct bench *b, __u32 flows, __u32 half_open)
{
    struct sw_object_opts opts;
    const char *why = NULL;
    int err;

    sw_object_defaults(&opts);
    opts.max_flows = flows;
    opts.max_half_open = half_open;
    err = sw_object_new(&opts, &b->sw, &why);
    if (err) {
        fprintf(stderr, "bench: loading synward: %s\n", why ? why : strerror(-err));
        return err;
    }
    return sw_rings_open(&b->rings, b->sw);
}

static void unload(struct bench *b)
{
    sw_rings_close(&b->rings);
    memset(&b->rings, 0, sizeof(b->rings));
    sw_object_free(b->sw);
    b->sw = NULL;
}

static int memory_run(struct bench *b, __u32 n)
{
    long long before, after;
    int err;

    sleep(n >= 1u << 20); /* the kernel gives the last table's pages back when it comes to it */
    before = available();
    err = load(b, n, n);
    if (!err) {
        __u64 flows = charged(b->sw->maps.flows), half_open = charged(b->sw->maps.half_open);

        after = available();
        printf("%9u %10.1f %12.1f %14.1f", n, (double)flows / n, (double)half_open / n,
               (double)(flows + half_open) / 1048576);
        if (n >= 1u << 20) /* less than that drowns in what others take and give */
            printf(" %13.1f", (double)(before - after) / 1048576);
        printf("\n");
    }
    unload(b);
    return err;
}

static int flows_run(struct bench *b, __u32 flows)
{
    struct lane *l = &b->lane[0];
    char name[64];
    int err = load(b, flows, 65536);

    lane_script(l, opening, OPENING, flows, false);
    for (__u32 left = flows; left && !err;) {
        __u32 some = left > RUNS / OPENING ? RUNS / OPENING : left;

        err = play(b, 0, 1, false, some * OPENING);
        left -= some;
        drain(b);
    }
    lane_script(l, data_up, 1, flows, false);
    for (__u32 left = flows; left && !err; left -= left > RUNS ? RUNS : left) /* a flow's first segment is special */
        err = play(b, 0, 1, false, left > RUNS ? RUNS : left);
    snprintf(name, sizeof(name), "data segment, %u flows in turn", flows);
    if (!err)
        err = row(b, name, 0, 1, SW_C_FAST_PATH, 999);
    unload(b);
    return err;
}

static int establish(struct bench *b, int lane, __u32 flows, bool six)
{
    lane_script(&b->lane[lane], opening, OPENING, flows, six);
    return play(b, lane, 1, false, flows * OPENING);
}

/* Alone on either CPU, then both at once. */
static int three(struct bench *b, const char *name, enum sw_counter expect, __u32 both)
{
    char text[80];
    int err = 0;

    for (int i = 0; i < b->lanes && !err; i++) {
        snprintf(text, sizeof(text), "%s: CPU %d alone", name, b->lane[i].cpu);
        err = row(b, text, i, 1, expect, 999);
    }
    if (err || b->lanes < 2)
        return err;
    snprintf(text, sizeof(text), "%s: both at once, each", name);
    return row(b, text, 0, b->lanes, expect, both);
}

static int cpus_run(struct bench *b)
{
    const __u32 flows = 16384;
    int err = load(b, 131072, 65536);

    for (int i = 0; i < b->lanes && !err; i++)
        err = establish(b, i, flows, i);
    drain(b);
    for (int i = 0; i < b->lanes; i++)
        lane_script(&b->lane[i], data_up, 1, flows, i);
    for (int i = 0; i < b->lanes && !err; i++)
        err = play(b, i, 1, false, flows);
    if (!err)
        err = three(b, "data, flows of their own", SW_C_FAST_PATH, 999);
    unload(b);
    if (!err)
        err = load(b, 131072, 65536);
    if (!err)
        err = establish(b, 0, 1, false);
    for (int i = 0; i < b->lanes; i++)
        lane_script(&b->lane[i], i ? bit_down : bit_up, 1, 1, false);
    for (int i = 0; i < b->lanes && !err; i++)
        err = play(b, i, 1, false, 1);
    if (!err)
        err = three(b, "data, one flow, a direction each", SW_C_FAST_PATH,
                    500); /* they meet, and one goes the longer way */
    for (int i = 0; i < b->lanes; i++)
        lane_script(&b->lane[i], opening, 1, 0, i);
    for (int i = 0; i < b->lanes && !err; i++) /* full tables, as in a flood */
        err = play(b, i, 1, false, 800000);
    if (!err)
        err = three(b, "SYN flood, tracker only", SW_C_TCP, 999);
    unload(b);
    return err;
}

int main(void)
{
    static struct bench b;
    static const __u32 sizes[] = {1u << 10, 1u << 13, 1u << 17, 1u << 20, 1u << 22};
    const char *rounds = getenv("SW_BENCH_ROUNDS"), *most = getenv("SW_BENCH_FLOWS");
    __u32 largest = most ? (__u32)strtoul(most, NULL, 10) : 1u << 22;
    int err = 0;

    b.rounds = rounds ? atoi(rounds) : 7;
    if (b.rounds < 1 || b.rounds > ROUNDS_MAX)
        return 2;
    sw_log_init(0);
    b.lanes = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? LANES : 1;
    for (int i = 0; i < b.lanes && !err; i++) {
        b.lane[i].cpu = i;
        b.lane[i].dr = drive_bpf__open_and_load();
        err = b.lane[i].dr ? 0 : -errno;
    }
    printf("  entries  bytes/flow bytes/half-open both, MiB (map) left, MiB (all)\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !err; i++)
        if (sizes[i] <= largest)
            err = memory_run(&b, sizes[i]);
    if (!err)
        printf("\nns over an empty program, %2d rounds                  %8s %8s %8s\n", b.rounds, "min", "median",
               "so");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !err; i++)
        if (sizes[i] <= largest)
            err = flows_run(&b, sizes[i]);
    if (!err)
        err = cpus_run(&b);
    if (err)
        fprintf(stderr, "bench: %s\n", strerror(-err));
    for (int i = 0; i < b.lanes; i++)
        drive_bpf__destroy(b.lane[i].dr);
    return err ? 1 : 0;
}
