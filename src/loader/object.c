/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/object.h"
#include "base/exit.h"
#include "base/random.h"
#include "loader/features.h"
#include "loader/filter.h"
#include "synward.skel.h"
#include "synward_nokfunc.skel.h"
#include "synward_old.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Well-known TCP services: an endpoint with one of these ports is taken for the server. --likely-server-ports replaces
 * them. */
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
        .close_delay = 5 * SW_SECOND,  /* Zeek, tcp_close_delay and tcp_reset_delay */
        .t_syn_sent = 120 * SW_SECOND, /* Linux nf_conntrack; more than the 64 s that Linux waits after its last SYN */
        .t_syn_received = 60 * SW_SECOND,  /* Linux nf_conntrack */
        .t_established = 7440 * SW_SECOND, /* RFC 5382 REQ-5: not less than 2 h 4 min */
        .t_fin_wait = 240 * SW_SECOND,     /* RFC 5382 REQ-5: closing, not less than 4 min */
        .t_close_wait = 240 * SW_SECOND,   /* the same */
        .t_last_ack = 240 * SW_SECOND,     /* the same; RFC 9293: 2 MSL = 4 min */
        .t_midstream = 300 * SW_SECOND,    /* Zeek, tcp_inactivity_timeout; Linux nf_conntrack, unacknowledged */
        .update_interval = 0,
        .event_mask = (1u << SW_EV_MAX) - 1,
        .likely_server_ports = 1,
        .owners = SW_OWNERS_COOKIE | SW_OWNERS_CGROUP,
    };
    opts->max_flows = 1u << 17;
    opts->max_half_open = 1u << 15;
    opts->syn_cache_max = 1u << 18;
    opts->ring_bytes = 16u << 20;
    opts->ring_open_bytes = 4u << 20;
    opts->limit_source_max = opts->limit_prefix_max = 1u << 16;
    opts->captures_bytes = 4u << 20;
    opts->gateway_flows = SW_GATEWAY_FLOWS;
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

void sw_object_server_ports(const struct sw_object_opts *opts, __u64 ret_bitmap[1024])
{
    const __u16 *ports = opts->server_ports ? opts->server_ports : default_server_ports;
    size_t len = opts->server_ports ? opts->server_ports_len : sizeof(default_server_ports) / sizeof(ports[0]);

    memset(ret_bitmap, 0, 1024 * sizeof(ret_bitmap[0]));
    if (!opts->cfg.likely_server_ports)
        return;
    for (size_t i = 0; i < len; i++)
        ret_bitmap[ports[i] / 64] |= 1ull << (ports[i] % 64);
}

static int fill_server_ports(struct synward_bpf *obj, const struct sw_object_opts *opts)
{
    static __u64 bitmap[1024];

    sw_object_server_ports(opts, bitmap);
    for (__u32 word = 0; word < 1024; word++)
        if (bitmap[word] && bpf_map_update_elem(bpf_map__fd(obj->maps.server_ports), &word, &bitmap[word], BPF_ANY))
            return -errno;
    return 0;
}

static int fill_filter(struct synward_bpf *obj, const struct sw_object_opts *opts)
{
    struct sw_filter_map *map;
    int err = opts->filter ? sw_filter_map(bpf_map__fd(obj->maps.filter), &map) : 0;

    if (!opts->filter || err)
        return err;
    sw_filter_init(map, opts->filter);
    sw_filter_unmap(map);
    return 0;
}

int sw_object_key_hashes(struct synward_bpf *obj, const struct sw_hash_key *given)
{
    const int fd = bpf_map__fd(obj->maps.hash_key);
    const struct sw_hash_key none = {0};
    const __u32 zero = 0;
    struct sw_hash_key key;
    int err;

    if (bpf_map_lookup_elem(fd, &zero, &key))
        return -errno;
    if (memcmp(&key, &none, sizeof(key)))
        return 0; /* pinned: what is in the tables was put there by it */
    err = given ? 0 : sw_random(&key, sizeof(key));
    if (given)
        key = *given;
    if (!err && bpf_map_update_elem(fd, &zero, &key, BPF_ANY))
        err = -errno;
    return err;
}

const void *sw_object_elf(enum sw_object_form form, size_t *ret_size)
{
    switch (form) {
    case SW_FORM_NO_KFUNC: return synward_nokfunc_bpf__elf_bytes(ret_size);
    case SW_FORM_OLD: return synward_old_bpf__elf_bytes(ret_size);
    default: return synward_bpf__elf_bytes(ret_size);
    }
}

static struct synward_bpf *open_form(enum sw_object_form form)
{
    struct synward_bpf *obj;
    int err;

    obj = calloc(1, sizeof(*obj));
    if (!obj)
        return NULL;
    err = synward_bpf__create_skeleton(obj);
    if (!err) {
        struct bpf_object_skeleton *s = obj->skeleton;

        s->data = (void *)sw_object_elf(form, &s->data_sz);
        err = bpf_object__open_skeleton(s, NULL);
    }
    if (!err)
        return obj;
    synward_bpf__destroy(obj);
    errno = -err;
    return NULL;
}

bool sw_object_is_old(const struct synward_bpf *obj)
{
    return !bpf_program__autoload(obj->progs.sw_sweep);
}

