/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * NDJSON. Every line costs time that the ring buffer waits, so nothing here goes through printf: keys are
 * copied as literals of known length, and names from tables of fixed-size entries. Keys that follow a
 * string carry its closing quote.
 */
#include "output/json.h"
#include "base/fmt.h"
#include "output/json_fmt.h"
#include "output/json_groups.h"
#include "output/json_ladder.h"
#include "output/names.h"
#include "owner/container.h"
#include "owner/owners.h"
#include "base/ip.h"
#include "tcp/conn_state.h"

#include <arpa/inet.h>
#include <string.h>

#define LIT SW_LIT
/* the key of one side; both spellings have one length */
#define SIDE(p, side, before, key)                                                                                     \
    (memcpy((p), (side) == SW_ORIG ? before "\"orig_" key : before "\"resp_" key, sizeof(before "\"orig_" key) - 1),   \
     (p) + sizeof(before "\"orig_" key) - 1)

#define OF_ALL (EVERY & ~(ANOMALY | ANOMALIES | RST))

/* The groups of each kind: what is new with it. */
static const __u32 brief[SW_EV_MAX] = {
    [SW_EV_OPENING] = ORIG_SYN,
    [SW_EV_ESTABLISHED] = VIA | REXMIT | TIMES | RESP_SYN,
    [SW_EV_HALF_CLOSED] = CLOSED_BY | BYTES | DURATION,
    [SW_EV_CLOSED] = REASON | CLOSED_BY | BYTES | DURATION,
    [SW_EV_RESET] = RST | REASON | BYTES | DURATION,
    [SW_EV_REFUSED] = RST | REASON | REXMIT | DURATION,
    [SW_EV_TIMEOUT] = REASON | REXMIT | PKTS | BYTES | DURATION,
    [SW_EV_REUSED] = REASON | DURATION,
    [SW_EV_MIDSTREAM] = DIRECTION,
    [SW_EV_ANOMALY] = HOOK | ANOMALY | ANOMALIES,
    [SW_EV_UPDATE] = PKTS | BYTES | DURATION,
    [SW_EV_CONN] = OF_ALL | ANOMALIES | RST,
};

/* And of those that every event can have. Who asks for processes wants them as soon as they are known. */
__u32 sw_json_groups(const struct sw_lines *l, enum sw_event_kind kind)
{
    __u32 groups = l->full_events ? brief[kind] | OF_ALL : brief[kind];

    if (kind == SW_EV_ESTABLISHED && sw_owners_mode(l->owners) == SW_OWNER_PROCESS)
        groups |= OWNER;
    return groups;
}

static inline char *put_span(char *p, __u64 from, __u64 to)
{
    __u64 ns;

    if (!sw_span(from, to, &ns))
        return LIT(p, "null");
    return sw_put_u64(p, ns);
}

static inline char *put_who(struct sw_lines *l, char *p, const struct sw_event *ev, __u32 groups)
{
    const struct sw_ids *ids = sw_lines_ids(l, &ev->key, ev->flow.start_ns);
    bool b = ev->flow.orig_is_b;

    p = LIT(p, "\",\"uid\":\"");
    memcpy(p, ids->uid, SW_UID_LEN);
    p += SW_UID_LEN;
    if (groups & COMMUNITY_ID) {
        p = LIT(p, "\",\"community_id\":\"");
        memcpy(p, ids->cid, SW_CID_LEN);
        p += SW_CID_LEN;
    }
    if (groups & PROTO)
        p = sw_ip_is_v4(ev->key.a_ip) ? LIT(p, "\",\"proto\":\"tcp\",\"ip_version\":4,\"orig_ip\":\"")
                                      : LIT(p, "\",\"proto\":\"tcp\",\"ip_version\":6,\"orig_ip\":\"");
    else
        p = LIT(p, "\",\"orig_ip\":\"");
    p = sw_put_ip(p, b ? ev->key.b_ip : ev->key.a_ip);
    p = LIT(p, "\",\"orig_port\":");
    p = sw_put_u64(p, ntohs(b ? ev->key.b_port : ev->key.a_port));
    p = LIT(p, ",\"resp_ip\":\"");
    p = sw_put_ip(p, b ? ev->key.a_ip : ev->key.b_ip);
    p = LIT(p, "\",\"resp_port\":");
    return sw_put_u64(p, ntohs(b ? ev->key.a_port : ev->key.b_port));
}

