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
    } got[256];
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
    assert_true(seen.len < 256);
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

/* start() has written two lines before the first: they are numbered 1 and 2, but for what it gives as -1 and 0. */
#define SEQ(n) ((n) + 2)
/* A line without more than what is needed; at: seconds after 2026-11-28T00:00:00Z, up to an hour. */
static void other(unsigned int file, __u64 seq, unsigned int at, const char *rest)
{
    char text[4096];

    snprintf(text, sizeof(text), "{\"schema\":3,\"seq\":%llu,\"ts\":\"2026-11-28T00:%02u:%02u.5Z\",%s}", SEQ(seq),
             at / 60, at % 60, rest);
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

#define STATS "\"event\":\"stats\",\"final\":false"

/* Both files have begun long ago, log what begins, and what they have followed each 80 s: then nothing is odd at 240.
 */
static void start(unsigned int files)
{
    begin(files);
    for (unsigned int i = 0; i < files; i++) {
        other(i, -1ull, 0, "\"event\":\"opening\"");
        conn(i, 0, (struct given){.at = 0, .orig = 1, .resp = 1, .client = 1});
        other(i, 1, 11, STATS);
        other(i, 2, 91, STATS);
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
    conn(1, 5, (struct given){.at = 101, .orig = 888, .resp = 999, .client = 1, .bytes = 30}); /* both are */
    conn(1, 6, (struct given){.at = 101, .orig = 503, .resp = 604, .client = 2}); /* a SYN-ACK that did not arrive */
    assert_int_equal(seen.len, 1); /* by one ISN and other addresses: something may fit better */
    other(0, 7, 300, STATS);
    other(1, 7, 300, STATS);
    assert_int_equal(seen.len, 4);
    expect(1, REWRITTEN, PAYLOAD, 2);
    expect(2, REWRITTEN, TUPLE, 2);
    assert_int_equal(seen.got[3].match, SW_MATCH_ONE);
}

static void test_no_match(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100, .orig = 510, .client = 1, .bytes = 30});
    conn(0, 4, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1, .bytes = 30});
    conn(1, 3, (struct given){.at = 110, .orig = 510, .client = 1, .bytes = 30}); /* at another time */
    conn(1, 4,
         (struct given){.at = 100, .orig = 500, .resp = 601, .client = 2, .bytes = 31}); /* nothing else is equal */
    conn(1, 5, (struct given){.at = 100, .orig = 501, .resp = 601, .client = 1, .bytes = 31}); /* other bytes */
    finish(2);
    assert_int_equal(seen.len, 5);
    for (int i = 0; i < 5; i++)
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
    other(1, 3, 170, STATS);
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
    other(0, 7, 400, STATS);
    expect(1, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[1].why, SW_HOLE_OPEN);
    conn(1, 7, (struct given){.at = 201, .orig = 501, .resp = 601, .more = ",\"start\":\"2026-11-28T00:01:35.5Z\""});
    finish(2);
    expect(2, CANNOT_TELL, BOTH, 1); /* its other half may have been decided */
    assert_int_equal(seen.got[2].why, SW_HOLE_WINDOW);
}

static void test_bounded(void **state)
{
    (void)state;
    start(2);
    for (unsigned int i = 0; i < 30; i++)
        conn(0, 3 + i, (struct given){.at = 100, .orig = 500 + i, .resp = 600 + i, .client = 1});
    assert_int_equal(seen.len, 10);
    assert_int_equal(j.cut, 10);
    expect(0, CANNOT_TELL, BOTH, 1);
    assert_true(j.pending_most <= 21);
    conn(1, 3, (struct given){.at = 100, .orig = 529, .resp = 629, .client = 1});
    expect(10, AGREE, BOTH, 2);
    /* the other half of one that was decided early waits alone, and is not absent; nor is what may be one */
    conn(1, 4, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 2});
    conn(1, 5, (struct given){.at = 100, .orig = 999, .resp = 998, .client = 3});
    assert_int_equal(seen.len, 12); /* the 21st made the oldest go */
    other(1, 6, 170, STATS);
    other(0, 33, 170, STATS);
    finish(2);
    assert_int_equal(seen.len, 32);
    expect(29, ABSENT, BOTH, 1); /* of A, which B would have */
    for (int i = 30; i < 32; i++) {
        expect(i, CANNOT_TELL, BOTH, 1);
        assert_int_equal(seen.got[i].why, SW_HOLE_WINDOW);
    }
}

