/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/guard.h"

#include "base/array.h"
#include "output/figures.h"
#include "output/names.h"
#include "top/conn.h"
#include "top/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME 24
#define NAME_MAX_COLUMNS 47
#define OTHERS 53 /* columns of all but the name, with their spaces */

void sw_top_service_of(const struct sw_service *s, const struct sw_svc_counters *t, __u64 now_ns,
                       struct sw_top_service *ret)
{
    *ret = (struct sw_top_service){
        .mode = s->mode,
        .state = s->state,
        .no_listener = s->flags & SW_SV_NO_LISTENER,
        .in_state_ns = s->since ? sw_service_in_state(s, now_ns) : SW_TOP_UNKNOWN,
        .half_open = s->half_open,
        .syn_rate = s->syn_rate,
        .sent = t->item[SW_T_COOKIES_SENT],
        .accepted = t->item[SW_T_COOKIES_ACCEPTED],
        .dropped = sw_svc_counters_dropped(t),
    };
    sw_format_service(s->ip, s->port, s->any, ret->name);
}

int sw_top_guard_put(struct sw_top_guard *g, const struct sw_top_service *s)
{
    struct sw_top_service *at;

    for (size_t i = 0; i < g->len; i++) {
        if (strcmp(g->service[i].name, s->name) != 0)
            continue;
        g->service[i] = *s;
        return 0;
    }
    at = sw_array_room(g->service, &g->room, g->len + 1, sizeof(*at));
    if (!at)
        return -ENOMEM;
    g->service = at;
    g->service[g->len++] = *s;
    return 0;
}

static int rank(const struct sw_top_service *s)
{
    return s->state == SW_GS_ENGAGED ? 0 : s->state == SW_GS_GRACE ? 1 : 2;
}

static int compare(const void *left, const void *right)
{
    const struct sw_top_service *a = left, *b = right;
    __u64 x = a->sent + a->dropped, y = b->sent + b->dropped;

    if (rank(a) != rank(b))
        return rank(a) - rank(b);
    if (a->syn_rate != b->syn_rate)
        return a->syn_rate > b->syn_rate ? -1 : 1;
    if (x != y)
        return x > y ? -1 : 1;
    return strcmp(a->name, b->name);
}

void sw_top_guard_sort(struct sw_top_guard *g)
{
    if (g->len)
        qsort(g->service, g->len, sizeof(*g->service), compare);
    g->active = 0;
    for (size_t i = 0; i < g->len; i++)
        g->active += g->service[i].state != SW_GS_CALM;
}

void sw_top_guard_fini(struct sw_top_guard *g)
{
    free(g->service);
}

static int name_columns(int width)
{
    int columns = width - OTHERS;

    return columns < NAME ? NAME : columns > NAME_MAX_COLUMNS ? NAME_MAX_COLUMNS : columns;
}

void sw_top_guard_head(int width, char *buf)
{
    snprintf(buf, width + 1, "%-*s %-7s %-7s %5s %5s %5s %5s %6s %5s", name_columns(width), "SERVICE", "MODE", "STATE",
             "FOR", "HALF", "SYN/s", "SENT", "ACCEPT", "DROP");
}

void sw_top_guard_text(const struct sw_top_service *s, int width, char *buf)
{
    sw_text_value since, half, rate, sent, accepted, dropped;
    char name[NAME_MAX_COLUMNS + 1];

    sw_top_fit_text(s->name, name_columns(width), name);
    snprintf(buf, width + 1, "%-*s %-7s %-7s %5s %5s %5s %5s %6s %5s", name_columns(width), name,
             sw_name_guard_mode(s->mode)->text, s->no_listener ? "no lstn" : sw_name_guard_state(s->state)->text,
             s->in_state_ns == SW_TOP_UNKNOWN ? "-" : sw_text_span_brief(s->in_state_ns, since),
             sw_text_count_brief(s->half_open, half), sw_text_count_brief(s->syn_rate, rate),
             sw_text_count_brief(s->sent, sent), sw_text_count_brief(s->accepted, accepted),
             sw_text_count_brief(s->dropped, dropped));
}
