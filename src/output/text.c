/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines for people. Those of --wide are here: time, connection, what happened, between whom, the state of each side,
 * then all numbers that this kind of event is about. Columns grow with the values seen, so they remain aligned.
 */
#include "output/text.h"
#include "base/fmt.h"
#include "output/names.h"
#include "output/text_fmt.h"
#include "output/text_narrow.h"
#include "output/text_owner.h"
#include "tcp/conn_state.h"

#include <stdio.h>
#include <string.h>

#define put sw_text_put
#define SW_TEXT_UID 7 /* characters of the uid shown: enough to distinguish connections */

static char *put_bytes(char *p, __u64 n)
{
    static const char unit[] = "kMGTPE";
    double v = n;
    int i = -1;

    if (n < 10000)
        return put(p, "%llu", n);
    do {
        v /= 1000;
        i++;
    } while (v >= 999.5 && i < 5);
    return put(p, "%.3g %c", v, unit[i]);
}

static char *put_pair(struct sw_lines *l, char *p, const struct sw_event *ev)
{
    bool b = ev->flow.orig_is_b;
    char text[128], *q = text;
    int width;

    q = sw_put_endpoint(q, b ? ev->key.b_ip : ev->key.a_ip, b ? ev->key.b_port : ev->key.a_port);
    q = put(q, " -> ");
    q = sw_put_endpoint(q, b ? ev->key.a_ip : ev->key.b_ip, b ? ev->key.a_port : ev->key.b_port);
    *q = 0;
    width = q - text;
    if (width > l->width)
        l->width = width;
    return put(p, "%-*s", l->width, text);
}

static char *put_side(char *p, const struct sw_flow *f, enum sw_side side)
{
    const struct sw_end *e = &f->end[side];

    if (!(e->did & SW_E_SYN) || e->more & SW_M_INFERRED)
        return p;
    p = put(p, " %s", side == SW_ORIG ? "orig" : "resp");
    if (e->opts & SW_OPT_MSS)
        p = put(p, " mss %u", e->mss);
    if (e->opts & SW_OPT_WSCALE)
        p = put(p, " wscale %u", e->wscale);
    if (e->opts & SW_OPT_SACK)
        p = put(p, " sack");
    if (e->opts & SW_OPT_TS)
        p = put(p, " ts");
    if (e->ecn)
        p = put(p, " %s", sw_name_ecn(e->ecn)->text);
    if (e->opts & SW_OPT_TFO)
        p = put(p, e->opts & SW_OPT_TFO_COOKIE ? " tfo-cookie" : " tfo");
    if (e->opts & SW_OPT_MPTCP)
        p = put(p, " mptcp");
    if (e->syn_len)
        p = put(p, " %u bytes in SYN", e->syn_len);
    return p;
}

static char *put_handshake(char *p, const struct sw_flow *f)
{
    __u64 ns;

    if (sw_span(f->syn_ns, f->est_ns, &ns)) {
        p = put(p, " handshake ");
        p = sw_text_duration(p, ns);
        if (sw_span(f->syn_ns, f->synack_ns, &ns)) {
            p = put(p, " (server ");
            p = sw_text_duration(p, ns);
            if (sw_span(f->synack_ns, f->est_ns, &ns)) {
                p = put(p, ", client ");
                p = sw_text_duration(p, ns);
            }
            p = put(p, ")");
        }
    }
    if (f->syn_rexmit)
        p = put(p, " SYN again x%u", f->syn_rexmit);
    if (f->synack_rexmit)
        p = put(p, " SYN-ACK again x%u", f->synack_rexmit);
    if (f->flags & SW_F_SIMULTANEOUS)
        p = put(p, " simultaneous open");
    if (f->flags & SW_F_SPLIT)
        p = put(p, " split handshake");
    return f->flags & SW_F_COOKIE ? put(p, " via cookie") : p;
}

static char *put_volume(char *p, const struct sw_flow *f)
{
    const struct sw_end *o = &f->end[SW_ORIG], *r = &f->end[SW_RESP];

    p = put(p, " pkts %llu/%llu bytes ", o->pkts, r->pkts);
    p = put_bytes(p, o->payload);
    p = put(p, "/");
    p = put_bytes(p, r->payload);
    p = put(p, " in ");
    p = sw_text_duration(p, f->last_ns > f->start_ns ? f->last_ns - f->start_ns : 0);
    if (o->rexmit || r->rexmit)
        p = put(p, " rexmit %u/%u", o->rexmit, r->rexmit);
    if (o->gaps || r->gaps)
        p = put(p, " gaps %u/%u", o->gaps, r->gaps);
    if (o->zero_win || r->zero_win)
        p = put(p, " zero windows %u/%u", o->zero_win, r->zero_win);
    if (o->bad_csum || r->bad_csum)
        p = put(p, " bad checksums %u/%u", o->bad_csum, r->bad_csum);
    return f->flags & SW_F_INFERRED ? put(p, " (one side inferred)") : p;
}

static char *put_story(char *p, const struct sw_flow *f)
{
    p = put(p, " %-6s %s", sw_name_conn_state(sw_zeek_conn_state(f))->text, sw_name_reason(f->reason)->text);
    if (f->closed_by)
        p = put(p, " by %s", sw_name_closed_by(f->closed_by)->text);
    *p++ = ' ';
    p = sw_put_history(p, f);
    if (f->flags & SW_F_HIST_FULL)
        p = put(p, "…");
    return put_volume(p, f);
}

