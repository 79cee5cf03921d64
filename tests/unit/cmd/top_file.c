/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Event lines in a file, as top --replay takes them: our own of each kind, and lines of others that fit nothing. */
#include "lines.h"

#include "base/exit.h"
#include "cmd/top_file.h"
#include "output/json_guard.h"

static const struct sw_hash_key key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};

struct read {
    struct sw_top_model m;
    struct sw_top_guard g;
    struct sw_top_file_counts counts;
};

static const struct sw_filter everything, *wanted = &everything;

static void read_text(struct read *r, const char *text, int code)
{
    char path[] = "/tmp/synward-top-file-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    memset(r, 0, sizeof(*r));
    sw_top_model_init(&r->m, &key);
    assert_int_equal(sw_top_file_read(path, wanted, &r->m, &r->g, &r->counts), code);
    unlink(path);
}

static void done(struct read *r)
{
    sw_top_model_fini(&r->m);
    sw_top_guard_fini(&r->g);
}

/* A connection that is refused, one that is open, one whose lines come all. */
static void test_own_lines(void **state)
{
    static const enum sw_event_kind kinds[] = {SW_EV_OPENING,     SW_EV_ESTABLISHED, SW_EV_UPDATE,
                                               SW_EV_HALF_CLOSED, SW_EV_CLOSED,      SW_EV_CONN};
    struct sw_event ev;
    struct read r;
    struct out o;

    (void)state;
    out_open(&o, live);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        ev = sample(kinds[i]);
        ev.flow.reason = kinds[i] >= SW_EV_CLOSED ? SW_WHY_FIN : SW_WHY_NONE;
        add(&o, &ev);
    }
    ev = sample(SW_EV_REFUSED);
    ev.key.a_port = htons(1);
    ev.flow.reason = SW_WHY_REFUSED;
    add(&o, &ev);
    ev.kind = SW_EV_CONN;
    add(&o, &ev);
    ev = sample(SW_EV_ESTABLISHED);
    ev.key.a_port = htons(2);
    add(&o, &ev);
    read_text(&r, take(&o), SW_EXIT_OK);
    assert_int_equal(r.m.conns, 3);
    assert_int_equal(r.m.open, 1);
    assert_int_equal(r.m.half, 0);
    assert_int_equal(r.m.failed[SW_TOP_REFUSED], 1);
    assert_int_equal(r.m.failed[SW_TOP_RESET], 0);
    assert_int_equal(r.m.conn[0].phase, SW_TOP_ENDED);
    assert_int_equal(r.m.conn[0].reason, SW_WHY_FIN);
    assert_int_equal(r.m.conn[0].ip_bytes[SW_ORIG], 500);
    assert_int_equal(r.m.conn[0].pkts[SW_RESP], 6);
    assert_int_equal(r.m.conn[0].handshake_ns, 344);
    assert_int_equal(r.m.conn[0].hist_len, 8);
    assert_int_equal(r.m.conn[0].start_ns, 1700000000118456789ull);
    assert_int_equal(r.m.conn[2].phase, SW_TOP_OPEN);
    assert_int_equal(sw_top_model_servers(&r.m, NULL, NULL), 0);
    assert_int_equal(r.m.servers, 1);
    assert_int_equal(r.m.server[0].failed[SW_TOP_REFUSED], 1);
    assert_int_equal(r.m.server[0].begun, 3); /* the first one, too */
    done(&r);
    out_close(&o);
}

