/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What keys do: cursor, sorting, views, filters; any keys at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "top/page.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define NOW (1000 * SW_SECOND)
#define ROOM 10

static const struct sw_hash_key key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};

struct fixture {
    struct sw_top_model m;
    struct sw_top_state s;
};

static struct sw_top_conn conn(__u16 client, __u16 server, __u64 bytes)
{
    struct sw_top_conn c = {.key = {.a_ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .b_ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}},
                            .phase = client == 9 ? SW_TOP_ENDED : SW_TOP_OPEN,
                            .state = {SW_ST_ESTABLISHED, SW_ST_ESTABLISHED},
                            .conn_state = SW_CS_S1,
                            .start_ns = NOW - client,
                            .handshake_ns = SW_TOP_UNKNOWN,
                            .ip_bytes = {bytes, 0}};

    c.key.a_port = htons(client);
    c.key.b_port = htons(server);
    return c;
}

/* A look: connections 1 and 9 (ended) of server 1, 2 of server 2, … with the bytes of a table by server. */
static void look(struct fixture *f, unsigned int servers, const __u64 *bytes)
{
    sw_top_model_begin(&f->m, f->m.ns ? f->m.ns + SW_SECOND : NOW);
    for (unsigned int i = 1; i <= servers; i++) {
        struct sw_top_conn c = conn(i, i, bytes ? bytes[i - 1] : 100);

        assert_int_equal(sw_top_model_conn(&f->m, &c), 0);
    }
    if (servers) {
        struct sw_top_conn c = conn(9, 1, 0);

        assert_int_equal(sw_top_model_conn(&f->m, &c), 0);
    }
    sw_top_model_end(&f->m);
    assert_int_equal(sw_top_state_rows(&f->s, &f->m, 80, ROOM), 0);
}

static void open_it(struct fixture *f, unsigned int servers, const __u64 *bytes)
{
    memset(f, 0, sizeof(*f));
    sw_top_model_init(&f->m, &key);
    sw_top_state_init(&f->s);
    look(f, servers, bytes);
}

static void close_it(struct fixture *f)
{
    sw_top_state_fini(&f->s);
    sw_top_model_fini(&f->m);
}

static void press(struct fixture *f, const char *keys)
{
    for (; *keys; keys++) {
        sw_top_state_key(&f->s, &f->m, *keys);
        assert_int_equal(sw_top_state_rows(&f->s, &f->m, 80, ROOM), 0);
    }
}

static void press_key(struct fixture *f, int k)
{
    sw_top_state_key(&f->s, &f->m, k);
    assert_int_equal(sw_top_state_rows(&f->s, &f->m, 80, ROOM), 0);
}

/* The server's or client's port of a row. */
static unsigned int port_of(const struct fixture *f, size_t row)
{
    assert_true(row < f->s.rows);
    if (f->s.view == SW_TOP_SERVERS)
        return ntohs(f->m.server[f->s.row[row].at].id.port);
    return ntohs(f->m.conn[f->s.row[row].at].key.a_port);
}

static void expect(const struct fixture *f, size_t cursor, size_t top)
{
    assert_int_equal(f->s.list[f->s.view].cursor, cursor);
    assert_int_equal(f->s.list[f->s.view].top, top);
}

static void test_cursor(void **state)
{
    struct fixture f;

    (void)state;
    open_it(&f, 25, NULL);
    press(&f, "jj");
    expect(&f, 2, 0);
    press(&f, "kkk");
    expect(&f, 0, 0);
    press_key(&f, SW_TOP_PAGE_DOWN);
    expect(&f, 10, 1);
    press_key(&f, SW_TOP_PAGE_DOWN);
    press_key(&f, SW_TOP_PAGE_DOWN);
    expect(&f, 24, 15);
    press_key(&f, SW_TOP_DOWN);
    expect(&f, 24, 15);
    press_key(&f, SW_TOP_PAGE_UP);
    expect(&f, 14, 14);
    press(&f, "g");
    expect(&f, 0, 0);
    press(&f, "G");
    expect(&f, 24, 15);
    look(&f, 3, NULL); /* shorter: the last one */
    expect(&f, 2, 0);
    look(&f, 0, NULL);
    expect(&f, 0, 0);
    press(&f, "jkgG\nj");
    press_key(&f, SW_TOP_PAGE_UP);
    assert_int_equal(f.s.rows, 0);
    assert_int_equal(f.s.view, SW_TOP_SERVERS);
    close_it(&f);
}

