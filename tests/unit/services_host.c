/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel side must know of this host: its addresses, its sockets, its sysctls, its own SYN-ACK. */
#include "listen.h"

#include "localips.h"

static __u32 (*local_table(void))[4]
{
    static __u32 table[SW_LOCAL_IPS][4];

    for (__u32 i = 0; i < SW_LOCAL_IPS; i++)
        assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.local_ips), &i, table[i]), 0);
    return table;
}

/* As the kernel side looks. */
static bool is_local(__u32 (*table)[4], const __u8 ip[16])
{
    __u32 words[4], at;

    memcpy(words, ip, 16);
    at = sw_local_hash(words);
    for (int i = 0; i < SW_LOCAL_PROBES; i++, at = (at + 1) & (SW_LOCAL_IPS - 1))
        if (!memcmp(table[at], words, 16))
            return true;
    return false;
}

static bool has_local(const char *addr)
{
    __u8 ip[16];

    ip_of(addr, ip);
    return is_local(local_table(), ip);
}

TEST(this_hosts_addresses)
{
    NEEDS_ROOT();
    begin(true);
    assert_true(has_local("10.9.7.1"));
    assert_true(has_local("10.9.8.1"));
    assert_true(has_local("10.9.8.20"));
    assert_true(has_local("2001:db8::7"));
    assert_false(has_local("10.9.8.21"));
    assert_false(has_local("127.0.0.1"));
    assert_false(has_local("::1"));
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip addr add 10.9.7.2 peer 10.9.7.3 dev d0"), 0);
    refresh();
    assert_true(has_local("10.9.7.2"));
    assert_false(has_local("10.9.7.3"));
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip addr del 10.9.7.2 peer 10.9.7.3 dev d0"), 0);
    refresh();
    assert_false(has_local("10.9.7.2"));
    assert_true(has_local("10.9.7.1"));
}

/* n-th address: neighbours in IPv4, in IPv6, and random ones by turns */
static void nth_ip(int n, __u8 ip[16])
{
    unsigned int seed = n;

    memset(ip, 0, 16);
    if (n % 3 == 2) {
        for (int i = 0; i < 16; i++)
            ip[i] = rand_r(&seed) >> 8;
        ip[0] = 0x20;
    } else if (n % 3) {
        ip[0] = 0x20, ip[1] = 1, ip[2] = 0xd, ip[3] = 0xb8, ip[14] = n >> 8, ip[15] = n;
    } else {
        ip[10] = ip[11] = 0xff, ip[12] = 10, ip[14] = n >> 8, ip[15] = n;
    }
}

