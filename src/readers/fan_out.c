/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "readers/fan_out.h"
#include "output/format.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define FLUSH_AT (256u << 10) /* bytes in a queue that do not wait for the end of a batch */

bool sw_reader_watch(const struct sw_readers *r, const struct sw_reader *one, int op)
{
    struct epoll_event ev = {.data.fd = one->fd};

    ev.events = one->blocked ? EPOLLOUT : EPOLLIN; /* and when it is gone */
    return !epoll_ctl(r->epoll, op, one->fd, &ev);
}

static int form_of(const struct sw_reader *one)
{
    const struct sw_request *wants = &one->lines.wants;

    if (wants->format != SW_FORMAT_TEXT)
        return wants->format == SW_FORMAT_ZEEK  ? SW_FORM_ZEEK
               : wants->format == SW_FORMAT_ECS ? SW_FORM_ECS
                                                : SW_FORM_JSON;
    return SW_FORM_TEXT | (wants->color ? SW_FORM_COLOR : 0) | (wants->wide ? SW_FORM_WIDE : 0) |
           (wants->utc ? SW_FORM_UTC : 0);
}

/* An event as a line of a form: made for the first reader that wants it. */
typedef char *(*make_fn)(const struct sw_formatter *format, struct sw_lines *names, const void *record, char *p);

static char *make_event(const struct sw_formatter *format, struct sw_lines *names, const void *record, char *p)
{
    return format->event(names, 0, record, p);
}

static char *make_guard_event(const struct sw_formatter *format, struct sw_lines *names, const void *record, char *p)
{
    return format->guard_event(names, 0, record, p);
}

/* Made without a heading: each reader has its own. */
static const struct sw_form_line *line_of(struct sw_readers *r, const struct sw_reader *one, make_fn make,
                                          const void *record)
{
    struct sw_lines *names = sw_report_names(r->report);
    struct sw_form_line *line = &r->line[form_of(one)];
    const size_t room = sw_lines_room(names);
    struct sw_style style = {one->lines.wants.color, one->lines.wants.wide, one->lines.wants.utc,
                             one->lines.wants.sample};

    if (line->len && line->sample == style.sample)
        return line;
    if (line->room < room) {
        free(line->text);
        line->text = malloc(room);
        line->room = line->text ? room : 0;
        if (!line->text)
            return NULL;
    }
    sw_lines_swap_style(names, &style);
    names->no_heading = true;
    line->sample = one->lines.wants.sample;
    line->len = make(sw_formatter(one->lines.wants.format), names, record, line->text) - line->text;
    names->no_heading = false;
    sw_lines_swap_style(names, &style);
    return line;
}

bool sw_reader_send(const struct sw_readers *r, struct sw_reader *one)
{
    struct sw_queue *q = &one->lines.queue;
    const bool was_blocked = one->blocked;

    one->blocked = false;
    while (q->len && !one->blocked) {
        size_t n;
        const char *from = sw_queue_oldest(q, &n);
        ssize_t sent = send(one->fd, from, n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0)
            sw_queue_drop(q, sent);
        else if (sent < 0 && errno == EAGAIN)
            one->blocked = true;
        else if (!sent || errno != EINTR)
            return false;
    }
    return one->blocked == was_blocked || sw_reader_watch(r, one, EPOLL_CTL_MOD);
}

static void give(struct sw_readers *r, struct sw_reader *one, int kind, make_fn make, const void *record, __u64 now_ns)
{
    const struct sw_form_line *line = line_of(r, one, make, record);

    sw_reader_heading(&one->lines, sw_report_names(r->report), now_ns);
    /* without memory for the line it does not fit, either */
    sw_reader_event(&one->lines, kind, line ? line->text : NULL, line ? line->len : ~0u, sw_report_names(r->report),
                    now_ns);
    if (one->lines.queue.len > FLUSH_AT && !one->blocked)
        one->gone = !sw_reader_send(r, one);
}

static void new_record(struct sw_readers *r)
{
    for (int form = 0; form < SW_FORMS; form++)
        r->line[form].len = 0;
}

static void on_event(void *ctx, const struct sw_event *ev)
{
    struct sw_readers *r = ctx;

    new_record(r);
    for (size_t i = 0; i < r->len; i++) {
        struct sw_reader *one = r->reader[i];
        const struct sw_request *wants = &one->lines.wants;

        if (one->asked && wants->event_mask >> ev->kind & 1 &&
            (wants->sample < 2 || sw_uid_is_sampled(&ev->key, ev->flow.start_ns, wants->sample)) &&
            sw_filter_match(&wants->filter, &ev->key, &ev->flow, sw_report_names(r->report)->owners))
            give(r, one, ev->kind, make_event, ev, ev->ts);
    }
}

/* A dropped packet, or one at a gateway, has addresses and ports, and no connection. */
static bool packet_matches(const struct sw_filter *f, const struct sw_guard_event *ev)
{
    const struct sw_filter_rules *rules = &f->rules;

    if (sw_filter_asks_owner(f) || f->states || f->outcomes || f->uids_len || f->min_bytes || f->min_handshake_ns)
        return false;
    return !rules->lists || sw_filter_admits(rules->lists, sw_filter_lists_of(rules, ev->src_ip, ev->src_port),
                                             sw_filter_lists_of(rules, ev->dst_ip, ev->dst_port));
}

static void on_guard_event(void *ctx, const struct sw_guard_event *ev)
{
    const int line = SW_LINE_GUARD + ev->kind;
    struct sw_readers *r = ctx;

    new_record(r);
    for (size_t i = 0; i < r->len; i++) {
        struct sw_reader *one = r->reader[i];
        const struct sw_request *wants = &one->lines.wants;

        if (one->asked && wants->event_mask >> line & 1 &&
            (line == SW_LINE_GUARD || packet_matches(&wants->filter, ev)))
            give(r, one, SW_LOSS_GUARD, make_guard_event, ev, ev->ts);
    }
}

static void on_service(void *ctx, const struct sw_report_service *s, __u64 now_ns)
{
    struct sw_readers *r = ctx;

    for (size_t i = 0; i < r->len; i++)
        if (r->reader[i]->asked)
            sw_reader_service(&r->reader[i]->lines, s, sw_report_names(r->report), now_ns);
}

static void on_stats(void *ctx, const struct sw_report_stats *stats, __u64 now_ns)
{
    struct sw_readers *r = ctx;
    __u64 before = 0;

    for (int kind = 0; kind < SW_LOSSES; kind++)
        before += r->lost[kind];
    for (size_t i = 0; i < r->len; i++)
        if (r->reader[i]->asked)
            sw_reader_stats(&r->reader[i]->lines, stats, before, sw_report_names(r->report), now_ns);
}

void sw_fan_out_tap(struct sw_readers *r)
{
    r->tap = (struct sw_report_tap){
        .event = on_event, .guard_event = on_guard_event, .service = on_service, .stats = on_stats, .ctx = r};
}
