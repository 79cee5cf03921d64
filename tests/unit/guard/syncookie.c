/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cookie: what it carries, how long it lives, and that nothing but the handshake it was made for can use it.
 * How rarely a forged one is taken: syncookie_forge.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "guard/syncookie.h"

#define TEST(name) static void name(void **state __attribute__((unused)))
#define SEC 1000000000ull
#define EPOCH (1ull << SW_EPOCH_SHIFT)
#define SKEW (1ull << SW_SKEW_SHIFT)
#define START (1000 * EPOCH) /* an even epoch's first nanosecond */

static const struct sw_keys keys = {.key = {{0x1111111122222222, 0x3333333344444444}, {0x0123456789abcdef, ~0ull}}};

static struct sw_cookie_tuple client(bool v6)
{
    struct sw_cookie_tuple f = {
        .src = {0x0100000a}, .dst = {0x0200000a}, .sport = 0x409c, .dport = 0x5000, .isn = 1000};

    if (v6) {
        f.v6 = 1;
        f.src[3] = 0x01000000;
        f.dst[3] = 0x02000000;
    }
    return f;
}

static struct sw_cookie_opts usual(bool ts)
{
    return (struct sw_cookie_opts){.mss = 1460, .wscale = 7, .sack = 1, .ts = ts};
}

static enum sw_cookie_result check(const struct sw_keys *k, const struct sw_cookie_tuple *f, const struct sw_cookie *c,
                                   bool ts, __u64 now)
{
    struct sw_cookie_opts o = {0};

    return sw_cookie_check(k, f, c->isn, ts, c->tsval, now, &o);
}

static void expect(enum sw_cookie_result got, enum sw_cookie_result want, const char *what, __u64 n)
{
    static const char *const names[] = {"bad", "ok", "expired"};

    if (got != want)
        fail_msg("%s %llu: got %s, expected %s", what, (unsigned long long)n, names[got], names[want]);
}

TEST(the_bits_that_are_compared)
{
    assert_int_equal(__builtin_popcount(SW_COOKIE_ISN_MAC), 26);
    assert_int_equal(__builtin_popcount(SW_COOKIE_TS_MAC), 24);
    /* what is not MAC is epoch and options: 1 + 5, and 8 */
    assert_int_equal(SW_COOKIE_ISN_MAC, ~0x3fu);
    assert_int_equal(SW_COOKIE_TS_MAC, ~0xffu);
}

/* What is carried can be carried again as it is: rounding is done once. */
static void round_trip(const struct sw_cookie_opts *syn, bool v6)
{
    struct sw_cookie_opts sent = *syn, again, got = {0};
    struct sw_cookie_tuple f = client(v6);
    struct sw_cookie c, c2;

    sw_cookie_make(&keys, &f, &sent, START, &c);
    again = sent;
    sw_cookie_make(&keys, &f, &again, START, &c2);
    assert_memory_equal(&again, &sent, sizeof(sent));
    if (sw_cookie_check(&keys, &f, c.isn, syn->ts, c.tsval, START, &got) != SW_COOKIE_OK || got.mss != sent.mss ||
        got.wscale != sent.wscale || got.sack != sent.sack || got.ecn != sent.ecn || got.ts != sent.ts)
        fail_msg("mss %u wscale %u sack %u ecn %u ts %u v6 %u: sent %u %u %u %u %u, got %u %u %u %u %u", syn->mss,
                 syn->wscale, syn->sack, syn->ecn, syn->ts, v6, sent.mss, sent.wscale, sent.sack, sent.ecn, sent.ts,
                 got.mss, got.wscale, got.sack, got.ecn, got.ts);
}

TEST(all_options_come_back)
{
    static const __u16 mss[] = {0,    1,    500,  535,  536,  537,  755,  756,   1023,  1024, 1160,
                                1219, 1220, 1239, 1240, 1280, 1299, 1300, 1301,  1359,  1360, 1380,
                                1398, 1399, 1400, 1401, 1439, 1440, 1441, 1452,  1459,  1460, 1461,
                                1959, 1960, 4056, 8900, 8940, 8960, 9000, 16384, 32767, 65535};

    for (size_t m = 0; m < sizeof(mss) / sizeof(*mss); m++)
        for (int ws = -1; ws <= 14; ws++)
            for (int bits = 0; bits < 16; bits++) {
                struct sw_cookie_opts o = {.mss = mss[m],
                                           .wscale = ws < 0 ? SW_WSCALE_NONE : ws,
                                           .sack = bits & 1,
                                           .ecn = bits >> 1 & 1,
                                           .ts = bits >> 2 & 1};

                round_trip(&o, bits >> 3);
            }
}

