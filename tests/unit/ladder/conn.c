/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ladders drawn: relative numbers, states, what is missing; 80 columns whatever they hold; SVG that is well-formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ladder/conn.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static struct sw_key key = {.a_ip = {[10] = 0xff, 0xff, 10, 0, 0, 1},
                            .b_ip = {[10] = 0xff, 0xff, 10, 0, 0, 2},
                            .a_port = 0x409c, /* 40000 */
                            .b_port = 0x5000};
static struct sw_flow flow;
static struct sw_ladder ladder;

static void add(__u64 ns, int src_is_b, __u16 flags, __u32 seq, __u32 ack, __u32 len, int a, int b)
{
    ladder.seg[ladder.next++ % SW_LADDER] = (struct sw_ladder_seg){.ns = flow.start_ns + ns,
                                                                   .seq = seq,
                                                                   .ack = ack,
                                                                   .len = len,
                                                                   .flags = flags,
                                                                   .src_is_b = src_is_b,
                                                                   .states = a | b << 4};
    if (ladder.kept < SW_LADDER)
        ladder.kept++;
}

/* A handshake, data, a four-way close. The ISNs wrap. */
static int begin(void **state)
{
    (void)state;
    memset(&flow, 0, sizeof(flow));
    memset(&ladder, 0, sizeof(ladder));
    flow.start_ns = ladder.start_ns = 5 * SW_SECOND;
    flow.last_ns = flow.start_ns + 2 * SW_SECOND;
    flow.flags = SW_F_ENDED | SW_F_ESTABLISHED;
    flow.reason = SW_WHY_FIN;
    flow.closed_by = 1;
    flow.end[SW_ORIG].isn = ~0u;
    flow.end[SW_RESP].isn = 7000;
    flow.end[SW_ORIG].did = flow.end[SW_RESP].did = SW_E_SYN;
    add(0, 0, SW_TCP_SYN, ~0u, 0, 0, SW_ST_SYN_SENT, SW_ST_LISTEN);
    add(1500, 1, SW_TCP_SYN | SW_TCP_ACK, 7000, 0, 0, SW_ST_SYN_SENT, SW_ST_SYN_RECEIVED);
    add(2500, 0, SW_TCP_ACK, 0, 7001, 0, SW_ST_ESTABLISHED, SW_ST_ESTABLISHED);
    add(1002500, 0, SW_TCP_PSH | SW_TCP_ACK, 0, 7001, 100, SW_ST_ESTABLISHED, SW_ST_ESTABLISHED);
    add(2000000000, 0, SW_TCP_FIN | SW_TCP_ACK, 100, 7001, 0, SW_ST_FIN_WAIT_1, SW_ST_ESTABLISHED);
    return 0;
}

static char *drawn(const struct sw_ladder_conn *c, void (*draw)(const struct sw_ladder_conn *, FILE *))
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    draw(c, out);
    fclose(out);
    return text;
}

static void as_ascii(const struct sw_ladder_conn *c, FILE *out)
{
    sw_ladder_text(c, false, out);
}

static void as_utf8(const struct sw_ladder_conn *c, FILE *out)
{
    sw_ladder_text(c, true, out);
}

static void as_svg(const struct sw_ladder_conn *c, FILE *out)
{
    sw_ladder_svg(c, 1, out);
}

static void same_text(const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        fail_msg("got:\n%s\nexpected:\n%s", got, want);
}

static void test_text(void **state)
{
    struct sw_ladder_conn c;
    char *text, want[4096];

    (void)state;
    sw_ladder_of_flow(&key, &flow, &ladder, 1000000123456, &c);
    text = drawn(&c, as_ascii);
    snprintf(want, sizeof(want),
             "%s                                1970-01-01 00:16:45.000123 UTC\n"
             "10.0.0.1:40000                                                       10.0.0.2:80\n"
             "             |                                                    |\n"
             "SYN_SENT     |-------------------- SYN seq 0 -------------------->|       LISTEN\n"
             "             | 1.5 us                                             |\n"
             "SYN_SENT     |<--------------- SYN,ACK seq 0 ack 1 ---------------| SYN_RECEIVED\n"
             "             | 1 us                                               |\n"
             "ESTABLISHED  |----------------- ACK seq 1 ack 1 ----------------->|  ESTABLISHED\n"
             "             | 1 ms                                               |\n"
             "ESTABLISHED  |----------- PSH,ACK seq 1 ack 1 len 100 ----------->|  ESTABLISHED\n"
             "             | 2 s                                                |\n"
             "FIN_WAIT_1   |-------------- FIN,ACK seq 101 ack 1 -------------->|  ESTABLISHED\n"
             "             |                                                    |\n"
             "             fin, originator first, last segment after 2 s\n",
             c.uid);
    same_text(text, want);
    free(text);
}

