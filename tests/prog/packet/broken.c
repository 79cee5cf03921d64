/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fragments, truncated and lying headers, odd frames: each has one verdict (PASS) and one counter. */
#include "fixture.h"

static void fragments(bool v6)
{
    struct pkt p;

    if (v6)
        talk_init(t, run, true);
    talk_open(t);
    expect_events(t, "opening established");
    p = talk_pkt(t, A, PSH | ACK, 1000); /* header of 20 and 1000: not last, so a multiple of 8 is due */
    p.payload = 1004;
    p.fragment = p.more_frags = true;
    talk_send(t, A, &p);
    expect_counter(t, FRAG_FIRST, 1);
    assert_int_equal(talk_flow(t).end[A].pkts, 3);
    assert_true(talk_flow(t).flags & SW_F_FRAGMENTED);
    p.frag_off = 1024;
    p.more_frags = false;
    p.payload = 500;
    p.seq = t->nxt[A];
    talk_send(t, A, &p);
    expect_counter(t, FRAG_LATER, 1);
    expect_counter(t, TCP, 4);
    /* a later fragment has no ports: counted, not followed */
    assert_int_equal(talk_flow(t).end[A].pkts, 3);
    talk_say(t, B, ACK, 0);
    expect_states(t, ESTABLISHED, ESTABLISHED);
    assert_int_equal(talk_flow(t).end[A].gaps, 0);
    expect_events(t, "");
    talk_close(t);
    expect_events(t, "half_closed closed");
}

/* With numbers that are guessed it is none of the connection's: its gaps are counted as before. */
TEST(guessed_fragments)
{
    struct pkt p;
    __u32 nxt[2];

    talk_open(t);
    memcpy(nxt, t->nxt, sizeof(nxt));
    for (int i = 1; i < 20; i++) {
        p = talk_pkt(t, i & 1, PSH | ACK, 0);
        p.payload = 1004;
        p.fragment = p.more_frags = true;
        p.seq += 0x10000000u * (i % 14 + 1);
        talk_send(t, i & 1, &p);
        memcpy(t->nxt, nxt, sizeof(nxt));
    }
    assert_false(talk_flow(t).flags & SW_F_FRAGMENTED);
    expect_counter(t, FRAG_FIRST, 19);
    t->nxt[A] += 100;
    talk_say(t, A, PSH | ACK, 10);
    talk_say(t, B, ACK, 0);
    assert_int_equal(talk_flow(t).end[A].gaps, 1);
}

TEST(fragments_v4)
{
    fragments(false);
}
TEST(fragments_v6)
{
    fragments(true);
}

/* A first fragment begins a connection like any segment: its header is there. */
TEST(fragmented_syn)
{
    struct pkt p = talk_pkt(t, A, SYN, 24);

    p.payload = 28;
    p.fragment = p.more_frags = true;
    talk_send(t, A, &p);
    expect_events(t, "opening");
    expect_states(t, SYN_SENT, LISTEN);
}

/* Cut at every length: never a crash, never a flow from a half header, always PASS. */
static void truncated(bool v6)
{
    __u32 whole;
    struct pkt p;

    if (v6)
        talk_init(t, run, true);
    p = talk_pkt(t, A, SYN, 0);
    p.no_padding = true;
    whole = 14 + pkt_ip_len(&p);
    for (__u32 len = 14; len < whole; len++) {
        p.cut_to = len;
        talk_send(t, A, &p);
        expect_counter(t, TRUNCATED, len - 13);
    }
    expect_where(t, NOWHERE);
    expect_events(t, "");
    expect_counter(t, TCP, 0);
    expect_counter(t, PACKETS, whole - 14);
}

TEST(truncated_v4)
{
    truncated(false);
}
TEST(truncated_v6)
{
    truncated(true);
}

/* The payload is cut, the headers are whole: followed, by what the IP header says. */
TEST(truncated_payload)
{
    struct pkt p;

    talk_open(t);
    p = talk_pkt(t, A, PSH | ACK, 500);
    p.cut_to = 14 + 40 + 100;
    talk_send(t, A, &p);
    expect_counter(t, TRUNCATED, 0);
    expect_counter(t, BAD_CHECKSUM, 0); /* it cannot be verified */
    assert_int_equal(talk_flow(t).end[A].payload, 500);
    expect_counts(t);
}

static void bad(struct pkt p)
{
    __u64 before = bpfrun_counter(run, SW_C_BAD_HEADER);

    talk_send(t, A, &p);
    expect_counter(t, BAD_HEADER, before + 1);
    expect_where(t, NOWHERE);
    expect_counter(t, TCP, 0);
    expect_events(t, "");
}

