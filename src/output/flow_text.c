/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/fmt.h"
#include "output/conn_id.h"
#include "output/flow_table.h"
#include "output/names.h"
#include "output/text_row.h"
#include "tcp/conn_state.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PAIR_COLUMNS 46 /* two of IPv4 with the longest addresses and ports */

#define NARROW "%-18s %-46s %5s %3s %4s"
#define WIDE "%-24s %-24s %-25s %8s %12s %12s %9s %6s  %-8s %-18s %-10s"

/* The head of a column whose values are right-aligned and may be missing. */
static const char *special(enum sw_flow_sort by)
{
    return by == SW_SORT_HANDSHAKE ? "HANDS" : by == SW_SORT_RATE ? "B/s" : "STATE";
}

char *sw_flow_head(char *p, enum sw_flow_sort by, bool wide)
{
    int n = wide ? snprintf(p, SW_FLOW_ROW_ROOM, WIDE " OWNER", "ORIGINATOR", "RESPONDER", "STATES", "AGE", "PACKETS",
                            "BYTES", "HANDSHAKE", by == SW_SORT_RATE ? "BYTE/S" : "", "IFACE", "UID", "HISTORY")
                 : snprintf(p, SW_FLOW_ROW_ROOM, NARROW, "UID", "CLIENT -> SERVER", special(by), "AGE", "B");

    return p + n;
}

/* Of the connection, by the names of RFC 9293: SYN-SENT, SYN-RECEIVED, ESTABLISHED, and what follows. */
static const char *state_of(const struct sw_flow *f)
{
    const struct sw_end *o = &f->end[SW_ORIG], *r = &f->end[SW_RESP];

    if (f->flags & SW_F_ENDED)
        return "ended";
    if (o->state == SW_ST_ESTABLISHED && r->state == SW_ST_ESTABLISHED)
        return "estab";
    if (f->flags & (SW_F_ESTABLISHED | SW_F_MIDSTREAM))
        return "close";
    return f->synack_ns ? "rcvd" : "sent";
}

static __u64 age_of(const struct sw_flow *f, __u64 now)
{
    return now > f->start_ns ? now - f->start_ns : 0;
}

/* At most three columns: 0s, 59s, 99m, 47h, 99d, 99w, 12y. */
static void brief_age(__u64 ns, char buf[8])
{
    static const struct {
        __u32 seconds, below;
        char name;
    } unit[] = {{1, 100, 's'}, {60, 100, 'm'}, {3600, 100, 'h'}, {86400, 100, 'd'}, {604800, 100, 'w'}};
    __u64 s = ns / SW_SECOND;

    for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
        if (s / unit[i].seconds >= unit[i].below)
            continue;
        snprintf(buf, 8, "%u%c", (unsigned int)(s / unit[i].seconds), unit[i].name);
        return;
    }
    s /= 31557600;
    snprintf(buf, 8, "%uy", (unsigned int)(s < 99 ? s : 99));
}

static const char *handshake_of(const struct sw_flow *f, sw_text_value buf)
{
    __u64 ns;

    return sw_span(f->syn_ns, f->est_ns, &ns) ? sw_text_span_brief(ns, buf) : "-";
}

static const struct sw_text_end *ends_of(const struct sw_flow_row *row, struct sw_text_end ret[2])
{
    const struct sw_key *k = &row->key;
    const int a = row->flow.orig_is_b ? SW_RESP : SW_ORIG;

    ret[a] = (struct sw_text_end){.ip = k->a_ip, .port = k->a_port};
    ret[!a] = (struct sw_text_end){.ip = k->b_ip, .port = k->b_port};
    return ret;
}

char *sw_flow_row_narrow(char *p, const struct sw_flow_row *row, __u64 now, enum sw_flow_sort by)
{
    const struct sw_flow *f = &row->flow;
    char uid[SW_UID_LEN + 1], pair[2 * 64 + 8], age[8];
    struct sw_text_end end[2];
    sw_text_value bytes, other;
    const char *what = state_of(f);

    sw_format_uid(&row->key, f->start_ns, uid);
    *sw_text_pair(pair, ends_of(row, end), PAIR_COLUMNS) = 0;
    brief_age(age_of(f, now), age);
    if (by == SW_SORT_HANDSHAKE)
        what = handshake_of(f, other);
    else if (by == SW_SORT_RATE)
        what = sw_text_count_brief(row->rate, other);
    return p + snprintf(p, SW_FLOW_ROW_ROOM, NARROW, uid, pair, what, age,
                        sw_text_count_brief(f->end[SW_ORIG].ip_bytes + f->end[SW_RESP].ip_bytes, bytes));
}

static const char *long_age(__u64 ns, char buf[16])
{
    __u64 s = ns / SW_SECOND;

    if (s < 60)
        snprintf(buf, 16, "%llu.%llus", s, ns / 100000000 % 10);
    else if (s < 3600)
        snprintf(buf, 16, "%llum%02llus", s / 60, s % 60);
    else if (s < 100 * 3600)
        snprintf(buf, 16, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        snprintf(buf, 16, "%llud", s / 86400);
    return buf;
}

char *sw_flow_row_wide(char *p, const struct sw_flow_row *row, __u64 now, enum sw_flow_sort by, const char *iface)
{
    const struct sw_flow *f = &row->flow;
    const struct sw_end *o = &f->end[SW_ORIG], *r = &f->end[SW_RESP];
    char from[64], to[64], states[48], age[16], pkts[40], bytes[40], uid[SW_UID_LEN + 1], hist[SW_HIST_MAX + 1];
    sw_text_value n[2], took, rate;
    struct sw_text_end end[2];

    ends_of(row, end);
    *sw_put_service(from, end[SW_ORIG].ip, end[SW_ORIG].port, 0) = 0;
    *sw_put_service(to, end[SW_RESP].ip, end[SW_RESP].port, 0) = 0;
    snprintf(states, sizeof(states), "%s/%s", sw_name_state(o->state)->text, sw_name_state(r->state)->text);
    snprintf(pkts, sizeof(pkts), "%s/%s", sw_text_count_brief(o->pkts, n[0]), sw_text_count_brief(r->pkts, n[1]));
    snprintf(bytes, sizeof(bytes), "%s/%s", sw_text_count_brief(o->ip_bytes, n[0]),
             sw_text_count_brief(r->ip_bytes, n[1]));
    sw_format_uid(&row->key, f->start_ns, uid);
    snprintf(hist, sizeof(hist), "%.*s", f->hist_len, f->hist);
    return p + snprintf(p, SW_FLOW_ROW_ROOM, WIDE, from, to, states, long_age(age_of(f, now), age), pkts, bytes,
                        handshake_of(f, took), by == SW_SORT_RATE ? sw_text_count_brief(row->rate, rate) : "", iface,
                        uid, hist);
}
