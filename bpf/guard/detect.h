/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is a service under a SYN flood? calm -> engaged -> grace -> calm, evaluated every 100 ms from per-CPU counters, by
 * the CPU that receives the first SYN after that (or by sw_detect, when no SYN comes).
 */
#ifndef SW_BPF_GUARD_DETECT_H
#define SW_BPF_GUARD_DETECT_H

#include "guard/drop.h"

#define SW_CPUS_MAX 256         /* counters of further CPUs are not summed */
#define SW_HALF_OPEN_SECONDS 63 /* how long a listener keeps a half-open handshake (5 SYN-ACK retries) */
#define SW_COOKIE_SECONDS 3     /* engaged: how long a SYN may take to become a connection */
#define SW_RATE_TICKS 10        /* a second */
#define SW_RATE_INTERVALS 2     /* consecutive intervals over the rate threshold: one burst is not a flood */

#define SW_KERNEL_FRESH_NS 3000000000ull /* how long the daemon's look at the kernel's queue counts */
#define SW_KERNEL_LEFT_UNKNOWN ~0u       /* until the daemon has looked since the last change of state */
#define SW_KERNEL_COOKIES_LEAST 10       /* a second: cookies of the kernel that show a full queue */

SW_STEP int sw_sum_cpus(__u32 service, struct sw_sum *sum)
{
    if (!sum)
        return 0;
    __builtin_memset(sum, 0, sizeof(*sum));
    for (__u32 cpu = 0; cpu < SW_CPUS_MAX; cpu++) {
        struct sw_svc_counters *t = bpf_map_lookup_percpu_elem(&svc_counters, &service, cpu);

        if (!t)
            break;
        sum->syns += (__u32)t->item[SW_T_SYNS];
        sum->opened += (__u32)t->item[SW_T_OPENED];
        sum->resolved += (__u32)(t->item[SW_T_RESOLVED] - t->item[SW_T_REOPENED] - t->item[SW_T_RESET_UNDONE]);
        sum->completed += (__u32)(t->item[SW_T_COMPLETED] - t->item[SW_T_REOPENED]);
        sum->sent += (__u32)t->item[SW_T_COOKIES_SENT];
        sum->accepted += (__u32)t->item[SW_T_COOKIES_ACCEPTED];
        sum->kernel_cookies += (__u32)t->item[SW_T_KERNEL_COOKIES];
    }
    return 0;
}

static __always_inline void sw_sum_copy(struct sw_sum *to, const struct sw_sum *from)
{
    to->syns = from->syns;
    to->opened = from->opened;
    to->resolved = from->resolved;
    to->completed = from->completed;
    to->sent = from->sent;
    to->accepted = from->accepted;
    to->kernel_cookies = from->kernel_cookies;
}

/* Puts the totals into the rings. Ticks and seconds without an evaluation saw no SYN: they repeat the last one. */
SW_STEP int sw_svc_history_add(struct sw_svc_history *p, struct sw_sum *sum, __u64 last, __u64 tick)
{
    __u64 sec = tick / 10, last_sec = last / 10, n;
    struct sw_sum prev;

    if (!p || !sum)
        return 0;
    if (!last) { /* the first time: earlier totals do not count */
        sw_sum_copy(&prev, sum);
        last = 0;
        last_sec = 0;
    } else {
        sw_sum_copy(&prev, &p->tick[last & (SW_TICKS - 1)]);
    }
    n = tick - last < SW_TICKS ? tick - last : SW_TICKS;
    SW_ROLLED
    for (__u32 i = 0; i < SW_TICKS; i++) {
        if (i >= n)
            break;
        sw_sum_copy(&p->tick[(tick - i) & (SW_TICKS - 1)], &prev);
    }
    sw_sum_copy(&p->tick[tick & (SW_TICKS - 1)], sum);
    n = sec - last_sec < SW_SECONDS_BACK ? sec - last_sec : SW_SECONDS_BACK;
    SW_ROLLED
    for (__u32 i = 0; i < SW_SECONDS_BACK; i++) {
        if (i >= n)
            break;
        sw_sum_copy(&p->second[(sec - i) & (SW_SECONDS_BACK - 1)], &prev);
    }
    return 0;
}

