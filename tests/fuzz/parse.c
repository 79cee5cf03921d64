/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The header parser and the walk through tunnels: a frame against a second parser, which does without cursors, against
 * its own prefixes, against the parser of bare frames, and against the same frame with its endpoints swapped.
 */
#include "fuzz.h"
#include "packet/parse.h"
#include "packet/tunnel.h"

struct result {
    enum sw_found found;
    struct sw_key key;
    struct sw_seg seg;
    struct sw_place at;
};

static struct result parse(const __u8 *frame, size_t len, __u32 frame_len, bool decap)
{
    struct result r = {0};
    struct sw_inner inner = {0};
    __u8 *copy = fuzz_copy(frame, len);

    if (decap)
        sw_decap(copy, copy + len, &inner);
    r.found = sw_parse(copy, copy + len, frame_len, decap ? &inner : NULL, &r.key, &r.seg, &r.at);
    free(copy);
    return r;
}

static __u32 be(const __u8 *p, int n)
{
    __u32 v = 0;

    while (n--)
        v = v << 8 | *p++;
    return v;
}

/* Where the plain parser got. */
struct plain {
    size_t ip, tcp;
    __u32 l4; /* bytes that the IP header gives to TCP */
    bool frag;
};

static enum sw_found plain_ip4(const __u8 *f, size_t len, __u32 frame_len, struct plain *p)
{
    __u32 hlen, total;

    if (p->ip + 20 > len)
        return SW_FOUND_TRUNCATED;
    hlen = (f[p->ip] & 15) * 4u;
    total = be(f + p->ip + 2, 2) ? be(f + p->ip + 2, 2) : frame_len - (__u32)p->ip;
    if (f[p->ip] >> 4 != 4 || hlen < 20 || hlen > total)
        return SW_FOUND_BAD_HEADER;
    if (f[p->ip + 9] != 6)
        return SW_FOUND_NOT_TCP;
    if (be(f + p->ip + 6, 2) % 0x2000)
        return SW_FOUND_FRAG_LATER;
    p->frag = f[p->ip + 6] & 0x20;
    p->tcp = p->ip + hlen;
    p->l4 = total - hlen;
    return SW_FOUND_TCP;
}

static enum sw_found plain_ip6(const __u8 *f, size_t len, __u32 frame_len, struct plain *p)
{
    size_t pos = p->ip + 40;
    int fragment_headers = 0;
    __u32 total;
    __u8 next;

    if (pos > len)
        return SW_FOUND_TRUNCATED;
    if (f[p->ip] >> 4 != 6)
        return SW_FOUND_BAD_HEADER;
    total = be(f + p->ip + 4, 2) ? be(f + p->ip + 4, 2) + 40 : frame_len - (__u32)p->ip;
    next = f[p->ip + 6];
    for (int walked = 0; next != 6; walked++) {
        __u8 kind = next;

        if (walked == 8)
            return SW_FOUND_EXT_LIMIT;
        if (!memchr("\x00\x2b\x2c\x33\x3c\x87\x8b\x8c", kind, 8))
            return SW_FOUND_NOT_TCP;
        if (pos + 8 > len)
            return SW_FOUND_TRUNCATED;
        next = f[pos];
        if (kind == 44 && be(f + pos + 2, 2) >> 3)
            return next == 6 ? SW_FOUND_FRAG_LATER : SW_FOUND_NOT_TCP;
        if (kind == 44)
            p->frag |= fragment_headers++ || f[pos + 3] & 1; /* a second one makes a fragment */
        pos += kind == 44 ? 8 : kind == 51 ? f[pos + 1] * 4u + 8 : f[pos + 1] * 8u + 8;
        if (walked == 7)
            return SW_FOUND_EXT_LIMIT; /* whatever comes behind the eighth is not looked at */
    }
    if (total < pos - p->ip)
        return SW_FOUND_BAD_HEADER;
    p->tcp = pos;
    p->l4 = total - (__u32)(pos - p->ip);
    return SW_FOUND_TCP;
}

static enum sw_found plain_parse(const __u8 *f, size_t len, __u32 frame_len, struct plain *p)
{
    enum sw_found found;
    size_t at = 12;
    __u32 type, off;

    if (len < 14)
        return SW_FOUND_TRUNCATED;
    type = be(f + at, 2);
    for (int tags = 0; type == 0x8100 || type == 0x88a8 || type == 0x9100; tags++) {
        if (tags == 2)
            return SW_FOUND_EXT_LIMIT;
        at += 4;
        if (at + 2 > len)
            return SW_FOUND_TRUNCATED;
        type = be(f + at, 2);
    }
    p->ip = at + 2;
    if (type != 0x0800 && type != 0x86dd)
        return SW_FOUND_NOT_IP;
    found = type == 0x0800 ? plain_ip4(f, len, frame_len, p) : plain_ip6(f, len, frame_len, p);
    if (found != SW_FOUND_TCP)
        return found;
    if (p->tcp + 20 > len)
        return SW_FOUND_TRUNCATED;
    off = (f[p->tcp + 12] >> 4) * 4u;
    return off < 20 || off > p->l4 ? SW_FOUND_BAD_HEADER : SW_FOUND_TCP;
}

static void check_plain(const __u8 *f, size_t len, __u32 frame_len, const struct result *r)
{
    struct plain p = {0};
    enum sw_found found = plain_parse(f, len, frame_len, &p);

    holds(r->found == found, "found %d, plainly %d", r->found, found);
    if (found != SW_FOUND_TCP)
        return;
    holds(r->at.ip == p.ip && r->at.tcp == p.tcp && r->at.tcp_len == p.l4, "ip %u tcp %u len %u, plainly %zu %zu %u",
          r->at.ip, r->at.tcp, r->at.tcp_len, p.ip, p.tcp, p.l4);
    holds(!r->seg.frag == !p.frag, "fragment %u, plainly %d", r->seg.frag, p.frag);
    holds(!r->at.tunnel, "a tunnel without a walk");
}

