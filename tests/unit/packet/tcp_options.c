/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP options: every kind, every wrong length, lists without end, and random bytes against a plain reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "packet/tcp_options.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

static struct sw_tcpopt read_list(const void *bytes, size_t len)
{
    struct sw_tcpopt *o = calloc(1, sizeof(*o)), result; /* its own allocation, so that ASan sees a step too far */

    assert_non_null(o);
    memcpy(o->bytes, bytes, len > SW_TCPOPT_BUF ? SW_TCPOPT_BUF : len);
    o->len = len;
    sw_tcpopt_parse(o);
    result = *o;
    free(o);
    return result;
}

#define READ(text) read_list(text, sizeof(text) - 1)

static void expect(struct sw_tcpopt o, unsigned opts, unsigned mss, unsigned wscale, unsigned bad)
{
    assert_int_equal(o.opts, opts);
    assert_int_equal(o.mss, mss);
    assert_int_equal(o.wscale, wscale);
    assert_int_equal(o.bad, bad);
}

TEST(each_kind)
{
    expect(READ(""), 0, 0, SW_WSCALE_NONE, 0);
    expect(READ("\x02\x04\x05\xb4"), SW_OPT_MSS, 1460, SW_WSCALE_NONE, 0);
    expect(READ("\x03\x03\x0e"), SW_OPT_WSCALE, 0, 14, 0);
    expect(READ("\x03\x03\xff"), SW_OPT_WSCALE, 0, 255, 0);
    expect(READ("\x04\x02"), SW_OPT_SACK, 0, SW_WSCALE_NONE, 0);
    expect(READ("\x08\x0a\x01\x02\x03\x04\x05\x06\x07\x08"), SW_OPT_TS, 0, SW_WSCALE_NONE, 0);
    expect(READ("\x1e\x0c\x01\x81\x01\x02\x03\x04\x05\x06\x07\x08"), SW_OPT_MPTCP, 0, SW_WSCALE_NONE, 0);
    expect(READ("\x22\x02"), SW_OPT_TFO, 0, SW_WSCALE_NONE, 0);
    expect(READ("\x22\x0a\x01\x02\x03\x04\x05\x06\x07\x08"), SW_OPT_TFO | SW_OPT_TFO_COOKIE, 0, SW_WSCALE_NONE, 0);
    expect(READ("\xfe\x04\xf9\x89"), SW_OPT_TFO, 0, SW_WSCALE_NONE, 0);
    expect(READ("\xfe\x08\xf9\x89\x01\x02\x03\x04"), SW_OPT_TFO | SW_OPT_TFO_COOKIE, 0, SW_WSCALE_NONE, 0);
    expect(READ("\xfe\x04\x12\x34"), 0, 0, SW_WSCALE_NONE, 0); /* another experiment */
    expect(READ("\x13\x12"
                "0123456789abcdef"),
           0, 0, SW_WSCALE_NONE, 0); /* MD5, RFC 2385: skipped */
}

static struct sw_tcpopt read_cut(const void *bytes, size_t len)
{
    struct sw_tcpopt o = {.len = len, .cut = 1};

    memcpy(o.bytes, bytes, len);
    sw_tcpopt_parse(&o);
    return o;
}

/* `tcpdump -s 68`: an option that the capture cuts is unknown, and malformed only if its length says so */
TEST(cut_by_the_capture)
{
    expect(read_cut("", 0), SW_OPT_CUT, 0, SW_WSCALE_NONE, 0);
    expect(read_cut("\x02\x04\x05\xb4\x04\x02\x08\x0a\x01\x02\x03\x04", 12), SW_OPT_CUT | SW_OPT_MSS | SW_OPT_SACK,
           1460, SW_WSCALE_NONE, 0);
    expect(read_cut("\x01\x01\x01\x03", 4), SW_OPT_CUT, 0, SW_WSCALE_NONE, 0);
    expect(read_cut("\x03\x01\x01\x01", 4), SW_OPT_CUT, 0, SW_WSCALE_NONE, 1);
    expect(read_cut("\x02\x03\x05\x01", 4), SW_OPT_CUT, 0, SW_WSCALE_NONE, 1);
}

#define MD5_16 "0123456789abcdef"

static void expect_signed(struct sw_tcpopt o, unsigned is_signed, unsigned bad)
{
    assert_int_equal(o.sig, is_signed);
    assert_int_equal(o.bad, bad);
}

