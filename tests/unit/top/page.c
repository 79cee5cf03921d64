/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The screen: which columns fit, what stands in them, the guard's part, a connection's details. */
#include "lines.h"

#include "top/detail.h"
#include "top/page.h"
#include "top/text.h"

#define NOW (100000 * SW_SECOND)

static const struct sw_top_cells cells = {.now = NOW, .span_ns = 2 * SW_SECOND, .events_read = true};

static struct sw_top_conn conn(void)
{
    struct sw_event ev = sample(SW_EV_CONN);
    struct sw_top_conn c;

    ev.flow.flags = SW_F_ESTABLISHED;
    ev.flow.end[SW_ORIG].state = ev.flow.end[SW_RESP].state = SW_ST_ESTABLISHED;
    sw_top_conn_of(&ev.key, &ev.flow, &c);
    return c;
}

static void test_columns(void **state)
{
    struct sw_top_columns narrow, c;
    char buf[SW_TOP_ROW_ROOM];

    (void)state;
    for (int view = SW_TOP_SERVERS; view <= SW_TOP_CONNS; view++) {
        sw_top_columns_fit(view, SW_TOP_MIN_WIDTH, &narrow);
        for (int width = SW_TOP_MIN_WIDTH; width < 600; width++) {
            sw_top_columns_fit(view, width, &c);
            assert_true(c.len >= narrow.len);                           /* wider: more of them */
            assert_true(c.first >= (view == SW_TOP_SERVERS ? 24 : 46)); /* addresses of IPv4 as they are */
            sw_top_head_text(&c, c.id[c.len - 1], buf);
            assert_true((int)strlen(buf) <= width);
            assert_non_null(strchr(buf, '*'));
        }
    }
    sw_top_columns_fit(SW_TOP_SERVERS, 80, &c);
    sw_top_head_text(&c, sw_top_column_find(SW_TOP_SERVERS, "BYTES"), buf);
    assert_string_equal(buf, "SERVER                     OPEN  HALF NEW/s   B/s*BYTES  HANDS REFUS RESET NOANS");
    sw_top_columns_fit(SW_TOP_CONNS, 80, &c);
    sw_top_head_text(&c, 0, buf);
    assert_string_equal(buf, "*CLIENT -> SERVER                                 STATE   AGE  HANDS   B/s BYTES");
}

static void test_server_cells(void **state)
{
    struct sw_top_server s = {.id = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = htons(80)},
                              .open = 12345,
                              .half = 1,
                              .begun = 20001,
                              .rate = 6600000,
                              .bytes = 9999,
                              .handshakes = 4,
                              .handshake_sum = 400000,
                              .failed = {1, 2, 3}};
    struct sw_top_cells unknown = {.now = NOW};
    struct sw_top_columns c;
    char buf[SW_TOP_ROW_ROOM];

    (void)state;
    sw_top_columns_fit(SW_TOP_SERVERS, 80, &c);
    sw_top_server_text(&c, &cells, &s, buf);
    assert_string_equal(buf, "10.0.0.2:80                 12k     1   10k  6.6M  9999  100us     1     2     3");
    s.handshakes = 0;
    sw_top_server_text(&c, &unknown, &s, buf); /* no look before, no events */
    assert_string_equal(buf, "10.0.0.2:80                 12k     1     -     -  9999      -     -     -     -");
    memcpy(s.id.ip, (__u8[16]){0x20, 1, 0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34, 1, 2},
           16);
    s.id.port = htons(54321);
    sw_top_server_text(&c, &unknown, &s, buf);
    assert_int_equal(strlen(buf), 80);
}

