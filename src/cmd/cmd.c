/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/cmd.h"

/* clang-format off */
const struct sw_command *const sw_commands[] = {
    &sw_run_command,
    &sw_replay_command,
    &sw_report_command,
    &sw_ladder_command,
    &sw_join_command,
    &sw_events_command,
    &sw_watch_command,
    &sw_flows_command,
    &sw_top_command,
    &sw_status_command,
    &sw_hist_command,
    &sw_metrics_command,
    &sw_filter_command,
    &sw_guard_command,
    &sw_gateway_command,
    &sw_list_command,
    &sw_keys_command,
    &sw_reopen_command,
    &sw_unpin_command,
    &sw_probe_command,
    NULL,
};
/* clang-format on */
