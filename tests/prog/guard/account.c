/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What counts as begun and as completed: what this host's listener did, whatever has arrived before. */
#include "guardcount.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "synward.skel.h"

TEST(a_handshake)
{
    struct talk s = new_client(80);
    struct pkt p;

    syn_alone(&s);
    expect_counted(0, 0, 0, 0);
    listener_answers(&s);
    expect_counted(1, 0, 0, 0);
    complete(&s);
    expect_counted(1, 1, 1, 0);
    p = of(&s, B, ACK);
    leave(&p);
    leave(&p);
    expect_counted(1, 1, 1, 0);
}

/* The third packet was none for the kernel: it sends its SYN-ACK again. Then the connection's socket sends. */
TEST(taken_back)
{
    struct talk s = new_client(80);
    struct pkt p;

    syn_alone(&s);
    listener_answers(&s);
    complete(&s);
    pass_time(SEC);
    listener_answers(&s);
    expect_counted(1, 1, 1, 1);
    listener_answers(&s);
    expect_counted(1, 1, 1, 1);
    p = of(&s, B, ACK);
    leave(&p);
    expect_counted(1, 2, 2, 1); /* less what was taken back: one */
    evaluate();
    assert_int_equal(guardrun_at(guard, svc)->half_open, 0);
}

/* The third packet was not seen: the socket's first segment says that it came. */
TEST(third_packet_not_seen)
{
    struct talk s = new_client(80);
    struct pkt p;

    syn_alone(&s);
    listener_answers(&s);
    p = talk_pkt(&s, B, PSH | ACK, 10);
    leave(&p);
    expect_counted(1, 1, 1, 0);
}

static void broken(struct talk *s, __u16 flags, __u32 seq)
{
    struct pkt p = of(s, A, flags);

    p.seq = seq;
    p.ack = 12345;
    p.bad_checksum = true;
    shoot(&p);
}

/* What arrives before does not hide a handshake: each is begun by the listener's SYN-ACK. */
TEST(nothing_hides_a_count)
{
    static const __u16 before[] = {ACK, SYN | ACK, SYN | FIN, SYN | RST, RST, FIN, 0, SYN, PSH | ACK};
    unsigned n = 0;

    for (int bad = 0; bad < 2; bad++)
        for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
            struct talk s = new_client(80);
            struct pkt p = of(&s, A, before[i]);

            p.seq = s.isn[A];
            p.ack = before[i] & ACK ? 777777 : 0;
            p.bad_checksum = bad;
            shoot(&p);
            syn_alone(&s);
            listener_answers(&s);
            n++;
            if (counted(SW_T_OPENED) != n || counted(SW_T_RESOLVED))
                print_error("after flags %#x%s\n", before[i], bad ? ", bad checksum" : "");
            expect_counted(n, 0, 0, 0);
        }
}

/* And nothing counts one twice: the kernel has one request for a four-tuple. */
TEST(nothing_counts_twice)
{
    static const __u16 between[] = {SYN, ACK, SYN | ACK, RST, SYN | FIN, FIN | ACK};
    unsigned n = 0;

    for (size_t i = 0; i < sizeof(between) / sizeof(*between); i++) {
        struct talk s = new_client(80);

        syn_alone(&s);
        listener_answers(&s);
        n++;
        broken(&s, between[i], s.isn[A] + 1);
        listener_answers(&s);
        for (int k = 0; k < 3; k++) {
            struct pkt p = of(&s, A, between[i] & ~RST);

            p.seq = s.isn[A] + 100000 + k;
            p.ack = 99;
            shoot(&p);
            listener_answers(&s);
        }
        if (counted(SW_T_OPENED) != n)
            print_error("flags %#x between\n", between[i]);
        expect_counted(n, 0, 0, 0);
    }
}

static void evict(const struct talk *s)
{
    assert_int_equal(bpf_map_delete_elem(bpf_map__fd(bpfrun_object(run)->maps.half_open), &s->key), 0);
}

/* Its flow was evicted, and the SYN cache has it. */
TEST(evicted)
{
    struct talk s = new_client(80);

    syn_alone(&s);
    listener_answers(&s);
    evict(&s);
    listener_answers(&s);
    expect_counted(1, 0, 0, 0);
    evict(&s);
    complete(&s);
    expect_counted(1, 1, 1, 0);
}

/* There is no room in `half_open`: the SYN is in the SYN cache alone, and what the listener answers is not. */
TEST(without_room)
{
    struct talk s = new_client(80);
    struct sw_flow flow;

    bpfrun_set_room(run, 0);
    syn_alone(&s);
    assert_int_equal(bpfrun_lookup(run, &s.key, &flow), BPFRUN_NOWHERE);
    listener_answers(&s);
    assert_int_equal(bpfrun_lookup(run, &s.key, &flow), BPFRUN_HALF_OPEN);
    expect_counted(1, 0, 0, 0);
    complete(&s);
    expect_counted(1, 1, 1, 0);
}

