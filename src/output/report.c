/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The reporter: numbers lines, gathers them, writes them without ever waiting for the reader. */
#include "output/report.h"

#include "output/drops.h"
#include "output/format.h"
#include "output/frame.h"
#include "output/json_ladder.h"
#include "output/sink.h"

#include "base/log.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SW_BUF_FIRST (256 * 1024)

struct sw_report {
    struct sw_lines lines;
    const struct sw_formatter *format;
    __u32 event_mask;
    __u32 kinds; /* that the programs make */
    struct sw_sink sink;
    struct sw_frame frame;
    char *buf;
    size_t head, tail, cap;
    __u64 seq;  /* of the line before */
    __u64 gaps; /* sum of its jumps */
    __u64 made;
    __u64 bytes;                /* of all lines made */
    bool skip;                  /* events make no lines */
    bool reader_gone;           /* and the next one has nothing yet of what is first in a file */
    struct sw_summary *summary; /* NULL: none is wanted */
    struct sw_report_stats end; /* of the final line, for it */
    const struct sw_report_tap *tap;
    struct sw_report_counts counts;
};

int sw_report_new(const struct sw_report_opts *opts, struct sw_report **ret_report)
{
    struct sw_report *r = calloc(1, sizeof(*r));

    *ret_report = NULL;
    if (!r)
        return -ENOMEM;
    r->sink.own_fd = -1;
    r->format = sw_formatter(opts->format);
    r->event_mask = opts->event_mask & r->format->lines;
    r->kinds = opts->kinds;
    r->frame = (struct sw_frame){.format = r->format, .utc = opts->utc};
    r->seq = opts->seq;
    if (opts->counts)
        r->counts = *opts->counts;
    r->cap = SW_BUF_FIRST;
    r->buf = malloc(r->cap);
    if (!r->buf || sw_lines_init(&r->lines, opts) || (opts->summary && sw_summary_new(opts->kinds, &r->summary))) {
        sw_report_free(r);
        return -ENOMEM;
    }
    sw_sink_open(&r->sink, opts->fd, opts->format);
    *ret_report = r;
    return 0;
}

void sw_report_free(struct sw_report *r)
{
    if (!r)
        return;
    sw_sink_close(&r->sink);
    sw_summary_free(r->summary);
    sw_drops_free(r->lines.drops);
    sw_lines_fini(&r->lines);
    free(r->buf);
    free(r);
}

int sw_report_set_iface(struct sw_report *r, __u32 ifindex, const char *name)
{
    return sw_lines_set_iface(&r->lines, ifindex, name);
}

void sw_report_set_clock(struct sw_report *r, __s64 clock_offset_ns)
{
    r->lines.clock_offset = clock_offset_ns;
}

/* Of the line that is to be written next, or that was written in part. */
static size_t line_start(const struct sw_report *r)
{
    size_t at = r->head;

    while (at && r->buf[at - 1] != '\n')
        at--;
    return at;
}

/* Space for one line of any kind, or NULL. Lines already written are removed first. */
static char *line_room(struct sw_report *r)
{
    size_t need = sw_lines_room(&r->lines), cap = r->cap, from;
    char *more;

    if (r->cap - r->tail >= need)
        return r->buf + r->tail;
    if (r->head >= r->cap / 2) {
        from = line_start(r);
        memmove(r->buf, r->buf + from, r->tail - from);
        r->tail -= from;
        r->head -= from;
    }
    while (cap - r->tail < need)
        cap *= 2;
    if (cap != r->cap) {
        more = realloc(r->buf, cap);
        if (!more)
            return NULL;
        r->buf = more;
        r->cap = cap;
    }
    return r->buf + r->tail;
}

/* For an event of this kind; NULL: it makes no line, which is counted. */
static char *event_room(struct sw_report *r, int kind)
{
    char *p = r->skip ? NULL : line_room(r);

    if (p)
        r->counts.made[kind]++;
    else
        r->counts.unmade[kind]++;
    return p;
}

static void line_done(struct sw_report *r, const char *end)
{
    r->bytes += end - (r->buf + r->tail);
    r->tail = end - r->buf;
    r->seq++;
    r->made++;
}

int sw_report_event(struct sw_report *r, const struct sw_event *ev)
{
    char *p;

    if (ev->version != SW_CONTRACT_VERSION || ev->kind >= SW_EV_MAX ||
        (ev->size != sizeof(*ev) && !sw_event_ladder(ev)))
        return -EINVAL;
    if (r->tap)
        r->tap->event(r->tap->ctx, ev);
    if (r->summary)
        sw_summary_event(r->summary, ev);
    if (!(r->event_mask & 1u << ev->kind))
        return 0;
    if (r->lines.sample > 1 && !sw_uid_is_sampled(&ev->key, ev->flow.start_ns, r->lines.sample))
        return 0;
    p = event_room(r, ev->kind);
    if (!p)
        return r->skip ? 0 : -ENOMEM;
    line_done(r, r->format->event(&r->lines, r->seq + 1, ev, p));
    return 0;
}

