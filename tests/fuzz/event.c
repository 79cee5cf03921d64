/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records of the rings to lines: whatever a record holds, it makes one valid line of JSON, one document of ECS, one
 * line of text and, if it is of a connection, a row of Zeek's, all within their room, or is refused. Host and interface
 * names are any bytes.
 */
#include "fuzz.h"
#include "jsonline.h"
#include "output/figures.h"
#include "output/format.h"
#include "synward_ladder.h"
#include "output/line.h"
#include "output/report.h"

#include <errno.h>

enum what { EVENT, GUARD_EVENT, LOSS, STATS, SERVICE, WHATS };

struct record {
    enum what what;
    struct sw_conn_event conn; /* its event stands for any */
    struct sw_guard_event emitted;
    __u64 lost[SW_LOSSES];
    struct sw_report_stats stats;
    struct sw_report_service service;
    __u64 now;
};

static struct record record;

static void read_record(struct fuzz_in *in, __u8 how)
{
    struct record *r = &record;

    r->what = how % WHATS;
    r->now = fuzz_u64(in);
    fuzz_take(in, &r->conn.event, sizeof(r->conn.event));
    memcpy(&r->emitted, &r->conn.event, sizeof(r->emitted)); /* the same bytes may be any of them */
    memcpy(r->lost, &r->conn.event, sizeof(r->lost));
    memcpy(&r->service.service, &r->conn.event, sizeof(r->service.service));
    memcpy(&r->service.tally, (char *)&r->conn.event + 128, sizeof(r->service.tally));
    for (int i = 0; i < SW_C_MAX; i++)
        r->stats.counters[i] = r->lost[i % SW_LOSSES] >> i;
    r->stats.flows = r->now;
    r->stats.final = r->service.final = how & 64;
    r->stats.guard = r->service.tally;
    if (how & 128) /* else whatever the bytes are, which is mostly refused */
        return;
    r->conn.event.version = r->emitted.version = SW_CONTRACT_VERSION;
    r->conn.event.kind %= SW_EV_MAX;
    r->conn.event.size = r->conn.event.kind == SW_EV_CONN && how & 32 ? sizeof(r->conn) : sizeof(r->conn.event);
    r->emitted.size = sizeof(r->emitted);
    r->emitted.kind %= SW_GUARD_EV_MAX;
}

static bool is_ours(const struct record *r)
{
    if (r->what == EVENT)
        return r->conn.event.version == SW_CONTRACT_VERSION && r->conn.event.kind < SW_EV_MAX &&
               (r->conn.event.size == sizeof(r->conn.event) ||
                (r->conn.event.kind == SW_EV_CONN && r->conn.event.size == sizeof(r->conn)));
    return r->what != GUARD_EVENT || (r->emitted.version == SW_CONTRACT_VERSION &&
                                      r->emitted.size == sizeof(r->emitted) && r->emitted.kind < SW_GUARD_EV_MAX);
}

static char *line_of(enum sw_format format, struct sw_lines *l, char *p)
{
    const struct sw_formatter *f = sw_formatter(format);
    const struct record *r = &record;

    switch (r->what) {
    case EVENT: return f->event(l, r->now, &r->conn.event, p);
    case GUARD_EVENT: return f->guard_event(l, r->now, &r->emitted, p);
    case LOSS: return f->loss(l, r->now, r->lost, r->now, p);
    case STATS: return f->stats(l, r->now, &r->stats, r->now, p);
    default: return f->service(l, r->now, &r->service, r->now, p);
    }
}

/* Printable, the heading and one line; 80 columns unless wide; colours only if they were asked for. */
static void text_line(const char *line, size_t len, bool color, bool wide)
{
    size_t columns = 0, newlines = 0;

    holds(len && line[len - 1] == '\n', "no newline after %zu bytes", len);
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\n') {
            holds(wide || columns <= 80, "%zu columns: %.*s", columns, (int)len, line);
            newlines++;
            columns = 0;
        } else if (line[i] == '\033') {
            holds(color && line[i + 1] == '[', "an escape at %zu of: %.*s", i, (int)len, line);
            while (line[i] != 'm' && i + 1 < len)
                i++;
        } else {
            holds((__u8)line[i] >= 0x20 && line[i] != 0x7f, "byte %02x at %zu of: %.*s", (__u8)line[i], i, (int)len,
                  line);
            columns++;
        }
    }
    holds(newlines == 2, "%zu lines: %.*s", newlines, (int)len, line);
}

