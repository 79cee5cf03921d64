/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The services of a gateway: what --protect names and nothing else, found by the longest prefix in the kernel's map. */
#include "listen.h"

#include "guard/gateway.h"
#include "guard/known_tuples.h"

/* The service that the programs find, 0: none. */
static __u32 found(const char *addr, __u16 port)
{
    struct sw_service_net key = {.prefixlen = SW_NET_PORT_BITS + 128, .port = port};
    __u32 index = 0;

    ip_of(addr, key.ip);
    if (bpf_map_lookup_elem(bpf_map__fd(fx.obj->maps.service_nets), &key, &index))
        assert_int_equal(errno, ENOENT);
    return index;
}

static void edge(void)
{
    fx.opts.gateway = SW_GATEWAY_EDGE;
    fx.opts.wscale = 9;
    fx.opts.window = 60000;
    fx.opts.ttl = 61;
    protect("203.0.113.0", 443, SW_NET + 96 + 24);
    protect("203.0.113.128", 443, SW_NET + 96 + 25);
    protect("203.0.113.5", 443, 0);
    protect("2001:db8:9::", 443, SW_NET + 48);
    protect("203.0.113.0", 80, SW_NET + 96 + 24);
}

TEST(by_prefix_and_port)
{
    const struct sw_service *sv;
    __u32 wide, half, one;

    NEEDS_ROOT();
    edge();
    begin(false);
    wide = found("203.0.113.7", 443);
    half = found("203.0.113.200", 443);
    one = found("203.0.113.5", 443);
    assert_true(wide && half && one && wide != half && wide != one && half != one);
    assert_true(found("203.0.113.255", 80) && found("203.0.113.5", 80) != one);
    assert_true(found("2001:db8:9:ffff::1", 443));
    assert_int_equal(found("203.0.114.1", 443), 0);
    assert_int_equal(found("203.0.113.1", 444), 0);
    assert_int_equal(found("2001:db8:a::1", 443), 0);
    sv = seen(wide);
    assert_int_equal(sv->any, SW_NET + 120);
    assert_int_equal(sv->flags, SW_SV_NAMED | SW_SV_FIXED);
    assert_int_equal(sv->backend, SW_BK_REQSK); /* though this kernel has no reqsk, as begin() says */
    assert_int_equal(sv->wscale, 9);
    assert_int_equal(sv->win, 60000);
    assert_int_equal(sv->mss[0], 1460);
    assert_int_equal(sv->mss[1], 1440);
    assert_int_equal(sw_services_guard(fx.s)->ttl, 61);
    assert_int_equal(sw_services_guard(fx.s)->hop_limit, 61);
    assert_int_equal(sw_services_guard(fx.s)->gateway, SW_GATEWAY_EDGE);
    assert_null(sw_services_warning(fx.s));
}

/* No listener is looked for, and the sysctls of this host say nothing. */
TEST(nothing_of_this_host)
{
    __u32 index;

    NEEDS_ROOT();
    set_sysctl("ipv4/tcp_syncookies", "0");
    set_sysctl("ipv4/tcp_timestamps", "0");
    listener("0.0.0.0", 443, 0);
    listener("0.0.0.0", 8443, 0);
    edge();
    begin(false);
    refresh();
    set_sysctl("ipv4/tcp_syncookies", "1");
    set_sysctl("ipv4/tcp_timestamps", "1");
    index = found("203.0.113.7", 443);
    assert_int_equal(seen(index)->flags & SW_SV_NO_LISTENER, 0);
    assert_int_equal(first_of(8443), 0);
    assert_true(sw_services_guard(fx.s)->flags & SW_G_TS);
    assert_true(sw_services_guard(fx.s)->flags & SW_G_MD5);
    assert_int_equal(sw_services_guard(fx.s)->known_ns, 0); /* no socket was looked up */
}

/* --mss is the hosts', of which this one knows nothing: also more than Ethernet's. */
TEST(mss)
{
    static const __u16 rows[][3] = {{0, 1460, 1440},    {1300, 1300, 1300}, {536, 536, 1220},     {1450, 1450, 1440},
                                    {1460, 1460, 1440}, {8960, 8960, 8940}, {65495, 65495, 65475}};

    NEEDS_ROOT();
    edge();
    begin(false);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fx.opts.mss = rows[i][0];
        refresh();
        assert_int_equal(seen(found("203.0.113.7", 443))->mss[0], rows[i][1]);
        assert_int_equal(seen(found("203.0.113.7", 443))->mss[1], rows[i][2]);
    }
}

