/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of connections that have ended: one slot for each hash, so that another one takes it, and no list of all.
 */
#ifndef SW_BPF_TRACK_ENDED_H
#define SW_BPF_TRACK_ENDED_H

#include "tcp/ended.h"
#include "track/maps.h"

static __always_inline struct sw_ended *sw_ended_slot(__u64 id)
{
    __u32 slot = sw_hash_slot(id) & ((1u << (cfg.ended_bits & 31)) - 1); /* the lower half alone is not random */

    return bpf_map_lookup_elem(&ended, &slot);
}

/* The flow has ended, and its key is in the scratch. */
static __always_inline void sw_ended_add(struct sw_scratch *sc, const struct sw_flow *f)
{
    __u64 id = sw_key_hash(&sc->key);
    struct sw_ended *e = sw_ended_slot(id);

    if (!e)
        return;
    SW_WRITE_ONCE(e->id, 0); /* while it changes it is nobody's */
    sw_ended_set(e, f);
    SW_WRITE_ONCE(e->id, id);
}

/* Is the segment in the scratch, which has no flow, of a connection that has ended? Not a SYN: a flood of them looks up
 * nothing here. */
SW_PART int sw_is_late(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);
    struct sw_ended *e;
    __u64 id;

    if (!sc)
        return 0;
    if ((sc->seg.flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN)
        return 0;
    id = sw_key_hash(&sc->key);
    e = sw_ended_slot(id);
    return e && e->id == id && sw_ended_matches(e, &sc->seg) && SW_READ_ONCE(e->id) == id;
}

#endif
