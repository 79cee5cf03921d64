/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the guard knows of the current packet, and its per-CPU scratch memory. */
#ifndef SW_BPF_GUARD_CONTEXT_H
#define SW_BPF_GUARD_CONTEXT_H

#include "guard/reply.h"
#include "guard/syncookie.h"
#include "packet/tcp_options_fast.h"
#include "track/maps.h"

/* What the guard knows of the current packet. */
struct sw_guard_ctx {
    __u64 now;
    __u32 service;
    __u32 reason;  /* enum sw_drop */
    __u32 dry_run; /* the service is in mode monitor */
    __u32 ip_off;  /* offsets in the frame */
    __u32 tcp_off;
    __u32 opt_len;
    __u32 v6;
    __u32 has_flow;       /* the four-tuple has a flow, and it is confirmed */
    __u32 has_ended;      /* a flow, which has ended */
    __u32 has_socket;     /* the lookup found a socket */
    __u32 reset;          /* a RST may answer what is dropped */
    __u32 over;           /* enum sw_drop: the limit that a SYN exceeds, which is answered instead */
    __u32 used;           /* its cookie has opened a connection before */
    __u32 time_wait_next; /* the number that the socket in TIME_WAIT waits for, which is to be ended */
};

/* What has happened to a connection that is translated, and where. */
struct sw_gate_place {
    __u32 what; /* enum sw_gateway_counter */
    __u32 hook;
    __u32 ifindex;
    __u32 grants; /* as in sw_backend_facts */
};

/* What does not fit on the stack. Bottom halves are off: one packet at a time on each CPU. */
struct sw_guard_scratch {
    struct sw_reply reply;
    struct sw_cookie_tuple tuple;
    struct sw_cookie_opts cookie_opts;
    struct sw_cookie cookie;
    struct sw_opts opts;
    struct sw_cookie_opts accepted; /* decoded from an accepted cookie */
    __u8 pad[2];
    struct sw_guard_ctx pkt;
    struct sw_gate_place place;
    struct sw_xlate_key reported;
    __u32 pad2;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_guard_scratch);
} guard_scratch SEC(".maps");

static __always_inline struct sw_guard_scratch *sw_guard_scratch_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&guard_scratch, &zero);
}

static __always_inline void sw_opts_read(void *data, void *end, __u32 tcp_off, __u32 len, struct sw_opts *o)
{
    struct sw_scratch *sc;
    __u32 *p;

    sw_opts_none(o);
    sw_opaque(tcp_off);
    if (tcp_off > 4096)
        return;
    p = (__u32 *)((__u8 *)data + tcp_off + sizeof(struct sw_tcp));
    if (sw_opts_linux(p, len, end, o) || sw_opts_words(p, len, end, o))
        return;
    sc = sw_scratch_of(SW_CTX_PACKET);
    if (!sc)
        return;
    sc->opt.len = 0;
    for (int i = 0; i < 10; i++) {
        if ((__u32)i * 4 >= len || !SW_HAS(p + i, 4, end))
            break;
        ((__u32 *)sc->opt.bytes)[i] = p[i];
        sc->opt.len = i * 4 + 4;
    }
    sc->opt.tsval = sc->opt.tsecr = 0;
    sw_tcpopt_parse(&sc->opt);
    o->tsval = sc->opt.tsval;
    o->tsecr = sc->opt.tsecr;
    o->mss = sc->opt.mss;
    o->wscale = sc->opt.wscale;
    o->opts = sc->opt.opts;
    o->bad = sc->opt.bad;
    o->sig = sc->opt.sig;
}

SW_STEP int sw_opts_xdp(struct xdp_md *ctx, struct sw_guard_ctx *j, struct sw_opts *o)
{
    if (j && o)
        sw_opts_read((void *)(long)ctx->data, (void *)(long)ctx->data_end, j->tcp_off, j->opt_len, o);
    return 0;
}

SW_STEP int sw_opts_skb(struct __sk_buff *skb, struct sw_guard_ctx *j, struct sw_opts *o)
{
    if (j && o)
        sw_opts_read((void *)(long)skb->data, (void *)(long)skb->data_end, j->tcp_off, j->opt_len, o);
    return 0;
}

#endif
