/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/services.h"
#include "base/clock.h"
#include "guard/addresses.h"
#include "guard/devices.h"
#include "guard/known_tuples.h"
#include "guard/local_macs.h"
#include "guard/reverse_path.h"
#include "guard/routes.h"
#include "guard/services_behind.h"
#include "guard/service_set.h"
#include "guard/service_table.h"
#include "guard/services_state.h"
#include "guard/sock_diag.h"
#include "guard/tcp_settings.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    V4_HEADERS = 40,
    V6_HEADERS = 60,
    V4_MSS_LEAST = 88,   /* TCP_MIN_MSS of Linux */
    V6_MSS_LEAST = 1220, /* RFC 8200 section 5: every link takes 1280 */
    MSS_MOST = 65495,
};

/* The elements of a map as memory that the kernel side shares. */
static int share(struct sw_services *s, int n, const struct bpf_map *map, size_t need, void **ret)
{
    size_t page = sysconf(_SC_PAGESIZE);
    size_t bytes = (size_t)bpf_map__max_entries(map) * ((bpf_map__value_size(map) + 7) & ~7u);
    void *at;

    if (bytes < need)
        return -EINVAL;
    bytes = (bytes + page - 1) & ~(page - 1);
    at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (at == MAP_FAILED)
        return -errno;
    s->region[n].at = *ret = at;
    s->region[n].bytes = bytes;
    return 0;
}

static int share_all(struct sw_services *s, struct synward_bpf *obj)
{
    void *guard, *slots, *ports, *local_ips, *known;
    const struct {
        const struct bpf_map *map;
        size_t need;
        void **at;
    } maps[REGIONS] = {
        {obj->maps.guard, sizeof(struct sw_guard), &guard},
        {obj->maps.services, SW_SERVICES * sizeof(struct sw_service), &slots},
        {obj->maps.svc_ports, 65536 * sizeof(struct sw_port_slot), &ports},
        {obj->maps.local_ips, SW_LOCAL_IPS * sizeof(*s->local_ips), &local_ips},
        {obj->maps.known_tuples, 2 * SW_KNOWN_WORDS * sizeof(*s->known), &known},
    };
    const __u32 zero = 0;
    int err;

    if (bpf_map_lookup_elem(bpf_map__fd(obj->maps.hash_key), &zero, &s->hash_key))
        return -errno;
    for (int i = 0; i < REGIONS; i++) {
        err = share(s, i, maps[i].map, maps[i].need, maps[i].at);
        if (err)
            return err;
    }
    s->guard = guard;
    s->local_ips = local_ips;
    s->known = known;
    return sw_table_init(&s->table, guard, slots, ports, bpf_map__fd(obj->maps.svc_counters),
                         bpf_map__fd(obj->maps.svc_history));
}

static struct sw_guard settings(const struct sw_guard_opts *opts)
{
    return (struct sw_guard){
        .mode = opts->mode,
        .gateway = opts->gateway,
        .half_open = opts->half_open,
        .syn_rate = opts->syn_rate,
        .hold = opts->hold_ns,
        .grace = opts->grace_ns,
        .limit_source = opts->limit_source,
        .limit_prefix = opts->limit_prefix,
        .reply_budget = opts->reply_budget,
        .pass_rate = opts->pass_rate,
    };
}

static void set_guard(struct sw_guard *g, const struct sw_guard *to)
{
    g->mode = to->mode;
    g->gateway = to->gateway;
    g->half_open = to->half_open;
    g->syn_rate = to->syn_rate;
    g->hold = to->hold;
    g->grace = to->grace;
    g->limit_source = to->limit_source;
    g->limit_prefix = to->limit_prefix;
    g->reply_budget = to->reply_budget;
    g->pass_rate = to->pass_rate;
}

