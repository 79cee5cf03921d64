/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward join: event lines of several places about the same connections, and what happened between them. */
#include "base/array.h"
#include "base/exit.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "config/cli.h"
#include "config/filter_options.h"
#include "join/show.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum first { FIRST_AUTO, FIRST_ORIG, FIRST_RESP };

struct input {
    const char *name; /* as given */
    char *shown;      /* the same for a terminal */
    struct sw_ndjson *in;
    __u64 broken; /* lines that have been told of */
    bool damaged;
};

struct join {
    bool json, ladder, svg;
    enum first first;
    __u32 verdicts; /* 1 << enum sw_join_verdict; 0: all */
    __u64 delay, window, clock;
    __u64 pending;
    struct sw_filter filter;
    const char *files[SW_JOIN_FILES];
    unsigned int len;

    struct input input[SW_JOIN_FILES];
    struct sw_join core;
    bool utf8;
    __u64 shown, without; /* ladders that were wanted and are not there */
    FILE *image;          /* what is drawn so far, with --svg: it begins with its size */
    char *drawn;
    size_t drawn_len;
    int height;
    __u64 left; /* more than fit into the image */
};

#define SVG_MOST 100 /* connections in one image */

static void draw(struct join *j, const struct sw_join_result *r)
{
    int height;

    if (j->shown == SVG_MOST) {
        j->left++;
        return;
    }
    height = sw_join_svg(r, j->height, j->image);
    j->height += height;
    *(height ? &j->shown : &j->without) += 1;
}

static void decided(const struct sw_join_result *r, void *ctx)
{
    struct join *j = ctx;

    if ((j->verdicts && !(j->verdicts & 1u << r->verdict)) || !sw_join_fits(r))
        return;
    if (j->svg) {
        draw(j, r);
        return;
    }
    if (j->ladder) {
        if (j->shown)
            putchar('\n');
        if (sw_join_ladder(r, j->utf8, stdout))
            j->shown++;
        else
            j->without++;
        return;
    }
    j->shown++;
    if (j->json)
        sw_join_json(r, stdout);
    else
        sw_join_text(r, stdout);
}

static const char *name_of(const char *name)
{
    return strcmp(name, "-") ? name : "standard input";
}

/* 0, or an exit code. */
static int open_all(struct join *j)
{
    for (unsigned int i = 0; i < j->len; i++) {
        struct input *in = &j->input[i];
        int err = sw_ndjson_open(j->files[i], &in->in);

        in->name = name_of(j->files[i]);
        in->shown = malloc(6 * strlen(in->name) + 1);
        if (in->shown)
            *sw_json_escape(in->shown, in->name) = 0; /* a name may be any bytes */
        else
            err = -ENOMEM;
        if (err) {
            sw_err("join: %s: %s", in->shown ? in->shown : "?", strerror(-err));
            return err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INPUT;
        }
    }
    return SW_EXIT_OK;
}

static __u64 newly_broken(struct input *in)
{
    const __u64 all = sw_ndjson_counts(in->in)->broken, more = all - in->broken;

    in->broken = all;
    return more;
}

/* One line, or the end, of the file that is least far. 0 or -errno. */
static int step(struct join *j, unsigned int file)
{
    struct input *in = &j->input[file];
    struct pollfd input = {.fd = sw_ndjson_fd(in->in), .events = POLLIN};
    const struct sw_line *line;
    int got = sw_ndjson_next(in->in, &line);

    if (got == 1)
        return sw_join_line(&j->core, file, line, newly_broken(in));
    if (got == -EAGAIN) { /* standard input that another process set to non-blocking */
        poll(&input, 1, -1);
        return 0;
    }
    if (got == -ENOMEM)
        return got;
    if (got) {
        if (got == -EILSEQ)
            sw_err("join: %s: damaged gzip data after line %llu", in->shown,
                   (unsigned long long)sw_ndjson_counts(in->in)->read);
        else
            sw_err("join: %s: %s", in->shown, strerror(-got));
        in->damaged = true;
    }
    return sw_join_end(&j->core, file, newly_broken(in), got);
}

