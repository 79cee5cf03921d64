/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * On two CPUs at once: one floods, the other sweeps, and what times out is what the LRU wants next. Each half-open flow
 * goes one way only: it is emitted, or it was evicted and is counted as that.
 */
#include "floods.h"
#include "loader/object.h"
#include "loader/sweep.h"
#include "synward.skel.h"

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

    return cmocka_run_group_tests(tests, group_race, fixture_group_end);
}
