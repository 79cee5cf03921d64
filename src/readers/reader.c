/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "readers/reader.h"
#include "base/fmt.h"
#include "output/format.h"
#include "output/text_fmt.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER 20 /* digits of the longest */

int sw_reader_open(struct sw_reader_lines *r, size_t bytes)
{
    r->seq = r->lost_here = 0;
    r->behind = false;
    memset(&r->heading, 0, sizeof(r->heading));
    memset(r->lost, 0, sizeof(r->lost));
    return sw_queue_open(&r->queue, bytes);
}

void sw_reader_close(struct sw_reader_lines *r)
{
    sw_queue_close(&r->queue);
}

/* It was made for all, with the number 0, where lines have one. */
static void add_line(struct sw_reader_lines *r, const char *line, size_t len)
{
    const size_t before = sw_formatter(r->wants.format)->before_seq;
    char number[NUMBER];

    r->seq++;
    if (!before) {
        sw_queue_add(&r->queue, line, len);
        return;
    }
    sw_queue_add(&r->queue, line, before);
    sw_queue_add(&r->queue, number, sw_put_u64(number, r->seq) - number);
    sw_queue_add(&r->queue, line + before + 1, len - before - 1);
}

static bool has_room(const struct sw_reader_lines *r, size_t len, size_t rest)
{
    return sw_queue_free(&r->queue) >= len + NUMBER + rest;
}

/* What of the names is the reader's own, in place of the daemon's, and back. */
static void swap_style(struct sw_reader_lines *r, struct sw_lines *names)
{
    struct sw_heading heading = names->heading;
    struct sw_style style = {r->wants.color, r->wants.wide, r->wants.utc, r->wants.sample};

    names->heading = r->heading;
    r->heading = heading;
    sw_lines_swap_style(names, &style);
    r->wants.color = style.color;
    r->wants.wide = style.wide;
    r->wants.utc = style.utc;
    r->wants.sample = style.sample;
}

void sw_reader_heading(struct sw_reader_lines *r, struct sw_lines *names, __u64 ts)
{
    const struct sw_heading before = r->heading;
    char line[128], *end;

    if (r->wants.format != SW_FORMAT_TEXT)
        return;
    swap_style(r, names);
    end = sw_text_heading(names, line, ts);
    swap_style(r, names);
    if (end != line && has_room(r, end - line, 0))
        sw_queue_add(&r->queue, line, end - line);
    else
        r->heading = before; /* the next one, then */
}

/* A buffer for a line that is made for this reader alone: it is rare. */
static char *begin_line(struct sw_reader_lines *r, struct sw_lines *names)
{
    swap_style(r, names);
    return malloc(sw_lines_room(names));
}

static bool end_line(struct sw_reader_lines *r, struct sw_lines *names, char *line, const char *end, size_t rest)
{
    bool room = line && has_room(r, end - line, rest);

    swap_style(r, names);
    if (!room)
        r->heading.shown = false; /* it may have been in this line */
    if (room)
        add_line(r, line, end - line);
    free(line);
    return room;
}

void sw_reader_say_lost(struct sw_reader_lines *r, struct sw_lines *names, __u64 now_ns, bool last)
{
    __u64 total = 0, seq = r->seq;
    char *line, *end = NULL;

    for (int kind = 0; kind < SW_LOSSES; kind++)
        total += r->lost[kind];
    if (!total)
        return;
    r->seq += total;
    if (r->wants.event_mask & 1u << SW_LINE_LOSS) {
        line = begin_line(r, names);
        if (line)
            end = sw_formatter(r->wants.format)->loss(names, 0, r->lost, now_ns, line);
        if (!end_line(r, names, line, end, last ? 0 : SW_READER_LAST)) {
            r->seq = seq; /* in the next one */
            return;
        }
    }
    memset(r->lost, 0, sizeof(r->lost));
}

/* Once it has fallen behind it has to read half of what waits, so that not every line has its own loss line. */
static bool catches_up(struct sw_reader_lines *r, struct sw_lines *names, __u64 now_ns)
{
    if (r->queue.len > r->queue.size / 2)
        return false;
    sw_reader_say_lost(r, names, now_ns, false);
    r->behind = false;
    return true;
}

void sw_reader_event(struct sw_reader_lines *r, int kind, const char *line, size_t len, struct sw_lines *names,
                     __u64 now_ns)
{
    if ((!r->behind || catches_up(r, names, now_ns)) && has_room(r, len, SW_READER_REST)) {
        add_line(r, line, len);
        return;
    }
    r->behind = true;
    r->lost[kind]++;
    r->lost_here++;
}

void sw_reader_lost(struct sw_reader_lines *r, const __u64 lost[SW_LOSSES])
{
    for (int kind = 0; kind < SW_LOSSES; kind++) {
        __u32 bits = kind == SW_LOSS_GUARD ? SW_LINES_OF_GUARD : 1u << kind;

        if (r->wants.event_mask & bits)
            r->lost[kind] += lost[kind];
    }
}

/* Who reads it makes the header: it writes a file of its own, perhaps of several instances. */
static void add_end(struct sw_reader_lines *r, const struct sw_lines *names, __u64 now_ns)
{
    const struct sw_formatter *format = sw_formatter(r->wants.format);
    char text[SW_FORMAT_ROOM];
    size_t len;

    if (!format->end)
        return;
    len = format->end(text, (__s64)(now_ns + (__u64)names->clock_offset) / (__s64)SW_SECOND, true) - text;
    if (has_room(r, len, 0))
        sw_queue_add(&r->queue, text, len);
}

void sw_reader_stats(struct sw_reader_lines *r, const struct sw_report_stats *stats, __u64 lost_before,
                     struct sw_lines *names, __u64 now_ns)
{
    struct sw_report_stats s = *stats;
    char *line, *end = NULL;

    if (stats->final)
        add_end(r, names, now_ns);
    if (!(r->wants.event_mask & 1u << SW_LINE_STATS))
        return;
    s.lost_total = lost_before + r->lost_here;
    line = begin_line(r, names);
    if (line)
        end = sw_formatter(r->wants.format)->stats(names, 0, &s, now_ns, line);
    end_line(r, names, line, end, s.final ? 0 : SW_READER_LAST);
}

void sw_reader_service(struct sw_reader_lines *r, const struct sw_report_service *s, struct sw_lines *names,
                       __u64 now_ns)
{
    char *line, *end = NULL;

    if (!(r->wants.event_mask & 1u << SW_LINE_SERVICE))
        return;
    line = begin_line(r, names);
    if (line)
        end = sw_formatter(r->wants.format)->service(names, 0, s, now_ns, line);
    end_line(r, names, line, end, SW_READER_LAST);
}
