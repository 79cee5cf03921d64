/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Engaged: what belongs to no connection is dropped, by reason; what belongs to one passes. */
#include "guardfix.h"

/* RFC 9293 section 3.10.7.1 and what scanners send: the reason for each of the 512 mixes of flags, read in order. */
static const char *reason_for(__u16 f)
{
    if ((f & (SYN | ACK)) == SYN)
        return f & (FIN | RST) ? "drop:bad_flags" : "cookies_sent";
    if (f & SYN)
        return f & (FIN | RST) ? "drop:bad_flags" : "drop:synack";
    if (f & RST)
        return "drop:rst";
    if ((f & (FIN | PSH | URG | ACK)) == (FIN | PSH | URG))
        return "drop:xmas";
    if (f & FIN)
        return "drop:fin";
    if (f & ACK)
        return "drop:cookie_bad";
    return f & (PSH | URG) ? "drop:no_ack" : "drop:null";
}

TEST(every_mix_of_flags)
{
    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        for (int f = 0; f < 512; f++) {
            struct pkt p = stray(f);
            const char *want = reason_for(f);

            deliver(&p);
            if (strcmp(moved(), want) ||
                out.verdict != (strcmp(want, "cookies_sent") ? BPFRUN_XDP_DROP : BPFRUN_XDP_TX))
                fail_msg("flags %03x: %s, counted \"%s\", expected \"%s\"", f, verdict_name(out.verdict), moved(),
                         want);
        }
    }
    assert_int_equal(
        bpfrun_count(run, BPFRUN_FLOWS) + bpfrun_count(run, BPFRUN_HALF_OPEN) + bpfrun_syn_cache_entries(run), 0);
}

TEST(with_data_too)
{
    static const __u16 flags[] = {ACK, ACK | PSH, FIN | ACK, SYN | ACK, RST, 0};

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        struct pkt p = stray(flags[i]);

        p.payload = 1400;
        deliver(&p);
        expect_moved_at(__FILE__, __LINE__, BPFRUN_XDP_DROP, reason_for(flags[i]));
    }
}

/* --- fragments --- */

static struct pkt fragment(__u16 flags, bool v6)
{
    struct pkt p;

    talk_init(t, run, v6);
    p = flags & SYN ? usual_syn() : stray(flags);
    p.fragment = true;
    p.more_frags = true;
    p.payload = 16;
    return p;
}

TEST(syn_in_a_fragment)
{
    for (int v6 = 0; v6 < 2; v6++) {
        struct pkt p = fragment(SYN, v6);

        expect_drop(&p, "fragment");
    }
}

/* Less than a TCP header in the first fragment, with Ethernet's padding and without. */
TEST(tiny_first_fragment)
{
    for (int bits = 0; bits < 4; bits++) {
        struct pkt p = fragment(SYN, bits & 1);
        __u32 ip_hlen = p.v6 ? 40 : 20, frag_hlen = p.v6 ? 8 : 0;

        for (__u32 there = 8; there <= 16; there += 8) {
            p.payload = 0;
            p.no_padding = bits >> 1;
            p.cut_to = 14 + ip_hlen + frag_hlen + there;
            p.force_ip_len = (p.v6 ? 0 : ip_hlen) + frag_hlen + there;
            request_len = pkt_build(&p, request, sizeof(request));
            if (!p.no_padding && request_len < PKT_MIN_FRAME) {
                memset(request + request_len, 0, PKT_MIN_FRAME - request_len);
                request_len = PKT_MIN_FRAME;
            }
            deliver_frame();
            if (out.verdict != BPFRUN_XDP_DROP)
                fail_msg("v6 %d, %u bytes of TCP, frame of %zu: %s", p.v6, there, request_len,
                         verdict_name(out.verdict));
        }
    }
}

/* What it says about its own end may be a lie: a header longer than the fragment. */
TEST(fragment_within_the_options)
{
    struct pkt p = fragment(SYN, false);

    p.payload = 0;
    p.force_ip_len = 20 + 24;
    deliver(&p);
    assert_int_equal(out.verdict, BPFRUN_XDP_DROP);
}

