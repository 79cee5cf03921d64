/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The programs: a table of contents. Whatever happens, the packet passes (fail open). */
#include "compat.h"
#include "accept.h"
#include "born.h"
#include "csum.h"
#include "fast.h"
#include "guarded.h"
#include "parse.h"
#include "sweep.h"
#include "tcpopt.h"
#include "track.h"

#include <linux/pkt_cls.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

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

/* Copies the option bytes (whole words) and reads them. */
static __always_inline void sw_read_options(struct sw_scratch *sc, struct sw_seg *s, const struct sw_place *at,
                                            void *data, void *end)
{
    __u32 off = at->tcp;
    __u32 *p;

    sc->opt.len = 0;
    sw_opaque(off);
    if (off > 4096)
        return;
    p = (__u32 *)((__u8 *)data + off + sizeof(struct sw_tcp));
    for (int i = 0; i < 10; i++) {
        if ((__u32)i * 4 >= at->opt_len || !SW_HAS(p + i, 4, end))
            break;
        ((__u32 *)sc->opt.bytes)[i] = p[i];
        sc->opt.len = i * 4 + 4;
    }
    sw_tcpopt_parse(&sc->opt);
    s->mss = sc->opt.mss;
    s->wscale = sc->opt.wscale;
    s->opts = sc->opt.opts;
    s->bad_opt = sc->opt.bad;
    if (sc->opt.bad)
        sw_count(SW_C_BAD_OPTION);
}

/* Room for the walk through tunnels, or NULL for none. */
static __always_inline struct sw_inner *sw_inner_room(void)
{
    struct sw_scratch *sc;
    __u32 zero = 0;

    if (!cfg.decap)
        return 0;
    sc = bpf_map_lookup_elem(&scratch, &zero);
    return sc ? &sc->inner : 0;
}

/* The walk, checked by itself: its many ways would multiply with the parser's. */
SW_STEP int sw_decap_xdp(struct xdp_md *ctx, struct sw_inner *in)
{
    return in ? sw_decap((void *)(long)ctx->data, (void *)(long)ctx->data_end, in) : 0;
}

SW_STEP int sw_decap_skb(struct __sk_buff *skb, struct sw_inner *in)
{
    return in ? sw_decap((void *)(long)skb->data, (void *)(long)skb->data_end, in) : 0;
}

static __always_inline int sw_is_server_port(__be16 port)
{
    __u32 p = sw_ntohs(port), word = p >> 6;
    __u64 *bits = bpf_map_lookup_elem(&server_ports, &word);

    return bits && *bits >> (p & 63) & 1;
}

/*
 * If this segment begins a flow: is its sender the responder? A SYN-ACK says so itself. Midstream,
 * a likely server port on the sender's side alone does, or the lower of two.
 */
static __always_inline void sw_judge_direction(const struct sw_key *k, struct sw_seg *s)
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

/* What the fast path did not take. */
static __always_inline void sw_track_segment(struct sw_key *k, struct sw_seg *s, const struct sw_place *at, void *data,
                                             void *end)
{
    struct sw_scratch *sc;
    __u32 zero = 0;

    sc = bpf_map_lookup_elem(&scratch, &zero);
    if (!sc)
        return;
    if (s->flags & SW_TCP_SYN && at->opt_len)
        sw_read_options(sc, s, at, data, end);
    sw_judge_direction(k, s);
    s->one_sided = cfg.one_sided;
    s->now = sw_now();
    sw_track(k, s, sc);
    if (!cfg.guard)
        return;
    if (sc->where.opened)
        sw_guard_book(k, sc->where.opened - 1, SW_BOOK_OPENED);
    if (sc->where.completed)
        sw_guard_book(k, sc->where.completed - 1, SW_BOOK_COMPLETED);
    if (sc->where.aborted)
        sw_guard_book(k, sc->where.aborted - 1, SW_BOOK_ABORTED);
}

