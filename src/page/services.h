/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What guard and service lines say of each protected service: changes of state, half-open handshakes and SYN rate over
 * time, the last totals. SW_SERVICES_MAX services, SW_CHANGES_MAX changes of each; what is over is counted.
 */
#ifndef SW_PAGE_SERVICES_H
#define SW_PAGE_SERVICES_H

#include "lines/ndjson.h"
#include "page/timeline.h"

enum { SW_SERVICES_MAX = 64, SW_CHANGES_MAX = 400, SW_PAGE_TEXT = 64, SW_PAGE_WORD = 24 };

enum { SW_SERVICE_HALF_OPEN, SW_SERVICE_SYN_RATE, SW_SERVICE_COMPLETED_RATE, SW_SERVICE_CELLS };

struct sw_change {
    __u64 ns, half_open, syn_rate, completed_rate;
    char from[SW_PAGE_WORD], to[SW_PAGE_WORD], cause[SW_PAGE_WORD];
};

struct sw_page_service {
    char host[SW_PAGE_TEXT], name[SW_PAGE_TEXT];
    char mode[SW_PAGE_WORD], state[SW_PAGE_WORD]; /* the last ones */
    bool dry_run;
    __u64 half_open_threshold, syn_rate_threshold;
    __u64 syns, completed, cookies_sent, cookies_accepted, dropped; /* of the last service line */
    struct sw_timeline line;
    struct sw_change *change;
    size_t changes, changes_room;
    __u64 changes_more; /* that came after */
};

struct sw_services_seen {
    struct sw_page_service *at[SW_SERVICES_MAX];
    size_t len;
    __u64 left_out; /* lines about services for which there was no place */
};

/* A line whose event is guard (or else service). 0 or -ENOMEM. */
int sw_services_seen_add(struct sw_services_seen *s, const struct sw_line *line, bool guard);
void sw_services_seen_clear(struct sw_services_seen *s);

/* A bounded copy: what does not fit is cut. NULL: "". */
void sw_page_copy(char *to, size_t size, const char *from);

#endif
