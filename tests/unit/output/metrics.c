/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The expositions: their form, the bounds of histograms, labels of any bytes, and the table of docs/metrics.md. */
#include "random_lines.h"
#include "output/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct sw_histograms roles[SW_ROLE_MAX];
static struct sw_service_room {
    struct sw_service services[SW_SERVICES];
    struct sw_svc_counters tallies[SW_SERVICES];
} guard;
static const struct sw_metrics_iface two[] = {{"eth0", "native", "tcx", false},
                                              {"a\"b\\c\n\xff", "generic", "none", true}};

static struct sw_metrics sample_metrics(void)
{
    struct sw_metrics m = {.running = true,
                           .netns = 4026531840,
                           .started = 1764330000,
                           .ifaces = two,
                           .ifaces_len = 2,
                           .flows = 3,
                           .flows_max = 131072,
                           .roles = roles};

    memset(roles, 0, sizeof(roles));
    for (int i = 0; i < SW_ROLE_MAX; i++)
        roles[i].key.role = i;
    for (int i = 0; i < SW_C_MAX; i++)
        m.counters[i] = 1000 + i;
    return m;
}

static char *print(const struct sw_metrics *m, size_t len, bool named, enum sw_metrics_format format)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    sw_metrics_print(m, len, named, format, f);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void shows(const char *text, const char *line)
{
    const char *at = strstr(text, line);

    if (!at || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
        fail_msg("no line '%s'", line);
}

/* Comments in their order, then the samples of their family; no line twice. */
static void well_formed(char *text, enum sw_metrics_format format)
{
    char family[128] = "", *line, *save = NULL;
    const char *seen[8192];
    size_t n = 0;
    bool ended = false;

    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        assert_false(ended);
        ended = !strcmp(line, "# EOF");
        if (ended)
            continue;
        assert_true(n < sizeof(seen) / sizeof(seen[0]));
        seen[n++] = line;
        if (sscanf(line, "# HELP %127s", family) == 1 || *line == '#') {
            assert_true(!strncmp(line + 7, family, strlen(family)));
            continue;
        }
        assert_true(!strncmp(line, family, strlen(family)));
        assert_non_null(strrchr(line, ' '));
        assert_true(line[strlen(line) - 1] >= '0' && line[strlen(line) - 1] <= '9');
        *strrchr(line, ' ') = 0; /* the series */
        for (size_t i = 0; i + 1 < n; i++)
            if (!strcmp(seen[i], line))
                fail_msg("twice: %s", line);
    }
    assert_int_equal(ended, format == SW_METRICS_OPENMETRICS);
}

static void test_form(void **state)
{
    struct sw_metrics m = sample_metrics();
    char *text;

    (void)state;
    guard.services[1] = (struct sw_service){.port = 80 << 8, .any = SW_ANY_4 | SW_ANY_6, .state = SW_GS_ENGAGED};
    guard.tallies[1].drop[SW_DROP_RST] = 7;
    guard.tallies[0].item[SW_T_SYNS] = 9;
    m.services = guard.services;
    m.tallies = guard.tallies;
    for (int format = 0; format < SW_METRICS_FORMATS; format++) {
        text = print(&m, 1, false, format);
        shows(text, "synward_packets_total 1000");
        shows(text, "synward_interface_info{device=\"eth0\",ingress=\"xdp_native\",egress=\"tcx\",shared=\"false\"} 1");
        shows(text,
              "synward_interface_info{device=\"a\\\"b\\\\c\xef\xbf\xbd\xef\xbf\xbd\",ingress=\"xdp_generic\",egress="
              "\"none\",shared=\"true\"} 1");
        shows(text, "synward_guard_state{service=\"*:80\"} 1");
        shows(text, "synward_guard_dropped_total{service=\"*:80\",reason=\"rst\"} 7");
        shows(text, "synward_guard_syns_total{service=\"other\"} 9");
        shows(text, "synward_guard_services 1");
        shows(text, format ? "# TYPE synward_build info" : "# TYPE synward_build_info gauge");
        shows(text, format ? "# TYPE synward_packets counter" : "# TYPE synward_packets_total counter");
        assert_null(strstr(text, "\nsynward_half_open_evicted_total ")); /* only its own process knows */
        assert_int_equal(!!strstr(text, "# UNIT synward_handshake_duration_seconds seconds\n"), format);
        well_formed(text, format);
        free(text);
    }
}

