/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/options.h"
#include "base/clock.h"
#include "loader/object.h"
#include "output/format.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLAY_RING (4u << 20)    /* drained after each frame; a sweep that finds it full continues after that */
#define SYN_CACHE_PER_HALF_OPEN 8 /* without --syn-cache */
#define SYN_CACHE_MAX (1u << 30)

const struct sw_word sw_line_words[] = {
    SW_EVENTS(SW_WORD_ITEM){"loss", SW_LINE_LOSS},
    {"stats", SW_LINE_STATS},
    {"drop", SW_LINE_DROP},
    {"gateway", SW_LINE_GATEWAY},
    {"service", SW_LINE_SERVICE},
    {0},
};
const struct sw_word sw_line_groups[] = {
    {"lifecycle", (1 << SW_EV_ANOMALY) - 1}, /* all kinds before */
    {"guard", 1 << SW_LINE_GUARD | 1 << SW_LINE_DROP | 1 << SW_LINE_SERVICE},
    {"health", 1 << SW_LINE_LOSS | 1 << SW_LINE_STATS},
    {0},
};
const struct sw_word sw_color_words[] = {
    {"auto", SW_COLOR_AUTO}, {"always", SW_COLOR_ALWAYS}, {"never", SW_COLOR_NEVER}, {0}};
const struct sw_word sw_format_words[] = {
    {"json", SW_FORMAT_JSON}, {"text", SW_FORMAT_TEXT}, {"zeek", SW_FORMAT_ZEEK}, {"ecs", SW_FORMAT_ECS}, {0}};

/* "22,80,443", or "none" */
static void parse_ports(struct sw_cli *cli, const char *arg, void *at)
{
    struct sw_common_opts *opts = at;
    struct sw_object_opts *object = &opts->object;
    char word[32];

    object->server_ports = opts->server_ports;
    object->server_ports_len = 0;
    object->cfg.likely_server_ports = strcmp(arg, "none") != 0;
    if (!object->cfg.likely_server_ports)
        return;
    for (const char *p = arg;; p++) {
        size_t len = strcspn(p, ",");

        snprintf(word, sizeof(word), "%.*s", (int)len, p);
        if (object->server_ports_len == SW_SERVER_PORTS_MAX)
            sw_option_die(cli, "more than %d ports", SW_SERVER_PORTS_MAX);
        opts->server_ports[object->server_ports_len++] = sw_arg_number(cli, word, 1, 65535);
        p += len;
        if (!*p)
            return;
    }
}

static void add_label(struct sw_cli *cli, const char *arg, void *at)
{
    char why[SW_LABELS_WHY];

    if (sw_labels_add(at, arg, why))
        sw_option_die(cli, "%s", why);
}

#define FIELD(field) SW_FIELD(struct sw_common_opts, field)