/* The same with box-drawing characters: as many columns. */
static void test_utf8(void **state)
{
    struct sw_ladder_conn c;
    char *text, *plain, *from, *to;

    (void)state;
    sw_ladder_of_flow(&key, &flow, &ladder, 0, &c);
    plain = drawn(&c, as_ascii);
    text = drawn(&c, as_utf8);
    assert_non_null(strstr(text, "\u2502\u2500\u2500"));
    assert_non_null(strstr(text, "\u25b6\u2502"));
    assert_non_null(strstr(text, "\u2502\u25c0"));
    for (from = to = text; *from;) { /* box-drawing to ASCII */
        if ((*from & 0xff) != 0xe2) {
            *to++ = *from++;
            continue;
        }
        *to++ = !memcmp(from, "\u2500", 3)   ? '-'
                : !memcmp(from, "\u2502", 3) ? '|'
                : !memcmp(from, "\u25b6", 3) ? '>'
                                             : '<';
        from += 3;
    }
    *to = 0;
    same_text(text, plain);
    free(text);
    free(plain);
}

/* The originator is the key's b endpoint. */
static void test_other_order(void **state)
{
    struct sw_ladder_conn c;

    (void)state;
    flow.orig_is_b = 1;
    for (__u32 i = 0; i < ladder.kept; i++) {
        ladder.seg[i].src_is_b = !ladder.seg[i].src_is_b;
        ladder.seg[i].states = ladder.seg[i].states >> 4 | ladder.seg[i].states << 4;
    }
    sw_ladder_of_flow(&key, &flow, &ladder, 0, &c);
    assert_int_equal(c.port[SW_ORIG], htons(80));
    assert_int_equal(c.step[0].from, SW_ORIG);
    assert_int_equal(c.step[1].from, SW_RESP);
    assert_int_equal(c.step[1].state[SW_ORIG], SW_ST_SYN_SENT);
    assert_int_equal(c.step[1].state[SW_RESP], SW_ST_SYN_RECEIVED);
    assert_int_equal(c.step[1].seq, 0);
    assert_int_equal(c.step[1].ack, 1);
}

/* Without ISNs each side begins where its first segment does, and one that has sent nothing where it is acknowledged.
 */
static void test_midstream(void **state)
{
    struct sw_ladder_conn c;

    (void)state;
    memset(&ladder, 0, sizeof(ladder));
    ladder.start_ns = flow.start_ns;
    flow.end[SW_ORIG].did = flow.end[SW_RESP].did = 0;
    add(0, 0, SW_TCP_ACK, 5000, 90, 10, SW_ST_ESTABLISHED, SW_ST_ESTABLISHED);
    add(9, 0, SW_TCP_FIN | SW_TCP_ACK, 5010, 92, 0, SW_ST_FIN_WAIT_1, SW_ST_ESTABLISHED);
    sw_ladder_of_flow(&key, &flow, &ladder, 0, &c);
    assert_int_equal(c.step[0].seq, 1);
    assert_int_equal(c.step[0].ack, 1);
    assert_int_equal(c.step[1].seq, 11);
    assert_int_equal(c.step[1].ack, 3);
}

static void has_note(__u32 lost, const char *want)
{
    struct sw_ladder_conn c;
    char *text;

    ladder.lost = lost;
    sw_ladder_of_flow(&key, &flow, &ladder, 0, &c);
    text = drawn(&c, as_ascii);
    if (!strstr(text, want))
        fail_msg("no %s in\n%s", want, text);
    free(text);
}

static void test_missing(void **state)
{
    struct sw_ladder_conn c;
    char *text;

    (void)state;
    has_note(1, "| 1 more control segment was not kept");
    has_note(12, "| 12 more control segments were not kept");
    has_note(SW_LADDER_UNKNOWN, "| control segments before are not known");
    flow.start_ns++; /* a ladder of another connection of the same key */
    sw_ladder_of_flow(&key, &flow, &ladder, 0, &c);
    assert_int_equal(c.len, 0);
    assert_int_equal(c.lost, SW_LADDER_UNKNOWN);
    text = drawn(&c, as_ascii);
    assert_non_null(strstr(text, "| no segment is known"));
    free(text);
}

