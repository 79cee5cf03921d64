/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections as messages of IPFIX (RFC 7011, biflows by RFC 5103) or NetFlow v9 (RFC 3954). Pure: records gather in a
 * message in memory, which the caller sends. docs/export.md has the templates.
 */
#ifndef SW_OUTPUT_IPFIX_H
#define SW_OUTPUT_IPFIX_H

#include "output/ipfix_fields.h"
#include "synward.h"

#include <stdbool.h>
#include <stddef.h>

#define SW_EXPORT_SIZE 1400     /* of a message, without its UDP and IP headers */
#define SW_EXPORT_SIZE_MIN 508  /* what every host takes in one piece, by IPv4 */
#define SW_EXPORT_SIZE_MAX 8900 /* of jumbo frames */
#define SW_EXPORT_PEN 32473     /* RFC 5612: of examples. synward has none of its own */

/* What an options record says: before its own message. */
struct sw_export_totals {
    __u64 messages, records, bytes;
    __u64 not_sent; /* connections that have no record */
};

struct sw_ipfix_opts {
    enum sw_export_protocol protocol;
    __u32 domain; /* observation domain id, source id */
    __u32 pen;    /* of our own elements */
    __u32 size;   /* most bytes of a message */
};

struct sw_ipfix {
    struct sw_ipfix_opts opts;
    struct sw_ipfix_clock clock; /* set by the caller at any time */
    __u32 sequence;              /* of the message that is being made */
    size_t len;                  /* of it */
    size_t set;                  /* where its open set begins; 0: none is open */
    __u16 set_id;                /* its id */
    __u16 items;                 /* records of all kinds, templates too */
    __u16 data;                  /* data records of all kinds */
    __u16 records;               /* data records of flows */
    __u16 conns;                 /* connections that these are of */
    __u8 buf[SW_EXPORT_SIZE_MAX];
};

void sw_ipfix_init(struct sw_ipfix *x, const struct sw_ipfix_opts *opts);

/* The templates of connections, or the totals of this domain with their own: each alone in a message, where it fits. */
void sw_ipfix_templates(struct sw_ipfix *x);
void sw_ipfix_totals(struct sw_ipfix *x, __u32 domain, const struct sw_export_totals *totals);

/* The records of a connection that has ended: one, or for NetFlow one for each direction that had packets. False: the
 * message has no room for them, and is to be sent first. */
bool sw_ipfix_conn(struct sw_ipfix *x, const struct sw_event *ev);

/* Completes the message, as of this event time: x->buf has so many bytes. 0: there is nothing in it. */
size_t sw_ipfix_finish(struct sw_ipfix *x, __u64 now);
/* The next message. What was in this one counts for the sequence also if it was not sent: collectors miss it then. */
void sw_ipfix_next(struct sw_ipfix *x);

#endif
