/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connection, loss and stats lines for people. */
#include "output/figures.h"
#include "random_lines.h"

#include "output/text_row.h"

/* Lines as they are without options; TZ is this for all of them, unless a test says otherwise. */
#define ZONE "<+0545>-05:45"

static void zone(const char *tz)
{
    setenv("TZ", tz, 1);
    tzset();
}

static struct sw_report_opts text(void)
{
    struct sw_report_opts opts = live;

    opts.format = SW_FORMAT_TEXT;
    return opts;
}

static void line_is(struct out *o, int n, const char *want)
{
    const char *line = line_n(take(o), n);
    size_t len = strcspn(line, "\n");

    if (len != strlen(want) || strncmp(line, want, len))
        fail_msg("line %d is\n%.*s\nand not\n%s", n, (int)len, line, want);
}

static void test_wide(void **state)
{
    struct sw_report_opts opts = text();
    struct sw_report_stats stats = {.lost_total = 42};
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 17};
    struct sw_event ev;
    struct out o;
    int n;

    (void)state;
    opts.wide = true;
    out_open(&o, opts);
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    n = 1 + add_every_name(&o);
    ev = sample(SW_EV_ESTABLISHED);
    add(&o, &ev);
    ev = sample(SW_EV_CONN);
    add(&o, &ev);
    assert_int_equal(sw_report_loss(o.r, lost, ev.ts), 0);
    assert_int_equal(sw_report_stats(o.r, &stats, ev.ts), 0);
    take(&o);
    assert_null(strchr(o.text, 27)); /* no colour was asked for */
    line_is(&o, 0, "# 2023-11-15, times in UTC+05:45");
    for (int i = 1; i < n + 4; i++) {
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
}

/* What --wide has printed since it was all there is. */
static void test_wide_is_as_before(void **state)
{
    struct sw_report_opts opts = text();
    struct sw_event ev = sample(SW_EV_ESTABLISHED);
    struct out o;

    (void)state;
    opts.wide = true;
    out_open(&o, opts);
    assert_int_equal(sw_report_set_iface(o.r, 3, "eth0"), 0);
    add(&o, &ev);
    ev = sample(SW_EV_CONN);
    ev.flow.end[SW_ORIG].rexmit = 2;
    add(&o, &ev);
    ev = sample(SW_EV_ANOMALY);
    ev.anomaly = SW_AN_ACK_BAD;
    add(&o, &ev);
    line_is(&o, 1,
            "03:58:20.123456 eth0 CGmejp6 established 10.0.0.1:40000 -> 10.0.0.2:80  CLOSED / CLOSED           "
            "handshake 344 ns (server 300 ns, client 44 ns) orig mss 1460 wscale 7 sack ts resp mss 1460 wscale 7 "
            "sack ts");
    line_is(&o, 2,
            "03:58:20.123456 eth0 CGmejp6 conn        10.0.0.1:40000 -> 10.0.0.2:80  CLOSED / CLOSED           "
            "SF     fin ShADadFf pkts 5/6 bytes 240/241 in 5 ms rexmit 2/0");
    line_is(&o, 3,
            "03:58:20.123456 eth0 CGmejp6 anomaly     10.0.0.1:40000 -> 10.0.0.2:80  CLOSED / CLOSED           "
            "ack_bad by orig, number 0");
    out_close(&o);
}

#define AT "03:58:20.123 "
#define PAIR "10.0.0.1:40000 -> 10.0.0.2:80"

static void test_narrow(void **state)
{
    static const char *const want[SW_EV_MAX] = {
        [SW_EV_OPENING] = AT "opening     " PAIR "  12 bytes in SYN",
        [SW_EV_ESTABLISHED] = AT "established " PAIR "  in 344 ns, server 300 ns",
        [SW_EV_HALF_CLOSED] = AT "half_closed " PAIR "  FIN by client",
        [SW_EV_CLOSED] = AT "closed      " PAIR "  240/241 B, 5 ms",
        [SW_EV_RESET] = AT "reset       " PAIR "  by server after 5 ms",
        [SW_EV_REFUSED] = AT "refused     " PAIR "  by server after 5 ms",
        [SW_EV_TIMEOUT] = AT "timeout     " PAIR "  no ACK to 1 SYN-ACK",
        [SW_EV_REUSED] = AT "reused      " PAIR "  12 bytes in SYN",
        [SW_EV_MIDSTREAM] = AT "midstream   " PAIR,
        [SW_EV_ANOMALY] = AT "anomaly     " PAIR "  ack_bad by server",
        [SW_EV_UPDATE] = AT "update      " PAIR "  240/241 B, 5 ms",
        [SW_EV_CONN] = AT "conn        " PAIR "  240/241 B, 5 ms, fin",
    };
    struct out o;

    (void)state;
    out_open(&o, text());
    for (int kind = 0; kind < SW_EV_MAX; kind++) {
        struct sw_event ev = sample(kind);

        ev.flow.closed_by = 1;
        ev.flow.end[SW_ORIG].syn_len = 12;
        ev.by = SW_RESP;
        ev.anomaly = SW_AN_ACK_BAD;
        add(&o, &ev);
    }
    for (int kind = 0; kind < SW_EV_MAX; kind++)
        line_is(&o, 1 + kind, want[kind] ? want[kind] : "a new kind needs its line here");
    out_close(&o);
}

