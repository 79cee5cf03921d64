/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/join.h"

#include "join/decide.h"
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
    if (!err)
        err = sw_past_new(opts->pending, &j->past);
    for (unsigned int i = 0; i < opts->files && !err; i++)
        err = sw_coverage_init(&j->file[i].coverage);
    if (err)
        sw_join_fini(j);
    return err;
}

void sw_join_fini(struct sw_join *j)
{
    sw_pending_free(j->pending);
    sw_past_free(j->past);
    j->pending = NULL;
    j->past = NULL;
    for (int i = 0; i < SW_JOIN_FILES; i++)
        sw_coverage_free(&j->file[i].coverage);
}

/* The one that is least far: so none gets far ahead of the others. */
int sw_join_next(const struct sw_join *j)
{
    int next = -1;

    for (unsigned int i = 0; i < j->opts.files; i++) {
        const struct sw_coverage *c = &j->file[i].coverage;

        if (!c->ended && (next < 0 || c->now < j->file[next].coverage.now))
            next = (int)i;
    }
    return next;
}

/* Every file that has not ended is as far. */
static __u64 now(const struct sw_join *j)
{
    const int last = sw_join_next(j);

    return last < 0 ? ~0ull : j->file[last].coverage.now;
}

static void expire(struct sw_join *j)
{
    const __u64 at = now(j);
    struct sw_join_group *g;

    if (at != ~0ull && at > j->opts.window)
        sw_past_expire(j->past, at - j->opts.window);
    while ((g = sw_pending_oldest(j->pending)) && (at == ~0ull || (at > g->ts && at - g->ts > j->opts.window)))
        sw_join_give_up(j, g, false);
    while (sw_pending_len(j->pending) > j->opts.pending) {
        j->cut++;
        sw_join_give_up(j, sw_pending_oldest(j->pending), true);
    }
}

/* It was over when lines were made about connections that have been forgotten: one of them may have been it. */
static bool may_be_forgotten(const struct sw_join *j, unsigned int file, const struct sw_join_view *v)
{
    __u64 slack = 0;

    for (unsigned int i = 0; i < j->opts.files; i++)
        if (sw_join_slack(j, file, i) > slack)
            slack = sw_join_slack(j, file, i);
    return j->forgot && v->start + v->duration <= j->forgot + slack + SW_SECOND;
}

/* A second line of one file about one connection, that waits or has been decided. */
static bool is_double(struct sw_join *j, unsigned int file, const struct sw_join_view *v,
                      const struct sw_join_found *found, bool *ret_decided)
{
    enum sw_past_found past = found->group ? SW_PAST_NEVER : sw_past_find(j->past, v, file);

    if (found->group)
        return false;
    /* by one ISN alone it may be another one: scanners send one to all */
    *ret_decided = past != SW_PAST_NEVER || may_be_forgotten(j, file, v);
    return found->is_double || (past == SW_PAST_DOUBLE && v->has_isn[SW_ORIG] && v->has_isn[SW_RESP]);
}

static int add_alone(struct sw_join *j, struct sw_join_view *v, unsigned int file, bool ambiguous, bool decided)
{
    struct sw_join_group *g;
    int err = sw_pending_add(j->pending, v, file, &g);

    if (err) {
        sw_join_view_free(v);
        return err;
    }
    g->ambiguous = ambiguous;
    g->decided = decided;
    if (sw_pending_len(j->pending) > j->pending_most)
        j->pending_most = sw_pending_len(j->pending);
    return 0;
}

/* What the others' clocks were once apart from its clock says nothing of what they are. */
static void forget_clock(struct sw_join *j, unsigned int file)
{
    for (unsigned int i = 0; i < j->opts.files; i++)
        j->file[i].met[file] = j->file[file].met[i] = false;
}

/* What both ISNs say of two clocks; where a SYN was lost they began with different ones. */
static void compare_clocks(struct sw_join *j, const struct sw_join_group *g, unsigned int file)
{
    const struct sw_join_view *v = g->view[file];

    for (unsigned int i = 0; i < j->opts.files; i++) {
        const struct sw_join_view *other = g->view[i];
        __u64 apart;

        if (i == file || !other || v->syn_rexmit[SW_ORIG] || other->syn_rexmit[SW_ORIG])
            continue;
        apart = v->start > other->start ? v->start - other->start : other->start - v->start;
        j->file[i].common[file] = j->file[file].common[i] = true;
        if (v->clocks == j->file[file].coverage.clocks && other->clocks == j->file[i].coverage.clocks)
            j->file[i].met[file] = j->file[file].met[i] = true;
        if (apart > j->file[i].offset[file]) {
            j->file[i].offset[file] = j->file[file].offset[i] = apart;
            sw_pending_set_slack(j->pending, i, file, sw_join_slack(j, i, file));
        }
    }
}

