/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/coverage.h"

#include "base/array.h"
#include "join/seconds.h"

#include <errno.h>
#include <stdlib.h>

/* A loss is in the line within a second, that of an evicted handshake after 17 s (docs/limits.md, Load). */
#define LOSS_LATE_NS (20ull * 1000000000)
/* Lines come nearly in the order of ts. */
#define ORDER_NS 1000000000ull
/* A file without a line for so long, and for three times what its `stats` lines are apart: its clock was set. */
#define QUIET_NS (30 * ORDER_NS)

static __u64 before(__u64 ts, __u64 ns)
{
    return ts > ns ? ts - ns : 0;
}

static __u64 after(__u64 ts, __u64 ns)
{
    return ts + ns < ts ? ~0ull : ts + ns;
}

int sw_coverage_init(struct sw_coverage *c)
{
    *c = (struct sw_coverage){0};
    return sw_open_seconds_new(&c->seconds);
}

int sw_coverage_opening(struct sw_coverage *c, __u64 ts)
{
    c->has_opening = true;
    return sw_open_seconds_add(c->seconds, ts / 1000000000, 1);
}

int sw_coverage_conn(struct sw_coverage *c, __u64 start)
{
    c->conns++;
    return sw_open_seconds_add(c->seconds, start / 1000000000, -1);
}

/* Two by two into one: half as many holes, none of them smaller. */
static void halve(struct sw_coverage *c)
{
    for (size_t i = 0; 2 * i < c->len; i++) {
        const struct sw_hole *a = &c->hole[2 * i], *b = 2 * i + 1 < c->len ? a + 1 : a;
        struct sw_hole both = a->kind >= b->kind ? *a : *b;

        both.from = a->from < b->from ? a->from : b->from;
        both.to = a->to > b->to ? a->to : b->to;
        both.guard = a->guard || b->guard;
        both.count = a == b ? a->count : a->count + b->count;
        c->hole[i] = both;
    }
    c->len = (c->len + 1) / 2;
}

