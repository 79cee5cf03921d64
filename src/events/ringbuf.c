/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events/ringbuf.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW (256u << 10)
#define MOVES 8             /* each costs about as much as its records */
#define OVERLAP (64u << 10) /* more than the longest record */

int sw_ringbuf_open(struct sw_ringbuf *r, int map_fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);
    void *at;
    int err;

    *r = (struct sw_ringbuf){.fd = map_fd, .page = sysconf(_SC_PAGESIZE)};
    if (bpf_obj_get_info_by_fd(map_fd, &info, &len))
        return -errno;
    if (info.type != BPF_MAP_TYPE_RINGBUF)
        return -EINVAL;
    r->size = info.max_entries;
    at = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    r->consumer = at;
    at = mmap(NULL, r->page, PROT_READ, MAP_SHARED, map_fd, r->page);
    if (at == MAP_FAILED) {
        err = -errno;
        sw_ringbuf_close(r);
        return err;
    }
    r->producer = at;
    r->at = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
    return 0;
}

static void close_window(struct sw_ringbuf *r)
{
    if (r->window)
        munmap((void *)r->window, r->window_len);
    r->window = NULL;
    r->whole = false;
}

void sw_ringbuf_rest(struct sw_ringbuf *r)
{
    if (r->whole)
        close_window(r);
    r->moves = 0;
}

void sw_ringbuf_close(struct sw_ringbuf *r)
{
    close_window(r);
    if (r->consumer)
        munmap(r->consumer, r->page);
    if (r->producer)
        munmap((void *)r->producer, r->page);
    r->consumer = NULL;
    r->producer = NULL;
}

static __u64 produced(const struct sw_ringbuf *r)
{
    return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
}

/* The kernel has the data twice, one behind the other, so what goes over the ring's end is in one piece, too. */
static bool map_data(struct sw_ringbuf *r, __u64 from, size_t len)
{
    void *at = mmap(NULL, len, PROT_READ, MAP_SHARED, r->fd, (off_t)(2 * r->page + (from & (r->size - 1))));

    if (at == MAP_FAILED)
        return false;
    r->window = at;
    r->window_at = from;
    r->window_len = len;
    return true;
}

static bool move_window(struct sw_ringbuf *r, size_t len)
{
    const __u64 start = r->at & ~(__u64)(r->page - 1);
    const size_t need = (r->at - start + len + r->page - 1) & ~(r->page - 1);
    const size_t window = r->size < WINDOW ? r->size : WINDOW;

    close_window(r);
    if (r->size > WINDOW && len <= OVERLAP && ++r->moves > MOVES && map_data(r, 0, r->size + OVERLAP)) {
        r->whole = true;
        return true;
    }
    return map_data(r, start, need > window ? need : window);
}

static bool is_mapped(const struct sw_ringbuf *r, size_t len)
{
    if (!r->window || r->whole)
        return r->window && len <= OVERLAP;
    return r->at >= r->window_at && r->at + len <= r->window_at + r->window_len;
}

/* So many bytes at r->at; NULL: no memory. */
static const char *seen(struct sw_ringbuf *r, size_t len)
{
    if (!is_mapped(r, len) && !move_window(r, len))
        return NULL;
    return r->window + (r->whole ? r->at & (r->size - 1) : r->at - r->window_at);
}

const void *sw_ringbuf_next(struct sw_ringbuf *r, __u32 *ret_len)
{
    const __u64 end = produced(r);

    while (r->at < end) {
        const char *header = seen(r, BPF_RINGBUF_HDR_SZ);
        __u32 word = header ? __atomic_load_n((const __u32 *)header, __ATOMIC_ACQUIRE) : BPF_RINGBUF_BUSY_BIT;
        __u32 len = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

        if (word & BPF_RINGBUF_BUSY_BIT) /* reserved, and not submitted yet */
            return NULL;
        header = seen(r, BPF_RINGBUF_HDR_SZ + len);
        if (!header)
            return NULL;
        r->at += (len + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;
        if (word & BPF_RINGBUF_DISCARD_BIT)
            continue;
        *ret_len = len;
        return header + BPF_RINGBUF_HDR_SZ;
    }
    return NULL;
}

void sw_ringbuf_release(struct sw_ringbuf *r, __u64 at)
{
    __atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
}

int sw_ringbuf_seek(struct sw_ringbuf *r, __u64 at)
{
    __u64 released = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);

    if (at < released || at > produced(r) || at & 7)
        return -ERANGE;
    r->at = at;
    return 0;
}

bool sw_ringbuf_is_read(const struct sw_ringbuf *r)
{
    return produced(r) == r->at;
}

__u64 sw_ringbuf_waiting(const struct sw_ringbuf *r)
{
    return produced(r) - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
}