__u64 sw_join_apart(const struct sw_join *j, unsigned int file)
{
    const struct sw_join_file *f = &j->file[file];
    __u64 most = SW_JOIN_NONE;

    for (unsigned int i = 0; i < j->opts.files; i++)
        if (f->common[i] && (most == SW_JOIN_NONE || f->offset[i] > most))
            most = f->offset[i];
    return most;
}

static int add_view(struct sw_join *j, unsigned int file, const struct sw_join_view *from)
{
    struct sw_join_file *f = &j->file[file];
    struct sw_join_found found = sw_pending_find(j->pending, from, file);
    struct sw_join_group *g = found.group;
    struct sw_join_view *v;
    bool decided = false;

    if (found.ambiguous) /* what others have then may be this one */
        sw_join_keep_error(
            j, sw_coverage_unsure(&f->coverage, SW_HOLE_AMBIGUOUS, from->start, from->start + from->duration));
    if (is_double(j, file, from, &found, &decided)) {
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
    if (!g)
        return add_alone(j, v, file, found.ambiguous, decided);
    sw_pending_join(g, v, file, found.match);
    g->ambiguous |= found.ambiguous;
    if (found.match == SW_MATCH_BOTH)
        compare_clocks(j, g, file);
    if (g->len == j->opts.files && sw_pending_is_sure(g)) {
        sw_pending_remove(j->pending, g);
        sw_join_decide(j, g, false);
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
    v.clocks = f->coverage.clocks;
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

/* False: of another schema, or without a time. */
static bool coverage_line_of(const struct sw_line *line, const char *event, struct sw_coverage_line *ret)
{
    bool dry_run;

    *ret = (struct sw_coverage_line){.lost = number(line, "lost"),
                                     .lost_conn = number(line, "lost_conn") + number(line, "lost_opening"),
                                     .is_loss = event_is(event, "loss"),
                                     .is_stats = event_is(event, "stats")};
    if (number(line, "schema") != SW_SCHEMA || !sw_field_time(line, "ts", &ret->ts))
        return false;
    if (number(line, "sample") > 1)
        ret->sample = number(line, "sample");
    ret->has_seq = sw_field_u64(line, "seq", &ret->seq);
    ret->is_drop = event_is(event, "drop") && !(sw_field_bool(line, "dry_run", &dry_run) && dry_run);
    if (ret->is_stats) {
        ret->dropped = number(line, "guard_dropped");
        ret->emitted = number(line, "emitted_conn");
        sw_field_bool(line, "final", &ret->is_final);
        ret->unfollowed = number(line, "filtered") + number(line, "guard_dropped") + number(line, "guard_cookies_sent");
    }
    if (ret->is_final)
        ret->open = number(line, "flows") + number(line, "half_open");
    return true;
}

int sw_join_line(struct sw_join *j, unsigned int file, const struct sw_line *line, __u64 broken)
{
    struct sw_join_file *f = &j->file[file];
    struct sw_coverage *c = &f->coverage;
    const char *event = sw_field_text(line, "event");
    const __u64 clocks = c->clocks;
    struct sw_coverage_line l;
    int err = 0;

    if (!coverage_line_of(line, event, &l)) {
        f->other_schema++;
        return sw_coverage_broken(c, broken + 1, c->last);
    }
    if (!c->lines)
        take_host(f, line);
    if (broken)
        err = sw_coverage_broken(c, broken, l.ts);
    if (c->last > l.ts && c->last - l.ts > f->backwards)
        f->backwards = c->last - l.ts;
    if (!err)
        err = sw_coverage_line(c, &l);
    if (c->clocks != clocks)
        forget_clock(j, file);
    if (!err && event_is(event, "opening"))
        err = sw_coverage_opening(c, l.ts);
    else if (!err && event_is(event, "conn"))
        err = take_conn(j, file, line, c->again, l.ts);
    expire(j);
    return err ? err : j->err;
}

int sw_join_end(struct sw_join *j, unsigned int file, __u64 broken, bool cut)
{
    struct sw_coverage *c = &j->file[file].coverage;
    int err = broken || cut ? sw_coverage_broken(c, broken + cut, c->last) : 0;

    c->ended = true;
    expire(j);
    return err ? err : j->err;
}
