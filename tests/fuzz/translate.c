/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The translation of headers (gateway/head.h), with any bytes as options and any entry: there and back is the same
 * header, the client's numbers and the ports stay, nothing beyond the header is touched, and what changes of the
 * options is what a second, plain reading says.
 */
#include "fuzz.h"

#include "gateway/head.h"
#include "gateway/machine.h"

static __u32 get(const __u8 *p)
{
    return (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
}

static void put(__u8 *p, __u32 v)
{
    p[0] = (__u8)(v >> 24), p[1] = (__u8)(v >> 16), p[2] = (__u8)(v >> 8), p[3] = (__u8)v;
}

/* RFC 9293 section 3.1: kind, length, the rest; what does not fit ends the list. */
static void plain_options(__u8 *p, __u32 len, __u32 sack, __u32 tsval, __u32 tsecr)
{
    for (__u32 at = 0; at < len;) {
        __u32 room = len - at, n;

        if (p[at] == 0)
            return;
        if (p[at] == 1) {
            at++;
            continue;
        }
        if (room < 2 || p[at + 1] < 2 || p[at + 1] > room)
            return;
        n = p[at + 1];
        if (p[at] == 8 && n == 10) {
            put(p + at + 2, get(p + at + 2) + tsval);
            put(p + at + 6, get(p + at + 6) + tsecr);
        }
        for (__u32 i = 0; p[at] == 5 && i < 8 && 6 + 4 * i <= n; i++)
            put(p + at + 2 + 4 * i, get(p + at + 2 + 4 * i) + sack);
        at += n;
    }
}

static void check(const struct sw_head *was, const struct sw_head *h, const __u8 *options, const char *way)
{
    holds(h->len == was->len, "%s: length %u of %u", way, h->len, was->len);
    holds(!memcmp(h->byte + 20, options, was->len - 20), "%s: options differ", way);
    holds(!memcmp(h->byte + was->len, was->byte + was->len, sizeof(h->byte) - was->len), "%s: beyond the header", way);
    holds(h->word[0] == was->word[0] && h->half[SW_HEAD_FLAGS] == was->half[SW_HEAD_FLAGS] &&
              h->half[SW_HEAD_CHECK] == was->half[SW_HEAD_CHECK],
          "%s: ports, flags or checksum", way);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct fuzz_in bytes = {data, data + size};
    struct sw_head h = {0}, was;
    struct sw_xlate x = {0};
    __u8 options[40];
    __u32 ack;

    x.delta = fuzz_u32(&bytes);
    x.dts = fuzz_u32(&bytes);
    h.len = 20 + fuzz_u8(&bytes) % 11 * 4;
    fuzz_take(&bytes, h.byte, h.len);
    was = h;
    ack = sw_head_flags(&h) & SW_TCP_ACK;
    memcpy(options, h.byte + 20, sizeof(options));
    sw_head_to_backend(&h, &x);
    plain_options(options, h.len - 20, -x.delta, 0, ack ? -x.dts : 0);
    check(&was, &h, options, "to the backend");
    holds(get(h.byte + 4) == get(was.byte + 4), "the client's number");
    holds(get(h.byte + 8) == get(was.byte + 8) - (ack ? x.delta : 0), "what it acknowledges");
    x.delta = -x.delta, x.dts = -x.dts;
    sw_head_to_backend(&h, &x);
    holds(!memcmp(h.byte, was.byte, sizeof(h.byte)), "not the same after both ways");
    memcpy(options, h.byte + 20, sizeof(options));
    sw_head_to_client(&h, &x);
    plain_options(options, h.len - 20, 0, x.dts, 0);
    check(&was, &h, options, "to the client");
    holds(get(h.byte + 4) == get(was.byte + 4) + x.delta, "the backend's number");
    holds(get(h.byte + 8) == get(was.byte + 8), "what it acknowledges");
    return 0;
}
