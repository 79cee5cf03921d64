/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/cli.h"

#include "base/stdout.h"
#include "config/help.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_ONLY = 0x100 }; /* argp's keys of options without a letter begin here */

/* One parse: it lives on sw_parse's stack. */
struct parser {
    struct sw_cli cli;
    const struct sw_command *command;
    void *opts;
    struct entry {
        const struct sw_option *row;
        const struct sw_option_group *group;
        void *opts; /* of the group */
    } entries[SW_OPTIONS_MAX];
    size_t len;
    /* argp's form of the entries, with --help, -? and an end; and their metavariables */
    struct argp_option options[SW_OPTIONS_MAX + 3];
    char args[SW_OPTIONS_MAX][SW_OPTION_ARG];
};

static const struct sw_option *find_row(const struct sw_option_group *group, const char *name)
{
    const struct sw_option *o = group->rows;

    while (o->name && strcmp(o->name, name))
        o++;
    return o->name ? o : NULL;
}

/* "--hold needs --guard (off, monitor, auto or always)" */
static void check_needs(struct sw_cli *cli, const struct sw_option_group *group)
{
    char words[128] = "";
    size_t len = 0;

    for (size_t i = 0; i < cli->given_len && !sw_given(cli, group->needs); i++) {
        if (!find_row(group, cli->given[i]))
            continue;
        for (const struct sw_word *w = find_row(group, group->needs)->words; w && w->name && len < sizeof(words); w++)
            len += snprintf(words + len, sizeof(words) - len, "%s%s", len ? w[1].name ? ", " : " or " : " (", w->name);
        sw_usage_die(cli, "--%s needs --%s%s%s", cli->given[i], group->needs, words, len ? ")" : "");
    }
}

static void check_all(struct parser *p, unsigned int operands)
{
    const struct sw_command *c = p->command;

    for (int i = SW_GROUPS_MAX - 1; i >= 0; i--) {
        const struct sw_option_group *group = c->groups[i].group;

        if (group && group->needs)
            check_needs(&p->cli, group);
        if (group && group->check)
            group->check(&p->cli, (char *)p->opts + c->groups[i].offset);
    }
    if (c->check)
        c->check(&p->cli, p->opts, operands);
}

__attribute__((noreturn)) static void help(struct sw_cli *cli, const struct sw_command *command)
{
    sw_release_stderr(cli);
    sw_help_print(command, stdout);
    exit(sw_stdout_end());
}

static const struct entry *find_entry(const struct parser *p, int key)
{
    for (size_t i = 0; i < p->len; i++)
        if (key == p->entries[i].row->letter || key == LONG_ONLY + (int)i)
            return &p->entries[i];
    return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct parser *p = state->input;
    struct sw_cli *cli = &p->cli;
    const struct entry *entry;

    switch (key) {
    case '?':
    case 'h': help(cli, p->command);
    case ARGP_KEY_ARG:
        if (!p->command->operand)
            sw_usage_die(cli, "unexpected argument '%s'", arg);
        return p->command->operand(cli, p->opts, state->arg_num, arg);
    case ARGP_KEY_END: check_all(p, state->arg_num); return 0;
    default: entry = key > 0 ? find_entry(p, key) : NULL;
    }
    if (!entry)
        return ARGP_ERR_UNKNOWN;
    cli->option = entry->row->name;
    if (!sw_given(cli, cli->option))
        cli->given[cli->given_len++] = cli->option;
    sw_option_parse(cli, entry->row, arg, entry->opts);
    return 0;
}

static void add_row(struct parser *p, const struct sw_option *o, struct argp_option *ret)
{
    char *arg = p->args[p->len];

    sw_option_arg(o, arg);
    *ret = (struct argp_option){
        .name = o->name,
        .key = o->letter ? o->letter : LONG_ONLY + (int)p->len,
        .arg = sw_option_has_arg(o) ? arg : NULL,
        .flags = o->optional || o->type == SW_OPT_SWITCH ? OPTION_ARG_OPTIONAL : 0,
    };
}

static void make_table(struct parser *p)
{
    const struct sw_command *c = p->command;
    struct argp_option *to = p->options;

    for (int i = 0; i < SW_GROUPS_MAX && c->groups[i].group; i++) {
        const struct sw_option_group *group = c->groups[i].group;

        for (const struct sw_option *o = group->rows; o->name && p->len < SW_OPTIONS_MAX; o++) {
            add_row(p, o, to++);
            p->entries[p->len++] =
                (struct entry){.row = o, .group = group, .opts = (char *)p->opts + c->groups[i].offset};
        }
    }
    *to++ = (struct argp_option){.name = "help", .key = 'h'};
    *to++ = (struct argp_option){.key = '?', .flags = OPTION_HIDDEN};
    *to = (struct argp_option){0};
}

/* Dies with the new name if what getopt did not recognise is an option that was renamed. */
static void check_renamed(struct parser *p, const char *message)
{
    static const struct {
        const char *old, *now;
    } renamed[] = {
        {"embryos", "max-half-open"}, {"flows", "max-flows"},       {"handshakes", "syn-cache"},
        {"linger", "close-delay"},    {"no-confine", "no-sandbox"}, {"flush", "log-open-at-exit"},
    };
    const char *name = strstr(message, "'--");
    size_t len = name ? strcspn(name += 3, "='") : 0;

    for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++)
        if (len == strlen(renamed[i].old) && !strncmp(name, renamed[i].old, len))
            for (size_t k = 0; k < p->len; k++)
                if (!strcmp(p->entries[k].row->name, renamed[i].now))
                    sw_usage_die(&p->cli, "--%s is now --%s", renamed[i].old, renamed[i].now);
}

void sw_parse(const struct sw_command *command, int argc, char **argv, void *opts)
{
    struct parser p = {.cli.command = command->name, .command = command, .opts = opts};
    const struct argp argp = {.options = p.options, .parser = parse};
    const char *text;
    char usage[64];
    int err;

    if (command->defaults)
        command->defaults(opts);
    make_table(&p);
    snprintf(usage, sizeof(usage), "synward %s", command->name);
    argv[0] = usage;
    sw_catch_stderr(&p.cli);
    err = argp_parse(&argp, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, &p);
    sw_release_stderr(&p.cli);
    argv[0] = (char *)command->name;
    if (err) {
        text = p.cli.caught && *p.cli.caught ? strstr(p.cli.caught, ": ") : NULL;
        text = text ? text + 2 : strerror(err);
        check_renamed(&p, text);
        sw_usage_die(&p.cli, "%.*s", (int)strcspn(text, "\n"), text);
    }
    free(p.cli.caught);
}
