/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of each segment of a translated connection, what ends it, and what nobody can end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/machine.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

enum { FIN = SW_TCP_FIN, SYN = SW_TCP_SYN, RST = SW_TCP_RST, ACK = SW_TCP_ACK };
enum { CLIENT = 1000, COOKIE = 5000, SERVER = 70000 };

static const struct sw_gateway_state limits = {
    .linger = 120 * SW_SECOND, .idle = 7500 * SW_SECOND, .pending = 60 * SW_SECOND};

static struct sw_xlate in_state(__u32 state)
{
    return (struct sw_xlate){.state = state,
                             .client_isn = CLIENT,
                             .cookie_isn = COOKIE,
                             .server_isn = SERVER,
                             .client_next = CLIENT + 1,
                             .acked = CLIENT + 1,
                             .syn_ns = SW_SECOND,
                             .last_ns = SW_SECOND,
                             .since_ns = SW_SECOND};
}

static struct sw_seg seg(__u16 flags, __u32 seq, __u32 ack, __u32 len)
{
    return (struct sw_seg){.flags = flags, .seq = seq, .ack = ack, .len = len};
}

static enum sw_xlate_do in(const struct sw_xlate *x, __u16 flags, __u32 seq, __u32 len, __u64 now)
{
    struct sw_seg s = seg(flags, seq, COOKIE + 1, len);

    return sw_xlate_in(x, &s, now);
}

static enum sw_xlate_do out(const struct sw_xlate *x, __u16 flags, __u32 seq, __u32 ack)
{
    struct sw_seg s = seg(flags, seq, ack, 0);

    return sw_xlate_out(x, &s);
}

TEST(client_while_the_backend_has_not_answered)
{
    struct sw_xlate x = in_state(SW_X_PENDING);
    const __u64 soon = SW_SECOND + SW_X_SYN_NS - 1, later = SW_SECOND + SW_X_SYN_NS;
    struct sw_seg first = seg(ACK, CLIENT + 1, COOKIE + 1, 0);

    assert_int_equal(in(&x, ACK, CLIENT + 1, 0, soon), SW_XD_DROP);
    assert_int_equal(in(&x, ACK, CLIENT + 1, 100, later), SW_XD_SYN);
    x.tries = 2;
    assert_int_equal(in(&x, ACK, CLIENT + 1, 0, later), SW_XD_DROP);
    assert_int_equal(in(&x, ACK, CLIENT + 1, 0, SW_SECOND + 4 * SW_X_SYN_NS), SW_XD_SYN);
    assert_int_equal(in(&x, ACK, CLIENT + 77, 0, later), SW_XD_COOKIE);
    assert_int_equal(in(&x, ACK, CLIENT, 0, soon), SW_XD_COOKIE); /* a probe below the window has another number, too */
    assert_int_equal(in(&x, SYN, CLIENT, 0, soon), SW_XD_PASS);
    assert_int_equal(in(&x, SYN | ACK, CLIENT, 0, soon), SW_XD_DROP);
    assert_int_equal(in(&x, 0, CLIENT + 1, 10, later), SW_XD_DROP);
    first.frag = 1;
    assert_int_equal(sw_xlate_in(&x, &first, 100 * SW_SECOND), SW_XD_DROP);
}

/* A RST reaches the backend with exactly the next number alone: the client's, or ours for an older connection. */
TEST(resets_while_the_backend_has_not_answered)
{
    struct sw_xlate x = in_state(SW_X_PENDING);

    assert_int_equal(in(&x, RST, CLIENT + 1, 0, 0), SW_XD_FORGET);
    assert_int_equal(in(&x, RST | ACK, CLIENT + 1, 0, 0), SW_XD_FORGET);
    assert_int_equal(in(&x, RST, CLIENT + 2, 0, 0), SW_XD_DROP);
    assert_int_equal(in(&x, RST, CLIENT, 0, 0), SW_XD_DROP);
    x.rst_seq = 4242;
    assert_int_equal(in(&x, RST, 4242, 0, 0), SW_XD_DROP);
    x.flags |= SW_XF_OWN_RST;
    assert_int_equal(in(&x, RST, 4242, 0, 0), SW_XD_PASS);
    assert_int_equal(in(&x, RST, 4243, 0, 0), SW_XD_DROP);
}

