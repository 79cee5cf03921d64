/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The life of a service in auto: calm, engaged, grace, calm; each change for its reason, in time, and told once. */
#include "guardfix.h"

static __u32 strangers; /* SYNs come from so many addresses */
static __u8 fast[PKT_MIN_FRAME * 4];

/* One frame, nothing checked: floods have no time. */
static int shoot(const struct pkt *p)
{
    size_t len = pkt_build(p, fast, sizeof(fast));
    int verdict = -100;

    assert_true(len > 0);
    assert_int_equal(bpfrun_ingress(run, fast, len, &verdict), 0);
    bpfrun_clear_events(run);
    return verdict;
}

static void pass_time(__u64 ns)
{
    bpfrun_set_now(run, bpfrun_now(run) + ns);
}

static struct talk stranger(__u16 port)
{
    struct talk s;

    talk_init(&s, run, false);
    pkt_v4(s.side[A].src, 0xc6120000 + strangers++); /* 198.18.0.0/15, RFC 2544 */
    s.side[A].dport = port;
    s.side[B] = pkt_swap(&s.side[A]);
    s.key = pkt_key(&s.side[A], NULL);
    return s;
}

static int syn_from(struct talk *s)
{
    struct pkt p = talk_pkt(s, A, SYN, 0);

    p.seq = s->isn[A];
    s->nxt[A] = s->isn[A] + 1;
    return shoot(&p);
}

static void flood_port(__u16 port, unsigned n, unsigned a_second)
{
    for (unsigned i = 0; i < n; i++) {
        struct talk s = stranger(port);

        pass_time(SEC / a_second);
        syn_from(&s);
    }
}

static void flood(unsigned n, unsigned a_second)
{
    flood_port(80, n, a_second);
}

/* The listener's answer and the client's. */
static void complete(struct talk *s)
{
    struct pkt p = talk_pkt(s, B, SYN | ACK, 0);

    s->nxt[B] = s->isn[B] + 1;
    shoot(&p);
    p = talk_pkt(s, A, ACK, 0);
    shoot(&p);
}

static enum sw_guard_state state_of(__u32 index)
{
    return guardrun_at(guard, index)->state;
}

static void judge(void)
{
    pass_time(SW_DECIDE_NS);
    assert_int_equal(guardrun_judge(guard), 0);
}

static void judge_for(__u64 ns)
{
    for (__u64 i = 0; i < ns / SW_DECIDE_NS; i++)
        judge();
}

static void expect_state_at(const char *file, int line, enum sw_guard_state want)
{
    const struct sw_service *sv = guardrun_at(guard, svc);

    if (sv->state == want)
        return;
    print_error("state %s, expected %s (half-open %llu, SYNs/s %llu, done/s %llu)\n", guardrun_state_name(sv->state),
                guardrun_state_name(want), (unsigned long long)sv->half_open, (unsigned long long)sv->syn_rate,
                (unsigned long long)sv->done_rate);
    _fail(file, line);
}
#define expect_state(want) expect_state_at(__FILE__, __LINE__, SW_GS_##want)

/* Takes the guard records told since the last time: "calm>engaged:half_open ...", the last one in *last. */
static struct sw_told last;

static void expect_changes_at(const char *file, int line, const char *want)
{
    static const char *const causes[] = {"none", "half_open", "syn_rate", "quiet", "grace", "mode", "no_listener"};
    const struct sw_told *told;
    char got[1024] = "";
    size_t n = guardrun_told(guard, &told), len = 0;

    memset(&last, 0, sizeof(last));
    for (size_t i = 0; i < n && len < sizeof(got); i++) {
        if (told[i].kind != SW_TOLD_GUARD)
            continue;
        last = told[i];
        len += snprintf(got + len, sizeof(got) - len, "%s%s>%s:%s", len ? " " : "", guardrun_state_name(last.from),
                        guardrun_state_name(last.to), last.cause < SW_GW_MAX ? causes[last.cause] : "?");
    }
    guardrun_clear(guard);
    if (strcmp(got, want)) {
        print_error("changes: got \"%s\", expected \"%s\"\n", got, want);
        _fail(file, line);
    }
}
#define expect_changes(want) expect_changes_at(__FILE__, __LINE__, want)

