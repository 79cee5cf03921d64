/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward hist: histograms of handshakes and connections, from the maps of running instances. */
#include "base/array.h"
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/find_instance.h"
#include "cmd/patient.h"
#include "config/cli.h"
#include "loader/histograms.h"
#include "output/histogram.h"
#include "output/line.h"
#include "output/text_fmt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum by { BY_ROLE, BY_SERVER, BY_SERVICE };

/* What an instance had when it was looked at. */
struct look {
    struct sw_instance inst;
    __u64 now;
    struct sw_histograms *of;
    __u32 len;
};

struct looks {
    struct look *look;
    size_t len, room;
};

struct hist {
    bool json;
    enum by by;
    __u32 kinds; /* 1 << enum sw_histogram_kind */
    __u32 most;
    __u64 watch_ns; /* 0: once */
    struct sw_choice choice;
    struct sw_lines lines; /* for times */
    struct looks now, before;
    int starting, elsewhere;
    bool warned;
};

static void forget(struct looks *l)
{
    for (size_t i = 0; i < l->len; i++)
        free(l->look[i].of);
    free(l->look);
    *l = (struct looks){0};
}

/* What is not to be shown, and why. */
static bool is_left_out(struct hist *h, const struct sw_instance *inst, bool alive)
{
    if (!alive && !sw_instance_is_pinned(inst))
        return true;
    h->elsewhere += sw_choice_is_elsewhere(&h->choice, inst);
    if (!sw_choice_fits(&h->choice, inst))
        return true;
    if (!inst->map_flows) {
        h->starting = inst->pid;
        return true;
    }
    if (inst->contract == SW_CONTRACT_VERSION && inst->map_histograms)
        return false;
    if (!h->warned)
        sw_warn("the synward with pid %d is of another version: not shown", inst->pid);
    h->warned = true;
    return true;
}

static int look(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct hist *h = ctx;
    struct looks *all = &h->now;
    struct look *at;
    int err;

    if (is_left_out(h, inst, alive))
        return 0;
    at = sw_array_room(all->look, &all->room, all->len + 1, sizeof(*at));
    if (!at)
        return -ENOMEM;
    all->look = at;
    at += all->len;
    *at = (struct look){.inst = *inst, .now = sw_clock_now()};
    err = h->by == BY_ROLE ? sw_map_histograms(inst->map_histograms, &at->of, &at->len)
                           : sw_map_server_histograms(inst->map_server_histograms, &at->of, &at->len);
    if (err == -ENOENT) /* a map's id: it has just ended */
        return 0;
    all->len += !err;
    return err;
}

/* What the same had in the look before; NULL: nothing. Its map, not its pid: a restart goes on with pinned ones. */
static const struct sw_histogram_set *earlier(const struct hist *h, const struct look *l,
                                              const struct sw_histograms *of)
{
    for (size_t i = 0; i < h->before.len; i++) {
        const struct look *before = &h->before.look[i];

        if (before->inst.map_histograms != l->inst.map_histograms)
            continue;
        for (__u32 k = 0; k < before->len; k++)
            if (!memcmp(&before->of[k].key, &of->key, sizeof(of->key)))
                return &before->of[k].set;
    }
    return NULL;
}

static int busiest(const void *a, const void *b)
{
    const struct sw_histograms *x = a, *y = b;
    const __u64 n = sw_histogram_count(&x->set.of[SW_HG_HANDSHAKE]) + x->set.unmeasured,
                m = sw_histogram_count(&y->set.of[SW_HG_HANDSHAKE]) + y->set.unmeasured;

    return n != m ? (n < m ? 1 : -1) : memcmp(&x->key, &y->key, sizeof(x->key));
}

/* The kinds that hold something. */
static __u32 filled(const struct hist *h, const struct sw_histograms *of)
{
    __u32 kinds = 0;

    for (int kind = 0; kind < SW_HG_MAX; kind++)
        if (sw_histogram_count(&of->set.of[kind]) || sw_histogram_unmeasured(&of->set, kind))
            kinds |= 1u << kind;
    return kinds & h->kinds;
}

