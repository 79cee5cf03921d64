/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/services_behind.h"
#include "base/clock.h"
#include "guard/addresses.h"
#include "guard/gateway.h"

#include <stdlib.h>
#include <string.h>

enum { V4_ETHERNET = 1460, V6_ETHERNET = 1440, V6_LEAST = 1220 }; /* MSS; RFC 8200 section 5: every link takes 1280 */

/* What Linux grants by default. A host that signs SYNs decides itself. */
static void grant(const struct sw_services *s)
{
    struct sw_guard *g = s->guard;

    __atomic_fetch_or(&g->flags, SW_G_SACK | SW_G_TS | SW_G_WSCALE | SW_G_ECN | SW_G_MD5 | SW_G_AO, __ATOMIC_RELEASE);
    g->ttl = g->hop_limit = s->opts->ttl;
}

/* Ethernet's, or --mss for IPv4, also if it is more; for IPv6 no more than the same packets have room for. */
static __u16 mss4(__u32 option)
{
    return option ? option : V4_ETHERNET;
}

static __u16 mss6(__u32 option)
{
    if (!option || (option > V6_ETHERNET && option <= V4_ETHERNET))
        return V6_ETHERNET;
    if (option > V4_ETHERNET)
        return option - (V4_ETHERNET - V6_ETHERNET);
    return option < V6_LEAST ? V6_LEAST : option;
}

static struct sw_table_common common_of(const struct sw_services *s)
{
    return (struct sw_table_common){
        .sysctls = &s->sysctls,
        .mode = __atomic_load_n(&s->guard->mode, __ATOMIC_RELAXED),
        .backend = SW_BK_REQSK,
        .wscale = s->opts->wscale,
        .window = s->opts->window,
        .no_window = s->opts->gateway == SW_GATEWAY_TRANSLATE,
        .mss = {mss4(s->opts->mss), mss6(s->opts->mss)},
        .grace = s->guard->grace,
        .now = sw_clock_now(),
    };
}

/* The map is written only if something has changed. */
static int refresh_nets(struct sw_services *s, const struct sw_cidr *own, size_t own_len)
{
    struct sw_net_entry *nets;
    size_t len;
    int err = sw_gateway_nets_make(&s->table.chain, own, own_len, &nets, &len, &s->nets_own);

    if (err)
        return err;
    if (s->nets && s->nets_len == len && !memcmp(s->nets, nets, len * sizeof(*nets))) {
        free(nets);
        /* once more: on another processor a look-up of then may have remembered the map as it was before the change */
        if (s->nets_changed)
            __atomic_fetch_add(&s->guard->nets_gen, 1, __ATOMIC_RELEASE);
        s->nets_changed = false;
        return 0;
    }
    err = sw_gateway_nets_apply(s->nets_fd, nets, len);
    __atomic_fetch_add(&s->guard->nets_gen, 1, __ATOMIC_RELEASE); /* also if only a part of it was changed */
    s->nets_changed = true;
    free(s->nets);
    s->nets = err ? NULL : nets;
    s->nets_len = err ? 0 : len;
    if (err)
        free(nets);
    return err;
}

int sw_services_refresh_behind(struct sw_services *s)
{
    struct sw_table_common common = common_of(s);
    struct sw_service_spec *wanted;
    struct sw_cidr *own = NULL;
    __u8(*ips)[16] = NULL;
    size_t len, ips_len, own_len = 0;
    int err = sw_gateway_set_make(s->opts, &wanted, &len);

    if (!err)
        err = sw_local_ips_read(&ips, &ips_len);
    if (!err)
        err = sw_local_nets_read((const __u8(*)[16])ips, ips_len, &own, &own_len);
    if (!err) {
        grant(s);
        sw_local_ips_apply(s->local_ips, (const __u8(*)[16])ips, ips_len); /* nothing comes from them */
        __atomic_store_n(&s->guard->local_ns, sw_clock_now(), __ATOMIC_RELEASE);
        err = sw_table_apply(&s->table, wanted, len, &common, &s->sum);
        s->now = common.now;
    }
    if (!err) /* a DNAT of this host, or a listener of its own, is translated as any other backend */
        err = refresh_nets(s, own, s->opts->gateway == SW_GATEWAY_TRANSLATE ? 0 : own_len);
    free(wanted);
    free(ips);
    free(own);
    return err;
}
