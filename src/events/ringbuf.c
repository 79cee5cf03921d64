/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events/ringbuf.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

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
    at = mmap(NULL, r->page + 2 * r->size, PROT_READ, MAP_SHARED, map_fd, r->page);
    if (at == MAP_FAILED) {
        err = -errno;
        sw_ringbuf_close(r);
        return err;
    }
    r->shared = at;
    r->at = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
    return 0;
}

void sw_ringbuf_close(struct sw_ringbuf *r)
{
    if (r->consumer)
        munmap(r->consumer, r->page);
    if (r->shared)
        munmap((void *)r->shared, r->page + 2 * r->size);
    r->consumer = NULL;
    r->shared = NULL;
}

static __u64 produced(const struct sw_ringbuf *r)
{
    return __atomic_load_n((const __u64 *)r->shared, __ATOMIC_ACQUIRE);
}

const void *sw_ringbuf_next(struct sw_ringbuf *r, __u32 *ret_len)
{
    const __u64 end = produced(r);

    while (r->at < end) {
        const char *header = r->shared + r->page + (r->at & (r->size - 1));
        __u32 word = __atomic_load_n((const __u32 *)header, __ATOMIC_ACQUIRE);
        __u32 len = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

        if (word & BPF_RINGBUF_BUSY_BIT) /* reserved, and not submitted yet */
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

__u64 sw_ringbuf_waiting(const struct sw_ringbuf *r)
{
    return produced(r) - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
}
