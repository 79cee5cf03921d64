/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lines of one reader: its numbers, its queue, and that what it received and what it lost is what matched. */
#include "lines.h"
#include "output/format.h"
#include "readers/reader.h"

static struct sw_lines names;
static struct sw_reader_lines r;
static char *got; /* all that was read, terminated */
static size_t got_len, got_room;

static void begin(enum sw_format format, __u32 mask, size_t bytes)
{
    memset(&names, 0, sizeof(names));
    assert_int_equal(sw_lines_init(&names, &live), 0);
    memset(&r, 0, sizeof(r));
    r.wants.format = format;
    r.wants.event_mask = mask;
    assert_int_equal(sw_reader_open(&r, bytes), 0);
    got_len = got_room = 0;
}

static void end(void)
{
    sw_reader_close(&r);
    sw_lines_fini(&names);
    free(got);
    got = NULL;
}

/* The reader takes so much. */
static void take_bytes(size_t most)
{
    while (most && r.queue.len) {
        size_t n;
        const char *from = sw_queue_oldest(&r.queue, &n);

        n = n < most ? n : most;
        if (got_room < got_len + n + 1)
            got = realloc(got, got_room = 2 * (got_len + n + 1));
        assert_non_null(got);
        memcpy(got + got_len, from, n);
        got_len += n;
        got[got_len] = 0;
        sw_queue_drop(&r.queue, n);
        most -= n;
    }
}

static void one_event(enum sw_event_kind kind)
{
    struct sw_event ev = sample(kind);
    char *line = malloc(sw_lines_room(&names));
    char *to = sw_formatter(r.wants.format)->event(&names, 0, &ev, line);

    sw_reader_event(&r, kind, line, to - line, &names, ev.ts);
    free(line);
}

static void test_numbers(void **state)
{
    struct sw_report_stats stats = {.lost_total = 7};

    (void)state;
    begin(SW_FORMAT_JSON, ALL_LINES, 1 << 20);
    for (int i = 0; i < 120; i++)
        one_event(SW_EV_CONN);
    sw_reader_stats(&r, &stats, 5, &names, 1);
    sw_reader_say_lost(&r, &names, 1, false); /* nothing */
    take_bytes(~0u);
    valid(got, 121);
    for (int i = 0; i < 121; i++)
        assert_int_equal(number(line_n(got, i), "\"seq\":"), i + 1);
    has(line_n(got, 120), "\"lost_total\":5,");
    end();
}

/* In a document of ECS the number is inside. */
static void test_numbers_of_ecs(void **state)
{
    char output[4096];

    (void)state;
    begin(SW_FORMAT_ECS, ALL_LINES, 1 << 20);
    for (int i = 0; i < 120; i++)
        one_event(i % SW_EV_ANOMALY);
    take_bytes(~0u);
    for (int i = 0; i < 120; i++)
        assert_int_equal(number(line_n(got, i), "\"sequence\":"), i + 1);
    assert_int_equal(schema_check("--ecs", got, got_len, output, sizeof(output)), 0);
    assert_string_equal(output, "120 lines valid\n");
    end();
}

/* What is made for one reader alone has its sample, and no other's; nothing of it stays with the daemon. */
static void test_sample(void **state)
{
    struct sw_report_stats stats = {.lost_total = 7};
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 2};

    (void)state;
    begin(SW_FORMAT_JSON, ALL_LINES, 1 << 20);
    names.sample = 5; /* run's own */
    r.wants.sample = 3;
    sw_reader_stats(&r, &stats, 5, &names, 1);
    sw_reader_lost(&r, lost);
    sw_reader_say_lost(&r, &names, 1, false);
    assert_int_equal(names.sample, 5);
    assert_int_equal(r.wants.sample, 3);
    take_bytes(~0u);
    valid(got, 2);
    has(got, "\"seq\":1,\"sample\":3,");
    has(line_n(got, 1), "\"seq\":4,\"sample\":3,");
    end();
}

/* Zeek's format has rows alone: what is lost, and that the end is a regular one, the reader gets to know by lines that
 * it does not pass on. */
static void test_zeek(void **state)
{
    __u64 before[SW_LOSSES] = {[SW_EV_CONN] = 3, [SW_EV_OPENING] = 9};
    struct sw_report_stats stats = {0};

    (void)state;
    begin(SW_FORMAT_ZEEK, 1u << SW_EV_CONN | 1u << SW_LINE_LOSS, 300 << 10);
    one_event(SW_EV_CONN);
    sw_reader_lost(&r, before);
    sw_reader_say_lost(&r, &names, 1, false);
    sw_reader_stats(&r, &stats, 0, &names, 1);
    stats.final = true;
    sw_reader_stats(&r, &stats, 0, &names, 1700000000000000000ull);
    take_bytes(~0u);
    assert_int_equal(strncmp(got, "1700000000.118456\tC", 19), 0);
    assert_string_equal(line_n(got, 1), "#lost\t3\n#close\t2023-11-14-22-13-20\n");
    end();
}

