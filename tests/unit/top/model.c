/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What top knows: rates between two looks, servers, what events say of them and when that is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "top/model.h"

#include <arpa/inet.h>
#include <string.h>

#define NOW (1000 * SW_SECOND)

static const struct sw_hash_key key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};

/* 10.0.0.1:client -> 10.0.0.2:server; its addresses stand the other way round if swapped. */
static struct sw_top_conn conn(__u16 client, __u16 server, __u64 bytes, __u64 start_ns)
{
    struct sw_top_conn c = {.key = {.a_ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .b_ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}},
                            .phase = SW_TOP_OPEN,
                            .start_ns = start_ns,
                            .handshake_ns = SW_TOP_UNKNOWN,
                            .server_ns = SW_TOP_UNKNOWN,
                            .client_ns = SW_TOP_UNKNOWN,
                            .ip_bytes = {bytes / 2, bytes - bytes / 2}};

    c.key.a_port = htons(client);
    c.key.b_port = htons(server);
    return c;
}

static struct sw_top_id id(__u16 port)
{
    struct sw_top_id i = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}};

    i.port = htons(port);
    return i;
}

static void add(struct sw_top_model *m, struct sw_top_conn c)
{
    assert_int_equal(sw_top_model_conn(m, &c), 0);
}

static const struct sw_top_server *server(struct sw_top_model *m, __u16 port)
{
    struct sw_top_id want = id(port);

    assert_int_equal(sw_top_model_servers(m, NULL, NULL), 0);
    for (size_t i = 0; i < m->servers; i++)
        if (sw_top_id_is(&m->server[i].id, &want))
            return &m->server[i];
    return NULL;
}

static void test_rates(void **state)
{
    struct sw_top_model m;

    (void)state;
    sw_top_model_init(&m, &key);
    sw_top_model_begin(&m, NOW);
    add(&m, conn(1, 80, 5000, NOW - 10 * SW_SECOND));
    add(&m, conn(2, 80, 7000, NOW - 10 * SW_SECOND));
    sw_top_model_end(&m);
    assert_int_equal(m.span_ns, 0); /* not known yet */
    assert_int_equal(m.rate, 0);
    assert_int_equal(m.begun, 0);
    sw_top_model_begin(&m, NOW + 2 * SW_SECOND);
    add(&m, conn(1, 80, 5000, NOW - 10 * SW_SECOND));  /* nothing has moved */
    add(&m, conn(2, 80, 7600, NOW - 10 * SW_SECOND));  /* 600 in 2 s */
    add(&m, conn(3, 80, 1000, NOW + SW_SECOND));       /* new: all of it in 2 s */
    add(&m, conn(2, 443, 4800, NOW - 10 * SW_SECOND)); /* the look before has missed it: since its begin */
    add(&m, conn(1, 80, 100, NOW + SW_SECOND));        /* the same four-tuple again */
    sw_top_model_end(&m);
    assert_int_equal(m.conn[0].rate, 0);
    assert_int_equal(m.conn[1].rate, 300);
    assert_int_equal(m.conn[2].rate, 500);
    assert_int_equal(m.conn[3].rate, 400);
    assert_int_equal(m.conn[4].rate, 50);
    assert_int_equal(m.begun, 2);
    assert_int_equal(m.rate, 1250);
    assert_int_equal(server(&m, 80)->rate, 850);
    assert_int_equal(server(&m, 80)->begun, 2);
    assert_int_equal(server(&m, 443)->rate, 400);
    sw_top_model_begin(&m, NOW + 3 * SW_SECOND);
    add(&m, conn(2, 80, 7500, NOW - 10 * SW_SECOND)); /* less than before: nonsense, taken as new */
    sw_top_model_end(&m);
    assert_int_equal(m.conn[0].rate, 7500 / 13);
    assert_null(server(&m, 443));
    sw_top_model_fini(&m);
}

static void test_servers(void **state)
{
    struct sw_top_conn half = conn(1, 80, 60, NOW - SW_SECOND), ended = conn(2, 80, 5000, NOW - SW_SECOND),
                       swapped = conn(80, 3, 40, NOW - SW_SECOND), fast = conn(4, 80, 100, NOW - SW_SECOND),
                       slow = conn(5, 80, 100, NOW - SW_SECOND);
    const struct sw_top_server *s;
    struct sw_top_model m;

    (void)state;
    half.phase = SW_TOP_HALF_OPEN;
    ended.phase = SW_TOP_ENDED;
    ended.rexmit[SW_RESP] = 3;
    swapped.orig_is_b = 1; /* 10.0.0.2:3 -> 10.0.0.1:80 */
    fast.handshake_ns = 30;
    fast.server_ns = 20;
    fast.client_ns = 10;
    slow.handshake_ns = 90;
    slow.server_ns = 40;
    slow.client_ns = 50;
    slow.phase = SW_TOP_CLOSING;
    sw_top_model_init(&m, &key);
    sw_top_model_begin(&m, NOW);
    add(&m, half);
    add(&m, ended);
    add(&m, swapped);
    add(&m, fast);
    add(&m, slow);
    sw_top_model_end(&m);
    s = server(&m, 80);
    assert_int_equal(m.servers, 2); /* the other one is 10.0.0.1:80 */
    assert_int_equal(s->conns, 4);
    assert_int_equal(s->open, 2);
    assert_int_equal(s->half, 1);
    assert_int_equal(s->bytes, 260); /* not those that ended */
    assert_int_equal(s->rexmit, 3);
    assert_int_equal(s->handshakes, 2);
    assert_int_equal(s->handshake_sum, 120);
    assert_int_equal(s->handshake_max, 90);
    assert_int_equal(s->server_sum, 60);
    assert_int_equal(s->client_sum, 60);
    assert_int_equal(m.open, 3);
    assert_int_equal(m.half, 1);
    sw_top_model_fini(&m);
}

