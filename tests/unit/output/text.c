/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connection, loss and stats lines for people. */
#include "lines.h"
#include "output/figures.h"

static void test_text(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_report_stats stats = {.lost_total = 42};
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 17};
    struct sw_event ev;
    struct out o;
    int n;

    (void)state;
    opts.format = SW_FORMAT_TEXT;
    out_open(&o, opts);
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    n = add_every_name(&o);
    ev = sample(SW_EV_ESTABLISHED);
    add(&o, &ev);
    ev = sample(SW_EV_CONN);
    add(&o, &ev);
    assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
    assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
    take(&o);
    assert_null(strchr(o.text, 27)); /* no colour was asked for */
    for (int i = 0; i < n + 4; i++) {
        const char *line = line_n(o.text, i);

        assert_true(*line >= '0' && *line <= '9');
        if (i < n)
            has(line, " -> ");
    }
    assert_string_equal(line_n(o.text, n + 4), "");
    has(line_n(o.text, n), "established");
    has(line_n(o.text, n), "10.0.0.1:40000 -> 10.0.0.2:80");
    has(line_n(o.text, n), "handshake 344 ns (server 300 ns, client 44 ns)");
    has(line_n(o.text, n + 1), "SF");
    has(line_n(o.text, n + 1), "ShADadFf pkts 5/6 bytes 240/241 in 5 ms");
    has(line_n(o.text, n + 2), "LOSS 17 events lost: conn 17");
    has(line_n(o.text, n + 3), "lost 42 events");
    out_close(&o);
    opts.color = true;
    out_open(&o, opts);
    add(&o, &ev);
    assert_non_null(strchr(take(&o), 27));
    out_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
