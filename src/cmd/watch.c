/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward watch: a reader of a running instance that runs a command for what it reads. */
#include "cmd/watch.h"
#include "base/clock.h"
#include "base/exit.h"
#include "cmd/cmd.h"
#include "config/cli.h"
#include "config/filter_options.h"
#include "config/options.h"
#include "watch/env.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE (60 * SW_SECOND)
#define BURST_MAX 1000000

static int cmd_watch(int argc, char **argv)
{
    struct sw_watch *w = calloc(1, sizeof(*w));
    int code;

    if (!w)
        return SW_EXIT_MEMORY;
    sw_parse(&sw_watch_command, argc, argv, w);
    code = sw_watch_run(w);
    free(w->opts.path);
    for (size_t i = 0; i < w->opts.keys_len; i++)
        free(w->opts.keys[i]);
    free(w);
    return code;
}

/* "N", "N/s", "N/m", "N/h", "none" */
static void parse_rate(struct sw_cli *cli, const char *arg, void *at)
{
    struct sw_watch *w = at;
    size_t len = strcspn(arg, "/");
    __u64 unit = SW_SECOND;
    char number[24];

    if (!strcmp(arg, "none")) {
        w->every_ns = 0;
        return;
    }
    if (!strcmp(arg + len, "/m"))
        unit = MINUTE;
    else if (!strcmp(arg + len, "/h"))
        unit = 60 * MINUTE;
    else if (arg[len] && strcmp(arg + len, "/s") != 0)
        len = sizeof(number);
    if (len >= sizeof(number))
        sw_option_die(cli, "'%s' is no rate, like 10/s, 6/m, 100/h, or none", arg);
    memcpy(number, arg, len);
    number[len] = 0;
    w->rate_burst = sw_arg_number(cli, number, 1, BURST_MAX);
    w->every_ns = unit / w->rate_burst;
}

/* "service", "orig_ip,resp_port" */
static void parse_keys(struct sw_cli *cli, const char *arg, void *at)
{
    struct sw_watch *w = at;

    for (const char *p = arg;; p++) {
        size_t len = strcspn(p, ","), name = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");

        if (!len || name < len || len > SW_WATCH_NAME)
            sw_option_die(cli, "'%s' is no list of keys, like service or orig_ip,resp_port", arg);
        if (w->opts.keys_len == SW_WATCH_KEYS)
            sw_option_die(cli, "more than %d keys", SW_WATCH_KEYS);
        w->opts.keys[w->opts.keys_len] = strndup(p, len);
        if (!w->opts.keys[w->opts.keys_len++])
            exit(SW_EXIT_MEMORY);
        p += len;
        if (!*p)
            return;
    }
}

static const struct sw_operand operands[] = {{"ARG", .complete = SW_COMPLETE_FILES, .repeated = true}, {0}};

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct sw_watch *w = opts;

    if (n == SW_WATCH_ARGS)
        sw_usage_die(cli, "more than %d arguments for the command", SW_WATCH_ARGS);
    w->argv[n + 1] = (char *)arg;
    return 0;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    static const struct sw_filter all;
    struct sw_watch *w = opts;

    (void)operands_len;
    if (!w->exec)
        sw_usage_die(cli, "--exec is missing: what is to be run?");
    if (w->follow && w->choice.which.pid)
        sw_usage_die(cli, "--follow does not go with --pid: the next process has another one");
    if (sw_given(cli, "cooldown") && !w->opts.keys_len)
        sw_usage_die(cli, "--cooldown needs --per");
    if (w->opts.retry_ns && !w->opts.keys_len)
        sw_usage_die(cli, "--retry needs --per");
    if (sw_given(cli, "burst") && !w->every_ns)
        sw_usage_die(cli, "--burst does not go with --rate none");
    if (!w->wants.event_mask)
        w->wants.event_mask = 1u << (memcmp(&w->wants.filter, &all, sizeof(all)) ? (int)SW_EV_CONN : SW_LINE_GUARD);
    w->wants_loss = w->wants.event_mask & 1u << SW_LINE_LOSS;
    w->wants.event_mask |= 1u << SW_LINE_LOSS;
    w->opts.plan.per = w->opts.keys_len;
    w->opts.plan.every_ns = w->every_ns;
    w->opts.plan.burst = w->burst ? w->burst : w->rate_burst;
}

static void defaults(void *opts)
{
    struct sw_watch *w = opts;

    w->wants.format = SW_FORMAT_JSON;
    w->choice.command = "watch";
    w->opts.jobs = 1;
    w->opts.timeout_ns = 30 * SW_SECOND;
    w->rate_burst = 10;
    w->every_ns = SW_SECOND / w->rate_burst;
}