static int auto_test(void **state)
{
    if (guarded_test(state))
        return -1;
    strangers = 0;
    guardrun_conf(guard)->half_open = 100;
    guardrun_conf(guard)->syn_rate = 1000;
    judge(); /* its life begins */
    guardrun_clear(guard);
    return 0;
}
#define AUTO(name) cmocka_unit_test_setup(name, auto_test)

/* --- engaging --- */

TEST(half_open)
{
    flood(99, 200);
    judge();
    expect_state(CALM);
    expect_changes("");
    flood(1, 200);
    judge();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
    assert_int_equal(last.half_open, 100);
    assert_int_equal(last.half_open_mark, 100);
    assert_int_equal(last.syn_rate_mark, 1000);
    assert_in_range(last.syn_rate, 95, 100);
    assert_int_equal(last.done_rate, 0);
    assert_int_equal(last.service, svc);
    assert_int_equal(last.svc_port, htons(80));
    assert_int_equal(last.any, SW_ANY_4 | SW_ANY_6);
    assert_int_equal(last.mode, SW_GM_AUTO);
    assert_int_equal(last.backend, SW_BK_REQSK);
    assert_int_equal(last.dry_run, 0);
    assert_int_equal(last.ts, bpfrun_now(run));
    assert_int_equal(guardrun_conf(guard)->awake, 1);
    assert_int_equal(guardrun_conf(guard)->engaged, 1);
}

/* No daemon runs: the SYNs themselves bring the judgement, in a tenth of a second. */
TEST(judged_by_the_syns)
{
    struct talk s;

    for (int i = 0; i < 100; i++) {
        s = stranger(80);
        assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
    }
    expect_state(CALM);
    pass_time(SW_DECIDE_NS);
    s = stranger(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_TX); /* the very SYN that was judged on */
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
}

TEST(half_open_ones_grow_old)
{
    flood(99, 1000);
    judge_for(62 * SEC);
    flood(20, 1000);
    judge();
    expect_state(ENGAGED);
    assert_int_equal(auto_test(NULL), 0);
    flood(99, 1000);
    judge_for(65 * SEC); /* the listener has given them up */
    flood(20, 1000);
    judge();
    expect_state(CALM);
    assert_in_range(guardrun_at(guard, svc)->half_open, 20, 20);
}

/* Completed, refused by the listener: not half-open. */
TEST(what_is_settled_is_not_half_open)
{
    for (int i = 0; i < 300; i++) {
        struct talk s = stranger(80);
        struct pkt p;

        pass_time(5 * MS);
        syn_from(&s);
        if (i % 2) {
            complete(&s);
            continue;
        }
        p = talk_pkt(&s, B, RST | ACK, 0);
        shoot(&p);
    }
    judge();
    expect_state(CALM);
    assert_int_equal(guardrun_at(guard, svc)->half_open, 0);
    assert_int_equal(guardrun_tally(guard, svc).item[SW_T_OPENED], 300);
    assert_int_equal(guardrun_tally(guard, svc).item[SW_T_SETTLED], 300);
}

/* A handshake is counted once, however often its SYN comes. */
TEST(retransmissions_are_one_handshake)
{
    for (int i = 0; i < 60; i++) {
        struct talk s = stranger(80);

        pass_time(10 * MS);
        for (int again = 0; again < 3; again++)
            syn_from(&s);
    }
    judge();
    expect_state(CALM);
    assert_int_equal(guardrun_at(guard, svc)->half_open, 60);
}

TEST(syn_rate)
{
    guardrun_conf(guard)->half_open = 1 << 20;
    flood(900, 900);
    judge();
    expect_state(CALM);
    pass_time(2 * SEC);
    judge();
    flood(1500, 2000);
    expect_state(ENGAGED);
    expect_changes("calm>engaged:syn_rate");
    assert_true(last.syn_rate >= 1000);
    assert_int_equal(last.done_rate, 0);
}

