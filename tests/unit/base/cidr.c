/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* CIDRs as text and in files: what is taken, and what is said of the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cidr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/synward-cidr-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static const char *write_file(const char *text, size_t len)
{
    const char *path = in_dir("list");
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    return path;
}

static struct sw_cidr cidr(const char *text)
{
    struct sw_cidr c;

    if (sw_cidr_parse(text, &c))
        fail_msg("'%s' is not taken", text);
    return c;
}

static void test_parse(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"10.1.2.3", "10.1.2.3/32"},
        {"10.1.2.3/32", "10.1.2.3/32"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"128.0.0.0/1", "128.0.0.0/1"},
        {"192.0.2.254/31", "192.0.2.254/31"},
        {"2001:DB8::/32", "2001:db8::/32"},
        {"::1", "::1/128"},
        {"::/0", "::/0"},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8"}, /* the same addresses, so the same entry */
        {"::ffff:0:0/96", "0.0.0.0/0"},
        {"::ffc0:0:0/90", "::ffc0:0:0/90"},
        {"fe80::/10", "fe80::/10"},
        {"2001:db8:1:2:3:4:5:6/128", "2001:db8:1:2:3:4:5:6/128"},
    };
    char text[SW_CIDR_LEN];
    struct sw_cidr c;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        c = cidr(rows[i].in);
        sw_cidr_format(&c, text, sizeof(text));
        assert_string_equal(text, rows[i].out);
    }
    c = cidr("10.0.0.0/8");
    assert_int_equal(c.prefixlen, 104);
    assert_memory_equal(c.ip, ((const __u8[16]){[10] = 0xff, 0xff, 10}), 16);
}

static void test_parse_refused(void **state)
{
    static const struct {
        const char *in;
        int err;
        const char *says;
    } rows[] = {
        {"10.1.2.3/8", -EDOM, "10.1.2.3/8 has bits beyond its prefix (10.0.0.0/8?)"},
        {"10.0.0.1/0", -EDOM, "10.0.0.1/0 has bits beyond its prefix (0.0.0.0/0?)"},
        {"10.0.0.1/31", -EDOM, "10.0.0.1/31 has bits beyond its prefix (10.0.0.0/31?)"},
        {"2001:db8::1/64", -EDOM, "2001:db8::1/64 has bits beyond its prefix (2001:db8::/64?)"},
        {"2001:db9::/31", -EDOM, "2001:db9::/31 has bits beyond its prefix (2001:db8::/31?)"},
        {"", -EINVAL, "'' is not a CIDR"},
        {"/8", -EINVAL, "'/8' is not a CIDR"},
        {"10.0.0.0/", -EINVAL, "'10.0.0.0/' is not a CIDR"},
        {"10.0.0.0/33", -EINVAL, NULL},
        {"10.0.0.0/4294967304", -EINVAL, NULL},
        {"10.0.0.0/08", -EINVAL, NULL},
        {"10.0.0.0/+8", -EINVAL, NULL},
        {"10.0.0.0/-8", -EINVAL, NULL},
        {"10.0.0.0/ 8", -EINVAL, NULL},
        {"10.0.0.0/8 ", -EINVAL, NULL},
        {" 10.0.0.0/8", -EINVAL, NULL},
        {"10.0.0.0/8/8", -EINVAL, NULL},
        {"10.0.0.0/8x", -EINVAL, NULL},
        {"10.0.0/8", -EINVAL, NULL},
        {"10/8", -EINVAL, NULL},
        {"010.0.0.0/8", -EINVAL, NULL},
        {"256.0.0.0", -EINVAL, NULL},
        {"10.0.0.0/255.0.0.0", -EINVAL, NULL},
        {"2001:db8::/129", -EINVAL, NULL},
        {"2001:db8::/32%eth0", -EINVAL, NULL},
        {"fe80::1%eth0", -EINVAL, NULL},
        {"[2001:db8::]/32", -EINVAL, NULL},
        {"2001:db8::1::/64", -EINVAL, NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999/64", -EINVAL, NULL},
        {"example.org", -EINVAL, "'example.org' is not a CIDR"},
        {"\033[31mred\n", -EINVAL, "'?[31mred?' is not a CIDR"},
    };
    char why[160];
    struct sw_cidr c;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int err = sw_cidr_parse(rows[i].in, &c);

        if (err != rows[i].err)
            fail_msg("'%s': %d, not %d", rows[i].in, err, rows[i].err);
        if (!rows[i].says)
            continue;
        sw_cidr_explain(rows[i].in, err, why, sizeof(why));
        if (strncmp(why, rows[i].says, strlen(rows[i].says)))
            fail_msg("'%s': says '%s'", rows[i].in, why);
    }
}