/* More than a chain of this host's services may have. */
TEST(many_of_one_port)
{
    char addr[32];

    NEEDS_ROOT();
    fx.opts.gateway = SW_GATEWAY_EDGE;
    fx.opts.wscale = 7;
    fx.opts.window = 65160;
    fx.opts.ttl = 64;
    for (int i = 0; i < 100; i++) {
        snprintf(addr, sizeof(addr), "198.51.%d.0", i);
        protect(addr, 443, SW_NET + 96 + 24);
    }
    begin(false);
    refresh();
    for (int i = 0; i < 100; i++) {
        snprintf(addr, sizeof(addr), "198.51.%d.9", i);
        assert_true(found(addr, 443));
        for (int k = 0; k < i; k++) {
            char other[32];

            snprintf(other, sizeof(other), "198.51.%d.9", k);
            assert_int_not_equal(found(addr, 443), found(other, 443));
        }
    }
    assert_null(sw_services_warning(fx.s));
}

/* An address of this host in a prefix is its own, as long as it has it; named alone, it is warned of. */
TEST(own_addresses_are_none)
{
    NEEDS_ROOT();
    fx.opts.gateway = SW_GATEWAY_EDGE;
    fx.opts.wscale = 7;
    fx.opts.window = 65160;
    fx.opts.ttl = 64;
    protect("10.9.0.0", 443, SW_NET + 96 + 16);
    begin(false);
    assert_int_equal(found("10.9.7.1", 443), 0);
    assert_true(found("10.9.7.2", 443));
    assert_int_equal(run("ip addr add 10.9.7.2/32 dev d0"), 0);
    refresh();
    assert_int_equal(found("10.9.7.2", 443), 0);
    assert_true(found("10.9.7.3", 443));
    assert_int_equal(run("ip addr del 10.9.7.2/32 dev d0"), 0);
    refresh();
    assert_true(found("10.9.7.2", 443));
    assert_null(sw_services_warning(fx.s));
}
/* So are prefixes that a local route makes its own, also if a service is within one. */
TEST(local_routes_are_none)
{
    NEEDS_ROOT();
    edge();
    protect("10.9.0.0", 443, SW_NET + 96 + 16);
    protect("2001:db8:5::", 443, SW_NET + 48);
    assert_int_equal(run("ip route add local 10.9.64.0/20 dev lo"), 0);
    assert_int_equal(run("ip -6 route add local 2001:db8:5:1::/64 dev lo"), 0);
    begin(false);
    assert_int_equal(found("10.9.79.255", 443), 0);
    assert_true(found("10.9.80.0", 443));
    assert_int_equal(found("2001:db8:5:1::5", 443), 0);
    assert_true(found("2001:db8:5:2::5", 443));
    assert_int_equal(run("ip route add local 10.8.0.0/15 dev lo"), 0);
    refresh();
    assert_int_equal(found("10.9.80.0", 443), 0);
    assert_true(found("203.0.113.7", 443));
    assert_int_equal(run("ip route del local 10.8.0.0/15 dev lo"), 0);
    assert_int_equal(run("ip route del local 10.9.64.0/20 dev lo"), 0);
    assert_int_equal(run("ip -6 route del local 2001:db8:5:1::/64 dev lo"), 0);
    refresh();
    assert_true(found("10.9.79.255", 443));
    assert_true(found("2001:db8:5:1::5", 443));
}

