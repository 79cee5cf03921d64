/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sandbox, by trying what it forbids and what it must not. Each try is a process of its own. Built without
 * sanitizers: what those call at the end is not on the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sandbox.h"
#include "base/sandbox_syscalls.h"
#include "base/capabilities.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define OTHER_USER 65534

static char dir[40];
static pid_t parent;
static int map_fd = -1, file_fd = -1, epoll_fd = -1, socket_fd = -1, output_fd = -1;

/* --- a process that enters the sandbox and tries --- */

struct
try {
    bool replay, no_sandbox, dispatcher, output, metrics, processes, list_dirs, no_map;
    const char *file;
    struct sw_sandbox_info done;
};

typedef long (*try_fn)(struct try *); /* 0 or more, or -errno */

struct outcome {
    long result;
    int signal;
    char err[1024]; /* its stderr */
};

static long child(struct try *t, try_fn fn)
{
    struct sw_sandbox_opts opts = {
        .follow = !t->replay, .dispatcher = t->dispatcher, .map_fd = t->no_map ? -1 : map_fd};
    const char *what;
    long result;
    int err;

    opts.files[0] = t->file;
    opts.outputs[SW_SANDBOX_OUTPUT] = (struct sw_sandbox_output){t->output ? output_fd : 0, "lines"};
    opts.outputs[SW_SANDBOX_METRICS] = (struct sw_sandbox_output){t->metrics ? output_fd : 0, "metrics"};
    opts.serve = t->metrics;
    opts.processes = t->processes;
    opts.list_dirs = t->list_dirs;
    err = t->no_sandbox ? 0 : sw_sandbox(&opts, &t->done, &what);
    if (err) {
        dprintf(STDERR_FILENO, "sw_sandbox: %s: %s\n", what, strerror(-err));
        return -1000;
    }
    errno = 0;
    result = fn(t);
    return result < 0 && result != -errno ? -errno : result;
}

static struct outcome attempt(struct try t, try_fn fn)
{
    struct outcome o = {.result = -2000};
    int result[2], err[2], status;
    size_t len = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(result) | pipe(err), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(err[1], STDERR_FILENO);
        o.result = child(&t, fn);
        _exit(write(result[1], &o.result, sizeof(o.result)) != sizeof(o.result));
    }
    close(result[1]);
    close(err[1]);
    while (len < sizeof(o.err) - 1 && (got = read(err[0], o.err + len, sizeof(o.err) - 1 - len)) > 0)
        len += got;
    if (read(result[0], &o.result, sizeof(o.result)) != sizeof(o.result))
        o.result = -2000;
    close(result[0]);
    close(err[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    o.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return o;
}

#include "forbidden.h"

/* The line on stderr distinguishes a call that the filter denied from one that the kernel refused. */
static void refused(struct try t)
{
    for (size_t i = 0; i < FORBIDDENS; i++) {
        struct outcome o = attempt(t, forbidden[i].fn), free;
        char line[96];

        snprintf(line, sizeof(line), "seccomp denied system call %s (", forbidden[i].call);
        if (o.result != -EPERM || o.signal || !strstr(o.err, line))
            fail_msg("%s (%s): result %ld, signal %d, stderr '%s'", forbidden[i].call, forbidden[i].name, o.result,
                     o.signal, o.err);
        if (strchr(o.err, '\n') != o.err + strlen(o.err) - 1)
            fail_msg("%s: not one line: '%s'", forbidden[i].call, o.err);
        t.no_sandbox = true;
        free = attempt(t, forbidden[i].fn);
        t.no_sandbox = false;
        if (strstr(free.err, "refused"))
            fail_msg("%s: refused without the sandbox: '%s'", forbidden[i].call, free.err);
    }
}

TEST(what_it_never_does_is_refused_and_said)
{
    refused((struct try){0});
}

TEST(files_of_lines_open_nothing_else)
{
    refused((struct try){.output = true});
}

TEST(metrics_open_nothing_else)
{
    refused((struct try){.metrics = true});
}

/* --- what is for files of lines alone, and what neither may do --- */

TRY(metrics_link, linkat(output_fd, "x", output_fd, "y", 0))
TRY(metrics_stdout, dup3(file_fd, STDOUT_FILENO, 0))
TRY(metrics_list, syscall(SYS_getdents64, output_fd, room, sizeof(room)))
TRY(metrics_hear_no_more, shutdown(socket_fd, SHUT_RD))
TRY(metrics_set_user_id, openat(output_fd, "x", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 04755))

TEST(metrics_have_less_than_lines)
{
    const try_fn fns[] = {try_metrics_link, try_metrics_stdout, try_metrics_list, try_metrics_hear_no_more,
                          try_metrics_set_user_id};

    for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
        struct outcome o = attempt((struct try){.metrics = true}, fns[i]);

        if (o.result != -EPERM || !strstr(o.err, "seccomp denied"))
            fail_msg("%zu: result %ld, stderr '%s'", i, o.result, o.err);
    }
    assert_int_equal(attempt((struct try){.output = true}, try_metrics_set_user_id).result, -EPERM);
}

