/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The reporter: numbering whose gaps are the losses, room, writing that never waits. */
#include "lines.h"
#include "output/figures.h"
#include "output/line.h"
#include "output/report.h"
#include "synward_ladder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void test_rename(void **state)
{
    struct sw_event ev = sample(SW_EV_OPENING);
    struct out o;

    (void)state;
    out_open(&o, live);
    for (int i = 1; i < 40; i++)
        assert_int_equal(sw_report_set_iface(o.r, i, i == 3 ? "before" : "other"), 0);
    add(&o, &ev);
    assert_int_equal(sw_report_set_iface(o.r, 3, "a-much-longer-name-than-before"), 0);
    add(&o, &ev);
    ev.ifindex = 0; /* the sweep's events: the flow's own interface */
    ev.flow.ifindex = 3;
    add(&o, &ev);
    take(&o);
    has(o.text, "\"iface\":\"before\"");
    has(line_n(o.text, 1), "\"iface\":\"a-much-longer-name-than-before\"");
    has(line_n(o.text, 2), "\"iface\":\"a-much-longer-name-than-before\"");
    out_close(&o);
}

/* A reader needs nothing but the lines to know what is missing. */
static void test_gaps_are_the_losses(void **state)
{
    struct sw_report_stats stats = {0};
    struct sw_event ev = sample(SW_EV_CONN);
    __u64 expected = 0, gaps = 0, output = 0, last = 0;
    unsigned int seed = 7;
    struct out o;

    (void)state;
    out_open(&o, live);
    for (int i = 0; i < 500; i++) {
        __u64 lost[SW_LOSSES] = {0};

        for (int k = rand_r(&seed) % 4; k; k--)
            add(&o, &ev);
        if (rand_r(&seed) % 2) {
            lost[rand_r(&seed) % SW_LOSSES] += rand_r(&seed) % 1000;
            lost[rand_r(&seed) % SW_LOSSES] += rand_r(&seed) % 3;
        }
        for (int k = 0; k < SW_LOSSES; k++)
            expected += lost[k];
        assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
        if (i % 10 == 0)
            assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
    }
    for (const char *line = take(&o); *line; line = line_n(line, 1)) {
        __u64 seq = number(line, "\"seq\":"), kinds = 0;

        gaps += seq - last - 1;
        if (!strncmp(strstr(line, "\"event\":\""), "\"event\":\"loss\"", 14)) {
            output += number(line, "\"lost\":");
            for (int k = 0; k < SW_LOSSES; k++) {
                char key[40];

                snprintf(key, sizeof(key), "\"lost_%s\":", k == SW_LOSS_GUARD ? "guard" : sw_name_event(k)->text);
                kinds += number(line, key);
            }
            assert_int_equal(kinds, number(line, "\"lost\":"));
            assert_int_equal(seq - last - 1, kinds); /* the jump is right before its line */
        } else {
            assert_int_equal(seq, last + 1);
        }
        last = seq;
    }
    assert_true(expected > 0);
    assert_int_equal(gaps, expected);
    assert_int_equal(output, expected);
    out_close(&o);
}

static void test_loss_without_line(void **state)
{
    struct sw_report_opts opts = live;
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 3, [SW_EV_OPENING] = 100};
    struct sw_event ev = sample(SW_EV_CONN), other = sample(SW_EV_OPENING);
    struct out o;

    (void)state;
    opts.event_mask = 1u << SW_EV_CONN;
    out_open(&o, opts);
    add(&o, &ev);
    add(&o, &other); /* not wanted: no line, no number */
    assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
    add(&o, &ev);
    assert_int_equal(sw_report_lines(o.r), 2);
    take(&o);
    assert_int_equal(number(o.text, "\"seq\":"), 1);
    /* three were wanted and lost; openings were not wanted */
    assert_int_equal(number(line_n(o.text, 1), "\"seq\":"), 5);
    out_close(&o);
}

static void test_foreign_record(void **state)
{
    struct sw_event ev = sample(SW_EV_CONN);
    struct out o;

    (void)state;
    out_open(&o, live);
    ev.version++;
    assert_int_equal(sw_report_event(o.r, &ev), -EINVAL);
    ev.version--;
    ev.size--;
    assert_int_equal(sw_report_event(o.r, &ev), -EINVAL);
    ev.size++;
    ev.kind = SW_EV_MAX;
    assert_int_equal(sw_report_event(o.r, &ev), -EINVAL);
    assert_int_equal(sw_report_pending(o.r), 0);
    out_close(&o);
}

