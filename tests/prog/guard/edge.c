/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A gateway that is an edge: services are prefixes of hosts behind it, 10.0.0.0/24 and 2001:db8::/64, port 80. Their
 * SYNs are answered while engaged; all else passes, and no socket of this host counts.
 */
#include "guardcount.h"
#include "guardsyn.h"

#include <arpa/inet.h>

static __u32 svc4, svc6;

static int load(bool checksum)
{
    struct sw_object_opts opts;

    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.cfg.checksum = checksum;
    opts.cfg.gateway = SW_GATEWAY_EDGE;
    return guarded_load(&opts);
}

static int group(void **state)
{
    (void)state;
    return load(true);
}

static int group_fast(void **state)
{
    (void)state;
    return load(false);
}

static void net_of(const char *ip, __u8 ret[16])
{
    __u32 v4;

    if (strchr(ip, ':')) {
        assert_int_equal(inet_pton(AF_INET6, ip, ret), 1);
        return;
    }
    assert_int_equal(inet_pton(AF_INET, ip, &v4), 1);
    pkt_v4(ret, ntohl(v4));
}

static int calm(void **state)
{
    __u8 ip[16];

    close_sockets();
    if (fixture_test(state) || guardrun_reset(guard))
        return -1;
    net_of("10.0.0.0", ip);
    svc4 = guardrun_net(guard, ip, 96 + 24, 80);
    net_of("2001:db8::", ip);
    svc6 = guardrun_net(guard, ip, 64, 80);
    guardrun_conf(guard)->half_open = 100;
    guardrun_conf(guard)->syn_rate = 1000;
    svc = svc4;
    step = MS;
    return svc4 && svc6 ? 0 : -1;
}

static int engaged(void **state)
{
    if (calm(state))
        return -1;
    svc = svc6;
    set_mode(SW_GM_ALWAYS);
    svc = svc4;
    set_mode(SW_GM_ALWAYS);
    guardrun_clear(guard);
    return guardrun_at(guard, svc6)->state != SW_GS_ENGAGED || guardrun_at(guard, svc4)->state != SW_GS_ENGAGED;
}

static void both(void (*test)(void))
{
    for (int v6 = 0; v6 < 2; v6++) {
        talk_init(t, run, v6);
        svc = v6 ? svc6 : svc4;
        test();
    }
}

/* --- SYNs --- */

static void passes_calm(void)
{
    struct pkt p = usual_syn();

    expect_pass(&p, "");
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_SYNS], 1);
    expect_events(t, "opening"); /* tracked */
    expect_where(t, HALF_OPEN);
}
TEST(a_syn_in_calm)
{
    both(passes_calm);
}

static void answered(void)
{
    struct pkt p = usual_syn();

    expect_reply(&p, "cookies_sent");
    expect_answer_to(&p);
    assert_int_equal(carried().mss, p.v6 ? 1440 : 1460);
    expect_where(t, NOWHERE); /* no state */
    p.payload = 100;
    p.dst[15] = 200; /* another host of the prefix */
    t->side[A].dst[15] = 200;
    expect_reply(&p, "cookies_sent");
    expect_answer_to(&p);
    carried();
}
TEST(a_syn_while_engaged)
{
    both(answered);
}

static void not_ours(void)
{
    struct pkt p = usual_syn();

    p.dport = 81;
    expect_pass(&p, "");
    p = usual_syn();
    p.dst[p.v6 ? 0 : 13] ^= 1; /* outside of the prefix */
    expect_pass(&p, "");
    p = pkt_swap(&p); /* from the prefix to the outside */
    p.flags = SYN;
    expect_pass(&p, "");
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_SYNS], 0);
}
TEST(other_ports_and_prefixes)
{
    both(not_ours);
}

