/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/text_guard.h"
#include "base/fmt.h"
#include "output/names.h"
#include "output/text_fmt.h"
#include "output/text_row.h"

#include <string.h>

#define put sw_text_put

static char *text_guard(const struct sw_lines *l, char *p, const struct sw_guard_event *t)
{
    p = sw_text_color(l, p, SW_YELLOW);
    p = sw_text_color(l, put(p, "guard"), SW_PLAIN);
    *p++ = ' ';
    p = sw_put_service(p, t->svc_ip, t->svc_port, t->any);
    p = put(p, " %s -> %s by %s", sw_name_guard_state(t->from)->text, sw_name_guard_state(t->to)->text,
            sw_name_guard_cause(t->cause)->text);
    if (t->in_state_ns)
        p = sw_text_duration(put(p, " after "), t->in_state_ns);
    p = put(
        p,
        ": half-open %llu (threshold %llu), SYNs %llu/s (threshold %llu/s), completed %llu/s; mode %s, cookies by %s",
        t->half_open, t->half_open_threshold, t->syn_rate, t->syn_rate_threshold, t->completed_rate,
        sw_name_guard_mode(t->mode)->text, sw_name_backend(t->backend)->text);
    return t->dry_run ? put(p, " (dry run)") : p;
}

static char *text_drop(const struct sw_lines *l, char *p, const struct sw_guard_event *t)
{
    p = sw_text_color(l, p, SW_RED);
    p = sw_text_color(l, put(p, "drop "), SW_PLAIN);
    *p++ = ' ';
    p = put(sw_put_endpoint(p, t->src_ip, t->src_port), " -> ");
    p = sw_put_endpoint(p, t->dst_ip, t->dst_port);
    p = put(p, " %s x%llu: ", sw_name_drop(t->reason)->text, t->count);
    p = sw_put_tcp_flags(p, t->flags);
    p = put(p, " seq %u ack %u", t->seq, t->ack);
    if (t->payload)
        p = put(p, " payload %u", t->payload);
    if (t->service)
        p = sw_put_service(put(p, "; service "), t->svc_ip, t->svc_port, t->any);
    return t->dry_run ? put(p, " (dry run)") : p;
}

static char *text_gateway(const struct sw_lines *l, char *p, const struct sw_guard_event *t)
{
    p = sw_text_color(l, p, SW_YELLOW);
    p = sw_text_color(l, put(p, "gateway"), SW_PLAIN);
    *p++ = ' ';
    if (t->dst_port) {
        if (t->src_port)
            p = put(sw_put_endpoint(p, t->src_ip, t->src_port), " -> ");
        p = sw_put_endpoint(p, t->dst_ip, t->dst_port);
        *p++ = ' ';
    }
    p = put(p, "%s x%llu; %llu connections", sw_name_gateway_counter(t->reason)->text, t->count, t->connections);
    if (t->reason != SW_GC_CHANGED || !t->dst_port)
        return p;
    p = put(p, "; now mss %u", t->mss);
    if (t->grants & SW_BE_WSCALE)
        p = put(p, " wscale %u", t->wscale);
    return put(p, "%s%s%s", t->grants & SW_BE_TS ? " timestamps" : "", t->grants & SW_BE_SACK ? " sack" : "",
               t->grants & SW_BE_ECN ? " ecn" : "");
}

static void row_gateway(struct sw_text_row *r, const struct sw_guard_event *t)
{
    const char *what = sw_name_gateway_counter(t->reason)->text;
    sw_text_value n;

    r->event = "gateway";
    r->color = SW_YELLOW;
    r->ends = t->dst_port ? t->src_port ? 2 : 1 : 0;
    r->end[0] =
        t->src_port ? (struct sw_text_end){t->src_ip, t->src_port, 0} : (struct sw_text_end){t->dst_ip, t->dst_port, 0};
    r->end[1] = (struct sw_text_end){t->dst_ip, t->dst_port, 0};
    sw_text_detail(r, "%s x%s", what, sw_text_count(t->count, n));
    sw_text_brief(r, "x%s %s", sw_text_count_brief(t->count, n), what);
    if (t->reason == SW_GC_DRAINING)
        sw_text_more(r, "; %s connections", sw_text_count(t->connections, n));
}

static void say_change(struct sw_text_row *r, const struct sw_guard_event *t)
{
    const char *to = sw_name_guard_state(t->to)->text, *cause = sw_name_guard_cause(t->cause)->text;
    const char *dry = t->dry_run ? " (dry run)" : "";
    sw_text_value v;

    sw_text_detail(r, "%s -> %s by %s%s", sw_name_guard_state(t->from)->text, to, cause, dry);
    sw_text_brief(r, "%s by %s%s", to, cause, dry);
    if (t->cause == SW_GW_HALF_OPEN)
        sw_text_more(r, ": %s", sw_text_count(t->half_open, v));
    else if (t->cause == SW_GW_KERNEL_QUEUE)
        sw_text_more(r, ": %s", sw_text_count(t->kernel_half_open, v));
    else if (t->cause == SW_GW_SYN_RATE)
        sw_text_more(r, ": %s/s", sw_text_count(t->syn_rate, v));
    else if (t->in_state_ns)
        sw_text_more(r, " after %s", sw_text_span(t->in_state_ns, v));
}

