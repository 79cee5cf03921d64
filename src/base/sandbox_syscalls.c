/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The system calls that are left. Only what this synward was seen to need or can come to need is here: no way to
 * execute, to trace, to mount, to load, to connect, to open for writing. Paths are Landlock's part.
 */
#include "base/sandbox_syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define SYSCALLS_MAX 512
#define TYPE_MASK 0xf     /* of a socket; the rest are flags */
#define OPTION_AO_INFO 40 /* TCP_AO_INFO, younger than the headers this is built with */
#define SET_ID 07000      /* modes of a file that is made: set-user-ID and the like */
#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

#ifdef __has_feature
#define SW_HAS(x) __has_feature(x)
#else
#define SW_HAS(x) 0
#endif

/* What works on descriptors that are open, on memory and on time. */
static const int always[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(dup),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sysinfo),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* The daemon's loop, netlink, the frames of --capture, its own file in /run/synward, those who come to read. */
static const int following[] = {
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),   SCMP_SYS(epoll_pwait2),    SCMP_SYS(epoll_ctl),
    SCMP_SYS(pwrite64),   SCMP_SYS(ftruncate),     SCMP_SYS(timerfd_settime), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),    SCMP_SYS(bind),          SCMP_SYS(getsockname),     SCMP_SYS(geteuid),
    SCMP_SYS(adjtimex),   SCMP_SYS(clock_adjtime), /* only to read: CAP_SYS_TIME is dropped */
    SCMP_SYS(flock),      SCMP_SYS(unlink),        SCMP_SYS(unlinkat),        SCMP_SYS(accept4),
};

/* libxdp and libbpf at loading a dispatcher, and its pins in bpffs. */
static const int dispatching[] = {
    SCMP_SYS(bpf),       SCMP_SYS(uname),     SCMP_SYS(access),   SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(statfs),    SCMP_SYS(fstatfs),   SCMP_SYS(readlink), SCMP_SYS(mkdir),     SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),     SCMP_SYS(rename),    SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(getdents64),
    SCMP_SYS(prlimit64), SCMP_SYS(setrlimit),
};

/* Links of descriptors in /proc. */
static const int looking[] = {SCMP_SYS(getdents64), SCMP_SYS(readlinkat)};

static const unsigned int bpf_commands[] = {
    BPF_MAP_LOOKUP_ELEM,  BPF_MAP_UPDATE_ELEM,  BPF_MAP_DELETE_ELEM,    BPF_MAP_GET_NEXT_KEY,
    BPF_MAP_LOOKUP_BATCH, BPF_MAP_UPDATE_BATCH, BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_TEST_RUN,
};

enum { REPLAY_IOCTLS = 2 }; /* the first ones, which are about the output */
static const unsigned int ioctls[] = {TCGETS, FIONREAD, SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFFLAGS, SIOCGIFMTU};
static const unsigned int fcntls[] = {F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC};

static const struct {
    int domain, type; /* type -1: any */
    int protocol;
} sockets[] = {
    {AF_NETLINK, -1, NETLINK_ROUTE}, {AF_NETLINK, -1, NETLINK_SOCK_DIAG},
    {AF_UNIX, SOCK_DGRAM, 0},                                   /* the C library queries interface names with it */
    {AF_INET, SOCK_DGRAM, 0},        {AF_INET, SOCK_STREAM, 0}, /* does this kernel support a TCP option? */
};

static const struct {
    int level, name; /* name -1: any */
} sockopts[] = {
    {SOL_SOCKET, SO_RCVTIMEO}, {SOL_SOCKET, SO_RCVBUF},       {SOL_NETLINK, -1},
    {IPPROTO_TCP, TCP_MD5SIG}, {IPPROTO_TCP, OPTION_AO_INFO},
};

static const unsigned int peer_options[] = {SO_PEERCRED, SO_PEERGROUPS};

/* the library's own macros leave a field out, which clang warns of */
#define ARG(n, op, a, b) ((struct scmp_arg_cmp){(n), SCMP_CMP_##op, (a), (b)})
#define IS(n, value) ARG(n, MASKED_EQ, 0xffffffff, (unsigned int)(value))

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static char names[SYSCALLS_MAX][24];
static unsigned char reported[SYSCALLS_MAX];

static char *put(char *p, const char *text)
{
    size_t len = strlen(text);

    memcpy(p, text, len);
    return p + len;
}

