/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists, rate limits of SYNs and the budget of replies. */
#ifndef SW_BPF_GUARD_RATE_LIMIT_H
#define SW_BPF_GUARD_RATE_LIMIT_H

#include "guard/service.h"

/* An entry with value 0 excludes the IPv4-mapped range from an IPv6 prefix that covers it. */
static __always_inline int sw_listed(void *trie, const struct sw_ip *ip)
{
    struct sw_cidr key = {.prefixlen = 128};
    __u32 *who;

    for (int i = 0; i < 4; i++)
        ((__u32 *)key.ip)[i] = ip->word[i];
    who = bpf_map_lookup_elem(trie, &key);
    return who && *who;
}

SW_STEP int sw_allowed(struct sw_ip *ip)
{
    struct sw_guard *g = sw_guard_config();

    return ip && g && g->allow_len && sw_listed(&allow, ip);
}

SW_STEP int sw_blocked(struct sw_ip *ip)
{
    struct sw_guard *g = sw_guard_config();

    if (!ip || !g || !g->block_len || !sw_listed(&block, ip))
        return 0;
    return !(g->allow_len && sw_listed(&allow, ip));
}

/* The /24 or /64. */
static __always_inline void sw_ip_prefix(struct sw_ip *ip)
{
    if (sw_ip_is_4(ip))
        ip->word[3] &= bpf_htonl(0xffffff00);
    else
        ip->word[2] = ip->word[3] = 0;
}

/*
 * Virtual scheduling (GCRA) with a burst of one second. A plain write: two CPUs may take the same token, then the limit
 * is exceeded by one SYN.
 */
static __always_inline int sw_tat_take(__u64 *at, __u64 rate, __u64 now)
{
    __u64 step = SW_SECOND / (rate ? rate : 1), tat = *at > now ? *at : now;

    if (tat + step > now + SW_SECOND + step / 2 && tat > now)
        return 0;
    *at = tat + step;
    return 1;
}

static __always_inline int sw_bucket_take(void *map, const struct sw_ip *ip, __u64 rate, __u64 now)
{
    struct sw_bucket *b = bpf_map_lookup_elem(map, ip), fresh;

    if (b)
        return sw_tat_take(&b->tat, rate, now);
    fresh.tat = now + SW_SECOND / (rate ? rate : 1);
    bpf_map_update_elem(map, ip, &fresh, BPF_ANY);
    return 1;
}

static __always_inline void sw_bucket_give(void *map, const struct sw_ip *ip, __u64 rate)
{
    struct sw_bucket *b = bpf_map_lookup_elem(map, ip);
    __u64 step = SW_SECOND / (rate ? rate : 1);

    if (b)
        b->tat = b->tat > step ? b->tat - step : 0;
}

/* Takes a token for a SYN. SW_DROP_NONE, or the limit that is exceeded. */
SW_STEP int sw_limit_take(struct sw_ip *ip, __u64 now)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_ip prefix, own;

    if (!ip || !g)
        return SW_DROP_NONE;
    own = *ip; /* before 6.2 a map key may not be a pointer argument of a function */
    ip = &own;
    if (g->limit_source && !sw_bucket_take(&limit_source, ip, g->limit_source, now))
        return SW_DROP_RATE_SOURCE;
    if (!g->limit_prefix)
        return SW_DROP_NONE;
    prefix = *ip;
    sw_ip_prefix(&prefix);
    if (sw_bucket_take(&limit_prefix, &prefix, g->limit_prefix, now))
        return SW_DROP_NONE;
    if (g->limit_source)
        sw_bucket_give(&limit_source, ip, g->limit_source);
    return SW_DROP_RATE_PREFIX;
}

/* The handshake completed: returns the token of its SYN. */
SW_STEP int sw_limit_give(struct sw_ip *ip)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_ip prefix, own;

    if (!ip || !g)
        return 0;
    own = *ip;
    ip = &own;
    if (g->allow_len && sw_listed(&allow, ip))
        return 0; /* was not charged */
    if (g->limit_source)
        sw_bucket_give(&limit_source, ip, g->limit_source);
    if (g->limit_prefix) {
        prefix = *ip;
        sw_ip_prefix(&prefix);
        sw_bucket_give(&limit_prefix, &prefix, g->limit_prefix);
    }
    return 0;
}

/* May one more SYN pass for the kernel to decide? Signed ones have a rate of their own: anybody can claim a signature.
 */
static __always_inline int sw_pass_take(const struct sw_guard *g, __u32 index, __u32 is_signed, __u64 now)
{
    struct sw_svc_history *p;

    if (!g->pass_rate)
        return 1;
    p = bpf_map_lookup_elem(&svc_history, &index);
    return !p || sw_tat_take(is_signed ? &p->signed_tat : &p->known_tat, g->pass_rate, now);
}

#define SW_BUDGET_SHARE 10 /* burst: a tenth of a second's replies */

/*
 * Takes one reply from the budget. The CPU that wins the compare-and-swap adds the replies that have become available;
 * the remaining fraction of time is kept for the next refill.
 */
static __always_inline int sw_budget_take(struct sw_guard *g, __u64 now)
{
    __u64 rate = g->reply_budget, since = g->budget_ns, from = since, more;
    __s64 burst = rate / SW_BUDGET_SHARE + 1, left;

    if (!rate)
        return 1;
    if (now > since) {
        if (now - since > SW_SECOND)
            from = now - SW_SECOND;
        more = (now - from) * rate / SW_SECOND;
        if (more && __sync_val_compare_and_swap(&g->budget_ns, since, from + more * SW_SECOND / rate) == since) {
            left = g->budget > 0 ? g->budget : 0;
            left += more;
            g->budget = left < burst ? left : burst;
        }
    }
    return __sync_fetch_and_add(&g->budget, -1) > 0;
}

#endif
