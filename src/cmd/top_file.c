/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/top_file.h"

#include "base/array.h"
#include "base/exit.h"
#include "base/log.h"
#include "cmd/top_events.h"
#include "lines/ndjson.h"
#include "output/names.h"
#include "top/filter.h"
#include "top/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (2 * SW_TOP_FILE_CONNS)
#define SHORTEST 1000000 /* ns */

struct file {
    struct sw_top_conn *conn;
    size_t len, room;
    __u32 *slot; /* by uid: a connection + 1; 0: free */
    __u64 key[2];
    __u64 first_ns, last_ns;
    struct sw_top_guard *guard;
    struct sw_top_file_counts counts;
};

typedef const struct sw_name *(*name_fn)(unsigned int i);

/* The number of a name in a list of so many; `none` if it is missing or not known. */
static unsigned int number_of(const struct sw_line *line, const char *key, name_fn name, unsigned int len,
                              unsigned int none)
{
    const char *text = sw_field_text(line, key);

    for (unsigned int i = 0; text && i < len; i++)
        if (!strcmp(text, name(i)->text))
            return i;
    return none;
}

static __u64 count_of(const struct sw_line *line, const char *key, __u64 otherwise)
{
    __u64 n = otherwise;

    sw_field_u64(line, key, &n);
    return n;
}

static bool is_uid(const char *text)
{
    return strlen(text) == SW_UID_LEN &&
           strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == SW_UID_LEN;
}

static __u32 *slot_of(const struct file *f, const char *uid)
{
    __u64 hash[2];
    size_t at;

    sw_siphash128(f->key, uid, SW_UID_LEN, hash);
    at = hash[0] & (SLOTS - 1);
    while (f->slot[at] && memcmp(f->conn[f->slot[at] - 1].uid, uid, SW_UID_LEN) != 0)
        at = (at + 1) & (SLOTS - 1);
    return &f->slot[at];
}

static bool put_ends(struct sw_top_conn *c, const struct sw_line *line)
{
    const char *orig = sw_field_text(line, "orig_ip"), *resp = sw_field_text(line, "resp_ip");
    __u64 orig_port = count_of(line, "orig_port", 0), resp_port = count_of(line, "resp_port", 0);

    c->key.a_port = htons((__u16)orig_port); /* the originator is a, whatever order the table has */
    c->key.b_port = htons((__u16)resp_port);
    return orig && resp && sw_ip_parse(orig, c->key.a_ip) && sw_ip_parse(resp, c->key.b_ip);
}

/* The connection of the line. NULL: it is about none, there are too many, or *ret_err. */
static struct sw_top_conn *conn_of(struct file *f, const struct sw_line *line, __u64 ts, int *ret_err)
{
    const char *uid = sw_field_text(line, "uid");
    struct sw_top_conn c = {.start_ns = ts,
                            .handshake_ns = SW_TOP_UNKNOWN,
                            .server_ns = SW_TOP_UNKNOWN,
                            .client_ns = SW_TOP_UNKNOWN},
                       *at;
    __u32 *slot;

    if (!uid || !is_uid(uid))
        return NULL;
    slot = slot_of(f, uid);
    if (*slot)
        return &f->conn[*slot - 1];
    if (!put_ends(&c, line))
        return NULL;
    if (f->len == SW_TOP_FILE_CONNS) {
        f->counts.left += number_of(line, "event", sw_name_event, SW_EV_MAX, SW_EV_MAX) == SW_EV_CONN;
        return NULL;
    }
    at = sw_array_room(f->conn, &f->room, f->len + 1, sizeof(*at));
    if (!at) {
        *ret_err = -ENOMEM;
        return NULL;
    }
    f->conn = at;
    at += f->len++;
    *slot = f->len;
    memcpy(c.uid, uid, SW_UID_LEN);
    *at = c;
    return at;
}

