/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/conn_id.h"
#include "base/ip.h"
#include "base/sha1.h"
#include "synward_siphash.h"

#include <endian.h>
#include <string.h>

static __u64 end_half(struct sw_sip *s)
{
    for (int i = 0; i < 4; i++)
        sw_sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void sw_siphash128(const __u64 key[2], const void *data, size_t len, __u64 ret_hash[2])
{
    const __u8 *in = data;
    __u64 last = (__u64)len << 56, m;
    size_t left = len;
    struct sw_sip s;

    sw_sip_begin(&s, key);
    s.v1 ^= 0xee;
    for (; left >= 8; left -= 8, in += 8) {
        memcpy(&m, in, 8);
        sw_sip_word(&s, le64toh(m));
    }
    for (size_t i = 0; i < left; i++)
        last |= (__u64)in[i] << (8 * i);
    sw_sip_word(&s, last);
    s.v2 ^= 0xee;
    ret_hash[0] = end_half(&s);
    s.v1 ^= 0xdd;
    ret_hash[1] = end_half(&s);
}

static void put_base62(char *p, __u64 v, int digits)
{
    static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    for (; digits > 0; digits -= 3) { /* three from one division of 64 bits: each has to wait for the one before */
        __u32 three = v % (62 * 62 * 62);

        v /= 62 * 62 * 62;
        for (int i = digits - 1; i >= 0 && i >= digits - 3; i--, three /= 62)
            p[i] = base62[three % 62];
    }
}

static void uid_hash(const struct sw_key *key, __u64 start_ns, __u64 ret_hash[2])
{
    /* Fixed, so that each instance on a host names a connection alike; the uid is a name, not a secret. */
    static const __u64 fixed[2] = {0x73796e7761726421ULL, 0x756964206f6e6521ULL};
    __u8 in[sizeof(*key) + sizeof(start_ns)];
    const __u64 start = htole64(start_ns);

    memcpy(in, key, sizeof(*key));
    memcpy(in + sizeof(*key), &start, sizeof(start));
    sw_siphash128(fixed, in, sizeof(in), ret_hash);
}

bool sw_uid_is_sampled(const struct sw_key *key, __u64 start_ns, __u32 one_of)
{
    static const __u64 uids = 218340105584896ULL; /* 62^8: of so many last eight digits */
    __u64 hash[2];

    uid_hash(key, start_ns, hash);
    return !(hash[1] % uids % one_of);
}

char *sw_put_uid(char *p, const struct sw_key *key, __u64 start_ns)
{
    __u64 hash[2];

    uid_hash(key, start_ns, hash);
    *p = 'C';
    put_base62(p + 1, hash[0], 9);
    put_base62(p + 10, hash[1], 8);
    return p + SW_UID_LEN;
}

void sw_format_uid(const struct sw_key *key, __u64 start_ns, char *buf)
{
    *sw_put_uid(buf, key, start_ns) = 0;
}

static char *put_base64_sha1(char *p, const __u8 in[SW_SHA1_LEN])
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int i;

    for (i = 0; i + 3 <= SW_SHA1_LEN; i += 3) {
        unsigned int v = in[i] << 16 | in[i + 1] << 8 | in[i + 2];

        *p++ = base64[v >> 18];
        *p++ = base64[v >> 12 & 63];
        *p++ = base64[v >> 6 & 63];
        *p++ = base64[v & 63];
    }
    /* 20 = 6 * 3 + 2 */
    *p++ = base64[in[i] >> 2];
    *p++ = base64[(in[i] & 3) << 4 | in[i + 1] >> 4];
    *p++ = base64[(in[i + 1] & 15) << 2];
    *p++ = '=';
    return p;
}

/*
 * Community ID v1: SHA-1 over seed, lower endpoint's address, higher one's, protocol, a zero, both
 * ports. The order of endpoints is the key's own, so who opened the connection does not matter.
 */
char *sw_put_community_id(char *p, const struct sw_key *key, __u16 seed)
{
    __u8 in[2 + 16 + 16 + 2 + 4], digest[SW_SHA1_LEN];
    size_t skip = sw_ip_is_v4(key->a_ip) && sw_ip_is_v4(key->b_ip) ? 12 : 0;
    size_t n = 0;

    in[n++] = seed >> 8;
    in[n++] = seed & 0xff;
    memcpy(in + n, key->a_ip + skip, 16 - skip);
    n += 16 - skip;
    memcpy(in + n, key->b_ip + skip, 16 - skip);
    n += 16 - skip;
    in[n++] = 6;
    in[n++] = 0;
    memcpy(in + n, &key->a_port, 2);
    memcpy(in + n + 2, &key->b_port, 2);
    n += 4;
    sw_sha1(in, n, digest);
    *p++ = '1';
    *p++ = ':';
    return put_base64_sha1(p, digest);
}

void sw_format_community_id(const struct sw_key *key, __u16 seed, char *buf)
{
    *sw_put_community_id(buf, key, seed) = 0;
}
