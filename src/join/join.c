/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/join.h"

#include "output/line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sw_join_init(struct sw_join *j, const struct sw_join_opts *opts,
                 void (*decided)(const struct sw_join_result *r, void *ctx), void *ctx)
{
    int err;

    memset(j, 0, sizeof(*j));
    j->opts = *opts;
    j->decided = decided;
    j->ctx = ctx;
    err = sw_pending_new(opts->slack, &j->pending);
    for (unsigned int i = 0; i < opts->files && !err; i++)
        err = sw_coverage_init(&j->file[i].coverage);
    if (err)
        sw_join_fini(j);
    return err;
}

void sw_join_fini(struct sw_join *j)
{
    sw_pending_free(j->pending);
    j->pending = NULL;
    for (int i = 0; i < SW_JOIN_FILES; i++)
        sw_coverage_free(&j->file[i].coverage);
}

/* The one that is least far: so none gets far ahead of the others. */
int sw_join_next(const struct sw_join *j)
{
    int next = -1;

    for (unsigned int i = 0; i < j->opts.files; i++) {
        const struct sw_coverage *c = &j->file[i].coverage;

        if (!c->ended && (next < 0 || c->last < j->file[next].coverage.last))
            next = (int)i;
    }
    return next;
}

/* Every file that has not ended is as far. */
static __u64 now(const struct sw_join *j)
{
    const int last = sw_join_next(j);

    return last < 0 ? ~0ull : j->file[last].coverage.last;
}

/* What one file alone has: was it not at the other, or can that not be told? */
static void judge_missing(const struct sw_join *j, const struct sw_join_group *g, bool early, struct sw_join_result *r)
{
    const struct sw_join_view *v = g->view[g->first];
    /* one that was watched for longer than the window may have been at the other, and decided there, long ago */
    const bool late = sw_join_watched(v) > j->opts.window;

    for (unsigned int i = 0; i < j->opts.files; i++) {
        const struct sw_coverage *c = &j->file[i].coverage;
        __u64 to = g->ts + j->opts.window;

        if (g->view[i])
            continue;
        r->missing |= 1u << i;
        r->hole[i] = sw_coverage_ask(c, v->start, v->start + v->duration, to < c->last ? to : c->last, j->opts.slack);
        if (!r->hole[i].kind && (early || late))
            r->hole[i].kind = SW_HOLE_WINDOW;
        if (r->views == 1 && r->hole[i].kind)
            r->verdict = SW_VERDICT_CANNOT_TELL;
    }
}

/* The strongest of all pairs; one that is not certain and stronger than it makes it none. */
static void judge_pairs(const struct sw_join *j, const struct sw_join_group *g, struct sw_join_result *r)
{
    int certain = SW_VERDICT_AGREE, doubted = SW_VERDICT_AGREE, before = -1;

    for (unsigned int i = 0; i < j->opts.files; i++) {
        struct sw_join_pair *pair = &r->pair[r->pairs];

        if (!g->view[i])
            continue;
        if (before >= 0) {
            pair->file[0] = (unsigned int)before;
            pair->file[1] = i;
            sw_join_judge(g->view[before], g->view[i], &j->opts.rules, &pair->facts);
            for (size_t f = 0; f < pair->facts.len; f++) {
                int *most = pair->facts.fact[f].doubt ? &doubted : &certain;

                if (pair->facts.fact[f].kind > *most)
                    *most = pair->facts.fact[f].kind;
            }
            r->pairs++;
        }
        before = (int)i;
    }
    r->verdict = doubted > certain ? SW_VERDICT_CANNOT_TELL : certain;
}

static void decide(struct sw_join *j, struct sw_join_group *g, bool early)
{
    struct sw_join_result r = {.match = g->match, .views = g->len, .verdict = SW_VERDICT_ABSENT};

    for (unsigned int i = 0; i < j->opts.files; i++)
        r.view[i] = g->view[i];
    if (g->len > 1)
        judge_pairs(j, g, &r);
    else if (g->view[g->first]->again) {
        /* logged a second time after a restart: it has been decided */
        j->file[g->first].again++;
        goto out;
    }
    if (g->len < j->opts.files)
        judge_missing(j, g, early, &r);
    j->verdict[r.verdict]++;
    j->decided(&r, j->ctx);
out:
    sw_join_group_free(g);
}

/* Nothing of either may be missing: else what looks like the other half may be another connection's. */
static bool may_be_rewritten(const struct sw_join *j, const struct sw_join_group *g, const struct sw_join_group *h)
{
    const struct sw_join_group *both[] = {g, h};

    for (int i = 0; i < 2; i++) {
        const struct sw_join_view *v = both[i]->view[both[i]->first];
        const struct sw_coverage *c = &j->file[both[!i]->first].coverage;
        const int kind = sw_coverage_ask(c, v->start, v->start + v->duration, c->last, j->opts.slack).kind;

        if (kind > SW_HOLE_OPEN)
            return false;
    }
    return true;
}