/* The short parser takes what has nothing beside Ethernet, IP and TCP, and nothing else. */
static void check_bare(const __u8 *f, size_t len, const struct result *r)
{
    __u8 *copy = fuzz_copy(f, len);
    struct sw_key key = {0};
    struct sw_seg seg = {0};
    bool bare = r->found == SW_FOUND_TCP && r->at.ip == 14 && r->at.tcp == (r->at.v6 ? 54 : 34) && !r->seg.frag;
    bool took = sw_parse_bare(copy, copy + len, &key, &seg);

    if (bare && !be(f + (r->at.v6 ? 18 : 16), 2))
        bare = false; /* a length of 0: the frame's counts */
    holds(took == bare, "a bare frame is %d, taken for one %d", bare, took);
    if (took)
        holds(!memcmp(&key, &r->key, sizeof(key)) && seg.src_is_b == r->seg.src_is_b, "another key");
    free(copy);
}

/* What must hold of any segment that was found. */
static void check_segment(const __u8 *f, size_t len, __u32 frame_len, const struct result *r)
{
    const __u8 *tcp = f + r->at.tcp;
    const struct sw_key *k = &r->key;
    __u32 hdr = 20 + r->at.opt_len;
    int order = memcmp(k->a_ip, k->b_ip, 16);

    holds(r->at.ip < r->at.tcp && r->at.tcp + 20ul <= len, "TCP at %u of %zu, IP at %u", r->at.tcp, len, r->at.ip);
    holds(r->at.opt_len <= 40 && r->at.opt_len % 4 == 0, "%u bytes of options", r->at.opt_len);
    holds(r->seg.len == r->at.tcp_len - hdr, "payload %u of %u", r->seg.len, r->at.tcp_len);
    holds(r->seg.cap <= r->seg.len, "%u of %u payload bytes are there", r->seg.cap, r->seg.len);
    holds(!r->seg.cap || r->at.tcp + (__u64)hdr + r->seg.cap <= frame_len, "payload beyond the frame");
    holds(r->seg.seq == be(tcp + 4, 4) && r->seg.ack == be(tcp + 8, 4) && r->seg.win == be(tcp + 14, 2) &&
              r->seg.flags == (be(tcp + 12, 2) & 0x1ff),
          "seq %u ack %u win %u flags %x", r->seg.seq, r->seg.ack, r->seg.win, r->seg.flags);
    holds(order < 0 || (!order && ntohs(k->a_port) <= ntohs(k->b_port)), "endpoints out of order");
    holds((r->seg.src_is_b ? k->b_port : k->a_port) == *(const sw_wire16 *)tcp &&
              (r->seg.src_is_b ? k->a_port : k->b_port) == *(const sw_wire16 *)(tcp + 2),
          "ports of the wrong side");
    holds(r->seg.vlan[0] < 4096 && r->seg.vlan[1] < 4096, "VLAN %u %u", r->seg.vlan[0], r->seg.vlan[1]);
}

/* The headers alone decide; one byte less and the parser says so. */
static void check_prefixes(const __u8 *f, __u32 frame_len, bool decap, const struct result *r)
{
    struct result whole = parse(f, r->at.tcp + 20, frame_len, decap), cut = parse(f, r->at.tcp + 19, frame_len, decap);

    holds(!memcmp(&whole, r, sizeof(whole)), "payload changed the result: found %d", whole.found);
    holds(cut.found == SW_FOUND_TRUNCATED, "cut short, and found %d", cut.found);
}

static void swap(__u8 *a, __u8 *b, size_t n)
{
    while (n--) {
        __u8 byte = *a;

        *a++ = *b;
        *b++ = byte;
    }
}

/* The answer has the same key, and comes from the other end. */
static void check_swapped(const __u8 *f, size_t len, __u32 frame_len, bool decap, const struct result *r)
{
    bool same = !memcmp(r->key.a_ip, r->key.b_ip, 16) && r->key.a_port == r->key.b_port;
    __u8 *back = fuzz_copy(f, len);
    struct result answer;

    if (r->at.v6)
        swap(back + r->at.ip + 8, back + r->at.ip + 24, 16);
    else
        swap(back + r->at.ip + 12, back + r->at.ip + 16, 4);
    swap(back + r->at.tcp, back + r->at.tcp + 2, 2);
    answer = parse(back, len, frame_len, decap);
    holds(answer.found == SW_FOUND_TCP && !memcmp(&answer.key, &r->key, sizeof(r->key)), "another key the other way");
    holds(answer.seg.src_is_b == (same ? r->seg.src_is_b : !r->seg.src_is_b), "not from the other end");
    free(back);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    __u8 how = fuzz_u8(&in);
    bool decap = how & 1;
    size_t len = fuzz_left(&in);
    /* a frame can be longer than what is at hand, as with XDP fragments */
    __u32 frame_len = (__u32)len + (how & 2 ? (__u32)how << 6 : 0);
    struct result r = parse(in.at, len, frame_len, decap);

    holds(r.found <= SW_FOUND_EXT_LIMIT, "found %d", r.found);
    if (!decap) {
        check_plain(in.at, len, frame_len, &r);
        check_bare(in.at, len, &r);
    }
    if (r.found != SW_FOUND_TCP)
        return 0;
    check_segment(in.at, len, frame_len, &r);
    check_prefixes(in.at, frame_len, decap, &r);
    check_swapped(in.at, len, frame_len, decap, &r);
    return 0;
}