static int compare_ip(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

/* Windows of 512 addresses that slide: half come, half stay, and those are found at each moment. */
TEST(a_table_of_many_addresses)
{
    static __u32 table[SW_LOCAL_IPS][4];
    static __u8 ips[SW_LOCAL_IPS][16];
    enum { MOST = SW_LOCAL_IPS / 2 };

    for (int begin_at = 0; begin_at < 20 * MOST; begin_at += MOST / 2) {
        int used = 0;

        for (int i = 0; i < MOST; i++)
            nth_ip(begin_at + i, ips[i]);
        qsort(ips, MOST, 16, compare_ip);
        assert_int_equal(sw_local_ips_apply(table, (const __u8(*)[16])ips, MOST), 0);
        for (int i = 0; i < MOST; i++)
            assert_true(is_local(table, ips[i]));
        for (int i = 0; i < SW_LOCAL_IPS; i++)
            used += !!(table[i][0] | table[i][1] | table[i][2] | table[i][3]);
        assert_int_equal(used, MOST);
    }
    /* one too many is left out and counted, the others stay */
    nth_ip(1 << 20, ips[MOST]);
    assert_int_equal(sw_local_ips_apply(table, (const __u8(*)[16])ips, MOST + 1), 1);
    assert_int_equal(sw_local_ips_apply(table, NULL, 0), 0);
    assert_int_equal(table[sw_local_hash((__u32 *)ips[0])][3], 0);
}

/* Many whose slots are the same 8: nobody who has a place loses it. */
TEST(a_crowded_corner_of_the_table)
{
    static __u32 table[SW_LOCAL_IPS][4];
    __u8 ips[12][16];
    __u32 words[4] = {0, 0, htonl(0xffff), 0}, n = 0, left_out;
    int found = 0;

    for (__u32 a = 0x0a000000; n < 12; a++) {
        words[3] = htonl(a);
        if (sw_local_hash(words) == 1020) /* wraps */
            memcpy(ips[n++], words, 16);
    }
    qsort(ips, n, 16, compare_ip);
    left_out = sw_local_ips_apply(table, (const __u8(*)[16])ips, n);
    assert_int_equal(left_out, 12 - SW_LOCAL_PROBES);
    for (__u32 i = 0; i < n; i++)
        found += is_local(table, ips[i]);
    assert_int_equal(found, SW_LOCAL_PROBES);
    /* and one of another corner that could move makes room */
    memset(table, 0, sizeof(table));
    assert_int_equal(sw_local_ips_apply(table, (const __u8(*)[16])ips, 7), 0);
    for (__u32 a = 0x0b000000;; a++) {
        words[3] = htonl(a);
        if (sw_local_hash(words) == 1021)
            break;
    }
    memcpy(ips[11], words, 16);
    memcpy(ips[8], ips[11], 16);
    qsort(ips, 9, 16, compare_ip);
    assert_int_equal(sw_local_ips_apply(table, (const __u8(*)[16])ips, 9), 0);
    for (int i = 0; i < 9; i++)
        assert_true(is_local(table, ips[i]));
}

static bool known(int fd, bool server)
{
    struct sockaddr_storage local, remote;
    socklen_t len = sizeof(local);
    __u32 words[2][4], bit, at;
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
    bit = sw_known_bit(words[0], words[1], port[0], port[1]);
    at = sw_services_guard(fx.s)->known_gen * SW_KNOWN_WORDS + bit / 64;
    assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.known), &at, &value), 0);
    return value >> (bit & 63) & 1;
}

static int known_bits(__u32 gen)
{
    static __u64 values[2 * SW_KNOWN_WORDS];
    int n = 0;

    for (__u32 i = gen * SW_KNOWN_WORDS; i < (gen + 1) * SW_KNOWN_WORDS; i++) {
        assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.known), &i, &values[i]), 0);
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
}

enum { HOST_FLAGS = SW_G_SACK | SW_G_TS | SW_G_WSCALE | SW_G_ECN | SW_G_TS_PLAIN };

TEST(what_the_sysctls_grant)
{
    static const struct {
        const char *name, *value, *back;
        __u32 lost, gained;
    } rows[] = {
        {"ipv4/tcp_sack", "0", "1", SW_G_SACK, 0},
        {"ipv4/tcp_timestamps", "0", "1", SW_G_TS, 0},
        {"ipv4/tcp_timestamps", "2", "1", 0, SW_G_TS_PLAIN},
        {"ipv4/tcp_window_scaling", "0", "1", SW_G_WSCALE, 0},
        {"ipv4/tcp_ecn", "0", "2", SW_G_ECN, 0},
    };
    const __u32 usual = SW_G_SACK | SW_G_TS | SW_G_WSCALE | SW_G_ECN, others = SW_G_CAPTURE | SW_G_NO_META;
    struct sw_guard *g;

    NEEDS_ROOT();
    fx.opts.limit_source = 7;
    fx.opts.limit_prefix = 8;
    fx.opts.reply_budget = 9;
    begin(true);
    g = sw_services_guard(fx.s);
    assert_int_equal(g->flags, usual);
    assert_int_equal(g->half_open, 1024);
    assert_int_equal(g->syn_rate, 4000);
    assert_int_equal(g->hold, 10 * SECOND);
    assert_int_equal(g->grace, SECOND / 5);
    assert_int_equal(g->limit_source, 7);
    assert_int_equal(g->limit_prefix, 8);
    assert_int_equal(g->reply_budget, 9);
    g->flags |= others;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_sysctl(rows[i].name, rows[i].value);
        refresh();
        set_sysctl(rows[i].name, rows[i].back);
        assert_int_equal(g->flags, ((usual & ~rows[i].lost) | rows[i].gained) | others);
    }
    set_sysctl("ipv4/ip_default_ttl", "77");
    set_sysctl("ipv6/conf/default/hop_limit", "78");
    refresh();
    set_sysctl("ipv4/ip_default_ttl", "64");
    set_sysctl("ipv6/conf/default/hop_limit", "64");
    assert_int_equal(g->ttl, 77);
    assert_int_equal(g->hop_limit, 78);
    assert_int_equal(g->flags, usual | others);
}

