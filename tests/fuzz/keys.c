/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Key files. What is taken are keys in the order of their times, as the digits say, far enough from each other; what is
 * refused names its line and never quotes a key. From the keys comes a map value by which every cookie that may be
 * about has its key.
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

static const __u64 *key_of(const struct sw_keys *keys, __u32 epoch)
{
    return keys->key[(__s32)(epoch - keys->since) >= 0];
}

static bool is_bound(const struct sw_keys *keys, __u32 epoch)
{
    return keys->bound >> ((__s32)(epoch - keys->since) >= 0) & 1;
}

/* Which key makes the cookies of an epoch: the first one also those before its time. */
static const struct sw_key_line *truth(const struct sw_key_set *set, __u32 epoch)
{
    size_t i = set->len - 1;

    while (i && sw_key_epoch(set->line[i].from) > epoch)
        i--;
    return &set->line[i];
}

static void check_value(const struct sw_key_set *set, __u64 now)
{
    const __u32 epoch = (__u32)(now >> SW_EPOCH_SHIFT);
    struct sw_key_note notes[SW_KEY_LINES + 1];
    struct sw_keys keys;

    sw_keys_from_lines(set->line, set->len, now, &keys);
    if (epoch > 2)
        for (__u32 e = epoch - 1; e <= epoch + 1; e++) {
            const struct sw_key_line *line = truth(set, e);

            holds(!memcmp(key_of(&keys, e), line->key, 16), "another key in epoch %u at %u", e, epoch);
            holds(is_bound(&keys, e) == (line->version == 2), "another version in epoch %u at %u", e, epoch);
        }
    sw_keys_notes(set, notes);
    for (size_t i = 0; i < set->len; i++) { /* never before its second, and less than an epoch after it */
        __u64 from = (__u64)set->line[i].from * 1000000000ull, begins = (__u64)notes[i].since << SW_EPOCH_SHIFT;

        holds(begins >= from && begins - from < 1ull << SW_EPOCH_SHIFT, "%llu ns begins at %llu", from, begins);
        holds(notes[i].fingerprint == sw_key_fingerprint(&set->line[i]), "another fingerprint");
    }
}

/*
 * Of a file that is replaced by another one: the cookies of the one before remain good, unless the new one says that
 * its key always counted, or its key begins in the epoch after the one in which the last key of the old file has begun:
 * that would be three keys at once, and two have a place.
 */
static void check_change(const struct sw_key_set *was, struct sw_key_set *set, __u64 now)
{
    const __u32 epoch = (__u32)(now >> SW_EPOCH_SHIFT);
    const __u32 first = sw_key_epoch(set->line[0].from);
    struct sw_keys before, keys;
    bool preceded;
    size_t len = set->len;

    sw_keys_from_lines(was->line, was->len, now, &before);
    preceded = sw_keys_precede(set, &before, now);
    holds(set->len == len + preceded && set->len <= SW_KEY_LINES + 1, "%llu keys", set->len);
    sw_keys_from_lines(set->line, set->len, now, &keys);
    if (first && epoch > 2 && epoch - 1 < first && (before.since != epoch || first <= epoch))
        holds(!memcmp(key_of(&keys, epoch - 1), key_of(&before, epoch - 1), 16) &&
                  is_bound(&keys, epoch - 1) == is_bound(&before, epoch - 1),
              "the key before is lost");
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    __u64 now = fuzz_u64(&in) >> 1;
    struct sw_key_set set, was = {.line = {{.key = {1, 2}}, {.key = {3, 4}, .from = 1700000000}}, .len = 2};
    size_t text = fuzz_left(&in);
    char error[300] = "";
    int err = sw_keys_read(fuzz_file(in.at, text), &set, NULL, error, sizeof(error));

    if (err) {
        holds(!set.len, "%llu keys in spite of error %d", set.len, err);
        holds(err == -EINVAL || err == -EFBIG, "error %d", err);
        fuzz_one_line(error);
        check_secret(in.at, text, error);
        return 0;
    }
    holds(set.len >= 1 && set.len <= SW_KEY_LINES, "%llu keys", set.len);
    for (size_t i = 0; i < set.len; i++) {
        const __s64 from = set.line[i].from, before = i ? set.line[i - 1].from : 0;

        holds(from >= before && from < 10000000000ll, "from %lld after %lld", from, before);
        holds(!before || from - before >= SW_KEYS_APART, "from %lld and %lld", before, from);
        holds(set.line[i].key[0] | set.line[i].key[1], "a key of zeros");
        check_digits(in.at, text, &set.line[i]);
    }
    check_value(&set, now);
    check_change(&was, &set, now);
    return 0;
}
