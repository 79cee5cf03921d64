/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fills gen.bpf.c's frame, and lets it send: for syn.c and tests/lib/tool_flood.c. */
#ifndef SW_BENCH_GENRUN_H
#define SW_BENCH_GENRUN_H

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "gen.h"
#include "gen.skel.h"

#define GEN_BATCH 64

struct gen_spec {
    __u8 dst_mac[6], src_mac[6];
    __u8 src[16], dst[16]; /* IPv4: the first four bytes */
    __u16 port;
    __u32 src_bits;
    const __u8 *options; /* a multiple of 4 bytes; the TSval and TSecr in them are zero */
    __u32 options_len;
    __u32 stamps_at; /* of the TSval in the options, 0: none */
    enum gen_kind kind;
    bool v6;
};

static inline __u32 gen_sum(const __u8 *p, size_t len)
{
    __u64 sum = 0;
    __u16 word;

    for (size_t i = 0; i + 1 < len; i += 2) {
        memcpy(&word, p + i, 2);
        sum += word;
    }
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (__u32)sum;
}

static inline void gen_fill(struct gen *g, const struct gen_spec *s)
{
    __u32 tcp = s->v6 ? 54 : 34, tcp_len = 20 + s->options_len, addr = s->v6 ? 16 : 4, words[2];
    __u8 *f = g->frame;

    memset(g, 0, sizeof(*g));
    g->len = tcp + tcp_len < 60 ? 60 : tcp + tcp_len;
    g->kind = s->kind;
    g->v6 = s->v6;
    g->src_bits = s->src_bits;
    g->stamps = s->stamps_at ? tcp + 20 + s->stamps_at : 0;
    memcpy(f, s->dst_mac, 6);
    memcpy(f + 6, s->src_mac, 6);
    if (s->v6) {
        const __u8 head[8] = {0x60, 0, 0, 0, 0, (__u8)tcp_len, 6, 64};

        memcpy(f + 12, "\x86\xdd", 2);
        memcpy(f + 14, head, 8);
    } else {
        const __u8 head[10] = {0x45, 0, 0, (__u8)(20 + tcp_len), 0, 0, 0x40, 0, 64, 6};

        memcpy(f + 12, "\x08\x00", 2);
        memcpy(f + 14, head, 10);
    }
    memcpy(f + tcp - 2 * addr, s->src, addr);
    memcpy(f + tcp - addr, s->dst, addr);
    f[tcp + 2] = (__u8)(s->port >> 8);
    f[tcp + 3] = (__u8)s->port;
    f[tcp + 12] = (__u8)(tcp_len / 4 << 4);
    f[tcp + 13] = s->kind == GEN_SYN ? 0x02 : 0x10;
    f[tcp + 14] = f[tcp + 15] = 0xfa;
    memcpy(f + tcp + 20, s->options, s->options_len);
    words[0] = htonl(tcp_len);
    words[1] = htonl(6);
    g->sum_ip = gen_sum(f + 14, 20);
    g->sum_tcp = gen_sum(f + tcp - 2 * addr, 2 * addr + tcp_len) + gen_sum((__u8 *)words, 8);
}

/* Sends n frames from the CPU that this runs on. 0 or -errno. */
static inline int gen_send(struct gen_bpf *obj, __u32 n)
{
    struct xdp_md md = {.data_end = obj->bss->gen.len + GEN_CUT};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = obj->bss->gen.frame, .data_size_in = obj->bss->gen.len + GEN_CUT,
                .ctx_in = &md, .ctx_size_in = sizeof(md), .repeat = (int)n, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
                .batch_size = GEN_BATCH);

    return bpf_prog_test_run_opts(bpf_program__fd(obj->progs.gen_xdp), &run) ? -errno : 0;
}

#endif