/* Every MSS and every window scale: never more than the SYN said, but for the floors that every host takes. */
TEST(never_rounded_up)
{
    for (int bits = 0; bits < 16; bits++)
        for (int ws = -1; ws <= 14; ws++)
            for (unsigned mss = 0; mss < 65536; mss++) {
                struct sw_cookie_opts o = {.mss = mss,
                                           .wscale = ws < 0 ? SW_WSCALE_NONE : ws,
                                           .sack = bits & 1,
                                           .ecn = bits >> 1 & 1},
                                      got = {0};
                bool ts = bits >> 2 & 1, v6 = bits >> 3;
                unsigned floor = v6 ? 1220 : 536, most = mss > floor ? mss : floor;
                int got_ws;

                if (ts)
                    sw_cookie_unpack13(&got, sw_cookie_pack13(&o), v6);
                else
                    sw_cookie_unpack5(&got, sw_cookie_pack5(&o, v6), v6);
                got_ws = got.wscale == SW_WSCALE_NONE ? -1 : got.wscale;
                if (got.mss > most || got.mss < floor || got_ws > ws || got.sack > o.sack || got.ecn > o.ecn)
                    fail_msg("mss %u wscale %d sack %u ecn %u ts %u v6 %u became %u %d %u %u", mss, ws, o.sack, o.ecn,
                             ts, v6, got.mss, got_ws, got.sack, got.ecn);
                if (ts && (got_ws != ws || got.sack != o.sack || got.ecn != o.ecn))
                    fail_msg("wscale %d sack %u ecn %u became %d %u %u: with timestamps they are exact", ws, o.sack,
                             o.ecn, got_ws, got.sack, got.ecn);
                if (ts && mss >= 1400 && mss <= 1460 && got.mss != mss)
                    fail_msg("mss %u became %u: with timestamps it is exact", mss, got.mss);
                if (!ts && got.sack != o.sack)
                    fail_msg("sack %u became %u", o.sack, got.sack);
            }
}

/* What most clients send comes through whole even without timestamps. */
TEST(common_clients_are_exact)
{
    static const __u8 scales[] = {SW_WSCALE_NONE, 4, 7, 8, 10};

    for (int v6 = 0; v6 < 2; v6++)
        for (size_t i = 0; i < sizeof(scales); i++) {
            struct sw_cookie_opts o = {.mss = v6 ? 1440 : 1460, .wscale = scales[i], .sack = 1}, got;

            sw_cookie_unpack5(&got, sw_cookie_pack5(&o, v6), v6);
            assert_int_equal(got.mss, o.mss);
            assert_int_equal(got.wscale, o.wscale);
            assert_int_equal(got.sack, 1);
        }
}

/* Every code means something, and packing what it means gives it back: none is wasted, none is ambiguous. */
TEST(every_code_is_used)
{
    for (__u32 v6 = 0; v6 < 2; v6++)
        for (__u32 code = 0; code < 32; code++) {
            struct sw_cookie_opts o = {0};

            sw_cookie_unpack5(&o, code, v6);
            assert_int_equal(sw_cookie_pack5(&o, v6), code);
        }
    for (__u32 code = 0; code < 1u << 13; code++) {
        struct sw_cookie_opts o = {0};

        sw_cookie_unpack13(&o, code, 0);
        assert_int_equal(sw_cookie_pack13(&o), code);
    }
}

/* RFC 7323 section 2.3: more than 14 counts as 14. */
TEST(window_scale_over_14)
{
    struct sw_cookie_opts o = usual(true), got = {0};
    struct sw_cookie_tuple f = client(false);
    struct sw_cookie c;

    o.wscale = 15;
    sw_cookie_make(&keys, &f, &o, START, &c);
    assert_int_equal(o.wscale, 14);
    assert_int_equal(sw_cookie_check(&keys, &f, c.isn, 1, c.tsval, START, &got), SW_COOKIE_OK);
    assert_int_equal(got.wscale, 14);
}

