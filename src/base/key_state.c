/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/key_state.h"

#include "base/fmt.h"

struct sw_key_state sw_key_state_at(const struct sw_key_note *notes, size_t len, __u64 real_ns)
{
    const __u32 epoch = (__u32)(real_ns >> SW_EPOCH_SHIFT);
    struct sw_key_state ret = {.given = len};
    size_t now = 0;

    if (!len)
        return ret;
    while (now + 1 < len && notes[now + 1].since <= epoch)
        now++;
    ret.now = notes[now].fingerprint;
    ret.from = sw_epoch_begins(notes[now].since);
    ret.next = now + 1 < len;
    if (ret.next) {
        ret.next_key = notes[now + 1].fingerprint;
        ret.next_from = sw_epoch_begins(notes[now + 1].since);
    }
    return ret;
}

struct sw_key_state sw_key_state_of(const struct sw_guard *guard, __u64 now_ns, bool alive)
{
    size_t most = alive ? SW_KEY_NOTES : 2, len = guard->key_notes;

    return sw_key_state_at(guard->key_note, len < most ? len : most, now_ns + guard->clock_offset);
}

char *sw_put_key_time(char *p, __u64 real_ns)
{
    __u64 left = real_ns % SW_SECOND;

    p = sw_put_second(p, (__s64)(real_ns / SW_SECOND)) + 9;
    for (int i = 1; i <= 9; i++, left /= 10)
        p[-i] = '0' + left % 10;
    *p = 'Z';
    return p + 1;
}

void sw_format_key_second(char ret[SW_KEY_SECOND], __u64 real_ns)
{
    sw_put_second(ret, (__s64)((real_ns + SW_SECOND - 1) / SW_SECOND));
    memcpy(ret + SW_KEY_SECOND - 2, "Z", 2); /* where the fraction would begin */
}
