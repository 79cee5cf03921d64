/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/view.h"

#include "output/names.h"

#include <stdlib.h>
#include <string.h>

static const char *const side_name[2] = {"orig", "resp"};

/* "orig_KEY" */
#define KEY 32
static const char *key_of(int side, const char *key, char buf[KEY])
{
    snprintf(buf, KEY, "%s_%s", side_name[side], key);
    return buf;
}

static __u64 u64_of(const struct sw_line *line, const char *key)
{
    __u64 v = SW_JOIN_NONE;

    sw_field_u64(line, key, &v);
    return v;
}

/* 73 years: sums of some of them stay within 63 bits. */
#define MOST (1ull << 61)

static __u64 span_of(const struct sw_line *line, const char *key)
{
    const __u64 v = u64_of(line, key);

    return v == SW_JOIN_NONE || v < MOST / 2 ? v : MOST / 2;
}

static __u64 count_of(const struct sw_line *line, const char *key)
{
    __u64 v = 0;

    sw_field_u64(line, key, &v);
    return v;
}

static __u64 side_u64(const struct sw_line *line, int side, const char *key)
{
    char buf[KEY];

    return u64_of(line, key_of(side, key, buf));
}

static __u64 side_count(const struct sw_line *line, int side, const char *key)
{
    char buf[KEY];

    return count_of(line, key_of(side, key, buf));
}

static __u64 side_flag(const struct sw_line *line, int side, const char *key)
{
    char buf[KEY];
    bool v;

    return sw_field_bool(line, key_of(side, key, buf), &v) ? v : SW_JOIN_NONE;
}

static const char *side_text(const struct sw_line *line, int side, const char *key)
{
    char buf[KEY];

    return sw_field_text(line, key_of(side, key, buf));
}

static bool field_is(const struct sw_line *line, const char *key, const char *want)
{
    const char *text = sw_field_text(line, key);

    return text && !strcmp(text, want);
}

static __u64 ecn_of(const char *text)
{
    for (unsigned int i = 0; text && i < 8; i++)
        if (!strcmp(text, sw_name_ecn(i)->text))
            return i;
    return SW_JOIN_NONE;
}

static __u64 tfo_of(const char *text)
{
    static const char *const name[] = {"none", "request", "cookie"};

    for (unsigned int i = 0; text && i < 3; i++)
        if (!strcmp(text, name[i]))
            return i;
    return SW_JOIN_NONE;
}

static void take_side(const struct sw_line *line, int side, struct sw_join_view *v)
{
    const __u64 isn = side_u64(line, side, "isn");
    __u64 *option = v->option[side];
    char key[KEY];

    v->has_isn[side] = isn <= ~0u;
    v->isn[side] = (__u32)isn;
    option[SW_JOIN_MSS] = side_u64(line, side, "mss");
    option[SW_JOIN_WSCALE] = side_u64(line, side, "wscale");
    option[SW_JOIN_SACK] = side_flag(line, side, "sack");
    option[SW_JOIN_TS] = side_flag(line, side, "ts");
    option[SW_JOIN_ECN] = ecn_of(side_text(line, side, "ecn"));
    option[SW_JOIN_TFO] = tfo_of(side_text(line, side, "tfo"));
    option[SW_JOIN_MPTCP] = side_flag(line, side, "mptcp");
    v->cut[side] = option[SW_JOIN_SACK] == SW_JOIN_NONE || option[SW_JOIN_TS] == SW_JOIN_NONE;
    v->bytes[side] = side_count(line, side, "bytes");
    v->payload[side] = side_count(line, side, "payload_bytes");
    v->pkts[side] = side_count(line, side, "pkts");
    v->rexmit[side] = side_count(line, side, "rexmit");
    v->syn_rexmit[side] = count_of(line, side == SW_ORIG ? "syn_rexmit" : "synack_rexmit");
    /* the key is there, null or not, of an end of the host's own (docs/events.md) */
    v->local[side] = sw_field_has(line, key_of(side, "socket_cookie", key));
}

/* Letters of `history`, upper case the originator's; `i` is a FIN with a RST. */
static void take_ends(const struct sw_line *line, const struct sw_ladder_conn *c, struct sw_join_view *v)
{
    const char *history = sw_field_text(line, "history"), *rst_by = sw_field_text(line, "rst_by");
    bool full = true;

    sw_field_bool(line, "history_full", &full);
    for (int side = SW_ORIG; side <= SW_RESP; side++) {
        const char *state = side_text(line, side, "state");
        const int up = side == SW_ORIG ? 'A' - 'a' : 0, by = 1 << side;
        const __u8 unseen = history && !full ? SW_SAW_NO : SW_SAW_UNKNOWN;
        bool fin, rst;

        rst = (history && (strchr(history, 'r' + up) || strchr(history, 'i' + up))) ||
              (rst_by && (!strcmp(rst_by, side_name[side]) || !strcmp(rst_by, "both")));
        fin = (history && (strchr(history, 'f' + up) || strchr(history, 'i' + up))) || (c->closed_by & by && !rst) ||
              (state && (!strncmp(state, "FIN_WAIT_", 9) || !strcmp(state, "CLOSING") || !strcmp(state, "LAST_ACK") ||
                         !strcmp(state, "TIME_WAIT")));
        v->rst[side] = rst ? SW_SAW_YES : unseen;
        v->fin[side] = fin ? SW_SAW_YES : unseen;
    }
}

enum sw_join_read sw_join_view_of(const struct sw_line *line, const struct sw_filter *filter, bool ladder,
                                  struct sw_join_view *ret)
{
    static const struct sw_filter all;
    struct sw_ladder_conn c;
    enum sw_ladder_found found = sw_ladder_of_line(line, &all, &c);
    const char *handshake = sw_field_text(line, "handshake");

    if (found == SW_LADDER_OTHER)
        return SW_JOIN_OTHER;
    memset(ret, 0, sizeof(*ret));
    if (found == SW_LADDER_BAD || !sw_field_time(line, "ts", &ret->ts))
        return SW_JOIN_BAD;
    memcpy(ret->uid, c.uid, sizeof(ret->uid));
    memcpy(ret->ip, c.ip, sizeof(ret->ip));
    memcpy(ret->port, c.port, sizeof(ret->port));
    ret->start = c.start_ns;
    ret->duration = c.duration_ns < MOST ? c.duration_ns : MOST;
    ret->reason = c.reason;
    ret->handshake = span_of(line, "handshake_ns");
    ret->server = span_of(line, "server_ns");
    ret->client = span_of(line, "client_ns");
    ret->cookie = field_is(line, "via", "cookie");
    ret->unseen = !handshake || !strcmp(handshake, "unseen");
    ret->established = !ret->unseen && strcmp(handshake, "incomplete");
    take_side(line, SW_ORIG, ret);
    take_side(line, SW_RESP, ret);
    take_ends(line, &c, ret);
    if (found == SW_LADDER_OK && ladder) {
        ret->ladder = malloc(sizeof(*ret->ladder));
        if (ret->ladder)
            memcpy(ret->ladder, &c, sizeof(c));
    }
    ret->fits = sw_ladder_of_line(line, filter, &c) != SW_LADDER_OTHER;
    return SW_JOIN_VIEW;
}

__u64 sw_join_watched(const struct sw_join_view *v)
{
    return v->ts > v->start ? v->ts - v->start : 0;
}
