/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/patient.h"

#include "base/exit.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int sw_patient_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool sw_patient_wait(int signal_fd, __u64 ns)
{
    struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    int n;

    do {
        n = poll(fds, 2, (int)(ns / 1000000));
    } while (n < 0 && errno == EINTR);
    return !n;
}

int sw_patient_write(int signal_fd, const char *data, size_t len, bool *ret_done)
{
    size_t written = 0;

    return sw_patient_write_some(signal_fd, data, len, ret_done, &written);
}

int sw_patient_write_some(int signal_fd, const char *data, size_t len, bool *ret_done, size_t *ret_written)
{
    *ret_written = 0;
    for (const char *from = data, *end = data + len; from < end;) {
        struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = POLLOUT}};
        size_t piece = (size_t)(end - from) < PIPE_BUF ? (size_t)(end - from) : PIPE_BUF; /* it does not block */
        ssize_t n;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return SW_EXIT_INTERNAL;
        if (fds[0].revents && (from == data || from[-1] == '\n' || !fds[1].revents)) {
            *ret_done = true;
            return SW_EXIT_OK;
        }
        if (!fds[1].revents)
            continue;
        n = write(STDOUT_FILENO, from, piece);
        if (n < 0 && errno == EPIPE) {
            *ret_done = true;
            return SW_EXIT_OK;
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            sw_err("standard output: %s", strerror(errno));
            return SW_EXIT_OUTPUT;
        }
        from += n > 0 ? n : 0;
        *ret_written = from - data;
    }
    return SW_EXIT_OK;
}