TEST(replay_has_even_less)
{
    refused((struct try){.replay = true});
}

/* --- what looks into /proc --- */

TRY(processes_socket, socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG))
TRY(processes_bpf, syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &room, sizeof(room)))
TRY(processes_unlink, unlink("/tmp/nothing"))
TRY(processes_send, sendto(socket_fd, "x", 1, 0, NULL, 0))
TRY(list, syscall(SYS_getdents64, output_fd, room, sizeof(room)))

/* Of a process that has more capabilities than are left here. */
static long look(struct try *t)
{
    char path[64], to[64];
    int fd;

    (void)t;
    snprintf(path, sizeof(path), "/proc/%d/fd", parent);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (syscall(SYS_getdents64, fd, room, sizeof(room)) <= 0)
        return -errno;
    return readlinkat(fd, "0", to, sizeof(to)) < 0 ? -errno : 0;
}

TEST(who_looks_into_proc_can_nothing_else)
{
    const try_fn fns[] = {try_processes_socket, try_processes_bpf, try_processes_unlink, try_processes_send};

    refused((struct try){.processes = true});
    for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
        struct outcome o = attempt((struct try){.processes = true}, fns[i]);

        if (o.result != -EPERM || !strstr(o.err, "seccomp denied"))
            fail_msg("%zu: result %ld, stderr '%s'", i, o.result, o.err);
    }
    assert_int_equal(attempt((struct try){.processes = true}, look).result, 0);
    assert_int_equal(attempt((struct try){0}, try_list).result, -EPERM);
    assert_int_not_equal(attempt((struct try){.processes = true}, try_list).result, -EPERM);
    assert_int_not_equal(attempt((struct try){.list_dirs = true}, try_list).result, -EPERM);
}

static long twice(struct try *t)
{
    for (int i = 0; i < 3; i++)
        if (try_keyctl(t) != -1 || errno != EPERM)
            return -EPROTO;
    return try_execve(t);
}

TEST(a_refusal_is_logged_once)
{
    struct outcome o = attempt((struct try){0}, twice);
    int lines = 0;

    for (const char *p = o.err; *p; p++)
        lines += *p == '\n';
    assert_int_equal(o.result, -EPERM);
    assert_int_equal(lines, 2);
}

/* --- replay, beside what is forbidden to all --- */

TRY(replay_socket, socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE))
TRY(replay_open, open("/etc/hostname", O_RDONLY))
TRY(replay_unlink, unlink("/nonexistent"))

TEST(replay_opens_nothing)
{
    const try_fn fns[] = {try_replay_socket, try_replay_open, try_replay_unlink};

    for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
        struct outcome o = attempt((struct try){.replay = true}, fns[i]);

        assert_int_equal(o.result, -EPERM);
        assert_non_null(strstr(o.err, "denied"));
    }
}

/* --- what must continue --- */

