/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Monitored: the same decisions and counts as in earnest, emitted as a dry run, and every packet passes as it came. */
#include "guardfix.h"

enum { SCRIPT = 3000 };

/* One packet of a mixed flood: SYNs of many and of few, strays of every kind, lists, bad options, fragments. */
static struct pkt script(unsigned i)
{
    static const __u16 flags[] = {ACK, SYN | ACK, RST, FIN | ACK, 0, FIN | PSH | URG, PSH, SYN | FIN, ACK | PSH};
    struct pkt p;

    talk_init(t, run, i % 7 == 3);
    t->side[A].sport = 1024 + i;
    if (i % 2 == 0) {
        p = i % 4 ? usual_syn() : bare_syn();
        if (!p.v6)
            pkt_v4(p.src, 0xc6120000 + (i % 5 ? i : 0));
        else
            p.src[15] = i;
        if (i % 50 == 10) {
            p.opts[0] = 2, p.opts[1] = 0;
            p.opts_len = 4;
        }
        if (i % 50 == 12) {
            p.fragment = p.more_frags = true;
            p.payload = 8;
        }
        if (i % 50 == 14)
            p.payload = 300;
    } else {
        p = talk_pkt(t, A, flags[i / 2 % (sizeof(flags) / sizeof(*flags))], i % 3 ? 0 : 64);
        p.seq = i * 7919;
        p.ack = p.flags & ACK ? i * 104729 : 0;
    }
    if (i % 11 == 5)
        pkt_v4(p.src, 0xc6336401), p.v6 = false; /* blocked */
    if (i % 11 == 6)
        pkt_v4(p.src, 0xcb007101), p.v6 = false; /* allowed */
    if (!p.v6)
        pkt_v4(p.dst, 0x0a000002);
    if (i % 13 == 0)
        p.vlans = 1, p.vlan[0] = 5;
    return p;
}

static struct sw_guard_event emitted_of[2][4096];
static size_t emitted_len[2];

/* The script with mode; the tally, and the records. Both become engaged by the first SYNs. */
static struct sw_svc_counters play(enum sw_guard_mode mode)
{
    const struct sw_guard_event *emitted;
    int which = mode == SW_GM_MONITOR;
    __u8 ip[16];

    assert_int_equal(guarded_test(NULL), 0);
    guardrun_at(guard, svc)->mode = mode;
    guardrun_conf(guard)->syn_rate = 1;
    guardrun_conf(guard)->limit_source = 40;
    guardrun_conf(guard)->limit_prefix = 4000;
    guardrun_conf(guard)->reply_budget = 300;
    pkt_v4(ip, 0xc6336400);
    assert_int_equal(guardrun_list(guard, false, ip, 120, SW_LIST_OPTION), 0);
    pkt_v4(ip, 0xcb007100);
    assert_int_equal(guardrun_list(guard, true, ip, 120, SW_LIST_OPTION), 0);
    bpfrun_set_now(run, bpfrun_now(run) + SEC);
    for (unsigned i = 0; i < SCRIPT; i++) {
        struct pkt p = script(i);

        deliver(&p);
        if (mode == SW_GM_MONITOR && out.verdict != BPFRUN_XDP_PASS)
            fail_msg("packet %u is not passed: %s", i, verdict_name(out.verdict));
        if (mode == SW_GM_MONITOR)
            assert_int_equal(out.meta_len, 0);
    }
    bpfrun_clear_events(run);
    emitted_len[which] = guardrun_events(guard, &emitted);
    assert_in_range(emitted_len[which], 1, 4096);
    memcpy(emitted_of[which], emitted, emitted_len[which] * sizeof(*emitted));
    return guardrun_counters(guard, svc);
}

TEST(same_decisions)
{
    struct sw_svc_counters earnest = play(SW_GM_AUTO), dry = play(SW_GM_MONITOR);
    size_t reasons = 0;

    for (int i = 0; i < SW_DROP_MAX; i++) {
        if (earnest.drop[i] != dry.drop[i])
            fail_msg("%s: in earnest %llu, monitored %llu", guardrun_drop_name(i), (unsigned long long)earnest.drop[i],
                     (unsigned long long)dry.drop[i]);
        reasons += !!dry.drop[i];
    }
    assert_true(reasons >= 10); /* the script has nearly all of them */
    for (int i = 0; i < SW_T_MAX; i++) {
        if (i == SW_T_OPENED || i == SW_T_RESOLVED) /* there the listener answers */
            continue;
        if (earnest.item[i] != dry.item[i])
            fail_msg("%s: in earnest %llu, monitored %llu", guardrun_svc_counter_name(i),
                     (unsigned long long)earnest.item[i], (unsigned long long)dry.item[i]);
    }
    assert_true(dry.item[SW_T_COOKIES_SENT] > 100);
}

/* The same records but for dry_run, mode and what the figures of a change say of the listener. */
TEST(same_records)
{
    play(SW_GM_AUTO);
    play(SW_GM_MONITOR);
    assert_int_equal(emitted_len[0], emitted_len[1]);
    for (size_t i = 0; i < emitted_len[0]; i++) {
        struct sw_guard_event a = emitted_of[0][i], b = emitted_of[1][i];

        assert_int_equal(a.dry_run, 0);
        assert_int_equal(b.dry_run, 1);
        assert_int_equal(b.mode, SW_GM_MONITOR);
        a.dry_run = 1, a.mode = b.mode;
        if (a.kind == SW_GUARD_EV_STATE) /* blocked ones reached the listener */
            a.half_open = b.half_open;
        assert_memory_equal(&a, &b, sizeof(a));
    }
}

/* A dry run's captures say so. */
TEST(captures)
{
    const struct sw_capture *c;
    struct pkt p = talk_pkt(t, A, RST, 0);

    guardrun_at(guard, svc)->mode = SW_GM_MONITOR;
    guardrun_conf(guard)->half_open = 0;
    guardrun_conf(guard)->flags |= SW_G_CAPTURE;
    set_mode(SW_GM_MONITOR);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_ENGAGED);
    expect_pass(&p, "drop:rst");
    assert_int_equal(guardrun_captures(guard, &c), 1);
    assert_int_equal(c->dry_run, 1);
    assert_int_equal(c->reason, SW_DROP_RST);
    assert_memory_equal(c->frame, request, request_len);
}

/* Engaged in the dry: connections come and go through the listener, and nothing is said against them. */
TEST(real_connections)
{
    struct sw_event conn;

    guardrun_conf(guard)->half_open = 0;
    set_mode(SW_GM_MONITOR);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_ENGAGED);
    real_connection(t); /* so that the kernel has a socket for the third packet, as it would */
    talk_open(t);
    talk_say(t, A, PSH | ACK, 500);
    talk_say(t, B, PSH | ACK, 500);
    talk_close(t);
    talk_wait(t, 6 * SEC);
    conn = talk_conn(t);
    assert_false(conn.flow.flags & SW_F_COOKIE);
    expect_counter(t, GUARD_LOST, 0);
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}

/* What cannot be parsed is reported, too, and only where something is engaged in earnest is it dropped. */
TEST(unreadable_headers)
{
    struct pkt p;

    guardrun_conf(guard)->half_open = 0;
    set_mode(SW_GM_MONITOR);
    talk_init(t, run, true);
    p = usual_syn();
    for (int i = 0; i < 8; i++)
        pkt_ext(&p, 60, 8);
    assert_int_equal(deliver(&p), BPFRUN_XDP_PASS);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CALM(same_decisions), CALM(same_records), CALM(captures), CALM(real_connections), CALM(unreadable_headers),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
