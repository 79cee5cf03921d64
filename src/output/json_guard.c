/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's lines, `guard`, `drop` and `service`, in both formats. They are rare: drops are sampled in the kernel. */
#include "loader/service_stats.h"
#include "output/json_fmt.h"

#include <arpa/inet.h>

#define LIT SW_LIT
#define put sw_text_put

/* In the order in which people name them. */
static char *put_flags(char *p, __u16 flags)
{
    static const struct {
        __u16 bit;
        char name[4];
    } bits[] = {
        {SW_TCP_SYN, "SYN"}, {SW_TCP_FIN, "FIN"}, {SW_TCP_RST, "RST"}, {SW_TCP_PSH, "PSH"}, {SW_TCP_ACK, "ACK"},
        {SW_TCP_URG, "URG"}, {SW_TCP_ECE, "ECE"}, {SW_TCP_CWR, "CWR"}, {SW_TCP_AE, "AE"},
    };
    char *start = p;

    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if (!(flags & bits[i].bit))
            continue;
        if (p != start)
            *p++ = ',';
        p = stpcpy(p, bits[i].name);
    }
    return p == start ? LIT(p, "none") : p;
}

char *sw_put_tally(char *p, const char *prefix, const struct sw_tally *t)
{
    char drop[32];

    *stpcpy(stpcpy(drop, prefix), "drop_") = 0;
    for (int i = 0; i < SW_T_MAX; i++)
        p = sw_put_pair(p, prefix, sw_name_tally(i)->text, t->item[i]);
    p = sw_put_pair(p, prefix, "dropped", sw_tally_dropped(t));
    for (int i = SW_DROP_NONE + 1; i < SW_DROP_MAX; i++)
        p = sw_put_pair(p, drop, sw_name_drop(i)->text, t->drop[i]);
    return p;
}

/* "service", and its address and port apart: the address of a wildcard is null. Follows a value that is open. */
static char *put_service_keys(char *p, const __u8 ip[16], __be16 port, __u8 any)
{
    p = LIT(p, "\"service\":\"");
    p = sw_put_service(p, ip, port, any);
    p = LIT(p, "\",\"service_ip\":");
    if (any) {
        p = LIT(p, "null");
    } else {
        *p++ = '"';
        p = sw_put_ip(p, ip);
        *p++ = '"';
    }
    return sw_put_pair(p, "", "service_port", ntohs(port));
}

static char *put_place(struct sw_lines *l, char *p, const struct sw_told *t)
{
    const struct sw_iface_text *iface = sw_lines_iface_at(l, t->ifindex);

    if (!t->ifindex && !l->replay) {
        p = LIT(p, "\",\"iface\":null");
    } else {
        p = LIT(p, "\",\"iface\":\"");
        memcpy(p, iface->text, iface->len);
        p = LIT(p + iface->len, "\"");
    }
    p = LIT(p, ",\"hook\":\"");
    return sw_put_name(p, sw_name_hook(t->hook));
}

static char *put_guard(char *p, const struct sw_told *t)
{
    p = LIT(p, "\",");
    p = put_service_keys(p, t->svc_ip, t->svc_port, t->any);
    p = LIT(p, ",\"mode\":\"");
    p = sw_put_name(p, sw_name_guard_mode(t->mode));
    p = LIT(p, "\",\"from\":\"");
    p = sw_put_name(p, sw_name_guard_state(t->from));
    p = LIT(p, "\",\"to\":\"");
    p = sw_put_name(p, sw_name_guard_state(t->to));
    p = LIT(p, "\",\"cause\":\"");
    p = sw_put_name(p, sw_name_guard_cause(t->cause));
    p = LIT(p, "\",\"backend\":\"");
    p = sw_put_name(p, sw_name_backend(t->backend));
    p = LIT(p, "\",\"dry_run\":");
    p = sw_put_bool(p, t->dry_run);
    p = sw_put_pair(p, "", "half_open", t->half_open);
    p = sw_put_pair(p, "", "half_open_mark", t->half_open_mark);
    p = sw_put_pair(p, "", "syn_rate", t->syn_rate);
    p = sw_put_pair(p, "", "syn_rate_mark", t->syn_rate_mark);
    p = sw_put_pair(p, "", "done_rate", t->done_rate);
    return sw_put_pair(p, "", "in_state_ns", t->in_state_ns);
}

