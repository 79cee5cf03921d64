/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Zeek's view: the blocks beyond a hole against a set of bytes, gaps and letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tcp/conn_state.h"
#include "tcp/zeek.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

/* ---- out-of-order blocks ---- */

enum { SPACE = 96 };

/* Bytes that the endpoint knows of: all before nxt, and the blocks. */
static void known(const struct sw_end *e, uint32_t base, uint8_t ret_set[SPACE])
{
    for (uint32_t i = 0; i < SPACE; i++) {
        uint32_t at = base + i;

        ret_set[i] = sw_seq_diff(at, e->nxt) < 0;
        for (int b = 0; b < SW_OOO; b++)
            ret_set[i] |=
                sw_seq_diff(at, e->ooo[b][0]) >= 0 && sw_seq_diff(at, e->ooo[b][1]) < 0 && e->ooo[b][0] != e->ooo[b][1];
    }
}

/* Is there a place for [lo, hi): in order, touching a block, or a free block? */
static int fits(const struct sw_end *e, uint32_t lo, uint32_t hi)
{
    if (sw_seq_diff(lo, e->nxt) <= 0)
        return 1;
    for (int b = 0; b < SW_OOO; b++) {
        if (e->ooo[b][0] == e->ooo[b][1])
            return 1;
        if (sw_seq_diff(lo, e->ooo[b][1]) <= 0 && sw_seq_diff(e->ooo[b][0], hi) <= 0)
            return 1;
    }
    return 0;
}

TEST(blocks_are_a_set_of_bytes)
{
    static const uint32_t bases[] = {0, 1, 1000, 0x7fffffd0, 0x80000000, 0xffffffa0, 0xffffffd0, 0xffffffff};
    uint32_t rng = 42, exact = 0, stretched = 0;

    for (int round = 0; round < 40000; round++) {
        uint32_t base = bases[round % 8];
        uint8_t want[SPACE] = {0}, have[SPACE];
        struct sw_end e = {.nxt = base};
        int full = 0;

        for (int step = 0; step < 24; step++) {
            uint32_t lo, n, edge = 0;

            rng = rng * 1664525 + 1013904223;
            lo = (rng >> 16) % (SPACE - 8);
            n = 1 + (rng >> 8) % 8;
            full |= !fits(&e, base + lo, base + lo + n);
            sw_ooo_add(&e, base + lo, base + lo + n);
            memset(want + lo, 1, n);
            known(&e, base, have);
            for (uint32_t i = 0; i < SPACE; i++)
                if (want[i] && !have[i])
                    fail_msg("base %x round %d step %d: byte %u was seen and is not known", base, round, step, i);
            while (edge < SPACE && want[edge])
                edge++;
            if (!full) {
                assert_memory_equal(want, have, SPACE);
                assert_int_equal(e.nxt - base, edge);
                exact++;
            } else {
                assert_true(e.nxt - base >= edge);
                stretched++;
            }
        }
    }
    assert_true(exact > 100000 && stretched > 10000);
}

/* ---- gaps and retransmissions ---- */

static void say(struct sw_flow *f, int from, uint32_t seq, uint32_t ack, uint16_t flags, uint32_t len)
{
    struct sw_seg s = {.seq = seq, .ack = ack, .flags = flags, .len = len, .cap = len, .win = 1000, .pkts = 1};

    sw_zeek_step(f, from, &s);
    f->end[from].did |= SW_E_SEEN | (flags & SW_TCP_SYN ? SW_E_SYN : 0);
}

static void established(struct sw_flow *f, uint32_t a, uint32_t b)
{
    memset(f, 0, sizeof(*f));
    say(f, SW_ORIG, a, 0, SW_TCP_SYN, 0);
    say(f, SW_RESP, b, a + 1, SW_TCP_SYN | SW_TCP_ACK, 0);
    say(f, SW_ORIG, a + 1, b + 1, SW_TCP_ACK, 0);
    f->flags |= SW_F_ESTABLISHED;
    assert_int_equal(sw_zeek_conn_state(f), SW_CS_S1);
}

static void expect_history(const struct sw_flow *f, const char *want)
{
    char have[SW_HIST_MAX + 1] = {0};

    memcpy(have, f->hist, f->hist_len);
    assert_string_equal(have, want);
}

static const uint32_t isns[] = {0, 1000, 0x7fffffff - 300, 0xffffffff - 300, 0xfffffffe, 0xffffffff, 0x80000000};