/* The longest one counts, also if it is calm, and one that stands for this host's own address. */
static void longest(void)
{
    struct pkt p = usual_syn();
    __u32 wide = svc;
    __u8 own[16];

    memcpy(own, p.dst, 16);
    svc = guardrun_net(guard, p.dst, 128, 80);
    assert_true(svc > 0);
    expect_pass(&p, "");
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_SYNS], 1);
    assert_int_equal(guardrun_counters(guard, wide).item[SW_T_SYNS], 0);
    svc = wide;
    p.dst[15]++;
    expect_reply(&p, "cookies_sent");
    assert_int_equal(guardrun_not(guard, own, 80), 0);
    memcpy(p.dst, own, 16);
    expect_pass(&p, "");
    assert_int_equal(guardrun_counters(guard, wide).item[SW_T_SYNS], 1);
}
TEST(by_the_longest_prefix)
{
    both(longest);
}

static void fragments(void)
{
    struct pkt p = usual_syn();

    p.fragment = p.more_frags = true;
    expect_drop(&p, "fragment");
    p = usual_syn();
    p.flags |= FIN;
    expect_drop(&p, "bad_flags");
    p = usual_syn();
    p.fragment = p.more_frags = true;
    p.force_doff = 0;
    p.cut_to = 0;
    p.frag_off = 8; /* a later one has no header */
    expect_pass(&p, "");
}
TEST(fragments_and_bad_flags)
{
    both(fragments);
}

/* A fragment header within another, as an attacker hides it; and what is in a tunnel is for its other end. */
TEST(nested)
{
    struct pkt p;

    talk_init(t, run, true);
    svc = svc6;
    p = usual_syn();
    pkt_ext(&p, 44, 8); /* of a packet that is whole */
    p.fragment = p.more_frags = true;
    expect_drop(&p, "fragment");
    p = usual_syn();
    pkt_ext(&p, 44, 8);
    p.ext[3] = 1; /* more follows */
    pkt_ext(&p, 44, 8);
    expect_drop(&p, "fragment");
    talk_init(t, run, false);
    svc = svc4;
    p = usual_syn();
    p.proto = 4;
    expect_pass(&p, "");
    assert_int_equal(guardrun_counters(guard, svc).item[SW_T_SYNS], 0);
}

/* Signed SYNs are for the host behind, within the limit. */
TEST(signed_ones)
{
    struct pkt p = bare_syn();

    guardrun_conf(guard)->flags |= SW_G_MD5 | SW_G_AO;
    pkt_opt(&p, 19, "0123456789abcdef", 16);
    expect_pass(&p, "passed_backend");
}

static void tags(void)
{
    struct pkt p = usual_syn();

    p.vlans = 2;
    p.vlan[0] = 7;
    p.vlan[1] = 8;
    expect_reply(&p, "cookies_sent");
    expect_answer_to(&p);
    p = usual_syn();
    if (p.v6)
        pkt_ext(&p, 60, 8);
    else
        p.ip_opts_len = 4, memset(p.ip_opts, 1, 4);
    expect_reply(&p, "cookies_sent");
    carried();
}
TEST(tags_and_extension_headers)
{
    both(tags);
}

/* Frames for other Ethernet addresses: a router does not take them; on a bridge (no address is known) all are meant. */
TEST(ethernet_addresses)
{
    struct pkt p = usual_syn();

    guardrun_conf(guard)->macs = 1;
    guardrun_conf(guard)->mac[0] = 0x010203040506;
    expect_pass(&p, "");
    expect_counter(t, NOT_TAKEN, 1);
    guardrun_conf(guard)->macs = 0;
    expect_reply(&p, "cookies_sent");
}

/* A SYN that had passed in calm: the host behind may have a request for it, beside which it takes no cookie. */
static void again(void)
{
    struct pkt p = usual_syn(), other;

    expect_pass(&p, "");
    set_mode(SW_GM_ALWAYS);
    expect_pass(&p, "passed_known");
    other = p;
    other.seq++; /* another one */
    expect_reply(&other, "cookies_sent");
    bpfrun_set_now(run, bpfrun_now(run) + 63 * SEC);
    expect_pass(&p, "passed_known");
    bpfrun_set_now(run, bpfrun_now(run) + 2 * SEC);
    expect_reply(&p, "cookies_sent"); /* nobody keeps one for so long */
}
TEST(a_syn_again)
{
    both(again);
}

