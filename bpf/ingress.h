/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The body of the XDP programs: parse, checksum, track; and code that both hooks share. */
#ifndef SW_BPF_INGRESS_H
#define SW_BPF_INGRESS_H

#include "packet/parse.h"
#include "packet/tunnel.h"
#include "track/clock.h"
#include "track/flow_table.h"
#include "track/sweep.h"

#include <linux/pkt_cls.h>

#ifdef SW_NATIVE
#include "packet/checksum.h"
#include "unguarded.h"
#elif !defined(SW_OLD)
#include "gateway/out.h"
#include "gateway/sweep.h"
#include "guard/account.h"
#include "guard/cookie_flow.h"
#include "guard/fast_syn.h"
#include "guard/filter.h"
#include "guard/frame.h"
#include "guard/ingress.h"
#include "guard/tc_accept.h"
#include "packet/checksum.h"
#else
#include "legacy.h"
#endif

static __always_inline void sw_count_found(enum sw_found found)
{
    switch (found) {
    case SW_FOUND_TCP: sw_count(SW_C_TCP); break;
    case SW_FOUND_NOT_IP: sw_count(SW_C_NOT_IP); break;
    case SW_FOUND_NOT_TCP: sw_count(SW_C_NOT_TCP); break;
    case SW_FOUND_FRAG_LATER: sw_count(SW_C_FRAG_LATER); break;
    case SW_FOUND_TRUNCATED: sw_count(SW_C_TRUNCATED); break;
    case SW_FOUND_BAD_HEADER: sw_count(SW_C_BAD_HEADER); break;
    case SW_FOUND_EXT_LIMIT: sw_count(SW_C_EXT_LIMIT); break;
    }
}

/* Resets what the parser expects to be zero. */
static __always_inline void sw_scratch_reset(struct sw_scratch *sc)
{
    __builtin_memset(&sc->seg, 0, sizeof(sc->seg));
    __builtin_memset(&sc->at, 0, sizeof(sc->at));
    sc->seg.pkts = 1;
    sc->seg.wscale = SW_WSCALE_NONE;
}

#ifndef SW_OLD
SW_PART int sw_read_list(void)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);

    if (sc)
        sw_tcpopt_parse(&sc->opt);
    return 0;
}
#endif

/* Copies the option bytes (whole words) and parses them. */
static __always_inline void sw_read_options(struct sw_scratch *sc, struct sw_seg *s, const struct sw_place *at,
                                            void *data, void *end)
{
    __u32 off = at->tcp;
    sw_wire32 *p;

    sc->opt.len = 0;
    sc->opt.cut = 0;
    sw_opaque(off);
    if (off > 4096)
        return;
    p = (sw_wire32 *)((__u8 *)data + off + sizeof(struct sw_tcp));
    for (int i = 0; i < 10; i++) {
        if ((__u32)i * 4 >= at->opt_len || !SW_HAS(p + i, 4, end))
            break;
        ((__u32 *)sc->opt.bytes)[i] = p[i];
        sc->opt.len = i * 4 + 4;
    }
    sc->opt.cut = sc->opt.len < at->opt_len;
    sw_read_list();
    s->mss = sc->opt.mss;
    s->wscale = sc->opt.wscale;
    s->opts = sc->opt.opts;
    s->bad_opt = sc->opt.bad;
    if (sc->opt.bad)
        sw_count(SW_C_BAD_OPTION);
}

/* The walk through tunnels as a function that is verified separately: its paths would multiply with the parser's. */
SW_PART int sw_decap_xdp(struct xdp_md *ctx)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);

    return sc ? sw_decap((void *)(long)ctx->data, (void *)(long)ctx->data_end, &sc->inner) : 0;
}

SW_PART int sw_decap_skb(struct __sk_buff *skb)
{
    struct sw_scratch *sc = sw_scratch_of(SW_CTX_PACKET);

    return sc ? sw_decap((void *)(long)skb->data, (void *)(long)skb->data_end, &sc->inner) : 0;
}

