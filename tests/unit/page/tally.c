/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Event lines to numbers and page: known answers, what is unknown, hostile text, bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "page/data.h"
#include "page/page.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TS "\"schema\":3,\"seq\":%d,\"ts\":\"2026-11-28T08:17:%02d.000000000Z\",\"host\":\"h\",\"iface\":\"eth0\","

enum { ROWS = 10 };

/* mallinfo(3) knows nothing of the sanitizer's allocator; without it (coverage) this is not there. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated(void)
{
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes() : 1;
}

/* One line, as the reader would hand it over. */
static void give(struct sw_tally *t, const char *fmt, ...)
{
    struct json_object *object;
    char text[16384];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    object = json_tokener_parse(text);
    assert_non_null(object);
    assert_int_equal(sw_tally_add(t, (const struct sw_line *)object, text, strlen(text)), 0);
    json_object_put(object);
}

static void conn(struct sw_tally *t, int seq, const char *reason, const char *resp, int port, const char *handshake)
{
    give(t,
         "{" TS "\"event\":\"conn\",\"uid\":\"C%d\",\"orig_ip\":\"10.0.0.%d\",\"orig_port\":4000,\"resp_ip\":\"%s\","
         "\"resp_port\":%d,\"reason\":\"%s\",\"syn_rexmit\":2,\"handshake_ns\":%s,\"server_ns\":null,"
         "\"start\":\"2026-11-28T08:16:%02d.000000000Z\"}",
         seq, seq % 60, seq, 1 + seq % 3, resp, port, reason, handshake, seq % 60);
}

static struct sw_tally *tally(void)
{
    struct sw_tally *t;

    assert_int_equal(sw_tally_new(ROWS, &t), 0);
    sw_tally_file(t);
    return t;
}

/* What the page's scripts get. */
static struct json_object *data_of(struct sw_tally *t)
{
    static const char *files[] = {"a</script>\n\"b", "-", NULL};
    struct json_object *object;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    sw_page_data(t, files, out);
    fclose(out);
    assert_null(strchr(text, '<'));
    object = json_tokener_parse(text);
    if (!object)
        fail_msg("no JSON: %s", text);
    free(text);
    return object;
}

/* "outcomes" or "servers/list/0/at", as JSON text */
static void expect(struct json_object *at, const char *path, const char *want)
{
    char name[64];

    for (const char *p = path; *p; p += strcspn(p, "/"), p += *p == '/') {
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, "/"), p);
        if (json_object_is_type(at, json_type_array))
            at = json_object_array_get_idx(at, atoi(name));
        else if (!json_object_object_get_ex(at, name, &at))
            fail_msg("%s: no %s", path, name);
    }
    if (strcmp(json_object_to_json_string_ext(at, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), want))
        fail_msg("%s: %s, expected %s", path, json_object_to_json_string(at), want);
}

static void test_connections(void **state)
{
    struct sw_tally *t = tally();
    struct json_object *d;

    (void)state;
    for (int i = 1; i <= 100; i++) {
        char ns[16];
        snprintf(ns, sizeof(ns), "%d", i * 1000);
        conn(t, i, "fin", "192.0.2.1", 443, ns);
    }
    conn(t, 101, "refused", "2001:db8::1", 22, "null");
    conn(t, 102, "refused", "2001:db8::1", 22, "null");
    conn(t, 103, "refused", "192.0.2.1", 443, "null");
    conn(t, 104, "reset", "192.0.2.1", 443, "null");
    conn(t, 105, "aborted", "192.0.2.1", 443, "null");
    conn(t, 106, "unanswered", "192.0.2.9", 80, "null");
    conn(t, 107, "timeout", "192.0.2.9", 80, "null");
    conn(t, 108, "end_of_input", "192.0.2.9", 80, "null");
    conn(t, 109, "a reason of next year", "192.0.2.9", 80, "null");
    d = data_of(t);
    expect(d, "outcomes", "[100,2,3,1,1,2]");
    expect(d, "spans/n", "100");
    expect(d, "spans/handshake", "[50000,90000,99000,100000]");
    expect(d, "spans/server", "[0,0,0,0]");
    expect(d, "kinds/conn", "109");
    expect(d, "servers/list/0/at", "\"192.0.2.1:443\"");
    expect(d, "servers/list/0/outcomes", "[100,2,1,0,0,0]");
    expect(d, "servers/list/0/rexmit", "206");
    expect(d, "servers/list/0/handshake", "[50000,90000,99000,100000]");
    expect(d, "tops/refused/servers/list", "[[\"[2001:db8::1]:22\",2],[\"192.0.2.1:443\",1]]");
    expect(d, "tops/unanswered/servers/list", "[[\"192.0.2.9:80\",1]]");
    expect(d, "tops/reset/clients/total", "2");
    expect(d, "loss",
           "{\"lost\":0,\"missing\":0,\"restarts\":0,\"by\":{\"opening\":0,\"established\":0,\"half_closed\":0,"
           "\"closed\":0,\"reset\":0,\"refused\":0,\"timeout\":0,\"reused\":0,\"midstream\":0,\"anomaly\":0,"
           "\"update\":0,\"conn\":0,\"guard\":0}}");
    json_object_put(d);
    sw_tally_free(t);
}

