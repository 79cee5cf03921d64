/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/summary.h"
#include "base/fmt.h"
#include "base/random.h"
#include "output/handshakes.h"
#include "output/names.h"
#include "output/text_fmt.h"
#include "output/text_row.h"
#include "output/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define put sw_text_put
#define SHOWN 5
#define COUNT_COLUMNS 11
#define SPAN_COLUMNS 9

enum { REFUSED, RESET, UNANSWERED, TOPS };

struct sw_summary {
    __u8 handshakes_in; /* the kind of event that they are taken from */
    __u64 ended, by_reason[SW_WHY_MAX];
    __u64 lost; /* conn records */
    struct sw_top targets[TOPS];
    struct sw_top servers;
    struct sw_handshakes handshakes[SW_TOP_SLOTS]; /* of the servers' slots */
};

int sw_summary_new(__u32 kinds, struct sw_summary **ret)
{
    struct sw_summary *s = calloc(1, sizeof(*s));
    int err = s ? sw_random(&s->servers.seed, sizeof(s->servers.seed)) : -ENOMEM;

    *ret = NULL;
    if (err) {
        free(s);
        return err;
    }
    for (int i = 0; i < TOPS; i++)
        s->targets[i].seed = s->servers.seed;
    s->handshakes_in = (kinds & 1u << SW_EV_ESTABLISHED) ? SW_EV_ESTABLISHED : SW_EV_CONN;
    *ret = s;
    return 0;
}

void sw_summary_free(struct sw_summary *s)
{
    free(s);
}

/* The responder of its connection. Returns its slot. */
static unsigned int count_target(struct sw_top *t, const struct sw_event *ev, bool *ret_new)
{
    bool b = ev->flow.orig_is_b;

    return sw_top_add(t, b ? ev->key.a_ip : ev->key.b_ip, b ? ev->key.a_port : ev->key.b_port, ret_new);
}

static void count_handshake(struct sw_summary *s, const struct sw_event *ev)
{
    struct sw_handshakes *h;
    bool new;
    __u64 ns;

    if (!sw_span(ev->flow.syn_ns, ev->flow.est_ns, &ns))
        return;
    h = &s->handshakes[count_target(&s->servers, ev, &new)];
    if (new && h->n)
        memset(h, 0, sizeof(*h));
    sw_handshakes_add(h, ns);
}

static void count_outcome(struct sw_summary *s, const struct sw_event *ev)
{
    bool new;

    s->ended++;
    if (ev->flow.reason >= SW_WHY_MAX)
        return;
    s->by_reason[ev->flow.reason]++;
    switch (ev->flow.reason) {
    case SW_WHY_REFUSED: count_target(&s->targets[REFUSED], ev, &new); break;
    case SW_WHY_RESET: count_target(&s->targets[RESET], ev, &new); break;
    case SW_WHY_UNANSWERED: count_target(&s->targets[UNANSWERED], ev, &new); break;
    default: break;
    }
}

void sw_summary_event(struct sw_summary *s, const struct sw_event *ev)
{
    if (ev->kind == s->handshakes_in)
        count_handshake(s, ev);
    if (ev->kind == SW_EV_CONN)
        count_outcome(s, ev);
}

void sw_summary_lost(struct sw_summary *s, const __u64 lost[SW_LOSSES])
{
    s->lost += lost[SW_EV_CONN];
}

/* In a column; what is not exact is a lower bound. */
static char *put_count(char *p, __u64 n, bool at_least)
{
    char text[40], *end = put(text, at_least ? ">=" : "");
    sw_text_value v;

    if (n < 1000000000)
        put(end, "%llu", n);
    else
        put(end, "%s", sw_text_count(n, v));
    return put(p, "%*s", COUNT_COLUMNS, text);
}

static char *put_slot(char *p, const struct sw_top_slot *slot, size_t columns)
{
    const struct sw_text_end end = {slot->ip, slot->port, 0};

    p = sw_text_endpoint(put(p, "  "), &end, columns);
    return put(p, "\n");
}