static __always_inline int sw_is_server_port(__be16 port)
{
    __u32 p = sw_ntohs(port), word = p >> 6;
    __u64 *bits = bpf_map_lookup_elem(&server_ports, &word);

    return bits && *bits >> (p & 63) & 1;
}

/*
 * If this segment begins a flow: is its sender the responder? Yes for a SYN-ACK. Midstream, if only the sender's port
 * is a likely server port, or if both are and the sender's is lower.
 */
static __always_inline void sw_guess_direction(const struct sw_key *k, struct sw_seg *s)
{
    __be16 sp = s->src_is_b ? k->b_port : k->a_port, dp = s->src_is_b ? k->a_port : k->b_port;

    if (!cfg.likely_server_ports || (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN)
        return;
    if (s->flags & SW_TCP_SYN) {
        s->flip = 1;
        s->flip_by = SW_BY_SYNACK;
        return;
    }
    s->flip_by = SW_BY_FLIPPED;
    s->flip = sw_is_server_port(sp) && (!sw_is_server_port(dp) || sw_ntohs(sp) < sw_ntohs(dp));
}

#define SW_OUT_UNKNOWN 0x80 /* not judged yet */

/*
 * Does the filter exclude a frame that is easily read, before anything else of it is? Counts it as parsing would. Not
 * where parsing counts more, or the guard might need the flow.
 */
static __always_inline int sw_is_filtered_early(struct sw_scratch *sc, void *data, void *end)
{
    struct sw_filter_map *m = 0;

    if (!cfg.guard && !cfg.checksum && !cfg.decap)
        m = sw_filter_map_get();
    sc->early = SW_OUT_UNKNOWN;
    if (m && SW_READ_ONCE(m->active)) {
        __u32 version = sw_parse_bare(data, end, &sc->key, &sc->seg);

        if (version)
            sc->early = sw_filter_judge(m, &sc->key, version == 4 ? 1 : sw_filter_is_v4(&sc->key));
    }
    if (SW_READ_ONCE(sc->early) != SW_OUT_ALWAYS)
        return 0;
    sw_count(SW_C_TCP);
    sw_count(SW_C_FILTERED);
    return 1;
}

/* Does the filter exclude the segment in scratch, whoever is its originator? Counts it. */
static __always_inline int sw_is_filtered(struct sw_scratch *sc, __u32 early)
{
    struct sw_filter_map *m;
    struct sw_seg *s = &sc->seg;

    if (early != SW_OUT_UNKNOWN) {
        s->out = early;
        return 0;
    }
    m = sw_filter_map_get();
    if (!m || !SW_READ_ONCE(m->active))
        return 0;
    s->out = sw_filter_judge(m, &sc->key, sw_filter_is_v4(&sc->key));
    if (cfg.guard && s->out && sw_is_guarded(&sc->key))
        s->out |= SW_OUT_SILENT;
    if (s->out != SW_OUT_ALWAYS)
        return 0;
    sw_count(SW_C_FILTERED);
    return 1;
}

/* A segment that the fast path did not handle. */
static __always_inline void sw_track_segment(struct sw_scratch *sc, void *data, void *end)
{
    struct sw_key *k = &sc->key;
    struct sw_seg *s = &sc->seg;

    sc->hash = sw_key_hash(k);
    if ((s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN)
        sw_syn_cache_touch(sc->hash);
    if (s->flags & SW_TCP_SYN && sc->at.opt_len)
        sw_read_options(sc, s, &sc->at, data, end);
    sw_guess_direction(k, s);
    s->one_sided = cfg.one_sided;
    s->now = sw_now();
    sw_track();
    if (!cfg.guard)
        return;
    if (sc->emit.resolved) /* the service is where the segment goes, or where it comes from */
        sw_account_resolved(k, s->sent ? s->src_is_b : !s->src_is_b, sc->emit.resolved);
}

#ifndef SW_OLD
/* Length of the whole frame, which may be more than data_end - data. */
static __always_inline __u32 sw_frame_len(struct xdp_md *ctx)
{
    return (__u32)bpf_xdp_get_buff_len(ctx);
}

/* Is the TCP checksum wrong? Counts it. False if the payload cannot be read. */
static __always_inline int sw_tcp_csum_is_bad(struct xdp_md *ctx, struct sw_scratch *sc)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sw_seg *s = &sc->seg;
    struct sw_tcp *t;
    __u32 off = sc->at.tcp, sum;

    sw_opaque(off);
    if (off >= 0xfff || s->frag || s->cap != s->len)
        return 0;
    t = data + off;
    if (!SW_HAS(t, sizeof(*t), end))
        return 0;
    sum = sw_csum_judge(ctx, &sc->chunk, &sc->key, &sc->at, t->check | (cfg.whole_sums ? SW_CSUM_WHOLE : 0));
    s->sum_partial = sum == SW_CSUM_PARTIAL;
    if (sum != SW_CSUM_BAD)
        return 0;
    sw_count(SW_C_BAD_CHECKSUM);
    return 1;
}

/*
 * With the guard, the checksum of what creates, completes or ends something is verified even without --checksum: the
 * kernel would drop a bad one, and a flood of them could look like connections.
 */
static __always_inline int sw_changes_state(struct sw_key *k, const struct sw_seg *s)
{
    const struct sw_flow *f;

    if (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_FIN))
        return 1;
    f = bpf_map_lookup_elem(&half_open, k);
    return f && !f->held; /* one that is held is established, and its data may be merged */
}