/* Where `half_open` is full, too, a SYN that has passed is known. */
static void again_without_room(void)
{
    bpfrun_set_room(run, 0);
    again();
}
TEST(a_syn_again_without_room)
{
    both(again_without_room);
}

TEST(a_syn_again_is_limited)
{
    struct pkt p = usual_syn();

    expect_pass(&p, "");
    set_mode(SW_GM_ALWAYS);
    guardrun_conf(guard)->pass_rate = 2;
    expect_pass(&p, "passed_known");
    expect_pass(&p, "passed_known");
    expect_drop(&p, "rate_passed");
}

/* What a socket of this host would say does not matter: there is none that could be meant. */
TEST(known_by_nobody)
{
    struct pkt p = usual_syn();

    guardrun_known(guard, 0, &p, true);
    guardrun_known(guard, 1, &p, true);
    expect_reply(&p, "cookies_sent");
}

/* --- what comes back --- */

static void cookie(void)
{
    struct pkt p = usual_syn();
    struct decoded synack = cookie_for(&p);
    struct sw_flow f;

    p = answer_to(&synack, ACK, 0);
    expect_pass(&p, "cookies_accepted");
    assert_int_equal(out.meta_len, 0); /* nothing here takes it */
    expect_events(t, "opening established");
    expect_where(t, FLOWS);
    f = talk_flow(t);
    assert_true(f.flags & SW_F_COOKIE);
    assert_false(f.flags & SW_F_UNCONFIRMED);
    assert_int_equal(f.local, 0);
    expect_pass(&p, ""); /* again */
    p = answer_to(&synack, PSH | ACK, 100);
    expect_pass(&p, "");
    p = talk_pkt(t, B, PSH | ACK, 100);
    forward(&p);
    p = talk_pkt(t, B, FIN | ACK, 0);
    forward(&p);
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}
TEST(a_cookie_comes_back)
{
    both(cookie);
}

/* All else passes, and counts as nothing: it is for the host behind. */
static void strays(void)
{
    static const __u16 flags[] = {ACK, PSH | ACK, FIN | ACK, RST, RST | ACK, SYN | ACK, FIN, 0, FIN | PSH | URG, PSH};

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        struct pkt p = stray(flags[i]);

        p.sport += i;
        expect_pass(&p, "");
    }
}
TEST(strays_pass)
{
    both(strays);
}

/* Nor are they followed while engaged: they would take the places of handshakes. In calm they are. */
TEST(strays_take_no_place)
{
    struct pkt p = stray(ACK);

    expect_pass(&p, "");
    expect_where(t, NOWHERE);
    p.flags = SYN | ACK;
    expect_pass(&p, "");
    expect_where(t, NOWHERE);
    set_mode(SW_GM_OFF);
    p = stray(ACK);
    expect_pass(&p, "");
    expect_where(t, HALF_OPEN);
}

/* A keepalive in the third packet's place: the host behind answers it. */
TEST(a_probe_passes)
{
    struct pkt p = usual_syn();
    struct decoded synack = cookie_for(&p);

    p = answer_to(&synack, ACK, 0);
    p.seq--;
    expect_pass(&p, "");
}

/* Another window scale than the cookie was made with, by a key that says so. */
TEST(another_window_scale)
{
    struct sw_keys keys = *guardrun_keys(guard);
    struct pkt p = usual_syn();
    struct decoded synack;

    keys.bound = 3;
    assert_int_equal(guardrun_install(guard, &keys), 0);
    synack = cookie_for(&p);
    p = answer_to(&synack, ACK, 0);
    guardrun_at(guard, svc)->wscale = 9;
    expect_pass(&p, "");
    guardrun_at(guard, svc)->wscale = 10;
    expect_pass(&p, "cookies_accepted");
}

/* --- when it engages --- */

static void host_answers(struct talk *s)
{
    struct pkt p = talk_pkt(s, B, SYN | ACK, 0);

    p.seq = s->isn[B];
    s->nxt[B] = s->isn[B] + 1;
    forward(&p);
}

static void flood_behind(unsigned n, unsigned a_second, bool answers)
{
    for (unsigned i = 0; i < n; i++) {
        struct talk s = new_client(80);

        pass_time(SEC / a_second);
        if (syn_alone(&s) == BPFRUN_XDP_PASS && answers)
            host_answers(&s);
    }
}

