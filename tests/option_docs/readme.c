/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* README's tables of options. */
#include "docs.h"

#include <stdlib.h>
#include <string.h>

/* A cell of a table: | would end it. */
static void put_cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
}

/* `-i IF`, `--interface=IF` */
static void put_option(const struct sw_option *o)
{
    bool has_arg = sw_option_has_arg(o), optional = has_arg && !docs_value_needed(o);
    char arg[SW_OPTION_ARG];

    sw_option_arg(o, arg);
    if (o->letter)
        printf("`-%c%s%s`, ", o->letter, has_arg ? " " : "", has_arg ? arg : "");
    printf("`--%s%s", o->name, !has_arg ? "" : optional ? "[=" : "=");
    put_cell(has_arg ? arg : "");
    printf("%s`", optional ? "]" : "");
}

static void put_row(const struct sw_option *o, const struct sw_option_group *group,
                    const struct sw_command *const *users, size_t len)
{
    char *help = docs_text(o, o->help, group, users, len);

    printf("| ");
    put_option(o);
    printf(" | ");
    put_cell(help);
    printf(" |\n");
    free(help);
}

/* All rows in one, with their defaults. */
static void put_brief(const struct sw_option_group *group, const struct sw_command *const *users, size_t len)
{
    printf("| ");
    EACH_ROW (group, o) {
        char *value = docs_text(o, "{}", group, users, len);

        printf("%s`--%s=%s`", o == group->rows ? "" : ", ", o->name, value);
        free(value);
    }
    printf(" | ");
    put_cell(group->about);
    printf(" |\n");
}

static void put_group(const struct sw_option_group *group)
{
    const struct sw_command *users[8];
    size_t n = docs_users(group, users);

    if (group->brief) {
        put_brief(group, users, n);
        return;
    }
    putchar('\n');
    if (group->title)
        printf("%.*s, of ", (int)strcspn(group->title, ":"), group->title);
    else
        printf("Of ");
    for (size_t i = 0; i < n; i++)
        printf("%s`%s`", i ? " and " : "", users[i]->name);
    printf(group->about ? ". %s\n" : ":\n", group->about);
    printf("\n| option | meaning (default) |\n|---|---|\n");
    EACH_ROW (group, o)
        put_row(o, group, users, n);
}

/* Commands with options of their own only: what they are is in the man page and --help. */
static void put_small(const struct sw_command *c)
{
    printf("| `%s` | ", c->name);
    EACH_ROW (c->groups[0].group, o) {
        printf("%s", o == c->groups[0].group->rows ? "" : "; ");
        put_option(o);
    }
    printf(" |\n");
}

void docs_readme(void)
{
    bool begun = false;

    EACH_COMMAND (c)
        EACH_GROUP (*c, i) {
            const struct sw_command *users[8];

            docs_users((*c)->groups[i].group, users);
            if (users[0] == *c && (*c)->groups[1].group)
                put_group((*c)->groups[i].group);
        }
    EACH_COMMAND (c) {
        if (!(*c)->groups[0].group || (*c)->groups[1].group)
            continue;
        printf("%s", begun ? "" : "\n| command | options |\n|---|---|\n");
        begun = true;
        put_small(*c);
    }
}
