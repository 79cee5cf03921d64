/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Engaged: the options and the ECN flags of the answer, and that its two ways answer alike. */
#include "guardsyn.h"

/* Only what was offered and what the cookie carries; the client gets as much as the cookie promises. */
static void expect_options(int offered, __u16 mss, __u8 ws)
{
    struct sw_cookie_opts c = carried();
    int flags = guardrun_conf(guard)->flags;

    assert_int_equal(reply.has_mss, !!(offered & O_MSS));
    assert_int_equal(reply.has_ts, offered & O_TS && flags & SW_G_TS);
    assert_int_equal(reply.has_sack, offered & O_SACK && flags & SW_G_SACK);
    assert_int_equal(reply.has_sack, c.sack);
    assert_int_equal(reply.has_wscale, c.wscale != SW_WSCALE_NONE);
    if (reply.has_wscale) {
        assert_true(offered & O_WS && flags & SW_G_WSCALE);
        assert_true(c.wscale <= ws);
        assert_int_equal(reply.wscale, guardrun_at(guard, svc)->wscale);
    }
    if (reply.has_ts) {
        assert_int_equal(reply.tsecr, 0xdeadbeef);
        assert_int_equal(c.wscale, offered & O_WS && flags & SW_G_WSCALE ? ws : SW_WSCALE_NONE);
    }
    if (!(offered & O_MSS)) /* RFC 9293 section 3.7.1 */
        assert_int_equal(c.mss, t->side[A].v6 ? 1220 : 536);
    else
        assert_true(c.mss <= mss);
}

static void all_mixes(void)
{
    for (int offered = 0; offered < 16; offered++)
        for (int order = 0; order < 4; order++)
            for (int nops = 0; nops < 2; nops++) {
                struct pkt p = syn_with(offered, order, nops, 1400, 9);

                cookie_for(&p);
                expect_answer_to(&p);
                expect_options(offered, 1400, 9);
            }
}
TEST(every_mix_of_options)
{
    both_families(all_mixes);
}

TEST(what_this_host_does_not_grant)
{
    static const int grants[] = {0, SW_G_SACK, SW_G_TS, SW_G_WSCALE, SW_G_SACK | SW_G_WSCALE, SW_G_TS | SW_G_SACK};

    for (size_t i = 0; i < sizeof(grants) / sizeof(*grants); i++) {
        struct pkt p = syn_with(15, 0, false, 1460, 8);

        guardrun_conf(guard)->flags = grants[i];
        p.flags |= ECE | CWR;
        cookie_for(&p);
        expect_answer_to(&p);
        expect_options(15, 1460, 8);
        assert_false(reply.flags & ECE);
    }
}

static void scales_and_sizes(void)
{
    static const __u16 sizes[] = {1220, 1240, 1300, 1360, 1380, 1400, 1440, 1459, 1460, 8960, 65535};

    for (size_t m = 0; m < sizeof(sizes) / sizeof(*sizes); m++)
        for (int ws = 0; ws <= 14; ws++)
            for (int offered = O_MSS | O_WS; offered < 16; offered += 2) {
                struct pkt p = syn_with(offered, 0, false, sizes[m], ws);
                struct sw_cookie_opts c;

                cookie_for(&p);
                expect_options(offered, sizes[m], ws);
                c = carried();
                if (reply.has_ts && sizes[m] >= 1400 && sizes[m] <= 1460)
                    assert_int_equal(c.mss, sizes[m]);
            }
}
TEST(window_scales_and_segment_sizes)
{
    both_families(scales_and_sizes);
}

/* RFC 7323 section 2.3: over 14 is 14. */
TEST(window_scale_over_14)
{
    struct pkt p = syn_with(15, 0, false, 1460, 255);

    cookie_for(&p);
    assert_int_equal(carried().wscale, 14);
}

static void ecn(void)
{
    static const struct {
        __u16 flags;
        __u8 tos;
        bool granted;
    } asks[] = {
        {ECE | CWR, 0, true}, {ECE, 0, false},           {CWR, 0, false},
        {0, 0, false},        {AE | ECE | CWR, 0, true}, /* AccECN; a server without it sees the old one (RFC 9768
                                                            section 3.1.2) */
    };

    for (size_t i = 0; i < sizeof(asks) / sizeof(*asks); i++) {
        struct pkt p = usual_syn();

        p.flags |= asks[i].flags;
        p.tos = asks[i].tos;
        cookie_for(&p);
        expect_answer_to(&p);
        assert_int_equal(!!(reply.flags & ECE), asks[i].granted);
        assert_int_equal(carried().ecn, asks[i].granted);
    }
}
TEST(congestion_notification)
{
    both_families(ecn);
}

/* The traffic class is not echoed. */
TEST(traffic_class_stays_out)
{
    for (int v6 = 0; v6 < 2; v6++) {
        struct pkt p;

        talk_init(t, run, v6);
        p = usual_syn();
        p.tos = 0xb8;
        cookie_for(&p);
        expect_answer_to(&p);
    }
}

