/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Real routes in the map in which the programs look sources up. d0 is watched; e0 is another device.
 *
 *      d0 ====== d1     veth, all in one network namespace
 *      e0 ====== e1
 */
#include "listen.h"

#include "guard/reverse_path.h"
#include "guard/routes.h"

#define IP "PATH=$PATH:/sbin:/usr/sbin; ip "
#define BOTH (SW_G_REVERSE_4 | SW_G_REVERSE_6)

static void ip(const char *command)
{
    char text[256];

    snprintf(text, sizeof(text), IP "%s", command);
    if (run(text))
        fail_msg("%s", text);
}

/* As the kernel side looks. */
static bool reached(const char *addr)
{
    struct sw_cidr key = {.prefixlen = 128};
    __u32 value;

    ip_of(addr, key.ip);
    return !bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.reverse_path), &key, &value) && value;
}

static __u32 checked(void)
{
    return sw_services_guard(fx.s)->flags & BOTH;
}

static void start(enum sw_reverse_path_mode mode)
{
    fx.opts.reverse_path = mode;
    begin(true);
}

static int namespace_with_two(void **state)
{
    if (before_all(state))
        return -1;
    return geteuid()
               ? 0
               : run(IP "link set d1 up && PATH=$PATH:/sbin:/usr/sbin && ip link add e0 type veth peer name e1 && "
                        "ip link set e0 up && ip link set e1 up && ip addr add 10.9.6.1/24 dev e0 && "
                        "ip -6 addr add 2001:db8:6::1/64 dev e0 nodad && "
                        "ip -6 addr add 2001:db8:7::1/64 dev d0 nodad");
}

TEST(routes_that_come_and_go)
{
    NEEDS_ROOT();
    start(SW_REVERSE_PATH_STRICT);
    assert_int_equal(checked(), BOTH);
    assert_true(reached("10.9.7.5") && reached("2001:db8:7::5"));
    assert_false(reached("10.9.6.5") || reached("2001:db8:6::5"));
    assert_false(reached("198.18.0.1") || reached("2001:db8:9::1")); /* no route */
    assert_false(reached("10.9.7.1") || reached("10.9.8.3") || reached("2001:db8:7::1") || reached("127.0.0.1"));
    assert_false(reached("10.9.7.255") || reached("224.0.0.1") || reached("ff02::1"));
    ip("route add default via 10.9.7.2");
    ip("-6 route add default via 2001:db8:7::2");
    ip("route add 198.18.0.0/15 via 10.9.6.2");
    refresh();
    assert_true(reached("192.0.2.1") && reached("2001:db8:9::1"));
    assert_false(reached("198.18.0.1"));
    ip("route add 198.18.5.0/24 via 10.9.7.2");
    ip("route add unreachable 192.0.2.0/24");
    ip("-6 route add blackhole 2001:db8:9::/48");
    refresh();
    assert_true(reached("198.18.5.1"));
    assert_false(reached("192.0.2.1") || reached("2001:db8:9::1") || reached("198.18.4.1"));
    ip("route replace 198.18.0.0/15 via 10.9.7.2");
    ip("route del unreachable 192.0.2.0/24");
    ip("-6 route del blackhole 2001:db8:9::/48");
    ip("route del default");
    refresh();
    assert_true(reached("198.18.4.1") && reached("2001:db8:9::1"));
    assert_false(reached("192.0.2.1")); /* the IPv6 default does not stand for IPv4 */
    ip("-6 route del default");
    ip("route flush 198.18.0.0/15");
    ip("route flush 198.18.5.0/24");
    refresh();
    assert_false(reached("198.18.4.1") || reached("198.18.5.1") || reached("2001:db8:9::1"));
    assert_false(warned("reverse path"));
}