/* Made at any time of its epoch, looked at in every half second of the next five: alive, then expired, then bad. */
TEST(lifetime)
{
    static const __u64 made_at[] = {0, 1, EPOCH / 2, EPOCH - SKEW - 1, EPOCH - SKEW, EPOCH - SKEW + 1, EPOCH - 1};

    for (int odd = 0; odd < 2; odd++)
        for (int ts = 0; ts < 2; ts++)
            for (size_t i = 0; i < sizeof(made_at) / sizeof(*made_at); i++) {
                __u64 base = START + odd * EPOCH, dead = 0;
                struct sw_cookie_opts o = usual(ts);
                struct sw_cookie_tuple f = client(odd);
                struct sw_cookie c;

                sw_cookie_make(&keys, &f, &o, base + made_at[i], &c);
                for (__u64 now = base + made_at[i]; now < base + 6 * EPOCH; now += SEC / 2) {
                    enum sw_cookie_result r = check(&keys, &f, &c, ts, now);
                    __u64 end = base + 2 * EPOCH - SKEW; /* then the other value of E means the epoch to come */

                    if (now <= end)
                        expect(r, SW_COOKIE_OK, "alive", now - base);
                    else if (now < base + 4 * EPOCH - SKEW)
                        expect(r, SW_COOKIE_EXPIRED, "too old", now - base);
                    else
                        assert_int_not_equal(r, SW_COOKIE_OK);
                    if (r != SW_COOKIE_OK && !dead)
                        dead = now - base - made_at[i];
                }
                assert_in_range(dead, 64 * SEC, 2 * EPOCH);
            }
}

TEST(lifetime_to_the_nanosecond)
{
    struct sw_cookie_opts o = usual(false);
    struct sw_cookie_tuple f = client(false);
    struct sw_cookie c;

    sw_cookie_make(&keys, &f, &o, START, &c);
    expect(check(&keys, &f, &c, false, START + 2 * EPOCH - SKEW), SW_COOKIE_OK, "last moment", 0);
    expect(check(&keys, &f, &c, false, START + 2 * EPOCH - SKEW + 1), SW_COOKIE_EXPIRED, "after it", 1);
    expect(check(&keys, &f, &c, false, START + 2 * EPOCH), SW_COOKIE_EXPIRED, "two epochs", 2);
}

/* A host whose clock is behind takes the cookie of one that is ahead, by the skew and no more. */
TEST(clocks_that_differ)
{
    for (int odd = 0; odd < 2; odd++) {
        __u64 edge = START + (odd + 1) * EPOCH; /* the maker has just passed it */
        struct sw_cookie_opts o = usual(true);
        struct sw_cookie_tuple f = client(false);
        struct sw_cookie c;

        sw_cookie_make(&keys, &f, &o, edge, &c);
        expect(check(&keys, &f, &c, true, edge - 1), SW_COOKIE_OK, "ns behind", 1);
        expect(check(&keys, &f, &c, true, edge - 4 * SEC), SW_COOKIE_OK, "s behind", 4);
        expect(check(&keys, &f, &c, true, edge - SKEW + 1), SW_COOKIE_OK, "skew behind", 0);
        expect(check(&keys, &f, &c, true, edge - SKEW), SW_COOKIE_BAD, "more than the skew behind", 0);
        expect(check(&keys, &f, &c, true, edge + EPOCH / 2), SW_COOKIE_OK, "ahead", 0);
    }
}

/* The clock jumps while a cookie is on its way. It never becomes valid again, or for longer, by that. */
TEST(clock_steps)
{
    struct sw_cookie_opts o = usual(true);
    struct sw_cookie_tuple f = client(true);
    __u64 now = START + EPOCH / 2;
    struct sw_cookie c;

    sw_cookie_make(&keys, &f, &o, now, &c);
    expect(check(&keys, &f, &c, true, now - 30 * SEC), SW_COOKIE_OK, "back within the epoch", 30);
    expect(check(&keys, &f, &c, true, now - EPOCH), SW_COOKIE_BAD, "back an epoch", 1);
    for (int n = 2; n < 100; n++)
        assert_int_not_equal(check(&keys, &f, &c, true, now - n * EPOCH), SW_COOKIE_OK);
    expect(check(&keys, &f, &c, true, now + EPOCH), SW_COOKIE_OK, "on an epoch", 1);
    for (int n = 2; n < 100; n++)
        assert_int_not_equal(check(&keys, &f, &c, true, now + n * EPOCH), SW_COOKIE_OK);
    expect(check(&keys, &f, &c, true, now), SW_COOKIE_OK, "and back again", 0);
    assert_int_not_equal(check(&keys, &f, &c, true, 0), SW_COOKIE_OK);
    assert_int_not_equal(check(&keys, &f, &c, true, ~0ull), SW_COOKIE_OK);
}

