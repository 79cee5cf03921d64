/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/object.h"

#include "base/exit.h"
#include "guard/lists.h"
#include "loader/features.h"
#include "loader/pins.h"
#include "synward.skel.h"
#include "synward_old.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define SECOND 1000000000ull
#define GUARD_RING (1u << 20)

/* Well-known TCP services: who owns one of these is taken for the server. --likely-server-ports replaces them. */
static const __u16 default_server_ports[] = {
    21,   22,   23,   25,   53,   80,   81,   88,   109,  110,  111,   135,   139,   143,  389,
    443,  445,  465,  502,  587,  631,  636,  853,  989,  990,  993,   995,   1080,  1433, 1521,
    2049, 3128, 3268, 3306, 3389, 5060, 5061, 5222, 5223, 5269, 5432,  5671,  5672,  6379, 6443,
    6666, 6667, 6668, 6669, 8000, 8080, 8443, 8883, 8888, 9200, 11211, 20000, 27017,
};

void sw_object_defaults(struct sw_object_opts *opts)
{
    memset(opts, 0, sizeof(*opts));
    opts->cfg = (struct sw_config){
        .linger = 5 * SECOND,           /* Zeek, tcp_close_delay and tcp_reset_delay */
        .t_syn_sent = 120 * SECOND,     /* Linux nf_conntrack; over the 64 s that Linux waits for its last SYN */
        .t_syn_received = 60 * SECOND,  /* Linux nf_conntrack */
        .t_established = 7440 * SECOND, /* RFC 5382 REQ-5: not less than 2 h 4 min */
        .t_fin_wait = 240 * SECOND,     /* RFC 5382 REQ-5: closing, not less than 4 min */
        .t_close_wait = 240 * SECOND,   /* the same */
        .t_last_ack = 240 * SECOND,     /* the same; RFC 9293: 2 MSL = 4 min */
        .t_midstream = 300 * SECOND,    /* Zeek, tcp_inactivity_timeout; Linux nf_conntrack, unacknowledged */
        .update_interval = 0,
        .event_mask = (1u << SW_EV_MAX) - 1,
        .likely_server_ports = 1,
    };
    opts->max_flows = 1u << 17;
    opts->max_embryos = 1u << 16;
    opts->max_handshakes = 1u << 19;
    opts->ring_bytes = 64u << 20;
    opts->ring_open_bytes = 16u << 20;
    opts->limit_source_max = opts->limit_prefix_max = 1u << 16;
    opts->captures_bytes = 4u << 20;
    opts->accept = true;
    opts->old = sw_kernel_is_old();
}

/* Kernels before 5.11 charge maps to RLIMIT_MEMLOCK; on later ones that does nothing. Programs and maps take
 * descriptors: as many as we may have. */
static void raise_limits(void)
{
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit files;

    setrlimit(RLIMIT_MEMLOCK, &unlimited);
    if (getrlimit(RLIMIT_NOFILE, &files))
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static int fill_server_ports(struct synward_bpf *obj, const struct sw_object_opts *opts)
{
    const __u16 *ports = opts->server_ports ? opts->server_ports : default_server_ports;
    size_t len = opts->server_ports ? opts->server_ports_len : sizeof(default_server_ports) / sizeof(ports[0]);
    static __u64 bitmap[1024];

    if (!opts->cfg.likely_server_ports)
        return 0;
    memset(bitmap, 0, sizeof(bitmap));
    for (size_t i = 0; i < len; i++)
        bitmap[ports[i] / 64] |= 1ull << (ports[i] % 64);
    for (__u32 word = 0; word < 1024; word++)
        if (bitmap[word] && bpf_map_update_elem(bpf_map__fd(obj->maps.server_ports), &word, &bitmap[word], BPF_ANY))
            return -errno;
    return 0;
}

/* Both forms have the same maps and programs by name, so one skeleton fits the other's bytes. */
static struct synward_bpf *open_form(bool old)
{
    struct synward_bpf *obj;
    int err;

    if (!old)
        return synward_bpf__open();
    obj = calloc(1, sizeof(*obj));
    if (!obj)
        return NULL;
    err = synward_bpf__create_skeleton(obj);
    if (!err) {
        obj->skeleton->data = (void *)synward_old_bpf__elf_bytes(&obj->skeleton->data_sz);
        err = bpf_object__open_skeleton(obj->skeleton, NULL);
    }
    if (!err)
        return obj;
    synward_bpf__destroy(obj);
    errno = -err;
    return NULL;
}

static bool is_old(const struct synward_bpf *obj)
{
    return !bpf_program__autoload(obj->progs.sw_sweep);
}

/* sw_expire stands in for sw_sweep on old kernels. */
static int choose_programs(struct synward_bpf *obj, const struct sw_object_opts *opts)
{
    const bool guard = opts->cfg.guard;
    int err = bpf_program__set_autoload(guard ? obj->progs.sw_ingress : obj->progs.sw_guarded, false);

    if (!err)
        err = bpf_program__set_autoload(opts->old ? obj->progs.sw_sweep : obj->progs.sw_expire, false);
    if (!err)
        err = bpf_program__set_autoload(obj->progs.sw_judge, guard);
    if (!err)
        err = bpf_program__set_autoload(obj->progs.sw_accept, guard && opts->accept && sw_kernel_has_reqsk());
    return err;
}

/* The guard's maps keep their sizes only if there is a guard. */
static int configure_guard(struct synward_bpf *obj, const struct sw_object_opts *opts)
{
    const bool guard = opts->cfg.guard;
    const __u32 page = sysconf(_SC_PAGESIZE);
    const struct {
        struct bpf_map *map;
        __u32 with, without;
    } sizes[] = {
        {obj->maps.services, SW_SERVICES, 1},
        {obj->maps.service_ports, 65536, 1},
        {obj->maps.service_counters, SW_SERVICES, 1},
        {obj->maps.service_past, SW_SERVICES, 1},
        {obj->maps.local_ips, SW_LOCAL_IPS, 1},
        {obj->maps.known, 2 * SW_KNOWN_WORDS, 1},
        {obj->maps.allow, SW_LIST_ENTRIES_MAX, 1},
        {obj->maps.block, SW_LIST_ENTRIES_MAX, 1},
        {obj->maps.limit_source, opts->limit_source_max, 1},
        {obj->maps.limit_prefix, opts->limit_prefix_max, 1},
        {obj->maps.guard_events, GUARD_RING, page},
        {obj->maps.captures, opts->captures_bytes, page},
    };
    int err = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !err; i++)
        err = bpf_map__set_max_entries(sizes[i].map, guard ? sizes[i].with : sizes[i].without);
    return err;
}