static char *put_drop(char *p, const struct sw_told *t)
{
    if (t->service) {
        p = LIT(p, "\",\"service\":\"");
        p = sw_put_service(p, t->svc_ip, t->svc_port, t->any);
        p = LIT(p, "\"");
    } else {
        p = LIT(p, "\",\"service\":null");
    }
    p = LIT(p, ",\"dry_run\":");
    p = sw_put_bool(p, t->dry_run);
    p = LIT(p, ",\"reason\":\"");
    p = sw_put_name(p, sw_name_drop(t->reason));
    *p++ = '"';
    p = sw_put_pair(p, "", "count", t->count);
    p = LIT(p, ",\"src_ip\":\"");
    p = sw_put_ip(p, t->src_ip);
    p = LIT(p, "\",\"src_port\":");
    p = sw_put_u64(p, ntohs(t->src_port));
    p = LIT(p, ",\"dst_ip\":\"");
    p = sw_put_ip(p, t->dst_ip);
    p = LIT(p, "\",\"dst_port\":");
    p = sw_put_u64(p, ntohs(t->dst_port));
    p = sw_put_vlan(p, t->vlan);
    p = LIT(p, ",\"tcp_flags\":\"");
    p = put_flags(p, t->flags);
    *p++ = '"';
    p = sw_put_pair(p, "", "tcp_seq", t->seq);
    p = sw_put_pair(p, "", "tcp_ack", t->ack);
    return sw_put_pair(p, "", "payload", t->payload);
}

char *sw_json_told(struct sw_lines *l, __u64 seq, const struct sw_told *t, char *p)
{
    static const struct sw_name kinds[SW_TOLD_MAX] = {{"guard", 5}, {"drop", 4}};

    p = sw_put_head(l, p, seq, t->ts, &kinds[t->kind]);
    p = put_place(l, p, t);
    p = t->kind == SW_TOLD_GUARD ? put_guard(p, t) : put_drop(p, t);
    return LIT(p, "}\n");
}

static __u64 in_state(const struct sw_service *s, __u64 now_ns)
{
    return now_ns > s->since ? now_ns - s->since : 0;
}

char *sw_json_service_body(char *p, const struct sw_report_service *r, __u64 now_ns)
{
    const struct sw_service *s = &r->service;

    p = put_service_keys(p, s->ip, s->port, s->any);
    p = LIT(p, ",\"mode\":\"");
    p = sw_put_name(p, sw_name_guard_mode(s->mode));
    p = LIT(p, "\",\"state\":\"");
    p = sw_put_name(p, sw_name_guard_state(s->state));
    p = LIT(p, "\",\"cause\":\"");
    p = sw_put_name(p, sw_name_guard_cause(s->cause));
    p = LIT(p, "\",\"state_ns\":");
    p = s->since ? sw_put_u64(p, in_state(s, now_ns)) : LIT(p, "null");
    p = LIT(p, ",\"backend\":\"");
    p = sw_put_name(p, sw_name_backend(s->backend));
    p = LIT(p, "\",\"named\":");
    p = sw_put_bool(p, s->flags & SW_SV_NAMED);
    p = LIT(p, ",\"mptcp\":");
    p = sw_put_bool(p, s->flags & SW_SV_MPTCP);
    p = LIT(p, ",\"gone\":");
    p = sw_put_bool(p, s->flags & SW_SV_GONE);
    p = sw_put_pair(p, "", "wscale", s->wscale);
    p = sw_put_pair(p, "", "half_open", s->half_open);
    p = sw_put_pair(p, "", "syn_rate", s->syn_rate);
    p = sw_put_pair(p, "", "done_rate", s->done_rate);
    return sw_put_tally(p, "", &r->tally);
}

char *sw_json_service(struct sw_lines *l, __u64 seq, const struct sw_report_service *s, __u64 now_ns, char *p)
{
    static const struct sw_name service = {"service", 7};

    p = sw_put_head(l, p, seq, now_ns, &service);
    p = sw_put_whole(l, p);
    p = LIT(p, ",\"final\":");
    p = sw_put_bool(p, s->final);
    *p++ = ',';
    p = sw_json_service_body(p, s, now_ns);
    return LIT(p, "}\n");
}