/* ,"KEY":"name", or null for the first name of its list, which stands for nothing */
#define NAME_OR_NULL(p, key, value, name)                                                                              \
    ((value) ? quoted(LIT((p), ",\"" key "\":"), (name)) : LIT((p), ",\"" key "\":null"))

static inline char *quoted(char *p, const struct sw_name *name)
{
    *p++ = '"';
    p = sw_put_name(p, name);
    *p++ = '"';
    return p;
}

/* The sender of an acceptable RST, and the state of its receiver. */
static inline char *put_rst(char *p, const struct sw_event *ev)
{
    const struct sw_flow *f = &ev->flow;
    int by = ev->by == SW_ORIG ? 1 : 2;

    if (ev->kind == SW_EV_CONN)
        by = (f->end[SW_ORIG].did & SW_E_RST ? 1 : 0) + (f->end[SW_RESP].did & SW_E_RST ? 2 : 0);
    p = NAME_OR_NULL(p, "rst_by", by, sw_name_closed_by(by));
    return NAME_OR_NULL(p, "rst_state", by, sw_name_state(f->rst_state));
}

static inline char *put_handshake(char *p, const struct sw_flow *f)
{
    p = LIT(p, ",\"handshake\":\"");
    if (f->flags & SW_F_MIDSTREAM)
        return LIT(p, "unseen\"");
    if (f->flags & SW_F_SIMULTANEOUS)
        return LIT(p, "simultaneous\"");
    if (f->flags & SW_F_SPLIT)
        return LIT(p, "split\"");
    return f->est_ns ? LIT(p, "normal\"") : LIT(p, "incomplete\"");
}

static inline char *put_zeek(char *p, const struct sw_flow *f)
{
    p = quoted(LIT(p, ",\"conn_state\":"), sw_name_conn_state(sw_zeek_conn_state(f)));
    p = LIT(p, ",\"history\":\"");
    p = sw_put_history(p, f);
    p = LIT(p, "\",\"history_full\":");
    return sw_put_bool(p, f->flags & SW_F_HIST_FULL);
}

static inline char *put_times(char *p, const struct sw_flow *f)
{
    p = LIT(p, ",\"handshake_ns\":");
    p = put_span(p, f->syn_ns, f->est_ns);
    p = LIT(p, ",\"server_ns\":");
    p = put_span(p, f->syn_ns, f->synack_ns);
    p = LIT(p, ",\"client_ns\":");
    return put_span(p, f->synack_ns, f->est_ns);
}

static inline char *put_story(char *p, const struct sw_event *ev, __u32 groups)
{
    const struct sw_flow *f = &ev->flow;

    if (groups & DIRECTION)
        p = quoted(LIT(p, ",\"direction_by\":"), sw_name_direction(f->direction_by));
    if (groups & ANOMALY)
        p = quoted(LIT(p, ",\"anomaly\":"), sw_name_anomaly(ev->anomaly));
    if (groups & ANOMALIES)
        p = sw_put_u64(LIT(p, ",\"anomalies\":"), f->anomalies);
    if (groups & ANOMALY)
        p = ev->by == SW_ORIG ? LIT(p, ",\"by\":\"orig\"") : LIT(p, ",\"by\":\"resp\"");
    if (groups & RST)
        p = put_rst(p, ev);
    p = quoted(LIT(p, ",\"orig_state\":"), sw_name_state(f->end[SW_ORIG].state));
    p = quoted(LIT(p, ",\"resp_state\":"), sw_name_state(f->end[SW_RESP].state));
    if (groups & ZEEK)
        p = put_zeek(p, f);
    if (groups & REASON)
        p = NAME_OR_NULL(p, "reason", f->reason, sw_name_reason(f->reason));
    if (groups & CLOSED_BY)
        p = NAME_OR_NULL(p, "closed_by", f->closed_by, sw_name_closed_by(f->closed_by));
    if (groups & VIA)
        p = f->flags & SW_F_COOKIE ? LIT(p, ",\"via\":\"cookie\"") : LIT(p, ",\"via\":\"stack\"");
    if (groups & HANDSHAKE)
        p = put_handshake(p, f);
    if (groups & INFERRED)
        p = sw_put_bool(LIT(p, ",\"inferred\":"), f->flags & SW_F_INFERRED);
    if (groups & REXMIT) {
        p = sw_put_u64(LIT(p, ",\"syn_rexmit\":"), f->syn_rexmit);
        p = sw_put_u64(LIT(p, ",\"synack_rexmit\":"), f->synack_rexmit);
    }
    return groups & TIMES ? put_times(p, f) : p;
}

