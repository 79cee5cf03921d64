/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The other states of a service: engaged, grace, calm; neighbours; modes, thresholds and listeners that change. */
#include "guardlife.h"

TEST(whole_life)
{
    __u64 engaged_at, quiet_at, now;
    struct talk s;

    engage();
    engaged_at = last.ts;
    flood(3000, 1000);
    expect_state(ENGAGED);
    quiet_at = bpfrun_now(run);
    while (state_of(svc) == SW_GS_ENGAGED && bpfrun_now(run) < quiet_at + 60 * SEC)
        evaluate();
    expect_changes("engaged>grace:below_threshold");
    now = last.ts;
    assert_in_range(now - quiet_at, 10 * SEC, 15 * SEC); /* hold, after the rate and the cookies of the last seconds */
    assert_int_equal(last.in_state_ns, now - engaged_at);
    assert_int_equal(last.syn_rate, 0);
    assert_int_equal(guardrun_conf(guard)->active, 1);
    assert_int_equal(guardrun_conf(guard)->engaged, 1); /* in grace, too, what could hide a SYN is dropped */
    s = new_client(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS); /* no more cookies */
    detect_for(139 * SEC);
    expect_state(GRACE);
    detect_for(2 * SEC);
    expect_state(CALM);
    expect_changes("grace>calm:grace");
    assert_in_range(last.in_state_ns, 140 * SEC, 140 * SEC + 2 * SW_DETECT_NS);
    assert_int_equal(guardrun_conf(guard)->active, 0);
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
}

/* Half of a threshold keeps it engaged, less does not. */
TEST(hysteresis)
{
    engage();
    for (int i = 0; i < 30; i++)
        flood(600, 600);
    expect_state(ENGAGED);
    for (int i = 0; i < 20 && state_of(svc) == SW_GS_ENGAGED; i++)
        flood(300, 300); /* 300/s: under half of the rate, but 3 s of unanswered cookies are over half of 100 */
    expect_state(ENGAGED);
    for (int i = 0; i < 20 && state_of(svc) == SW_GS_ENGAGED; i++)
        flood(10, 10);
    expect_state(GRACE);
    expect_changes("engaged>grace:below_threshold");
}

TEST(hold_begins_anew)
{
    engage();
    detect_for(9 * SEC);
    expect_state(ENGAGED);
    flood(700, 700); /* and 3 s in which its cookies may still come back */
    detect_for(9 * SEC);
    expect_state(ENGAGED);
    detect_for(6 * SEC);
    expect_state(GRACE);
    expect_changes("engaged>grace:below_threshold");
}

/* Cookies that come back are no half-open handshakes: real clients alone do not keep it engaged. */
TEST(real_clients_let_it_disengage)
{
    struct pkt p;
    int i;

    guardrun_conf(guard)->hold = 30 * SEC;
    engage();
    for (i = 0; i < 2000; i++) {
        *t = new_client(80);
        step = 5 * MS;
        p = usual_syn();
        deliver(&p);
        if (out.verdict == BPFRUN_XDP_PASS)
            break; /* grace: the listener answers itself */
        t->nxt[A] = t->isn[A] + 1;
        p = answer_to(&reply, ACK, 0);
        step = 15 * MS;
        expect_pass(&p, "cookies_accepted");
        bpfrun_clear_events(run);
        if (i == 1000)
            assert_in_range(guardrun_at(guard, svc)->completed_rate, 45, 55);
    }
    assert_in_range(i, 1450, 1750); /* 20 ms each: the hold, and 4 s for the last of the flood */
    expect_state(GRACE);
    expect_changes("engaged>grace:below_threshold");
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}

/* A flood whose SYNs are dropped, for whatever reason, is still a flood. */
static void stays_engaged(const char *what, void (*dress)(struct pkt *))
{
    engage();
    for (int i = 0; i < 350 * 20; i++) {
        struct talk s = new_client(80);
        struct pkt p = talk_pkt(&s, A, SYN, 0);

        pass_time(SEC / 350);
        if (dress)
            dress(&p);
        shoot(&p);
    }
    if (state_of(svc) != SW_GS_ENGAGED)
        fail_msg("%s: %s", what, guardrun_state_name(state_of(svc)));
    expect_changes("");
}

