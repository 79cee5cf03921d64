/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/decide.h"

#include <string.h>

__u64 sw_join_slack(const struct sw_join *j, unsigned int a, unsigned int b)
{
    const __u64 offset = j->file[a].offset[b];

    return j->opts.slack + (offset > j->opts.slack ? offset : 0);
}

/* Else any of its lines may come yet, or has come too late. */
static bool is_sorted(const struct sw_join *j, unsigned int file)
{
    return j->file[file].backwards <= j->opts.window;
}

static struct sw_hole hole_of(const struct sw_join *j, const struct sw_join_group *g, unsigned int file, bool early)
{
    const struct sw_join_view *v = g->view[g->first];
    const struct sw_coverage *c = &j->file[file].coverage;
    const __u64 slack = sw_join_slack(j, g->first, file), to = g->ts + j->opts.window;
    struct sw_hole hole = sw_coverage_ask(c, v->start, v->start + v->duration, to < c->last ? to : c->last, slack);

    if (hole.kind)
        return hole;
    /* one that was watched for longer than the window may have been at the other, and decided there, long ago */
    if (early || g->decided || !is_sorted(j, file) || !is_sorted(j, g->first) ||
        sw_join_watched(v) + slack + SW_SECOND >= j->opts.window)
        hole.kind = SW_HOLE_WINDOW;
    else if (g->ambiguous)
        hole.kind = SW_HOLE_AMBIGUOUS;
    else if (!j->file[g->first].met[file])
        hole.kind = SW_HOLE_CLOCK;
    return hole;
}

/* What one file alone has: was it not at the other, or can nobody say? */
static void judge_missing(const struct sw_join *j, const struct sw_join_group *g, bool early, struct sw_join_result *r)
{
    for (unsigned int i = 0; i < j->opts.files; i++) {
        if (g->view[i])
            continue;
        r->missing |= 1u << i;
        r->hole[i] = hole_of(j, g, i, early);
        if (r->views == 1 && r->hole[i].kind)
            r->verdict = SW_VERDICT_CANNOT_TELL;
    }
}

/* The strongest of all pairs; one that is not certain and stronger than it makes it none. */
static void judge_pairs(const struct sw_join *j, const struct sw_join_group *g, struct sw_join_result *r)
{
    int certain = SW_VERDICT_AGREE, doubted = SW_VERDICT_AGREE, before = -1;

    for (unsigned int i = 0; i < j->opts.files; i++) {
        struct sw_join_view *v = g->view[i];

        if (v)
            v->guarded = sw_coverage_guarded(&j->file[i].coverage, v->start, v->ts);
    }
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
    r->verdict = doubted > certain || r->ambiguous ? SW_VERDICT_CANNOT_TELL : certain;
}

void sw_join_keep_error(struct sw_join *j, int err)
{
    if (err && !j->err)
        j->err = err;
}

/* Other lines about it may come yet. */
static void remember(struct sw_join *j, const struct sw_join_group *g, bool early)
{
    for (unsigned int i = 0; i < j->opts.files; i++) {
        const struct sw_join_view *v = g->view[i];
        __u64 forgot;

        if (!v)
            continue;
        sw_join_keep_error(j, sw_past_add(j->past, v, i, &forgot));
        if (early)
            sw_join_keep_error(
                j, sw_coverage_unsure(&j->file[i].coverage, SW_HOLE_WINDOW, v->start, v->start + v->duration));
        if (forgot > j->forgot)
            j->forgot = forgot;
    }
}

/* Of a sample a better match may be missing: only one that none can be better than counts. */
static bool may_be_sampled_out(const struct sw_join *j, const struct sw_join_group *g)
{
    for (unsigned int i = 0; i < j->opts.files; i++)
        if (g->view[i] && j->file[i].coverage.sample)
            return !sw_pending_is_sure(g);
    return false;
}

void sw_join_decide(struct sw_join *j, struct sw_join_group *g, bool early)
{
    struct sw_join_result r = {.match = g->match, .views = g->len, .verdict = SW_VERDICT_ABSENT};

    r.ambiguous = (g->ambiguous || may_be_sampled_out(j, g)) && g->len > 1;
    remember(j, g, early);

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
        const int kind =
            sw_coverage_ask(c, v->start, v->start + v->duration, c->last, sw_join_slack(j, g->first, h->first)).kind;

        if (kind > SW_HOLE_OPEN)
            return false;
    }
    return true;
}

/* Have connections of both shown that its clock is farther from another file's than was said? */
static bool is_apart(const struct sw_join *j, unsigned int file)
{
    for (unsigned int i = 0; i < j->opts.files; i++)
        if (j->file[file].offset[i] > j->opts.slack)
            return true;
    return false;
}

/*
 * What is known of the clocks now was not known when its line came: its other half, which waits still, may have been
 * passed over. True: it was found, and has the view now.
 */
static bool find_again(struct sw_join *j, struct sw_join_group *g)
{
    struct sw_join_view *v = g->view[g->first];
    struct sw_join_found found = sw_pending_find(j->pending, v, g->first);

    if (found.ambiguous) {
        g->ambiguous = true;
        sw_join_keep_error(
            j, sw_coverage_unsure(&j->file[g->first].coverage, SW_HOLE_AMBIGUOUS, v->start, v->start + v->duration));
    }
    if (!found.group || found.ambiguous)
        return false;
    sw_pending_join(found.group, v, g->first, found.match);
    found.group->ambiguous |= g->ambiguous;
    found.group->decided |= g->decided;
    g->view[g->first] = NULL;
    sw_join_group_free(g);
    return true;
}

void sw_join_give_up(struct sw_join *j, struct sw_join_group *g, bool early)
{
    struct sw_join_group *h = sw_pending_find_rewritten(j->pending, g);

    sw_pending_remove(j->pending, g);
    if (!h && !early && g->len == 1 && is_apart(j, g->first) && find_again(j, g))
        return;
    if (h && may_be_rewritten(j, g, h)) {
        sw_pending_remove(j->pending, h);
        for (unsigned int i = 0; i < j->opts.files; i++)
            if (h->view[i])
                sw_pending_join(g, h->view[i], i, SW_MATCH_TUPLE);
        memset(h->view, 0, sizeof(h->view));
        sw_join_group_free(h);
    }
    sw_join_decide(j, g, early);
}
