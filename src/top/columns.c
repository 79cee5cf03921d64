/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/columns.h"

#include <stdio.h>
#include <string.h>

#define PAIR_MAX 96
#define SERVER_MAX 48

enum server_column {
    S_NAME,
    S_OPEN,
    S_HALF,
    S_NEW,
    S_RATE,
    S_BYTES,
    S_HANDSHAKE,
    S_REFUSED,
    S_RESET,
    S_UNANSWERED,
    S_SLOWEST,
    S_SERVER,
    S_CLIENT,
    S_REXMIT,
    S_CONNS
};
enum conn_column { C_PAIR, C_STATE, C_AGE, C_HANDSHAKE, C_RATE, C_BYTES, C_UID, C_SERVER, C_CLIENT, C_REXMIT, C_PKTS };

struct column {
    const char *head;
    int width;
    bool left;
};

/* As many as fit are shown, in this order: those up to 80 columns come first. */
static const struct column server_columns[] = {
    [S_NAME] = {"SERVER", 24, true},      [S_OPEN] = {"OPEN", 5, false},       [S_HALF] = {"HALF", 5, false},
    [S_NEW] = {"NEW/s", 5, false},        [S_RATE] = {"B/s", 5, false},        [S_BYTES] = {"BYTES", 5, false},
    [S_HANDSHAKE] = {"HANDS", 6, false},  [S_REFUSED] = {"REFUS", 5, false},   [S_RESET] = {"RESET", 5, false},
    [S_UNANSWERED] = {"NOANS", 5, false}, [S_SLOWEST] = {"SLOWEST", 8, false}, [S_SERVER] = {"SERVER'S", 9, false},
    [S_CLIENT] = {"CLIENT'S", 9, false},  [S_REXMIT] = {"REXMIT", 7, false},   [S_CONNS] = {"CONNS", 6, false},
};
static const struct column conn_columns[] = {
    [C_PAIR] = {"CLIENT -> SERVER", 46, true}, [C_STATE] = {"STATE", 8, false},     [C_AGE] = {"AGE", 5, false},
    [C_HANDSHAKE] = {"HANDS", 6, false},       [C_RATE] = {"B/s", 5, false},        [C_BYTES] = {"BYTES", 5, false},
    [C_UID] = {"UID", SW_UID_LEN, true},       [C_SERVER] = {"SERVER'S", 9, false}, [C_CLIENT] = {"CLIENT'S", 9, false},
    [C_REXMIT] = {"REXMIT", 7, false},         [C_PKTS] = {"PACKETS", 8, false},
};
#define COUNT(list) (int)(sizeof(list) / sizeof((list)[0]))

SW_ASSERT(sizeof(server_columns) / sizeof(server_columns[0]) <= SW_TOP_COLUMNS_MAX, "sw_top_columns has room");

static const struct column *columns_of(enum sw_top_view view, int *ret_len)
{
    *ret_len = view == SW_TOP_SERVERS ? COUNT(server_columns) : COUNT(conn_columns);
    return view == SW_TOP_SERVERS ? server_columns : conn_columns;
}

void sw_top_columns_fit(enum sw_top_view view, int width, struct sw_top_columns *ret)
{
    int len, left, most = view == SW_TOP_SERVERS ? SERVER_MAX : PAIR_MAX;
    const struct column *all = columns_of(view, &len);

    if (width > SW_TOP_WIDTH_MAX)
        width = SW_TOP_WIDTH_MAX;
    left = width - all[0].width;
    *ret = (struct sw_top_columns){.view = view, .len = 1};
    for (int i = 1; i < len && left > all[i].width; i++) {
        left -= all[i].width + 1;
        ret->id[ret->len++] = i;
    }
    ret->first = all[0].width + (left > 0 ? left : 0);
    if (ret->first > most)
        ret->first = most;
}

const char *sw_top_column_head(enum sw_top_view view, int id)
{
    int len;
    const struct column *all = columns_of(view, &len);

    return id >= 0 && id < len ? all[id].head : "";
}

int sw_top_column_find(enum sw_top_view view, const char *head)
{
    int len;
    const struct column *all = columns_of(view, &len);

    for (int i = 0; i < len; i++)
        if (!strcmp(all[i].head, head))
            return i;
    return -1;
}