static void malformed(struct pkt *p)
{
    p->opts[0] = 2, p->opts[1] = 1;
    p->opts_len = 4;
}

static void with_fin(struct pkt *p)
{
    p->flags |= FIN;
}

static void fragmented(struct pkt *p)
{
    p->fragment = p->more_frags = true;
    p->payload = 8;
}

TEST(dropped_syns_are_a_flood)
{
    stays_engaged("malformed options", malformed);
    assert_int_equal(auto_test(NULL), 0);
    stays_engaged("SYN and FIN", with_fin);
    assert_int_equal(auto_test(NULL), 0);
    stays_engaged("fragments", fragmented);
    assert_int_equal(auto_test(NULL), 0);
    guardrun_conf(guard)->reply_budget = 20;
    stays_engaged("over the budget", NULL);
}

TEST(flood_again_in_grace)
{
    engage();
    detect_for(20 * SEC);
    expect_state(GRACE);
    expect_changes("engaged>grace:below_threshold");
    flood(20, 1000);
    evaluate();
    expect_state(GRACE); /* what was half-open before it engaged does not count again */
    flood(150, 1000);
    evaluate();
    expect_state(ENGAGED);
    expect_changes("grace>engaged:half_open");
    assert_int_equal(guardrun_conf(guard)->active, 1);
    assert_int_equal(guardrun_conf(guard)->engaged, 1);
    detect_for(200 * SEC);
    expect_state(CALM);
    expect_changes("engaged>grace:below_threshold grace>calm:grace");
    assert_int_equal(guardrun_conf(guard)->active, 0);
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
}

