/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Without printf, as json.c. Each piece leaves its object open for what follows, or closes it, as it says. */
#include "output/ecs.h"
#include "base/fmt.h"
#include "base/ip.h"
#include "output/json.h"
#include "output/json_fmt.h"
#include "output/json_groups.h"
#include "output/json_guard.h"
#include "output/names.h"
#include "owner/container.h"
#include "owner/owners.h"

#include <arpa/inet.h>
#include <string.h>

#define LIT SW_LIT
#define MODULE ",\"module\":\"synward\",\"dataset\":\"synward."

/* What of a connection has a field of its own, and is not below `synward` again. */
#define ELSEWHERE (PROTO | COMMUNITY_ID | HOOK | REASON | SPAN | DURATION | PKTS | IP_BYTES)

static const char *const types[SW_EV_MAX] = {
    [SW_EV_OPENING] = "\"connection\",\"start\"",    [SW_EV_ESTABLISHED] = "\"connection\",\"info\"",
    [SW_EV_HALF_CLOSED] = "\"connection\",\"info\"", [SW_EV_CLOSED] = "\"connection\",\"info\"",
    [SW_EV_RESET] = "\"connection\",\"info\"",       [SW_EV_REFUSED] = "\"connection\",\"info\"",
    [SW_EV_TIMEOUT] = "\"connection\",\"info\"",     [SW_EV_REUSED] = "\"connection\",\"info\"",
    [SW_EV_MIDSTREAM] = "\"connection\",\"info\"",   [SW_EV_ANOMALY] = "\"connection\",\"protocol\"",
    [SW_EV_UPDATE] = "\"connection\",\"info\"",      [SW_EV_CONN] = "\"connection\",\"end\"",
};

/* "event" is left open. */
static char *put_begin(struct sw_lines *l, char *p, __u64 ts, __u64 seq)
{
    p = sw_put_time(l, LIT(p, SW_ECS_BEFORE_TIME), (__s64)(ts + (__u64)l->clock_offset));
    return sw_put_u64(LIT(p, SW_ECS_AFTER_TIME), seq);
}

/* Closes "event"; iface NULL: it is about no interface. */
static char *put_observer(const struct sw_lines *l, char *p, const struct sw_iface_text *iface)
{
    p = LIT(p, "},\"ecs\":{\"version\":\"" SW_ECS_VERSION "\"},\"host\":{\"name\":\"");
    memcpy(p, l->host, l->host_len);
    p += l->host_len;
    p = LIT(p, "\"}");
    memcpy(p, l->before_host + 1, l->labels_len);
    p += l->labels_len;
    p = LIT(p, ",\"observer\":{\"type\":\"sensor\",\"product\":\"synward\",\"version\":\"" SW_VERSION "\"");
    if (iface && !l->replay) {
        p = LIT(p, ",\"ingress\":{\"interface\":{\"name\":\"");
        memcpy(p, iface->text, iface->len);
        p = LIT(p + iface->len, "\"}}");
    }
    return LIT(p, "}");
}

/* "synward" is left open; of a replay it has the capture. */
static char *put_own(const struct sw_lines *l, char *p)
{
    p = LIT(p, ",\"synward\":{\"schema\":" SW_STR(SW_SCHEMA));
    if (l->sample > 1)
        p = sw_put_u64(LIT(p, ",\"sample\":"), l->sample);
    if (!l->replay)
        return p;
    p = LIT(p, ",\"iface\":\"");
    memcpy(p, l->capture.text, l->capture.len);
    return LIT(p + l->capture.len, "\"");
}

/* Both are left open. */
static char *put_address(char *p, const char *key, const __u8 ip[16], __be16 port)
{
    p = stpcpy(stpcpy(stpcpy(p, ",\""), key), "\":{\"ip\":\"");
    p = sw_put_ip(p, ip);
    return sw_put_u64(LIT(p, "\",\"port\":"), ntohs(port));
}

static char *put_vlan(char *p, const __u16 vlan[2])
{
    if (!vlan[0] && !vlan[1])
        return p;
    p = sw_put_u64(LIT(p, ",\"vlan\":{\"id\":\""), vlan[0]);
    p = LIT(p, "\"}");
    if (!vlan[1])
        return p;
    p = sw_put_u64(LIT(p, ",\"inner\":{\"vlan\":{\"id\":\""), vlan[1]);
    return LIT(p, "\"}}");
}

