/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of Zeek's conn.log, and what is around them in each file: its header, its last line, what was torn. */
#include "lines.h"
#include "output/format.h"
#include "output/torn_line.h"
#include "output/zeek_log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define HEAD                                                                                                           \
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"                       \
    "#open\t2023-11-14-22-13-20\n"                                                                                     \
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\t" \
    "conn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\t"  \
    "tunnel_parents\tip_proto\n"                                                                                       \
    "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\t"  \
    "string\tcount\tcount\tcount\tcount\tset[string]\tcount\n"
#define NOW 1700000000
#define HEAD_LINES 8

static struct sw_report_opts zeek(void)
{
    struct sw_report_opts opts = live;

    opts.format = SW_FORMAT_ZEEK;
    return opts;
}

/* The row of an event, with its uid as UID. */
static const char *row(const struct sw_event *ev)
{
    static struct sw_lines lines;
    static char text[1024];
    char *end;

    memset(&lines, 0, sizeof(lines));
    assert_int_equal(sw_lines_init(&lines, &live), 0);
    end = sw_zeek_event(&lines, 7, ev, text);
    *end = 0;
    sw_lines_fini(&lines);
    end = strchr(text, '\t') + 1;
    assert_int_equal(*end, 'C');
    assert_int_equal(strcspn(end, "\t"), 18);
    memcpy(end, "UID", 3);
    memmove(end + 3, end + 18, strlen(end + 18) + 1);
    return text;
}

static void test_rows(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);

    (void)state;
    ev.flow.missed = 11;
    assert_string_equal(row(&ev),
                        "1700000000.118456\tUID\t10.0.0.1\t40000\t10.0.0.2\t80\ttcp\t-\t0.005000\t240\t241\tSF\t-\t-"
                        "\t11\tShADadFf\t5\t500\t6\t501\t-\t6\n");
    ev.flow.orig_is_b = 1; /* orig is the key's other end */
    ev.flow.end[SW_RESP].zstate = SW_Z_ESTABLISHED;
    ev.flow.last_ns = ev.flow.start_ns + 3723000000499ull;
    assert_string_equal(row(&ev),
                        "1700000000.118456\tUID\t10.0.0.2\t80\t10.0.0.1\t40000\ttcp\t-\t3723.000000\t240\t241\tS2\t-"
                        "\t-\t11\tShADadFf\t5\t500\t6\t501\t-\t6\n");
    memcpy(ev.key.a_ip, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    memcpy(ev.key.b_ip, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
    ev.flow.missed = ev.flow.end[SW_ORIG].pkts = 0;
    ev.flow.last_ns = ev.flow.start_ns + 500;
    assert_string_equal(row(&ev),
                        "1700000000.118456\tUID\t2001:db8::2\t80\t2001:db8::1\t40000\ttcp\t-\t0.000001\t240\t241\tS2"
                        "\t-\t-\t0\tShADadFf\t0\t500\t6\t501\t-\t6\n");
}

/* What is not known is '-', never an empty column: bytes without a duration as in Zeek. */
static void test_unset(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);

    (void)state;
    ev.flow.last_ns = ev.flow.start_ns;
    ev.flow.hist_len = 0;
    assert_string_equal(row(&ev),
                        "1700000000.118456\tUID\t10.0.0.1\t40000\t10.0.0.2\t80\ttcp\t-\t-\t-\t-\tSF\t-\t-\t0\t-\t5\t500"
                        "\t6\t501\t-\t6\n");
    ev.flow.last_ns = 0; /* a capture's clock may step back */
    ev.flow.hist_len = SW_HIST_MAX + 5;
    memset(ev.flow.hist, '\t', SW_HIST_MAX);
    ev.flow.start_ns = -(__u64)1500000;
    assert_string_equal(row(&ev), "-0.001500\tUID\t10.0.0.1\t40000\t10.0.0.2\t80\ttcp\t-\t-\t-\t-\tSF\t-\t-\t0\t"
                                  "????????????????????????????????????????\t5\t500\t6\t501\t-\t6\n");
}