/* Has a SYN-ACK said so while a connection of that time can be here? */
static __always_inline int sw_is_elsewhere(const struct sw_service *sv, __u64 now)
{
    return sv->elsewhere && now < sv->elsewhere * SW_SECOND + cfg.t_established;
}

/* Is what the daemon has read of the kernel's queue recent? */
static __always_inline __u32 sw_kernel_known(const struct sw_service *sv, __u64 now)
{
    return sv->kernel_at && now - sv->kernel_at < SW_KERNEL_FRESH_NS;
}

static __always_inline __u64 sw_sum_more(__u32 a, __u32 b)
{
    __s32 d = (__s32)(a - b);

    return d > 0 ? d : 0;
}

/*
 * The kernel cannot hold more than it held when the daemon looked, and what was opened since; besides what it has
 * answered with cookies of its own, for which it holds nothing.
 */
static __always_inline void sw_detect_bound(struct sw_service *sv, struct sw_svc_history *p, const struct sw_sum *sum,
                                            __u64 now, __u64 sec)
{
    const struct sw_sum *then = &p->second[sv->kernel_at / SW_SECOND & (SW_SECONDS_BACK - 1)],
                        *start = &p->second[(sec - SW_HALF_OPEN_SECONDS) & (SW_SECONDS_BACK - 1)];
    __u64 most;

    if (sw_is_elsewhere(sv, now) || !sw_kernel_known(sv, now))
        return;
    most = sv->kernel_half_open + sw_sum_more(sum->opened, then->opened) +
           sw_sum_more(sum->kernel_cookies, start->kernel_cookies);
    if (sv->half_open > most)
        sv->half_open = most;
}

/* The values that the decision is based on, into the service, where user space reads them. */
static __always_inline void sw_detect_measure(struct sw_service *sv, struct sw_svc_history *p, const struct sw_sum *sum,
                                              const struct sw_guard *g, __u64 now)
{
    __u64 tick = sv->tick, sec = tick / 10;
    const struct sw_sum *second_ago = &p->tick[(tick - SW_RATE_TICKS) & (SW_TICKS - 1)], *start;

    sv->syn_rate = sum->syns - second_ago->syns;
    sv->completed_rate =
        sw_sum_more(sum->completed, second_ago->completed) + sw_sum_more(sum->accepted, second_ago->accepted);
    if (sv->kernel_left == SW_KERNEL_LEFT_UNKNOWN ? sv->kernel_at > sv->since : sv->kernel_half_open < sv->kernel_left)
        sv->kernel_left = sv->kernel_half_open;
    if (sv->state == SW_GS_ENGAGED) { /* whatever happened to a SYN, it should have become a connection by now */
        start = &p->second[(sec - SW_COOKIE_SECONDS) & (SW_SECONDS_BACK - 1)];
        sv->half_open =
            sw_sum_more(sum->syns - start->syns, (sum->accepted - start->accepted) + (sum->resolved - start->resolved));
        return;
    }
    start = &p->second[(sec - SW_HALF_OPEN_SECONDS) & (SW_SECONDS_BACK - 1)];
    sv->half_open = sw_sum_more(sum->opened - start->opened, sum->resolved - start->resolved);
    if (!(g->flags & SW_G_COOKIES_ALWAYS))
        sw_detect_bound(sv, p, sum, now, sec);
}

/*
 * The second opinion: the kernel has more half-open handshakes than the threshold, whatever they came from; or its
 * queue is full, as the daemon or the kernel's own cookies say, and few handshakes complete.
 */
