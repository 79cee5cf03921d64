/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ways around the shares of `flows`: what a connection's socket has not sent is no proof of it. */
#include "guardshare.h"

static int small_group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.max_flows = FLOWS;
    return guarded_load(&opts);
}

/* All interfaces are cards. */
static int card_group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.max_flows = FLOWS;
    opts.cfg.checksum = 0;
    opts.cfg.whole_sums = 1;
    return guarded_load(&opts);
}

static void expect_at(const char *file, int line, int unconfirmed, int claimed)
{
    int in_flows = bpfrun_count(run, BPFRUN_FLOWS);

    if (in_flows == unconfirmed + claimed && count_of(SW_SHARE_UNCONFIRMED) == unconfirmed &&
        count_of(SW_SHARE_CLAIMED) == claimed)
        return;
    print_error("in flows %d, unconfirmed %lld, claimed %lld\n", in_flows, count_of(SW_SHARE_UNCONFIRMED),
                count_of(SW_SHARE_CLAIMED));
    _fail(file, line);
}
#define expect(unconfirmed, claimed) expect_at(__FILE__, __LINE__, unconfirmed, claimed)

/* IPv6: a SYN that the kernel throws away, and forwarded words in the server's name. */
TEST(forwarded_in_a_servers_name)
{
    struct talk s;
    struct pkt p;

    for (int i = 0; i < FLOWS; i++) {
        talk_init(&s, run, true);
        s.side[A].sport = 41000 + i;
        s.side[B] = pkt_swap(&s.side[A]);
        s.key = pkt_key(&s.side[A], NULL);
        syn_alone(&s);
        p = of(&s, B, SYN | ACK);
        p.seq = s.isn[B];
        s.nxt[B] = s.isn[B] + 1;
        forward(&p);
        complete(&s);
        p = of(&s, B, ACK);
        forward(&p);
        p = of(&s, A, ACK);
        shoot(&p);
    }
    expect(0, CLAIMED);
}

/* A SYN-ACK of the forged client, and its SYN in fragments, which is not seen: the listener's own SYN-ACK establishes.
 */
static void syn_is_not_seen(__u16 port)
{
    struct talk s;
    struct pkt p;

    for (int i = 0; i < FLOWS; i++) {
        s = new_client(port);
        p = of(&s, A, SYN | ACK);
        p.seq = s.isn[A];
        p.ack = 9;
        shoot(&p);
        s.nxt[A] = s.isn[A] + 1;
        listener_answers(&s);
    }
    expect(UNCONFIRMED, 0);
}

TEST(syn_not_seen)
{
    syn_is_not_seen(80);
}

TEST(syn_not_seen_no_service)
{
    syn_is_not_seen(9999);
}

/* Forwarded, no service's, evicted from `half_open` and restored: it remains one that is only claimed. */
TEST(restored_forwarded)
{
    struct talk s;
    struct pkt p;

    for (int i = 0; i < FLOWS; i++) {
        s = new_client(9999);
        syn_alone(&s);
        p = of(&s, B, SYN | ACK);
        p.seq = s.isn[B];
        s.nxt[B] = s.isn[B] + 1;
        forward(&p);
        assert_int_equal(bpf_map_delete_elem(bpf_map__fd(bpfrun_object(run)->maps.half_open), &s.key), 0);
        complete(&s);
        p = of(&s, B, PSH | ACK);
        p.payload = 10;
        forward(&p);
        p = of(&s, A, ACK);
        p.ack += 10;
        shoot(&p);
    }
    expect(0, CLAIMED);
}

/* Who is behind this host's NAT connects from the port of a service. */
TEST(nat_from_a_services_port)
{
    struct talk s;
    struct pkt p;

    for (int i = 0; i < FLOWS; i++) {
        s = new_client(80);
        p = of(&s, B, SYN);
        p.seq = s.isn[B];
        p.ack = 0;
        forward(&p);
        s.nxt[B] = s.isn[B] + 1;
        p = of(&s, A, SYN | ACK);
        p.seq = s.isn[A];
        s.nxt[A] = s.isn[A] + 1;
        shoot(&p);
        p = of(&s, B, ACK);
        forward(&p);
        forward(&p);
    }
    expect(0, CLAIMED);
}

/* Generic XDP sees what the stack has merged, with the pseudo-header's sum: no bad one because its flow is held. */
TEST(merged_data_of_a_held_one)
{
    struct talk s;
    struct pkt p;

    for (int i = 0; i <= UNCONFIRMED; i++) {
        s = new_client(80);
        syn_alone(&s);
        listener_answers(&s);
        complete(&s);
    }
    assert_true(talk_flow(&s).held);
    p = talk_pkt(&s, A, PSH | ACK, 100);
    p.partial_sum = true;
    shoot(&p);
    assert_int_equal(talk_flow(&s).end[A].bad_csum, 0);
    assert_int_equal(talk_flow(&s).end[A].payload, 100);
}

int main(void)
{
    const struct CMUnitTest card[] = {AUTO(merged_data_of_a_held_one)};
    const struct CMUnitTest cases[] = {
        AUTO(forwarded_in_a_servers_name), AUTO(syn_not_seen), AUTO(syn_not_seen_no_service), AUTO(restored_forwarded),
        AUTO(nat_from_a_services_port),
    };

    return cmocka_run_group_tests(cases, small_group, guarded_group_end) +
           cmocka_run_group_tests(card, card_group, guarded_group_end);
}
