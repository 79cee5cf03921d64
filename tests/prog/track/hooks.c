/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two hooks together, with the kernel's clock: who saw what, verdicts, GSO, forwarding, one-sided views. */
#include "fixture.h"

#include <errno.h>

static int group_live(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.replay = 0;
    return fixture_load(&opts);
}

static void egress(int who, const struct pkt *p, const struct bpfrun_skb *skb)
{
    static __u8 frame[9000];
    size_t len = pkt_build(p, frame, sizeof(frame));
    __u32 end = p->seq + p->payload + !!(p->flags & SYN) + !!(p->flags & FIN);
    int verdict = 12345;

    assert_true(len > 0);
    assert_int_equal(bpfrun_egress(run, frame, len, skb, &verdict), 0);
    assert_int_equal(verdict, BPFRUN_TCX_NEXT);
    t->pkts[who]++;
    t->ip_bytes[who] += pkt_ip_len(p);
    if ((int)(end - t->nxt[who]) > 0)
        t->nxt[who] = end;
}

static void say_out(int who, __u16 flags, __u32 payload)
{
    struct pkt p = talk_pkt(t, who, flags, payload);

    p.no_padding = true;
    egress(who, &p, NULL);
}

/* The server's half passes the egress hook: one connection, each event with the hook that saw it. */
TEST(server_role)
{
    struct sw_event ev;

    talk_say(t, A, SYN, 0);
    say_out(B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    assert_int_equal(talk_event(t, OPENING).hook, SW_HOOK_XDP_INGRESS);
    assert_int_equal(talk_event(t, ESTABLISHED).hook, SW_HOOK_XDP_INGRESS);
    expect_events(t, "opening established");
    say_out(B, PSH | ACK, 800);
    talk_say(t, A, ACK, 0);
    say_out(B, FIN | ACK, 0);
    talk_say(t, A, ACK, 0);
    talk_say(t, A, FIN | ACK, 0);
    say_out(B, ACK, 0);
    ev = talk_event(t, CLOSED);
    assert_int_equal(ev.hook, SW_HOOK_TC_EGRESS);
    assert_int_equal(talk_event(t, HALF_CLOSED).hook, SW_HOOK_XDP_INGRESS);
    expect_events(t, "half_closed closed");
    expect_counts(t);
    expect_history(t, "ShAdfFa");
}

TEST(client_role)
{
    say_out(A, SYN, 0);
    assert_int_equal(talk_event(t, OPENING).hook, SW_HOOK_TC_EGRESS);
    talk_say(t, B, SYN | ACK, 0);
    say_out(A, ACK, 0);
    assert_int_equal(talk_event(t, ESTABLISHED).hook, SW_HOOK_TC_EGRESS);
    expect_events(t, "opening established");
    assert_int_equal(talk_flow(t).ifindex, 1);
    assert_int_equal(talk_flow(t).hook, SW_HOOK_TC_EGRESS);
    expect_counts(t);
}

/* One skb of 2000 bytes that becomes two segments: counted as they are on the wire. */
TEST(gso_counts_as_on_the_wire)
{
    struct bpfrun_skb skb = {.gso_size = 1000, .gso_segs = 2};
    struct sw_flow f;
    struct pkt p;

    say_out(A, SYN, 0);
    talk_say(t, B, SYN | ACK, 0);
    say_out(A, ACK, 0);
    p = talk_pkt(t, A, PSH | ACK, 2000);
    egress(A, &p, &skb);
    f = talk_flow(t);
    assert_int_equal(f.end[A].pkts, 4);
    assert_int_equal(f.end[A].ip_bytes, 40 + 40 + 2 * (40 + 1000));
    assert_int_equal(f.end[A].payload, 2000);
}

/* Older kernels (5.10) refuse an skb with an ingress_ifindex in BPF_PROG_TEST_RUN. */
static void skip_if_nothing_is_forwarded(void)
{
    const struct bpfrun_skb skb = {.ingress_ifindex = 1};
    struct pkt p = talk_pkt(t, A, ACK, 64);
    __u8 frame[256];
    int verdict;

    p.proto = 17;
    if (!bpfrun_old())
        return;
    if (bpfrun_egress(run, frame, pkt_build(&p, frame, sizeof(frame)), &skb, &verdict) == -EINVAL) {
        print_message("skip: this kernel runs no program on a forwarded packet for a test\n");
        skip();
    }
}

/* Forwarded: tracked on ingress, ignored on egress. */
TEST(forwarded_is_counted_once)
{
    struct bpfrun_skb skb = {.ingress_ifindex = 1};
    struct pkt p = talk_pkt(t, A, SYN, 0);

    skip_if_nothing_is_forwarded();
    assert_int_equal(bpfrun_watch(run, 1), 0);
    talk_send(t, A, &p);
    egress(A, &p, &skb);
    expect_events(t, "opening");
    expect_counter(t, FORWARDED_TWICE, 1);
    assert_int_equal(talk_flow(t).end[A].pkts, 1);
    assert_int_equal(talk_flow(t).syn_rexmit, 0);
}

/* Forwarded from an interface that nobody watches: the egress hook is the only one that sees it. */
TEST(forwarded_from_unwatched)
{
    struct bpfrun_skb skb = {.ingress_ifindex = 1};
    struct pkt p = talk_pkt(t, A, SYN, 0);

    skip_if_nothing_is_forwarded();
    egress(A, &p, &skb);
    expect_events(t, "opening");
    expect_counter(t, FORWARDED_TWICE, 0);
}

TEST(egress_verdicts_of_other_traffic)
{
    struct pkt p = talk_pkt(t, A, SYN, 64);

    p.proto = 17;
    egress(A, &p, NULL);
    expect_counter(t, NOT_TCP, 1);
    p.proto = 0;
    p.force_eth = 0x0806;
    egress(A, &p, NULL);
    expect_counter(t, NOT_IP, 1);
    p.force_eth = 0;
    p.force_doff = 2;
    egress(A, &p, NULL);
    expect_counter(t, BAD_HEADER, 1);
    expect_events(t, "");
}

TEST(egress_vlan)
{
    t->side[A].vlans = 1;
    t->side[A].vlan[0] = 42;
    say_out(A, SYN, 0);
    expect_events(t, "opening");
    assert_int_equal(talk_flow(t).vlan[0], 42);
}

static int group_one_sided(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.one_sided = 1;
    return fixture_load(&opts);
}

/* Only the client's segments are seen: the server's half is inferred from its acknowledgements, and the lines say so.
 */
TEST(one_sided_view)
{
    struct sw_flow f;

    talk_say(t, A, SYN, 0);
    t->nxt[B] = t->isn[B] + 1;
    talk_say(t, A, ACK, 0);
    expect_events(t, "opening established");
    expect_states(t, ESTABLISHED, ESTABLISHED);
    assert_true(talk_flow(t).flags & SW_F_INFERRED);
    talk_say(t, A, PSH | ACK, 100);
    t->nxt[B] += 500;
    talk_say(t, A, ACK, 0);
    talk_say(t, A, FIN | ACK, 0);
    expect_states(t, FIN_WAIT_1, ESTABLISHED);
    t->nxt[B]++;
    talk_say(t, A, ACK, 0);
    talk_event(t, CLOSED);
    f = talk_flow(t);
    assert_int_equal(f.end[A].pkts, 6);
    assert_int_equal(f.end[B].pkts, 0);
    assert_int_equal(f.synack_ns, 0);
    assert_int_equal(f.reason, SW_WHY_FIN);
}

int main(void)
{
    const struct CMUnitTest live[] = {
        CASE(server_role),
        CASE(client_role),
        CASE(gso_counts_as_on_the_wire),
        CASE(forwarded_is_counted_once),
        CASE(forwarded_from_unwatched),
        CASE(egress_verdicts_of_other_traffic),
        CASE(egress_vlan),
    };
    const struct CMUnitTest one_sided[] = {CASE(one_sided_view)};
    int failed = cmocka_run_group_tests(live, group_live, fixture_group_end);

    return failed + cmocka_run_group_tests(one_sided, group_one_sided, fixture_group_end);
}
