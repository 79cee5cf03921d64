/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/key_file.h"

#include "base/key_state.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define LOOK_NS SW_SECOND
#define SETTLE_NS (SW_SECOND * 9 / 10) /* the second look that finds it the same reads it */

static void say(const struct sw_guard_runtime *g, size_t len)
{
    const struct sw_key_state k = sw_key_state_of(g->guard, sw_clock_now(), true);
    char from[SW_KEY_SECOND];

    sw_format_key_second(from, k.next_from);
    if (k.next)
        sw_info("%s: read again: %zu key%s, %08x counts, %08x from %s", g->opts->key_file, len, len == 1 ? "" : "s",
                k.now, k.next_key, from);
    else
        sw_info("%s: read again: %zu key%s, %08x counts", g->opts->key_file, len, len == 1 ? "" : "s", k.now);
}

static void warn(struct sw_guard_runtime *g, const char *error)
{
    if (strcmp(error, g->key_fault))
        sw_warn("%s: the keys are unchanged", error);
    snprintf(g->key_fault, sizeof(g->key_fault), "%s", error);
}

/* Of a file that has changed, and is no longer written to. */
static void read_again(struct sw_guard_runtime *g)
{
    char error[SW_KEY_FAULT];
    struct sw_key_set set;
    struct sw_file_id id;
    bool changed = false;
    int err = sw_keys_read(g->opts->key_file, &set, &id, error, sizeof(error));

    if (!err && !sw_file_id_same(&id, &g->key_watch.seen)) { /* it has changed since: it has to rest again */
        explicit_bzero(&set, sizeof(set));
        return;
    }
    if (!err) {
        err = sw_key_schedule_set(&g->keys, g->guard, &set, sw_epoch_now(g), true, &changed);
        if (err)
            snprintf(error, sizeof(error), "%s: %s", g->opts->key_file, strerror(-err));
    }
    explicit_bzero(&set, sizeof(set));
    if (err)
        return warn(g, error); /* and it is tried again each second */
    sw_file_watch_took(&g->key_watch, &id);
    if (changed || *g->key_fault)
        say(g, g->keys.len - g->keys.preceding);
    *g->key_fault = 0;
}

static void look(struct sw_guard_runtime *g, __u64 now)
{
    struct sw_file_id id;

    sw_file_id_at(g->opts->key_file, &id);
    if (sw_file_watch_look(&g->key_watch, &id, now, SETTLE_NS)) {
        read_again(g);
    } else if (!g->key_watch.seen_ns && *g->key_fault) { /* it is there again, and as it was */
        say(g, g->keys.len - g->keys.preceding);
        *g->key_fault = 0;
    }
}

void sw_guard_key_file_tick(struct sw_guard_runtime *g, __u64 now)
{
    g->next_key = now + LOOK_NS;
    look(g, now);
    sw_guard_runtime_check(sw_key_schedule_turn(&g->keys, g->guard, sw_epoch_now(g)), &g->key_failed, "cookie keys");
}

int sw_guard_key_file_reload(struct sw_guard_runtime *g, struct sw_key_set *set)
{
    int err = sw_key_schedule_set(&g->keys, g->guard, set, sw_epoch_now(g), true, NULL);

    /* Who wrote it may not have been done: once it has been the same for a second, it is read again. */
    memset(&g->key_watch, 0, sizeof(g->key_watch));
    if (!err)
        *g->key_fault = 0;
    return err;
}

void sw_guard_key_file_warned(struct sw_guard_runtime *g, const char *error)
{
    const char *file = g->opts->key_file;

    if (file && !strncmp(error, file, strlen(file)) && error[strlen(file)] == ':')
        snprintf(g->key_fault, sizeof(g->key_fault), "%s", error);
}

void sw_guard_key_file_report(const struct sw_guard_runtime *g)
{
    const struct sw_key_state k = sw_key_state_of(g->guard, sw_clock_now(), true);
    char from[SW_KEY_SECOND];

    if (!k.given || k.from <= sw_epoch_now(g))
        return;
    sw_format_key_second(from, k.from);
    sw_warn("%s: no key counts yet: the first one, %08x, is used before its time, %s", g->opts->key_file, k.now, from);
}
