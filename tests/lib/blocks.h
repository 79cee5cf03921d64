/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A reader of pcapng for the tests, strict: what is not exactly as we write it fails. */
#ifndef SW_TEST_BLOCKS_H
#define SW_TEST_BLOCKS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "synward.h"

#include <stdio.h>
#include <string.h>

struct seen {
    int sections, frames, ifaces;
    char iface_name[8][16];
    __u32 iface[64], cap[64], len[64]; /* by frame */
    __u64 ts[64];
    char comment[64][80];
    __u8 last[SW_CAPTURE_BYTES];
};

static __u32 get32(const __u8 *p)
{
    __u32 value;

    memcpy(&value, p, sizeof(value));
    return value;
}

/* The option's value and *ret_len; NULL: not there. */
static const __u8 *option(const __u8 *p, const __u8 *end, __u16 code, __u16 *ret_len)
{
    const __u8 *found = NULL;
    __u16 head[2];

    for (;;) {
        assert_true(p + 4 <= end);
        memcpy(head, p, 4);
        p += 4;
        if (!head[0]) {
            assert_int_equal(head[1], 0);
            assert_ptr_equal(p, end); /* the end of options is the end of the block */
            return found;
        }
        if (head[0] == code) {
            found = p;
            *ret_len = head[1];
        }
        for (int i = head[1]; i % 4; i++)
            assert_int_equal(p[i], 0);
        p += (head[1] + 3) & ~3;
    }
}

static void read_interface(const __u8 *body, const __u8 *end, struct seen *s)
{
    const __u8 *value;
    __u16 len = 0;

    assert_int_equal(get32(body), 1); /* Ethernet, reserved 0 */
    assert_int_equal(get32(body + 4), SW_CAPTURE_BYTES);
    value = option(body + 8, end, 2, &len);
    assert_non_null(value);
    snprintf(s->iface_name[s->ifaces++], 16, "%.*s", len, value);
    value = option(body + 8, end, 9, &len);
    assert_non_null(value);
    assert_int_equal(len, 1);
    assert_int_equal(*value, 9);
}

static void read_packet(const __u8 *body, const __u8 *end, struct seen *s)
{
    __u32 cap = get32(body + 12);
    int n = s->frames++;
    const __u8 *value;
    __u16 len = 0;

    assert_true(n < 64);
    s->iface[n] = get32(body);
    assert_true((int)s->iface[n] < s->ifaces); /* its interface came before it */
    s->ts[n] = (__u64)get32(body + 4) << 32 | get32(body + 8);
    s->cap[n] = cap;
    s->len[n] = get32(body + 16);
    assert_true(cap <= SW_CAPTURE_BYTES);
    memcpy(s->last, body + 20, cap);
    for (__u32 i = cap; i % 4; i++)
        assert_int_equal(body[20 + i], 0);
    value = option(body + 20 + ((cap + 3) & ~3u), end, 1, &len);
    assert_non_null(value);
    snprintf(s->comment[n], 80, "%.*s", len, value);
    value = option(body + 20 + ((cap + 3) & ~3u), end, 2, &len);
    assert_non_null(value);
    assert_int_equal(len, 4);
    assert_int_equal(get32(value), 1); /* inbound */
}

/* Every block is whole, its two lengths agree, nothing follows the last. Returns the file's size. */
static size_t read_all(const char *path, struct seen *s)
{
    static __u8 bytes[1 << 20];
    size_t size, at = 0;
    __u16 len = 0;
    FILE *f = fopen(path, "r");

    memset(s, 0, sizeof(*s));
    assert_non_null(f);
    size = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    while (at < size) {
        const __u8 *p = bytes + at, *end;
        __u32 total;

        assert_true(at + 12 <= size);
        total = get32(p + 4);
        assert_int_equal(total % 4, 0);
        assert_true(total >= 12 && at + total <= size);
        end = p + total - 4;
        assert_int_equal(get32(end), total);
        if (get32(p) == 0x0a0d0d0a) {
            assert_int_equal(at, 0);
            assert_int_equal(get32(p + 8), 0x1a2b3c4d);
            assert_memory_equal(p + 12, ((const __u16[2]){1, 0}), 4); /* version */
            assert_memory_equal(p + 16, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
            assert_non_null(option(p + 24, end, 4, &len));
            s->sections++;
        } else if (get32(p) == 1) {
            read_interface(p + 8, end, s);
        } else {
            assert_int_equal(get32(p), 6);
            read_packet(p + 8, end, s);
        }
        at += total;
    }
    assert_int_equal(s->sections, 1);
    return size;
}

#endif
