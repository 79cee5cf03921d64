/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "page/tally.h"

#include "base/ip.h"
#include "base/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA 3
#define LEAD_NS (300 * 1000000000ULL) /* from the first line back that the timeline may reach */

static const char *const kind_names[SW_LINE_MAX] = {
#define KIND_ITEM(prefix, id, name) [prefix##id] = (name),
    SW_EVENTS(KIND_ITEM)[SW_LINE_LOSS] = "loss",
    [SW_LINE_STATS] = "stats",
    [SW_LINE_GUARD] = "guard",
    [SW_LINE_DROP] = "drop",
    [SW_LINE_GATEWAY] = "gateway",
    [SW_LINE_SERVICE] = "service"};

const char *sw_tally_kind_name(int kind)
{
    return kind_names[kind];
}

int sw_tally_new(size_t rows, struct sw_tally **ret)
{
    struct sw_tally *t = calloc(1, sizeof(*t));
    int err = t ? sw_random(&t->servers.seed, sizeof(t->servers.seed)) : -ENOMEM;

    if (!err)
        err = sw_rows_init(&t->rows, rows);
    if (err) {
        sw_tally_free(t);
        return err;
    }
    for (int i = 0; i < SW_TOPS; i++)
        t->target[i].seed = t->client[i].seed = t->servers.seed;
    t->hosts.max = t->ifaces.max = SW_PAGE_NAMES;
    t->drops.max = t->would_drops.max = t->anomalies.max = SW_PAGE_REASONS;
    t->line.cells = SW_CELLS;
    t->line.sums = (1u << SW_CELL_HALF_OPEN) - 1;
    *ret = t;
    return 0;
}

static void clear_spans(struct sw_durations span[SW_FROMS][SW_SPANS])
{
    for (int i = 0; i < SW_FROMS * SW_SPANS; i++)
        sw_durations_clear(&span[i / SW_SPANS][i % SW_SPANS]);
}

static void clear_server(struct sw_page_server *s)
{
    clear_spans(s->span);
    memset(s, 0, sizeof(*s));
}

void sw_tally_free(struct sw_tally *t)
{
    if (!t)
        return;
    for (int i = 0; i < SW_TOP_SLOTS; i++)
        clear_spans(t->server[i].span);
    clear_spans(t->span);
    sw_timeline_clear(&t->line);
    sw_services_seen_clear(&t->services);
    sw_rows_clear(&t->rows);
    free(t);
}

struct sw_durations *sw_tally_spans(struct sw_durations span[SW_FROMS][SW_SPANS])
{
    return span[SW_FROM_ESTABLISHED]->n >= span[SW_FROM_CONN]->n ? span[SW_FROM_ESTABLISHED] : span[SW_FROM_CONN];
}

static void count_name(struct sw_page_names *names, const char *text, __u64 n)
{
    char name[SW_PAGE_TEXT];

    if (!text)
        return;
    sw_page_copy(name, sizeof(name), text);
    for (size_t i = 0; i < names->len; i++)
        if (!strcmp(names->name[i], name)) {
            names->count[i] += n;
            return;
        }
    if (names->len == names->max) {
        names->other += n;
        return;
    }
    memcpy(names->name[names->len], name, sizeof(name));
    names->count[names->len++] = n;
}

static bool field_is(const struct sw_line *line, const char *key, const char *want)
{
    const char *text = sw_field_text(line, key);

    return text && !strcmp(text, want);
}

static bool field_address(const struct sw_line *line, const char *key, __u8 ip[16])
{
    const char *text = sw_field_text(line, key);

    return text && sw_ip_parse(text, ip);
}

static struct sw_page_server *server_of(struct sw_tally *t, const __u8 ip[16], __be16 port)
{
    struct sw_page_server *s;
    bool new;

    s = &t->server[sw_top_add(&t->servers, ip, port, &new)];
    if (new)
        clear_server(s);
    return s;
}

