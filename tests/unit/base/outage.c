/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Something that cannot be written: what is warned of, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/outage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define S(seconds) ((__u64)(seconds)*1000000000u)

/* What was logged since the last time. */
static const char *logged(int fd)
{
    static char text[4096];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    assert_true(n >= 0);
    text[n] = 0;
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return text;
}

static int saved;

static int open_log(void)
{
    int fd = memfd_create("stderr", 0);

    assert_true(fd >= 0);
    saved = dup(STDERR_FILENO);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    return fd;
}

static void close_log(int fd)
{
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    close(saved);
    close(fd);
}

static void test_once(void **state)
{
    struct sw_outage o = {.what = "standard output"};
    int fd = open_log();

    (void)state;
    assert_true(sw_outage_due(&o, 0));
    sw_outage_log(&o, 0, "lines", S(1));
    assert_string_equal(logged(fd), "");
    for (int i = 0; i < 100; i++) {
        sw_outage_failed(&o, -ENOSPC, 7 + i, "and so on", S(100 + i));
        assert_false(sw_outage_due(&o, S(100 + i) + 999999999));
        assert_true(sw_outage_due(&o, S(101 + i)));
        sw_outage_log(&o, 50 + i, "lines", S(100 + i)); /* it has not ended */
    }
    assert_string_equal(logged(fd), "synward: warning: standard output: No space left on device: and so on\n");
    sw_outage_over(&o, S(200));
    sw_outage_over(&o, S(300));
    assert_true(sw_outage_due(&o, S(200)));
    sw_outage_log(&o, 107, "lines", S(201));
    assert_string_equal(logged(fd),
                        "synward: warning: standard output: written again after 100.0 s, 100 lines were lost\n");
    sw_outage_log(&o, 107, "lines", S(202));
    assert_string_equal(logged(fd), "");
    close_log(fd);
}

/* A disk that is full again and again: a pair of warnings a minute, and no loss is left out. */
static void test_again_and_again(void **state)
{
    struct sw_outage o = {.what = "'f'"};
    int fd = open_log(), begun = 0, ended = 0;
    unsigned long long lost = 0, sum = 0, n;
    double after;

    (void)state;
    for (int i = 0; i < 600; i += 2) { /* ten minutes */
        char *save, text[4096], *line;

        sw_outage_failed(&o, -EPIPE, lost, "so", S(i));
        sw_outage_over(&o, S(i + 1));
        lost += 3;
        sw_outage_log(&o, lost, "frames", S(i + 1));
        snprintf(text, sizeof(text), "%s", logged(fd));
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
            begun += !strcmp(line, "synward: warning: 'f': the reader is gone: so");
            if (sscanf(line, "synward: warning: 'f': written again after %lf s, %llu frames were lost", &after, &n) ==
                2) {
                ended++;
                sum += n;
            }
        }
    }
    sw_outage_log(&o, lost, "frames", S(700));
    if (sscanf(logged(fd), "synward: warning: 'f': written again after %lf s, %llu frames", &after, &n) == 2)
        sum += n;
    close_log(fd);
    assert_int_equal(sum, lost);
    assert_true(begun >= 5 && begun <= 10);
    assert_true(ended >= 5 && ended <= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_again_and_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
