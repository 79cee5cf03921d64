/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SHA-1 by the CPU's instructions: FIPS 180-4's example, and libmd's digests of messages of all lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sha1.h"

#include <string.h>
#include <sys/types.h>
#include <sha1.h>

static void test_example(void **state)
{
    static const __u8 want[SW_SHA1_LEN] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
                                           0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
    __u8 got[SW_SHA1_LEN];

    (void)state;
    sw_sha1((const __u8 *)"abc", 3, got);
    assert_memory_equal(got, want, SW_SHA1_LEN);
}

static void test_as_libmd(void **state)
{
    __u8 message[SW_SHA1_MOST], got[SW_SHA1_LEN], want[SW_SHA1_LEN];
    __u32 random = 1;
    SHA1_CTX ctx;

    (void)state;
    if (!sw_sha1_by_cpu())
        print_message("# this CPU has no such instructions: libmd is compared with itself\n");
    for (int i = 0; i < 20000; i++) {
        size_t len = i % (SW_SHA1_MOST + 1);

        for (size_t k = 0; k < len; k++)
            message[k] = (random = random * 1664525 + 1013904223) >> 24;
        sw_sha1(message, len, got);
        SHA1Init(&ctx);
        SHA1Update(&ctx, message, len);
        SHA1Final(want, &ctx);
        assert_memory_equal(got, want, SW_SHA1_LEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_as_libmd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
