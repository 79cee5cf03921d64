/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state machine alone: RFC 9293's paths through the states, closes in every order, RSTs in every state, all with
 * ISNs around 0, 2^31 and 2^32.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tcp/fsm.h"

#define TEST(name) static void name(void **state __attribute__((unused)))
#define NAME_ITEM(prefix, id, name) [prefix##id] = (name),
#define KIND(id) (1u << SW_EV_##id)

enum { A = SW_ORIG, B = SW_RESP, SYN = SW_TCP_SYN, ACK = SW_TCP_ACK, FIN = SW_TCP_FIN, RST = SW_TCP_RST };

static const char *const states[] = {SW_STATES(NAME_ITEM)};
static const uint32_t isns[] = {0, 1, 1000, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffe, 0xffffffff};
enum { ISNS = sizeof(isns) / sizeof(*isns) };

struct talk {
    struct sw_flow f;
    uint32_t isn[2];
    uint64_t now;
    enum sw_hook hook[2]; /* of each side's segments */
    uint8_t wscale[2];    /* of each side's SYN, 0: none */
    uint32_t emitted;     /* kinds, all segments together */
    int verdict;
    struct sw_out last;
};

/* Numbers are relative to the ISNs. */
static void say(struct talk *t, int from, uint16_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
    struct sw_seg s = {.now = ++t->now,
                       .seq = t->isn[from] + seq,
                       .ack = flags & ACK ? t->isn[!from] + ack : 0,
                       .flags = flags,
                       .len = len,
                       .cap = len,
                       .win = 60000,
                       .pkts = 1,
                       .ip_bytes = 40 + len,
                       .hook = t->hook[from],
                       .sent = t->hook[from] == SW_HOOK_TC_EGRESS,
                       .src_is_b = from == B,
                       .wscale = SW_WSCALE_NONE};

    if (flags & SYN && t->wscale[from]) {
        s.wscale = t->wscale[from];
        s.opts = SW_OPT_WSCALE;
    }
    if (t->now == 1)
        sw_flow_init(&t->f, &s);
    memset(&t->last, 0, sizeof(t->last));
    t->verdict = sw_fsm_step(&t->f, &s, &t->last);
    t->emitted |= t->last.events;
}

static void start(struct talk *t, uint32_t a, uint32_t b)
{
    memset(t, 0, sizeof(*t));
    t->isn[A] = a;
    t->isn[B] = b;
}

static void established(struct talk *t, uint32_t a, uint32_t b)
{
    start(t, a, b);
    say(t, A, SYN, 0, 0, 0);
    say(t, B, SYN | ACK, 0, 1, 0);
    say(t, A, ACK, 1, 1, 0);
    assert_true(t->f.flags & SW_F_ESTABLISHED);
    t->emitted = 0;
}

static void in(const struct talk *t, unsigned a, unsigned b)
{
    if (t->f.end[A].state != a || t->f.end[B].state != b)
        fail_msg("isn %x %x, segment %llu: %s %s, not %s %s", t->isn[A], t->isn[B], (unsigned long long)t->now,
                 states[t->f.end[A].state], states[t->f.end[B].state], states[a], states[b]);
}

#define IN(a, b) in(&t, SW_ST_##a, SW_ST_##b)
#define EACH_ISN                                                                                                       \
    for (int i = 0; i < ISNS; i++)                                                                                     \
        for (int j = 0; j < ISNS; j++)

TEST(three_way_handshake)
{
    EACH_ISN
    {
        struct talk t;

        start(&t, isns[i], isns[j]);
        say(&t, A, SYN, 0, 0, 0);
        IN(SYN_SENT, LISTEN);
        assert_int_equal(t.emitted, KIND(OPENING));
        say(&t, B, SYN | ACK, 0, 1, 0);
        IN(SYN_SENT, SYN_RECEIVED);
        say(&t, A, ACK, 1, 1, 0);
        IN(ESTABLISHED, ESTABLISHED);
        assert_int_equal(t.emitted, KIND(OPENING) | KIND(ESTABLISHED));
        assert_int_equal(t.f.syn_ns, 1);
        assert_int_equal(t.f.synack_ns, 2);
        assert_int_equal(t.f.est_ns, 3);
    }
}

/* RFC 9293 figure 8. */
TEST(simultaneous_open)
{
    EACH_ISN
    {
        struct talk t;

        start(&t, isns[i], isns[j]);
        say(&t, A, SYN, 0, 0, 0);
        say(&t, B, SYN, 0, 0, 0);
        IN(SYN_RECEIVED, SYN_RECEIVED);
        say(&t, A, SYN | ACK, 0, 1, 0);
        assert_false(t.f.flags & SW_F_ESTABLISHED);
        say(&t, B, SYN | ACK, 0, 1, 0);
        IN(ESTABLISHED, ESTABLISHED);
        assert_int_equal(t.emitted & (KIND(OPENING) | KIND(ESTABLISHED)), KIND(OPENING) | KIND(ESTABLISHED));
    }
}

