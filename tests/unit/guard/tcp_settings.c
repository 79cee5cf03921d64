/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this host's sysctls, buffers and links make of a SYN-ACK, and of the guard. */
#include "listen.h"
#include "guard/services.h"
#include "base/clock.h"
#include "guard/tcp_settings.h"
#include "guard/warnings.h"

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
        {"ipv4/conf/all/accept_local", "1", "0", SW_G_NO_OWN_SOURCE, 0},
    };
    const __u32 others = SW_G_CAPTURE | SW_G_NO_META, md5 = SW_G_MD5, ao = SW_G_AO;
    struct sw_tcp_sysctls kernel;
    struct sw_guard *g;
    __u32 usual;

    NEEDS_ROOT();
    sw_tcp_sysctls_read(&kernel);
    usual = SW_G_SACK | SW_G_TS | SW_G_WSCALE | SW_G_ECN | SW_G_NO_OWN_SOURCE | (kernel.md5 > 0 ? md5 : 0) |
            (kernel.ao > 0 ? ao : 0);
    fx.opts.limit_source = 7;
    fx.opts.limit_prefix = 8;
    fx.opts.reply_budget = 9;
    begin(true);
    g = sw_services_guard(fx.s);
    assert_int_equal(g->flags, usual);
    assert_int_equal(g->mode, fx.opts.mode);
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
    assert_true(sw_clock_now() - g->local_ns < SECOND);
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
    assert_int_equal(sw_services_new(fx.obj, &fx.opts, &fx.ifindex, 1, false, true, &none), -ENOTSUP);
    assert_null(none);
    assert_int_equal(first_of(9600), 0);
    set_sysctl("ipv4/tcp_syncookies", "1");
    sw_tcp_sysctls_read(&sysctls);
    assert_null(sw_tcp_sysctls_refusal(&sysctls));
    begin(true);
    index = service(NULL, 9600, SW_ANY_4);
    assert_int_equal(seen(index)->backend, SW_BK_REQSK);
    assert_null(sw_services_warning(fx.s));
    /* taken away while it runs, given back, taken away again: logged each time, once */
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

/* The kernel would say less over such a route, so no client is offered more. */
TEST(a_route_can_say_less)
{
    __u32 index;

    NEEDS_ROOT();
    listener("0.0.0.0", 9911, 0);
    begin(true);
    index = service(NULL, 9911, SW_ANY_4);
    assert_int_equal(seen(index)->mss[0], 1360);
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip route add 192.0.2.0/24 dev d0 mtu 1300"), 0);
    refresh();
    assert_int_equal(seen(index)->mss[0], 1260);
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip route add 198.51.100.0/24 dev d0 advmss 1200"), 0);
    refresh();
    assert_int_equal(seen(index)->mss[0], 1200);
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip -6 route add 2001:db8:9::/48 dev d0 mtu 1290"), 0);
    refresh();
    assert_int_equal(seen(index)->mss[1], 1230);
    assert_int_equal(run("PATH=$PATH:/sbin:/usr/sbin; ip route del 192.0.2.0/24; ip route del 198.51.100.0/24; "
                         "ip -6 route del 2001:db8:9::/48"),
                     0);
    refresh();
    assert_int_equal(seen(index)->mss[0], 1360);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(what_the_sysctls_grant),
        LIVE_TEST(without_syncookies_there_is_no_guard),
        LIVE_TEST(what_the_listener_backend_loses),
        LIVE_TEST(window_and_scale_as_the_kernel_has_them),
        LIVE_TEST(options_win_over_what_is_found),
        LIVE_TEST(a_smaller_mtu_makes_a_smaller_mss),
        LIVE_TEST(a_route_can_say_less),
    };

    return cmocka_run_group_tests_name("services_host", tests, before_all, NULL);
}
