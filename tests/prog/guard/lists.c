/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Allow and block lists. */
#include "guardlist.h"

static void list6(bool allow, const __u8 ip[16], __u32 len)
{
    assert_int_equal(guardrun_list(guard, allow, ip, len, SW_LIST_FILE), 0);
}

static struct pkt flags_of(__u32 source, __u16 flags)
{
    struct pkt p = talk_pkt(t, A, flags, 0);

    pkt_v4(p.src, source);
    p.seq = 7, p.ack = flags & ACK ? 9 : 0;
    return p;
}

TEST(blocked)
{
    static const __u16 flags[] = {SYN, ACK, SYN | ACK, RST, FIN | ACK, 0};
    struct pkt p;

    list4(false, 0xc6336400, 24);
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        p = flags_of(0xc6336407, flags[i]);
        expect_drop(&p, "blocked");
        p = flags_of(0xc63364ff, flags[i]);
        expect_drop(&p, "blocked");
    }
    p = syn_of(0xc6336500); /* the next network */
    expect_reply(&p, "cookies_sent");
    p = syn_of(0xc63363ff);
    expect_reply(&p, "cookies_sent");
}

/* The list is for protected services, whatever their state, and not for those that are off. */
TEST(blocked_while_calm)
{
    struct pkt p = syn_of(0xc6336407);

    list4(false, 0xc6336400, 24);
    expect_drop(&p, "blocked");
    assert_int_equal(bpfrun_count(run, BPFRUN_HALF_OPEN), 0);
    p.dport = 81;
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    guardrun_at(guard, svc)->mode = SW_GM_OFF;
    p = syn_of(0xc6336407);
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
}

/* An established connection of a source that is put on the list is cut off. */
TEST(blocked_in_the_middle)
{
    struct pkt p;

    talk_open(t);
    talk_say(t, A, PSH | ACK, 100);
    list4(false, 0x0a000001, 32);
    p = talk_pkt(t, A, PSH | ACK, 100);
    expect_drop(&p, "blocked");
}

TEST(longest_prefixes)
{
    struct pkt p;

    list4(false, 0x0a010000, 16);
    list4(false, 0x0a010203, 32);
    p = syn_of(0x0a010203);
    expect_drop(&p, "blocked");
    p = syn_of(0x0a01ffff);
    expect_drop(&p, "blocked");
    p = syn_of(0x0a020000);
    expect_reply(&p, "cookies_sent");
}

/* Allow wins, however much longer the prefix that blocks. */
TEST(allow_wins_over_everything)
{
    struct pkt p;

    list4(false, 0xc6336400, 24);
    list4(false, 0xc6336407, 32);
    list4(true, 0xc6330000, 16);
    guardrun_conf(guard)->limit_source = 1;
    guardrun_conf(guard)->limit_prefix = 1;
    guardrun_conf(guard)->reply_budget = 1;
    for (int i = 0; i < 5; i++) {
        p = syn_of(0xc6336407);
        p.sport += i;
        deliver(&p);
        assert_int_equal(out.verdict, BPFRUN_XDP_PASS);
        assert_int_equal(guardrun_counters(guard, svc).item[SW_T_PASSED_ALLOWED], i + 1);
    }
    for (size_t i = 0; i < 6; i++) { /* and nothing of its is dropped for any reason */
        static const __u16 flags[] = {ACK, SYN | ACK, RST, FIN | ACK, 0, FIN | PSH | URG};

        p = flags_of(0xc6336408, flags[i]);
        assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
    }
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}

TEST(families)
{
    static const __u8 net[16] = {0x20, 0x01, 0x0d, 0xb8}, none[16] = {0};
    struct pkt p;

    list6(false, net, 32);
    p = usual_syn();
    expect_reply(&p, "cookies_sent"); /* IPv4 is not meant */
    talk_init(t, run, true);
    p = usual_syn();
    expect_drop(&p, "blocked");
    list6(true, t->side[A].src, 128);
    expect_pass(&p, "passed_allowed");
    p.src[15] = 77;
    expect_drop(&p, "blocked");
    /* all of IPv6, with the hole that user space keeps for IPv4 */
    list6(false, none, 0);
    talk_init(t, run, false);
    p = usual_syn();
    assert_int_equal(guardrun_list(guard, false, p.src, 96, 0), 0);
    expect_reply(&p, "cookies_sent");
    talk_init(t, run, true);
    p = usual_syn();
    p.src[0] = 0x3f;
    expect_drop(&p, "blocked");
}

/* A value of 0 is a hole, in either list. */
TEST(holes)
{
    struct pkt p = usual_syn();

    list4(false, 0x0a000000, 8);
    assert_int_equal(guardrun_list(guard, false, p.src, 128, 0), 0);
    expect_reply(&p, "cookies_sent");
    list4(true, 0x0a000000, 8);
    assert_int_equal(guardrun_list(guard, true, p.src, 128, 0), 0);
    expect_reply(&p, "cookies_sent");
}

/* A list whose length is 0 is not looked at. */
TEST(empty_list)
{
    struct pkt p = usual_syn();

    list4(false, 0x0a000000, 8);
    expect_drop(&p, "blocked");
    guardrun_conf(guard)->block_len = 0;
    expect_reply(&p, "cookies_sent");
    guardrun_conf(guard)->block_len = 1;
    expect_drop(&p, "blocked");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(blocked),
        CALM(blocked_while_calm),
        CALM(blocked_in_the_middle),
        ENGAGED(longest_prefixes),
        ENGAGED(allow_wins_over_everything),
        ENGAGED(families),
        ENGAGED(holes),
        ENGAGED(empty_list),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
