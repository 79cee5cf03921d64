/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/clock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES 5
#define MOVED_NS 1000000

static __u64 read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * SW_SECOND + ts.tv_nsec;
}

__u64 sw_clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* The sample whose two monotonic readings are closest was disturbed least. */
__s64 sw_clock_offset(void)
{
    __u64 best = ~0ull;
    __s64 offset = 0;

    for (int i = 0; i < SAMPLES; i++) {
        __u64 before = read_clock(CLOCK_MONOTONIC);
        __u64 wall = read_clock(CLOCK_REALTIME);
        __u64 after = read_clock(CLOCK_MONOTONIC);

        if (after - before < best) {
            best = after - before;
            offset = (__s64)(wall - before - best / 2);
        }
    }
    return offset;
}

bool sw_clock_moved(__s64 *offset)
{
    __s64 now = sw_clock_offset();

    if (now - *offset < MOVED_NS && *offset - now < MOVED_NS)
        return false;
    *offset = now;
    return true;
}

/* The timer itself never expires. */
static int arm(int fd)
{
    const struct itimerspec far = {.it_value.tv_sec = INT32_MAX};

    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL) ? -errno : 0;
}

int sw_clock_watch(void)
{
    int err, fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    err = arm(fd);
    if (!err)
        return fd;
    close(fd);
    return err;
}

void sw_clock_rewatch(int fd)
{
    uint64_t expired;

    if (read(fd, &expired, sizeof(expired)) < 0) /* ECANCELED is the news itself */
        arm(fd);
}

int sw_clock_is_synchronized(void)
{
    struct timex only_read = {0};
    int state = adjtimex(&only_read);

    if (state < 0)
        return -errno;
    return state != TIME_ERROR && !(only_read.status & STA_UNSYNC);
}
