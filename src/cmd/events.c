/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward events: one more reader of a running instance. */
#include "base/exit.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/events_source.h"
#include "cmd/patient.h"
#include "config/cli.h"
#include "config/filter_options.h"
#include "config/options.h"
#include "output/format.h"
#include "output/zeek_log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIECE (64u << 10)
#define LOOK_MS 100 /* --follow: between two looks for an instance */
#define INSTANCE_LINES (1u << SW_LINE_STATS | 1u << SW_LINE_GUARD | 1u << SW_LINE_SERVICE)

struct events {
    struct sw_request wants;
    struct sw_events_choice choice;
    enum sw_color_when color;
    bool follow;
    __u64 count; /* 0: no end */
    int signal_fd;
    bool done; /* signalled, or so many lines, or nobody reads them */
    char *buf; /* the beginning of a line, of which the rest has not come */
    size_t len, room;
    const struct sw_formatter *format;
    bool headed;  /* what is first in a file went out whole */
    bool half;    /* a line stands half in the output */
    bool ended;   /* the instance has said so */
    bool counted; /* done for so many lines */
    __u64 lost;   /* said by lines that are not passed on */
};

static bool wait_for(struct events *e, int fd, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = e->signal_fd, .events = POLLIN},
                           {.fd = STDOUT_FILENO}, /* its reader is gone */
                           {.fd = fd, .events = POLLIN}};

    if (poll(fds, fd < 0 ? 2 : 3, timeout_ms) < 0)
        return errno == EINTR;
    e->done |= fds[0].revents || fds[1].revents & (POLLERR | POLLHUP);
    return !e->done;
}

/* Text: the date and the zone, perhaps in a colour. */
static bool is_heading(const struct events *e, size_t from, size_t to)
{
    const char *mark = memchr(e->buf + from, '#', to - from);

    return e->wants.format == SW_FORMAT_TEXT && mark && (mark == e->buf + from || e->buf[from] == '\033') &&
           mark - (e->buf + from) < 8;
}

static int put(struct events *e, int signal_fd, const char *data, size_t len, bool *ret_whole)
{
    size_t written;
    int code = sw_patient_write_some(signal_fd, data, len, &e->done, &written);

    if (written)
        e->half = data[written - 1] != '\n';
    *ret_whole = written == len;
    return code;
}

/* What is first in a file, and last: this process writes one, however many instances it reads. */
static int write_head(struct events *e)
{
    char text[SW_FORMAT_ROOM];

    return put(e, e->signal_fd, text, e->format->head(text, time(NULL), e->wants.utc) - text, &e->headed);
}

/* Not after a kill of the instance, nor behind half a line. After a signal only if the reader takes it at once. */
static int write_end(struct events *e)
{
    const bool regular = e->ended || e->counted;
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    char text[SW_FORMAT_ROOM];
    bool whole;

    if (!e->headed || e->half || !(e->done || regular))
        return SW_EXIT_OK;
    if (!regular && (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT)))
        return SW_EXIT_OK;
    return put(e, regular ? e->signal_fd : -1, text, e->format->end(text, time(NULL), e->wants.utc) - text, &whole);
}

/* Zeek's format: lines that are for this process are taken out of the buffer. How many bytes of whole lines are left.
 */
static size_t take_own(struct events *e, size_t whole)
{
    size_t to = 0;

    for (size_t from = 0, next; from < whole; from = next) {
        char *line = e->buf + from;

        next = (const char *)memchr(line, '\n', whole - from) + 1 - e->buf;
        if (!strncmp(line, SW_ZEEK_LOST, strlen(SW_ZEEK_LOST))) {
            if (!e->lost)
                sw_warn("connections are lost and have no row: --format zeek has no line that says so");
            e->lost += strtoull(line + strlen(SW_ZEEK_LOST), NULL, 10);
        }
        e->ended |= !strncmp(line, SW_ZEEK_END, strlen(SW_ZEEK_END));
        if (*line == '#')
            continue;
        memmove(e->buf + to, line, next - from);
        to += next - from;
    }
    memmove(e->buf + to, e->buf + whole, e->len - whole);
    e->len -= whole - to;
    return to;
}