/* What comes after the pair was decided: the router's other interface, or a line that is late. */
static void test_past(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1});
    conn(1, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 2});
    expect(0, AGREE, BOTH, 2);
    conn(1, 4, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 3});
    assert_int_equal(j.file[1].doubles, 1);
    conn(0, 4, (struct given){.at = 100, .orig = 510, .client = 1}); /* it waits for the window, and so do both of B */
    conn(1, 5, (struct given){.at = 100, .orig = 510, .resp = 610, .client = 2});
    conn(1, 6, (struct given){.at = 100, .orig = 510, .resp = 610, .client = 3});
    assert_int_equal(j.file[1].doubles, 2);
    conn(1, 7, (struct given){.at = 101, .orig = 501, .client = 3});
    conn(0, 5, (struct given){.at = 101, .orig = 501, .client = 3});
    expect(1, AGREE, ONE, 2);
    conn(1, 8, (struct given){.at = 101, .orig = 501, .client = 4}); /* one ISN alone says less */
    other(0, 6, 200, STATS);
    other(1, 9, 200, STATS);
    assert_int_equal(seen.len, 4);
    assert_int_equal(seen.got[2].match, SW_MATCH_ONE);
    expect(3, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[3].why, SW_HOLE_WINDOW);
}

/* More were decided than are remembered: a line about one that was over by then may be the second one. */
static void test_forgotten(void **state)
{
    (void)state;
    start(2);
    for (unsigned int i = 0; i < 100; i++) {
        conn(0, 3 + i, (struct given){.at = 100, .orig = 500 + i, .resp = 600, .client = 1});
        conn(1, 3 + i, (struct given){.at = 100, .orig = 500 + i, .resp = 600, .client = 2});
    }
    assert_int_equal(seen.len, 100);
    assert_true(j.forgot);
    conn(1, 103, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 3});
    conn(1, 104, (struct given){.at = 120, .orig = 700, .resp = 601, .client = 3}); /* it began afterwards */
    other(0, 103, 200, STATS);
    other(1, 105, 200, STATS);
    assert_int_equal(seen.len, 102);
    expect(100, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[100].why, SW_HOLE_WINDOW);
    expect(101, ABSENT, BOTH, 1);
}

/* A file that nothing is in of the other, no stats line, a clock that is set, or apart by more than was said. */
static void test_clocks(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 110, .orig = 500, .resp = 600, .client = 1});
    conn(1, 3, (struct given){.at = 130, .orig = 500, .resp = 600, .client = 1});
    expect(0, AGREE, BOTH, 2);
    assert_true(j.file[0].offset[1] == 20 * S);
    other(1, 4, 150, STATS);
    conn(0, 4, (struct given){.at = 140, .orig = 501, .resp = 601, .client = 1}); /* there it ends at 160, or 120 */
    other(0, 5, 250, "\"event\":\"update\"");
    other(1, 5, 250, "\"event\":\"update\"");
    expect(1, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[1].why, SW_HOLE_NO_STATS);
    start(2); /* one line far ahead */
    other(1, 3, 95, STATS);
    conn(0, 3, (struct given){.at = 100, .orig = 501, .resp = 601, .client = 1});
    other(1, 4, 3000, STATS);
    for (unsigned int i = 0; i < 4; i++)
        other(0, 4 + i, 200 + 100 * i, STATS);
    expect(0, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[0].why, SW_HOLE_CLOCK);
    begin(2);
    other(1, 1, 0, "\"event\":\"opening\"");
    conn(1, 2, (struct given){.at = 0, .orig = 77, .resp = 78, .client = 1});
    conn(0, 1, (struct given){.at = 5, .orig = 1, .resp = 2, .client = 1});
    for (unsigned int i = 0; i < 2; i++)
        for (unsigned int at = 16; at < 120; at += 20)
            other(i, at / 20 + 2 + i, at, STATS);
    assert_int_equal(seen.len, 2);
    for (int i = 0; i < 2; i++)
        expect(i, CANNOT_TELL, BOTH, 1);
    assert_true(seen.got[0].why == SW_HOLE_CLOCK || seen.got[1].why == SW_HOLE_CLOCK);
}