static long use_maps(struct try *t)
{
    __u32 key = 0, in = 0, out, keys[2], n = 2;
    __u64 value = 7, values[2];

    (void)t;
    if (bpf_map_update_elem(map_fd, &key, &value, BPF_ANY) || bpf_map_lookup_elem(map_fd, &key, &value) || value != 7)
        return -errno;
    if (bpf_map_lookup_batch(map_fd, NULL, &out, keys, values, &n, NULL) && errno != ENOENT)
        return -errno;
    return bpf_map_get_next_key(map_fd, NULL, &in);
}

static long use_files(struct try *t)
{
    char byte;
    int fd = open(t->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || read(fd, &byte, 1) != 1 || close(fd))
        return -errno;
    if (pwrite(file_fd, "x", 1, 0) != 1 || ftruncate(file_fd, 0) || dprintf(STDERR_FILENO, "well\n") != 5)
        return -errno;
    return 0;
}

static long use_network(struct try *t)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    struct epoll_event ev = {.events = EPOLLIN};
    char name[IF_NAMESIZE];

    (void)t;
    if (fd < 0 || bind(fd, (const struct sockaddr *)&kernel, sizeof(kernel)))
        return -errno;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) || epoll_wait(epoll_fd, &ev, 1, 1) < 0)
        return -errno;
    close(fd);
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return -errno;
    return if_indextoname(1, name) && !strcmp(name, "lo") ? 0 : -EPROTO;
}

static long use_memory(struct try *t)
{
    char *p = NULL;

    (void)t;
    for (size_t size = 1; size <= 64u << 20; size *= 4) { /* heap, mmap, mremap */
        char *more = realloc(p, size);

        if (!more)
            return -ENOMEM;
        p = more;
        p[size - 1] = 1;
    }
    free(p);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, 64);
}

static long use_sorting(struct try *t)
{
    static char rows[4096][64];

    (void)t;
    for (size_t i = 0; i < sizeof(rows) / 64; i++)
        rows[i][0] = (char)(i * 37);
    qsort(rows, sizeof(rows) / 64, 64, compare); /* asks how much memory there is */
    return rows[0][0] <= rows[1][0] ? 0 : -EPROTO;
}

TEST(what_it_does_goes_on)
{
    const try_fn fns[] = {use_maps, use_files, use_network, use_memory, use_sorting};

    for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
        struct outcome o = attempt((struct try){.file = "/proc/self/status"}, fns[i]);

        if (o.result || o.signal || strstr(o.err, "refused"))
            fail_msg("%zu: result %ld, signal %d, stderr '%s'", i, o.result, o.signal, o.err);
    }
    assert_int_equal(attempt((struct try){.replay = true}, use_maps).result, 0);
    assert_int_equal(attempt((struct try){.replay = true, .no_map = true}, use_maps).result, -EPERM);
    assert_int_equal(attempt((struct try){.replay = true}, use_memory).result, 0);
    assert_int_equal(attempt((struct try){.replay = true, .no_map = true}, use_memory).result, 0);
}

static long fail_an_assertion(struct try *t)
{
    (void)t;
    abort();
}

TEST(abort_is_an_abort)
{
    struct outcome o = attempt((struct try){0}, fail_an_assertion);

    assert_int_equal(o.signal, SIGABRT);
    assert_string_equal(o.err, "");
}

/* --- capabilities --- */

/* From its own status, since it may not ask for them any more. */
static bool status_has(const char *line)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t len = read(fd, text, sizeof(text) - 1);

    close(fd);
    text[len > 0 ? len : 0] = 0;
    return strstr(text, line);
}

static long caps_of(struct try *t)
{
    (void)t;
    return status_has("\nCapEff:\t0000000000001000\n")   ? 1ll << CAP_NET_ADMIN
           : status_has("\nCapEff:\t0000000000001004\n") ? 1ll << CAP_NET_ADMIN | 1ll << CAP_DAC_READ_SEARCH
                                                         : -EPROTO;
}

static long says(struct try *t)
{
    dprintf(STDERR_FILENO, "%s|%u|%d", t->done.caps, t->done.syscalls > 30, t->done.bounding);
    return 0;
}