static int configure(struct synward_bpf *obj, const struct sw_object_opts *opts)
{
    const struct {
        struct bpf_map *map;
        __u32 entries;
    } sizes[] = {
        {obj->maps.flows, opts->max_flows},
        {obj->maps.embryos, opts->max_embryos},
        {obj->maps.handshakes, opts->max_handshakes},
        {obj->maps.events, opts->ring_bytes},
        {obj->maps.events_open, opts->ring_open_bytes},
    };
    int err;

    obj->rodata->cfg = opts->cfg;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        err = bpf_map__set_max_entries(sizes[i].map, sizes[i].entries);
        if (err)
            return err;
    }
    err = configure_guard(obj, opts);
    return err ? err : choose_programs(obj, opts);
}

/* Loading says E2BIG or ENOMEM of maps and of programs alike: are maps of these sizes to be had? */
static int try_maps(const struct sw_object_opts *opts)
{
    const struct {
        enum bpf_map_type type;
        __u32 key, value, entries;
    } maps[] = {
        {BPF_MAP_TYPE_HASH, sizeof(struct sw_key), sizeof(struct sw_flow), opts->max_flows},
        {BPF_MAP_TYPE_LRU_HASH, sizeof(struct sw_key), sizeof(struct sw_flow), opts->max_embryos},
        {BPF_MAP_TYPE_LRU_HASH, sizeof(__u64), sizeof(struct sw_handshake), opts->max_handshakes},
        {BPF_MAP_TYPE_RINGBUF, 0, 0, opts->ring_bytes},
        {BPF_MAP_TYPE_RINGBUF, 0, 0, opts->ring_open_bytes},
        {BPF_MAP_TYPE_RINGBUF, 0, 0, opts->captures_bytes},
    };
    int fds[6], n = 0, err = 0;

    for (; n < 5 + opts->cfg.guard && !err; n++) {
        fds[n] = bpf_map_create(maps[n].type, NULL, maps[n].key, maps[n].value, maps[n].entries, NULL);
        err = fds[n] < 0 ? -errno : 0;
    }
    while (n--)
        /* cppcheck-suppress uninitvar ; the loop above wrote the first n */
        if (fds[n] >= 0)
            close(fds[n]);
    return err;
}

static const char *why(int err)
{
    switch (-err) {
    case EPERM: return "the kernel refuses BPF to this user";
    case ENOMEM:
    case E2BIG: return "no memory for maps of that size";
    case EMFILE:
    case ENFILE: return "too few descriptors are allowed for maps and programs (ulimit -n)";
    case ESRCH: return "the kernel's types (BTF) cannot be read from /sys/kernel/btf/vmlinux";
    default:
        return "the kernel lacks something that synward needs, or its verifier refused the programs (-vv shows its "
               "log)";
    }
}

static int fail_old(const struct sw_object_opts *opts, const char **ret_why)
{
    if (ret_why)
        *ret_why = opts->cfg.guard
                       ? "this kernel is too old for the guard, which needs 5.18 (bpf_xdp_load_bytes)"
                       : "this kernel is too old to verify checksums, which needs 5.18 (bpf_xdp_load_bytes): "
                         "--checksum=off";
    return -EOPNOTSUPP;
}

