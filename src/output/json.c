/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * NDJSON. Every line costs time that the ring buffer waits, so nothing here goes through printf: keys are
 * copied as literals of known length, and names from tables of fixed-size entries. Keys that follow a
 * string carry its closing quote.
 */
#include "output/json.h"
#include "base/fmt.h"
#include "output/json_fmt.h"
#include "output/names.h"
#include "tcp/conn_state.h"

#include <arpa/inet.h>

#define LIT SW_LIT
/* the key of one side; both spellings have one length */
#define SIDE(p, side, before, key)                                                                                     \
    (memcpy((p), (side) == SW_ORIG ? before "\"orig_" key : before "\"resp_" key, sizeof(before "\"orig_" key) - 1),   \
     (p) + sizeof(before "\"orig_" key) - 1)

static inline char *put_span(char *p, __u64 from, __u64 to)
{
    __u64 ns;

    if (!sw_span(from, to, &ns))
        return LIT(p, "null");
    return sw_put_u64(p, ns);
}

static inline char *put_who(struct sw_lines *l, char *p, const struct sw_event *ev)
{
    const struct sw_ids *ids = sw_lines_ids(l, &ev->key, ev->flow.start_ns);
    bool b = ev->flow.orig_is_b;

    p = LIT(p, "\",\"uid\":\"");
    memcpy(p, ids->uid, SW_UID_LEN);
    p = LIT(p + SW_UID_LEN, "\",\"community_id\":\"");
    memcpy(p, ids->cid, SW_CID_LEN);
    p = LIT(p + SW_CID_LEN, "\",\"orig_ip\":\"");
    p = sw_put_ip(p, b ? ev->key.b_ip : ev->key.a_ip);
    p = LIT(p, "\",\"orig_port\":");
    p = sw_put_u64(p, ntohs(b ? ev->key.b_port : ev->key.a_port));
    p = LIT(p, ",\"resp_ip\":\"");
    p = sw_put_ip(p, b ? ev->key.a_ip : ev->key.b_ip);
    p = LIT(p, "\",\"resp_port\":");
    return sw_put_u64(p, ntohs(b ? ev->key.a_port : ev->key.b_port));
}

/* Keys of some kinds only: the anomaly, or the RST's sender and the state of its receiver. */
static inline char *put_special(char *p, const struct sw_event *ev)
{
    const struct sw_flow *f = &ev->flow;
    int by;

    if (ev->kind == SW_EV_ANOMALY) {
        p = LIT(p, "\",\"anomaly\":\"");
        p = sw_put_name(p, sw_name_anomaly(ev->anomaly));
        p = LIT(p, "\",\"anomalies\":");
        p = sw_put_u64(p, f->anomalies);
        p = LIT(p, ",\"by\":\"");
        return sw_put_name(p, sw_name_closed_by(ev->by == SW_ORIG ? 1 : 2));
    }
    if (ev->kind != SW_EV_RESET && ev->kind != SW_EV_REFUSED && ev->kind != SW_EV_CONN)
        return p;
    if (ev->kind == SW_EV_CONN) {
        by = (f->end[SW_ORIG].did & SW_E_RST ? 1 : 0) + (f->end[SW_RESP].did & SW_E_RST ? 2 : 0);
        p = LIT(p, "\",\"anomalies\":");
        p = sw_put_u64(p, f->anomalies);
        p = LIT(p, ",\"rst_by\":\"");
    } else {
        by = ev->by == SW_ORIG ? 1 : 2;
        p = LIT(p, "\",\"rst_by\":\"");
    }
    p = sw_put_name(p, sw_name_closed_by(by));
    if (!by)
        return LIT(p, "\",\"rst_state\":\"none");
    p = LIT(p, "\",\"rst_state\":\"");
    return sw_put_name(p, sw_name_state(f->rst_state));
}