/* What does not acknowledge the SYN itself completes nothing. */
TEST(wrong_acknowledgements)
{
    EACH_ISN
    {
        static const uint32_t wrong[] = {0, 2, 3, 0x7fffffff, 0x80000001, 0xffffffff};

        for (size_t k = 0; k < sizeof(wrong) / sizeof(*wrong); k++) {
            struct talk t;

            start(&t, isns[i], isns[j]);
            say(&t, A, SYN, 0, 0, 0);
            say(&t, B, SYN | ACK, 0, wrong[k], 0);
            assert_int_equal(t.last.anomaly, SW_AN_SYNACK_BAD_ACK);
            say(&t, A, ACK, 1, 1, 0);
            assert_false(t.f.flags & SW_F_ESTABLISHED);

            start(&t, isns[i], isns[j]);
            say(&t, A, SYN, 0, 0, 0);
            say(&t, B, SYN | ACK, 0, 1, 0);
            say(&t, A, ACK, 1, wrong[k], 0);
            assert_int_equal(t.last.anomaly, SW_AN_ACK_BAD);
            assert_false(t.f.flags & SW_F_ESTABLISHED);
            say(&t, A, ACK, 1, 1, 0);
            IN(ESTABLISHED, ESTABLISHED);
        }
    }
}

TEST(close_in_four_segments)
{
    EACH_ISN
    {
        for (int first = 0; first < 2; first++) {
            int second = !first;
            struct talk t;

            established(&t, isns[i], isns[j]);
            say(&t, first, FIN | ACK, 1, 1, 0);
            first == A ? IN(FIN_WAIT_1, ESTABLISHED) : IN(ESTABLISHED, FIN_WAIT_1);
            say(&t, second, ACK, 1, 2, 0);
            first == A ? IN(FIN_WAIT_2, CLOSE_WAIT) : IN(CLOSE_WAIT, FIN_WAIT_2);
            assert_int_equal(t.emitted, KIND(HALF_CLOSED));
            say(&t, second, ACK, 1, 2, 500); /* data still flows that way */
            say(&t, first, ACK, 2, 501, 0);
            first == A ? IN(FIN_WAIT_2, CLOSE_WAIT) : IN(CLOSE_WAIT, FIN_WAIT_2);
            say(&t, second, FIN | ACK, 501, 2, 0);
            first == A ? IN(FIN_WAIT_2, LAST_ACK) : IN(LAST_ACK, FIN_WAIT_2);
            say(&t, first, ACK, 2, 502, 0);
            first == A ? IN(TIME_WAIT, CLOSED) : IN(CLOSED, TIME_WAIT);
            assert_int_equal(t.emitted, KIND(HALF_CLOSED) | KIND(CLOSED));
            assert_int_equal(t.f.reason, SW_WHY_FIN);
            assert_int_equal(t.f.closed_by, 1 + first);
        }
    }
}

TEST(close_in_three_segments)
{
    EACH_ISN
    {
        struct talk t;

        established(&t, isns[i], isns[j]);
        say(&t, A, FIN | ACK, 1, 1, 10);
        say(&t, B, FIN | ACK, 1, 12, 0);
        IN(FIN_WAIT_2, LAST_ACK);
        say(&t, A, ACK, 12, 2, 0);
        IN(TIME_WAIT, CLOSED);
        assert_int_equal(t.emitted, KIND(CLOSED));
    }
}

/* RFC 9293 figure 13: both FINs cross. */
TEST(simultaneous_close)
{
    EACH_ISN
    {
        struct talk t;

        established(&t, isns[i], isns[j]);
        say(&t, A, FIN | ACK, 1, 1, 0);
        say(&t, B, FIN | ACK, 1, 1, 0);
        IN(FIN_WAIT_1, FIN_WAIT_1);
        say(&t, A, ACK, 2, 2, 0);
        IN(CLOSING, FIN_WAIT_2); /* A has B's FIN, B's own is acknowledged */
        say(&t, B, ACK, 2, 2, 0);
        IN(TIME_WAIT, TIME_WAIT);
        assert_int_equal(t.f.closed_by, 3);
        assert_int_equal(t.emitted & KIND(CLOSED), KIND(CLOSED));
    }
}

/*
 * The segments of a close as a network may deliver them: any order. Whatever comes when, once all have come and each
 * side has said its last acknowledgement again, the connection is over by FIN, emitted once.
 */
TEST(close_in_every_order)
{
    static const struct {
        int from;
        uint16_t flags;
        uint32_t seq, ack, len;
    } seg[] = {{A, ACK, 1, 1, 100},  {A, FIN | ACK, 101, 1, 0},  {B, ACK, 1, 102, 0},
               {B, ACK, 1, 102, 50}, {B, FIN | ACK, 51, 102, 0}, {A, ACK, 102, 52, 0}};
    int orders = 0;

    for (int code = 0; code < 720; code++) {
        int left[6] = {0, 1, 2, 3, 4, 5}, rest = code;

        for (int i = 0; i < ISNS; i++) {
            struct talk t;
            int order[6], closed = 0;

            memcpy(left, (int[]){0, 1, 2, 3, 4, 5}, sizeof(left));
            rest = code;
            for (int n = 0; n < 6; n++) {
                int at = rest % (6 - n);

                rest /= 6 - n;
                order[n] = left[at];
                memmove(left + at, left + at + 1, (5 - n - at) * sizeof(*left));
            }
            established(&t, isns[i], isns[ISNS - 1 - i]);
            for (int n = 0; n < 6; n++) {
                int k = order[n];

                say(&t, seg[k].from, seg[k].flags, seg[k].seq, seg[k].ack, seg[k].len);
                assert_int_equal(t.verdict, SW_SAME_FLOW);
                closed += !!(t.last.events & KIND(CLOSED));
            }
            /* what was lost on the way is sent again, as TCPs do */
            for (int k = 0; k < 6; k++) {
                say(&t, seg[k].from, seg[k].flags, seg[k].seq, seg[k].ack, seg[k].len);
                closed += !!(t.last.events & KIND(CLOSED));
            }
            if (closed != 1 || t.f.reason != SW_WHY_FIN || !(t.f.flags & SW_F_ENDED))
                fail_msg("order %d%d%d%d%d%d isn %x: closed %d times, states %s %s", order[0], order[1], order[2],
                         order[3], order[4], order[5], isns[i], closed, states[t.f.end[A].state],
                         states[t.f.end[B].state]);
            assert_int_equal(t.f.end[A].pkts, 2 + 3 + 3);
            assert_int_equal(t.f.end[B].pkts, 1 + 3 + 3);
            orders++;
        }
    }
    assert_int_equal(orders, 720 * ISNS);
}

