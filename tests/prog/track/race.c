/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * On two CPUs at once. One floods, the other sweeps, and what times out is what the LRU wants next: each half-open flow
 * goes one way only, it is emitted, or it was evicted and is counted as that. And both have handshakes in one set of
 * the SYN cache: none loses its note or gets a part of another one's. And both have the same SYN: it begins one
 * connection.
 */
#include "floods.h"
#include "loader/object.h"
#include "loader/sweep.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { SYNS = 300000, LIFE = 900 /* of the 1024 that there is room for */ };
enum { MOST = 10 * SYNS, EACH = 2 * MAX_HALF_OPEN }; /* on, while fewer than EACH went either of the two ways */

static struct {
    atomic_bool stop;
    __u64 emitted[SW_EV_MAX];
    __u64 sweeps;
    int err;
} other;

static int take(void *ctx, void *data, size_t size)
{
    const struct sw_event *ev = data;

    (void)ctx;
    (void)size;
    other.emitted[ev->kind % SW_EV_MAX]++;
    return 0;
}

static void elsewhere(void)
{
    int here = sched_getcpu();
    cpu_set_t set;

    CPU_ZERO(&set);
    for (int i = 0; i < libbpf_num_possible_cpus(); i++)
        if (i != here)
            CPU_SET(i, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set); /* with one CPU it stays */
}

static void *sweeper(void *arg)
{
    struct synward_bpf *obj = arg;
    struct ring_buffer *rings[] = {ring_buffer__new(bpf_map__fd(obj->maps.events), take, NULL, NULL),
                                   ring_buffer__new(bpf_map__fd(obj->maps.events_open), take, NULL, NULL),
                                   ring_buffer__new(bpf_map__fd(obj->maps.events_anomaly), take, NULL, NULL)};
    struct sw_sweep s;

    elsewhere();
    other.err = rings[0] && rings[1] && rings[2] ? 0 : -ENOMEM;
    while (!other.err && !other.stop) {
        other.err = sw_object_sweep(obj, 0, 0, &s);
        other.sweeps++;
        for (int i = 0; i < SW_RINGS; i++)
            ring_buffer__consume(rings[i]);
    }
    while (!other.err && !sw_object_sweep(obj, 0, 2, &s)) {
        for (int i = 0; i < SW_RINGS; i++)
            ring_buffer__consume(rings[i]);
        if (!s.half_open && !s.flows)
            break;
    }
    for (int i = 0; i < SW_RINGS; i++)
        ring_buffer__free(rings[i]);
    return NULL;
}

TEST(swept_or_evicted)
{
    struct synward_bpf *obj = bpfrun_object(run);
    pthread_t thread;
    struct talk f;
    struct pkt p;
    unsigned i;

    memset(&other, 0, sizeof(other));
    bpfrun_drain(run, false);
    assert_int_equal(pthread_create(&thread, NULL, sweeper, obj), 0);
    for (i = 0; i < SYNS || (i < MOST && bpfrun_counter(run, SW_C_EMITTED_CONN) <= EACH); i++) {
        bpfrun_set_room(run, 1ll << 40); /* each evicts another one, whatever a sweep has found */
        talk_init(&f, run, false);
        pkt_v4(f.side[A].src, 0xc6120000 + i % 131072); /* 198.18.0.0/15, RFC 2544 */
        f.side[A].sport += i / 131072;
        p = talk_pkt(&f, A, SYN, 0);
        talk_send(&f, A, &p);
    }
    other.stop = true;
    pthread_join(thread, NULL);
    assert_int_equal(other.err, 0);
    print_message("# %u SYNs, %llu sweeps, %llu emitted, %lld evicted\n", i, other.sweeps,
                  bpfrun_counter(run, SW_C_EMITTED_CONN), evicted());
    assert_true(evicted() > EACH);
    assert_true(bpfrun_counter(run, SW_C_EMITTED_CONN) > EACH);
    expect_counter(t, HALF_OPEN_CREATED, i);
    assert_int_equal(bpfrun_counter(run, SW_C_EMITTED_CONN) + bpfrun_counter(run, SW_C_LOST_CONN),
                     bpfrun_counter(run, SW_C_HALF_OPEN_ENDED));
    assert_int_equal(other.emitted[SW_EV_CONN], bpfrun_counter(run, SW_C_EMITTED_CONN));
    bpfrun_drain(run, true);
}