static int add(struct sw_coverage *c, int kind, __u64 from, __u64 to, __u64 count)
{
    struct sw_hole *last = c->len ? &c->hole[c->len - 1] : NULL, *more;

    if (last && last->kind == kind && from <= last->to) { /* one after the other */
        last->from = from < last->from ? from : last->from;
        last->to = to > last->to ? to : last->to;
        last->count += count;
        return 0;
    }
    if (c->hole && c->len == SW_COVERAGE_HOLES)
        halve(c);
    more = sw_array_room(c->hole, &c->room, c->len + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    c->hole = more;
    c->hole[c->len++] =
        (struct sw_hole){.from = from, .to = to, .count = count, .kind = kind, .guard = kind == SW_HOLE_UNFOLLOWED};
    return 0;
}

/* Between the last line and one of that time. */
static int add_here(struct sw_coverage *c, int kind, __u64 ts, __u64 count)
{
    const __u64 last = c->lines ? c->last : ts;

    return add(c, kind, before(last < ts ? last : ts, ORDER_NS), after(last > ts ? last : ts, ORDER_NS), count);
}

/* What seq lacks before this line. */
static int add_missing(struct sw_coverage *c, const struct sw_coverage_line *line)
{
    const __u64 missing = line->seq - c->seq - 1;
    const bool is_told = line->is_loss && line->lost >= missing;

    if (!is_told && missing) {
        c->missing += missing;
        return add_here(c, SW_HOLE_GAP, line->ts, missing);
    }
    return 0;
}

static int add_restart(struct sw_coverage *c, const struct sw_coverage_line *line)
{
    const __u64 known = c->stats < c->now ? c->stats : c->now; /* what it did since then no line says */
    __u64 from = line->ts < c->last ? line->ts : c->last;

    if (c->stats && known < from)
        from = known;
    c->now = line->ts; /* what is logged again is older */
    c->restarts++;
    c->clocks++;
    c->again = line->seq > 1; /* after a kill -9 with --pin some lines are logged again */
    c->seq_was = c->seq;
    c->again_until = after(c->last, ORDER_NS);
    if (!c->has_opening || c->opening_since == ~0ull)
        c->opening_since = line->ts;
    c->has_opening = false;
    c->conns = c->emitted = c->stats = c->interval = c->dropped = 0;
    return add(c, SW_HOLE_RESTART, before(from, ORDER_NS), after(line->ts > c->last ? line->ts : c->last, ORDER_NS), 1);
}

/* A line ahead of its time, or a clock that is set: nothing then is where it seems to be. */
static int check_clock(struct sw_coverage *c, const struct sw_coverage_line *line)
{
    const __u64 quiet = 3 * c->interval > QUIET_NS ? 3 * c->interval : QUIET_NS;
    int err = 0;

    if (!c->lines)
        return 0;
    if (after(line->ts, ORDER_NS) < c->now) {
        c->clocks++;
        c->has_opening = false; /* `start` of a `conn` is not by the clock of its `opening` */
        c->opening_since = ~0ull;
        err = add_here(c, SW_HOLE_CLOCK, line->ts, 1);
        c->now = line->ts;
    } else if (line->ts > c->now && line->ts - c->now > quiet) {
        c->clocks++;
        err = add(c, SW_HOLE_CLOCK, before(c->now, ORDER_NS), after(line->ts, ORDER_NS), 1);
    }
    return err;
}

static int take_stats(struct sw_coverage *c, const struct sw_coverage_line *line)
{
    const __u64 since = c->stats && line->ts > c->stats ? line->ts - c->stats : 0;
    int err = 0;

    if (line->dropped > c->dropped)
        err = add(c, SW_HOLE_UNFOLLOWED, before(c->stats ? c->stats : c->first, ORDER_NS), after(line->ts, ORDER_NS),
                  line->dropped - c->dropped);
    c->dropped = line->dropped;

    if (since && !line->is_final && (!c->interval || since < c->interval))
        c->interval = since;
    c->stats = line->ts;
    c->emitted = line->emitted;
    return err;
}

int sw_coverage_line(struct sw_coverage *c, const struct sw_coverage_line *line)
{
    const bool is_restart = c->has_seq && line->has_seq && line->seq <= c->seq;
    int err = is_restart ? 0 : check_clock(c, line);

    if (err)
        return err;
    if (!line->has_seq)
        err = add_here(c, SW_HOLE_BROKEN, line->ts, 1);
    else if (c->has_seq && line->seq > c->seq)
        err = add_missing(c, line);
    else if (c->has_seq)
        err = add_restart(c, line);
    if (!err && line->is_loss && line->lost_conn) {
        __u64 from = before(line->ts, LOSS_LATE_NS);

        if (c->lines && c->last < from)
            from = c->last;
        c->lost_conn += line->lost_conn;
        err = add(c, SW_HOLE_LOSS, from, after(line->ts, ORDER_NS), line->lost_conn);
    }
    if (c->again && ((line->has_seq && line->seq > c->seq_was) || line->ts > c->again_until))
        c->again = false;
    if (!c->lines++)
        c->first = line->ts;
    if (line->ts > c->last)
        c->last = line->ts;
    if (line->ts > c->now)
        c->now = line->ts;
    if (line->is_stats)
        err = err ? err : take_stats(c, line);
    if (line->is_drop && !err) /* it speaks of up to a second */
        err = add(c, SW_HOLE_UNFOLLOWED, before(line->ts, 2 * ORDER_NS), after(line->ts, ORDER_NS), 1);
    if (line->has_seq) {
        c->seq = line->seq;
        c->has_seq = true;
    }
    if (line->sample > c->sample)
        c->sample = line->sample;
    if (line->unfollowed > c->unfollowed)
        c->unfollowed = line->unfollowed;
    c->final = line->is_final;
    c->open = line->open;
    return err;
}

int sw_coverage_broken(struct sw_coverage *c, __u64 lines, __u64 ts)
{
    c->final = false;
    return add_here(c, SW_HOLE_BROKEN, ts, lines);
}

int sw_coverage_unsure(struct sw_coverage *c, int kind, __u64 start, __u64 end)
{
    return add(c, kind, start, end, 1);
}

int sw_coverage_midstream(struct sw_coverage *c, __u64 start, __u64 ts)
{
    c->conns++;
    return add(c, SW_HOLE_MIDSTREAM, start, ts, 1);
}

bool sw_coverage_guarded(const struct sw_coverage *c, __u64 from, __u64 to)
{
    /* it dropped some before, and what it did since no line says yet */
    if (c->dropped && to > c->stats)
        return true;
    for (size_t i = c->len; i--;)
        if (c->hole[i].guard && c->hole[i].from <= to && c->hole[i].to >= from)
            return true;
    return false;
}

void sw_coverage_free(struct sw_coverage *c)
{
    free(c->hole);
    sw_open_seconds_free(c->seconds);
}

static void take(struct sw_hole *worst, const struct sw_hole *hole)
{
    if (hole->kind > worst->kind)
        *worst = *hole;
}

/* What began between these times and is still open, as far as the file says. */
static void take_open(const struct sw_coverage *c, __u64 from, __u64 until, struct sw_hole *worst)
{
    const __u64 open =
        sw_open_seconds_sum(c->seconds, before(from, ORDER_NS) / 1000000000, after(until, ORDER_NS) / 1000000000);

    if (open || !c->has_opening || from < c->opening_since)
        take(worst, &(struct sw_hole){.from = from, .to = until, .count = open, .kind = SW_HOLE_OPEN});
}

struct sw_hole sw_coverage_ask(const struct sw_coverage *c, __u64 start, __u64 end, __u64 to, __u64 slack)
{
    const __u64 from = before(start, slack), until = after(to, slack), last = after(end, slack);
    struct sw_hole worst = {.kind = SW_HOLE_NONE};

    if (c->sample)
        take(&worst, &(struct sw_hole){.to = ~0ull, .count = c->sample, .kind = SW_HOLE_SAMPLED});
    if (!c->lines || from < c->first)
        take(&worst, &(struct sw_hole){.to = c->first, .kind = SW_HOLE_BEFORE});
    if (c->ended && last > c->last)
        take(&worst, &(struct sw_hole){.from = c->last, .to = ~0ull, .kind = SW_HOLE_AFTER});
    if (c->unfollowed)
        take(&worst, &(struct sw_hole){.to = ~0ull, .count = c->unfollowed, .kind = SW_HOLE_UNFOLLOWED});
    if (c->stats < last)
        take(&worst, &(struct sw_hole){.from = c->stats, .to = ~0ull, .kind = SW_HOLE_NO_STATS});
    for (size_t i = c->len; i-- && worst.kind < SW_HOLE_MAX - 1;)
        if (c->hole[i].from <= until && c->hole[i].to >= from)
            take(&worst, &c->hole[i]);
    /* a last line that says that nothing is open, and `conn` lines are logged: all have their line */
    if (!c->ended || !c->final || c->open || !c->conns || c->emitted > c->conns)
        take_open(c, from, last, &worst);
    return worst;
}

#define NAME_ITEM(prefix, id, name) [prefix##id] = (name),

const char *sw_join_hole_name(unsigned int i)
{
    static const char *const names[] = {SW_JOIN_HOLES(NAME_ITEM)};

    return names[i];
}
