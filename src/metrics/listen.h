/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where metrics are served: a socket of our own, or the one that systemd passes (sd_listen_fds(3)). */
#ifndef SW_METRICS_LISTEN_H
#define SW_METRICS_LISTEN_H

#include "base/failure.h"
#include "config/guard_options.h"

#define SW_METRICS_PLACE 64

struct sw_metrics_place {
    bool given;
    bool passed;           /* systemd's */
    struct sw_protect own; /* else this address; any: all of these families */
};

/* PORT (of 127.0.0.1), ADDR:PORT, [ADDR6]:PORT, *:PORT, or `systemd`. 0 or -EINVAL. */
int sw_metrics_place_parse(const char *text, struct sw_metrics_place *ret);

/* A listening socket that does not block, and its name for people; or -errno with f. */
int sw_metrics_listen(const struct sw_metrics_place *place, char ret_name[SW_METRICS_PLACE], struct sw_failure *f);

#endif