#define FIELD(field) SW_FIELD(struct sw_watch, field)

static const struct sw_option options[] = {
    {"exec", 'x', .block = 1, .type = SW_OPT_FILE, FIELD(exec), .complete = SW_COMPLETE_FILES, .arg = "CMD",
     .help = "the program to run for each event; its arguments follow after `--`",
     .man = "It is executed as it is, without a shell and without anything put into its arguments: what comes from the "
            "network is in its environment and on its standard input only. A name without a slash is looked for in "
            "`PATH` at the start."},
    {"events", .block = 1, .type = SW_OPT_NAMES, FIELD(wants.event_mask), .words = sw_line_words,
     .groups = sw_line_groups, .noun = "event",
     .help = "lines to act on, by name, joined by commas; 'all', 'none', and '-name' to leave one out",
     .man = "Only those that its own `--events` makes. Default: {}, which stands for the changes of services "
            "(`guard,-drop,-service`), with a filter for `conn`."},
    {"per", .block = 1, .type = SW_OPT_CUSTOM, .parse = parse_keys, .arg = "KEY,...",
     .help =
         "for events with the same values of these keys one after the other, and of those that wait only the newest",
     .man = "At most four keys, like `service`. Then an event over the rate waits, too, and `guard` lines go before "
            "others. "
            "What the command sees last of a service is the last event of it, as long as no more than 1024 wait."},
    {"cooldown", .block = 1, .type = SW_OPT_SECONDS, FIELD(opts.plan.cooldown_ns), .seconds = {0, 1e6},
     .help = "with `--per`: at most once in S seconds for the same values ({})"},
    {"jobs", 'j', .block = 1, .type = SW_OPT_NUMBER, FIELD(opts.jobs), .range = {1, SW_JOBS_MAX},
     .help = "so many commands at once ({})",
     .man =
         "With 1 they run in the order of the events. At most 1024 events wait, of 64 MiB together; what is beyond is "
         "counted and said."},
    {"rate", .block = 1, .type = SW_OPT_CUSTOM, .parse = parse_rate, .arg = "N/s|m|h",
     .help = "begin no more than N commands a second, minute or hour (10/s); 'none': no limit",
     .man = "Without `--per` an event over the rate is not acted on, which is counted and said."},
    {"burst", .block = 1, .type = SW_OPT_NUMBER, FIELD(burst), .range = {1, BURST_MAX},
     .help = "so many at once before the rate holds (the N of `--rate`)"},
    {"timeout", .block = 1, .type = SW_OPT_SECONDS, FIELD(opts.timeout_ns), .seconds = {0.1, 86400},
     .help = "after S seconds its process group gets SIGTERM, and SIGKILL two seconds later ({})"},
    {"retry", .block = 1, .type = SW_OPT_SECONDS, FIELD(opts.retry_ns), .seconds = {0.1, 1e6},
     .help = "with `--per`: run a command that failed again after S seconds, if nothing newer waits (default: no)",
     .man = "Until it succeeds, or a newer event of the same values comes."},
    {"dry-run", 'n', .block = 1, .type = SW_OPT_SET, FIELD(opts.dry_run),
     .help = "run nothing, print what would be run"},
    {"follow", 'f', .block = 1, .type = SW_OPT_SET, FIELD(follow),
     .help = "wait for an instance to start, and when it has ended for the next one",
     .man = "What happens before the next one is asked again is not seen."},
    {"count", 'c', .block = 1, .type = SW_OPT_NUMBER, FIELD(opts.count), .range = {1, 1ull << 60}, .arg = "N",
     .help = "end after so many commands (default: at SIGINT or SIGTERM)"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

const struct sw_command sw_watch_command = {
    .name = "watch",
    .summary = "runs a command for events of a running synward",
    .args_doc = "--exec CMD [-- ARG...]",
    .doc =
        "Reads the events of a running synward and runs a command for each: with the line on its standard input, and "
        "its values in the environment, as SYNWARD_EVENT, SYNWARD_SERVICE and so on. A line on standard output says "
        "how each ended. Ends at Ctrl-C, and when the synward ends.\v"
        "Values come from the network: a script quotes them, as in \"$SYNWARD_SERVICE\".",
    .main = cmd_watch,
    .size = sizeof(struct sw_watch),
    .defaults = defaults,
    .groups = {{&group, 0},
               {&sw_choice_group, offsetof(struct sw_watch, choice.which)},
               {&sw_rules_group, offsetof(struct sw_watch, wants.filter.rules)},
               {&sw_view_group, offsetof(struct sw_watch, wants.filter)}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
