/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Messages of IPFIX and NetFlow v9, byte by byte, and taken apart again by their own templates. */
#include "lines.h"
#include "output/ipfix.h"

#define DOMAIN 7
#define OFFSET (5 * (__s64)SW_SECOND)

enum { V4 = 256, V6, TOTALS };

static void begin(struct sw_ipfix *x, enum sw_export_protocol protocol, __u32 size)
{
    sw_ipfix_init(x, &(struct sw_ipfix_opts){protocol, DOMAIN, SW_EXPORT_PEN, size});
    x->clock = (struct sw_ipfix_clock){.offset_ns = OFFSET, .boot_ns = 1700000000000000000ULL};
}

static struct sw_event conn(bool v4)
{
    struct sw_event ev = sample(SW_EV_CONN);
    struct sw_flow *f = &ev.flow;

    if (!v4)
        for (int i = 0; i < 12; i++)
            ev.key.a_ip[i] = ev.key.b_ip[i] = 0x20 + i;
    f->syn_ns = f->start_ns;
    f->synack_ns = f->syn_ns + 3000500;
    f->est_ns = f->synack_ns + 1000000;
    f->reason = SW_WHY_FIN;
    f->ifindex = 3;
    f->hook = SW_HOOK_XDP_INGRESS;
    f->direction_by = SW_BY_SYN;
    f->vlan[0] = 100;
    f->end[SW_ORIG] = (struct sw_end){
        .pkts = 6, .ip_bytes = 0x123456789a, .ack = 1, .did = SW_E_SEEN | SW_E_SYN | SW_E_FIN, .ecn = SW_ECN_CWR};
    f->end[SW_RESP] =
        (struct sw_end){.pkts = 5, .ip_bytes = 400, .did = SW_E_SEEN | SW_E_SYN | SW_E_RST, .more = SW_M_SYNACK};
    return ev;
}

static unsigned int get(const __u8 *p, int len)
{
    unsigned int v = 0;

    while (len--)
        v = v << 8 | *p++;
    return v;
}

static __u64 get64(const __u8 *p, int len)
{
    __u64 v = 0;

    while (len--)
        v = v << 8 | *p++;
    return v;
}

static void same_bytes(const struct sw_ipfix *x, size_t len, const char *want)
{
    char got[2 * SW_EXPORT_SIZE + 1], plain[2 * SW_EXPORT_SIZE + 1];
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        snprintf(got + 2 * i, 3, "%02x", x->buf[i]);
    for (; *want; want++)
        if (*want != ' ')
            plain[n++] = *want;
    plain[n] = 0;
    assert_string_equal(got, plain);
}

/* Event time 1700000000.123456789 is 5 s later for others. */
static void test_ipfix_bytes(void **state)
{
    static struct sw_ipfix x;
    struct sw_event ev = conn(true);

    (void)state;
    begin(&x, SW_EXPORT_IPFIX, SW_EXPORT_SIZE);
    x.sequence = 0x01020304;
    assert_true(sw_ipfix_conn(&x, &ev));
    same_bytes(&x, sw_ipfix_finish(&x, ev.ts),
               "000a 0078 6553f105 01020304 00000007"               /* version, length, time, sequence, domain */
               "0100 0068"                                          /* a set of template 256 */
               "0a000001 0a000002 9c40 0050 06 03 01"               /* ends, TCP, end of flow, by the initiator */
               "16 93"                                              /* ACK RST SYN; CWR ACK SYN FIN */
               "000000123456789a 0000000000000190"                  /* bytes, of both directions */
               "0000000000000006 0000000000000005"                  /* packets */
               "0000018bcfe57bfe 0000018bcfe57c03"                  /* milliseconds */
               "0064 00000003 00000000"                             /* VLAN, interfaces */
               "00000000003d0af4 00000000002dc8b4 00000000000f4240" /* ns */
               "00");
}