/* "network" is left open. */
static char *put_network(char *p, const __u8 ip[16], const __u16 vlan[2])
{
    p = sw_ip_is_v4(ip) ? LIT(p, ",\"network\":{\"transport\":\"tcp\",\"type\":\"ipv4\"")
                        : LIT(p, ",\"network\":{\"transport\":\"tcp\",\"type\":\"ipv6\"");
    return put_vlan(p, vlan);
}

/* How it went: NULL where nothing can be said yet. */
static const char *outcome(const struct sw_event *ev)
{
    if (ev->kind == SW_EV_ESTABLISHED)
        return "success";
    if (ev->kind == SW_EV_REFUSED || ev->kind == SW_EV_RESET)
        return "failure";
    switch (ev->flow.reason) {
    case SW_WHY_NONE: return ev->kind == SW_EV_CONN ? "unknown" : NULL;
    case SW_WHY_FIN: return "success";
    case SW_WHY_RESET:
    case SW_WHY_REFUSED:
    case SW_WHY_ABORTED:
    case SW_WHY_UNANSWERED: return "failure";
    default: return "unknown";
    }
}

static char *put_when(struct sw_lines *l, char *p, const struct sw_flow *f, __u32 groups)
{
    __u64 end = f->last_ns > f->start_ns ? f->last_ns : f->start_ns;

    if (groups & SPAN) {
        p = sw_put_time(l, LIT(p, ",\"start\":\""), (__s64)(f->start_ns + (__u64)l->clock_offset));
        p = sw_put_time(l, LIT(p, "\",\"end\":\""), (__s64)(end + (__u64)l->clock_offset));
        *p++ = '"';
    }
    if (groups & DURATION)
        p = sw_put_u64(LIT(p, ",\"duration\":"), end - f->start_ns);
    return p;
}

/* The rest of "event". */
static char *put_event(struct sw_lines *l, char *p, const struct sw_event *ev, __u32 groups)
{
    const char *how = (groups & (REASON | VIA)) ? outcome(ev) : NULL;

    p = LIT(p, ",\"kind\":\"event\",\"category\":[\"network\"],\"type\":[");
    p = stpcpy(p, types[ev->kind]);
    p = sw_put_name(LIT(p, "],\"action\":\""), sw_name_event(ev->kind));
    p = LIT(p, "\"" MODULE "connection\"");
    if (how)
        p = stpcpy(stpcpy(stpcpy(p, ",\"outcome\":\""), how), "\"");
    if (groups & REASON && ev->flow.reason) {
        p = sw_put_name(LIT(p, ",\"reason\":\""), sw_name_reason(ev->flow.reason));
        *p++ = '"';
    }
    if (ev->kind == SW_EV_CONN) { /* an id of the event: the others of the connection would have the same */
        p = LIT(p, ",\"id\":\"");
        memcpy(p, sw_lines_ids(l, &ev->key, ev->flow.start_ns)->uid, SW_UID_LEN);
        p = LIT(p + SW_UID_LEN, "\"");
    }
    return put_when(l, p, &ev->flow, groups);
}

/* Of the end that is this host's, if one is and the other is not: there is one field for both. */
static char *put_process(const struct sw_lines *l, char *p, const struct sw_flow *f)
{
    const bool orig = sw_owner_is_local(f, SW_ORIG), resp = sw_owner_is_local(f, SW_RESP);
    const struct sw_owner *of;
    const struct sw_process *process;
    const struct sw_cgroup *cgroup;

    if (orig == resp)
        return p;
    of = sw_owner_of(f, orig ? SW_ORIG : SW_RESP);
    process = sw_owners_mode(l->owners) == SW_OWNER_PROCESS ? sw_owners_process(l->owners, of) : NULL;
    cgroup = sw_owners_cgroup(l->owners, of);
    if (process) {
        p = sw_put_u64(LIT(p, ",\"process\":{\"pid\":"), process->pid);
        p = sw_json_escape(LIT(p, ",\"name\":\""), process->comm);
        p = LIT(p, "\"}");
    }
    if (cgroup && cgroup->container) {
        p = LIT(p, ",\"container\":{\"id\":\"");
        memcpy(p, cgroup->container, SW_CONTAINER_LEN);
        p = LIT(p + SW_CONTAINER_LEN, "\"}");
    }
    return p;
}

