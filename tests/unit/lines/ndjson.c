/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Event lines read back: what is taken, what is counted as broken, values by key; plain, gzip, and bytes that come
 * slowly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lines/ndjson.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char path[] = "/tmp/synward-ndjson-XXXXXX";

static const char *write_file(const void *data, size_t len)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    return path;
}

static struct sw_ndjson *opened(const char *name)
{
    struct sw_ndjson *n;

    assert_int_equal(sw_ndjson_open(name, &n), 0);
    return n;
}

/* The values of "n" of all lines, separated by spaces, and how the reading ended. */
static const char *numbers(struct sw_ndjson *n, int *ret_end)
{
    static char text[256];
    const struct sw_line *line;
    size_t len = 0;
    __u64 v;

    text[0] = 0;
    while ((*ret_end = sw_ndjson_next(n, &line)) == 1) {
        v = 0;
        sw_field_u64(line, "n", &v);
        len += snprintf(text + len, sizeof(text) - len, "%s%llu", len ? " " : "", (unsigned long long)v);
    }
    return text;
}

static void expect(const char *data, size_t len, const char *want, __u64 read, __u64 broken, __u64 first)
{
    struct sw_ndjson *n = opened(write_file(data, len));
    const struct sw_ndjson_counts *c = sw_ndjson_counts(n);
    int end;

    assert_string_equal(numbers(n, &end), want);
    assert_int_equal(end, 0);
    assert_int_equal(c->read, read);
    assert_int_equal(c->broken, broken);
    assert_int_equal(c->first_broken, first);
    sw_ndjson_close(n);
}

#define EXPECT(data, ...) expect(data, sizeof(data) - 1, __VA_ARGS__)

static void test_lines(void **state)
{
    (void)state;
    EXPECT("", "", 0, 0, 0);
    EXPECT("\n\n", "", 2, 0, 0);
    EXPECT("{\"n\":1}\n{\"n\":2}\n", "1 2", 2, 0, 0);
    EXPECT("{\"n\":1}\r\n\n {\"n\":2} \n", "1 2", 3, 0, 0);
    EXPECT("{\"n\":1}\n{\"n\":2}", "1 2", 2, 0, 0); /* no newline at the end */
    EXPECT("{}\n{\"x\":[1,{\"y\":null}]}\n", "0 0", 2, 0, 0);
}

static void test_broken(void **state)
{
    (void)state;
    EXPECT("{\"n\":1}\n{\"n\":2", "1", 2, 1, 2); /* torn at the end */
    EXPECT("{\"n\":1}\n{\"n\":2,\"a\n{\"n\":3}\n", "1 3", 3, 1, 2);
    EXPECT("{\"n\":1,\"a\":\"{\"n\":2}\n{\"n\":3}\n", "3", 2, 1, 1); /* a line over the rest of another one */
    EXPECT("{\"n\":1}{\"n\":2}\n{\"n\":3}\n", "3", 2, 1, 1);
    EXPECT("[]\n1\n\"a\"\nnull\nsynward\n{\"n\":1}\n", "1", 6, 5, 1);
    EXPECT("{'n':'1}\n{n:1}\n{\"n\":1,}\n", "", 3, 3, 1);
    EXPECT("{\"a\":\"\xff\"}\n{\"a\":\"\xc3\xa9\",\"n\":1}\n", "1", 2, 1, 1);
    EXPECT("{\"n\":1}\0\n{\"n\":\0"
           "2}\n{\"n\":3}\n",
           "3", 3, 2, 1);
    EXPECT("{\"a\":[[[[[[[[[[[[]]]]]]]]]]]]}\n{\"n\":1}\n", "1", 2, 1, 1);
}

/* A line of any length costs the buffer and no more, and the next one is read again. */
static void test_long(void **state)
{
    size_t size = 3 * SW_NDJSON_LINE, len;
    char *data = malloc(size + 64);

    (void)state;
    assert_non_null(data);
    memset(data, 'x', size);
    memcpy(data, "{\"n\":1}\n{\"a\":\"", 14);
    len = size + sprintf(data + size, "\"}\n{\"n\":2}\n");
    expect(data, len, "1 2", 3, 1, 2);
    expect(data, size, "1", 2, 1, 2); /* and no newline */

    /* the longest that is taken, with its newline */
    memset(data, ' ', size);
    memcpy(data, "{\"n\":1", 6);
    memcpy(data + SW_NDJSON_LINE - 2, "}\n", 2);
    expect(data, SW_NDJSON_LINE, "1", 1, 0, 0);
    free(data);
}