TEST(bad_headers_v4)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);

    p.force_doff = 4; /* under 20 bytes */
    bad(p);
    p.force_doff = 15; /* more than the packet has */
    bad(p);
    p.force_doff = 0;
    p.force_ihl = 4;
    bad(p);
    p.force_ihl = 0;
    p.force_version = 5;
    bad(p);
    p.force_version = 0;
    p.force_ip_len = 19; /* less than its own header */
    bad(p);
    p.force_ip_len = 39; /* less than both */
    bad(p);
}

TEST(bad_headers_v6)
{
    struct pkt p;

    talk_init(t, run, true);
    p = talk_pkt(t, A, SYN, 0);
    p.force_doff = 4;
    bad(p);
    p.force_doff = 0;
    p.force_version = 4;
    bad(p);
    p.force_version = 0;
    p.force_ip_len = 19;
    bad(p);
}

TEST(not_tcp)
{
    struct pkt p = talk_pkt(t, A, SYN, 64);

    p.proto = 17;
    talk_send(t, A, &p);
    expect_counter(t, NOT_TCP, 1);
    talk_init(t, run, true);
    p = talk_pkt(t, A, SYN, 64);
    p.proto = 58;
    talk_send(t, A, &p);
    expect_counter(t, NOT_TCP, 2);
    expect_counter(t, TCP, 0);
    expect_events(t, "");
}

TEST(not_ip)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);

    p.force_eth = 0x0806;
    talk_send(t, A, &p);
    expect_counter(t, NOT_IP, 1);
    expect_counter(t, PACKETS, 1);
    expect_where(t, NOWHERE);
}

/* 54 bytes of headers in a frame of 60: six bytes of padding are no data. */
TEST(frame_of_60)
{
    __u8 frame[128];
    struct pkt p;

    talk_open(t);
    p = talk_pkt(t, B, ACK, 0);
    assert_int_equal(pkt_build(&p, frame, sizeof(frame)), 60);
    assert_int_equal(pkt_ip_len(&p), 40);
    talk_send(t, B, &p);
    assert_int_equal(talk_flow(t).end[B].payload, 0);
    expect_counts(t);
    expect_history(t, "ShAa");
    expect_counter(t, BAD_CHECKSUM, 0);
}

static void jumbo(bool v6)
{
    __u8 frame[9100];
    struct pkt p;

    SKIP_OLD("no frames of several pages");
    if (v6)
        talk_init(t, run, true);
    talk_open(t);
    p = talk_pkt(t, A, PSH | ACK, v6 ? 8926 : 8946);
    assert_int_equal(pkt_build(&p, frame, sizeof(frame)), 9000);
    talk_send(t, A, &p);
    talk_say(t, B, ACK, 0);
    assert_int_equal(talk_flow(t).end[A].payload, p.payload);
    assert_int_equal(talk_flow(t).end[A].gaps, 0);
    expect_counts(t);
    expect_counter(t, BAD_CHECKSUM, 0);
    p = talk_pkt(t, A, PSH | ACK, v6 ? 8926 : 8946);
    p.bad_checksum = true;
    talk_send(t, A, &p);
    expect_counter(t, BAD_CHECKSUM, 1);
}

TEST(frame_of_9000_v4)
{
    jumbo(false);
}
TEST(frame_of_9000_v6)
{
    jumbo(true);
}

/* Odd lengths: the checksum's last byte stands alone. */
TEST(checksums_of_all_lengths)
{
    talk_open(t);
    for (__u32 len = 1; len <= 130; len++)
        talk_say(t, len % 2 ? A : B, PSH | ACK, len);
    for (__u32 len = 1400; len <= 1460; len++)
        talk_say(t, len % 2 ? A : B, PSH | ACK, len);
    expect_counter(t, BAD_CHECKSUM, 0);
    expect_counts(t);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(guessed_fragments), CASE(fragments_v4),     CASE(fragments_v6),
        CASE(fragmented_syn),    CASE(truncated_v4),     CASE(truncated_v6),
        CASE(truncated_payload), CASE(bad_headers_v4),   CASE(bad_headers_v6),
        CASE(not_tcp),           CASE(not_ip),           CASE(frame_of_60),
        CASE(frame_of_9000_v4),  CASE(frame_of_9000_v6), CASE(checksums_of_all_lengths),
    };

    return RUN(cases);
}