TEST(backend_answers)
{
    struct sw_xlate x = in_state(SW_X_PENDING);

    assert_int_equal(out(&x, SYN | ACK, SERVER, CLIENT + 1), SW_XD_OPEN);
    assert_int_equal(out(&x, SYN | ACK, SERVER, CLIENT + 9), SW_XD_FORGET);
    assert_int_equal(out(&x, RST | ACK, 0, CLIENT + 1), SW_XD_REFUSED);
    assert_int_equal(out(&x, RST, 0, CLIENT + 1), SW_XD_DROP);
    assert_int_equal(out(&x, RST | ACK, 0, CLIENT + 2), SW_XD_DROP);
    assert_int_equal(out(&x, ACK, SERVER, 333), SW_XD_CHALLENGE);
    assert_int_equal(out(&x, SYN, SERVER, 0), SW_XD_DROP);
    x.state = SW_X_OPENING;
    assert_int_equal(out(&x, SYN | ACK, SERVER, CLIENT + 1), SW_XD_DROP);
    assert_int_equal(in(&x, ACK, CLIENT + 1, 0, 0), SW_XD_DROP);
    x.state = SW_X_ESTABLISHED;
    assert_int_equal(out(&x, SYN | ACK, SERVER, CLIENT + 1), SW_XD_OPEN_AGAIN);
    assert_int_equal(out(&x, SYN | ACK, SERVER + 1, CLIENT + 1), SW_XD_DROP);
    assert_int_equal(out(&x, SYN | ACK, SERVER + 1, 99), SW_XD_FORGET);
    assert_int_equal(out(&x, ACK, SERVER + 1, 99), SW_XD_TRANSLATE);
    assert_int_equal(out(&x, RST, SERVER + 1, 0), SW_XD_TRANSLATE);
}

TEST(established)
{
    for (__u32 state = SW_X_ESTABLISHED; state <= SW_X_CLOSING; state++) {
        struct sw_xlate x = in_state(state);

        x.acked = CLIENT + 500;
        assert_int_equal(in(&x, ACK, CLIENT + 500, 0, 0), SW_XD_TRANSLATE);
        assert_int_equal(in(&x, ACK, CLIENT + 1, 0, 0), SW_XD_TRANSLATE); /* the third packet again */
        assert_int_equal(in(&x, ACK, 77, 0, 0), SW_XD_COOKIE);
        assert_int_equal(in(&x, ACK, 77, 1, 0), SW_XD_TRANSLATE);
        assert_int_equal(in(&x, ACK | FIN, 77, 0, 0), SW_XD_TRANSLATE);
        assert_int_equal(in(&x, RST, 77, 0, 0), SW_XD_TRANSLATE);
        assert_int_equal(in(&x, SYN, 77, 0, 0), SW_XD_PASS);
    }
}

TEST(dead)
{
    struct sw_xlate x = in_state(SW_X_DEAD);

    assert_int_equal(in(&x, ACK, CLIENT + 1, 5, 0), SW_XD_RESET);
    assert_int_equal(in(&x, RST | ACK, CLIENT + 1, 0, 0), SW_XD_DROP);
    assert_int_equal(in(&x, SYN, CLIENT + 1, 0, 0), SW_XD_PASS);
    assert_int_equal(in(&x, ACK, 9, 0, 0), SW_XD_COOKIE);
    assert_int_equal(out(&x, ACK, SERVER, 1), SW_XD_DROP);
    assert_int_equal(out(&x, RST, SERVER, 1), SW_XD_PASS);
    assert_int_equal(out(&x, SYN | ACK, SERVER, CLIENT + 1), SW_XD_DROP);
    assert_int_equal(out(&x, SYN | ACK, SERVER, 99), SW_XD_FORGET);
}

static void client(struct sw_xlate *x, __u16 flags, __u32 seq, __u32 len)
{
    struct sw_seg s = seg(flags, seq, 0, len);

    sw_xlate_client_says(x, &s, 9 * SW_SECOND);
}

static void backend(struct sw_xlate *x, __u16 flags, __u32 ack)
{
    struct sw_seg s = seg(flags, SERVER, ack, 0);

    sw_xlate_backend_says(x, &s, 9 * SW_SECOND);
}

TEST(both_fins_end_it)
{
    struct sw_xlate x = in_state(SW_X_ESTABLISHED);

    client(&x, ACK, CLIENT + 1, 100);
    assert_true(x.flags & SW_XF_CLIENT_SENT);
    assert_int_equal(x.client_next, CLIENT + 101);
    client(&x, ACK | FIN, CLIENT + 101, 10);
    assert_int_equal(x.client_fin, CLIENT + 112);
    backend(&x, ACK, CLIENT + 101);
    backend(&x, ACK | FIN, CLIENT + 111);
    assert_false(sw_xlate_has_ended(&x));
    backend(&x, ACK, CLIENT + 112);
    assert_true(sw_xlate_has_ended(&x));
    /* the server first, and the client much later */
    x = in_state(SW_X_ESTABLISHED);
    backend(&x, ACK | FIN, CLIENT + 1);
    client(&x, ACK, CLIENT + 1, 5000);
    client(&x, FIN | ACK, CLIENT + 5001, 0);
    assert_false(sw_xlate_has_ended(&x));
    backend(&x, ACK, CLIENT + 5002);
    assert_true(sw_xlate_has_ended(&x));
}