static void warn(const struct join *j)
{
    for (unsigned int i = 0; i < j->len; i++) {
        const struct sw_ndjson_counts *c = sw_ndjson_counts(j->input[i].in);
        const struct sw_join_file *f = &j->core.file[i];

        if (c->broken)
            sw_warn("join: %s: %llu of %llu lines are no event lines, the first is line %llu", j->input[i].shown,
                    (unsigned long long)c->broken, (unsigned long long)c->read, (unsigned long long)c->first_broken);
        if (f->other_schema)
            sw_warn("join: %s: %llu lines are not of schema 3 or have no time, and are left out", j->input[i].shown,
                    (unsigned long long)f->other_schema);
        if (f->backwards > j->window)
            sw_warn("join: %s is not sorted: a line is %llu s older than one before it, and the window is %llu s",
                    j->input[i].shown, (unsigned long long)(f->backwards / SW_SECOND),
                    (unsigned long long)(j->window / SW_SECOND));
    }
    if (j->core.cut)
        sw_warn("join: %llu connections were decided early: more than %llu waited (--pending)",
                (unsigned long long)j->core.cut, (unsigned long long)j->pending);
}

static void put_image(struct join *j)
{
    fflush(j->image);
    if (j->shown) {
        sw_ladder_svg_begin(SW_JOIN_SVG_WIDTH, j->height, j->shown, stdout);
        fwrite(j->drawn, 1, j->drawn_len, stdout);
        puts("</svg>");
    }
    if (j->left)
        sw_info("join: %llu more connections fit: a uid or a filter chooses", (unsigned long long)j->left);
}

static int end(struct join *j, int err)
{
    int code = SW_EXIT_OK;
    const char *names[SW_JOIN_FILES] = {0};

    if (err) {
        sw_err("join: %s", strerror(-err));
        return SW_EXIT_MEMORY;
    }
    warn(j);
    for (unsigned int i = 0; i < j->len; i++) {
        names[i] = j->input[i].name;
        if (!j->core.file[i].coverage.lines) {
            sw_err("join: %s has no event line of schema 3: it has to be JSON, as 'synward run' writes it",
                   j->input[i].shown);
            code = SW_EXIT_INPUT;
        }
        if (j->input[i].damaged)
            code = SW_EXIT_INPUT;
    }
    if (j->svg)
        put_image(j);
    if (j->json)
        sw_join_json_summary(&j->core, names, stdout);
    else if (!j->ladder && !j->svg)
        sw_join_text_summary(&j->core, names, stdout);
    else if (j->without)
        sw_info("join: %llu connections have no ladder of both files: it is kept by 'synward run --ladder'",
                (unsigned long long)j->without);
    err = sw_stdout_end();
    return err ? err : code;
}

static int run(struct join *j)
{
    const struct sw_join_opts opts = {.files = j->len,
                                      .rules = {.delay = j->delay,
                                                .nearer = j->first == FIRST_ORIG   ? SW_NEARER_FIRST
                                                          : j->first == FIRST_RESP ? SW_NEARER_SECOND
                                                                                   : SW_NEARER_UNKNOWN},
                                      .window = j->window,
                                      .slack = j->clock,
                                      .pending = j->pending,
                                      .ladders = j->ladder || j->svg,
                                      .filter = &j->filter};
    int code = open_all(j), err, next;

    if (code)
        return code;
    setlocale(LC_CTYPE, ""); /* how ladders are drawn */
    j->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
    err = sw_join_init(&j->core, &opts, decided, j);
    if (!err && j->svg) {
        j->image = open_memstream(&j->drawn, &j->drawn_len);
        err = j->image ? 0 : -ENOMEM;
    }
    if (!err) {
        while (!err && !ferror(stdout) && (next = sw_join_next(&j->core)) >= 0)
            err = step(j, (unsigned int)next);
    }
    code = end(j, err);
    sw_join_fini(&j->core);
    if (j->image)
        fclose(j->image);
    free(j->drawn);
    return code;
}

static int cmd_join(int argc, char **argv)
{
    struct join *j = calloc(1, sizeof(*j));
    int code;

    if (!j) {
        sw_err("join: %s", strerror(ENOMEM));
        return SW_EXIT_MEMORY;
    }
    sw_parse(&sw_join_command, argc, argv, j);
    code = run(j);
    for (unsigned int i = 0; i < j->len; i++) {
        sw_ndjson_close(j->input[i].in);
        free(j->input[i].shown);
    }
    free(j);
    return code;
}

static const struct sw_word verdicts[] = {SW_VERDICTS(SW_WORD_ITEM){0}};
static const struct sw_word firsts[] = {{"auto", FIRST_AUTO}, {"orig", FIRST_ORIG}, {"resp", FIRST_RESP}, {0}};