static void test_head_and_end(void **state)
{
    char text[SW_FORMAT_ROOM];

    (void)state;
    *sw_zeek_head(text, NOW, true) = 0;
    assert_string_equal(text, HEAD);
    setenv("TZ", "UTC-3", 1);
    tzset();
    *sw_zeek_end(text, NOW, true) = 0;
    assert_string_equal(text, "#close\t2023-11-14-22-13-20\n");
    *sw_zeek_end(text, NOW, false) = 0;
    assert_string_equal(text, "#close\t2023-11-15-01-13-20\n");
    unsetenv("TZ");
    tzset();
    assert_true(sw_zeek_head(text, (1ll << 55), true) < text + sizeof(text));
}

/* As zeek-cut reads: the header says which column is where. How many rows; each line is what it should be. */
static int rows_of(const char *text, int *ret_heads, int *ret_closes)
{
    int rows = 0, tabs = 21;

    *ret_heads = *ret_closes = 0;
    for (const char *line = text; *line; line = line_n(line, 1)) {
        int n = 0;

        for (const char *c = line; *c != '\n'; c++)
            n += *c == '\t';
        if (!strncmp(line, "#separator ", 11))
            ++*ret_heads;
        else if (!strncmp(line, "#close\t", 7))
            ++*ret_closes;
        else if (*line != '#' && ++rows)
            assert_int_equal(n, tabs);
        if (!strncmp(line, "#fields\t", 8))
            assert_int_equal(strncmp(line_n(line, 1), "#types\t", 7), 0);
    }
    return rows;
}

/* Only conn makes a row; a file without rows is empty; the last line comes once, after a regular end. */
static void test_file(void **state)
{
    struct sw_report_stats stats = {.final = true};
    struct sw_event ev = sample(SW_EV_OPENING);
    __u64 lost[SW_LOSSES] = {[SW_EV_OPENING] = 5};
    int heads, closes;
    struct out o;

    (void)state;
    out_open(&o, zeek());
    add(&o, &ev);
    assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
    assert_int_equal(sw_report_gaps(o.r), 0); /* they would have made no row */
    assert_string_equal(take(&o), "");
    ev = sample(SW_EV_CONN);
    add(&o, &ev);
    assert_int_equal(rows_of(take(&o), &heads, &closes), 1);
    assert_int_equal(heads, 1);
    lost[SW_EV_CONN] = 3;
    assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
    assert_int_equal(sw_report_gaps(o.r), 3); /* said on standard error */
    add(&o, &ev);
    assert_int_equal(rows_of(take(&o), &heads, &closes), 2);
    assert_int_equal(heads, 1);
    assert_int_equal(closes, 0);
    assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
    assert_int_equal(rows_of(take(&o), &heads, &closes), 2);
    assert_int_equal(closes, 1);
    assert_int_equal(sw_report_flush(o.r), 0);
    rows_of(take(&o), &heads, &closes);
    assert_int_equal(closes, 1);
    out_close(&o);

    out_open(&o, zeek());
    assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
    assert_string_equal(take(&o), "");
    out_close(&o);
}

/* A new file: the old one gets its last line, the new one its header, and rows that wait go into the new one. */
static void test_next_file(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    int heads, closes, second = memfd_create("second", 0);
    char text[4096] = "";
    struct out o;

    (void)state;
    out_open(&o, zeek());
    add(&o, &ev);
    take(&o);
    add(&o, &ev);
    assert_int_equal(sw_report_rewind(o.r), 0);
    sw_report_leave(o.r);
    assert_int_equal(rows_of(take(&o), &heads, &closes), 2); /* the test's descriptor is the same one still */
    assert_int_equal(heads, 2);
    assert_int_equal(closes, 1);
    add(&o, &ev);
    assert_int_equal(sw_report_rewind(o.r), 0);
    sw_report_leave(o.r);
    assert_true(dup2(second, o.fd) >= 0);
    assert_int_equal(sw_report_flush(o.r), 0);
    assert_true(pread(second, text, sizeof(text) - 1, 0) > 0);
    assert_int_equal(rows_of(text, &heads, &closes), 1);
    assert_int_equal(heads, 1);
    assert_int_equal(closes, 0);
    close(second);
    out_close(&o);
}