static void test_netflow9_bytes(void **state)
{
    static struct sw_ipfix x;
    struct sw_event ev = conn(true);

    (void)state;
    begin(&x, SW_EXPORT_NETFLOW9, SW_EXPORT_SIZE);
    x.sequence = 9;
    ev.flow.hook = SW_HOOK_TC_EGRESS; /* the originator is this host */
    assert_true(sw_ipfix_conn(&x, &ev));
    same_bytes(&x, sw_ipfix_finish(&x, ev.ts),
               "0009 0002 00000000 6553f105 00000009 00000007" /* version, records, uptime, time, sequence, source */
               "0100 0088"
               "0a000001 0a000002 9c40 0050 06 93 000000123456789a 0000000000000006 00000076 0000007b 0064"
               "00000000 00000003 03 00000000 000001f4 00000000 000005dc"
               "0a000002 0a000001 0050 9c40 06 16 0000000000000190 0000000000000005 00000076 0000007b 0064"
               "00000003 00000000 03 00000000 000001f4 00000000 000005dc"
               "0000");
}

struct parts {
    unsigned int templates, options, data, flows, totals;
    __u8 *flow, *total; /* the last ones */
};

struct known {
    unsigned int len[3]; /* of a record, by template */
    unsigned int fields[3];
};

/* A template's record, which begins at p: its length; that of a data record goes into ret. */
static size_t take_template(bool ipfix, const __u8 *p, struct known *ret)
{
    const unsigned int id = get(p, 2) - V4, n = get(p + 2, 2);
    size_t len = 4;

    assert_in_range(id, 0, 1);
    ret->len[id] = 0;
    ret->fields[id] = n;
    for (unsigned int i = 0; i < n; i++) {
        const bool enterprise = ipfix && p[len] & 0x80;

        ret->len[id] += get(p + len + 2, 2);
        if (enterprise)
            assert_true(get(p + len + 4, 4) == 29305 || get(p + len + 4, 4) == SW_EXPORT_PEN);
        len += enterprise ? 8 : 4;
    }
    return len;
}

static void take_options_template(bool ipfix, const __u8 *p, struct known *ret)
{
    const unsigned int n = ipfix ? get(p + 2, 2) : (get(p + 2, 2) + get(p + 4, 2)) / 4;

    assert_int_equal(get(p, 2), TOTALS);
    assert_int_equal(ipfix ? get(p + 4, 2) : get(p + 2, 2), ipfix ? 1 : 4);
    assert_int_equal(get(p + 6, 2), ipfix ? 149 : 1);
    ret->fields[2] = n;
    ret->len[2] = 0;
    for (unsigned int i = 0; i < n; i++)
        ret->len[2] += get(p + 6 + 4 * i + 2, 2);
}

/* All of a message, by the templates that came before. */
static struct parts take_apart(struct sw_ipfix *x, size_t len, struct known *known)
{
    const bool ipfix = x->opts.protocol == SW_EXPORT_IPFIX;
    struct parts ret = {0};
    size_t at = ipfix ? 16 : 20;

    assert_in_range(len, at + 4, x->opts.size);
    assert_int_equal(len % 4, 0);
    assert_int_equal(get(x->buf, 2), ipfix ? 10 : 9);
    assert_int_equal(get(x->buf + at - 4, 4), DOMAIN);
    assert_int_equal(get(x->buf + at - 8, 4), x->sequence);
    while (at < len) {
        const unsigned int id = get(x->buf + at, 2), size = get(x->buf + at + 2, 2);
        size_t in = at + 4, end = at + size;

        assert_true(size > 4 && size % 4 == 0 && end <= len);
        for (; id == (ipfix ? 2 : 0) && end - in > 3; ret.templates++)
            in += take_template(ipfix, x->buf + in, known);
        if (id == (ipfix ? 3 : 1)) {
            take_options_template(ipfix, x->buf + in, known);
            in += 6 + known->fields[2] * 4;
            ret.options++;
        }
        for (; id >= V4 && end - in >= known->len[id - V4]; in += known->len[id - V4], ret.data++) {
            assert_in_range(id, V4, TOTALS);
            *(id == TOTALS ? &ret.total : &ret.flow) = x->buf + in;
            ret.flows += id != TOTALS;
            ret.totals += id == TOTALS;
        }
        assert_in_range(end - in, 0, 3);
        for (; in < end; in++)
            assert_int_equal(x->buf[in], 0);
        at = end;
    }
    assert_int_equal(at, len);
    if (ipfix)
        assert_int_equal(get(x->buf + 2, 2), len);
    else
        assert_int_equal(get(x->buf + 2, 2), ret.templates + ret.options + ret.data);
    return ret;
}

