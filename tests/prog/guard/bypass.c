/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * No way around the guard: each packet in each dress that Ethernet and IP allow. A SYN gets its cookie, that cookie
 * is taken, a stray is dropped; and the answer wears nothing but the VLAN tags.
 */
#include "guardfix.h"

static void dress_vlan(struct pkt *p)
{
    p->vlan[0] = 0xa007; /* with a priority */
    p->vlans = 1;
}

static void dress_priority_tag(struct pkt *p)
{
    p->vlan[0] = 0xe000;
    p->vlans = 1;
}

static void dress_qinq(struct pkt *p)
{
    p->vlan[0] = 100;
    p->vlan[1] = 0x6fff;
    p->vlans = 2;
}

static void ip_options(struct pkt *p, __u32 len)
{
    p->ip_opts_len = len;
    memset(p->ip_opts, 1, len); /* NOPs */
    p->ip_opts[len - 1] = 0;
}

static void dress_ip_option_word(struct pkt *p)
{
    ip_options(p, 4);
}

static void dress_ip_options_all(struct pkt *p)
{
    ip_options(p, 40);
}

static void dress_router_alert(struct pkt *p)
{
    memcpy(p->ip_opts, "\x94\x04\x00\x00", 4); /* RFC 2113 */
    p->ip_opts_len = 4;
}

static void dress_non_df(struct pkt *p)
{
    p->non_df = true;
}

static void dress_tos(struct pkt *p)
{
    p->tos = 0xb8;
}

static void dress_hop_by_hop(struct pkt *p)
{
    pkt_ext(p, 0, 8);
}

static void dress_destination(struct pkt *p)
{
    pkt_ext(p, 60, 64);
}

static void dress_routing(struct pkt *p)
{
    pkt_ext(p, 43, 24);
}

static void dress_auth(struct pkt *p)
{
    pkt_ext(p, 51, 24);
}

static void dress_chain(struct pkt *p)
{
    pkt_ext(p, 0, 8);
    pkt_ext(p, 60, 16);
    pkt_ext(p, 43, 24);
    pkt_ext(p, 51, 16);
    pkt_ext(p, 60, 8);
}

/* RFC 6946: a fragment header, and nothing else is in fragments. */
static void dress_atomic(struct pkt *p)
{
    p->fragment = true;
}

static void dress_all_of_it(struct pkt *p)
{
    dress_qinq(p);
    if (p->v6) {
        dress_chain(p);
        dress_atomic(p);
    } else {
        dress_ip_options_all(p);
        dress_non_df(p);
    }
}

static void dress_none(struct pkt *p)
{
    (void)p;
}

enum { V4 = 1, V6 = 2, BOTH = 3 };
static const struct {
    const char *name;
    void (*put)(struct pkt *);
    int families;
} dresses[] = {
    {"none", dress_none, BOTH},
    {"vlan", dress_vlan, BOTH},
    {"priority tag", dress_priority_tag, BOTH},
    {"qinq", dress_qinq, BOTH},
    {"tos", dress_tos, BOTH},
    {"ip option", dress_ip_option_word, V4},
    {"ip options", dress_ip_options_all, V4},
    {"router alert", dress_router_alert, V4},
    {"non-df", dress_non_df, V4},
    {"hop-by-hop", dress_hop_by_hop, V6},
    {"destination options", dress_destination, V6},
    {"routing", dress_routing, V6},
    {"authentication", dress_auth, V6},
    {"chain", dress_chain, V6},
    {"atomic fragment", dress_atomic, V6},
    {"all of it", dress_all_of_it, BOTH},
};

static void expect_outcome(const char *dress, const char *what, int verdict, const char *counters)
{
    if (out.verdict != verdict || strcmp(moved(), counters))
        fail_msg("%s, IPv%d, %s: %s \"%s\", expected %s \"%s\"", dress, t->side[A].v6 ? 6 : 4, what,
                 verdict_name(out.verdict), moved(), verdict_name(verdict), counters);
}

/* The tags go back as they came; everything else is plain. */
static void expect_plain(const char *dress, const struct pkt *p)
{
    bool right = reply.tags == p->vlans && reply.ip_hlen == (p->v6 ? 40u : 20u) && reply.tos == 0 &&
                 reply.df == !p->v6 && !reply.more_frags && !reply.frag_off && reply.payload == 0;

    for (__u32 i = 0; i < p->vlans; i++)
        right = right && reply.tci[i] == p->vlan[i] && reply.tpid[i] == (i + 1 < p->vlans ? 0x88a8 : 0x8100);
    if (!right)
        fail_msg("%s: the answer is dressed: tags %u, IP header %u, tos %02x, df %d", dress, reply.tags, reply.ip_hlen,
                 reply.tos, reply.df);
    if (memcmp(reply.src, p->dst, 16) || memcmp(reply.dst, p->src, 16) || reply.sport != p->dport ||
        reply.dport != p->sport || reply.ack != p->seq + 1)
        fail_msg("%s: the answer is for somebody else", dress);
}