/* An option without a value: null if the capture was cut before it could come. */
static inline char *put_option(char *p, __u8 opts, __u8 bit)
{
    if (!(opts & bit) && opts & SW_OPT_CUT)
        return LIT(p, "null");
    return sw_put_bool(p, opts & bit);
}

/* Its SYN or SYN-ACK was not seen: all null. */
static inline __attribute__((always_inline)) char *put_no_syn(char *p, const int side, __u32 groups)
{
    if (groups & SYN_DETAILS)
        p = SIDE(p, side, ",", "isn\":null");
    p = SIDE(p, side, ",", "mss\":null,");
    p = SIDE(p, side, "", "wscale\":null,");
    p = SIDE(p, side, "", "sack\":null,");
    p = SIDE(p, side, "", "ts\":null");
    if (!(groups & SYN_DETAILS))
        return p;
    p = SIDE(p, side, ",", "ecn\":null,");
    p = SIDE(p, side, "", "tfo\":null,");
    p = SIDE(p, side, "", "mptcp\":null,");
    return SIDE(p, side, "", "syn_bytes\":null");
}

/* Keys of the side's SYN or SYN-ACK. */
static inline __attribute__((always_inline)) char *put_syn(char *p, const struct sw_flow *f, const int side,
                                                           __u32 groups)
{
    const struct sw_end *e = &f->end[side];

    if (!(e->did & SW_E_SYN) || e->more & SW_M_INFERRED)
        return put_no_syn(p, side, groups);
    if (groups & SYN_DETAILS) {
        p = SIDE(p, side, ",", "isn\":");
        p = sw_put_u64(p, e->isn);
    }
    p = SIDE(p, side, ",", "mss\":");
    p = e->opts & SW_OPT_MSS ? sw_put_u64(p, e->mss) : LIT(p, "null");
    p = SIDE(p, side, ",", "wscale\":");
    p = e->opts & SW_OPT_WSCALE && e->wscale != SW_WSCALE_NONE ? sw_put_u8(p, e->wscale) : LIT(p, "null");
    p = SIDE(p, side, ",", "sack\":");
    p = put_option(p, e->opts, SW_OPT_SACK);
    p = SIDE(p, side, ",", "ts\":");
    p = put_option(p, e->opts, SW_OPT_TS);
    if (!(groups & SYN_DETAILS))
        return p;
    p = SIDE(p, side, ",", "ecn\":\"");
    p = sw_put_name(p, sw_name_ecn(e->ecn));
    p = SIDE(p, side, "\",", "tfo\":");
    if (e->opts & SW_OPT_TFO)
        p = e->opts & SW_OPT_TFO_COOKIE ? LIT(p, "\"cookie\"") : LIT(p, "\"request\"");
    else
        p = e->opts & SW_OPT_CUT ? LIT(p, "null") : LIT(p, "\"none\"");
    p = SIDE(p, side, ",", "mptcp\":");
    p = put_option(p, e->opts, SW_OPT_MPTCP);
    p = SIDE(p, side, ",", "syn_bytes\":");
    return sw_put_u64(p, e->syn_len);
}

