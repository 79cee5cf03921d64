/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward filter: see and change which connections a running instance follows, through its mmapped map. */
#include "base/capabilities.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/find_instance.h"
#include "config/cli.h"
#include "config/filter_options.h"
#include "loader/filter.h"
#include "loader/map_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum action { FILTER_SHOW, FILTER_SET, FILTER_CLEAR };

struct filter {
    bool json;
    struct sw_choice choice;
    enum action action;
    struct sw_filter_rules rules;
    struct sw_instance inst; /* the one that is read or changed now */
};

static int show(const struct filter *f, const struct sw_filter_rules *rules)
{
    __u64 counters[SW_C_MAX];
    char who[SW_INSTANCE_TEXT];
    int err = sw_map_counters(f->inst.map_counters, counters);

    if (err)
        return err;
    if (f->json) {
        putchar('{');
        sw_instance_keys(&f->inst, stdout);
        printf(",\"filter\":%s", rules->lists ? "\"" : "null");
        sw_filter_print(rules, stdout);
        printf("%s,\"filtered\":%llu}\n", rules->lists ? "\"" : "", counters[SW_C_FILTERED]);
        return 0;
    }
    printf("synward %s: ", sw_instance_text(&f->choice, &f->inst, who));
    sw_filter_print(rules, stdout);
    puts(rules->lists ? "" : "none");
    return 0;
}

static void say_change(const struct filter *f)
{
    char *text = NULL, who[SW_INSTANCE_TEXT];
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return;
    sw_filter_print(&f->rules, out);
    if (!fclose(out))
        sw_info("%s: filter %s", sw_instance_text(&f->choice, &f->inst, who), *text ? text : "none");
    free(text);
}

static int act(struct filter *f)
{
    struct sw_filter_map *map = NULL;
    int err = sw_filter_map_id(f->inst.map_filter, &map);

    if (!err && f->action == FILTER_SHOW) {
        err = sw_filter_get(map, &f->rules);
        if (!err)
            err = show(f, &f->rules);
    } else if (!err) {
        err = sw_filter_set(map, &f->rules);
        if (!err)
            say_change(f);
    }
    sw_filter_unmap(map);
    if (err == -ENOENT) { /* a map's id: gone since we looked */
        sw_err("the synward with pid %d has just stopped", f->inst.pid);
        return SW_EXIT_NOT_RUNNING;
    }
    if (err == -EBUSY || err == -EAGAIN)
        sw_err("filter: another synward is changing it and does not finish");
    else if (err)
        sw_err("filter: %s", strerror(-err));
    return err ? SW_EXIT_INTERNAL : SW_EXIT_OK;
}

/* All that fit are shown, and one is changed. */
static int run(struct filter *f)
{
    struct sw_instances found;
    int code = f->action == FILTER_SHOW ? sw_find_instances("filter", &f->choice, SW_NEED_FILTER, &found)
                                        : sw_find_instance("filter", &f->choice, SW_NEED_FILTER, &found);

    size_t gone = 0;

    for (size_t i = 0; i < found.len && !code; i++) {
        f->inst = found.inst[i];
        code = act(f);
        if (code == SW_EXIT_NOT_RUNNING && ++gone < found.len)
            code = SW_EXIT_OK; /* others are there */
    }
    free(found.inst);
    return code ? code : sw_stdout_end();
}

static int cmd_filter(int argc, char **argv)
{
    struct filter *f = calloc(1, sizeof(*f));
    int code;

    if (!f)
        return SW_EXIT_MEMORY;
    sw_parse(&sw_filter_command, argc, argv, f);
    if (!sw_can_inspect()) {
        sw_err("filter needs root, or CAP_SYS_ADMIN");
        free(f);
        return SW_EXIT_PRIVILEGE;
    }
    code = run(f);
    free(f);
    return code;
}

static const struct sw_option options[] = {
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct filter, json), .help = "show: a JSON object"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

static const struct sw_word actions[] = {{"show", FILTER_SHOW}, {"set", FILTER_SET}, {"clear", FILTER_CLEAR}, {0}};
static const struct sw_operand operands[] = {{"ACTION", .words = actions}, {0}};

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct filter *f = opts;
    int action = sw_word_find(actions, arg);

    if (n)
        sw_usage_die(cli, "unexpected argument '%s'", arg);
    if (action < 0)
        sw_usage_die(cli, "'%s' is none of show, set, clear", arg);
    f->action = action;
    return 0;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    const struct filter *f = opts;

    (void)operands_len;
    if (f->action == FILTER_SET && !f->rules.lists)
        sw_usage_die(cli, "set: to what? For example --not-port 9000; 'clear' removes the filter");
    if (f->action != FILTER_SET && f->rules.lists)
        sw_usage_die(cli, "lists go with set");
    if (f->action != FILTER_SHOW && f->json)
        sw_usage_die(cli, "--json goes with show");
}

const struct sw_command sw_filter_command = {
    .name = "filter",
    .summary = "which connections a running synward follows",
    .args_doc = "[show]\nset OPTION...\nclear",
    .doc =
        "Shows which connections a running synward follows, as options, or changes it at once: set replaces the whole "
        "filter, clear removes it. Connections that are followed and are excluded from now on get their conn line, "
        "with "
        "reason filtered.",
    .main = cmd_filter,
    .size = sizeof(struct filter),
    .groups = {{&group, 0},
               {&sw_choice_group, offsetof(struct filter, choice)},
               {&sw_rules_group, offsetof(struct filter, rules)}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