static inline char *put_handshake(char *p, const struct sw_flow *f)
{
    if (f->flags & SW_F_MIDSTREAM)
        return LIT(p, "unseen");
    if (f->flags & SW_F_SIMULTANEOUS)
        return LIT(p, "simultaneous");
    if (f->flags & SW_F_SPLIT)
        return LIT(p, "split");
    return f->est_ns ? LIT(p, "normal") : LIT(p, "incomplete");
}

static inline char *put_story(char *p, const struct sw_event *ev)
{
    const struct sw_flow *f = &ev->flow;

    p = LIT(p, ",\"direction_by\":\"");
    p = sw_put_name(p, sw_name_direction(f->direction_by));
    p = put_special(p, ev);
    p = LIT(p, "\",\"orig_state\":\"");
    p = sw_put_name(p, sw_name_state(f->end[SW_ORIG].state));
    p = LIT(p, "\",\"resp_state\":\"");
    p = sw_put_name(p, sw_name_state(f->end[SW_RESP].state));
    p = LIT(p, "\",\"conn_state\":\"");
    p = sw_put_name(p, sw_name_conn_state(sw_zeek_conn_state(f)));
    p = LIT(p, "\",\"history\":\"");
    p = sw_put_history(p, f);
    p = LIT(p, "\",\"history_full\":");
    p = sw_put_bool(p, f->flags & SW_F_HIST_FULL);
    p = LIT(p, ",\"reason\":\"");
    p = sw_put_name(p, sw_name_reason(f->reason));
    p = LIT(p, "\",\"closed_by\":\"");
    p = sw_put_name(p, sw_name_closed_by(f->closed_by));
    p = f->flags & SW_F_COOKIE ? LIT(p, "\",\"via\":\"cookie") : LIT(p, "\",\"via\":\"stack");
    p = LIT(p, "\",\"handshake\":\"");
    p = put_handshake(p, f);
    p = LIT(p, "\",\"inferred\":");
    p = sw_put_bool(p, f->flags & SW_F_INFERRED);
    p = LIT(p, ",\"syn_rexmit\":");
    p = sw_put_u64(p, f->syn_rexmit);
    p = LIT(p, ",\"synack_rexmit\":");
    p = sw_put_u64(p, f->synack_rexmit);
    p = LIT(p, ",\"handshake_ns\":");
    p = put_span(p, f->syn_ns, f->est_ns);
    p = LIT(p, ",\"server_ns\":");
    p = put_span(p, f->syn_ns, f->synack_ns);
    p = LIT(p, ",\"client_ns\":");
    return put_span(p, f->synack_ns, f->est_ns);
}

/* An option without a value: null if the capture was cut before it could come. */
static inline char *put_option(char *p, __u8 opts, __u8 bit)
{
    if (!(opts & bit) && opts & SW_OPT_CUT)
        return LIT(p, "null");
    return sw_put_bool(p, opts & bit);
}