TEST(without_syncookies_there_is_no_guard)
{
    struct sw_tcp_sysctls sysctls;
    struct sw_services *none = (void *)1;
    __u32 index;

    NEEDS_ROOT();
    listener("0.0.0.0", 9600, 0);
    set_sysctl("ipv4/tcp_syncookies", "0");
    sw_tcp_sysctls_read(&sysctls);
    assert_non_null(strstr(sw_tcp_sysctls_refusal(&sysctls), "net.ipv4.tcp_syncookies"));
    assert_int_equal(sw_services_new(fx.obj, &fx.opts, &fx.ifindex, 1, true, &none), -ENOTSUP);
    assert_null(none);
    assert_int_equal(first_of(9600), 0);
    set_sysctl("ipv4/tcp_syncookies", "1");
    sw_tcp_sysctls_read(&sysctls);
    assert_null(sw_tcp_sysctls_refusal(&sysctls));
    begin(true);
    index = service(NULL, 9600, SW_ANY_4);
    assert_int_equal(seen(index)->backend, SW_BK_REQSK);
    assert_null(sw_services_warning(fx.s));
    /* taken away while it runs, given back, taken away again: said each time, once */
    for (int i = 0; i < 2; i++) {
        set_sysctl("ipv4/tcp_syncookies", "0");
        refresh();
        refresh();
        assert_int_equal(seen(index)->backend, SW_BK_NONE);
        assert_true(warned("tcp_syncookies is 0"));
        assert_null(sw_services_warning(fx.s));
        set_sysctl("ipv4/tcp_syncookies", "1");
        refresh();
        assert_int_equal(seen(index)->backend, SW_BK_REQSK);
        assert_null(sw_services_warning(fx.s));
    }
}

TEST(what_the_listener_backend_loses)
{
    NEEDS_ROOT();
    listener("0.0.0.0", 9610, 0);
    fx.opts.backend = SW_BK_REQSK;
    begin(false);
    assert_int_equal(seen(service(NULL, 9610, SW_ANY_4))->backend, SW_BK_LISTENER);
    assert_true(warned("--cookie reqsk is not to be had"));
    after(NULL);
    before(NULL);
    listener("0.0.0.0", 9610, 0);
    fx.opts.backend = SW_BK_LISTENER;
    begin(true);
    assert_int_equal(seen(service(NULL, 9610, SW_ANY_4))->backend, SW_BK_LISTENER);
    assert_true(warned("net.ipv4.tcp_timestamps=2 keeps them"));
    assert_null(sw_services_warning(fx.s));
    after(NULL);
    before(NULL);
    listener("0.0.0.0", 9610, 0);
    set_sysctl("ipv4/tcp_syncookies", "2");
    begin(false); /* auto */
    set_sysctl("ipv4/tcp_syncookies", "1");
    assert_false(warned("with net.ipv4.tcp_syncookies=1"));
}

static void info_of(int fd, struct tcp_info *ret)
{
    socklen_t len = sizeof(*ret);

    memset(ret, 0, sizeof(*ret));
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret, &len), 0);
}