/* Known with owners only. */
static char *put_direction(const struct sw_lines *l, char *p, const struct sw_flow *f)
{
    const bool orig = l->owners && sw_owner_is_local(f, SW_ORIG), resp = l->owners && sw_owner_is_local(f, SW_RESP);

    if (orig == resp)
        return p;
    return orig ? LIT(p, ",\"direction\":\"egress\"") : LIT(p, ",\"direction\":\"ingress\"");
}

/* "network", "source" and "destination". */
static char *put_traffic(struct sw_lines *l, char *p, const struct sw_event *ev, __u32 groups)
{
    const struct sw_end *orig = &ev->flow.end[SW_ORIG], *resp = &ev->flow.end[SW_RESP];
    const bool b = ev->flow.orig_is_b;

    p = put_network(p, ev->key.a_ip, ev->flow.vlan);
    p = LIT(p, ",\"community_id\":\"");
    memcpy(p, sw_lines_ids(l, &ev->key, ev->flow.start_ns)->cid, SW_CID_LEN);
    p = put_direction(l, LIT(p + SW_CID_LEN, "\""), &ev->flow);
    if (groups & BYTES) {
        p = sw_put_u64(LIT(p, ",\"packets\":"), (__u64)orig->pkts + resp->pkts);
        p = sw_put_u64(LIT(p, ",\"bytes\":"), orig->ip_bytes + resp->ip_bytes);
    }
    *p++ = '}';
    for (int side = SW_ORIG; side <= SW_RESP; side++) {
        const bool is_b = b == (side == SW_ORIG);
        const struct sw_end *e = &ev->flow.end[side];

        p = put_address(p, side == SW_ORIG ? "source" : "destination", is_b ? ev->key.b_ip : ev->key.a_ip,
                        is_b ? ev->key.b_port : ev->key.a_port);
        if (groups & BYTES) {
            p = sw_put_u64(LIT(p, ",\"packets\":"), e->pkts);
            p = sw_put_u64(LIT(p, ",\"bytes\":"), e->ip_bytes);
        }
        *p++ = '}';
    }
    return p;
}

char *sw_ecs_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p)
{
    const __u32 groups = sw_json_groups(l, ev->kind);

    p = put_begin(l, p, ev->ts, seq);
    p = put_event(l, p, ev, groups);
    p = put_observer(l, p, sw_lines_iface(l, ev));
    p = put_traffic(l, p, ev, groups);
    if (groups & OWNER && l->owners)
        p = put_process(l, p, &ev->flow);
    p = put_own(l, p);
    if (groups & HOOK) {
        p = sw_put_name(LIT(p, ",\"hook\":\""), sw_name_hook(ev->hook));
        *p++ = '"';
    }
    p = LIT(p, ",\"uid\":\"");
    memcpy(p, sw_lines_ids(l, &ev->key, ev->flow.start_ns)->uid, SW_UID_LEN);
    p = LIT(p + SW_UID_LEN, "\"");
    p = sw_json_conn_keys(l, p, ev, groups & ~ELSEWHERE);
    return LIT(p, "}}\n");
}

/* "server" of a protected service; a wildcard has no address. */
static char *put_server(char *p, const __u8 ip[16], __be16 port, __u8 any)
{
    p = any ? sw_put_u64(LIT(p, ",\"server\":{\"port\":"), ntohs(port)) : put_address(p, "server", ip, port);
    return LIT(p, "}");
}

static char *put_guard(struct sw_lines *l, char *p, const struct sw_guard_event *t)
{
    p = t->to == SW_GS_ENGAGED ? LIT(p, ",\"kind\":\"alert\"") : LIT(p, ",\"kind\":\"event\"");
    p = LIT(p, ",\"category\":[\"network\",\"intrusion_detection\"],\"type\":[\"info\"],\"action\":\"guard\"" MODULE
               "guard\",\"reason\":\"");
    p = sw_put_name(p, sw_name_guard_cause(t->cause));
    *p++ = '"';
    p = put_observer(l, p, t->ifindex ? sw_lines_iface_at(l, t->ifindex) : NULL);
    return put_server(p, t->svc_ip, t->svc_port, t->any);
}