/* What a sample leaves out is not lost: no gap. It has all lines of a connection, and those about no connection. */
static void test_sampled(void **state)
{
    enum { CONNECTIONS = 300, ONE_OF = 3 };
    static const enum sw_event_kind kinds[] = {SW_EV_OPENING, SW_EV_ESTABLISHED, SW_EV_UPDATE, SW_EV_CONN};
    const struct sw_report_stats stats = {.flows = 1};
    const struct sw_guard_event drop = {.version = SW_CONTRACT_VERSION,
                                        .size = sizeof(drop),
                                        .kind = SW_GUARD_EV_DROP,
                                        .hook = SW_HOOK_SWEEP,
                                        .reason = SW_DROP_FIN,
                                        .count = 1};
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 2};
    struct sw_report_opts opts = live;
    struct out o;
    __u64 want = 0;

    (void)state;
    opts.sample = ONE_OF;
    out_open(&o, opts);
    for (int kind = 0; kind < 4; kind++)
        for (int i = 0; i < CONNECTIONS; i++) {
            struct sw_event ev = sample(kinds[kind]);

            ev.flow.start_ns += i;
            add(&o, &ev);
            want += sw_uid_is_sampled(&ev.key, ev.flow.start_ns, ONE_OF);
        }
    assert_true(want > CONNECTIONS && want < 4 * CONNECTIONS / 2 && want % 4 == 0);
    assert_int_equal(sw_report_lines(o.r), want);
    assert_int_equal(sw_report_seq(o.r), want);
    for (int i = 0; i < 20; i++) /* they have no uid that would leave them out */
        assert_int_equal(sw_report_guard_event(o.r, &drop), 0);
    assert_int_equal(sw_report_stats(o.r, &stats, 5), 0);
    assert_int_equal(sw_report_loss(o.r, lost, 6), 0);
    valid(take(&o), want + 22);
    for (__u64 i = 0; i < want + 22; i++) {
        const char *line = line_n(o.text, i);

        has(line, "\"sample\":3,");
        assert_int_equal(number(line, "\"seq\":"), i + 1 + (i == want + 21 ? 2 : 0));
        if (i < want / 4) /* each connection has its line of each kind */
            for (int kind = 1; kind < 4; kind++)
                assert_memory_equal(strstr(line, "\"uid\""), strstr(line_n(line, kind * want / 4), "\"uid\""), 26);
    }
    assert_int_equal(sw_report_gaps(o.r), 2);
    for (int kind = 0; kind < SW_LOSSES; kind++)
        assert_int_equal(sw_report_counts(o.r)->unmade[kind], 0);
    out_close(&o);
}

/* All numbers at their largest, and names too: the room for a line is enough (ASan would report). */
static void test_longest_lines(void **state)
{
    static struct sw_labels labels = {.count = 1, .len = SW_LABELS_LEN};
    struct sw_report_opts opts = live;
    struct sw_report_stats stats;
    struct sw_event ev = sample(SW_EV_ANOMALY);
    struct sw_conn_event conn;
    __u64 lost[SW_LOSSES];
    static struct sw_lines lines;
    struct out o;
    size_t room, longest = 0;

    (void)state;
    memset(labels.json, '"', sizeof(labels.json));
    opts.labels = &labels;
    memset(&ev.flow, 0xff, sizeof(ev.flow));
    memset(&ev.key, 0xfe, sizeof(ev.key));
    memset(&stats, 0xff, sizeof(stats));
    memset(lost, 0xff, sizeof(lost));
    stats.final = false;
    stats.keys.given = stats.keys.next = true;
    ev.flow.hist_len = 255; /* a record that is not ours must not make us read beyond it */
    memset(ev.flow.hist, 'S', SW_HIST_MAX);
    ev.flow.syn_ns = ev.flow.synack_ns = 1;
    ev.flow.start_ns = 0;
    for (int format = SW_FORMAT_JSON; format <= SW_FORMAT_ECS; format++) {
        opts.format = format;
        opts.color = true;
        out_open(&o, opts);
        assert_int_equal(sw_lines_init(&lines, &opts), 0);
        room = sw_lines_room(&lines);
        sw_lines_fini(&lines);
        for (int kind = 0; kind < SW_EV_MAX; kind++) {
            ev.kind = kind;
            ev.anomaly = SW_AN_SYN_IN_CONNECTION;
            add(&o, &ev);
        }
        memset(&conn, 0xff, sizeof(conn));
        conn.event = ev;
        conn.event.kind = SW_EV_CONN;
        conn.event.size = sizeof(conn);
        conn.ladder.start_ns = ev.flow.start_ns;
        conn.ladder.lost--;
        add(&o, &conn.event);
        assert_int_equal(sw_report_stats(o.r, &stats, ~0ULL), 0);
        assert_int_equal(sw_report_loss(o.r, lost, ~0ULL), 0);
        for (const char *line = take(&o); *line; line = line_n(line, 1))
            if (strcspn(line, "\n") > longest)
                longest = strcspn(line, "\n");
        out_close(&o);
    }
    print_message("longest line %zu, room %zu\n", longest, room);
    assert_true(longest + 64 < room); /* names are copied in pieces of 23 bytes */
}

