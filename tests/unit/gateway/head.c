/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Headers in two spaces of numbers. A model of both ends says what each of them has to see: a client that talks to the
 * cookie's numbers, a backend that talks in its own, segments that are lost, doubled and late, with every layout of
 * options, both ways through the wrap of the numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/head.h"
#include "gateway/machine.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

static __u32 word(const struct sw_head *h, int i)
{
    return ntohl(h->word[i]);
}

static __u32 random32(void)
{
    return (__u32)rand() << 16 ^ (__u32)rand();
}

static struct sw_xlate entry(void)
{
    return (struct sw_xlate){.state = SW_X_ESTABLISHED,
                             .delta = 0xfffff000,
                             .dts = 0x80000010,
                             .flags = SW_XF_TS | SW_XF_SACK | SW_XF_WSCALE,
                             .client_isn = 1000,
                             .cookie_isn = 5000,
                             .cookie_ts = 77,
                             .client_ts = 0xfffffff0,
                             .client_win = 502,
                             .client_wscale = 7,
                             .granted_wscale = 7,
                             .mss = 1400};
}

/* --- one header --- */

TEST(both_ways_and_back)
{
    for (int round = 0; round < 20000; round++) {
        struct sw_xlate x = entry();
        struct sw_head h = {0}, was;

        x.delta = random32();
        x.dts = random32();
        for (int i = 0; i < SW_HEAD_MOST; i++)
            h.byte[i] = (__u8)rand();
        h.len = 20 + 4 * (rand() % 11);
        memset(h.byte + h.len, 0, sizeof(h.byte) - h.len);
        if (rand() & 1 && h.len >= 32)
            h.word[5] = htonl(0x0101080a);
        was = h;
        sw_head_to_backend(&h, &x);
        assert_int_equal(h.len, was.len);
        assert_memory_equal(h.byte, was.byte, 8); /* ports and the client's numbers */
        assert_memory_equal(h.byte + h.len, was.byte + h.len, sizeof(h.byte) - h.len);
        x.delta = -x.delta;
        x.dts = -x.dts;
        sw_head_to_backend(&h, &x);
        assert_memory_equal(h.byte, was.byte, sizeof(h.byte));
        sw_head_to_client(&h, &x);
        assert_memory_equal(h.byte + 8, was.byte + 8, 12);
        x.delta = -x.delta;
        x.dts = -x.dts;
        sw_head_to_client(&h, &x);
        assert_memory_equal(h.byte, was.byte, sizeof(h.byte));
    }
}

TEST(sack_at_odd_places)
{
    /* after one NOP, after MD5's place, before an EOL; edges that wrap */
    static const __u8 lists[][40] = {
        {1, 5, 10, 0, 0, 0, 16, 0, 0, 0, 32, 1},
        {8, 10, 1, 2, 3, 4, 0, 0, 0, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 255, 255, 255, 255, 0, 0, 0, 4, 0, 0},
        {1, 1, 5, 34, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0, 8},
        {19, 18, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 0, 0, 0, 9, 0, 0, 0, 10},
        {0, 5, 10, 0, 0, 0, 16, 0, 0, 0, 32, 1},
    };
    static const int first[] = {3, 12, 4, 20, 0}, edges[] = {2, 4, 8, 2, 0}, lens[] = {12, 32, 36, 28, 12};

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct sw_xlate x = entry();
        struct sw_head h = {0}, was;

        x.delta = 0x01020304;
        x.dts = 0;
        memcpy(h.byte + 20, lists[i], sizeof(lists[i]));
        h.len = 20 + lens[i];
        h.half[SW_HEAD_FLAGS] = htons((__u16)(h.len / 4 << 12 | SW_TCP_ACK));
        was = h;
        sw_head_to_backend(&h, &x);
        for (int k = 0; k < edges[i]; k++) {
            __u32 a, b;

            memcpy(&a, was.byte + 20 + first[i] + 4 * k, 4);
            memcpy(&b, h.byte + 20 + first[i] + 4 * k, 4);
            assert_int_equal(ntohl(b), ntohl(a) - 0x01020304);
            memcpy(h.byte + 20 + first[i] + 4 * k, &a, 4);
        }
        h.word[SW_HEAD_ACK] = was.word[SW_HEAD_ACK];
        assert_memory_equal(h.byte, was.byte, sizeof(h.byte)); /* and nothing else */
    }
}