/* In the middle of anything: nothing but poll() and write(). */
static void report(unsigned int nr)
{
    const char *name = nr < SYSCALLS_MAX && *names[nr] ? names[nr] : "one younger than this synward";
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    char line[160], *p = line;
    int saved = errno;

    if (__atomic_exchange_n(&reported[nr < SYSCALLS_MAX ? nr : 0], 1, __ATOMIC_RELAXED))
        return;
    p = put(p, "synward: warning: seccomp denied system call ");
    p = put(p, name);
    p = put(p, " (--no-sandbox runs without the filter)\n");
    if (poll(&out, 1, 0) <= 0 || write(STDERR_FILENO, line, p - line) < 0)
        errno = saved; /* stderr cannot be written */
}

/* The call has not been made; it returns what is put here. */
static void refuse(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    (void)sig;
#if defined(__x86_64__)
    uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    uc->uc_mcontext.regs[0] = -EPERM;
#else
    (void)uc;
#endif
    report(info->si_syscall);
}

#if defined(__SANITIZE_ADDRESS__) || SW_HAS(address_sanitizer)
#define REFUSE SCMP_ACT_LOG /* the leak check at the end is a debugger: builds for tests alone refuse nothing */
#elif defined(__x86_64__) || defined(__aarch64__)
#define REFUSE SCMP_ACT_TRAP
#else
#define REFUSE SCMP_ACT_ERRNO(EPERM) /* without a log line */
#endif

static int catch_refusals(void)
{
    struct sigaction act = {.sa_sigaction = refuse, .sa_flags = SA_SIGINFO | SA_NODEFER};

    for (int nr = 0; nr < SYSCALLS_MAX; nr++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

        if (name)
            strncpy(names[nr], name, sizeof(names[nr]) - 1);
        free(name);
    }
    return sigaction(SIGSYS, &act, NULL) ? -errno : 0;
}

struct list {
    scmp_filter_ctx ctx;
    unsigned int len;
    int err;
};

static void allow_if(struct list *l, int call, const struct scmp_arg_cmp *args, unsigned int args_len)
{
    int err = seccomp_rule_add_array(l->ctx, SCMP_ACT_ALLOW, call, args_len, args);

    if (err && err != -EDOM && !l->err) /* which means that this machine has no such call */
        l->err = err;
}

static void allow_all(struct list *l, const int *calls, size_t len)
{
    for (size_t i = 0; i < len; i++)
        allow_if(l, calls[i], NULL, 0);
    l->len += len;
}

/* One argument has one of these values. */
static void allow_values(struct list *l, int call, unsigned int arg, const unsigned int *values, size_t len)
{
    for (size_t i = 0; i < len; i++)
        allow_if(l, call, &IS(arg, values[i]), 1);
    l->len++;
}

/* One argument has none of these bits. */
static void allow_without(struct list *l, int call, unsigned int arg, scmp_datum_t bits)
{
    allow_if(l, call, &ARG(arg, MASKED_EQ, bits, 0), 1);
    l->len++;
}

static void allow_sockets(struct list *l, bool dispatcher)
{
    for (size_t i = 0; i < LEN(sockets); i++) {
        const struct scmp_arg_cmp args[] = {
            IS(0, sockets[i].domain),
            IS(2, sockets[i].protocol),
            ARG(1, MASKED_EQ, TYPE_MASK, (unsigned int)sockets[i].type),
        };

        allow_if(l, SCMP_SYS(socket), args, sockets[i].type < 0 ? 2 : 3);
    }
    if (dispatcher) /* libxdp with a newer libbpf queries the features of the device */
        allow_if(l, SCMP_SYS(socket), (const struct scmp_arg_cmp[]){IS(0, AF_NETLINK), IS(2, NETLINK_GENERIC)}, 2);
    for (size_t i = 0; i < LEN(sockopts); i++) {
        const struct scmp_arg_cmp args[] = {
            IS(1, sockopts[i].level),
            IS(2, sockopts[i].name),
        };

        allow_if(l, SCMP_SYS(setsockopt), args, sockopts[i].name < 0 ? 1 : 2);
    }
    /* who comes to read */
    for (size_t i = 0; i < LEN(peer_options); i++)
        allow_if(l, SCMP_SYS(getsockopt), (const struct scmp_arg_cmp[]){IS(1, SOL_SOCKET), IS(2, peer_options[i])}, 2);
    /* only to a connected peer or the kernel */
    allow_if(l, SCMP_SYS(sendto), &ARG(4, EQ, 0, 0), 1);
    l->len += 4;
}