/* A reader that takes little at a time gets every byte, in order, and nobody waits for it. */
static void test_slow_reader(void **state)
{
    enum { EVENTS = 300 };
    struct sw_report_opts opts = live;
    struct sw_event ev = sample(SW_EV_CONN);
    struct sw_report *r;
    char *got = calloc(1, EVENTS * 2048);
    size_t n = 0, total, busy = 0;
    int fds[2], err;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
    opts.fd = fds[1];
    assert_int_equal(sw_report_new(&opts, &r), 0);
    for (int i = 0; i < EVENTS; i++)
        assert_int_equal(sw_report_event(r, &ev), 0);
    total = sw_report_pending(r);
    while ((err = sw_report_flush(r)) == -EAGAIN) {
        ssize_t k = read(fds[0], got + n, 1777);

        assert_true(k > 0);
        n += k;
        busy++;
        if (busy == 20) { /* more lines while some wait */
            total -= sw_report_pending(r);
            for (int i = 0; i < 3; i++)
                assert_int_equal(sw_report_event(r, &ev), 0);
            total += sw_report_pending(r);
        }
    }
    assert_int_equal(err, 0);
    assert_true(busy > 10);
    /* the other holders of this pipe do not see a non-blocking descriptor */
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    sw_report_free(r);
    close(fds[1]);
    for (ssize_t k; (k = read(fds[0], got + n, 65536)) > 0;)
        n += k;
    close(fds[0]);
    assert_int_equal(n, total);
    n = 0;
    for (const char *line = got; *line; line = line_n(line, 1))
        assert_int_equal(number(line, "\"seq\":"), ++n);
    assert_int_equal(n, EVENTS + 3);
    free(got);
}

static void flush_to(int fd, int want)
{
    struct sw_report_opts opts = live;
    struct sw_event ev = sample(SW_EV_CONN);
    struct sw_report *r;
    size_t pending;

    opts.fd = fd;
    assert_int_equal(sw_report_new(&opts, &r), 0);
    assert_int_equal(sw_report_event(r, &ev), 0);
    pending = sw_report_pending(r);
    assert_int_equal(sw_report_flush(r), want);
    assert_int_equal(sw_report_pending(r), pending);
    sw_report_free(r);
}

