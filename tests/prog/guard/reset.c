/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A client resets its handshake: did the listener take it? And checksums that a card would have to finish. */
#include "guardcount.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "synward.skel.h"

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

/* The kernel has answered with a cookie, and keeps nothing: any RST with the right number counts, also after the flow
 * was evicted. */
TEST(aborted_after_a_cookie)
{
    const int fd = bpf_map__fd(bpfrun_object(run)->maps.half_open);

    for (int evicted = 0; evicted < 3; evicted++) {
        struct talk s = new_client(80);
        struct sw_flow f;
        struct pkt p;

        syn_alone(&s);
        listener_answers(&s);
        assert_int_equal(bpf_map_lookup_elem(fd, &s.key, &f), 0);
        f.listener = SW_L_COOKIE; /* the test run's own socket is not one of a cookie */
        assert_int_equal(bpf_map_update_elem(fd, &s.key, &f, BPF_EXIST), 0);
        listener_answers(&s);
        for (int i = 0; i < evicted; i++) {
            assert_int_equal(bpf_map_delete_elem(fd, &s.key), 0);
            if (i + 1 < evicted)
                listener_answers(&s);
        }
        p = of(&s, A, RST);
        add_stamps(&p, 1, 0);
        shoot(&p);
        expect_counted(evicted + 1, evicted + 1, 0, 0);
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
    const struct CMUnitTest cases[] = {
        AUTO(aborted_after_a_cookie),       AUTO(aborted_by_the_client), AUTO(reset_taken_back),
        AUTO(reset_taken_back_after_a_syn), AUTO(goes_on_after_a_reset), AUTO(reset_before_the_synack),
    };
    const struct CMUnitTest at_once[] = {AUTO(reset_without_a_close_delay)}, cards[] = {AUTO(half_sums_on_a_card)};

    return RUN_GUARDED(cases) || cmocka_run_group_tests(at_once, at_once_group, guarded_group_end) ||
           cmocka_run_group_tests(cards, cards_group, guarded_group_end);
}