int sw_top_column_default(enum sw_top_view view)
{
    return view == SW_TOP_SERVERS ? S_RATE : C_RATE;
}

int sw_top_column_step(const struct sw_top_columns *c, int id, int by)
{
    for (int i = 0; i < c->len; i++)
        if (c->id[i] == id)
            return c->id[(i + c->len + by) % c->len];
    return c->id[0]; /* the screen has become narrower */
}

static const char *brief(__u64 n, sw_text_value buf)
{
    return sw_text_count_brief(n, buf);
}

/* n of the span, by the second */
static const char *per_second(const struct sw_top_cells *cells, __u64 n, sw_text_value buf)
{
    return cells->span_ns ? brief(sw_top_per_second(n, cells->span_ns), buf) : "-";
}

static const char *mean(__u64 sum, __u64 n, sw_text_value buf)
{
    return n ? sw_text_span_brief(sum / n, buf) : "-";
}

static const char *server_cell(int id, const struct sw_top_cells *cells, const struct sw_top_server *s,
                               sw_text_value buf)
{
    switch (id) {
    case S_OPEN: return brief(s->open, buf);
    case S_HALF: return brief(s->half, buf);
    case S_NEW: return per_second(cells, s->begun, buf);
    case S_RATE: return cells->span_ns ? brief(s->rate, buf) : "-";
    case S_BYTES: return brief(s->bytes, buf);
    case S_HANDSHAKE: return mean(s->handshake_sum, s->handshakes, buf);
    case S_REFUSED: return cells->events_read ? brief(s->failed[SW_TOP_REFUSED], buf) : "-";
    case S_RESET: return cells->events_read ? brief(s->failed[SW_TOP_RESET], buf) : "-";
    case S_UNANSWERED: return cells->events_read ? brief(s->failed[SW_TOP_UNANSWERED], buf) : "-";
    case S_SLOWEST: return mean(s->handshake_max, s->handshakes != 0, buf);
    case S_SERVER: return mean(s->server_sum, s->handshakes, buf);
    case S_CLIENT: return mean(s->client_sum, s->handshakes, buf);
    case S_REXMIT: return brief(s->rexmit, buf);
    default: return brief(s->conns, buf);
    }
}

static const char *span(__u64 ns, sw_text_value buf)
{
    return ns == SW_TOP_UNKNOWN ? "-" : sw_text_span_brief(ns, buf);
}

static __u64 age(const struct sw_top_conn *c, __u64 now)
{
    return now > c->start_ns ? now - c->start_ns : 0;
}

/* Of a connection's age nobody wants nanoseconds. */
static const char *age_text(__u64 ns, sw_text_value buf)
{
    return ns < SW_SECOND ? "0s" : sw_text_span_brief(ns, buf);
}

static const char *conn_cell(int id, const struct sw_top_cells *cells, const struct sw_top_conn *c, sw_text_value buf)
{
    switch (id) {
    case C_STATE: return sw_top_conn_state(c);
    case C_AGE: return age_text(age(c, cells->now), buf);
    case C_HANDSHAKE: return span(c->handshake_ns, buf);
    case C_RATE: return cells->span_ns ? brief(c->rate, buf) : "-";
    case C_BYTES: return brief(sw_top_conn_bytes(c), buf);
    case C_SERVER: return span(c->server_ns, buf);
    case C_CLIENT: return span(c->client_ns, buf);
    case C_REXMIT: return brief(c->rexmit[SW_ORIG] + c->rexmit[SW_RESP], buf);
    default: return brief(c->pkts[SW_ORIG] + c->pkts[SW_RESP], buf);
    }
}

/* Appends a cell to a line of `used` characters; each column but the first has a space before it. Returns how many. */
static int put_cell(char buf[SW_TOP_ROW_ROOM], int used, const char *text, int width, bool left)
{
    int room = SW_TOP_ROW_ROOM - used, n;

    n = snprintf(buf + used, room, left ? "%s%-*.*s" : "%s%*.*s", used ? " " : "", width, width, text);
    return used + (n < room ? n : room - 1);
}

