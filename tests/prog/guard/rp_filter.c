/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A SYN that would be answered, from a source that no route over a watched interface reaches, is dropped. */
#include "guardlist.h"
#include "guardsyn.h"

/* Sources of both families are checked, and the routes are up to date. Nothing is reached. */
static void check_sources(void)
{
    struct sw_guard *g = guardrun_conf(guard);

    g->flags |= SW_G_REVERSE_4 | SW_G_REVERSE_6;
    g->routes_ns = bpfrun_now(run);
}

/* The prefix of so many bits around a packet's source. */
static void route_to(const struct pkt *p, __u32 len, bool reached)
{
    __u8 ip[16];
    __u32 bits = len + (p->v6 ? 0 : 96);

    memcpy(ip, p->src, 16);
    for (__u32 i = bits; i < 128; i++)
        ip[i / 8] &= ~(0x80 >> i % 8);
    assert_int_equal(guardrun_route(guard, ip, bits, reached), 0);
}

static void longest_prefix(void)
{
    struct pkt p = usual_syn();
    __u32 len = p.v6 ? 64 : 16;

    check_sources();
    expect_drop(&p, "reverse_path"); /* no route at all */
    route_to(&p, 0, false);
    expect_drop(&p, "reverse_path");
    route_to(&p, len, true);
    expect_reply(&p, "cookies_sent");
    route_to(&p, len + 8, false);
    expect_drop(&p, "reverse_path");
    route_to(&p, p.v6 ? 128 : 32, true);
    expect_reply(&p, "cookies_sent");
    p.src[15] ^= 1;
    expect_drop(&p, "reverse_path");
    route_to(&p, len + 8, true);
    expect_reply(&p, "cookies_sent");
}
TEST(by_the_longest_prefix)
{
    both_families(longest_prefix);
}

/* One family's flag says nothing of the other's. */
static void one_family(void)
{
    struct pkt p = usual_syn();

    check_sources();
    guardrun_conf(guard)->flags &= ~(p.v6 ? SW_G_REVERSE_6 : SW_G_REVERSE_4);
    expect_reply(&p, "cookies_sent");
}
TEST(not_this_family)
{
    both_families(one_family);
}

/* Nobody keeps them up to date: the daemon was killed. */
static void old_routes(void)
{
    struct pkt p = usual_syn();

    check_sources();
    bpfrun_set_now(run, guardrun_conf(guard)->routes_ns + SW_ROUTES_NS - MS);
    expect_drop(&p, "reverse_path");
    bpfrun_set_now(run, guardrun_conf(guard)->routes_ns + SW_ROUTES_NS);
    expect_reply(&p, "cookies_sent");
}
TEST(routes_that_are_too_old)
{
    both_families(old_routes);
}

/* What passes is left to the kernel. */
static void passes(void)
{
    struct pkt p = usual_syn();
    __u32 bits = 128;

    check_sources();
    expect_drop(&p, "reverse_path");
    assert_int_equal(guardrun_list(guard, true, p.src, bits, SW_LIST_OPTION), 0);
    expect_pass(&p, "passed_allowed");
}
TEST(allowed_sources)
{
    both_families(passes);
}
TEST(calm)
{
    struct pkt p = usual_syn();

    check_sources();
    expect_pass(&p, "");
    guardrun_conf(guard)->limit_source = 1;
    expect_pass(&p, "");
    expect_drop(&p, "reverse_path"); /* over the limit; no cookie, so nothing is engaged for it */
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_CALM);
}

/* The ACK with the cookie of one that was answered before goes to the kernel, which decides. */
TEST(cookies_are_accepted)
{
    struct pkt p = usual_syn();
    struct decoded synack = cookie_for(&p);

    check_sources();
    p = answer_to(&synack, ACK, 0);
    expect_pass(&p, "cookies_accepted");
}

/* Neither the budget nor a cookie of the kernel's is spent on it. */
TEST(before_the_budget)
{
    struct pkt p = usual_syn();

    check_sources();
    guardrun_conf(guard)->reply_budget = 1;
    for (int i = 0; i < 5; i++)
        expect_drop(&p, "reverse_path");
    p = syn_of(0xc6336401);
    route_to(&p, 24, true);
    bpfrun_set_now(run, bpfrun_now(run) + SEC);
    expect_reply(&p, "cookies_sent");
}
TEST(backend_listener)
{
    struct pkt p = usual_syn();

    check_sources();
    guardrun_at(guard, svc)->backend = SW_BK_LISTENER;
    expect_drop(&p, "reverse_path");
    route_to(&p, 24, true);
    deliver(&p);
    assert_int_not_equal(out.verdict, BPFRUN_XDP_DROP);
}

TEST(monitored)
{
    const struct sw_guard_event *emitted;
    struct pkt p = usual_syn();

    guardrun_at(guard, svc)->mode = SW_GM_MONITOR;
    check_sources();
    expect_pass(&p, "drop:reverse_path");
    assert_int_equal(guardrun_events(guard, &emitted), 1);
    assert_int_equal(emitted[0].reason, SW_DROP_REVERSE_PATH);
    assert_int_equal(emitted[0].dry_run, 1);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(by_the_longest_prefix),
        ENGAGED(not_this_family),
        ENGAGED(routes_that_are_too_old),
        ENGAGED(allowed_sources),
        CALM(calm),
        ENGAGED(cookies_are_accepted),
        ENGAGED(before_the_budget),
        ENGAGED(backend_listener),
        ENGAGED(monitored),
    };

    return RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);
}