TEST(windows)
{
    struct sw_xlate x = entry();

    assert_int_equal(sw_win_shift(65535, 0), 65535);
    assert_int_equal(sw_win_shift(0x8000, 14), 2);
    assert_int_equal(sw_win_shift(127, 7), 0);
    assert_int_equal(sw_win_shift(511, -7), 65408);
    assert_int_equal(sw_win_shift(512, -7), 65535); /* and not 0 */
    assert_int_equal(sw_win_shift(65535, -14), 65535);
    assert_int_equal(sw_win_shift(65535, 20), 0);
    /* the backend says another scale than the client was granted */
    sw_xlate_scale(&x, 10);
    assert_int_equal(x.in, 0);
    assert_int_equal(sw_win_shift(3, x.out), 24); /* 3 << 10 == 24 << 7 */
    sw_xlate_scale(&x, 2);
    assert_int_equal(sw_win_shift(64, x.out), 2);
    sw_xlate_scale(&x, 200); /* RFC 7323 section 2.3: as 14 */
    assert_int_equal(x.out, -7);
    /* none: it takes the client's as they are, and says bytes */
    sw_xlate_scale(&x, SW_WSCALE_NONE);
    assert_int_equal(sw_win_shift(502, x.in), 64256);
    assert_int_equal(sw_win_shift(65535, x.out), 511);
    x.flags = 0; /* the client was granted none, so the SYN had none */
    sw_xlate_scale(&x, SW_WSCALE_NONE);
    assert_int_equal(x.in | x.out, 0);
}

TEST(window_of_a_syn_is_no_scaled_one)
{
    struct sw_xlate x = entry();
    struct sw_head h = {
        .half[SW_HEAD_FLAGS] = htons(5 << 12 | SW_TCP_SYN | SW_TCP_ACK), .half[SW_HEAD_WIN] = htons(1000), .len = 20};

    x.in = x.out = 3;
    sw_head_to_client(&h, &x);
    assert_int_equal(ntohs(h.half[SW_HEAD_WIN]), 1000);
    sw_head_to_backend(&h, &x);
    assert_int_equal(ntohs(h.half[SW_HEAD_WIN]), 1000);
    h.half[SW_HEAD_FLAGS] = htons(5 << 12 | SW_TCP_ACK);
    sw_head_to_client(&h, &x);
    assert_int_equal(ntohs(h.half[SW_HEAD_WIN]), 125);
}

/* --- segments that are made --- */

TEST(the_syn)
{
    for (int bits = 0; bits < 16; bits++) {
        struct sw_xlate x = entry();
        struct sw_head h = {.word[0] = 0x12345678};
        struct sw_tcpopt o = {0};
        bool ts = bits & SW_XF_TS, sack = bits & SW_XF_SACK, scale = bits & SW_XF_WSCALE, ecn = bits & SW_XF_ECN;

        x.flags = bits;
        x.client_wscale = scale ? 9 : SW_WSCALE_NONE;
        x.client_win = scale ? 100 : 64240;
        memset(h.byte + 4, 0xee, sizeof(h.byte) - 4);
        sw_head_syn(&h, &x);
        assert_int_equal(h.word[0], 0x12345678);
        assert_int_equal(word(&h, SW_HEAD_SEQ), 1000);
        assert_int_equal(word(&h, SW_HEAD_ACK), 0);
        assert_int_equal(ntohs(h.half[SW_HEAD_FLAGS]) >> 12, h.len / 4);
        assert_int_equal(sw_head_flags(&h), SW_TCP_SYN | (ecn ? SW_TCP_ECE | SW_TCP_CWR : 0));
        assert_int_equal(ntohs(h.half[SW_HEAD_WIN]), scale ? 51200 : 64240);
        memcpy(o.bytes, h.byte + 20, h.len - 20);
        o.len = h.len - 20;
        sw_tcpopt_parse(&o);
        assert_false(o.bad);
        assert_int_equal(o.mss, 1400);
        assert_int_equal(!!(o.opts & SW_OPT_TS), ts);
        assert_int_equal(!!(o.opts & SW_OPT_SACK), sack);
        assert_int_equal(!!(o.opts & SW_OPT_WSCALE), scale);
        if (scale)
            assert_int_equal(o.wscale, 9);
        if (ts)
            assert_int_equal(o.tsval, 0xfffffff0);
        assert_int_equal(o.tsecr, 0);
        for (__u32 i = h.len; i < sizeof(h.byte); i++)
            assert_int_equal(h.byte[i], 0);
    }
}

/* What is made for the client's stack comes back through the translation as the backend has to see it. */
TEST(acknowledgement_and_window)
{
    for (int ts = 0; ts < 2; ts++) {
        struct sw_xlate x = entry();
        struct sw_head h = {0};

        x.flags = ts ? x.flags : SW_XF_WSCALE;
        x.server_isn = x.cookie_isn - x.delta;
        sw_head_client_ack(&h, &x);
        assert_int_equal(h.len, ts ? 32 : 20);
        sw_head_to_backend(&h, &x);
        assert_int_equal(word(&h, SW_HEAD_SEQ), 1001);
        assert_int_equal(word(&h, SW_HEAD_ACK), x.server_isn + 1);
        assert_int_equal(ntohs(h.half[SW_HEAD_WIN]), 502);
        if (ts)
            assert_int_equal(word(&h, 7), x.cookie_ts - x.dts); /* the backend's own TSval */
        sw_head_window(&h, &x, 65160);
        assert_int_equal(word(&h, SW_HEAD_SEQ), 5001);
        assert_int_equal(word(&h, SW_HEAD_ACK), 1001);
        assert_int_equal(ntohs(h.half[SW_HEAD_WIN]), 509); /* 65160 >> 7 */
        if (ts) {
            assert_int_equal(word(&h, 6), 77);
            assert_int_equal(word(&h, 7), 0xfffffff0);
        }
    }
}

