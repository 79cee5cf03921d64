/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/detail.h"

#include "base/fmt.h"
#include "output/names.h"
#include "output/text_row.h"
#include "top/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LABEL 14
#define COLUMNS 80
#define ROW "%-14s"

__attribute__((format(printf, 2, 3))) static void put(struct sw_top_detail *d, const char *fmt, ...)
{
    va_list ap;

    if (d->len == SW_TOP_DETAIL_LINES)
        return;
    va_start(ap, fmt);
    vsnprintf(d->line[d->len++], sizeof(d->line[0]), fmt, ap);
    va_end(ap);
}

static const char *span(__u64 ns, sw_text_value buf)
{
    return ns == SW_TOP_UNKNOWN ? "not seen" : sw_text_span(ns, buf);
}

static void put_iface(struct sw_top_detail *d, const struct sw_top_conn *c, const struct sw_instance *inst)
{
    for (size_t i = 0; inst && i < inst->len; i++) {
        char name[IF_NAMESIZE];

        if (inst->ifaces[i].ifindex != c->ifindex)
            continue;
        sw_top_clean(inst->ifaces[i].name, IF_NAMESIZE, name, sizeof(name));
        put(d, ROW "%s", "interface", name);
        return;
    }
}

/* A line for each end that is this host's. The path loses its middle. */
static void put_owner(struct sw_top_detail *d, const struct sw_top_conn *c, const struct sw_top_owner *owner, int side)
{
    char text[SW_TEXT_OWNER], fit[COLUMNS - LABEL + 1];

    if (!owner || !(c->local >> side & 1))
        return;
    sw_top_clean(owner->text[side], sizeof(text), text, sizeof(text));
    sw_top_fit_text(*text ? text : "not known", COLUMNS - LABEL, fit);
    put(d, ROW "%s", side == SW_ORIG ? "client is" : "server is", fit);
}

static void put_begin(struct sw_top_detail *d, const struct sw_top_conn *c, const struct sw_top_detail_info *info)
{
    __u64 ns = c->start_ns + info->clock_offset;
    time_t sec = (time_t)(ns / SW_SECOND);
    sw_text_value age, idle;
    struct tm tm = {0};
    char text[32];

    if (!(info->utc ? gmtime_r : localtime_r)(&sec, &tm) || !strftime(text, sizeof(text), "%F %T", &tm))
        *text = 0;
    put(d, ROW "%s.%03llu, %s ago; last segment %s ago", "begun", text, ns % SW_SECOND / 1000000,
        sw_text_span(info->now > c->start_ns ? info->now - c->start_ns : 0, age),
        sw_text_span(info->now > c->last_ns ? info->now - c->last_ns : 0, idle));
}

static void put_history(struct sw_top_detail *d, const struct sw_top_conn *c)
{
    char hist[SW_HIST_MAX + 1];

    sw_top_clean(c->hist, c->hist_len, hist, sizeof(hist));
    put(d, ROW "%s", "history", hist);
}

static void put_figures(struct sw_top_detail *d, const struct sw_top_conn *c)
{
    sw_text_value rate;

    put(d, ROW "%20s %20s", "", "CLIENT", "SERVER");
    put(d, ROW "%20llu %20llu", "packets", c->pkts[SW_ORIG], c->pkts[SW_RESP]);
    put(d, ROW "%20llu %20llu", "IP bytes", c->ip_bytes[SW_ORIG], c->ip_bytes[SW_RESP]);
    put(d, ROW "%20u %20u", "sent again", c->rexmit[SW_ORIG], c->rexmit[SW_RESP]);
    put(d, ROW "%20u %20u", "SYNs again", c->syn_rexmit, c->synack_rexmit);
    put(d, ROW "%s B/s, both directions", "rate", sw_text_count(c->rate, rate));
}

void sw_top_detail_make(struct sw_top_detail *d, const struct sw_top_conn *c, const struct sw_top_detail_info *info)
{
    char uid[SW_UID_LEN + 1], ip[2][64];
    sw_text_value all, server, client;
    struct sw_text_end end[2];

    d->len = 0;
    sw_top_conn_uid(c, uid);
    sw_top_conn_ends(c, end);
    *sw_put_endpoint(ip[SW_ORIG], end[SW_ORIG].ip, end[SW_ORIG].port) = 0;
    *sw_put_endpoint(ip[SW_RESP], end[SW_RESP].ip, end[SW_RESP].port) = 0;
    put(d, ROW "%s", "uid", uid);
    put(d, ROW "%s", "client", ip[SW_ORIG]);
    put(d, ROW "%s", "server", ip[SW_RESP]);
    put_owner(d, c, info->owner, SW_ORIG);
    put_owner(d, c, info->owner, SW_RESP);
    put_iface(d, c, info->inst);
    put(d, ROW "%s / %s, %s, conn_state %s", "state", sw_name_state(c->state[SW_ORIG])->text,
        sw_name_state(c->state[SW_RESP])->text, sw_top_conn_state(c), sw_name_conn_state(c->conn_state)->text);
    put_history(d, c);
    put_begin(d, c, info);
    put(d, ROW "%s; the server's part %s, the client's %s", "handshake", span(c->handshake_ns, all),
        span(c->server_ns, server), span(c->client_ns, client));
    put(d, "%s", "");
    put_figures(d, c);
}
