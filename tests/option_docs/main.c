/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tests/options runs it: option_docs man|bash|zsh|fish|dict */
#include "docs.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void docs_head(void)
{
    /* in two pieces, or it would be taken for this file's own */
    printf("# SPDX-"
           "License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"
           "# Written by `make options`: change the tables of options instead.\n");
}

size_t docs_users(const struct sw_option_group *group, const struct sw_command *ret[SW_USERS_MAX])
{
    size_t n = 0;

    EACH_COMMAND (c)
        EACH_GROUP (*c, i)
            if ((*c)->groups[i].group == group && n < SW_USERS_MAX)
                ret[n++] = *c;
    return n;
}

char *docs_text(const struct sw_option *o, const char *text, const struct sw_option_group *group,
                const struct sw_command *const *commands, size_t len)
{
    char *ret = sw_option_text(o, text, group, commands, len);

    if (ret)
        return ret;
    fprintf(stderr, "option_docs: no memory\n");
    exit(1);
}

char *docs_plain(const struct sw_option *o, const struct sw_option_group *group, const struct sw_command *command)
{
    char *ret = docs_text(o, o->help, group, &command, 1), *to = ret;

    for (const char *from = ret; *from; from++)
        if (*from != '`')
            *to++ = *from;
    *to = 0;
    return ret;
}

/* A metavariable of choices, as S|minute|hour: the words in it. */
static const char *choices(const struct sw_option *o)
{
    return o->arg && !o->words && strchr(o->arg, '|') ? o->arg : NULL;
}

enum sw_complete docs_complete(const struct sw_option *o)
{
    if (o->complete)
        return o->complete;
    if (o->arg && !strcmp(o->arg, "PID"))
        return SW_COMPLETE_PIDS;
    if (o->arg && !strcmp(o->arg, "GROUP"))
        return SW_COMPLETE_GROUPS;
    return o->type == SW_OPT_FILE ? SW_COMPLETE_FILES : SW_COMPLETE_NOTHING;
}

bool docs_has_words(const struct sw_option *o)
{
    return o->type == SW_OPT_SWITCH || o->words || o->parts || choices(o);
}

bool docs_value_needed(const struct sw_option *o)
{
    return sw_option_has_arg(o) && !o->optional && o->type != SW_OPT_SWITCH;
}

void docs_pattern(const struct sw_option *o, const struct sw_option_group *group, const char *quote,
                  const char *between)
{
    const struct sw_command *users[SW_USERS_MAX];
    size_t n = docs_users(group, users);

    for (size_t i = 0; i < n; i++) {
        if (o->letter)
            printf("%s%s%s:-%c%s", i ? between : "", quote, users[i]->name, o->letter, quote);
        printf("%s%s%s:--%s%s", i || o->letter ? between : "", quote, users[i]->name, o->name, quote);
    }
}

void docs_words(const struct sw_option *o)
{
    const char *between = "";

    for (const char *p = choices(o); p; p = strchr(p, '|')) {
        p += *p == '|';
        if (!islower((unsigned char)*p))
            continue;
        printf("%s%.*s", between, (int)strcspn(p, "|"), p);
        between = " ";
    }
    if (o->type == SW_OPT_SWITCH)
        printf("on off");
    for (const struct sw_word *w = o->words; w && w->name; w++, between = " ")
        printf("%s%s", between, w->name);
    for (const struct sw_word *w = o->groups; w && w->name; w++)
        printf(" %s", w->name);
    if (o->type == SW_OPT_NAMES)
        printf(" all none");
    for (const struct sw_option *p = o->parts; p && p->name; p++, between = " ")
        printf("%s%s=", between, p->name);
}

void docs_escape(const char *s, const char *escaped, const char *chars)
{
    for (; *s; s++) {
        if (*s == '\'') {
            printf("%s", escaped);
            continue;
        }
        if (strchr(chars, *s))
            putchar('\\');
        putchar(*s);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } forms[] = {
        {"man", docs_man}, {"bash", docs_bash}, {"zsh", docs_zsh}, {"fish", docs_fish}, {"dict", docs_dict},
    };

    for (size_t i = 0; argc == 2 && i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(argv[1], forms[i].name))
            continue;
        forms[i].print();
        return fflush(stdout) ? 1 : 0;
    }
    fprintf(stderr, "option_docs man|bash|zsh|fish|dict\n");
    return 2;
}
