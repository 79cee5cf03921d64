/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* These lines are rare: drops are sampled in the kernel. */
#include "output/json_guard.h"
#include "base/fmt.h"
#include "output/drops.h"
#include "output/json_fmt.h"
#include "output/names.h"

#include <arpa/inet.h>
#include <string.h>

#define LIT SW_LIT

/* "service", and its address and port apart: the address of a wildcard is null. Follows a value that is open. */
static char *put_service_keys(char *p, const __u8 ip[16], __be16 port, __u8 any)
{
    p = LIT(p, "\"service\":\"");
    p = sw_put_service(p, ip, port, any);
    p = LIT(p, "\",\"service_ip\":");
    if (any > SW_NET) {
        *p++ = '"';
        p = sw_put_net(p, ip, any, false);
        *p++ = '"';
    } else if (any) {
        p = LIT(p, "null");
    } else {
        *p++ = '"';
        p = sw_put_ip(p, ip);
        *p++ = '"';
    }
    return sw_put_pair(p, "", "service_port", ntohs(port));
}

static char *put_place(struct sw_lines *l, char *p, const struct sw_guard_event *t)
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

static char *put_bounds(char *p, const struct sw_drops_row *row)
{
    p = sw_put_pair(p, "", "samples_at_least", row->least);
    return LIT(sw_put_pair(p, "", "samples_at_most", row->most), "}");
}

/* What was dropped of late, by where it came from and went to. */
static char *put_drops(const struct sw_lines *l, char *p, const struct sw_guard_event *t)
{
    struct sw_drops_row rows[SW_DROPS_TOP];
    struct sw_drops_sum all, here;
    size_t len;

    if (!l->drops)
        return LIT(p, ",\"recent_drops\":null,\"recent_drop_samples\":null,\"recent_service_drops\":null,"
                      "\"recent_service_drop_samples\":null,\"recent_drop_sources\":null,"
                      "\"recent_drop_services\":null");
    sw_drops_total(l->drops, 0, t->ts, &all);
    sw_drops_total(l->drops, t->service, t->ts, &here);
    p = sw_put_pair(p, "", "recent_drops", all.drops);
    p = sw_put_pair(p, "", "recent_drop_samples", all.samples);
    p = sw_put_pair(p, "", "recent_service_drops", here.drops);
    p = sw_put_pair(p, "", "recent_service_drop_samples", here.samples);
    p = LIT(p, ",\"recent_drop_sources\":[");
    len = sw_drops_sources(l->drops, t->service, t->ts, rows);
    for (size_t i = 0; i < len; i++) {
        p = i ? LIT(p, ",{\"net\":\"") : LIT(p, "{\"net\":\"");
        p = sw_put_net(p, rows[i].ip, sw_drops_net(rows[i].ip), false);
        p = put_bounds(LIT(p, "\""), &rows[i]);
    }
    p = LIT(p, "],\"recent_drop_services\":[");
    len = sw_drops_services(l->drops, t->ts, rows);
    for (size_t i = 0; i < len; i++) {
        p = i ? LIT(p, ",{\"service\":\"") : LIT(p, "{\"service\":\"");
        p = sw_put_endpoint(p, rows[i].ip, rows[i].port);
        p = put_bounds(LIT(p, "\""), &rows[i]);
    }
    return LIT(p, "]");
}

static char *put_guard(const struct sw_lines *l, char *p, const struct sw_guard_event *t)
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
    p = sw_put_pair(p, "", "half_open_threshold", t->half_open_threshold);
    p = sw_put_pair(p, "", "syn_rate", t->syn_rate);
    p = sw_put_pair(p, "", "syn_rate_threshold", t->syn_rate_threshold);
    p = sw_put_pair(p, "", "completed_rate", t->completed_rate);
    p = sw_put_pair(p, "", "kernel_half_open", t->kernel_half_open);
    p = sw_put_pair(p, "", "in_state_ns", t->in_state_ns);
    return put_drops(l, p, t);
}