static void wear(size_t d, bool v6, __u32 payload)
{
    static const struct {
        __u16 flags;
        const char *counters;
    } strays[] = {
        {ACK, "drop:cookie_bad"}, {SYN | ACK, "drop:synack"},     {RST, "drop:rst"},    {FIN | ACK, "drop:fin"},
        {0, "drop:null"},         {FIN | PSH | URG, "drop:xmas"}, {PSH, "drop:no_ack"}, {SYN | FIN, "drop:bad_flags"},
    };
    const char *name = dresses[d].name;
    struct decoded synack;
    struct pkt p;

    talk_init(t, run, v6);
    t->side[A].sport = 20000 + d;
    t->side[B].dport = 20000 + d;
    t->isn[A] = 1000 + payload; /* the second round is another connection */
    t->key = pkt_key(&t->side[A], NULL);
    for (size_t i = 0; i < sizeof(strays) / sizeof(*strays); i++) {
        p = talk_pkt(t, A, strays[i].flags, payload);
        dresses[d].put(&p);
        deliver(&p);
        expect_outcome(name, strays[i].counters, BPFRUN_XDP_DROP, strays[i].counters);
    }
    p = usual_syn();
    p.payload = payload;
    dresses[d].put(&p);
    deliver(&p);
    expect_outcome(name, "SYN", BPFRUN_XDP_TX, "cookies_sent");
    expect_plain(name, &p);
    synack = reply;
    p = answer_to(&synack, ACK, payload);
    p.seq--;
    dresses[d].put(&p);
    if (payload <= 1) {
        deliver(&p);
        expect_outcome(name, "keepalive", BPFRUN_XDP_TX, "probes_sent");
        assert_int_equal(reply.tags, p.vlans);
    }
    p = answer_to(&synack, ACK, payload);
    dresses[d].put(&p);
    deliver(&p);
    expect_outcome(name, "cookie", BPFRUN_XDP_PASS, "cookies_accepted");
    assert_true(out.meta_len > 0);
    expect_where(t, FLOWS);
}

TEST(every_dress)
{
    for (__u32 payload = 0; payload <= 600; payload += 600)
        for (size_t d = 0; d < sizeof(dresses) / sizeof(*dresses); d++) {
            if (dresses[d].families & V4)
                wear(d, false, payload);
            if (dresses[d].families & V6)
                wear(d, true, payload);
            assert_int_equal(bpfrun_reset(run), 0);
        }
}

/* All of Ethernet's ways to say VLAN. */
TEST(old_qinq)
{
    struct pkt p = usual_syn();

    p.vlan[0] = 5, p.vlan[1] = 6, p.vlans = 2;
    request_len = pkt_build(&p, request, sizeof(request));
    request[12] = 0x91, request[13] = 0x00;
    deliver_frame();
    expect_moved_at(__FILE__, __LINE__, BPFRUN_XDP_TX, "cookies_sent");
    assert_int_equal(reply.tpid[0], 0x9100);
    assert_int_equal(reply.tpid[1], 0x8100);
}

/* A tag is not part of the handshake: the same cookie with and without. */
TEST(cookie_knows_no_tags)
{
    struct pkt p = usual_syn();
    struct decoded plain = cookie_for(&p);

    dress_qinq(&p);
    cookie_for(&p);
    assert_int_equal(reply.seq, plain.seq);
    assert_int_equal(reply.tsval, plain.tsval);
}

/* Three tags and more are for nobody on this host: passes, whatever it carries. */
TEST(more_tags_than_a_host_has)
{
    struct pkt p = usual_syn();

    p.vlans = 3;
    p.vlan[0] = 1, p.vlan[1] = 2, p.vlan[2] = 3;
    expect_pass(&p, "");
}

/* Headers that lie about lengths: never answered, never changed. */
TEST(lying_lengths)
{
    for (int v6 = 0; v6 < 2; v6++)
        for (__u32 len = 0; len < 120; len++) {
            struct pkt p;

            talk_init(t, run, v6);
            p = usual_syn();
            p.force_ip_len = len ? len : 1;
            deliver(&p);
            if (out.verdict == BPFRUN_XDP_TX && (p.force_ip_len < (v6 ? 40 : 60) || p.force_ip_len > pkt_ip_len(&p)))
                fail_msg("IPv%d length %u is answered", v6 ? 6 : 4, p.force_ip_len);
        }
    talk_init(t, run, false);
    for (__u8 words = 1; words < 16; words++) {
        struct pkt p = usual_syn();

        p.force_doff = words;
        deliver(&p);
        p = usual_syn();
        p.force_ihl = words;
        deliver(&p);
    }
}

/* A frame may end anywhere. The kernel drops what is shorter than it says: an answer would be ours alone. */
TEST(truncated_frames)
{
    for (int v6 = 0; v6 < 2; v6++)
        for (__u32 len = 14; len < 120; len++) {
            struct pkt p;
            int verdict;

            talk_init(t, run, v6);
            p = usual_syn();
            p.vlan[0] = 9, p.vlans = 1;
            p.cut_to = len;
            p.no_padding = true;
            request_len = pkt_build(&p, request, sizeof(request));
            assert_int_equal(bpfrun_xdp(run, request, request_len, &out), 0);
            verdict = len < 18 + pkt_ip_len(&p) ? BPFRUN_XDP_PASS : BPFRUN_XDP_TX;
            if (out.verdict != verdict)
                fail_msg("IPv%d of %u cut to %u: %s", v6 ? 6 : 4, 18 + pkt_ip_len(&p), len, verdict_name(out.verdict));
        }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(every_dress),          ENGAGED(old_qinq),
        ENGAGED(cookie_knows_no_tags), ENGAGED(more_tags_than_a_host_has),
        ENGAGED(lying_lengths),        ENGAGED(truncated_frames),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
