/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Key files. What is taken is one or two keys, older first, as the digits say; what is refused names its line and never
 * quotes a key. From the keys comes a map value by which old cookies still count.
 */
#include "fuzz.h"

#include "guard/keys.h"

#include <ctype.h>
#include <errno.h>

enum { DIGITS = 32 };

/* The key is what digits of the file say, in their order. */
static void check_digits(const __u8 *data, size_t size, const struct sw_key_line *line)
{
    char want[DIGITS + 1];

    for (int i = 0; i < 16; i++)
        snprintf(want + 2 * i, 3, "%02x", (unsigned)(line->key[i / 8] >> (i % 8 * 8) & 0xff));
    for (size_t at = 0; at + DIGITS <= size; at++)
        if (!strncasecmp((const char *)data + at, want, DIGITS))
            return;
    fuzz_fail(__FILE__, __LINE__, "a key of the file", "%s is not in it", want);
}

/* No eight digits of the file in a row are in the message: the path has none. */
static void check_secret(const __u8 *data, size_t size, const char *error)
{
    for (size_t at = 0; at + 8 <= size; at++) {
        bool hex = true;

        for (int i = 0; i < 8; i++)
            hex &= !!isxdigit(data[at + i]);
        holds(!hex || !memmem(error, strlen(error), data + at, 8), "quotes a key: %s", error);
    }
}

static void check_value(const struct sw_key_line *lines, size_t len, __u64 now)
{
    struct sw_keys keys;
    __u32 epoch = (__u32)(now >> SW_EPOCH_SHIFT), renewed;

    sw_keys_from_lines(lines, len, now, &keys);
    holds(!memcmp(keys.key[1], lines[len - 1].key, 16) && !memcmp(keys.key[0], lines[0].key, 16), "other keys");
    holds(!keys.pad, "pad %u", keys.pad);
    if (len == 2) { /* never before its second, and less than an epoch after it */
        __u64 from = (__u64)lines[1].from * 1000000000ull, begins = (__u64)keys.since << SW_EPOCH_SHIFT;

        holds(begins >= from && begins - from < 1ull << SW_EPOCH_SHIFT, "%llu ns begins at %llu", from, begins);
    } else {
        holds(keys.since == epoch, "since %u at epoch %u", keys.since, epoch);
    }
    renewed = keys.since;
    if ((__s32)(epoch - keys.since) < 2) {
        holds(sw_keys_renew(&keys, now) == -EAGAIN && keys.since == renewed, "renewed too early");
    } else {
        holds(!sw_keys_renew(&keys, now) && keys.since == epoch + 2, "since %u at epoch %u", keys.since, epoch);
        holds(!memcmp(keys.key[0], lines[len - 1].key, 16), "the key before is not kept");
    }
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    __u64 now = fuzz_u64(&in) >> 1;
    struct sw_key_line lines[2];
    size_t text = fuzz_left(&in), len;
    char error[300] = "";
    int err = sw_keys_read(fuzz_file(in.at, text), lines, &len, error, sizeof(error));

    if (err) {
        holds(!len, "%zu keys in spite of error %d", len, err);
        holds(err == -EINVAL || err == -EFBIG, "error %d", err);
        fuzz_one_line(error);
        check_secret(in.at, text, error);
        return 0;
    }
    holds(len == 1 || len == 2, "%zu keys", len);
    holds(len == 1 || lines[0].from <= lines[1].from, "from %lld, then %lld", lines[0].from, lines[1].from);
    for (size_t i = 0; i < len; i++) {
        holds(lines[i].from >= 0 && lines[i].from < 10000000000ll, "from %lld", lines[i].from);
        holds(lines[i].key[0] | lines[i].key[1], "a key of zeros");
        check_digits(in.at, text, &lines[i]);
    }
    check_value(lines, len, now);
    return 0;
}
