/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "watch/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_file(const char *path)
{
    struct stat st;

    if (stat(path, &st))
        return -errno;
    if (!S_ISREG(st.st_mode) || access(path, X_OK))
        return -EACCES;
    return 0;
}

/* As execvp(3) does: an empty part is the working directory. */
int sw_child_find(const char *name, const char *search, char **ret_path)
{
    int err = -ENOENT;

    if (strchr(name, '/')) {
        err = try_file(name);
        if (err)
            return err;
        *ret_path = strdup(name);
        return *ret_path ? 0 : -ENOMEM;
    }
    for (const char *p = search ? search : "/usr/local/bin:/usr/bin:/bin";; p++) {
        size_t len = strcspn(p, ":");
        char *path;
        int one;

        if (asprintf(&path, "%.*s%s%s", (int)len, p, len ? "/" : "./", name) < 0)
            return -ENOMEM;
        one = try_file(path);
        if (!one) {
            *ret_path = path;
            return 0;
        }
        free(path);
        err = one == -EACCES ? one : err;
        p += len;
        if (!*p)
            return err;
    }
}

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

/* vm.memfd_noexec=2 wants the flag, and kernels before 6.3 do not know it. */
static int make_memory(void)
{
    int fd = memfd_create("event", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    return fd < 0 && errno == EINVAL ? memfd_create("event", MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

/* A descriptor at its beginning, which nobody can write to any more; or -errno. */
static int make_input(const char *data, size_t len)
{
    int fd = make_memory(), err;

    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, data + at, len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            goto fail;
        at += n;
    }
    if (lseek(fd, 0, SEEK_SET) || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
        goto fail;
    return fd;

fail:
    err = errno ? -errno : -EIO;
    close(fd);
    return err;
}

/* What a caller had ignored, too; of KILL and STOP it fails. By the system call: the C library keeps two for itself. */
static void plain_signals(void)
{
    static const unsigned long plain[8]; /* struct sigaction of the kernel: SIG_DFL is 0 */
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        syscall(SYS_rt_sigaction, s, plain, NULL, (NSIG - 1) / 8);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void become(const struct sw_child_command *command, int input, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(126);
    plain_signals();
    if (dup2(input, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || close_range(3, ~0U, 0))
        _exit(126);
    execve(command->path, command->argv, command->env);
    _exit(errno == ENOENT || errno == ENOTDIR ? 127 : 126);
}

int sw_child_start(const struct sw_child_command *command, pid_t *ret)
{
    int input = make_input(command->input, command->input_len);
    pid_t parent = getpid(), pid;

    if (input < 0)
        return input;
    pid = fork();
    if (!pid)
        become(command, input, parent);
    if (pid < 0) {
        int err = -errno;

        close(input);
        return err;
    }
    setpgid(pid, pid); /* whoever is first: it has a group before it is signalled */
    close(input);
    *ret = pid;
    return 0;
}

/* It may have left its group. And of a group it is enough for kill(2) that one of it may be signalled. */
int sw_child_signal(pid_t pid, int signal)
{
    kill(-pid, signal);
    return kill(pid, getpgid(pid) == pid ? 0 : signal) ? -errno : 0;
}

/* As long as it is not waited for, no other process or group can have its number. */
bool sw_child_ended(pid_t pid, int *ret_status)
{
    siginfo_t info = {0};

    if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
        return false;
    kill(-pid, SIGKILL);
    return waitpid(pid, ret_status, 0) == pid;
}