static void test_chosen_stays(void **state)
{
    const __u64 first[] = {100, 100, 100}, then[] = {100, 200, 9000};
    struct fixture f;

    (void)state;
    open_it(&f, 3, first);
    assert_int_equal(port_of(&f, 0), 1);
    press(&f, "j"); /* server 2 */
    look(&f, 3, then);
    assert_int_equal(port_of(&f, 0), 3); /* by rate */
    assert_int_equal(port_of(&f, 1), 2);
    expect(&f, 1, 0);
    press(&f, "g");
    look(&f, 3, (const __u64[]){90000, 200, 9000});
    assert_int_equal(port_of(&f, 0), 1);
    expect(&f, 0, 0); /* the first place stays the first place */
    press(&f, "G");   /* 3 or 2: the last */
    assert_int_equal(port_of(&f, 2), 3);
    look(&f, 2, (const __u64[]){90000, 200}); /* the chosen one has gone */
    expect(&f, 1, 0);
    close_it(&f);
}

static void test_views(void **state)
{
    struct fixture f;

    (void)state;
    open_it(&f, 3, NULL);
    press(&f, "\n");
    assert_true(f.s.opened && f.s.view == SW_TOP_CONNS);
    assert_int_equal(f.s.rows, 1); /* the ended one is left out */
    press(&f, "a");
    assert_int_equal(f.s.rows, 2);
    press(&f, "\n");
    assert_true(f.s.detail && !f.s.gone);
    press(&f, "jG\n"); /* nothing to move in */
    assert_true(f.s.detail);
    look(&f, 0, NULL);
    assert_true(f.s.gone);
    press_key(&f, SW_TOP_ESC);
    assert_true(!f.s.detail && f.s.opened);
    press_key(&f, SW_TOP_ESC);
    assert_true(!f.s.opened && f.s.view == SW_TOP_SERVERS);
    look(&f, 3, NULL);
    press(&f, "t");
    assert_int_equal(f.s.rows, 4);
    press(&f, "t");
    assert_int_equal(f.s.view, SW_TOP_SERVERS);
    press(&f, "jj\nt"); /* from a server's connections back to servers */
    assert_int_equal(f.s.view, SW_TOP_SERVERS);
    assert_false(f.s.opened);
    press(&f, "h");
    assert_true(f.s.help);
    press(&f, "\n");
    assert_false(f.s.help);
    press(&f, "p");
    assert_true(f.s.paused);
    press(&f, " ");
    assert_false(f.s.paused);
    press(&f, "q");
    assert_true(f.s.quit);
    close_it(&f);
}

static void test_sort(void **state)
{
    struct fixture f;
    int first;

    (void)state;
    open_it(&f, 3, (const __u64[]){100, 300, 200});
    assert_string_equal(sw_top_column_head(SW_TOP_SERVERS, f.s.sort[SW_TOP_SERVERS]), "B/s");
    press(&f, "js");
    assert_string_equal(sw_top_column_head(SW_TOP_SERVERS, f.s.sort[SW_TOP_SERVERS]), "BYTES");
    expect(&f, 0, 0);
    assert_int_equal(port_of(&f, 0), 2);
    assert_int_equal(port_of(&f, 2), 1);
    first = f.s.sort[SW_TOP_SERVERS];
    for (int i = 0; i < f.s.columns.len; i++)
        press(&f, "s");
    assert_int_equal(f.s.sort[SW_TOP_SERVERS], first);
    press(&f, "sS");
    assert_int_equal(f.s.sort[SW_TOP_SERVERS], first);
    f.s.sort[SW_TOP_SERVERS] = sw_top_column_find(SW_TOP_SERVERS, "CONNS"); /* not shown in 80 columns any more */
    press(&f, "s");
    assert_int_equal(f.s.sort[SW_TOP_SERVERS], 0);
    assert_int_equal(port_of(&f, 0), 1); /* by address and port */
    close_it(&f);
}

static void filter(struct fixture *f, const char *text, const char *wrong, size_t rows)
{
    press(f, "/");
    press_key(f, SW_TOP_CLEAR);
    press(f, text);
    press(f, "\n");
    assert_string_equal(f->s.wrong, wrong);
    assert_int_equal(f->s.typing, *wrong != 0);
    assert_int_equal(f->s.rows, rows);
}