static __always_inline __u32 sw_detect_kernel(const struct sw_service *sv, const struct sw_svc_history *p,
                                              const struct sw_sum *sum, const struct sw_guard *g, __u64 now)
{
    const struct sw_sum *second_ago = &p->tick[(sv->tick - SW_RATE_TICKS) & (SW_TICKS - 1)];
    __u32 few = sv->completed_rate * 2 < sv->syn_rate, known = sw_kernel_known(sv, now);

    if (known && sv->kernel_half_open >= sv->kernel_left && sv->kernel_half_open - sv->kernel_left >= g->half_open)
        return 1;
    return few &&
           ((known && sv->kernel_full) || sum->kernel_cookies - second_ago->kernel_cookies >= SW_KERNEL_COOKIES_LEAST);
}

/* Does the SYN rate exceed its threshold divided by `part`, with fewer than half of the handshakes completed? */
static __always_inline __u32 sw_detect_rate_exceeded(const struct sw_service *sv, const struct sw_guard *g, __u32 part)
{
    return sv->syn_rate >= g->syn_rate / part && sv->completed_rate * 2 < sv->syn_rate;
}

/* The next state; *ret_cause is the reason if it changes. kernel: its queue says that there is a flood. over_limit: a
 * SYN exceeded a limit within the last second. */
static __always_inline __u32 sw_detect_next_state(struct sw_service *sv, const struct sw_guard *g, __u64 now,
                                                  __u32 kernel, __u32 over_limit, __u32 *ret_cause)
{
    __u32 state = sv->state;

    if (sv->mode == SW_GM_OFF || sv->flags & SW_SV_NO_LISTENER) {
        *ret_cause = sv->mode == SW_GM_OFF ? SW_GW_MODE : SW_GW_NO_LISTENER;
        if (state == SW_GS_ENGAGED)
            return SW_GS_GRACE;
    } else if (sv->mode == SW_GM_ALWAYS) {
        *ret_cause = SW_GW_MODE;
        return SW_GS_ENGAGED;
    } else if (state != SW_GS_ENGAGED) {
        if (sv->half_open >= g->half_open) {
            *ret_cause = SW_GW_HALF_OPEN;
            return SW_GS_ENGAGED;
        }
        if (over_limit) {
            *ret_cause = SW_GW_OVER_LIMIT;
            return SW_GS_ENGAGED;
        }
        sv->rate_exceeded = kernel || sw_detect_rate_exceeded(sv, g, 1) ? sv->rate_exceeded + 1 : 0;
        if (sv->rate_exceeded >= SW_RATE_INTERVALS) {
            *ret_cause = kernel ? SW_GW_KERNEL_QUEUE : SW_GW_SYN_RATE;
            return SW_GS_ENGAGED;
        }
    } else {
        if (kernel || over_limit || sv->half_open >= (g->half_open + 1) / 2 || sw_detect_rate_exceeded(sv, g, 2))
            sv->last_busy = now;
        *ret_cause = SW_GW_BELOW_THRESHOLD;
        return now - sv->last_busy >= g->hold ? SW_GS_GRACE : SW_GS_ENGAGED;
    }
    if (state == SW_GS_GRACE && now - sv->since >= g->grace) {
        *ret_cause = SW_GW_GRACE_ENDED;
        return SW_GS_CALM;
    }
    return state;
}

static __always_inline void sw_emit_guard_state(struct sw_service *sv, __u32 index, const struct sw_guard *g, __u32 to,
                                                __u32 cause, __u64 now)
{
    struct sw_guard_event *t;

    if (!SW_GUARD_EMITS(SW_GUARD_EV_STATE))
        return;
    t = bpf_ringbuf_reserve(&guard_events, sizeof(*t), 0);
    if (!t) {
        sw_count(SW_C_GUARD_LOST);
        return;
    }
    __builtin_memset(t, 0, sizeof(*t));
    sw_guard_event_service(t, sv, index);
    t->kind = SW_GUARD_EV_STATE;
    t->hook = SW_HOOK_SWEEP;
    t->ts = now;
    t->from = sv->state;
    t->to = (__u8)to;
    t->cause = (__u8)cause;
    t->half_open = sv->half_open;
    t->half_open_threshold = g->half_open;
    t->syn_rate = sv->syn_rate;
    t->syn_rate_threshold = g->syn_rate;
    t->completed_rate = sv->completed_rate;
    t->kernel_half_open = sv->kernel_half_open;
    t->in_state_ns = sv->since ? now - sv->since : 0;
    bpf_ringbuf_submit(t, 0);
}