/* Who says RST in which state, and what it is then: refused, aborted, reset. */
TEST(reset_in_every_state)
{
    EACH_ISN
    {
        for (int from = 0; from < 2; from++) {
            for (int stage = 0; stage < 7; stage++) {
                unsigned why = SW_WHY_RESET, kind = KIND(RESET), before;
                uint32_t seq[2] = {1, 0}; /* next of each side */
                struct talk t;

                start(&t, isns[i], isns[j]);
                say(&t, A, SYN, 0, 0, 0);
                if (stage >= 1) {
                    say(&t, B, SYN | ACK, 0, 1, 0);
                    seq[B] = 1;
                }
                if (stage >= 2)
                    say(&t, A, ACK, 1, 1, 0);
                if (stage >= 3) {
                    say(&t, A, FIN | ACK, 1, 1, 0);
                    seq[A] = 2;
                }
                if (stage >= 4)
                    say(&t, B, ACK, 1, 2, 0);
                if (stage >= 5) {
                    say(&t, B, FIN | ACK, 1, 2, 0);
                    seq[B] = 2;
                }
                if (stage >= 6)
                    say(&t, A, ACK, 2, 2, 0);
                if (stage < 2 && from == A)
                    why = SW_WHY_ABORTED;
                if (stage == 0 && from == B) {
                    why = SW_WHY_REFUSED;
                    kind = KIND(REFUSED);
                }
                before = t.f.end[!from].state;
                t.emitted = 0;
                say(&t, from, stage == 0 && from == B ? RST | ACK : RST, seq[from], 1, 0);
                if (stage == 6) { /* after the last ACK it is late, and changes nothing */
                    assert_int_equal(t.emitted, 0);
                    assert_int_equal(t.f.reason, SW_WHY_FIN);
                    IN(TIME_WAIT, CLOSED);
                    continue;
                }
                if (t.emitted != kind || t.f.reason != why)
                    fail_msg("stage %d by %d isn %x %x: kinds %x reason %u, not %x %u", stage, from, isns[i], isns[j],
                             t.emitted, t.f.reason, kind, why);
                IN(CLOSED, CLOSED);
                assert_int_equal(t.f.rst_state, before);
                assert_int_equal(t.f.closed_by, stage >= 3 ? 1 : 1 + from);
            }
        }
    }
}

/* RFC 5961 section 3: in the window but not exact asks for a challenge, out of it is nothing. */
TEST(inexact_resets)
{
    EACH_ISN
    {
        struct talk t;

        if (isns[j] + 1 == 0)
            continue; /* an acknowledgement of 0 stands for none: the next one heals it */
        established(&t, isns[i], isns[j]);
        say(&t, B, RST, 101, 0, 0);
        assert_int_equal(t.last.anomaly, SW_AN_RST_INEXACT);
        say(&t, B, RST, 0x40000000, 0, 0);
        assert_int_equal(t.last.anomaly, SW_AN_RST_OUT_OF_WINDOW);
        say(&t, B, RST, 0xfffffff0, 0, 0);
        assert_int_equal(t.last.anomaly, SW_AN_RST_OUT_OF_WINDOW);
        IN(ESTABLISHED, ESTABLISHED);
        assert_int_equal(t.emitted, KIND(ANOMALY));
        say(&t, A, ACK, 1, 1, 0); /* the challenge ACK, and its answer */
        say(&t, B, RST, 1, 0, 0);
        IN(CLOSED, CLOSED);
        assert_int_equal(t.last.events, KIND(RESET));
    }
}