/* Labels of the instance come first; without the guard its families have no samples. */
static void test_several(void **state)
{
    struct sw_metrics m[2] = {sample_metrics(), sample_metrics()};
    const struct sw_metrics_own own = {.half_open_evicted = 5, .file_interval_ns = 1500000000};
    const char *lost_at = NULL;
    char *text, lost[40];

    (void)state;
    m[1].netns = 1;
    m[1].own = &own;
    text = print(m, 2, true, SW_METRICS_TEXT);
    shows(text, "synward_flows{netns=\"1\",interfaces=\"eth0,a\\\"b\\\\c\xef\xbf\xbd\xef\xbf\xbd\"} 3");
    assert_non_null(strstr(text, "synward_half_open_evicted_total{netns=\"1\""));
    snprintf(lost, sizeof(lost), "event=\"conn\"} %d\n", 1000 + SW_C_LOST_OPENING + SW_EV_CONN);
    for (int i = 0; i < 2; i++) { /* of the rings alone, whichever process shows them */
        lost_at = strstr(lost_at ? lost_at + 1 : strstr(text, "\nsynward_events_lost_total{"), lost);
        assert_non_null(lost_at);
    }
    assert_non_null(strstr(text, "\"} 1.500000000\n"));
    assert_null(strstr(text, "synward_metrics_file_interval_seconds{netns=\"4026531840\""));
    assert_null(strstr(text, "synward_guard_state{"));
    well_formed(text, SW_METRICS_TEXT);
    free(text);
}

/* The sample that begins so. */
static const char *value_of(const char *text, const char *series)
{
    const char *at = strstr(text, series);

    if (!at || at[strlen(series)] != ' ')
        fail_msg("no series '%s'", series);
    return at + strlen(series) + 1;
}

/* Each bound is a bucket's edge, and its count that of the values which it does not exceed. */
static void check_bounds(const char *text, const char *name, const char *labels, const __u64 *value, int n, double unit)
{
    char begin[160], series[160];
    int bounds = 0;
    double last = -1;

    snprintf(begin, sizeof(begin), "\n%s_bucket{%s,le=\"", name, labels);
    for (const char *at = strstr(text, begin); at; at = strstr(at + 1, begin)) {
        const char *le = at + strlen(begin);
        const double bound = strtod(le, NULL);
        unsigned long long count = strtoull(strchr(le, ' '), NULL, 10), want = 0;
        __u64 whole;

        assert_true(bound > last);
        last = bound;
        bounds++;
        if (!strncmp(le, "+Inf", 4)) {
            assert_int_equal(count, n);
            continue;
        }
        whole = (__u64)(bound * unit + 0.5);
        assert_int_equal(sw_histogram_bound(sw_histogram_bucket(whole + 1)), whole + 1);
        for (int i = 0; i < n; i++)
            want += value[i] <= whole;
        if (count != want)
            fail_msg("%s le %.17g: got %llu, expected %llu", name, bound, count, want);
    }
    assert_in_range(bounds, 10, 50);
    snprintf(series, sizeof(series), "%s_count{%s}", name, labels);
    assert_int_equal(strtoull(value_of(text, series), NULL, 10), n);
}

