/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/filter.h"
#include "base/run_dir.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRIES = 100, WAIT_MS = 2000, PAUSE_MS = 10 };

int sw_filter_map(int map_fd, struct sw_filter_map **ret)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);
    void *at;

    *ret = NULL;
    if (bpf_obj_get_info_by_fd(map_fd, &info, &len))
        return -errno;
    if (info.value_size != sizeof(**ret) || strcmp(info.name, "filter"))
        return -EPROTO;
    at = mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    *ret = at;
    return 0;
}

int sw_filter_map_id(__u32 map_id, struct sw_filter_map **ret)
{
    int fd = bpf_map_get_fd_by_id(map_id), err;

    *ret = NULL;
    if (fd < 0)
        return -errno;
    err = sw_filter_map(fd, ret);
    close(fd);
    return err;
}

void sw_filter_unmap(struct sw_filter_map *map)
{
    if (map)
        munmap(map, sizeof(*map));
}

int sw_filter_get(const struct sw_filter_map *map, struct sw_filter_rules *ret)
{
    for (int i = 0; i < TRIES; i++) {
        __u32 generation = __atomic_load_n(&map->generation, __ATOMIC_ACQUIRE);
        __u32 active = __atomic_load_n(&map->active, __ATOMIC_ACQUIRE);

        if (active)
            memcpy(ret, &map->slot[(active - 1) & 1], sizeof(*ret));
        else
            memset(ret, 0, sizeof(*ret));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (generation == __atomic_load_n(&map->generation, __ATOMIC_RELAXED))
            return 0;
        usleep(PAUSE_MS * 1000);
    }
    return -EAGAIN;
}

int sw_filter_get_id(__u32 map_id, struct sw_filter_rules *ret)
{
    struct sw_filter_map *map;
    int err = sw_filter_map_id(map_id, &map);

    if (map)
        err = sw_filter_get(map, ret);
    sw_filter_unmap(map);
    return err;
}

/* The generation moves before the slot may be written again, so that a reader that copies it notices. */
void sw_filter_init(struct sw_filter_map *map, const struct sw_filter_rules *rules)
{
    __u32 slot = map->active == 1;

    if (rules->lists)
        memcpy(&map->slot[slot], rules, sizeof(*rules));
    __atomic_store_n(&map->active, rules->lists ? slot + 1 : 0, __ATOMIC_RELEASE);
    __atomic_add_fetch(&map->generation, 1, __ATOMIC_RELEASE);
}

static int lock(void)
{
    int fd = open(SW_RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = -EBUSY;

    if (fd < 0)
        return -errno;
    for (int ms = 0; ms < WAIT_MS; ms += PAUSE_MS) {
        if (!flock(fd, LOCK_EX | LOCK_NB))
            return fd;
        if (errno != EWOULDBLOCK && errno != EINTR) {
            err = -errno;
            break;
        }
        usleep(PAUSE_MS * 1000);
    }
    close(fd);
    return err;
}

/*
 * The other slot may still be read by a program that runs since before the last change. A program runs with preemption
 * or migration off and under RCU: after the barrier, which waits for an RCU grace period, none is left. Where the
 * kernel has no such barrier (nohz_full), a while stands in.
 */
static void wait_for_programs(void)
{
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
        usleep(PAUSE_MS * 1000);
}

int sw_filter_set(struct sw_filter_map *map, const struct sw_filter_rules *rules)
{
    int lock_fd = lock();

    if (lock_fd < 0)
        return lock_fd;
    wait_for_programs();
    sw_filter_init(map, rules);
    close(lock_fd);
    return 0;
}