static const struct sw_option options[] = {
    {"events", .block = 1, .type = SW_OPT_NAMES, FIELD(event_mask), .words = sw_line_words, .groups = sw_line_groups,
     .noun = "event", .help = "lines to log, by name, joined by commas; 'all', 'none', and '-name' to leave one out",
     .man =
         "The lines are {words}. Default: {}. Three words stand for several lines: `lifecycle` for those of "
         "connections but `anomaly`, `update` and `conn`; `guard` for the changes of services, `drop` and `service`, "
         "but not `gateway`; "
         "`health` for `loss` and `stats`. Without `loss` a loss shows only as a gap in `seq`."},
    {"full-events", .block = 1, .type = SW_OPT_SET, FIELD(full_events),
     .help = "JSON and ECS: every key in every line of a connection, not only in `conn`"},
    {"format", .block = 1, .type = SW_OPT_CHOICE, FIELD(format), .words = sw_format_words,
     .help = "NDJSON, text for people, Zeek's conn.log, or JSON by the Elastic Common Schema ({})",
     .man = "See TEXT and OTHER FORMATS. Zeek's has `conn` lines and no other: without them among `--events` it is an "
            "error."},
    {"wide", .block = 1, .type = SW_OPT_SET, FIELD(wide),
     .help = "text: all columns, with interface, uid, states, options and microseconds, instead of 80 columns"},
    {"utc", .block = 1, .type = SW_OPT_SET, FIELD(utc), .help = "text: times in UTC instead of local ones",
     .man = "JSON has them in UTC in any case. With `zeek`: those of `#open` and `#close`."},
    {"color", .block = 1, .type = SW_OPT_CHOICE, FIELD(color), .words = sw_color_words,
     .help = "text: colours, auto on a terminal ({})",
     .man = "Auto has none where `NO_COLOR` is set or `TERM` is dumb."},
    {"summary", .block = 1, .type = SW_OPT_SWITCH, FIELD(summary),
     .help = "at the end: connections by outcome, top targets, handshake times ({}; with text on)",
     .man = "Text has it after its last line, the other formats on standard error. It needs `conn` records: without "
            "`conn` among the events text has it only where it is asked for. See TEXT."},
    {"output", 'o', .block = 1, .type = SW_OPT_FILE, FIELD(output), .complete = SW_COMPLETE_FILES,
     .help = "append lines to this file; 'none': write nothing, '-': standard output (-)",
     .man = "A new file has mode 0640. SIGHUP opens it again (see OUTPUT FILES)."},
    {"interval", .block = 1, .type = SW_OPT_SECONDS, FIELD(interval_ns), .seconds = {0, 1e8},
     .help = "a `stats` line every S seconds, 0: only the final one ({})", .man = "Replay: seconds of the capture."},
    {"seed", .block = 1, .type = SW_OPT_NUMBER, FIELD(cid_seed), .range = {0, 65535},
     .help = "Community ID seed, 0 to 65535 ({})"},
    {"label", .block = 1, .type = SW_OPT_CUSTOM, FIELD(labels), .parse = add_label, .arg = "KEY=VALUE",
     .help = "JSON and ECS: this text in every line, as `labels`; can be given 16 times",
     .man = "A key is letters, digits and `_`, at most 63, and begins with no digit; the value is any text. All "
            "together have at most 4096 bytes. See LABELS AND SAMPLES."},
    {"sample", .block = 1, .type = SW_OPT_NUMBER, FIELD(sample), .range = {1, SW_SAMPLE_MAX},
     .help = "lines of about one of N connections ({}: of all), of which it has all lines",
     .man = "By a hash of the uid. Each line says it (`sample`). Lines about no connection are written, and those of "
            "`drop`. Counters, histograms and the summary count all. Not with `zeek`. See LABELS AND SAMPLES."},
    {"verbose", 'v', .block = 1, .type = SW_OPT_COUNT, FIELD(verbose),
     .help = "show libbpf's and libxdp's log; twice: their debug lines too",
     .man = "Twice it also shows the privileges that were kept."},
    {"no-sandbox", .block = 1, .type = SW_OPT_SET, FIELD(no_sandbox),
     .help = "keep every capability and system call, for debugging",
     .man = "Otherwise most are given up after the start (see CAPABILITIES). valgrind and other debuggers need it."},
    {"close-delay", .block = 2, .type = SW_OPT_SECONDS, FIELD(object.cfg.close_delay), .seconds = {0, 1e6},
     .help = "wait S seconds for late segments after a connection ended, then log its `conn` line ({})",
     .man = "The default is Zeek's tcp_close_delay."},
    {"update", .block = 2, .type = SW_OPT_SECONDS, FIELD(object.cfg.update_interval), .seconds = {0, 1e8},
     .help = "an `update` line for each live connection about every S seconds ({}: none)"},
    {"ladder", .block = 2, .type = SW_OPT_SET, FIELD(object.cfg.ladder),
     .help = "keep the last 16 control segments of each connection, and log them with its `conn` line",
     .man = "`synward ladder` draws them. About 512 bytes more for each of `--max-flows` and `--max-half-open`. See "
            "LADDERS."},
    {"decap", .block = 2, .type = SW_OPT_SWITCH, FIELD(object.cfg.decap),
     .help = "follow PPPoE, MPLS, GRE, ERSPAN, VXLAN, Geneve, GTP-U and E-tags to the inner connection ({})"},
    {"checksum", .block = 2, .type = SW_OPT_SWITCH, FIELD(object.cfg.checksum),
     .help = "verify TCP checksums on ingress ({})",
     .man = "A local sender with checksum offload leaves them to the card, so that run does not look by itself."},
    {"likely-server-ports", .block = 2, .type = SW_OPT_CUSTOM, .parse = parse_ports, .arg = "LIST",
     .help = "ports whose owner is taken for the server of a connection picked up midstream, at most 1024; 'none'"},
    {"max-flows", .block = 3, .type = SW_OPT_NUMBER, FIELD(object.max_flows), .range = {1, 1u << 30},
     .help = "most established connections tracked at once ({})",
     .man = "About 600 bytes each, with what is kept of ended ones. Replay takes no more than the capture can need."},
    {"max-half-open", .block = 3, .type = SW_OPT_NUMBER, FIELD(object.max_half_open), .range = {1, 1u << 30},
     .help = "most half-open connections tracked at once; further SYNs are in the SYN cache alone ({})",
     .man = "About 570 bytes each. A SYN flood never evicts a connection. If the table is full, a sixteenth of it a "
            "second takes the places of the oldest ones. A handshake that is evicted, or found no place, and is not "
            "restored from the SYN cache has no `conn` line and counts in `lost_conn` and `half_open_evicted`."},
    {"syn-cache", .block = 3, .type = SW_OPT_NUMBER, FIELD(object.syn_cache_max), .range = {1, SYN_CACHE_MAX},
     .help = "entries of the SYN cache, from which evicted handshakes are restored (8 times `--max-half-open`: {})",
     .man = "About 68 bytes each, in sets of 15. A handshake that was evicted, or found no place, is restored from its "
            "entry when its next segment comes, with its times, options and counts. It then counts in "
            "`half_open_restored`, and neither as evicted nor as lost. Give at least three times as many as SYNs come "
            "in a round trip. A handshake whose entry is gone, too, is picked up midstream."},
    {"ring", .block = 3, .type = SW_OPT_RING, FIELD(object.ring_bytes), .range = {1, 1u << 30},
     .help = "event ring, a power of two ({}); a second one, of a sixteenth of this and 4M at most, holds anomalies"},
    {"ring-open", .block = 3, .type = SW_OPT_RING, FIELD(object.ring_open_bytes), .range = {1, 1u << 30},
     .help = "event ring of handshakes that never completed, a power of two ({})"},
    {0},
};