/* One of several routes or nexthops is enough; what the kernel may leave out of account refuses nothing. */
TEST(in_doubt_it_is_reached)
{
    NEEDS_ROOT();
    start(SW_REVERSE_PATH_STRICT);
    ip("route add default via 10.9.7.2");
    ip("route add 198.18.0.0/24 nexthop via 10.9.6.2 nexthop via 10.9.7.2");
    ip("route add 198.18.1.0/24 nexthop via 10.9.6.2 nexthop via 10.9.6.3");
    ip("route add 198.18.2.0/24 via 10.9.6.2 metric 5");
    ip("route add 198.18.2.0/24 via 10.9.7.2 metric 9");
    ip("route add 198.18.6.0/24 via 10.9.7.2 metric 5");
    ip("route add 198.18.6.0/24 via 10.9.6.2 metric 9");
    ip("route add 198.18.3.0/24 tos 8 via 10.9.6.2");
    ip("route add 198.18.4.0/24 via 10.9.6.2 table default");
    ip("route add 198.18.5.0/24 via 10.9.6.2 table 77");
    refresh();
    assert_true(reached("198.18.0.1") && reached("198.18.2.1") && reached("198.18.3.1") && reached("198.18.4.1") &&
                reached("198.18.5.1") && reached("198.18.6.1"));
    assert_false(reached("198.18.1.1"));
    ip("link set e1 down"); /* e0 has no carrier: its routes may not be looked at (ignore_routes_with_linkdown) */
    refresh();
    assert_true(reached("198.18.1.1"));
    ip("link set e1 up");
    ip("link set d1 down");
    refresh();
    assert_true(reached("198.18.9.1"));
    ip("link set d1 up");
    ip("route flush root 198.18.0.0/16 table all");
    ip("route del default");
}

/* Table local is searched first: what it says of a wide prefix hides the longer ones of other tables. */
TEST(table_local_comes_first)
{
    NEEDS_ROOT();
    start(SW_REVERSE_PATH_STRICT);
    ip("route add 198.18.0.0/16 via 10.9.7.2 table local");
    ip("route add 198.18.1.0/24 via 10.9.6.2");
    refresh();
    assert_true(reached("198.18.0.1") && reached("198.18.1.1"));
    ip("route del 198.18.0.0/16 table local");
    refresh();
    assert_false(reached("198.18.0.1") || reached("198.18.1.1"));
    ip("route del 198.18.1.0/24");
    set_sysctl("ipv4/conf/d0/accept_local", "1");
    refresh();
    assert_true(reached("10.9.7.1") && reached("127.0.0.1"));
    set_sysctl("ipv4/conf/d0/accept_local", "0");
    refresh();
    assert_false(reached("10.9.7.1"));
}

/* A macvlan on the interface, a bridge over it. */
TEST(devices_that_belong_to_it)
{
    NEEDS_ROOT();
    ip("link add link d0 name m0 type macvlan");
    ip("link set m0 up");
    ip("route add 198.18.0.0/24 dev m0");
    start(SW_REVERSE_PATH_AUTO);
    assert_int_equal(checked(), 0);
    set_sysctl("ipv4/conf/d0/rp_filter", "1");
    refresh();
    assert_int_equal(checked(), 0); /* m0 takes its packets, too */
    set_sysctl("ipv4/conf/m0/rp_filter", "1");
    refresh();
    assert_int_equal(checked(), SW_G_REVERSE_4);
    assert_true(reached("198.18.0.1"));
    ip("link del m0");
    ip("link add b0 type bridge");
    ip("link set b0 up");
    ip("link set d0 master b0");
    ip("route add 198.18.1.0/24 dev b0");
    refresh();
    assert_int_equal(checked(), 0);
    set_sysctl("ipv4/conf/b0/rp_filter", "1");
    refresh();
    assert_int_equal(checked(), SW_G_REVERSE_4);
    assert_true(reached("198.18.1.1"));
    assert_false(reached("198.18.0.1"));
    ip("link del b0");
    set_sysctl("ipv4/conf/d0/rp_filter", "0");
}

