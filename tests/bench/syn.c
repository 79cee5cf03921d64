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
 */
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../bpf/service.h"
#include "../../src/log.h"
#include "../../src/object.h"
#include "../../src/rings.h"
#include "genrun.h"
#include "synward.skel.h"

enum { ROUNDS_MAX = 99, PORT = 443, MAPS_MAX = 32, BLOCKED = 100000 };

static const __u8 linux_opts[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7};
static const __u8 no_ts[] = {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7};
static const __u8 odd[] = {1, 3, 3, 7, 8, 10, 0, 0, 0, 0,
                           0, 0, 0, 0, 4, 2,  2, 4, 5, 0xb4}; /* nobody sends this order */
static const __u8 stamped[] = {1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0};

enum { TALLY_DROP = 1000 }; /* added to a drop's reason */
enum state_of { ENGAGED, CALM, MONITOR };

struct row {
    const char *name;
    const __u8 *options;
    __u32 options_len, stamps_at;
    enum gen_kind kind;
    enum state_of state;
    __u32 expect; /* enum sw_tally_item, or TALLY_DROP and enum sw_drop: it grows by one with each frame */
    __u32 frames; /* in a round; 0: FRAMES */
    bool v6, blocklist, limit, named, listener;
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
    {"ACK flood, timestamps", OPTS(stamped, 4), .kind = GEN_ACK, .expect = TALLY_DROP + SW_DROP_COOKIE_BAD},
    {"ACK flood, no timestamps", BARE, .kind = GEN_ACK, .expect = TALLY_DROP + SW_DROP_COOKIE_BAD},
    {"cookie accepted, flow told", OPTS(stamped, 4), .kind = GEN_COOKIE, .expect = SW_T_COOKIES_ACCEPTED,
     .frames = 8192},
    {"monitor (tracked as well)", OPTS(linux_opts, 8), .state = MONITOR, .expect = SW_T_SYNS},
    {"calm (tracked as well)", OPTS(linux_opts, 8), .state = CALM, .expect = SW_T_SYNS},
    {"listener backend", OPTS(linux_opts, 8), .expect = SW_T_COOKIES_SENT, .listener = true},
    {"listener backend, IPv6", OPTS(linux_opts, 8), .v6 = true, .expect = SW_T_COOKIES_SENT, .listener = true},
};

/* A mapped array of the guard. */
struct view {
    void *at;
    size_t size;
};

struct bench {
    struct synward_bpf *sw;
    struct gen_bpf *gen;
    struct bpf_object *other; /* --object */
    struct sw_rings rings;
    struct view guard, services, ports, locals;
    struct sw_keys keys;
    __u32 send_to[2]; /* interfaces a0, a1 */
    __u8 mac[2][6];   /* of b0, b1 */
    int prog_fd[2];   /* what is measured there */
    int listener[2];
    int rounds;
};

struct args {
    const char *object, *only, *map[MAPS_MAX];
    size_t maps;
    int rounds;
    bool json;
};

static int sh(const char *command)
{
    int rc = system(command);

    if (rc)
        fprintf(stderr, "bench: %s: failed\n", command);
    return rc ? -EIO : 0;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, text, strlen(text)) < 0)
        err = -errno;
    close(fd);
    return err;
}

static int mac_of(const char *dev, __u8 ret_mac[6])
{
    char path[64];
    FILE *f;
    int n;

    snprintf(path, sizeof(path), "/sys/class/net/%s/address", dev);
    f = fopen(path, "re");
    if (!f)
        return -errno;
    n = fscanf(f, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &ret_mac[0], &ret_mac[1], &ret_mac[2], &ret_mac[3], &ret_mac[4],
               &ret_mac[5]);
    fclose(f);
    return n == 6 ? 0 : -EIO;
}