static long status_of(struct try *t)
{
    (void)t;
    return status_has("\nNoNewPrivs:\t1\n") && status_has("\nSeccomp:\t2\n") &&
                   status_has("\nCapBnd:\t0000000000000000\n") && status_has("\nCapAmb:\t0000000000000000\n") &&
                   status_has("\nCapInh:\t0000000000000000\n") && status_has("\nCapPrm:\t0000000000001000\n")
               ? 0
               : -EPROTO;
}

TEST(nothing_but_net_admin)
{
    assert_string_equal(attempt((struct try){0}, says).err, "net_admin|1|1");
    assert_string_equal(attempt((struct try){.replay = true}, says).err, "none|1|1");
    assert_int_equal(attempt((struct try){0}, status_of).result, 0);
    assert_string_equal(attempt((struct try){.dispatcher = true}, says).err, "net_admin sys_admin perfmon bpf|1|1");
    assert_string_equal(attempt((struct try){.processes = true}, says).err, "dac_read_search sys_ptrace|1|1");
}

/* Root may read it by CAP_DAC_OVERRIDE alone: kept is the weaker one, and only if there is such a file. */
TEST(a_list_of_another_user)
{
    struct try t = {.file = "/proc/self/status"};
    char path[96];
    int fd;

    snprintf(path, sizeof(path), "%s/list", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "1\n", 2), 2);
    assert_int_equal(fchown(fd, OTHER_USER, OTHER_USER), 0);
    close(fd);
    assert_int_equal(attempt(t, caps_of).result, 1ull << CAP_NET_ADMIN);
    t.file = path;
    assert_int_equal(attempt(t, caps_of).result, 1ull << CAP_NET_ADMIN | 1ull << CAP_DAC_READ_SEARCH);
    assert_int_equal(attempt(t, use_files).result, 0);
    unlink(path);
}

/* --- paths --- */

static long remove_elsewhere(struct try *t)
{
    return unlink(t->file) ? -errno : 0;
}

static long remove_ours(struct try *t)
{
    (void)t;
    return unlink("/run/synward/sandbox-test") ? -errno : 0;
}