/* Files that are made and renamed: relative to their directory, whose files alone Landlock allows. */
static void allow_files(struct list *l, int dir)
{
    const struct scmp_arg_cmp both[] = {IS(0, dir), IS(2, dir)}, make[] = {IS(0, dir), ARG(3, MASKED_EQ, SET_ID, 0)};

    allow_if(l, SCMP_SYS(openat), make, 2);
    allow_if(l, SCMP_SYS(renameat2), both, 2);
    allow_if(l, SCMP_SYS(renameat), both, 2); /* the C library's choice without flags */
    l->len += 2;
}

/* Files of lines, which are also numbered, counted, and standard output. */
static void allow_output(struct list *l, int dir)
{
    const struct scmp_arg_cmp both[] = {IS(0, dir), IS(2, dir)};

    allow_files(l, dir);
    allow_if(l, SCMP_SYS(linkat), both, 2);
    allow_if(l, SCMP_SYS(dup3), &IS(1, STDOUT_FILENO), 1);
    allow_if(l, SCMP_SYS(getdents64), NULL, 0);
    l->len += 3;
}

/* The file of metrics has the same mode whatever our umask is. */
static void allow_metrics(struct list *l, int dir)
{
    allow_files(l, dir);
    allow_if(l, SCMP_SYS(umask), NULL, 0);
    l->len++;
}

static void make(struct list *l, const struct sw_sandbox_opts *opts)
{
    allow_all(l, always, LEN(always));
    allow_without(l, SCMP_SYS(mmap), 2, PROT_EXEC);
    allow_without(l, SCMP_SYS(mmap2), 2, PROT_EXEC); /* of 32 bits; elsewhere there is none */
    allow_without(l, SCMP_SYS(mprotect), 2, PROT_EXEC);
    allow_if(l, SCMP_SYS(tgkill), &IS(0, getpid()), 1); /* abort() */
    l->len++;
    if (opts->processes) {
        allow_all(l, looking, LEN(looking));
        allow_without(l, SCMP_SYS(openat), 2, WRITES);
        allow_values(l, SCMP_SYS(fcntl), 1, fcntls, LEN(fcntls));
        return;
    }
    allow_values(l, SCMP_SYS(fcntl), 1, fcntls, LEN(fcntls));
    allow_values(l, SCMP_SYS(ioctl), 1, ioctls, opts->follow ? LEN(ioctls) : REPLAY_IOCTLS);
#ifdef SW_COVERAGE /* which is written at the end */
    allow_all(l, (const int[]){SCMP_SYS(openat), SCMP_SYS(fcntl), SCMP_SYS(mkdir), SCMP_SYS(getcwd)}, 4);
#endif
    if (opts->dispatcher)
        allow_all(l, dispatching, LEN(dispatching));
    else if (opts->map_fd >= 0)
        allow_values(l, SCMP_SYS(bpf), 0, bpf_commands, LEN(bpf_commands));
    if (!opts->follow)
        return;
    allow_all(l, following, LEN(following));
    allow_without(l, SCMP_SYS(openat), 2, WRITES);
    allow_sockets(l, opts->dispatcher);
    if (opts->list_dirs)
        allow_all(l, looking, 1);
    if (opts->outputs[SW_SANDBOX_OUTPUT].dir)
        allow_output(l, opts->outputs[SW_SANDBOX_OUTPUT].dir);
    if (opts->outputs[SW_SANDBOX_METRICS].dir)
        allow_metrics(l, opts->outputs[SW_SANDBOX_METRICS].dir);
    if (opts->serve)
        allow_values(l, SCMP_SYS(shutdown), 1, (const unsigned int[]){SHUT_WR}, 1);
}

int sw_sandbox_syscalls(const struct sw_sandbox_opts *opts, unsigned int *ret_len)
{
    struct list l = {.ctx = seccomp_init(REFUSE)};
    int err = catch_refusals();

    if (!l.ctx)
        return -ENOMEM;
    if (!err)
        err = seccomp_attr_set(l.ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!err)
        err = seccomp_attr_set(l.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    make(&l, opts);
    err = err ? err : l.err;
    if (!err)
        err = seccomp_load(l.ctx);
    seccomp_release(l.ctx);
    *ret_len = l.len;
    return err;
}
