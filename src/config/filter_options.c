/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/filter_options.h"

#include <string.h>

static void add_list(struct sw_cli *cli, const char *arg, void *at)
{
    char why[160];
    int list = 0;

    while (list < SW_FL_MAX - 1 && strcmp(sw_filter_list_names[list], cli->option))
        list++;
    if (sw_filter_add(at, list, arg, why, sizeof(why)))
        sw_option_die(cli, "%s", why);
}

static void add_uids(struct sw_cli *cli, const char *arg, void *at)
{
    char why[160];

    if (sw_filter_add_uids(at, arg, why, sizeof(why)))
        sw_option_die(cli, "%s", why);
}

static void add_pids(struct sw_cli *cli, const char *arg, void *at)
{
    char why[160];

    if (sw_filter_add_pids(at, arg, why, sizeof(why)))
        sw_option_die(cli, "%s", why);
}

static void set_pattern(struct sw_cli *cli, const char *arg, void *at)
{
    char why[160];

    if (sw_filter_set_pattern(at, arg, why, sizeof(why)))
        sw_option_die(cli, "%s", why);
}

#define ONE_STATE(prefix, id, name) {name, prefix##id},
#define ONE_CONN_STATE(prefix, id, name) {name, SW_ST_MAX + prefix##id},
static const struct sw_word states[] = {SW_STATES(ONE_STATE) SW_CONN_STATES(ONE_CONN_STATE){0}};
#define ONE_OUTCOME(prefix, id, name) {prefix##id == SW_WHY_NONE ? "open" : (name), prefix##id},
static const struct sw_word outcomes[] = {SW_REASONS(ONE_OUTCOME){0}};

#define PORTS .type = SW_OPT_CUSTOM, .parse = add_list, .arg = "LIST"
#define NETS .type = SW_OPT_CUSTOM, .parse = add_list, .arg = "CIDR,..."

static const struct sw_option rules[] = {
    {"port", PORTS, .help = "only connections with one of these ports at either end, like 443,8000-8100"},
    {"server", PORTS, .help = "only those whose responder has one of these ports"},
    {"net", NETS, .help = "only those with an address of these networks at either end, IPv4 and IPv6"},
    {"src", NETS, .help = "only those whose originator is in these networks"},
    {"dst", NETS, .help = "only those whose responder is in these networks"},
    {"not-port", PORTS, .help = "none with one of these ports at either end"},
    {"not-server", PORTS, .help = "none whose responder has one of these ports"},
    {"not-net", NETS, .help = "none with an address of these networks at either end"},
    {"not-src", NETS, .help = "none whose originator is in these networks"},
    {"not-dst", NETS, .help = "none whose responder is in these networks"},
    {0},
};

#define VIEW(field) SW_FIELD(struct sw_filter, field)

static const struct sw_option view[] = {
    {"state", .type = SW_OPT_NAMES, VIEW(states), .words = states, .noun = "state",
     .help = "only those with an end in one of these states, or with one of these conn_states, like ESTABLISHED,S1 "
             "({}: any)",
     .man = "The states are {words}."},
    {"outcome", .type = SW_OPT_NAMES, VIEW(outcomes), .words = outcomes, .noun = "outcome",
     .help = "only those that ended for one of these reasons, like refused,unanswered, or are open ({}: any)",
     .man = "The outcomes are {words}; all but `open` as in `reason`."},
    {"uid", .type = SW_OPT_CUSTOM, .parse = add_uids, .arg = "UID,...",
     .help = "only the connections with these uids, at most 16"},
    {"cgroup", .type = SW_OPT_CUSTOM, .parse = set_pattern, VIEW(cgroup), .arg = "PATTERN",
     .help = "only those with an end on this host whose cgroup's path fits, like '/system.slice/nginx*'",
     .man = "`*` stands for any characters, `/` too, `?` for one. See OWNERS."},
    {"process", .type = SW_OPT_CUSTOM, .parse = add_pids, .arg = "PID,...",
     .help = "only those with an end whose process is one of these, at most 16",
     .man = "Of several that have it open, that is the one that was started first."},
    {"comm", .type = SW_OPT_CUSTOM, .parse = set_pattern, VIEW(comm), .arg = "PATTERN",
     .help = "only those with an end whose process has this name, like 'curl'"},
    {"min-bytes", .type = SW_OPT_NUMBER, VIEW(min_bytes), .range = {0, 1ull << 60},
     .help = "only those with at least N IP bytes, both directions together ({})"},
    {"min-handshake", .type = SW_OPT_SECONDS, VIEW(min_handshake_ns), .seconds = {0, 1e6},
     .help = "only those whose handshake took S seconds or more ({}: also without one)"},
    {0},
};

const struct sw_option_group sw_rules_group = {
    .title = "Which connections:",
    .about =
        "What several options ask must hold together; within one list any item is enough. Nothing of what begins with "
        "`--not-` may hold. See FILTERS.",
    .rows = rules,
};
const struct sw_option_group sw_view_group = {
    .title = "Which of them, by how they stand:",
    .rows = view,
};