/* Its time is over, or its place is needed. */
static void give_up(struct sw_join *j, struct sw_join_group *g, bool early)
{
    struct sw_join_group *h = sw_pending_find_rewritten(j->pending, g);

    sw_pending_remove(j->pending, g);
    if (h && may_be_rewritten(j, g, h)) {
        sw_pending_remove(j->pending, h);
        for (unsigned int i = 0; i < j->opts.files; i++)
            if (h->view[i])
                sw_pending_join(g, h->view[i], i, SW_MATCH_TUPLE);
        memset(h->view, 0, sizeof(h->view));
        sw_join_group_free(h);
    }
    decide(j, g, early);
}

static void expire(struct sw_join *j)
{
    const __u64 at = now(j);
    struct sw_join_group *g;

    while ((g = sw_pending_oldest(j->pending)) && (at == ~0ull || (at > g->ts && at - g->ts > j->opts.window)))
        give_up(j, g, false);
    while (sw_pending_len(j->pending) > j->opts.pending) {
        j->cut++;
        give_up(j, sw_pending_oldest(j->pending), true);
    }
}

static int add_view(struct sw_join *j, unsigned int file, const struct sw_join_view *from)
{
    struct sw_join_file *f = &j->file[file];
    struct sw_join_view *v;
    struct sw_join_group *g;
    bool is_double;
    __u8 match;

    g = sw_pending_find(j->pending, from, file, &match, &is_double);
    if (!g && is_double) {
        *(from->again ? &f->again : &f->doubles) += 1;
        free(from->ladder);
        return 0;
    }
    v = malloc(sizeof(*v));
    if (!v) {
        free(from->ladder);
        return -ENOMEM;
    }
    *v = *from;
    if (!g) {
        int err = sw_pending_add(j->pending, v, file);

        if (err)
            sw_join_view_free(v);
        if (sw_pending_len(j->pending) > j->pending_most)
            j->pending_most = sw_pending_len(j->pending);
        return err;
    }
    sw_pending_join(g, v, file, match);
    if (g->len == j->opts.files) {
        sw_pending_remove(j->pending, g);
        decide(j, g, false);
    }
    return 0;
}

static int take_conn(struct sw_join *j, unsigned int file, const struct sw_line *line, bool again, __u64 ts)
{
    struct sw_join_file *f = &j->file[file];
    struct sw_join_view v;

    switch (sw_join_view_of(line, j->opts.filter, j->opts.ladders, &v)) {
    case SW_JOIN_OTHER: return 0;
    case SW_JOIN_BAD: return sw_coverage_broken(&f->coverage, 1, ts);
    case SW_JOIN_VIEW: break;
    }
    f->conns++;
    v.again = again;
    if (v.has_isn[SW_ORIG] || v.has_isn[SW_RESP]) {
        int err = sw_coverage_conn(&f->coverage, v.start);

        if (!err)
            return add_view(j, file, &v);
        free(v.ladder);
        return err;
    }
    f->without_isn++;
    free(v.ladder);
    return sw_coverage_midstream(&f->coverage, v.start, ts);
}

static void take_host(struct sw_join_file *f, const struct sw_line *line)
{
    const char *host = sw_field_text(line, "host");

    for (size_t i = 0; host && host[i] && i < sizeof(f->host) - 1; i++)
        f->host[i] = host[i] > ' ' && host[i] < 0x7f ? host[i] : '?';
}

static bool event_is(const char *event, const char *want)
{
    return event && !strcmp(event, want);
}

static __u64 number(const struct sw_line *line, const char *key)
{
    __u64 v = 0;

    sw_field_u64(line, key, &v);
    return v;
}

int sw_join_line(struct sw_join *j, unsigned int file, const struct sw_line *line, __u64 broken)
{
    struct sw_join_file *f = &j->file[file];
    struct sw_coverage *c = &f->coverage;
    const char *event = sw_field_text(line, "event");
    struct sw_coverage_line l = {.lost = number(line, "lost"),
                                 .lost_conn = number(line, "lost_conn") + number(line, "lost_opening"),
                                 .is_loss = event_is(event, "loss")};
    int err = 0;

    if (number(line, "schema") != SW_SCHEMA || !sw_field_time(line, "ts", &l.ts)) {
        f->other_schema++;
        return sw_coverage_broken(c, broken + 1, c->last);
    }
    l.has_seq = sw_field_u64(line, "seq", &l.seq);
    if (event_is(event, "stats")) {
        sw_field_bool(line, "final", &l.is_final);
        l.unfollowed = number(line, "filtered") + number(line, "guard_dropped") + number(line, "guard_cookies_sent");
    }
    if (l.is_final)
        l.open = number(line, "flows") + number(line, "half_open");
    if (!c->lines)
        take_host(f, line);
    if (broken)
        err = sw_coverage_broken(c, broken, l.ts);
    if (c->last > l.ts && c->last - l.ts > f->backwards)
        f->backwards = c->last - l.ts;
    if (!err)
        err = sw_coverage_line(c, &l);
    if (!err && event_is(event, "opening"))
        err = sw_coverage_opening(c, l.ts);
    else if (!err && event_is(event, "conn"))
        err = take_conn(j, file, line, c->again, l.ts);
    expire(j);
    return err;
}

int sw_join_end(struct sw_join *j, unsigned int file, __u64 broken, bool cut)
{
    struct sw_coverage *c = &j->file[file].coverage;
    int err = broken || cut ? sw_coverage_broken(c, broken + cut, c->last) : 0;

    c->ended = true;
    expire(j);
    return err;
}