/* A handshake through a cookie: its SYN was not tracked, so there are no times. */
static void test_narrow_cookie(void **state)
{
    struct sw_event ev = sample(SW_EV_ESTABLISHED);
    struct out o;

    (void)state;
    out_open(&o, text());
    ev.flow.flags = SW_F_COOKIE | SW_F_ESTABLISHED;
    ev.flow.syn_ns = ev.flow.synack_ns = 0;
    add(&o, &ev);
    line_is(&o, 1, AT "established " PAIR "  by cookie");
    out_close(&o);
}

/* How it ended, and what distinguishes that from other ends. */
static void test_narrow_ends(void **state)
{
    static const struct {
        __u8 kind, reason, rexmit, closed_by;
        bool answered;
        const char *want;
    } rows[] = {
        {SW_EV_TIMEOUT, SW_WHY_UNANSWERED, 0, 0, false, "timeout     " PAIR "  no answer to 1 SYN"},
        {SW_EV_TIMEOUT, SW_WHY_UNANSWERED, 3, 0, false, "timeout     " PAIR "  no answer to 4 SYNs"},
        {SW_EV_TIMEOUT, SW_WHY_TIMEOUT, 2, 0, true, "timeout     " PAIR "  no ACK to 3 SYN-ACKs"},
        {SW_EV_CONN, SW_WHY_UNANSWERED, 3, 0, false, "conn        " PAIR "  no answer to 4 SYNs"},
        {SW_EV_CONN, SW_WHY_REFUSED, 0, 2, false, "conn        " PAIR "  refused, 5 ms, by server"},
        {SW_EV_CONN, SW_WHY_RESET, 0, 2, false, "conn        " PAIR "  reset, 240/241 B, 5 ms"},
        {SW_EV_CONN, SW_WHY_END_OF_INPUT, 0, 0, false, "conn        " PAIR "  240/241 B, 5 ms"},
    };
    struct out o;

    (void)state;
    out_open(&o, text());
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_event ev = sample(rows[i].kind);

        ev.flow.reason = rows[i].reason;
        ev.flow.syn_rexmit = ev.flow.synack_rexmit = rows[i].rexmit;
        ev.flow.closed_by = rows[i].closed_by;
        ev.flow.synack_ns = rows[i].answered ? ev.flow.synack_ns : 0;
        add(&o, &ev);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char want[160];

        snprintf(want, sizeof(want), AT "%s", rows[i].want);
        line_is(&o, i + 1, want);
    }
    out_close(&o);
}

static void random_lines_fit(bool replay, __u64 *ts)
{
    struct sw_report_opts opts = text();
    struct out o;
    int lines = 0;

    opts.replay = replay;
    opts.iface = replay ? "file" : NULL;
    out_open(&o, opts);
    for (int i = 0; i < 100; i++)
        random_line(&o, ts);
    for (const char *line = take(&o), *end; *line; line = end + 1, lines++) {
        end = strchr(line, '\n');
        for (const char *c = line; c < end; c++)
            if (*c < ' ' || *c > '~')
                fail_msg("character %u in %.*s", (unsigned char)*c, (int)(end - line), line);
        if (end - line > SW_TEXT_COLUMNS || end[-1] == ' ')
            fail_msg("%d columns, or a space at the end: %.*s", (int)(end - line), (int)(end - line), line);
        if (*line != '#' && !strstr(line, ":"))
            fail_msg("no time: %.*s", (int)(end - line), line);
    }
    assert_true(lines >= 100);
    out_close(&o);
}

static void test_any_line_fits(void **state)
{
    __u64 ts = 1700000000123456789ULL;

    (void)state;
    for (int i = 0; i < 300; i++) { /* a long memory stream is slow: ASan goes through it at each flush */
        random_lines_fit(false, &ts);
        random_lines_fit(true, &ts);
    }
}

