/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files side by side: which lines are of one connection, when it is decided, and how it is shown. */
#include "lines.h"

#include "join/show.h"

#include <json-c/json.h>

#define S 1000000000ull

static struct sw_join j;
static const struct sw_filter all;
static struct {
    int len;
    struct {
        int verdict, match, views, why; /* why: of the last file that has it not */
    } got[64];
    char *json, *text;
} seen;

static char *shown(const struct sw_join_result *r, void (*show)(const struct sw_join_result *, FILE *))
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    show(r, out);
    fclose(out);
    return text;
}

static void decided(const struct sw_join_result *r, void *ctx)
{
    assert_ptr_equal(ctx, &seen);
    assert_true(seen.len < 64);
    seen.got[seen.len].verdict = r->verdict;
    seen.got[seen.len].match = r->match;
    seen.got[seen.len].views = (int)r->views;
    for (int i = 0; i < SW_JOIN_FILES; i++)
        if (r->missing & 1u << i)
            seen.got[seen.len].why = r->hole[i].kind;
    seen.len++;
    free(seen.json);
    free(seen.text);
    seen.json = shown(r, sw_join_json);
    seen.text = shown(r, sw_join_text);
}

static void begin(unsigned int files)
{
    const struct sw_join_opts opts = {
        .files = files, .rules = {.delay = S / 10}, .window = 60 * S, .slack = 2 * S, .pending = 20, .filter = &all};

    sw_join_fini(&j);
    free(seen.json);
    free(seen.text);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(sw_join_init(&j, &opts, decided, &seen), 0);
}

static void feed(unsigned int file, const char *text)
{
    const struct sw_line *line;
    struct sw_ndjson *in;
    char path[32];
    int fd = memfd_create("line", 0);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    lseek(fd, 0, SEEK_SET);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(sw_ndjson_open(path, &in), 0);
    if (sw_ndjson_next(in, &line) != 1)
        fail_msg("no object: %s", text);
    assert_int_equal(sw_join_line(&j, file, line, 0), 0);
    sw_ndjson_close(in);
    close(fd);
}

/* A line without more than what is needed; at: seconds after 2026-11-28T00:00:00Z, up to an hour. */
static void other(unsigned int file, __u64 seq, unsigned int at, const char *rest)
{
    char text[4096];

    snprintf(text, sizeof(text), "{\"schema\":3,\"seq\":%llu,\"ts\":\"2026-11-28T00:%02u:%02u.5Z\",%s}", seq, at / 60,
             at % 60, rest);
    feed(file, text);
}

struct given {
    unsigned int at;  /* it began; the line is 10 s later */
    __u32 orig, resp; /* ISNs; 0: null */
    unsigned int client, bytes;
    const char *more; /* keys that come later count */
};

static void conn(unsigned int file, __u64 seq, struct given g)
{
    char text[2048], isn[2][16] = {"null", "null"};

    if (g.orig)
        snprintf(isn[0], sizeof(isn[0]), "%u", g.orig);
    if (g.resp)
        snprintf(isn[1], sizeof(isn[1]), "%u", g.resp);
    snprintf(text, sizeof(text),
             "\"event\":\"conn\",\"uid\":\"C%05u%05u1234567\",\"orig_ip\":\"10.0.0.%u\",\"orig_port\":4000,"
             "\"resp_ip\":\"10.9.9.9\",\"resp_port\":80,\"start\":\"2026-11-28T00:%02u:%02u.5Z\",\"duration_ns\":1000,"
             "\"orig_state\":\"CLOSED\",\"resp_state\":\"CLOSED\",\"conn_state\":\"SF\",\"history\":\"ShADadfF\","
             "\"history_full\":false,\"reason\":\"fin\",\"closed_by\":\"orig\",\"via\":\"stack\",\"handshake\":\"%s\","
             "\"orig_isn\":%s,\"resp_isn\":%s,\"orig_pkts\":5,\"resp_pkts\":5,\"orig_bytes\":%u,\"resp_bytes\":7,"
             "\"orig_payload_bytes\":%u,\"resp_payload_bytes\":7%s",
             g.orig % 100000, 10 * g.client + file, g.client, g.at / 60, g.at % 60,
             g.orig || g.resp ? "normal" : "unseen", isn[0], isn[1], g.bytes, g.bytes, g.more ? g.more : "");
    other(file, seq, g.at + 10, text);
}