static void put_phase(struct sw_top_conn *c, unsigned int kind)
{
    switch (kind) {
    case SW_EV_OPENING: c->phase = SW_TOP_HALF_OPEN; break;
    case SW_EV_ESTABLISHED:
    case SW_EV_MIDSTREAM: c->phase = SW_TOP_OPEN; break;
    case SW_EV_HALF_CLOSED: c->phase = SW_TOP_CLOSING; break;
    case SW_EV_ANOMALY: break;
    case SW_EV_UPDATE: break;
    default: c->phase = SW_TOP_ENDED; break;
    }
}

static void put_durations(struct sw_top_conn *c, const struct sw_line *line)
{
    c->handshake_ns = count_of(line, "handshake_ns", c->handshake_ns);
    c->server_ns = count_of(line, "server_ns", c->server_ns);
    c->client_ns = count_of(line, "client_ns", c->client_ns);
    c->answered |= c->server_ns != SW_TOP_UNKNOWN;
    c->syn_rexmit = (__u16)count_of(line, "syn_rexmit", c->syn_rexmit);
    c->synack_rexmit = (__u16)count_of(line, "synack_rexmit", c->synack_rexmit);
}

static void put_side(struct sw_top_conn *c, const struct sw_line *line, int side)
{
    static const char *const names[2][4] = {{"orig_state", "orig_pkts", "orig_ip_bytes", "orig_rexmit"},
                                            {"resp_state", "resp_pkts", "resp_ip_bytes", "resp_rexmit"}};

    c->state[side] = number_of(line, names[side][0], sw_name_state, SW_ST_MAX, c->state[side]);
    c->pkts[side] = count_of(line, names[side][1], c->pkts[side]);
    c->ip_bytes[side] = count_of(line, names[side][2], c->ip_bytes[side]);
    c->rexmit[side] = (__u32)count_of(line, names[side][3], c->rexmit[side]);
}

static void update(struct sw_top_conn *c, const struct sw_line *line, unsigned int kind, __u64 ts)
{
    const char *history = sw_field_text(line, "history");

    put_phase(c, kind);
    put_durations(c, line);
    put_side(c, line, SW_ORIG);
    put_side(c, line, SW_RESP);
    sw_field_time(line, "start", &c->start_ns);
    c->last_ns = ts;
    sw_field_time(line, "end", &c->last_ns);
    c->conn_state = number_of(line, "conn_state", sw_name_conn_state, SW_CS_MAX, c->conn_state);
    c->reason = number_of(line, "reason", sw_name_reason, SW_WHY_MAX, c->reason);
    if (!history)
        return;
    c->hist_len = strnlen(history, SW_HIST_MAX);
    memcpy(c->hist, history, c->hist_len);
}

/* A service's line, or the guard's about its state. */
static int put_service(struct file *f, const struct sw_line *line, bool change)
{
    const char *name = sw_field_text(line, "service");
    struct sw_top_service s = {.in_state_ns = SW_TOP_UNKNOWN};

    if (!name)
        return 0;
    sw_top_clean(name, strlen(name), s.name, sizeof(s.name));
    for (size_t i = 0; i < f->guard->len && change; i++)
        if (!strcmp(f->guard->service[i].name, s.name))
            s = f->guard->service[i];
    f->guard->there = true;
    s.mode = number_of(line, "mode", sw_name_guard_mode, SW_GM_MAX, s.mode);
    s.state = number_of(line, change ? "to" : "state", sw_name_guard_state, SW_GS_MAX, s.state);
    s.in_state_ns = change ? 0 : count_of(line, "state_ns", SW_TOP_UNKNOWN);
    s.half_open = count_of(line, "half_open", s.half_open);
    s.syn_rate = count_of(line, "syn_rate", s.syn_rate);
    s.sent = count_of(line, "cookies_sent", s.sent);
    s.accepted = count_of(line, "cookies_accepted", s.accepted);
    s.dropped = count_of(line, "dropped", s.dropped);
    sw_field_bool(line, "no_listener", &s.no_listener);
    return sw_top_guard_put(f->guard, &s);
}

