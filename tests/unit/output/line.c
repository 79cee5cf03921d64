/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Dates and times of lines, from the cache and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "output/line.h"

static void test_time(void **state)
{
    static const struct {
        __s64 ns;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {-1, "1969-12-31T23:59:59.999999999Z"},
        {951782399999999999, "2000-02-28T23:59:59.999999999Z"},
        {951782400000000000, "2000-02-29T00:00:00.000000000Z"},
        {4107542400000000001, "2100-03-01T00:00:00.000000001Z"},
        {1709164800000000000, "2024-02-29T00:00:00.000000000Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
        {INT64_MIN, "1677-09-21T00:12:43.145224192Z"},
    };
    static struct sw_lines lines;
    char buf[40];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *sw_put_time(&lines, buf, rows[i].ns) = 0;
        assert_string_equal(buf, rows[i].text);
        *sw_put_time(&lines, buf, rows[i].ns) = 0; /* and from the cache */
        assert_string_equal(buf, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