#define PORT(uid) ",\"uid\":\"C0050000099123456" uid "\",\"orig_port\":4001"

/* A scan with one ISN behind NAT: which is which nobody can say. */
static void test_ambiguous(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100, .orig = 500, .client = 1});
    conn(1, 3, (struct given){.at = 100, .orig = 500, .client = 9, .more = ",\"rst_by\":\"resp\""});
    conn(0, 4, (struct given){.at = 100, .orig = 500, .client = 1, .more = PORT("0")});
    conn(1, 4, (struct given){.at = 100, .orig = 500, .client = 9, .more = PORT("1")});
    assert_int_equal(seen.len, 0);
    conn(1, 5, (struct given){.at = 100, .orig = 501, .client = 9, .more = ",\"resp_port\":81"}); /* no end is equal */
    conn(0, 5, (struct given){.at = 100, .orig = 501, .client = 1});
    other(0, 6, 200, STATS);
    other(1, 6, 200, STATS);
    assert_int_equal(seen.len, 4);
    for (int i = 0; i < seen.len; i++)
        assert_string_equal(sw_join_verdict_name(seen.got[i].verdict), "cannot_tell");
}

/* More with one ISN than are looked at: none of them is absent. */
static void test_crowded(void **state)
{
    (void)state;
    start(2);
    j.opts.pending = 1000;
    for (unsigned int i = 0; i < 100; i++)
        conn(0, 3 + i, (struct given){.at = 100, .orig = 500, .client = 1 + i, .bytes = i});
    conn(1, 3, (struct given){.at = 100, .orig = 500, .client = 200});
    other(0, 103, 200, STATS);
    other(1, 4, 200, STATS);
    assert_int_equal(seen.len, 100);
    for (int i = 0; i < seen.len; i++)
        assert_string_equal(sw_join_verdict_name(seen.got[i].verdict), "cannot_tell");
}

/* What the guard has dropped at B was not lost between. */
static void test_guard(void **state)
{
    static const char lost[] = ",\"orig_socket_cookie\":1,\"rst_by\":\"orig\"";

    (void)state;
    for (int how = 0; how < 3; how++) {
        start(2);
        if (how)
            other(1, 3, 105,
                  how == 1 ? "\"event\":\"drop\",\"dry_run\":false,\"reason\":\"blocked\",\"count\":1"
                           : "\"event\":\"stats\",\"final\":false,\"guard_dropped\":1");
        else
            other(1, 3, 105, "\"event\":\"drop\",\"dry_run\":true,\"reason\":\"blocked\",\"count\":1");
        conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1, .more = lost});
        conn(1, 4, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1});
        assert_int_equal(seen.len, 1);
        assert_string_equal(sw_join_verdict_name(seen.got[0].verdict), how ? "cannot_tell" : "swallowed");
    }
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
    conn(2, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 4, .more = ",\"resp_socket_cookie\":7"});
    expect(0, RESET, BOTH, 3);
    has(seen.json, "\"between\":[\"B\",\"C\"],\"nearer_orig\":\"B\"");
    has(seen.json, "\"facts\":[{\"verdict\":\"reset_injected\",\"what\":\"rst\",\"side\":\"resp\",\"first\":1,"
                   "\"second\":0,\"doubt\":null}]");
    conn(0, 4, (struct given){.at = 120, .orig = 501, .resp = 601});
    conn(2, 4, (struct given){.at = 120, .orig = 501, .resp = 601});
    for (unsigned int i = 0; i < 3; i++)
        other(i, i == 1 ? 4 : 5, 300, STATS);
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
    sw_join_text_summary(&j, names, out);
    fclose(out);
    assert_null(strpbrk(text, "\033\xff"));
    free(text);
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
        cmocka_unit_test(test_matches),   cmocka_unit_test(test_no_match), cmocka_unit_test(test_window),
        cmocka_unit_test(test_bounded),   cmocka_unit_test(test_one_isn),  cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_three),     cmocka_unit_test(test_shown),    cmocka_unit_test(test_past),
        cmocka_unit_test(test_forgotten), cmocka_unit_test(test_clocks),   cmocka_unit_test(test_ambiguous),
        cmocka_unit_test(test_crowded),   cmocka_unit_test(test_guard),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