static void print_row(struct hist *h, const struct look *l, const struct sw_histograms *of, FILE *out)
{
    const __u32 kinds = filled(h, of);
    char ts[64];

    if (kinds && !h->json)
        sw_histogram_text_head(of, out);
    for (int kind = 0; kind < SW_HG_MAX; kind++) {
        if (!(kinds & 1u << kind))
            continue;
        if (!h->json) {
            sw_histogram_text(of, kind, out);
            continue;
        }
        *sw_put_time(&h->lines, ts, (__s64)(l->now + (__u64)h->lines.clock_offset)) = 0;
        fprintf(out, "{\"ts\":\"%s\",", ts);
        sw_instance_keys(&l->inst, out);
        sw_histogram_json(of, kind, out);
        fputs("}\n", out);
    }
}

/* "synward pid 12 (eth0)"; while it is watched with the time. */
static void print_heading(struct hist *h, const struct look *l, bool any, FILE *out)
{
    char who[SW_INSTANCE_TEXT], text[256];

    if (h->watch_ns) {
        *sw_text_heading(&h->lines, text, l->now) = 0;
        fputs(text, out);
        sw_text_time(&h->lines, text, l->now, 3)[-4] = 0; /* to the second */
        fprintf(out, "%s ", text);
    }
    fprintf(out, "synward %s%s\n", sw_instance_text(&h->choice, &l->inst, who), any ? "" : ": none");
}

/* All since the start, or since the look before. */
static int print(struct hist *h, const struct look *l, FILE *out)
{
    struct sw_histograms *shown = calloc(l->len + 1, sizeof(*shown));
    __u32 len = 0;

    if (!shown)
        return -ENOMEM;
    for (__u32 i = 0; i < l->len; i++) {
        const struct sw_histogram_set *before = earlier(h, l, &l->of[i]);

        if (h->by == BY_SERVICE && l->of[i].key.role != SW_ROLE_SERVER)
            continue;
        shown[len] = l->of[i];
        if (before)
            sw_histogram_set_since(&l->of[i].set, before, &shown[len].set);
        len += filled(h, &shown[len]) != 0;
    }
    if (h->by != BY_ROLE) {
        qsort(shown, len, sizeof(*shown), busiest);
        len = len < h->most ? len : h->most;
    }
    if (!h->json)
        print_heading(h, l, len, out);
    for (__u32 i = 0; i < len; i++)
        print_row(h, l, &shown[i], out);
    free(shown);
    return 0;
}

static int show(struct hist *h, int signal_fd, bool *ret_done)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int err = out ? 0 : -ENOMEM, code = SW_EXIT_OK;

    for (size_t i = 0; i < h->now.len && !err; i++)
        err = print(h, &h->now.look[i], out);
    if (out && fclose(out) && !err)
        err = -ENOMEM;
    if (err)
        code = sw_walk_failed("hist", err);
    else
        code = sw_patient_write(signal_fd, text, len, ret_done);
    free(text);
    return code;
}

static int take(struct hist *h)
{
    int err;

    h->starting = h->elsewhere = 0;
    h->lines.clock_offset = sw_clock_offset(); /* the clock may be set between two looks */
    err = sw_instance_walk(look, h);
    return err ? sw_walk_failed("hist", err) : SW_EXIT_OK;
}

static int say_none(const struct hist *h)
{
    if (h->warned)
        return SW_EXIT_NOT_RUNNING;
    if (!h->starting)
        return sw_choice_say_none(&h->choice, h->elsewhere);
    sw_err("hist: the synward with pid %d is starting", h->starting);
    return SW_EXIT_NOT_RUNNING;
}