static void test_addresses(void **state)
{
    static const struct {
        const char *ip;
        int columns;
        const char *want;
    } rows[] = {
        {"2001:db8:1234:5678:9abc:def0:1234:5678", 46, "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535"},
        {"2001:db8:1234:5678:9abc:def0:1234:5678", 45, "[2001:db8:1234:~:9abc:def0:1234:5678]:65535"},
        {"2001:db8:1234:5678:9abc:def0:1234:5678", 38, "[2001:db8:1234:~:def0:1234:5678]:65535"},
        {"2001:db8:1234:5678:9abc:def0:1234:5678", 24, "[2001:~:1234:5678]:65535"},
        {"2001:db8:1234:5678:9abc:def0:1234:5678", 0, "[2001:~:5678]:65535"},
        {"2001:db8::1", 19, "[2001:db8::1]:65535"},
        {"2001:db8::1:2:3:4", 24, "[2001:db8:~:2:3:4]:65535"},
        {"::ffff:192.168.100.200", 0, "192.168.100.200:65535"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char got[128];
        __u8 ip[16];

        assert_int_equal(inet_pton(AF_INET6, rows[i].ip, ip), 1);
        *sw_text_endpoint(got, &(struct sw_text_end){ip, 0xffff, 0}, rows[i].columns) = 0;
        assert_string_equal(got, rows[i].want);
    }
}

/* Both ends of a connection are shortened, and only where the whole line would not fit. */
static void test_long_addresses(void **state)
{
    struct sw_event ev = sample(SW_EV_ESTABLISHED);
    struct out o;

    (void)state;
    out_open(&o, text());
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::5678", ev.key.a_ip), 1);
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::2", ev.key.b_ip), 1);
    add(&o, &ev);
    assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:2:9abc:def0:1234:5678", ev.key.a_ip), 1);
    assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:2:aaaa:bbbb:cccc:dddd", ev.key.b_ip), 1);
    add(&o, &ev);
    line_is(&o, 1, AT "established [2001:db8::5678]:40000 -> [2001:db8::2]:80  in 344 ns");
    line_is(&o, 2, AT "established [2001:~:5678]:40000 -> [2001:~:cccc:dddd]:80  in 344 ns");
    out_close(&o);
}

static void test_values(void **state)
{
    static const struct {
        __u64 n;
        const char *count, *brief;
    } counts[] = {
        {0, "0", "0"},
        {9999, "9999", "9999"},
        {10000, "10000", "10k"},
        {99999, "99999", "100k"},
        {100000, "100k", "100k"},
        {999499, "999k", "999k"},
        {999500, "1.00M", "1.0M"},
        {12345678, "12.3M", "12M"},
        {~0ULL, "18.4E", "18E"},
    };
    static const struct {
        __u64 ns;
        const char *span, *brief;
    } spans[] = {
        {0, "0 ns", "0ns"},
        {54100, "54.1 us", "54us"},
        {999499, "999 us", "999us"},
        {999500, "1 ms", "999us"},
        {10500000, "10.5 ms", "10ms"},
        {999999999, "1 s", "999ms"},
        {99 * SW_SECOND, "99 s", "99s"},
        {100 * SW_SECOND, "1m40s", "1m"},
        {7440 * SW_SECOND, "2h04m", "2h"},
        {36000000 * SW_SECOND, "416d", "416d"},
        {~0ULL, "213503d", "213503d"},
    };
    sw_text_value v;

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        assert_string_equal(sw_text_count(counts[i].n, v), counts[i].count);
        assert_string_equal(sw_text_count_brief(counts[i].n, v), counts[i].brief);
    }
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        assert_string_equal(sw_text_span(spans[i].ns, v), spans[i].span);
        assert_string_equal(sw_text_span_brief(spans[i].ns, v), spans[i].brief);
    }
}