/* sw_expire stands in for sw_sweep on old kernels. */
static int choose_programs(struct synward_bpf *obj, const struct sw_object_opts *opts, bool accept)
{
    const bool guard = opts->cfg.guard, translate = guard && opts->cfg.gateway == SW_GATEWAY_TRANSLATE;
    int err = bpf_program__set_autoload(obj->progs.sw_ingress, !guard && !opts->no_ingress);

    if (!err)
        err = bpf_program__set_autoload(obj->progs.sw_xdp_guard, guard && !opts->no_ingress);
    if (!err)
        err = bpf_program__set_autoload(opts->old ? obj->progs.sw_sweep : obj->progs.sw_expire, false);
    if (!err)
        err = bpf_program__set_autoload(obj->progs.sw_detect, guard);
    if (!err)
        err = bpf_program__set_autoload(obj->progs.sw_accept, accept);
    if (!err)
        err = bpf_program__set_autoload(obj->progs.sw_gateway_in, translate);
    if (!err)
        err = bpf_program__set_autoload(obj->progs.sw_gateway_out, translate);
    if (!err)
        err = bpf_program__set_autoload(obj->progs.sw_gateway_sweep, translate);
    return err;
}

const char *sw_object_why(int err)
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

static int fail(int err, const char **ret_why)
{
    if (ret_why)
        *ret_why = sw_object_why(err);
    return err;
}

int sw_object_open(const struct sw_object_opts *opts, struct synward_bpf **ret_obj, const char **ret_why)
{
    struct synward_bpf *obj;
    bool accept = false;
    int err;

    *ret_obj = NULL;
    raise_limits();
    if (opts->old && (opts->cfg.guard || opts->cfg.checksum))
        return fail_old(opts, ret_why);
    if (opts->cfg.guard && opts->accept) {
        err = sw_kernel_has_reqsk();
        accept = err > 0;
        if (err < 0)
            return fail(-ESRCH, ret_why);
    }
    obj = open_form(opts->old ? SW_FORM_OLD : accept ? SW_FORM_WHOLE : SW_FORM_NO_KFUNC);
    err = obj ? 0 : -errno;
    if (!err) {
        obj->rodata->cfg = opts->cfg;
        if (opts->cfg.owners & SW_OWNERS_CGROUP && !sw_kernel_has_cgroup_ids())
            obj->rodata->cfg.owners &= ~SW_OWNERS_CGROUP;
        obj->rodata->cfg.ended_bits = sw_object_ended_bits(opts);
        sw_object_size_shares(opts->max_flows, obj->rodata->cfg.share);
        obj->rodata->cfg.syn_sets = sw_object_syn_sets(opts);
        obj->bss->half_open_room = opts->max_half_open;
        err = sw_object_size_maps(obj, opts);
    }
    if (!err)
        err = choose_programs(obj, opts, accept);
    if (!err) {
        *ret_obj = obj;
        return 0;
    }
    sw_object_free(obj);
    return fail(err, ret_why);
}

int sw_object_load(struct synward_bpf *obj, const struct sw_object_opts *opts, const char **ret_why)
{
    int err = synward_bpf__load(obj);

    if (!err)
        err = sw_object_key_hashes(obj, opts->hash_key);
    if (!err)
        err = fill_server_ports(obj, opts);
    if (!err)
        err = fill_filter(obj, opts);
    if (!err)
        return 0;
    if (err == -ESRCH && !access("/sys/kernel/btf/vmlinux", R_OK)) /* libbpf's word for any failure to take it in */
        err = -ENOMEM;
    else if ((err == -E2BIG || err == -ENOMEM) && !sw_object_try_maps(opts))
        err = -ENOEXEC;
    return fail(err, ret_why);
}

int sw_object_new(const struct sw_object_opts *opts, struct synward_bpf **ret_obj, const char **ret_why)
{
    int err = sw_object_open(opts, ret_obj, ret_why);

    if (err)
        return err;
    err = sw_object_load(*ret_obj, opts, ret_why);
    if (err) {
        sw_object_free(*ret_obj);
        *ret_obj = NULL;
    }
    return err;
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
    return obj->rodata->cfg.guard ? obj->progs.sw_xdp_guard : obj->progs.sw_ingress;
}

int sw_object_ingress_copy(struct synward_bpf *obj, bool guard, struct synward_bpf **ret_copy)
{
    struct bpf_map *from, *to;
    struct bpf_program *prog;
    struct synward_bpf *copy;
    int err = 0;

    *ret_copy = NULL;
    /* --accept needs the kernel's types, which are there then */
    copy = open_form(sw_object_is_old(obj) ? SW_FORM_OLD : obj->rodata->cfg.accept ? SW_FORM_WHOLE : SW_FORM_NO_KFUNC);
    if (!copy)
        return -errno;
    from = bpf_object__next_map(obj->obj, NULL);
    to = bpf_object__next_map(copy->obj, NULL);
    for (; from && to && !err; from = bpf_object__next_map(obj->obj, from), to = bpf_object__next_map(copy->obj, to))
        if (guard || to != copy->maps.rodata)
            err = bpf_map__reuse_fd(to, bpf_map__fd(from));
    copy->rodata->cfg = obj->rodata->cfg; /* also of a shared map: it selects the program */
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