static const struct sw_option options[] = {
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct join, json), .help = "one JSON object a line"},
    {"ladder", .type = SW_OPT_SET, SW_FIELD(struct join, ladder),
     .help = "arrow diagrams instead, in three columns: one file, what is between, the other",
     .man = "Of connections whose lines have a `ladder` in both files; a uid or a filter chooses."},
    {"svg", .type = SW_OPT_SET, SW_FIELD(struct join, svg),
     .help = "the same as one SVG image, in light or dark as its reader has it",
     .man = "It has at most 100 connections."},
    {"verdict", .type = SW_OPT_NAMES, SW_FIELD(struct join, verdicts), .words = verdicts, .noun = "verdict",
     .help = "only connections with one of these verdicts, like reset_injected,swallowed ({}: any)",
     .man = "The verdicts are {words}. The summary counts all."},
    {"delay", .type = SW_OPT_SECONDS, SW_FIELD(struct join, delay), .seconds = {0, 1e6}, .block = 1,
     .help = "round trip between two files from which a connection is delayed ({} s)"},
    {"first", .type = SW_OPT_CHOICE, SW_FIELD(struct join, first), .words = firsts, .block = 1,
     .help = "which end the first file is nearer to, where the lines do not say it ({})",
     .man = "A host's own lines say it, and so do the times of a handshake that both have."},
    {"clock", .type = SW_OPT_SECONDS, SW_FIELD(struct join, clock), .seconds = {0, 1e6}, .block = 1,
     .help = "what the clocks of the hosts may differ by ({} s)",
     .man = "It decides only whether lines can be about the same time."},
    {"window", 'w', .type = SW_OPT_SECONDS, SW_FIELD(struct join, window), .seconds = {1, 1e6}, .block = 1,
     .help = "how long a connection waits for its lines of the other files, in the time of the lines ({} s)",
     .man = "A side that did not notice the end logs it when its timeout is over: an established one after 7,440 s."},
    {"pending", .type = SW_OPT_NUMBER, SW_FIELD(struct join, pending), .range = {1, 1ull << 40}, .block = 1,
     .help = "at most so many wait; the oldest is decided before its time ({})",
     .man = "One takes about 700 bytes, with `--ladder` 1,300."},
    {0},
};
static const struct sw_option_group group = {.rows = options};

static void defaults(void *opts)
{
    struct join *j = opts;

    j->delay = SW_SECOND / 10;
    j->clock = 2ull * SW_SECOND;
    j->window = 7800ull * SW_SECOND;
    j->pending = 1000000;
}

static const struct sw_operand operands[] = {{"EVENTS", .complete = SW_COMPLETE_FILES, .repeated = true}, {0}};

/* What looks like a uid is one; a file of such a name can be given with its folder. */
static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct join *j = opts;
    char why[160];

    (void)n;
    if (!sw_filter_add_uids(&j->filter, arg, why, sizeof(why)))
        return 0;
    if (!strncmp(why, "more than", strlen("more than")))
        sw_usage_die(cli, "%s", why);
    if (j->len == SW_JOIN_FILES)
        sw_usage_die(cli, "more than %d files", SW_JOIN_FILES);
    j->files[j->len++] = arg;
    return 0;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    static const char *const live[] = {"cgroup", "process", "comm"};
    const struct join *j = opts;
    int pipes = 0;

    (void)operands_len;
    if (j->len < 2)
        sw_usage_die(cli, "two files of event lines or more, each of another place: synward join A.ndjson B.ndjson");
    if (j->json && (j->ladder || j->svg))
        sw_usage_die(cli, "--json does not go with --ladder and --svg");
    for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++)
        if (sw_given(cli, live[i]))
            sw_usage_die(cli, "--%s does not go with files of event lines", live[i]);
    for (unsigned int i = 0; i < j->len; i++)
        pipes += !strcmp(j->files[i], "-");
    if (pipes > 1)
        sw_usage_die(cli, "only one of the files can be standard input");
    if (pipes && isatty(STDIN_FILENO))
        sw_usage_die(cli, "standard input is a terminal, and has no event lines");
}

const struct sw_command sw_join_command = {
    .name = "join",
    .summary = "who killed a connection: lines of two places or more",
    .args_doc = "[UID...] EVENTS EVENTS...",
    .doc =
        "Joins the conn lines of several files, each written by run at another place on the way (plain or gzip, - is "
        "standard input), by both initial sequence numbers, across NAT, and says of each connection what happened "
        "between: nothing, a reset that nobody sent, segments that did not arrive, options that were rewritten."
        "\vThe files are in the order of the way, if there are more than two, and sorted by time, as run writes "
        "them. Where a file may lack lines, what it does not have proves nothing, and the verdict is cannot_tell.",
    .main = cmd_join,
    .size = sizeof(struct join),
    .defaults = defaults,
    .groups = {{&group, 0},
               {&sw_rules_group, offsetof(struct join, filter.rules)},
               {&sw_view_group, offsetof(struct join, filter)}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
