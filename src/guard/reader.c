/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/reader.h"

#include "base/exit.h"
#include "base/log.h"
#include "synward.skel.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#define RECORDS 1024 /* in one go */

static void drain_told(struct sw_guard_feed *feed)
{
    const void *data;
    __u32 size;

    while (!feed->err && feed->records < RECORDS && (data = sw_ringbuf_next(&feed->told, &size))) {
        if (size < sizeof(struct sw_told) || sw_report_told(feed->report, data) == -EINVAL)
            feed->err = -EINVAL;
        feed->records++;
    }
    if (!feed->keep)
        sw_ringbuf_release(&feed->told, feed->told.at);
}

/* The kernel side samples no more frames once there is no room for them. */
static int take_capture(void *ctx, void *data, size_t size)
{
    struct sw_guard_feed *feed = ctx;
    int err = size < sizeof(struct sw_capture) ? -EINVAL : sw_pcapng_add(feed->capture, data);

    if (err > 0 && __atomic_fetch_and(&feed->guard->flags, ~SW_G_CAPTURE, __ATOMIC_SEQ_CST) & SW_G_CAPTURE)
        sw_warn("'%s' is full: no more dropped frames are written", feed->path);
    if (err < 0 && !feed->write_failed)
        sw_warn("'%s': dropped frames are not written: %s", feed->path, strerror(-err));
    feed->write_failed = err < 0;
    return ++feed->records == RECORDS ? -ECANCELED : 0;
}

int sw_guard_feed_open(struct sw_guard_feed *feed, struct synward_bpf *obj, struct sw_guard *guard,
                       const struct sw_guard_opts *opts, const struct sw_hooks *hooks, __s64 clock_offset,
                       struct sw_failure *f)
{
    int err;

    feed->guard = guard;
    feed->path = opts->capture_file;
    err = sw_ringbuf_open(&feed->told, bpf_map__fd(obj->maps.guard_events));
    if (err)
        return sw_fail(f, SW_EXIT_MEMORY, err, "ring guard_events: %s", strerror(-err));
    if (!feed->path)
        return 0;
    feed->captures = ring_buffer__new(bpf_map__fd(obj->maps.captures), take_capture, feed, NULL);
    if (!feed->captures)
        return sw_fail(f, SW_EXIT_MEMORY, -errno, "ring captures: %s", strerror(errno));
    err = sw_pcapng_open(feed->path, opts->capture_bytes, clock_offset, &feed->capture);
    for (size_t i = 0; i < hooks->len && !err; i++)
        err = sw_pcapng_set_iface(feed->capture, hooks->ifaces[i].id.ifindex, hooks->ifaces[i].id.name);
    if (err)
        return sw_fail(f, SW_EXIT_OUTPUT, err, "--capture: '%s': %s", feed->path,
                       err == -EINVAL ? "not a regular file" : strerror(-err));
    return 0;
}

void sw_guard_feed_close(struct sw_guard_feed *feed)
{
    int err = sw_pcapng_close(feed->capture);

    if (err)
        sw_warn("'%s': %s", feed->path, strerror(-err));
    feed->capture = NULL;
    sw_ringbuf_close(&feed->told);
    ring_buffer__free(feed->captures);
    feed->captures = NULL;
}

int sw_guard_feed_drain(struct sw_guard_feed *feed, struct sw_report *report, bool *ret_more)
{
    feed->report = report;
    feed->records = 0;
    drain_told(feed);
    *ret_more = feed->records == RECORDS;
    feed->records = 0;
    if (feed->captures)
        ring_buffer__consume(feed->captures);
    *ret_more |= feed->records == RECORDS;
    return feed->err;
}
