/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The parser and the walk through tunnels, over buffers of exactly the frame's size: every result, every length
 * cut short, keys in canonical order, noise.
 */
#include "frames.h"

#include <stdio.h>

static void expect_whole(const struct pkt *p, bool decap)
{
    size_t len = pkt_build(p, frame, sizeof(frame));
    struct result r = parse(frame, len, len, decap);
    bool src_is_b;
    struct sw_key key = pkt_key(p, &src_is_b);

    assert_int_equal(r.found, SW_FOUND_TCP);
    assert_memory_equal(&r.key, &key, sizeof(key));
    assert_int_equal(r.seg.src_is_b, src_is_b);
    assert_int_equal(r.seg.seq, p->seq);
    assert_int_equal(r.seg.ack, p->ack);
    assert_int_equal(r.seg.flags, p->flags);
    assert_int_equal(r.seg.win, p->win);
    assert_int_equal(r.seg.len, p->payload);
    assert_int_equal(r.seg.cap, p->payload);
    assert_int_equal(r.seg.ip_bytes, pkt_ip_len(p));
    assert_int_equal(r.seg.frag, p->fragment && p->more_frags);
    assert_int_equal(r.at.v6, p->v6);
    assert_int_equal(r.at.opt_len, (p->opts_len + 3) & ~3u);
    assert_int_equal(r.at.tcp_len, 20 + r.at.opt_len + p->payload);
    assert_int_equal(r.seg.vlan[0], p->vlans ? p->vlan[0] : 0);
    assert_int_equal(r.seg.vlan[1], p->vlans > 1 ? p->vlan[1] : 0);
}

/* Up to the end of the fixed TCP header it is truncated, from there on it is a segment with less payload there. */
static void every_length(const struct pkt *p, bool decap)
{
    size_t len = pkt_build(p, frame, sizeof(frame)), need;

    expect_whole(p, decap);
    need = len - p->payload - ((p->opts_len + 3) & ~3u);
    for (size_t n = 0; n <= len; n++) {
        struct result r = parse(frame, n, n, decap);

        if (r.found != (n < need ? SW_FOUND_TRUNCATED : SW_FOUND_TCP) && !(decap && n < need))
            fail_msg("%zu of %zu bytes (TCP header ends at %zu): result %d", n, len, need, r.found);
        if (n < need) {
            assert_int_not_equal(r.found, SW_FOUND_TCP);
            continue;
        }
        assert_int_equal(r.seg.len, p->payload);
        assert_true(r.seg.cap <= n - need);
        assert_int_equal(r.seg.cap, n > len - p->payload ? n - (len - p->payload) : 0);
        /* the rest of the frame is elsewhere: XDP fragments, non-linear skb */
        assert_int_equal(parse(frame, n, len, decap).seg.cap, p->payload);
    }
}

TEST(every_length_of_every_kind)
{
    for (int i = 0; i < 16; i++) {
        struct pkt p = variant(i);

        every_length(&p, false);
        every_length(&p, true);
    }
}

static void expect_found(const struct pkt *p, enum sw_found want)
{
    size_t len = pkt_build(p, frame, sizeof(frame));

    for (int decap = 0; decap < 2; decap++) {
        struct result r = parse(frame, len, len, decap);

        if (decap && want == SW_FOUND_EXT_LIMIT && p->vlans > SW_VLANS)
            want = SW_FOUND_TCP; /* the walk takes more tags */
        if (r.found != want)
            fail_msg("decap %d: result %d, not %d", decap, r.found, want);
    }
}

#define ODD(base, want, ...)                                                                                           \
    do {                                                                                                               \
        struct pkt p = base();                                                                                         \
        __VA_ARGS__;                                                                                                   \
        expect_found(&p, want);                                                                                        \
    } while (0)