/* Symmetric routes: by the SYN-ACKs of the hosts, as they are forwarded. */
TEST(by_half_open_handshakes)
{
    flood_behind(99, 200, true);
    evaluate();
    expect_state(CALM);
    flood_behind(1, 200, true);
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
    assert_int_equal(last.any, SW_NET + 120);
    assert_int_equal(last.half_open, 100);
}

TEST(completed_ones_are_not_half_open)
{
    for (int i = 0; i < 400; i++) {
        struct talk s = new_client(80);

        pass_time(5 * MS);
        syn_alone(&s);
        host_answers(&s);
        complete(&s);
    }
    evaluate();
    expect_state(CALM);
    expect_counted(400, 400, 400, 0);
}

/* Answers go another way: the rate of SYNs alone. */
TEST(by_the_rate_alone)
{
    flood_behind(900, 900, false);
    evaluate();
    expect_state(CALM);
    flood_behind(1500, 1500, false);
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:syn_rate");
    assert_int_equal(guardrun_at(guard, svc)->half_open > 0, true);
}

/* What one direction claims hides nothing: the ACK of a SYN-ACK that was never seen, or that came from outside. */
TEST(claims_are_not_believed)
{
    for (unsigned i = 0; i < 2500; i++) {
        struct talk s = new_client(80);
        struct pkt p;

        pass_time(SEC / 1500);
        if (i % 2) {
            p = talk_pkt(&s, B, SYN | ACK, 0); /* in the host's name, by the outer interface */
            p.seq = s.isn[B];
            p.ack = s.isn[A] + 1;
            shoot(&p);
        }
        syn_alone(&s);
        s.nxt[B] = s.isn[B] + 1;
        complete(&s);
    }
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:syn_rate");
    expect_counted(0, 0, 0, 0);
}

/* A SYN that is not seen as one, as in two fragments: the host's answer says that it came. */
TEST(answers_to_what_was_not_seen)
{
    for (unsigned i = 0; i < 101; i++) {
        struct talk s = new_client(80);

        pass_time(5 * MS);
        s.nxt[A] = s.isn[A] + 1;
        host_answers(&s);
    }
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
}

/* The host threw the third packet away and answers again. */
TEST(completions_are_taken_back)
{
    struct talk s = new_client(80);

    syn_alone(&s);
    host_answers(&s);
    complete(&s);
    expect_counted(1, 1, 1, 0);
    pass_time(SEC);
    host_answers(&s);
    expect_counted(1, 1, 1, 1);
}

/* What makes a host answer for a request with a bare ACK: that proves nothing, though it comes from the host. */
static struct talk request_answers(int kind)
{
    static const __u16 flags[] = {PSH, FIN, 0, SYN, ACK};
    struct talk s = new_client(80);
    struct pkt p;

    syn_alone(&s);
    host_answers(&s);
    p = of(&s, A, flags[kind]);
    p.seq += kind == 3 ? -501u : 100000; /* the last but one begins the flow anew, with a number before */
    shoot(&p);
    if (kind == 3) {
        host_answers(&s); /* again, for the request that it has */
        expect_where(&s, HALF_OPEN);
        assert_int_equal(talk_flow(&s).end[A].isn, p.seq);
    }
    p = of(&s, B, ACK);
    forward(&p);
    return s;
}

TEST(answers_for_a_request)
{
    for (unsigned i = 0; i < 5; i++) {
        request_answers(i);
        expect_counted(i + 1, 0, 0, 0);
    }
}

TEST(answers_for_requests_hide_no_flood)
{
    for (unsigned i = 0; i < 101; i++) {
        pass_time(SEC / 1500);
        request_answers(i % 5);
    }
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
}

/* Data of the host, its FIN, numbers beyond those of a request. */
TEST(hosts_that_go_on)
{
    for (int i = 0; i < 4; i++) {
        struct talk s = new_client(80);
        struct pkt p;

        syn_alone(&s);
        host_answers(&s);
        expect_counted(i + 1, i, i, 0);
        p = talk_pkt(&s, B, i == 1 ? FIN | ACK : ACK, i == 0 ? 10 : 0);
        p.seq += i == 2;
        p.ack += i == 3 ? 10 : 0;
        forward(&p);
        expect_counted(i + 1, i + 1, i + 1, 0);
    }
}