/* Is the TCP checksum wrong? Counts it. What cannot be read is not judged. */
static __always_inline int sw_sum_is_wrong(struct xdp_md *ctx, struct sw_key *k, const struct sw_seg *s,
                                           struct sw_place *at)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sw_scratch *sc;
    struct sw_tcp *t;
    __u32 zero = 0, off = at->tcp;

    sw_opaque(off);
    if (off >= 0xfff || s->frag || s->cap != s->len)
        return 0;
    t = data + off;
    sc = bpf_map_lookup_elem(&scratch, &zero);
    if (!sc || !SW_HAS(t, sizeof(*t), end) || sw_csum_ok(ctx, sc, k, at, t->check))
        return 0;
    sw_count(SW_C_BAD_CHECKSUM);
    return 1;
}

/*
 * With the guard, the one ACK that completes a handshake is proved though no checksum is asked for: the kernel would
 * not take it, and a flood could pass for connections.
 */
static __always_inline int sw_completes(struct sw_key *k, const struct sw_seg *s)
{
    return cfg.guard && !cfg.checksum && (s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) == SW_TCP_ACK &&
           bpf_map_lookup_elem(&embryos, k);
}

SEC("xdp.frags")
int sw_ingress(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u32 frame_len = end - data;
    struct sw_seg s = {.pkts = 1, .ifindex = 0, .wscale = SW_WSCALE_NONE};
    struct sw_place at = {0};
    struct sw_inner *inner;
    struct sw_key k;
    enum sw_found found;
    int blocked = SW_NOT_BLOCKED;

    if (cfg.guard && !cfg.checksum && sw_fast_answered(ctx, data, end))
        return XDP_TX;
    data = (void *)(long)ctx->data;
    end = (void *)(long)ctx->data_end;
    if (cfg.replay)
        frame_len = bpf_xdp_get_buff_len(ctx);
    sw_count(SW_C_PACKETS);
    inner = sw_inner_room();
    if (inner)
        sw_decap_xdp(ctx, inner);
    found = sw_parse(data, end, frame_len, inner, &k, &s, &at);
    sw_count_found(found);
    s.ifindex = ctx->ingress_ifindex;
    s.hook = cfg.replay ? SW_HOOK_REPLAY : SW_HOOK_XDP_INGRESS;
    if (found != SW_FOUND_TCP) {
        __u32 odd = cfg.guard ? sw_guard_odd(ctx, found, &s, &at) : SW_DROP_NONE;

        if (odd) {
            __builtin_memset(&k, 0, sizeof(k));
            if (sw_guard_unread(ctx, &k, &s, odd))
                return XDP_DROP;
        }
        return XDP_PASS;
    }
    if (s.frag)
        sw_count(SW_C_FRAG_FIRST);
    if (!cfg.replay)
        s.cap = s.len;
    if (cfg.checksum && sw_sum_is_wrong(ctx, &k, &s, &at))
        s.bad_csum = 1;
    if (cfg.guard) {
        struct sw_guard *g = sw_guard_conf();

        if (g && g->block_len)
            blocked = sw_guard_block(ctx, &k, &s);
        if (blocked == SW_BLOCKED)
            return XDP_DROP;
    }
    if (sw_track_fast(&k, &s))
        return XDP_PASS;
    if (cfg.guard && !blocked) {
        struct sw_guarding *here = sw_guarding_here();
        int does = here ? sw_guard_ingress(ctx, &k, &s, &at, here) : SW_DO_PASS;

        data = (void *)(long)ctx->data; /* calls that could have changed the frame made the old ones invalid */
        end = (void *)(long)ctx->data_end;
        switch (does) {
        case SW_DO_REPLY: return XDP_TX;
        case SW_DO_DROP: return XDP_DROP;
        case SW_DO_ACCEPT:
            if (!cfg.checksum && sw_sum_is_wrong(ctx, &k, &s, &at))
                return XDP_PASS;
            s.one_sided = cfg.one_sided;
            s.now = sw_now();
            if (here)
                sw_born(&k, &s, &here->accepted, &here->judged);
            sw_track_segment(&k, &s, &at, data, end);
            sw_mark(ctx);
            return XDP_PASS;
        }
    }
    if (sw_completes(&k, &s) && sw_sum_is_wrong(ctx, &k, &s, &at))
        s.bad_csum = 1;
    sw_track_segment(&k, &s, &at, data, end);
    return XDP_PASS;
}

