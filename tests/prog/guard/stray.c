/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --stray reset: an ACK that belongs to nothing is dropped, and a RST goes back. */
#include "guardlist.h"

static int resetting_group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.cfg.stray_reset = 1;
    return guarded_load(&opts);
}

/* As the kernel answers from a closed port (RFC 9293 section 3.10.7.1). */
static void expect_reset(const struct pkt *p, const char *counters)
{
    expect_reply(p, counters);
    assert_int_equal(reply.flags, RST);
    assert_int_equal(reply.seq, p->ack);
    assert_int_equal(reply.ack, 0);
    assert_int_equal(reply.win, 0);
    assert_int_equal(reply.payload, 0);
    assert_int_equal(reply.opt_len, 0);
    assert_memory_equal(reply.src, p->dst, 16);
    assert_memory_equal(reply.dst, p->src, 16);
    assert_int_equal(reply.sport, p->dport);
    assert_int_equal(reply.dport, p->sport);
    assert_memory_equal(reply.mac_dst, request + 6, 6);
    assert_memory_equal(reply.mac_src, request, 6);
    assert_int_equal(reply.tags, p->vlans);
    for (__u32 i = 0; i < p->vlans; i++)
        assert_int_equal(reply.tci[i], p->vlan[i]);
}

TEST(every_mix_of_flags)
{
    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        for (int f = 0; f < 512; f++) {
            struct pkt p = stray(f);

            if ((f & (SYN | ACK)) == SYN)
                continue;
            if ((f & (SYN | RST | ACK)) == ACK) {
                expect_reset(&p, f & FIN ? "resets_sent drop:fin" : "resets_sent drop:cookie_bad");
                continue;
            }
            deliver(&p); /* never a RST for a RST */
            if (out.verdict != BPFRUN_XDP_DROP ||
                guardrun_counters(guard, svc).item[SW_T_RESETS_SENT] != before.item[SW_T_RESETS_SENT])
                fail_msg("flags %03x: %s, counted \"%s\"", f, verdict_name(out.verdict), moved());
        }
    }
    assert_int_equal(bpfrun_count(run, BPFRUN_FLOWS) + bpfrun_count(run, BPFRUN_HALF_OPEN), 0);
}

TEST(whatever_it_carries)
{
    for (int v6 = 0; v6 < 2; v6++) {
        struct pkt p;

        talk_init(t, run, v6);
        for (__u32 payload = 0; payload <= 8000; payload = payload * 20 + 1) {
            p = stray(ACK | PSH);
            p.payload = payload;
            expect_reset(&p, "resets_sent drop:cookie_bad");
        }
        p = stray(ACK);
        add_stamps(&p, 1, 2);
        expect_reset(&p, "resets_sent drop:cookie_bad");
        for (p.vlans = 1; p.vlans <= 2; p.vlans++) {
            p.vlan[p.vlans - 1] = 100 * p.vlans;
            expect_reset(&p, "resets_sent drop:cookie_bad");
        }
        p = stray(ACK);
        if (v6)
            pkt_ext(&p, 0, 8);
        else
            p.ip_opts_len = 8, memset(p.ip_opts, 1, 8);
        expect_reset(&p, "resets_sent drop:cookie_bad");
    }
}

/* What its sender could not have meant, and what the kernel would not have read. */
TEST(without_an_answer)
{
    static const __u32 sources[] = {0, 0x7f000001, 0xe0000001, 0xffffffff};
    struct pkt p;

    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        p = stray(ACK);
        p.fragment = p.more_frags = true;
        p.payload = 16;
        expect_drop(&p, "cookie_bad");
        p = stray(ACK);
        p.payload = 100;
        p.cut_to = 100;
        expect_pass(&p, ""); /* it is for the kernel to drop, as the next one */
        p = stray(ACK);
        request_len = pkt_build(&p, request, sizeof(request));
        request[0] |= 1; /* to a group */
        deliver_frame();
        expect_moved_at(__FILE__, __LINE__, BPFRUN_XDP_PASS, "");
    }
    talk_init(t, run, false);
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        p = stray(ACK);
        pkt_v4(p.src, sources[i]);
        expect_drop(&p, "cookie_bad");
    }
}

TEST(what_belongs_to_something_passes)
{
    struct pkt p;

    open_by_cookie();
    p = talk_pkt(t, A, ACK | PSH, 100);
    p.seq = t->isn[A] + 5000; /* not the next one */
    p.ack = t->nxt[B];
    expect_pass(&p, "");
    p = stray(ACK);
    p.sport++;
    list4(true, 0x0a000001, 32); /* its source is allowed */
    expect_pass(&p, "");
}

TEST(within_the_budget)
{
    struct pkt p;
    int resets = 0;

    guardrun_conf(guard)->reply_budget = 100; /* a tenth of a second's at once */
    step = 0;
    for (int i = 0; i < 100; i++) {
        p = stray(ACK);
        p.sport = 2000 + i;
        deliver(&p);
        resets += out.verdict == BPFRUN_XDP_TX;
        assert_true(out.verdict == BPFRUN_XDP_TX || !strcmp(moved(), "drop:cookie_bad"));
    }
    assert_in_range(resets, 1, 11);
    p = usual_syn(); /* it is one budget */
    expect_drop(&p, "budget");
    bpfrun_set_now(run, bpfrun_now(run) + SEC);
    p = stray(ACK);
    expect_reset(&p, "resets_sent drop:cookie_bad");
}

TEST(only_while_engaged)
{
    struct pkt p = stray(ACK);

    set_mode(SW_GM_MONITOR);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_ENGAGED);
    expect_pass(&p, "drop:cookie_bad"); /* would have been dropped */
    set_mode(SW_GM_OFF);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_GRACE);
    p.sport++;
    expect_pass(&p, "");
}

/* The sample is of what came, not of the answer. */
TEST(captured_as_it_came)
{
    const struct sw_capture *c;
    struct pkt p = stray(ACK);

    guardrun_conf(guard)->flags |= SW_G_CAPTURE;
    bpfrun_set_now(run, bpfrun_now(run) + SEC);
    expect_reset(&p, "resets_sent drop:cookie_bad");
    assert_int_equal(guardrun_captures(guard, &c), 1);
    assert_int_equal(c->len, request_len);
    assert_memory_equal(c->frame, request, request_len);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(every_mix_of_flags),  ENGAGED(whatever_it_carries),
        ENGAGED(without_an_answer),   ENGAGED(what_belongs_to_something_passes),
        ENGAGED(within_the_budget),   ENGAGED(only_while_engaged),
        ENGAGED(captured_as_it_came),
    };

    return cmocka_run_group_tests(cases, resetting_group, guarded_group_end);
}