/* More than there is room for: the last ones, oldest first. */
static void test_ring(void **state)
{
    struct sw_ladder_conn c;

    (void)state;
    for (__u32 i = 0; i < 20; i++)
        add(3 * SW_SECOND + i, 0, SW_TCP_RST, 200 + i, 0, 0, SW_ST_FIN_WAIT_1, SW_ST_ESTABLISHED);
    sw_ladder_of_flow(&key, &flow, &ladder, 0, &c);
    assert_int_equal(c.len, SW_LADDER);
    for (__u32 i = 0; i < SW_LADDER; i++)
        assert_int_equal(c.step[i].seq, 201 + 4 + i);
}

static void test_open(void **state)
{
    char note[SW_LADDER_NOTE];
    struct sw_ladder_conn c;

    (void)state;
    flow.flags = SW_F_ESTABLISHED;
    sw_ladder_of_flow(&key, &flow, &ladder, 0, &c);
    sw_ladder_end(&c, note);
    assert_string_equal(note, "open, last segment after 2 s");
}

/* As long as everything can be. */
static void fill(struct sw_ladder_conn *c)
{
    memset(c, 0, sizeof(*c));
    memset(c->uid, 'C', SW_UID_LEN);
    memset(c->ip, 0x2b, sizeof(c->ip));
    c->port[0] = c->port[1] = 0xffff;
    c->start_ns = c->duration_ns = ~0ull;
    c->reason = SW_WHY_END_OF_INPUT;
    c->lost = SW_LADDER_UNKNOWN - 1;
    c->len = SW_LADDER;
    for (size_t i = 0; i < c->len; i++)
        c->step[i] = (struct sw_ladder_step){.ns = i & 1 ? ~0ull : 0,
                                             .seq = ~0u,
                                             .ack = ~0u,
                                             .len = ~0u,
                                             .flags = 0x1ff,
                                             .from = i & 1,
                                             .state = {SW_ST_SYN_RECEIVED, SW_ST_SYN_RECEIVED}};
}

static void test_columns(void **state)
{
    struct sw_ladder_conn c;
    char *text;

    (void)state;
    fill(&c);
    text = drawn(&c, as_ascii);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > 80)
            fail_msg("more than 80 columns: %.*s", (int)strcspn(line, "\n"), line);
    assert_non_null(strstr(text, "SYN_RECEIVED |- SYN,FIN,RST,PSH,ACK,URG,ECE,CWR,AE seq 4294967~ ->| SYN_RECEIVED\n"));
    free(text);
}

/* Elements are closed, in order; and the text of an arrow is there. */
static void test_svg(void **state)
{
    struct sw_ladder_conn c;
    char *text, name[16][16], *p;
    int depth = 0, arrows = 0;

    (void)state;
    sw_ladder_of_flow(&key, &flow, &ladder, 0, &c);
    text = drawn(&c, as_svg);
    for (p = text; (p = strchr(p, '<')); p = strchr(p, '>')) {
        const char *end = strchr(p, '>');

        assert_non_null(end);
        if (p[1] == '/') {
            assert_true(depth-- > 0);
            assert_int_equal(strncmp(name[depth], p + 2, strlen(name[depth])), 0);
            continue;
        }
        arrows += !strncmp(p, "<path class=\"arrow", strlen("<path class=\"arrow"));
        if (end[-1] == '/')
            continue;
        assert_true(depth < 15);
        snprintf(name[depth++], sizeof(name[0]), "%.*s", (int)strcspn(p + 1, " >"), p + 1);
    }
    assert_int_equal(depth, 0);
    assert_int_equal(arrows, 5);
    assert_non_null(strstr(text, ">PSH,ACK seq 1 ack 1 len 100</text>"));
    assert_non_null(strstr(text, "prefers-color-scheme:dark"));
    assert_null(strstr(text, "href"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_text, begin),        cmocka_unit_test_setup(test_utf8, begin),
        cmocka_unit_test_setup(test_other_order, begin), cmocka_unit_test_setup(test_midstream, begin),
        cmocka_unit_test_setup(test_missing, begin),     cmocka_unit_test_setup(test_ring, begin),
        cmocka_unit_test_setup(test_open, begin),        cmocka_unit_test_setup(test_columns, begin),
        cmocka_unit_test_setup(test_svg, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