/* sw_guard.clock_offset is added modulo 2^64: an offset below zero is one. */
TEST(clock_offset_below_zero)
{
    struct sw_cookie_opts o = usual(false);
    struct sw_cookie_tuple f = client(false);
    __u64 mono = 5000 * SEC, offset = -4000 * SEC;
    struct sw_cookie c, same;

    sw_cookie_make(&keys, &f, &o, mono + offset, &c);
    sw_cookie_make(&keys, &f, &o, 1000 * SEC, &same);
    assert_memory_equal(&c, &same, sizeof(c));
    expect(check(&keys, &f, &c, false, mono + 30 * SEC + offset), SW_COOKIE_OK, "offset", 0);
}

/* The first epoch, whose predecessor has the number 2^32 - 1, and the end of time: nothing odd is taken. */
TEST(wrap_around)
{
    struct sw_cookie_tuple f = client(false);
    struct sw_keys k = keys;
    struct sw_cookie c;

    for (int ts = 0; ts < 2; ts++) {
        struct sw_cookie_opts o = usual(ts);

        sw_cookie_make(&k, &f, &o, 5, &c); /* epoch 0 */
        expect(check(&k, &f, &c, ts, 6), SW_COOKIE_OK, "epoch 0", ts);
        expect(check(&k, &f, &c, ts, EPOCH + 6), SW_COOKIE_OK, "epoch 1", ts);
        expect(check(&k, &f, &c, ts, 2 * EPOCH + 6), SW_COOKIE_EXPIRED, "epoch 2", ts);
        sw_cookie_make(&k, &f, &o, ~0ull - 5, &c);
        expect(check(&k, &f, &c, ts, ~0ull), SW_COOKIE_OK, "last epoch", ts);
        /* the MAC counts the whole number: the same E, five hundred years apart */
        assert_int_not_equal(check(&k, &f, &c, ts, EPOCH + 5), SW_COOKIE_OK);
    }
}

/* E is one bit, the MAC covers the whole epoch number: cookies of all other epochs with the same E are nothing. */
TEST(whole_epoch_number_counts)
{
    struct sw_cookie_opts o = usual(false);
    struct sw_cookie_tuple f = client(false);
    struct sw_cookie c;

    sw_cookie_make(&keys, &f, &o, START, &c);
    for (int bit = 2; bit < 28; bit++)
        expect(check(&keys, &f, &c, false, START ^ (EPOCH << bit)), SW_COOKIE_BAD, "epoch bit", bit);
}

static void expect_bad(const struct sw_keys *k, const struct sw_cookie_tuple *f, const struct sw_cookie *c, bool ts,
                       const char *what, __u64 n)
{
    for (int e = 0; e < 2; e++)
        expect(check(k, f, c, ts, START + e * EPOCH), SW_COOKIE_BAD, what, n);
}

TEST(another_handshake)
{
    for (int bits = 0; bits < 4; bits++) {
        bool ts = bits & 1, v6 = bits >> 1;
        struct sw_cookie_tuple f = client(v6), g;
        struct sw_cookie_opts o = usual(ts);
        struct sw_cookie c;
        int words = v6 ? 4 : 1;

        sw_cookie_make(&keys, &f, &o, START, &c);
        expect(check(&keys, &f, &c, ts, START), SW_COOKIE_OK, "its own", bits);
        for (int b = 0; b < 32; b++) {
            for (int w = 0; w < words; w++) {
                g = f, g.src[w] ^= 1u << b;
                expect_bad(&keys, &g, &c, ts, "source bit", w * 32 + b);
                g = f, g.dst[w] ^= 1u << b;
                expect_bad(&keys, &g, &c, ts, "destination bit", w * 32 + b);
            }
            g = f, g.isn ^= 1u << b;
            expect_bad(&keys, &g, &c, ts, "client's ISN bit", b);
            if (b >= 16)
                continue;
            g = f, g.sport ^= 1u << b;
            expect_bad(&keys, &g, &c, ts, "source port bit", b);
            g = f, g.dport ^= 1u << b;
            expect_bad(&keys, &g, &c, ts, "destination port bit", b);
        }
        g = f, memcpy(g.src, f.dst, 16), memcpy(g.dst, f.src, 16);
        expect_bad(&keys, &g, &c, ts, "addresses the other way round", 0);
        g = f, g.sport = f.dport, g.dport = f.sport;
        expect_bad(&keys, &g, &c, ts, "ports the other way round", 0);
        g = f, g.v6 = !f.v6;
        expect_bad(&keys, &g, &c, ts, "the other family", 0);
    }
}