/* A SYN on a live connection waits: a challenge ACK keeps the old one, a SYN-ACK begins the new. */
TEST(syn_in_connection)
{
    EACH_ISN
    {
        struct talk t;

        established(&t, isns[i], isns[j]);
        say(&t, A, SYN, 5000, 0, 0);
        assert_int_equal(t.verdict, SW_SAME_FLOW);
        assert_int_equal(t.last.anomaly, SW_AN_SYN_IN_CONNECTION);
        IN(ESTABLISHED, ESTABLISHED);
        say(&t, B, ACK, 1, 1, 0);
        assert_int_equal(t.verdict, SW_SAME_FLOW);
        say(&t, A, ACK, 1, 1, 100);
        assert_int_equal(t.verdict, SW_SAME_FLOW);
        IN(ESTABLISHED, ESTABLISHED);

        established(&t, isns[i], isns[j]);
        say(&t, A, SYN, 5000, 0, 0);
        say(&t, B, SYN | ACK, 90000, 5001, 0);
        assert_int_equal(t.verdict, SW_NEW_PENDING);
        say(&t, B, SYN | ACK, 90000, 5002, 0); /* an answer to something else is none */
        assert_int_equal(t.verdict, SW_SAME_FLOW);
    }
}

TEST(syn_after_the_end_is_another_connection)
{
    EACH_ISN
    {
        struct talk t;
        struct sw_flow before;

        established(&t, isns[i], isns[j]);
        say(&t, A, FIN | ACK, 1, 1, 0);
        say(&t, B, FIN | ACK, 1, 2, 0);
        say(&t, A, ACK, 2, 2, 0);
        before = t.f;
        say(&t, A, SYN, 5000, 0, 0);
        assert_int_equal(t.verdict, SW_NEW_FLOW);
        assert_memory_equal(&before, &t.f, sizeof(before)); /* nothing was changed */
        say(&t, A, SYN, 0, 0, 0);                           /* the old SYN once more is not */
        assert_int_equal(t.verdict, SW_SAME_FLOW);
    }
}

/* Data past 2^32, in and out of order: counters, edge and gaps as if there were no wrap. */
TEST(a_gigabyte_and_more)
{
    for (int i = 0; i < ISNS; i++) {
        const uint32_t step = 0x01000000; /* 16 MiB at once: sequence space is what counts */
        struct talk t;

        established(&t, isns[i], isns[ISNS - 1 - i]);
        for (uint32_t n = 0; n < 600; n++) { /* 9.4 GiB: twice around and more */
            uint32_t at = 1 + n * step;

            say(&t, A, ACK, at, 1, step);
            assert_int_equal(t.last.events, 0);
            say(&t, B, ACK, 1, at + step, 0);
            assert_int_equal(t.last.events, 0);
            assert_int_equal(t.f.end[A].nxt, t.isn[A] + at + step);
            assert_int_equal(t.f.end[A].seq_hi, t.isn[A] + at + step);
            if (t.f.end[B].ack != t.isn[A] + at + step)
                fail_msg("isn %x after %u steps: ack %x, not %x", isns[i], n, t.f.end[B].ack - t.isn[A], at + step);
        }
        assert_int_equal(t.f.end[A].rexmit, 0);
        assert_int_equal(t.f.end[A].gaps, 0);
        assert_int_equal(t.f.end[A].payload, 600ull * step);
        say(&t, A, FIN | ACK, 1 + 600 * step, 1, 0);
        say(&t, B, FIN | ACK, 1, 2 + 600 * step, 0);
        say(&t, A, ACK, 2 + 600 * step, 2, 0);
        IN(TIME_WAIT, CLOSED);
    }
}

/* The fast path takes what is in order on an established flow, and leaves all else alone. */
TEST(fast_path_takes_only_the_plain)
{
    struct talk t;
    struct sw_seg s;
    struct sw_flow before;

    for (int odd = 0; odd < 12; odd++) {
        established(&t, 0xfffffff0, 0x7fffffff);
        say(&t, A, ACK, 1, 1, 100);
        say(&t, B, ACK, 1, 101, 100);
        say(&t, A, ACK, 101, 101, 0);
        s = (struct sw_seg){.now = 99,
                            .seq = t.isn[A] + 101,
                            .ack = t.isn[B] + 101,
                            .flags = ACK,
                            .len = 10,
                            .cap = 10,
                            .win = 60000,
                            .pkts = 1,
                            .ip_bytes = 50};
        switch (odd) {
        case 0: break; /* plain */
        case 1: s.seq++; break;
        case 2: s.seq--; break;
        case 3: s.ack++; break;
        case 4: s.ack--; break;
        case 5: s.win = 0; break;
        case 6: s.flags |= FIN; break;
        case 7: s.flags |= SW_TCP_URG; break;
        case 8: s.bad_csum = 1; break;
        case 9: s.frag = 1; break;
        case 10: s.cap = 5; break;
        case 11: t.f.flags |= SW_F_ENDED; break;
        }
        before = t.f;
        assert_int_equal(sw_fsm_fast(&t.f, &s), odd == 0);
        if (odd)
            assert_memory_equal(&before, &t.f, sizeof(before));
        else
            assert_int_equal(t.f.end[A].nxt, t.isn[A] + 111);
    }
}

