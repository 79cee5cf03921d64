/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guard's side of a loaded object (bpfrun with cfg.guard): services, lists, keys and configuration put into the
 * maps as user space does it, and what the programs count and emit.
 */
#ifndef SW_TEST_GUARDRUN_H
#define SW_TEST_GUARDRUN_H

#include "bpfrun.h"
#include "pkt.h"

struct guardrun; /* opaque */

int guardrun_new(struct bpfrun *run, struct guardrun **ret); /* 0 or -errno */
void guardrun_free(struct guardrun *g);                      /* NULL is fine */

/*
 * After bpfrun_reset: no service, no list entry, no route, no counts, fresh buckets; the thresholds 1024 half-open and
 * 4000 SYNs/s, hold 10 s, grace 140 s, no limits; all TCP options granted, TTL 64, hop limit 63; keys of the test's
 * own.
 */
int guardrun_reset(struct guardrun *g);

struct sw_guard *guardrun_conf(struct guardrun *g);              /* the mapped element */
struct sw_service *guardrun_at(struct guardrun *g, __u32 index); /* the mapped element */
const struct sw_keys *guardrun_keys(const struct guardrun *g);   /* those in use */
int guardrun_install(struct guardrun *g, const struct sw_keys *keys);

/* Adds a service: mode auto, backend reqsk, window scale 10, MSS 1460 and 1440, window 65160. ip NULL: the wildcard of
 * both families. Services of an address of their own come before the wildcard. Its index. */
__u32 guardrun_service(struct guardrun *g, const __u8 ip[16], __u16 port);
/* Of a gateway: a prefix of so many bits of a v4-mapped address. Its index. guardrun_not: this address is none. */
__u32 guardrun_net(struct guardrun *g, const __u8 ip[16], __u32 bits, __u16 port);
int guardrun_not(struct guardrun *g, const __u8 ip[16], __u16 port);
void guardrun_local(struct guardrun *g, const __u8 ip[16]); /* an address of this host */
/* Sets or clears the bit of p's four-tuple, whose source is the remote end, in one generation. True: it was set. */
bool guardrun_known(struct guardrun *g, __u32 generation, const struct pkt *p, bool on);
bool guardrun_is_known(struct guardrun *g, __u32 generation, const struct pkt *p);
int guardrun_list(struct guardrun *g, bool allow, const __u8 ip[16], __u32 prefix_len, __u32 value);
int guardrun_route(struct guardrun *g, const __u8 ip[16], __u32 prefix_len, bool reached);

int guardrun_detect(struct guardrun *g); /* runs sw_detect at bpfrun_now */
struct sw_svc_counters guardrun_counters(struct guardrun *g, __u32 index);
__u64 guardrun_dropped(struct guardrun *g, __u32 index); /* for all reasons */

/* Records since the last reset or clear. */
size_t guardrun_events(struct guardrun *g, const struct sw_guard_event **ret);
size_t guardrun_captures(struct guardrun *g, const struct sw_capture **ret);
void guardrun_clear(struct guardrun *g);
void guardrun_drain(struct guardrun *g, bool on); /* off: nobody reads the rings */

/* For messages. */
const char *guardrun_drop_name(unsigned reason);
const char *guardrun_state_name(unsigned state);
const char *guardrun_svc_counter_name(unsigned item);

#endif
