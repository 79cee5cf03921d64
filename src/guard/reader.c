/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/reader.h"

#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "synward.skel.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define RECORDS 1024 /* in one go */

static void drain_events(struct sw_guard_reader *reader)
{
    const void *data;
    __u32 size;

    while (!reader->err && reader->records < RECORDS && (data = sw_ringbuf_next(&reader->events, &size))) {
        if (size < sizeof(struct sw_guard_event) || sw_report_guard_event(reader->report, data) == -EINVAL)
            reader->err = -EINVAL;
        reader->records++;
    }
    if (!reader->keep)
        sw_ringbuf_release(&reader->events, reader->events.at);
}

/* The BPF programs sample no more frames once the file is full. */
static int take_capture(void *ctx, void *data, size_t size)
{
    struct sw_guard_reader *reader = ctx;
    int err = size < sizeof(struct sw_capture) ? -EINVAL : sw_pcapng_add(reader->capture, data);

    if (err > 0 && __atomic_fetch_and(&reader->guard->flags, ~SW_G_CAPTURE, __ATOMIC_SEQ_CST) & SW_G_CAPTURE)
        sw_warn("'%s' is full: no more dropped frames are written", reader->path);
    if (err < 0)
        sw_outage_failed(&reader->outage, err, reader->unwritten++, "dropped frames are not written", sw_clock_now());
    else
        sw_outage_over(&reader->outage, sw_clock_now());
    return ++reader->records == RECORDS ? -ECANCELED : 0;
}

int sw_guard_reader_open(struct sw_guard_reader *reader, struct synward_bpf *obj, struct sw_guard *guard,
                         const struct sw_guard_opts *opts, const struct sw_hooks *hooks, __s64 clock_offset,
                         struct sw_failure *f)
{
    int err;

    reader->guard = guard;
    reader->path = reader->outage.what = opts->capture_file;
    err = sw_ringbuf_open(&reader->events, bpf_map__fd(obj->maps.guard_events));
    if (err)
        return sw_fail(f, SW_EXIT_MEMORY, err, "ring guard_events: %s", strerror(-err));
    if (!reader->path)
        return 0;
    reader->captures_fd = bpf_map__fd(obj->maps.captures);
    reader->captures = ring_buffer__new(reader->captures_fd, take_capture, reader, NULL);
    if (!reader->captures)
        return sw_fail(f, SW_EXIT_MEMORY, -errno, "ring captures: %s", strerror(errno));
    err = sw_pcapng_open(reader->path, opts->capture_bytes, clock_offset, &reader->capture);
    for (size_t i = 0; i < hooks->len && !err; i++)
        err = sw_pcapng_set_iface(reader->capture, hooks->ifaces[i].id.ifindex, hooks->ifaces[i].id.name);
    if (err)
        return sw_fail(f, SW_EXIT_OUTPUT, err, "--capture: '%s': %s", reader->path,
                       err == -EINVAL ? "not a regular file" : strerror(-err));
    return 0;
}

void sw_guard_reader_close(struct sw_guard_reader *reader)
{
    int err = sw_pcapng_close(reader->capture);

    if (err)
        sw_warn("'%s': %s", reader->path, strerror(-err));
    reader->capture = NULL;
    sw_ringbuf_close(&reader->events);
    ring_buffer__free(reader->captures);
    reader->captures = NULL;
}

int sw_guard_reader_watch(const struct sw_guard_reader *reader, int epoll, bool on)
{
    const int fds[] = {reader->events.fd, reader->captures ? reader->captures_fd : -1};
    int err = 0;

    for (int i = 0; i < 2; i++) {
        struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fds[i]};

        if (fds[i] >= 0 && epoll_ctl(epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fds[i], &ev))
            err = -errno;
    }
    return err;
}

int sw_guard_reader_drain(struct sw_guard_reader *reader, struct sw_report *report, bool *ret_more)
{
    reader->report = report;
    reader->records = 0;
    if (report)
        drain_events(reader);
    *ret_more = reader->records == RECORDS;
    reader->records = 0;
    if (reader->captures) {
        ring_buffer__consume(reader->captures);
        sw_outage_log(&reader->outage, reader->unwritten, "frames", sw_clock_now());
    }
    *ret_more |= reader->records == RECORDS;
    return reader->err;
}