#define TIMEOUT(name, field)                                                                                           \
    "timeout-" name, .type = SW_OPT_SECONDS, FIELD(object.cfg.field), .seconds = {0.001, 1e8}, .block = 4

static const struct sw_option timeouts[] = {
    {TIMEOUT("syn-sent", t_syn_sent), .help = "no answer to the SYN: unanswered after S idle seconds ({})",
     .man = "Linux nf_conntrack"},
    {TIMEOUT("syn-received", t_syn_received), .help = "no ACK for the SYN-ACK ({})", .man = "Linux nf_conntrack"},
    {TIMEOUT("established", t_established), .help = "an established connection, idle ({})",
     .man = "RFC 5382, REQ-5: 2 h 4 min"},
    {TIMEOUT("fin-wait", t_fin_wait), .help = "the first FIN is not acknowledged ({})",
     .man = "RFC 5382, REQ-5: 4 min"},
    {TIMEOUT("close-wait", t_close_wait), .help = "half-closed: one side has closed, the other is idle ({})",
     .man = "the same"},
    {TIMEOUT("last-ack", t_last_ack), .help = "both have closed, the last ACK is missing ({})",
     .man = "the same; RFC 9293: 2 MSL"},
    {TIMEOUT("midstream", t_midstream), .help = "a connection picked up midstream, idle ({})",
     .man = "Zeek tcp_inactivity_timeout"},
    {0},
};

