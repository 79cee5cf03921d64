/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Limits for each source and prefix, which charge only SYNs that lead to nothing; the budget of replies. */
#include "guardlist.h"

/* So many SYNs of n at once are let in. */
static unsigned let_in(__u32 source, unsigned n)
{
    static __u16 port = 1024;
    unsigned in = 0;

    for (unsigned i = 0; i < n; i++) {
        struct pkt p = syn_of(source);

        p.sport = port = port == 60000 ? 1024 : port + 1;
        deliver(&p);
        in += !was_over_limit();
    }
    return in;
}

/* What is over it gets a cookie; where there is none at any time, it is dropped for the reason. */
static void limit(bool prefix, __u64 rate, const char *reason, __u32 other)
{
    bool cookies = guardrun_at(guard, svc)->backend == SW_BK_REQSK;
    struct pkt p;

    if (prefix)
        guardrun_conf(guard)->limit_prefix = rate;
    else
        guardrun_conf(guard)->limit_source = rate;
    step = MS / 1000;
    assert_int_equal(let_in(0xc6336401, 100), rate); /* a second's worth at once */
    p = syn_of(0xc6336401);
    deliver(&p);
    assert_int_equal(out.verdict, cookies ? BPFRUN_XDP_TX : BPFRUN_XDP_DROP);
    assert_string_equal(moved(), cookies ? "cookies_sent over_limit" : reason);
    assert_in_range(let_in(other, 100), rate, rate); /* another source has its own */
    bpfrun_set_now(run, bpfrun_now(run) + SEC / 2);
    assert_in_range(let_in(0xc6336401, 100), rate / 2 - 1, rate / 2 + 1);
    bpfrun_set_now(run, bpfrun_now(run) + 3600 * SEC); /* and no more than a second's worth after an hour */
    assert_int_equal(let_in(0xc6336401, 100), rate);
}

TEST(limit_of_a_source)
{
    limit(false, 10, "drop:rate_source", 0xc6336402);
}
TEST(limit_of_a_source_while_calm)
{
    limit(false, 20, "drop:rate_source", 0xc6336402);
}
TEST(limit_of_a_prefix)
{
    limit(true, 10, "drop:rate_prefix", 0xc6336501);
}
TEST(limit_without_cookies)
{
    guardrun_at(guard, svc)->backend = SW_BK_LISTENER;
    limit(false, 10, "drop:rate_source", 0xc6336402);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_CALM);
}
TEST(limit_of_a_prefix_without_cookies)
{
    guardrun_at(guard, svc)->backend = SW_BK_LISTENER;
    limit(true, 10, "drop:rate_prefix", 0xc6336501);
}

/* Who forges a client's address does not shut him out: the service is engaged for a cookie, until it is over. */
TEST(over_a_limit_in_calm)
{
    const struct sw_guard_event *emitted;
    struct decoded synack;
    struct pkt p;

    guardrun_conf(guard)->limit_source = 5;
    step = MS;
    assert_int_equal(let_in(0x0a000001, 5), 5);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_CALM);
    p = usual_syn();
    deliver(&p);
    expect_moved_at(__FILE__, __LINE__, BPFRUN_XDP_TX, "cookies_sent over_limit");
    synack = reply;
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_ENGAGED);
    p = answer_to(&synack, ACK, 0);
    expect_pass(&p, "cookies_accepted");
    assert_true(out.meta_len >= 8);
    for (int i = 0; i < 200; i++) { /* as long as it goes on */
        bpfrun_set_now(run, bpfrun_now(run) + SW_DETECT_NS);
        if (i % 5 == 0)
            let_in(0x0a000001, 10);
    }
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_ENGAGED);
    for (int i = 0; i < 115; i++) {
        bpfrun_set_now(run, bpfrun_now(run) + SW_DETECT_NS);
        assert_int_equal(guardrun_detect(guard), 0);
    }
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_GRACE);
    assert_int_equal(guardrun_events(guard, &emitted), 2);
    assert_int_equal(emitted[0].to, SW_GS_ENGAGED);
    assert_int_equal(emitted[0].cause, SW_GW_OVER_LIMIT);
}

/* To a service without a listener nothing is answered, and nothing is engaged. */
TEST(over_a_limit_without_listener)
{
    guardrun_conf(guard)->limit_source = 5;
    guardrun_at(guard, svc)->flags |= SW_SV_NO_LISTENER;
    for (int i = 0; i < 20; i++) {
        struct pkt p = usual_syn();

        expect_pass(&p, "");
    }
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_CALM);
}