/* A FIN or RST that its receiver ignores costs the connection its fast path for one segment, and not for ever. */
TEST(fast_path_after_ignored_ends)
{
    static const uint16_t ends[] = {FIN | ACK, RST};

    for (int k = 0; k < 4; k++) {
        struct talk t;
        int from = k & 1;

        established(&t, 0xfffffff0, 0x7fffffff);
        say(&t, A, ACK, 1, 1, 100);
        say(&t, B, ACK, 1, 101, 100);
        say(&t, A, ACK, 101, 101, 0);
        say(&t, from, ends[k / 2], 0x10000000, 101, 0);
        assert_int_equal(t.emitted, KIND(ANOMALY));
        IN(ESTABLISHED, ESTABLISHED);
        say(&t, A, ACK, 101, 101, 0);
        say(&t, B, ACK, 101, 101, 0);
        for (int side = A; side <= B; side++) {
            struct sw_seg s = {.now = 99,
                               .seq = t.isn[side] + 101,
                               .ack = t.isn[!side] + 101,
                               .flags = ACK,
                               .win = 60000,
                               .pkts = 1,
                               .ip_bytes = 40,
                               .src_is_b = side == B};

            assert_true(sw_fsm_fast(&t.f, &s));
        }
    }
}

/* The SYN-ACK was not seen: the originator acknowledged it, and its sender goes on exactly there. */
TEST(synack_is_inferred)
{
    EACH_ISN
    {
        struct talk t;
        uint32_t off;

        if (isns[j] == 0xffffffff)
            continue; /* an acknowledgement of 0 stands for none */
        start(&t, isns[i], isns[j]);
        say(&t, A, SYN, 0, 0, 0);
        say(&t, A, ACK, 1, 1, 0);
        assert_int_equal(t.emitted, KIND(OPENING));
        off = (uint32_t)(i + j) % 3; /* 0: it goes on; else not where it was acknowledged, or with another number */
        say(&t, B, ACK, off == 1 ? 2 : 1, off == 2 ? 2 : 1, 10);
        assert_int_equal(!!(t.emitted & KIND(ESTABLISHED)), !off);
        assert_int_equal(!!(t.f.flags & SW_F_INFERRED), !off);
        if (off)
            continue;
        IN(ESTABLISHED, ESTABLISHED);
        assert_true(t.f.end[B].more & SW_M_INFERRED);
        assert_int_equal(t.f.end[B].isn, isns[j]);
    }
}

/* SYN-ACKs with two ISNs: the one that is acknowledged counts, whichever came last. */
TEST(two_isns)
{
    EACH_ISN
    {
        for (uint32_t chosen = 0; chosen < 2; chosen++) {
            const uint32_t other = 88000;
            struct talk t;

            start(&t, isns[i], isns[j]);
            say(&t, A, SYN, 0, 0, 0);
            say(&t, B, SYN | ACK, 0, 1, 0);
            say(&t, B, SYN | ACK, other, 1, 0);
            assert_int_equal(t.last.anomaly, SW_AN_SYNACK_NEW_ISN);
            say(&t, A, ACK, 1, (chosen ? other : 0) + 1, 0);
            IN(ESTABLISHED, ESTABLISHED);
            assert_int_equal(t.f.end[B].isn, isns[j] + (chosen ? other : 0));
            assert_int_equal(t.f.est_ns, 4);
        }
    }
}

/* An acknowledgement of what was not seen counts for a RST exactly there, if its sender was where it had been. */
TEST(claims_need_the_other_side)
{
    EACH_ISN
    {
        for (uint32_t off = 0; off < 3; off++) {
            struct talk t;

            if (isns[j] == 0xffffffff)
                continue;
            established(&t, isns[i], isns[j]);
            say(&t, A, ACK, off == 2 ? 2 : 1, 5001, 0); /* 2: a forger who does not know its number */
            say(&t, B, RST, off == 1 ? 5000 : 5001, 0, 0);
            assert_int_equal(!!(t.emitted & KIND(RESET)), !off);
            assert_int_equal(t.emitted, off ? KIND(ANOMALY) : KIND(RESET));
        }
    }
}

/* A RST that both ends ignore is taken back: in the handshake, and on a connection. */
TEST(ignored_resets)
{
    EACH_ISN
    {
        struct talk t;

        start(&t, isns[i], isns[j]);
        say(&t, A, SYN, 0, 0, 0);
        say(&t, B, RST | ACK, -isns[j], 1, 0); /* sequence number 0 */
        assert_int_equal(t.emitted, KIND(OPENING) | KIND(REFUSED));
        say(&t, B, SYN | ACK, 0, 1, 0);
        assert_true(t.f.flags & SW_F_ENDED); /* not proven before the originator acknowledges it */
        say(&t, A, ACK, 1, 1, 0);
        assert_int_equal(t.last.events, KIND(ESTABLISHED) | KIND(ANOMALY));
        assert_int_equal(t.last.anomaly, SW_AN_RST_IGNORED);
        IN(ESTABLISHED, ESTABLISHED);
        assert_int_equal(t.f.reason, SW_WHY_NONE);

        for (int live = 0; live < 2; live++) { /* the client's, and the listener's SYN-ACK comes again */
            start(&t, isns[i], isns[j]);
            t.hook[B] = live ? SW_HOOK_TC_EGRESS : SW_HOOK_REPLAY;
            say(&t, A, SYN, 0, 0, 0);
            say(&t, B, SYN | ACK, 0, 1, 0);
            say(&t, A, RST, 1, 0, 0);
            assert_int_equal(t.f.reason, SW_WHY_ABORTED);
            say(&t, B, SYN | ACK, 0, 1, 0); /* in a capture it may have been on its way */
            assert_int_equal(!(t.f.flags & SW_F_ENDED), live);
            assert_int_equal(t.last.anomaly, live ? SW_AN_RST_IGNORED : SW_AN_NONE);
            say(&t, A, ACK, 1, 1, 20);
            assert_int_equal(t.last.events & KIND(ESTABLISHED), live ? KIND(ESTABLISHED) : 0);
            say(&t, B, ACK, 1, 21, 0);
            IN(ESTABLISHED, ESTABLISHED);
            assert_int_equal(t.f.reason, SW_WHY_NONE);
            assert_int_equal(t.f.end[A].seq_hi, isns[i] + 21);
        }

        established(&t, isns[i], isns[j]);
        say(&t, B, RST, 1, 0, 0);
        assert_int_equal(t.emitted, KIND(RESET));
        say(&t, B, ACK, 1, 1, 30);
        assert_true(t.f.flags & SW_F_ENDED); /* one side alone proves nothing */
        say(&t, A, ACK, 1, 31, 0);
        assert_int_equal(t.last.anomaly, SW_AN_RST_IGNORED);
        IN(ESTABLISHED, ESTABLISHED);
        say(&t, A, FIN | ACK, 1, 31, 0);
        say(&t, B, FIN | ACK, 31, 2, 0);
        say(&t, A, ACK, 2, 32, 0);
        assert_int_equal(t.f.reason, SW_WHY_FIN);
        assert_int_equal(t.f.closed_by, 1);
    }
}

