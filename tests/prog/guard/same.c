/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The same random scenarios through programs without the guard and with it: calm, monitored while it is engaged, and
 * switched off. Every packet passes and every record and flow is the same, to the byte.
 */
#include "guardfix.h"
#include "scenario.h"

enum { STORIES = 60, SEGMENTS = 40, RECORDS = 4096 };

static struct bpfrun *plain;
static struct sw_event wanted[RECORDS];
static size_t wanted_len;
static bool
    verifying; /* without it the guard still verifies an ACK that would complete a handshake, the tracker nothing */

static int group(bool checksum)
{
    struct sw_object_opts opts;

    bpfrun_opts(&opts);
    opts.cfg.checksum = verifying = checksum;
    opts.cfg.event_mask |= 1u << SW_LINE_GUARD | 1u << SW_LINE_DROP; /* the flows must be alike, so must the masks */
    if (bpfrun_new(&opts, &plain))
        return -1;
    opts.cfg.guard = 1;
    return guarded_load(&opts);
}

static int group_verifying(void **state)
{
    (void)state;
    return group(true);
}

static int group_fast(void **state)
{
    (void)state;
    return group(false);
}

static int group_end(void **state)
{
    bpfrun_free(plain);
    plain = NULL;
    return guarded_group_end(state);
}

static void as_packet(const struct scenario_seg *s, struct pkt *p)
{
    *p = t->side[s->from];
    p->seq = s->seq;
    p->ack = s->ack;
    p->flags = s->flags;
    p->win = s->win;
    p->payload = s->len;
    p->bad_checksum = s->bad_checksum && verifying;
    if (s->fragment)
        p->fragment = p->more_frags = true;
    if (s->opts == 1 || s->opts == 2)
        pkt_opt_usual(p, 1400, s->opts == 2 ? 15 : 6);
    if (s->opts == 3)
        memcpy(p->opts, "\x02\x09\x01\x01", 4), p->opts_len = 4;
    p->cut_to = 0; /* with the guard it is not taken */
}

/* Plays the scenario; what became of each packet is always the same: it passes as it came. */
static void play(struct bpfrun *to, const struct scenario *st)
{
    bool egress = false;
    struct pkt p;

    assert_int_equal(bpfrun_reset(to), 0);
    for (size_t i = 0; i < st->n; i++) {
        const struct scenario_seg *s = &st->seg[i];

        bpfrun_set_now(to, bpfrun_now(to) + s->gap_ns);
        if (s->sweep)
            assert_int_equal(bpfrun_sweep(to, 0, NULL), 0);
        as_packet(s, &p);
        request_len = pkt_build(&p, request, sizeof(request));
        if (request_len < 14)
            continue;
        egress = s->from == B;
        if (egress) {
            int verdict = -100;

            assert_int_equal(bpfrun_egress(to, request, request_len, NULL, &verdict), 0);
            assert_int_equal(verdict, BPFRUN_TCX_NEXT);
            continue;
        }
        assert_int_equal(bpfrun_xdp(to, request, request_len, &out), 0);
        check_output_at(__FILE__, __LINE__);
        if (out.verdict != BPFRUN_XDP_PASS || out.meta_len)
            fail_msg("segment %zu, flags %03x: %s, %u bytes of metadata", i, s->flags, verdict_name(out.verdict),
                     out.meta_len);
    }
    assert_int_equal(bpfrun_sweep(to, 2, NULL), 0);
}

/* What only the guard's accounting has written into the flow. */
static void forget_accounting(struct sw_event *ev)
{
    ev->flow.flags &= ~(SW_F_UNCONFIRMED | SW_F_CLAIMED);
    ev->flow.held = 0;
    ev->flow.local &= SW_LOCAL_A | SW_LOCAL_B;
    ev->flow.listener = SW_L_NONE;
    ev->flow.listener_isn = 0;
}

static void same(enum sw_guard_mode mode, __u64 threshold)
{
    struct sw_service *sv = guardrun_at(guard, svc);
    const struct sw_event *ev;
    __u64 dry = 0, conns = 0, stories = scenario_rounds(STORIES);

    for (__u64 seed = 1; seed <= stories; seed++) {
        struct scenario st;
        size_t n;

        scenario_make(&st, seed * 7919, SEGMENTS);
        talk_init(t, run, seed % 3 == 0);
        play(plain, &st);
        wanted_len = bpfrun_events(plain, &ev);
        assert_in_range(wanted_len, 0, RECORDS);
        memcpy(wanted, ev, wanted_len * sizeof(*ev));
        assert_int_equal(guarded_test(NULL), 0);
        talk_init(t, run, seed % 3 == 0);
        sv->mode = mode;
        guardrun_conf(guard)->half_open = threshold;
        assert_int_equal(guardrun_detect(guard), 0);
        assert_int_equal(sv->state, threshold ? SW_GS_CALM : SW_GS_ENGAGED);
        play(run, &st);
        n = bpfrun_events(run, &ev);
        if (n != wanted_len)
            fail_msg("seed %llu: %zu records, without the guard %zu", seed, n, wanted_len);
        for (size_t i = 0; i < n; i++) {
            struct sw_event got = ev[i];

            forget_accounting(&got);
            forget_accounting(&wanted[i]);
            if (memcmp(&got, &wanted[i], sizeof(got)))
                fail_msg("seed %llu: record %zu is another", seed, i);
            conns += ev[i].kind == SW_EV_CONN;
        }
        dry += guardrun_dropped(guard, svc);
    }
    assert_true(conns >= stories);
    assert_int_equal(!!dry, !threshold); /* monitored, it had something to say; the scenarios are random */
}

TEST(calm)
{
    same(SW_GM_AUTO, 1 << 20);
}
TEST(off)
{
    same(SW_GM_OFF, 1 << 20);
}
TEST(monitored_and_engaged)
{
    same(SW_GM_MONITOR, 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(calm),
        cmocka_unit_test(off),
        cmocka_unit_test(monitored_and_engaged),
    };

    return cmocka_run_group_tests(cases, group_verifying, group_end) +
           cmocka_run_group_tests(cases, group_fast, group_end);
}
