/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose SYN is it: services of one port on many addresses, wildcards, and which addresses are this host's. */
#include "guardfix.h"

static __u32 at_ip(__u32 ip, __u16 port)
{
    __u8 bytes[16];

    pkt_v4(bytes, ip);
    return guardrun_service(guard, bytes, port);
}

static void all_engaged(__u32 upto)
{
    for (__u32 i = 1; i <= upto; i++)
        guardrun_at(guard, i)->mode = SW_GM_ALWAYS;
    bpfrun_set_now(run, bpfrun_now(run) + SW_DETECT_NS);
    assert_int_equal(guardrun_detect(guard), 0);
}

/* The service that a SYN to ip:port is counted for, 0: none. */
static __u32 whose(__u32 ip, __u16 port, __u32 upto)
{
    struct pkt p = usual_syn();
    __u64 was[32];
    __u32 found = 0;

    assert_true(upto < 32);
    for (__u32 i = 1; i <= upto; i++)
        was[i] = guardrun_counters(guard, i).item[SW_T_SYNS];
    pkt_v4(p.dst, ip);
    p.dport = port;
    deliver(&p);
    for (__u32 i = 1; i <= upto; i++) {
        if (guardrun_counters(guard, i).item[SW_T_SYNS] == was[i])
            continue;
        assert_int_equal(found, 0); /* one alone */
        found = i;
    }
    assert_int_equal(out.verdict, found ? BPFRUN_XDP_TX : BPFRUN_XDP_PASS);
    return found;
}

/* svc, the wildcard, is number 1. */
TEST(own_addresses_before_the_wildcard)
{
    __u32 a = at_ip(0x0a000003, 80), b = at_ip(0x0a000004, 80), other = at_ip(0x0a000003, 81);

    all_engaged(other);
    assert_int_equal(whose(0x0a000003, 80, other), a);
    assert_int_equal(whose(0x0a000004, 80, other), b);
    assert_int_equal(whose(0x0a000002, 80, other), svc);
    assert_int_equal(whose(0x0a000003, 81, other), other);
    assert_int_equal(whose(0x0a000002, 81, other), 0); /* no wildcard there */
    assert_int_equal(whose(0x0a000005, 80, other), 0); /* not this host's */
}

/* Each has a life of its own: one engaged, the wildcard calm. */
TEST(one_of_a_chain_is_engaged)
{
    __u32 a = at_ip(0x0a000003, 80);
    struct pkt p = usual_syn();

    guardrun_at(guard, a)->mode = SW_GM_ALWAYS;
    bpfrun_set_now(run, bpfrun_now(run) + SW_DETECT_NS);
    assert_int_equal(guardrun_detect(guard), 0);
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    pkt_v4(p.dst, 0x0a000003);
    assert_int_equal(deliver(&p), BPFRUN_XDP_TX);
}

TEST(as_many_as_a_chain_holds)
{
    __u32 last = 0;

    for (__u32 i = 0; i < SW_CHAIN - 1; i++)
        last = at_ip(0x0a000010 + i, 80);
    all_engaged(last);
    for (__u32 i = 0; i < SW_CHAIN - 1; i++)
        assert_int_equal(whose(0x0a000010 + i, 80, last), svc + 1 + i);
    assert_int_equal(whose(0x0a000002, 80, last), svc); /* the last of eight */
}

TEST(wildcards_of_one_family)
{
    struct pkt p;

    for (int families = SW_ANY_4; families <= (SW_ANY_4 | SW_ANY_6); families++)
        for (int v6 = 0; v6 < 2; v6++) {
            bool meant = families & (v6 ? SW_ANY_6 : SW_ANY_4);

            guardrun_at(guard, svc)->any = families;
            talk_init(t, run, v6);
            p = usual_syn();
            assert_int_equal(deliver(&p), meant ? BPFRUN_XDP_TX : BPFRUN_XDP_PASS);
        }
}

TEST(every_port)
{
    static const __u16 ports[] = {1, 79, 81, 1023, 32768, 49152, 65534, 65535};

    for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++)
        guardrun_service(guard, NULL, ports[i]);
    all_engaged(1 + sizeof(ports) / sizeof(*ports));
    for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++)
        assert_int_equal(whose(0x0a000002, ports[i], 9), svc + 1 + i);
    assert_int_equal(whose(0x0a000002, 2, 9), 0);
    assert_int_equal(whose(0x0a000002, 0, 9), 0);
}

/* Half of the table is full: all of them are found, and nobody else. */
TEST(five_hundred_addresses)
{
    for (__u32 i = 0; i < SW_LOCAL_IPS / 2 - 2; i++) {
        __u8 ip[16];

        pkt_v4(ip, 0xac100000 + i * 3);
        guardrun_local(guard, ip);
    }
    for (__u32 i = 0; i < SW_LOCAL_IPS / 2 - 2; i++) {
        struct pkt p = usual_syn();

        pkt_v4(p.dst, 0xac100000 + i * 3);
        expect_reply(&p, "cookies_sent");
        pkt_v4(p.dst, 0xac100000 + i * 3 + 1);
        expect_pass(&p, "");
    }
}

/* The sender's own port is a service's, too: only the destination counts. */
TEST(source_port_of_a_service)
{
    struct pkt p = usual_syn();

    p.sport = 80;
    expect_reply(&p, "cookies_sent");
    p.dport = 5555;
    expect_pass(&p, "");
    memcpy(p.src, t->side[B].src, 16); /* the service itself speaks: a frame that came back */
    memcpy(p.dst, t->side[A].src, 16);
    p.flags = SYN | ACK;
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}

/* The daemon moves a service away and puts another in its place: each packet sees one or the other. */
TEST(slot_is_freed)
{
    struct pkt p = usual_syn();

    expect_reply(&p, "cookies_sent");
    guardrun_at(guard, svc)->port = 0;
    deliver(&p); /* still in the chain: by address it matches, and it does what the slot says */
    assert_true(out.verdict == BPFRUN_XDP_TX || out.verdict == BPFRUN_XDP_PASS);
    guardrun_at(guard, svc)->any = 0;
    expect_pass(&p, "");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CALM(own_addresses_before_the_wildcard),
        CALM(one_of_a_chain_is_engaged),
        CALM(as_many_as_a_chain_holds),
        ENGAGED(wildcards_of_one_family),
        CALM(every_port),
        ENGAGED(five_hundred_addresses),
        ENGAGED(source_port_of_a_service),
        ENGAGED(slot_is_freed),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