/* A SYN for a four-tuple that has a socket takes a limit's token, and passes without, within --pass-rate: beside that
 * socket no cookie could be accepted. */
TEST(known_over_a_limit)
{
    struct pkt p = usual_syn();

    real_connection(t);
    guardrun_known(guard, 0, &p, true);
    guardrun_conf(guard)->limit_source = 2;
    guardrun_conf(guard)->pass_rate = 4;
    for (int i = 0; i < 4; i++)
        expect_pass(&p, "passed_known");
    expect_drop(&p, "rate_passed");
    p.sport++;
    expect_reply(&p, "cookies_sent over_limit");
}
/* Calm, too: the SYN of a handshake that the listener has begun is sent again. */
TEST(known_over_a_limit_in_calm)
{
    struct pkt p = usual_syn();

    real_connection(t);
    guardrun_conf(guard)->limit_source = 2;
    for (int i = 0; i < 5; i++) {
        deliver(&p);
        assert_int_equal(out.verdict, BPFRUN_XDP_PASS);
    }
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_CALM);
}
TEST(pass_rate)
{
    struct pkt p = usual_syn();
    unsigned in = 0;

    real_connection(t);
    guardrun_known(guard, 0, &p, true);
    guardrun_conf(guard)->pass_rate = 10;
    for (int i = 0; i < 100; i++) {
        deliver(&p);
        in += out.verdict == BPFRUN_XDP_PASS;
        assert_string_equal(moved(), out.verdict == BPFRUN_XDP_PASS ? "passed_known" : "drop:rate_passed");
    }
    assert_in_range(in, 10, 11);
    p = bare_syn(); /* signed, and of no socket: as many, whatever is known */
    pkt_opt(&p, 19, (const __u8 *)"0123456789abcdef", 16);
    p.sport++;
    guardrun_conf(guard)->flags |= SW_G_MD5;
    in = 0;
    for (int i = 0; i < 100; i++) {
        deliver(&p);
        in += out.verdict == BPFRUN_XDP_PASS;
        assert_string_equal(moved(), out.verdict == BPFRUN_XDP_PASS ? "passed_backend" : "drop:rate_passed");
    }
    assert_in_range(in, 10, 11);
}

TEST(prefixes_are_shared)
{
    guardrun_conf(guard)->limit_prefix = 30;
    step = MS / 1000;
    assert_int_equal(let_in(0xc6336401, 10), 10);
    assert_int_equal(let_in(0xc63364fe, 10), 10);
    assert_int_equal(let_in(0xc6336480, 100), 10);
    assert_int_equal(let_in(0xc6336401, 100), 0);
    assert_int_equal(let_in(0xc6336301, 10), 10); /* another /24 */
}

TEST(prefixes_of_ipv6)
{
    unsigned in = 0;
    struct pkt p;

    talk_init(t, run, true);
    guardrun_conf(guard)->limit_prefix = 30;
    step = MS / 1000;
    for (int i = 0; i < 100; i++) { /* one /64 */
        p = usual_syn();
        p.src[8] = i, p.src[15] = i;
        deliver(&p);
        in += !was_over_limit();
    }
    assert_int_equal(in, 30);
    p = usual_syn();
    p.src[7] ^= 1;
    expect_reply(&p, "cookies_sent");
}

/* The prefix is over its limit: the source's own bucket is not charged for what was dropped. */
TEST(source_is_not_charged_for_its_prefix)
{
    guardrun_conf(guard)->limit_source = 10;
    guardrun_conf(guard)->limit_prefix = 20;
    step = MS / 1000;
    assert_int_equal(let_in(0xc6336401, 10), 10);
    assert_int_equal(let_in(0xc6336402, 10), 10);
    assert_int_equal(let_in(0xc6336403, 50), 0);
    guardrun_conf(guard)->limit_prefix = 0;
    assert_int_equal(let_in(0xc6336403, 50), 10);
}

/* Other segments are never limited. */
TEST(only_syns_are_limited)
{
    guardrun_conf(guard)->limit_source = 1;
    guardrun_conf(guard)->limit_prefix = 1;
    step = MS / 1000;
    talk_open(t);
    for (int i = 0; i < 200; i++)
        talk_say(t, A, PSH | ACK, 100);
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}