/* A namespace of our own with two pairs; sysfs shows the one that mounted it, so it is mounted again. */
static int lanes_open(struct bench *b)
{
    char name[8];
    int err;

    if (unshare(CLONE_NEWNET | CLONE_NEWNS))
        return -errno;
    err = sh("mount --make-rprivate / && mount -t sysfs sysfs /sys && ip link set lo up && "
             "ip link add a0 type veth peer name b0 && ip link add a1 type veth peer name b1");
    if (err)
        return err;
    for (int i = 0; i < 2 && !err; i++) {
        char command[256];

        snprintf(command, sizeof(command),
                 "for d in a%d b%d; do echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6; ip link set $d up; done", i,
                 i);
        err = sh(command);
        snprintf(name, sizeof(name), "a%d", i);
        b->send_to[i] = if_nametoindex(name);
        if (!err &&
            bpf_xdp_attach((int)b->send_to[i], bpf_program__fd(b->gen->progs.drop_xdp), XDP_FLAGS_DRV_MODE, NULL))
            err = -errno;
        name[0] = 'b';
        if (!err)
            err = mac_of(name, b->mac[i]);
    }
    return err;
}

static int lane_set(struct bench *b, int lane, int prog_fd)
{
    char name[8];

    snprintf(name, sizeof(name), "b%d", lane);
    b->prog_fd[lane] = prog_fd;
    return bpf_xdp_attach((int)if_nametoindex(name), prog_fd, XDP_FLAGS_DRV_MODE, NULL) ? -errno : 0;
}

static int view_open(struct view *v, struct bpf_map *map)
{
    size_t stride = (bpf_map__value_size(map) + 7) & ~7u, page = sysconf(_SC_PAGESIZE);

    v->size = (bpf_map__max_entries(map) * stride + page - 1) & ~(page - 1);
    v->at = mmap(NULL, v->size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    return v->at == MAP_FAILED ? -errno : 0;
}

static const __u8 server4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 99, 0, 1};
static const __u8 server6[16] = {0xfd, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

static void put_local(struct bench *b, const __u8 ip[16])
{
    __u32 words[4];

    memcpy(words, ip, 16);
    memcpy((__u8 *)b->locals.at + 16 * sw_local_hash(words), ip, 16);
}

static int listener_open(int family)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    const void *at = family == AF_INET ? (const void *)&four : &six;

    if (fd < 0)
        return -errno;
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, at, family == AF_INET ? sizeof(four) : sizeof(six)) || listen(fd, 128)) {
        close(fd);
        return -errno;
    }
    return fd;
}

static int fill_blocklist(struct bench *b)
{
    __u32 value = SW_LIST_FILE;

    for (__u32 i = 0; i < BLOCKED; i++) { /* /24s and /64s, none of them of the senders */
        struct sw_cidr c = {.prefixlen = i & 1 ? 120 : 64};
        __u32 net = htonl(0x20000000 + (i * 2654435761u >> 6 << 8 & 0x1fffff00));

        if (i & 1) {
            memcpy(c.ip, server4, 12);
            memcpy(c.ip + 12, &net, 4);
        } else {
            c.ip[0] = 0x20;
            c.ip[1] = 1;
            memcpy(c.ip + 4, &i, 4);
        }
        if (bpf_map_update_elem(bpf_map__fd(b->sw->maps.block), &c, &value, BPF_ANY))
            return -errno;
    }
    return 0;
}

