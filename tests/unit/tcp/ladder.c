/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which segments are control segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcp/fsm.h"
#include "tcp/ladder.h"

#include <string.h>

static struct sw_flow flow;
static __u64 now;

/* Steps the machine by one segment: is it kept, and in which states (originator's, then responder's)? */
static int step(int who, __u16 flags, __u32 seq, __u32 ack, __u32 len)
{
    struct sw_seg s = {.now = ++now, .flags = flags, .seq = seq, .ack = ack, .len = len, .cap = len};
    struct sw_out o = {0};
    __u32 before;

    s.pkts = 1;
    s.win = 1000;
    s.wscale = SW_WSCALE_NONE;
    s.src_is_b = who == SW_RESP;
    s.hook = SW_HOOK_REPLAY;
    if (now == 1)
        sw_flow_init(&flow, &s);
    before = sw_ladder_mark(&flow);
    assert_int_equal(sw_fsm_step(&flow, &s, &o), SW_SAME_FLOW);
    return sw_ladder_keeps(&s, before, sw_ladder_mark(&flow));
}

static int begin(void **state)
{
    (void)state;
    memset(&flow, 0, sizeof(flow));
    now = 0;
    return 0;
}

static void expect(int keeps, int orig, int resp)
{
    const __u32 mark = sw_ladder_mark(&flow);

    assert_int_equal(keeps, 1);
    assert_int_equal(sw_ladder_states(mark, 0), orig | resp << 4);
    assert_int_equal(sw_ladder_states(mark, 1), resp | orig << 4);
}

static void open_both(void)
{
    expect(step(SW_ORIG, SW_TCP_SYN, 100, 0, 0), SW_ST_SYN_SENT, SW_ST_LISTEN);
    expect(step(SW_RESP, SW_TCP_SYN | SW_TCP_ACK, 500, 101, 0), SW_ST_SYN_SENT, SW_ST_SYN_RECEIVED);
    expect(step(SW_ORIG, SW_TCP_ACK, 101, 501, 0), SW_ST_ESTABLISHED, SW_ST_ESTABLISHED);
}

/* The first data and the first plain acknowledgement of each side; what follows is not kept. */
static void test_first_of_each_side(void **state)
{
    (void)state;
    open_both();
    assert_int_equal(step(SW_ORIG, SW_TCP_ACK, 101, 501, 0), 0);
    assert_int_equal(step(SW_ORIG, SW_TCP_ACK | SW_TCP_PSH, 101, 501, 10), 1);
    assert_int_equal(step(SW_ORIG, SW_TCP_ACK | SW_TCP_PSH, 111, 501, 10), 0);
    assert_int_equal(step(SW_RESP, SW_TCP_ACK, 501, 121, 0), 1);
    assert_int_equal(step(SW_RESP, SW_TCP_ACK, 501, 121, 0), 0);
    assert_int_equal(step(SW_RESP, SW_TCP_ACK, 501, 121, 5), 1);
    assert_int_equal(step(SW_RESP, SW_TCP_ACK, 506, 121, 5), 0);
    assert_int_equal(step(SW_ORIG, SW_TCP_ACK, 121, 511, 0), 0);
}

/* What acknowledges a FIN changes a state; SYN, FIN and RST are kept whatever they do. */
static void test_states(void **state)
{
    (void)state;
    open_both();
    expect(step(SW_ORIG, SW_TCP_FIN | SW_TCP_ACK, 101, 501, 0), SW_ST_FIN_WAIT_1, SW_ST_ESTABLISHED);
    expect(step(SW_ORIG, SW_TCP_FIN | SW_TCP_ACK, 101, 501, 0), SW_ST_FIN_WAIT_1, SW_ST_ESTABLISHED);
    expect(step(SW_RESP, SW_TCP_ACK, 501, 102, 0), SW_ST_FIN_WAIT_2, SW_ST_CLOSE_WAIT);
    expect(step(SW_RESP, SW_TCP_RST | SW_TCP_ACK, 9999999, 102, 0), SW_ST_FIN_WAIT_2, SW_ST_CLOSE_WAIT);
    expect(step(SW_RESP, SW_TCP_FIN | SW_TCP_ACK, 501, 102, 0), SW_ST_FIN_WAIT_2, SW_ST_LAST_ACK);
    expect(step(SW_ORIG, SW_TCP_ACK, 102, 502, 0), SW_ST_TIME_WAIT, SW_ST_CLOSED);
    assert_int_equal(step(SW_ORIG, SW_TCP_ACK, 102, 502, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_first_of_each_side, begin),
        cmocka_unit_test_setup(test_states, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
