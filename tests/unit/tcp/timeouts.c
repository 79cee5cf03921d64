/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Expiry: each state has its limit, each limit its edge, and each end its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tcp/timeouts.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

/* every limit another number, so that a mix-up shows */
static const struct sw_config limits = {.close_delay = 3,
                                        .t_syn_sent = 11,
                                        .t_syn_received = 13,
                                        .t_established = 17,
                                        .t_fin_wait = 19,
                                        .t_close_wait = 23,
                                        .t_last_ack = 29,
                                        .t_midstream = 31};

enum {
    SYN = SW_E_SYN | SW_E_SEEN,
    OPEN = SW_E_SYN | SW_E_SYN_ACKED | SW_E_SEEN,
    FIN = OPEN | SW_E_FIN,
    SHUT = FIN | SW_E_FIN_ACKED,
    SEEN = SW_E_SEEN,
};

static struct sw_flow flow(unsigned orig_did, unsigned resp_did, unsigned flags)
{
    struct sw_flow f = {.last_ns = 1000, .flags = flags};

    f.end[SW_ORIG].did = orig_did;
    f.end[SW_RESP].did = resp_did;
    return f;
}

static const struct {
    const char *what;
    unsigned orig, resp, flags;
    uint64_t limit;
    enum sw_reason why;
} table[] = {
    {"SYN_SENT, nobody answered", SYN, 0, 0, 11, SW_WHY_UNANSWERED},
    {"SYN_SENT, an answer that proves nothing", SYN, SEEN, 0, 11, SW_WHY_TIMEOUT},
    {"SYN_RECEIVED", SYN | SW_E_SYN_ACKED, SYN, 0, 13, SW_WHY_TIMEOUT},
    {"simultaneous open", SYN, SYN, 0, 13, SW_WHY_TIMEOUT},
    {"SYN-ACK alone", SW_E_SYN | SW_E_SYN_ACKED, SYN, 0, 13, SW_WHY_TIMEOUT},
    {"ESTABLISHED", OPEN, OPEN, SW_F_ESTABLISHED, 17, SW_WHY_TIMEOUT},
    {"midstream, one side", SEEN, 0, SW_F_MIDSTREAM, 31, SW_WHY_TIMEOUT},
    {"midstream, both sides", SEEN, SEEN, SW_F_MIDSTREAM | SW_F_ESTABLISHED, 31, SW_WHY_TIMEOUT},
    {"midstream, confirmed", SEEN, SEEN, SW_F_MIDSTREAM | SW_F_ESTABLISHED | SW_F_MIDSTREAM_PROVEN, 17, SW_WHY_TIMEOUT},
    {"no socket, and then one", OPEN, OPEN, SW_F_ESTABLISHED | SW_F_NO_SOCKET, 17, SW_WHY_TIMEOUT},
    {"FIN_WAIT_1", FIN, OPEN, SW_F_ESTABLISHED, 19, SW_WHY_TIMEOUT},
    {"FIN_WAIT_1 of the responder", OPEN, FIN, SW_F_ESTABLISHED, 19, SW_WHY_TIMEOUT},
    {"FIN_WAIT_2 and CLOSE_WAIT", SHUT, OPEN, SW_F_ESTABLISHED, 23, SW_WHY_TIMEOUT},
    {"CLOSE_WAIT of the originator", OPEN, SHUT, SW_F_ESTABLISHED, 23, SW_WHY_TIMEOUT},
    {"CLOSING", FIN, FIN, SW_F_ESTABLISHED, 29, SW_WHY_TIMEOUT},
    {"LAST_ACK", SHUT, FIN, SW_F_ESTABLISHED, 29, SW_WHY_TIMEOUT},
    {"midstream FIN_WAIT_1", SEEN | SW_E_FIN, SEEN, SW_F_MIDSTREAM | SW_F_ESTABLISHED, 19, SW_WHY_TIMEOUT},
};