static void test_templates(void **state)
{
    const struct sw_export_totals totals = {.messages = 1, .records = 2, .bytes = 3, .not_sent = 4};
    static struct sw_ipfix x;

    (void)state;
    for (int protocol = SW_EXPORT_IPFIX; protocol <= SW_EXPORT_NETFLOW9; protocol++) {
        const bool ipfix = protocol == SW_EXPORT_IPFIX;
        struct known known = {0};
        struct parts got;

        begin(&x, protocol, SW_EXPORT_SIZE_MIN); /* which has to be enough */
        assert_int_equal(sw_ipfix_finish(&x, 1), 0);
        sw_ipfix_templates(&x);
        got = take_apart(&x, sw_ipfix_finish(&x, 1), &known);
        assert_int_equal(got.templates, 2);
        assert_int_equal(got.options + got.data, 0);
        sw_ipfix_next(&x);
        assert_int_equal(x.sequence, ipfix ? 0 : 1); /* templates are no data records; it was one packet */
        sw_ipfix_totals(&x, 8, &totals);
        got = take_apart(&x, sw_ipfix_finish(&x, 1), &known);
        assert_int_equal(got.templates, 0);
        assert_int_equal(got.options, 1);
        assert_int_equal(got.totals, 1);
        assert_int_equal(got.flows, 0);
        assert_int_equal(known.fields[0], ipfix ? 21 : 18);
        assert_int_equal(known.len[0], ipfix ? 99 : 65);
        assert_int_equal(known.len[1], known.len[0] + 24);
        assert_int_equal(known.len[2], ipfix ? 36 : 28);
        assert_int_equal(get(got.total, 4), 8);
        for (unsigned int i = 1; i < known.fields[2]; i++)
            assert_int_equal(get64(got.total + 8 * i - 4, 8), i);
        sw_ipfix_next(&x);
        assert_int_equal(x.sequence, ipfix ? 1 : 2); /* an options record is a data record */
    }
}

/* Messages of any size, of connections of both families in any order: none too long, none sent too early, and the
 * sequence is what its protocol says. */
static void test_bound_and_sequence(void **state)
{
    static struct sw_ipfix x;
    struct sw_event ev[2] = {conn(false), conn(true)};

    (void)state;
    srandom(1);
    for (int round = 0; round < 400; round++) {
        const enum sw_export_protocol protocol = round % 2;
        const __u32 size = round < 4 ? SW_EXPORT_SIZE_MIN + round % 2 : SW_EXPORT_SIZE_MIN + random() % 8393;
        const unsigned int each = protocol == SW_EXPORT_IPFIX ? 1 : 2;
        struct known known = {.len = {protocol == SW_EXPORT_IPFIX ? 99 : 65, protocol == SW_EXPORT_IPFIX ? 123 : 89}};
        __u32 sequence = 0xfffffff0, conns = 0;

        begin(&x, protocol, size);
        x.sequence = sequence;
        for (int i = 0; i < 300; i++) {
            const int v4 = random() % 3 != 0;
            struct parts got;
            size_t len;

            if (sw_ipfix_conn(&x, &ev[v4])) {
                conns++;
                continue;
            }
            len = sw_ipfix_finish(&x, 1);
            got = take_apart(&x, len, &known);
            assert_int_equal(got.flows, each * conns);
            assert_int_equal(x.conns, conns);
            assert_in_range(len + 4 + 3 + each * known.len[!v4], size + 1, 2 * size); /* it was full */
            sw_ipfix_next(&x);
            sequence += protocol == SW_EXPORT_IPFIX ? conns : 1;
            assert_int_equal(x.sequence, sequence);
            conns = 1;
            assert_true(sw_ipfix_conn(&x, &ev[v4]));
        }
    }
}

/* The record of an event, by the place of its fields. */
static const __u8 *record(struct sw_ipfix *x, enum sw_export_protocol protocol, const struct sw_event *ev)
{
    begin(x, protocol, SW_EXPORT_SIZE);
    assert_true(sw_ipfix_conn(x, ev));
    return x->buf + (protocol == SW_EXPORT_IPFIX ? 20 : 24);
}

