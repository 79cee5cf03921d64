/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nanoseconds per SYN by the kernel's own BPF statistics: live frames over veth pairs in a namespace of our own, a
 * fresh sender each. An empty program on one pair and ours on the other take turns, round after round, so the figure is
 * what ours costs over it.
 *
 *      gen_xdp --> a0 ==== b0  empty program
 *              \-> a1 ==== b1  synward, or --object
 *              answers end in a0, a1: drop_xdp
 *
 * Each row checks by the service's counters that every frame went the way that its name says.
 * SW_BENCH_GATEWAY=translate: as a gateway of that form; set to anything else, as an edge. Of both, rows that drop or
 * ask for sockets do not hold.
 */
#include <getopt.h>

#include "base/log.h"
#include "target.h"

enum { ROUNDS_MAX = 99, MAPS_MAX = 32 };

static const __u8 linux_opts[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7};
static const __u8 no_ts[] = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7};
static const __u8 odd[] = {1, 3, 3, 7, 8, 10, 0, 0, 0, 0,
                           0, 0, 0, 0, 4, 2,  2, 4, 5, 0xb4}; /* nobody sends this order */
static const __u8 stamped[] = {1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0};

enum state_of { ENGAGED, CALM, MONITOR };

struct row {
    const char *name;
    const __u8 *options;
    __u32 options_len, stamps_at;
    enum gen_kind kind;
    enum state_of state;
    __u32 expect; /* enum sw_svc_counter, or SVC_DROP and enum sw_drop: it grows by one with each frame */
    __u32 frames; /* in a round; 0: FRAMES */
    bool v6, blocklist, limit, named, listener, blocked, reverse_path;
    __u32 routes;      /* for reverse_path; rows after it have them, too */
    const char *piece; /* not synward but this program of gen.bpf.c */
};
enum { FRAMES = 60000 };

#define BARE .options = no_ts, .options_len = 0
#define OPTS(o, at) .options = (o), .options_len = sizeof(o), .stamps_at = (at)
static const struct row rows[] = {
    {"SYN as Linux sends it", OPTS(linux_opts, 8), .expect = SW_T_COOKIES_SENT},
    {"the same, IPv6", OPTS(linux_opts, 8), .v6 = true, .expect = SW_T_COOKIES_SENT},
    {"without timestamps", OPTS(no_ts, 0), .expect = SW_T_COOKIES_SENT},
    {"without options", BARE, .expect = SW_T_COOKIES_SENT},
    {"options in an odd order", OPTS(odd, 6), .expect = SW_T_COOKIES_SENT},
    {"service named with its address", OPTS(linux_opts, 8), .named = true, .expect = SW_T_COOKIES_SENT},
    {"block list of 100,000", OPTS(linux_opts, 8), .blocklist = true, .expect = SW_T_COOKIES_SENT},
    {"--limit-source", OPTS(linux_opts, 8), .limit = true, .expect = SW_T_COOKIES_SENT},
    {"--reverse-path, no route", OPTS(linux_opts, 8), .reverse_path = true, .expect = SVC_DROP + SW_DROP_REVERSE_PATH},
    {"--reverse-path, a default route", OPTS(linux_opts, 8), .reverse_path = true, .routes = 1,
     .expect = SW_T_COOKIES_SENT},
    {"--reverse-path, 10,000 routes", OPTS(linux_opts, 8), .reverse_path = true, .routes = 10000,
     .expect = SW_T_COOKIES_SENT},
    {"ACK flood, timestamps", OPTS(stamped, 4), .kind = GEN_ACK, .expect = SVC_DROP + SW_DROP_COOKIE_BAD},
    {"ACK flood, no timestamps", BARE, .kind = GEN_ACK, .expect = SVC_DROP + SW_DROP_COOKIE_BAD},
    {"SYN of a blocked source", OPTS(linux_opts, 8), .blocked = true, .expect = SVC_DROP + SW_DROP_BLOCKED},
    {"cookie accepted, flow emitted", OPTS(stamped, 4), .kind = GEN_COOKIE, .expect = SW_T_COOKIES_ACCEPTED,
     .frames = 8192},
    {"monitor (tracked as well)", OPTS(linux_opts, 8), .state = MONITOR, .expect = SW_T_SYNS},
    {"calm (tracked as well)", OPTS(linux_opts, 8), .state = CALM, .expect = SW_T_SYNS},
    {"listener backend", OPTS(linux_opts, 8), .expect = SW_T_COOKIES_SENT, .listener = true},
    {"listener backend, IPv6", OPTS(linux_opts, 8), .v6 = true, .expect = SW_T_COOKIES_SENT, .listener = true},
    {"piece: headers parsed", OPTS(linux_opts, 8), .piece = "parse_xdp"},
    {"piece: cookie", OPTS(linux_opts, 8), .piece = "cookie_xdp"},
    {"piece: frame sent back", OPTS(linux_opts, 8), .piece = "turn_xdp"},
};