/* --outcome and the other words of views: of connections and of what servers refused. */
static void test_filtered(void **state)
{
    static const struct {
        struct sw_filter filter;
        size_t conns;
        __u64 refused;
    } cases[] = {{{.outcomes = 1u << SW_WHY_REFUSED}, 1, 1},  {{.outcomes = 1u << SW_WHY_NONE}, 1, 0},
                 {{.states = 1u << SW_ST_ESTABLISHED}, 1, 0}, {{.min_handshake_ns = 345}, 0, 0},
                 {{.min_bytes = 1ull << 40}, 0, 0},           {{.uids_len = 1, .uids = {"Cxxxxxxxxxxxxxxxxx"}}, 0, 0}};
    struct sw_event ev = sample(SW_EV_ESTABLISHED);
    struct read r;
    struct out o;

    (void)state;
    out_open(&o, live);
    ev.flow.end[SW_ORIG].state = ev.flow.end[SW_RESP].state = SW_ST_ESTABLISHED;
    add(&o, &ev);
    ev = sample(SW_EV_CONN);
    ev.key.a_port = htons(1);
    ev.flow.reason = SW_WHY_REFUSED;
    add(&o, &ev);
    take(&o);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wanted = &cases[i].filter;
        read_text(&r, o.text, SW_EXIT_OK);
        wanted = &everything;
        assert_int_equal(r.m.conns, cases[i].conns);
        assert_int_equal(r.m.failed[SW_TOP_REFUSED], cases[i].refused);
        done(&r);
    }
    out_close(&o);
}

static void test_guard(void **state)
{
    static const char text[] =
        "{\"event\":\"guard\",\"ts\":\"2026-11-28T00:00:00Z\",\"service\":\"*:80\",\"mode\":\"auto\",\"to\":"
        "\"engaged\"}\n"
        "{\"event\":\"service\",\"ts\":\"2026-11-28T00:00:01Z\",\"service\":\"*:80\",\"mode\":\"auto\",\"state\":"
        "\"engaged\","
        "\"state_ns\":5,\"half_open\":6,\"syn_rate\":7,\"cookies_sent\":8,\"cookies_accepted\":9,\"dropped\":10}\n"
        "{\"event\":\"guard\",\"ts\":\"2026-11-28T00:00:02Z\",\"service\":\"*:80\",\"mode\":\"auto\",\"to\":\"grace\"}"
        "\n"
        "{\"event\":\"loss\",\"ts\":\"2026-11-28T00:00:02Z\",\"lost\":11}\n{\"event\":\n";
    struct read r;

    (void)state;
    read_text(&r, text, SW_EXIT_OK);
    assert_int_equal(r.g.len, 1);
    assert_string_equal(r.g.service[0].name, "*:80");
    assert_int_equal(r.g.service[0].state, SW_GS_GRACE);
    assert_int_equal(r.g.service[0].in_state_ns, 0);
    assert_int_equal(r.g.service[0].sent, 8);
    assert_int_equal(r.g.service[0].dropped, 10);
    assert_int_equal(r.counts.lost, 11);
    assert_int_equal(r.counts.broken, 1);
    done(&r);
}

static void test_others(void **state)
{
    static const char *const none[] = {"",
                                       "\n",
                                       "[]\n",
                                       "{}\n",
                                       "{\"event\":\"conn\"}\n",
                                       "{\"event\":7,\"ts\":\"2026-11-28T00:00:00Z\"}\n",
                                       "{\"event\":\"conn\",\"ts\":\"yesterday\"}\n"};
    static const char *const nothing[] = {
        "\"event\":\"new\"",
        "\"event\":\"conn\"",
        "\"event\":\"conn\",\"uid\":\"short\"",
        "\"event\":\"conn\",\"uid\":\"C/////////////////\",\"orig_ip\":\"1.2.3.4\",\"resp_ip\":\"1.2.3.4\"",
        "\"event\":\"conn\",\"uid\":\"Caaaaaaaaaaaaaaaaa\",\"orig_ip\":\"1.2.3.4\",\"resp_ip\":\"somewhere\"",
        "\"event\":\"service\"",
        "\"event\":\"loss\",\"lost\":\"many\""};
    struct read r;
    char line[256];

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        read_text(&r, none[i], SW_EXIT_INPUT);
        done(&r);
    }
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        snprintf(line, sizeof(line), "{\"ts\":\"2026-11-28T00:00:00Z\",%s}\n", nothing[i]);
        read_text(&r, line, SW_EXIT_OK);
        assert_int_equal(r.m.conns, 0);
        assert_int_equal(r.g.len, 0);
        done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own_lines), cmocka_unit_test(test_filtered),
                                       cmocka_unit_test(test_guard), cmocka_unit_test(test_others)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
