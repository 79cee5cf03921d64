/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/histograms.h"

#include "loader/map_reader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add(struct sw_histogram_set *to, const struct sw_histogram_set *from)
{
    to->unmeasured += from->unmeasured;
    for (int i = 0; i < SW_WHY_MAX; i++)
        to->ended[i] += from->ended[i];
    for (int k = 0; k < SW_HG_MAX; k++) {
        to->of[k].sum += from->of[k].sum;
        for (__u32 i = 0; i < SW_HG_BUCKETS; i++)
            to->of[k].bucket[i] += from->of[k].bucket[i];
    }
}

int sw_histograms_read(int map_fd, struct sw_histograms **ret_rows, __u32 *ret_len)
{
    int cpus = libbpf_num_possible_cpus(), err = 0;
    struct sw_histograms *rows = calloc(SW_ROLE_MAX, sizeof(*rows));
    struct sw_histogram_set *values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;

    *ret_rows = NULL;
    *ret_len = 0;
    if (!rows || !values)
        err = cpus < 0 ? cpus : -ENOMEM;
    for (__u32 row = 0; row < SW_HG_ROWS && !err; row++) {
        struct sw_histograms *to = &rows[row % SW_ROLE_MAX];

        to->key.role = row % SW_ROLE_MAX;
        err = bpf_map_lookup_elem(map_fd, &row, values) ? -errno : 0;
        for (int cpu = 0; cpu < cpus && !err; cpu++)
            add(&to->set, &values[cpu]);
    }
    free(values);
    if (err) {
        free(rows);
        return err;
    }
    *ret_rows = rows;
    *ret_len = SW_ROLE_MAX;
    return 0;
}

/* A key that goes while the walk is at it begins the walk again: no server is taken twice, and the walk is bounded. */
int sw_histograms_read_servers(int map_fd, struct sw_histograms **ret_rows, __u32 *ret_len)
{
    struct sw_histograms *servers = calloc(SW_HG_SERVERS, sizeof(*servers));
    struct sw_server_key key, *last = NULL;
    __u32 len = 0;
    int err = 0;

    *ret_rows = NULL;
    *ret_len = 0;
    if (!servers)
        return -ENOMEM;
    for (int steps = 0; steps < 4 * SW_HG_SERVERS && len < SW_HG_SERVERS; steps++) {
        bool known = false;

        if (bpf_map_get_next_key(map_fd, last, &key)) {
            err = errno == ENOENT ? 0 : -errno;
            break;
        }
        last = &key;
        for (__u32 i = 0; i < len && !known; i++)
            known = !memcmp(&servers[i].key, &key, sizeof(key));
        servers[len].key = key;
        if (!known && !bpf_map_lookup_elem(map_fd, &key, &servers[len].set))
            len++;
    }
    if (err) {
        free(servers);
        return err;
    }
    *ret_rows = servers;
    *ret_len = len;
    return 0;
}

static int by_id(__u32 map_id, int (*read)(int, struct sw_histograms **, __u32 *), struct sw_histograms **ret_rows,
                 __u32 *ret_len)
{
    int fd = sw_map_by_id(map_id, sizeof(struct sw_histogram_set)), err;

    *ret_rows = NULL;
    *ret_len = 0;
    if (fd < 0)
        return fd;
    err = read(fd, ret_rows, ret_len);
    close(fd);
    return err;
}

int sw_map_histograms(__u32 map_id, struct sw_histograms **ret_rows, __u32 *ret_len)
{
    return by_id(map_id, sw_histograms_read, ret_rows, ret_len);
}

int sw_map_server_histograms(__u32 map_id, struct sw_histograms **ret_rows, __u32 *ret_len)
{
    return by_id(map_id, sw_histograms_read_servers, ret_rows, ret_len);
}

static int by_last(const void *a, const void *b)
{
    const struct sw_histograms *x = a, *y = b;

    return x->set.last_ns < y->set.last_ns ? -1 : x->set.last_ns > y->set.last_ns;
}

/* Their number: what reading them all would cost is spent only if they are many. */
static __u32 count_servers(int map_fd)
{
    struct sw_server_key key, *last = NULL;
    __u32 len = 0;

    while (len < SW_HG_SERVERS && !bpf_map_get_next_key(map_fd, last, &key)) {
        last = &key;
        len++;
    }
    return len;
}

int sw_histograms_make_room(int map_fd)
{
    struct sw_histograms *servers;
    __u32 len;
    int err;

    if (count_servers(map_fd) + SW_HG_SERVERS_SPARE <= SW_HG_SERVERS)
        return 0;
    err = sw_histograms_read_servers(map_fd, &servers, &len);
    if (err || len < SW_HG_SERVERS / 4) {
        free(servers);
        return err;
    }
    qsort(servers, len, sizeof(*servers), by_last);
    for (__u32 i = 0; i < SW_HG_SERVERS / 4; i++)
        bpf_map_delete_elem(map_fd, &servers[i].key);
    free(servers);
    return 0;
}
