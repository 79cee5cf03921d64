/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The capture file of dropped frames: its bytes, its bound, a full disk; and what tshark reads in it. */
#include "blocks.h"
#include "output/names.h"
#include "output/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define OFFSET 1700000000000000000ll /* wall time - event time */

static char dir[] = "/tmp/synward-pcapng-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static const char *file(void)
{
    return in_dir("drops.pcapng");
}

/* A SYN from 10.0.0.N; longer frames end in bytes of N. */
static struct sw_capture frame(__u8 n, __u32 ifindex, enum sw_drop reason, __u32 len)
{
    static const __u8 syn[54] = {2,    0, 0,    0,    0, 1,  2, 0, 0,  0, 0, 2, 8,  0, /* Ethernet */
                                 0x45, 0, 0,    40,   0, 0,  0, 0, 64, 6, 0, 0, 10, 0, 0,    0, 10,   0,
                                 0,    1, 0x9c, 0x40, 0, 80, 0, 0, 0,  7, 0, 0, 0,  0, 0x50, 2, 0xff, 0xff};
    struct sw_capture c = {.ts = 1000000007ull * n, .ifindex = ifindex, .len = len, .reason = reason};

    c.cap = len < SW_CAPTURE_BYTES ? len : SW_CAPTURE_BYTES;
    memset(c.frame, n, sizeof(c.frame));
    memcpy(c.frame, syn, sizeof(syn));
    c.frame[29] = n;
    return c;
}

static struct sw_pcapng *open_file(__u64 max)
{
    struct sw_pcapng *p;

    unlink(file());
    assert_int_equal(sw_pcapng_open(file(), max, OFFSET, &p), 0);
    return p;
}

static void test_blocks(void **state)
{
    static const __u32 lens[] = {54, 55, 56, 57, 60, 255, 256, 257, 1514};
    struct sw_pcapng *p = open_file(1 << 20);
    struct seen s;

    (void)state;
    read_all(file(), &s);
    assert_int_equal(s.ifaces + s.frames, 0);
    assert_int_equal(sw_pcapng_set_iface(p, 3, "eth0"), 0);
    assert_int_equal(sw_pcapng_set_iface(p, 4, "never-used"), 0);
    for (int i = 0; i < 9; i++) {
        struct sw_capture c = frame(i, 3, SW_DROP_BLOCKED, lens[i]);

        assert_int_equal(sw_pcapng_add(p, &c), 0);
        read_all(file(), &s); /* whole after each frame, though it is still open */
        assert_int_equal(s.frames, i + 1);
        assert_int_equal(s.len[i], lens[i]);
        assert_int_equal(s.cap[i], c.cap);
        assert_memory_equal(s.last, c.frame, c.cap);
        assert_true(s.ts[i] == c.ts + OFFSET);
    }
    assert_int_equal(s.ifaces, 1);
    assert_string_equal(s.iface_name[0], "eth0");
    assert_int_equal(sw_pcapng_close(p), 0);
    assert_int_equal(sw_pcapng_close(NULL), 0);
}

static void test_comments(void **state)
{
    struct sw_pcapng *p = open_file(1 << 20);
    char want[80];
    struct seen s;

    (void)state;
    for (int reason = 1; reason < SW_DROP_MAX; reason++) {
        struct sw_capture c = frame(reason, 3, reason, 60);

        c.dry_run = reason % 2;
        assert_int_equal(sw_pcapng_add(p, &c), 0);
    }
    assert_int_equal(sw_pcapng_close(p), 0);
    read_all(file(), &s);
    assert_int_equal(s.frames, SW_DROP_MAX - 1);
    for (int reason = 1; reason < SW_DROP_MAX; reason++) {
        snprintf(want, sizeof(want), "synward: %s (%s)", reason % 2 ? "would drop" : "dropped",
                 sw_name_drop(reason)->text);
        assert_string_equal(s.comment[reason - 1], want);
    }
    assert_string_equal(s.comment[SW_DROP_BLOCKED - 1], "synward: would drop (blocked)");
    assert_string_equal(s.comment[SW_DROP_RATE_SOURCE - 1], "synward: dropped (rate_source)");
}