/* Where established lines are there they tell of the handshakes, also of connections that are still open. */
static void test_established(void **state)
{
    struct sw_tally *t = tally();
    struct json_object *d;

    (void)state;
    for (int i = 1; i <= 3; i++)
        give(
            t,
            "{" TS
            "\"event\":\"established\",\"resp_ip\":\"192.0.2.1\",\"resp_port\":443,\"handshake_ns\":%d,\"server_ns\":1,"
            "\"client_ns\":2}",
            i, i, i * 10);
    conn(t, 4, "fin", "192.0.2.1", 443, "10");
    d = data_of(t);
    expect(d, "spans/n", "3");
    expect(d, "servers/list/0/handshake", "[20,30,30,30]");
    expect(d, "servers/list/0/outcomes", "[1,0,0,0,0,0]");
    json_object_put(d);
    sw_tally_free(t);
}

static void test_guard(void **state)
{
    struct sw_tally *t = tally();
    struct json_object *d;

    (void)state;
    give(t,
         "{" TS "\"event\":\"guard\",\"service\":\"0.0.0.0:80\",\"mode\":\"auto\",\"from\":\"calm\",\"to\":\"engaged\","
         "\"cause\":\"half_open\",\"half_open\":900,\"half_open_threshold\":512,\"syn_rate\":5000,\"syn_rate_"
         "threshold\":1000,"
         "\"completed_rate\":3,\"dry_run\":false}",
         1, 1);
    give(t,
         "{" TS
         "\"event\":\"service\",\"service\":\"0.0.0.0:80\",\"mode\":\"auto\",\"state\":\"engaged\",\"half_open\":1200,"
         "\"syn_rate\":100,\"completed_rate\":7,\"cookies_sent\":18446744073709551615,\"dropped\":12}",
         2, 1);
    give(t, "{" TS "\"event\":\"drop\",\"service\":null,\"reason\":\"cookie_bad\",\"count\":40,\"dry_run\":false}", 3,
         2);
    give(t, "{" TS "\"event\":\"drop\",\"service\":null,\"reason\":\"cookie_bad\",\"count\":2,\"dry_run\":false}", 4,
         2);
    give(t, "{" TS "\"event\":\"drop\",\"service\":null,\"reason\":\"rst\",\"count\":5,\"dry_run\":true}", 5, 2);
    give(t, "{" TS "\"event\":\"service\",\"service\":null,\"state\":\"calm\"}", 6, 2);
    d = data_of(t);
    expect(d, "services/0/name", "\"0.0.0.0:80\"");
    expect(d, "services/0/state", "\"engaged\"");
    expect(d, "services/0/halfOpenThreshold", "512");
    expect(d, "services/0/cookiesSent", "18446744073709551615");
    expect(d, "services/0/line/halfOpen", "[1200]");
    expect(d, "services/0/line/synRate", "[5000]");
    expect(d, "services/0/changes/0/to", "\"engaged\"");
    expect(d, "drops/list", "[[\"cookie_bad\",42]]");
    expect(d, "wouldDrops/list", "[[\"rst\",5]]");
    json_object_put(d);
    sw_tally_free(t);
}

static void test_losses(void **state)
{
    struct sw_tally *t = tally();
    struct json_object *d;

    (void)state;
    conn(t, 5, "fin", "192.0.2.1", 443, "1"); /* the first of a file: what came before is in another one */
    give(t, "{" TS "\"event\":\"loss\",\"lost\":7,\"lost_conn\":4,\"lost_opening\":3}", 13, 1);
    conn(t, 14, "fin", "192.0.2.1", 443, "1");
    conn(t, 17, "fin", "192.0.2.1", 443, "1"); /* two lines were taken out */
    conn(t, 2, "fin", "192.0.2.1", 443, "1");  /* another process, and its first line is missing */
    d = data_of(t);
    expect(d, "loss/lost", "7");
    expect(d, "loss/missing", "10");
    expect(d, "loss/restarts", "1");
    expect(d, "loss/by/conn", "4");
    expect(d, "loss/by/opening", "3");
    expect(d, "line/lost/0", "0");
    json_object_put(d);

    sw_tally_file(t); /* the next file begins where it likes */
    conn(t, 900, "fin", "192.0.2.1", 443, "1");
    d = data_of(t);
    expect(d, "loss/missing", "10");
    json_object_put(d);
    sw_tally_free(t);
}