/* Evaluates a service if it is due. */
SW_STEP int sw_detect_service(__u32 index, __u64 now)
{
    struct sw_service *sv = bpf_map_lookup_elem(&services, &index);
    struct sw_svc_history *p = bpf_map_lookup_elem(&svc_history, &index);
    struct sw_guard *g = sw_guard_config();
    __u32 next, over_limit, cause = SW_GW_NONE;
    struct sw_sum sum;
    __u64 tick;

    if (!sv || !p || !g || now < sv->due)
        return 0;
    if (__sync_val_compare_and_swap(&sv->evaluating, 0, 1))
        return 0;
    sv->due = now + SW_DETECT_NS;
    tick = now / SW_DETECT_NS;
    sw_sum_cpus(index, &sum);
    if (tick > sv->tick) {
        sw_svc_history_add(p, &sum, sv->tick, tick);
        sv->tick = tick;
    }
    sw_detect_measure(sv, p, &sum, g, now);
    over_limit = p->over_limit_ns && now < p->over_limit_ns + SW_SECOND;
    next = sw_detect_next_state(sv, g, now, sw_detect_kernel(sv, p, &sum, g, now), over_limit, &cause);
    if (next != sv->state) {
        sw_emit_guard_state(sv, index, g, next, cause, now);
        if (sv->state == SW_GS_CALM)
            __sync_fetch_and_add(&g->active, 1);
        if (next == SW_GS_CALM)
            __sync_fetch_and_add(&g->active, -1);
        if (next == SW_GS_ENGAGED || next == SW_GS_GRACE)
            sv->kernel_left = SW_KERNEL_LEFT_UNKNOWN;
        if (next == SW_GS_GRACE) /* what was half-open before does not count again */
            sw_svc_history_add(p, &sum, 0, sv->tick);
        sv->cause = (__u8)cause;
        sv->since = now;
        sv->last_busy = now;
        sv->rate_exceeded = 0;
        SW_WRITE_ONCE(sv->state, (__u8)next);
    }
    next = sv->state != SW_GS_CALM && sv->mode != SW_GM_OFF && sv->mode != SW_GM_MONITOR;
    if (next != sv->enforcing) {
        sv->enforcing = (__u8)next;
        __sync_fetch_and_add(&g->engaged, next ? 1 : -1);
    }
    __sync_lock_test_and_set(&sv->evaluating, 0);
    return 0;
}

/* A SYN over a limit: the service is engaged at once if it is not. */
SW_STEP int sw_detect_over_limit(__u32 index, __u64 now)
{
    struct sw_service *sv = bpf_map_lookup_elem(&services, &index);
    struct sw_svc_history *p = bpf_map_lookup_elem(&svc_history, &index);

    if (!sv || !p)
        return 0;
    p->over_limit_ns = now;
    if (sv->state == SW_GS_ENGAGED)
        return 0;
    sv->due = now;
    return sw_detect_service(index, now);
}

struct sw_detect_ctx {
    __u64 now;
};

static long sw_detect_one(void *map, __u32 *index, struct sw_service *sv, struct sw_detect_ctx *c)
{
    (void)map;
    if (sv->port)
        sw_detect_service(*index, c->now);
    return 0;
}

static __always_inline int sw_detect_all(void)
{
    struct sw_detect_ctx c = {.now = sw_now()};

    bpf_for_each_map_elem(&services, sw_detect_one, &c, 0);
    for (__u32 at = 2; at < 2 * SW_DROP_MAX; at++)
        sw_emit_drop_counts(at, c.now);
    return 0;
}

#endif
