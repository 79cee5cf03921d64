/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How far lines are written: what is released, and what the next process goes on from, also if nothing can be. */
#include "lines.h"

#include "events/checkpoint.h"

#include <fcntl.h>

static struct sw_saved saved;
static struct sw_account account;
static __u64 consumer;
static struct sw_ringbuf ring;
static struct sw_checkpoints m;

static void begin(void)
{
    memset(&saved, 0, sizeof(saved));
    memset(&account, 0, sizeof(account));
    consumer = 0;
    ring = (struct sw_ringbuf){.consumer = &consumer};
    m = (struct sw_checkpoints){.saved = &saved, .ring = {&ring}};
}

/* Reads a record of this kind: its line, or none. */
static void record(struct out *o, enum sw_event_kind kind)
{
    struct sw_event ev = sample(kind);

    add(o, &ev);
    ring.at += 8;
}

static void test_written(void **state)
{
    const struct sw_checkpoint *last;
    struct out o;

    (void)state;
    begin();
    out_open(&o, live);
    record(&o, SW_EV_CONN);
    account.evicted = 5;
    sw_checkpoint_add(&m, o.r, &account);
    sw_checkpoint_written(&m, o.r);
    assert_int_equal(consumer, 0);
    take(&o);
    sw_checkpoint_written(&m, o.r);
    assert_int_equal(consumer, 8);
    last = sw_checkpoint_last(&saved);
    assert_int_equal(last->seq, 1);
    assert_int_equal(last->evicted, 5);
    assert_int_equal(last->unmade[SW_EV_CONN], 0);
    out_close(&o);
}

/* The next process begins at the last written line, and has to log as lost all that came after it: once. */
static void test_skip(void **state)
{
    struct sw_report_counts counts;
    struct sw_report_opts opts = live;
    __u64 none[SW_LOSSES] = {0};
    struct out o;

    (void)state;
    begin();
    out_open(&o, live);
    record(&o, SW_EV_CONN);
    sw_checkpoint_add(&m, o.r, &account);
    take(&o);
    sw_checkpoint_written(&m, o.r);
    for (int i = 0; i < 3; i++) /* lines that wait */
        record(&o, SW_EV_CLOSED);
    sw_checkpoint_add(&m, o.r, &account);
    sw_report_skip(o.r, true);
    record(&o, SW_EV_CONN);
    record(&o, SW_EV_OPENING);
    sw_report_skip(o.r, false);
    account.evicted = 9;
    sw_checkpoint_skip(&m, o.r, &account);
    assert_int_equal(consumer, 6 * 8);
    opts.seq = sw_checkpoint_last(&saved)->seq;
    assert_int_equal(opts.seq, 1);
    assert_int_equal(sw_checkpoint_last(&saved)->evicted, 9);
    assert_int_equal(sw_checkpoint_last(&saved)->at[0], 6 * 8);
    out_close(&o);

    sw_checkpoint_counts(&saved, &counts);
    opts.counts = &counts;
    out_open(&o, opts);
    assert_int_equal(sw_report_loss(o.r, none, 1), 0);
    assert_int_equal(sw_report_loss(o.r, none, 1), 0);
    valid(take(&o), 1);
    has(o.text, "\"seq\":7,");
    has(o.text, "\"lost\":5,\"lost_opening\":1,");
    has(o.text, "\"lost_closed\":3,");
    has(o.text, "\"lost_conn\":1,");
    out_close(&o);
}

/* If it can be written after all, the lines that waited are none that were lost. */
static void test_written_after_skip(void **state)
{
    struct sw_report_counts counts;
    __u64 none[SW_LOSSES] = {0};
    struct out o;

    (void)state;
    begin();
    out_open(&o, live);
    record(&o, SW_EV_CONN);
    sw_checkpoint_add(&m, o.r, &account);
    sw_report_skip(o.r, true);
    record(&o, SW_EV_CONN);
    sw_report_skip(o.r, false);
    sw_checkpoint_skip(&m, o.r, &account);
    assert_int_equal(consumer, 2 * 8);
    sw_checkpoint_written(&m, o.r); /* of positions before: nothing goes back */
    assert_int_equal(consumer, 2 * 8);
    assert_int_equal(sw_report_loss(o.r, none, 1), 0);
    valid(take(&o), 2);
    has(line_n(o.text, 1), "\"lost_conn\":1,");
    sw_checkpoint_add(&m, o.r, &account);
    sw_checkpoint_written(&m, o.r);
    assert_int_equal(sw_checkpoint_last(&saved)->seq, 3);
    sw_checkpoint_counts(&saved, &counts);
    assert_int_equal(counts.unmade[SW_EV_CONN], 1);
    assert_int_equal(counts.unmade_logged[SW_EV_CONN], 1);
    out_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_written_after_skip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