/* A packet that was followed on the interface it came in by is not told again on its way out. */
static __always_inline int sw_seen_on_ingress(struct __sk_buff *skb)
{
    __u32 in = skb->ingress_ifindex;

    return in && bpf_map_lookup_elem(&watched, &in);
}

SEC("tc")
int sw_egress(struct __sk_buff *skb)
{
    void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
    struct sw_seg s = {.pkts = 1, .wscale = SW_WSCALE_NONE, .hook = SW_HOOK_TC_EGRESS};
    struct sw_place at = {0};
    struct sw_inner *inner;
    struct sw_key k;
    enum sw_found found;
    long linear;

    sw_count(SW_C_PACKETS);
    if (sw_seen_on_ingress(skb)) {
        sw_count(SW_C_FORWARDED_TWICE);
        return TC_ACT_UNSPEC;
    }
    linear = end - data;
    if (linear < 256 && linear < (long)skb->len) { /* headers may be beyond the linear part */
        bpf_skb_pull_data(skb, skb->len < 256 ? skb->len : 256);
        data = (void *)(long)skb->data;
        end = (void *)(long)skb->data_end;
    }
    if (skb->vlan_present)
        sw_note_vlan(s.vlan, skb->vlan_tci);
    inner = sw_inner_room();
    if (inner)
        sw_decap_skb(skb, inner);
    found = sw_parse(data, end, skb->len, inner, &k, &s, &at);
    sw_count_found(found);
    if (found != SW_FOUND_TCP)
        return TC_ACT_UNSPEC;
    if (s.frag)
        sw_count(SW_C_FRAG_FIRST);
    s.cap = s.len;
    s.ifindex = skb->ifindex;
    if (cfg.replay)
        s.hook = SW_HOOK_REPLAY;
    if (skb->gso_segs > 1) { /* as it will be on the wire: each segment carries the headers again */
        s.pkts = skb->gso_segs;
        s.ip_bytes += (s.pkts - 1) * (s.ip_bytes - s.len);
    }
    if (cfg.guard && (s.flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN)
        sw_known_set(&k, !s.src_is_b); /* this host opens: what comes back has a socket */
    if (!sw_track_fast(&k, &s))
        sw_track_segment(&k, &s, &at, data, end);
    return TC_ACT_UNSPEC;
}

SEC("syscall")
int sw_sweep(void *ctx)
{
    (void)ctx;
    return sw_sweep_all();
}

/* Judges every service, for times when no SYN comes that would. */
SEC("syscall")
int sw_judge(void *ctx)
{
    (void)ctx;
    return sw_judge_all();
}

/* tc ingress: a cookie that sw_ingress found good becomes a request socket of the listener. */
SEC("tc")
int sw_accept(struct __sk_buff *skb)
{
    struct sw_seg s = {.pkts = 1, .wscale = SW_WSCALE_NONE};
    struct sw_judged j = {0};
    struct sw_inner bare = {.found = SW_FOUND_TCP}, *ip = 0; /* from the IP header on */
    struct sw_place at = {0};
    void *data, *end;
    struct sw_key k;

    if (!sw_marked(skb))
        return TC_ACT_UNSPEC;
    bpf_skb_pull_data(skb, skb->len < 256 ? skb->len : 256);
    if (sw_link_lost(skb))
        ip = &bare;
    bare.ip_type = sw_ntohs(skb->protocol);
    data = (void *)(long)skb->data;
    end = (void *)(long)skb->data_end;
    if (sw_parse(data, end, skb->len, ip, &k, &s, &at) != SW_FOUND_TCP ||
        (s.flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_ACK)) != SW_TCP_ACK)
        return TC_ACT_UNSPEC;
    j.service = sw_service_of(&k, !s.src_is_b);
    if (!j.service)
        return TC_ACT_UNSPEC;
    j.ip_off = at.ip;
    j.tcp_off = at.tcp;
    j.opt_len = at.opt_len;
    j.v6 = at.v6;
    return sw_accept_cookie(skb, &k, &s, &j) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}