TEST(every_result)
{
    ODD(v4, SW_FOUND_TCP, );
    ODD(v4, SW_FOUND_NOT_IP, p.force_eth = 0x0806);
    ODD(v4, SW_FOUND_NOT_IP, p.force_eth = 0x05dc); /* 802.3 length */
    ODD(v4, SW_FOUND_NOT_TCP, p.proto = 17);
    ODD(v6, SW_FOUND_NOT_TCP, p.proto = 17);
    ODD(v6, SW_FOUND_NOT_TCP, p.proto = 58);
    ODD(v4, SW_FOUND_BAD_HEADER, p.force_version = 5);
    ODD(v6, SW_FOUND_BAD_HEADER, p.force_version = 4);
    ODD(v4, SW_FOUND_BAD_HEADER, p.force_ihl = 4);
    ODD(v4, SW_FOUND_BAD_HEADER, p.force_ip_len = 19);
    ODD(v4, SW_FOUND_BAD_HEADER, p.force_ip_len = 39); /* less than the TCP header */
    ODD(v6, SW_FOUND_BAD_HEADER, p.force_ip_len = 19);
    ODD(v4, SW_FOUND_BAD_HEADER, p.force_doff = 4);
    ODD(v6, SW_FOUND_BAD_HEADER, p.force_doff = 4);
    ODD(v4, SW_FOUND_BAD_HEADER, p.force_doff = 15; p.payload = 10);
    ODD(v4, SW_FOUND_FRAG_LATER, p.fragment = true; p.frag_off = 8);
    ODD(v4, SW_FOUND_FRAG_LATER, p.fragment = true; p.frag_off = 65528; p.more_frags = true);
    ODD(v6, SW_FOUND_FRAG_LATER, p.fragment = true; p.frag_off = 8);
    ODD(v4, SW_FOUND_NOT_TCP, p.fragment = true; p.frag_off = 8; p.proto = 17);
    ODD(v4, SW_FOUND_EXT_LIMIT, p.vlans = 3; p.vlan[0] = p.vlan[1] = p.vlan[2] = 1);
    for (int n = 1; n <= SW_EXTS + 1; n++)
        ODD(v6, n < SW_EXTS ? SW_FOUND_TCP : SW_FOUND_EXT_LIMIT,
            for (int i = 0; i < n; i++) pkt_ext(&p, SW_IP_DSTOPTS, 8));
}

/* Total length 0: a GSO packet or BIG TCP; use the frame's own length. */
TEST(no_length_in_the_header)
{
    for (int six = 0; six < 2; six++) {
        struct pkt p = six ? v6() : v4();
        size_t len = pkt_build(&p, frame, sizeof(frame));
        struct result r;

        memset(frame + (six ? 18 : 16), 0, 2);
        r = parse(frame, len, len, false);
        assert_int_equal(r.found, SW_FOUND_TCP);
        assert_int_equal(r.seg.len, 100);
        assert_int_equal(r.seg.ip_bytes, len - 14);
        r = parse(frame, len, len + 60000, false); /* the linear part alone is here */
        assert_int_equal(r.seg.len, 60100);
    }
}

TEST(keys_are_canonical)
{
    static const __u16 ports[] = {1, 80, 255, 256, 40000, 65535};
    __u32 rng = 7;

    for (int i = 0; i < 20000; i++) {
        struct pkt p = i & 1 ? v6() : v4(), q;
        size_t len;
        struct result there, back;

        rng = rng * 1664525 + 1013904223;
        p.no_padding = true;
        p.payload = 0;
        p.sport = ports[rng % 6];
        p.dport = ports[rng / 8 % 6];
        if (rng >> 30) { /* a quarter keeps equal addresses */
            p.src[12 + (rng >> 8) % 4] ^= rng >> 16;
            p.dst[12 + (rng >> 10) % 4] ^= rng >> 20;
        } else {
            memcpy(p.dst, p.src, 16);
        }
        expect_whole(&p, false);
        len = pkt_build(&p, frame, sizeof(frame));
        there = parse(frame, len, len, false);
        q = pkt_swap(&p);
        expect_whole(&q, false);
        len = pkt_build(&q, frame, sizeof(frame));
        back = parse(frame, len, len, false);
        assert_memory_equal(&there.key, &back.key, sizeof(there.key));
        if (memcmp(p.src, p.dst, 16) || p.sport != p.dport)
            assert_int_not_equal(there.seg.src_is_b, back.seg.src_is_b);
    }
}

/* ---- tunnels: layers are put before an inner packet, the innermost first ---- */

enum { OUTER_MAX = 512 };

struct onion {
    __u8 buf[OUTER_MAX + PKT_MAX_FRAME];
    size_t at; /* where it begins */
    size_t end;
    __u16 type;  /* EtherType of what it begins with */
    __u16 vlans; /* tags so far */
    int layers;
};

static void wrap(struct onion *o, const void *header, size_t len, __u16 type)
{
    assert_true(o->at >= len);
    o->at -= len;
    memcpy(o->buf + o->at, header, len);
    o->type = type;
    o->layers++;
}