static char *narrow_guard_event(struct sw_lines *l, const struct sw_guard_event *t, char *p)
{
    bool drop = t->kind == SW_GUARD_EV_DROP;
    struct sw_text_row r = {.event = drop ? "drop" : "guard", .color = drop ? SW_RED : SW_YELLOW, .ends = drop ? 2 : 1};
    sw_text_value n;

    if (t->kind == SW_GUARD_EV_GATEWAY) {
        row_gateway(&r, t);
    } else if (drop) {
        r.end[0] = (struct sw_text_end){t->src_ip, t->src_port, 0};
        r.end[1] = (struct sw_text_end){t->dst_ip, t->dst_port, 0};
        sw_text_detail(&r, "%s x%s%s", sw_name_drop(t->reason)->text, sw_text_count(t->count, n),
                       t->dry_run ? " (dry run)" : "");
        sw_text_brief(&r, "%sx%s %s", t->dry_run ? "dry " : "", sw_text_count_brief(t->count, n),
                      sw_name_drop(t->reason)->text);
    } else {
        r.end[0] = (struct sw_text_end){t->svc_ip, t->svc_port, t->any};
        say_change(&r, t);
    }
    return sw_text_row(l, p, t->ts, &r);
}

char *sw_text_guard_event(struct sw_lines *l, __u64 seq, const struct sw_guard_event *t, char *p)
{
    (void)seq;
    if (!l->wide)
        return narrow_guard_event(l, t, p);
    p = sw_text_clock(l, p, t->ts);
    *p++ = ' ';
    if (t->ifindex && !l->replay) {
        const struct sw_iface_text *iface = sw_lines_iface_at(l, t->ifindex);

        memcpy(p, iface->text, iface->len);
        p += iface->len;
        *p++ = ' ';
    }
    p = t->kind == SW_GUARD_EV_STATE  ? text_guard(l, p, t)
        : t->kind == SW_GUARD_EV_DROP ? text_drop(l, p, t)
                                      : text_gateway(l, p, t);
    *p++ = '\n';
    return p;
}

static char *text_drops(char *p, const struct sw_svc_counters *t, bool dry_run)
{
    __u64 dropped = sw_svc_counters_dropped(t);

    p = put(p, ", %s %llu", dry_run ? "would have dropped" : "dropped", dropped);
    if (!dropped)
        return p;
    *p++ = ':';
    for (int i = SW_DROP_NONE + 1; i < SW_DROP_MAX; i++)
        if (t->drop[i])
            p = put(p, " %s %llu", sw_name_drop(i)->text, t->drop[i]);
    return p;
}

static char *narrow_service(struct sw_lines *l, const struct sw_report_service *r, __u64 now_ns, char *p)
{
    const struct sw_service *s = &r->service;
    struct sw_text_row row = {.event = "service", .dim = !r->final, .ends = 1, .end = {{s->ip, s->port, s->any}}};
    const __u64 *n = r->tally.item;
    __u64 dropped = sw_svc_counters_dropped(&r->tally);
    sw_text_value a, b;

    sw_text_detail(&row, "%s, %s", sw_name_guard_mode(s->mode)->text, sw_name_guard_state(s->state)->text);
    if (s->state != SW_GS_CALM && s->since)
        sw_text_detail(&row, " for %s", sw_text_span(sw_service_in_state(s, now_ns), a));
    if (dropped)
        sw_text_more(&row, s->mode == SW_GM_MONITOR ? ", would drop %s" : ", dropped %s", sw_text_count(dropped, a));
    if (n[SW_T_COOKIES_SENT])
        sw_text_more(&row, ", %s/%s cookies", sw_text_count(n[SW_T_COOKIES_SENT], a),
                     sw_text_count(n[SW_T_COOKIES_ACCEPTED], b));
    sw_text_more(&row, ", %s half-open", sw_text_count(s->half_open, a));
    sw_text_more(&row, ", %s SYN/s", sw_text_count(s->syn_rate, a));
    return sw_text_row(l, p, now_ns, &row);
}

char *sw_text_service(struct sw_lines *l, __u64 seq, const struct sw_report_service *r, __u64 now_ns, char *p)
{
    const struct sw_service *s = &r->service;
    const __u64 *n = r->tally.item;

    (void)seq;
    if (!l->wide)
        return narrow_service(l, r, now_ns, p);
    p = sw_text_color(l, put(sw_text_clock(l, p, now_ns), " "), r->final ? SW_BOLD : SW_DIM);
    p = sw_put_service(put(p, r->final ? "end: service " : "service "), s->ip, s->port, s->any);
    p = put(p, " %s, %s", sw_name_guard_mode(s->mode)->text, sw_name_guard_state(s->state)->text);
    if (s->since)
        p = sw_text_duration(put(p, " for "), sw_service_in_state(s, now_ns));
    p = put(p, ", cookies by %s%s%s: half-open %llu, SYNs %llu (%llu/s), completed %llu/s",
            sw_name_backend(s->backend)->text, s->flags & SW_SV_MPTCP ? ", MPTCP" : "",
            s->flags & SW_SV_NO_LISTENER ? ", no listener" : "", s->half_open, n[SW_T_SYNS], s->syn_rate,
            s->completed_rate);
    p = put(p, ", cookies %llu sent %llu accepted", n[SW_T_COOKIES_SENT], n[SW_T_COOKIES_ACCEPTED]);
    p = text_drops(p, &r->tally, s->mode == SW_GM_MONITOR);
    p = sw_text_color(l, p, SW_PLAIN);
    *p++ = '\n';
    return p;
}
