/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The completion of fish: a `complete` for each option of each command. */
#include "docs.h"

#include <stdlib.h>

static void put_helpers(void)
{
    docs_head();
    printf("\n"
           "function __synward_command # is it this one?\n"
           "    set -l words (commandline -opc)\n"
           "    test \"$words[2]\" = $argv[1]\n"
           "end\n\n"
           "function __synward_operand # is it this command, and so many operands after it?\n"
           "    set -l words (commandline -opc)\n"
           "    set -l operands 0\n"
           "    set -l is_value 0\n"
           "    test \"$words[2]\" = $argv[1]; or return 1\n"
           "    for word in $words[3..]\n"
           "        if test $is_value = 1\n"
           "            set is_value 0\n"
           "            continue\n"
           "        end\n"
           "        switch \"$words[2]:$word\"\n"
           "            case");
    EACH_COMMAND (c)
        EACH_GROUP (*c, i) {
            const struct sw_command *users[SW_USERS_MAX];

            docs_users((*c)->groups[i].group, users);
            if (users[0] != *c)
                continue;
            EACH_ROW ((*c)->groups[i].group, o)
                if (docs_value_needed(o)) {
                    printf(" ");
                    docs_pattern(o, (*c)->groups[i].group, "", " ");
                }
        }
    printf("\n                set is_value 1\n"
           "            case '*:-?*'\n"
           "            case '*'\n"
           "                set operands (math $operands + 1)\n"
           "        end\n"
           "    end\n"
           "    test $operands -eq $argv[2]\n"
           "end\n\n"
           "function __synward_list # words, joined by commas\n"
           "    set -l head (string match -r '.*,' -- (commandline -ct | string replace -r '^--[a-z-]*=' ''))\n"
           "    printf '%%s\\n' \"$head\"$argv\n"
           "end\n\n");
}

static void put_offer(enum sw_complete complete)
{
    static const char *const offers[] = {
        [SW_COMPLETE_INTERFACES] = "command ls /sys/class/net",
        [SW_COMPLETE_PINS] = "command ls /sys/fs/bpf/synward 2>/dev/null",
        [SW_COMPLETE_PIDS] = "command ls /run/synward 2>/dev/null | string replace -rf \"[.]instance\\$\" \"\"",
        [SW_COMPLETE_GROUPS] = "__fish_complete_groups",
    };

    if (complete != SW_COMPLETE_FILES && complete != SW_COMPLETE_NOTHING)
        printf(" -a '(%s)'", offers[complete]);
}

static void put_row(const struct sw_option *o, const struct sw_option_group *group, const struct sw_command *c)
{
    char *help = docs_plain(o, group, c);

    printf("complete -c synward -n '__synward_command %s'", c->name);
    if (o->letter)
        printf(" -s %c", o->letter);
    printf(" -l %s", o->name);
    if (docs_complete(o) == SW_COMPLETE_FILES)
        printf(" -r -F");
    else if (docs_value_needed(o))
        printf(" -x");
    if (o->type == SW_OPT_NAMES || o->parts) {
        printf(" -a '(__synward_list ");
        docs_words(o);
        printf(")'");
    } else if (docs_has_words(o)) {
        printf(" -a '");
        docs_words(o);
        printf("'");
    }
    put_offer(docs_complete(o));
    printf(" -d '");
    docs_escape(help, "\\'", "\\");
    printf("'\n");
    free(help);
}

static void put_operands(const struct sw_command *c)
{
    int n = 0;

    for (const struct sw_operand *o = c->operands; o && o->name; o++, n++) {
        if (!o->words && !o->complete)
            continue;
        printf("complete -c synward -n '__synward_operand %s %d'", c->name, n);
        if (o->complete == SW_COMPLETE_FILES)
            printf(" -F");
        put_offer(o->complete);
        for (const struct sw_word *w = o->words; w && w->name; w++)
            printf("%s%s", w == o->words ? " -a '" : " ", w->name);
        printf("%s\n", o->words ? "'" : "");
    }
}

void docs_fish(void)
{
    put_helpers();
    printf("complete -c synward -f\n"
           "complete -c synward -n '__synward_command \"\"' -l help -d 'what the commands are'\n"
           "complete -c synward -n '__synward_command \"\"' -l version -d 'the version'\n");
    EACH_COMMAND (c) {
        printf("complete -c synward -n '__synward_command \"\"' -a %s -d '", (*c)->name);
        docs_escape((*c)->summary, "\\'", "\\");
        printf("'\n");
    }
    EACH_COMMAND (c) {
        printf("\ncomplete -c synward -n '__synward_command %s' -l help -d 'this help'\n", (*c)->name);
        EACH_GROUP (*c, i)
            EACH_ROW ((*c)->groups[i].group, o)
                put_row(o, (*c)->groups[i].group, *c);
        put_operands(*c);
    }
}