/* Until a signal, or until no instance that fits is left. The first look is what the next is compared with. */
static int watch(struct hist *h, int signal_fd)
{
    bool done = false;
    int code = SW_EXIT_OK;

    while (!code && !done && h->now.len) {
        forget(&h->before);
        h->before = h->now;
        h->now = (struct looks){0};
        if (!sw_patient_wait(signal_fd, h->watch_ns))
            return SW_EXIT_OK;
        code = take(h);
        if (!code && h->now.len)
            code = show(h, signal_fd, &done);
    }
    if (!code && !done)
        sw_info("no synward that it shows is running any more");
    return code;
}

static int run(struct hist *h, int signal_fd)
{
    bool done;
    int code = take(h);

    if (code)
        return code;
    if (!h->now.len)
        return say_none(h);
    return h->watch_ns ? watch(h, signal_fd) : show(h, signal_fd, &done);
}

static int cmd_hist(int argc, char **argv)
{
    const struct sw_report_opts none = {.host = ""};
    struct hist *h = calloc(1, sizeof(*h));
    int signal_fd, err, code;

    if (!h)
        return SW_EXIT_MEMORY;
    sw_parse(&sw_hist_command, argc, argv, h);
    if (!sw_can_inspect()) {
        sw_err("hist needs root, or CAP_SYS_ADMIN");
        free(h);
        return SW_EXIT_PRIVILEGE;
    }
    sw_choice_begin(&h->choice);
    signal_fd = sw_patient_signals();
    err = sw_lines_init(&h->lines, &none);
    code = err ? sw_walk_failed("hist", err) : signal_fd < 0 ? SW_EXIT_INTERNAL : run(h, signal_fd);
    forget(&h->now);
    forget(&h->before);
    sw_lines_fini(&h->lines);
    if (signal_fd >= 0)
        close(signal_fd);
    free(h);
    return code;
}

static void defaults(void *opts)
{
    struct hist *h = opts;

    h->kinds = 1u << SW_HG_HANDSHAKE;
    h->most = 10;
}

static const struct sw_word by_words[] = {{"role", BY_ROLE}, {"server", BY_SERVER}, {"service", BY_SERVICE}, {0}};
static const struct sw_word kind_words[] = {SW_HISTOGRAMS(SW_WORD_ITEM){0}};
static const struct sw_option options[] = {
    {"by", 'b', .type = SW_OPT_CHOICE, SW_FIELD(struct hist, by), .words = by_words,
     .help = "one for each role of this host, for each server, or for each service: the servers that this host is ({})",
     .man = "The roles are `client`, `server`, `forwarder` (connections of others), and `unknown` where what this host "
            "sends is not seen."},
    {"of", 'o', .type = SW_OPT_NAMES, SW_FIELD(struct hist, kinds), .words = kind_words, .noun = "histogram",
     .help = "which ones, by name, joined by commas: {words} ({})",
     .man = "`handshake` is `server` and `client` together. `duration` and bytes are of connections that have ended."},
    {"most", 'n', .type = SW_OPT_NUMBER, SW_FIELD(struct hist, most), .range = {1, SW_HG_SERVERS}, .arg = "N",
     .help = "at most so many servers, those with the most handshakes first ({})"},
    {"watch", 'w', .type = SW_OPT_SECONDS, SW_FIELD(struct hist, watch_ns), .seconds = {0.1, 86400}, .arg = "S",
     .help = "every S seconds what came in these, until Ctrl-C",
     .man = "Ends with 0, also when no instance is left to show."},
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct hist, json), .help = "a JSON object a line for each histogram"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

const struct sw_command sw_hist_command = {
    .name = "hist",
    .summary = "histograms of handshakes and connections",
    .doc = "Shows histograms of the handshakes and connections since the start, by this host's role or by server.",
    .main = cmd_hist,
    .size = sizeof(struct hist),
    .defaults = defaults,
    .groups = {{&group, 0}, {&sw_choice_group, offsetof(struct hist, choice)}},
};