TEST(each_state_has_its_limit)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct sw_flow f = flow(table[i].orig, table[i].resp, table[i].flags);
        uint64_t limit = sw_expiry_limit(&f, &limits);

        if (limit != table[i].limit)
            fail_msg("%s: limit %llu, not %llu", table[i].what, (unsigned long long)limit,
                     (unsigned long long)table[i].limit);
        for (uint64_t flush = 0; flush < 2; flush++) { /* flush 1 ends only what remains */
            assert_int_equal(sw_expiry(&f, &limits, 1000, flush), SW_WHY_NONE);
            assert_int_equal(sw_expiry(&f, &limits, 1000 + limit - 1, flush), SW_WHY_NONE);
            assert_int_equal(sw_expiry(&f, &limits, 1000 + limit, flush), table[i].why);
            assert_int_equal(sw_expiry(&f, &limits, UINT64_MAX, flush), table[i].why);
            /* the clock of another CPU may be behind: nothing ends for it */
            assert_int_equal(sw_expiry(&f, &limits, 0, flush), SW_WHY_NONE);
        }
        assert_int_equal(sw_expiry(&f, &limits, 1000, 2), SW_WHY_END_OF_INPUT);
        assert_int_equal(sw_expiry(&f, &limits, UINT64_MAX, 2), SW_WHY_END_OF_INPUT);
        assert_int_equal(sw_expiry_at(&f, &limits), 1000 + limit);
    }
}

TEST(what_ended_waits_and_keeps_its_reason)
{
    for (unsigned why = SW_WHY_FIN; why < SW_WHY_MAX; why++) {
        struct sw_flow f = flow(SHUT, SHUT, SW_F_ESTABLISHED | SW_F_ENDED);

        f.ended_ns = 2000;
        f.last_ns = 2002; /* a late segment does not prolong it */
        f.reason = why;
        assert_int_equal(sw_expiry(&f, &limits, 2002, 0), SW_WHY_NONE);
        assert_int_equal(sw_expiry(&f, &limits, 2003, 0), why);
        assert_int_equal(sw_expiry(&f, &limits, 2000, 1), why);
        assert_int_equal(sw_expiry(&f, &limits, 2000, 2), why);
        assert_int_equal(sw_expiry_at(&f, &limits), 2003);
    }
}

/* With the guard: until the listener would have sent its SYN-ACK again, for then the RST was none. */
TEST(a_reset_that_may_be_none)
{
    const struct sw_config c = {.close_delay = 2000000000, .t_syn_received = 60000000000};
    struct sw_flow f = flow(OPEN, SYN, SW_F_ENDED);

    f.synack_ns = 5000000000;
    f.ended_ns = 8000000000;
    f.end[SW_ORIG].did |= SW_E_RST;
    assert_int_equal(sw_close_delay(&f, &c), 2000000000);
    f.listener = SW_L_ABORTED;
    assert_int_equal(sw_close_delay(&f, &c), 4500000000);
    assert_int_equal(sw_expiry_at(&f, &c), 12500000000);
    assert_int_equal(sw_expiry(&f, &c, 12499999999, 0), SW_WHY_NONE);
    f.reason = SW_WHY_ABORTED;
    assert_int_equal(sw_expiry(&f, &c, 12500000000, 0), SW_WHY_ABORTED);
    assert_int_equal(sw_expiry(&f, &c, 8000000000, 1), SW_WHY_ABORTED);
    f.ended_ns = 4000000000; /* before the SYN-ACK */
    assert_int_equal(sw_close_delay(&f, &c), 2000000000);
    f.listener = SW_L_RESET_UNDONE;
    assert_int_equal(sw_close_delay(&f, &c), 60000000000);
    f.flags |= SW_F_ESTABLISHED;
    assert_int_equal(sw_close_delay(&f, &c), 2000000000);
}

TEST(updates_are_due)
{
    struct sw_flow f = flow(OPEN, OPEN, SW_F_ESTABLISHED);
    struct sw_config c = limits;

    f.update_ns = 1000;
    c.update_interval = 5;
    assert_int_equal(sw_expiry_at(&f, &c), 1005);
    c.update_interval = 100; /* it ends before */
    assert_int_equal(sw_expiry_at(&f, &c), 1017);
    f.flags = 0; /* no updates of what is not established */
    c.update_interval = 5;
    assert_int_equal(sw_expiry_at(&f, &c), 1013);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(each_state_has_its_limit),
        cmocka_unit_test(what_ended_waits_and_keeps_its_reason),
        cmocka_unit_test(a_reset_that_may_be_none),
        cmocka_unit_test(updates_are_due),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