static void onion(struct onion *o, const struct pkt *p)
{
    size_t len = pkt_build(p, frame, sizeof(frame));

    assert_int_equal(p->vlans, 0);
    o->at = OUTER_MAX;
    o->end = OUTER_MAX + len - 14;
    memcpy(o->buf + o->at, frame + 14, len - 14);
    o->type = p->v6 ? SW_ETH_IP6 : SW_ETH_IP4;
    o->vlans = 0;
    o->layers = 1;
}

static void eth(struct onion *o)
{
    __u8 h[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, o->type >> 8, o->type & 0xff};

    wrap(o, h, 14, 0);
}

static void vlan(struct onion *o, __u16 tci, __u16 tpid)
{
    __u8 h[4] = {tci >> 8, tci & 0xff, o->type >> 8, o->type & 0xff};

    wrap(o, h, 4, tpid);
    o->vlans++;
}

static void ip4(struct onion *o, __u8 proto, __u32 ihl)
{
    size_t total = o->end - o->at + ihl * 4;
    __u8 h[60] = {0x40 | ihl, 0, total >> 8, total & 0xff, 0, 0, 0x40, 0, 64, proto, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2};

    wrap(o, h, ihl * 4, SW_ETH_IP4);
}

static void ip6(struct onion *o, __u8 proto)
{
    size_t total = o->end - o->at;
    __u8 h[40] = {0x60, 0, 0, 0, total >> 8, total & 0xff, proto, 64, 0x20, 1};

    wrap(o, h, 40, SW_ETH_IP6);
}

static void pppoe(struct onion *o)
{
    __u8 h[8] = {0x11, 0, 0, 1, 0, 0, 0, o->type == SW_ETH_IP6 ? 0x57 : 0x21};

    wrap(o, h, 8, SW_ETH_PPPOE);
}

/* the protocol in one octet, RFC 1661 section 6.5 */
static void pppoe_short(struct onion *o)
{
    __u8 h[7] = {0x11, 0, 0, 1, 0, 0, o->type == SW_ETH_IP6 ? 0x57 : 0x21};

    wrap(o, h, 7, SW_ETH_PPPOE);
}

static void pppoe_mpls(struct onion *o)
{
    __u8 h[8] = {0x11, 0, 0, 1, 0, 0, 2, 0x81};

    assert_int_equal(o->type, SW_ETH_MPLS);
    wrap(o, h, 8, SW_ETH_PPPOE);
}

static void etag(struct onion *o)
{
    __u8 h[8] = {0x10, 1, 0, 2, 0, 3, o->type >> 8, o->type & 0xff};

    wrap(o, h, 8, SW_ETH_ETAG);
}

static void gre_in_udp(struct onion *o)
{
    wrap(o, "\xc0\0\x12\x92\0\0\0\0", 8, 0);
}

/* type 1 has no header of its own, type 2 comes with GRE's sequence number; type 3 may have a platform's part */
static void erspan(struct onion *o, int type, bool platform)
{
    __u8 three[20] = {0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, platform};

    assert_int_equal(o->type, 0);
    if (type == 1) {
        wrap(o, "\0\0\x88\xbe", 4, 0);
    } else if (type == 2) {
        wrap(o, "\x10\x01\0\x02\0\0\0\0", 8, 0);
        wrap(o, "\x10\0\x88\xbe\0\0\0\1", 8, 0);
    } else {
        wrap(o, three, platform ? 20 : 12, 0);
        wrap(o, "\x10\0\x22\xeb\0\0\0\1", 8, 0);
    }
}

/* flags: E 4, S 2, PN 1; extensions of 4 or 8 bytes, the last one first */
static void gtp(struct onion *o, __u8 flags, int extensions, int words)
{
    __u8 ext[8] = {words}, h[20] = {8, 0x68, 8, 0x68, 0, 0, 0, 0, 0x30 | flags, 255};

    for (int i = 0; i < extensions; i++) {
        ext[words * 4 - 1] = i ? 0x85 : 0;
        wrap(o, ext, words * 4, 0);
    }
    h[19] = extensions ? 0x85 : 0;
    wrap(o, h, flags ? 20 : 16, 0); /* UDP's header and GTP's */
}