/* A new connection on the four-tuple: the listener has one handshake. */
TEST(another_isn)
{
    struct talk s = new_client(80);

    syn_alone(&s);
    listener_answers(&s);
    s.isn[A] += 1000000;
    s.isn[B] += 5000000;
    syn_alone(&s);
    listener_answers(&s);
    expect_counted(2, 1, 0, 0);
    complete(&s);
    expect_counted(2, 2, 1, 0);
}

/* A limit's token comes back when the connection's socket sends, not when the client claims to be connected. */
TEST(token_for_a_connection)
{
    struct talk s;
    struct pkt p;

    guardrun_conf(guard)->limit_source = 1;
    for (int i = 0; i < 5; i++) {
        s = new_client(80);
        sources--;
        s.side[A].sport += i;
        s.side[B] = pkt_swap(&s.side[A]);
        s.key = pkt_key(&s.side[A], NULL);
        assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
        complete(&s);
        if (i == 4)
            break;
        p = of(&s, B, ACK);
        leave(&p);
    }
    s = new_client(80);
    sources--;
    s.side[A].sport += 100;
    s.side[B] = pkt_swap(&s.side[A]);
    s.key = pkt_key(&s.side[A], NULL);
    syn_from(&s);
    s.side[A].sport += 1;
    s.side[B] = pkt_swap(&s.side[A]);
    s.key = pkt_key(&s.side[A], NULL);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_TX);
    assert_int_equal(counted(SW_T_OVER_LIMIT), 2);
}

static bool swept(const struct talk *s)
{
    struct sw_flow f;

    assert_int_equal(guardrun_detect(guard), 0);
    assert_int_equal(bpfrun_sweep(run, 0, NULL), 0);
    return bpfrun_lookup(run, &s->key, &f) == BPFRUN_NOWHERE || f.flags & SW_F_ENDED;
}

static __u64 unconfirmed(void)
{
    struct sw_sweep sweep;

    assert_int_equal(bpfrun_sweep(run, 0, &sweep), 0);
    return sweep.unconfirmed;
}

static void sockets_were_read(struct pkt *syn, bool one, bool other)
{
    guardrun_known(guard, 0, syn, one);
    guardrun_known(guard, 1, syn, other);
    guardrun_conf(guard)->known_ns = bpfrun_now(run);
    guardrun_conf(guard)->compared_ns = 0;
}

/* The third packet was none for the kernel, which has no socket: the flow does not live for hours. */
TEST(without_a_socket)
{
    struct talk s = new_client(80), other = new_client(80);
    struct pkt syn = talk_pkt(&s, A, SYN, 0), p;

    syn_alone(&s);
    listener_answers(&s);
    complete(&s);
    syn_alone(&other);
    listener_answers(&other);
    assert_int_equal(unconfirmed(), 1);
    complete(&other);
    assert_int_equal(unconfirmed(), 2);
    p = of(&other, B, ACK); /* it is there */
    leave(&p);
    assert_int_equal(unconfirmed(), 1);
    pass_time(2 * SEC);
    sockets_were_read(&syn, false, false); /* too early */
    assert_false(swept(&s));
    pass_time(10 * SEC);
    assert_false(swept(&s));
    sockets_were_read(&syn, true, false);
    assert_false(swept(&s));
    sockets_were_read(&syn, false, true);
    assert_false(swept(&s));
    sockets_were_read(&syn, false, false);
    guardrun_at(guard, svc)->elsewhere = 1;
    assert_false(swept(&s));
    guardrun_at(guard, svc)->elsewhere = 0;
    assert_false(swept(&s)); /* once for each time that they are read */
    sockets_were_read(&syn, false, false);
    assert_true(swept(&s));
    assert_int_equal(unconfirmed(), 0);
    syn = talk_pkt(&other, A, SYN, 0);
    sockets_were_read(&syn, false, false);
    assert_false(swept(&other));
}

/* A SYN-ACK that was forwarded, or forged to be, says for as long as a connection of that time can be here that its
 * socket is elsewhere. */
TEST(elsewhere_for_a_time)
{
    struct talk s = new_client(80);
    struct pkt syn = talk_pkt(&s, A, SYN, 0);

    pass_time(4000 * SEC);
    syn_alone(&s);
    listener_answers(&s);
    complete(&s);
    pass_time(10 * SEC);
    guardrun_at(guard, svc)->elsewhere = bpfrun_now(run) / SEC - 3590;
    sockets_were_read(&syn, false, false);
    assert_false(swept(&s));
    guardrun_at(guard, svc)->elsewhere = bpfrun_now(run) / SEC - 3601;
    sockets_were_read(&syn, false, false);
    assert_true(swept(&s));
}

