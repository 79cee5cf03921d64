/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/text_narrow.h"
#include "base/fmt.h"
#include "output/names.h"
#include "output/text_fmt.h"
#include "output/text_row.h"
#include "tcp/conn_state.h"

#include <stdio.h>
#include <string.h>

const char *sw_text_event_color(const struct sw_event *ev)
{
    switch (ev->kind) {
    case SW_EV_OPENING: return SW_DIM;
    case SW_EV_RESET:
    case SW_EV_REFUSED: return SW_RED;
    case SW_EV_TIMEOUT:
    case SW_EV_ANOMALY: return SW_YELLOW;
    case SW_EV_CONN: break;
    default: return NULL;
    }
    switch (ev->flow.reason) {
    case SW_WHY_RESET:
    case SW_WHY_REFUSED:
    case SW_WHY_ABORTED: return SW_RED;
    case SW_WHY_UNANSWERED:
    case SW_WHY_TIMEOUT: return SW_YELLOW;
    default: return NULL;
    }
}

static const char *side(unsigned int closed_by)
{
    static const char *const name[] = {"nobody", "client", "server", "both"};

    return name[closed_by & 3];
}

static const char *sender(const struct sw_event *ev)
{
    return ev->by == SW_ORIG ? "client" : "server";
}

static __u64 age(const struct sw_flow *f)
{
    return f->last_ns > f->start_ns ? f->last_ns - f->start_ns : 0;
}

static void say_handshake(struct sw_text_row *r, const struct sw_flow *f)
{
    sw_text_value v;
    __u64 ns;

    if (sw_span(f->syn_ns, f->est_ns, &ns)) {
        sw_text_detail(r, "in %s", sw_text_span(ns, v));
        sw_text_brief(r, "%s", sw_text_span_brief(ns, v));
    } else if (f->flags & SW_F_COOKIE) {
        sw_text_detail(r, "by cookie");
        sw_text_brief(r, "cookie");
    }
    if (f->syn_rexmit)
        sw_text_more(r, ", %u SYNs", f->syn_rexmit + 1u);
    if (f->synack_rexmit)
        sw_text_more(r, ", %u SYN-ACKs", f->synack_rexmit + 1u);
    if (f->flags & SW_F_COOKIE && f->syn_ns)
        sw_text_more(r, ", by cookie");
    if (f->flags & SW_F_SIMULTANEOUS)
        sw_text_more(r, ", simultaneous open");
    if (f->flags & SW_F_SPLIT)
        sw_text_more(r, ", split handshake");
    if (*r->detail && sw_span(f->syn_ns, f->synack_ns, &ns))
        sw_text_more(r, ", server %s", sw_text_span(ns, v));
}

static void say_volume(struct sw_text_row *r, const struct sw_flow *f)
{
    const struct sw_end *o = &f->end[SW_ORIG], *s = &f->end[SW_RESP];
    const __u64 sent_bytes = sw_stream_bytes(f, SW_ORIG), received_bytes = sw_stream_bytes(f, SW_RESP);
    sw_text_value sent, received, took;

    sw_text_detail(r, "%s/%s B, %s", sw_text_count(sent_bytes, sent), sw_text_count(received_bytes, received),
                   sw_text_span(age(f), took));
    sw_text_brief(r, "%s/%s %s", sw_text_count_brief(sent_bytes, sent), sw_text_count_brief(received_bytes, received),
                  sw_text_span_brief(age(f), took));
    if (o->rexmit || s->rexmit)
        sw_text_more(r, ", %s/%s rexmit", sw_text_count(o->rexmit, sent), sw_text_count(s->rexmit, received));
}

static void say_end_after(struct sw_text_row *r, const char *who, const struct sw_flow *f)
{
    sw_text_value took;

    sw_text_detail(r, "by %s after %s", who, sw_text_span(age(f), took));
    sw_text_brief(r, "by %s", who);
}

static void say_silence(struct sw_text_row *r, const struct sw_flow *f, __u64 now)
{
    unsigned int syns = f->syn_rexmit + 1, synacks = f->synack_rexmit + 1;
    sw_text_value idle;

    if (f->reason == SW_WHY_UNANSWERED) {
        sw_text_detail(r, "no answer to %u SYN%s", syns, syns > 1 ? "s" : "");
        sw_text_brief(r, "%u SYN%s", syns, syns > 1 ? "s" : "");
    } else if (!(f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM)) && f->synack_ns) {
        sw_text_detail(r, "no ACK to %u SYN-ACK%s", synacks, synacks > 1 ? "s" : "");
        sw_text_brief(r, "no ACK");
    } else {
        sw_text_detail(r, "idle for %s", sw_text_span(now > f->last_ns ? now - f->last_ns : 0, idle));
        sw_text_brief(r, "%s", sw_text_span_brief(now > f->last_ns ? now - f->last_ns : 0, idle));
    }
}

