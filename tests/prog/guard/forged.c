/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cookies that are not, that are too old, of another host or key, and when they are taken at all. */
#include "guardack.h"

static void nearly(void)
{
    static const int off[] = {1, 2, 64, 0x1000000, -2, -64};
    struct pkt good, p;

    ask(usual_syn());
    good = answer_to(&synack, ACK, 0);
    for (size_t i = 0; i < sizeof(off) / sizeof(*off); i++) {
        p = good, p.ack += off[i];
        expect_drop(&p, "cookie_bad");
        p = good, p.seq += off[i];
        expect_drop(&p, "cookie_bad");
    }
    p = good, p.ack--;
    expect_drop(&p, "cookie_bad");
    p = good, p.sport++;
    expect_drop(&p, "cookie_bad");
    p = good, p.src[15] ^= 1, p.src[15] |= 8;
    expect_drop(&p, "cookie_bad");
    p = good, p.ack = 0;
    expect_drop(&p, "cookie_bad");
    for (int bit = 0; bit < 32; bit++) { /* the echo is the cookie's second word */
        p = good, p.opts[8 + bit / 8] ^= 1 << bit % 8;
        expect_drop(&p, "cookie_bad");
    }
    p = good, p.opts_len = 0; /* promised timestamps, sends none */
    expect_drop(&p, "cookie_bad");
    p = good; /* signed: we have answered nobody who signs, and the kernel drops it */
    pkt_opt(&p, 19, (const __u8 *)"0123456789abcdef", 16);
    p.opts[p.opts_len++] = 1;
    p.opts[p.opts_len++] = 1;
    expect_drop(&p, "cookie_bad");
    p = good, p.bad_checksum = true; /* never a connection's beginning; the kernel drops it */
    expect_pass(&p, "");
    assert_int_equal(out.meta_len, 0);
    p = good, p.bad_ip_checksum = !good.v6, p.bad_checksum = good.v6;
    expect_pass(&p, "");
    p = good, p.fragment = p.more_frags = true; /* the rest may never come */
    expect_pass(&p, "");
    assert_int_equal(out.meta_len, 0);
    assert_int_equal(bpfrun_count(run, BPFRUN_FLOWS), 0);
    expect_from_cookie(&good);
}
TEST(nearly_a_cookie)
{
    nearly();
}
TEST(nearly_a_cookie_v6)
{
    talk_init(t, run, true);
    nearly();
}

TEST(cookie_of_another_service)
{
    __u32 other;
    struct pkt p;

    other = guardrun_service(guard, NULL, 8080);
    guardrun_at(guard, other)->mode = SW_GM_ALWAYS;
    bpfrun_set_now(run, bpfrun_now(run) + SW_DETECT_NS);
    assert_int_equal(guardrun_detect(guard), 0);
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    p.dport = 8080;
    assert_int_equal(deliver(&p), BPFRUN_XDP_DROP);
    assert_int_equal(guardrun_counters(guard, other).drop[SW_DROP_COOKIE_BAD], 1);
    assert_int_equal(guardrun_dropped(guard, svc), 0);
}

TEST(lifetime)
{
    struct pkt p;
    __u64 made;

    mid_epoch();
    made = bpfrun_now(run);
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    bpfrun_set_now(run, made + 2 * EPOCH);
    expect_drop(&p, "cookie_expired");
    bpfrun_set_now(run, made + 3 * EPOCH);
    expect_drop(&p, "cookie_expired");
    bpfrun_set_now(run, made + 9 * EPOCH);
    expect_drop(&p, "cookie_bad");
    bpfrun_set_now(run, made + EPOCH);
    expect_from_cookie(&p);
}

TEST(lifetime_at_least_a_minute)
{
    for (int i = 0; i < 40; i++) {
        struct pkt p;

        t->side[A].sport = 41000 + i;
        t->side[B].dport = 41000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        t->nxt[A] = t->isn[A];
        ask(usual_syn());
        bpfrun_set_now(run, bpfrun_now(run) + 64 * SEC - 2 * MS);
        p = answer_to(&synack, ACK, 0);
        expect_from_cookie(&p);
        bpfrun_set_now(run, bpfrun_now(run) + 777 * MS);
    }
}