/* The whole lines of what is in the buffer, and no more of them than are wanted. */
static int write_lines(struct events *e)
{
    const char *end = memrchr(e->buf, '\n', e->len);
    size_t whole = end ? end + 1 - e->buf : 0, n = 0;
    bool all;
    int code;

    if (e->format->head)
        whole = take_own(e, whole);
    if (whole && !e->headed && e->format->head) {
        code = write_head(e);
        if (code || e->done)
            return code;
    }
    while (e->count && n < whole) {
        size_t from = n;

        n = (const char *)memchr(e->buf + n, '\n', whole - n) + 1 - e->buf;
        if (is_heading(e, from, n) || --e->count)
            continue;
        whole = n;
        e->done = e->counted = true;
    }
    code = put(e, e->signal_fd, e->buf, whole, &all);
    e->len -= whole;
    memmove(e->buf, e->buf + whole, e->len);
    return code;
}

static int make_room(struct events *e)
{
    char *more;

    if (e->room - e->len >= PIECE)
        return SW_EXIT_OK;
    more = realloc(e->buf, e->len + 2 * PIECE);
    if (!more)
        return SW_EXIT_MEMORY;
    e->buf = more;
    e->room = e->len + 2 * PIECE;
    return SW_EXIT_OK;
}

/* Until it ends. */
static int copy(struct events *e, int fd)
{
    int code = make_room(e);

    while (!code && !e->done && wait_for(e, fd, -1)) {
        ssize_t n = read(fd, e->buf + e->len, e->room - e->len);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            break;
        e->len += n;
        code = write_lines(e);
        if (!code)
            code = make_room(e);
    }
    e->len = 0; /* half a line, of one that was killed */
    if (!code && !e->done && e->format->head && !e->ended)
        sw_warn("the synward with pid %d has ended without saying so: rows may be missing", e->choice.last.pid);
    return code;
}

static void say_source(const struct events *e, const struct sw_hello *hello)
{
    char who[SW_INSTANCE_TEXT];

    sw_info("reading events of the synward with %s", sw_events_text(&e->choice, hello, who));
    if (e->wants.event_mask && !(e->wants.event_mask & hello->event_mask & ~(1u << SW_LINE_LOSS)))
        sw_warn("it makes no such lines: its own --events leaves them out");
}

static int read_one(struct events *e)
{
    struct sw_hello hello;
    int fd, code = sw_events_join(&e->choice, e->follow, &e->wants, &fd, &hello);

    if (code)
        return code;
    e->ended = false;
    say_source(e, &hello);
    e->choice.last = hello;
    code = copy(e, fd);
    close(fd);
    return code;
}

/* --follow: until one starts, and again when that one has ended. */
static int run(struct events *e)
{
    bool said = false;
    int code = read_one(e);

    while (e->follow && !e->done && (code == SW_EXIT_OK || code == SW_EXIT_NOT_RUNNING)) {
        if (code == SW_EXIT_OK)
            sw_info("the synward with pid %d has ended: waiting for the next one", e->choice.last.pid);
        else if (!said && !e->choice.last.pid && !e->choice.quiet)
            sw_info("no synward is running: waiting for one");
        said = true;
        wait_for(e, -1, LOOK_MS);
        code = e->done ? SW_EXIT_OK : read_one(e);
    }
    return e->done && code == SW_EXIT_NOT_RUNNING ? SW_EXIT_OK : code;
}