static void mpls(struct onion *o, bool bottom)
{
    __u8 h[4] = {0, 1, bottom, 64};

    wrap(o, h, 4, SW_ETH_MPLS);
}

static void gre(struct onion *o, __u8 flags)
{
    __u16 type = o->type ? o->type : SW_ETH_TEB;
    __u8 h[16] = {flags, 0, type >> 8, type & 0xff};

    wrap(o, h, 4 + !!(flags & 0x80) * 4 + !!(flags & 0x20) * 4 + !!(flags & 0x10) * 4, 0);
}

static void vxlan(struct onion *o)
{
    __u8 h[16] = {0x30, 0x39, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0};

    assert_int_equal(o->type, 0);
    wrap(o, h, 16, 0);
}

static void geneve(struct onion *o, __u8 words)
{
    __u16 type = o->type ? o->type : SW_ETH_TEB;
    __u8 h[8 + 8 + 252] = {0x30, 0x39, 0x17, 0xc1, 0, 0, 0, 0, words, 0, type >> 8, type & 0xff};

    wrap(o, h, 16 + words * 4, 0);
    o->layers++; /* UDP and Geneve are two */
}

/* The inner connection is found, at its place; cut short anywhere, nothing is read beyond, and no segment is invented.
 */
static void expect_inner(struct onion *o, const struct pkt *p)
{
    struct sw_key key = pkt_key(p, NULL);
    size_t len, need = OUTER_MAX + (p->v6 ? 40 : 20) + 20;
    struct result r;

    eth(o);
    len = o->end - o->at;
    r = parse(o->buf + o->at, len, len, true);
    assert_int_equal(r.found, SW_FOUND_TCP);
    assert_memory_equal(&r.key, &key, sizeof(key));
    assert_int_equal(r.at.ip, OUTER_MAX - o->at);
    assert_int_equal(r.seg.seq, p->seq);
    assert_int_equal(r.seg.len, p->payload);
    assert_int_equal(r.seg.ip_bytes, pkt_ip_len(p));
    for (size_t n = 0; n < len; n++) {
        r = parse(o->buf + o->at, n, n, true);
        assert_true((r.found == SW_FOUND_TCP) == (n >= need - o->at));
    }
    parse(o->buf + o->at, len, len, false);
}

#define INNER(...)                                                                                                     \
    for (int six = 0; six < 2; six++) {                                                                                \
        struct pkt p = six ? v6() : v4();                                                                              \
        p.no_padding = true;                                                                                           \
        onion(&o, &p);                                                                                                 \
        __VA_ARGS__;                                                                                                   \
        expect_inner(&o, &p);                                                                                          \
    }

TEST(each_tunnel)
{
    static struct onion o;

    INNER();
    INNER(vlan(&o, 7, SW_ETH_VLAN); vlan(&o, 8, SW_ETH_QINQ));
    INNER(vlan(&o, 7, SW_ETH_VLAN); vlan(&o, 8, SW_ETH_VLAN); vlan(&o, 9, SW_ETH_QINQ_OLD));
    INNER(pppoe(&o));
    INNER(pppoe(&o); vlan(&o, 7, SW_ETH_VLAN));
    INNER(mpls(&o, true));
    INNER(mpls(&o, true); mpls(&o, false); mpls(&o, false));
    INNER(eth(&o); wrap(&o, "\0\0\0\0", 4, 0); mpls(&o, true)); /* pseudowire with control word */
    for (int flags = 0; flags < 16; flags++) {
        __u8 bits = (flags & 1 ? 0x80 : 0) | (flags & 2 ? 0x20 : 0) | (flags & 4 ? 0x10 : 0);

        INNER(gre(&o, bits); ip4(&o, SW_IP_GRE, 5));
        INNER(eth(&o); gre(&o, bits); ip6(&o, SW_IP_GRE));
    }
    INNER(eth(&o); vxlan(&o); ip4(&o, SW_IP_UDP, 5));
    INNER(vlan(&o, 3, SW_ETH_VLAN); eth(&o); vxlan(&o); ip6(&o, SW_IP_UDP); vlan(&o, 4, SW_ETH_VLAN));
    for (int words = 0; words < 64; words += 9) {
        INNER(eth(&o); geneve(&o, words); ip4(&o, SW_IP_UDP, 5));
        INNER(geneve(&o, words); ip6(&o, SW_IP_UDP));
    }
    INNER(pppoe_short(&o));
    INNER(pppoe_short(&o); vlan(&o, 7, SW_ETH_VLAN));
    INNER(mpls(&o, true); pppoe_mpls(&o));
    INNER(etag(&o));
    INNER(vlan(&o, 7, SW_ETH_VLAN); etag(&o));
    INNER(gre(&o, 0); gre_in_udp(&o); ip4(&o, SW_IP_UDP, 5));
    INNER(eth(&o); gre(&o, 0xb0); gre_in_udp(&o); ip6(&o, SW_IP_UDP));
    for (int type = 1; type <= 3; type++) {
        INNER(eth(&o); erspan(&o, type, false); ip4(&o, SW_IP_GRE, 5));
        INNER(vlan(&o, 9, SW_ETH_VLAN); eth(&o); erspan(&o, type, true); ip6(&o, SW_IP_GRE));
    }
    for (int flags = 0; flags < 4; flags++)
        INNER(gtp(&o, flags, 0, 0); ip4(&o, SW_IP_UDP, 5));
    for (int words = 1; words <= 2; words++)
        for (int extensions = 0; extensions < 4; extensions++)
            INNER(gtp(&o, 6, extensions, words); ip6(&o, SW_IP_UDP));
    INNER(ip4(&o, six ? SW_IP_IP6 : SW_IP_IP4, 5));
    INNER(ip4(&o, six ? SW_IP_IP6 : SW_IP_IP4, 15)); /* outer options */
    INNER(ip6(&o, six ? SW_IP_IP6 : SW_IP_IP4));
}

