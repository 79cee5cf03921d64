/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The completion of zsh: a call of _arguments for each command. */
#include "docs.h"

#include <stdlib.h>

static void put_action(const struct sw_option *o)
{
    switch (docs_complete(o)) {
    case SW_COMPLETE_FILES: printf("_files"); return;
    case SW_COMPLETE_INTERFACES: printf("_net_interfaces"); return;
    case SW_COMPLETE_PINS: printf("_synward_pins"); return;
    case SW_COMPLETE_PIDS: printf("_synward_pids"); return;
    case SW_COMPLETE_GROUPS: printf("_groups"); return;
    default: break;
    }
    if (o->type == SW_OPT_NAMES)
        printf("_sequence compadd - ");
    if (o->parts) {
        printf("_sequence compadd -qS = -");
        for (const struct sw_option *p = o->parts; p->name; p++)
            printf(" %s", p->name);
        return;
    }
    if (!docs_has_words(o)) {
        putchar(' ');
        return;
    }
    if (o->type != SW_OPT_NAMES)
        printf("(");
    docs_words(o);
    if (o->type != SW_OPT_NAMES)
        printf(")");
}

/* Colons would end the message. */
static void put_message(const struct sw_option *o)
{
    char arg[SW_OPTION_ARG];

    sw_option_arg(o, arg);
    for (const char *p = arg; *p; p++)
        printf(*p == ':' ? "\\%c" : "%c", *p);
}

static void put_row(const struct sw_option *o, const struct sw_option_group *group, const struct sw_command *c)
{
    bool repeated = o->type == SW_OPT_COUNT || (o->type == SW_OPT_CUSTOM && !o->optional);
    bool has_arg = sw_option_has_arg(o), optional = has_arg && !docs_value_needed(o);
    char *help = docs_plain(o, group, c);

    printf(" \\\n                ");
    if (repeated)
        printf("'*'");
    else if (o->letter)
        printf("'(-%c --%s)'", o->letter, o->name);
    if (o->letter)
        printf("{-%c%s,--%s%s}", o->letter, has_arg ? "+" : "", o->name, has_arg ? "=" : "");
    else
        printf("--%s%s", o->name, optional ? "=-" : has_arg ? "=" : "");
    printf("'[");
    docs_escape(help, "'\\''", "[]");
    printf("]");
    if (has_arg) {
        printf(optional ? "::" : ":");
        put_message(o);
        printf(":");
        put_action(o);
    }
    printf("'");
    free(help);
}

static void put_operands(const struct sw_command *c)
{
    int n = 1;

    for (const struct sw_operand *o = c->operands; o && o->name; o++, n++) {
        struct sw_option as = {.words = o->words, .complete = o->complete, .type = SW_OPT_CUSTOM};

        printf(" \\\n                '");
        if (o->repeated)
            printf("*");
        else
            printf("%d", n);
        printf(":%s:", o->name);
        put_action(&as);
        printf("'");
    }
}

void docs_zsh(void)
{
    printf("#compdef synward\n");
    docs_head();
    printf("\n"
           "_synward_pins() {\n"
           "    compadd - /sys/fs/bpf/synward/*(N:t)\n"
           "}\n\n"
           "_synward_pids() {\n"
           "    compadd - /run/synward/*.instance(N:t:r)\n"
           "}\n\n"
           "_synward() {\n"
           "    local curcontext=$curcontext state line\n"
           "    local -a commands=(\n");
    EACH_COMMAND (c) {
        char text[256];

        snprintf(text, sizeof(text), "%s:%s", (*c)->name, (*c)->summary);
        printf("        '");
        docs_escape(text, "'\\''", "");
        printf("'\n");
    }
    printf("    )\n\n"
           "    _arguments -C '(- *)--help[what the commands are]' '(- *)--version[the version]' \\\n"
           "        '1:command:->command' '*::argument:->argument' && return\n"
           "    case $state in\n"
           "        command) _describe -t commands command commands ;;\n"
           "        argument)\n"
           "            case $words[1] in\n");
    EACH_COMMAND (c) {
        printf("            %s) _arguments -s '(- *)--help[this help]'", (*c)->name);
        EACH_GROUP (*c, i)
            EACH_ROW ((*c)->groups[i].group, o)
                put_row(o, (*c)->groups[i].group, *c);
        put_operands(*c);
        printf(" ;;\n");
    }
    printf("            esac\n"
           "            ;;\n"
           "    esac\n"
           "}\n\n"
           "_synward \"$@\"\n");
}