enum { ROUNDS = 4000, EACH_ROUND = 3, CALLERS = 2 }; /* of a round all notes have a place in the set */

static atomic_uint arrived;
static atomic_int trouble;
static unsigned whole, in_part;

static void wait_for_round(unsigned round)
{
    arrived++;
    while (arrived < CALLERS * (round + 1) && !trouble)
        sched_yield();
}

/* All that a note has follows from its port, so that what is mixed is seen. */
static void say(int prog, unsigned n, __u16 flags)
{
    const bool back = flags == (SYN | ACK);
    const __u32 isn = n * 0x01000193u, peer_isn = ~isn;
    struct pkt p = {.sport = 1024 + n % 60000, .dport = 80, .flags = flags, .win = 1000 + n % 60000};
    __u8 frame[256], out[256];
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = out, .data_size_out = sizeof(out), .repeat = 1);

    pkt_v4(p.src, 0x0a000001 + (n / 60000 << 8));
    pkt_v4(p.dst, 0x0a000002);
    if (flags & SYN)
        pkt_opt_usual(&p, 500 + n % 900, n % 14);
    p.seq = flags & SYN ? isn : isn + 1;
    p.ack = flags & ACK ? peer_isn + 1 : 0;
    if (back) {
        p = pkt_swap(&p);
        p.seq = peer_isn;
        p.ack = isn + 1;
    }
    opts.data_size_in = pkt_build(&p, frame, sizeof(frame));
    if (bpf_prog_test_run_opts(prog, &opts) || opts.retval != BPFRUN_XDP_PASS)
        trouble = 1;
}

static void *caller(void *arg)
{
    const unsigned who = *(const unsigned *)arg;
    const int prog = bpf_program__fd(sw_object_ingress(bpfrun_object(run)));
    static const __u16 handshake[] = {SYN, SYN | ACK, ACK};

    if (who)
        elsewhere();
    for (unsigned round = 0; round < ROUNDS && !trouble; round++) {
        for (size_t i = 0; i < 3; i++)
            for (unsigned k = 0; k < EACH_ROUND; k++)
                say(prog, (round * CALLERS + who) * EACH_ROUND + k, handshake[i]);
        wait_for_round(round);
    }
    return NULL;
}

static int take_established(void *ctx, void *data, size_t size)
{
    const struct sw_event *ev = data;
    const struct sw_end *a = &ev->flow.end[SW_ORIG], *b = &ev->flow.end[SW_RESP];
    const unsigned n = a->isn * 0x359c449bu; /* the inverse */

    (void)ctx;
    (void)size;
    if (ev->kind != SW_EV_ESTABLISHED)
        return 0;
    if (ev->flow.direction_by != SW_BY_SYN) { /* without its SYN's note */
        in_part++;
        return 0;
    }
    whole++;
    if (n >= ROUNDS * CALLERS * EACH_ROUND || b->isn != ~a->isn || ev->flow.syn_ns != ev->ts ||
        ev->flow.synack_ns != ev->ts || a->pkts != 2 || b->pkts != 1 || a->mss != 500 + n % 900 || b->mss != a->mss ||
        a->wscale != n % 14 || b->wscale != a->wscale)
        trouble = 2;
    return 0;
}