/* An ACK that ends on the way to the host, and a reset: the host sends its SYN-ACK again. Whatever the client says
 * then, it is the host's turn. */
TEST(completions_are_claimed_once)
{
    for (int late = 0; late < 2; late++) {
        struct talk s = new_client(80);
        struct pkt p;

        syn_alone(&s);
        host_answers(&s);
        complete(&s);
        expect_counted(late + 1, 2 * late + 1, 2 * late + 1, late);
        if (!late)
            host_answers(&s);
        for (int i = 0; i < 3; i++) {
            p = of(&s, A, RST);
            shoot(&p);
            pass_time(SEC);
            syn_alone(&s);
            host_answers(&s);
            complete(&s);
            expect_counted(late + 1, 2 * late + 1, 2 * late + 1, late + 1);
        }
        p = talk_pkt(&s, B, PSH | ACK, 10);
        forward(&p);
        expect_counted(late + 1, 2 * late + 2, 2 * late + 2, late + 1);
    }
}

/* A service that many really use disengages: their cookies say that they are there, though no answer of a host is seen.
 * One that is sent again says nothing. */
TEST(cookies_that_come_back_end_it)
{
    struct pkt p, last_ack = {0};
    struct talk s;

    set_mode(SW_GM_AUTO);
    guardrun_conf(guard)->hold = SEC;
    flood_behind(2500, 2500, false);
    evaluate();
    expect_state(ENGAGED);
    for (unsigned i = 0; i < 2000 && state_of(svc) == SW_GS_ENGAGED; i++) {
        s = new_client(80);
        pass_time(SEC / 400);
        p = talk_pkt(&s, A, SYN, 0);
        p.seq = s.isn[A];
        if (deliver(&p) != BPFRUN_XDP_TX)
            break;
        s.nxt[A] = p.seq + 1;
        p = talk_pkt(&s, A, ACK, 0);
        p.ack = reply.seq + 1;
        expect_pass(&p, "cookies_accepted");
        last_ack = p;
    }
    expect_state(GRACE);
    expect_changes("calm>engaged:syn_rate engaged>grace:below_threshold");
    bpfrun_sweep(run, 2, NULL); /* the flows are gone */
    expect_pass(&last_ack, "cookies_replayed");
}

int main(void)
{
#define AT(setup, name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest cases[] = {
        AT(calm, a_syn_in_calm),
        AT(engaged, a_syn_while_engaged),
        AT(engaged, other_ports_and_prefixes),
        AT(engaged, by_the_longest_prefix),
        AT(engaged, fragments_and_bad_flags),
        AT(engaged, nested),
        AT(engaged, signed_ones),
        AT(engaged, tags_and_extension_headers),
        AT(engaged, ethernet_addresses),
        AT(calm, a_syn_again),
        AT(calm, a_syn_again_without_room),
        AT(calm, a_syn_again_is_limited),
        AT(engaged, known_by_nobody),
        AT(engaged, a_cookie_comes_back),
        AT(engaged, strays_pass),
        AT(engaged, strays_take_no_place),
        AT(engaged, a_probe_passes),
        AT(engaged, another_window_scale),
        AT(calm, by_half_open_handshakes),
        AT(calm, completed_ones_are_not_half_open),
        AT(calm, by_the_rate_alone),
        AT(calm, claims_are_not_believed),
        AT(calm, answers_to_what_was_not_seen),
        AT(calm, completions_are_taken_back),
        AT(calm, completions_are_claimed_once),
        AT(calm, answers_for_a_request),
        AT(calm, answers_for_requests_hide_no_flood),
        AT(calm, hosts_that_go_on),
        AT(calm, cookies_that_come_back_end_it),
    };

    return cmocka_run_group_tests(cases, group, guarded_group_end) +
           cmocka_run_group_tests(cases, group_fast, guarded_group_end);
}