/* VLAN ids of the outside come first, two of them are kept. */
TEST(vlans_of_a_tunnel)
{
    static struct onion o;
    struct pkt p = v4();
    struct result r;

    onion(&o, &p);
    vlan(&o, 3, SW_ETH_VLAN);
    eth(&o);
    vxlan(&o);
    ip4(&o, SW_IP_UDP, 5);
    vlan(&o, 0xe002, SW_ETH_VLAN); /* priority bits do not count */
    vlan(&o, 1, SW_ETH_QINQ);
    eth(&o);
    r = parse(o.buf + o.at, o.end - o.at, o.end - o.at, true);
    assert_int_equal(r.found, SW_FOUND_TCP);
    assert_int_equal(r.seg.vlan[0], 1);
    assert_int_equal(r.seg.vlan[1], 2);
}

/* One layer more than the walk takes is reported, never parsed in part. */
TEST(too_many_layers)
{
    static struct onion o;

    for (int n = 1; n <= SW_LAYERS + 3; n++) {
        struct pkt p = v4();
        struct result r;

        onion(&o, &p);
        for (int i = 0; i < n; i++)
            vlan(&o, 1, SW_ETH_VLAN);
        eth(&o);
        r = parse(o.buf + o.at, o.end - o.at, o.end - o.at, true);
        assert_int_equal(r.found, n < SW_LAYERS ? SW_FOUND_TCP : SW_FOUND_EXT_LIMIT);
    }
}

/* A tunnel of something else leaves the outer packet, whatever it is. */
TEST(not_a_tunnel)
{
    static struct onion o;
    struct pkt p = v4();
    struct result r;

    onion(&o, &p);
    wrap(&o, "\x30\x81\x88\x0b\0\0\0\0", 8, 0); /* GRE version 1: PPTP */
    ip4(&o, SW_IP_GRE, 5);
    eth(&o);
    assert_int_equal(parse(o.buf + o.at, o.end - o.at, o.end - o.at, true).found, SW_FOUND_NOT_TCP);
    onion(&o, &p);
    wrap(&o, "\x00\x35\x00\x35\0\0\0\0", 8, 0); /* UDP, another port */
    ip4(&o, SW_IP_UDP, 5);
    eth(&o);
    assert_int_equal(parse(o.buf + o.at, o.end - o.at, o.end - o.at, true).found, SW_FOUND_NOT_TCP);
    onion(&o, &p);
    wrap(&o, "\x08\x68\x08\x68\0\0\0\0\x30\x01\0\0\0\0\0\0", 16, 0); /* GTP-U, an echo request */
    ip4(&o, SW_IP_UDP, 5);
    eth(&o);
    assert_int_equal(parse(o.buf + o.at, o.end - o.at, o.end - o.at, true).found, SW_FOUND_NOT_TCP);
    onion(&o, &p);
    wrap(&o, "\x11\x00\x00\x01\x00\x00\xc0\x21", 8, SW_ETH_PPPOE); /* LCP */
    eth(&o);
    r = parse(o.buf + o.at, o.end - o.at, o.end - o.at, true);
    assert_int_equal(r.found, SW_FOUND_NOT_IP);
}