/* Both files have begun long ago, and log what begins. */
static void start(unsigned int files)
{
    begin(files);
    for (unsigned int i = 0; i < files; i++) {
        other(i, 1, 0, "\"event\":\"opening\"");
        conn(i, 2, (struct given){.at = 0, .orig = 1, .resp = 1, .client = 1});
    }
    assert_int_equal(seen.len, 1);
    seen.len = 0;
}

static void finish(unsigned int files)
{
    for (unsigned int i = 0; i < files; i++)
        assert_int_equal(sw_join_end(&j, i, 0, false), 0);
    assert_int_equal(sw_join_next(&j), -1);
}

#define expect(i, v, m, n)                                                                                             \
    do {                                                                                                               \
        assert_true(seen.len > (i));                                                                                   \
        assert_string_equal(sw_join_verdict_name(seen.got[i].verdict), sw_join_verdict_name(SW_VERDICT_##v));          \
        assert_string_equal(sw_join_match_name(seen.got[i].match), sw_join_match_name(SW_MATCH_##m));                  \
        assert_int_equal(seen.got[i].views, n);                                                                        \
    } while (0)

static void test_matches(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1, .bytes = 30});
    conn(0, 4, (struct given){.at = 100, .orig = 501, .resp = 601, .client = 1, .bytes = 30});
    conn(0, 5, (struct given){.at = 100, .orig = 502, .resp = 602, .client = 1, .bytes = 30});
    conn(0, 6, (struct given){.at = 100, .orig = 503, .resp = 0, .client = 1});
    assert_int_equal(seen.len, 0);
    conn(1, 3, (struct given){.at = 101, .orig = 500, .resp = 600, .client = 2, .bytes = 30}); /* translated */
    expect(0, AGREE, BOTH, 2);
    conn(1, 4, (struct given){.at = 101, .orig = 501, .resp = 777, .client = 2, .bytes = 30}); /* its ISN is another */
    expect(1, REWRITTEN, PAYLOAD, 2);
    conn(1, 5, (struct given){.at = 101, .orig = 888, .resp = 999, .client = 1, .bytes = 30}); /* both are */
    conn(1, 6, (struct given){.at = 101, .orig = 503, .resp = 604, .client = 2}); /* a SYN-ACK that did not arrive */
    assert_int_equal(seen.got[2].match, SW_MATCH_ONE);
    assert_int_equal(seen.len, 3);
    conn(0, 7, (struct given){.at = 300, .orig = 1, .resp = 2});
    conn(1, 7, (struct given){.at = 300, .orig = 3, .resp = 4});
    expect(3, REWRITTEN, TUPLE, 2);
}

static void test_no_match(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1, .bytes = 30});
    conn(1, 3, (struct given){.at = 110, .orig = 500, .resp = 600, .client = 2, .bytes = 30}); /* at another time */
    conn(1, 4,
         (struct given){.at = 100, .orig = 500, .resp = 601, .client = 2, .bytes = 31}); /* nothing else is equal */
    conn(1, 5, (struct given){.at = 100, .orig = 501, .resp = 601, .client = 1, .bytes = 31}); /* other bytes */
    finish(2);
    assert_int_equal(seen.len, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen.got[i].views, 1);
    start(2); /* both ISNs differ, and lines are missing: it may be another connection of the same ports */
    conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1, .bytes = 30});
    conn(1, 9, (struct given){.at = 101, .orig = 501, .resp = 601, .client = 1, .bytes = 30});
    finish(2);
    assert_int_equal(seen.len, 2);
    expect(0, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[0].why, SW_HOLE_GAP);
}

