/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables of options of all commands: complete, without contradictions, and their defaults true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmd/cmd.h"
#include "config/cli.h"
#include "config/guard_options.h"
#include "config/option_text.h"
#include "config/options.h"

#include <stdlib.h>
#include <string.h>

/* Calls fn for each row of each command, with the command's defaults. */
struct place {
    const struct sw_command *command;
    const struct sw_option_group *group;
    const struct sw_option *row;
    char *opts; /* of the command */
    size_t offset;
};

static void each(void (*fn)(const struct place *at))
{
    for (const struct sw_command *const *c = sw_commands; *c; c++) {
        struct place at = {.command = *c, .opts = sw_command_defaults(*c)};

        assert_non_null(at.opts);
        for (int i = 0; i < SW_GROUPS_MAX && (*c)->groups[i].group; i++) {
            at.group = (*c)->groups[i].group;
            at.offset = (*c)->groups[i].offset;
            for (at.row = at.group->rows; at.row->name; at.row++)
                fn(&at);
        }
        free(at.opts);
    }
}

#define NAME(at) (at)->command->name, (at)->row->name

static int same_names(const struct place *at)
{
    int n = 0;

    for (int i = 0; i < SW_GROUPS_MAX && at->command->groups[i].group; i++)
        for (const struct sw_option *o = at->command->groups[i].group->rows; o->name; o++)
            n += !strcmp(o->name, at->row->name) || (o->letter && o->letter == at->row->letter);
    return n;
}

static void check_row(const struct place *at)
{
    const struct sw_option *o = at->row;
    char arg[SW_OPTION_ARG];

    if (same_names(at) != 1 || !strcmp(o->name, "help") || o->letter == '?')
        fail_msg("%s --%s: the name or the letter is taken", NAME(at));
    if (!o->help || strchr(o->help, '.') == o->help + strlen(o->help) - 1)
        fail_msg("%s --%s: help is a phrase without a full stop", NAME(at));
    if (o->man && !at->group->brief && o->man[strlen(o->man) - 1] != '.')
        fail_msg("%s --%s: man is sentences", NAME(at));
    if (o->offset + o->size > at->command->size - at->offset)
        fail_msg("%s --%s: its field is outside of the struct", NAME(at));
    sw_option_arg(o, arg);
    if (sw_option_has_arg(o) == !*arg || strlen(arg) > SW_OPTION_ARG - 2)
        fail_msg("%s --%s: metavariable '%s'", NAME(at), arg);
    if ((o->type == SW_OPT_CUSTOM) == !o->parse || (o->type == SW_OPT_PARTS) == !o->parts ||
        ((o->type == SW_OPT_CHOICE || o->type == SW_OPT_NAMES) && !o->words))
        fail_msg("%s --%s: what the type needs is missing", NAME(at));
    if (o->parts && (o->parts[0].type != SW_OPT_NUMBER || o->parts[1].type != SW_OPT_NUMBER || o->parts[2].name))
        fail_msg("%s --%s: its parts are not two numbers", NAME(at));
}

static void check_size(const struct place *at)
{
    static const size_t sizes[] = {
        [SW_OPT_SET] = 1,
        [SW_OPT_CLEAR] = 1,
        [SW_OPT_COUNT] = sizeof(int),
        [SW_OPT_SWITCH] = 1,
        [SW_OPT_SECONDS] = 8,
        [SW_OPT_NUMBER] = 0,
        [SW_OPT_BYTES] = 0,
        [SW_OPT_RING] = 0,
        [SW_OPT_RATE] = 0,
        [SW_OPT_NAMES] = 4,
        [SW_OPT_FILE] = sizeof(char *),
        [SW_OPT_CUSTOM] = 0,
        [SW_OPT_CHOICE] = sizeof(int),
    };
    const struct sw_option *o = at->row;
    __u64 fits = !o->size || o->size >= 8 ? UINT64_MAX : (1ull << 8 * o->size) - 1;

    if (sizes[o->type] && o->size != sizes[o->type])
        fail_msg("%s --%s: a field of %zu bytes", NAME(at), o->size);
    if (o->type >= SW_OPT_NUMBER && o->type <= SW_OPT_RATE && (o->range.min > o->range.max || o->range.max > fits))
        fail_msg("%s --%s: %llu to %llu in %zu bytes", NAME(at), o->range.min, o->range.max, o->size);
    if (o->type == SW_OPT_SECONDS && !(o->seconds.min < o->seconds.max))
        fail_msg("%s --%s: %g to %g", NAME(at), o->seconds.min, o->seconds.max);
}