/* A RST is taken back only by who acknowledges what was sent: never more, and its SYN at least. */
TEST(a_wrong_acknowledgement_ignores_no_reset)
{
    static const uint32_t wrong[] = {0, 22, 2000, 0x20000000, 0x7fffffff, 0x80000001, 0xffffff00};

    EACH_ISN
    {
        for (int refused = 0; refused < 2; refused++) {
            struct talk t;

            start(&t, isns[i], isns[j]);
            say(&t, A, SYN, 0, 0, 0);
            if (refused)
                say(&t, B, RST | ACK, 0, 1, 0);
            say(&t, B, SYN | ACK, 0, 1, 0);
            if (!refused) {
                say(&t, A, RST, 1, 0, 0);
                say(&t, A, ACK, 1, 1, 20);
            }
            assert_int_equal(t.f.reason, refused ? SW_WHY_REFUSED : SW_WHY_ABORTED);
            for (size_t k = 0; k < sizeof(wrong) / sizeof(*wrong); k++) {
                say(&t, refused ? A : B, ACK, 1, wrong[k], 0);
                assert_true(t.f.flags & SW_F_ENDED);
                assert_false(t.last.events & (KIND(ESTABLISHED) | KIND(ANOMALY)));
            }
            say(&t, refused ? A : B, ACK, 1, refused ? 1 : 21, 0);
            assert_int_equal(t.last.anomaly, SW_AN_RST_IGNORED);
            assert_int_equal(t.f.reason, SW_WHY_NONE);
            IN(ESTABLISHED, ESTABLISHED);
        }
    }
}

/* The window scale is not known, for the SYN was not seen: a FIN far beyond the unscaled window is none too far. */
TEST(unknown_scale_forbids_conclusions)
{
    struct talk t;

    start(&t, 1000, 5000);
    say(&t, B, SYN | ACK, 0, 1, 0);
    t.f.end[SW_ORIG].opts = SW_OPT_WSCALE; /* nobody guesses here, so the first sender is SW_ORIG */
    say(&t, A, ACK, 1, 1, 0);
    say(&t, B, FIN | ACK, 200001, 1, 0);
    assert_false(t.emitted & KIND(ANOMALY));
    assert_true(t.f.end[SW_ORIG].did & SW_E_FIN);
}

/* The SYN comes after the handshake: the windows are scaled as it says. */
TEST(late_syn_scales_windows)
{
    for (int scaled = 0; scaled < 2; scaled++) {
        struct talk t;

        start(&t, 1000, 5000);
        t.wscale[A] = scaled ? 3 : 0;
        t.wscale[B] = 7;
        say(&t, B, SYN | ACK, 0, 1, 0);
        say(&t, A, ACK, 1, 1, 0);
        assert_true(t.f.flags & SW_F_ESTABLISHED);
        assert_true(t.f.end[SW_RESP].more & SW_M_INFERRED); /* nobody guesses here: the first sender is SW_ORIG */
        say(&t, A, SYN, 0, 0, 0);
        assert_false(t.f.end[SW_RESP].more & SW_M_INFERRED);
        assert_int_equal(t.f.end[SW_RESP].win, scaled ? 480000 : 60000);
        say(&t, B, FIN | ACK, 300001, 1, 0);
        assert_int_equal(t.f.end[SW_ORIG].did & SW_E_FIN, scaled ? SW_E_FIN : 0);
    }
}

static void same_numbers(const struct sw_end *got, const struct sw_end *want)
{
    assert_int_equal(got->seq_hi, want->seq_hi);
    assert_int_equal(got->nxt, want->nxt);
    assert_int_equal(got->ack, want->ack);
    assert_int_equal(got->win, want->win);
    assert_int_equal(got->gaps, want->gaps);
    assert_memory_equal(got->ooo, want->ooo, sizeof(got->ooo));
}