static char *put_details(char *p, const struct sw_event *ev)
{
    const struct sw_flow *f = &ev->flow;
    const char *by = sw_name_closed_by(ev->by == SW_ORIG ? 1 : 2)->text;

    switch (ev->kind) {
    case SW_EV_OPENING:
    case SW_EV_REUSED: return put_side(p, f, SW_ORIG);
    case SW_EV_ESTABLISHED: return put_side(put_side(put_handshake(p, f), f, SW_ORIG), f, SW_RESP);
    case SW_EV_HALF_CLOSED: return put_volume(put(p, " FIN by %s", sw_name_closed_by(f->closed_by)->text), f);
    case SW_EV_CLOSED: return put_volume(put(p, " first FIN by %s", sw_name_closed_by(f->closed_by)->text), f);
    case SW_EV_RESET:
        p = put(p, " %s: RST by %s in %s", sw_name_reason(f->reason)->text, by, sw_name_state(f->rst_state)->text);
        return put_volume(p, f);
    case SW_EV_REFUSED:
        p = put(p, " RST by %s after ", by);
        return sw_text_duration(p, f->last_ns > f->start_ns ? f->last_ns - f->start_ns : 0);
    case SW_EV_TIMEOUT:
        p = put(p, " %s", sw_name_reason(f->reason)->text);
        if (f->syn_rexmit)
            p = put(p, ", SYN again x%u", f->syn_rexmit);
        return put_volume(p, f);
    case SW_EV_MIDSTREAM: return put(p, " picked up after it began");
    case SW_EV_ANOMALY:
        return put(p, " %s by %s, number %u", sw_name_anomaly(ev->anomaly)->text, by, ev->flow.anomalies);
    default: return put_story(p, f);
    }
}

char *sw_text_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p)
{
    const struct sw_iface_text *iface = sw_lines_iface(l, ev);
    const struct sw_ids *ids = sw_lines_ids(l, &ev->key, ev->flow.start_ns);
    const struct sw_flow *f = &ev->flow;
    const char *color = sw_text_event_color(ev);
    char states[64];

    (void)seq;
    if (!l->wide)
        return sw_text_narrow_event(l, ev, p);
    p = sw_text_clock(l, p, ev->ts);
    if (!l->replay) {
        *p++ = ' ';
        memcpy(p, iface->text, iface->len);
        p += iface->len;
    }
    p = sw_text_color(l, put(p, " "), SW_DIM);
    p = put(p, "%.*s ", SW_TEXT_UID, ids->uid);
    p = sw_text_color(l, sw_text_color(l, p, SW_PLAIN), color ? color : "");
    p = put(p, "%-11s", sw_name_event(ev->kind)->text);
    p = sw_text_color(l, p, SW_PLAIN);
    p = put_pair(l, put(p, " "), ev);
    snprintf(states, sizeof(states), "%s / %s", sw_name_state(f->end[SW_ORIG].state)->text,
             sw_name_state(f->end[SW_RESP].state)->text);
    p = put(p, "  %-25s", states);
    p = put_details(p, ev);
    if (l->owners && (ev->kind == SW_EV_ESTABLISHED || ev->kind == SW_EV_CONN))
        p = sw_text_owners(p, l->owners, f);
    *p++ = '\n';
    return p;
}

char *sw_text_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p)
{
    __u64 total = 0;

    (void)seq;
    if (!l->wide)
        return sw_text_narrow_loss(l, lost, now_ns, p);
    for (int i = 0; i < SW_LOSSES; i++)
        total += lost[i];
    p = sw_text_color(l, put(sw_text_clock(l, p, now_ns), " "), SW_RED);
    p = put(p, "LOSS %llu events lost:", total);
    for (int i = 0; i < SW_EV_MAX; i++)
        if (lost[i])
            p = put(p, " %s %llu", sw_name_event(i)->text, lost[i]);
    if (lost[SW_LOSS_GUARD])
        p = put(p, " guard and drop %llu", lost[SW_LOSS_GUARD]);
    p = sw_text_color(l, p, SW_PLAIN);
    *p++ = '\n';
    return p;
}

char *sw_text_stats(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p)
{
    const __u64 *c = s->counters;

    (void)seq;
    if (!l->wide)
        return sw_text_narrow_stats(l, s, now_ns, p);
    p = sw_text_color(l, put(sw_text_clock(l, p, now_ns), " "), s->final ? SW_BOLD : SW_DIM);
    p = put(p, "%s %llu packets, %llu TCP; flows %llu of %llu (%llu live), half-open %llu of %llu",
            s->final ? "end:" : "stats:", c[SW_C_PACKETS], c[SW_C_TCP], s->flows, s->flows_max, s->established,
            s->half_open, s->half_open_max);
    p = put(p, "; emitted %llu connections; lost %llu events", c[SW_C_EMITTED_CONN], s->lost_total);
    if (s->services)
        p = put(p, "; guard: %llu services, %llu active, cookies %llu sent %llu accepted, dropped %llu", s->services,
                s->services_active, s->guard.item[SW_T_COOKIES_SENT], s->guard.item[SW_T_COOKIES_ACCEPTED],
                sw_svc_counters_dropped(&s->guard));
    if (s->services_unprotected)
        p = put(p, ", %llu listeners not protected", s->services_unprotected);
    if (s->keys.given)
        p = put(p, ", key %08x", s->keys.now);
    if (s->keys.next)
        p = put(p, " then %08x", s->keys.next_key);
    p = sw_text_color(l, p, SW_PLAIN);
    *p++ = '\n';
    return p;
}