static void test_fields(void **state)
{
    static const char text[] =
        "{\"s\":\"a\\u00e9\\n\",\"nul\":\"a\\u0000b\",\"max\":18446744073709551615,\"neg\":-1,\"f\":1.5,\"t\":true,"
        "\"null\":null,\"list\":[ 1, \"</script>\" ],\"ts\":\"2026-11-28T08:17:06.690934190Z\",\"s\":\"last\"}\n";
    struct sw_ndjson *n = opened(write_file(text, sizeof(text) - 1));
    const struct sw_line *line;
    __u64 v = 7;
    size_t len;
    bool b = false;

    (void)state;
    assert_int_equal(sw_ndjson_next(n, &line), 1);
    assert_memory_equal(sw_ndjson_text(n, &len), text, sizeof(text) - 2);
    assert_int_equal(len, sizeof(text) - 2);
    assert_string_equal(sw_field_text(line, "s"), "last");
    assert_null(sw_field_text(line, "nul"));
    assert_null(sw_field_text(line, "max"));
    assert_null(sw_field_text(line, "null"));
    assert_null(sw_field_text(line, "none"));
    assert_false(sw_field_u64(line, "neg", &v) || sw_field_u64(line, "f", &v) || sw_field_u64(line, "s", &v));
    assert_int_equal(v, 7);
    assert_true(sw_field_u64(line, "max", &v));
    assert_true(v == ~0ULL);
    assert_true(sw_field_bool(line, "t", &b) && b);
    assert_false(sw_field_bool(line, "max", &b));
    assert_true(sw_field_time(line, "ts", &v));
    assert_int_equal(v, 1795853826690934190ULL);
    assert_string_equal(sw_field_json(line, "list"), "[1,\"<\\/script>\"]");
    assert_null(sw_field_json(line, "null"));
    assert_true(sw_field_has(line, "null") && sw_field_has(line, "list"));
    assert_false(sw_field_has(line, "nothing"));
    sw_ndjson_close(n);
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        __u64 ns;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000000001Z", 1},
        {"1970-01-01T00:00:00.5Z", 500000000},
        {"2000-02-29T23:59:59.999999999Z", 951868799999999999ULL},
        {"2000-03-01T00:00:00Z", 951868800000000000ULL},
        {"2100-03-01T00:00:00Z", 4107542400000000000ULL},
    };
    static const char *bad[] = {"",
                                "Z",
                                "2026-11-28",
                                "2026-11-28T08:17:06",
                                "2026-11-28T08:17:06+01:00",
                                "2026-13-28T08:17:06Z",
                                "2026-11-28 08:17:06Z",
                                "2026-11-28T24:17:06Z",
                                "1969-11-28T08:17:06Z",
                                "9999-11-28T08:17:06Z",
                                "2026-11-28T08:17:06ZZ"};
    __u64 ns;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_true(sw_time_parse(good[i].text, &ns));
        assert_int_equal(ns, good[i].ns);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (sw_time_parse(bad[i], &ns))
            fail_msg("'%s' is taken", bad[i]);
}

/* One gzip member of text, appended. */
static size_t zip(unsigned char *to, size_t size, const char *text)
{
    z_stream z = {.next_in = (unsigned char *)text, .avail_in = strlen(text), .next_out = to, .avail_out = size};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return size - z.avail_out;
}

static void test_gzip(void **state)
{
    unsigned char data[512];
    struct sw_ndjson *n;
    size_t one, len;
    int end;

    (void)state;
    one = zip(data, sizeof(data), "{\"n\":1}\n{\"n\":2}\n{\"n\":");
    len = one + zip(data + one, sizeof(data) - one, "3}\n{\"n\":4}");
    expect((char *)data, len, "1 2 3 4", 4, 0, 0);

    n = opened(write_file(data, one - 4)); /* cut in the middle */
    assert_string_equal(numbers(n, &end), "1 2");
    assert_int_equal(end, -EILSEQ);
    sw_ndjson_close(n);

    data[len - 12] ^= 0x55;
    n = opened(write_file(data, len));
    assert_string_equal(numbers(n, &end), "1 2 3");
    assert_int_equal(end, -EILSEQ);
    sw_ndjson_close(n);
}

/* From a pipe that is written to byte by byte, a line is there as soon as its newline is. */
static void test_slow(void **state)
{
    static const char text[] = "{\"n\":1}\n{\"n\":2}\n";
    const struct sw_line *line;
    struct sw_ndjson *n;
    unsigned int seen = 0;
    char name[32];
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    snprintf(name, sizeof(name), "/dev/fd/%d", ends[0]);
    n = opened(name);
    fcntl(sw_ndjson_fd(n), F_SETFL, O_NONBLOCK);
    assert_int_equal(sw_ndjson_next(n, &line), -EAGAIN);
    for (const char *p = text; *p; p++) {
        assert_int_equal(write(ends[1], p, 1), 1);
        int got = sw_ndjson_next(n, &line);
        assert_int_equal(got, *p == '\n' ? 1 : -EAGAIN);
        seen += got == 1;
    }
    assert_int_equal(seen, 2);
    close(ends[1]);
    assert_int_equal(sw_ndjson_next(n, &line), 0);
    sw_ndjson_close(n);
    close(ends[0]);
}

static void test_unreadable(void **state)
{
    const struct sw_line *line;
    struct sw_ndjson *n;

    (void)state;
    assert_int_equal(sw_ndjson_open("/nowhere/at/all", &n), -ENOENT);
    n = opened("/tmp");
    assert_int_equal(sw_ndjson_next(n, &line), -EISDIR);
    assert_int_equal(sw_ndjson_next(n, &line), 0);
    sw_ndjson_close(n);
    sw_ndjson_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),  cmocka_unit_test(test_broken),     cmocka_unit_test(test_long),
        cmocka_unit_test(test_fields), cmocka_unit_test(test_times),      cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_slow),   cmocka_unit_test(test_unreadable),
    };
    int fd = mkstemp(path), failed;

    if (fd < 0)
        return 1;
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