static int cmd_events(int argc, char **argv)
{
    struct events *e = calloc(1, sizeof(*e));
    int code;

    if (!e)
        return SW_EXIT_MEMORY;
    sw_parse(&sw_events_command, argc, argv, e);
    e->signal_fd = sw_patient_signals();
    e->format = sw_formatter(e->wants.format);
    code = e->signal_fd < 0 ? SW_EXIT_INTERNAL : run(e);
    if (code == SW_EXIT_OK)
        code = write_end(e);
    if (e->lost)
        sw_warn("%llu connections were lost in all, and have no row", e->lost);
    free(e->buf);
    free(e);
    return code;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands)
{
    static const struct sw_filter all;
    struct events *e = opts;

    (void)operands;
    if (e->follow && e->choice.which.pid)
        sw_usage_die(cli, "--follow does not go with --pid: the next process has another one");
    /* who asks for some connections does not ask for the instance's own figures */
    if (!sw_given(cli, "events") && memcmp(&e->wants.filter, &all, sizeof(all)) != 0)
        e->wants.event_mask &= ~INSTANCE_LINES;
    sw_check_format(cli, e->wants.format, e->wants.event_mask);
    sw_check_sample(cli, e->wants.format, e->wants.sample);
    if (e->wants.format == SW_FORMAT_ZEEK) /* losses are for this process to say */
        e->wants.event_mask = 1u << SW_EV_CONN | 1u << SW_LINE_LOSS;
    if (e->wants.format == SW_FORMAT_TEXT)
        e->wants.color = sw_wants_color(e->color, true);
    else
        e->wants.wide = false;
}

static void defaults(void *opts)
{
    struct events *e = opts;

    e->wants.event_mask = (1u << SW_LINE_MAX) - 1;
    e->wants.format = SW_FORMAT_JSON;
    e->wants.sample = 1;
}

static const struct sw_option options[] = {
    {"follow", 'f', .type = SW_OPT_SET, SW_FIELD(struct events, follow),
     .help = "wait for an instance to start, and when it has ended for the next one",
     .man = "What happens before the next one is asked again is not read."},
    {"format", .type = SW_OPT_CHOICE, SW_FIELD(struct events, wants.format), .words = sw_format_words,
     .help = "NDJSON, text for people, Zeek's conn.log, or JSON by the Elastic Common Schema ({})",
     .man = "JSON has every key in every line if `run` has `--full-events`."},
    {"wide", .type = SW_OPT_SET, SW_FIELD(struct events, wants.wide),
     .help = "text: all columns instead of 80, whatever `run` has"},
    {"utc", .type = SW_OPT_SET, SW_FIELD(struct events, wants.utc),
     .help = "text: times in UTC instead of local ones, which are those of `run`"},
    {"color", .type = SW_OPT_CHOICE, SW_FIELD(struct events, color), .words = sw_color_words,
     .help = "text: colours, auto on a terminal ({})"},
    {"events", .type = SW_OPT_NAMES, SW_FIELD(struct events, wants.event_mask), .words = sw_line_words,
     .groups = sw_line_groups, .noun = "event",
     .help = "lines to read, by name, joined by commas; 'all', 'none', and '-name' to leave one out",
     .man =
         "Only those that its own `--events` makes. Default: {}, with a filter without `stats`, `service` and `guard`, "
         "which are about no connection."},
    {"sample", .type = SW_OPT_NUMBER, SW_FIELD(struct events, wants.sample), .range = {1, SW_SAMPLE_MAX},
     .help = "lines of about one of N connections ({}: of all), whatever `run` has; not with `zeek`"},
    {"count", 'c', .type = SW_OPT_NUMBER, SW_FIELD(struct events, count), .range = {1, 1ull << 60}, .arg = "N",
     .help = "end after so many lines (default: at SIGINT or SIGTERM)"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

const struct sw_command sw_events_command = {
    .name = "events",
    .summary = "one more reader of a running synward",
    .doc = "Reads the events of a running synward, besides its standard output: any number of readers can, each with "
           "its own filter. Ends at Ctrl-C, and when the synward ends.",
    .main = cmd_events,
    .size = sizeof(struct events),
    .defaults = defaults,
    .groups = {{&group, 0},
               {&sw_choice_group, offsetof(struct events, choice.which)},
               {&sw_rules_group, offsetof(struct events, wants.filter.rules)},
               {&sw_view_group, offsetof(struct events, wants.filter)}},
    .check = check,
};