TEST(two_cpus_in_one_set)
{
    struct synward_bpf *obj = bpfrun_object(run);
    struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(obj->maps.events), take_established, NULL, NULL);
    const unsigned all = ROUNDS * CALLERS * EACH_ROUND, who[CALLERS] = {0, 1};
    pthread_t thread;

    assert_non_null(ring);
    assert_int_equal(0x01000193u * 0x359c449bu, 1);
    arrived = whole = in_part = 0;
    trouble = 0;
    bpfrun_drain(run, false);
    bpfrun_set_room(run, INT64_MIN / 2); /* all that is known of them is their notes */
    assert_int_equal(bpf_map__max_entries(obj->maps.syn_cache), 1);
    assert_int_equal(pthread_create(&thread, NULL, caller, (void *)&who[1]), 0);
    caller((void *)&who[0]);
    pthread_join(thread, NULL);
    ring_buffer__consume(ring);
    ring_buffer__free(ring);
    print_message("# %u handshakes, %u whole, %u in part, %llu locks not had\n", all, whole, in_part,
                  bpfrun_counter(run, SW_C_LOCK_TIMEOUT));
    assert_int_equal(trouble, 0);
    assert_in_range(whole, all - bpfrun_counter(run, SW_C_LOCK_TIMEOUT), all);
    assert_true(whole > all / 2);
    bpfrun_drain(run, true);
}

static void *again_and_again(void *arg)
{
    const unsigned who = *(const unsigned *)arg;
    const int prog = bpf_program__fd(sw_object_ingress(bpfrun_object(run)));

    if (who)
        elsewhere();
    for (unsigned round = 0; round < ROUNDS && !trouble; round++) {
        say(prog, round, SYN);
        wait_for_round(round);
    }
    return NULL;
}

/* The same SYN on both, as from two taps, without room in `half_open`: one of them begins the connection. */
TEST(one_syn_on_two_cpus)
{
    const unsigned who[CALLERS] = {0, 1};
    __u64 opened, missed;
    pthread_t thread;

    arrived = 0;
    trouble = 0;
    bpfrun_drain(run, false);
    bpfrun_set_room(run, INT64_MIN / 2);
    assert_int_equal(pthread_create(&thread, NULL, again_and_again, (void *)&who[1]), 0);
    again_and_again((void *)&who[0]);
    pthread_join(thread, NULL);
    opened = bpfrun_counter(run, SW_C_EMITTED_OPENING);
    missed = bpfrun_counter(run, SW_C_LOCK_TIMEOUT);
    print_message("# %u SYNs, %llu opening, %llu created, %llu restored, %llu locks not had\n", ROUNDS, opened,
                  bpfrun_counter(run, SW_C_HALF_OPEN_CREATED), bpfrun_counter(run, SW_C_HALF_OPEN_RESTORED), missed);
    assert_int_equal(trouble, 0);
    assert_in_range(opened, ROUNDS, ROUNDS + missed);
    assert_int_equal(bpfrun_counter(run, SW_C_HALF_OPEN_CREATED) - bpfrun_counter(run, SW_C_HALF_OPEN_RESTORED),
                     opened);
    bpfrun_drain(run, true);
}

static int group_one_syn(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.syn_cache_max = 1 << 16;
    opts.max_flows = 64;
    opts.cfg.event_mask = 1u << SW_EV_OPENING;
    return fixture_load(&opts);
}

static int group_one_set(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.syn_cache_max = SW_SYN_WAYS;
    opts.max_flows = 1 << 15;
    opts.cfg.event_mask = 1u << SW_EV_ESTABLISHED;
    return fixture_load(&opts);
}

static int group_race(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.max_half_open = MAX_HALF_OPEN;
    opts.syn_cache_max = SYN_CACHE;
    opts.max_flows = 64;
    opts.cfg.t_syn_sent = LIFE * MS; /* a packet a millisecond */
    opts.cfg.event_mask = 1u << SW_EV_CONN;
    return fixture_load(&opts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(swept_or_evicted)};

    const struct CMUnitTest one_set[] = {CASE(two_cpus_in_one_set)};
    const struct CMUnitTest one_syn[] = {CASE(one_syn_on_two_cpus)};
    int failed = cmocka_run_group_tests(tests, group_race, fixture_group_end);

    failed += cmocka_run_group_tests(one_syn, group_one_syn, fixture_group_end);
    return failed + cmocka_run_group_tests(one_set, group_one_set, fixture_group_end);
}