/* The programs look again after each change, and once more at the next refresh: one of them may have been between. */
TEST(what_is_remembered_is_void)
{
    __u64 gen;

    NEEDS_ROOT();
    edge();
    protect("10.9.0.0", 443, SW_NET + 96 + 16);
    begin(false);
    refresh();
    gen = sw_services_guard(fx.s)->nets_gen;
    refresh();
    assert_int_equal(sw_services_guard(fx.s)->nets_gen, gen);
    assert_int_equal(run("ip addr add 10.9.7.2/32 dev d0"), 0);
    refresh();
    assert_int_equal(sw_services_guard(fx.s)->nets_gen, gen + 1);
    refresh();
    assert_int_equal(sw_services_guard(fx.s)->nets_gen, gen + 2);
    refresh();
    assert_int_equal(sw_services_guard(fx.s)->nets_gen, gen + 2);
    assert_int_equal(run("ip addr del 10.9.7.2/32 dev d0"), 0);
}

/* v4-mapped addresses are in ::/1, and addresses of IPv4 are not. */
TEST(wide_prefixes_of_ipv6)
{
    NEEDS_ROOT();
    edge();
    protect("::", 443, SW_NET + 1);
    begin(false);
    assert_true(found("2001:db8:77::1", 443));
    assert_int_equal(found("198.51.100.1", 443), 0);
    assert_true(found("203.0.113.7", 443)); /* by its own prefix */
}

/* Every address of this host in every service. */
TEST(more_than_the_map_takes)
{
    static struct sw_service slot[SW_SERVICES];
    const struct sw_chains chains = {.slot = slot};
    static struct sw_cidr own[64];
    struct sw_net_entry *nets;
    size_t len, named;

    for (int i = 1; i < SW_SERVICES; i++)
        slot[i] = (struct sw_service){.port = htons(i), .any = SW_NET + 8, .ip = {0x20}};
    for (int i = 0; i < 64; i++)
        own[i] = (struct sw_cidr){.prefixlen = 128, .ip = {0x20, i}};
    assert_int_equal(sw_gateway_nets_make(&chains, own, 63, &nets, &len, &named), 0);
    assert_int_equal(len, 64 * (SW_SERVICES - 1));
    free(nets);
    assert_int_equal(sw_gateway_nets_make(&chains, own, 64, &nets, &len, &named), -E2BIG);
    assert_null(nets);
}

TEST(an_own_address_named_alone)
{
    const char *warning;

    NEEDS_ROOT();
    edge();
    protect("10.9.7.1", 443, 0);
    begin(false);
    assert_int_equal(found("10.9.7.1", 443), 0);
    warning = sw_services_warning(fx.s);
    assert_non_null(warning);
    assert_non_null(strstr(warning, "1 of the addresses"));
    assert_null(sw_services_warning(fx.s));
}

/* SYNs that have passed are known for one to two turns; no socket is. */
TEST(what_has_passed_is_known)
{
    const __u32 last = 2 * SW_KNOWN_WORDS - 1, first = 0;
    __u64 bits = 5, got;
    int fd;

    NEEDS_ROOT();
    edge();
    begin(false);
    fd = bpf_map__fd(fx.obj->maps.known_tuples);
    assert_int_equal(bpf_map_update_elem(fd, &first, &bits, BPF_ANY), 0);
    assert_int_equal(bpf_map_update_elem(fd, &last, &bits, BPF_ANY), 0);
    for (int turn = 0; turn < 2; turn++) {
        __u32 gen = sw_services_guard(fx.s)->known_gen;

        assert_int_equal(sw_services_refill_known(fx.s), 0);
        assert_int_equal(sw_services_guard(fx.s)->known_gen, !gen);
        assert_int_equal(bpf_map_lookup_elem(fd, gen ? &last : &first, &got), 0);
        assert_int_equal(got, 0); /* the old one; the other has what came meanwhile */
        assert_int_equal(bpf_map_lookup_elem(fd, gen ? &first : &last, &got), 0);
        assert_int_equal(got, turn ? 0 : 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(by_prefix_and_port),       LIVE_TEST(nothing_of_this_host),    LIVE_TEST(mss),
        LIVE_TEST(many_of_one_port),         LIVE_TEST(own_addresses_are_none),  LIVE_TEST(an_own_address_named_alone),
        LIVE_TEST(what_has_passed_is_known), LIVE_TEST(local_routes_are_none),   LIVE_TEST(what_is_remembered_is_void),
        LIVE_TEST(wide_prefixes_of_ipv6),    LIVE_TEST(more_than_the_map_takes),
    };

    return cmocka_run_group_tests_name("gateway", tests, before_all, NULL);
}