static void test_conn_cells(void **state)
{
    struct sw_top_conn c = conn();
    struct sw_top_columns columns;
    char buf[SW_TOP_ROW_ROOM];

    (void)state;
    c.start_ns = NOW - 12 * SW_SECOND;
    c.rate = 1234;
    sw_top_columns_fit(SW_TOP_CONNS, 80, &columns);
    sw_top_conn_text(&columns, &cells, &c, buf);
    assert_string_equal(buf, "10.0.0.1:40000 -> 10.0.0.2:80                     estab   12s  344ns  1234  1001");
    c.phase = SW_TOP_ENDED;
    for (int why = 0; why < SW_WHY_MAX; why++) { /* none is cut */
        c.reason = why;
        assert_true(strlen(sw_top_conn_state(&c)) <= 8);
    }
    c.phase = SW_TOP_HALF_OPEN;
    assert_string_equal(sw_top_conn_state(&c), "rcvd");
    c.answered = 0;
    assert_string_equal(sw_top_conn_state(&c), "sent");
}

static void test_phases(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    struct sw_top_conn c;

    (void)state;
    ev.flow.flags = 0;
    sw_top_conn_of(&ev.key, &ev.flow, &c);
    assert_int_equal(c.phase, SW_TOP_HALF_OPEN);
    ev.flow.flags = SW_F_MIDSTREAM;
    sw_top_conn_of(&ev.key, &ev.flow, &c);
    assert_int_equal(c.phase, SW_TOP_OPEN);
    ev.flow.end[SW_RESP].did |= SW_E_FIN;
    sw_top_conn_of(&ev.key, &ev.flow, &c);
    assert_int_equal(c.phase, SW_TOP_CLOSING);
    ev.flow.flags |= SW_F_ENDED;
    sw_top_conn_of(&ev.key, &ev.flow, &c);
    assert_int_equal(c.phase, SW_TOP_ENDED);
    assert_int_equal(c.handshake_ns, 344);
    assert_int_equal(c.server_ns, 300);
    assert_int_equal(c.client_ns, 44);
    ev.flow.est_ns = 0;
    sw_top_conn_of(&ev.key, &ev.flow, &c);
    assert_true(c.handshake_ns == SW_TOP_UNKNOWN && c.client_ns == SW_TOP_UNKNOWN);
}

static void test_guard(void **state)
{
    struct sw_service service = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .mode = SW_GM_AUTO, .half_open = 4032};
    struct sw_svc_counters counters = {.item = {[SW_T_COOKIES_SENT] = 346000}, .drop = {[SW_DROP_RST] = 2}};
    struct sw_top_guard g = {0};
    struct sw_top_service s;
    char buf[128];

    (void)state;
    for (int i = 0; i < 4; i++) {
        service.port = htons(80 + i);
        service.state = i == 1 ? SW_GS_GRACE : i == 2 ? SW_GS_ENGAGED : SW_GS_CALM;
        service.syn_rate = i == 3 ? 5 : 0;
        service.since = i ? NOW - 12 * SW_SECOND : 0;
        sw_top_service_of(&service, &counters, NOW, &s);
        assert_int_equal(sw_top_guard_put(&g, &s), 0);
        assert_int_equal(sw_top_guard_put(&g, &s), 0); /* the same again */
    }
    sw_top_guard_sort(&g);
    assert_int_equal(g.len, 4);
    assert_int_equal(g.active, 2);
    sw_top_guard_text(&g.service[0], 80, buf);
    assert_string_equal(buf, "10.0.0.2:82                 auto    engaged   12s  4032     0  346k      0     2");
    assert_string_equal(g.service[1].name, "10.0.0.2:81");
    assert_string_equal(g.service[2].name, "10.0.0.2:83");
    sw_top_guard_text(&g.service[3], 80, buf);
    assert_non_null(strstr(buf, "calm        -  4032"));
    for (int width = 80; width < 128; width++) {
        sw_top_guard_text(&g.service[0], width, buf);
        assert_true((int)strlen(buf) <= width);
        sw_top_guard_head(width, buf);
        assert_true((int)strlen(buf) <= width);
    }
    sw_top_guard_fini(&g);
}