/* The clock of real time is set while a cookie is on its way. */
TEST(clock_step)
{
    struct pkt p;

    guardrun_conf(guard)->clock_offset = 1700000000ull * SEC / EPOCH * EPOCH;
    mid_epoch();
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    guardrun_conf(guard)->clock_offset += 3600 * SEC;
    deliver(&p);
    assert_int_equal(out.verdict, BPFRUN_XDP_DROP);
    guardrun_conf(guard)->clock_offset -= 3590 * SEC;
    expect_from_cookie(&p);
}

/* A key change is not noticed by whoever got a cookie before. */
TEST(key_change)
{
    const struct sw_keys *have = guardrun_keys(guard);
    struct sw_keys next = {.key = {{have->key[1][0], have->key[1][1]}, {5, 6}}};
    struct pkt p;

    mid_epoch();
    next.since = bpfrun_now(run) / EPOCH + 1;
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    assert_int_equal(guardrun_install(guard, &next), 0);
    bpfrun_set_now(run, bpfrun_now(run) + EPOCH); /* the new key's */
    expect_from_cookie(&p);
    t->side[A].sport++, t->side[B].dport++, t->key = pkt_key(&t->side[A], NULL);
    t->nxt[A] = t->isn[A];
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
}

/* Two hosts with one key: the one takes what the other gave. */
TEST(shared_key)
{
    struct sw_keys keys = *guardrun_keys(guard);
    __u64 now, real = 1700000000ull * SEC;
    struct pkt p;

    now = bpfrun_now(run);
    guardrun_conf(guard)->clock_offset = real - now;
    ask(usual_syn());
    p = answer_to(&synack, ACK, 0);
    assert_int_equal(engaged_test(NULL), 0); /* another host, which has been up for longer */
    t->isn[B] = synack.seq;
    t->nxt[A] = t->isn[A] + 1, t->nxt[B] = synack.seq + 1;
    bpfrun_set_now(run, now + 100000 * SEC);
    assert_int_equal(guardrun_install(guard, &keys), 0);
    guardrun_conf(guard)->clock_offset = real - bpfrun_now(run) + 2 * SEC;
    expect_from_cookie(&p);
}

TEST(grace_takes_cookies_and_gives_none)
{
    struct pkt p, syn = usual_syn();

    ask(syn);
    p = answer_to(&synack, ACK, 0);
    set_mode(SW_GM_OFF);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_GRACE);
    expect_from_cookie(&p);
    p.sport += 7; /* and drops nothing */
    expect_pass(&p, "");
    p.flags = RST;
    expect_pass(&p, "");
    syn.sport += 8;
    assert_int_equal(deliver(&syn), BPFRUN_XDP_PASS);
}

TEST(stopping_takes_cookies)
{
    struct pkt p;

    ask(usual_syn());
    guardrun_conf(guard)->flags |= SW_G_STOPPING;
    p = answer_to(&synack, ACK, 0);
    expect_from_cookie(&p);
}

/* With calm, a cookie is nothing: the ACK is the tracker's alone. */
TEST(calm_knows_no_cookies)
{
    struct pkt p = bare_syn();

    p.flags = ACK;
    p.seq = 77;
    p.ack = 88;
    expect_pass(&p, "");
    assert_int_equal(out.meta_len, 0);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(nearly_a_cookie),
        ENGAGED(nearly_a_cookie_v6),
        ENGAGED(cookie_of_another_service),
        ENGAGED(lifetime),
        ENGAGED(lifetime_at_least_a_minute),
        ENGAGED(clock_step),
        ENGAGED(key_change),
        ENGAGED(shared_key),
        ENGAGED(grace_takes_cookies_and_gives_none),
        ENGAGED(stopping_takes_cookies),
        CALM(calm_knows_no_cookies),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