/* A connection through the listener, whose socket then sends. Fails the test if one of its packets is dropped. */
static void open_by_listener(void)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);

    bpfrun_set_now(run, bpfrun_now(run) + 4 * MS);
    p.seq = t->isn[A];
    deliver(&p);
    assert_int_equal(out.verdict, BPFRUN_XDP_PASS);
    t->nxt[A] = t->isn[A] + 1;
    p = talk_pkt(t, B, SYN | ACK, 0);
    p.seq = t->isn[B];
    leave(&p);
    t->nxt[B] = t->isn[B] + 1;
    p = talk_pkt(t, A, ACK, 0);
    deliver(&p);
    assert_int_equal(out.verdict, BPFRUN_XDP_PASS);
    p = talk_pkt(t, B, ACK, 0);
    leave(&p);
}

/* Who completes his handshakes is not limited: 50 a second at a limit of 5, through the listener. */
TEST(completed_handshakes_are_free)
{
    guardrun_conf(guard)->limit_source = 5;
    guardrun_conf(guard)->limit_prefix = 5;
    for (int i = 0; i < 200; i++) {
        talk_init(t, run, false);
        t->side[A].sport = 30000 + i;
        t->side[B].dport = 30000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        bpfrun_set_now(run, bpfrun_now(run) + 17 * MS);
        open_by_listener();
        bpfrun_clear_events(run);
    }
    assert_int_equal(guardrun_dropped(guard, svc), 0);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_CALM);
}

TEST(completed_cookies_are_free)
{
    guardrun_conf(guard)->limit_source = 5;
    guardrun_conf(guard)->limit_prefix = 5;
    for (int i = 0; i < 200; i++) {
        talk_init(t, run, false);
        t->side[A].sport = 30000 + i;
        t->side[B].dport = 30000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        open_by_cookie();
        bpfrun_clear_events(run);
    }
    assert_int_equal(guardrun_dropped(guard, svc), 0);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_OVER_LIMIT], 0);
}

/* A refund is no credit: completing many does not pay for a flood afterwards. */
TEST(no_credit)
{
    guardrun_conf(guard)->limit_source = 5;
    for (int i = 0; i < 50; i++) {
        talk_init(t, run, false);
        t->side[A].sport = 30000 + i;
        t->side[B].dport = 30000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        open_by_cookie();
    }
    step = MS / 1000;
    assert_in_range(let_in(0x0a000001, 100), 5, 6);
}

/* Completions that nobody was charged for give nothing back: a neighbour's bucket stays as it was. */
TEST(nothing_to_refund)
{
    guardrun_conf(guard)->limit_source = 1;
    guardrun_conf(guard)->limit_prefix = 1;
    list4(true, 0x0a000001, 32);
    assert_int_equal(let_in(0x0a000009, 1), 1); /* of the same /24: there is a bucket now */
    for (int i = 0; i < 1500; i++) {            /* more than the clock has seconds */
        talk_init(t, run, false);
        t->side[A].sport = 30000 + i;
        t->side[B].dport = 30000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        open_by_listener();
        bpfrun_clear_events(run);
    }
    step = MS / 1000;
    assert_int_equal(let_in(0x0a000009, 20), 1);
    guardrun_conf(guard)->allow_len = 0;
    bpfrun_set_now(run, bpfrun_now(run) + 2 * SEC);
    assert_int_equal(let_in(0x0a000001, 20), 1);
}

/* The same cookie's ACK again and again gives back one token and no more. */
TEST(one_refund_for_a_handshake)
{
    struct decoded synack;
    struct pkt p;

    guardrun_conf(guard)->limit_source = 5;
    step = MS / 1000;
    assert_int_equal(let_in(0x0a000001, 4), 4);
    p = usual_syn();
    synack = cookie_for(&p);
    p = answer_to(&synack, ACK, 0);
    for (int i = 0; i < 20; i++)
        deliver(&p);
    assert_int_equal(let_in(0x0a000001, 100), 1);
}

/* Begun and reset by the client: not completed (RFC 4987), so it is charged. */
TEST(reset_handshakes_are_charged)
{
    unsigned in = 0;

    guardrun_conf(guard)->limit_source = 5;
    step = MS / 1000;
    for (int i = 0; i < 100; i++) {
        struct pkt p = syn_of(0xc6336401);

        p.sport = 2000 + i;
        deliver(&p);
        in += !was_over_limit();
        p.flags = RST;
        p.seq++;
        p.opts_len = 0;
        deliver(&p);
    }
    assert_int_equal(in, 5);
}

