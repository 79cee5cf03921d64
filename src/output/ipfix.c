/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is said of a set here is true of a FlowSet of NetFlow v9, too. */
#include "output/ipfix.h"
#include "base/ip.h"

#define IPFIX_HEADER 16
#define NETFLOW9_HEADER 20
#define SET_HEADER 4
#define REVERSE_PEN 29305 /* RFC 5103 */
#define ENTERPRISE 0x8000

enum { TEMPLATES, OPTIONS_TEMPLATES, IPFIX_TEMPLATES = 2 }; /* ids of sets; IPFIX begins with 2 */
enum { TEMPLATE_V4 = 256, TEMPLATE_V6, TEMPLATE_TOTALS };

/* The totals: messages, flow records, bytes, flows not sent; NetFlow v9 has no number for the last. */
static const __u16 totals_ids[] = {41, 42, 40, 166};
enum { TOTALS_IPFIX = 4, TOTALS_NETFLOW9 = 3 };
enum { DOMAIN_SCOPE = 149, SYSTEM_SCOPE = 1 }; /* what they are about: IPFIX's observation domain, NetFlow's system */

static bool is_ipfix(const struct sw_ipfix *x)
{
    return x->opts.protocol == SW_EXPORT_IPFIX;
}

static size_t header_len(const struct sw_ipfix *x)
{
    return is_ipfix(x) ? IPFIX_HEADER : NETFLOW9_HEADER;
}

void sw_ipfix_init(struct sw_ipfix *x, const struct sw_ipfix_opts *opts)
{
    memset(x, 0, sizeof(*x));
    x->opts = *opts;
    x->len = header_len(x);
}

static size_t padding(size_t len)
{
    return -len & 3;
}

/* Its length, and zeros up to a multiple of four bytes: fewer than any record has. */
static void end_set(struct sw_ipfix *x)
{
    const size_t pad = padding(x->len);

    if (!x->set)
        return;
    memset(x->buf + x->len, 0, pad);
    x->len += pad;
    sw_ipfix_put16(x->buf + x->set + 2, x->len - x->set);
    x->set = 0;
}

static void begin_set(struct sw_ipfix *x, __u16 id)
{
    end_set(x);
    x->set = x->len;
    x->set_id = id;
    sw_ipfix_put16(x->buf + x->len, id);
    x->len += SET_HEADER;
}

/* Do so many bytes of records fit, with what a set of this id needs around them? */
static bool has_room(const struct sw_ipfix *x, __u16 id, size_t bytes)
{
    size_t at = x->len;

    if (!x->set || x->set_id != id)
        at += (x->set ? padding(at) : 0) + SET_HEADER;
    at += bytes;
    return at + padding(at) <= x->opts.size;
}

static void add_template(struct sw_ipfix *x, __u16 id)
{
    const struct sw_ipfix_template t = sw_ipfix_template(x->opts.protocol, id == TEMPLATE_V4);
    __u8 *p = sw_ipfix_put16(sw_ipfix_put16(x->buf + x->len, id), t.len);

    for (size_t i = 0; i < t.len; i++) {
        const struct sw_ipfix_field *f = sw_ipfix_field(&t, i);

        p = sw_ipfix_put16(p, f->owner == SW_IPFIX_IANA ? f->id : f->id | ENTERPRISE);
        p = sw_ipfix_put16(p, f->len);
        if (f->owner != SW_IPFIX_IANA)
            p = sw_ipfix_put32(p, f->owner == SW_IPFIX_REVERSE ? REVERSE_PEN : x->opts.pen);
    }
    x->len = p - x->buf;
    x->items++;
}

/* IPFIX counts fields, of which the first is the scope; NetFlow v9 bytes. */
static void add_totals_template(struct sw_ipfix *x)
{
    const int len = is_ipfix(x) ? TOTALS_IPFIX : TOTALS_NETFLOW9;
    __u8 *p = sw_ipfix_put16(x->buf + x->len, TEMPLATE_TOTALS);

    p = is_ipfix(x) ? sw_ipfix_put16(sw_ipfix_put16(p, 1 + len), 1) : sw_ipfix_put16(sw_ipfix_put16(p, 4), 4 * len);
    p = sw_ipfix_put16(sw_ipfix_put16(p, is_ipfix(x) ? DOMAIN_SCOPE : SYSTEM_SCOPE), 4);
    for (int i = 0; i < len; i++)
        p = sw_ipfix_put16(sw_ipfix_put16(p, totals_ids[i]), 8);
    x->len = p - x->buf;
    x->items++;
}

