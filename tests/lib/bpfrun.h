/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The real BPF object, loaded and fed by BPF_PROG_TEST_RUN: no interface, no clock. Time is a
 * parameter (cfg.replay), events come back in the order in which they were made.
 */
#ifndef SW_TEST_BPFRUN_H
#define SW_TEST_BPFRUN_H

#include "synward.h"
#include "synward_ladder.h"
#include "loader/object.h"

#include <stdbool.h>
#include <stddef.h>

enum { BPFRUN_XDP_DROP = 1, BPFRUN_XDP_PASS = 2, BPFRUN_XDP_TX = 3, BPFRUN_TCX_NEXT = -1 };

struct bpfrun; /* opaque */
struct synward_bpf;

/* Options with explicit timeouts, so that tests do not hang on defaults: close delay 5 s, SYN_SENT 20 s,
 * SYN_RECEIVED 30 s, ESTABLISHED 3600 s, FIN_WAIT 120 s, CLOSE_WAIT 130 s, LAST_ACK 40 s, midstream 300 s;
 * all events, checksums verified, no updates. */
/* The form for kernels before 5.18 is tested: there, or because SW_TEST_OLD is set. It verifies no checksums and sees
 * no frames of several pages. */
bool bpfrun_old(void);
void bpfrun_opts(struct sw_object_opts *opts);

int bpfrun_new(const struct sw_object_opts *opts, struct bpfrun **ret_run); /* 0 or -errno */
void bpfrun_free(struct bpfrun *run);                                       /* NULL is fine */
/* From now on objects are kept for the next one that is loaded with the same options; false: they go. */
void bpfrun_keep(bool on);
/* Empties maps, counters, events; the clock goes back to 1000 s. */
int bpfrun_reset(struct bpfrun *run);

__u64 bpfrun_now(const struct bpfrun *run);
void bpfrun_set_now(struct bpfrun *run, __u64 ns);

/* Runs one frame; the verdict in *ret_verdict. 0 or -errno. */
int bpfrun_ingress(struct bpfrun *run, const __u8 *frame, size_t len, int *ret_verdict);

/* What became of a frame. */
struct bpfrun_out {
    int verdict;
    __u32 len;      /* of the frame that came out */
    __u32 meta_len; /* metadata before it */
    __u8 meta[64];
    __u8 frame[4096]; /* longer frames are cut here */
};
int bpfrun_xdp(struct bpfrun *run, const __u8 *frame, size_t len, struct bpfrun_out *ret_out);

/* What the egress hook knows beside the frame. */
struct bpfrun_skb {
    __u32 ingress_ifindex; /* forwarded from there; 0: made by this host */
    __u32 gso_size;
    __u32 gso_segs;
};
int bpfrun_egress(struct bpfrun *run, const __u8 *frame, size_t len, const struct bpfrun_skb *skb, int *ret_verdict);
int bpfrun_sweep(struct bpfrun *run, __u64 flush, struct sw_sweep *ret_sweep); /* at bpfrun_now */

/* Events since the last reset or clear. */
size_t bpfrun_events(const struct bpfrun *run, const struct sw_event **ret_events);
void bpfrun_clear_events(struct bpfrun *run);
/* Of the last `conn` since then; NULL: it came without one (--ladder is off), or there was none. */
const struct sw_ladder *bpfrun_ladder(const struct bpfrun *run);
/* While off, records stay in the rings, as with a reader that does not read. */
void bpfrun_drain(struct bpfrun *run, bool on);

enum bpfrun_where { BPFRUN_NOWHERE, BPFRUN_HALF_OPEN, BPFRUN_FLOWS };
enum bpfrun_where bpfrun_lookup(struct bpfrun *run, const struct sw_key *key, struct sw_flow *ret_flow);
size_t bpfrun_count(struct bpfrun *run, enum bpfrun_where where);
size_t bpfrun_syn_cache_entries(struct bpfrun *run); /* of handshakes that are not complete */
__s64 bpfrun_room(const struct bpfrun *run);
void bpfrun_set_room(struct bpfrun *run, __s64 room);            /* in half_open, until the next sweep or reset */
__u64 bpfrun_counter(struct bpfrun *run, enum sw_counter which); /* since the last reset */
/* Sets the filter, as words: "port 80,443 not-net 10.0.0.0/8"; "": none. A reset removes it. 0 or -errno. */
int bpfrun_filter(struct bpfrun *run, const char *words);
int bpfrun_watch(struct bpfrun *run, __u32 ifindex);

struct synward_bpf *bpfrun_object(struct bpfrun *run); /* for its maps */

const char *bpfrun_state_name(unsigned state);
/* One word an event: its kind, and for anomalies "anomaly:what". */
void bpfrun_event_word(const struct sw_event *ev, char *buf, size_t size);

#endif