/* https://no-color.org: set and not empty */
bool sw_wants_color(enum sw_color_when when, bool on_stdout)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    if (when != SW_COLOR_AUTO)
        return when == SW_COLOR_ALWAYS;
    return on_stdout && isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

void sw_check_format(struct sw_cli *cli, enum sw_format format, __u32 event_mask)
{
    const struct sw_formatter *formatter = sw_formatter(format);

    if (formatter->head && !(event_mask & formatter->lines))
        sw_usage_die(cli, "--format %s has conn lines and no other, and --events leaves them out", formatter->name);
}

void sw_check_sample(struct sw_cli *cli, enum sw_format format, __u32 sample)
{
    if (sample > 1 && format == SW_FORMAT_ZEEK)
        sw_usage_die(cli, "--sample does not go with --format zeek, whose rows cannot say it");
}

/* What follows from several options. */
static void complete(struct sw_cli *cli, void *at)
{
    struct sw_common_opts *opts = at;
    __u64 entries = (__u64)opts->object.max_half_open * SYN_CACHE_PER_HALF_OPEN;
    bool quiet;

    if (!sw_given(cli, "syn-cache"))
        opts->object.syn_cache_max = entries < SYN_CACHE_MAX ? entries : SYN_CACHE_MAX;
    if (opts->filter.lists)
        opts->object.filter = &opts->filter;
    sw_check_format(cli, opts->format, opts->event_mask);
    sw_check_sample(cli, opts->format, opts->sample);
    if (opts->labels.count && opts->format != SW_FORMAT_JSON && opts->format != SW_FORMAT_ECS)
        sw_usage_die(cli, "--label is for JSON and ECS: --format %s has no place for it",
                     sw_formatter(opts->format)->name);
    if (opts->object.cfg.replay) /* nobody else reads its events */
        opts->event_mask &= sw_formatter(opts->format)->lines;
    opts->object.cfg.event_mask = opts->event_mask & (((1u << SW_EV_MAX) - 1) | SW_LINES_OF_GUARD);
    if (opts->output && !strcmp(opts->output, "-"))
        opts->output = NULL;
    quiet = opts->output && !strcmp(opts->output, "none") && opts->format == SW_FORMAT_TEXT;
    if (!sw_given(cli, "summary"))
        opts->summary = !quiet && opts->format == SW_FORMAT_TEXT && opts->event_mask & 1u << SW_EV_CONN;
    if (opts->summary && quiet)
        sw_usage_die(cli, "--summary of text is a part of the output, and --output is none");
    if (opts->summary)
        opts->object.cfg.event_mask |= 1u << SW_EV_CONN;
    opts->colored = opts->format == SW_FORMAT_TEXT && sw_wants_color(opts->color, !opts->output);
}

const struct sw_option_group sw_common_group = {
    .title = "What is logged, and how:",
    .rows = options,
    .check = complete,
};
const struct sw_option_group sw_timeout_group = {
    .about = "A connection without segments for this many seconds expires.",
    .brief = true,
    .rows = timeouts,
};

void sw_common_defaults(struct sw_common_opts *opts, bool replay)
{
    memset(opts, 0, sizeof(*opts));
    sw_object_defaults(&opts->object);
    opts->object.cfg.replay = replay;
    opts->object.cfg.checksum = replay;
    opts->object.cfg.decap = replay;
    opts->format = SW_FORMAT_JSON;
    opts->sample = 1;
    opts->event_mask = (1u << SW_LINE_MAX) - 1;
    opts->interval_ns = replay ? 0 : 10 * SW_SECOND;
    if (replay) {
        opts->object.ring_bytes = opts->object.ring_open_bytes = REPLAY_RING;
        opts->object.cfg.owners = 0;
    }
}
