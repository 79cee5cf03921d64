/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward report: event lines as one HTML page. */
#include "base/array.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "config/cli.h"
#include "lines/ndjson.h"
#include "page/page.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct report {
    const char **files; /* ends with NULL */
    size_t len, room;
    __u32 rows;
    struct sw_tally *tally;
};

/* 0 or -errno */
static int read_lines(struct sw_tally *t, struct sw_ndjson *in)
{
    struct pollfd input = {.fd = sw_ndjson_fd(in), .events = POLLIN};
    const struct sw_line *line;
    int got;

    sw_tally_file(t);
    while ((got = sw_ndjson_next(in, &line)) == 1 || got == -EAGAIN) {
        size_t len;
        const char *text;
        int err;

        if (got == -EAGAIN) { /* standard input that another process set to non-blocking */
            poll(&input, 1, -1);
            continue;
        }
        text = sw_ndjson_text(in, &len);
        err = sw_tally_add(t, line, text, len);
        if (err)
            return err;
    }
    return got;
}

/* What is left of a damaged file is shown all the same; the page and the exit code say that it is not all. */
static int read_file(struct report *r, const char *name)
{
    const char *shown = strcmp(name, "-") ? name : "standard input";
    struct sw_ndjson *in;
    int err = sw_ndjson_open(name, &in);

    if (err) {
        sw_err("report: %s: %s", shown, strerror(-err));
        return err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INPUT;
    }
    err = read_lines(r->tally, in);
    if (err == -EILSEQ)
        sw_err("report: %s: damaged gzip data after line %llu", shown, (unsigned long long)sw_ndjson_counts(in)->read);
    else if (err)
        sw_err("report: %s: %s", shown, strerror(-err));
    sw_tally_counts(r->tally, sw_ndjson_counts(in), shown);
    sw_ndjson_close(in);
    if (err == -EILSEQ)
        r->tally->damaged = shown;
    return !err || err == -EILSEQ ? SW_EXIT_OK : err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INPUT;
}

static void warn(const struct sw_tally *t)
{
    if (t->broken)
        sw_warn("report: %llu of %llu lines are no event lines and are left out, the first is line %llu of %s",
                (unsigned long long)t->broken, (unsigned long long)t->lines, (unsigned long long)t->first_broken,
                t->first_broken_in);
    if (t->other_schema)
        sw_warn("report: %llu lines are not of schema 3 and are left out", (unsigned long long)t->other_schema);
}

static int report(struct report *r)
{
    int err = sw_tally_new(r->rows, &r->tally), code = SW_EXIT_OK;

    if (err) {
        sw_err("report: %s", strerror(-err));
        return SW_EXIT_MEMORY;
    }
    for (size_t i = 0; i < r->len && code == SW_EXIT_OK; i++)
        code = read_file(r, r->files[i]);
    if (code)
        return code;
    warn(r->tally);
    if ((r->tally->broken || r->tally->other_schema) && r->tally->events == r->tally->other_schema) {
        sw_err("report: no event line of schema 3 in the input: it has to be JSON, as 'synward run' writes it");
        return SW_EXIT_INPUT;
    }
    sw_page_write(r->tally, r->files, stdout);
    code = sw_stdout_end();
    return code == SW_EXIT_OK && r->tally->damaged ? SW_EXIT_INPUT : code;
}

static int cmd_report(int argc, char **argv)
{
    struct report *r = calloc(1, sizeof(*r));
    int code;

    if (!r) {
        sw_err("report: %s", strerror(ENOMEM));
        return SW_EXIT_MEMORY;
    }
    sw_parse(&sw_report_command, argc, argv, r);
    code = report(r);
    sw_tally_free(r->tally);
    free(r->files);
    free(r);
    return code;
}

static const struct sw_option options[] = {
    {"rows", 'n', .type = SW_OPT_NUMBER, SW_FIELD(struct report, rows), .range = {0, 100000}, .arg = "N",
     .help = "connections of each outcome in the table, the last ones ({})",
     .man = "The page and the memory used grow by about 1.5 kB for each, by 8 kB at most; there are six outcomes. All "
            "are counted, whatever N is."},
    {0},
};
static const struct sw_option_group group = {.rows = options};

static void defaults(void *opts)
{
    struct report *r = opts;

    r->rows = 300;
}

static const struct sw_operand operands[] = {{"EVENTS", .complete = SW_COMPLETE_FILES, .repeated = true}, {0}};

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct report *r = opts;
    const char **more = sw_array_room(r->files, &r->room, n + 2, sizeof(*more));

    (void)cli;
    if (!more)
        return ENOMEM;
    more[n] = arg;
    more[n + 1] = NULL;
    r->files = more;
    r->len = n + 1;
    return 0;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    const struct report *r = opts;

    if (!operands_len)
        sw_usage_die(cli, "which event lines? EVENTS, or - for standard input");
    for (size_t i = 0; i < r->len; i++)
        if (!strcmp(r->files[i], "-") && isatty(STDIN_FILENO))
            sw_usage_die(cli, "standard input is a terminal, and has no event lines");
    if (isatty(STDOUT_FILENO))
        sw_usage_die(cli, "the page goes to a file: synward report EVENTS > report.html");
}

const struct sw_command sw_report_command = {
    .name = "report",
    .summary = "event lines as one HTML page",
    .args_doc = "EVENTS...",
    .doc = "Reads event lines, as run, replay and events write them (plain or gzip, - is standard input), and writes "
           "one HTML page to standard output.\vSeveral files are read in the order given. The page needs no network.",
    .main = cmd_report,
    .size = sizeof(struct report),
    .defaults = defaults,
    .groups = {{&group, 0}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