/* Each bit of the two numbers counts: MAC, options and epoch. */
/* A key of version 2 makes the server's window scale part of the handshake; one of version 1 does not. */
TEST(another_window_scale)
{
    struct sw_cookie_opts o = usual(true);
    struct sw_keys k = keys;
    struct sw_cookie c, plain;

    for (__u32 scale = 0; scale <= 14; scale++) {
        struct sw_cookie_tuple f = client(scale & 1);

        f.wscale = scale;
        k.bound = 0;
        sw_cookie_make(&k, &f, &o, START, &plain);
        k.bound = 3;
        sw_cookie_make(&k, &f, &o, START, &c);
        expect_bad(&k, &f, &plain, true, "of version 1 by version 2, scale", scale);
        for (__u32 other = 0; other <= 14; other++) {
            f.wscale = other;
            k.bound = 3;
            expect(check(&k, &f, &c, true, START), other == scale ? SW_COOKIE_OK : SW_COOKIE_BAD, "scale", other);
            k.bound = 0;
            expect(check(&k, &f, &plain, true, START), SW_COOKIE_OK, "any scale by version 1", other);
        }
    }
}

/* Each of the two keys has its own version. */
TEST(versions_of_two_keys)
{
    struct sw_cookie_tuple f = client(false), g = client(false);
    struct sw_cookie_opts o = usual(true);
    struct sw_keys k = keys;
    struct sw_cookie c;

    k.since = START / EPOCH;
    k.bound = 2; /* the newer one */
    g.wscale = 9;
    sw_cookie_make(&k, &f, &o, START - 1, &c);
    expect(check(&k, &g, &c, true, START), SW_COOKIE_OK, "the older key, scale", 9);
    sw_cookie_make(&k, &f, &o, START, &c);
    expect(check(&k, &g, &c, true, START), SW_COOKIE_BAD, "the newer key, scale", 9);
    expect(check(&k, &f, &c, true, START), SW_COOKIE_OK, "the newer key, scale", 0);
}

TEST(another_number)
{
    for (int bits = 0; bits < 4; bits++) {
        bool ts = bits & 1, v6 = bits >> 1;
        struct sw_cookie_tuple f = client(v6);
        struct sw_cookie_opts o = usual(ts);
        struct sw_cookie c, d;

        sw_cookie_make(&keys, &f, &o, START, &c);
        for (int b = 0; b < 32; b++) {
            d = c, d.isn ^= 1u << b;
            expect_bad(&keys, &f, &d, ts, "ISN bit", b);
            d = c, d.tsval ^= 1u << b;
            if (ts)
                expect_bad(&keys, &f, &d, ts, "TSval bit", b);
        }
        for (int n = -3; n <= 3; n++) {
            d = c, d.isn += n;
            if (n)
                expect_bad(&keys, &f, &d, ts, "ISN off by", n);
        }
        /* one form is not the other */
        expect_bad(&keys, &f, &c, !ts, "the other form", ts);
    }
}

TEST(another_key)
{
    for (int ts = 0; ts < 2; ts++)
        for (int b = 0; b < 128; b++) {
            struct sw_cookie_tuple f = client(false);
            struct sw_cookie_opts o = usual(ts);
            struct sw_keys k = keys;
            struct sw_cookie c;

            sw_cookie_make(&keys, &f, &o, START, &c);
            k.key[1][b / 64] ^= 1ull << b % 64;
            expect_bad(&k, &f, &c, ts, "key bit", b);
        }
}

