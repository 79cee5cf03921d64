/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* This host's addresses in the table that the kernel side looks into. */
#include "listen.h"

#include "guard/addresses.h"
#include "guard/local_macs.h"

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

#define IP "PATH=$PATH:/sbin:/usr/sbin; ip "

static __u32 macs_of_d0(__u64 macs[SW_MACS])
{
    struct sw_devices devices;
    __u32 n;

    assert_int_equal(sw_devices_read(&fx.ifindex, 1, &devices), 0);
    n = sw_local_macs_of(&devices, macs);
    sw_devices_free(&devices);
    return n;
}

static void expect_macs(__u32 want, const __u64 of[])
{
    __u64 macs[SW_MACS];
    __u32 n = macs_of_d0(macs);

    assert_int_equal(n, want);
    for (__u32 i = 0; i < n; i++) {
        bool there = false;

        for (__u32 k = 0; k < n; k++)
            there |= macs[k] == of[i];
        assert_true(there);
    }
}

/* Those at which frames may come for this host: what is made on the interface, and its bridge with the other ports. */
TEST(ethernet_addresses)
{
    static const __u64 bridged[] = {0x010000000002, 0x020000000002, 0x030000000002};
    static const __u64 made[] = {0x010000000002, 0x100100000002};

    NEEDS_ROOT();
    assert_int_equal(run(IP "link set d0 address 02:00:00:00:00:01"), 0);
    expect_macs(1, bridged);
    assert_int_equal(run(IP "link add br7 address 02:00:00:00:00:02 type bridge"), 0);
    assert_int_equal(run(IP "link add d7 address 02:00:00:00:00:03 master br7 type veth peer name apart"), 0);
    expect_macs(1, bridged);
    assert_int_equal(run(IP "link set d0 master br7"), 0);
    expect_macs(3, bridged);
    assert_int_equal(run(IP "link set d0 nomaster"), 0);
    for (int i = 10; i < 26; i++) {
        char add[160];

        snprintf(add, sizeof(add), IP "link add link d0 name v%d address 02:00:00:00:01:%d type macvlan mode bridge", i,
                 i);
        assert_int_equal(run(add), 0);
        if (i == 10)
            expect_macs(2, made);
    }
    expect_macs(0, made); /* 17 are too many: each may be this host's */
    assert_int_equal(run(IP "link del v10"), 0);
    assert_int_equal(macs_of_d0((__u64[SW_MACS]){0}), 16);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(this_hosts_addresses),
        LIVE_TEST(ethernet_addresses),
        cmocka_unit_test(a_table_of_many_addresses),
        cmocka_unit_test(a_crowded_corner_of_the_table),
    };

    return cmocka_run_group_tests_name("localips", tests, before_all, NULL);
}