/* Whatever is taken means the same when it is written back. */
static void test_round_trip(void **state)
{
    char text[SW_CIDR_LEN];
    unsigned int seed = 4632;

    (void)state;
    for (int n = 0; n < 20000; n++) {
        struct sw_cidr c = {.prefixlen = rand_r(&seed) % 129}, back;
        __u32 keep;

        for (int i = 0; i < 16; i++)
            c.ip[i] = rand_r(&seed) % 3 ? rand_r(&seed) : 0;
        if (rand_r(&seed) % 2)
            memcpy(c.ip, ((const __u8[12]){[10] = 0xff, 0xff}), 12);
        for (__u32 bit = c.prefixlen; bit < 128; bit++) {
            keep = 0x80 >> bit % 8;
            c.ip[bit / 8] &= ~keep;
        }
        sw_cidr_format(&c, text, sizeof(text));
        assert_int_equal(sw_cidr_parse(text, &back), 0);
        assert_memory_equal(&c, &back, sizeof(c));
    }
}

static void test_file(void **state)
{
    static const char text[] = "# ours\n\n  10.0.0.0/8  # lab\r\n\t2001:db8::/32\n10.0.0.0/8\n10.0.0.0/9\n#\n192.0.2.1";
    static const char *const want[] = {"10.0.0.0/8", "10.0.0.0/9", "192.0.2.1/32", "2001:db8::/32"};
    char error[256] = "untouched", shown[SW_CIDR_LEN];
    struct sw_cidrs cidrs;

    (void)state;
    assert_int_equal(sw_cidrs_read(write_file(text, sizeof(text) - 1), &cidrs, error, sizeof(error)), 0);
    assert_string_equal(error, "untouched");
    assert_int_equal(cidrs.len, 4);
    for (size_t i = 0; i < 4; i++) {
        sw_cidr_format(&cidrs.cidr[i], shown, sizeof(shown));
        assert_string_equal(shown, want[i]);
    }
    sw_cidrs_free(&cidrs);
    assert_int_equal(sw_cidrs_read(write_file("", 0), &cidrs, error, sizeof(error)), 0);
    assert_int_equal(cidrs.len, 0);
    sw_cidrs_free(&cidrs);
    sw_cidrs_free(NULL);
}

static void test_file_refused(void **state)
{
#define TEXT(s) s, sizeof(s) - 1
    static const struct {
        const char *text;
        size_t len;
        int err;
        const char *says;
    } rows[] = {
        {TEXT("10.0.0.0/8\n10.1.2.3/8\n"), -EDOM, ":2: 10.1.2.3/8 has bits beyond its prefix (10.0.0.0/8?)"},
        {TEXT("# one\n\n\nten\n"), -EINVAL, ":4: 'ten' is not a CIDR"},
        {TEXT("10.0.0.0/8 10.1.0.0/16\n"), -EINVAL, ":1: '10.0.0.0/8 10.1.0.0/16' is not a CIDR"},
        {TEXT("10.0.0.0/8\n10.0.0.0/8\0junk\n"), -EINVAL, ":2: a NUL byte: not a text file"},
        {TEXT("10.0.0.0/8\0"), -EINVAL, ":1: a NUL byte: not a text file"},
    };
    char error[256];
    struct sw_cidrs cidrs;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *path = write_file(rows[i].text, rows[i].len);

        assert_int_equal(sw_cidrs_read(path, &cidrs, error, sizeof(error)), rows[i].err);
        assert_null(cidrs.cidr);
        assert_int_equal(strncmp(error, path, strlen(path)), 0);
        if (strncmp(error + strlen(path), rows[i].says, strlen(rows[i].says)))
            fail_msg("row %zu: '%s'", i, error);
        assert_null(strchr(error, '\n'));
    }
    assert_int_equal(sw_cidrs_read(in_dir("none"), &cidrs, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, "/none: No such file"));
    assert_int_equal(sw_cidrs_read(dir, &cidrs, error, sizeof(error)), -EISDIR);
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_true(sw_cidrs_read(in_dir("fifo"), &cidrs, error, sizeof(error)) < 0); /* and does not wait */
    assert_non_null(strstr(error, "/fifo: not a regular file"));
    unlink(in_dir("fifo"));
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(in_dir("list"));
    unlink(in_dir("fifo"));
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_parse_refused), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_file),  cmocka_unit_test(test_file_refused),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