/* So many bytes for a file: the header and the last line are among them, and neither stands alone. */
static void test_full_file(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    size_t head = sizeof(HEAD) - 1, end = sizeof("#close\t2023-11-14-22-13-20\n") - 1, line = strlen(row(&ev)) + 15;
    int heads, closes;
    struct out o;

    (void)state;
    out_open(&o, zeek());
    for (int i = 0; i < 3; i++)
        add(&o, &ev);
    assert_int_equal(sw_report_flush_some(o.r, head + end + line - 1, false), 1);
    assert_int_equal(lseek(o.fd, 0, SEEK_CUR), 0);
    assert_int_equal(sw_report_flush_some(o.r, head + end + line, false), 1);
    assert_int_equal(lseek(o.fd, 0, SEEK_CUR), head + line);
    assert_int_equal(sw_report_flush_some(o.r, end + line - 1, false), 1);
    assert_int_equal(lseek(o.fd, 0, SEEK_CUR), head + line);
    assert_int_equal(sw_report_flush_some(o.r, 0, true), 1);
    assert_int_equal(sw_report_flush_some(o.r, end + line, false), 0);
    assert_int_equal(rows_of(take(&o), &heads, &closes), 3);
    assert_int_equal(heads, 1);
    assert_int_equal(ftruncate(o.fd, 0), 0); /* by another process: the next row has its header again */
    lseek(o.fd, 0, SEEK_SET);
    add(&o, &ev);
    assert_int_equal(rows_of(take(&o), &heads, &closes), 1);
    assert_int_equal(heads, 1);
    out_close(&o);
}

/* However little of header, rows and last line the file takes at once: all of it is there in the end, once. */
static void test_cut(void **state)
{
    struct sw_report_stats stats = {.final = true};
    struct sw_event ev = sample(SW_EV_CONN);
    struct rlimit was;
    size_t whole = 1;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (size_t cut = 0; cut < whole; cut++) {
        const struct rlimit little = {cut, was.rlim_max};
        int heads, closes;
        struct out o;

        out_open(&o, zeek());
        add(&o, &ev);
        add(&o, &ev);
        assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
        assert_int_equal(sw_report_flush(o.r), -EFBIG);
        assert_int_equal(lseek(o.fd, 0, SEEK_END), cut);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
        assert_int_equal(rows_of(take(&o), &heads, &closes), 2);
        assert_int_equal(heads * 10 + closes, 11);
        whole = lseek(o.fd, 0, SEEK_END);
        out_close(&o);
    }
    assert_true(whole > sizeof(HEAD));
}

/* Another file follows one in which half a line or half a header stands: so much is taken back, unless it is not there
 * any more. */
static void test_taken_back(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    const size_t head = sizeof(HEAD) - 1;
    struct rlimit was;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (size_t cut = 1; cut < head + 40; cut++) {
        for (int emptied = 0; emptied < 2; emptied++) {
            const struct rlimit little = {cut, was.rlim_max};
            struct out o;

            out_open(&o, zeek());
            add(&o, &ev);
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
            assert_int_equal(sw_report_flush(o.r), -EFBIG);
            assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
            if (emptied)
                assert_int_equal(ftruncate(o.fd, 0), 0);
            assert_int_equal(sw_report_rewind(o.r), emptied || cut == head ? 0 : cut < head ? cut : cut - head);
            out_close(&o);
        }
    }
}

/* The reader of a pipe goes, and another one comes: its rows have a header. What the first one left of a row is whole
 * before it. */
static void test_next_reader(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    char first[4096] = "", second[8192] = "";
    struct sw_report_opts opts = zeek();
    int fds[2], heads, closes;
    struct sw_report *r;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    opts.fd = fds[1];
    assert_int_equal(sw_report_new(&opts, &r), 0);
    assert_int_equal(sw_report_event(r, &ev), 0);
    assert_int_equal(sw_report_flush(r), 0);
    assert_true(read(fds[0], first, sizeof(first) - 1) > 0);
    sw_report_reader_gone(r);
    assert_int_equal(sw_report_event(r, &ev), 0);
    assert_int_equal(sw_report_flush(r), 0);
    assert_int_equal(sw_report_event(r, &ev), 0);
    assert_int_equal(sw_report_flush(r), 0);
    assert_true(read(fds[0], second, sizeof(second) - 1) > 0);
    assert_int_equal(rows_of(second, &heads, &closes), 2);
    assert_int_equal(heads, 1);
    assert_int_equal(strncmp(second, HEAD, 20), 0);
    sw_report_free(r);
    close(fds[0]);
    close(fds[1]);
}

