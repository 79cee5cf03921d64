/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward ladder: connections as arrow diagrams, from event lines or from running instances. */
#include "base/array.h"
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/find_instance.h"
#include "config/cli.h"
#include "config/filter_options.h"
#include "ladder/line.h"
#include "loader/map_reader.h"
#include "owner/owners.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SVG_MOST 100 /* connections in one image */

struct ladder {
    bool svg;
    __u32 count; /* 0: all */
    struct sw_choice choice;
    struct sw_filter filter;
    const char **files;
    size_t files_len, files_room;

    bool utf8;
    __u64 drawn, left, without, bad, broken;
    struct sw_ladder_conn *conns; /* with --svg */
    size_t room;
    int elsewhere, other_version;
    int mute, starting; /* instances without --ladder, and those that have no tables yet: a pid */
    int fitting;
    __s64 clock_offset;
    struct sw_ladder_maps maps;
    struct sw_owners *owners;
    int err;
};

static bool is_full(const struct ladder *l)
{
    return (l->count && l->drawn == l->count) || (l->svg && l->drawn == SVG_MOST);
}

/* 0 or -ENOMEM. What does not fit is counted. */
static int draw(struct ladder *l, const struct sw_ladder_conn *c)
{
    struct sw_ladder_conn *more;

    if (is_full(l)) {
        l->left++;
        return 0;
    }
    if (!l->svg) {
        if (l->drawn++)
            putchar('\n');
        sw_ladder_text(c, l->utf8, stdout);
        fflush(stdout); /* lines may come as they happen */
        return 0;
    }
    more = sw_array_room(l->conns, &l->room, l->drawn + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    l->conns = more;
    l->conns[l->drawn++] = *c;
    return 0;
}

/* --- lines --- */

static int take_line(struct ladder *l, const struct sw_line *line)
{
    struct sw_ladder_conn c;

    switch (sw_ladder_of_line(line, &l->filter, &c)) {
    case SW_LADDER_OK: return draw(l, &c);
    case SW_LADDER_NONE: l->without++; break;
    case SW_LADDER_BAD: l->bad++; break;
    case SW_LADDER_OTHER: break;
    }
    return 0;
}

static int read_lines(struct ladder *l, struct sw_ndjson *in)
{
    struct pollfd input = {.fd = sw_ndjson_fd(in), .events = POLLIN};
    struct stat st;
    const bool is_live = !fstat(input.fd, &st) && !S_ISREG(st.st_mode);
    const struct sw_line *line;
    int got = 0;

    /* lines that come as they happen are not waited for to be counted */
    while (!ferror(stdout) && !(is_live && is_full(l)) && ((got = sw_ndjson_next(in, &line)) == 1 || got == -EAGAIN)) {
        int err = got == 1 ? take_line(l, line) : 0;

        if (err)
            return err;
        if (got == -EAGAIN) /* standard input that another process set to non-blocking */
            poll(&input, 1, -1);
    }
    return ferror(stdout) || (is_live && is_full(l)) ? 0 : got;
}

static int read_file(struct ladder *l, const char *name)
{
    const char *shown = strcmp(name, "-") ? name : "standard input";
    struct sw_ndjson *in;
    int err = sw_ndjson_open(name, &in);

    if (err) {
        sw_err("ladder: %s: %s", shown, strerror(-err));
        return err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INPUT;
    }
    err = read_lines(l, in);
    l->broken += sw_ndjson_counts(in)->broken;
    if (err == -EILSEQ)
        sw_err("ladder: %s: damaged gzip data after line %llu", shown, (unsigned long long)sw_ndjson_counts(in)->read);
    else if (err)
        sw_err("ladder: %s: %s", shown, strerror(-err));
    sw_ndjson_close(in);
    return !err ? SW_EXIT_OK : err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INPUT;
}

static int read_files(struct ladder *l)
{
    int code = SW_EXIT_OK;

    for (size_t i = 0; i < l->files_len && !code; i++)
        code = read_file(l, l->files[i]);
    if (l->broken || l->bad)
        sw_warn("ladder: %llu lines are no event lines, and %llu have a ladder of another form: left out",
                (unsigned long long)l->broken, (unsigned long long)l->bad);
    if (code || l->drawn)
        return code;
    if (l->without) {
        sw_err("ladder: %llu connections fit, and none has a ladder: it is kept by 'synward run --ladder', or "
               "'synward replay --ladder'",
               (unsigned long long)l->without);
        return SW_EXIT_INPUT;
    }
    if (l->broken || l->bad)
        return SW_EXIT_INPUT;
    sw_info("ladder: no `conn` line fits");
    return SW_EXIT_OK;
}

/* --- running instances --- */

static void take_flow(const struct sw_key *key, const struct sw_flow *flow, void *ctx)
{
    struct ladder *l = ctx;
    struct sw_ladder ladder;
    struct sw_ladder_conn c;

    if (l->err || !sw_filter_match(&l->filter, key, flow, l->owners))
        return;
    sw_ladder_of_flow(key, flow, sw_map_ladder(&l->maps, key, flow->start_ns, &ladder) ? &ladder : NULL,
                      l->clock_offset, &c);
    l->err = draw(l, &c);
}

static int look(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct ladder *l = ctx;
    int err;

    if (!alive && !sw_instance_is_pinned(inst))
        return 0;
    l->elsewhere += sw_choice_is_elsewhere(&l->choice, inst);
    if (!sw_choice_fits(&l->choice, inst))
        return 0;
    l->fitting++;
    if (!inst->map_flows) {
        l->starting = inst->pid;
        return 0;
    }
    if (inst->contract != SW_CONTRACT_VERSION) {
        sw_warn("the synward with pid %d is of another version: not shown", inst->pid);
        l->other_version++;
        return 0;
    }
    if (!inst->map_ladders) {
        l->mute = inst->pid;
        return 0;
    }
    err = sw_map_ladders_open(inst->map_ladders, inst->map_ladders_open, &l->maps);
    if (!err)
        err = sw_map_flows(inst->map_flows, take_flow, l);
    if (!err)
        err = sw_map_flows(inst->map_half_open, take_flow, l);
    sw_map_ladders_close(&l->maps);
    if (err == -ENOENT) /* a map's id: it has just ended */
        err = 0;
    return err ? err : l->err;
}

static int read_instances(struct ladder *l)
{
    int err;

    if (!sw_can_inspect()) {
        sw_err("ladder needs root, or CAP_SYS_ADMIN, or a file of event lines");
        return SW_EXIT_PRIVILEGE;
    }
    sw_choice_begin(&l->choice);
    l->clock_offset = sw_clock_offset();
    err = sw_filter_asks_owner(&l->filter) ? sw_owners_look(&l->owners) : 0;
    if (!err)
        err = sw_instance_walk(look, l);
    sw_owners_free(l->owners);
    l->owners = NULL;
    if (err)
        return sw_walk_failed("ladder", err);
    if (!l->fitting)
        return sw_choice_say_none(&l->choice, l->elsewhere);
    if (!l->drawn && l->starting) {
        sw_err("ladder: the synward with pid %d is starting", l->starting);
        return SW_EXIT_NOT_RUNNING;
    }
    if (!l->drawn && l->mute) {
        sw_err("ladder: the synward with pid %d keeps none: it runs without --ladder", l->mute);
        return SW_EXIT_NOT_RUNNING;
    }
    if (!l->drawn && l->other_version == l->fitting)
        return SW_EXIT_NOT_RUNNING;
    if (!l->drawn)
        sw_info("ladder: no connection in the tables fits; those that have ended are in event lines");
    return SW_EXIT_OK;
}

static int run(struct ladder *l)
{
    int code;

    setlocale(LC_CTYPE, ""); /* how lines are drawn */
    l->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
    l->maps = (struct sw_ladder_maps){{-1, -1}};
    code = l->files_len ? read_files(l) : read_instances(l);
    if (l->svg && l->drawn && code != SW_EXIT_MEMORY)
        sw_ladder_svg(l->conns, l->drawn, stdout);
    if (l->left)
        sw_info("ladder: %llu more connections fit: a uid or a filter chooses", (unsigned long long)l->left);
    free(l->conns);
    return code ? code : sw_stdout_end();
}

static int cmd_ladder(int argc, char **argv)
{
    struct ladder *l = calloc(1, sizeof(*l));
    int code;

    if (!l) {
        sw_err("ladder: %s", strerror(ENOMEM));
        return SW_EXIT_MEMORY;
    }
    sw_parse(&sw_ladder_command, argc, argv, l);
    code = run(l);
    free(l->files);
    free(l);
    return code;
}

static const struct sw_option options[] = {
    {"svg", .type = SW_OPT_SET, SW_FIELD(struct ladder, svg),
     .help = "one SVG image, in light or dark as its reader has it, instead of text",
     .man = "It has at most 100 connections."},
    {"count", 'c', .type = SW_OPT_NUMBER, SW_FIELD(struct ladder, count), .range = {0, ~0u}, .arg = "N",
     .help = "at most so many connections, the first ones ({}: all)"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

static const struct sw_operand operands[] = {{"UID|FILE", .complete = SW_COMPLETE_FILES, .repeated = true}, {0}};

/* What looks like a uid is one; a file of such a name can be given with its folder. */
static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct ladder *l = opts;
    const char **more;
    char why[160];

    (void)n;
    if (!sw_filter_add_uids(&l->filter, arg, why, sizeof(why)))
        return 0;
    if (!strncmp(why, "more than", strlen("more than")))
        sw_usage_die(cli, "%s", why);
    more = sw_array_room(l->files, &l->files_room, l->files_len + 1, sizeof(*more));
    if (!more)
        return ENOMEM;
    l->files = more;
    l->files[l->files_len++] = arg;
    return 0;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    static const char *const live[] = {"interface", "pid", "all-namespaces", "cgroup", "process", "comm"};
    const struct ladder *l = opts;

    (void)operands_len;
    for (size_t i = 0; i < sizeof(live) / sizeof(live[0]) && l->files_len; i++)
        if (sw_given(cli, live[i]))
            sw_usage_die(cli, "--%s does not go with a file of event lines", live[i]);
    for (size_t i = 0; i < l->files_len; i++)
        if (!strcmp(l->files[i], "-") && isatty(STDIN_FILENO))
            sw_usage_die(cli, "standard input is a terminal, and has no event lines");
}

const struct sw_command sw_ladder_command = {
    .name = "ladder",
    .summary = "connections as arrow diagrams, segment by segment",
    .args_doc = "[UID...] [EVENTS...]",
    .doc = "Draws the control segments of connections, with the states of both ends: of conn lines of run or replay "
           "with --ladder (plain or gzip, - is standard input), or, without a file, of the connections that running "
           "synwards follow.",
    .main = cmd_ladder,
    .size = sizeof(struct ladder),
    .groups = {{&group, 0},
               {&sw_choice_group, offsetof(struct ladder, choice)},
               {&sw_rules_group, offsetof(struct ladder, filter.rules)},
               {&sw_view_group, offsetof(struct ladder, filter)}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