static void test_reader_gone(void **state)
{
    int fds[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    flush_to(fds[1], -EPIPE);
    close(fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    close(fds[0]);
    flush_to(fds[1], -EPIPE);
    close(fds[1]);
    assert_true(full >= 0);
    flush_to(full, -ENOSPC);
    close(full);
}

/* Events that are skipped make no line, and the next loss line names them with the kernel's, also in the next process.
 */
static void test_skipped(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_report_stats stats = {.lost_total = 2};
    struct sw_event conn = sample(SW_EV_CONN), opening = sample(SW_EV_OPENING);
    __u64 lost[SW_LOSSES] = {[SW_EV_CONN] = 2};
    struct sw_report_counts counts;
    struct out o;

    (void)state;
    opts.event_mask &= ~(1u << SW_EV_OPENING);
    out_open(&o, opts);
    add(&o, &conn);
    sw_report_skip(o.r, true);
    for (int i = 0; i < 3; i++)
        add(&o, &conn);
    add(&o, &opening); /* would have made no line */
    sw_report_skip(o.r, false);
    add(&o, &conn);
    counts = *sw_report_counts(o.r);
    assert_int_equal(counts.made[SW_EV_CONN], 2);
    assert_int_equal(sw_report_lines(o.r), 2);
    assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
    lost[SW_EV_CONN] = 0;
    assert_int_equal(sw_report_loss(o.r, lost, 1), 0); /* none a second time */
    assert_int_equal(sw_report_stats(o.r, &stats, 1), 0);
    assert_int_equal(sw_report_gaps(o.r), 5);
    valid(take(&o), 4);
    has(line_n(o.text, 1), "\"seq\":2,");
    has(line_n(o.text, 2), "\"seq\":8,");
    has(line_n(o.text, 2), "\"lost\":5,\"lost_opening\":0,");
    has(line_n(o.text, 2), "\"lost_conn\":5,");
    has(line_n(o.text, 3), "\"seq\":9,");
    has(line_n(o.text, 3), "\"lost_total\":5,");
    out_close(&o);
    opts.counts = &counts; /* as of before the loss line */
    opts.seq = 2;
    out_open(&o, opts);
    assert_int_equal(sw_report_loss(o.r, lost, 1), 0);
    valid(take(&o), 1);
    has(o.text, "\"seq\":6,");
    has(o.text, "\"lost_conn\":3,");
    out_close(&o);
}

#define PART 5000 /* bytes that fit, which is not the end of a line */

/* Lines to a file that takes PART bytes, then none; by the limit for files, as no disk is needed for that. */
static struct sw_report *fill(int fd, int lines)
{
    struct sw_report_opts opts = live;
    struct sw_event ev = sample(SW_EV_CONN);
    struct rlimit all, part;
    struct sw_report *r;

    signal(SIGXFSZ, SIG_IGN);
    opts.fd = fd;
    assert_int_equal(sw_report_new(&opts, &r), 0);
    for (int i = 0; i < lines; i++)
        assert_int_equal(sw_report_event(r, &ev), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    part = all;
    part.rlim_cur = PART;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &part), 0);
    assert_int_equal(sw_report_flush(r), -EFBIG);
    assert_int_equal(sw_report_flush(r), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    return r;
}

/* The lines from `first` to `last`, whole, and nothing else. */
static void expect_lines(int fd, __u64 first, __u64 last)
{
    struct stat st;
    char *text;

    assert_int_equal(fstat(fd, &st), 0);
    text = calloc(1, st.st_size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fd, text, st.st_size, 0), st.st_size);
    valid(text, last - first + 1);
    for (const char *line = text; *line; line = line_n(line, 1))
        assert_int_equal(number(line, "\"seq\":"), first++);
    assert_int_equal(first, last + 1);
    free(text);
}

/* Into files of at most so many bytes: each begins and ends with a whole line, and has as many as fit. */
static void test_some(void **state)
{
    struct sw_report_opts opts = live;
    struct sw_event ev = sample(SW_EV_CONN);
    size_t most, sum = 0;
    struct sw_report *r;
    __u64 first = 1;
    struct stat st;
    int err = 1;

    (void)state;
    opts.fd = memfd_create("lines", MFD_CLOEXEC);
    assert_int_equal(sw_report_new(&opts, &r), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(sw_report_event(r, &ev), 0);
    most = sw_report_made(r) / 20 * 5 / 2;
    assert_int_equal(sw_report_flush_some(r, 5, false), 1); /* none fits */
    assert_int_equal(fstat(opts.fd, &st), 0);
    assert_int_equal(st.st_size, 0);
    for (int file = 0; err; file++) {
        err = file % 3 ? sw_report_flush_some(r, most, false) : sw_report_flush_some(r, 5, true);
        assert_true(err >= 0);
        assert_int_equal(fstat(opts.fd, &st), 0);
        assert_true(!err || (file % 3 ? (size_t)st.st_size <= most : st.st_size > 5));
        expect_lines(opts.fd, first, first + (file % 3 && (err || first < 20) ? 1 : 0));
        first += file % 3 && first < 20 ? 2 : 1;
        sum += st.st_size;
        assert_int_equal(ftruncate(opts.fd, 0), 0);
        assert_int_equal(lseek(opts.fd, 0, SEEK_SET), 0);
    }
    assert_int_equal(first, 21);
    assert_int_equal(sum, sw_report_made(r));
    sw_report_free(r);
    close(opts.fd);
}

/* The rest goes into another file: the line that was torn is there from its beginning. */
static void test_rewind(void **state)
{
    int fd = memfd_create("lines", MFD_CLOEXEC), saved = dup(fd);
    struct sw_report *r = fill(fd, 20);
    size_t half = sw_report_rewind(r);
    __u64 whole = 0;
    char c;

    (void)state;
    assert_true(half > 0 && half < PART);
    assert_int_equal(pread(saved, &c, 1, PART - half - 1), 1);
    assert_int_equal(c, '\n');
    assert_int_equal(ftruncate(saved, PART - half), 0);
    for (int i = 0; i < PART - (int)half; i++)
        whole += pread(saved, &c, 1, i) == 1 && c == '\n';
    expect_lines(saved, 1, whole);
    assert_int_equal(sw_report_rewind(r), 0);
    assert_int_equal(dup2(memfd_create("next", MFD_CLOEXEC), fd), fd);
    assert_int_equal(sw_report_flush(r), 0);
    expect_lines(fd, whole + 1, 20);
    assert_int_equal(sw_report_rewind(r), 0);
    sw_report_free(r);
    close(fd);
    close(saved);
}

/* A disk that is full in the middle of a line, and then is not: the line continues where it stopped. */
static void test_room_again(void **state)
{
    enum { LINES = 1000 }; /* the buffer is moved meanwhile */
    struct sw_event ev = sample(SW_EV_CONN);
    int fd = memfd_create("lines", MFD_CLOEXEC);
    struct sw_report *r = fill(fd, LINES);

    (void)state;
    assert_int_equal(lseek(fd, 0, SEEK_END), PART);
    assert_int_equal(sw_report_event(r, &ev), 0);
    assert_int_equal(sw_report_flush(r), 0);
    expect_lines(fd, 1, LINES + 1);
    sw_report_free(r);
    close(fd);
}

/* It was emptied to make room: the first line there is a whole one, and before it is no hole. */
static void test_emptied(void **state)
{
    for (int append = 0; append < 2; append++) {
        char name[] = "/tmp/synward-report-XXXXXX";
        int fd = mkostemp(name, O_CLOEXEC | (append ? O_APPEND : 0));
        struct sw_report *r = fill(fd, 20);
        char first[PART + 1] = "";
        int whole = 0;

        (void)state;
        assert_int_equal(unlink(name), 0);
        assert_int_equal(pread(fd, first, PART, 0), PART);
        for (const char *p = first; (p = strchr(p, '\n')); p++)
            whole++;
        assert_int_not_equal(first[PART - 1], '\n');
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(sw_report_flush(r), 0);
        expect_lines(fd, whole + 1, 20);
        sw_report_free(r);
        close(fd);
    }
}

/* Another one wrote behind the half line: it ends there, and is written again as a whole. */
static void test_others_wrote(void **state)
{
    char name[] = "/tmp/synward-report-XXXXXX";
    int fd = mkostemp(name, O_CLOEXEC | O_APPEND);
    struct sw_report *r = fill(fd, 20);
    char *text, *other, *half;
    off_t size;

    (void)state;
    assert_int_equal(unlink(name), 0);
    assert_int_equal(write(fd, " and others\n", 12), 12);
    assert_int_equal(sw_report_flush(r), 0);
    size = lseek(fd, 0, SEEK_END);
    text = calloc(1, size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fd, text, size, 0), size);
    other = strstr(text, " and others\n");
    assert_non_null(other);
    for (half = other; half > text && half[-1] != '\n'; half--)
        ;
    assert_true(half > text && half < other);
    assert_int_equal(number(other + 12, "\"seq\":"), number(half, "\"seq\":"));
    valid(other + 12, 20 - number(half, "\"seq\":") + 1);
    free(text);
    sw_report_free(r);
    close(fd);
}

/* Another reader of a pipe begins with a whole line, if the one before has read all. */
static void test_next_reader(void **state)
{
    enum { EVENTS = 100 };
    struct sw_report_opts opts = live;
    struct sw_event ev = sample(SW_EV_CONN);
    char name[] = "/tmp/synward-report-XXXXXX", path[64];
    static char got[EVENTS * 2048];
    struct sw_report *r;
    int fds[2];
    ssize_t n;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_non_null(mkdtemp(name));
    snprintf(path, sizeof(path), "%s/fifo", name);
    assert_int_equal(mkfifo(path, 0600), 0);
    fds[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    fds[1] = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
    opts.fd = fds[1];
    assert_int_equal(sw_report_new(&opts, &r), 0);
    for (int i = 0; i < EVENTS; i++)
        assert_int_equal(sw_report_event(r, &ev), 0);
    assert_int_equal(sw_report_flush(r), -EAGAIN);
    n = read(fds[0], got, sizeof(got)); /* half a line at its end */
    assert_true(n > 0 && got[n - 1] != '\n');
    close(fds[0]);
    assert_int_equal(sw_report_flush(r), -EPIPE);
    fds[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(sw_report_flush(r), -EAGAIN);
    memset(got, 0, sizeof(got));
    assert_true(read(fds[0], got, sizeof(got)) > 0);
    assert_memory_equal(got, "{\"schema\"", 9);
    close(fds[0]);
    close(fds[1]);
    sw_report_free(r);
    unlink(path);
    rmdir(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_gaps_are_the_losses),
        cmocka_unit_test(test_loss_without_line),
        cmocka_unit_test(test_foreign_record),
        cmocka_unit_test(test_sampled),
        cmocka_unit_test(test_longest_lines),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_reader_gone),
        cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_some),
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_room_again),
        cmocka_unit_test(test_emptied),
        cmocka_unit_test(test_others_wrote),
        cmocka_unit_test(test_next_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