/* What is no signature to every kernel is none here. */
TEST(signatures)
{
    for (unsigned len = 2; len <= 40; len++) {
        uint8_t list[40] = {19, (uint8_t)len};

        expect_signed(read_list(list, len), len == 18 ? SW_SIG_MD5 : 0, len != 18);
        list[0] = 29;
        expect_signed(read_list(list, len), len > 4 ? SW_SIG_AO : 0, len <= 4);
    }
    expect_signed(READ("\x01\x01\x01\x01\x1d\x04\x01\x01"), 0, 1);           /* key ids and no MAC */
    expect_signed(READ("\x13\x02\x13\x12" MD5_16), SW_SIG_MD5, 1);           /* the first is none */
    expect_signed(READ("\x13\x12" MD5_16 "\x13\x12" MD5_16), SW_SIG_MD5, 1); /* twice */
    expect_signed(READ("\x1d\x06\x01\x01xx\x1d\x06\x01\x01xx"), SW_SIG_AO, 1);
    expect_signed(READ("\x1d\x06\x01\x01xx\x13\x12" MD5_16), SW_SIG_MD5 | SW_SIG_AO, 1);
    expect_signed(READ("\x13\x12" MD5_16 "\x1d\x06\x01\x01xx"), SW_SIG_MD5 | SW_SIG_AO, 1);
    expect_signed(READ("\x13\x12" MD5_16 "\x00\x13\x12"), SW_SIG_MD5, 0); /* behind the end */
}

TEST(usual_lists)
{
    const unsigned all = SW_OPT_MSS | SW_OPT_SACK | SW_OPT_TS | SW_OPT_WSCALE;

    expect(READ("\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\1\0\0\0\0\x01\x03\x03\x07"), all, 1460, 7, 0);
    expect(READ("\x02\x04\x05\xb4\x01\x03\x03\x06\x01\x01\x08\x0a\0\0\0\1\0\0\0\0\x04\x02\0\0"), all, 1460, 6, 0);
    /* what comes after the end of the list is padding, whatever it looks like */
    expect(READ("\x04\x02\x00\x02\x04\x05\xb4\x00"), SW_OPT_SACK, 0, SW_WSCALE_NONE, 0);
    /* the last of a kind wins */
    expect(READ("\x02\x04\x01\x00\x02\x04\x02\x00"), SW_OPT_MSS, 512, SW_WSCALE_NONE, 0);
}

TEST(forty_no_operations)
{
    uint8_t list[40];

    memset(list, SW_TCPOPT_NOP, sizeof(list));
    expect(read_list(list, 40), 0, 0, SW_WSCALE_NONE, 0);
    memcpy(list + 37, "\x03\x03\x05", 3); /* the very last bytes, without an end of list */
    expect(read_list(list, 40), SW_OPT_WSCALE, 0, 5, 0);
    memcpy(list + 36, "\x02\x04\x00\x40", 4);
    expect(read_list(list, 40), SW_OPT_MSS, 64, SW_WSCALE_NONE, 0);
}

/* A length that cannot be ends the reading; what was read before stays. */
TEST(impossible_lengths)
{
    static const uint8_t kinds[] = {2, 3, 4, 5, 8, 19, 30, 34, 99, 254};

    for (size_t k = 0; k < sizeof(kinds); k++) {
        for (unsigned len = 0; len < 256; len++) {
            uint8_t list[40] = {4, 2, kinds[k], (uint8_t)len};
            struct sw_tcpopt o = read_list(list, sizeof(list));

            assert_true(o.opts & SW_OPT_SACK);
            if (len < 2 || len > 38)
                assert_true(o.bad);
        }
        expect(read_list((uint8_t[]){4, 2, kinds[k]}, 3), SW_OPT_SACK, 0, SW_WSCALE_NONE, 1); /* no length at all */
    }
}