/*
 * An ACK that the kernel does not take completes no handshake: nothing is given back. A checksum is wrong, TCP's or
 * IPv4's; it is outside the window; or its rest never comes.
 */
static void untaken(int how)
{
    unsigned in = 0;

    guardrun_conf(guard)->limit_source = 5;
    step = MS / 1000;
    for (int i = 0; i < 50; i++) {
        struct pkt p;

        talk_init(t, run, false);
        t->side[A].sport = 30000 + i;
        t->side[B].dport = 30000 + i;
        p = talk_pkt(t, A, SYN, 0);
        deliver(&p);
        in += out.verdict == BPFRUN_XDP_PASS;
        t->nxt[A]++;
        talk_say(t, B, SYN | ACK, 0);
        p = talk_pkt(t, A, ACK, 0);
        p.bad_checksum = how == 0;
        p.bad_ip_checksum = how == 1;
        p.seq += how == 2 ? 100000 : 0;
        p.fragment = p.more_frags = how == 3;
        deliver(&p);
        bpfrun_clear_events(run);
    }
    assert_in_range(in, 5, 6);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_COMPLETED], 0);
}
TEST(bad_checksum_completes_nothing)
{
    untaken(0);
}
TEST(bad_ip_checksum_completes_nothing)
{
    untaken(1);
}
TEST(out_of_window_completes_nothing)
{
    untaken(2);
}
TEST(fragment_completes_nothing)
{
    untaken(3);
}

/* --- the budget --- */

static unsigned answered(unsigned n, unsigned a_second)
{
    unsigned in = 0;

    step = SEC / a_second;
    for (unsigned i = 0; i < n; i++) {
        struct pkt p = syn_of(0xc6120000 + i);

        deliver(&p);
        in += out.verdict == BPFRUN_XDP_TX;
        if (out.verdict != BPFRUN_XDP_TX)
            assert_string_equal(moved(), "drop:budget");
    }
    return in;
}

TEST(budget)
{
    guardrun_conf(guard)->reply_budget = 1000;
    bpfrun_set_now(run, bpfrun_now(run) + SEC);
    answered(500, 5000);                              /* uses up what was there */
    assert_in_range(answered(5000, 5000), 950, 1050); /* a second */
    assert_in_range(answered(500, 500), 495, 500);    /* under it, all of them */
    bpfrun_set_now(run, bpfrun_now(run) + 3600 * SEC);
    assert_in_range(answered(1000, 1000000), 90, 110); /* saved up is a tenth of a second, not an hour */
}

TEST(small_budgets)
{
    guardrun_conf(guard)->reply_budget = 1;
    bpfrun_set_now(run, bpfrun_now(run) + SEC);
    assert_in_range(answered(1000, 100), 9, 12); /* ten seconds */
    guardrun_conf(guard)->reply_budget = 7;
    assert_in_range(answered(1000, 100), 68, 73);
}

/* The budget is for answers; the listener's own SYNs do not use it. */
TEST(budget_while_calm)
{
    guardrun_conf(guard)->reply_budget = 1;
    for (int i = 0; i < 50; i++) {
        struct pkt p = syn_of(0xc6120000 + i);

        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(limit_of_a_source),
        CALM(limit_of_a_source_while_calm),
        ENGAGED(limit_of_a_prefix),
        CALM(limit_without_cookies),
        ENGAGED(limit_of_a_prefix_without_cookies),
        CALM(over_a_limit_in_calm),
        CALM(over_a_limit_without_listener),
        ENGAGED(known_over_a_limit),
        CALM(known_over_a_limit_in_calm),
        ENGAGED(pass_rate),
        ENGAGED(prefixes_are_shared),
        ENGAGED(prefixes_of_ipv6),
        ENGAGED(source_is_not_charged_for_its_prefix),
        CALM(only_syns_are_limited),
        CALM(completed_handshakes_are_free),
        ENGAGED(completed_cookies_are_free),
        ENGAGED(no_credit),
        CALM(nothing_to_refund),
        ENGAGED(one_refund_for_a_handshake),
        CALM(reset_handshakes_are_charged),
        CALM(bad_checksum_completes_nothing),
        CALM(bad_ip_checksum_completes_nothing),
        CALM(out_of_window_completes_nothing),
        CALM(fragment_completes_nothing),
        ENGAGED(budget),
        ENGAGED(small_budgets),
        CALM(budget_while_calm),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
