/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A conversation between two endpoints as a test writes it: who says what, in order. Sequence and
 * acknowledgement numbers follow by themselves as two real stacks would choose them; a test that
 * wants others takes the packet, changes it and sends it. Every frame goes to the XDP program, every
 * verdict must be XDP_PASS, and each packet moves the clock by one millisecond.
 */
#ifndef SW_TEST_TALK_H
#define SW_TEST_TALK_H

#include "bpfrun.h"
#include "pkt.h"

#define MS 1000000ull
#define SEC 1000000000ull

enum { A = SW_ORIG, B = SW_RESP };

#define SYN TH_SYN_
#define ACK TH_ACK_
#define FIN TH_FIN_
#define RST TH_RST_
#define PSH TH_PSH_
#define URG TH_URG_
#define ECE TH_ECE_
#define CWR TH_CWR_
#define AE TH_AE_

struct talk {
    struct bpfrun *run;
    struct pkt side[2]; /* templates: addresses, ports, window */
    __u32 isn[2];
    __u32 nxt[2];      /* next sequence number of each side */
    __u32 pkts[2];     /* what was sent: packets and IP bytes, */
    __u32 ip_bytes[2]; /* to compare with the flow's */
    struct sw_key key;
};

/* A is 10.0.0.1:40000 (2001:db8::1), B is 10.0.0.2:80; ISNs 1000 and 5000000. */
void talk_init(struct talk *t, struct bpfrun *run, bool v6);
struct pkt talk_pkt(const struct talk *t, int who, __u16 flags, __u32 payload);
void talk_send(struct talk *t, int who, const struct pkt *p);
void talk_say(struct talk *t, int who, __u16 flags, __u32 payload);
/* The three segments of an opening with the usual options; ends with events "opening established" pending. */
void talk_open(struct talk *t);
/* A says FIN, B ACKs, B says FIN, A ACKs. */
void talk_close(struct talk *t);
void talk_wait(struct talk *t, __u64 ns); /* moves the clock, then sweeps */
void talk_sweep(struct talk *t, __u64 flush);

struct sw_flow talk_flow(struct talk *t); /* fails the test if there is none */

void expect_states_at(const char *file, int line, struct talk *t, unsigned a, unsigned b);
void expect_events_at(const char *file, int line, struct talk *t, const char *words);
void expect_history_at(const char *file, int line, struct talk *t, const char *history);
void expect_where_at(const char *file, int line, struct talk *t, enum bpfrun_where where);
void expect_counts_at(const char *file, int line, struct talk *t);

#define expect_states(t, a, b) expect_states_at(__FILE__, __LINE__, t, SW_ST_##a, SW_ST_##b)
/* The events since the last call, one word each, in order. Clears them. */
#define expect_events(t, words) expect_events_at(__FILE__, __LINE__, t, words)
#define expect_history(t, history) expect_history_at(__FILE__, __LINE__, t, history)
#define expect_where(t, where) expect_where_at(__FILE__, __LINE__, t, BPFRUN_##where)
/* The flow's packets and IP bytes are those that were sent. */
#define expect_counts(t) expect_counts_at(__FILE__, __LINE__, t)
#define expect_counter(t, which, value) assert_int_equal(bpfrun_counter((t)->run, SW_C_##which), value)

/* The conn record emitted for this talk since the last expect_events: exactly one, else the test fails. */
struct sw_event talk_conn_at(const char *file, int line, struct talk *t);
#define talk_conn(t) talk_conn_at(__FILE__, __LINE__, t)
/* The last event of a kind since the last expect_events, without clearing. */
struct sw_event talk_event_at(const char *file, int line, struct talk *t, unsigned kind);
#define talk_event(t, kind) talk_event_at(__FILE__, __LINE__, t, SW_EV_##kind)

#endif
