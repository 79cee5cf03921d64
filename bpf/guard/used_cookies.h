/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cookies that have opened a connection, so that one that is captured and sent again is counted as what it is. The flow
 * is no memory for that: it goes after the close delay, and a cookie is good for two minutes.
 */
#ifndef SW_BPF_GUARD_USED_COOKIES_H
#define SW_BPF_GUARD_USED_COOKIES_H

#include "guard/maps.h"

/* Of an acknowledgement that brings a cookie back. */
static __always_inline void sw_cookie_id_of(struct sw_cookie_id *id, const struct sw_key *k, const struct sw_seg *s)
{
    id->tuple = sw_key_hash(k);
    id->client_isn = s->seq - 1;
    id->isn = s->ack - 1;
}

SW_STEP int sw_cookie_was_used(struct sw_key *key, struct sw_seg *s)
{
    struct sw_cookie_id id;

    if (!key || !s)
        return 0;
    sw_cookie_id_of(&id, key, s);
    return !!bpf_map_lookup_elem(&used_cookies, &id);
}

SW_STEP int sw_cookie_use(struct sw_key *key, struct sw_seg *s)
{
    struct sw_cookie_id id;
    __u32 one = 1;

    if (!key || !s)
        return 0;
    sw_cookie_id_of(&id, key, s);
    bpf_map_update_elem(&used_cookies, &id, &one, BPF_ANY);
    return 0;
}

#endif
