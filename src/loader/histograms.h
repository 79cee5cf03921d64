/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads the histograms: our own by descriptor, those of any running instance by map id. */
#ifndef SW_LOADER_HISTOGRAMS_H
#define SW_LOADER_HISTOGRAMS_H

#include "synward_histogram.h"

/* Of each role, sums over CPUs; of each server that has a place, in no order: *ret_rows of *ret_len, for free(). 0 or
 * -errno: NULL and 0. */
int sw_histograms_read(int map_fd, struct sw_histograms **ret_rows, __u32 *ret_len);
int sw_histograms_read_servers(int map_fd, struct sw_histograms **ret_rows, __u32 *ret_len);
int sw_map_histograms(__u32 map_id, struct sw_histograms **ret_rows, __u32 *ret_len);
int sw_map_server_histograms(__u32 map_id, struct sw_histograms **ret_rows, __u32 *ret_len);

/*
 * Gives the places of the servers that were idle longest to others, a quarter of all of them, if there are no more than
 * SW_HG_SERVERS_SPARE left. 0 or -errno.
 */
#define SW_HG_SERVERS_SPARE (SW_HG_SERVERS / 8)
int sw_histograms_make_room(int map_fd);

#endif
