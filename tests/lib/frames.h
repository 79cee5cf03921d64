/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames for the tests of packet/: parsed from an allocation of their own size. */
#ifndef SW_TEST_FRAMES_H
#define SW_TEST_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pkt.h"
#include "packet/parse.h"
#include "packet/tunnel.h"

#include <stdlib.h>
#include <string.h>

#define TEST(name) static void name(void **state __attribute__((unused)))

struct result {
    enum sw_found found;
    struct sw_key key;
    struct sw_seg seg;
    struct sw_place at;
};

/* The frame in an allocation of its own size, so that ASan sees any byte read beyond it. */
static inline struct result parse(const void *frame, size_t len, size_t frame_len, bool decap)
{
    struct result r = {0};
    struct sw_inner inner = {0};
    __u8 *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, frame, len);
    if (decap)
        sw_decap(copy, copy + len, &inner);
    r.found = sw_parse(copy, copy + len, frame_len, decap ? &inner : NULL, &r.key, &r.seg, &r.at);
    free(copy);
    return r;
}

static inline struct pkt v4(void)
{
    struct pkt p = {.sport = 40000, .dport = 80, .seq = 0xfffffff0, .ack = 7, .flags = TH_ACK_ | TH_PSH_, .win = 500};

    pkt_v4(p.src, 0x0a000001);
    pkt_v4(p.dst, 0x0a000002);
    p.payload = 100;
    return p;
}

static inline struct pkt v6(void)
{
    struct pkt p = v4();

    p.v6 = true;
    memset(p.src, 0, 16);
    memset(p.dst, 0, 16);
    memcpy(p.src, "\x20\x01\x0d\xb8", 4);
    memcpy(p.dst, "\x20\x01\x0d\xb8", 4);
    p.src[15] = 1;
    p.dst[15] = 2;
    return p;
}

static __u8 frame[PKT_MAX_FRAME];

static inline struct pkt variant(int i)
{
    struct pkt p = i & 1 ? v6() : v4();

    p.no_padding = true;
    switch (i / 2) {
    case 1: pkt_opt_usual(&p, 1460, 7); break;
    case 2:
        p.vlans = 1;
        p.vlan[0] = 5;
        break;
    case 3:
        p.vlans = 2;
        p.vlan[0] = 100;
        p.vlan[1] = 4094;
        break;
    case 4:
        p.fragment = true;
        p.more_frags = true;
        break;
    case 5:
        if (p.v6) {
            pkt_ext(&p, SW_IP_HOPOPT, 8);
            pkt_ext(&p, SW_IP_DSTOPTS, 16);
            pkt_ext(&p, SW_IP_AH, 24);
        } else {
            p.ip_opts_len = 40;
            memset(p.ip_opts, 1, 40);
        }
        break;
    case 6: p.flags = 0x1ff; break;
    case 7: p.payload = 0; break;
    }
    return p;
}

#endif
