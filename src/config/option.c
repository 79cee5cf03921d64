/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/option.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND 1e9

static void *field(const struct sw_option *o, void *opts)
{
    return (char *)opts + o->offset;
}

static void store(const struct sw_option *o, void *opts, __u64 value)
{
    void *at = field(o, opts);

    switch (o->size) {
    case 1: *(__u8 *)at = value; break;
    case 2: *(__u16 *)at = value; break;
    case 4: *(__u32 *)at = value; break;
    default: *(__u64 *)at = value; break;
    }
}

__u64 sw_option_load(const struct sw_option *o, const void *opts)
{
    const void *at = (const char *)opts + o->offset;

    switch (o->size) {
    case 1: return *(const __u8 *)at;
    case 2: return *(const __u16 *)at;
    case 4: return *(const __u32 *)at;
    default: return *(const __u64 *)at;
    }
}

int sw_word_find(const struct sw_word *words, const char *name)
{
    for (; words->name; words++)
        if (!strcmp(words->name, name))
            return words->value;
    return -1;
}

const char *sw_word_name(const struct sw_word *words, int value)
{
    for (; words->name; words++)
        if (words->value == value)
            return words->name;
    return NULL;
}

static __u64 seconds(struct sw_cli *cli, const char *arg, double min, double max)
{
    char *end;
    double value = strtod(arg, &end);

    if (end == arg || *end || !(value >= min && value <= max))
        sw_option_die(cli, "'%s' is not a number of seconds from %g to %g", arg, min, max);
    return (__u64)(value * SECOND + 0.5);
}

__u64 sw_arg_number(struct sw_cli *cli, const char *arg, __u64 min, __u64 max)
{
    unsigned long long value = 0;
    const char *units = "kMG", *unit;
    char *end = NULL;

    errno = 0;
    if (isdigit((unsigned char)*arg))
        value = strtoull(arg, &end, 0);
    if (end && *end && (unit = strchr(units, *end)) && !end[1]) {
        unsigned int shift = 10 * (unit - units + 1);

        end++;
        if (value > UINT64_MAX >> shift)
            errno = ERANGE;
        value <<= shift;
    }
    if (!end || *end || errno || value < min || value > max)
        sw_option_die(cli, "'%s' is not a number from %llu to %llu", arg, (unsigned long long)min,
                      (unsigned long long)max);
    return value;
}

static __u64 ring(struct sw_cli *cli, const char *arg, __u64 max)
{
    __u64 bytes = sw_arg_number(cli, arg, sysconf(_SC_PAGESIZE), max);

    if (bytes & (bytes - 1))
        sw_option_die(cli, "'%s' is not a power of two", arg);
    return bytes;
}

static __u64 rate(struct sw_cli *cli, const char *arg, __u64 min, __u64 max)
{
    size_t len = strlen(arg);
    char number[32];

    if (len > 2 && !strcmp(arg + len - 2, "/s"))
        len -= 2;
    if (len >= sizeof(number))
        sw_option_die(cli, "'%s' is not a number a second, like 100/s", arg);
    memcpy(number, arg, len);
    number[len] = 0;
    return sw_arg_number(cli, number, min, max);
}

static bool on_off(struct sw_cli *cli, const char *arg)
{
    if (!arg || !strcmp(arg, "on"))
        return true;
    if (strcmp(arg, "off"))
        sw_option_die(cli, "'%s' is neither on nor off", arg);
    return false;
}

static int choice(struct sw_cli *cli, const struct sw_word *words, const char *arg)
{
    int value = sw_word_find(words, arg);
    char list[160] = "";
    size_t n = 0, len = 0;

    if (value >= 0)
        return value;
    while (words[n].name)
        n++;
    if (n == 2)
        sw_option_die(cli, "'%s' is neither %s nor %s", arg, words[0].name, words[1].name);
    for (size_t i = 0; i < n && len < sizeof(list); i++)
        len += snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", words[i].name);
    sw_option_die(cli, "'%s' is none of %s", arg, list);
}

/* Copies the word at p, up to a comma, cut to the room there is. */
static void copy_word(const char *p, char *ret, size_t size)
{
    snprintf(ret, size, "%.*s", (int)strcspn(p, ","), p);
}

static __u32 all_names(const struct sw_option *o)
{
    __u32 mask = 0;

    for (const struct sw_word *w = o->words; w->name; w++)
        mask |= 1u << w->value;
    for (const struct sw_word *w = o->groups; w && w->name; w++)
        mask |= (__u32)w->value;
    return mask;
}

/* 0: there is no such word. */
static __u32 name_bits(const struct sw_option *o, const char *name)
{
    int value = sw_word_find(o->words, name);

    if (value >= 0)
        return 1u << value;
    for (const struct sw_word *w = o->groups; w && w->name; w++)
        if (!strcmp(name, w->name))
            return (__u32)w->value;
    return !strcmp(name, "all") ? all_names(o) : 0;
}