/* Once, and again where date or offset change; UTC whatever the zone. */
static void test_heading(void **state)
{
    static const struct {
        const char *tz;
        bool utc, wide, replay;
        __u64 seconds[2];
        const char *want[4];
    } rows[] = {
        {ZONE, 0, 0, 0, {1700000000, 1700000001}, {"# 2023-11-15, times in UTC+05:45", "03:58:20.", "03:58:21."}},
        {ZONE, 1, 0, 0, {1700000000, 1700000001}, {"# 2023-11-14, times in UTC", "22:13:20.", "22:13:21."}},
        {"UTC0", 0, 0, 0, {1700000000, 1700000001}, {"# 2023-11-14, times in UTC", "22:13:20.", "22:13:21."}},
        {"NZST-12",
         0,
         0,
         0,
         {43199, 43200}, /* midnight */
         {"# 1970-01-01, times in NZST (UTC+12:00)", "23:59:59.", "# 1970-01-02, times in NZST (UTC+12:00)",
          "00:00:00."}},
        {"CET-1CEST,M3.5.0,M10.5.0/3",
         0,
         0,
         0,
         {1711846799, 1711846800}, /* summer begins */
         {"# 2024-03-31, times in CET (UTC+01:00)", "01:59:59.", "# 2024-03-31, times in CEST (UTC+02:00)",
          "03:00:00."}},
        {"NZST-12",
         0,
         1,
         1,
         {43199, 43200}, /* where each line has its date */
         {"# 1970-01-01, times in NZST (UTC+12:00)", "1970-01-01 23:59:59.000000 ", "1970-01-02 00:00:00.000000 "}},
        {"LMT0:53:28", 0, 0, 0, {0, 1}, {"# 1969-12-31, times in LMT (UTC-00:53:28)", "23:06:32.", "23:06:33."}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_report_opts opts = text();
        struct out o;

        zone(rows[i].tz);
        opts.utc = rows[i].utc;
        opts.wide = rows[i].wide;
        opts.replay = rows[i].replay;
        out_open(&o, opts);
        for (int k = 0; k < 2; k++) {
            struct sw_event ev = sample(SW_EV_CLOSED);

            ev.ts = rows[i].seconds[k] * SW_SECOND;
            add(&o, &ev);
        }
        take(&o);
        for (int k = 0; k < 4 && rows[i].want[k]; k++)
            if (strncmp(line_n(o.text, k), rows[i].want[k], strlen(rows[i].want[k])))
                fail_msg("%s: line %d of\n%s", rows[i].tz, k, o.text);
        out_close(&o);
    }
    zone(ZONE);
}

static void test_colors(void **state)
{
    static const struct {
        __u8 kind, reason;
        const char *has; /* NULL: no colour but for the heading */
    } rows[] = {
        {SW_EV_OPENING, 0, "\033[2m03:58:20.123 opening "},
        {SW_EV_ESTABLISHED, 0, NULL},
        {SW_EV_CLOSED, SW_WHY_FIN, NULL},
        {SW_EV_RESET, SW_WHY_RESET, " \033[31mreset\033[0m  "},
        {SW_EV_REFUSED, SW_WHY_REFUSED, " \033[31mrefused\033[0m  "},
        {SW_EV_TIMEOUT, SW_WHY_UNANSWERED, " \033[33mtimeout\033[0m  "},
        {SW_EV_ANOMALY, 0, " \033[33manomaly\033[0m  "},
        {SW_EV_CONN, SW_WHY_FIN, NULL},
        {SW_EV_CONN, SW_WHY_REFUSED, " \033[31mconn\033[0m  "},
        {SW_EV_CONN, SW_WHY_UNANSWERED, " \033[33mconn\033[0m  "},
    };
    struct sw_report_opts opts = text();

    (void)state;
    opts.color = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_event ev = sample(rows[i].kind);
        const char *line;
        struct out o;

        ev.flow.reason = rows[i].reason;
        out_open(&o, opts);
        add(&o, &ev);
        line = line_n(take(&o), 1);
        if (rows[i].has)
            has(line, rows[i].has);
        else
            assert_null(strchr(line, 27));
        out_close(&o);
    }
}

static void test_loss_and_stats(void **state)
{
    struct sw_report_stats stats = {.lost_total = 42, .half_open = 4032, .counters = {[SW_C_PACKETS] = 357874}};
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 17, [SW_LOSS_GUARD] = 3};
    struct out o;

    (void)state;
    out_open(&o, text());
    assert_int_equal(sw_report_loss(o.r, lost, 1700000000123456789ULL), 0);
    assert_int_equal(sw_report_stats(o.r, &stats, 1700000000123456789ULL), 0);
    stats.final = true;
    stats.counters[SW_C_EMITTED_CONN] = 4;
    stats.services = 1;
    assert_int_equal(sw_report_stats(o.r, &stats, 1700000000123456789ULL), 0);
    line_is(&o, 1, AT "LOSS        20 events lost: conn 17, guard and drop 3");
    line_is(&o, 2, AT "stats       358k packets, 0 live, 4032 half-open, 42 lost, 0 ended");
    line_is(&o, 3, AT "end         358k packets, guard 0/1, 4032 half-open, 42 lost");
    out_close(&o);
    out_open(&o, text());
    stats.keys = (struct sw_key_state){.given = true, .next = true, .now = 0x8b4e1440, .next_key = 0xab};
    stats.final = false;
    assert_int_equal(sw_report_stats(o.r, &stats, 1700000000123456789ULL), 0);
    line_is(&o, 1, AT "stats       358k packets, guard 0/1, key 8b4e1440, 42 lost, 4 ended");
    out_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wide),          cmocka_unit_test(test_wide_is_as_before),
        cmocka_unit_test(test_narrow),        cmocka_unit_test(test_narrow_ends),
        cmocka_unit_test(test_narrow_cookie), cmocka_unit_test(test_any_line_fits),
        cmocka_unit_test(test_addresses),     cmocka_unit_test(test_long_addresses),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_heading),
        cmocka_unit_test(test_colors),        cmocka_unit_test(test_loss_and_stats),
    };

    zone(ZONE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
