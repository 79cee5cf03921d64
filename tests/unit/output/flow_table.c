/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of connections: order, rates, and rows of 80 columns whatever a connection is like. */
#include "lines.h"

#include "output/conn_id.h"
#include "output/flow_table.h"

#include <stdlib.h>

#define NOW (100000 * SW_SECOND)

static struct sw_flow_row row(unsigned int number)
{
    struct sw_event ev = sample(SW_EV_CONN);
    struct sw_flow_row r = {.key = ev.key, .flow = ev.flow};

    r.key.a_port = htons(number);
    r.flow.start_ns = NOW - 1000 * SW_SECOND;
    r.flow.syn_ns = r.flow.est_ns = 0;
    return r;
}

static void expect_order(enum sw_flow_sort by, const struct sw_flow_row *rows, size_t len, const unsigned int *ports)
{
    struct sw_flow_rows table = {0};

    for (size_t i = 0; i < len; i++)
        assert_int_equal(sw_flow_rows_add(&table, &rows[i]), 0);
    sw_flow_rows_sort(&table, by);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(ntohs(table.row[i].key.a_port), ports[i]);
    free(table.row);
}

static void test_order(void **state)
{
    struct sw_flow_row r[4] = {row(1), row(2), row(3), row(4)};

    (void)state;
    r[0].flow.end[SW_ORIG].ip_bytes = r[1].flow.end[SW_ORIG].ip_bytes = r[3].flow.end[SW_ORIG].ip_bytes = 0;
    r[0].flow.end[SW_RESP].ip_bytes = r[1].flow.end[SW_RESP].ip_bytes = r[3].flow.end[SW_RESP].ip_bytes = 7;
    r[2].flow.end[SW_ORIG].ip_bytes = r[2].flow.end[SW_RESP].ip_bytes = 4; /* together it is the largest */
    r[1].flow.start_ns--;
    r[2].flow.start_ns += SW_SECOND;
    expect_order(SW_SORT_BYTES, r, 4, (unsigned int[]){3, 2, 1, 4}); /* equal: the older one, then the key */
    expect_order(SW_SORT_AGE, r, 4, (unsigned int[]){2, 1, 4, 3});
    expect_order(SW_SORT_NONE, r, 4, (unsigned int[]){1, 2, 3, 4});
    r[3].flow.syn_ns = r[2].flow.syn_ns = 5;
    r[3].flow.est_ns = 5; /* in no time, but there is one */
    r[2].flow.est_ns = 9;
    expect_order(SW_SORT_HANDSHAKE, r, 4, (unsigned int[]){3, 4, 2, 1});
    r[0].rate = 1;
    expect_order(SW_SORT_RATE, r, 4, (unsigned int[]){1, 2, 4, 3});
}

static void test_rate(void **state)
{
    struct sw_flow_row r[3] = {row(1), row(2), row(3)};
    struct sw_flow_look look = {.ns = NOW};

    (void)state;
    for (int i = 0; i < 3; i++) {
        r[i].flow.end[SW_ORIG].ip_bytes = 1000;
        r[i].flow.end[SW_RESP].ip_bytes = 0;
    }
    assert_int_equal(sw_flow_look_add(&look, 8, &r[1].key, &r[1].flow), 0);
    assert_int_equal(sw_flow_look_add(&look, 7, &r[0].key, &r[0].flow), 0);
    r[0].flow.end[SW_RESP].ip_bytes = 400; /* the same connection at another instance is further */
    assert_int_equal(sw_flow_look_add(&look, 8, &r[0].key, &r[0].flow), 0);
    sw_flow_look_end(&look);
    r[0].flow.end[SW_RESP].ip_bytes = 600;
    assert_int_equal(sw_flow_rate(&look, NOW + 2 * SW_SECOND, 7, &r[0].key, &r[0].flow), 300);
    assert_int_equal(sw_flow_rate(&look, NOW + 2 * SW_SECOND, 8, &r[0].key, &r[0].flow), 100);
    assert_int_equal(sw_flow_rate(&look, NOW + 2 * SW_SECOND, 8, &r[1].key, &r[1].flow), 0);
    r[2].flow.start_ns = NOW + SW_SECOND; /* it began in between: all of it came in between */
    assert_int_equal(sw_flow_rate(&look, NOW + 2 * SW_SECOND, 8, &r[2].key, &r[2].flow), 500);
    r[2].flow.start_ns = NOW - 8 * SW_SECOND; /* it was missed: since it began */
    assert_int_equal(sw_flow_rate(&look, NOW + 2 * SW_SECOND, 8, &r[2].key, &r[2].flow), 100);
    r[1].flow.end[SW_ORIG].ip_bytes = 500; /* fewer than before */
    assert_int_equal(sw_flow_rate(&look, NOW, 8, &r[1].key, &r[1].flow), 0);
    r[0].flow.end[SW_ORIG].ip_bytes = ~0ull;
    sw_flow_rate(&look, NOW + 1, 7, &r[0].key, &r[0].flow); /* any figure */
    free(look.seen);
}

static void narrow(const struct sw_flow_row *r, enum sw_flow_sort by, const char *rest)
{
    char line[SW_FLOW_ROW_ROOM], uid[SW_UID_LEN + 1];

    sw_flow_row_narrow(line, r, NOW, by);
    sw_format_uid(&r->key, r->flow.start_ns, uid);
    assert_int_equal(strlen(line), 80);
    assert_memory_equal(line, uid, SW_UID_LEN);
    assert_string_equal(line + SW_UID_LEN + 1, rest);
}