struct args {
    const char *object, *only, *map[MAPS_MAX];
    size_t maps;
    int rounds;
    bool json;
};

static void service_set(struct bench *b, const struct row *r)
{
    struct sw_service *sv = (struct sw_service *)b->services.at + 1;
    struct sw_guard *g = b->guard.at;
    const bool engaged = r->state != CALM;

    memset(sv, 0, sizeof(*sv));
    *sv = (struct sw_service){.port = htons(PORT),
                              .any = r->named ? 0 : SW_ANY_4 | SW_ANY_6,
                              .backend = r->listener ? SW_BK_LISTENER : SW_BK_REQSK};
    if (r->named)
        memcpy(sv->ip, r->v6 ? server6 : server4, 16);
    sv->mode = r->state == MONITOR ? SW_GM_MONITOR : engaged ? SW_GM_ALWAYS : SW_GM_AUTO;
    sv->state = engaged ? SW_GS_ENGAGED : SW_GS_CALM;
    sv->enforcing = r->state == ENGAGED;
    sv->wscale = 7;
    sv->mss[0] = 1460;
    sv->mss[1] = 1440;
    sv->win = 64240;
    ((__u32 *)b->ports.at)[PORT * 2] = 1; /* elements lie 8 bytes apart */
    *g = (struct sw_guard){.half_open = 1ull << 60,
                           .syn_rate = 1ull << 60,
                           .hold = 1ull << 60,
                           .grace = 1ull << 60,
                           .limit_source = r->limit ? 100 : 0,
                           .block_len = r->blocklist || r->blocked ? BLOCKED : 0,
                           .flags = SW_G_SACK | SW_G_TS | SW_G_WSCALE | SW_G_ECN | SW_G_TS_PLAIN |
                                    (r->reverse_path ? SW_G_REVERSE_4 : 0),
                           .routes_ns = 1ull << 62,
                           .active = engaged,
                           .engaged = r->state == ENGAGED,
                           .ttl = 64,
                           .hop_limit = 64};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void row_spec(const struct row *r, struct gen_spec *s)
{
    static const __u8 six[16] = {0x20, 0x01, 0x0d, 0xb8}, four[4] = {198, 18, 0, 0};

    memset(s, 0, sizeof(*s));
    memcpy(s->src_mac, "\x02\0\0\0\0\x66", 6);
    memcpy(s->src, r->v6 ? six : four, r->v6 ? 16 : 4);
    memcpy(s->dst, r->v6 ? server6 : server4 + 12, r->v6 ? 16 : 4);
    s->port = PORT;
    s->src_bits = 17;
    s->options = r->options;
    s->options_len = r->options_len;
    s->stamps_at = r->stamps_at;
    s->kind = r->kind;
    s->v6 = r->v6;
}

static int row_run(struct bench *b, const struct row *r, const struct args *a)
{
    double ours[ROUNDS_MAX], empty[ROUNDS_MAX], least, middle, answered;
    struct gen *g = &b->gen->bss->gen;
    __u32 frames = r->frames ? r->frames : FRAMES, at = g->at;
    __u64 runs[2] = {0, 0}, back[2] = {0, 0}, count[2] = {0, 0}, ns;
    struct gen_spec spec;
    const bool check = b->sw && !r->piece;
    int err = 0;

    row_spec(r, &spec);
    gen_fill(g, &spec);
    g->keys = b->keys;
    g->at = at;
    if (r->piece)
        err = lane_set(b, 1, bpf_program__fd(bpf_object__find_program_by_name(b->gen->obj, r->piece)));
    else if (b->sw)
        service_set(b, r);
    if (!err && r->blocked && b->sw)
        err = block_senders(b); /* rows after it look at no list */
    if (!err && r->routes && b->sw)
        err = fill_routes(b, r->routes);
    if (!err && check)
        err = counted(b, r->expect, &count[0]);
    if (!err)
        err = stats_of(b->prog_fd[1], &ns, &runs[0]);
    if (!err)
        err = stats_of(bpf_program__fd(b->gen->progs.drop_xdp), &ns, &back[0]);
    for (int i = 0; i < b->rounds && !err; i++) {
        err = lane_round(b, 0, frames, &empty[i]);
        if (!err)
            err = lane_round(b, 1, frames, &ours[i]);
        if (!err && check && (r->kind == GEN_COOKIE || r->state != ENGAGED))
            err = clear(b);
    }
    if (!err)
        err = stats_of(b->prog_fd[1], &ns, &runs[1]);
    if (!err)
        err = stats_of(bpf_program__fd(b->gen->progs.drop_xdp), &ns, &back[1]);
    if (!err && check)
        err = counted(b, r->expect, &count[1]);
    if (err)
        return err;
    if (check && count[1] - count[0] < (runs[1] - runs[0]) / 1000 * 999) {
        fprintf(stderr, "bench: %s: %llu of %llu went the way that was to be measured\n", r->name, count[1] - count[0],
                runs[1] - runs[0]);
        return -EPROTO;
    }
    qsort(ours, (size_t)b->rounds, sizeof(double), by_value);
    qsort(empty, (size_t)b->rounds, sizeof(double), by_value);
    least = ours[0] - empty[0];
    middle = ours[b->rounds / 2] - empty[b->rounds / 2];
    answered = 100.0 * (double)(back[1] - back[0]) / (double)(runs[1] - runs[0]);
    if (a->json)
        printf("{\"bench\":\"syn\",\"object\":\"%s\",\"row\":\"%s\",\"min_ns\":%.1f,\"median_ns\":%.1f,\"empty_ns\":%."
               "1f,\"answered\":%.1f}\n",
               a->object ? a->object : "synward", r->name, least, middle, empty[b->rounds / 2], answered);
    else
        printf("%-32s %8.1f %8.1f %10.1f %8.0f%%\n", r->name, least, middle, empty[b->rounds / 2], answered);
    fflush(stdout);
    return 0;
}

static int bench_open(struct bench *b, const struct args *a)
{
    int err;

    b->gen = gen_bpf__open_and_load();
    if (!b->gen)
        return -errno;
    err = lanes_open(b);
    if (!err)
        err = lane_set(b, 0, bpf_program__fd(b->gen->progs.empty_xdp));
    if (err)
        return err;
    return a->object ? other_open(b, a->object, a->map, a->maps) : synward_open(b);
}

static void bench_close(struct bench *b)
{
    sw_rings_close(&b->rings);
    bpf_object__close(b->other);
    gen_bpf__destroy(b->gen);
    sw_object_free(b->sw);
}

static int parse_args(int argc, char **argv, struct args *a)
{
    static const struct option longs[] = {{"object", 1, 0, 'o'}, {"map", 1, 0, 'm'},  {"rounds", 1, 0, 'r'},
                                          {"only", 1, 0, 'n'},   {"json", 0, 0, 'j'}, {0, 0, 0, 0}};
    const char *env = getenv("SW_BENCH_ROUNDS");
    int c;

    a->only = getenv("SW_BENCH_ONLY");
    a->rounds = env ? atoi(env) : 11;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'o': a->object = optarg; break;
        case 'r': a->rounds = atoi(optarg); break;
        case 'n': a->only = optarg; break;
        case 'j': a->json = true; break;
        case 'm':
            if (a->maps == MAPS_MAX)
                return -EINVAL;
            a->map[a->maps++] = optarg;
            break;
        default: return -EINVAL;
        }
    }
    return optind == argc && a->rounds >= 1 && a->rounds <= ROUNDS_MAX ? 0 : -EINVAL;
}