static inline __attribute__((always_inline)) char *put_volume(char *p, const struct sw_flow *f, const int side,
                                                              __u32 groups)
{
    const struct sw_end *e = &f->end[side];

    if (groups & PKTS) {
        p = SIDE(p, side, ",", "pkts\":");
        p = sw_put_u64(p, e->pkts);
    }
    p = SIDE(p, side, ",", "bytes\":");
    p = sw_put_u64(p, sw_stream_bytes(f, side));
    if (!(groups & VOLUME_DETAILS))
        return p;
    p = SIDE(p, side, ",", "payload_bytes\":");
    p = sw_put_u64(p, e->payload);
    if (groups & IP_BYTES) {
        p = SIDE(p, side, ",", "ip_bytes\":");
        p = sw_put_u64(p, e->ip_bytes);
    }
    p = SIDE(p, side, ",", "rexmit\":");
    p = sw_put_u64(p, e->rexmit);
    p = SIDE(p, side, ",", "gaps\":");
    p = sw_put_u64(p, e->gaps);
    p = SIDE(p, side, ",", "zero_windows\":");
    p = sw_put_u64(p, e->zero_win);
    p = SIDE(p, side, ",", "bad_checksums\":");
    return sw_put_u64(p, e->bad_csum);
}

static inline char *put_when(struct sw_lines *l, char *p, const struct sw_flow *f, __u32 groups)
{
    __u64 end = f->last_ns > f->start_ns ? f->last_ns : f->start_ns; /* a capture's clock may step back */

    if (groups & SPAN) {
        p = LIT(p, ",\"start\":\"");
        p = sw_put_time(l, p, (__s64)(f->start_ns + (__u64)l->clock_offset));
        p = LIT(p, "\",\"end\":\"");
        p = sw_put_time(l, p, (__s64)(end + (__u64)l->clock_offset));
        *p++ = '"';
    }
    if (groups & DURATION)
        p = sw_put_u64(LIT(p, ",\"duration_ns\":"), end - f->start_ns);
    return p;
}

static char *put_process(char *p, const struct sw_process *process, const int side)
{
    p = SIDE(p, side, ",", "pid\":");
    p = process ? sw_put_u64(p, process->pid) : LIT(p, "null");
    p = SIDE(p, side, ",", "pids\":");
    p = process ? sw_put_u64(p, process->pids) : LIT(p, "null");
    p = SIDE(p, side, ",", "comm\":");
    if (!process)
        return LIT(p, "null");
    *p++ = '"';
    p = sw_json_escape(p, process->comm);
    *p++ = '"';
    return p;
}

/* An end that is another host's has none of these keys, and one that is in no container not that. */
static char *put_owner(const struct sw_lines *l, char *p, const struct sw_flow *f, const int side)
{
    const struct sw_owner *of = sw_owner_of(f, side);
    const struct sw_cgroup *cgroup;

    if (!sw_owner_is_local(f, side))
        return p;
    cgroup = sw_owners_cgroup(l->owners, of);
    p = SIDE(p, side, ",", "socket_cookie\":");
    p = of->cookie ? sw_put_u64(p, sw_owner_cookie(of)) : LIT(p, "null");
    p = SIDE(p, side, ",", "cgroup\":");
    if (cgroup) {
        *p++ = '"';
        p = stpcpy(p, cgroup->json);
        *p++ = '"';
    } else {
        p = LIT(p, "null");
    }
    if (cgroup && cgroup->container) {
        p = SIDE(p, side, ",", "container\":\"");
        memcpy(p, cgroup->container, SW_CONTAINER_LEN);
        p += SW_CONTAINER_LEN;
        *p++ = '"';
    }
    if (sw_owners_mode(l->owners) == SW_OWNER_PROCESS)
        p = put_process(p, sw_owners_process(l->owners, of), side);
    return p;
}