/* A connection that ended as it should, or is merely still open at the end of a capture, is described by what it
 * carried. */
static void say_conn(struct sw_text_row *r, const struct sw_event *ev)
{
    const struct sw_flow *f = &ev->flow;
    const char *reason = sw_name_reason(f->reason)->text;
    sw_text_value took;

    switch (f->reason) {
    case SW_WHY_UNANSWERED:
    case SW_WHY_TIMEOUT: say_silence(r, f, ev->ts); break;
    case SW_WHY_REFUSED:
    case SW_WHY_ABORTED:
        sw_text_detail(r, "%s, %s", reason, sw_text_span(age(f), took));
        sw_text_brief(r, "%s", reason);
        sw_text_more(r, ", by %s", side(f->closed_by));
        break;
    case SW_WHY_RESET:
        sw_text_detail(r, "reset, ");
        say_volume(r, f);
        snprintf(r->brief, sizeof(r->brief), "reset by %s", side(f->closed_by));
        break;
    default: say_volume(r, f); sw_text_more(r, ", %s", reason);
    }
}

static void say(struct sw_text_row *r, const struct sw_event *ev)
{
    const struct sw_flow *f = &ev->flow;

    switch (ev->kind) {
    case SW_EV_OPENING:
    case SW_EV_REUSED:
        if (f->end[SW_ORIG].syn_len)
            sw_text_more(r, "%u bytes in SYN", f->end[SW_ORIG].syn_len);
        break;
    case SW_EV_ESTABLISHED: say_handshake(r, f); break;
    case SW_EV_HALF_CLOSED:
        sw_text_detail(r, "FIN by %s", side(f->closed_by));
        sw_text_brief(r, "%s", side(f->closed_by));
        break;
    case SW_EV_RESET:
    case SW_EV_REFUSED: say_end_after(r, sender(ev), f); break;
    case SW_EV_TIMEOUT: say_silence(r, f, ev->ts); break;
    case SW_EV_MIDSTREAM: break;
    case SW_EV_ANOMALY:
        sw_text_detail(r, "%s by %s", sw_name_anomaly(ev->anomaly)->text, sender(ev));
        sw_text_brief(r, "%s", sw_name_anomaly(ev->anomaly)->text);
        break;
    case SW_EV_CONN: say_conn(r, ev); break;
    default: say_volume(r, f);
    }
}

char *sw_text_narrow_event(struct sw_lines *l, const struct sw_event *ev, char *p)
{
    bool b = ev->flow.orig_is_b;
    const struct sw_text_end first = {ev->key.a_ip, ev->key.a_port, 0}, second = {ev->key.b_ip, ev->key.b_port, 0};
    struct sw_text_row r = {.event = sw_name_event(ev->kind)->text,
                            .color = sw_text_event_color(ev),
                            .dim = ev->kind == SW_EV_OPENING,
                            .ends = 2,
                            .end = {b ? second : first, b ? first : second}};

    say(&r, ev);
    return sw_text_row(l, p, ev->ts, &r);
}

char *sw_text_narrow_loss(struct sw_lines *l, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p)
{
    struct sw_text_row r = {.event = "LOSS", .color = SW_RED};
    sw_text_value n;
    __u64 total = 0;

    for (int i = 0; i < SW_LOSSES; i++)
        total += lost[i];
    sw_text_detail(&r, "%llu events lost", total);
    for (int i = 0; i < SW_LOSSES; i++)
        if (lost[i])
            sw_text_more(&r, "%s%s %s", r.mores ? ", " : ": ",
                         i == SW_LOSS_GUARD ? "guard and drop" : sw_name_event(i)->text, sw_text_count(lost[i], n));
    return sw_text_row(l, p, now_ns, &r);
}

char *sw_text_narrow_stats(struct sw_lines *l, const struct sw_report_stats *s, __u64 now_ns, char *p)
{
    struct sw_text_row r = {.event = s->final ? "end" : "stats", .dim = !s->final};
    const __u64 *c = s->counters;
    sw_text_value a, b;

    sw_text_detail(&r, "%s packets", sw_text_count(c[SW_C_PACKETS], a));
    if (s->services)
        sw_text_detail(&r, ", guard %s/%s", sw_text_count(s->services_active, a), sw_text_count(s->services, b));
    else
        sw_text_detail(&r, ", %s live", sw_text_count(s->established, a));
    if (s->keys.given) {
        sw_text_detail(&r, ", key %08x, %s lost", s->keys.now, sw_text_count(s->lost_total, b));
        sw_text_more(&r, ", %s half-open", sw_text_count(s->half_open, a));
    } else {
        sw_text_detail(&r, ", %s half-open, %s lost", sw_text_count(s->half_open, a), sw_text_count(s->lost_total, b));
    }
    sw_text_more(&r, ", %s ended", sw_text_count(c[SW_C_EMITTED_CONN], a));
    return sw_text_row(l, p, now_ns, &r);
}