static int synward_open(struct bench *b)
{
    struct sw_object_opts opts;
    const char *why = NULL;
    __u32 slot = 0;
    int err;

    sw_object_defaults(&opts);
    opts.cfg.guard = 1;
    err = sw_object_load(&opts, &b->sw, &why);
    if (err) {
        fprintf(stderr, "bench: loading synward: %s\n", why ? why : "no reason given");
        return err;
    }
    for (int i = 0; i < 4; i++)
        b->keys.key[i / 2][i % 2] = 0x9e3779b97f4a7c15ull * (__u64)(i + getpid());
    if (bpf_map_update_elem(bpf_map__fd(b->sw->maps.keys), &slot, &b->keys, BPF_ANY))
        return -errno;
    err = sw_rings_open(&b->rings, b->sw);
    if (!err)
        err = view_open(&b->guard, b->sw->maps.guard);
    if (!err)
        err = view_open(&b->services, b->sw->maps.services);
    if (!err)
        err = view_open(&b->ports, b->sw->maps.service_ports);
    if (!err)
        err = view_open(&b->locals, b->sw->maps.local_ips);
    if (!err)
        err = fill_blocklist(b);
    if (err)
        return err;
    put_local(b, server4);
    put_local(b, server6);
    for (int i = 0; i < 2; i++) {
        b->listener[i] = listener_open(i ? AF_INET6 : AF_INET);
        if (b->listener[i] < 0)
            return b->listener[i];
    }
    err = write_file("/proc/sys/net/ipv4/tcp_syncookies", "2");
    return err ? err : lane_set(b, 1, bpf_program__fd(b->sw->progs.sw_ingress));
}

/* "NAME:KEY=VALUE", both in hex, as bytes lie in memory; shorter ones are filled up with zeros. */
static int map_fill(struct bpf_object *obj, const char *text)
{
    __u8 bytes[2][256] = {{0}};
    char name[64];
    int at = 0;
    struct bpf_map *map;

    if (sscanf(text, "%63[^:]:%n", name, &at) != 1 || !at)
        return -EINVAL;
    map = bpf_object__find_map_by_name(obj, name);
    if (!map || bpf_map__key_size(map) > 256 || bpf_map__value_size(map) > 256)
        return -ENOENT;
    for (int part = 0; part < 2; part++) {
        for (int i = 0; i < 256 && sscanf(text + at, "%2hhx", &bytes[part][i]) == 1; i++, at += 2)
            if (!text[at] || !text[at + 1])
                return -EINVAL;
        if (!part && text[at++] != '=')
            return -EINVAL;
    }
    return bpf_map_update_elem(bpf_map__fd(map), bytes[0], bytes[1], BPF_ANY) ? -errno : 0;
}

static int other_open(struct bench *b, const struct args *a)
{
    char *file = strdup(a->object), *name = file ? strrchr(file, ':') : NULL;
    struct bpf_program *p, *chosen = NULL;
    int err = -EINVAL;

    if (!name)
        goto out;
    *name++ = 0;
    b->other = bpf_object__open(file);
    if (!b->other) {
        err = -errno;
        goto out;
    }
    bpf_object__for_each_program(p, b->other)
    {
        if (strcmp(bpf_program__name(p), name)) {
            bpf_program__set_autoload(p, false);
            continue;
        }
        chosen = p;
        bpf_program__set_type(p, BPF_PROG_TYPE_XDP);
    }
    err = chosen ? bpf_object__load(b->other) : -ENOENT;
    for (size_t i = 0; i < a->maps && !err; i++)
        err = map_fill(b->other, a->map[i]);
    if (!err)
        err = lane_set(b, 1, bpf_program__fd(chosen));
out:
    if (err)
        fprintf(stderr, "bench: %s: %s\n", a->object, strerror(-err));
    free(file);
    return err;
}

static int stats_of(int prog_fd, __u64 *ret_ns, __u64 *ret_runs)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
        return -errno;
    *ret_ns = info.run_time_ns;
    *ret_runs = info.run_cnt;
    return 0;
}

/* One round on one lane: ns per run. The generator goes on in the next where it is. */
static int lane_round(struct bench *b, int lane, __u32 frames, double *ret_ns)
{
    struct gen *g = &b->gen->bss->gen;
    __u64 ns[2], runs[2];
    int err;

    memcpy(g->frame, b->mac[lane], 6);
    g->ifindex = b->send_to[lane];
    err = stats_of(b->prog_fd[lane], &ns[0], &runs[0]);
    if (!err)
        err = gen_send(b->gen, frames);
    usleep(2000); /* what ksoftirqd took over */
    if (!err)
        err = stats_of(b->prog_fd[lane], &ns[1], &runs[1]);
    if (!err && runs[1] - runs[0] < frames / 2)
        err = -ENODATA;
    if (!err)
        *ret_ns = (double)(ns[1] - ns[0]) / (double)(runs[1] - runs[0]);
    return err;
}

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
                           .block_len = r->blocklist ? BLOCKED : 0,
                           .flags = SW_G_SACK | SW_G_TS | SW_G_WSCALE | SW_G_ECN | SW_G_TS_PLAIN,
                           .awake = engaged,
                           .engaged = r->state == ENGAGED,
                           .ttl = 64,
                           .hop_limit = 64};
}

