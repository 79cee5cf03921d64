/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pseudo-header of the checksum, against what was built. */
#include "frames.h"

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "pkt.c" /* its own sums */
#include "packet/checksum.h"

TEST(checksum_of_what_was_built)
{
    for (int i = 0; i < 16; i++) {
        for (int bad = 0; bad < 2; bad++) {
            struct pkt p = variant(i);
            struct result r;
            __u32 sum;
            __u16 naive;
            size_t len;

            p.payload = 100 + i; /* odd lengths too */
            p.bad_checksum = bad;
            len = pkt_build(&p, frame, sizeof(frame));
            r = parse(frame, len, len, false);
            assert_int_equal(r.found, SW_FOUND_TCP);
            naive = ~fold(pseudo_sum(&p, r.at.tcp_len)); /* fold complements */
            sum = sw_csum_pseudo(&r.key, r.at.tcp_len, r.at.v6);
            assert_int_equal(sw_csum_fold(sum), htons(naive));
            sum = sw_csum_fold(sum);
            for (__u32 b = 0; b < r.at.tcp_len; b += 2) {
                __u16 word = 0;

                memcpy(&word, frame + r.at.tcp + b, b + 1 < r.at.tcp_len ? 2 : 1);
                sum += word;
            }
            assert_int_equal(sw_csum_fold(sum) == 0xffff, !bad);
        }
    }
}

/* BIG TCP: the length does not fit in 16 bits, both halves count. */
TEST(checksum_of_a_long_segment)
{
    struct sw_key key = {0};

    assert_int_equal(sw_csum_fold(sw_csum_pseudo(&key, 0x00012345, 1)), htons(6 + 1 + 0x2345));
    memset(&key, 0xff, sizeof(key)); /* the largest sum does not overflow 32 bits */
    assert_int_equal(sw_csum_fold(sw_csum_pseudo(&key, 0, 1)), htons(6));
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(checksum_of_what_was_built),
        cmocka_unit_test(checksum_of_a_long_segment),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
