/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Engaged: every SYN is answered with a SYN-ACK that carries a cookie, each field of which is right. */
#include "guardsyn.h"

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
    assert_int_equal(
        bpfrun_count(run, BPFRUN_HALF_OPEN) + bpfrun_count(run, BPFRUN_FLOWS) + bpfrun_syn_cache_entries(run), 0);
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_SYNS], p.v6 + 1);
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
        for (unsigned hops = 254; hops < 256; hops++) { /* RFC 5082: a peer that sends 255 may accept nothing less */
            p.hops = hops;
            cookie_for(&p);
            assert_int_equal(reply.ttl, hops == 255 ? 255 : v6 ? 17 : 200);
        }
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

/* Answers to these would go nowhere, or to everybody: no sender has such an address (RFC 1122 section 3.2.1.3). */
TEST(sources_that_nobody_has)
{
    static const __u32 bad[] = {0, 0x7f000001, 0x7fffffff, 0xe0000001, 0xefffffff, 0xffffffff};
    static const __u32 good[] = {0x01000000, 0x7e000001, 0x80000001, 0xdfffffff};
    static const __u8 bad6[][16] = {
        {0}, {[15] = 1}, {0xff, 0x02, [15] = 1}, {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}};
    struct pkt p;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        p = usual_syn();
        pkt_v4(p.src, bad[i]);
        expect_drop(&p, "bad_source");
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        p = usual_syn();
        pkt_v4(p.src, good[i]);
        expect_reply(&p, "cookies_sent");
    }
    talk_init(t, run, true);
    for (size_t i = 0; i < sizeof(bad6) / sizeof(*bad6); i++) {
        p = usual_syn();
        memcpy(p.src, bad6[i], 16);
        expect_drop(&p, "bad_source");
    }
    p = usual_syn();
    request_len = pkt_build(&p, request, sizeof(request));
    request[6] |= 1; /* a group as the sender's Ethernet address */
    deliver_frame();
    expect_moved_at(__FILE__, __LINE__, BPFRUN_XDP_DROP, "drop:bad_source");
}

/* What the kernel does not look at passes for it to drop: it is not answered, counted or followed, calm or engaged. */
static void not_taken(const struct pkt *p, void (*change)(void), bool taken)
{
    const enum sw_backend backends[] = {SW_BK_REQSK, SW_BK_LISTENER};

    for (int i = 0; i < 2; i++) {
        __u64 was = bpfrun_counter(run, SW_C_NOT_TAKEN);
        __u64 syns = guardrun_counters(guard, svc).item[SW_T_SYNS];

        guardrun_at(guard, svc)->backend = backends[i];
        request_len = pkt_build(p, request, sizeof(request));
        change();
        deliver_frame();
        assert_int_equal(guardrun_counters(guard, svc).item[SW_T_SYNS] - syns, taken);
        assert_int_equal(bpfrun_counter(run, SW_C_NOT_TAKEN) - was, !taken);
        if (!taken) {
            assert_int_equal(out.verdict, BPFRUN_XDP_PASS);
            assert_string_equal(moved(), "");
            assert_int_equal(bpfrun_count(run, BPFRUN_HALF_OPEN), 0);
        }
    }
    guardrun_at(guard, svc)->backend = SW_BK_REQSK;
}

static void as_it_is(void) {}
static void to_a_group(void)
{
    request[0] |= 1;
}
static void to_everybody(void)
{
    memset(request, 0xff, 6);
}
static void cut(void)
{
    request_len -= 4;
}

static void no_length(void)
{
    memset(request + 14 + (request[14] >> 4 == 4 ? 2 : 4), 0, 2);
}

static void frames_not_taken(bool engaged)
{
    struct sw_guard *g = guardrun_conf(guard);
    struct pkt p;

    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        p = usual_syn();
        not_taken(&p, to_a_group, false);
        not_taken(&p, to_everybody, false);
        not_taken(&p, cut, false);
        p = bare_syn(); /* forty bytes of options that are not there, in Ethernet's least frame */
        p.force_doff = 15;
        p.force_ip_len = v6 ? 60 : 80;
        not_taken(&p, as_it_is, false);
        p = usual_syn();
        not_taken(&p, no_length, false);
        guardrun_local(guard, p.src);
        g->flags |= SW_G_NO_OWN_SOURCE;
        g->local_ns = bpfrun_now(run);
        if (!v6 && !engaged) /* engaged it may get a cookie, and the kernel drops what brings it back */
            not_taken(&p, as_it_is, false);
        g->local_ns -= SW_ROUTES_NS + SEC;
        if (!v6 && !engaged) /* nobody keeps the addresses up to date */
            not_taken(&p, as_it_is, true);
        g->flags &= ~SW_G_NO_OWN_SOURCE;
        bpfrun_reset(run);
        pkt_build(&p, request, sizeof(request));
        g->mac[0] = 0x010203040506;
        memcpy(&g->mac[1], request, 6);
        g->mac[2] = 0x010203040507;
        g->macs = 1;
        not_taken(&p, as_it_is, false);
        p.dst[15] ^= 1; /* forwarded: with whatever address */
        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
        assert_int_equal(bpfrun_count(run, BPFRUN_HALF_OPEN), 1);
        bpfrun_reset(run);
        g->macs = 3;
        p = usual_syn();
        not_taken(&p, as_it_is, true);
        bpfrun_reset(run);
        g->macs = 0;
        not_taken(&p, as_it_is, true);
        bpfrun_reset(run);
    }
}
TEST(not_taken_engaged)
{
    frames_not_taken(true);
}
TEST(not_taken_calm)
{
    frames_not_taken(false);
}

/* To nobody's service: as without the guard. */
TEST(other_services)
{
    struct sw_svc_counters was = guardrun_counters(guard, svc), now;

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
    now = guardrun_counters(guard, svc);
    assert_memory_equal(&was, &now, sizeof(was));
}

/* Calm: nothing is answered, all of it is counted. */
TEST(calm)
{
    struct pkt p = usual_syn();

    expect_pass(&p, "");
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_SYNS], 1);
    expect_pass(&p, ""); /* the same again */
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_SYNS], 2);
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
        ENGAGED(syn_with_data),
        ENGAGED(syn_with_much_data),
        ENGAGED(short_frames),
        ENGAGED(repeated_syn),
        ENGAGED(flags_beside_syn),
        ENGAGED(sequence_numbers_wrap),
        ENGAGED(clock_and_keys),
        ENGAGED(sources_that_nobody_has),
        ENGAGED(not_taken_engaged),
        CALM(not_taken_calm),
        ENGAGED(other_services),
        CALM(calm),
        CALM(off),
        ENGAGED(stopping),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