/* One that began days ago, or before the clock was set, does not make the bins long. */
static void test_early(void **state)
{
    struct sw_tally *t = tally();
    struct json_object *d;

    (void)state;
    conn(t, 1, "fin", "192.0.2.1", 443, "1");
    give(t, "{" TS "\"event\":\"conn\",\"reason\":\"fin\",\"start\":\"1970-01-01T00:00:09.000000000Z\"}", 2, 2);
    give(t, "{" TS "\"event\":\"conn\",\"reason\":\"fin\",\"start\":\"2026-11-28T08:12:00.000000000Z\"}", 3, 3);
    give(t, "{" TS "\"event\":\"conn\",\"reason\":\"fin\",\"start\":\"2026-11-28T08:12:01.000000000Z\"}", 4, 4);
    d = data_of(t);
    expect(d, "early", "2");
    expect(d, "outcomes", "[4,0,0,0,0,0]");
    expect(d, "line/width", "500");
    json_object_put(d);
    sw_tally_free(t);
}

/* docs/events.md: what a reader does not know it ignores; another schema means other things. */
static void test_unknown(void **state)
{
    struct sw_tally *t = tally();
    struct json_object *d;

    (void)state;
    give(t, "{" TS "\"event\":\"news\",\"resp_ip\":\"192.0.2.1\"}", 1, 1);
    give(t, "{" TS "\"event\":\"conn\",\"reason\":\"fin\",\"pid\":7,\"resp_ip\":{},\"resp_port\":\"x\",\"vlan\":[1,2]}",
         2, 1);
    give(t, "{" TS "\"event\":\"conn\",\"reason\":null,\"resp_ip\":\"nonsense\",\"resp_port\":99999}", 3, 1);
    give(t, "{\"schema\":2,\"seq\":900,\"event\":\"conn\",\"reason\":\"fin\"}");
    give(t, "{\"event\":\"conn\"}");
    give(t, "{" TS "\"event\":17}", 4, 1);
    give(t, "{}");
    d = data_of(t);
    expect(d, "outcomes", "[1,0,0,0,0,1]");
    expect(d, "unknown", "2");
    expect(d, "otherSchema", "3");
    expect(d, "servers/list", "[]");
    expect(d, "loss/missing", "0");
    json_object_put(d);
    sw_tally_free(t);
}

static char *page_of(struct sw_tally *t)
{
    static const char *files[] = {"</script><script>alert(1)</script>", NULL};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    sw_page_write(t, files, out);
    fclose(out);
    return text;
}

static int times(const char *text, const char *what)
{
    int n = 0;

    while ((text = strstr(text, what))) {
        text += strlen(what);
        n++;
    }
    return n;
}

/* No text of a line begins or ends an element; the page is the same but for its numbers. */
static void test_hostile(void **state)
{
    static const char evil[] = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>";
    struct sw_tally *t = tally(), *none = tally();
    char *page, *plain = page_of(none);

    (void)state;
    give(t, "{\"schema\":3,\"event\":\"conn\",\"host\":\"%s\",\"iface\":\"%s\",\"reason\":\"%s\",\"uid\":\"%s\"}", evil,
         evil, evil, evil);
    give(t, "{\"schema\":3,\"event\":\"drop\",\"host\":\"%s\",\"reason\":\"%s\",\"count\":1}", evil, evil);
    give(t,
         "{\"schema\":3,\"event\":\"guard\",\"ts\":\"2026-11-28T08:17:01Z\",\"service\":\"%s\",\"from\":\"%s\",\"to\":"
         "\"%s\",\"cause\":\"%s\",\"mode\":\"%s\"}",
         evil, evil, evil, evil, evil);
    give(t, "{\"schema\":3,\"event\":\"anomaly\",\"anomaly\":\"%s\"}", evil);
    page = page_of(t);
    assert_int_equal(times(page, "<script"), times(plain, "<script"));
    assert_int_equal(times(page, "</script"), times(plain, "</script"));
    assert_int_equal(times(page, "<script"), 3);
    assert_int_equal(times(page, "<!--"), times(plain, "<!--"));
    assert_int_equal(times(page, "<img"), 0);
    assert_true(times(page, "\\u003c/script>") > 4);
    free(page);
    free(plain);
    sw_tally_free(t);
    sw_tally_free(none);
}

