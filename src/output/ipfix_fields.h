/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a flow record of IPFIX or NetFlow v9 has: tables of elements, from which templates and records are written. */
#ifndef SW_OUTPUT_IPFIX_FIELDS_H
#define SW_OUTPUT_IPFIX_FIELDS_H

#include "synward.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum sw_export_protocol { SW_EXPORT_IPFIX, SW_EXPORT_NETFLOW9 };

/* Whose element it is. REVERSE: the same element of the other direction (RFC 5103). */
enum sw_ipfix_owner { SW_IPFIX_IANA, SW_IPFIX_REVERSE, SW_IPFIX_OWN };

struct sw_ipfix_field {
    __u16 id;
    __u16 len;
    __u8 owner; /* enum sw_ipfix_owner */
    __u8 value; /* whose meaning ipfix_fields.c knows */
};

struct sw_ipfix_template {
    const struct sw_ipfix_field *fields; /* by sw_ipfix_field */
    size_t len;
    bool v4;
};

struct sw_ipfix_clock {
    __s64 offset_ns; /* event time + offset = nanoseconds since 1970 */
    __u64 boot_ns;   /* NetFlow v9: the event time at which the device was started */
};

__u64 sw_ipfix_unix_ms(const struct sw_ipfix_clock *clock, __u64 ns);
__u32 sw_ipfix_uptime(const struct sw_ipfix_clock *clock, __u64 unix_ms); /* milliseconds, after 49 days anew */

struct sw_ipfix_template sw_ipfix_template(enum sw_export_protocol protocol, bool v4);
const struct sw_ipfix_field *sw_ipfix_field(const struct sw_ipfix_template *t, size_t n);
size_t sw_ipfix_record_len(const struct sw_ipfix_template *t);

/* The record of a connection whose source is this side; returns the end. */
__u8 *sw_ipfix_put_record(__u8 *p, const struct sw_ipfix_template *t, const struct sw_ipfix_clock *clock,
                          const struct sw_event *ev, enum sw_side side);

static inline __u8 *sw_ipfix_put16(__u8 *p, __u16 v)
{
    v = htons(v);
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

static inline __u8 *sw_ipfix_put32(__u8 *p, __u32 v)
{
    v = htonl(v);
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

static inline __u8 *sw_ipfix_put64(__u8 *p, __u64 v)
{
    return sw_ipfix_put32(sw_ipfix_put32(p, v >> 32), v);
}

#endif
