/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SYNs in all their variety, and what is the same in each answer to them. */
#ifndef SW_TEST_GUARDSYN_H
#define SW_TEST_GUARDSYN_H

#include "guardfix.h"
#include "guard/syncookie.h"

/* What the cookie of the last answer carries, read with the key. */
static inline struct sw_cookie_opts carried(void)
{
    struct sw_cookie_tuple f = {
        .sport = htons(t->side[A].sport), .dport = htons(t->side[A].dport), .isn = t->isn[A], .v6 = t->side[A].v6};
    struct sw_cookie_opts o = {0};
    __u64 now = bpfrun_now(run) + guardrun_conf(guard)->clock_offset;

    memcpy(f.src, t->side[A].src + (f.v6 ? 0 : 12), f.v6 ? 16 : 4);
    memcpy(f.dst, t->side[A].dst + (f.v6 ? 0 : 12), f.v6 ? 16 : 4);
    assert_int_equal(sw_cookie_check(guardrun_keys(guard), &f, reply.seq, reply.has_ts, reply.tsval, now, &o),
                     SW_COOKIE_OK);
    return o;
}

/* All that is the same in each answer to p. */
static inline void expect_answer_to(const struct pkt *p)
{
    const struct sw_service *sv = guardrun_at(guard, svc);

    assert_memory_equal(reply.mac_dst, request + 6, 6);
    assert_memory_equal(reply.mac_src, request, 6);
    assert_int_equal(reply.v6, p->v6);
    assert_memory_equal(reply.src, p->dst, 16);
    assert_memory_equal(reply.dst, p->src, 16);
    assert_int_equal(reply.sport, p->dport);
    assert_int_equal(reply.dport, p->sport);
    assert_int_equal(reply.ack, p->seq + 1);
    assert_int_equal(reply.flags & ~ECE, SYN | ACK);
    assert_int_equal(reply.win, sv->win);
    assert_int_equal(reply.urg, 0);
    assert_int_equal(reply.payload, 0);
    assert_int_equal(reply.tos, 0);
    assert_int_equal(reply.ttl, p->v6 ? guardrun_conf(guard)->hop_limit : guardrun_conf(guard)->ttl);
    assert_int_equal(reply.ip_hlen, p->v6 ? 40 : 20);
    assert_int_equal(reply.frag_off, 0);
    assert_false(reply.more_frags);
    assert_int_equal(reply.df, !p->v6);
    assert_int_equal(reply.other_opts, 0);
    assert_int_equal(reply.opt_len % 4, 0);
    assert_int_equal(reply.tags, p->vlans);
    assert_true(reply.padding == 0 || out.len == PKT_MIN_FRAME);
    assert_int_equal(out.meta_len, 0);
}

static inline void both_families(void (*test)(void))
{
    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        test();
    }
}

enum { O_MSS = 1, O_SACK = 2, O_TS = 4, O_WS = 8 };

static inline void add_option(struct pkt *p, int which, __u16 mss, __u8 ws)
{
    const __u8 be[2] = {mss >> 8, mss & 0xff}, stamps[8] = {0xde, 0xad, 0xbe, 0xef};

    if (which == O_MSS)
        pkt_opt(p, 2, be, 2);
    else if (which == O_SACK)
        pkt_opt(p, 4, NULL, 0);
    else if (which == O_TS)
        pkt_opt(p, 8, stamps, 8);
    else
        pkt_opt(p, 3, &ws, 1);
}

/* Some of the four options in some order, with or without NOPs before each. */
static inline struct pkt syn_with(int offered, int order, bool nops, __u16 mss, __u8 ws)
{
    static const int orders[4][4] = {{O_MSS, O_SACK, O_TS, O_WS},
                                     {O_WS, O_TS, O_SACK, O_MSS},
                                     {O_TS, O_MSS, O_WS, O_SACK},
                                     {O_SACK, O_WS, O_MSS, O_TS}};
    struct pkt p = bare_syn();

    for (int i = 0; i < 4; i++) {
        if (!(offered & orders[order][i]))
            continue;
        while (nops && p.opts_len % 4 != 2)
            p.opts[p.opts_len++] = 1;
        add_option(&p, orders[order][i], mss, ws);
    }
    return p;
}

#endif