static void test_interfaces(void **state)
{
    struct sw_pcapng *p = open_file(1 << 20);
    static const __u32 order[] = {3, 9, 3, 7, 9};
    struct sw_capture c;
    struct seen s;

    (void)state;
    assert_int_equal(sw_pcapng_set_iface(p, 3, "eth0"), 0);
    assert_int_equal(sw_pcapng_set_iface(p, 9, "wan"), 0);
    for (int i = 0; i < 5; i++) {
        c = frame(i, order[i], SW_DROP_RST, 60);
        assert_int_equal(sw_pcapng_add(p, &c), 0);
    }
    assert_int_equal(sw_pcapng_set_iface(p, 3, "eth0"), 0); /* as it was: no new block */
    assert_int_equal(sw_pcapng_set_iface(p, 9, "uplink"), 0);
    sw_pcapng_set_clock(p, OFFSET + 5);
    for (int i = 3; i < 5; i++) {
        c = frame(i, order[i - 3], SW_DROP_RST, 60);
        assert_int_equal(sw_pcapng_add(p, &c), 0);
    }
    assert_true(sw_pcapng_close(p) == 0);
    read_all(file(), &s);
    assert_int_equal(s.ifaces, 4);
    assert_string_equal(s.iface_name[0], "eth0");
    assert_string_equal(s.iface_name[1], "wan");
    assert_string_equal(s.iface_name[2], "#7"); /* nobody named it */
    assert_string_equal(s.iface_name[3], "uplink");
    assert_memory_equal(s.iface, ((const __u32[]){0, 1, 0, 2, 1, 0, 3}), 7 * sizeof(__u32));
    assert_true(s.ts[6] == c.ts + OFFSET + 5);
}

static void test_bound(void **state)
{
    struct sw_capture big = frame(1, 3, SW_DROP_XMAS, 1514), small = frame(2, 3, SW_DROP_XMAS, 54);
    struct sw_pcapng *p;
    struct stat st;
    struct seen s;

    (void)state;
    for (__u64 max = 1536; max < 1536 + 600; max += 7) {
        size_t size;
        int n = 0;

        p = open_file(max);
        for (; n < 64 && !sw_pcapng_add(p, &big); n++)
            ;
        assert_int_equal(sw_pcapng_add(p, &big), 1);
        assert_int_equal(sw_pcapng_add(p, &small), 1); /* full is full, so that the sample has no bias */
        assert_int_equal(sw_pcapng_close(p), 0);
        size = read_all(file(), &s);
        assert_int_equal(s.frames, n);
        assert_true(n >= 2 && size <= max && size + 400 > max);
    }
    assert_int_equal(sw_pcapng_open(file(), 100, 0, &p), -EINVAL);
    assert_null(p);
    assert_int_equal(stat(file(), &st), 0); /* and the old file is still there */
}

static void test_bad_records(void **state)
{
    struct sw_pcapng *p = open_file(1 << 20);
    struct sw_capture c = frame(1, 3, SW_DROP_RST, 60);
    struct seen s;

    (void)state;
    c.cap = 61;
    assert_int_equal(sw_pcapng_add(p, &c), -EINVAL);
    c.len = 2000;
    c.cap = SW_CAPTURE_BYTES + 1;
    assert_int_equal(sw_pcapng_add(p, &c), -EINVAL);
    c.cap = 0;
    c.reason = 250;
    assert_int_equal(sw_pcapng_add(p, &c), 0);
    assert_int_equal(sw_pcapng_close(p), 0);
    read_all(file(), &s);
    assert_int_equal(s.frames, 1);
    assert_string_equal(s.comment[0], "synward: dropped (unknown)");
}