static char *text_guard(const struct sw_lines *l, char *p, const struct sw_told *t)
{
    static const char *const color[SW_GS_MAX] = {"\033[32m", "\033[1;31m", "\033[33m"};

    p = sw_text_color(l, p, t->to < SW_GS_MAX ? color[t->to] : SW_BOLD);
    p = sw_text_color(l, put(p, "guard"), SW_PLAIN);
    *p++ = ' ';
    p = sw_put_service(p, t->svc_ip, t->svc_port, t->any);
    p = put(p, " %s -> %s by %s", sw_name_guard_state(t->from)->text, sw_name_guard_state(t->to)->text,
            sw_name_guard_cause(t->cause)->text);
    if (t->in_state_ns)
        p = sw_text_duration(put(p, " after "), t->in_state_ns);
    p = put(p, ": half-open %llu (mark %llu), SYNs %llu/s (mark %llu/s), completed %llu/s; mode %s, cookies by %s",
            t->half_open, t->half_open_mark, t->syn_rate, t->syn_rate_mark, t->done_rate,
            sw_name_guard_mode(t->mode)->text, sw_name_backend(t->backend)->text);
    return t->dry_run ? put(p, " (dry run)") : p;
}

static char *text_drop(const struct sw_lines *l, char *p, const struct sw_told *t)
{
    p = sw_text_color(l, p, "\033[31m");
    p = sw_text_color(l, put(p, "drop "), SW_PLAIN);
    *p++ = ' ';
    p = put(sw_put_endpoint(p, t->src_ip, t->src_port), " -> ");
    p = sw_put_endpoint(p, t->dst_ip, t->dst_port);
    p = put(p, " %s x%llu: ", sw_name_drop(t->reason)->text, t->count);
    p = put_flags(p, t->flags);
    p = put(p, " seq %u ack %u", t->seq, t->ack);
    if (t->payload)
        p = put(p, " payload %u", t->payload);
    if (t->service)
        p = sw_put_service(put(p, "; service "), t->svc_ip, t->svc_port, t->any);
    return t->dry_run ? put(p, " (dry run)") : p;
}

char *sw_text_told(struct sw_lines *l, __u64 seq, const struct sw_told *t, char *p)
{
    (void)seq;
    p = sw_text_clock(l, p, t->ts);
    *p++ = ' ';
    if (t->ifindex && !l->replay) {
        const struct sw_iface_text *iface = sw_lines_iface_at(l, t->ifindex);

        memcpy(p, iface->text, iface->len);
        p += iface->len;
        *p++ = ' ';
    }
    p = t->kind == SW_TOLD_GUARD ? text_guard(l, p, t) : text_drop(l, p, t);
    *p++ = '\n';
    return p;
}

static char *text_drops(char *p, const struct sw_tally *t, bool dry_run)
{
    __u64 dropped = sw_tally_dropped(t);

    p = put(p, ", %s %llu", dry_run ? "would have dropped" : "dropped", dropped);
    if (!dropped)
        return p;
    *p++ = ':';
    for (int i = SW_DROP_NONE + 1; i < SW_DROP_MAX; i++)
        if (t->drop[i])
            p = put(p, " %s %llu", sw_name_drop(i)->text, t->drop[i]);
    return p;
}

char *sw_text_service(struct sw_lines *l, __u64 seq, const struct sw_report_service *r, __u64 now_ns, char *p)
{
    const struct sw_service *s = &r->service;
    const __u64 *n = r->tally.item;

    (void)seq;
    p = sw_text_color(l, put(sw_text_clock(l, p, now_ns), " "), r->final ? SW_BOLD : SW_DIM);
    p = sw_put_service(put(p, r->final ? "end: service " : "service "), s->ip, s->port, s->any);
    p = put(p, " %s, %s", sw_name_guard_mode(s->mode)->text, sw_name_guard_state(s->state)->text);
    if (s->since)
        p = sw_text_duration(put(p, " for "), in_state(s, now_ns));
    p = put(p, ", cookies by %s%s%s: half-open %llu, SYNs %llu (%llu/s), completed %llu/s",
            sw_name_backend(s->backend)->text, s->flags & SW_SV_MPTCP ? ", MPTCP" : "",
            s->flags & SW_SV_GONE ? ", nobody listens" : "", s->half_open, n[SW_T_SYNS], s->syn_rate, s->done_rate);
    p = put(p, ", cookies %llu sent %llu accepted", n[SW_T_COOKIES_SENT], n[SW_T_COOKIES_ACCEPTED]);
    p = text_drops(p, &r->tally, s->mode == SW_GM_MONITOR);
    p = sw_text_color(l, p, SW_PLAIN);
    *p++ = '\n';
    return p;
}