/* Beyond the window of 60,000, by one and by 2^31: nothing moves, and the connection goes on from where it was. */
TEST(beyond_the_window_nothing_moves)
{
    static const uint32_t far[] = {60002, 100000, 0x01000000, 0x40000000, 0x7fffff00};

    EACH_ISN
    {
        for (size_t k = 0; k < sizeof(far) / sizeof(*far); k++) {
            struct sw_flow before;
            struct talk t;

            established(&t, isns[i], isns[j]);
            say(&t, A, ACK, 1, 1, 100);
            say(&t, B, ACK, 1, 101, 100);
            say(&t, A, ACK, 101, 101, 0);
            before = t.f;
            for (int from = A; from <= B; from++) {
                say(&t, from, ACK, 100 + far[k], 101 + far[k] / 2, 100);
                say(&t, from, ACK, 100 + far[k] / 2 + 40000, 101 + far[k], 0);
                say(&t, from, FIN | ACK, 100 + far[k], 101, 0);
                assert_int_equal(t.last.anomaly, SW_AN_SEQ_OUT_OF_WINDOW);
            }
            for (int from = A; from <= B; from++) {
                same_numbers(&t.f.end[from], &before.end[from]);
                say(&t, from, RST, 100 + far[k] / 2, 0, 0);
                say(&t, from, RST, 100 + far[k], 0, 0);
            }
            IN(ESTABLISHED, ESTABLISHED);
            say(&t, A, FIN | ACK, 101, 101, 0);
            say(&t, B, FIN | ACK, 101, 102, 0);
            say(&t, A, ACK, 102, 102, 0);
            assert_int_equal(t.f.reason, SW_WHY_FIN);
        }
    }
}

/* Segments of both directions were missed, more than a window: in a capture both ends show where they are now. */
TEST(missed_segments_are_caught_up)
{
    EACH_ISN
    {
        for (int live = 0; live < 2; live++) {
            struct talk t;

            established(&t, isns[i], isns[j]);
            t.hook[A] = live ? SW_HOOK_XDP_INGRESS : SW_HOOK_REPLAY;
            t.hook[B] = live ? SW_HOOK_TC_EGRESS : SW_HOOK_REPLAY;
            say(&t, A, ACK, 1000001, 2000001, 100);
            assert_int_equal(t.f.end[A].seq_hi, t.isn[A] + 1);
            say(&t, B, ACK, 2000001, 1000101, 100);
            assert_int_equal(t.f.end[A].seq_hi, t.isn[A] + 1000101);
            assert_int_equal(t.f.end[B].ack, t.isn[A] + 1000101);
            say(&t, A, ACK, 1000101, 2000101, 0);
            assert_int_equal(t.f.end[B].seq_hi, t.isn[B] + 2000101);
            assert_int_equal(t.f.end[A].ack, t.isn[B] + 2000101);
            for (int from = A; from <= B; from++) {
                assert_int_equal(t.f.end[from].nxt, t.f.end[from].seq_hi);
                assert_int_equal(t.f.end[from].gaps, 1);
            }
            say(&t, A, RST, 1000101, 0, 0);
            assert_int_equal(t.emitted, KIND(RESET));
        }
    }
}

/* The responder's path leads elsewhere from some time on, and a segment is lost: a capture follows the other side. Not
 * live, and not while the responder still answers with what it had. */
TEST(one_direction_goes_on)
{
    EACH_ISN
    {
        for (int how = 0; how < 3; how++) {
            bool follows = how == 0, live = how == 1, answered = how == 2;
            uint32_t at = 1;
            struct talk t;

            if (isns[i] == 0xffffffff)
                break; /* an acknowledgement of 0 stands for none */
            established(&t, isns[i], isns[j]);
            say(&t, B, ACK, 1, 1, 0);
            t.hook[A] = live ? SW_HOOK_XDP_INGRESS : SW_HOOK_REPLAY;
            for (int n = 0; n < 200; n++, at += 1000) {
                if (n != 40 && n != 80) /* lost, within the window that was seen last, and beyond it */
                    say(&t, A, ACK, at, 1, 1000);
                if (answered && n > 80)
                    say(&t, B, ACK, 1, 1, 0);
            }
            assert_int_equal(t.f.end[A].seq_hi, t.isn[A] + (follows ? at : 80001));
            say(&t, A, RST, at, 0, 0);
            assert_int_equal(!!(t.emitted & KIND(RESET)), follows);
        }
    }
}

/* Live, from outside, both directions may be forged so that they agree. */
TEST(agreement_from_outside_proves_nothing)
{
    struct sw_flow before;
    struct talk t;

    established(&t, 1000, 5000);
    say(&t, A, ACK, 1, 1, 100);
    say(&t, B, ACK, 1, 101, 100);
    before = t.f;
    say(&t, A, ACK, 1000001, 2000001, 100);
    say(&t, B, ACK, 2000001, 1000101, 100);
    say(&t, A, ACK, 1000101, 2000101, 0);
    same_numbers(&t.f.end[A], &before.end[A]);
    same_numbers(&t.f.end[B], &before.end[B]);
}