static bool is_port_80(const void *ctx, const struct sw_top_conn *c)
{
    (void)ctx;
    return c->key.b_port == htons(80);
}

static void test_failures(void **state)
{
    struct sw_top_id refuses = id(9), open = id(80);
    struct sw_top_model m;

    (void)state;
    sw_top_model_init(&m, &key);
    assert_int_equal(sw_top_model_failure(&m, NOW, &refuses, SW_TOP_REFUSED, 2), 0);
    assert_int_equal(sw_top_model_failure(&m, NOW, &open, SW_TOP_RESET, 1), 0);
    assert_null(server(&m, 9)); /* from the next look on */
    sw_top_model_begin(&m, NOW);
    add(&m, conn(1, 80, 60, NOW));
    sw_top_model_end(&m);
    assert_int_equal(server(&m, 9)->failed[SW_TOP_REFUSED], 2);
    assert_int_equal(server(&m, 9)->conns, 0);
    assert_int_equal(server(&m, 80)->failed[SW_TOP_RESET], 1);
    assert_int_equal(m.failed[SW_TOP_REFUSED], 2);
    assert_int_equal(m.servers, 2);
    assert_int_equal(sw_top_model_servers(&m, is_port_80, NULL), 0);
    assert_int_equal(m.servers, 1); /* a server without connections is asked for, too */
    assert_int_equal(sw_top_model_failure(&m, NOW, &refuses, SW_TOP_REFUSED, 1), 0);
    assert_int_equal(server(&m, 9)->failed[SW_TOP_REFUSED], 2); /* a pause: what is shown stays */
    sw_top_model_begin(&m, NOW + SW_TOP_FAILURE_NS);
    sw_top_model_end(&m);
    assert_int_equal(server(&m, 9)->failed[SW_TOP_REFUSED], 3);
    sw_top_model_begin(&m, NOW + SW_TOP_FAILURE_NS + 1);
    sw_top_model_end(&m);
    assert_null(server(&m, 9)); /* forgotten, but for the sum */
    assert_int_equal(m.failed[SW_TOP_REFUSED], 3);
    assert_int_equal(sw_top_model_failure(&m, NOW + SW_TOP_FAILURE_NS, &open, SW_TOP_UNANSWERED, 1), 0);
    sw_top_model_begin(&m, NOW + SW_TOP_FAILURE_NS + 2);
    sw_top_model_end(&m);
    assert_int_equal(server(&m, 80)->failed[SW_TOP_UNANSWERED], 1);
    sw_top_model_fini(&m);
}

/* More servers with outcomes than are kept: only the sum goes on. Then all are forgotten. */
static void test_bounds(void **state)
{
    struct sw_top_model m;

    (void)state;
    sw_top_model_init(&m, &key);
    for (unsigned int i = 0; i < SW_TOP_FAILURE_SERVERS + 1000; i++) {
        struct sw_top_id s = {.ip = {[12] = i >> 24, i >> 16, i >> 8, i}, .port = htons(1)};

        assert_int_equal(sw_top_model_failure(&m, NOW, &s, SW_TOP_UNANSWERED, 1), 0);
    }
    assert_int_equal(m.outcomes, SW_TOP_FAILURE_SERVERS);
    sw_top_model_begin(&m, NOW);
    sw_top_model_end(&m);
    assert_int_equal(m.failed[SW_TOP_UNANSWERED], SW_TOP_FAILURE_SERVERS + 1000);
    assert_int_equal(sw_top_model_servers(&m, NULL, NULL), 0);
    assert_int_equal(m.servers, SW_TOP_FAILURE_SERVERS);
    sw_top_model_begin(&m, NOW + SW_TOP_FAILURE_NS + 1);
    sw_top_model_end(&m);
    assert_int_equal(m.outcomes, 0);
    sw_top_model_fini(&m);
}

/* 100,000 connections, twice, in another order: each finds its own bytes. */
static void test_many(void **state)
{
    const unsigned int n = 100000;
    struct sw_top_model m;

    (void)state;
    sw_top_model_init(&m, &key);
    for (int look = 0; look < 2; look++) {
        sw_top_model_begin(&m, NOW + look * SW_SECOND);
        for (unsigned int i = 0; i < n; i++) {
            unsigned int k = look ? n - 1 - i : i;

            add(&m, conn(k % 50000, 1 + k / 50000, 1000 + (look ? 7 * k : 0), NOW - SW_SECOND - k / 3));
        }
        sw_top_model_end(&m);
    }
    for (unsigned int i = 0; i < n; i++)
        assert_int_equal(m.conn[i].rate, 7 * (n - 1 - i));
    assert_int_equal(server(&m, 1)->conns, 50000);
    assert_int_equal(server(&m, 2)->conns, 50000);
    sw_top_model_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),  cmocka_unit_test(test_servers), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
