/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The benchmark's traffic: rewrites the test run's frame into the next segment of a script, then goes
 * to the program in slot 0 by tail call. With `empty` there its cost is known and can be taken off; with
 * the same frame again and again every data segment after the first would be a retransmission.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "drive.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct drive drive = {0};

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} next_xdp SEC(".maps"), next_skb SEC(".maps");

struct head4 {
    __u8 eth[14];
    __u8 ver_ihl, tos;
    __be16 len;
    __u8 id_frag[4], ttl, proto;
    __be16 sum;
    __be32 src, dst;
} __attribute__((packed));

struct head6 {
    __u8 eth[14];
    __u8 ver_flow[4];
    __be16 len;
    __u8 next, hops;
    __u8 src_net[12];
    __be32 src;
    __u8 dst_net[12];
    __be32 dst;
} __attribute__((packed));

struct head_tcp {
    __be16 sport, dport;
    __be32 seq, ack;
    __be16 bits, win, sum, urg;
} __attribute__((packed));

static __always_inline void set_tcp(struct head_tcp *t, const struct drive_step *s, __u32 conn, __u32 round)
{
    __be16 client = bpf_htons(1024 + (conn & 0x7fff)), server = bpf_htons(443);
    __u32 isn_client = conn * 0x9e3779b1u, isn_server = conn * 0x85ebca6bu;
    __u32 seq = s->seq + round * s->seq_adv, ack = s->ack + round * s->ack_adv;

    t->sport = s->by_server ? server : client;
    t->dport = s->by_server ? client : server;
    t->seq = bpf_htonl(seq + (s->by_server ? isn_server : isn_client));
    t->ack = bpf_htonl(ack + (s->by_server ? isn_client : isn_server));
    t->bits = bpf_htons(s->bits);
}

static __always_inline __u16 fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

/* With the guard, a header with a wrong sum is not followed. */
static __always_inline void set_ip_sum(struct head4 *h)
{
    __u16 *w = (void *)&h->ver_ihl;
    __u64 sum = 0;

    h->sum = 0;
    asm volatile("" ::: "memory"); /* the words below are read as another type */
    for (__u32 i = 0; i < 10; i++)
        sum += w[i];
    h->sum = ~fold(sum);
}

/* Of a segment without payload, for the guard looks at that of the ACK that completes a handshake. */
static __always_inline void set_sum(struct head_tcp *t, const struct drive_step *s, __u64 addresses, void *end)
{
    __u32 words = s->bits >> 12, payload = s->ip_len - 20 - words * 4;
    __be32 *w = (void *)t;
    __u64 sum = addresses + bpf_htonl(6u << 16 | words * 4);

    if (payload || words > 10)
        return;
    t->sum = 0;
    asm volatile("" ::: "memory"); /* the words below are read as another type */
    for (__u32 i = 0; i < 10; i++) {
        if (i >= words || (void *)(w + i + 1) > end)
            break;
        sum += w[i];
    }
    t->sum = ~fold(sum);
}

static __always_inline void rewrite(void *data, void *end)
{
    __u32 at = drive.at, conn, round;
    const struct drive_step *s;
    __be32 client, server = bpf_htonl(0x0a630001);

    if (drive.still)
        return;
    if (at >= drive.steps) {
        at = 0;
        drive.conn++;
    }
    conn = drive.conn * drive.stir & drive.mask;
    round = drive.mask == ~0u ? 0 : drive.conn >> drive.shift;
    s = &drive.step[at & (DRIVE_STEPS - 1)];
    drive.at = at + 1;
    client = bpf_htonl(0x0a000001 + (conn >> 15));
    if (drive.six) {
        struct head6 *h = data;
        struct head_tcp *t = (void *)(h + 1);

        if ((void *)(t + 1) > end)
            return;
        h->len = bpf_htons(s->ip_len - 20);
        h->src = s->by_server ? server : client;
        h->dst = s->by_server ? client : server;
        set_tcp(t, s, conn, round);
        set_sum(t, s, (__u64)client + server + 2ull * bpf_htonl(0x20010000), end);
    } else {
        struct head4 *h = data;
        struct head_tcp *t = (void *)(h + 1);

        if ((void *)(t + 1) > end)
            return;
        h->len = bpf_htons(s->ip_len);
        h->src = s->by_server ? server : client;
        h->dst = s->by_server ? client : server;
        set_ip_sum(h);
        set_tcp(t, s, conn, round);
        set_sum(t, s, (__u64)client + server, end);
    }
}

SEC("xdp.frags")
int drive_xdp(struct xdp_md *ctx)
{
    rewrite((void *)(long)ctx->data, (void *)(long)ctx->data_end);
    bpf_tail_call(ctx, &next_xdp, 0);
    return XDP_ABORTED;
}

SEC("xdp.frags")
int empty_xdp(struct xdp_md *ctx)
{
    (void)ctx;
    return XDP_PASS;
}

SEC("tc")
int drive_skb(struct __sk_buff *skb)
{
    rewrite((void *)(long)skb->data, (void *)(long)skb->data_end);
    bpf_tail_call(skb, &next_skb, 0);
    return TC_ACT_SHOT;
}

SEC("tc")
int empty_skb(struct __sk_buff *skb)
{
    (void)skb;
    return TC_ACT_UNSPEC;
}