/* Sum of an IPv4 header without options, read in the frame; -1: it is not in its first part. */
static __always_inline int sw_ip_sum(struct xdp_md *ctx, __u32 at)
{
    const __u32 *w = (void *)(long)ctx->data;
    __u64 sum = 0;

    sw_opaque(at);
    if (at > 0xfff)
        return -1;
    w = (void *)w + at;
    if (!SW_HAS(w, 20, (void *)(long)ctx->data_end))
        return -1;
    for (int i = 0; i < 5; i++)
        sum += w[i];
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return sw_csum_fold((__u32)sum);
}

/* Is the IPv4 header checksum wrong? The kernel drops such a packet, too. */
static __always_inline int sw_ip_csum_is_bad(struct xdp_md *ctx, struct sw_scratch *sc)
{
    __u32 at = sc->at.ip, len = sc->at.tcp - sc->at.ip;
    int sum;

    if (sc->at.v6 || sc->at.tunnel)
        return 0;
    sum = len == 20 ? sw_ip_sum(ctx, at) : -1;
    if (sum < 0)
        sum = sw_csum_tail(ctx, &sc->chunk, at, len);
    return sum >= 0 && sum != 0xffff;
}

#endif

/* Length that the frame had on the wire, and how much of its payload a capture has. The test run may get less. */
static __always_inline __u32 sw_replay_wire(struct xdp_md *ctx)
{
    __u32 wire = SW_READ_ONCE(replay_wire);

    return wire ? wire : sw_frame_len(ctx);
}

static __always_inline __u32 sw_replay_captured(struct xdp_md *ctx, const struct sw_scratch *sc)
{
    __u32 captured = SW_READ_ONCE(replay_captured), headers = sc->at.tcp + sizeof(struct sw_tcp) + sc->at.opt_len;

    if (!captured)
        captured = sw_frame_len(ctx);
    captured = captured > headers ? captured - headers : 0;
    return captured < sc->seg.len ? captured : sc->seg.len;
}