/* A known kind of a wrong length is reported and skipped: what follows still counts. */
TEST(wrong_lengths_are_skipped)
{
    expect(READ("\x02\x03\x05\x04\x02"), SW_OPT_SACK, 0, SW_WSCALE_NONE, 1);
    expect(READ("\x03\x04\x05\x05\x04\x02"), SW_OPT_SACK, 0, SW_WSCALE_NONE, 1);
    expect(READ("\x08\x04\x05\x05\x04\x02"), SW_OPT_SACK, 0, SW_WSCALE_NONE, 1);
    expect(READ("\x22\x03\x05\x04\x02"), SW_OPT_SACK, 0, SW_WSCALE_NONE, 1);
    expect(READ("\x04\x03\x05\x02\x04\x05\xb4"), SW_OPT_MSS, 1460, SW_WSCALE_NONE, 1);
}

/* The length field is a promise of the header, and may be a lie. */
TEST(more_than_forty)
{
    struct sw_tcpopt o = {.len = 1000};

    memset(o.bytes, SW_TCPOPT_NOP, sizeof(o.bytes));
    o.bytes[40] = SW_TCPOPT_SACK;
    o.bytes[41] = 2;
    sw_tcpopt_parse(&o);
    assert_int_equal(o.len, 40);
    expect(o, 0, 0, SW_WSCALE_NONE, 0);
}

/* The same rules, written as one would without a verifier. */
static struct sw_tcpopt plainly(const uint8_t *p, size_t n)
{
    struct sw_tcpopt o = {.wscale = SW_WSCALE_NONE};

    while (n && *p != 0) {
        size_t len = *p == 1 ? 1 : n > 1 ? p[1] : 0;

        if (*p != 1 && (len < 2 || len > n)) {
            o.bad = 1;
            break;
        }
        switch (*p) {
        case 2:
            if (len == 4) {
                o.mss = p[2] * 256 + p[3];
                o.opts |= SW_OPT_MSS;
            }
            o.bad |= len != 4;
            break;
        case 3:
            if (len == 3) {
                o.wscale = p[2];
                o.opts |= SW_OPT_WSCALE;
            }
            o.bad |= len != 3;
            break;
        case 4:
            o.opts |= len == 2 ? SW_OPT_SACK : 0;
            o.bad |= len != 2;
            break;
        case 8:
            o.opts |= len == 10 ? SW_OPT_TS : 0;
            o.bad |= len != 10;
            break;
        case 19:
        case 29:
            if (*p == 19 ? len != 18 : len < 5)
                o.bad = 1;
            else if (o.sig)
                o.bad = 1;
            else
                o.sig = 1;
            break;
        case 30: o.opts |= SW_OPT_MPTCP; break;
        case 34:
            if (len == 2 || (len >= 6 && len <= 18))
                o.opts |= len == 2 ? SW_OPT_TFO : SW_OPT_TFO | SW_OPT_TFO_COOKIE;
            else
                o.bad = 1;
            break;
        case 254:
            if (len >= 4 && p[2] == 0xf9 && p[3] == 0x89)
                o.opts |= len == 4 ? SW_OPT_TFO : SW_OPT_TFO | SW_OPT_TFO_COOKIE;
        }
        p += len;
        n -= len;
    }
    return o;
}

TEST(random_lists)
{
    static const uint8_t likely[] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 8, 10, 19, 29, 30, 34, 254, 0xf9, 0x89, 6, 18};
    uint32_t rng = 12345, good = 0, is_signed = 0;

    for (int round = 0; round < 200000; round++) {
        uint8_t list[40];
        size_t n;
        struct sw_tcpopt want, have;

        rng = rng * 1664525 + 1013904223;
        n = (rng >> 16) % 41;
        for (size_t i = 0; i < n; i++) {
            rng = rng * 1664525 + 1013904223;
            list[i] = rng >> 30 ? likely[(rng >> 16) % sizeof(likely)] : rng >> 22;
        }
        want = plainly(list, n);
        have = read_list(list, n);
        expect(have, want.opts, want.mss, want.wscale, want.bad);
        assert_int_equal(!have.sig, !want.sig);
        good += !want.bad && want.opts;
        is_signed += !want.bad && want.sig;
    }
    assert_true(good > 1000); /* else only noise was tried */
    assert_true(is_signed > 100);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(each_kind),
        cmocka_unit_test(cut_by_the_capture),
        cmocka_unit_test(signatures),
        cmocka_unit_test(usual_lists),
        cmocka_unit_test(forty_no_operations),
        cmocka_unit_test(impossible_lengths),
        cmocka_unit_test(wrong_lengths_are_skipped),
        cmocka_unit_test(more_than_forty),
        cmocka_unit_test(random_lists),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