/* Is the row's field still as the defaults left it after its default was typed? */
static void type_default(const struct place *at, const char *value)
{
    char *opts = calloc(1, at->command->size), typed[128], *argv[] = {"", typed, NULL};
    struct sw_command alone = {.name = at->command->name,
                               .size = at->command->size,
                               .defaults = at->command->defaults,
                               .groups = {{at->group, at->offset}}};
    struct sw_option_group group = *at->group;

    assert_non_null(opts);
    snprintf(typed, sizeof(typed), "--%s=%s", at->row->name, value);
    group.needs = NULL; /* alone, and what it goes together with is not the question */
    group.check = NULL;
    alone.groups[0].group = &group;
    sw_parse(&alone, 2, argv, opts);
    if (memcmp(opts + at->offset + at->row->offset, at->opts + at->offset + at->row->offset, at->row->size))
        fail_msg("%s %s: that is not the default", at->command->name, typed);
    if (at->row->parts && memcmp(opts, at->opts, at->command->size))
        fail_msg("%s %s: that is not the default", at->command->name, typed);
    free(opts);
}

/* Help shows each default that can be typed, and says nothing of one where there is none. */
static void check_default(const struct place *at)
{
    const struct sw_option *o = at->row;
    char value[SW_OPTION_VALUE];
    const char *text[2] = {o->help, o->man ? o->man : ""};
    bool shown = false;

    for (int i = 0; i < 2; i++)
        for (const char *p = text[i]; (p = strchr(p, '{')); p++)
            shown |= strncmp(p, "{words}", 7) != 0;
    if (sw_option_value(o, at->opts + at->offset, value)) {
        /* the modes of --guard are explained one by one; without it there is no guard */
        if (!shown && strcmp(o->name, "guard"))
            fail_msg("%s --%s: help does not show {}, which is %s", NAME(at), value);
        type_default(at, value);
    } else if (shown) {
        fail_msg("%s --%s: there is no default to show", NAME(at));
    } else if (o->type <= SW_OPT_COUNT || o->type == SW_OPT_FILE || o->type == SW_OPT_CUSTOM) {
        /* cleared by CLEAR: set before */
        for (size_t i = 0; i < o->size; i++)
            if (at->opts[at->offset + o->offset + i] != (o->type == SW_OPT_CLEAR))
                fail_msg("%s --%s: it has a default", NAME(at));
    }
}

static void test_rows(void **state)
{
    (void)state;
    each(check_row);
}

static void test_sizes(void **state)
{
    (void)state;
    each(check_size);
}

static void test_defaults(void **state)
{
    (void)state;
    each(check_default);
}

static void test_commands(void **state)
{
    (void)state;
    for (const struct sw_command *const *c = sw_commands; *c; c++) {
        size_t rows = 0;

        for (int i = 0; i < SW_GROUPS_MAX && (*c)->groups[i].group; i++) {
            const struct sw_option_group *group = (*c)->groups[i].group;
            bool found = !group->needs;

            for (const struct sw_option *o = group->rows; o->name; o++, rows++)
                found |= group->needs && !strcmp(group->needs, o->name);
            if (!found)
                fail_msg("%s: there is no --%s", (*c)->name, group->needs);
        }
        if (rows > SW_OPTIONS_MAX)
            fail_msg("%s: %zu options", (*c)->name, rows);
        assert_true((*c)->main && (*c)->doc && (*c)->summary && (*c)->size);
        assert_int_equal(!(*c)->operands, !(*c)->operand);
    }
}

