/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A generator of live frames (BPF_F_TEST_XDP_LIVE_FRAMES): writes a legal packet from a fresh sender and sends it to an
 * interface. A recycled frame holds what its last receiver left in it, so every byte is written each time. It also
 * keeps the length that its receiver cut it to, unless the generator itself changes it: so the test run's frame is
 * GEN_CUT longer.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "guard/syncookie.h"
#include "packet/parse.h"
#include "gen.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct gen gen = {0};

static __always_inline __u64 mix(__u64 x)
{
    x *= 0x9e3779b97f4a7c15ull;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ull;
    return x ^ x >> 32;
}

static __always_inline __u16 fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)sum;
}

/* The acknowledgement of the cookie for a usual SYN; *ret_echo: what its TSval was. */
static __always_inline __u32 cookie_ack(const __u32 *src, const __u32 *dst, __be16 sport, __be16 dport, __u32 isn,
                                        __u32 *ret_echo)
{
    struct sw_cookie_opts o = {.mss = gen.v6 ? 1440 : 1460, .wscale = 7, .sack = 1, .ts = !!gen.stamps};
    struct sw_cookie_tuple f = {.sport = sport, .dport = dport, .isn = isn, .v6 = gen.v6};
    struct sw_cookie c;

    for (int i = 0; i < 4; i++) {
        if (i && !gen.v6)
            break;
        f.src[i] = src[i];
        f.dst[i] = dst[i];
    }
    sw_cookie_make(&gen.keys, &f, &o, bpf_ktime_get_ns(), &c);
    *ret_echo = c.tsval;
    return c.isn + 1;
}

static __always_inline int copy(void *data, void *end)
{
    __u64 *to = data;

    for (int i = 0; i < GEN_FRAME / 8; i++) {
        if ((void *)(to + i + 1) > end) {
            __u16 *rest = (void *)(to + i);

            for (int k = 0; k < 3; k++)
                if ((void *)(rest + k + 1) <= end)
                    rest[k] = ((__u16 *)gen.frame)[i * 4 + k];
            return 0;
        }
        to[i] = ((__u64 *)gen.frame)[i];
    }
    return 0;
}

SEC("xdp")
int gen_xdp(struct xdp_md *ctx)
{
    void *data, *end;
    __u32 at = gen.at++, ack = 0, echo = 0, tcp = gen.v6 ? 54 : 34, src_at = gen.v6 ? 34 : 26, isn, stamps = gen.stamps;
    __u64 h = mix(at), sum;
    __u32 *src;
    __be16 *t;
    __be32 *w;

    if (bpf_xdp_adjust_tail(ctx, -GEN_CUT))
        return XDP_ABORTED;
    data = (void *)(long)ctx->data;
    end = (void *)(long)ctx->data_end;
    copy(data, end);
    src = data + src_at;
    t = data + tcp;
    if ((void *)(src + 1) > end || (void *)t + 20 > end || data + 54 > end)
        return XDP_ABORTED;
    *src |= bpf_htonl((__u32)h & ((1u << (gen.src_bits & 31)) - 1));
    t[0] = bpf_htons(1024 + (__u16)(h >> 32) % 64000);
    isn = (__u32)(h >> 24) * 2654435761u;
    w = (__be32 *)t;
    if (gen.kind == GEN_ACK) {
        ack = (__u32)mix(h);
        echo = (__u32)(h >> 11);
    } else if (gen.kind == GEN_COOKIE) {
        if (gen.v6) {
            if (data + 54 > end)
                return XDP_ABORTED;
            ack = cookie_ack(data + 22, data + 38, t[0], t[1], isn, &echo);
        } else {
            ack = cookie_ack(data + 26, data + 30, t[0], t[1], isn, &echo);
        }
    }
    w[1] = bpf_htonl(gen.kind == GEN_SYN ? isn : isn + 1);
    w[2] = bpf_htonl(ack);
    sum = (__u64)gen.sum_tcp + (*src & bpf_htonl((1u << (gen.src_bits & 31)) - 1)) + t[0] + w[1] + w[2];
    if (stamps && stamps < GEN_FRAME - 8) {
        __be32 *ts = data + stamps;

        if ((void *)(ts + 2) > end)
            return XDP_ABORTED;
        ts[0] = bpf_htonl(at);
        ts[1] = bpf_htonl(echo);
        /* options lie an even number of bytes into the packet: words as they are */
        sum += (__u64)ts[0] + ts[1];
    }
    t[8] = (__u16)~fold(sum);
    if (!gen.v6) {
        __be16 *ip = data + 14;

        ip[5] = (__u16)~fold((__u64)gen.sum_ip + (*src & bpf_htonl((1u << (gen.src_bits & 31)) - 1)));
    }
    return bpf_redirect(gen.ifindex, 0);
}

SEC("xdp.frags")
int drop_xdp(struct xdp_md *ctx)
{
    (void)ctx;
    return XDP_DROP;
}

/* What others are measured over; another program than drop_xdp, for its own statistics. */
SEC("xdp.frags")
int empty_xdp(struct xdp_md *ctx)
{
    (void)ctx;
    return XDP_DROP;
}

/* The frame goes back with its Ethernet addresses swapped: the least that any answer costs. */
SEC("xdp.frags")
int turn_xdp(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    __u16 *m = data;

    if ((void *)(m + 6) > end)
        return XDP_DROP;
    for (int i = 0; i < 3; i++) {
        __u16 x = m[i];

        m[i] = m[i + 3];
        m[i + 3] = x;
    }
    return XDP_TX;
}

/* Pieces of an answer, each by itself, for IPv4: what its cookie takes, */
SEC("xdp.frags")
int cookie_xdp(struct xdp_md *ctx)
{
    struct sw_cookie_opts o = {.mss = 1460, .wscale = 7, .sack = 1, .ts = 1};
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sw_cookie_tuple f = {0};
    struct sw_cookie c;
    __be32 *ip = data + 26; /* source, destination, ports, sequence number */

    if ((void *)(ip + 5) > end)
        return XDP_ABORTED;
    f.src[0] = ip[0];
    f.dst[0] = ip[1];
    f.sport = (__be16)ip[2];
    f.dport = (__be16)(ip[2] >> 16);
    f.isn = bpf_ntohl(ip[3]);
    sw_cookie_make(&gen.keys, &f, &o, (__u64)gen.at << 30, &c);
    ip[3] = c.isn;
    ip[4] = c.tsval;
    return XDP_DROP;
}

/* and what reading the headers takes, as the tracker does it. */
SEC("xdp.frags")
int parse_xdp(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct sw_seg s = {.wscale = SW_WSCALE_NONE};
    struct sw_place at = {0};
    struct sw_key k;
    __be32 *ip = data + 26;

    if (sw_parse(data, end, end - data, 0, &k, &s, &at) != SW_FOUND_TCP || (void *)(ip + 2) > end)
        return XDP_ABORTED;
    ip[0] = s.seq ^ at.tcp ^ s.flags;
    ip[1] = *(__u32 *)&k.a_ip[12] ^ k.b_port ^ s.src_is_b;
    return XDP_DROP;
}