/* The short way for plain SYNs and the long one for all others answer alike, to the byte. */
static void both_ways(const struct pkt *p)
{
    struct sw_guard *g = guardrun_conf(guard);
    __u8 first[sizeof(out.frame)];
    __u32 len;

    step = 0;
    cookie_for(p);
    len = out.len;
    memcpy(first, out.frame, len);
    for (int which = 0; which < 4; which++) { /* each of these has to be asked the long way, and changes nothing */
        g->block_len = which == 0;
        g->allow_len = which == 1;
        g->limit_source = which == 2 ? 1000000 : 0;
        g->reply_budget = which == 3 ? 1000000 : 0;
        cookie_for(p);
        if (out.len != len || memcmp(out.frame, first, len))
            fail_msg("%u bytes the one way, %u the other, or others", len, out.len);
    }
    g->block_len = g->allow_len = g->limit_source = g->reply_budget = 0;
}

static void all_both_ways(void)
{
    static const __u16 flags[] = {0, ECE, CWR, ECE | CWR, AE | ECE | CWR};

    for (int offered = 0; offered < 16; offered++)
        for (int order = 0; order < 4; order++)
            for (int nops = 0; nops < 2; nops++)
                for (int variant = 0; variant < 5; variant++) {
                    struct pkt p = syn_with(offered, order, nops, variant ? 1300 + 40 * variant : 0, variant * 4);

                    p.flags |= flags[variant];
                    p.tos = variant & 1 ? 0x02 : 0xb8;
                    p.no_padding = variant & 2;
                    both_ways(&p);
                }
    for (int ws = 0; ws < 256; ws++) {
        struct pkt p = bare_syn(); /* as Linux, Windows and macOS write them */

        pkt_opt_usual(&p, 1460, ws);
        both_ways(&p);
        p = syn_with(O_MSS | O_SACK | O_WS, 0, true, 1460, ws);
        both_ways(&p);
        p = bare_syn();
        p.opts_len = 12;
        memcpy(p.opts, "\x02\x04\x05\xb4\x01\x03\x03\x08\x01\x01\x04\x02", 12);
        p.opts[7] = ws;
        both_ways(&p);
        p.opts_len = 24;
        memcpy(p.opts, "\x02\x04\x05\xb4\x01\x03\x03\x06\x01\x01\x08\x0a\x11\x22\x33\x44\0\0\0\0\x04\x02\0\0", 24);
        p.opts[7] = ws;
        both_ways(&p);
    }
}
TEST(short_way_and_long_way)
{
    both_families(all_both_ways);
}

/* Signed (RFC 2385, RFC 5925): no answer of ours could be, so the kernel gets it, if it can check it at all. */
TEST(signed_syns)
{
    static const struct {
        __u8 kind, len;
        __u32 flag;
    } seals[] = {{19, 16, SW_G_MD5}, {29, 14, SW_G_AO}};
    static const __u8 digest[16] = {1, 2, 3};

    for (int v6 = 0; v6 < 2; v6++)
        for (size_t i = 0; i < sizeof(seals) / sizeof(*seals); i++)
            for (int after = 0; after < 2; after++) {
                struct pkt p;

                talk_init(t, run, v6);
                p = bare_syn();
                p.sport = 5000 + i * 2 + after;
                if (after)
                    add_option(&p, O_MSS, 1400, 0);
                pkt_opt(&p, seals[i].kind, digest, seals[i].len);
                guardrun_conf(guard)->flags &= ~(SW_G_MD5 | SW_G_AO);
                expect_reply(&p, "cookies_sent");
                guardrun_conf(guard)->flags |= (SW_G_MD5 | SW_G_AO) & ~seals[i].flag;
                expect_reply(&p, "cookies_sent");
                guardrun_conf(guard)->flags |= seals[i].flag;
                expect_pass(&p, "passed_backend");
                for (int gen = 0; gen < 2; gen++)
                    assert_false(guardrun_is_known(guard, gen, &p)); /* a flood of them would fill the map */
            }
}

/* What only looks signed passes nowhere: some kernel takes each of these for unsigned, and keeps it. */
TEST(malformed_signatures)
{
    static const struct {
        __u8 len, list[40];
    } lists[] = {
        {8, {1, 1, 1, 1, 29, 4, 1, 1}},         {8, {29, 2, 19, 2, 1, 1, 1, 1}},
        {20, {19, 2, 19, 18, 1, 2, 3}},         {20, {19, 17, 1, 2, [17] = 1, 1, 1}},
        {36, {19, 18, 1, [18] = 19, 18, 2}},    {36, {29, 16, 1, 1, [16] = 19, 18, 2, [34] = 1, 1}},
        {36, {19, 18, 1, [18] = 29, 18, 1, 1}}, {32, {29, 16, 1, 1, [16] = 29, 16, 1, 1}},
    };

    for (int v6 = 0; v6 < 2; v6++)
        for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
            struct pkt p;

            talk_init(t, run, v6);
            p = bare_syn();
            p.sport = 5100 + i;
            memcpy(p.opts, lists[i].list, lists[i].len);
            p.opts_len = lists[i].len;
            for (int checks = 0; checks < 2; checks++) { /* the kernel checks signatures, or not */
                guardrun_conf(guard)->flags |= SW_G_MD5 | SW_G_AO;
                if (!checks)
                    guardrun_conf(guard)->flags &= ~(SW_G_MD5 | SW_G_AO);
                expect_drop(&p, "bad_option");
            }
        }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(every_mix_of_options),
        ENGAGED(what_this_host_does_not_grant),
        ENGAGED(window_scales_and_segment_sizes),
        ENGAGED(window_scale_over_14),
        ENGAGED(congestion_notification),
        ENGAGED(traffic_class_stays_out),
        ENGAGED(short_way_and_long_way),
        ENGAGED(signed_syns),
        ENGAGED(malformed_signatures),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