/* In time: at twice the mark, half a second until the rate over a second is there, and two judgements. */
TEST(syn_rate_in_time)
{
    __u64 start;

    guardrun_conf(guard)->half_open = 1 << 20;
    start = bpfrun_now(run);
    for (int i = 0; i < 4000 && state_of(svc) == SW_GS_CALM; i++)
        flood(1, 2000);
    expect_state(ENGAGED);
    assert_in_range(bpfrun_now(run) - start, 500 * MS, 800 * MS);
}

/* Many SYNs, and most of them complete: a busy service, not a flood. */
TEST(many_who_complete)
{
    for (int i = 0; i < 6000; i++) {
        struct talk s = stranger(80);

        pass_time(SEC / 2000);
        syn_from(&s);
        if (i % 50)
            complete(&s);
    }
    expect_changes("calm>engaged:half_open"); /* one in fifty did not: 120 half-open */
    assert_int_equal(auto_test(NULL), 0);
    guardrun_conf(guard)->half_open = 1 << 20;
    for (int i = 0; i < 6000; i++) {
        struct talk s = stranger(80);

        pass_time(SEC / 2000);
        syn_from(&s);
        if (i % 50)
            complete(&s);
    }
    expect_state(CALM);
    expect_changes("");
}

/* 1,000 real clients at once, marks as they are by default: their SYNs first, all their answers later. */
TEST(burst_of_real_clients)
{
    static struct talk all[1000];

    guardrun_conf(guard)->half_open = 1024;
    guardrun_conf(guard)->syn_rate = 4000;
    for (int burst = 0; burst < 5; burst++) {
        for (int i = 0; i < 1000; i++) {
            all[i] = stranger(80);
            pass_time(MS / 100);
            assert_int_equal(syn_from(&all[i]), BPFRUN_XDP_PASS);
        }
        judge();
        judge();
        for (int i = 0; i < 1000; i++) {
            pass_time(MS / 100);
            complete(&all[i]);
        }
        judge_for(SEC);
    }
    expect_state(CALM);
    expect_changes("");
    assert_int_equal(guardrun_at(guard, svc)->half_open, 0);
    assert_int_equal(guardrun_tally(guard, svc).item[SW_T_SETTLED], 5000);
}

/* A client that resets its own handshake has completed nothing: such pairs do not hide a flood. */
TEST(syn_and_reset_pairs)
{
    guardrun_conf(guard)->half_open = 1 << 20;
    for (int i = 0; i < 4000; i++) {
        struct talk s = stranger(80);
        struct pkt p;

        pass_time(SEC / 4000);
        syn_from(&s);
        p = talk_pkt(&s, A, RST, 0);
        shoot(&p);
    }
    expect_state(ENGAGED);
    expect_changes("calm>engaged:syn_rate");
}

/* --- disengaging --- */

static void engage(void)
{
    flood(150, 1000);
    judge();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
}

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
        judge();
    expect_changes("engaged>grace:quiet");
    now = last.ts;
    assert_in_range(now - quiet_at, 10 * SEC, 15 * SEC); /* hold, after the rate and the cookies of the last seconds */
    assert_int_equal(last.in_state_ns, now - engaged_at);
    assert_int_equal(last.syn_rate, 0);
    assert_int_equal(guardrun_conf(guard)->awake, 1);
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
    s = stranger(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS); /* no more cookies */
    judge_for(139 * SEC);
    expect_state(GRACE);
    judge_for(2 * SEC);
    expect_state(CALM);
    expect_changes("grace>calm:grace");
    assert_in_range(last.in_state_ns, 140 * SEC, 140 * SEC + 2 * SW_DECIDE_NS);
    assert_int_equal(guardrun_conf(guard)->awake, 0);
}

/* Half of a mark keeps it engaged, less does not. */
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
    expect_changes("engaged>grace:quiet");
}

TEST(hold_begins_anew)
{
    engage();
    judge_for(9 * SEC);
    expect_state(ENGAGED);
    flood(700, 700); /* and 3 s in which its cookies may still come back */
    judge_for(9 * SEC);
    expect_state(ENGAGED);
    judge_for(6 * SEC);
    expect_state(GRACE);
    expect_changes("engaged>grace:quiet");
}

