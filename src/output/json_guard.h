/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The guard's lines, `guard`, `drop`, `gateway` and `service`, as NDJSON. See line.h. */
#ifndef SW_OUTPUT_JSON_GUARD_H
#define SW_OUTPUT_JSON_GUARD_H

#include "output/figures.h"
#include "output/line.h"

char *sw_json_guard_event(struct sw_lines *l, __u64 seq, const struct sw_guard_event *t, char *p);
char *sw_json_service(struct sw_lines *l, __u64 seq, const struct sw_report_service *s, __u64 now_ns, char *p);

/* The keys of a guard, drop or gateway line behind `hook`, whose closing quote they begin with. */
char *sw_json_guard_keys(const struct sw_lines *l, char *p, const struct sw_guard_event *t);

/* "service":… as in a service line, without the fields that all lines have and without `final`: at most SW_SERVICE_ROOM
 * bytes. */
#define SW_SERVICE_ROOM 2048
char *sw_json_service_body(char *p, const struct sw_report_service *s, __u64 now_ns);

#endif