static char *put_drop(char *p, const struct sw_guard_event *t)
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
    p = sw_put_tcp_flags(p, t->flags);
    *p++ = '"';
    p = sw_put_pair(p, "", "tcp_seq", t->seq);
    p = sw_put_pair(p, "", "tcp_ack", t->ack);
    return sw_put_pair(p, "", "payload", t->payload);
}

/* "PREFIXip":…,"PREFIXport":… behind a value; null, if there is none. */
static char *put_end(char *p, const char *prefix, const __u8 ip[16], __be16 port, bool known)
{
    p = stpcpy(stpcpy(LIT(p, ",\""), prefix), "_ip\":");
    if (known) {
        *p++ = '"';
        p = sw_put_ip(p, ip);
        *p++ = '"';
    } else {
        p = LIT(p, "null");
    }
    p = stpcpy(stpcpy(LIT(p, ",\""), prefix), "_port\":");
    return known ? sw_put_u64(p, ntohs(port)) : LIT(p, "null");
}

static char *put_gateway(char *p, const struct sw_guard_event *t)
{
    p = LIT(p, "\",\"what\":\"");
    p = sw_put_name(p, sw_name_gateway_counter(t->reason));
    *p++ = '"';
    p = sw_put_pair(p, "", "count", t->count);
    p = put_end(p, "orig", t->src_ip, t->src_port, t->src_port);
    p = put_end(p, "resp", t->dst_ip, t->dst_port, t->dst_port);
    p = sw_put_pair(p, "", "connections", t->connections);
    if (t->reason != SW_GC_CHANGED || !t->dst_port)
        return p;
    p = sw_put_pair(p, "", "mss", t->mss);
    p = t->grants & SW_BE_WSCALE ? sw_put_pair(p, "", "wscale", t->wscale) : LIT(p, ",\"wscale\":null");
    p = sw_put_bool(LIT(p, ",\"timestamps\":"), t->grants & SW_BE_TS);
    p = sw_put_bool(LIT(p, ",\"sack\":"), t->grants & SW_BE_SACK);
    return sw_put_bool(LIT(p, ",\"ecn\":"), t->grants & SW_BE_ECN);
}

char *sw_json_guard_keys(const struct sw_lines *l, char *p, const struct sw_guard_event *t)
{
    switch (t->kind) {
    case SW_GUARD_EV_STATE: return put_guard(l, p, t);
    case SW_GUARD_EV_DROP: return put_drop(p, t);
    default: return put_gateway(p, t);
    }
}

char *sw_json_guard_event(struct sw_lines *l, __u64 seq, const struct sw_guard_event *t, char *p)
{
    static const struct sw_name kinds[SW_GUARD_EV_MAX] = {{"guard", 5}, {"drop", 4}, {"gateway", 7}};

    p = sw_put_head(l, p, seq, t->ts, &kinds[t->kind]);
    p = put_place(l, p, t);
    p = sw_json_guard_keys(l, p, t);
    return LIT(p, "}\n");
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
    p = s->since ? sw_put_u64(p, sw_service_in_state(s, now_ns)) : LIT(p, "null");
    p = LIT(p, ",\"backend\":\"");
    p = sw_put_name(p, sw_name_backend(s->backend));
    p = LIT(p, "\",\"named\":");
    p = sw_put_bool(p, s->flags & SW_SV_NAMED);
    p = LIT(p, ",\"mptcp\":");
    p = sw_put_bool(p, s->flags & SW_SV_MPTCP);
    p = LIT(p, ",\"no_listener\":");
    p = sw_put_bool(p, s->flags & SW_SV_NO_LISTENER);
    p = sw_put_pair(p, "", "wscale", s->wscale);
    p = sw_put_pair(p, "", "half_open", s->half_open);
    p = sw_put_pair(p, "", "kernel_half_open", s->kernel_half_open);
    p = sw_put_pair(p, "", "syn_rate", s->syn_rate);
    p = sw_put_pair(p, "", "completed_rate", s->completed_rate);
    return sw_put_svc_counters(p, "", &r->tally);
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