static void test_window(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1});
    other(1, 3, 170, "\"event\":\"opening\"");
    other(0, 4, 170, "\"event\":\"opening\"");
    assert_int_equal(seen.len, 0); /* both have to be farther than its line and the window */
    other(1, 4, 171, "\"event\":\"opening\"");
    assert_int_equal(seen.len, 0);
    other(0, 5, 171, "\"event\":\"opening\"");
    expect(0, ABSENT, BOTH, 1);
    assert_int_equal(seen.got[0].why, SW_HOLE_NONE);
    conn(0, 6, (struct given){.at = 200, .orig = 501, .resp = 601, .client = 1});
    other(1, 5, 201, "\"event\":\"opening\""); /* it is open there, and was not until then */
    other(1, 6, 400, "\"event\":\"update\"");
    other(0, 7, 400, "\"event\":\"update\"");
    expect(1, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[1].why, SW_HOLE_OPEN);
    conn(1, 7, (struct given){.at = 201, .orig = 501, .resp = 601, .more = ",\"start\":\"2026-11-28T00:01:00.5Z\""});
    finish(2);
    expect(2, CANNOT_TELL, BOTH, 1); /* its other half may have been decided */
    assert_int_equal(seen.got[2].why, SW_HOLE_WINDOW);
}

static void test_bounded(void **state)
{
    (void)state;
    start(2);
    for (unsigned int i = 0; i < 30; i++)
        conn(0, 3 + i, (struct given){.at = 100, .orig = 500 + i, .resp = 600, .client = 1});
    assert_int_equal(seen.len, 10);
    assert_int_equal(j.cut, 10);
    expect(0, CANNOT_TELL, BOTH, 1);
    assert_true(j.pending_most <= 21);
    /* each of those that remain has one number in common with the line, and at most so many are looked at */
    conn(1, 3, (struct given){.at = 100, .orig = 529, .resp = 600, .client = 1});
    expect(10, AGREE, BOTH, 2);
}

/* A scanner that sends one ISN to all: each of its connections is found by its addresses. */
static void test_one_isn(void **state)
{
    (void)state;
    start(2);
    j.opts.pending = 1000;
    for (unsigned int i = 0; i < 100; i++)
        conn(0, 3 + i, (struct given){.at = 100, .orig = 500, .client = 1 + i, .bytes = i});
    for (unsigned int i = 0; i < 50; i++) {
        conn(1, 3 + i, (struct given){.at = 100, .orig = 500, .client = 1 + i, .bytes = i});
        expect((int)i, AGREE, ONE, 2);
    }
}

static void test_left_out(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100}); /* midstream */
    assert_int_equal(j.file[0].without_isn, 1);
    conn(1, 3, (struct given){.at = 100, .orig = 500, .resp = 600});
    conn(1, 4, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 2}); /* its other side of a NAT */
    assert_int_equal(j.file[1].doubles, 1);
    feed(0, "{\"schema\":2,\"event\":\"conn\",\"ts\":\"2026-11-28T00:03:00Z\"}");
    feed(0, "{\"event\":\"conn\"}");
    feed(0, "{\"schema\":3,\"seq\":3,\"ts\":\"tomorrow\"}");
    assert_int_equal(j.file[0].other_schema, 3);
    other(0, 4, 200, "\"event\":\"conn\",\"uid\":\"?\"");
    finish(2);
    assert_int_equal(seen.len, 1);
    expect(0, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[0].why, SW_HOLE_BROKEN);
    start(2);
    conn(1, 3, (struct given){.at = 100, .orig = 500, .resp = 600});
    other(0, 3, 115, "\"event\":\"stats\",\"final\":false,\"filtered\":3");
    other(0, 4, 120, "\"event\":\"stats\",\"final\":true,\"flows\":0,\"half_open\":0,\"filtered\":3");
    finish(2);
    assert_int_equal(seen.got[0].why, SW_HOLE_UNFOLLOWED);
}