enum { PLAIN, EVICTED, BY_ANOTHER_INTERFACE };

static void begun_by_another_interface(const struct talk *s)
{
    const int fd = bpf_map__fd(bpfrun_object(run)->maps.half_open);
    struct sw_flow f;

    assert_int_equal(bpf_map_lookup_elem(fd, &s->key, &f), 0);
    f.ifindex += 1;
    assert_int_equal(bpf_map_update_elem(fd, &s->key, &f, BPF_EXIST), 0);
}

/* From a tunnel, or the LAN: what arrives in the listener's name opens no connection that strays belong to. */
TEST(claimed)
{
    static const __u16 opens[] = {SYN | ACK, SYN, ACK}; /* ACK: the SYN-ACK is inferred from those of both ends */

    for (int how = 0; how < 3; how++)
        for (size_t i = 0; i < sizeof(opens) / sizeof(*opens); i++) {
            struct talk s = new_client(80);
            struct pkt p;

            syn_alone(&s);
            if (how == BY_ANOTHER_INTERFACE)
                begun_by_another_interface(&s);
            if (opens[i] & SYN) {
                p = of(&s, B, opens[i]);
                p.seq = s.isn[B];
                p.ack = opens[i] & ACK ? s.isn[A] + 1 : 0;
                shoot(&p);
            }
            if (how == EVICTED && opens[i] == (SYN | ACK))
                evict(&s);
            p = of(&s, A, ACK);
            p.seq = s.isn[A] + 1;
            p.ack = s.isn[B] + 1;
            shoot(&p);
            p = of(&s, B, ACK);
            p.seq = s.isn[B] + 1;
            p.ack = s.isn[A] + 1;
            shoot(&p);
            assert_true(talk_flow(&s).flags & SW_F_ESTABLISHED);
            assert_true(talk_flow(&s).flags & SW_F_UNCONFIRMED);
            expect_counted(0, 0, 0, 0);
            leave(&p); /* this host's socket, after all */
            assert_false(talk_flow(&s).flags & SW_F_UNCONFIRMED);
        }
}

/* A published port's SYN-ACKs are forwarded, and answer a SYN. One that answers none is forged, from an interface that
 * nobody watches. */
TEST(forwarded)
{
    const struct bpfrun_skb skb = {.ingress_ifindex = 77};
    static __u8 frame[PKT_MIN_FRAME * 4];

    for (int answers = 0; answers < 2; answers++) {
        struct talk s = new_client(80);
        struct pkt p;
        int verdict;
        size_t len;

        if (answers)
            syn_alone(&s);
        p = talk_pkt(&s, B, SYN | ACK, 0);
        p.seq = s.isn[B];
        p.ack = s.isn[A] + 1;
        len = pkt_build(&p, frame, sizeof(frame));
        assert_int_equal(bpfrun_egress(run, frame, len, &skb, &verdict), 0);
        expect_counted(answers, 0, 0, 0);
        assert_int_equal(!!guardrun_at(guard, svc)->elsewhere, answers);
    }
}

static struct talk new_client_v6(__u16 sport)
{
    struct talk s;

    talk_init(&s, run, true);
    s.side[A].sport = sport;
    s.side[B] = pkt_swap(&s.side[A]);
    s.key = pkt_key(&s.side[A], NULL);
    return s;
}

/* Over IPv6 the kernel forwards what claims to come from its own address: of what its own listener has answered that
 * says nothing. */
TEST(forwarded_on_its_own)
{
    struct talk s = new_client_v6(41000);
    struct pkt p;

    syn_alone(&s);
    listener_answers(&s);
    p = of(&s, B, SYN | ACK);
    p.seq = s.isn[B] + 1000;
    forward(&p);
    p = of(&s, B, ACK);
    forward(&p);
    expect_counted(1, 0, 0, 0);
    assert_int_equal(guardrun_at(guard, svc)->elsewhere, 0);
    complete(&s);
    forward(&p);
    assert_true(talk_flow(&s).flags & SW_F_UNCONFIRMED);
    expect_counted(1, 1, 1, 0);
    leave(&p);
    assert_false(talk_flow(&s).flags & SW_F_UNCONFIRMED);
}

/* Nor of what is only claimed: who has forged the rest may have forged this. It may be the segment that completes it,
 * or that seems to prove it midstream. */