/* Inline, so that a line costs no call more than before. */
static inline __attribute__((always_inline)) char *put_keys(struct sw_lines *l, char *p, const struct sw_event *ev,
                                                            __u32 groups)
{
    const struct sw_flow *f = &ev->flow;

    p = put_story(p, ev, groups);
    if (groups & ORIG_SYN)
        p = put_syn(p, f, SW_ORIG, groups);
    if (groups & RESP_SYN)
        p = put_syn(p, f, SW_RESP, groups);
    if (groups & BYTES) {
        p = put_volume(p, f, SW_ORIG, groups);
        p = put_volume(p, f, SW_RESP, groups);
    }
    if (groups & MISSED)
        p = sw_put_u64(LIT(p, ",\"missed_bytes\":"), f->missed);
    p = put_when(l, p, f, groups);
    if (groups & OWNER && l->owners) {
        p = put_owner(l, p, f, SW_ORIG);
        p = put_owner(l, p, f, SW_RESP);
    }
    return sw_json_ladder(p, ev);
}

char *sw_json_conn_keys(struct sw_lines *l, char *p, const struct sw_event *ev, __u32 groups)
{
    return put_keys(l, p, ev, groups);
}

char *sw_json_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p)
{
    const struct sw_iface_text *iface = sw_lines_iface(l, ev);
    __u32 groups = sw_json_groups(l, ev->kind);

    p = sw_put_head(l, p, seq, ev->ts, sw_name_event(ev->kind));
    p = LIT(p, "\",\"iface\":\"");
    memcpy(p, iface->text, iface->len);
    p += iface->len;
    if (groups & HOOK) {
        p = LIT(p, "\",\"hook\":\"");
        p = sw_put_name(p, sw_name_hook(ev->hook));
    }
    p = put_who(l, p, ev, groups);
    p = sw_put_vlan(p, ev->flow.vlan);
    p = put_keys(l, p, ev, groups);
    return LIT(p, "}\n");
}

char *sw_json_loss_keys(char *p, const __u64 lost[SW_LOSSES])
{
    __u64 total = 0;

    for (int i = 0; i < SW_LOSSES; i++)
        total += lost[i];
    p = sw_put_pair(p, "", "lost", total);
    for (int i = 0; i < SW_EV_MAX; i++)
        p = sw_put_pair(p, "", sw_name_counter(SW_C_LOST_OPENING + i)->text, lost[i]);
    return sw_put_pair(p, "", "lost_guard", lost[SW_LOSS_GUARD]);
}

char *sw_json_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p)
{
    static const struct sw_name loss = {"loss", 4};

    p = sw_put_head(l, p, seq, now_ns, &loss);
    p = sw_put_whole(l, p);
    p = sw_json_loss_keys(p, lost);
    return LIT(p, "}\n");
}

char *sw_json_stats_keys(char *p, const struct sw_report_stats *s)
{
    p = LIT(p, ",\"final\":");
    p = sw_put_bool(p, s->final);
    p = sw_put_pair(p, "", "flows", s->flows);
    p = sw_put_pair(p, "", "flows_max", s->flows_max);
    p = sw_put_pair(p, "", "half_open", s->half_open);
    p = sw_put_pair(p, "", "half_open_max", s->half_open_max);
    p = sw_put_pair(p, "", "established", s->established);
    p = sw_put_pair(p, "", "lost_total", s->lost_total);
    p = sw_put_pair(p, "", "half_open_evicted", s->half_open_evicted);
    p = sw_put_pair(p, "", "services", s->services);
    p = sw_put_pair(p, "", "services_active", s->services_active);
    p = sw_put_pair(p, "", "services_unprotected", s->services_unprotected);
    p = sw_put_pair(p, "", "owners_found", s->owners_found);
    p = sw_put_pair(p, "", "owners_unknown", s->owners_unknown);
    p = sw_put_pair(p, "", "exported", s->exports.exported);
    p = sw_put_pair(p, "", "export_lost", s->exports.lost);
    for (int i = 0; i < SW_C_MAX; i++)
        p = sw_put_pair(p, "", sw_name_counter(i)->text, s->counters[i]);
    p = sw_put_svc_counters(p, "guard_", &s->guard);
    return sw_json_keys(p, &s->keys);
}

char *sw_json_stats(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p)
{
    static const struct sw_name stats = {"stats", 5};

    p = sw_put_head(l, p, seq, now_ns, &stats);
    p = sw_put_whole(l, p);
    p = sw_json_stats_keys(p, s);
    return LIT(p, "}\n");
}