/* On one CPU: the receiving side runs in softirq right there. */
static void stay_here(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct args a = {0};
    int err, stats;

    if (parse_args(argc, argv, &a)) {
        fprintf(stderr,
                "bench_syn [--object FILE:PROGRAM [--map NAME:KEY=VALUE]...] [--rounds N] [--only PART] [--json]\n");
        return 2;
    }
    b.rounds = a.rounds;
    sw_log_init(0);
    stay_here();
    stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
    err = stats < 0 ? -errno : bench_open(&b, &a);
    if (!err && !a.json)
        printf(
            "ns per packet over an empty program, by the kernel's BPF statistics, %d rounds\n%-32s %8s %8s %10s %9s\n",
            b.rounds, a.object ? a.object : "", "min", "median", "(empty)", "answered");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !err; i++) {
        if (a.only && !strstr(rows[i].name, a.only))
            continue;
        if (a.object && (rows[i].kind != GEN_SYN || rows[i].state != ENGAGED || rows[i].blocklist || rows[i].limit ||
                         rows[i].blocked || rows[i].named || rows[i].listener || rows[i].piece))
            continue;
        err = row_run(&b, &rows[i], &a);
    }
    if (err)
        fprintf(stderr, "bench: %s\n", strerror(-err));
    bench_close(&b);
    return err ? 1 : 0;
}
