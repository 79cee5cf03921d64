/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cookies with the current keys. */
#ifndef SW_BPF_GUARD_SYNCOOKIE_KEYS_H
#define SW_BPF_GUARD_SYNCOOKIE_KEYS_H

#include "guard/context.h"
#include "guard/service.h"

static __always_inline struct sw_keys *sw_keys_now(const struct sw_guard *g)
{
    __u32 slot = g->key_slot & 1;

    return bpf_map_lookup_elem(&keys, &slot);
}

static __always_inline void sw_cookie_tuple(struct sw_cookie_tuple *f, const struct sw_key *k, const struct sw_seg *s,
                                            const struct sw_service *sv, __u32 v6, __u32 isn)
{
    const __u32 *a = (const __u32 *)k->a_ip, *b = (const __u32 *)k->b_ip;

    for (int i = 0; i < 4; i++) {
        f->src[i] = s->src_is_b ? b[i] : a[i];
        f->dst[i] = s->src_is_b ? a[i] : b[i];
    }
    if (!v6) {
        f->src[0] = f->src[3];
        f->dst[0] = f->dst[3];
    }
    f->sport = s->src_is_b ? k->b_port : k->a_port;
    f->dport = s->src_is_b ? k->a_port : k->b_port;
    f->isn = isn;
    f->v6 = v6;
    f->wscale = sv->wscale;
}

SW_STEP int sw_cookie_generate(struct sw_keys *k, struct sw_guard_scratch *at, __u64 now)
{
    if (k && at)
        sw_cookie_make(k, &at->tuple, &at->cookie_opts, now, &at->cookie);
    return 0;
}

/* Does the acknowledgement `isn` + 1 prove the handshake of at->tuple? */
SW_STEP int sw_cookie_verify(struct sw_keys *k, struct sw_guard_scratch *at, __u32 isn, __u64 now,
                             struct sw_cookie_opts *c)
{
    if (!k || !at || !c)
        return 0;
    return sw_cookie_is_live(k, &at->tuple, isn, at->opts.opts & SW_OPT_TS, at->opts.tsecr, now, c);
}

/* Did it two epochs ago? */
SW_STEP int sw_cookie_verify_expired(struct sw_guard_scratch *at, __u32 isn, __u64 now)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_keys *k;

    if (!at)
        return 0;
    if (!g)
        return 0;
    k = sw_keys_now(g);
    return k ? sw_cookie_is_expired(k, &at->tuple, isn, at->opts.opts & SW_OPT_TS, at->opts.tsecr,
                                    now + g->clock_offset)
             : 0;
}

/* Does the segment acknowledge our cookie for a SYN with this ISN? j->now is exact. */
SW_STEP int sw_cookie_ok(struct sw_key *key, struct sw_seg *s, struct sw_guard_ctx *j, __u32 isn,
                         struct sw_cookie_opts *c)
{
    struct sw_guard *g = sw_guard_config();
    struct sw_guard_scratch *at = sw_guard_scratch_get();
    struct sw_service *sv;
    struct sw_keys *k;
    __u32 index;

    if (!key || !s || !j || !c)
        return 0;
    if (!g)
        return 0;
    if (!at)
        return 0;
    index = j->service;
    sv = bpf_map_lookup_elem(&services, &index);
    if (!sv)
        return 0;
    k = sw_keys_now(g);
    if (!k)
        return 0;
    sw_cookie_tuple(&at->tuple, key, s, sv, j->v6, isn);
    return sw_cookie_verify(k, at, s->ack - 1, j->now + g->clock_offset, c);
}

#endif
