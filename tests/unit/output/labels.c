/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --label: what is a label, how it is escaped, and how many there can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "output/labels.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct sw_labels labels;
static char why[SW_LABELS_WHY];

static void expect(const char *json)
{
    assert_int_equal(labels.len, strlen(json));
    assert_memory_equal(labels.json, json, labels.len);
}

static void refused(const char *text, const char *reason)
{
    const struct sw_labels before = labels;

    memset(why, 0, sizeof(why));
    assert_int_equal(sw_labels_add(&labels, text, why), -EINVAL);
    assert_non_null(strstr(why, reason));
    assert_memory_equal(&labels, &before, sizeof(before));
}

static int setup(void **state)
{
    (void)state;
    memset(&labels, 0, sizeof(labels));
    return 0;
}

static void test_text(void **state)
{
    (void)state;
    assert_int_equal(sw_labels_add(&labels, "dc=fra1", why), 0);
    assert_int_equal(sw_labels_add(&labels, "_R7=", why), 0);
    assert_int_equal(sw_labels_add(&labels, "x=a=b \"\\\t\n\x1b\x80 \xc3\xa9", why), 0);
    expect("\"dc\":\"fra1\",\"_R7\":\"\",\"x\":\"a=b \\\"\\\\\\t\\n\\u001b\xef\xbf\xbd \xc3\xa9\"");
    assert_int_equal(labels.count, 3);
}

static void test_refused(void **state)
{
    char text[SW_LABEL_KEY + 4];

    (void)state;
    refused("", "KEY=VALUE");
    refused("dc", "KEY=VALUE");
    refused("=x", "letters");
    refused("1a=x", "letters");
    refused("a-b=x", "letters");
    refused("a b=x", "letters");
    refused("a\"=x", "letters");
    refused("\xc3\xa9=x", "letters");
    memset(text, 'k', sizeof(text));
    strcpy(text + SW_LABEL_KEY + 1, "=x");
    refused(text, "63 characters");
    strcpy(text + SW_LABEL_KEY, "=x");
    assert_int_equal(sw_labels_add(&labels, text, why), 0);
    refused(text, "given twice");
}

/* What looks like a key within a value is none. */
static void test_twice(void **state)
{
    (void)state;
    assert_int_equal(sw_labels_add(&labels, "a=\"b\":,\"c\":", why), 0);
    assert_int_equal(sw_labels_add(&labels, "b=,", why), 0);
    assert_int_equal(sw_labels_add(&labels, "c=1", why), 0);
    assert_int_equal(sw_labels_add(&labels, "ab=1", why), 0);
    refused("a=2", "'a' is given twice");
    refused("c=", "'c' is given twice");
}

static void test_bounds(void **state)
{
    char text[SW_LABELS_LEN];

    (void)state;
    for (int i = 0; i < SW_LABELS_MAX; i++) {
        snprintf(text, sizeof(text), "k%d=%d", i, i);
        assert_int_equal(sw_labels_add(&labels, text, why), 0);
    }
    refused("more=1", "16 labels");
    setup(NULL);
    /* "a":"..." to the last byte */
    memcpy(text, "a=", 2);
    memset(text + 2, 'v', SW_LABELS_LEN - 5);
    text[SW_LABELS_LEN - 4] = 0;
    assert_int_equal(sw_labels_add(&labels, text, why), 0);
    assert_int_equal(labels.len, SW_LABELS_LEN);
    refused("b=", "4096 bytes");
    setup(NULL);
    memset(text + 2, '\x01', 700); /* of six bytes each */
    text[702] = 0;
    refused(text, "4096 bytes");
    text[602] = 0;
    assert_int_equal(sw_labels_add(&labels, text, why), 0);
    assert_int_equal(labels.len, 3606);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_text, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_twice, setup),
        cmocka_unit_test_setup(test_bounds, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