/* A new key counts from an epoch on: each cookie is proved with the key that made it, and none dies early. */
TEST(key_change)
{
    __u64 from = START + 3 * EPOCH;
    struct sw_keys k = keys, next;

    k.since = (__u32)(from >> SW_EPOCH_SHIFT);
    for (__u64 made = START; made < START + 7 * EPOCH; made += EPOCH / 3) {
        struct sw_cookie_tuple f = client(false);
        struct sw_cookie_opts o = usual(true), o2 = o;
        struct sw_cookie c, plain;
        struct sw_keys one = {0};

        sw_cookie_make(&k, &f, &o, made, &c);
        memcpy(one.key[1], k.key[made >= from], 16); /* the key that ought to have made it, for all epochs */
        one.since = 0;
        sw_cookie_make(&one, &f, &o2, made, &plain);
        assert_memory_equal(&c, &plain, sizeof(c));
        for (__u64 age = 0; age < 64 * SEC; age += SEC)
            expect(check(&k, &f, &c, true, made + age), SW_COOKIE_OK, "age", age);
        expect(check(&k, &f, &c, true, made + 2 * EPOCH), SW_COOKIE_EXPIRED, "too old, made at", made - START);
    }
    /* the next change: what was the new key is the old one; the first key is gone for good */
    next = (struct sw_keys){.key = {{k.key[1][0], k.key[1][1]}, {7, 7}}, .since = k.since + 2};
    for (int first = 0; first < 2; first++) {
        struct sw_cookie_tuple f = client(false);
        struct sw_cookie_opts o = usual(true);
        struct sw_cookie c;

        sw_cookie_make(&k, &f, &o, first ? from - 1 : from, &c);
        expect(check(&next, &f, &c, true, from + 1), first ? SW_COOKIE_BAD : SW_COOKIE_OK, "first key", first);
    }
}

/* sw_keys.since is compared modulo 2^32. */
TEST(key_change_around_the_wrap)
{
    struct sw_keys k = keys;

    k.since = 0;
    assert_ptr_equal(sw_cookie_key(&k, 0), k.key[1]);
    assert_ptr_equal(sw_cookie_key(&k, ~0u), k.key[0]); /* the epoch before epoch 0 */
    k.since = ~0u;
    assert_ptr_equal(sw_cookie_key(&k, ~0u - 1), k.key[0]);
    assert_ptr_equal(sw_cookie_key(&k, ~0u), k.key[1]);
    assert_ptr_equal(sw_cookie_key(&k, 1), k.key[1]);
}

/* Cookies of neighbours look unrelated: half of the MAC's bits differ on average. */
TEST(cookies_look_random)
{
    struct sw_cookie_tuple f = client(false);
    struct sw_cookie was = {0}, c;
    unsigned long long isn_bits = 0, ts_bits = 0;
    enum { N = 20000 };

    for (unsigned i = 0; i < N; i++, was = c) {
        struct sw_cookie_opts o = usual(true);

        f.isn = i;
        sw_cookie_make(&keys, &f, &o, START, &c);
        isn_bits += __builtin_popcount((c.isn ^ was.isn) & SW_COOKIE_ISN_MAC);
        ts_bits += __builtin_popcount((c.tsval ^ was.tsval) & SW_COOKIE_TS_MAC);
    }
    assert_in_range(isn_bits, N * 13 - 2000, N * 13 + 2000); /* five sigma are 1,800 */
    assert_in_range(ts_bits, N * 12 - 2000, N * 12 + 2000);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(the_bits_that_are_compared),
        cmocka_unit_test(all_options_come_back),
        cmocka_unit_test(never_rounded_up),
        cmocka_unit_test(common_clients_are_exact),
        cmocka_unit_test(every_code_is_used),
        cmocka_unit_test(window_scale_over_14),
        cmocka_unit_test(lifetime),
        cmocka_unit_test(lifetime_to_the_nanosecond),
        cmocka_unit_test(clocks_that_differ),
        cmocka_unit_test(clock_steps),
        cmocka_unit_test(clock_offset_below_zero),
        cmocka_unit_test(wrap_around),
        cmocka_unit_test(whole_epoch_number_counts),
        cmocka_unit_test(another_handshake),
        cmocka_unit_test(another_window_scale),
        cmocka_unit_test(versions_of_two_keys),
        cmocka_unit_test(another_number),
        cmocka_unit_test(another_key),
        cmocka_unit_test(key_change),
        cmocka_unit_test(key_change_around_the_wrap),
        cmocka_unit_test(cookies_look_random),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