/* The backend's RST is true, and the client's if its number is exactly the next one. */
TEST(who_may_reset)
{
    struct sw_xlate x = in_state(SW_X_ESTABLISHED);

    client(&x, ACK, CLIENT + 1, 100); /* not acknowledged */
    client(&x, RST, CLIENT + 50, 0);
    client(&x, RST, CLIENT + 102, 0);
    assert_false(sw_xlate_has_ended(&x));
    client(&x, RST | ACK, CLIENT + 101, 0);
    assert_true(sw_xlate_has_ended(&x));
    x = in_state(SW_X_ESTABLISHED);
    client(&x, ACK, CLIENT + 1, 100);
    backend(&x, ACK, CLIENT + 41);
    client(&x, RST, CLIENT + 41, 0);
    assert_true(sw_xlate_has_ended(&x));
    x = in_state(SW_X_ESTABLISHED);
    backend(&x, RST, 0);
    assert_true(sw_xlate_has_ended(&x));
}

/* Somebody who knows the four-tuple and no number ends nothing, and makes no life shorter. */
TEST(blind)
{
    struct sw_xlate x = in_state(SW_X_ESTABLISHED);

    x.flags |= SW_XF_CLIENT_SENT;
    for (__u32 i = 0; i < 1u << 12; i++) {
        client(&x, FIN | ACK, (i << 20) + 13, 7);
        client(&x, RST, (i << 20) + 13, 0);
        backend(&x, ACK, CLIENT + 1);
    }
    assert_false(sw_xlate_has_ended(&x));
    assert_int_equal(sw_xlate_expiry(&x, &limits, 9 * SW_SECOND + limits.idle - 1, 1), 0);
    client(&x, ACK, CLIENT + 1, 10); /* and the true end is still one */
    client(&x, FIN | ACK, CLIENT + 11, 0);
    backend(&x, ACK | FIN, CLIENT + 12);
    assert_true(sw_xlate_has_ended(&x));
}

static __u32 why(const struct sw_xlate *x, __u64 after, __u32 filling)
{
    return sw_xlate_expiry(x, &limits, SW_SECOND + after, filling);
}

TEST(life)
{
    struct sw_xlate x = in_state(SW_X_PENDING);

    assert_int_equal(why(&x, 60 * SW_SECOND - 1, 0), 0);
    assert_int_equal(why(&x, 60 * SW_SECOND, 0), SW_GC_SILENT + 1);
    assert_int_equal(why(&x, 10 * SW_SECOND - 1, 1), 0);
    assert_int_equal(why(&x, 10 * SW_SECOND, 1), SW_GC_SILENT + 1);
    x.state = SW_X_CLOSING;
    assert_int_equal(why(&x, 120 * SW_SECOND - 1, 1), 0);
    assert_int_equal(why(&x, 120 * SW_SECOND, 0), SW_GC_CLOSED + 1);
    x.ends = SW_XE_RST;
    assert_int_equal(why(&x, 10 * SW_SECOND - 1, 1), 0);
    assert_int_equal(why(&x, 10 * SW_SECOND, 0), SW_GC_CLOSED + 1);
    x.ends = 0;
    x.state = SW_X_ESTABLISHED;
    assert_int_equal(why(&x, 7500 * SW_SECOND - 1, 0), 0);
    assert_int_equal(why(&x, 7500 * SW_SECOND, 0), SW_GC_IDLE + 1);
    assert_int_equal(why(&x, 60 * SW_SECOND, 1), SW_GC_IDLE + 1); /* the client has sent nothing */
    x.flags |= SW_XF_CLIENT_SENT;
    assert_int_equal(why(&x, 60 * SW_SECOND, 1), 0);
    x.ends = SW_XE_SERVER_FIN;
    assert_int_equal(why(&x, 240 * SW_SECOND - 1, 1), 0);
    assert_int_equal(why(&x, 240 * SW_SECOND, 0), SW_GC_IDLE + 1);
    x.ends = 0;
    x.client_ends = SW_XE_CLIENT_FIN; /* claimed */
    assert_int_equal(why(&x, 240 * SW_SECOND, 0), 0);
    x.state = SW_X_DEAD;
    assert_int_equal(why(&x, 240 * SW_SECOND, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_while_the_backend_has_not_answered),
        cmocka_unit_test(resets_while_the_backend_has_not_answered),
        cmocka_unit_test(backend_answers),
        cmocka_unit_test(established),
        cmocka_unit_test(dead),
        cmocka_unit_test(both_fins_end_it),
        cmocka_unit_test(who_may_reset),
        cmocka_unit_test(blind),
        cmocka_unit_test(life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