/* A later fragment has no ports; without its first one the kernel never makes a packet of it. */
TEST(later_fragments_pass)
{
    for (int v6 = 0; v6 < 2; v6++) {
        struct pkt p = fragment(ACK, v6);

        p.frag_off = 1480;
        p.payload = 100;
        expect_pass(&p, "");
    }
}

TEST(strays_in_fragments)
{
    for (int v6 = 0; v6 < 2; v6++) {
        struct pkt p = fragment(ACK, v6);

        expect_drop(&p, "cookie_bad");
        p = fragment(RST, v6);
        expect_drop(&p, "rst");
    }
}

/* --- headers --- */

TEST(extension_headers_without_end)
{
    struct sw_svc_counters none;
    struct pkt p;

    talk_init(t, run, true);
    p = usual_syn();
    for (int i = 0; i < 8; i++)
        pkt_ext(&p, 60, 8);
    deliver(&p);
    assert_int_equal(out.verdict, BPFRUN_XDP_DROP);
    none = guardrun_counters(guard, 0); /* whose service it is cannot be read */
    assert_int_equal(none.drop[SW_DROP_EXT_LIMIT], 1);
    /* as many as are walked: read and answered */
    p = usual_syn();
    for (int i = 0; i < 7; i++)
        pkt_ext(&p, 60, 8);
    expect_reply(&p, "cookies_sent");
}

/* Nothing is engaged: it passes, as without the guard. */
TEST(extension_headers_while_calm)
{
    struct pkt p;

    talk_init(t, run, true);
    p = usual_syn();
    for (int i = 0; i < 8; i++)
        pkt_ext(&p, 60, 8);
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
}

TEST(malformed_options)
{
    static const struct {
        __u8 bytes[8];
        __u8 len;
    } bad[] = {
        {{2, 0, 5, 0xb4}, 4},          /* length 0: no end */
        {{2, 1, 5, 0xb4}, 4},          /* shorter than itself */
        {{2, 40, 5, 0xb4}, 4},         /* longer than the list */
        {{1, 1, 1, 8}, 4},             /* a kind without a length */
        {{2, 3, 5, 1}, 4},             /* MSS of a wrong length */
        {{3, 4, 7, 0}, 4},             /* window scale */
        {{4, 3, 0, 0}, 4},             /* SACK permitted */
        {{8, 6, 0, 0, 0, 1, 0, 0}, 8}, /* timestamps */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct pkt p = bare_syn();

        memcpy(p.opts, bad[i].bytes, bad[i].len);
        p.opts_len = bad[i].len;
        expect_drop(&p, "bad_option");
    }
}

/* Unknown kinds are legal (RFC 9293 section 3.1) and skipped. */
TEST(unknown_options_are_no_fault)
{
    struct pkt p = bare_syn();

    pkt_opt(&p, 2, "\x05\xb4", 2);
    pkt_opt(&p, 253, "abcdef", 6);
    pkt_opt(&p, 30, "\x01\x00", 2);
    pkt_opt(&p, 34, NULL, 0);
    expect_reply(&p, "cookies_sent");
    assert_true(reply.has_mss && !reply.has_ts && !reply.has_sack && !reply.has_wscale);
    assert_int_equal(reply.other_opts, 0);
}

/* The kernel would drop it; to answer would make us the only ones who take it. */
TEST(bad_checksum_is_not_answered)
{
    struct pkt p = usual_syn();

    p.bad_checksum = true;
    assert_int_not_equal(deliver(&p), BPFRUN_XDP_TX);
}

/* --- connections --- */

/* What comes in by the hook of ingress is only claimed: then the socket of this host sends, too. */
static void open_from_before(void)
{
    struct pkt p;

    talk_open(t);
    p = talk_pkt(t, B, ACK, 0);
    leave(&p);
    t->pkts[B]++;
    t->ip_bytes[B] += pkt_ip_len(&p);
    set_mode(SW_GM_ALWAYS);
}