/* Without a packet there are no addresses: what no other line includes. */
static char *put_drop(struct sw_lines *l, char *p, const struct sw_guard_event *t)
{
    const bool packet = t->ifindex || t->hook != SW_HOOK_SWEEP;

    p = LIT(p, ",\"kind\":\"event\",\"category\":[\"network\"],\"type\":[\"");
    p = t->dry_run ? LIT(p, "allowed") : LIT(p, "denied");
    p = LIT(p, "\"],\"action\":\"drop\"" MODULE "guard\",\"reason\":\"");
    p = sw_put_name(p, sw_name_drop(t->reason));
    *p++ = '"';
    p = put_observer(l, p, t->ifindex ? sw_lines_iface_at(l, t->ifindex) : NULL);
    if (!packet)
        return p;
    p = put_network(p, t->src_ip, t->vlan);
    p = put_address(LIT(p, "}"), "source", t->src_ip, t->src_port);
    p = put_address(LIT(p, "}"), "destination", t->dst_ip, t->dst_port);
    return LIT(p, "}");
}

static char *put_gateway(struct sw_lines *l, char *p, const struct sw_guard_event *t)
{
    p = LIT(p, ",\"kind\":\"event\",\"category\":[\"network\"],\"type\":[\"info\"],\"action\":\"gateway\"" MODULE
               "guard\",\"reason\":\"");
    p = sw_put_name(p, sw_name_gateway_counter(t->reason));
    *p++ = '"';
    p = put_observer(l, p, t->ifindex ? sw_lines_iface_at(l, t->ifindex) : NULL);
    if (!t->dst_port)
        return p;
    p = put_network(p, t->src_ip, t->vlan);
    p = put_address(LIT(p, "}"), "source", t->src_ip, t->src_port);
    p = put_address(LIT(p, "}"), "destination", t->dst_ip, t->dst_port);
    return LIT(p, "}");
}

char *sw_ecs_guard_event(struct sw_lines *l, __u64 seq, const struct sw_guard_event *t, char *p)
{
    p = put_begin(l, p, t->ts, seq);
    p = t->kind == SW_GUARD_EV_STATE  ? put_guard(l, p, t)
        : t->kind == SW_GUARD_EV_DROP ? put_drop(l, p, t)
                                      : put_gateway(l, p, t);
    p = put_own(l, p);
    p = sw_put_name(LIT(p, ",\"hook\":\""), sw_name_hook(t->hook));
    p = sw_json_guard_keys(l, p, t);
    return LIT(p, "}}\n");
}

char *sw_ecs_service(struct sw_lines *l, __u64 seq, const struct sw_report_service *s, __u64 now_ns, char *p)
{
    p = put_begin(l, p, now_ns, seq);
    p = LIT(p, ",\"kind\":\"metric\",\"category\":[\"network\"],\"type\":[\"info\"],\"action\":\"service\"" MODULE
               "guard\"");
    p = put_observer(l, p, NULL);
    p = put_server(p, s->service.ip, s->service.port, s->service.any);
    p = put_own(l, p);
    p = sw_put_bool(LIT(p, ",\"final\":"), s->final);
    *p++ = ',';
    p = sw_json_service_body(p, s, now_ns);
    return LIT(p, "}}\n");
}

char *sw_ecs_stats(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p)
{
    p = put_begin(l, p, now_ns, seq);
    p = LIT(p, ",\"kind\":\"metric\",\"category\":[\"network\"],\"type\":[\"info\"],\"action\":\"stats\"" MODULE
               "health\"");
    p = put_own(l, put_observer(l, p, NULL));
    p = sw_json_stats_keys(p, s);
    return LIT(p, "}}\n");
}

/* Events that nobody can have, for they are lost: an error of what makes the documents. */
char *sw_ecs_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p)
{
    __u64 total = 0;

    for (int i = 0; i < SW_LOSSES; i++)
        total += lost[i];
    p = put_begin(l, p, now_ns, seq);
    p = LIT(p, ",\"kind\":\"pipeline_error\",\"category\":[\"network\"],\"type\":[\"info\"],\"action\":\"loss\"" MODULE
               "health\"");
    p = put_observer(l, p, NULL);
    p = sw_put_u64(LIT(p, ",\"error\":{\"message\":\""), total);
    p = LIT(p, " events were lost\"}");
    p = put_own(l, p);
    p = sw_json_loss_keys(p, lost);
    return LIT(p, "}}\n");
}