static int add_spans(struct sw_tally *t, struct sw_page_server *s, const struct sw_line *line, int from)
{
    static const char *keys[SW_SPANS] = {"handshake_ns", "server_ns", "client_ns"};
    int err = 0;
    __u64 ns;

    /* without the first SYN nothing of it was measured */
    for (int i = 0; i < SW_SPANS && !err; i++) {
        if (!sw_field_u64(line, keys[i], &ns))
            continue;
        err = sw_durations_add(&t->span[from][i], ns);
        if (!err && s)
            err = sw_durations_add(&s->span[from][i], ns);
    }
    return err;
}

static enum sw_outcome outcome_of(const struct sw_line *line)
{
    static const struct {
        const char *reason;
        enum sw_outcome outcome;
    } rows[] = {
        {"fin", SW_OUTCOME_CLOSED},      {"reset", SW_OUTCOME_RESET},           {"aborted", SW_OUTCOME_RESET},
        {"refused", SW_OUTCOME_REFUSED}, {"unanswered", SW_OUTCOME_UNANSWERED}, {"timeout", SW_OUTCOME_TIMEOUT}};
    const char *reason = sw_field_text(line, "reason");

    for (size_t i = 0; reason && i < sizeof(rows) / sizeof(*rows); i++)
        if (!strcmp(rows[i].reason, reason))
            return rows[i].outcome;
    return SW_OUTCOME_OTHER;
}

static void count_ends(struct sw_tally *t, const struct sw_line *line, enum sw_outcome outcome, const __u8 resp[16],
                       __be16 port)
{
    __u8 orig[16];
    bool new;
    int top;

    switch (outcome) {
    case SW_OUTCOME_REFUSED: top = SW_TOP_REFUSED; break;
    case SW_OUTCOME_RESET: top = SW_TOP_RESET; break;
    case SW_OUTCOME_UNANSWERED: top = SW_TOP_UNANSWERED; break;
    default: return;
    }
    sw_top_add(&t->target[top], resp, port, &new);
    if (field_address(line, "orig_ip", orig))
        sw_top_add(&t->client[top], orig, 0, &new);
}

static int add_conn(struct sw_tally *t, const struct sw_line *line, const char *text, size_t len)
{
    enum sw_outcome outcome = outcome_of(line);
    __u64 start = 0, handshake = 0, n, port = 0;
    struct sw_page_server *s = NULL;
    __u8 resp[16];
    int err;

    t->outcome[outcome]++;
    t->midstream += field_is(line, "handshake", "unseen");
    t->cookie += field_is(line, "via", "cookie");
    t->anomalous += sw_field_u64(line, "anomalies", &n) && n;
    if (field_address(line, "resp_ip", resp) && sw_field_u64(line, "resp_port", &port) && port <= 0xffff) {
        s = server_of(t, resp, htons(port));
        s->outcome[outcome]++;
        if (sw_field_u64(line, "syn_rexmit", &n))
            s->syn_rexmit += n;
        count_ends(t, line, outcome, resp, htons(port));
    }
    err = add_spans(t, s, line, SW_FROM_CONN);
    if (!sw_field_time(line, "start", &start) && !sw_field_time(line, "ts", &start))
        t->no_time++;
    else if (start + LEAD_NS < t->first_ns)
        t->early++;
    else if (!err)
        err = sw_timeline_add(&t->line, start, outcome, 1);
    sw_field_u64(line, "handshake_ns", &handshake);
    return err ? err : sw_rows_add(&t->rows, outcome, handshake, text, len);
}

static int add_established(struct sw_tally *t, const struct sw_line *line)
{
    struct sw_page_server *s = NULL;
    __u64 port;
    __u8 resp[16];

    if (field_address(line, "resp_ip", resp) && sw_field_u64(line, "resp_port", &port) && port <= 0xffff)
        s = server_of(t, resp, htons(port));
    return add_spans(t, s, line, SW_FROM_ESTABLISHED);
}