/* What is below the interface, as a bridge's port, does not take its packets: its sysctl does not count. */
TEST(devices_below_it)
{
    __u32 d0 = fx.ifindex;

    NEEDS_ROOT();
    ip("link add b0 type bridge");
    ip("link set b0 up");
    ip("link set d0 master b0");
    ip("route add 198.18.1.0/24 dev d0");
    fx.ifindex = if_nametoindex("b0");
    set_sysctl("ipv4/conf/b0/rp_filter", "1");
    start(SW_REVERSE_PATH_AUTO);
    fx.ifindex = d0;
    assert_int_equal(checked(), SW_G_REVERSE_4);
    assert_true(reached("198.18.1.1"));
    ip("link del b0");
    ip("route del 198.18.1.0/24");
}

TEST(as_the_kernel_filters)
{
    struct sw_guard *g;

    NEEDS_ROOT();
    start(SW_REVERSE_PATH_AUTO);
    g = sw_services_guard(fx.s);
    assert_int_equal(checked(), 0);
    assert_int_equal(g->routes_ns, 0);
    set_sysctl("ipv4/conf/all/rp_filter", "1");
    refresh();
    assert_int_equal(checked(), SW_G_REVERSE_4);
    assert_true(g->routes_ns);
    set_sysctl("ipv4/conf/d0/rp_filter", "2"); /* loose: the larger one counts */
    refresh();
    assert_int_equal(checked(), 0);
    set_sysctl("ipv4/conf/d0/rp_filter", "0");
    set_sysctl("ipv4/conf/all/rp_filter", "0");
    set_sysctl("ipv4/conf/e0/rp_filter", "1");
    refresh();
    assert_int_equal(checked(), 0);
    set_sysctl("ipv4/conf/e0/rp_filter", "0");
}

TEST(never_if_off)
{
    NEEDS_ROOT();
    set_sysctl("ipv4/conf/all/rp_filter", "1");
    start(SW_REVERSE_PATH_OFF);
    assert_int_equal(checked(), 0);
    set_sysctl("ipv4/conf/all/rp_filter", "0");
}

/* Where it is not known nothing is checked, and each reason is said once. */
static void unknown(const char *make, const char *unmake, const char *why)
{
    ip(make);
    refresh();
    assert_int_equal(checked(), 0);
    assert_true(warned(why));
    refresh();
    assert_false(warned("reverse path"));
    ip(unmake);
    refresh();
    assert_int_equal(checked(), BOTH);
    assert_false(warned("reverse path"));
}
TEST(what_cannot_be_known)
{
    NEEDS_ROOT();
    start(SW_REVERSE_PATH_STRICT);
    assert_int_equal(checked(), BOTH);
    for (int i = 0; i < 2; i++)
        unknown("rule add from 10.0.0.0/8 lookup 77", "rule del from 10.0.0.0/8 lookup 77", "policy rules");
    unknown("-6 rule add fwmark 5 lookup main pref 32766", "-6 rule del fwmark 5 lookup main pref 32766",
            "policy rules");
    unknown("rule del pref 0", "rule add pref 0 lookup local", "policy rules");
    unknown("route add throw 198.18.0.0/24", "route del throw 198.18.0.0/24", "throw");
    set_sysctl("ipv4/nexthop_compat_mode", "0");
    ip("nexthop add id 7 via 10.9.7.2 dev d0");
    unknown("route add 198.18.0.0/24 nhid 7", "route del 198.18.0.0/24", "over which device");
    set_sysctl("ipv4/nexthop_compat_mode", "1");
    ip("route add 198.18.0.0/24 nhid 7");
    refresh();
    assert_true(reached("198.18.0.1"));
    ip("nexthop del id 7"); /* its routes go with it, and are not notified */
    refresh();
    assert_false(reached("198.18.0.1"));
}