/* Whatever the reader takes when, lines and losses add up by kind, and each jump is right before its loss line. */
static void test_adds_up(void **state)
{
    __u64 made[SW_LOSSES] = {0}, before[SW_LOSSES] = {[SW_EV_CONN] = 3}, logged = 0, lost = 0, last = 0, seen = 0;
    unsigned int seed = 11;

    (void)state;
    begin(SW_FORMAT_JSON, ALL_LINES, 300 << 10);
    for (int i = 0; i < 20000; i++) {
        enum sw_event_kind kind = rand_r(&seed) % SW_EV_MAX;

        one_event(kind);
        made[kind]++;
        if (rand_r(&seed) % 4 == 0)
            take_bytes(rand_r(&seed) % (i / 2000 % 2 ? 12000 : 1000)); /* too slow, and fast again, in turn */
        if (i % 1000 == 0)
            sw_reader_say_lost(&r, &names, 1, false);
        if (i % 5000 == 0) {
            sw_reader_lost(&r, before);
            made[SW_EV_CONN] += 3;
        }
        assert_true(r.queue.len <= r.queue.size);
    }
    sw_reader_say_lost(&r, &names, 1, true);
    take_bytes(~0u);
    for (char *line = got, *next; line < got + got_len; line = next) {
        __u64 seq;

        next = memchr(line, '\n', got + got_len - line);
        assert_non_null(next);
        *next++ = 0; /* short strings: the sanitizer looks at the whole of each */
        seq = number(line, "\"seq\":");
        if (!strncmp(strstr(line, "\"event\":\"") + 9, "loss\"", 5)) {
            assert_int_equal(number(line, "\"lost\":"), seq - last - 1);
            lost += seq - last - 1;
            logged++;
        } else {
            assert_int_equal(seq, last + 1);
            seen++;
        }
        last = seq;
    }
    for (int kind = 0; kind < SW_LOSSES; kind++)
        seen -= made[kind];
    assert_int_equal(seen + lost, 0);
    assert_true(lost > 1000);
    assert_true(logged > 1 && logged < 200); /* not one for each line */
    assert_int_equal(r.lost_here, lost - 12);
    end();
}

/* An end finds room for what it has to say, however long nobody has read. */
static void test_last_lines(void **state)
{
    struct sw_report_stats stats = {.final = true};
    const char *line;

    (void)state;
    begin(SW_FORMAT_JSON, ALL_LINES, 300 << 10);
    for (int i = 0; i < 1000; i++) {
        one_event(SW_EV_CLOSED);
        sw_reader_say_lost(&r, &names, 1, false);
    }
    stats.final = false;
    for (int i = 0; i < 1000; i++)
        sw_reader_stats(&r, &stats, 0, &names, 1);
    stats.final = true;
    one_event(SW_EV_CLOSED);
    sw_reader_say_lost(&r, &names, 1, true);
    sw_reader_stats(&r, &stats, 0, &names, 1);
    take_bytes(~0u);
    line = got + got_len - 1;
    while (line[-1] != '\n')
        line--;
    has(line, "\"final\":true,");
    for (line--; line[-1] != '\n'; line--)
        ;
    has(line, "\"event\":\"loss\"");
    end();
}

/* Without loss lines the number jumps all the same; what it does not want is no loss. */
static void test_mask(void **state)
{
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 2, [SW_EV_OPENING] = 40, [SW_LOSS_GUARD] = 1};

    (void)state;
    begin(SW_FORMAT_JSON, 1u << SW_EV_CONN | 1u << SW_LINE_DROP, 300 << 10);
    sw_reader_lost(&r, lost);
    sw_reader_say_lost(&r, &names, 1, false);
    one_event(SW_EV_CONN);
    take_bytes(~0u);
    assert_int_equal(number(got, "\"seq\":"), 4);
    end();
}

static void test_queue_wraps(void **state)
{
    struct sw_queue q;
    unsigned char next = 0, want = 0;
    unsigned int seed = 3;

    (void)state;
    assert_int_equal(sw_queue_open(&q, 97), 0);
    for (int i = 0; i < 10000; i++) {
        char data[40];
        size_t n = rand_r(&seed) % sizeof(data), have;
        const char *from;

        if (n <= sw_queue_free(&q)) {
            for (size_t k = 0; k < n; k++)
                data[k] = (char)next++;
            sw_queue_add(&q, data, n);
        }
        from = sw_queue_oldest(&q, &have);
        n = rand_r(&seed) % 50;
        n = n < have ? n : have;
        for (size_t k = 0; k < n; k++)
            assert_int_equal((unsigned char)from[k], want++);
        sw_queue_drop(&q, n);
    }
    sw_queue_close(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_ecs), cmocka_unit_test(test_zeek),       cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_adds_up),        cmocka_unit_test(test_last_lines), cmocka_unit_test(test_mask),
        cmocka_unit_test(test_queue_wraps),    cmocka_unit_test(test_sample),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