static void test_histograms(void **state)
{
    static const struct {
        int kind;
        const char *name, *labels;
        double unit;
    } of[] = {
        {SW_HG_HANDSHAKE, "synward_handshake_duration_seconds", "role=\"client\"", 1e9},
        {SW_HG_SERVER, "synward_handshake_server_duration_seconds", "role=\"client\"", 1e9},
        {SW_HG_CLIENT, "synward_handshake_client_duration_seconds", "role=\"client\"", 1e9},
        {SW_HG_DURATION, "synward_connection_duration_seconds", "role=\"client\"", 1e9},
        {SW_HG_ORIG_BYTES, "synward_connection_size_bytes", "role=\"client\",side=\"orig\"", 1},
        {SW_HG_RESP_BYTES, "synward_connection_size_bytes", "role=\"client\",side=\"resp\"", 1},
    };
    enum { N = 3000 };
    static __u64 value[N];

    (void)state;
    for (size_t k = 0; k < sizeof(of) / sizeof(of[0]); k++) {
        struct sw_metrics m = sample_metrics();
        struct sw_histogram *h = &roles[SW_ROLE_CLIENT].set.of[of[k].kind];
        char *text, series[160], sum[40];

        for (int i = 0; i < N; i++) {
            __u32 bucket;

            /* at the edges, too */
            value[i] = i % 3 ? random_u64() >> (16 + random_u64() % 48) : (1ull << (i / 3 % 48)) - (i & 1);
            bucket = sw_histogram_bucket(value[i]);
            h->bucket[bucket < SW_HG_BUCKETS ? bucket : SW_HG_BUCKETS - 1]++;
            h->sum += value[i];
        }
        text = print(&m, 1, false, SW_METRICS_TEXT);
        check_bounds(text, of[k].name, of[k].labels, value, N, of[k].unit);
        snprintf(series, sizeof(series), "%s_sum{%s}", of[k].name, of[k].labels);
        if (of[k].unit > 1)
            snprintf(sum, sizeof(sum), "%llu.%09llu\n", h->sum / SW_SECOND, h->sum % SW_SECOND);
        else
            snprintf(sum, sizeof(sum), "%llu\n", h->sum);
        assert_memory_equal(value_of(text, series), sum, strlen(sum));
        free(text);
    }
}

/* Of a gateway that translates alone. */
static void test_gateway(void **state)
{
    struct sw_gateway_state gateway = {.max = 77};
    struct sw_metrics m = sample_metrics();
    char *text = print(&m, 1, false, SW_METRICS_TEXT);

    (void)state;
    assert_null(strstr(text, "\nsynward_gateway_"));
    free(text);
    gateway.by_state[SW_X_PENDING] = 5;
    gateway.item[SW_GC_REFUSED] = 9;
    m.gateway = &gateway;
    for (int format = 0; format < SW_METRICS_FORMATS; format++) {
        text = print(&m, 1, false, format);
        shows(text, "synward_gateway_connections_max 77");
        shows(text, "synward_gateway_connections{state=\"pending\"} 5");
        shows(text, "synward_gateway_events_total{event=\"refused\"} 9");
        well_formed(text, format);
        free(text);
    }
}

/* Of a key file alone: the key that counts, and the next one if there is one. */
static void test_keys(void **state)
{
    struct sw_metrics m = sample_metrics();
    char *text;

    (void)state;
    m.services = guard.services;
    m.tallies = guard.tallies;
    text = print(&m, 1, false, SW_METRICS_TEXT);
    assert_null(strstr(text, "\nsynward_guard_key_"));
    free(text);
    m.keys = (struct sw_key_state){.given = true, .now = 0xab};
    for (int format = 0; format < SW_METRICS_FORMATS; format++) {
        text = print(&m, 1, false, format);
        shows(text, "synward_guard_key_info{use=\"current\",fingerprint=\"000000ab\"} 1");
        shows(text, "synward_guard_key_start_timestamp_seconds{use=\"current\"} 0.000000000");
        assert_null(strstr(text, "use=\"next\""));
        m.keys.next = true;
        m.keys.next_key = 0x8b4e1440;
        m.keys.next_from = 1764363600999999999ull;
        free(text);
        text = print(&m, 1, true, format);
        assert_non_null(strstr(text, ",use=\"next\",fingerprint=\"8b4e1440\"} 1\n"));
        assert_non_null(strstr(text, ",use=\"next\"} 1764363600.999999999\n"));
        m.keys.next = false;
        well_formed(text, format);
        free(text);
    }
}

