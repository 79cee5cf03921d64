/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All lines as documents of the Elastic Common Schema (docs/schema/ecs.schema.json): JSON objects that are nested. What
 * it has no field for is below `synward`, by the keys and with the meaning that lines of JSON have. See format.h.
 */
#ifndef SW_OUTPUT_ECS_H
#define SW_OUTPUT_ECS_H

#include "output/figures.h"
#include "output/line.h"

#define SW_ECS_VERSION "9.4.0"

/* Their beginning is of fixed length up to the number. */
#define SW_ECS_BEFORE_TIME "{\"@timestamp\":\""
#define SW_ECS_AFTER_TIME "\",\"event\":{\"sequence\":"
#define SW_ECS_BEFORE_SEQ (sizeof(SW_ECS_BEFORE_TIME) - 1 + 30 + sizeof(SW_ECS_AFTER_TIME) - 1)

char *sw_ecs_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p);
char *sw_ecs_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p);
char *sw_ecs_stats(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p);
char *sw_ecs_guard_event(struct sw_lines *l, __u64 seq, const struct sw_guard_event *ev, char *p);
char *sw_ecs_service(struct sw_lines *l, __u64 seq, const struct sw_report_service *s, __u64 now_ns, char *p);

#endif