enum { END_REASON_AT = 13, BIFLOW_AT, BACK_FLAGS_AT, FLAGS_AT, IN_IF_AT = 67, OUT_IF_AT = 71, HANDSHAKE_AT = 75 };

static void test_end_reasons(void **state)
{
    static const __u8 want[SW_WHY_MAX] = {
        [SW_WHY_NONE] = 3,         [SW_WHY_FIN] = 3,        [SW_WHY_RESET] = 3,   [SW_WHY_REFUSED] = 3,
        [SW_WHY_ABORTED] = 3,      [SW_WHY_UNANSWERED] = 1, [SW_WHY_TIMEOUT] = 1, [SW_WHY_REUSED] = 3,
        [SW_WHY_END_OF_INPUT] = 4, [SW_WHY_FILTERED] = 4};
    static struct sw_ipfix x;
    struct sw_event ev = conn(true);

    (void)state;
    for (int why = 0; why < SW_WHY_MAX; why++) {
        ev.flow.reason = why;
        assert_int_equal(record(&x, SW_EXPORT_IPFIX, &ev)[END_REASON_AT], want[why]);
    }
}

static void test_unknown_is_zero(void **state)
{
    static struct sw_ipfix x;
    struct sw_event ev = conn(true);
    const __u8 *r;

    (void)state;
    ev.flow.syn_ns = ev.flow.synack_ns = 0;
    ev.flow.direction_by = SW_BY_MIDSTREAM;
    ev.flow.hook = SW_HOOK_REPLAY;
    ev.flow.end[SW_RESP] = (struct sw_end){.did = SW_E_SYN, .more = SW_M_INFERRED | SW_M_SYNACK, .ack = 5};
    ev.flow.end[SW_ORIG] = (struct sw_end){.pkts = 1, .did = SW_E_SYN, .more = SW_M_INFERRED};
    r = record(&x, SW_EXPORT_IPFIX, &ev);
    assert_int_equal(r[BIFLOW_AT], 0);
    assert_int_equal(r[FLAGS_AT], 0);
    assert_int_equal(r[BACK_FLAGS_AT], 0);
    for (int i = IN_IF_AT; i < HANDSHAKE_AT + 24; i++)
        assert_int_equal(r[i], 0);
    ev.flow.reason = SW_WHY_REFUSED; /* by a RST, which acknowledges the SYN */
    ev.flow.end[SW_RESP] = (struct sw_end){.pkts = 1, .did = SW_E_RST};
    assert_int_equal(record(&x, SW_EXPORT_IPFIX, &ev)[BACK_FLAGS_AT], SW_TCP_RST | SW_TCP_ACK);
}

/* NetFlow v9: a direction without a packet is no flow; the originator is the b end of the key. */
static void test_one_direction(void **state)
{
    static struct sw_ipfix x;
    struct sw_event ev = conn(true);
    const __u8 *r;

    (void)state;
    ev.flow.orig_is_b = 1;
    ev.flow.end[SW_RESP].pkts = 0;
    r = record(&x, SW_EXPORT_NETFLOW9, &ev);
    assert_int_equal(x.records, 1);
    assert_int_equal(x.conns, 1);
    assert_int_equal(get(r, 4), 0x0a000002);
    assert_int_equal(get(r + 8, 2), 80);
    ev.flow.end[SW_RESP].pkts = 1;
    ev.flow.end[SW_ORIG].pkts = 0;
    r = record(&x, SW_EXPORT_NETFLOW9, &ev);
    assert_int_equal(x.records, 1);
    assert_int_equal(get(r, 4), 0x0a000001);
    ev.flow.end[SW_RESP].pkts = 0;
    record(&x, SW_EXPORT_NETFLOW9, &ev);
    assert_int_equal(x.records, 1); /* whatever it is, it is counted and sent */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipfix_bytes),   cmocka_unit_test(test_netflow9_bytes),
        cmocka_unit_test(test_templates),     cmocka_unit_test(test_bound_and_sequence),
        cmocka_unit_test(test_end_reasons),   cmocka_unit_test(test_unknown_is_zero),
        cmocka_unit_test(test_one_direction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
