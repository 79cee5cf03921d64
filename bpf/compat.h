/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Compiler, kernel and host differences, and nothing else. The pure headers (packet/parse.h, tcp/fsm.h
 * and others) compile for BPF and for the host, where they are tested and fuzzed.
 */
#ifndef SW_COMPAT_H
#define SW_COMPAT_H

#ifdef __bpf__
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#define sw_ntohs bpf_ntohs
#define sw_ntohl bpf_ntohl
#define sw_htons bpf_htons
#ifndef SW_OLD
#define SW_XDP "xdp.frags"
#else
#define SW_XDP "xdp"
#endif
#define SW_CONSTANT const volatile /* set before the program is loaded, and a constant from then on */
#else
#include <arpa/inet.h>
#include <linux/types.h>
#define SW_CONSTANT
#define sw_ntohs ntohs
#define sw_ntohl ntohl
#define sw_htons htons
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#endif

/*
 * Fields of headers lie where the frame puts them, often at odd places. The BPF machine loads them all
 * the same; on the host the type must say so.
 */
#ifdef __bpf__
typedef __be16 sw_wire16;
typedef __be32 sw_wire32;
#else
typedef __be16 sw_wire16 __attribute__((aligned(1)));
typedef __be32 sw_wire32 __attribute__((aligned(1)));
#endif

/* Unrolled, these loops need more registers than there are and spill: all stack frames together have 512 bytes. */
#ifdef __bpf__
#define SW_ROLLED _Pragma("clang loop unroll(disable)")
#define SW_UNROLLED _Pragma("clang loop unroll(full)")
#else
#define SW_ROLLED
#define SW_UNROLLED
#endif

/* The verifier must see that an endpoint's index is 0 or 1. */
#define sw_side_bound(d)                                                                                               \
    do {                                                                                                               \
        sw_opaque(d);                                                                                                  \
        (d) &= 1;                                                                                                      \
    } while (0)

/*
 * clang 14 to 19 turn a bounded scalar back into its unbounded copy, or merge two checks that the
 * verifier needs one after the other ("math between pkt pointer and register with unbounded min
 * value"). Hiding the value from the optimiser keeps the check and the use together.
 */
#define sw_opaque(x) asm volatile("" : "+r"(x))

/*
 * What the verifier knows of x goes: x plus and minus a number of the same width that it does not know. Where many
 * paths give one variable a constant each, they are one path from here on.
 */
#ifdef __bpf__
#define sw_forget(x, unknown) asm volatile("%0 += %1\n\t%0 -= %1" : "+r"(x) : "r"(unknown))
#else
#define sw_forget(x, unknown) ((void)(unknown))
#endif

/*
 * A length from 1 to `most`, a power of two, as the verifier must see it: kernel 6.1 does not learn the 1 from a
 * comparison. Does not change a length that is one.
 */
static __always_inline __u32 sw_length(__u32 n, __u32 most)
{
    n--;
    sw_opaque(n);
    return (n & (most - 1)) + 1;
}

/* A part of the BPF programs that is verified separately and takes its input from the per-CPU scratch. */
#ifdef __bpf__
#define SW_PART __noinline
#else
#define SW_PART static inline __attribute__((unused))
#endif

/*
 * A function with pointer arguments that is verified separately, once, as a global function. Before 5.12 a global
 * function takes numbers only, so there it is inlined.
 */
#if !defined(__bpf__)
#define SW_STEP static inline __attribute__((unused))
#elif !defined(SW_OLD)
#define SW_STEP __noinline
#else
#define SW_STEP static __always_inline
#endif

/* Fields that two CPUs may write and read without the lock: one access, never torn or cached. */
#define SW_READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define SW_WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

#endif