/* Cookies that come back are no half-open handshakes: real clients alone do not keep it engaged. */
TEST(real_clients_let_it_disengage)
{
    struct pkt p;
    int i;

    guardrun_conf(guard)->hold = 30 * SEC;
    engage();
    for (i = 0; i < 2000; i++) {
        *t = stranger(80);
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
            assert_in_range(guardrun_at(guard, svc)->done_rate, 45, 55);
    }
    assert_in_range(i, 1400, 1600);
    expect_state(GRACE);
    expect_changes("engaged>grace:quiet");
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}

TEST(flood_again_in_grace)
{
    engage();
    judge_for(20 * SEC);
    expect_state(GRACE);
    expect_changes("engaged>grace:quiet");
    flood(20, 1000);
    judge();
    expect_state(GRACE); /* what was half-open before it engaged does not count again */
    flood(150, 1000);
    judge();
    expect_state(ENGAGED);
    expect_changes("grace>engaged:half_open");
    assert_int_equal(guardrun_conf(guard)->awake, 1);
    assert_int_equal(guardrun_conf(guard)->engaged, 1);
    judge_for(200 * SEC);
    expect_state(CALM);
    expect_changes("engaged>grace:quiet grace>calm:grace");
    assert_int_equal(guardrun_conf(guard)->awake, 0);
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
}

