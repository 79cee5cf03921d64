/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/known_tuples.h"

#include "base/clock.h"
#include "guard/services_state.h"
#include "guard/sock_diag.h"
#include "synward_hash.h"

#include <arpa/inet.h>

struct filling {
    const struct sw_port_slot *ports;
    const struct sw_hash_key *key;
    __u64 *words;
};

static void fill_one(const __u32 remote[4], const __u32 local[4], __be16 rport, __be16 lport, void *ctx)
{
    const struct filling *f = ctx;
    __u32 bit;

    if (!f->ports[ntohs(lport)].first)
        return;
    bit = sw_known_bit(f->key, remote, local, rport, lport);
    __atomic_fetch_or(&f->words[bit / 64], 1ull << (bit & 63), __ATOMIC_RELAXED);
}

/* Of a gateway: SYNs that have passed. The programs write both generations; the one that takes over has those since it
 * was cleared. */
static int renew_passed(struct sw_services *s)
{
    __u32 old = s->guard->known_gen;
    __u64 *words = s->known + (size_t)old * SW_KNOWN_WORDS;

    __atomic_store_n(&s->guard->known_gen, !old, __ATOMIC_RELEASE);
    for (__u32 i = 0; i < SW_KNOWN_WORDS; i++)
        __atomic_store_n(&words[i], 0, __ATOMIC_RELAXED);
    return 0;
}

/* Cleared before the sockets are queried: the BPF programs set the bits of later ones. */
int sw_services_refill_known(struct sw_services *s)
{
    __u32 gen = !s->guard->known_gen;
    __u64 began = sw_clock_now();
    struct filling f = {
        .ports = s->table.chain.port, .key = &s->hash_key, .words = s->known + (size_t)gen * SW_KNOWN_WORDS};
    int err;

    if (s->opts->gateway)
        return renew_passed(s);
    for (__u32 i = 0; i < SW_KNOWN_WORDS; i++)
        __atomic_store_n(&f.words[i], 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    err = sw_sockets_each(fill_one, &f);
    if (err)
        return err;
    __atomic_store_n(&s->guard->known_gen, gen, __ATOMIC_RELEASE);
    __atomic_store_n(&s->guard->known_ns, began, __ATOMIC_RELEASE);
    return 0;
}

bool sw_services_known_is_full(const struct sw_services *s)
{
    const __u64 *words = s->known + (size_t)s->guard->known_gen * SW_KNOWN_WORDS;
    size_t set = 0;

    for (__u32 i = 0; i < SW_KNOWN_WORDS; i++)
        set += __builtin_popcountll(__atomic_load_n(&words[i], __ATOMIC_RELAXED));
    return set > SW_KNOWN_BITS / 8;
}
