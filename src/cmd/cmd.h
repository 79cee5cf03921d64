/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The commands: what each is called, takes and does. */
#ifndef SW_CMD_CMD_H
#define SW_CMD_CMD_H

#include "config/command.h"

extern const struct sw_command sw_run_command, sw_replay_command, sw_report_command, sw_flows_command,
    sw_status_command;
extern const struct sw_command sw_events_command, sw_guard_command, sw_list_command, sw_filter_command,
    sw_gateway_command;
extern const struct sw_command sw_hist_command, sw_metrics_command, sw_reopen_command, sw_unpin_command;
extern const struct sw_command sw_probe_command, sw_top_command, sw_ladder_command, sw_keys_command;
extern const struct sw_command sw_join_command, sw_watch_command;

/* All of them, in the order of `synward --help`; ends with NULL. */
extern const struct sw_command *const sw_commands[];

#endif
