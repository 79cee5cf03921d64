/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/ipfix_fields.h"
#include "base/fmt.h"
#include "base/ip.h"

#define MS 1000000ull

enum value {
    SRC_IP,
    DST_IP,
    SRC_PORT,
    DST_PORT,
    PROTOCOL,
    END_REASON,
    BIFLOW,
    FLAGS,
    BYTES,
    PACKETS,
    START_MS,
    END_MS,
    START_UPTIME,
    END_UPTIME,
    VLAN,
    IN_IF,
    OUT_IF,
    HANDSHAKE,
    SERVER,
    CLIENT,
    CLIENT_SEC,
    CLIENT_USEC,
    SERVER_SEC,
    SERVER_USEC
};

#define IANA SW_IPFIX_IANA
#define REVERSE SW_IPFIX_REVERSE
#define OWN SW_IPFIX_OWN

/* The first two are those of IPv4; those of IPv6 are below. The own elements have numbers that no reverse one has:
 * nfacctd tells elements of two enterprises apart by their numbers. nfdump 1.7 takes the last flags of a record, so the
 * reverse ones come first. */
static const struct sw_ipfix_field ipfix[] = {
    {8, 4, IANA, SRC_IP},     {12, 4, IANA, DST_IP},      {7, 2, IANA, SRC_PORT},   {11, 2, IANA, DST_PORT},
    {4, 1, IANA, PROTOCOL},   {136, 1, IANA, END_REASON}, {239, 1, IANA, BIFLOW},   {6, 1, REVERSE, FLAGS},
    {6, 1, IANA, FLAGS},      {1, 8, IANA, BYTES},        {1, 8, REVERSE, BYTES},   {2, 8, IANA, PACKETS},
    {2, 8, REVERSE, PACKETS}, {152, 8, IANA, START_MS},   {153, 8, IANA, END_MS},   {58, 2, IANA, VLAN},
    {10, 4, IANA, IN_IF},     {14, 4, IANA, OUT_IF},      {101, 8, OWN, HANDSHAKE}, {102, 8, OWN, SERVER},
    {103, 8, OWN, CLIENT},
};

/* Its numbers end at 127; 136 is as in IPFIX, the last four are ntop's, as nProbe has them. */
static const struct sw_ipfix_field netflow9[] = {
    {8, 4, IANA, SRC_IP},          {12, 4, IANA, DST_IP},        {7, 2, IANA, SRC_PORT},
    {11, 2, IANA, DST_PORT},       {4, 1, IANA, PROTOCOL},       {6, 1, IANA, FLAGS},
    {1, 8, IANA, BYTES},           {2, 8, IANA, PACKETS},        {22, 4, IANA, START_UPTIME},
    {21, 4, IANA, END_UPTIME},     {58, 2, IANA, VLAN},          {10, 4, IANA, IN_IF},
    {14, 4, IANA, OUT_IF},         {136, 1, IANA, END_REASON},   {57554, 4, IANA, CLIENT_SEC},
    {57555, 4, IANA, CLIENT_USEC}, {57556, 4, IANA, SERVER_SEC}, {57557, 4, IANA, SERVER_USEC},
};

static const struct sw_ipfix_field v6_addresses[] = {{27, 16, IANA, SRC_IP}, {28, 16, IANA, DST_IP}};

struct sw_ipfix_template sw_ipfix_template(enum sw_export_protocol protocol, bool v4)
{
    const bool is_ipfix = protocol == SW_EXPORT_IPFIX;

    return (struct sw_ipfix_template){.fields = is_ipfix ? ipfix : netflow9,
                                      .len = is_ipfix ? sizeof(ipfix) / sizeof(ipfix[0])
                                                      : sizeof(netflow9) / sizeof(netflow9[0]),
                                      .v4 = v4};
}

const struct sw_ipfix_field *sw_ipfix_field(const struct sw_ipfix_template *t, size_t n)
{
    return n < 2 && !t->v4 ? &v6_addresses[n] : &t->fields[n];
}

size_t sw_ipfix_record_len(const struct sw_ipfix_template *t)
{
    size_t len = 0;

    for (size_t i = 0; i < t->len; i++)
        len += sw_ipfix_field(t, i)->len;
    return len;
}

/* Of flowEndReason: idle, the end was seen, ended by the exporter. */
static __u8 end_reason(const struct sw_flow *f)
{
    switch (f->reason) {
    case SW_WHY_UNANSWERED:
    case SW_WHY_TIMEOUT: return 1;
    case SW_WHY_END_OF_INPUT:
    case SW_WHY_FILTERED: return 4;
    default: return 3;
    }
}

/* As far as the tracker keeps them: PSH and URG it does not, CWR, ECE and AE of the SYN. */
static __u16 tcp_flags(const struct sw_flow *f, enum sw_side side)
{
    const struct sw_end *e = &f->end[side];
    __u16 flags = 0;

    if (!e->pkts)
        return 0;
    if (e->did & SW_E_SYN && !(e->more & SW_M_INFERRED))
        flags |= SW_TCP_SYN | (e->ecn & 7) << 6;
    if (e->did & SW_E_FIN)
        flags |= SW_TCP_FIN;
    if (e->did & SW_E_RST)
        flags |= SW_TCP_RST;
    /* a RST that refuses a SYN has to acknowledge it */
    if (e->ack || e->more & SW_M_SYNACK || (e->did & SW_E_RST && f->reason == SW_WHY_REFUSED))
        flags |= SW_TCP_ACK;
    return flags;
}