static const struct sw_option *row(const struct sw_option_group *group, const char *name)
{
    const struct sw_option *o = group->rows;

    while (o->name && strcmp(o->name, name))
        o++;
    assert_non_null(o->name);
    return o;
}

/* Words that stand for several lines, added and left out. */
static void test_groups_of_lines(void **state)
{
    const __u32 guard = 1u << SW_LINE_GUARD | 1u << SW_LINE_DROP | 1u << SW_LINE_SERVICE;
    const __u32 health = 1u << SW_LINE_LOSS | 1u << SW_LINE_STATS, all = (1u << SW_LINE_MAX) - 1;
    const __u32 others = 1u << SW_EV_ANOMALY | 1u << SW_EV_UPDATE | 1u << SW_EV_CONN | 1u << SW_LINE_GATEWAY;
    const struct {
        const char *typed;
        __u32 mask;
    } rows[] = {
        {"guard", guard},
        {"guard,-drop,-service", 1u << SW_LINE_GUARD},
        {"health", health},
        {"gateway", 1u << SW_LINE_GATEWAY},
        {"lifecycle", all & ~(guard | health | others)},
        {"conn,health", 1u << SW_EV_CONN | health},
        {"-lifecycle", guard | health | others},
        {"all,-gateway", all & ~(1u << SW_LINE_GATEWAY)},
        {"all", all},
        {"all,-guard", all & ~guard},
        {"none", 0},
    };
    const struct sw_option *o = row(&sw_common_group, "events");
    struct sw_option_group group = sw_common_group;

    (void)state;
    group.needs = NULL;
    group.check = NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_common_opts opts;
        char typed[64], value[SW_OPTION_VALUE], *argv[] = {"", typed, NULL};
        const struct sw_command alone = {.name = "run", .size = sizeof(opts), .groups = {{&group, 0}}};

        memset(&opts, 0, sizeof(opts));
        snprintf(typed, sizeof(typed), "--events=%s", rows[i].typed);
        sw_parse(&alone, 2, argv, &opts);
        assert_int_equal(opts.event_mask, rows[i].mask);
        if (rows[i].mask == 1u << SW_LINE_GUARD) /* it has no word of its own */
            continue;
        assert_true(sw_option_value(o, &opts, value));
        snprintf(typed, sizeof(typed), "--events=%s", value);
        sw_parse(&alone, 2, argv, &opts);
        assert_int_equal(opts.event_mask, rows[i].mask);
    }
}

/* What {} becomes: the one default of all commands, or each command's own. */
static void test_text(void **state)
{
    static const struct {
        const struct sw_option_group *group;
        const char *name, *text, *filled;
        size_t commands;
    } rows[] = {
        {&sw_common_group, "interval", "({}) `x`", "(10) `x`", 1},
        {&sw_common_group, "interval", "({}) `x`", "(run 10, replay 0) `x`", 2},
        {&sw_common_group, "ring", "{}", "run 16M, replay 4M", 2},
        {&sw_common_group, "max-flows", "{}{}", "131072131072", 2},
        {&sw_common_group, "format", "{} of {words}", "json of `json`, `text`, `zeek`, `ecs`", 2},
        {&sw_common_group, "events", "{}", "all", 2},
        {&sw_common_group, "decap", "{}", "run off, replay on", 2},
        {&sw_guard_group, "engage", "{half-open}, {syn-rate}: {}", "1024, 4000: half-open=1024,syn-rate=4000", 1},
        {&sw_guard_group, "capture-size", "{}", "16M", 1},
        {&sw_guard_group, "cookie", "{", "auto", 1},
    };
    const struct sw_command *const both[] = {&sw_run_command, &sw_replay_command};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sw_option *o = row(rows[i].group, rows[i].name);
        char *text = sw_option_text(o, rows[i].text, rows[i].group, both, rows[i].commands);

        assert_string_equal(text, rows[i].filled);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_sizes), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_commands), cmocka_unit_test(test_text),  cmocka_unit_test(test_groups_of_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