/* No traffic and no evaluation for an hour: then one SYN. */
TEST(silence)
{
    struct talk s;

    engage();
    pass_time(3600 * SEC);
    for (int i = 0; i < 3; i++) {
        s = new_client(80);
        syn_from(&s);
        pass_time(SW_DETECT_NS);
    }
    assert_int_not_equal(state_of(svc), SW_GS_ENGAGED);
    pass_time(3600 * SEC);
    s = new_client(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
    expect_state(CALM);
    assert_int_equal(guardrun_at(guard, svc)->syn_rate, 1);
    assert_int_equal(guardrun_conf(guard)->active, 0);
}

/* --- neighbours and modes --- */

TEST(another_service_is_left_alone)
{
    __u32 other = guardrun_service(guard, NULL, 443);
    struct talk s;

    for (int i = 0; i < 20; i++) {
        flood(100, 2000);
        s = new_client(443);
        assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
        complete(&s);
    }
    expect_state(ENGAGED);
    assert_int_equal(state_of(other), SW_GS_CALM);
    expect_changes("calm>engaged:half_open");
    assert_int_equal(guardrun_counters(guard, other).item[SW_T_SYNS], 20);
    assert_int_equal(guardrun_counters(guard, other).item[SW_T_RESOLVED], 20);
    assert_int_equal(guardrun_counters(guard, other).item[SW_T_COOKIES_SENT], 0);
    assert_int_equal(guardrun_dropped(guard, other), 0);
    flood_port(443, 150, 1000); /* each for itself */
    evaluate();
    assert_int_equal(state_of(other), SW_GS_ENGAGED);
    assert_int_equal(guardrun_conf(guard)->active, 2);
    detect_for(200 * SEC);
    assert_int_equal(guardrun_conf(guard)->active, 0);
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
}

TEST(modes)
{
    set_mode(SW_GM_ALWAYS);
    expect_state(ENGAGED);
    expect_changes("calm>engaged:mode");
    detect_for(30 * SEC);
    expect_state(ENGAGED);
    expect_changes("");
    set_mode(SW_GM_AUTO); /* quiet for longer than the hold */
    expect_state(GRACE);
    expect_changes("engaged>grace:below_threshold");
    set_mode(SW_GM_ALWAYS);
    expect_changes("grace>engaged:mode");
    set_mode(SW_GM_OFF);
    expect_state(GRACE);
    expect_changes("engaged>grace:mode");
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
    detect_for(141 * SEC);
    expect_state(CALM);
    expect_changes("grace>calm:grace");
    flood(300, 1000);
    evaluate();
    expect_state(CALM);
    expect_changes("");
    assert_int_equal(guardrun_conf(guard)->active, 0);
}

/* From always to auto in the middle of a flood: nothing changes. */
TEST(auto_during_a_flood)
{
    set_mode(SW_GM_ALWAYS);
    expect_changes("calm>engaged:mode");
    detect_for(30 * SEC);
    flood(2000, 2000);
    set_mode(SW_GM_AUTO);
    flood(2000, 2000);
    expect_state(ENGAGED);
    expect_changes("");
}

/* A mode takes effect with the next SYN: no daemon is needed for that, either. */
TEST(mode_by_the_next_syn)
{
    struct talk s = new_client(80);

    guardrun_at(guard, svc)->mode = SW_GM_ALWAYS;
    pass_time(SW_DETECT_NS);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_TX);
    guardrun_at(guard, svc)->mode = SW_GM_OFF;
    s = new_client(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
}

/* Monitored, it goes through the same states and answers nothing. */
TEST(monitored)
{
    guardrun_at(guard, svc)->mode = SW_GM_MONITOR;
    flood(150, 1000);
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
    assert_int_equal(last.dry_run, 1);
    assert_int_equal(last.mode, SW_GM_MONITOR);
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
    detect_for(200 * SEC);
    expect_state(CALM);
    expect_changes("engaged>grace:below_threshold grace>calm:grace");
    assert_int_equal(guardrun_conf(guard)->active, 0);
}

/* Monitored and engaged, then enforced: from then on it acts; and the other way round. */
TEST(from_monitor_to_auto_and_back)
{
    struct talk s;

    guardrun_at(guard, svc)->mode = SW_GM_MONITOR;
    flood(150, 1000);
    evaluate();
    expect_state(ENGAGED);
    s = new_client(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
    guardrun_at(guard, svc)->mode = SW_GM_AUTO;
    s = new_client(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_TX);
    evaluate();
    assert_int_equal(guardrun_conf(guard)->engaged, 1);
    guardrun_at(guard, svc)->mode = SW_GM_MONITOR;
    s = new_client(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
    evaluate();
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
    assert_int_equal(guardrun_conf(guard)->active, 1);
}

TEST(listener_goes)
{
    engage();
    guardrun_at(guard, svc)->flags |= SW_SV_NO_LISTENER;
    evaluate();
    expect_state(GRACE);
    expect_changes("engaged>grace:no_listener");
    flood(300, 1000); /* refused by the kernel, nothing to guard */
    evaluate();
    expect_state(GRACE);
    guardrun_at(guard, svc)->flags &= ~SW_SV_NO_LISTENER;
    flood(300, 1000);
    evaluate();
    expect_state(ENGAGED);
    expect_changes("grace>engaged:half_open");
}

/* Closed ports do not look open: a service that nobody listens on is not answered for. */
TEST(nobody_listens)
{
    struct talk s = new_client(80);

    set_mode(SW_GM_ALWAYS);
    guardrun_at(guard, svc)->flags |= SW_SV_NO_LISTENER;
    evaluate();
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
}

/* Thresholds are taken as they are at each evaluation. */
TEST(thresholds_change)
{
    flood(60, 500);
    evaluate();
    expect_state(CALM);
    guardrun_conf(guard)->half_open = 50;
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
    assert_int_equal(last.half_open_threshold, 50);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        AUTO(whole_life),
        AUTO(hysteresis),
        AUTO(hold_begins_anew),
        AUTO(real_clients_let_it_disengage),
        AUTO(dropped_syns_are_a_flood),
        AUTO(flood_again_in_grace),
        AUTO(silence),
        AUTO(another_service_is_left_alone),
        AUTO(modes),
        AUTO(auto_during_a_flood),
        AUTO(mode_by_the_next_syn),
        AUTO(monitored),
        AUTO(from_monitor_to_auto_and_back),
        AUTO(listener_goes),
        AUTO(nobody_listens),
        AUTO(thresholds_change),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