static int counted(struct bench *b, __u32 what, __u64 *ret)
{
    struct sw_tally each[256];
    int cpus = libbpf_num_possible_cpus();
    __u32 index = 1;

    *ret = 0;
    if (cpus > 256 || bpf_map_lookup_elem(bpf_map__fd(b->sw->maps.service_counters), &index, each))
        return -EIO;
    for (int i = 0; i < cpus; i++)
        *ret += what >= TALLY_DROP ? each[i].drop[what - TALLY_DROP] : each[i].item[what];
    return 0;
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
    return err;
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
    double over[ROUNDS_MAX], empty[ROUNDS_MAX], ours;
    struct gen *g = &b->gen->bss->gen;
    __u32 frames = r->frames ? r->frames : FRAMES, at = g->at;
    __u64 runs[2] = {0, 0}, count[2] = {0, 0}, ns;
    struct gen_spec spec;
    int err;

    row_spec(r, &spec);
    gen_fill(g, &spec);
    g->keys = b->keys;
    g->at = at;
    if (b->sw)
        service_set(b, r);
    err = b->sw ? counted(b, r->expect, &count[0]) : 0;
    if (!err)
        err = stats_of(b->prog_fd[1], &ns, &runs[0]);
    for (int i = 0; i < b->rounds && !err; i++) {
        err = lane_round(b, 0, frames, &empty[i]);
        if (!err)
            err = lane_round(b, 1, frames, &ours);
        over[i] = ours - empty[i];
        if (!err && b->sw && (r->kind == GEN_COOKIE || r->state != ENGAGED))
            err = clear(b);
    }
    if (!err)
        err = stats_of(b->prog_fd[1], &ns, &runs[1]);
    if (!err && b->sw)
        err = counted(b, r->expect, &count[1]);
    if (err)
        return err;
    if (b->sw && count[1] - count[0] < (runs[1] - runs[0]) / 1000 * 999) {
        fprintf(stderr, "bench: %s: %llu of %llu went the way that was to be measured\n", r->name, count[1] - count[0],
                runs[1] - runs[0]);
        return -EPROTO;
    }
    qsort(over, (size_t)b->rounds, sizeof(double), by_value);
    qsort(empty, (size_t)b->rounds, sizeof(double), by_value);
    if (a->json)
        printf("{\"bench\":\"syn\",\"row\":\"%s\",\"min_ns\":%.1f,\"median_ns\":%.1f,\"empty_ns\":%.1f}\n", r->name,
               over[0], over[b->rounds / 2], empty[b->rounds / 2]);
    else
        printf("%-32s %8.1f %8.1f %10.1f\n", r->name, over[0], over[b->rounds / 2], empty[b->rounds / 2]);
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
    return a->object ? other_open(b, a) : synward_open(b);
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
        printf("ns per packet over an empty program, by the kernel's BPF statistics, %d rounds\n%-32s %8s %8s %10s\n",
               b.rounds, a.object ? a.object : "", "min", "median", "(empty)");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !err; i++) {
        if (a.only && !strstr(rows[i].name, a.only))
            continue;
        if (a.object && (rows[i].kind != GEN_SYN || rows[i].state != ENGAGED || rows[i].blocklist || rows[i].limit ||
                         rows[i].named || rows[i].listener))
            continue;
        err = row_run(&b, &rows[i], &a);
    }
    if (err)
        fprintf(stderr, "bench: %s\n", strerror(-err));
    bench_close(&b);
    return err ? 1 : 0;
}