/* The guard's records are made in the kernel only if they are enabled, and counted together when they do not fit. */
static bool loss_wanted(const struct sw_report *r, int kind)
{
    __u32 bits = kind == SW_LOSS_GUARD ? SW_LINES_OF_GUARD : 1u << kind;

    return r->event_mask & bits;
}

static __u64 unmade(const struct sw_report *r, int kind)
{
    return r->counts.unmade[kind] - r->counts.unmade_logged[kind];
}

static void jump(struct sw_report *r, __u64 lost)
{
    memcpy(r->counts.unmade_logged, r->counts.unmade, sizeof(r->counts.unmade));
    r->seq += lost;
    r->gaps += lost;
}

/* A format without a line for it: what would be a gap in seq shows nowhere else. */
static void warn_of_loss(struct sw_report *r, __u64 total)
{
    if (!r->format->head || r->gaps)
        return;
    sw_warn("connections are lost and have no row, %llu so far: --format %s has no line that says so", total,
            r->format->name);
}

static void end_frame(struct sw_report *r)
{
    if (r->format->head && r->gaps && !r->frame.ended)
        sw_warn("%llu connections were lost in all, and have no row", r->gaps);
    r->frame.ended = true;
}

static int put_loss(struct sw_report *r, const __u64 lost[SW_LOSSES], __u64 now_ns)
{
    __u64 all[SW_LOSSES], total = 0;
    char *p;

    for (int i = 0; i < SW_LOSSES; i++) {
        all[i] = loss_wanted(r, i) ? lost[i] + unmade(r, i) : 0;
        total += all[i];
    }
    if (!total)
        return 0;
    if (!(r->event_mask & 1u << SW_LINE_LOSS)) {
        warn_of_loss(r, total);
        jump(r, total);
        return 0;
    }
    p = line_room(r);
    if (!p)
        return -ENOMEM; /* included in the next one; the caller passes its own losses again */
    jump(r, total);
    line_done(r, r->format->loss(&r->lines, r->seq + 1, all, now_ns, p));
    return 0;
}

int sw_report_loss(struct sw_report *r, const __u64 lost[SW_LOSSES], __u64 now_ns)
{
    int err = put_loss(r, lost, now_ns);

    if (!err && r->summary)
        sw_summary_lost(r->summary, lost);
    return err;
}

/* For the lines about services, whoever reads them. Without memory they do without. */
static void note_drop(struct sw_report *r, const struct sw_guard_event *ev)
{
    if (!(r->kinds & 1u << SW_LINE_DROP))
        return;
    if (!r->lines.drops && sw_drops_new(&r->lines.drops))
        return;
    if (ev->kind == SW_GUARD_EV_DROP)
        sw_drops_add(r->lines.drops, ev);
}

int sw_report_guard_event(struct sw_report *r, const struct sw_guard_event *ev)
{
    char *p;

    if (ev->version != SW_CONTRACT_VERSION || ev->size != sizeof(*ev) || ev->kind >= SW_GUARD_EV_MAX)
        return -EINVAL;
    note_drop(r, ev);
    if (r->tap)
        r->tap->guard_event(r->tap->ctx, ev);
    if (!(r->event_mask & 1u << (SW_LINE_GUARD + ev->kind)))
        return 0;
    p = event_room(r, SW_LOSS_GUARD);
    if (!p)
        return r->skip ? 0 : -ENOMEM;
    line_done(r, r->format->guard_event(&r->lines, r->seq + 1, ev, p));
    return 0;
}

int sw_report_service(struct sw_report *r, const struct sw_report_service *s, __u64 now_ns)
{
    char *p;

    if (r->tap)
        r->tap->service(r->tap->ctx, s, now_ns);
    if (r->skip || !(r->event_mask & 1u << SW_LINE_SERVICE))
        return 0;
    p = line_room(r);
    if (!p)
        return -ENOMEM;
    line_done(r, r->format->service(&r->lines, r->seq + 1, s, now_ns, p));
    return 0;
}

/* It is no line: it has no number. */
static int put_summary(struct sw_report *r, const struct sw_report_stats *end)
{
    char *p;

    r->end = *end;
    if (r->sink.format != SW_FORMAT_TEXT)
        return 0;
    p = line_room(r);
    if (!p)
        return -ENOMEM;
    p = sw_summary_put(r->summary, end, r->lines.color, p);
    r->bytes += p - (r->buf + r->tail);
    r->tail = p - r->buf;
    return 0;
}