/* As many columns as the header has, and nothing in them that would be another one. */
static void zeek_row(const char *row, size_t len)
{
    size_t tabs = 0, column = 0;

    for (size_t i = 0; i < len; i++) {
        if (row[i] == '\t' || row[i] == '\n') {
            holds(column, "an empty column at %zu of: %.*s", i, (int)len, row);
            holds((row[i] == '\n') == (i + 1 == len), "a newline at %zu of: %.*s", i, (int)len, row);
            tabs += row[i] == '\t';
            column = 0;
        } else {
            holds((__u8)row[i] > 0x20 && (__u8)row[i] < 0x7f, "byte %02x at %zu of: %.*s", (__u8)row[i], i, (int)len,
                  row);
            column++;
        }
    }
    holds(tabs == 21, "%zu tabs: %.*s", tabs, (int)len, row);
}

/* Each formatter in room of exactly the size that it is promised. */
static void format(const struct sw_report_opts *opts, const char *iface)
{
    static struct sw_lines lines; /* large: clearing it costs less than another one */
    struct sw_lines *l = &lines;
    size_t room;
    char *p;

    memset(l, 0, sizeof(*l));
    holds(!sw_lines_init(l, opts) && !sw_lines_set_iface(l, 3, iface), "no memory");
    room = sw_lines_room(l);
    p = malloc(room);
    holds(p, "no memory");
    json_line(p, line_of(SW_FORMAT_JSON, l, p) - p);
    json_document(p, line_of(SW_FORMAT_ECS, l, p) - p);
    text_line(p, line_of(SW_FORMAT_TEXT, l, p) - p, opts->color, opts->wide);
    if (record.what == EVENT)
        zeek_row(p, line_of(SW_FORMAT_ZEEK, l, p) - p);
    free(p);
    sw_lines_fini(l);
}

static int add(struct sw_report *report)
{
    const struct record *r = &record;

    switch (r->what) {
    case EVENT: return sw_report_event(report, &r->conn.event);
    case GUARD_EVENT: return sw_report_guard_event(report, &r->emitted);
    case LOSS: return sw_report_loss(report, r->lost, r->now);
    case STATS: return sw_report_stats(report, &r->stats, r->now);
    default: return sw_report_service(report, &r->service, r->now);
    }
}

/* What is not ours makes no line, what nobody lost neither, and everything else one. */
static void check_report(enum sw_format format)
{
    struct sw_report_opts opts = {.fd = STDOUT_FILENO, .event_mask = (1u << SW_LINE_MAX) - 1, .format = format};
    static struct sw_report *reports[SW_FORMAT_ECS + 1];
    struct sw_report *report;
    __u64 lines;
    int err;

    if (!reports[format])
        holds(!sw_report_new(&opts, &reports[format]), "no memory");
    report = reports[format];
    lines = sw_report_lines(report);
    err = add(report);
    lines = sw_report_lines(report) - lines;
    holds(err == (is_ours(&record) ? 0 : -EINVAL), "error %d", err);
    holds(lines <= 1 && (!err || !lines), "%llu lines, error %d", lines, err);
    if (record.what != LOSS && format != SW_FORMAT_ZEEK)
        holds(lines == !err, "%llu lines, error %d", lines, err);
    holds(!sw_report_pending(report) == !lines, "%zu bytes of %llu lines", sw_report_pending(report), lines);
    holds(!sw_report_flush(report), "not written");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return freopen("/dev/null", "w", stdout) ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    struct sw_report_opts opts = {0};
    __u8 how = fuzz_u8(&in);
    char *host, *iface;

    opts.color = how & 8;
    opts.replay = how & 16;
    opts.format = (how & 32 ? SW_FORMAT_TEXT : SW_FORMAT_JSON) + (how & 4 ? 2 : 0);
    opts.clock_offset_ns = (__s64)fuzz_u64(&in);
    opts.cid_seed = fuzz_u16(&in);
    opts.wide = opts.cid_seed & 1;
    opts.utc = opts.cid_seed & 2;
    read_record(&in, how);
    fuzz_take(&in, &record.conn.ladder, record.conn.event.size == sizeof(record.conn) ? sizeof(record.conn.ladder) : 0);
    host = fuzz_text(&in, 0);
    iface = fuzz_text(&in, 0);
    opts.host = host;
    opts.iface = iface;
    if (is_ours(&record))
        format(&opts, iface);
    check_report(opts.format);
    free(host);
    free(iface);
    return 0;
}