/* Nothing comes, nobody judges, for an hour: then one SYN. */
TEST(silence)
{
    struct talk s;

    engage();
    pass_time(3600 * SEC);
    for (int i = 0; i < 3; i++) {
        s = stranger(80);
        syn_from(&s);
        pass_time(SW_DECIDE_NS);
    }
    assert_int_not_equal(state_of(svc), SW_GS_ENGAGED);
    pass_time(3600 * SEC);
    s = stranger(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
    expect_state(CALM);
    assert_int_equal(guardrun_at(guard, svc)->syn_rate, 1);
    assert_int_equal(guardrun_conf(guard)->awake, 0);
}

/* --- neighbours and modes --- */

TEST(another_service_is_left_alone)
{
    __u32 other = guardrun_service(guard, NULL, 443);
    struct talk s;

    for (int i = 0; i < 20; i++) {
        flood(100, 2000);
        s = stranger(443);
        assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
        complete(&s);
    }
    expect_state(ENGAGED);
    assert_int_equal(state_of(other), SW_GS_CALM);
    expect_changes("calm>engaged:half_open");
    assert_int_equal(guardrun_tally(guard, other).item[SW_T_SYNS], 20);
    assert_int_equal(guardrun_tally(guard, other).item[SW_T_SETTLED], 20);
    assert_int_equal(guardrun_tally(guard, other).item[SW_T_COOKIES_SENT], 0);
    assert_int_equal(guardrun_dropped(guard, other), 0);
    flood_port(443, 150, 1000); /* each for itself */
    judge();
    assert_int_equal(state_of(other), SW_GS_ENGAGED);
    assert_int_equal(guardrun_conf(guard)->awake, 2);
    judge_for(200 * SEC);
    assert_int_equal(guardrun_conf(guard)->awake, 0);
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
}

TEST(modes)
{
    set_mode(SW_GM_ALWAYS);
    expect_state(ENGAGED);
    expect_changes("calm>engaged:mode");
    judge_for(30 * SEC);
    expect_state(ENGAGED);
    expect_changes("");
    set_mode(SW_GM_AUTO); /* quiet for longer than the hold */
    expect_state(GRACE);
    expect_changes("engaged>grace:quiet");
    set_mode(SW_GM_ALWAYS);
    expect_changes("grace>engaged:mode");
    set_mode(SW_GM_OFF);
    expect_state(GRACE);
    expect_changes("engaged>grace:mode");
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
    judge_for(141 * SEC);
    expect_state(CALM);
    expect_changes("grace>calm:grace");
    flood(300, 1000);
    judge();
    expect_state(CALM);
    expect_changes("");
    assert_int_equal(guardrun_conf(guard)->awake, 0);
}

/* From always to auto in the middle of a flood: nothing changes. */
TEST(auto_during_a_flood)
{
    set_mode(SW_GM_ALWAYS);
    expect_changes("calm>engaged:mode");
    judge_for(30 * SEC);
    flood(2000, 2000);
    set_mode(SW_GM_AUTO);
    flood(2000, 2000);
    expect_state(ENGAGED);
    expect_changes("");
}

/* A mode takes effect with the next SYN: no daemon is needed for that, either. */
TEST(mode_by_the_next_syn)
{
    struct talk s = stranger(80);

    guardrun_at(guard, svc)->mode = SW_GM_ALWAYS;
    pass_time(SW_DECIDE_NS);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_TX);
    guardrun_at(guard, svc)->mode = SW_GM_OFF;
    s = stranger(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
}

/* Monitored, it goes through the same states and answers nothing. */
TEST(monitored)
{
    guardrun_at(guard, svc)->mode = SW_GM_MONITOR;
    flood(150, 1000);
    judge();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
    assert_int_equal(last.dry_run, 1);
    assert_int_equal(last.mode, SW_GM_MONITOR);
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
    judge_for(200 * SEC);
    expect_state(CALM);
    expect_changes("engaged>grace:quiet grace>calm:grace");
    assert_int_equal(guardrun_conf(guard)->awake, 0);
}

/* Monitored and engaged, then enforced: from then on it acts; and the other way round. */
TEST(from_monitor_to_auto_and_back)
{
    struct talk s;

    guardrun_at(guard, svc)->mode = SW_GM_MONITOR;
    flood(150, 1000);
    judge();
    expect_state(ENGAGED);
    s = stranger(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
    guardrun_at(guard, svc)->mode = SW_GM_AUTO;
    s = stranger(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_TX);
    judge();
    assert_int_equal(guardrun_conf(guard)->engaged, 1);
    guardrun_at(guard, svc)->mode = SW_GM_MONITOR;
    s = stranger(80);
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
    judge();
    assert_int_equal(guardrun_conf(guard)->engaged, 0);
    assert_int_equal(guardrun_conf(guard)->awake, 1);
}

TEST(listener_goes)
{
    engage();
    guardrun_at(guard, svc)->flags |= SW_SV_GONE;
    judge();
    expect_state(GRACE);
    expect_changes("engaged>grace:no_listener");
    flood(300, 1000); /* refused by the kernel, nothing to guard */
    judge();
    expect_state(GRACE);
    guardrun_at(guard, svc)->flags &= ~SW_SV_GONE;
    flood(300, 1000);
    judge();
    expect_state(ENGAGED);
    expect_changes("grace>engaged:half_open");
}

/* Closed ports do not look open: a service that nobody listens on is not answered for. */
TEST(nobody_listens)
{
    struct talk s = stranger(80);

    set_mode(SW_GM_ALWAYS);
    guardrun_at(guard, svc)->flags |= SW_SV_GONE;
    judge();
    assert_int_equal(syn_from(&s), BPFRUN_XDP_PASS);
}

/* Marks are taken as they are at each judgement. */
TEST(marks_change)
{
    flood(60, 500);
    judge();
    expect_state(CALM);
    guardrun_conf(guard)->half_open = 50;
    judge();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
    assert_int_equal(last.half_open_mark, 50);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        AUTO(half_open),
        AUTO(judged_by_the_syns),
        AUTO(half_open_ones_grow_old),
        AUTO(what_is_settled_is_not_half_open),
        AUTO(retransmissions_are_one_handshake),
        AUTO(syn_rate),
        AUTO(syn_rate_in_time),
        AUTO(many_who_complete),
        AUTO(burst_of_real_clients),
        AUTO(syn_and_reset_pairs),
        AUTO(whole_life),
        AUTO(hysteresis),
        AUTO(hold_begins_anew),
        AUTO(real_clients_let_it_disengage),
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
        AUTO(marks_change),
    };

    return RUN_GUARDED(cases) + RUN_GUARDED_FAST(cases);
}