static void test_filter(void **state)
{
    struct fixture f;

    (void)state;
    open_it(&f, 12, NULL);
    filter(&f, "port:3", "", 1);
    filter(&f, "server:3,5-7", "", 4);
    filter(&f, "10.0.0.2:1", "", 4); /* 1, 10, 11, 12 */
    filter(&f, "not-net:10.0.0.0/8", "", 0);
    filter(&f, "state:s1 :7", "", 1);
    filter(&f, "STATE:s1", "", 0); /* no such text */
    filter(&f, "state:listen", "", 0);
    filter(&f, "state:nowhere", "there is no state 'nowhere'", 0);
    press_key(&f, SW_TOP_BACKSPACE);
    assert_string_equal(f.s.typed, "state:nowher");
    assert_string_equal(f.s.wrong, "");
    press_key(&f, SW_TOP_ESC);
    assert_false(f.s.typing);
    assert_string_equal(f.s.shown, "state:listen");
    filter(&f, "a b c d e f g h i", "more than 8 words of text", 0);
    press_key(&f, SW_TOP_ESC);
    press_key(&f, SW_TOP_ESC); /* without a filter */
    assert_string_equal(f.s.shown, "");
    assert_int_equal(f.s.rows, 12);
    press(&f, "/q");
    assert_false(f.s.quit);
    for (int i = 0; i < 2 * SW_TOP_FILTER_TEXT; i++)
        press(&f, "x");
    assert_int_equal(strlen(f.s.typed), SW_TOP_FILTER_TEXT - 1);
    press(&f, "\n");
    assert_int_equal(f.s.rows, 0);
    close_it(&f);
}

/* Whatever is pressed, on screens of any size: every line fits, and is printable. */
static void test_any_keys(void **state)
{
    static const int keys[] = {'j',
                               'k',
                               'g',
                               'G',
                               's',
                               'S',
                               't',
                               'a',
                               'p',
                               ' ',
                               'h',
                               '?',
                               '/',
                               'x',
                               ':',
                               SW_TOP_ENTER,
                               SW_TOP_ENTER,
                               SW_TOP_ESC,
                               SW_TOP_UP,
                               '1',
                               SW_TOP_END,
                               SW_TOP_CLEAR,
                               SW_TOP_DOWN,
                               SW_TOP_PAGE_DOWN,
                               SW_TOP_PAGE_UP,
                               SW_TOP_HOME,
                               'z',
                               SW_TOP_BACKSPACE};
    static struct sw_top_page page;
    struct sw_top_guard guard = {.there = true};
    struct sw_top_service service = {.name = "[2001:db8:1234:5678:9abc:def0:1234:5678]:54321"};
    struct sw_top_info info = {.who = "pid 1 (\033[31m\n)", .clock = "12:34:56", .events_read = true, .lost = 1};
    struct fixture f;

    (void)state;
    srand(1);
    open_it(&f, 30, NULL);
    assert_int_equal(sw_top_guard_put(&guard, &service), 0);
    for (int i = 0; i < 30000; i++) {
        int width = rand() % 5 ? 80 + rand() % 400 : rand() % 100 + 1;
        int height = rand() % 5 ? 24 + rand() % 200 : rand() % 30 + 1;

        if (i % 97 == 0)
            look(&f, rand() % 40, NULL);
        sw_top_state_key(&f.s, &f.m, keys[rand() % (sizeof(keys) / sizeof(keys[0]))]);
        assert_int_equal(
            sw_top_state_rows(&f.s, &f.m, width < 80 ? 80 : width, sw_top_page_rows(&guard, width, height)), 0);
        sw_top_page_make(&page, &f.m, &f.s, &guard, &info, width, height);
        assert_true(page.len > 0 && page.len <= height);
        assert_true(page.cursor < width);
        for (int y = 0; y < page.len; y++) {
            assert_true(strlen(page.line[y].text) <= (size_t)width);
            for (const char *c = page.line[y].text; *c; c++)
                assert_true(*c >= ' ' && *c < 0x7f);
        }
    }
    sw_top_guard_fini(&guard);
    close_it(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cursor), cmocka_unit_test(test_chosen_stays), cmocka_unit_test(test_views),
        cmocka_unit_test(test_sort),   cmocka_unit_test(test_filter),       cmocka_unit_test(test_any_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
