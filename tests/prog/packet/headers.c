/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Everything that may stand before the TCP header: the events must be those of the plain one. */
#include "fixture.h"

/* Opens, exchanges data and closes with whatever the templates carry: the events must be those of the plain one. */
static void whole_story(void)
{
    talk_open(t);
    talk_say(t, A, PSH | ACK, 333);
    talk_say(t, B, ACK, 0);
    talk_close(t);
    expect_events(t, "opening established half_closed closed");
    expect_states(t, TIME_WAIT, CLOSED);
    expect_history(t, "ShADaFf");
    expect_counts(t);
    expect_counter(t, TCP, 9);
    expect_counter(t, PACKETS, 9);
    assert_int_equal(talk_flow(t).end[A].payload, 333);
    assert_int_equal(talk_flow(t).end[A].mss, t->side[A].v6 ? 1440 : 1460);
}

static void tags(__u32 n, __u16 outer, __u16 inner)
{
    for (int who = A; who <= B; who++) {
        t->side[who].vlans = n;
        t->side[who].vlan[0] = outer;
        t->side[who].vlan[1] = inner;
    }
}

TEST(vlan)
{
    tags(1, 100, 0);
    whole_story();
    assert_int_equal(talk_flow(t).vlan[0], 100);
    assert_int_equal(talk_flow(t).vlan[1], 0);
}

TEST(vlan_priority_bits_are_no_id)
{
    tags(1, 0xe000 | 77, 0);
    whole_story();
    assert_int_equal(talk_flow(t).vlan[0], 77);
}

TEST(qinq)
{
    tags(2, 100, 200);
    whole_story();
    assert_int_equal(talk_flow(t).vlan[0], 100);
    assert_int_equal(talk_flow(t).vlan[1], 200);
}

TEST(qinq_v6)
{
    talk_init(t, run, true);
    tags(2, 4094, 1);
    whole_story();
    assert_int_equal(talk_flow(t).vlan[0], 4094);
    assert_int_equal(talk_flow(t).vlan[1], 1);
}

TEST(three_tags_are_too_many)
{
    tags(3, 1, 2);
    t->side[A].vlan[2] = 3;
    talk_say(t, A, SYN, 0);
    expect_where(t, NOWHERE);
    expect_events(t, "");
    expect_counter(t, EXT_LIMIT, 1);
    expect_counter(t, TCP, 0);
}

TEST(ipv4_options)
{
    for (int who = A; who <= B; who++) {
        t->side[who].ip_opts_len = 40;
        memset(t->side[who].ip_opts, 1, 40); /* no-operation */
    }
    whole_story();
}

TEST(ipv6)
{
    talk_init(t, run, true);
    whole_story();
}

TEST(ipv6_extension_headers)
{
    talk_init(t, run, true);
    for (int who = A; who <= B; who++) {
        pkt_ext(&t->side[who], 0, 8);   /* hop-by-hop options */
        pkt_ext(&t->side[who], 43, 24); /* routing */
        pkt_ext(&t->side[who], 60, 16); /* destination options */
    }
    whole_story();
}

TEST(ipv6_authentication_header)
{
    talk_init(t, run, true);
    for (int who = A; who <= B; who++)
        pkt_ext(&t->side[who], 51, 24);
    whole_story();
}

TEST(ipv6_too_many_extension_headers)
{
    talk_init(t, run, true);
    for (int i = 0; i < 20; i++)
        pkt_ext(&t->side[A], 60, 8);
    talk_say(t, A, SYN, 0);
    expect_where(t, NOWHERE);
    expect_counter(t, EXT_LIMIT, 1);
    expect_counter(t, TCP, 0);
}

TEST(without_df)
{
    t->side[A].non_df = t->side[B].non_df = true;
    whole_story();
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(vlan),
        CASE(vlan_priority_bits_are_no_id),
        CASE(qinq),
        CASE(qinq_v6),
        CASE(three_tags_are_too_many),
        CASE(ipv4_options),
        CASE(ipv6),
        CASE(ipv6_extension_headers),
        CASE(ipv6_authentication_header),
        CASE(ipv6_too_many_extension_headers),
        CASE(without_df),
    };

    return RUN(cases);
}
