/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Engaged: every SYN is answered with a SYN-ACK that carries a cookie, each field of which is right. */
#include "guardfix.h"
#include "../../bpf/cookie.h"

/* What the cookie of the last answer carries, read with the key. */
static struct sw_cookie_opts carried(void)
{
    struct sw_cookie_for f = {
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
static void expect_answer_to(const struct pkt *p)
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

static void both_families(void (*test)(void))
{
    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        test();
    }
}

static void usual(void)
{
    struct pkt p = usual_syn();
    struct sw_cookie_opts c;

    cookie_for(&p);
    expect_answer_to(&p);
    assert_true(reply.has_mss && reply.has_sack && reply.has_ts && reply.has_wscale);
    assert_int_equal(reply.mss, p.v6 ? 1440 : 1460);
    assert_int_equal(reply.wscale, 10);
    assert_int_equal(reply.tsecr, 1);
    assert_int_equal(reply.opt_len, 20);
    c = carried();
    assert_int_equal(c.mss, p.v6 ? 1440 : 1460);
    assert_int_equal(c.wscale, 7);
    assert_true(c.sack && c.ts && !c.ecn);
    assert_int_equal(bpfrun_count(run, BPFRUN_EMBRYOS) + bpfrun_count(run, BPFRUN_FLOWS) + bpfrun_notes(run), 0);
    assert_int_equal(guardrun_tally(guard, svc).item[SW_T_SYNS], p.v6 + 1);
}
TEST(every_field)
{
    both_families(usual);
}

/* The service's and the host's own values go out, not constants. */
TEST(values_are_the_services)
{
    struct sw_service *sv = guardrun_at(guard, svc);
    struct sw_guard *g = guardrun_conf(guard);

    for (int v6 = 0; v6 < 2; v6++) {
        struct pkt p;

        talk_init(t, run, v6);
        sv->mss[0] = 1380, sv->mss[1] = 1220, sv->wscale = 3, sv->win = 12345;
        g->ttl = 200, g->hop_limit = 17;
        p = usual_syn();
        cookie_for(&p);
        expect_answer_to(&p);
        assert_int_equal(reply.mss, v6 ? 1220 : 1380);
        assert_int_equal(reply.wscale, 3);
        assert_int_equal(reply.ttl, v6 ? 17 : 200);
    }
}

enum { O_MSS = 1, O_SACK = 2, O_TS = 4, O_WS = 8 };

static void add_option(struct pkt *p, int which, __u16 mss, __u8 ws)
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
static struct pkt syn_with(int offered, int order, bool nops, __u16 mss, __u8 ws)
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

/* Data is not acknowledged: the client sends it again. Fast Open, too. */
static void data(void)
{
    static const __u8 tfo_cookie[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const __u32 sizes[] = {1, 2, 3, 4, 5, 6, 100, 535, 1000, 1400, 3000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (int tfo = 0; tfo < 2; tfo++) {
            struct pkt p = usual_syn();

            if (tfo)
                pkt_opt(&p, 34, tfo_cookie, 8);
            p.payload = sizes[i];
            cookie_for(&p);
            expect_answer_to(&p);
            assert_true(out.len <= 14u + reply.ip_len);
        }
}
TEST(syn_with_data)
{
    both_families(data);
}

/* Longer than a page: the frame is in fragments. */
TEST(syn_with_much_data)
{
    struct pkt p = usual_syn();

    p.payload = 8000;
    cookie_for(&p);
    expect_answer_to(&p);
}

/* A frame that ends with the packet, without Ethernet's padding. */
static void no_padding(void)
{
    for (int offered = 0; offered < 16; offered++) {
        struct pkt p = syn_with(offered, 0, false, 1460, 7);

        p.no_padding = true;
        cookie_for(&p);
        expect_answer_to(&p);
        assert_true(out.len <= (request_len > PKT_MIN_FRAME ? request_len : PKT_MIN_FRAME));
    }
}
TEST(short_frames)
{
    both_families(no_padding);
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

/* Another SYN of the same connection: the same answer, until the next epoch. Another ISN: another cookie. */
static void again(void)
{
    struct pkt p = usual_syn();
    __u8 first[sizeof(out.frame)];
    __u32 len;

    cookie_for(&p);
    len = out.len;
    memcpy(first, out.frame, len);
    for (int i = 0; i < 5; i++) {
        cookie_for(&p);
        assert_int_equal(out.len, len);
        assert_memory_equal(out.frame, first, len);
    }
    t->isn[A]++;
    p = usual_syn();
    cookie_for(&p);
    assert_memory_not_equal(out.frame, first, len);
}
TEST(repeated_syn)
{
    both_families(again);
}

TEST(flags_beside_syn)
{
    static const __u16 odd[] = {PSH, URG, PSH | URG};

    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct pkt p = usual_syn();

        p.flags |= odd[i];
        cookie_for(&p);
        expect_answer_to(&p);
    }
}

TEST(sequence_numbers_wrap)
{
    static const __u32 isns[] = {0, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};

    for (size_t i = 0; i < sizeof(isns) / sizeof(*isns); i++) {
        struct pkt p;

        t->isn[A] = isns[i];
        p = usual_syn();
        cookie_for(&p);
        expect_answer_to(&p);
        carried();
    }
}

/* sw_guard.clock_offset makes the epochs those of real time; a new key in the other slot counts at once. */
TEST(clock_and_keys)
{
    const struct sw_keys other = {.key = {{1, 2}, {3, 4}}};
    struct pkt p = usual_syn();
    __u32 first;

    first = cookie_for(&p).seq;
    guardrun_conf(guard)->clock_offset = 1700000000ull * SEC;
    assert_int_not_equal(cookie_for(&p).seq, first);
    carried();
    guardrun_conf(guard)->clock_offset = 0;
    assert_int_equal(cookie_for(&p).seq, first);
    assert_int_equal(guardrun_install(guard, &other), 0);
    assert_int_not_equal(cookie_for(&p).seq, first);
    carried();
}

/* Answers to these would go nowhere, or to everybody: the kernel drops them as it always does. */
TEST(sources_that_nobody_has)
{
    static const __u32 sources[] = {0, 0x7f000001, 0xe0000001, 0xffffffff};
    static const __u8 v6[][16] = {{0}, {[15] = 1}, {0xff, 0x02, [15] = 1}};

    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        struct pkt p = usual_syn();

        pkt_v4(p.src, sources[i]);
        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    }
    talk_init(t, run, true);
    for (size_t i = 0; i < sizeof(v6) / sizeof(*v6); i++) {
        struct pkt p = usual_syn();

        memcpy(p.src, v6[i], 16);
        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    }
}

/* To nobody's service: as without the guard. */
TEST(other_services)
{
    struct sw_tally was = guardrun_tally(guard, svc), now;

    for (int v6 = 0; v6 < 2; v6++) {
        struct pkt p;

        talk_init(t, run, v6);
        p = usual_syn();
        p.dport = 81;
        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
        p = usual_syn();
        p.dst[15] ^= 1; /* not this host's: forwarded */
        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
        p = usual_syn();
        p.proto = 17;
        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    }
    now = guardrun_tally(guard, svc);
    assert_memory_equal(&was, &now, sizeof(was));
}

/* Calm: nothing is answered, all of it is counted. */
TEST(calm)
{
    struct pkt p = usual_syn();

    expect_pass(&p, "opened");
    assert_int_equal(guardrun_tally(guard, svc).item[SW_T_SYNS], 1);
    expect_pass(&p, ""); /* the same again */
    assert_int_equal(guardrun_tally(guard, svc).item[SW_T_SYNS], 2);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_CALM);
}

/* Loaded, but off. */
TEST(off)
{
    struct pkt p = usual_syn();

    guardrun_at(guard, svc)->mode = SW_GM_OFF;
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
}

/* About to be detached: whoever got a cookie now would find nobody who knows it. */
TEST(stopping)
{
    struct pkt p = usual_syn();

    guardrun_conf(guard)->flags |= SW_G_STOPPING;
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(every_field),
        ENGAGED(values_are_the_services),
        ENGAGED(every_mix_of_options),
        ENGAGED(what_this_host_does_not_grant),
        ENGAGED(window_scales_and_segment_sizes),
        ENGAGED(window_scale_over_14),
        ENGAGED(congestion_notification),
        ENGAGED(traffic_class_stays_out),
        ENGAGED(syn_with_data),
        ENGAGED(syn_with_much_data),
        ENGAGED(short_frames),
        ENGAGED(short_way_and_long_way),
        ENGAGED(repeated_syn),
        ENGAGED(flags_beside_syn),
        ENGAGED(sequence_numbers_wrap),
        ENGAGED(clock_and_keys),
        ENGAGED(sources_that_nobody_has),
        ENGAGED(other_services),
        CALM(calm),
        CALM(off),
        ENGAGED(stopping),
    };

    return RUN_GUARDED(cases) + RUN_GUARDED_FAST(cases);
}