/* Opened before the guard engaged: continues to its end, FIN, RST, late segments and all. */
TEST(connections_from_before)
{
    struct sw_svc_counters was;

    open_from_before();
    was = guardrun_counters(guard, svc);
    talk_say(t, A, ACK | PSH, 300);
    talk_say(t, B, ACK | PSH, 3000);
    talk_say(t, A, ACK, 0);
    talk_close(t);
    talk_say(t, A, ACK, 0);
    assert_memory_equal(&was.drop, guardrun_counters(guard, svc).drop, sizeof(was.drop));
    assert_int_equal(talk_flow(t).end[A].state, SW_ST_TIME_WAIT);
}

TEST(reset_from_before)
{
    open_from_before();
    talk_say(t, A, RST | ACK, 0);
    assert_int_equal(guardrun_dropped(guard, svc), 0);
    assert_int_equal(talk_flow(t).reason, SW_WHY_RESET);
}

/* A challenge ACK goes out, and the RST that answers it comes in (RFC 5961 section 4). */
TEST(challenge_and_its_reset)
{
    struct pkt p;

    open_from_before();
    real_connection(t);
    p = usual_syn(); /* a client that lost its memory begins anew with the same ports */
    p.seq = 0x40000000;
    expect_pass(&p, "passed_known");
    talk_say(t, B, ACK, 0); /* the challenge */
    p = talk_pkt(t, A, RST, 0);
    p.seq = t->nxt[A];
    expect_pass(&p, "");
    close_sockets();
}

/* Older than synward itself: no flow, but a socket. */
static void older(void)
{
    static const __u16 flags[] = {ACK, ACK | PSH, FIN | ACK, RST, SYN | ACK, 0};
    struct pkt p;

    real_connection(t);
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        p = stray(flags[i]);
        p.payload = flags[i] == (ACK | PSH) ? 100 : 0;
        deliver(&p);
        if (out.verdict != BPFRUN_XDP_PASS || strcmp(moved(), "passed_socket"))
            fail_msg("flags %03x: %s, \"%s\"", flags[i], verdict_name(out.verdict), moved());
        assert_int_equal(bpfrun_reset(run), 0); /* as if each were the first */
    }
    close_sockets();
    p = stray(ACK); /* the listener went, too */
    p.sport += 1;
    expect_drop(&p, "cookie_bad");
}
TEST(connections_older_than_synward)
{
    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        older();
    }
}

/* A bit in `known` alone is not enough, and without it no socket is looked for: one lookup a SYN would be dear. */
TEST(known_four_tuples)
{
    struct pkt p = usual_syn();

    guardrun_known(guard, 0, &p, true);
    expect_reply(&p, "cookies_sent"); /* a hash that collides, or a socket that is gone */
    real_connection(t);
    expect_pass(&p, "passed_known");
    guardrun_conf(guard)->known_gen = 1;
    guardrun_known(guard, 1, &p, false);
    expect_reply(&p, "cookies_sent");
    guardrun_known(guard, 1, &p, true);
    expect_pass(&p, "passed_known");
    close_sockets();
}

/* Whatever passes while calm is known in both generations by the time that the guard engages. */
TEST(calm_syns_are_known)
{
    struct pkt p = usual_syn();

    for (int gen = 0; gen < 2; gen++)
        assert_false(guardrun_is_known(guard, gen, &p));
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    for (int gen = 0; gen < 2; gen++)
        assert_true(guardrun_is_known(guard, gen, &p));
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(every_mix_of_flags),
        ENGAGED(with_data_too),
        ENGAGED(syn_in_a_fragment),
        ENGAGED(tiny_first_fragment),
        ENGAGED(fragment_within_the_options),
        ENGAGED(later_fragments_pass),
        ENGAGED(strays_in_fragments),
        ENGAGED(extension_headers_without_end),
        CALM(extension_headers_while_calm),
        ENGAGED(malformed_options),
        ENGAGED(unknown_options_are_no_fault),
        CALM(connections_from_before),
        CALM(reset_from_before),
        CALM(challenge_and_its_reset),
        ENGAGED(connections_older_than_synward),
        ENGAGED(known_four_tuples),
        CALM(calm_syns_are_known),
    };

    const struct CMUnitTest verified[] = {
        ENGAGED(bad_checksum_is_not_answered),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases) + RUN_GUARDED(verified);
}