/* Our SYN-ACK says what the kernel's own says. */
TEST(window_and_scale_as_the_kernel_has_them)
{
    static const int rcvbufs[] = {0, 2304, 20000, 70000, 200000, 1000000};
    static const char *const rmems[] = {"4096 131072 33554432", "4096 131072 6291456", "4096 87380 131072",
                                        "4096 600000 40000000"};
    struct sw_tcp_sysctls sysctls;
    struct tcp_info client, server;
    __u16 port = 9700;

    NEEDS_ROOT();
    for (size_t k = 0; k < sizeof(rmems) / sizeof(rmems[0]); k++) {
        set_sysctl("ipv4/tcp_rmem", rmems[k]);
        sw_tcp_sysctls_read(&sysctls);
        for (size_t i = 0; i < sizeof(rcvbufs) / sizeof(rcvbufs[0]); i++, port++) {
            int fd = listener_with("10.9.8.1", port, 0, rcvbufs[i]), c, s;
            int rcvbuf;
            socklen_t len = sizeof(rcvbuf);
            const struct sw_service *sv;

            begin(true);
            sv = seen(service("10.9.8.1", port, 0));
            c = connect_to("10.9.8.1", port);
            s = accept(fd, NULL, NULL);
            info_of(c, &client);
            info_of(s, &server);
            assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, &len), 0);
            if (sv->wscale != server.tcpi_rcv_wscale)
                fail_msg("rmem %s, rcvbuf %d: scale %u, the kernel has %u", rmems[k], rcvbuf, sv->wscale,
                         server.tcpi_rcv_wscale);
            if (sw_tcp_window_of(&sysctls, rcvbuf, server.tcpi_advmss) != client.tcpi_snd_wnd)
                fail_msg("rmem %s, rcvbuf %d: window %u, the kernel has %u", rmems[k], rcvbuf,
                         sw_tcp_window_of(&sysctls, rcvbuf, server.tcpi_advmss), client.tcpi_snd_wnd);
            close(s);
            shut(fd);
            sw_services_free(fx.s);
            fx.s = NULL;
        }
    }
    set_sysctl("ipv4/tcp_rmem", "4096 131072 33554432");
    assert_int_equal(sw_tcp_window_of(&sysctls, 131072, 1460), 64240);
}

TEST(options_win_over_what_is_found)
{
    NEEDS_ROOT();
    fx.opts.wscale = 5;
    fx.opts.mss = 1000;
    fx.opts.mode = SW_GM_MONITOR;
    listener("0.0.0.0", 9900, 0);
    begin(true);
    assert_int_equal(seen(service(NULL, 9900, SW_ANY_4))->wscale, 5);
    assert_int_equal(seen(service(NULL, 9900, SW_ANY_4))->flags, SW_SV_FIXED);
    assert_int_equal(seen(service(NULL, 9900, SW_ANY_4))->mode, SW_GM_MONITOR);
    assert_int_equal(seen(service(NULL, 9900, SW_ANY_4))->mss[0], 1000);
    assert_int_equal(seen(service(NULL, 9900, SW_ANY_4))->mss[1], 1220);
}

TEST(a_smaller_mtu_makes_a_smaller_mss)
{
    __u32 index;

    NEEDS_ROOT();
    fx.opts.mss = 9000;
    listener("0.0.0.0", 9910, 0);
    begin(true);
    index = service(NULL, 9910, SW_ANY_4);
    assert_int_equal(seen(index)->mss[0], 1360);
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip link set d0 mtu 1300"), 0);
    refresh();
    assert_int_equal(seen(index)->mss[0], 1260);
    assert_int_equal(seen(index)->mss[1], 1240);
    set_sysctl("ipv6/conf/d0/mtu", "1290");
    refresh();
    assert_int_equal(seen(index)->mss[0], 1260);
    assert_int_equal(seen(index)->mss[1], 1230);
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip link set d0 mtu 1400"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(this_hosts_addresses),
        cmocka_unit_test(a_table_of_many_addresses),
        cmocka_unit_test(a_crowded_corner_of_the_table),
        LIVE_TEST(four_tuples_that_have_a_socket),
        LIVE_TEST(half_open_handshakes_are_known),
        LIVE_TEST(many_sockets_are_known),
        LIVE_TEST(what_the_sysctls_grant),
        LIVE_TEST(without_syncookies_there_is_no_guard),
        LIVE_TEST(what_the_listener_backend_loses),
        LIVE_TEST(window_and_scale_as_the_kernel_has_them),
        LIVE_TEST(options_win_over_what_is_found),
        LIVE_TEST(a_smaller_mtu_makes_a_smaller_mss),
    };

    return cmocka_run_group_tests_name("services_host", tests, before_all, NULL);
}