/* A disk that is full in the middle of a block, wherever: the file stays whole, and continues when there is room. */
static void test_disk_full(void **state)
{
    struct rlimit all, little;
    struct seen s;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    for (int limit = 100; limit < 900; limit += 37) {
        struct sw_pcapng *p = open_file(1 << 20);
        int n = 0, err;

        little = (struct rlimit){limit, all.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
        do {
            struct sw_capture c = frame(n, 3, SW_DROP_FIN, 60);

            err = sw_pcapng_add(p, &c);
            n += !err;
        } while (!err && n < 60);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
        assert_true(err < 0);
        assert_true(read_all(file(), &s) <= (size_t)limit);
        assert_int_equal(s.frames, n);
        for (int i = 0; i < 3; i++) {
            struct sw_capture c = frame(n + i, 3, SW_DROP_FIN, 60);

            assert_int_equal(sw_pcapng_add(p, &c), 0);
        }
        assert_int_equal(sw_pcapng_close(p), 0);
        read_all(file(), &s);
        assert_int_equal(s.frames, n + 3);
        assert_int_equal(s.ifaces, 1);
    }
}

static void test_replaces_only_files(void **state)
{
    struct sw_pcapng *p;
    struct stat st;
    FILE *f;

    (void)state;
    f = fopen(file(), "w");
    assert_non_null(f);
    fputs("not a capture, and longer than the head of one: ..........................................", f);
    fclose(f);
    assert_int_equal(chmod(file(), 0644), 0);
    assert_int_equal(sw_pcapng_open(file(), 1 << 20, 0, &p), 0);
    assert_int_equal(sw_pcapng_close(p), 0);
    assert_int_equal(stat(file(), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    read_all(file(), &(struct seen){0});
    unlink(file());
    assert_int_equal(symlink("/dev/null", file()), 0);
    assert_int_equal(sw_pcapng_open(file(), 1 << 20, 0, &p), -ELOOP);
    assert_int_equal(lstat(file(), &st), 0);
    assert_int_equal(unlink(file()), 0);
    assert_int_equal(mkfifo(file(), 0600), 0);
    assert_int_equal(sw_pcapng_open(file(), 1 << 20, 0, &p), -EINVAL); /* and does not wait for a reader */
    assert_int_equal(unlink(file()), 0);
    assert_int_equal(sw_pcapng_open(in_dir("none/x"), 1 << 20, 0, &p), -ENOENT);
    assert_int_equal(sw_pcapng_open(dir, 1 << 20, 0, &p), -EINVAL);
    assert_null(p);
}

static void test_tshark(void **state)
{
    static const char want[] = "1|1700000001.000000007|eth0|54|54|10.0.0.1|80|synward: dropped (blocked)\n"
                               "2|1700000002.000000014|#8|1514|256|10.0.0.2|80|synward: would drop (cookie_bad)\n"
                               "3|1700000003.000000021|eth0|61|61|10.0.0.3|80|synward: dropped (null)\n";
    struct sw_capture c[] = {frame(1, 3, SW_DROP_BLOCKED, 54), frame(2, 8, SW_DROP_COOKIE_BAD, 1514),
                             frame(3, 3, SW_DROP_NULL_FLAGS, 61)};
    struct sw_pcapng *p;
    char command[512], got[1024];
    size_t len;
    FILE *f;

    (void)state;
    if (system("command -v tshark >/dev/null 2>&1")) {
        print_message("skip: tshark is not installed\n");
        skip();
    }
    p = open_file(1 << 20);
    c[1].dry_run = 1;
    assert_int_equal(sw_pcapng_set_iface(p, 3, "eth0"), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sw_pcapng_add(p, &c[i]), 0);
    /* still open: what is there can be read */
    snprintf(command, sizeof(command),
             "tshark -n -r %s -T fields -E separator='|' -e frame.number -e frame.time_epoch -e frame.interface_name "
             "-e frame.len -e frame.cap_len -e ip.src -e tcp.dstport -e frame.comment 2>%s/stderr",
             file(), dir);
    f = popen(command, "r");
    assert_non_null(f);
    len = fread(got, 1, sizeof(got) - 1, f);
    got[len] = 0;
    assert_int_equal(pclose(f), 0);
    assert_string_equal(got, want);
    assert_int_equal(sw_pcapng_close(p), 0);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(file());
    unlink(in_dir("stderr"));
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_bad_records),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_replaces_only_files),
        cmocka_unit_test(test_tshark),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