static int add_drop(struct sw_tally *t, const struct sw_line *line, __u64 ns)
{
    bool dry = false;
    __u64 n = 0;

    sw_field_bool(line, "dry_run", &dry);
    sw_field_u64(line, "count", &n);
    count_name(dry ? &t->would_drops : &t->drops, sw_field_text(line, "reason"), n);
    return ns ? sw_timeline_add(&t->line, ns, dry ? SW_CELL_WOULD_DROP : SW_CELL_DROPPED, n) : 0;
}

static int add_loss(struct sw_tally *t, const struct sw_line *line, __u64 ns)
{
    char key[40] = "lost_";
    __u64 lost = 0, n;

    sw_field_u64(line, "lost", &lost);
    t->lost += lost;
    for (int i = 0; i < SW_LOSSES; i++) {
        sw_page_copy(key + 5, sizeof(key) - 5, i == SW_LOSS_GUARD ? "guard" : kind_names[i]);
        if (sw_field_u64(line, key, &n))
            t->lost_by[i] += n;
    }
    return ns ? sw_timeline_add(&t->line, ns, SW_CELL_LOST, lost) : 0;
}

/* What is missing in the file: no more than is lost, unless somebody took lines out. */
static void count_seq(struct sw_tally *t, const struct sw_line *line)
{
    __u64 seq;

    if (!sw_field_u64(line, "seq", &seq))
        return;
    if (t->last_seq && seq > t->last_seq) {
        t->missing += seq - t->last_seq - 1;
    } else if (t->last_seq) { /* another process, from 1 */
        t->missing += seq ? seq - 1 : 0;
        t->restarts++;
    }
    t->last_seq = seq;
}

void sw_tally_file(struct sw_tally *t)
{
    t->last_seq = 0;
}

static int kind_of(const struct sw_line *line)
{
    const char *event = sw_field_text(line, "event");

    for (int i = 0; event && i < SW_LINE_MAX; i++)
        if (!strcmp(event, kind_names[i]))
            return i;
    return -1;
}

int sw_tally_add(struct sw_tally *t, const struct sw_line *line, const char *text, size_t len)
{
    __u64 ns = 0, schema = 0, sample;
    int kind = kind_of(line);

    sw_field_u64(line, "schema", &schema);
    if (schema != SCHEMA) {
        t->other_schema++;
        return 0;
    }
    count_seq(t, line);
    if (kind < 0) {
        t->unknown++;
        return 0;
    }
    t->kinds[kind]++;
    if (sw_field_u64(line, "sample", &sample) && sample > 1 && sample > t->sample)
        t->sample = sample;
    if (sw_field_time(line, "ts", &ns) && ns) {
        t->first_ns = t->first_ns && t->first_ns < ns ? t->first_ns : ns;
        t->last_ns = t->last_ns > ns ? t->last_ns : ns;
    }
    count_name(&t->hosts, sw_field_text(line, "host"), 1);
    count_name(&t->ifaces, sw_field_text(line, "iface"), 1);
    switch (kind) {
    case SW_EV_CONN: return add_conn(t, line, text, len);
    case SW_EV_ESTABLISHED: return add_established(t, line);
    case SW_EV_ANOMALY: count_name(&t->anomalies, sw_field_text(line, "anomaly"), 1); return 0;
    case SW_LINE_GUARD: return sw_services_seen_add(&t->services, line, true);
    case SW_LINE_SERVICE: return sw_services_seen_add(&t->services, line, false);
    case SW_LINE_DROP: return add_drop(t, line, ns);
    case SW_LINE_LOSS: return add_loss(t, line, ns);
    case SW_LINE_STATS:
        return ns && sw_field_u64(line, "half_open", &schema) ? sw_timeline_add(&t->line, ns, SW_CELL_HALF_OPEN, schema)
                                                              : 0;
    default: return 0;
    }
}

void sw_tally_counts(struct sw_tally *t, const struct sw_ndjson_counts *counts, const char *name)
{
    t->lines += counts->read;
    t->events += counts->events;
    if (counts->broken && !t->broken) {
        t->first_broken = counts->first_broken;
        t->first_broken_in = name;
    }
    t->broken += counts->broken;
}
