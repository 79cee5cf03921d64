/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The commands. Each parses its own arguments (argv[0] is the command's name) and returns an enum sw_exit. */
#ifndef SW_CMD_CMD_H
#define SW_CMD_CMD_H

int cmd_run(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_flows(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_guard(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_unpin(int argc, char **argv);
int cmd_probe(int argc, char **argv);

#endif