static void test_attempts(void **state)
{
    struct sw_metrics m = sample_metrics();
    struct sw_histogram_set *set = &roles[SW_ROLE_SERVER].set;
    char *text;

    (void)state;
    set->of[SW_HG_HANDSHAKE].bucket[100] = 4;
    set->unmeasured = 3;
    set->ended[SW_WHY_REFUSED] = 20;
    set->ended[SW_WHY_ABORTED] = 30;
    set->ended[SW_WHY_UNANSWERED] = 40;
    text = print(&m, 1, false, SW_METRICS_TEXT);
    shows(text, "synward_connection_attempts_total{role=\"server\",error_type=\"\"} 7");
    shows(text, "synward_connection_attempts_total{role=\"server\",error_type=\"refused\"} 20");
    shows(text, "synward_connection_attempts_total{role=\"server\",error_type=\"reset\"} 30");
    shows(text, "synward_connection_attempts_total{role=\"server\",error_type=\"timed_out\"} 40");
    shows(text, "synward_connections_ended_total{role=\"server\",reason=\"refused\"} 20");
    shows(text, "synward_handshakes_unmeasured_total{role=\"server\"} 3");
    free(text);
}

/* Every counter of the contract is somewhere. */
static void test_all_counters(void **state)
{
    struct sw_metrics m = sample_metrics();
    char *text, end[16];

    (void)state;
    for (int i = 0; i < SW_C_MAX; i++)
        m.counters[i] = 7000000 + i;
    text = print(&m, 1, false, SW_METRICS_TEXT);
    for (int i = 0; i < SW_C_MAX; i++) {
        snprintf(end, sizeof(end), " %d\n", 7000000 + i);
        if (!strstr(text, end))
            fail_msg("counter %d is in no metric", i);
    }
    free(text);
}

static const char *row(const struct sw_metric *of, char *buf, size_t size)
{
    static const char *const types[] = {"counter", "gauge", "info", "histogram"};
    char labels[96] = "–";
    size_t used = 0;

    for (const char *p = of->labels; p && *p; p += strcspn(p, ","), p += *p == ',')
        used += snprintf(labels + used, sizeof(labels) - used, "%s`%.*s`", used ? " " : "", (int)strcspn(p, ","), p);
    snprintf(buf, size, "| `%s%s` | %s | %s | %s |\n", of->name, sw_metric_suffix(of->type), types[of->type], labels,
             of->help);
    return buf;
}

/* docs/metrics.md has a row for each metric, in this order, and no other. */
static void test_documents(void **state)
{
    FILE *f = fopen("docs/metrics.md", "r");
    const struct sw_metric *next = sw_metrics_table;
    char line[1024], want[1024];

    (void)state;
    if (!f)
        fail_msg("docs/metrics.md is not there: tests run in the top folder");
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, "| `synward_", 11))
            continue;
        if (!next->name)
            fail_msg("docs/metrics.md has a row too many: %s", line);
        if (strcmp(line, row(next, want, sizeof(want))))
            fail_msg("docs/metrics.md has\n%sand the table\n%s", line, want);
        next++;
    }
    fclose(f);
    if (next->name)
        fail_msg("docs/metrics.md lacks\n%s", row(next, want, sizeof(want)));
}

/* What promtool and the specification ask of names. */
static void test_names(void **state)
{
    (void)state;
    for (const struct sw_metric *of = sw_metrics_table; of->name; of++) {
        const size_t n = strlen(of->name), unit = of->unit ? strlen(of->unit) : 0;

        assert_int_equal(strncmp(of->name, "synward_", 8), 0);
        assert_int_equal(strspn(of->name, "abcdefghijklmnopqrstuvwxyz_"), n);
        if (of->unit && strcmp(of->name + n - unit, of->unit))
            fail_msg("%s does not end in %s", of->name, of->unit);
        assert_null(strstr(of->name, "_total"));
        assert_null(strchr(of->help, '\n'));
        assert_int_not_equal(of->help[strlen(of->help) - 1], '.');
        for (const struct sw_metric *other = sw_metrics_table; other < of; other++)
            assert_string_not_equal(of->name, other->name);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),      cmocka_unit_test(test_several), cmocka_unit_test(test_histograms),
        cmocka_unit_test(test_gateway),   cmocka_unit_test(test_keys),    cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_documents), cmocka_unit_test(test_names),   cmocka_unit_test(test_all_counters),
    };
    char buf[1024];

    if (argc > 1 && !strcmp(argv[1], "--table")) /* for docs/metrics.md */
        for (const struct sw_metric *of = sw_metrics_table; of->name; of++)
            fputs(row(of, buf, sizeof(buf)), stdout);
    else
        return cmocka_run_group_tests(tests, NULL, NULL);
    return 0;
}