/* What this host grants in its SYN-ACKs; other flags are not changed here. */
static void grant(struct sw_guard *g, const struct sw_tcp_sysctls *s)
{
    const __u32 ours =
        SW_G_SACK | SW_G_TS | SW_G_WSCALE | SW_G_ECN | SW_G_TS_PLAIN | SW_G_MD5 | SW_G_AO | SW_G_COOKIES_ALWAYS;
    __u32 want = (s->sack ? SW_G_SACK : 0) | (s->timestamps ? SW_G_TS : 0) | (s->window_scaling ? SW_G_WSCALE : 0) |
                 (s->ecn ? SW_G_ECN : 0) | (s->timestamps == 2 ? SW_G_TS_PLAIN : 0) | (s->md5 > 0 ? SW_G_MD5 : 0) |
                 (s->ao > 0 ? SW_G_AO : 0) | (s->syncookies == 2 ? SW_G_COOKIES_ALWAYS : 0);
    __u32 have = __atomic_load_n(&g->flags, __ATOMIC_RELAXED) & ours;

    if (want & ~have)
        __atomic_fetch_or(&g->flags, want & ~have, __ATOMIC_RELEASE);
    if (have & ~want)
        __atomic_fetch_and(&g->flags, ~(have & ~want), __ATOMIC_RELEASE);
    g->ttl = s->ttl > 0 && s->ttl < 256 ? s->ttl : 64;
    g->hop_limit = s->hop_limit > 0 && s->hop_limit < 256 ? s->hop_limit : 64;
}

static __u16 mss_of(__u32 mtu, __u32 headers, __u32 least, __u32 option)
{
    __u32 mss = mtu > headers ? mtu - headers : 0;

    if (option && mss > option)
        mss = option;
    return mss < least ? least : mss > MSS_MOST ? MSS_MOST : mss;
}

static struct sw_table_common common_of(const struct sw_services *s)
{
    struct sw_table_common c = {
        .sysctls = &s->sysctls,
        .mode = __atomic_load_n(&s->guard->mode, __ATOMIC_RELAXED),
        .backend = s->opts->backend != SW_BK_LISTENER && s->reqsk ? SW_BK_REQSK : SW_BK_LISTENER,
        .wscale = s->opts->wscale,
        .grace = s->guard->grace,
    };
    __u32 mtu4, mtu6;

    if (sw_tcp_sysctls_refusal(&s->sysctls))
        c.backend = SW_BK_NONE; /* the kernel would refuse what comes back: fail open, the listener answers itself */
    sw_local_mtu(s->ifindexes, s->ifindexes_len, &mtu4, &mtu6);
    c.mss[0] = mss_of(mtu4, V4_HEADERS, V4_MSS_LEAST, s->opts->mss);
    c.mss[1] = mss_of(mtu6, V6_HEADERS, V6_MSS_LEAST, s->opts->mss);
    c.now = sw_clock_now();
    return c;
}

static int read_wanted(const struct sw_services *s, const __u8 (*ips)[16], size_t ips_len, struct sw_service_spec **ret,
                       size_t *ret_len)
{
    struct sw_listener *listeners;
    size_t len;
    int err = sw_listeners_read(s->ifindexes, s->ifindexes_len, &listeners, &len);

    if (err)
        return err;
    err = sw_service_set_make(listeners, len, s->opts, ips, ips_len, (__u32)s->sysctls.first_open, ret, ret_len);
    free(listeners);
    return err;
}

/* This host's addresses, with those that --protect names and a local route covers. */
static int read_ips(const struct sw_services *s, __u8 (**ret)[16], size_t *ret_len)
{
    int err = sw_local_ips_read(ret, ret_len);

    for (size_t i = 0; i < s->opts->protect_len && !err; i++) {
        const struct sw_protect *p = &s->opts->protect[i];

        if (!p->any && !sw_local_ips_has((const __u8(*)[16]) * ret, *ret_len, p->ip))
            err = sw_local_ips_add_routed(ret, ret_len, p->ip);
    }
    return err;
}

static void set_own_source(struct sw_guard *g, bool refused)
{
    if (refused)
        __atomic_fetch_or(&g->flags, SW_G_NO_OWN_SOURCE, __ATOMIC_RELEASE);
    else
        __atomic_fetch_and(&g->flags, ~(__u32)SW_G_NO_OWN_SOURCE, __ATOMIC_RELEASE);
}

/* Ethernet addresses, and routes over the devices. */
static void refresh_devices(struct sw_services *s)
{
    __u64 macs[SW_MACS] = {0}, now = sw_clock_now();
    struct sw_devices devices;
    bool known;

    sw_reverse_path_watch(s->reverse_path);
    known = !sw_devices_read(s->ifindexes, s->ifindexes_len, &devices);
    sw_local_macs_apply(s->guard, macs, known && !s->bridged ? sw_local_macs_of(&devices, macs) : 0);
    /* a bridge does not look at the source of what it passes on */
    set_own_source(s->guard, known && !s->bridged && !sw_accepts_local(&devices) && sw_rules_are_plain(AF_INET));
    sw_reverse_path_refresh(s->reverse_path, known ? &devices : NULL, now);
    sw_devices_free(&devices);
}