/* The mark takes the place of the space where the head is as wide as its column. */
void sw_top_head_text(const struct sw_top_columns *c, int sort, char buf[SW_TOP_ROW_ROOM])
{
    int used = 0, len, n;
    const struct column *all = columns_of(c->view, &len);

    for (int i = 0; i < c->len; i++) {
        const struct column *col = &all[c->id[i]];
        int width = i ? col->width + 1 : c->first;
        char head[32];

        snprintf(head, sizeof(head), "%s%s", c->id[i] == sort ? "*" : i && col->left ? " " : "", col->head);
        n = snprintf(buf + used, SW_TOP_ROW_ROOM - used, "%*s", col->left ? -width : width, head);
        used += n < SW_TOP_ROW_ROOM - used ? n : SW_TOP_ROW_ROOM - used - 1;
    }
}

void sw_top_server_text(const struct sw_top_columns *c, const struct sw_top_cells *cells, const struct sw_top_server *s,
                        char buf[SW_TOP_ROW_ROOM])
{
    const struct sw_text_end end = {.ip = s->id.ip, .port = s->id.port};
    char name[64];
    sw_text_value v;
    int used;

    *sw_text_endpoint(name, &end, c->first) = 0;
    used = put_cell(buf, 0, name, c->first, true);
    for (int i = 1; i < c->len; i++)
        used = put_cell(buf, used, server_cell(c->id[i], cells, s, v), server_columns[c->id[i]].width, false);
}

void sw_top_conn_text(const struct sw_top_columns *c, const struct sw_top_cells *cells, const struct sw_top_conn *conn,
                      char buf[SW_TOP_ROW_ROOM])
{
    struct sw_text_end end[2];
    char pair[2 * 64 + 8], uid[SW_UID_LEN + 1];
    sw_text_value v;
    int used;

    sw_top_conn_ends(conn, end);
    *sw_text_pair(pair, end, c->first) = 0;
    used = put_cell(buf, 0, pair, c->first, true);
    for (int i = 1; i < c->len; i++) {
        const struct column *col = &conn_columns[c->id[i]];

        if (c->id[i] == C_UID) {
            sw_top_conn_uid(conn, uid);
            used = put_cell(buf, used, uid, col->width, true);
        } else {
            used = put_cell(buf, used, conn_cell(c->id[i], cells, conn, v), col->width, false);
        }
    }
}

__u64 sw_top_server_value(int id, const struct sw_top_server *s)
{
    switch (id) {
    case S_OPEN: return s->open;
    case S_HALF: return s->half;
    case S_NEW: return s->begun;
    case S_RATE: return s->rate;
    case S_BYTES: return s->bytes;
    case S_HANDSHAKE: return s->handshakes ? s->handshake_sum / s->handshakes + 1 : 0;
    case S_REFUSED: return s->failed[SW_TOP_REFUSED];
    case S_RESET: return s->failed[SW_TOP_RESET];
    case S_UNANSWERED: return s->failed[SW_TOP_UNANSWERED];
    case S_SLOWEST: return s->handshakes ? s->handshake_max + 1 : 0;
    case S_SERVER: return s->handshakes ? s->server_sum / s->handshakes + 1 : 0;
    case S_CLIENT: return s->handshakes ? s->client_sum / s->handshakes + 1 : 0;
    case S_REXMIT: return s->rexmit;
    case S_CONNS: return s->conns;
    default: return 0;
    }
}

__u64 sw_top_conn_value(int id, const struct sw_top_conn *c, __u64 now)
{
    switch (id) {
    case C_STATE: return SW_TOP_ENDED - c->phase + 1;
    case C_AGE: return age(c, now);
    case C_HANDSHAKE: return c->handshake_ns + 1; /* unknown: 0 */
    case C_RATE: return c->rate;
    case C_BYTES: return sw_top_conn_bytes(c);
    case C_SERVER: return c->server_ns + 1;
    case C_CLIENT: return c->client_ns + 1;
    case C_REXMIT: return c->rexmit[SW_ORIG] + c->rexmit[SW_RESP];
    case C_PKTS: return c->pkts[SW_ORIG] + c->pkts[SW_RESP];
    default: return 0;
    }
}