static void test_narrow(void **state)
{
    struct sw_flow_row r = row(40000);

    (void)state;
    r.flow.flags = SW_F_ESTABLISHED;
    r.flow.end[SW_ORIG].state = r.flow.end[SW_RESP].state = SW_ST_ESTABLISHED;
    r.flow.end[SW_ORIG].ip_bytes = 1200;
    r.flow.end[SW_RESP].ip_bytes = 34;
    narrow(&r, SW_SORT_NONE, "10.0.0.1:40000 -> 10.0.0.2:80                  estab 16m 1234");
    r.flow.syn_ns = 1;
    r.flow.est_ns = 999001;
    narrow(&r, SW_SORT_HANDSHAKE, "10.0.0.1:40000 -> 10.0.0.2:80                  999us 16m 1234");
    r.rate = 12345678;
    narrow(&r, SW_SORT_RATE, "10.0.0.1:40000 -> 10.0.0.2:80                    12M 16m 1234");
    r.flow.end[SW_RESP].state = SW_ST_CLOSE_WAIT;
    narrow(&r, SW_SORT_AGE, "10.0.0.1:40000 -> 10.0.0.2:80                  close 16m 1234");
    r.flow.flags |= SW_F_ENDED;
    narrow(&r, SW_SORT_BYTES, "10.0.0.1:40000 -> 10.0.0.2:80                  ended 16m 1234");
    r.flow.flags = 0;
    r.flow.synack_ns = 0;
    narrow(&r, SW_SORT_BYTES, "10.0.0.1:40000 -> 10.0.0.2:80                   sent 16m 1234");
    r.flow.synack_ns = 1;
    r.flow.orig_is_b = 1;
    narrow(&r, SW_SORT_BYTES, "10.0.0.2:80 -> 10.0.0.1:40000                   rcvd 16m 1234");
    memset(&r.key, 0xff, sizeof(r.key)); /* IPv6 of full length */
    narrow(&r, SW_SORT_BYTES, "[ffff:~:ffff]:65535 -> [ffff:~:ffff]:65535      rcvd 16m 1234");
    for (int i = 0; i < 2; i++)
        memcpy(i ? r.key.b_ip : r.key.a_ip, (__u8[16]){[10] = 0xff, 0xff, 203, 113, 142, 201}, 16);
    narrow(&r, SW_SORT_BYTES, "203.113.142.201:65535 -> 203.113.142.201:65535  rcvd 16m 1234");
}

/* Whatever the figures are, and in the head: no column pushes another one out. */
static void test_width(void **state)
{
    static const __u64 figure[] = {0, 999, 9999, 99950, 999499, 999500000, 99949999999, ~0ull / 2};
    char line[SW_FLOW_ROW_ROOM];

    (void)state;
    for (int by = SW_SORT_NONE; by <= SW_SORT_RATE; by++) {
        *sw_flow_head(line, by, false) = 0;
        assert_int_equal(strlen(line), 80);
        for (size_t i = 0; i < sizeof(figure) / sizeof(figure[0]); i++) {
            struct sw_flow_row r = row(65535);

            r.flow.start_ns = 1;
            r.flow.syn_ns = 1;
            r.flow.est_ns = 1 + figure[i] / 1000;
            r.flow.end[SW_ORIG].ip_bytes = r.rate = figure[i];
            sw_flow_row_narrow(line, &r, 1 + figure[i] * 1000, by);
            assert_int_equal(strlen(line), 80);
        }
    }
    memset(line, 0, sizeof(line));
    for (int i = 0; i < 3; i++) { /* broken records: no crash */
        struct sw_flow_row r;

        memset(&r, i == 0 ? 0 : i == 1 ? 0xff : 0x7f, sizeof(r));
        r.flow.hist_len = SW_HIST_MAX;
        assert_true(sw_flow_row_narrow(line, &r, 1, SW_SORT_NONE) < line + sizeof(line));
        memset(r.flow.hist, 'a', sizeof(r.flow.hist));
        assert_true(sw_flow_row_wide(line, &r, 1, SW_SORT_RATE, "eth0") < line + sizeof(line));
    }
}

static void test_wide(void **state)
{
    struct sw_flow_row r = row(40000);
    char line[SW_FLOW_ROW_ROOM], uid[SW_UID_LEN + 1];

    (void)state;
    memset(r.key.a_ip, 0x11, sizeof(r.key.a_ip));
    r.rate = 7;
    sw_flow_row_wide(line, &r, NOW, SW_SORT_RATE, "eth7");
    sw_format_uid(&r.key, r.flow.start_ns, uid);
    assert_non_null(strstr(line, "[1111:1111:1111:1111:1111:1111:1111:1111]:40000 "));
    assert_non_null(strstr(line, " 16m40s "));
    assert_non_null(strstr(line, " eth7 "));
    assert_non_null(strstr(line, uid));
    sw_flow_head(line, SW_SORT_RATE, true);
    assert_non_null(strstr(line, "BYTE/S"));
    sw_flow_head(line, SW_SORT_AGE, true);
    assert_null(strstr(line, "BYTE/S"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_rate), cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_width), cmocka_unit_test(test_wide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
