/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* argp would sort the options by name, and print all of them in the usage line. */
#include "config/help.h"

#include "config/option_text.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_AT = 29 }; /* the column of what an option does */

/* From column `at`, wrapped at spaces; backquotes are not for here. */
static void put_text(FILE *out, const char *text, int indent, int at)
{
    while (*text) {
        int len = strcspn(text, " "), shown = len;

        for (int i = 0; i < len; i++)
            shown -= text[i] == '`';
        if (at > indent && at + 1 + shown > SW_HELP_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            putc(' ', out);
            at++;
        }
        for (int i = 0; i < len; i++)
            if (text[i] != '`')
                putc(text[i], out);
        at += shown;
        text += len;
        text += strspn(text, " ");
    }
    putc('\n', out);
}

static void put_option(FILE *out, const char *head, const char *text)
{
    int at = fprintf(out, "%s", head);

    if (at > TEXT_AT - 2) {
        putc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", TEXT_AT - at, "");
    put_text(out, text, TEXT_AT, TEXT_AT);
}

static void put_row(FILE *out, const struct sw_command *c, const struct sw_option_group *group,
                    const struct sw_option *o)
{
    char head[SW_OPTION_ARG + 64], arg[SW_OPTION_ARG] = "", letter[6] = "    ";
    bool optional = o->optional || o->type == SW_OPT_SWITCH;
    char *text = sw_option_text(o, o->help, group, &c, 1);

    if (sw_option_has_arg(o))
        sw_option_arg(o, arg);
    if (o->letter)
        snprintf(letter, sizeof(letter), "-%c, ", o->letter);
    snprintf(head, sizeof(head), "  %s--%s%s%s%s%s", letter, o->name, *arg && optional ? "[" : "", *arg ? "=" : "", arg,
             *arg && optional ? "]" : "");
    put_option(out, head, text ? text : o->help);
    free(text);
}

/* A blank line stands before a heading and between two blocks. */
static void put_group(FILE *out, const struct sw_command *c, const struct sw_option_group *group, bool first)
{
    const struct sw_option *o = group->rows;

    if (group->title)
        fprintf(out, "%s %s\n", first ? "" : "\n", group->title);
    for (; o->name; o++) {
        if (o == group->rows ? !group->title && !first : o->block != o[-1].block)
            putc('\n', out);
        put_row(out, c, group, o);
    }
}

static void put_usage(FILE *out, const struct sw_command *c)
{
    const char *args = c->args_doc ? c->args_doc : "", *word = "Usage:";
    int len;

    do {
        len = strcspn(args, "\n");
        fprintf(out, "%s synward %s [OPTION...]%s%.*s\n", word, c->name, len ? " " : "", len, args);
        args += len;
        word = "  or: ";
    } while (*args++);
}

void sw_help_print(const struct sw_command *c, FILE *out)
{
    const char *after = strchr(c->doc, '\v');
    char *before = strndup(c->doc, after ? (size_t)(after - c->doc) : strlen(c->doc));

    put_usage(out, c);
    put_text(out, before ? before : "", 0, 0);
    putc('\n', out);
    free(before);
    for (int i = 0; i < SW_GROUPS_MAX && c->groups[i].group; i++)
        put_group(out, c, c->groups[i].group, !i);
    if (c->groups[0].group)
        putc('\n', out);
    put_option(out, "  -h, --help", "this help");
    if (after) {
        putc('\n', out);
        put_text(out, after + 1, 0, 0);
    }
}
