/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rings as the daemon reads them: anomalies have one of their own, and what is not used is read again. */
#include "fixture.h"
#include "events/reader.h"
#include "synward.skel.h"

enum { RING = 64 << 10 }; /* so that the anomalies' is 16 KB: 35 records */

static struct sw_rings rings;

static int small_rings(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.ring_bytes = RING;
    return fixture_load(&opts);
}

/* Three of three kinds, on one connection. */
static void three_anomalies(void)
{
    struct pkt p;

    talk_open(t);
    talk_say(t, A, 0, 0);
    p = talk_pkt(t, A, RST, 0);
    p.seq += 1u << 30;
    talk_send(t, A, &p);
    p = talk_pkt(t, A, SYN, 0);
    p.seq += 1u << 30;
    talk_send(t, A, &p);
}

static void expect_anomalies(const __u8 *kinds, size_t n)
{
    const struct sw_batch *b = &rings.batch[SW_RING_ANOMALY];

    assert_false(sw_rings_look(&rings, SW_RING_ANOMALY)); /* never full: it holds the whole ring */
    assert_int_equal(b->len, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(sw_batch_at(b, i)->kind, SW_EV_ANOMALY);
        assert_int_equal(sw_batch_at(b, i)->anomaly, kinds[i]);
    }
}

static void read_again(bool keep)
{
    static const __u8 kinds[] = {SW_AN_NULL_SCAN, SW_AN_RST_OUT_OF_WINDOW, SW_AN_SYN_IN_CONNECTION};
    __u64 all, record;

    bpfrun_drain(run, false);
    three_anomalies();
    memset(&rings, 0, sizeof(rings));
    assert_int_equal(sw_rings_open(&rings, bpfrun_object(run)), 0);
    rings.keep = keep;
    all = sw_ringbuf_waiting(&rings.ring[SW_RING_ANOMALY]);
    record = all / 3;
    expect_anomalies(kinds, 3);
    sw_rings_used(&rings, SW_RING_ANOMALY, 1);
    assert_int_equal(sw_rings_taken(&rings), 1);
    assert_int_equal(sw_ringbuf_waiting(&rings.ring[SW_RING_ANOMALY]), keep ? all : all - record);
    expect_anomalies(kinds + 1, 2);
    sw_rings_used(&rings, SW_RING_ANOMALY, 0);
    expect_anomalies(kinds + 1, 2);
    sw_rings_used(&rings, SW_RING_ANOMALY, 2);
    assert_int_equal(sw_ringbuf_waiting(&rings.ring[SW_RING_ANOMALY]), keep ? all : 0);
    expect_anomalies(NULL, 0);
    sw_rings_close(&rings);
    bpfrun_drain(run, true);
}

TEST(what_is_not_used_is_read_again)
{
    read_again(false);
}

TEST(also_where_records_are_kept)
{
    read_again(true);
}

/* As many anomalies as their ring cannot hold, each on a connection of its own: the others' events are all there. */
TEST(anomalies_take_no_space_of_others)
{
    struct talk scan = *t;

    bpfrun_drain(run, false);
    for (int i = 0; i < 100; i++) {
        scan.side[A].sport = 20000 + i;
        talk_say(&scan, A, 0, 0);
    }
    assert_true(bpfrun_counter(run, SW_C_LOST_ANOMALY) > 0);
    expect_counter(t, EMITTED_MIDSTREAM, 100);
    talk_open(t);
    talk_close(t);
    talk_wait(t, 6 * SEC);
    expect_counter(t, EMITTED_ESTABLISHED, 1);
    expect_counter(t, EMITTED_CONN, 1);
    expect_counter(t, LOST_ESTABLISHED, 0);
    expect_counter(t, LOST_CONN, 0);
    bpfrun_drain(run, true);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(what_is_not_used_is_read_again),
        CASE(also_where_records_are_kept),
        CASE(anomalies_take_no_space_of_others),
    };

    return cmocka_run_group_tests(cases, small_rings, fixture_group_end);
}
