/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward top: servers and connections on a terminal, as they change. */
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/random.h"
#include "cmd/cmd.h"
#include "cmd/top_file.h"
#include "cmd/top_live.h"
#include "config/cli.h"
#include "config/filter_options.h"
#include "config/options.h"
#include "top/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS SW_SECOND /* between the two looks that the first rates need, at most */
#define READ_MS 250        /* between two times that the events socket is read: each takes a wake-up */
#define BUSY_MS 20         /* the same where it fills */
#define REST 24            /* a look that took so long is followed by so many times that without one: 4 % */
#define HUNG_UP (POLLHUP | POLLERR | POLLNVAL)

struct top {
    __u64 interval_ns;
    const char *file; /* NULL: live */
    bool all, utc;
    enum sw_color_when color;
    struct sw_choice choice;
    struct sw_filter filter;

    int signal_fd;
    bool done; /* signalled, or the terminal is gone */
    struct sw_top_model model;
    struct sw_top_state state;
    struct sw_top_guard guard;
    struct sw_top_info info;
    struct sw_top_page page;
    struct sw_top_live live;
    struct sw_top_owner owner;
    __u64 owner_ns; /* look that it is of */
    __u64 looks, due_ns;
    char who[SW_INSTANCE_TEXT + 16];
};

static void set_clock(struct top *t)
{
    struct tm tm = {0};
    time_t sec;

    t->info.clock_offset = t->file ? 0 : sw_clock_offset();
    sec = (time_t)((t->model.ns + t->info.clock_offset) / SW_SECOND);
    if (!(t->utc ? gmtime_r : localtime_r)(&sec, &tm) ||
        !strftime(t->info.clock, sizeof(t->info.clock), t->file ? "%F %T" : "%T", &tm))
        *t->info.clock = 0;
}

/* Of the connection that is open in detail: once for each look at the tables, and not before somebody opens one. */
static int find_owner(struct top *t)
{
    const struct sw_top_conn *c = &t->state.conn;
    const bool same = sw_top_owner_is(&t->owner, c);
    struct sw_owners *now;
    int err;

    if (t->file || !t->state.detail || !c->local || (same && (t->state.gone || t->owner_ns == t->model.ns)))
        return 0;
    err = sw_owners_look(&now);
    if (!err)
        sw_top_owner_see(&t->owner, c, now);
    sw_owners_free(now);
    t->owner_ns = t->model.ns;
    t->info.owner = &t->owner;
    return err;
}

static int draw(struct top *t)
{
    int width, height, err;

    sw_top_screen_size(&width, &height);
    err = sw_top_state_rows(&t->state, &t->model, width < SW_TOP_MIN_WIDTH ? SW_TOP_MIN_WIDTH : width,
                            sw_top_page_rows(&t->guard, width, height));
    if (!err)
        err = find_owner(t);
    if (err)
        return err;
    sw_top_page_make(&t->page, &t->model, &t->state, &t->guard, &t->info, width, height);
    sw_top_screen_draw(&t->page);
    return 0;
}

static __u64 cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * SW_SECOND + ts.tv_nsec;
}

/* The next look is due after the interval, or later where looks take over 4 % of a processor. */
static int look(struct top *t)
{
    __u64 now = sw_clock_now(), began = cpu_ns(), rest, wait = t->interval_ns;
    int err = sw_top_live_look(&t->live, &t->model, &t->guard);

    if (err || t->live.ended)
        return err;
    t->info.lost = t->live.lost;
    set_clock(t);
    err = draw(t);
    rest = REST * (cpu_ns() - began);
    if (!t->looks++ && wait > FIRST_NS)
        wait = FIRST_NS;
    t->due_ns = now + (wait > rest ? wait : rest);
    return err;
}

/* Until a key, a signal, the end of the instance, or the next time that something is due. */
static void wait_for(struct top *t)
{
    struct pollfd fds[] = {{.fd = t->signal_fd, .events = POLLIN},
                           {.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = t->file ? -1 : t->live.process_fd, .events = POLLIN}};
    __u64 now = sw_clock_now();
    __u64 ms = t->live.busy ? BUSY_MS : READ_MS, left = t->due_ns > now ? (t->due_ns - now + 999999) / 1000000 : 0;

    if (!t->state.paused && left < ms)
        ms = left;
    if (poll(fds, 3, t->file ? -1 : (int)ms) < 0) /* a new size, or it was stopped and goes on */
        return;
    t->done |= fds[0].revents || fds[1].revents & HUNG_UP;
}

static int use_keys(struct top *t)
{
    int key, err = 0;

    while (!err && !t->state.quit && (key = sw_top_screen_key()) >= 0) {
        if (key)
            sw_top_state_key(&t->state, &t->model, key);
        err = draw(t);
    }
    return err;
}

static int run(struct top *t)
{
    int err = t->file ? draw(t) : look(t);

    while (!err && !t->done && !t->state.quit && !t->live.ended) {
        wait_for(t);
        err = use_keys(t);
        if (!err && !t->file)
            err = sw_top_live_read(&t->live, &t->model);
        if (!err && !t->file && !t->state.paused && !t->live.ended && sw_clock_now() >= t->due_ns)
            err = look(t);
    }
    return err;
}

static int say_no_terminal(int err)
{
    const char *term = getenv("TERM");

    if (err == -ENOTSUP)
        sw_err("top: a terminal of TERM=%s cannot place its cursor ('synward flows --watch' needs less)", term);
    else
        sw_err("top: the terminal is not known: TERM is '%s'", term ? term : "");
    return SW_EXIT_USAGE;
}

