/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The filter beside the guard: what it excludes of a service is silent, and nothing else changes. */
#include "guardlife.h"
#include "loader/histograms.h"
#include "synward.skel.h"

#include <bpf/libbpf.h>
#include <stdlib.h>

static void filter(const char *words)
{
    assert_int_equal(bpfrun_filter(run, words), 0);
}

static void out_of_host(struct talk *s, __u16 flags, __u32 payload)
{
    struct pkt p = talk_pkt(s, B, flags, payload);
    static __u8 frame[4096];
    size_t len = pkt_build(&p, frame, sizeof(frame));
    int verdict = -100;

    assert_true(len > 0);
    assert_int_equal(bpfrun_egress(run, frame, len, NULL, &verdict), 0);
    s->nxt[B] += payload + !!(flags & SYN) + !!(flags & FIN);
}

/* A handshake with the listener, and a request with its answer. */
static void serve(void)
{
    talk_say(t, A, SYN, 0);
    out_of_host(t, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    talk_say(t, A, PSH | ACK, 100);
    out_of_host(t, PSH | ACK, 1000);
}
enum { SERVED = 5 };

static const char *const excluding[] = {"not-port 80", "port 443", "not-server 80", "not-src 10.0.0.1", "dst 10.0.0.1"};
#define EXCLUDING (sizeof(excluding) / sizeof(*excluding))

/* Counted as without a filter, silently. */
TEST(accounting_goes_on)
{
    for (size_t i = 0; i < EXCLUDING; i++) {
        struct sw_svc_counters got;

        assert_int_equal(guarded_test(NULL), 0);
        filter(excluding[i]);
        serve();
        got = guardrun_counters(guard, svc);
        if (got.item[SW_T_SYNS] != 1 || got.item[SW_T_OPENED] != 1 || got.item[SW_T_RESOLVED] != 1 ||
            got.item[SW_T_COMPLETED] != 1)
            fail_msg("%s: syns %llu, opened %llu, resolved %llu, completed %llu", excluding[i], got.item[SW_T_SYNS],
                     got.item[SW_T_OPENED], got.item[SW_T_RESOLVED], got.item[SW_T_COMPLETED]);
        expect_where(t, FLOWS);
        assert_true(talk_flow(t).flags & SW_F_FILTERED);
        assert_false(talk_flow(t).flags & SW_F_UNCONFIRMED);
        expect_counter(t, FILTERED, SERVED);
        talk_close(t);
        talk_wait(t, 10 * SEC);
        expect_events(t, "");
        expect_where(t, NOWHERE);
        expect_counter(t, FLOW_ENDED, 1);
        expect_counter(t, FILTERED, SERVED + 4);
    }
}

/* A flood engages the guard though nothing of it is reported. */
TEST(detection_goes_on)
{
    guardrun_conf(guard)->half_open = 100;
    filter("not-port 80");
    evaluate();
    guardrun_clear(guard);
    engage();
}

/* A connection by a cookie is passed on, and goes on while the guard is engaged. */
TEST(a_cookie)
{
    struct pkt p;

    filter("not-port 80");
    open_by_cookie();
    assert_true(talk_flow(t).flags & SW_F_FILTERED);
    p = talk_pkt(t, A, PSH | ACK, 100);
    expect_pass(&p, "");
    p = talk_pkt(t, A, FIN | ACK, 0);
    expect_pass(&p, "");
    expect_events(t, "");
    expect_counter(t, OPENING_DEFERRED, bpfrun_counter(run, SW_C_OPENING_RESOLVED));
    expect_counter(t, LOST_OPENING, 0);
    p = stray(ACK);
    p.sport++;
    expect_drop(&p, "cookie_bad");
}

/* In the histograms: connections that ended so; with SW_WHY_MAX all of them. */
static __u64 ended(enum sw_reason why)
{
    struct sw_histograms *roles;
    __u64 n = 0;
    __u32 len;

    assert_int_equal(sw_histograms_read(bpf_map__fd(bpfrun_object(run)->maps.histograms), &roles, &len), 0);
    for (__u32 i = 0; i < len; i++)
        for (int k = 0; k < SW_WHY_MAX; k++)
            n += k == (int)why || why == SW_WHY_MAX ? roles[i].set.ended[k] : 0;
    free(roles);
    return n;
}

/* Established before the guard engages, or before the filter is set: it goes on. */
TEST(an_established_connection)
{
    for (int later = 0; later < 2; later++) {
        const __u64 filtered = ended(SW_WHY_FILTERED), all = ended(SW_WHY_MAX);
        struct pkt p;

        assert_int_equal(guarded_test(NULL), 0);
        if (!later)
            filter("not-net 10.0.0.1");
        serve();
        expect_events(t, later ? "opening established" : "");
        if (later) {
            filter("not-net 10.0.0.1");
            talk_wait(t, SEC);
            assert_int_equal(talk_conn(t).flow.reason, SW_WHY_FILTERED);
            expect_events(t, "conn");
            assert_int_equal(ended(SW_WHY_FILTERED), filtered + 1);
        }
        set_mode(SW_GM_ALWAYS);
        assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_ENGAGED);
        for (int i = 0; i < 3; i++) {
            p = talk_pkt(t, A, PSH | ACK, 100);
            p.seq += i * 100;
            expect_pass(&p, "");
        }
        talk_wait(t, SEC);
        filter("");
        p = talk_pkt(t, A, RST, 0);
        p.seq = t->nxt[A] + 300;
        expect_pass(&p, "");
        talk_wait(t, 10 * SEC);
        expect_events(t, ""); /* it is silent to its end */
        expect_where(t, NOWHERE);
        assert_int_equal(ended(SW_WHY_MAX), all + later); /* as many as conn records */
    }
}

/* What has nothing to do with a service is not followed at all. */
TEST(not_a_service)
{
    struct pkt p;

    filter("not-port 8080");
    t->side[A].dport = 8080;
    t->side[B] = pkt_swap(&t->side[A]);
    t->key = pkt_key(&t->side[A], NULL);
    p = usual_syn();
    expect_pass(&p, "");
    expect_where(t, NOWHERE);
    expect_counter(t, FILTERED, 1);
    p = stray(ACK);
    expect_pass(&p, "");
    expect_counter(t, FILTERED, 2);
    expect_events(t, "");
}

/* Both directions of a connection of this host's to elsewhere from a port that is a service's. */
TEST(a_service_as_client)
{
    struct talk s;

    talk_init(&s, run, false);
    s.side[A] = t->side[B]; /* 10.0.0.2:80 -> 10.0.0.1:40000 */
    s.side[B] = t->side[A];
    filter("not-port 80");
    {
        struct pkt p = talk_pkt(&s, A, SYN, 0);

        leave(&p);
        s.nxt[A]++;
    }
    talk_say(&s, B, SYN | ACK, 0);
    expect_where(t, HALF_OPEN);
    expect_counter(t, FILTERED, 2);
    expect_events(t, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALM(accounting_goes_on),        AUTO(detection_goes_on), ENGAGED(a_cookie),
        CALM(an_established_connection), ENGAGED(not_a_service),  CALM(a_service_as_client),
    };

    return RUN_GUARDED(tests);
}