/* So many /32 from 198.16.0.0 on, to d0. */
static void add_routes(int from, int to)
{
    char text[256];

    snprintf(text, sizeof(text),
             "PATH=$PATH:/sbin:/usr/sbin; awk 'BEGIN { for (i = %d; i < %d; i++) printf \"route add 198.%%d.%%d.%%d "
             "dev d0\\n\", "
             "16 + i / 65536, i / 256 %% 256, i %% 256 }' | ip -batch -",
             from, to);
    assert_int_equal(run(text), 0);
}

static void look(struct sw_reverse_path *r, __u64 now)
{
    struct sw_devices devices;

    sw_reverse_path_watch(r);
    assert_int_equal(sw_devices_read(&fx.ifindex, 1, &devices), 0);
    sw_reverse_path_refresh(r, &devices, now);
    sw_devices_free(&devices);
}

/* A table of routes that is nearly full, in which one changes each second: it is not read each second, but its last
 * state is. And one of more than fit. */
TEST(many_routes)
{
    static const char *const ways[] = {"route replace 203.0.113.0/24 via 10.9.6.2",
                                       "route replace 203.0.113.0/24 via 10.9.7.2"};
    struct sw_reverse_path *r;
    struct sw_guard *g;
    __u64 now = SECOND, read_at = 0;
    unsigned reads = 0;

    NEEDS_ROOT();
    start(SW_REVERSE_PATH_OFF);
    g = sw_services_guard(fx.s);
    r = sw_reverse_path_new(bpf_map__fd(fx.obj->maps.reverse_path), g, SW_REVERSE_PATH_STRICT);
    assert_non_null(r);
    add_routes(0, 65000);
    look(r, now);
    assert_int_equal(checked(), BOTH);
    assert_true(reached("198.16.0.0") && reached("198.16.253.231"));
    assert_false(reached("198.16.253.232"));
    for (int i = 0; i < 24; i++) {
        ip(ways[i & 1]);
        now += SECOND;
        look(r, now);
        reads += g->routes_ns != read_at;
        read_at = g->routes_ns;
        assert_int_equal(checked(), BOTH);
        assert_true(now - read_at <= 8 * SECOND);
    }
    print_message("read %u times in 24 s\n", reads);
    assert_in_range(reads, 3, 12);
    look(r, now + 8 * SECOND);
    assert_true(reached("203.0.113.1")); /* the last of these changes */
    add_routes(65000, 66000);
    look(r, now + 17 * SECOND);
    assert_int_equal(checked(), 0);
    assert_non_null(strstr(sw_reverse_path_trouble(r), "more than 65536 routes"));
    sw_reverse_path_free(r);
    ip("route flush root 198.16.0.0/12");
    ip("route del 203.0.113.0/24");
}

/* A daemon that takes over finds the entries of the one before. */
TEST(entries_of_a_former_daemon)
{
    struct sw_cidr left = {.prefixlen = 96 + 24};
    __u32 yes = 1;

    NEEDS_ROOT();
    fx.opts.reverse_path = SW_REVERSE_PATH_STRICT;
    ip_of("198.18.0.0", left.ip);
    assert_int_equal(bpf_map_update_elem(bpf_map__fd(fx.obj->maps.reverse_path), &left, &yes, BPF_ANY), 0);
    assert_true(reached("198.18.0.1"));
    begin(true);
    assert_false(reached("198.18.0.1"));
    assert_true(reached("10.9.7.5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(routes_that_come_and_go),
        LIVE_TEST(in_doubt_it_is_reached),
        LIVE_TEST(table_local_comes_first),
        LIVE_TEST(devices_that_belong_to_it),
        LIVE_TEST(devices_below_it),
        LIVE_TEST(as_the_kernel_filters),
        LIVE_TEST(never_if_off),
        LIVE_TEST(what_cannot_be_known),
        LIVE_TEST(many_routes),
        LIVE_TEST(entries_of_a_former_daemon),
    };

    return cmocka_run_group_tests_name("reverse path", tests, namespace_with_two, NULL);
}