/* Parses the frame into the per-CPU scratch. */
static __always_inline enum sw_found sw_parse_xdp(struct xdp_md *ctx, struct sw_scratch *sc)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 frame_len = cfg.replay ? sw_replay_wire(ctx) : (__u32)(end - data);
    struct sw_seg *s = &sc->seg;
    enum sw_found found;

    if (cfg.decap)
        sw_decap_xdp(ctx);
    sw_scratch_reset(sc);
    found = sw_parse(data, end, frame_len, cfg.decap ? &sc->inner : 0, &sc->key, s, &sc->at);
    sw_count_found(found);
    s->ifindex = ctx->ingress_ifindex;
    s->local = cfg.loopback && s->ifindex == cfg.loopback; /* it has no egress hook */
    s->hook = cfg.replay ? SW_HOOK_REPLAY : SW_HOOK_XDP_INGRESS;
    if (found != SW_FOUND_TCP)
        return found;
    if (s->frag)
        sw_count(SW_C_FRAG_FIRST);
    s->cap = cfg.replay ? sw_replay_captured(ctx, sc) : s->len;
    if (cfg.checksum && sw_tcp_csum_is_bad(ctx, sc))
        s->bad_csum = 1;
    return found;
}

/* The tracker alone, for one frame. */
static __always_inline void sw_ingress_frame(struct xdp_md *ctx, struct sw_scratch *sc)
{
    sw_count(SW_C_PACKETS);
    if (sw_is_filtered_early(sc, (void *)(long)ctx->data, (void *)(long)ctx->data_end) ||
        sw_parse_xdp(ctx, sc) != SW_FOUND_TCP || sw_is_filtered(sc, sc->early) || sw_track_fast(&sc->key, &sc->seg))
        return;
    sw_track_segment(sc, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
}

#if !defined(SW_OLD) && !defined(SW_NATIVE)
/* The guard, then the tracker, for one segment. Returns the XDP action. */
static __always_inline int sw_guard_segment(struct xdp_md *ctx, struct sw_scratch *sc, int blocked)
{
    struct sw_guard_scratch *here = blocked ? 0 : sw_guard_scratch_get();
    struct sw_seg *s = &sc->seg;
    int action = SW_DO_PASS;

    if (!sc->at.tunnel && sw_frame_is_ignored(ctx, &sc->key, s, sc->at.ip)) {
        sw_count(SW_C_NOT_TAKEN);
        return XDP_PASS;
    }
    if (here)
        action = sw_guard_ingress(ctx, &sc->key, s, &sc->at, here);
    switch (action) {
    case SW_DO_REPLY: return XDP_TX;
    case SW_DO_DROP: return XDP_DROP;
    case SW_DO_PASS_ALONE: return XDP_PASS;
    case SW_DO_ACCEPT:
    case SW_DO_END_TIME_WAIT:
        /* the rest of a fragment may never come */
        if (s->frag || sw_ip_csum_is_bad(ctx, sc) || (!cfg.checksum && sw_tcp_csum_is_bad(ctx, sc)))
            return XDP_PASS;
        if (action == SW_DO_END_TIME_WAIT) {
            if (here)
                sw_time_wait_end(ctx, &sc->key, s, &here->pkt);
            return XDP_PASS;
        }
        s->one_sided = cfg.one_sided;
        s->now = sw_now();
        if (here)
            sw_cookie_flow_build(&here->accepted, &here->pkt);
        break;
    default:
        if (!sw_changes_state(&sc->key, s))
            break;
        if (sw_ip_csum_is_bad(ctx, sc))
            return XDP_PASS;
        if (!cfg.checksum && sw_tcp_csum_is_bad(ctx, sc))
            s->bad_csum = 1;
    }
    /* calls that may change the frame invalidate all pointers into it */
    sc->emit.claim = 0;
    sw_track_segment(sc, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
    if (sc->emit.claim)
        sw_account_claimed();
    if (action == SW_DO_ACCEPT && (!cfg.gateway || (SW_TRANSLATES && s->len)))
        sw_meta_set(ctx);
    return XDP_PASS;
}
#endif

#endif