static void add_totals(struct sw_ipfix *x, __u32 domain, const struct sw_export_totals *t)
{
    const __u64 values[TOTALS_IPFIX] = {t->messages, t->records, t->bytes, t->not_sent};
    __u8 *p = sw_ipfix_put32(x->buf + x->len, domain);

    for (int i = 0; i < (is_ipfix(x) ? TOTALS_IPFIX : TOTALS_NETFLOW9); i++)
        p = sw_ipfix_put64(p, values[i]);
    x->len = p - x->buf;
    x->items++;
    x->data++;
}

/* Of the two kinds of templates. */
static __u16 set_of(const struct sw_ipfix *x, __u16 kind)
{
    return is_ipfix(x) ? IPFIX_TEMPLATES + kind : kind;
}

void sw_ipfix_templates(struct sw_ipfix *x)
{
    begin_set(x, set_of(x, TEMPLATES));
    add_template(x, TEMPLATE_V4);
    add_template(x, TEMPLATE_V6);
}

void sw_ipfix_totals(struct sw_ipfix *x, __u32 domain, const struct sw_export_totals *totals)
{
    begin_set(x, set_of(x, OPTIONS_TEMPLATES));
    add_totals_template(x);
    begin_set(x, TEMPLATE_TOTALS);
    add_totals(x, domain, totals);
}

bool sw_ipfix_conn(struct sw_ipfix *x, const struct sw_event *ev)
{
    const bool v4 = sw_ip_is_v4(ev->key.a_ip), both = is_ipfix(x);
    const struct sw_ipfix_template t = sw_ipfix_template(x->opts.protocol, v4);
    const __u16 id = v4 ? TEMPLATE_V4 : TEMPLATE_V6;

    if (!has_room(x, id, (both ? 1 : 2) * sw_ipfix_record_len(&t)))
        return false;
    if (!x->set || x->set_id != id)
        begin_set(x, id);
    for (int side = SW_ORIG; side <= (both ? SW_ORIG : SW_RESP); side++) {
        if (!both && !ev->flow.end[side].pkts && (side == SW_RESP || ev->flow.end[SW_RESP].pkts))
            continue;
        x->len = sw_ipfix_put_record(x->buf + x->len, &t, &x->clock, ev, side) - x->buf;
        x->items++;
        x->data++;
        x->records++;
    }
    x->conns++;
    return true;
}

/*
 * NetFlow v9 has whole seconds and an uptime in milliseconds, and collectors subtract one from the other for the time
 * of the start, to which those of flows are relative. So the uptime is that of the beginning of the second.
 */
static void put_header(struct sw_ipfix *x, __u64 now)
{
    const __u32 seconds = sw_ipfix_unix_ms(&x->clock, now) / 1000;
    __u8 *p = x->buf;

    if (is_ipfix(x)) {
        p = sw_ipfix_put16(sw_ipfix_put16(p, 10), x->len);
        p = sw_ipfix_put32(p, seconds);
    } else {
        p = sw_ipfix_put16(sw_ipfix_put16(p, 9), x->items);
        p = sw_ipfix_put32(p, sw_ipfix_uptime(&x->clock, seconds * 1000ull));
        p = sw_ipfix_put32(p, seconds);
    }
    p = sw_ipfix_put32(p, x->sequence);
    sw_ipfix_put32(p, x->opts.domain);
}

size_t sw_ipfix_finish(struct sw_ipfix *x, __u64 now)
{
    if (!x->items)
        return 0;
    end_set(x);
    put_header(x, now);
    return x->len;
}

void sw_ipfix_next(struct sw_ipfix *x)
{
    x->sequence += is_ipfix(x) ? x->data : 1; /* data records, or packets */
    x->len = header_len(x);
    x->set = 0;
    x->items = x->data = x->records = x->conns = 0;
}