/* A pipe that takes a piece at a time: 100 rows, behind one header. */
static void test_slow_pipe(void **state)
{
    struct sw_report_opts opts = zeek();
    struct sw_event ev = sample(SW_EV_CONN);
    char *got = calloc(1, 1 << 20), filler[4096] = {0};
    int fds[2], heads, closes;
    struct sw_report *r;
    size_t n = 0;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
    while (write(fds[1], filler, sizeof(filler)) > 0)
        ;
    opts.fd = fds[1];
    assert_int_equal(sw_report_new(&opts, &r), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sw_report_event(r, &ev), 0);
    assert_int_equal(sw_report_flush(r), -EAGAIN);
    while (read(fds[0], filler, sizeof(filler)) > 0)
        ;
    for (int err = -EAGAIN; err;) {
        ssize_t some;

        err = sw_report_flush(r);
        while ((some = read(fds[0], got + n, 100)) > 0)
            n += some;
        assert_true(!err || err == -EAGAIN);
    }
    assert_int_equal(rows_of(got, &heads, &closes), 100);
    assert_int_equal(heads, 1);
    assert_int_equal(strncmp(got, HEAD, 20), 0);
    sw_report_free(r);
    close(fds[0]);
    close(fds[1]);
    free(got);
}

static void test_torn(void **state)
{
    static const struct {
        const char *text, *left;
    } rows[] = {
        {HEAD "1.000000\tCa\n", HEAD "1.000000\tCa\n"},
        {HEAD "1.000000\tCa\n1700000000.11", HEAD "1.000000\tCa\n"},
        {HEAD "1.000000\tCa\n17", HEAD "1.000000\tCa\n"},
        {HEAD "1.000000\tCa\n#clo", HEAD "1.000000\tCa\n"},
        {HEAD "#close\t1\n", HEAD "#close\t1\n"},
        {HEAD "#close\t1\n#separator \\x09\n#set_sep", HEAD "#close\t1\n"},
        {"1.000000\tCa\n#separator \\x09\n#set_separator\t,\n#fields\tts\n", "1.000000\tCa\n"},
        {"#separator", ""},
        {"notes\nthat somebody", "notes\nthat somebody\n"},
        {"# notes\n", "# notes\n"},
        {HEAD "-0.001500\tCa\n-0.0015", HEAD "-0.001500\tCa\n"},
        {HEAD "1.000000\tCa\n1700000000.123456\tCb", HEAD "1.000000\tCa\n"},
        /* of others */
        {"# rotated by me", "# rotated by me\n"},
        {"42", "42\n"},
        {"3.14 is about it", "3.14 is about it\n"},
        {"#opened by Ann\n", "#opened by Ann\n"},
        {"#fields of interest\n", "#fields of interest\n"},
        {"#pathology\n", "#pathology\n"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[] = "/tmp/zeek_log.XXXXXX", got[4096] = "";
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        unlink(path);
        assert_int_equal(write(fd, rows[i].text, strlen(rows[i].text)), strlen(rows[i].text));
        assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
        sw_torn_line_repair(fd, SW_FORMAT_ZEEK);
        assert_true(pread(fd, got, sizeof(got) - 1, 0) >= 0);
        assert_string_equal(got, rows[i].left);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_unset),      cmocka_unit_test(test_head_and_end),
        cmocka_unit_test(test_file),      cmocka_unit_test(test_next_file),  cmocka_unit_test(test_full_file),
        cmocka_unit_test(test_cut),       cmocka_unit_test(test_taken_back), cmocka_unit_test(test_next_reader),
        cmocka_unit_test(test_slow_pipe), cmocka_unit_test(test_torn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