static char *put_rest(char *p, const struct sw_top *t, __u64 shown)
{
    p = put_count(p, t->total - shown, false);
    if (t->over)
        return put(p, "  at other targets, more than are counted exactly; >=: at least\n");
    return put(p, "  at %u other target%s\n", t->len - SHOWN, t->len > SHOWN + 1 ? "s" : "");
}

static char *put_targets(char *p, const struct sw_top *t, const char *what)
{
    unsigned int best[SHOWN];
    size_t len = sw_top_best(t, best, SHOWN);
    __u64 shown = 0;

    if (!len)
        return p;
    p = put(p, "\n%*s  at\n", COUNT_COLUMNS, what);
    for (size_t i = 0; i < len; i++) {
        const struct sw_top_slot *slot = &t->slot[best[i]];

        p = put_count(p, slot->count - slot->error, slot->error);
        p = put_slot(p, slot, SW_TEXT_COLUMNS - COUNT_COLUMNS - 2);
        shown += slot->count - slot->error;
    }
    return t->len > SHOWN ? put_rest(p, t, shown) : p;
}

static char *put_servers(char *p, const struct sw_summary *s)
{
    unsigned int best[SHOWN];
    size_t len = sw_top_best(&s->servers, best, SHOWN);
    static const int percent[] = {50, 90, 99};
    __u64 shown = 0;
    sw_text_value v;

    if (!len)
        return p;
    p = put(p, "\n%*s%*s%*s%*s  busiest servers\n", COUNT_COLUMNS, "handshakes", SPAN_COLUMNS, "p50", SPAN_COLUMNS,
            "p90", SPAN_COLUMNS, "p99");
    for (size_t i = 0; i < len; i++) {
        const struct sw_top_slot *slot = &s->servers.slot[best[i]];
        const struct sw_handshakes *h = &s->handshakes[best[i]];

        p = put_count(p, h->n, slot->error);
        for (int k = 0; k < 3; k++)
            p = put(p, "%*s", SPAN_COLUMNS, sw_text_span(sw_handshakes_percentile(h, percent[k]), v));
        p = put_slot(p, slot, SW_TEXT_COLUMNS - COUNT_COLUMNS - 3 * SPAN_COLUMNS - 2);
        shown += h->n;
    }
    return s->servers.len > SHOWN ? put_rest(p, &s->servers, shown) : p;
}

static char *put_outcomes(char *p, const struct sw_summary *s)
{
    if (s->ended)
        p = put(p, "\n%*s  outcome\n", COUNT_COLUMNS, "connections");
    for (int i = 0; i < SW_WHY_MAX; i++)
        if (s->by_reason[i])
            p = put(put_count(p, s->by_reason[i], false), "  %s\n", sw_name_reason(i)->text);
    return p;
}

char *sw_summary_put(const struct sw_summary *s, const struct sw_report_stats *end, bool color, char *p)
{
    static const char *const what[TOPS] = {"refused", "reset", "unanswered"};
    sw_text_value ended, open, half_open, lost;
    bool red = color && (s->lost || end->lost_total);

    p = put(p, "\nSummary: %s connections ended, %s open, %s half-open, ", sw_text_count(s->ended, ended),
            sw_text_count(end->established, open), sw_text_count(end->half_open, half_open));
    if (red)
        p = put(p, SW_RED);
    p = put(p, "%s events lost", sw_text_count(end->lost_total, lost));
    if (s->lost)
        p = put(p, "\n%*s more connections ended: their conn records are among the lost", COUNT_COLUMNS,
                sw_text_count(s->lost, lost));
    p = put(p, "%s\n", red ? SW_PLAIN : "");
    p = put_outcomes(p, s);
    for (int i = 0; i < TOPS; i++)
        p = put_targets(p, &s->targets[i], what[i]);
    return put_servers(p, s);
}