/* Keys of the side's SYN or SYN-ACK; all null if it was not seen. */
static inline __attribute__((always_inline)) char *put_syn(char *p, const struct sw_flow *f, const int side)
{
    const struct sw_end *e = &f->end[side];

    if (!(e->did & SW_E_SYN) || e->more & SW_M_INFERRED) {
        p = SIDE(p, side, ",", "isn\":null,");
        p = SIDE(p, side, "", "mss\":null,");
        p = SIDE(p, side, "", "wscale\":null,");
        p = SIDE(p, side, "", "sack\":null,");
        p = SIDE(p, side, "", "ts\":null,");
        p = SIDE(p, side, "", "ecn\":null,");
        p = SIDE(p, side, "", "tfo\":null,");
        p = SIDE(p, side, "", "mptcp\":null,");
        return SIDE(p, side, "", "syn_bytes\":null");
    }
    p = SIDE(p, side, ",", "isn\":");
    p = sw_put_u64(p, e->isn);
    p = SIDE(p, side, ",", "mss\":");
    p = e->opts & SW_OPT_MSS ? sw_put_u64(p, e->mss) : LIT(p, "null");
    p = SIDE(p, side, ",", "wscale\":");
    p = e->opts & SW_OPT_WSCALE && e->wscale != SW_WSCALE_NONE ? sw_put_u8(p, e->wscale) : LIT(p, "null");
    p = SIDE(p, side, ",", "sack\":");
    p = put_option(p, e->opts, SW_OPT_SACK);
    p = SIDE(p, side, ",", "ts\":");
    p = put_option(p, e->opts, SW_OPT_TS);
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

static inline __attribute__((always_inline)) char *put_volume(char *p, const struct sw_flow *f, const int side)
{
    const struct sw_end *e = &f->end[side];

    p = SIDE(p, side, ",", "pkts\":");
    p = sw_put_u64(p, e->pkts);
    p = SIDE(p, side, ",", "ip_bytes\":");
    p = sw_put_u64(p, e->ip_bytes);
    p = SIDE(p, side, ",", "bytes\":");
    p = sw_put_u64(p, e->payload);
    p = SIDE(p, side, ",", "rexmit\":");
    p = sw_put_u64(p, e->rexmit);
    p = SIDE(p, side, ",", "gaps\":");
    p = sw_put_u64(p, e->gaps);
    p = SIDE(p, side, ",", "zero_windows\":");
    p = sw_put_u64(p, e->zero_win);
    p = SIDE(p, side, ",", "bad_checksums\":");
    return sw_put_u64(p, e->bad_csum);
}

char *sw_json_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p)
{
    const struct sw_iface_text *iface = sw_lines_iface(l, ev);
    const struct sw_flow *f = &ev->flow;

    p = sw_put_head(l, p, seq, ev->ts, sw_name_event(ev->kind));
    p = LIT(p, "\",\"iface\":\"");
    memcpy(p, iface->text, iface->len);
    p = LIT(p + iface->len, "\",\"hook\":\"");
    p = sw_put_name(p, sw_name_hook(ev->hook));
    p = put_who(l, p, ev);
    p = sw_put_vlan(p, f->vlan);
    p = put_story(p, ev);
    p = put_syn(p, f, SW_ORIG);
    p = put_syn(p, f, SW_RESP);
    p = put_volume(p, f, SW_ORIG);
    p = put_volume(p, f, SW_RESP);
    p = LIT(p, ",\"start\":\"");
    p = sw_put_time(l, p, (__s64)(f->start_ns + (__u64)l->clock_offset));
    p = LIT(p, "\",\"duration_ns\":");
    p = sw_put_u64(p, f->last_ns > f->start_ns ? f->last_ns - f->start_ns : 0);
    return LIT(p, "}\n");
}

char *sw_json_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p)
{
    static const struct sw_name loss = {"loss", 4};
    __u64 total = 0;

    for (int i = 0; i < SW_LOSSES; i++)
        total += lost[i];
    p = sw_put_head(l, p, seq, now_ns, &loss);
    p = sw_put_whole(l, p);
    p = sw_put_pair(p, "", "lost", total);
    for (int i = 0; i < SW_EV_MAX; i++)
        p = sw_put_pair(p, "", sw_name_counter(SW_C_LOST_OPENING + i)->text, lost[i]);
    p = sw_put_pair(p, "", "lost_guard", lost[SW_LOSS_GUARD]);
    return LIT(p, "}\n");
}

char *sw_json_stats(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p)
{
    static const struct sw_name stats = {"stats", 5};

    p = sw_put_head(l, p, seq, now_ns, &stats);
    p = sw_put_whole(l, p);
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
    for (int i = 0; i < SW_C_MAX; i++)
        p = sw_put_pair(p, "", sw_name_counter(i)->text, s->counters[i]);
    p = sw_put_svc_counters(p, "guard_", &s->guard);
    return LIT(p, "}\n");
}