static void test_three(void **state)
{
    (void)state;
    start(3);
    conn(0, 3,
         (struct given){.at = 100, .orig = 500, .resp = 600, .more = ",\"rst_by\":\"resp\",\"orig_socket_cookie\":1"});
    conn(1, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 3, .more = ",\"rst_by\":\"resp\""});
    assert_int_equal(seen.len, 0);
    conn(2, 3,
         (struct given){.at = 100, .orig = 500, .resp = 600, .client = 4, .more = ",\"resp_socket_cookie\":null"});
    expect(0, RESET, BOTH, 3);
    has(seen.json, "\"between\":[\"B\",\"C\"],\"nearer_orig\":\"B\"");
    has(seen.json, "\"facts\":[{\"verdict\":\"reset_injected\",\"what\":\"rst\",\"side\":\"resp\",\"first\":1,"
                   "\"second\":0,\"doubt\":null}]");
    conn(0, 4, (struct given){.at = 120, .orig = 501, .resp = 601});
    conn(2, 4, (struct given){.at = 120, .orig = 501, .resp = 601});
    for (unsigned int i = 0; i < 3; i++)
        other(i, i == 1 ? 4 : 5, 400, "\"event\":\"update\"");
    expect(1, AGREE, BOTH, 2);
    has(seen.json, "\"missing\":[{\"file\":\"B\",\"why\":\"none\",\"count\":0}]");
}

/* What others wrote stays within 80 columns and within JSON. */
static void test_shown(void **state)
{
    static const char hostile[] =
        ",\"orig_ip\":\"2001:db8:1111:2222:3333:4444:5555:6666\",\"orig_bytes\":18446744073709551615,"
        "\"orig_payload_bytes\":18446744073709551615,\"orig_rexmit\":18446744073709551615,"
        "\"resp_ip\":\"2001:db8:1111:2222:3333:4444:5555:7777\",\"orig_mss\":65535,\"duration_ns\":"
        "18446744073709551615,"
        "\"orig_sack\":true,\"orig_ts\":false,\"resp_sack\":true,\"resp_ts\":true,\"history\":\"ShRr\\n\\u001b[31m\","
        "\"server_ns\":18446744073709551615,\"client_ns\":18446744073709551615,\"syn_rexmit\":18446744073709551615";
    static const char *names[] = {"\033[31m\"\\", "b\xff"};
    struct json_object *object;
    char *text = NULL;
    size_t len;
    FILE *out;

    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .more = hostile});
    conn(1, 3,
         (struct given){.at = 100,
                        .orig = 500,
                        .resp = 600,
                        .more = ",\"orig_sack\":false,\"orig_ts\":true,\"resp_sack\":true,\"resp_ts\":true"});
    assert_int_equal(seen.len, 1);
    for (const char *line = seen.text; *line; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 80);
        for (const char *p = line; *p && *p != '\n'; p++)
            assert_true(*p >= ' ' && *p < 0x7f);
    }
    object = json_tokener_parse(seen.json);
    assert_non_null(object);
    json_object_put(object);
    out = open_memstream(&text, &len);
    sw_join_json_summary(&j, names, out);
    fclose(out);
    object = json_tokener_parse(text);
    assert_non_null(object);
    json_object_put(object);
    free(text);
}

static int end(void **state)
{
    (void)state;
    sw_join_fini(&j);
    free(seen.json);
    free(seen.text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches), cmocka_unit_test(test_no_match), cmocka_unit_test(test_window),
        cmocka_unit_test(test_bounded), cmocka_unit_test(test_one_isn),  cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_three),   cmocka_unit_test(test_shown),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
