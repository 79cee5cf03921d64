/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/sleep.h"

#include "daemon/dispatch.h"
#include "guard/guard.h"

#define NAP_NS (SW_NAP_MS * 1000000ull)

static int nap_ms(const struct sw_loop_state *l, __u64 now)
{
    __u64 ns = NAP_NS;

    if (l->more)
        return 0;
    if (l->deadline && l->deadline < now + ns)
        ns = l->deadline > now ? l->deadline - now : 0;
    return (ns + 999999) / 1000000;
}

/* Is there nothing that is only looked at from time to time? */
static bool only_waits(const struct sw_loop_state *l)
{
    for (int i = 0; i < SW_RINGS; i++)
        if (!l->ring_watched[i])
            return false;
    return !l->more && !l->stopping && !l->outage.err && !sw_rings_taken(&l->rings) &&
           !sw_report_pending(l->in->report) && !sw_readers_any(l->in->readers) && !sw_owners_waits(l->in->owners);
}

/* False: not now. */
static bool fall_asleep(struct sw_loop_state *l)
{
    if (l->in->guard && sw_guard_runtime_watch(l->in->guard, l->epoll, true))
        return false;
    return sw_rings_sleep(&l->rings) && (!l->in->guard || sw_guard_runtime_is_empty(l->in->guard));
}

static void wake_up(const struct sw_loop_state *l)
{
    sw_rings_wake(&l->rings);
    if (l->in->guard)
        sw_guard_runtime_watch(l->in->guard, l->epoll, false);
}

/* Tasks are at most a nap late, as if it were taken. So those of about one time need one awakening. */
static int sleep_ms(const struct sw_loop_state *l, __u64 now)
{
    __u64 next = l->next_tick < l->next_look ? l->next_tick : l->next_look;
    __u64 of_guard = l->in->guard ? sw_guard_runtime_next(l->in->guard) : ~0ULL;

    if (of_guard < next)
        next = of_guard;
    next += NAP_NS - 1 - (next + NAP_NS - 1) % NAP_NS;
    if (l->deadline && l->deadline < next)
        next = l->deadline;
    return next > now ? (next - now + 999999) / 1000000 : 0;
}

void sw_sleep(struct sw_loop_state *l, __u64 now)
{
    bool came;

    if (l->quiet && only_waits(l)) {
        came = sw_dispatch_wait(l, fall_asleep(l) ? sleep_ms(l, now) : nap_ms(l, now));
        wake_up(l);
    } else {
        came = sw_dispatch_wait(l, nap_ms(l, now));
    }
    l->quiet = !came;
}