TEST(forwarded_on_what_is_claimed)
{
    struct talk s = new_client_v6(41000);
    struct pkt p = talk_pkt(&s, B, SYN, 0);

    p.seq = s.isn[B];
    shoot(&p);
    s.nxt[B] = s.isn[B] + 1;
    p = talk_pkt(&s, A, SYN | ACK, 0);
    p.seq = s.isn[A];
    shoot(&p);
    s.nxt[A] = s.isn[A] + 1;
    p = talk_pkt(&s, B, ACK, 0);
    for (int i = 0; i < 2; i++) {
        forward(&p);
        assert_true(talk_flow(&s).flags & SW_F_ESTABLISHED);
        assert_true(talk_flow(&s).flags & SW_F_UNCONFIRMED);
        assert_true(talk_flow(&s).flags & SW_F_CLAIMED);
    }
    s = new_client_v6(41001);
    for (int i = 0; i < 2; i++) {
        p = talk_pkt(&s, A, PSH | ACK, 10);
        shoot(&p);
        s.nxt[A] += 10;
        p = talk_pkt(&s, B, ACK, 0);
        forward(&p);
        assert_true(talk_flow(&s).flags & SW_F_ESTABLISHED);
        assert_true(talk_flow(&s).flags & SW_F_UNCONFIRMED);
    }
    leave(&p);
    assert_false(talk_flow(&s).flags & (SW_F_UNCONFIRMED | SW_F_CLAIMED));
}

/* A published port's connection that is older than synward: over IPv4 nobody but NAT writes the server's address. */
TEST(published_midstream)
{
    struct talk s = new_client(80);
    struct pkt p = talk_pkt(&s, A, PSH | ACK, 10);

    shoot(&p);
    s.nxt[A] += 10;
    p = talk_pkt(&s, B, ACK, 0);
    forward(&p);
    assert_true(talk_flow(&s).flags & SW_F_ESTABLISHED);
    assert_false(talk_flow(&s).flags & SW_F_UNCONFIRMED);
    assert_true(talk_flow(&s).flags & SW_F_CLAIMED); /* of this host's sockets it is none */
}

/* Of a service that --protect names and that is another host's nothing is expected from a socket here. */
TEST(claimed_of_another_hosts_service)
{
    struct talk s = new_client(80);
    struct pkt p;

    guardrun_at(guard, svc)->flags |= SW_SV_NAMED | SW_SV_NO_LISTENER;
    syn_alone(&s);
    p = of(&s, B, SYN | ACK);
    p.seq = s.isn[B];
    p.ack = s.isn[A] + 1;
    shoot(&p);
    s.nxt[B] = s.isn[B] + 1;
    complete(&s);
    assert_int_equal(talk_flow(&s).flags & (SW_F_ESTABLISHED | SW_F_UNCONFIRMED), SW_F_ESTABLISHED);
}

/* Options of IPv4 and headers of IPv6, for some of which the kernel throws a packet away: such an ACK proves nothing.
 */
TEST(odd_headers_complete_nothing)
{
    struct talk s = new_client(80);
    struct pkt p;

    syn_alone(&s);
    listener_answers(&s);
    p = of(&s, A, ACK);
    p.ip_opts_len = 4;
    memset(p.ip_opts, 1, 4);
    shoot(&p);
    expect_counted(1, 0, 0, 0);
    p = of(&s, B, ACK);
    leave(&p);
    expect_counted(1, 1, 1, 0);
}

/* A bare ACK of a published port may be for a request, which anybody can make it send. Data is its socket's. */
TEST(published_request)
{
    struct talk s = new_client(80);
    struct pkt p;

    syn_alone(&s);
    p = of(&s, B, SYN | ACK);
    p.seq = s.isn[B];
    s.nxt[B] = s.isn[B] + 1;
    forward(&p);
    p = of(&s, A, PSH);
    p.seq += 100000;
    shoot(&p);
    p = of(&s, B, ACK);
    forward(&p);
    expect_counted(1, 0, 0, 0);
    p.ack += 10; /* of the client's data */
    forward(&p);
    expect_counted(1, 1, 1, 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        AUTO(a_handshake),
        AUTO(published_request),
        AUTO(taken_back),
        AUTO(third_packet_not_seen),
        AUTO(nothing_hides_a_count),
        AUTO(nothing_counts_twice),
        AUTO(evicted),
        AUTO(without_room),
        AUTO(another_isn),
        AUTO(token_for_a_connection),
        AUTO(without_a_socket),
        AUTO(elsewhere_for_a_time),
        AUTO(claimed),
        AUTO(claimed_of_another_hosts_service),
        AUTO(forwarded),
        AUTO(forwarded_on_its_own),
        AUTO(forwarded_on_what_is_claimed),
        AUTO(published_midstream),
        AUTO(odd_headers_complete_nothing),
    };

    return RUN_GUARDED(cases);
}