static __u32 names(struct sw_cli *cli, const struct sw_option *o, const char *arg)
{
    __u32 mask = *arg == '-' ? all_names(o) : 0;
    char name[32];

    for (const char *p = arg;; p++) {
        bool minus = *p == '-';
        __u32 bits;

        copy_word(p + minus, name, sizeof(name));
        bits = name_bits(o, name);
        if (!bits && strcmp(name, "none"))
            sw_option_die(cli, "there is no %s '%s'", o->noun, name);
        mask = minus ? mask & ~bits : mask | bits;
        p += strcspn(p, ",");
        if (!*p)
            return mask;
    }
}

bool sw_option_has_arg(const struct sw_option *o)
{
    return o->type != SW_OPT_SET && o->type != SW_OPT_CLEAR && o->type != SW_OPT_COUNT;
}

static const char *type_arg(const struct sw_option *o)
{
    switch (o->type) {
    case SW_OPT_SWITCH: return "on|off";
    case SW_OPT_SECONDS: return "S";
    case SW_OPT_NUMBER: return "N";
    case SW_OPT_BYTES:
    case SW_OPT_RING: return "BYTES";
    case SW_OPT_RATE: return "N/s";
    case SW_OPT_NAMES: return "LIST";
    case SW_OPT_FILE: return "FILE";
    default: return "";
    }
}

void sw_option_arg(const struct sw_option *o, char ret[SW_OPTION_ARG])
{
    size_t len = 0;

    snprintf(ret, SW_OPTION_ARG, "%s", o->arg ? o->arg : type_arg(o));
    if (o->type == SW_OPT_CHOICE)
        for (const struct sw_word *w = o->words; w->name && len < SW_OPTION_ARG; w++)
            len += snprintf(ret + len, SW_OPTION_ARG - len, "%s%s", len ? "|" : "", w->name);
    if (o->type == SW_OPT_PARTS)
        for (const struct sw_option *p = o->parts; p->name && len < SW_OPTION_ARG; p++)
            len += snprintf(ret + len, SW_OPTION_ARG - len, "%s%s=%s", len ? "," : "", p->name, type_arg(p));
}

__attribute__((noreturn)) static void no_part(struct sw_cli *cli, const struct sw_option *parts, const char *word)
{
    char arg[2][SW_OPTION_ARG];

    sw_option_arg(&parts[0], arg[0]);
    sw_option_arg(&parts[1], arg[1]);
    sw_option_die(cli, "'%s' is neither %s=%s nor %s=%s", word, parts[0].name, arg[0], parts[1].name, arg[1]);
}

static void parse_parts(struct sw_cli *cli, const struct sw_option *o, const char *arg, void *opts)
{
    char word[64];

    for (const char *p = arg;; p++) {
        const struct sw_option *part = o->parts;
        size_t name;

        copy_word(p, word, sizeof(word));
        name = strcspn(word, "=");

        while (part->name && (strlen(part->name) != name || strncmp(part->name, word, name) || word[name] != '='))
            part++;
        if (!part->name)
            no_part(cli, o->parts, word);
        cli->part = part->name;
        store(part, opts, sw_arg_number(cli, word + name + 1, part->range.min, part->range.max));
        cli->part = NULL;
        p += strcspn(p, ",");
        if (!*p)
            return;
    }
}

static void file(struct sw_cli *cli, const char *arg, const char **at)
{
    if (*at)
        sw_option_die(cli, "given twice");
    if (!*arg)
        sw_option_die(cli, "no file name");
    *at = arg;
}

void sw_option_parse(struct sw_cli *cli, const struct sw_option *o, const char *arg, void *opts)
{
    switch (o->type) {
    case SW_OPT_SET: store(o, opts, 1); break;
    case SW_OPT_CLEAR: store(o, opts, 0); break;
    case SW_OPT_COUNT: store(o, opts, sw_option_load(o, opts) + 1); break;
    case SW_OPT_SWITCH: store(o, opts, on_off(cli, arg)); break;
    case SW_OPT_SECONDS: store(o, opts, seconds(cli, arg, o->seconds.min, o->seconds.max)); break;
    case SW_OPT_NUMBER:
    case SW_OPT_BYTES: store(o, opts, sw_arg_number(cli, arg, o->range.min, o->range.max)); break;
    case SW_OPT_RING: store(o, opts, ring(cli, arg, o->range.max)); break;
    case SW_OPT_RATE: store(o, opts, rate(cli, arg, o->range.min, o->range.max)); break;
    case SW_OPT_CHOICE: store(o, opts, choice(cli, o->words, arg)); break;
    case SW_OPT_NAMES: store(o, opts, names(cli, o, arg)); break;
    case SW_OPT_PARTS: parse_parts(cli, o, arg, opts); break;
    case SW_OPT_FILE: file(cli, arg, field(o, opts)); break;
    case SW_OPT_CUSTOM: o->parse(cli, arg, field(o, opts)); break;
    }
}
