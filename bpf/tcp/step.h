/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Steps of the state machine. Inlined into each other they exceed the verifier's limit, because it would follow every
 * path through all of them together. So each is a global function, which is verified once by itself: it must test its
 * pointers for NULL, and it must return a number (kernels before 6.8). On the host it is an ordinary inline function.
 *
 * The kinds are named for their parameters: F flow, D direction (enum sw_side), S segment, O the output (events), N a
 * number. SW_STEP_FDSO(name) { body } defines int name(f, d, s, o).
 *
 * Before 5.12 a global function takes numbers only (SW_OLD, see legacy.h). There the steps work on one flow, segment
 * and output in a map, and sw_fsm_step, the first of them, copies them in and out.
 */
#ifndef SW_BPF_TCP_STEP_H
#define SW_BPF_TCP_STEP_H

#include "tcp/flow.h"
#include "tcp/verdict.h"

#define SW_F_ struct sw_flow *f __attribute__((unused))
#define SW_D_ __u32 d
#define SW_S_ const struct sw_seg *s __attribute__((unused))
#define SW_O_ struct sw_out *o __attribute__((unused))

#if !defined(__bpf__)
#define SW_STEP_ANY(name, params, args, test) SW_STEP int name params
#elif !defined(SW_OLD)
#define SW_STEP_ANY(name, params, args, test)                                                                          \
    static __always_inline int name##_checked params;                                                                  \
    SW_STEP int name params                                                                                            \
    {                                                                                                                  \
        if (test)                                                                                                      \
            return 0;                                                                                                  \
        return name##_checked args;                                                                                    \
    }                                                                                                                  \
    static __always_inline int name##_checked params
#endif

/* Before a step that is seldom needed: the call costs as much as the step. The old form has no stack for it. */
#ifdef SW_OLD
#define SW_IF_NEEDED(test) 1
#else
#define SW_IF_NEEDED(test) (test)
#endif

#if !defined(SW_OLD)
#define SW_STEP_F(name) SW_STEP_ANY(name, (SW_F_), (f), !f)
#define SW_STEP_FD_N(name, n) SW_STEP_ANY(name, (SW_F_, SW_D_, __u32 n), (f, d, n), !f)
#define SW_STEP_FD_NN(name, n, m) SW_STEP_ANY(name, (SW_F_, SW_D_, __u32 n, __u32 m), (f, d, n, m), !f)
#define SW_STEP_FDS(name) SW_STEP_ANY(name, (SW_F_, SW_D_, SW_S_), (f, d, s), !f || !s)
#define SW_STEP_FDSO(name) SW_STEP_ANY(name, (SW_F_, SW_D_, SW_S_, SW_O_), (f, d, s, o), !f || !s || !o)
#define SW_STEP_FDSO_N(name, n)                                                                                        \
    SW_STEP_ANY(name, (SW_F_, SW_D_, SW_S_, SW_O_, __u32 n), (f, d, s, o, n), !f || !s || !o)
#define SW_STEP_FSO(name) SW_STEP_ANY(name, (SW_F_, SW_S_, SW_O_), (f, s, o), !f || !s || !o)
#define SW_STEP_FIRST(name) SW_STEP_FSO(name)
#else
struct sw_work {
    struct sw_flow f;
    struct sw_seg s;
    struct sw_out o;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct sw_work);
} work SEC(".maps");

static __always_inline struct sw_work *sw_work(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&work, &zero);
}

#define SW_STEP_OLD(name, params, numbers, given, args)                                                                \
    static __always_inline int name##_checked params;                                                                  \
    __noinline int name##_there numbers                                                                                \
    {                                                                                                                  \
        struct sw_work *w = sw_work();                                                                                 \
                                                                                                                       \
        return w ? name##_checked args : 0;                                                                            \
    }                                                                                                                  \
    static __always_inline int name params                                                                             \
    {                                                                                                                  \
        return name##_there given;                                                                                     \
    }                                                                                                                  \
    static __always_inline int name##_checked params

#define SW_STEP_F(name) SW_STEP_OLD(name, (SW_F_), (void), (), (&w->f))
#define SW_STEP_FD_N(name, n) SW_STEP_OLD(name, (SW_F_, SW_D_, __u32 n), (SW_D_, __u32 n), (d, n), (&w->f, d, n))
#define SW_STEP_FD_NN(name, n, m)                                                                                      \
    SW_STEP_OLD(name, (SW_F_, SW_D_, __u32 n, __u32 m), (SW_D_, __u32 n, __u32 m), (d, n, m), (&w->f, d, n, m))
#define SW_STEP_FDS(name) SW_STEP_OLD(name, (SW_F_, SW_D_, SW_S_), (SW_D_), (d), (&w->f, d, &w->s))
#define SW_STEP_FDSO(name) SW_STEP_OLD(name, (SW_F_, SW_D_, SW_S_, SW_O_), (SW_D_), (d), (&w->f, d, &w->s, &w->o))
#define SW_STEP_FDSO_N(name, n)                                                                                        \
    SW_STEP_OLD(name, (SW_F_, SW_D_, SW_S_, SW_O_, __u32 n), (SW_D_, __u32 n), (d, n), (&w->f, d, &w->s, &w->o, n))
#define SW_STEP_FSO(name) SW_STEP_OLD(name, (SW_F_, SW_S_, SW_O_), (void), (), (&w->f, &w->s, &w->o))
/* The outermost step: copies its arguments into the map, and the results back. */
#define SW_STEP_FIRST(name)                                                                                            \
    static __always_inline int name##_checked(SW_F_, SW_S_, SW_O_);                                                    \
    __noinline int name##_there(void)                                                                                  \
    {                                                                                                                  \
        struct sw_work *w = sw_work();                                                                                 \
                                                                                                                       \
        return w ? name##_checked(&w->f, &w->s, &w->o) : 0;                                                            \
    }                                                                                                                  \
    static __always_inline int name(SW_F_, SW_S_, SW_O_)                                                               \
    {                                                                                                                  \
        struct sw_work *w = sw_work();                                                                                 \
        int ret;                                                                                                       \
                                                                                                                       \
        if (!w)                                                                                                        \
            return 0;                                                                                                  \
        w->f = *f;                                                                                                     \
        w->s = *s;                                                                                                     \
        w->o = *o;                                                                                                     \
        ret = name##_there();                                                                                          \
        w->f.end_claimed = SW_READ_ONCE(f->end_claimed); /* written by the sweep, which takes no lock */               \
        *f = w->f;                                                                                                     \
        *o = w->o;                                                                                                     \
        return ret;                                                                                                    \
    }                                                                                                                  \
    static __always_inline int name##_checked(SW_F_, SW_S_, SW_O_)
#endif

#endif
