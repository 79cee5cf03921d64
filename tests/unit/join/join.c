/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files side by side: which lines are of one connection, and how it is shown. */
#include "joining.h"

#include <json-c/json.h>

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

/*
 * An ISN is rewritten, and addresses are: the SYN that A saw first did not arrive, so the handshake began later at B,
 * and was complete at the same time. Where bytes differ as well it is no match, and neither is absent; what has both
 * ISNs is.
 */
static void test_perhaps(void **state)
{
    (void)state;
    start(2);
    conn(0, 3,
         (struct given){.at = 180,
                        .orig = 500,
                        .resp = 600,
                        .client = 1,
                        .bytes = 30,
                        .more = ",\"handshake_ns\":7100000000,\"duration_ns\":8000000000"});
    conn(1, 3,
         (struct given){.at = 187,
                        .orig = 501,
                        .resp = 600,
                        .client = 2,
                        .bytes = 30,
                        .more = ",\"handshake_ns\":50000000,\"duration_ns\":1000000000"});
    conn(0, 4, (struct given){.at = 190, .orig = 510, .resp = 610, .client = 1, .bytes = 30});
    conn(1, 4, (struct given){.at = 190, .orig = 511, .resp = 610, .client = 2, .bytes = 29});
    conn(0, 5, (struct given){.at = 190, .orig = 520, .resp = 620, .client = 1, .bytes = 30});
    conn(1, 5, (struct given){.at = 190, .orig = 521, .resp = 620, .client = 3, .bytes = 29});
    conn(1, 6, (struct given){.at = 190, .orig = 520, .resp = 620, .client = 2, .bytes = 30}); /* it was this one */
    expect(0, AGREE, BOTH, 2);
    other(0, 6, 270, STATS);
    other(1, 7, 270, STATS);
    assert_int_equal(seen.len, 5);
    expect(1, REWRITTEN, PAYLOAD, 2);
    for (int i = 2; i < 4; i++) {
        expect(i, CANNOT_TELL, BOTH, 1);
        assert_int_equal(seen.got[i].why, SW_HOLE_AMBIGUOUS);
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
    start(2); /* as long as the window */
    conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1});
    conn(1, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 2});
    other(0, 4, 168, STATS);
    other(1, 4, 168, STATS);
    conn(1, 5, (struct given){.at = 159, .orig = 500, .resp = 600, .client = 3});
    assert_int_equal(j.file[1].doubles, 1);
    other(0, 5, 248, STATS);
    other(1, 6, 248, STATS);
    conn(1, 7, (struct given){.at = 239, .orig = 500, .resp = 600, .client = 3});
    assert_int_equal(j.file[1].doubles, 1); /* forgotten: ISNs come again */
}

#define SAMPLE ",\"sample\":10"

/* Of a sample: both ISNs, or all addresses; by less a better match may be left out. */
static void test_sampled(void **state)
{
    (void)state;
    start(2);
    conn(0, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 1, .more = SAMPLE});
    conn(0, 4, (struct given){.at = 100, .orig = 501, .client = 1, .more = SAMPLE});
    conn(0, 5, (struct given){.at = 100, .orig = 502, .client = 1, .more = SAMPLE});
    conn(0, 6, (struct given){.at = 100, .orig = 503, .resp = 603, .client = 1, .bytes = 30, .more = SAMPLE});
    conn(0, 7, (struct given){.at = 100, .orig = 504, .resp = 604, .client = 1, .more = SAMPLE});
    conn(1, 3, (struct given){.at = 100, .orig = 500, .resp = 600, .client = 9});
    expect(0, AGREE, BOTH, 2);
    conn(1, 4, (struct given){.at = 100, .orig = 501, .client = 1});
    expect(1, AGREE, ONE, 2);
    conn(1, 5, (struct given){.at = 100, .orig = 502, .client = 9}); /* translated: of a scan, perhaps */
    conn(1, 6,
         (struct given){.at = 100, .orig = 777, .resp = 778, .client = 1, .bytes = 30}); /* or of the same ports */
    other(0, 8, 200, STATS SAMPLE);
    other(1, 7, 200, STATS);
    assert_int_equal(seen.len, 6);
    expect(2, CANNOT_TELL, ONE, 2);
    for (int i = 3; i < 5; i++)
        expect(i, ABSENT, BOTH, 1); /* of B, which is whole */
    expect(5, CANNOT_TELL, BOTH, 1);
    assert_int_equal(seen.got[5].why, SW_HOLE_SAMPLED);
    assert_non_null(strstr(seen.text, "which is a sample, one of 10 connections"));
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
    start(2); /* both of A came first */
    conn(0, 3, (struct given){.at = 100, .orig = 500, .client = 1});
    conn(0, 4, (struct given){.at = 101, .orig = 500, .client = 1, .more = PORT("0")});
    conn(1, 3, (struct given){.at = 101, .orig = 500, .client = 9, .more = PORT("1")});
    other(0, 6, 200, STATS);
    other(1, 6, 200, STATS);
    assert_int_equal(seen.len, 2);
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
    start(2); /* the one that fits is behind others, of another time */
    j.opts.pending = 1000;
    conn(0, 3, (struct given){.at = 100, .orig = 500, .client = 1});
    for (unsigned int i = 0; i < 70; i++)
        conn(0, 4 + i, (struct given){.at = 130, .orig = 500, .client = 2 + i});
    conn(1, 3, (struct given){.at = 100, .orig = 500, .client = 200});
    other(0, 74, 220, STATS);
    other(1, 4, 220, STATS);
    assert_int_equal(seen.len, 72);
    expect(0, CANNOT_TELL, BOTH, 1);
    expect(1, ABSENT, BOTH, 1);
    expect(71, CANNOT_TELL, BOTH, 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches), cmocka_unit_test(test_no_match),  cmocka_unit_test(test_past),
        cmocka_unit_test(test_sampled), cmocka_unit_test(test_ambiguous), cmocka_unit_test(test_crowded),
        cmocka_unit_test(test_one_isn), cmocka_unit_test(test_left_out),  cmocka_unit_test(test_three),
        cmocka_unit_test(test_shown),   cmocka_unit_test(test_perhaps),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