static __u64 span(__u64 from, __u64 to)
{
    __u64 ns;

    return sw_span(from, to, &ns) ? ns : 0;
}

static __u64 last_ns(const struct sw_flow *f)
{
    return f->last_ns > f->start_ns ? f->last_ns : f->start_ns;
}

__u64 sw_ipfix_unix_ms(const struct sw_ipfix_clock *clock, __u64 ns)
{
    return (ns + (__u64)clock->offset_ns) / MS;
}

__u32 sw_ipfix_uptime(const struct sw_ipfix_clock *clock, __u64 unix_ms)
{
    return unix_ms - sw_ipfix_unix_ms(clock, clock->boot_ns);
}

/* Where the first segment was seen is where the originator's enter, unless it was at the egress hook. */
static __u32 interface(const struct sw_flow *f, enum sw_side side, bool out)
{
    const bool left = f->hook == SW_HOOK_TC_EGRESS;

    if (f->hook == SW_HOOK_REPLAY)
        return 0;
    return out == (left != (side == SW_RESP)) ? f->ifindex : 0;
}

/* nProbe's latencies: half of what passes between two segments of the handshake, in seconds and the rest of them. */
static __u64 latency(const struct sw_flow *f, enum value value)
{
    const bool client = value == CLIENT_SEC || value == CLIENT_USEC;
    const __u64 us = (client ? span(f->synack_ns, f->est_ns) : span(f->syn_ns, f->synack_ns)) / 2000;

    return value == CLIENT_SEC || value == SERVER_SEC ? us / 1000000 : us % 1000000;
}

static __u64 value_of(const struct sw_ipfix_field *field, const struct sw_ipfix_clock *clock, const struct sw_flow *f,
                      enum sw_side side)
{
    if (field->owner == REVERSE)
        side = side == SW_ORIG ? SW_RESP : SW_ORIG;

    switch ((enum value)field->value) {
    case PROTOCOL: return IPPROTO_TCP;
    case END_REASON: return end_reason(f);
    case BIFLOW: return f->direction_by == SW_BY_MIDSTREAM ? 0 : 1; /* the source is the initiator, or arbitrary */
    case FLAGS: return tcp_flags(f, side);
    case BYTES: return f->end[side].ip_bytes;
    case PACKETS: return f->end[side].pkts;
    case START_MS: return sw_ipfix_unix_ms(clock, f->start_ns);
    case END_MS: return sw_ipfix_unix_ms(clock, last_ns(f));
    case START_UPTIME: return sw_ipfix_uptime(clock, sw_ipfix_unix_ms(clock, f->start_ns));
    case END_UPTIME: return sw_ipfix_uptime(clock, sw_ipfix_unix_ms(clock, last_ns(f)));
    case VLAN: return f->vlan[0];
    case IN_IF: return interface(f, side, false);
    case OUT_IF: return interface(f, side, true);
    case HANDSHAKE: return span(f->syn_ns, f->est_ns);
    case SERVER: return span(f->syn_ns, f->synack_ns);
    case CLIENT: return span(f->synack_ns, f->est_ns);
    case CLIENT_SEC:
    case CLIENT_USEC:
    case SERVER_SEC:
    case SERVER_USEC: return latency(f, field->value);
    default: return 0; /* addresses and ports are on the wire already */
    }
}

static __u8 *put_number(__u8 *p, __u64 v, __u16 len)
{
    switch (len) {
    case 1: *p = v; return p + 1;
    case 2: return sw_ipfix_put16(p, v);
    case 4: return sw_ipfix_put32(p, v);
    default: return sw_ipfix_put64(p, v);
    }
}

static __u8 *put_bytes(__u8 *p, const void *from, size_t len)
{
    memcpy(p, from, len);
    return p + len;
}

__u8 *sw_ipfix_put_record(__u8 *p, const struct sw_ipfix_template *t, const struct sw_ipfix_clock *clock,
                          const struct sw_event *ev, enum sw_side side)
{
    const struct sw_key *key = &ev->key;
    const bool from_b = ev->flow.orig_is_b == (side == SW_ORIG);
    const __u8 *src = from_b ? key->b_ip : key->a_ip, *dst = from_b ? key->a_ip : key->b_ip;

    for (size_t i = 0; i < t->len; i++) {
        const struct sw_ipfix_field *f = sw_ipfix_field(t, i);

        switch ((enum value)f->value) {
        case SRC_IP: p = put_bytes(p, src + 16 - f->len, f->len); break;
        case DST_IP: p = put_bytes(p, dst + 16 - f->len, f->len); break;
        case SRC_PORT: p = put_bytes(p, from_b ? &key->b_port : &key->a_port, f->len); break;
        case DST_PORT: p = put_bytes(p, from_b ? &key->a_port : &key->b_port, f->len); break;
        default: p = put_number(p, value_of(f, clock, &ev->flow, side), f->len);
        }
    }
    return p;
}
