/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "watch/env.h"

#include <stdlib.h>
#include <string.h>

static const char prefix[] = "SYNWARD_";
enum { PREFIX = sizeof(prefix) - 1, VARIABLE = PREFIX + SW_WATCH_NAME + 1 + SW_WATCH_VALUE + 1 };

struct pack {
    char *data;
    size_t len, room;
    unsigned int vars;
    bool failed;
};

static bool is_name(const char *key)
{
    size_t len = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return len && !key[len] && len <= SW_WATCH_NAME;
}

static bool has_room(struct pack *p)
{
    char *more;

    if (p->room - p->len >= VARIABLE)
        return true;
    more = realloc(p->data, p->room + 8 * VARIABLE);
    if (!more) {
        p->failed = true;
        return false;
    }
    p->data = more;
    p->room += 8 * VARIABLE;
    return true;
}

/* C0, DEL, and C1 in UTF-8. */
static bool is_control(const char *at)
{
    const unsigned char a = at[0], b = a ? at[1] : 0;

    return a < 0x20 || a == 0x7f || (a == 0xc2 && b >= 0x80 && b < 0xa0);
}

static void put(void *ctx, const char *key, const char *value)
{
    struct pack *p = ctx;
    char *to;

    value = value ? value : "";
    if (!is_name(key) || strlen(value) > SW_WATCH_VALUE || p->vars == SW_WATCH_VARS || !has_room(p))
        return;
    p->vars++;
    to = p->data + p->len;
    memcpy(to, prefix, PREFIX);
    to += PREFIX;
    for (; *key; key++)
        *to++ = *key >= 'a' && *key <= 'z' ? *key - 'a' + 'A' : *key;
    *to++ = '=';
    for (; *value; value++) {
        bool control = is_control(value);

        *to++ = control ? '?' : *value;
        value += control && (unsigned char)*value == 0xc2;
    }
    *to++ = 0;
    p->len = to - p->data;
}

char *sw_watch_env_pack(const struct sw_line *line, size_t *ret_len)
{
    struct pack p = {0};
    char *fit;

    if (!has_room(&p))
        return NULL;
    sw_fields_each(line, put, &p);
    if (p.failed) {
        free(p.data);
        return NULL;
    }
    *ret_len = p.len;
    fit = realloc(p.data, p.len ? p.len : 1); /* many may wait */
    if (fit)
        p.data = fit;
    return p.data;
}

char **sw_watch_env_list(char *const *ours, char *packed, size_t len)
{
    size_t n = 0, at = 0;
    char **list;

    while (ours[n])
        n++;
    list = calloc(n + SW_WATCH_VARS + 1, sizeof(*list));
    if (!list)
        return NULL;
    for (; *ours; ours++)
        if (strncmp(*ours, prefix, PREFIX) != 0)
            list[at++] = *ours;
    for (char *p = packed; p < packed + len; p += strlen(p) + 1)
        list[at++] = p;
    return list;
}