/* Two fragment headers (RFC 8200 section 4.5 allows one): a first fragment, whatever the second one says. */
static bool is_fragment(const __u8 *headers, int count)
{
    static struct onion o;
    struct pkt p = v6();
    struct result r;
    __u8 ip[40];

    onion(&o, &p);
    memcpy(ip, o.buf + o.at, sizeof(ip));
    o.at += sizeof(ip);
    for (int i = count - 1; i >= 0; i--)
        wrap(&o, headers + i * 8, 8, 0);
    ip[5] += count * 8;
    ip[6] = SW_IP_FRAGMENT;
    wrap(&o, ip, 40, SW_ETH_IP6);
    eth(&o);
    r = parse(o.buf + o.at, o.end - o.at, o.end - o.at, false);
    assert_int_equal(r.found, SW_FOUND_TCP);
    return r.seg.frag;
}

TEST(nested_fragment_headers)
{
    static const __u8 atomic[] = {SW_IP_TCP, 0, 0, 0, 0, 0, 0, 0}, first[] = {SW_IP_TCP, 0, 0, 1, 0, 0, 0, 0};
    static const __u8 atomic_in_first[] = {SW_IP_FRAGMENT, 0, 0, 1, 0, 0, 0, 0, SW_IP_TCP, 0, 0, 0, 0, 0, 0, 0};
    static const __u8 atomic_twice[] = {SW_IP_FRAGMENT, 0, 0, 0, 0, 0, 0, 0, SW_IP_TCP, 0, 0, 0, 0, 0, 0, 0};

    assert_false(is_fragment(atomic, 1)); /* RFC 6946 */
    assert_true(is_fragment(first, 1));
    assert_true(is_fragment(atomic_in_first, 2));
    assert_true(is_fragment(atomic_twice, 2)); /* the kernel drops it, as ipv6_frag_rcv() takes one header only */
}

/* Noise, and frames with a few bytes changed: nothing but the seven results, nothing read beyond. */
TEST(noise)
{
    static struct onion o;
    __u32 rng = 99, found[SW_FOUND_EXT_LIMIT + 1] = {0};

    for (int round = 0; round < 60000; round++) {
        struct pkt p = variant(round % 16);
        __u8 *at = o.buf + OUTER_MAX;
        size_t len = pkt_build(&p, at, PKT_MAX_FRAME);
        struct result r;

        if (round % 3 == 0 && !p.vlans) { /* a tunnel of some kind */
            onion(&o, &p);
            eth(&o);
            if (round % 2)
                vxlan(&o);
            else
                geneve(&o, round % 64);
            ip4(&o, SW_IP_UDP, 5 + round % 11);
            eth(&o);
            at = o.buf + o.at;
            len = o.end - o.at;
        }
        for (int i = 0; i < 1 + round % 4; i++) {
            rng = rng * 1664525 + 1013904223;
            at[(rng >> 8) % (len < 120 ? len : 120)] = rng >> 24;
        }
        rng = rng * 1664525 + 1013904223;
        len = (rng >> 8) % (len + 1);
        r = parse(at, len, len, round & 1);
        assert_in_range(r.found, 0, SW_FOUND_EXT_LIMIT);
        found[r.found]++;
        if (r.found == SW_FOUND_TCP) {
            assert_true(r.at.tcp + 20 <= len && r.seg.cap <= r.seg.len && r.at.opt_len <= 40);
            assert_int_equal(r.at.tcp_len, 20 + r.at.opt_len + r.seg.len);
        }
    }
    for (int i = 0; i < SW_FOUND_EXT_LIMIT; i++)
        assert_true(found[i] > 20);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_length_of_every_kind),
        cmocka_unit_test(every_result),
        cmocka_unit_test(no_length_in_the_header),
        cmocka_unit_test(keys_are_canonical),
        cmocka_unit_test(each_tunnel),
        cmocka_unit_test(vlans_of_a_tunnel),
        cmocka_unit_test(too_many_layers),
        cmocka_unit_test(not_a_tunnel),
        cmocka_unit_test(nested_fragment_headers),
        cmocka_unit_test(noise),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
