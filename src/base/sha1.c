/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/sha1.h"

#include <endian.h>
#include <string.h>
#include <sys/types.h>
#include <sha1.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

bool sw_sha1_by_cpu(void)
{
    static int known; /* 1 + whether it has them */
    unsigned int a, b, c, d;

    if (!known)
        known = 1 + (__get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1 && __builtin_cpu_supports("sse4.1"));
    return known > 1;
}

/* Four rounds at a time: group g of 20 takes the words w[g], the first one in the highest lane. */
#define GROUPS_OF_FIVE(first, kind)                                                                                    \
    for (int g = (first); g < (first) + 5; g++) {                                                                      \
        const __m128i before = abcd;                                                                                   \
                                                                                                                       \
        abcd = _mm_sha1rnds4_epu32(abcd, g ? _mm_sha1nexte_epu32(e, w[g]) : _mm_add_epi32(e, w[0]), kind);             \
        e = before;                                                                                                    \
    }

__attribute__((target("sha,sse4.1"))) static void block_by_cpu(const __u8 block[64], __u8 ret_digest[SW_SHA1_LEN])
{
    const __m128i reversed = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    const __m128i begun = _mm_set_epi32(0x67452301, (int)0xefcdab89, (int)0x98badcfe, 0x10325476);
    const __m128i begun_e = _mm_set_epi32((int)0xc3d2e1f0, 0, 0, 0);
    __m128i w[20], abcd = begun, e = begun_e;
    __be32 last;

    for (int g = 0; g < 4; g++)
        w[g] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + g), reversed);
    for (int g = 4; g < 20; g++)
        w[g] = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(w[g - 4], w[g - 3]), w[g - 2]), w[g - 1]);
    GROUPS_OF_FIVE(0, 0)
    GROUPS_OF_FIVE(5, 1)
    GROUPS_OF_FIVE(10, 2)
    GROUPS_OF_FIVE(15, 3)
    _mm_storeu_si128((__m128i *)ret_digest, _mm_shuffle_epi8(_mm_add_epi32(abcd, begun), reversed));
    last = htobe32((__u32)_mm_extract_epi32(_mm_sha1nexte_epu32(e, begun_e), 3));
    memcpy(ret_digest + 16, &last, sizeof(last));
}
#else
bool sw_sha1_by_cpu(void)
{
    return false;
}

static void block_by_cpu(const __u8 block[64], __u8 ret_digest[SW_SHA1_LEN])
{
    (void)block;
    (void)ret_digest;
}
#endif

void sw_sha1(const __u8 *message, size_t len, __u8 ret_digest[SW_SHA1_LEN])
{
    const __be64 bits = htobe64(8 * len);
    __u8 block[64] = {0};
    SHA1_CTX ctx;

    if (sw_sha1_by_cpu()) {
        memcpy(block, message, len);
        block[len] = 0x80;
        memcpy(block + 56, &bits, sizeof(bits));
        return block_by_cpu(block, ret_digest);
    }
    SHA1Init(&ctx);
    SHA1Update(&ctx, message, len);
    SHA1Final(ret_digest, &ctx);
}