int sw_object_load(const struct sw_object_opts *opts, struct synward_bpf **ret_obj, const char **ret_why)
{
    struct synward_bpf *obj;
    int err;

    *ret_obj = NULL;
    raise_limits();
    if (opts->old && (opts->cfg.guard || opts->cfg.checksum))
        return fail_old(opts, ret_why);
    obj = open_form(opts->old);
    if (!obj) {
        err = -errno;
        goto fail;
    }
    err = configure(obj, opts);
    if (!err && opts->pin)
        err = sw_pin_reuse(opts->pin, obj);
    if (!err)
        err = synward_bpf__load(obj);
    if (!err)
        err = fill_server_ports(obj, opts);
    if (!err) {
        *ret_obj = obj;
        return 0;
    }
    if (err == -ESRCH && !access("/sys/kernel/btf/vmlinux", R_OK)) /* libbpf's word for any failure to take it in */
        err = -ENOMEM;
    else if ((err == -E2BIG || err == -ENOMEM) && !try_maps(opts))
        err = -ENOEXEC;
fail:
    if (ret_why)
        *ret_why = why(err);
    sw_object_free(obj);
    return err;
}

/* A hash element costs its key and value and about 64 bytes of links, hash and bucket. */
unsigned long long sw_object_bytes(const struct sw_object_opts *opts)
{
    const unsigned long long element = sizeof(struct sw_key) + sizeof(struct sw_flow) + 64;
    const unsigned long long bucket = sizeof(struct sw_bucket) + 16 + 64;
    unsigned long long bytes;

    bytes = (opts->max_flows + (unsigned long long)opts->max_embryos) * element +
            (unsigned long long)opts->max_handshakes * (sizeof(__u64) + sizeof(struct sw_handshake) + 64) +
            opts->ring_bytes + opts->ring_open_bytes;
    if (!opts->cfg.guard)
        return bytes;
    return bytes + (opts->limit_source_max + (unsigned long long)opts->limit_prefix_max) * bucket +
           opts->captures_bytes + GUARD_RING + 65536ull * 8 + 2 * SW_KNOWN_WORDS * sizeof(__u64) +
           SW_SERVICES * (sizeof(struct sw_service) + sizeof(struct sw_past) +
                          (unsigned long long)get_nprocs_conf() * sizeof(struct sw_tally));
}

int sw_object_exit_code(int err)
{
    switch (-err) {
    case EPERM: return SW_EXIT_PRIVILEGE;
    case ESTALE: return SW_EXIT_PINS;
    case ENOMEM:
    case E2BIG: return SW_EXIT_MEMORY;
    case EMFILE:
    case ENFILE: return SW_EXIT_INTERNAL;
    default: return SW_EXIT_KERNEL;
    }
}

struct bpf_program *sw_object_ingress(const struct synward_bpf *obj)
{
    return obj->rodata->cfg.guard ? obj->progs.sw_guarded : obj->progs.sw_ingress;
}

int sw_object_ingress_copy(struct synward_bpf *obj, bool guard, struct synward_bpf **ret_copy)
{
    struct bpf_map *from, *to;
    struct bpf_program *prog;
    struct synward_bpf *copy;
    int err = 0;

    *ret_copy = NULL;
    copy = open_form(is_old(obj));
    if (!copy)
        return -errno;
    from = bpf_object__next_map(obj->obj, NULL);
    to = bpf_object__next_map(copy->obj, NULL);
    for (; from && to && !err; from = bpf_object__next_map(obj->obj, from), to = bpf_object__next_map(copy->obj, to))
        if (guard || to != copy->maps.rodata)
            err = bpf_map__reuse_fd(to, bpf_map__fd(from));
    copy->rodata->cfg = obj->rodata->cfg; /* also of a shared map: it says which program is the one */
    if (!guard)
        copy->rodata->cfg.guard = 0;
    bpf_object__for_each_program(prog, copy->obj) bpf_program__set_autoload(prog, prog == sw_object_ingress(copy));
    if (err)
        sw_object_free(copy);
    else
        *ret_copy = copy;
    return err;
}

void sw_object_free(struct synward_bpf *obj)
{
    synward_bpf__destroy(obj);
}

int sw_object_sweep(struct synward_bpf *obj, __u64 now, __u64 flush, struct sw_sweep *ret_sweep)
{
    LIBBPF_OPTS(bpf_test_run_opts, run);
    int err;

    if (is_old(obj))
        return sw_walk_sweep(obj, now, flush, ret_sweep);
    obj->bss->sweep = (struct sw_sweep){.now = now, .flush = flush};
    err = bpf_prog_test_run_opts(bpf_program__fd(obj->progs.sw_sweep), &run);
    if (err)
        return err;
    *ret_sweep = obj->bss->sweep;
    return 0;
}

int sw_object_counters(struct synward_bpf *obj, __u64 ret_counters[SW_C_MAX])
{
    int cpus = libbpf_num_possible_cpus(), err = 0;
    __u64 *values;

    if (cpus < 0)
        return cpus;
    values = calloc(cpus, sizeof(*values));
    if (!values)
        return -ENOMEM;
    for (__u32 i = 0; i < SW_C_MAX && !err; i++) {
        if (bpf_map_lookup_elem(bpf_map__fd(obj->maps.counters), &i, values)) {
            err = -errno;
            break;
        }
        ret_counters[i] = 0;
        for (int cpu = 0; cpu < cpus; cpu++)
            ret_counters[i] += values[cpu];
    }
    free(values);
    return err;
}
