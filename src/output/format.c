/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/format.h"
#include "output/ecs.h"
#include "output/json.h"
#include "output/json_fmt.h"
#include "output/json_guard.h"
#include "output/text.h"
#include "output/text_guard.h"
#include "output/zeek_log.h"

static const struct sw_formatter formatters[] = {
    [SW_FORMAT_JSON] = {.name = "json",
                        .lines = ~0u,
                        .before_seq = sizeof(SW_JSON_BEFORE_SEQ) - 1,
                        .event = sw_json_event,
                        .loss = sw_json_loss,
                        .stats = sw_json_stats,
                        .guard_event = sw_json_guard_event,
                        .service = sw_json_service},
    [SW_FORMAT_TEXT] = {.name = "text",
                        .lines = ~0u,
                        .event = sw_text_event,
                        .loss = sw_text_loss,
                        .stats = sw_text_stats,
                        .guard_event = sw_text_guard_event,
                        .service = sw_text_service},
    [SW_FORMAT_ZEEK] = {.name = "zeek",
                        .lines = 1u << SW_EV_CONN,
                        .event = sw_zeek_event,
                        .loss = sw_zeek_loss,
                        .head = sw_zeek_head,
                        .end = sw_zeek_end},
    [SW_FORMAT_ECS] = {.name = "ecs",
                       .lines = ~0u,
                       .before_seq = SW_ECS_BEFORE_SEQ,
                       .event = sw_ecs_event,
                       .loss = sw_ecs_loss,
                       .stats = sw_ecs_stats,
                       .guard_event = sw_ecs_guard_event,
                       .service = sw_ecs_service},
};

const struct sw_formatter *sw_formatter(enum sw_format format)
{
    return &formatters[format];
}