static int take(struct file *f, const struct sw_line *line)
{
    const char *event = sw_field_text(line, "event");
    unsigned int kind = number_of(line, "event", sw_name_event, SW_EV_MAX, SW_EV_MAX);
    struct sw_top_conn *c;
    int err = 0;
    __u64 ts;

    if (!event || !sw_field_time(line, "ts", &ts))
        return 0;
    if (!f->first_ns)
        f->first_ns = ts;
    if (ts > f->last_ns)
        f->last_ns = ts;
    if (!strcmp(event, "loss"))
        f->counts.lost += count_of(line, "lost", 0);
    if (!strcmp(event, "service") || !strcmp(event, "guard"))
        return put_service(f, line, *event == 'g');
    if (kind == SW_EV_MAX)
        return 0;
    c = conn_of(f, line, ts, &err);
    if (c && (c->phase != SW_TOP_ENDED || kind == SW_EV_CONN)) /* lines that come late change nothing */
        update(c, line, kind, ts);
    return err;
}

static int failure_of(struct sw_top_model *m, const struct sw_top_conn *c)
{
    struct sw_top_id id;

    sw_top_conn_server(c, &id);
    switch (c->phase == SW_TOP_ENDED ? c->reason : SW_WHY_NONE) {
    case SW_WHY_REFUSED: return sw_top_model_failure(m, c->last_ns, &id, SW_TOP_REFUSED, 1);
    case SW_WHY_RESET:
    case SW_WHY_ABORTED: return sw_top_model_failure(m, c->last_ns, &id, SW_TOP_RESET, 1);
    case SW_WHY_UNANSWERED: return sw_top_model_failure(m, c->last_ns, &id, SW_TOP_UNANSWERED, 1);
    default: return 0;
    }
}

/* As two looks: one of nothing before the first line, one at the last. Of a moment there are no rates. */
static int fill(const struct file *f, const struct sw_filter *filter, struct sw_top_model *m)
{
    __u64 first = f->first_ns;
    int err = 0;

    for (size_t i = 0; i < f->len; i++)
        if (f->conn[i].start_ns < first)
            first = f->conn[i].start_ns;
    m->forever = true;
    if (f->last_ns > first + SHORTEST) {
        sw_top_model_begin(m, first - 1);
        sw_top_model_end(m);
    }
    sw_top_model_begin(m, f->last_ns);
    for (size_t i = 0; i < f->len && !err; i++) {
        if (!sw_top_conn_match(filter, &f->conn[i]))
            continue;
        err = sw_top_model_conn(m, &f->conn[i]);
        if (!err)
            err = failure_of(m, &f->conn[i]);
    }
    sw_top_model_end(m);
    sw_top_guard_sort(f->guard);
    return err;
}

static int read_all(struct file *f, struct sw_ndjson *lines)
{
    const struct sw_line *line;
    int n, err = 0;

    while (!err && (n = sw_ndjson_next(lines, &line)) == 1)
        err = take(f, line);
    f->counts.broken = sw_ndjson_counts(lines)->broken;
    return err ? err : n;
}

static int failed(const char *path, int err)
{
    if (err == -ENOMEM) {
        sw_err("top: no memory");
        return SW_EXIT_MEMORY;
    }
    sw_err("%s: %s", path, err == -EILSEQ ? "damaged gzip data" : strerror(-err));
    return SW_EXIT_INPUT;
}

int sw_top_file_read(const char *path, const struct sw_filter *filter, struct sw_top_model *m, struct sw_top_guard *g,
                     struct sw_top_file_counts *ret)
{
    struct file f = {.guard = g, .key = {m->hash.word[0], m->hash.word[1]}};
    struct sw_ndjson *lines = NULL;
    int err = sw_ndjson_open(path, &lines);

    if (!err) {
        f.slot = calloc(SLOTS, sizeof(*f.slot));
        err = f.slot ? read_all(&f, lines) : -ENOMEM;
    }
    sw_ndjson_close(lines);
    if (!err)
        err = fill(&f, filter, m);
    *ret = f.counts;
    free(f.conn);
    free(f.slot);
    if (err)
        return failed(path, err);
    if (!f.first_ns) {
        sw_err("%s: it has no event lines", path);
        return SW_EXIT_INPUT;
    }
    return SW_EXIT_OK;
}
