/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Drops are emitted and captured: few of them, and each is counted in one. */
#include "guardfix.h"

TEST(records)
{
    const struct sw_guard_event *emitted;
    struct pkt p;

    for (int v6 = 0; v6 < 2; v6++) {
        guardrun_clear(guard);
        bpfrun_set_now(run, bpfrun_now(run) + SEC);
        talk_init(t, run, v6);
        p = stray(FIN | ACK);
        p.payload = 33;
        p.vlan[0] = 7, p.vlan[1] = 9, p.vlans = 2;
        expect_drop(&p, "fin");
        assert_int_equal(guardrun_events(guard, &emitted), 1);
        assert_int_equal(emitted->version, SW_CONTRACT_VERSION);
        assert_int_equal(emitted->size, sizeof(*emitted));
        assert_int_equal(emitted->kind, SW_GUARD_EV_DROP);
        assert_int_equal(emitted->reason, SW_DROP_FIN);
        assert_int_equal(emitted->count, 1);
        assert_int_equal(emitted->dry_run, 0);
        assert_int_equal(emitted->mode, SW_GM_ALWAYS);
        assert_int_equal(emitted->hook, SW_HOOK_REPLAY);
        assert_int_equal(emitted->service, svc);
        assert_int_equal(emitted->any, SW_ANY_4 | SW_ANY_6);
        assert_int_equal(emitted->svc_port, htons(80));
        assert_int_equal(emitted->ts, bpfrun_now(run) - step);
        assert_memory_equal(emitted->src_ip, p.src, 16);
        assert_memory_equal(emitted->dst_ip, p.dst, 16);
        assert_int_equal(emitted->src_port, htons(p.sport));
        assert_int_equal(emitted->dst_port, htons(p.dport));
        assert_int_equal(emitted->seq, p.seq);
        assert_int_equal(emitted->ack, p.ack);
        assert_int_equal(emitted->payload, 33);
        assert_int_equal(emitted->flags, FIN | ACK);
        assert_int_equal(emitted->vlan[0], 7);
        assert_int_equal(emitted->vlan[1], 9);
    }
}

/* Few lines, and each drop in one of them: nothing fails in silence. */
TEST(counts_add_up)
{
    enum { N = 3000 };
    const struct sw_guard_event *emitted;
    __u64 sum[SW_DROP_MAX] = {0}, all = 0;
    struct sw_svc_counters tally;
    size_t n;

    for (int i = 0; i < N; i++) {
        struct pkt p = stray(i % 3 == 0 ? ACK : i % 3 == 1 ? RST : 0);

        p.sport = 1024 + i;
        deliver(&p);
    }
    n = guardrun_events(guard, &emitted);
    assert_in_range(n, 3, 3 * (N / 100 + 2)); /* ten a second for each reason, and three seconds of them */
    bpfrun_set_now(run, bpfrun_now(run) + SEC);
    for (int i = 0; i < 3; i++) { /* the last of each brings the rest */
        struct pkt p = stray(i == 0 ? ACK : i == 1 ? RST : 0);

        deliver(&p);
    }
    n = guardrun_events(guard, &emitted);
    tally = guardrun_counters(guard, svc);
    for (size_t i = 0; i < n; i++)
        sum[emitted[i].reason] += emitted[i].count;
    for (int i = 0; i < SW_DROP_MAX; i++) {
        assert_int_equal(sum[i], tally.drop[i]);
        all += sum[i];
    }
    assert_int_equal(all, N + 3);
}

/* Nobody reads, and the ring is full: the drops that were not emitted are in the next record that fits. */
TEST(nobody_reads_the_records)
{
    enum { N = 7000 };
    const struct sw_guard_event *emitted;
    __u64 sum = 0;
    size_t n;

    guardrun_drain(guard, false);
    step = 101 * MS;
    for (int i = 0; i < N; i++) {
        struct pkt p = stray(RST);

        expect_drop(&p, "rst");
    }
    guardrun_drain(guard, true);
    n = guardrun_events(guard, &emitted);
    assert_in_range(n, 1000, N - 1);
    for (int i = 0; i < 2; i++) {
        struct pkt p = stray(RST);

        expect_drop(&p, "rst");
    }
    assert_int_equal(guardrun_events(guard, &emitted), n + 2);
    assert_int_equal(emitted[n].count, N - n + 1);
    assert_int_equal(emitted[n + 1].count, 1);
    for (size_t i = 0; i < n; i++)
        sum += emitted[i].count;
    assert_int_equal(sum, n);
}

/* Who does not want drop lines pays for none, and the counts are the same. */
TEST(nothing_is_emitted_unasked)
{
    struct pkt p = stray(RST);
    const struct sw_guard_event *emitted;

    expect_drop(&p, "rst");
    assert_int_equal(guardrun_events(guard, &emitted), 0);
}

static int group_without_records(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.guard = 1;
    return guarded_load(&opts);
}

TEST(captures)
{
    const struct sw_capture *c;
    struct pkt p = stray(ACK);
    size_t n;

    expect_drop(&p, "cookie_bad");
    assert_int_equal(guardrun_captures(guard, &c), 0); /* nobody asked */
    guardrun_conf(guard)->flags |= SW_G_CAPTURE;
    bpfrun_set_now(run, bpfrun_now(run) + SEC);
    expect_drop(&p, "cookie_bad");
    assert_int_equal(guardrun_captures(guard, &c), 1);
    assert_int_equal(c->len, request_len);
    assert_int_equal(c->cap, request_len);
    assert_int_equal(c->reason, SW_DROP_COOKIE_BAD);
    assert_int_equal(c->dry_run, 0);
    assert_int_equal(c->service, svc);
    assert_int_equal(c->ts, bpfrun_now(run) - step);
    assert_memory_equal(c->frame, request, request_len);
    guardrun_clear(guard);
    p = stray(RST);
    p.payload = 1000;
    expect_drop(&p, "rst");
    assert_int_equal(guardrun_captures(guard, &c), 1);
    assert_int_equal(c->len, request_len);
    assert_int_equal(c->cap, SW_CAPTURE_BYTES);
    assert_memory_equal(c->frame, request, SW_CAPTURE_BYTES);
    guardrun_clear(guard);
    step = MS / 10;
    for (int i = 0; i < 2000; i++) /* a fifth of a second */
        expect_drop(&p, "rst");
    n = guardrun_captures(guard, &c);
    assert_in_range(n, 50, 100); /* a hundred a second for a reason on a CPU */
}

TEST(big_frames_are_captured_too)
{
    const struct sw_capture *c;
    struct pkt p = stray(ACK);

    guardrun_conf(guard)->flags |= SW_G_CAPTURE;
    p.payload = 8000;
    expect_drop(&p, "cookie_bad");
    assert_int_equal(guardrun_captures(guard, &c), 1);
    assert_int_equal(c->len, request_len);
    assert_memory_equal(c->frame, request, SW_CAPTURE_BYTES);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        ENGAGED(records),
        ENGAGED(counts_add_up),
        ENGAGED(nobody_reads_the_records),
        ENGAGED(captures),
        ENGAGED(big_frames_are_captured_too),
    };

    const struct CMUnitTest unasked[] = {
        ENGAGED(nothing_is_emitted_unasked),
    };
    int failed = RUN_GUARDED(cases) + RUN_GUARD_FAST(cases);

    return failed + cmocka_run_group_tests(unasked, group_without_records, guarded_group_end);
}
