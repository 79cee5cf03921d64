/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward flows: the table of running instances, read from their maps. */
#include "cmd/flows.h"
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/find_instance.h"
#include "config/cli.h"
#include "config/filter_options.h"
#include "config/options.h"

#include <stdlib.h>
#include <unistd.h>

#define RATE_US 1000000 /* between the two looks of a rate */

static int once(struct sw_flows *f)
{
    int err;

    f->out = stdout;
    f->stream = f->sort == SW_SORT_NONE;
    err = sw_flows_look(f);
    if (!err && f->len && f->sort == SW_SORT_RATE) {
        sw_flows_forget(f);
        usleep(RATE_US);
        err = sw_flows_look(f);
    }
    if (err)
        return sw_walk_failed("flows", err);
    if (!f->len)
        return sw_flows_say_none(f);
    if (!f->stream)
        sw_flows_print(f);
    return sw_stdout_end();
}

static int cmd_flows(int argc, char **argv)
{
    const struct sw_report_opts none = {.host = ""};
    struct sw_flows *f = calloc(1, sizeof(*f));
    int err, code;

    if (!f)
        return SW_EXIT_MEMORY;
    sw_parse(&sw_flows_command, argc, argv, f);
    if (!sw_can_inspect()) {
        sw_err("flows needs root, or CAP_SYS_ADMIN");
        free(f);
        return SW_EXIT_PRIVILEGE;
    }
    sw_choice_begin(&f->choice);
    err = sw_lines_init(&f->lines, &none);
    code = err ? sw_walk_failed("flows", err) : f->watch_ns ? sw_flows_watch(f) : once(f);
    sw_flows_forget(f);
    sw_owners_free(f->owners);
    free(f->before.seen);
    free(f->block);
    sw_lines_fini(&f->lines);
    free(f);
    return code;
}

static void defaults(void *opts)
{
    struct sw_flows *f = opts;

    f->format = SW_FORMAT_TEXT;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands)
{
    struct sw_flows *f = opts;

    (void)operands;
    if (f->json && sw_given(cli, "format") && f->format == SW_FORMAT_TEXT)
        sw_usage_die(cli, "--json does not go with --format text");
    f->json |= f->format == SW_FORMAT_JSON;
    if (f->watch_ns && f->sort == SW_SORT_NONE)
        f->sort = SW_SORT_RATE;
}

static const struct sw_word sorts[] = {
    {"bytes", SW_SORT_BYTES}, {"age", SW_SORT_AGE}, {"handshake", SW_SORT_HANDSHAKE}, {"rate", SW_SORT_RATE}, {0}};

static const struct sw_word formats[] = {{"json", SW_FORMAT_JSON}, {"text", SW_FORMAT_TEXT}, {0}};

static const struct sw_option options[] = {
    {"sort", .type = SW_OPT_CHOICE, SW_FIELD(struct sw_flows, sort), .words = sorts,
     .help = "most bytes, oldest, slowest handshake or highest rate first (as the table has them; with --watch rate)",
     .man =
         "Bytes are IP bytes of both directions. A rate is what moved between two looks: in the second that it takes "
         "then, with `--watch` since the block before. A connection without a handshake comes last. "
         "Sorting takes about 480 bytes of memory for each connection that is shown."},
    {"watch", 'w', .type = SW_OPT_SECONDS, SW_FIELD(struct sw_flows, watch_ns), .seconds = {0.1, 86400}, .arg = "S",
     .help = "again every S seconds until Ctrl-C: in place on a terminal, else block by block",
     .man = "A terminal shows as many rows as it has. Ends with 0, also when no instance is left to show."},
    {"wide", .type = SW_OPT_SET, SW_FIELD(struct sw_flows, wide),
     .help = "all columns, with interface, states of both ends, packets, history and owner, instead of 80 columns",
     .man = "The owner of an end that is this host's: a process that has its socket open now, of how many, and its "
            "cgroup, as far as they are known."},
    {"format", .type = SW_OPT_CHOICE, SW_FIELD(struct sw_flows, format), .words = formats,
     .help = "a JSON object a line for programs, or a table ({})"},
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct sw_flows, json), .help = "the same as --format=json"},
    {"all", 'a', .type = SW_OPT_SET, SW_FIELD(struct sw_flows, all),
     .help = "connections that ended and wait for late segments, too"},
    {"seed", 's', .type = SW_OPT_NUMBER, SW_FIELD(struct sw_flows, seed), .range = {0, 65535},
     .help = "Community ID seed ({})"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

const struct sw_command sw_flows_command = {
    .name = "flows",
    .summary = "the live table of a running synward",
    .doc = "Shows the connections that running synwards follow.",
    .main = cmd_flows,
    .size = sizeof(struct sw_flows),
    .defaults = defaults,
    .groups = {{&group, 0},
               {&sw_choice_group, offsetof(struct sw_flows, choice)},
               {&sw_rules_group, offsetof(struct sw_flows, filter.rules)},
               {&sw_view_group, offsetof(struct sw_flows, filter)}},
    .check = check,
};
