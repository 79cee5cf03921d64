/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/option_text.h"

#include <stdlib.h>
#include <string.h>

struct name_list {
    __u32 left, all;
    size_t len;
    char *text; /* SW_OPTION_VALUE bytes */
};

static void add_name(struct name_list *l, const char *name, __u32 bits)
{
    l->all |= bits;
    if ((l->left & bits) != bits)
        return;
    l->left &= ~bits;
    if (l->len < SW_OPTION_VALUE)
        l->len += snprintf(l->text + l->len, SW_OPTION_VALUE - l->len, "%s%s", l->len ? "," : "", name);
}

static bool names_value(const struct sw_option *o, __u32 mask, char ret[SW_OPTION_VALUE])
{
    struct name_list l = {.left = mask, .text = ret};

    for (const struct sw_word *w = o->groups; w && w->name; w++)
        add_name(&l, w->name, (__u32)w->value);
    for (const struct sw_word *w = o->words; w->name; w++)
        add_name(&l, w->name, 1u << w->value);
    if (mask == l.all || !mask)
        l.len = snprintf(ret, SW_OPTION_VALUE, mask ? "all" : "none");
    return l.len < SW_OPTION_VALUE;
}

static bool parts_value(const struct sw_option *o, const void *opts, char ret[SW_OPTION_VALUE])
{
    size_t len = 0;

    for (const struct sw_option *p = o->parts; p && p->name && len < SW_OPTION_VALUE; p++)
        len += snprintf(ret + len, SW_OPTION_VALUE - len, "%s%s=%llu", len ? "," : "", p->name,
                        (unsigned long long)sw_option_load(p, opts));
    return len && len < SW_OPTION_VALUE;
}

/* 64M, 4k, 1000 */
static void bytes_value(__u64 bytes, char ret[SW_OPTION_VALUE])
{
    const char *unit = "";

    for (const char *next = "kMG"; *next && bytes && !(bytes & 1023); next++, bytes >>= 10)
        unit = next;
    snprintf(ret, SW_OPTION_VALUE, "%llu%.1s", (unsigned long long)bytes, unit);
}

bool sw_option_value(const struct sw_option *o, const void *opts, char ret[SW_OPTION_VALUE])
{
    __u64 n = o->size && o->size <= 8 ? sw_option_load(o, opts) : 0;
    const char *name;

    *ret = 0;
    switch (o->type) {
    case SW_OPT_SWITCH: snprintf(ret, SW_OPTION_VALUE, n ? "on" : "off"); break;
    case SW_OPT_SECONDS:
        if (n / 1e9 < o->seconds.min || n / 1e9 > o->seconds.max)
            return false;
        snprintf(ret, SW_OPTION_VALUE, "%.9g", n / 1e9);
        break;
    case SW_OPT_NUMBER:
    case SW_OPT_BYTES:
    case SW_OPT_RING:
    case SW_OPT_RATE:
        if (n < o->range.min || n > o->range.max)
            return false;
        if (o->type == SW_OPT_NUMBER || o->type == SW_OPT_RATE)
            snprintf(ret, SW_OPTION_VALUE, "%llu%s", (unsigned long long)n, o->type == SW_OPT_RATE ? "/s" : "");
        else
            bytes_value(n, ret);
        break;
    case SW_OPT_CHOICE:
        name = sw_word_name(o->words, n);
        snprintf(ret, SW_OPTION_VALUE, "%s", name ? name : "");
        break;
    case SW_OPT_NAMES: return names_value(o, n, ret);
    case SW_OPT_PARTS: return parts_value(o, opts, ret);
    default: return false;
    }
    return *ret;
}

void *sw_command_defaults(const struct sw_command *command)
{
    void *opts = calloc(1, command->size);

    if (opts && command->defaults)
        command->defaults(opts);
    return opts;
}

/* Where the group's struct lies in that of the command. */
static size_t group_offset(const struct sw_command *command, const struct sw_option_group *group)
{
    for (size_t i = 0; i < SW_GROUPS_MAX; i++)
        if (command->groups[i].group == group)
            return command->groups[i].offset;
    return 0;
}

/* "10" if all commands agree, else "run 10, replay 0" */
static bool print_default(FILE *out, const struct sw_option *o, const struct sw_option_group *group,
                          const struct sw_command *const *commands, size_t len)
{
    char first[SW_OPTION_VALUE], value[SW_OPTION_VALUE];
    bool same = true;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < len; i++) {
            char *opts = sw_command_defaults(commands[i]);

            if (!opts)
                return false;
            sw_option_value(o, opts + group_offset(commands[i], group), value);
            free(opts);
            if (!i)
                memcpy(first, value, sizeof(first));
            same &= !strcmp(first, value);
            if (pass)
                fprintf(out, "%s%s %s", i ? ", " : "", commands[i]->name, value);
        }
        if (same) {
            fputs(first, out);
            return true;
        }
    }
    return true;
}

/* What stands for {name}. */
static bool print_filled(FILE *out, const struct sw_option *o, const char *name, const struct sw_option_group *group,
                         const struct sw_command *const *commands, size_t len)
{
    if (!strcmp(name, "words")) {
        for (const struct sw_word *w = o->words; w->name; w++)
            fprintf(out, "%s`%s`", w == o->words ? "" : ", ", w->name);
        return true;
    }
    for (const struct sw_option *p = o->parts; p && p->name; p++)
        if (!strcmp(name, p->name))
            o = p;
    return print_default(out, o, group, commands, len);
}

char *sw_option_text(const struct sw_option *o, const char *text, const struct sw_option_group *group,
                     const struct sw_command *const *commands, size_t len)
{
    char *ret = NULL, name[32];
    size_t size;
    FILE *out = open_memstream(&ret, &size);
    bool good = out;

    while (good && *text) {
        if (*text != '{') {
            putc(*text++, out);
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(text + 1, "}"), text + 1);
        good = print_filled(out, o, name, group, commands, len);
        text += strcspn(text, "}");
        text += *text == '}';
    }
    if (out && fclose(out))
        good = false;
    if (good)
        return ret;
    free(ret);
    return NULL;
}
