/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What counts as begun and as completed: what this host's listener did, whatever has arrived before. */
#include "guardlife.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "synward.skel.h"

static __u64 counted(enum sw_svc_counter c)
{
    return guardrun_counters(guard, svc).item[c];
}

static void expect_counted_at(const char *file, int line, __u64 opened, __u64 resolved, __u64 completed, __u64 reopened)
{
    struct sw_svc_counters t = guardrun_counters(guard, svc);

    if (t.item[SW_T_OPENED] == opened && t.item[SW_T_RESOLVED] == resolved && t.item[SW_T_COMPLETED] == completed &&
        t.item[SW_T_REOPENED] == reopened)
        return;
    print_error("opened %llu resolved %llu completed %llu reopened %llu\n", t.item[SW_T_OPENED], t.item[SW_T_RESOLVED],
                t.item[SW_T_COMPLETED], t.item[SW_T_REOPENED]);
    _fail(file, line);
}
#define expect_counted(o, r, c, again) expect_counted_at(__FILE__, __LINE__, o, r, c, again)

static struct pkt of(struct talk *s, int who, __u16 flags)
{
    return talk_pkt(s, who, flags, 0);
}

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

enum { NO_ACK = 7 };

/* A RST of the client counts if the kernel takes it. */
TEST(aborted_by_the_client)
{
    static const struct {
        const char *what;
        __u32 off, acks; /* acks: from what it should be, NO_ACK: nothing */
        __u16 vlan;
        bool bad_csum, partial, stamps, counts;
    } rows[] = {
        {"as it should be", .acks = NO_ACK, .counts = true},
        {"and acknowledges", .counts = true},
        {"acknowledges something else", .acks = 1, .counts = true}, /* Linux does not look at that */
        {"wrong number", 1, .acks = NO_ACK},
        {"far off", 1u << 30, .acks = NO_ACK},
        {"wrong checksum", .acks = NO_ACK, .bad_csum = true},
        {"sum of the pseudo-header", .acks = NO_ACK, .partial = true},
        {"a timestamp, which may be old", .acks = NO_ACK, .stamps = true},
        {"another VLAN", .acks = NO_ACK, .vlan = 99},
    };
    __u64 resolved = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct talk s = new_client(80);
        struct pkt p;

        syn_alone(&s);
        listener_answers(&s);
        p = of(&s, A, rows[i].acks == NO_ACK ? RST : RST | ACK);
        p.seq += rows[i].off;
        if (p.flags & ACK)
            p.ack += rows[i].acks;
        p.bad_checksum = rows[i].bad_csum;
        p.partial_sum = rows[i].partial;
        p.vlans = !!rows[i].vlan;
        p.vlan[0] = rows[i].vlan;
        if (rows[i].stamps)
            add_stamps(&p, 1, 0);
        shoot(&p);
        resolved += rows[i].counts;
        if (counted(SW_T_RESOLVED) != resolved)
            print_error("%s\n", rows[i].what);
        expect_counted(i + 1, resolved, 0, 0);
    }
}

static void reset_by_client(struct talk *s)
{
    struct pkt p = of(s, A, RST);

    shoot(&p);
}

/* The kernel did not take a RST, as it was for another VLAN: its SYN-ACK comes again, and no further one is believed.
 */
TEST(reset_taken_back)
{
    struct talk s = new_client(80);
    struct pkt p;

    syn_alone(&s);
    listener_answers(&s);
    reset_by_client(&s);
    expect_counted(1, 1, 0, 0);
    for (int wait = 1; wait <= 16; wait *= 2) { /* as Linux does */
        pass_time(wait * SEC);
        assert_int_equal(bpfrun_sweep(run, 0, NULL), 0);
        listener_answers(&s);
        reset_by_client(&s);
        if (wait == 4) /* sent again, too: of the same handshake */
            syn_alone(&s);
        expect_counted(1, 1, 0, 0);
        assert_int_equal(counted(SW_T_RESET_UNDONE), 1);
        evaluate();
        assert_int_equal(guardrun_at(guard, svc)->half_open, 1);
    }
    p = of(&s, B, ACK);
    leave(&p);
    expect_counted(1, 2, 1, 0);
    evaluate();
    assert_int_equal(guardrun_at(guard, svc)->half_open, 0);
}

/* And the connection is what both ends make of it, however they go on. */
TEST(goes_on_after_a_reset)
{
    for (int answered = 0; answered < 2; answered++) {
        struct talk s = new_client(80);
        struct pkt p;

        syn_alone(&s);
        listener_answers(&s);
        reset_by_client(&s);
        assert_int_equal(talk_flow(&s).reason, SW_WHY_ABORTED);
        if (answered) {
            pass_time(SEC);
            listener_answers(&s);
            assert_false(talk_flow(&s).flags & SW_F_ENDED);
            expect_states(&s, SYN_SENT, SYN_RECEIVED);
        }
        complete(&s);
        p = of(&s, B, ACK);
        leave(&p);
        expect_states(&s, ESTABLISHED, ESTABLISHED);
        expect_where(&s, FLOWS);
        assert_int_equal(talk_flow(&s).reason, SW_WHY_NONE);
        assert_int_equal(talk_flow(&s).flags & (SW_F_ENDED | SW_F_UNCONFIRMED), 0);
        expect_counted(1 + answered, 1 + 2 * answered, 1 + answered, 0); /* less reset_undone */
        assert_int_equal(counted(SW_T_RESET_UNDONE), answered);
    }
}