/* The directions are not in their order: data before the acknowledgements that opened the window for it. */
TEST(window_opens_late)
{
    enum { ALL = 200 };

    EACH_ISN
    {
        for (int late = 30; late < ALL; late += 17) {
            struct talk t;

            established(&t, isns[i], isns[j]);
            say(&t, B, ACK, 1, 1, 0);
            for (int n = 0; n < ALL; n++) {
                say(&t, A, ACK, 1 + n * 1000, 1, 1000);
                if (n >= late)
                    say(&t, B, ACK, 1, 1 + (n - late + 1) * 1000, 0);
            }
            say(&t, B, ACK, 1, 1 + ALL * 1000, 0);
            assert_int_equal(t.f.end[A].seq_hi, t.isn[A] + 1 + ALL * 1000);
            assert_int_equal(t.f.end[A].nxt, t.f.end[A].seq_hi);
            assert_int_equal(t.f.end[B].ack, t.f.end[A].seq_hi);
            assert_int_equal(t.f.end[A].gaps, 0);
            assert_int_equal(t.f.end[A].rexmit, 0);
            assert_int_equal(t.emitted, 0);
        }
    }
}

static void midstream(struct talk *t, int from, enum sw_hook hook, uint16_t flags)
{
    struct sw_seg s = {.now = ++t->now,
                       .seq = 7000,
                       .ack = 7000,
                       .flags = flags,
                       .win = 500,
                       .pkts = 1,
                       .hook = hook,
                       .sent = t->hook[from] == SW_HOOK_TC_EGRESS,
                       .src_is_b = from == B,
                       .wscale = SW_WSCALE_NONE};

    if (t->now == 1)
        sw_flow_init(&t->f, &s);
    sw_fsm_step(&t->f, &s, &t->last);
}

/* Live, both ends could be forged: it is this host that must have sent. In a capture they must agree. */
TEST(midstream_is_confirmed)
{
    for (enum sw_hook hook = SW_HOOK_XDP_INGRESS; hook <= SW_HOOK_REPLAY; hook++) {
        for (int rst = 0; rst < 2; rst++) {
            struct talk t = {0};
            bool egress = hook == SW_HOOK_TC_EGRESS;

            midstream(&t, A, egress ? SW_HOOK_XDP_INGRESS : hook, ACK);
            assert_false(t.f.flags & SW_F_MIDSTREAM_PROVEN);
            midstream(&t, B, hook, rst ? RST | ACK : ACK);
            assert_int_equal(!!(t.f.flags & SW_F_MIDSTREAM_PROVEN), !rst && (egress || hook == SW_HOOK_REPLAY));
        }
    }
}

TEST(sequence_space)
{
    for (int i = 0; i < ISNS; i++) {
        uint32_t x = isns[i];

        assert_true(sw_seq_diff(x + 1, x) > 0 && sw_seq_diff(x, x + 1) < 0 && sw_seq_diff(x, x) == 0);
        assert_int_equal(sw_mask_le(x, x), 0xffffffff);
        assert_int_equal(sw_mask_le(x, x + 1), 0xffffffff);
        assert_int_equal(sw_mask_le(x, x + 0x7fffffff), 0xffffffff);
        assert_int_equal(sw_mask_le(x + 1, x), 0);
        assert_int_equal(sw_mask_le(x + 0x7fffffff, x), 0);
        assert_int_equal(sw_mask_ne(x, x), 0);
        assert_int_equal(sw_mask_ne(x, x + 1), 0xffffffff);
        assert_int_equal(sw_mask_ne(x, x ^ 0x80000000), 0xffffffff);
        assert_true(sw_seq_within(x, x, x) && sw_seq_within(x + 5, x, x + 5));
        assert_false(sw_seq_within(x - 1, x, x + 5) || sw_seq_within(x + 6, x, x + 5));
        assert_false(sw_seq_within(x + 0x7fffffff, x, x - 1));
        assert_int_equal(sw_pick(0xffffffff, x, 7), x);
        assert_int_equal(sw_pick(0, x, 7), 7);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(three_way_handshake),
        cmocka_unit_test(simultaneous_open),
        cmocka_unit_test(wrong_acknowledgements),
        cmocka_unit_test(close_in_four_segments),
        cmocka_unit_test(close_in_three_segments),
        cmocka_unit_test(simultaneous_close),
        cmocka_unit_test(close_in_every_order),
        cmocka_unit_test(reset_in_every_state),
        cmocka_unit_test(inexact_resets),
        cmocka_unit_test(syn_in_connection),
        cmocka_unit_test(syn_after_the_end_is_another_connection),
        cmocka_unit_test(a_gigabyte_and_more),
        cmocka_unit_test(fast_path_takes_only_the_plain),
        cmocka_unit_test(fast_path_after_ignored_ends),
        cmocka_unit_test(synack_is_inferred),
        cmocka_unit_test(two_isns),
        cmocka_unit_test(claims_need_the_other_side),
        cmocka_unit_test(ignored_resets),
        cmocka_unit_test(a_wrong_acknowledgement_ignores_no_reset),
        cmocka_unit_test(unknown_scale_forbids_conclusions),
        cmocka_unit_test(late_syn_scales_windows),
        cmocka_unit_test(beyond_the_window_nothing_moves),
        cmocka_unit_test(missed_segments_are_caught_up),
        cmocka_unit_test(one_direction_goes_on),
        cmocka_unit_test(agreement_from_outside_proves_nothing),
        cmocka_unit_test(window_opens_late),
        cmocka_unit_test(midstream_is_confirmed),
        cmocka_unit_test(sequence_space),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
