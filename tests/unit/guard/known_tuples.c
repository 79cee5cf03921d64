/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Four-tuples that have a socket, from real sockets in all states. */
#include "listen.h"
#include "guard/known_tuples.h"
#include "guard/services.h"

static bool known(int fd, bool server)
{
    struct sockaddr_storage local, remote;
    socklen_t len = sizeof(local);
    __u32 words[2][4], bit, at, zero = 0;
    struct sw_hash_key key;
    __u16 port[2];
    __u64 value;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &len), 0);
    len = sizeof(remote);
    assert_int_equal(getpeername(fd, (struct sockaddr *)&remote, &len), 0);
    for (int i = 0; i < 2; i++) {
        const struct sockaddr_storage *sa = i == server ? &local : &remote;
        const struct sockaddr_in *in = (const void *)sa;
        const struct sockaddr_in6 *in6 = (const void *)sa;

        port[i] = in->sin_port;
        memset(words[i], 0, 16);
        if (sa->ss_family == AF_INET6) {
            memcpy(words[i], &in6->sin6_addr, 16);
        } else {
            words[i][2] = htonl(0xffff);
            words[i][3] = in->sin_addr.s_addr;
        }
    }
    /* [0] is the client, [1] the service */
    assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.hash_key), &zero, &key), 0);
    bit = sw_known_bit(&key, words[0], words[1], port[0], port[1]);
    at = sw_services_guard(fx.s)->known_gen * SW_KNOWN_WORDS + bit / 64;
    assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.known_tuples), &at, &value), 0);
    return value >> (bit & 63) & 1;
}

static int known_bits(__u32 gen)
{
    static __u64 values[2 * SW_KNOWN_WORDS];
    int n = 0;

    for (__u32 i = gen * SW_KNOWN_WORDS; i < (gen + 1) * SW_KNOWN_WORDS; i++) {
        assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.known_tuples), &i, &values[i]), 0);
        n += __builtin_popcountll(values[i]);
    }
    return n;
}

TEST(four_tuples_that_have_a_socket)
{
    int l4, l6, dual, c4, c6, mapped, s4, other, o, s6, sm;
    __u32 gen;

    NEEDS_ROOT();
    l4 = listener("10.9.8.1", 9500, 0);
    l6 = listener("2001:db8::7", 9501, 0);
    dual = listener("::", 9502, L_DUAL);
    other = listener("127.0.0.1", 9503, 0); /* no service */
    c4 = connect_to("10.9.8.1", 9500);
    c6 = connect_to("2001:db8::7", 9501);
    mapped = connect_to("10.9.8.2", 9502);
    o = connect_to("127.0.0.1", 9503);
    begin(true);
    gen = sw_services_guard(fx.s)->known_gen;
    assert_true(known(c4, false));
    assert_true(known(c6, false));
    assert_true(known(mapped, false));
    assert_false(known(o, false));
    assert_int_equal(known_bits(gen), 3);
    /* accepted, closed by the server: TIME_WAIT is the server's */
    s4 = accept(l4, NULL, NULL);
    s6 = accept(l6, NULL, NULL);
    sm = accept(dual, NULL, NULL);
    assert_true(s4 >= 0 && s6 >= 0 && sm >= 0);
    assert_int_equal(sw_services_refill_known(fx.s), 0);
    assert_int_not_equal(sw_services_guard(fx.s)->known_gen, gen);
    assert_true(known(s4, true));
    assert_true(known(s6, true));
    assert_true(known(sm, true));
    shutdown(s4, SHUT_WR);
    shutdown(c4, SHUT_WR);
    assert_int_equal(sw_services_refill_known(fx.s), 0);
    assert_int_equal(sw_services_guard(fx.s)->known_gen, gen);
    assert_int_equal(known_bits(gen), 3); /* TIME_WAIT */
    close(s4);
    /* gone by RST: gone here at the next turn */
    {
        const struct linger reset = {.l_onoff = 1};

        setsockopt(s6, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    close(s6);
    assert_int_equal(sw_services_refill_known(fx.s), 0);
    assert_int_equal(known_bits(!gen), 2);
    close(sm);
    (void)other;
}

/* A handshake that waits for its last step: TCP_DEFER_ACCEPT keeps the request until data comes. */
TEST(half_open_handshakes_are_known)
{
    int seconds = 30, fd, client;

    NEEDS_ROOT();
    fd = listener("0.0.0.0", 9510, 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
    client = connect_to("10.9.8.1", 9510);
    begin(true);
    assert_true(known(client, false));
    assert_int_equal(known_bits(sw_services_guard(fx.s)->known_gen), 1);
}

TEST(many_sockets_are_known)
{
    int fd, clients[900];

    NEEDS_ROOT();
    fd = listener("0.0.0.0", 9520, 0);
    assert_int_equal(listen(fd, 1000), 0);
    set_sysctl("core/somaxconn", "4096");
    assert_int_equal(listen(fd, 1000), 0);
    for (int i = 0; i < 900; i++)
        clients[i] = connect_to("10.9.8.1", 9520);
    begin(true);
    for (int i = 0; i < 900; i++)
        assert_true(known(clients[i], false));
    /* two tuples may share a bit */
    assert_in_range(known_bits(sw_services_guard(fx.s)->known_gen), 890, 900);
    assert_false(sw_services_known_is_full(fx.s));
    for (__u32 i = 0; i < SW_KNOWN_WORDS; i++) { /* as after many connections */
        __u32 at = sw_services_guard(fx.s)->known_gen * SW_KNOWN_WORDS + i;
        __u64 value = 0x0100010001000101ull << (i & 7);

        assert_int_equal(bpf_map_update_elem(bpf_map__fd(fx.obj->maps.known_tuples), &at, &value, 0), 0);
    }
    assert_false(sw_services_known_is_full(fx.s));
    for (__u32 i = 0; i < SW_KNOWN_WORDS; i++) {
        __u32 at = sw_services_guard(fx.s)->known_gen * SW_KNOWN_WORDS + i;
        __u64 value = 0x0101010101010101ull * 3;

        assert_int_equal(bpf_map_update_elem(bpf_map__fd(fx.obj->maps.known_tuples), &at, &value, 0), 0);
    }
    assert_true(sw_services_known_is_full(fx.s));
    assert_int_equal(sw_services_refill_known(fx.s), 0);
    assert_false(sw_services_known_is_full(fx.s));
    for (int i = 0; i < 900; i++)
        assert_true(known(clients[i], false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(four_tuples_that_have_a_socket),
        LIVE_TEST(half_open_handshakes_are_known),
        LIVE_TEST(many_sockets_are_known),
    };

    return cmocka_run_group_tests_name("known", tests, before_all, NULL);
}