static int show(struct top *t)
{
    sigset_t set;
    int err, code;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    t->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (t->signal_fd < 0) {
        sw_err("top: signalfd: %s", strerror(errno));
        return SW_EXIT_INTERNAL;
    }
    err = sw_top_screen_open(sw_wants_color(t->color, true));
    if (err) {
        close(t->signal_fd);
        return say_no_terminal(err);
    }
    err = run(t);
    sw_top_screen_close();
    close(t->signal_fd);
    code = !err ? SW_EXIT_OK : err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INTERNAL;
    if (err)
        sw_err("top: %s", strerror(-err));
    else if (!t->done && t->live.ended)
        sw_info("the synward with pid %d has ended", t->live.inst.pid);
    return code;
}

static int show_file(struct top *t)
{
    struct sw_top_file_counts counts;
    int code = sw_top_file_read(t->file, &t->filter, &t->model, &t->guard, &counts);

    if (code)
        return code;
    t->state.all = true;
    t->state.sort[SW_TOP_SERVERS] = sw_top_column_find(SW_TOP_SERVERS, "BYTES");
    t->state.sort[SW_TOP_CONNS] = sw_top_column_find(SW_TOP_CONNS, "BYTES");
    t->info.events_read = true;
    t->info.lost = counts.lost;
    t->info.who = t->file;
    if (counts.left)
        snprintf(t->info.note, sizeof(t->info.note), "%llu connections not kept", counts.left);
    else if (counts.broken)
        snprintf(t->info.note, sizeof(t->info.note), "%llu broken lines", counts.broken);
    set_clock(t);
    return show(t);
}

static int show_live(struct top *t)
{
    int code;

    if (!sw_can_inspect()) {
        sw_err("top needs root, or CAP_SYS_ADMIN");
        return SW_EXIT_PRIVILEGE;
    }
    code = sw_top_live_open(&t->live, &t->choice, &t->filter);
    if (!code) {
        sw_instance_text(&t->choice, &t->live.inst, t->who);
        t->info.who = t->who;
        t->info.inst = &t->live.inst;
        t->info.events_read = t->live.events_fd >= 0;
        if (!t->info.events_read)
            snprintf(t->info.note, sizeof(t->info.note), "no refusals%s",
                     t->live.mute ? ": its --events has none" : "");
        code = show(t);
    }
    sw_top_live_close(&t->live);
    return code;
}

static int start(struct top *t)
{
    struct sw_hash_key hash;
    int err;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        sw_err("top needs a terminal ('synward flows --watch S' does not)");
        return SW_EXIT_USAGE;
    }
    err = sw_random(&hash, sizeof(hash));
    if (err) {
        sw_err("top: no random numbers: %s", strerror(-err));
        return SW_EXIT_INTERNAL;
    }
    sw_top_model_init(&t->model, &hash);
    sw_top_state_init(&t->state);
    t->state.all = t->all;
    t->info.utc = t->utc;
    return t->file ? show_file(t) : show_live(t);
}

static int cmd_top(int argc, char **argv)
{
    struct top *t = calloc(1, sizeof(*t));
    int code;

    if (!t) {
        sw_err("top: %s", strerror(ENOMEM));
        return SW_EXIT_MEMORY;
    }
    sw_parse(&sw_top_command, argc, argv, t);
    t->live = (struct sw_top_live){.process_fd = -1, .events_fd = -1};
    code = start(t);
    sw_top_state_fini(&t->state);
    sw_top_model_fini(&t->model);
    sw_top_guard_fini(&t->guard);
    free(t);
    return code;
}

static void defaults(void *opts)
{
    struct top *t = opts;

    t->interval_ns = 2 * SW_SECOND;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands)
{
    static const char *const live[] = {"interval", "interface", "pid", "all-namespaces", "cgroup", "process", "comm"};
    const struct top *t = opts;

    (void)operands;
    for (size_t i = 0; i < sizeof(live) / sizeof(live[0]) && t->file; i++)
        if (sw_given(cli, live[i]))
            sw_usage_die(cli, "--replay does not go with --%s", live[i]);
    if (t->file && !strcmp(t->file, "-"))
        sw_usage_die(cli, "--replay: standard input is where keys come from");
}

static const struct sw_option options[] = {
    {"interval", .type = SW_OPT_SECONDS, SW_FIELD(struct top, interval_ns), .seconds = {0.1, 86400},
     .help = "between two looks at the tables ({})",
     .man = "It is longer where looks would take over 4 % of a processor; the first line of the screen says how long."},
    {"replay", .type = SW_OPT_FILE, SW_FIELD(struct top, file), .arg = "FILE", .complete = SW_COMPLETE_FILES,
     .help = "a file of JSON event lines, plain or gzip, instead of a running synward",
     .man = "It is read as fast as it goes, and shown as it stands at its end, ended connections included. Rates are "
            "those over all of its time. The first 524,288 connections are kept."},
    {"all", 'a', .type = SW_OPT_SET, SW_FIELD(struct top, all),
     .help = "begin with connections that ended and wait for late segments, too"},
    {"utc", .type = SW_OPT_SET, SW_FIELD(struct top, utc), .help = "times in UTC instead of local ones"},
    {"color", .type = SW_OPT_CHOICE, SW_FIELD(struct top, color), .words = sw_color_words,
     .help = "colours, auto if the terminal has them ({})"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

const struct sw_command sw_top_command = {
    .name = "top",
    .summary = "servers and connections on a terminal, as they change",
    .doc = "Shows the servers and connections of a running synward on a terminal, sorted as you like, with the guard's "
           "services above. The key h shows the keys, q quits.",
    .main = cmd_top,
    .size = sizeof(struct top),
    .defaults = defaults,
    .groups = {{&group, 0},
               {&sw_choice_group, offsetof(struct top, choice)},
               {&sw_rules_group, offsetof(struct top, filter.rules)},
               {&sw_view_group, offsetof(struct top, filter)}},
    .check = check,
};