/* The SYN-ACK comes after the RST that was before it in a batch: only if it comes again the RST was none. */
TEST(reset_before_the_synack)
{
    struct talk s = new_client(80);

    syn_alone(&s);
    reset_by_client(&s);
    listener_answers(&s);
    assert_true(talk_flow(&s).flags & SW_F_ENDED);
    expect_counted(1, 0, 0, 0);
    pass_time(SEC);
    listener_answers(&s);
    assert_false(talk_flow(&s).flags & SW_F_ENDED);
    complete(&s);
    expect_states(&s, ESTABLISHED, ESTABLISHED);
    expect_counted(1, 1, 1, 0);
}

static size_t swept_conns(__u64 later)
{
    const struct sw_event *ev;
    size_t n, conns = 0;

    bpfrun_clear_events(run);
    pass_time(later);
    assert_int_equal(bpfrun_sweep(run, 0, NULL), 0);
    n = bpfrun_events(run, &ev);
    for (size_t i = 0; i < n; i++)
        conns += ev[i].kind == SW_EV_CONN && ev[i].flow.reason == SW_WHY_ABORTED;
    return conns;
}

/* With --close-delay 0: a handshake that was reset is kept until the SYN-ACK would have come again. */
TEST(reset_without_a_close_delay)
{
    struct talk s = new_client(80);
    __u64 waited = 0;

    syn_alone(&s);
    listener_answers(&s);
    for (int wait = 1; wait <= 16; wait *= 2) {
        if (wait == 8) /* as late as it does most */
            reset_by_client(&s);
        pass_time(wait * SEC);
        waited += wait;
        assert_int_equal(bpfrun_sweep(run, 0, NULL), 0);
        listener_answers(&s);
        expect_counted(1, waited >= 15, 0, 0);
        assert_int_equal(counted(SW_T_RESET_UNDONE), waited >= 15);
    }
    s = new_client(80);
    syn_alone(&s);
    listener_answers(&s);
    reset_by_client(&s);
    assert_int_equal(swept_conns(SEC), 0);
    assert_int_equal(swept_conns(SEC), 1);
}

/* A SYN on the four-tuple in between: the listener has the same handshake still. */
TEST(reset_taken_back_after_a_syn)
{
    struct talk s = new_client(80);

    syn_alone(&s);
    listener_answers(&s);
    reset_by_client(&s);
    syn_alone(&s);
    listener_answers(&s);
    reset_by_client(&s);
    expect_counted(1, 1, 0, 0);
    assert_int_equal(counted(SW_T_RESET_UNDONE), 1);
    s.isn[A] += 1000000; /* and then another one */
    s.isn[B] += 5000000;
    syn_alone(&s);
    listener_answers(&s);
    expect_counted(2, 2, 0, 0);
    reset_by_client(&s);
    expect_counted(2, 3, 0, 0);
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

static bool is_followed(const struct talk *s)
{
    struct sw_flow f;

    return bpfrun_lookup(run, &s->key, &f) != BPFRUN_NOWHERE;
}

static __u16 sum_of(struct pkt p, bool partial)
{
    static __u8 frame[PKT_MIN_FRAME * 4];

    p.partial_sum = partial;
    assert_true(pkt_build(&p, frame, sizeof(frame)) > 0);
    return frame[14 + 20 + 16] << 8 | frame[14 + 20 + 17];
}

/* Where only cards are watched the pseudo-header's sum alone is wrong; but not a whole one that is equal by accident.
 */
TEST(half_sums_on_a_card)
{
    struct talk s = new_client(80);
    struct pkt p = of(&s, A, SYN), rst;

    p.seq = s.isn[A];
    p.partial_sum = true;
    shoot(&p);
    assert_false(is_followed(&s));
    p.partial_sum = false;
    for (p.win = 1; sum_of(p, false) != sum_of(p, true); p.win++)
        assert_int_not_equal(p.win, 0xffff);
    shoot(&p);
    assert_true(is_followed(&s));
    s.nxt[A] = s.isn[A] + 1;
    listener_answers(&s);
    rst = of(&s, A, RST);
    rst.partial_sum = true;
    shoot(&rst);
    assert_false(talk_flow(&s).flags & SW_F_ENDED);
    p = of(&s, A, ACK);
    p.partial_sum = true;
    shoot(&p);
    expect_counted(1, 0, 0, 0);
    complete(&s);
    expect_counted(1, 1, 1, 0);
}

static int cards_group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.cfg.checksum = 0;
    opts.cfg.whole_sums = 1;
    return guarded_load(&opts);
}

static int at_once_group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.cfg.close_delay = 0;
    return guarded_load(&opts);
}

int main(void)
{
    const struct CMUnitTest at_once[] = {AUTO(reset_without_a_close_delay)}, cards[] = {AUTO(half_sums_on_a_card)};
    const struct CMUnitTest cases[] = {
        AUTO(a_handshake),
        AUTO(taken_back),
        AUTO(third_packet_not_seen),
        AUTO(nothing_hides_a_count),
        AUTO(nothing_counts_twice),
        AUTO(evicted),
        AUTO(another_isn),
        AUTO(aborted_by_the_client),
        AUTO(reset_taken_back),
        AUTO(reset_taken_back_after_a_syn),
        AUTO(goes_on_after_a_reset),
        AUTO(reset_before_the_synack),
        AUTO(token_for_a_connection),
        AUTO(without_a_socket),
        AUTO(claimed),
        AUTO(claimed_of_another_hosts_service),
        AUTO(odd_headers_complete_nothing),
    };

    return RUN_GUARDED(cases) || cmocka_run_group_tests(at_once, at_once_group, guarded_group_end) ||
           cmocka_run_group_tests(cards, cards_group, guarded_group_end);
}
