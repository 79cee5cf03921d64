/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A running instance, for `top`: its connections and services by its maps, once an interval, whatever their rate; what
 * only events say by its socket.
 */
#ifndef SW_CMD_TOP_LIVE_H
#define SW_CMD_TOP_LIVE_H

#include "cmd/choice.h"
#include "loader/service_stats.h"
#include "output/filter.h"
#include "top/guard.h"
#include "top/model.h"

struct sw_top_live {
    const struct sw_filter *filter;
    struct sw_instance inst;
    int process_fd;                 /* readable when the process has ended; -1: none runs, the programs are pinned */
    int events_fd;                  /* -1: events are not read */
    bool mute;                      /* the instance's own --events leaves them out */
    bool busy;                      /* so many came that they should be read again soon */
    bool ended;                     /* the instance */
    __u64 lost;                     /* lines of events */
    struct sw_service_stats *stats; /* NULL: no guard */
    char *buf;                      /* the beginning of a line, of which the rest has not come */
    size_t len;
};

/* The one instance that fits; filter: what is looked at, which stays the caller's. An enum sw_exit, after a line on
 * stderr. */
int sw_top_live_open(struct sw_top_live *l, struct sw_choice *choice, const struct sw_filter *filter);
void sw_top_live_close(struct sw_top_live *l);

/* One look at the maps. 0 or -errno; l->ended is set where the instance has gone. */
int sw_top_live_look(struct sw_top_live *l, struct sw_top_model *m, struct sw_top_guard *g);
/* What has come of events; does not wait. Sets l->busy. 0 or -errno */
int sw_top_live_read(struct sw_top_live *l, struct sw_top_model *m);

#endif