TEST(resets)
{
    struct sw_xlate x = entry();
    struct sw_head h = {.word[0] = htonl(80 << 16 | 9999)};

    sw_head_refused(&h, &x);
    assert_int_equal(word(&h, SW_HEAD_SEQ), 5001);
    assert_int_equal(word(&h, SW_HEAD_ACK), 1001);
    assert_int_equal(sw_head_flags(&h), SW_TCP_RST | SW_TCP_ACK);
    sw_head_reset(&h, 4242);
    assert_int_equal(word(&h, SW_HEAD_SEQ), 4242);
    assert_int_equal(sw_head_flags(&h), SW_TCP_RST);
    sw_head_turn(&h);
    assert_int_equal(word(&h, 0), 9999 << 16 | 80);
}

/* --- both ends --- */

/* A segment on its way: its header, and what it means, as a byte of each stream. */
struct flight {
    struct sw_head h;
    int from_client;
    __u32 sent, seen; /* offsets: first byte, acknowledged byte */
    __u32 sack[8], sacks;
    __u32 tsval, tsecr; /* in its sender's clock, and in that of the other end */
    __u32 window;
};

struct world {
    struct sw_xlate x;
    __u32 client_isn, cookie_isn, server_isn, client_clock, cookie_clock, server_clock;
    int scale_client, scale_granted, scale_server; /* -1: none */
};

static void put(struct sw_head *h, __u32 at, __u32 v)
{
    for (int i = 0; i < 4; i++)
        h->byte[at + i] = (__u8)(v >> (24 - 8 * i));
}

static __u32 get(const struct sw_head *h, __u32 at)
{
    __u32 v = 0;

    for (int i = 0; i < 4; i++)
        v = v << 8 | h->byte[at + i];
    return v;
}

/* As an end sends it that knows nothing of a gateway. */
static struct flight say(const struct world *w, int from_client, __u32 sent, __u32 seen)
{
    struct flight f = {.from_client = from_client, .sent = sent, .seen = seen};
    bool ts = w->x.flags & SW_XF_TS;
    __u32 at = 20;

    f.h.word[SW_HEAD_SEQ] = htonl((from_client ? w->client_isn : w->server_isn) + 1 + sent);
    f.h.word[SW_HEAD_ACK] = htonl((from_client ? w->cookie_isn : w->client_isn) + 1 + seen);
    for (int i = rand() % 3; i > 0; i--)
        f.h.byte[at++] = SW_TCPOPT_NOP;
    if (ts) {
        f.tsval = random32() % 100000;
        f.tsecr = random32() % 100000;
        f.h.byte[at] = SW_TCPOPT_TS;
        f.h.byte[at + 1] = 10;
        put(&f.h, at + 2, (from_client ? w->client_clock : w->server_clock) + f.tsval);
        put(&f.h, at + 6, (from_client ? w->cookie_clock : w->client_clock) + f.tsecr);
        at += 10;
    }
    if (w->x.flags & SW_XF_SACK) {
        f.sacks = 2 * (rand() % (ts ? 4 : 5)) % 8;
        if (at + 2 + 4 * f.sacks > 60)
            f.sacks = 2;
        f.h.byte[at] = SW_TCPOPT_SACK_EDGES;
        f.h.byte[at + 1] = (__u8)(2 + 4 * f.sacks);
        for (__u32 i = 0; i < f.sacks; i++) {
            f.sack[i] = seen + random32() % 1000000;
            put(&f.h, at + 2 + 4 * i, (from_client ? w->cookie_isn : w->client_isn) + 1 + f.sack[i]);
        }
        at += f.sacks ? 2 + 4 * f.sacks : 0;
        if (!f.sacks)
            f.h.byte[at] = f.h.byte[at + 1] = 0;
    }
    while (at & 3)
        f.h.byte[at++] = SW_TCPOPT_NOP;
    f.h.len = at;
    f.h.half[SW_HEAD_FLAGS] = htons((__u16)(at / 4 << 12 | SW_TCP_ACK));
    f.window = (__u32)rand() & 0xffff;
    f.h.half[SW_HEAD_WIN] = htons((__u16)f.window);
    return f;
}