static int landlock_abi(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

TEST(files_go_in_run_synward_alone)
{
    struct try t = {.file = "/proc/self/status"};
    char path[96];

    snprintf(path, sizeof(path), "%s/stays", dir);
    close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    mkdir("/run/synward", 0700);
    close(open("/run/synward/sandbox-test", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(attempt(t, remove_ours).result, 0);
    assert_int_equal(access("/run/synward/sandbox-test", F_OK), -1);
    t.file = path;
    if (landlock_abi() <= 0) {
        unlink(path);
        printf("skip: this kernel has no Landlock\n");
        skip();
    }
    assert_int_equal(attempt(t, remove_elsewhere).result, -EACCES);
    assert_int_equal(unlink(path), 0);
}

/* As for --output: appended, moved, not over another, listed, removed; and standard output replaced. */
static long use_output(struct try *t)
{
    int fd = openat(output_fd, "lines", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640), all;

    (void)t;
    if (fd < 0 || write(fd, "lines\n", 6) != 6 || ftruncate(fd, 3) || dup3(fd, STDOUT_FILENO, 0) < 0)
        return -errno;
    if (renameat2(output_fd, "lines", output_fd, "old", RENAME_NOREPLACE) ||
        linkat(output_fd, "old", output_fd, "x", 0))
        return -errno;
    if (!renameat2(output_fd, "old", output_fd, "x", RENAME_NOREPLACE) || errno != EEXIST)
        return -EPROTO;
    if (unlinkat(output_fd, "old", 0) || unlinkat(output_fd, "x", 0))
        return -errno;
    all = openat(output_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return all < 0 || syscall(SYS_getdents64, all, room, sizeof(room)) < 0 ? -errno : 0;
}

/* As for --metrics-file and --metrics: made, readable for others, renamed over the one before; a client that learns
 * the end. */
static long use_metrics(struct try *t)
{
    (void)t;
    for (int i = 0; i < 2; i++) {
        const mode_t mask = umask(0022);
        int fd = openat(output_fd, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

        if (umask(mask) != 0022 || fd < 0 || write(fd, "x\n", 2) != 2 ||
            renameat(output_fd, "new", output_fd, "metrics"))
            return -errno;
    }
    if (shutdown(socket_fd, SHUT_WR) && errno != ENOTCONN)
        return -errno;
    return unlinkat(output_fd, "metrics", 0) ? -errno : 0;
}

static long write_elsewhere(struct try *t)
{
    return openat(output_fd, t->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static long move_elsewhere(struct try *t)
{
    int fd = openat(output_fd, "lines", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return -errno;
    return renameat2(output_fd, "lines", output_fd, t->file, RENAME_NOREPLACE) ? -errno : 0;
}

TEST(files_of_lines_are_in_their_directory_alone)
{
    struct try t = {.output = true, .file = "/tmp/sw-sandbox-elsewhere"};
    long moved;

    assert_int_equal(attempt(t, caps_of).result, 1ull << CAP_NET_ADMIN);
    assert_int_equal(attempt(t, use_output).result, 0);
    assert_int_equal(attempt(t, caps_of).result, 1ull << CAP_NET_ADMIN); /* it is not there */
    if (landlock_abi() <= 0) {
        printf("skip: this kernel has no Landlock\n");
        skip();
    }
    assert_int_equal(attempt(t, write_elsewhere).result, -EACCES);
    t.file = "../sw-sandbox-elsewhere";
    assert_int_equal(attempt(t, write_elsewhere).result, -EACCES);
    moved = attempt(t, move_elsewhere).result;
    assert_int_equal(moved, -EACCES);
    assert_int_equal(access("/tmp/sw-sandbox-elsewhere", F_OK), -1);
}

static int group_setup(void **state)
{
    char output[64];

    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/sw-sandbox-%d", getpid());
    snprintf(room, sizeof(room), "%s/none/none", dir);
    parent = getpid();
    if (mkdir(dir, 0755))
        return -1;
    snprintf(output, sizeof(output), "%s/output", dir);
    if (mkdir(output, 0755))
        return -1;
    output_fd = open(output, O_PATH | O_DIRECTORY | O_CLOEXEC);
    close(openat(output_fd, "lines", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    map_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "sw_sandbox", sizeof(__u32), sizeof(__u64), 16, NULL);
    file_fd = syscall(SYS_memfd_create, "sw", 0);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return map_fd < 0 || file_fd < 0 || socket_fd < 0 || epoll_fd < 0 ? -1 : 0;
}

static int group_teardown(void **state)
{
    (void)state;
    unlinkat(output_fd, "lines", 0);
    if (unlinkat(output_fd, "../output", AT_REMOVEDIR))
        return -1;
    return rmdir(dir);
}

TEST(metrics_are_written_and_served)
{
    struct try t = {.metrics = true, .file = "/tmp/sw-sandbox-elsewhere"};

    assert_int_equal(attempt(t, use_metrics).result, 0);
    t.output = true; /* into the same directory, or another */
    assert_int_equal(attempt(t, use_metrics).result, 0);
    assert_int_equal(attempt(t, use_output).result, 0);
    assert_int_equal(attempt(t, caps_of).result, 1ull << CAP_NET_ADMIN);
    t.output = false;
    if (landlock_abi() > 0)
        assert_int_equal(attempt(t, write_elsewhere).result, -EACCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_never_does_is_refused_and_said),
        cmocka_unit_test(metrics_open_nothing_else),
        cmocka_unit_test(metrics_have_less_than_lines),
        cmocka_unit_test(replay_has_even_less),
        cmocka_unit_test(replay_opens_nothing),
        cmocka_unit_test(who_looks_into_proc_can_nothing_else),
        cmocka_unit_test(a_refusal_is_logged_once),
        cmocka_unit_test(what_it_does_goes_on),
        cmocka_unit_test(abort_is_an_abort),
        cmocka_unit_test(nothing_but_net_admin),
        cmocka_unit_test(a_list_of_another_user),
        cmocka_unit_test(files_go_in_run_synward_alone),
        cmocka_unit_test(files_of_lines_open_nothing_else),
        cmocka_unit_test(files_of_lines_are_in_their_directory_alone),
        cmocka_unit_test(metrics_are_written_and_served),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