static void test_text(void **state)
{
    char buf[16];

    (void)state;
    sw_top_clean("a\033[31m\xc2\x9b\x7f\nb", 99, buf, sizeof(buf));
    assert_string_equal(buf, "a?[31m????b");
    sw_top_clean("abcdefgh", 3, buf, sizeof(buf));
    assert_string_equal(buf, "abc");
    sw_top_clean("abcdefgh", 99, buf, 4);
    assert_string_equal(buf, "abc");
    sw_top_fit_text("abcdefghij", 5, buf);
    assert_string_equal(buf, "ab~ij");
    sw_top_fit_text("abcde", 5, buf);
    assert_string_equal(buf, "abcde");
}

static void test_detail(void **state)
{
    struct sw_instance inst = {.len = 1, .ifaces = {{.ifindex = 3, .name = "e\033[0m"}}};
    struct sw_top_detail_info info = {.now = 1700000001123456789ull, .utc = true, .inst = &inst};
    struct sw_top_conn c = conn();
    struct sw_top_detail d;

    (void)state;
    memcpy(c.hist, "Sh\033\n", 4);
    c.hist_len = 4;
    c.ifindex = 3;
    sw_top_detail_make(&d, &c, &info);
    for (int i = 0; i < d.len; i++) {
        assert_true(strlen(d.line[i]) <= 80);
        for (const char *p = d.line[i]; *p; p++)
            assert_true(*p >= ' ' && *p < 0x7f);
    }
    assert_string_equal(d.line[1], "client        10.0.0.1:40000");
    assert_string_equal(d.line[3], "interface     e?[0m");
    assert_string_equal(d.line[5], "history       Sh??");
    assert_string_equal(d.line[6], "begun         2023-11-14 22:13:20.118, 1 s ago; last segment 1 s ago");
    assert_string_equal(d.line[7], "handshake     344 ns; the server's part 300 ns, the client's 44 ns");
    assert_string_equal(d.line[10], "packets                          5                    6");
}

/* Only of ends that are this host's; whatever a name has, a line has 80 columns of printable ASCII. */
static void test_detail_owner(void **state)
{
    static struct sw_top_owner owner;
    const struct sw_top_detail_info info = {.now = NOW, .utc = true, .owner = &owner};
    struct sw_top_conn c = conn();
    struct sw_top_detail d;

    (void)state;
    c.local = 1 << SW_RESP;
    sw_top_detail_make(&d, &c, &info);
    assert_string_equal(d.line[3], "server is     not known");
    c.local |= 1 << SW_ORIG;
    memset(owner.text[SW_ORIG], 'x', SW_TEXT_OWNER - 1);
    memcpy(owner.text[SW_ORIG], "a\xff\033", 3);
    strcpy(owner.text[SW_RESP], "nginx[12] in /web");
    sw_top_detail_make(&d, &c, &info);
    assert_int_equal(strlen(d.line[3]), 80);
    assert_int_equal(strncmp(d.line[3], "client is     a??xxxx", 21), 0);
    assert_string_equal(d.line[4], "server is     nginx[12] in /web");
    assert_true(d.len <= SW_TOP_DETAIL_LINES && !strncmp(d.line[d.len - 1], "rate ", 5));
}

/* Help is read, not cut. */
static void test_help(void **state)
{
    static struct sw_top_page page;
    const struct sw_top_info info = {.who = "pid 1"};
    const struct sw_top_guard none = {0};
    struct sw_top_model m = {0};
    struct sw_top_state s;

    (void)state;
    sw_top_state_init(&s);
    s.help = true;
    sw_top_page_make(&page, &m, &s, &none, &info, 80, 24);
    assert_int_equal(page.len, 24);
    for (int y = 2; y < page.len; y++)
        assert_true(strlen(page.line[y].text) < 80);
    assert_non_null(strstr(page.line[19].text, "NOANS")); /* its last line is there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns), cmocka_unit_test(test_server_cells), cmocka_unit_test(test_conn_cells),
        cmocka_unit_test(test_phases),  cmocka_unit_test(test_guard),        cmocka_unit_test(test_text),
        cmocka_unit_test(test_detail),  cmocka_unit_test(test_detail_owner), cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
