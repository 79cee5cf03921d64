/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two veth pairs of syn.c: an empty program behind one, what is measured behind the other. */
#ifndef SW_BENCH_LANES_H
#define SW_BENCH_LANES_H

#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "events/reader.h"
#include "genrun.h"

/* A mapped array of the guard. */
struct view {
    void *at;
    size_t size;
};

struct bench {
    struct synward_bpf *sw;
    struct gen_bpf *gen;
    struct bpf_object *other; /* --object */
    struct sw_rings rings;
    struct view guard, services, ports, locals;
    struct sw_keys keys;
    __u32 send_to[2]; /* interfaces a0, a1 */
    __u8 mac[2][6];   /* of b0, b1 */
    int prog_fd[2];   /* what is measured there */
    int listener[2];
    int rounds;
};

static int sh(const char *command)
{
    int rc = system(command);

    if (rc)
        fprintf(stderr, "bench: %s: failed\n", command);
    return rc ? -EIO : 0;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, text, strlen(text)) < 0)
        err = -errno;
    close(fd);
    return err;
}

static int mac_of(const char *dev, __u8 ret_mac[6])
{
    char path[64];
    FILE *f;
    int n;

    snprintf(path, sizeof(path), "/sys/class/net/%s/address", dev);
    f = fopen(path, "re");
    if (!f)
        return -errno;
    n = fscanf(f, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &ret_mac[0], &ret_mac[1], &ret_mac[2], &ret_mac[3], &ret_mac[4],
               &ret_mac[5]);
    fclose(f);
    return n == 6 ? 0 : -EIO;
}

/* A namespace of our own with two pairs; sysfs shows the one that mounted it, so it is mounted again. */
static int lanes_open(struct bench *b)
{
    char name[8];
    int err;

    if (unshare(CLONE_NEWNET | CLONE_NEWNS))
        return -errno;
    err = sh("mount --make-rprivate / && mount -t sysfs sysfs /sys && ip link set lo up && "
             "ip link add a0 type veth peer name b0 && ip link add a1 type veth peer name b1");
    if (err)
        return err;
    for (int i = 0; i < 2 && !err; i++) {
        char command[256];

        snprintf(command, sizeof(command),
                 "for d in a%d b%d; do echo 1 > /proc/sys/net/ipv6/conf/$d/disable_ipv6; ip link set $d up; done", i,
                 i);
        err = sh(command);
        snprintf(name, sizeof(name), "a%d", i);
        b->send_to[i] = if_nametoindex(name);
        if (!err &&
            bpf_xdp_attach((int)b->send_to[i], bpf_program__fd(b->gen->progs.drop_xdp), XDP_FLAGS_DRV_MODE, NULL))
            err = -errno;
        name[0] = 'b';
        if (!err)
            err = mac_of(name, b->mac[i]);
    }
    return err;
}

static int lane_set(struct bench *b, int lane, int prog_fd)
{
    char name[8];

    snprintf(name, sizeof(name), "b%d", lane);
    b->prog_fd[lane] = prog_fd;
    return bpf_xdp_attach((int)if_nametoindex(name), prog_fd, XDP_FLAGS_DRV_MODE, NULL) ? -errno : 0;
}

static int stats_of(int prog_fd, __u64 *ret_ns, __u64 *ret_runs)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
        return -errno;
    *ret_ns = info.run_time_ns;
    *ret_runs = info.run_cnt;
    return 0;
}

/* One round on one lane: ns per run. The generator continues in the next one. */
static int lane_round(struct bench *b, int lane, __u32 frames, double *ret_ns)
{
    struct gen *g = &b->gen->bss->gen;
    __u64 ns[2], runs[2];
    int err;

    memcpy(g->frame, b->mac[lane], 6);
    g->ifindex = b->send_to[lane];
    err = stats_of(b->prog_fd[lane], &ns[0], &runs[0]);
    if (!err)
        err = gen_send(b->gen, frames);
    usleep(2000); /* what ksoftirqd took over */
    if (!err)
        err = stats_of(b->prog_fd[lane], &ns[1], &runs[1]);
    if (!err && runs[1] - runs[0] < frames / 2)
        err = -ENODATA;
    if (!err)
        *ret_ns = (double)(ns[1] - ns[0]) / (double)(runs[1] - runs[0]);
    return err;
}

#endif