int sw_report_stats(struct sw_report *r, const struct sw_report_stats *stats, __u64 now_ns)
{
    struct sw_report_stats s = *stats;
    char *p;

    if (r->tap)
        r->tap->stats(r->tap->ctx, stats, now_ns);
    for (int i = 0; i < SW_LOSSES; i++)
        s.lost_total += r->counts.unmade[i];
    if (!r->skip && r->event_mask & 1u << SW_LINE_STATS) {
        p = line_room(r);
        if (!p)
            return -ENOMEM;
        line_done(r, r->format->stats(&r->lines, r->seq + 1, &s, now_ns, p));
    }
    if (s.final)
        end_frame(r);
    return s.final && r->summary ? put_summary(r, &s) : 0;
}

size_t sw_report_summary(const struct sw_report *r, char *text)
{
    if (!r->summary || !r->end.final || r->sink.format == SW_FORMAT_TEXT)
        return 0;
    return sw_summary_put(r->summary, &r->end, false, text) - text;
}

size_t sw_report_pending(const struct sw_report *r)
{
    return r->tail - r->head;
}

__u64 sw_report_lines(const struct sw_report *r)
{
    return r->made;
}

__u64 sw_report_made(const struct sw_report *r)
{
    return r->bytes;
}

__u64 sw_report_seq(const struct sw_report *r)
{
    return r->seq;
}

__u64 sw_report_gaps(const struct sw_report *r)
{
    return r->gaps;
}

void sw_report_set_tap(struct sw_report *r, const struct sw_report_tap *tap)
{
    r->tap = tap;
}

struct sw_lines *sw_report_names(struct sw_report *r)
{
    return &r->lines;
}

void sw_report_skip(struct sw_report *r, bool skip)
{
    r->skip = skip;
}

const struct sw_report_counts *sw_report_counts(const struct sw_report *r)
{
    return &r->counts;
}

/* The end of what may be written. */
static size_t whole_lines(const struct sw_report *r, size_t most, bool one)
{
    const char *head = r->buf + r->head, *end;

    if (most >= r->tail - r->head)
        return r->tail;
    end = memrchr(head, '\n', most);
    if (!end && one)
        end = memchr(head, '\n', r->tail - r->head);
    return end ? (size_t)(end + 1 - r->buf) : r->head;
}

static int write_to(struct sw_report *r, size_t end)
{
    while (r->head < end) {
        ssize_t n = sw_sink_write(&r->sink, r->buf + r->head, end - r->head);

        if (n < 0)
            return n;
        r->head += n;
    }
    return 0;
}

/* A pipe's next reader gets what is first in a file; before it the rest of a line whose beginning still lies there. */
static int begin_again(struct sw_report *r)
{
    const size_t start = line_start(r);
    int err = 0;

    if (!r->reader_gone)
        return 0;
    if (r->head > start)
        err = write_to(r, whole_lines(r, 0, true));
    if (err)
        return err;
    sw_frame_lost(&r->frame);
    r->reader_gone = false;
    return 0;
}

void sw_report_reader_gone(struct sw_report *r)
{
    r->reader_gone = r->format->head != NULL;
}

int sw_report_flush_some(struct sw_report *r, size_t most, bool one)
{
    size_t end;
    int err;

    if (!sw_sink_follows(&r->sink)) {
        r->head = line_start(r);
        sw_frame_lost(&r->frame);
    }
    err = begin_again(r);
    if (err)
        return err;
    most -= sw_frame_room(&r->frame, &r->sink, most);
    end = whole_lines(r, most, one);
    if (r->head < end && (err = sw_frame_begin(&r->frame, &r->sink)))
        return err;
    err = write_to(r, end);
    if (err)
        return err;
    if (r->head < r->tail)
        return 1;
    r->head = r->tail = 0;
    return sw_frame_end(&r->frame, &r->sink);
}

int sw_report_flush(struct sw_report *r)
{
    return sw_report_flush_some(r, SIZE_MAX, false);
}

size_t sw_report_rewind(struct sw_report *r)
{
    const bool follows = sw_sink_follows(&r->sink);
    const size_t start = line_start(r), half = r->head - start;

    r->head = start;
    if (follows)
        return half + sw_frame_half(&r->frame);
    sw_frame_lost(&r->frame);
    return 0;
}

void sw_report_leave(struct sw_report *r)
{
    sw_frame_leave(&r->frame, &r->sink);
}