/* Cut names may end within a character, and long ones go in pieces: still UTF-8, and whole where they fit. */
static void test_strings(void **state)
{
    char name[2000], want[2100], *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    for (size_t i = 0; i + 3 < sizeof(name); i += 3)
        memcpy(name + i, "\xe2\x82\xac", 4); /* the euro sign: pieces do not end between two of them */
    sw_page_string(name, out);
    fclose(out);
    snprintf(want, sizeof(want), "\"%s\"", name);
    assert_string_equal(text, want);
    free(text);

    text = NULL;
    out = open_memstream(&text, &len);
    sw_page_string("\xe2\x82", out);
    sw_page_string("<\x1b\"\\", out);
    fclose(out);
    assert_string_equal(text, "\"\xef\xbf\xbd\"\"\\u003c\\u001b\\\"\\\\\"");
    free(text);
}

/* As many servers, services, reasons, changes and rows as there are lines: memory ends to grow. */
static void test_bounded(void **state)
{
    struct sw_tally *t = tally();
    struct json_object *d;
    size_t before = 0;
    __u64 more = 0;

    (void)state;
    for (int i = 1; i <= 30000; i++) {
        if (i == 15000)
            before = allocated();
        give(t,
             "{\"schema\":3,\"seq\":%d,\"ts\":\"2026-11-%02dT08:17:01Z\",\"host\":\"h%d\",\"event\":\"conn\",\"orig_"
             "ip\":\"10.%d.%d.1\","
             "\"resp_ip\":\"10.1.%d.%d\",\"resp_port\":%d,\"reason\":\"refused\",\"handshake_ns\":%d,\"server_ns\":1,"
             "\"client_ns\":1}",
             i, 1 + i % 28, i, i >> 8, i & 255, i >> 8, i & 255, 1 + i % 60000, i);
        give(t,
             "{\"schema\":3,\"ts\":\"2026-11-28T08:17:01Z\",\"event\":\"%s\",\"service\":\"s%d\",\"reason\":\"r%d\","
             "\"count\":1,"
             "\"from\":\"calm\",\"to\":\"engaged\",\"half_open\":%d}",
             i % 3 ? i % 3 == 1 ? "guard" : "service" : "drop", i % 7 ? i : 0, i, i);
    }
    d = data_of(t);
    expect(d, "outcomes", "[0,0,30000,0,0,0]");
    expect(d, "tops/refused/servers/total", "30000");
    expect(d, "servers/over", "true");
    json_object_put(d);
    assert_true(before && allocated() < before + 3000000);
    assert_int_equal(t->services.len, SW_SERVICES_MAX);
    for (size_t i = 0; i < t->services.len; i++)
        if (!strcmp(t->services.at[i]->name, "s0") && t->services.at[i]->changes == SW_CHANGES_MAX)
            more = t->services.at[i]->changes_more;
    assert_int_equal(more, 1029);
    sw_tally_free(t);
}

static void count_row(void *arg, const struct sw_row *row)
{
    (void)row;
    ++*(int *)arg;
}

/* The last of each outcome, the slowest of all, and nothing longer than a row may be. */
static void test_rows(void **state)
{
    struct sw_tally *t = tally();
    int rows = 0;
    char *page;

    (void)state;
    conn(t, 1, "fin", "192.0.2.1", 443, "999999");
    for (int i = 2; i <= 1000; i++)
        conn(t, i, "fin", "192.0.2.1", 443, "10");
    conn(t, 1001, "reset", "192.0.2.1", 443, "null");
    give(t, "{" TS "\"event\":\"conn\",\"reason\":\"fin\",\"x\":\"%013000d\"}", 1002, 1, 0);
    sw_rows_each(&t->rows, count_row, &rows);
    assert_int_equal(rows, ROWS + 1 + SW_ROWS_SLOW);
    assert_int_equal(t->rows.too_long, 1);
    page = page_of(t);
    assert_int_equal(times(page, "\"uid\":\"C1\""), 1);
    assert_int_equal(times(page, "\"uid\":\"C1000\""), 1);
    assert_int_equal(times(page, "\"uid\":\"C991\""), 1);
    assert_int_equal(times(page, "\"uid\":\"C990\""), 0);
    assert_int_equal(times(page, "\"uid\":\"C1001\""), 1);
    free(page);
    sw_tally_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections), cmocka_unit_test(test_established), cmocka_unit_test(test_guard),
        cmocka_unit_test(test_losses),      cmocka_unit_test(test_unknown),     cmocka_unit_test(test_early),
        cmocka_unit_test(test_hostile),     cmocka_unit_test(test_strings),     cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
