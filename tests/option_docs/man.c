/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The man page's lists of options. */
#include "docs.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* mandoc -T lint: an input line has at most 80 bytes */
enum { WIDTH = 80 };

static void put_char(char c)
{
    if (c == '-')
        fputs("\\-", stdout);
    else if (c == '\\')
        fputs("\\e", stdout);
    else
        putchar(c);
}

/* One word of text; *bold continues over words. At the start of a line some characters make a request of it. */
static void put_word(const char *word, size_t len, bool first, bool *bold)
{
    if (first && (*word == '.' || *word == '\''))
        fputs("\\&", stdout);
    for (size_t i = 0; i < len; i++) {
        if (word[i] == '`') {
            *bold = !*bold;
            fputs(*bold ? "\\fB" : "\\fP", stdout);
        } else {
            put_char(word[i]);
        }
    }
}

/* A sentence ends a line, so that roff spaces it. */
static void put_text(const char *text)
{
    size_t column = 0, len;
    bool bold = false;

    while (*text) {
        len = strcspn(text, " ");
        if (column && column + 1 + len > WIDTH) {
            putchar('\n');
            column = 0;
        }
        if (column)
            putchar(' ');
        put_word(text, len, !column, &bold);
        column += 1 + len;
        if (text[len - 1] == '.' && text[len]) {
            putchar('\n');
            column = 0;
        }
        text += len;
        text += strspn(text, " ");
    }
    if (column)
        putchar('\n');
}

static void put_string(const char *s)
{
    while (*s)
        put_char(*s++);
}

static void put_arg(const struct sw_option *o)
{
    char arg[SW_OPTION_ARG];
    bool word = o->type == SW_OPT_CHOICE || o->type == SW_OPT_SWITCH;

    sw_option_arg(o, arg);
    for (const struct sw_option *p = o->parts; p && p->name; p++) {
        fputs(p == o->parts ? "\\fB" : ",\\fB", stdout);
        put_string(p->name);
        sw_option_arg(p, arg);
        printf("=\\fP\\fI%s\\fP", arg);
    }
    for (char *p = o->parts ? NULL : strtok(arg, "|"), *first = p; p; p = strtok(NULL, "|")) {
        fputs(p == first ? "" : "|", stdout);
        fputs(word ? "\\fB" : "\\fI", stdout);
        put_string(p);
        fputs("\\fP", stdout);
    }
}

static void put_head(const struct sw_option *o)
{
    bool arg = sw_option_has_arg(o), optional = arg && !docs_value_needed(o);

    printf(".TP\n");
    if (o->letter) {
        printf("\\fB\\-%c\\fP", o->letter);
        if (arg) {
            putchar(' ');
            put_arg(o);
        }
        printf(", ");
    }
    printf("\\fB\\-\\-");
    put_string(o->name);
    fputs(!arg ? "\\fP" : optional ? "\\fP[\\fB=\\fP" : "=\\fP", stdout);
    if (arg) {
        put_arg(o);
        fputs(optional ? "]" : "", stdout);
    }
    putchar('\n');
}

static void put_row(const struct sw_option *o, const struct sw_option_group *group,
                    const struct sw_command *const *users, size_t len)
{
    char *help = docs_text(o, o->help, group, users, len), *man = docs_text(o, o->man ? o->man : "", group, users, len);
    char *whole = malloc(strlen(help) + strlen(man) + 3);

    if (!whole)
        exit(1);
    put_head(o);
    sprintf(whole, "%s.%s%s", help, *man ? " " : "", man);
    *whole = toupper((unsigned char)*whole);
    put_text(whole);
    free(help);
    free(man);
    free(whole);
}

/* name, default, and where it comes from */
static void put_table(const struct sw_option_group *group, const struct sw_command *const *users, size_t len)
{
    printf(".TS\ntab(|);\nl r l.\nOption|Default|Source\n");
    EACH_ROW (group, o) {
        char *value = docs_text(o, "{}", group, users, len);

        fputs("\\-\\-", stdout);
        put_string(o->name);
        printf("|%s|%s\n", value, o->man);
        free(value);
    }
    printf(".TE\n");
}

static void put_group(const struct sw_option_group *group)
{
    const struct sw_command *users[SW_USERS_MAX];
    size_t n = docs_users(group, users);

    if (group->title)
        printf(".SS \"%.*s (", (int)strcspn(group->title, ":"), group->title);
    else if (!group->brief)
        printf(".SS \"");
    for (size_t i = 0; i < n && !group->brief; i++)
        printf("%s%s", i ? " and " : "", users[i]->name);
    if (!group->brief)
        printf("%s\"\n", group->title ? ")" : "");
    if (group->about) {
        fputs(group->brief ? ".PP\n" : "", stdout);
        put_text(group->about);
    }
    if (group->brief)
        put_table(group, users, n);
    else
        EACH_ROW (group, o)
            put_row(o, group, users, n);
}

void docs_man(void)
{
    EACH_COMMAND (c)
        EACH_GROUP (*c, i) {
            const struct sw_command *users[SW_USERS_MAX];

            docs_users((*c)->groups[i].group, users);
            if (users[0] == *c)
                put_group((*c)->groups[i].group);
        }
}