/* As the other end reads it: in its own numbers. */
static void read_at(const struct world *w, const struct flight *f)
{
    const struct sw_head *h = &f->h;
    int to_backend = f->from_client;
    __u32 other = to_backend ? w->server_isn : w->client_isn, bytes, granted, edges = 0;
    int said = to_backend ? w->scale_client : w->scale_server, taken;

    assert_int_equal(word(h, SW_HEAD_SEQ), (to_backend ? w->client_isn : w->cookie_isn) + 1 + f->sent);
    assert_int_equal(word(h, SW_HEAD_ACK), other + 1 + f->seen);
    for (__u32 at = 20; at < h->len;) {
        __u8 kind = h->byte[at];

        if (kind == SW_TCPOPT_TS) {
            assert_int_equal(get(h, at + 2), (to_backend ? w->client_clock : w->cookie_clock) + f->tsval);
            assert_int_equal(get(h, at + 6), (to_backend ? w->server_clock : w->client_clock) + f->tsecr);
        } else if (kind == SW_TCPOPT_SACK_EDGES) {
            for (; edges < f->sacks; edges++)
                assert_int_equal(get(h, at + 2 + 4 * edges), other + 1 + f->sack[edges]);
        }
        at += kind == SW_TCPOPT_NOP ? 1 : kind ? h->byte[at + 1] : 40;
    }
    assert_int_equal(edges, f->sacks);
    /* what the reader takes its window for is never more than was granted, and less by rounding alone */
    if (to_backend)
        taken = w->scale_server < 0 ? 0 : w->scale_client < 0 ? 0 : w->scale_client;
    else
        taken = w->scale_granted < 0 ? 0 : w->scale_granted;
    if (w->scale_granted < 0) /* nobody scales: the client was granted none, and offers none */
        said = taken = 0;
    else if (said < 0 && !to_backend)
        said = 0;
    granted = f->window << said;
    bytes = (__u32)ntohs(h->half[SW_HEAD_WIN]) << taken;
    assert_true(bytes <= granted);
    if (granted <= 65535u << taken)
        assert_true(granted - bytes < 1u << taken);
    else
        assert_int_equal(bytes, 65535u << taken);
}

TEST(each_end_sees_its_own_numbers)
{
    enum { ROUNDS = 300, SEGMENTS = 400, WAY = 32 };

    for (int round = 0; round < ROUNDS; round++) {
        struct flight way[WAY];
        int n = 0, delivered = 0;
        struct world w = {.client_isn = random32(), .cookie_isn = random32(), .server_isn = random32()};

        w.client_clock = random32();
        w.server_clock = random32();
        w.cookie_clock = random32();
        w.scale_granted = rand() % 4 ? rand() % 15 : -1;
        w.scale_client = w.scale_granted < 0 ? -1 : rand() % 15;
        w.scale_server = w.scale_granted < 0 || rand() % 4 == 0 ? -1 : rand() % 15;
        w.x = entry();
        w.x.flags = rand() & (SW_XF_TS | SW_XF_SACK);
        if (w.scale_granted >= 0)
            w.x.flags |= SW_XF_WSCALE;
        w.x.granted_wscale = w.scale_granted < 0 ? 0 : w.scale_granted;
        w.x.client_wscale = w.scale_client < 0 ? SW_WSCALE_NONE : w.scale_client;
        w.x.delta = w.cookie_isn - w.server_isn;
        w.x.dts = w.x.flags & SW_XF_TS ? w.cookie_clock - w.server_clock : 0;
        sw_xlate_scale(&w.x, w.scale_server < 0 ? SW_WSCALE_NONE : w.scale_server);
        for (int i = 0; i < SEGMENTS; i++) {
            int at = rand() % WAY;

            if (n < WAY)
                way[n++] = say(&w, rand() & 1, random32() % (1u << 31), random32() % (1u << 31));
            if (at >= n || rand() % 3 == 0)
                continue;     /* later */
            if (rand() % 8) { /* else it is lost */
                struct flight f = way[at];

                (f.from_client ? sw_head_to_backend : sw_head_to_client)(&f.h, &w.x);
                read_at(&w, &f);
                delivered++;
            }
            if (rand() % 8) /* else it comes again */
                way[at] = way[--n];
        }
        assert_true(delivered > SEGMENTS / 8);
    }
}

int main(void)
{
    const char *seed = getenv("SW_TEST_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_and_back),
        cmocka_unit_test(sack_at_odd_places),
        cmocka_unit_test(windows),
        cmocka_unit_test(window_of_a_syn_is_no_scaled_one),
        cmocka_unit_test(the_syn),
        cmocka_unit_test(acknowledgement_and_window),
        cmocka_unit_test(resets),
        cmocka_unit_test(each_end_sees_its_own_numbers),
    };

    srand(seed ? (unsigned int)strtoul(seed, NULL, 10) : 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