TEST(gap_is_counted_once_across_the_wrap)
{
    for (size_t i = 0; i < sizeof(isns) / sizeof(*isns); i++) {
        uint32_t a = isns[i], b = isns[(i + 3) % 7];
        struct sw_flow f;

        established(&f, a, b);
        say(&f, SW_ORIG, a + 1, b + 1, SW_TCP_ACK, 100);
        say(&f, SW_ORIG, a + 201, b + 1, SW_TCP_ACK, 100); /* 101..200 is missing */
        say(&f, SW_RESP, b + 1, a + 101, SW_TCP_ACK, 0);
        assert_int_equal(f.end[SW_ORIG].gaps, 0);
        say(&f, SW_RESP, b + 1, a + 301, SW_TCP_ACK, 0); /* and acknowledged: not seen here */
        assert_int_equal(f.end[SW_ORIG].gaps, 1);
        assert_int_equal(f.missed, 100);
        assert_int_equal(f.end[SW_ORIG].nxt, a + 301);
        say(&f, SW_RESP, b + 1, a + 301, SW_TCP_ACK, 0);
        assert_int_equal(f.end[SW_ORIG].gaps, 1);
        assert_int_equal(f.missed, 100);
        assert_int_equal(f.end[SW_ORIG].rexmit, 0);
        expect_history(&f, "ShADaG");
    }
}

TEST(reordering_is_no_gap)
{
    for (size_t i = 0; i < sizeof(isns) / sizeof(*isns); i++) {
        uint32_t a = isns[i], b = 77;
        struct sw_flow f;

        established(&f, a, b);
        say(&f, SW_ORIG, a + 101, b + 1, SW_TCP_ACK, 100);
        say(&f, SW_ORIG, a + 1, b + 1, SW_TCP_ACK, 100);
        say(&f, SW_RESP, b + 1, a + 201, SW_TCP_ACK, 0);
        assert_int_equal(f.end[SW_ORIG].gaps, 0);
        assert_int_equal(f.missed, 0);
        assert_int_equal(f.end[SW_ORIG].rexmit, 1); /* Zeek cannot distinguish it from a retransmission */
        assert_int_equal(f.end[SW_ORIG].nxt, a + 201);
        assert_int_equal(sw_zeek_size(&f.end[SW_ORIG], &f.end[SW_RESP]), 200);
    }
}

TEST(three_gaps_in_one_acknowledgement)
{
    for (size_t i = 0; i < sizeof(isns) / sizeof(*isns); i++) {
        uint32_t a = isns[i], b = 77;
        struct sw_flow f;

        established(&f, a, b);
        for (uint32_t k = 0; k < 3; k++)
            say(&f, SW_ORIG, a + 11 + 20 * k, b + 1, SW_TCP_ACK, 10);
        say(&f, SW_RESP, b + 1, a + 61, SW_TCP_ACK, 0);
        assert_int_equal(f.end[SW_ORIG].gaps, 3);
        assert_int_equal(f.missed, 30);
        assert_int_equal(f.end[SW_ORIG].nxt, a + 61);
    }
}

/* A segment over several blocks merges with one of them: what the others have too is not taken off twice. */
TEST(blocks_that_overlap)
{
    for (size_t i = 0; i < sizeof(isns) / sizeof(*isns); i++) {
        uint32_t a = isns[i], b = 77;
        struct sw_flow f;

        established(&f, a, b);
        for (uint32_t k = 0; k < 3; k++)
            say(&f, SW_ORIG, a + 11 + 20 * k, b + 1, SW_TCP_ACK, 10);
        say(&f, SW_ORIG, a + 11, b + 1, SW_TCP_ACK, 50);
        say(&f, SW_RESP, b + 1, a + 61, SW_TCP_ACK, 0);
        assert_int_equal(f.end[SW_ORIG].gaps, 1);
        assert_int_equal(f.missed, 10);
    }
}

/* Letters that come at each power of ten. */
TEST(scaled_letters)
{
    struct sw_flow f;

    established(&f, 1000, 2000);
    say(&f, SW_ORIG, 1001, 2001, SW_TCP_ACK, 10);
    for (int n = 1; n <= 1000; n++) {
        say(&f, SW_ORIG, 1001, 2001, SW_TCP_ACK, 10);
        assert_int_equal(f.end[SW_ORIG].rexmit, n);
        assert_int_equal(f.hist_len, 4 + (n >= 1) + (n >= 10) + (n >= 100) + (n >= 1000));
    }
    expect_history(&f, "ShADTTTT");
}

TEST(a_full_history_is_marked)
{
    struct sw_flow f;

    established(&f, 1000, 2000);
    for (uint32_t i = 0; i < 100; i++) /* each RST at another number is a letter of its own */
        say(&f, SW_ORIG, 5000 + i, 0, SW_TCP_RST, 0);
    assert_int_equal(f.hist_len, SW_HIST_MAX);
    assert_true(f.flags & SW_F_HIST_FULL);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(blocks_are_a_set_of_bytes), cmocka_unit_test(gap_is_counted_once_across_the_wrap),
        cmocka_unit_test(reordering_is_no_gap),      cmocka_unit_test(three_gaps_in_one_acknowledgement),
        cmocka_unit_test(blocks_that_overlap),       cmocka_unit_test(scaled_letters),
        cmocka_unit_test(a_full_history_is_marked),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
