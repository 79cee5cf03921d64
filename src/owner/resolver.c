/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "owner/resolver.h"
#include "base/clock.h"
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_NS 1000000000ull /* for one look */
#define SHARE 19              /* after a look of t it rests SHARE * t: 5 % of a CPU */
#define REST_NS 20000000u     /* and so long at least */

/* What the daemon has open, as the reader's end of a pipe, is not to stay open because of us. */
static void close_all_but(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    dup2(fd, 3);
    if (syscall(SYS_close_range, 4u, ~0u, 0)) /* before 5.9 */
        for (int i = 4; i < 1024; i++)
            close(i);
}

/* Or until the daemon has hung up. */
static void rest(__u64 took)
{
    const __u64 ns = SHARE * took > REST_NS ? SHARE * took : REST_NS;
    struct pollfd p = {.fd = 3};

    poll(&p, 1, (int)(ns / 1000000));
}

static __attribute__((noreturn)) void serve(int fd, pid_t daemon, bool sandbox)
{
    static struct sw_holder at[SW_HOLDERS_MAX];
    static const int taken[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    const struct sw_sandbox_opts opts = {.processes = true};
    struct sw_sandbox_info done;
    const char *what;
    ssize_t got;
    int proc;

    /* those that the daemon takes; its end ends this process, too */
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        signal(taken[i], SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "synward-proc");
    if (getppid() != daemon)
        _exit(0);
    close_all_but(fd);
    proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0 || (sandbox && sw_sandbox(&opts, &done, &what)))
        _exit(1);
    while ((got = read(3, at, sizeof(at))) > 0) {
        const size_t len = got / sizeof(*at);
        const __u64 begun = sw_clock_now();

        if (sw_holders_find(proc, at, len, begun + MOST_NS))
            for (size_t i = 0; i < len; i++)
                at[i] = (struct sw_holder){.inode = at[i].inode};
        if (write(3, at, len * sizeof(*at)) < 0)
            break;
        rest(sw_clock_now() - begun);
    }
    _exit(0);
}

int sw_resolver_start(struct sw_resolver *r, bool sandbox)
{
    const pid_t daemon = getpid();
    int ends[2];
    pid_t pid;

    r->fd = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return -errno;
    pid = fork();
    if (pid < 0) {
        const int err = -errno;

        close(ends[0]);
        close(ends[1]);
        return err;
    }
    if (!pid)
        serve(ends[1], daemon, sandbox);
    close(ends[1]);
    r->fd = ends[0];
    return 0;
}

static void lost(struct sw_resolver *r)
{
    close(r->fd);
    r->fd = -1;
}

void sw_resolver_stop(struct sw_resolver *r)
{
    if (r->fd >= 0)
        lost(r); /* it reads the end */
}

int sw_resolver_ask(struct sw_resolver *r, const struct sw_holder *at, size_t len)
{
    if (r->fd < 0)
        return -EPIPE;
    if (send(r->fd, at, len * sizeof(*at), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno != EPIPE && errno != ECONNRESET)
        return -errno; /* no room now */
    lost(r);
    return -EPIPE;
}

int sw_resolver_answer(struct sw_resolver *r, int wait_ms, struct sw_holder *ret)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    ssize_t got;

    if (r->fd < 0)
        return -EPIPE;
    if (poll(&p, 1, wait_ms) <= 0)
        return 0;
    got = recv(r->fd, ret, SW_HOLDERS_MAX * sizeof(*ret), MSG_DONTWAIT);
    if (got > 0)
        return (int)(got / sizeof(*ret));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    lost(r);
    return -EPIPE;
}
