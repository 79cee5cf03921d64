/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The completion of bash: what is the same for all options is text, the rest comes from the tables. */
#include "docs.h"

static const char begin[] =
    "\n"
    "_synward()\n"
    "{\n"
    "    local -a words=() # of the command line; bash has split them at =\n"
    "    local i word\n"
    "    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if ((i > 1)) && [[ $word == = || (${COMP_WORDS[i - 1]} == = && $word != --*) ]]; then\n"
    "            words[-1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "    done\n"
    "    local command=${words[1]} cur=${words[-1]} prev=${words[-2]}\n"
    "    local option='' value=$cur lead='' list='' offer='' operand=0\n"
    "\n"
    "    COMPREPLY=()\n"
    "    if ((${#words[@]} == 2)); then\n";

static const char find[] = "        mapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$cur\")\n"
                           "        return 0\n"
                           "    fi\n"
                           "    # whose value is it, or which operand is it?\n"
                           "    for ((i = 2; i < ${#words[@]} - 1; i++)); do\n"
                           "        if _synward_takes_value \"$command:${words[i]}\"; then\n"
                           "            ((++i))\n"
                           "        elif [[ ${words[i]} != -* || ${words[i]} == - ]]; then\n"
                           "            ((++operand))\n"
                           "        fi\n"
                           "    done\n"
                           "    if [[ $cur == --*=* ]]; then\n"
                           "        option=${cur%%=*} value=${cur#*=}\n"
                           "        lead=$option=\n"
                           "    elif ((i == ${#words[@]})); then\n"
                           "        option=$prev\n"
                           "    fi\n"
                           "    if [[ $option ]]; then\n"
                           "        case $command:$option in\n";

static const char reply[] =
    "        esac\n"
    "    fi\n"
    "    case $offer in\n"
    "        interfaces) list+=\" $(command ls /sys/class/net)\" ;;\n"
    "        pins) list+=\" $(command ls /sys/fs/bpf/synward 2>/dev/null)\" ;;\n"
    "        pids) list+=\" $(command ls /run/synward 2>/dev/null | sed -n 's/\\.instance$//p')\" ;;\n"
    "        groups) list+=\" $(compgen -g)\" ;;\n"
    "        names) [[ $value == *,* ]] && lead+=${value%,*}, value=${value##*,} ;;\n"
    "    esac\n"
    "    if [[ $offer == files && ($option || $cur != -*) ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -f -P \"$lead\" -- \"$value\")\n"
    "        compopt -o filenames 2>/dev/null\n"
    "    else\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$list\" -P \"$lead\" -- \"$value\")\n"
    "        [[ ${COMPREPLY[0]:-} == *= ]] && compopt -o nospace 2>/dev/null\n"
    "    fi\n"
    "    # bash puts what it gets after the last =\n"
    "    [[ $cur == *=* && $COMP_WORDBREAKS == *=* ]] && COMPREPLY=(\"${COMPREPLY[@]#\"${cur%=*}=\"}\")\n"
    "    return 0\n"
    "}\n"
    "complete -F _synward synward\n";

static void put_offer(enum sw_complete complete)
{
    static const char *const offers[] = {[SW_COMPLETE_FILES] = "files",
                                         [SW_COMPLETE_INTERFACES] = "interfaces",
                                         [SW_COMPLETE_PINS] = "pins",
                                         [SW_COMPLETE_PIDS] = "pids",
                                         [SW_COMPLETE_GROUPS] = "groups"};

    if (complete != SW_COMPLETE_NOTHING)
        printf(" offer=%s", offers[complete]);
}

/* Whether this group is met here first, for what is the same in all commands. */
static bool first(const struct sw_command *c, const struct sw_option_group *group)
{
    const struct sw_command *users[SW_USERS_MAX];

    docs_users(group, users);
    return users[0] == c;
}

static void put_values(void)
{
    EACH_COMMAND (c)
        EACH_GROUP (*c, i) {
            const struct sw_option_group *group = (*c)->groups[i].group;

            if (!first(*c, group))
                continue;
            EACH_ROW (group, o) {
                enum sw_complete complete = docs_complete(o);

                if (!complete && !docs_has_words(o))
                    continue;
                printf("            ");
                docs_pattern(o, group, "", " | ");
                printf(")");
                if (docs_has_words(o)) {
                    printf(" list='");
                    docs_words(o);
                    printf("'");
                }
                put_offer(complete);
                printf("%s ;;\n", o->type == SW_OPT_NAMES || o->parts ? " offer=names" : "");
            }
        }
}

static void put_options(void)
{
    EACH_COMMAND (c) {
        printf("            %s)\n                list='--help", (*c)->name);
        EACH_GROUP (*c, i) {
            printf("\n                   ");
            EACH_ROW ((*c)->groups[i].group, o)
                printf(" --%s", o->name);
        }
        printf("'\n                ;;\n");
    }
}

static void put_operands(void)
{
    EACH_COMMAND (c) {
        const struct sw_operand *o = (*c)->operands;

        for (int n = 0; o && o->name; o++, n++) {
            if (!o->words && !o->complete)
                continue;
            if (o->repeated)
                printf("            %s:*)", (*c)->name);
            else
                printf("            %s:%d)", (*c)->name, n);
            for (const struct sw_word *w = o->words; w && w->name; w++)
                printf("%s%s", w == o->words ? " list+=' " : " ", w->name);
            printf("%s", o->words ? "'" : "");
            put_offer(o->complete);
            printf(" ;;\n");
        }
    }
}

static void put_takes_value(void)
{
    const char *between = "";

    printf("\n# COMMAND:OPTION: the next word is its value\n_synward_takes_value()\n{\n    case $1 in\n        ");
    EACH_COMMAND (c)
        EACH_GROUP (*c, i)
            EACH_ROW ((*c)->groups[i].group, o)
                if (docs_value_needed(o) && first(*c, (*c)->groups[i].group)) {
                    printf("%s", between);
                    docs_pattern(o, (*c)->groups[i].group, "", " | ");
                    between = " | \\\n            ";
                }
    printf(") ;;\n        *) return 1 ;;\n    esac\n}\n");
}

void docs_bash(void)
{
    docs_head();
    printf("# shellcheck shell=bash\n");
    put_takes_value();
    printf("%s        list='", begin);
    EACH_COMMAND (c)
        printf("%s ", (*c)->name);
    printf("--help --version'\n%s", find);
    put_values();
    printf("        esac\n    else\n        case $command in\n");
    put_options();
    printf("        esac\n        case $command:$operand in\n");
    put_operands();
    printf("%s", reply);
}