int sw_services_refresh(struct sw_services *s)
{
    struct sw_service_spec *wanted = NULL;
    struct sw_table_common common;
    __u8(*ips)[16] = NULL;
    size_t len, ips_len;
    int err;

    refresh_devices(s);
    sw_tcp_sysctls_read(&s->sysctls);
    if (s->opts->gateway)
        return sw_services_refresh_behind(s);
    err = read_ips(s, &ips, &ips_len);
    if (err)
        goto out;
    err = read_wanted(s, (const __u8(*)[16])ips, ips_len, &wanted, &len);
    if (!err && sw_table_misses(&s->table, wanted, len)) {
        /* a dump in several parts may miss a listener while others come and go */
        free(wanted);
        wanted = NULL;
        err = read_wanted(s, (const __u8(*)[16])ips, ips_len, &wanted, &len);
    }
    if (err)
        goto out;
    grant(s->guard, &s->sysctls);
    s->addresses_left_out = sw_local_ips_apply(s->local_ips, (const __u8(*)[16])ips, ips_len);
    __atomic_store_n(&s->guard->local_ns, sw_clock_now(), __ATOMIC_RELEASE);
    common = common_of(s);
    err = sw_table_apply(&s->table, wanted, len, &common, &s->sum);
    s->now = common.now;
    __atomic_store_n(&s->guard->unprotected, (__u32)(s->sum.no_slot + s->sum.no_chain), __ATOMIC_RELAXED);
out:
    free(wanted);
    free(ips);
    return err;
}

int sw_services_new(struct synward_bpf *obj, const struct sw_guard_opts *opts, const __u32 *ifindexes,
                    size_t ifindexes_len, bool bridged, bool reqsk, struct sw_services **ret)
{
    struct sw_services *s;
    int err = -ENOMEM;

    *ret = NULL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->opts = opts;
    s->reqsk = reqsk;
    s->bridged = bridged;
    s->ifindexes = calloc(ifindexes_len ? ifindexes_len : 1, sizeof(*ifindexes));
    if (!s->ifindexes)
        goto fail;
    if (ifindexes_len)
        memcpy(s->ifindexes, ifindexes, ifindexes_len * sizeof(*ifindexes));
    s->ifindexes_len = ifindexes_len;
    sw_tcp_sysctls_read(&s->sysctls);
    err = !opts->gateway && sw_tcp_sysctls_refusal(&s->sysctls) ? -ENOTSUP : share_all(s, obj);
    if (err)
        goto fail;
    err = -ENOMEM;
    s->nets_fd = bpf_map__fd(obj->maps.service_nets);
    s->table.chain.unbounded = opts->gateway;
    /* bridged frames take no route */
    s->reverse_path = sw_reverse_path_new(bpf_map__fd(obj->maps.reverse_path), s->guard,
                                          bridged ? SW_REVERSE_PATH_OFF : opts->reverse_path);
    if (!s->reverse_path)
        goto fail;
    *ret = s;
    return 0;
fail:
    sw_services_free(s);
    return err;
}

/* What can fail comes before the table is changed. */
int sw_services_fill(struct sw_services *s)
{
    const struct sw_guard before = *s->guard, now = settings(s->opts);
    int err;

    set_guard(s->guard, &now);
    err = sw_services_refresh(s);
    if (!err)
        err = sw_services_refill_known(s);
    if (err)
        set_guard(s->guard, &before);
    return err;
}

void sw_services_free(struct sw_services *s)
{
    if (!s)
        return;
    for (int i = 0; i < REGIONS; i++)
        if (s->region[i].at)
            munmap(s->region[i].at, s->region[i].bytes);
    sw_table_free(&s->table);
    sw_reverse_path_free(s->reverse_path);
    free(s->nets);
    free(s->ifindexes);
    free(s);
}

struct sw_service *sw_services_at(struct sw_services *s, __u32 index)
{
    return &s->table.chain.slot[index < SW_SERVICES ? index : 0];
}

struct sw_guard *sw_services_guard(struct sw_services *s)
{
    return s->guard;
}
