/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Options that run and replay share, as one argp child parser: put sw_common_argp into the command's
 * children with its struct sw_common_opts as child input (state->child_inputs[0] = &opts, in
 * ARGP_KEY_INIT). Every wrong use prints one line and exits with SW_EXIT_USAGE.
 */
#ifndef SW_CONFIG_OPTIONS_H
#define SW_CONFIG_OPTIONS_H

#include "loader/object.h"
#include "output/report.h"

#include <argp.h>
#include <stdbool.h>

#define SW_SERVER_PORTS_MAX 1024

struct sw_common_opts {
    struct sw_object_opts object; /* cfg included; object.cfg.event_mask holds what the kernel makes only */
    enum sw_format format;
    bool color;       /* text on a terminal */
    __u32 event_mask; /* lines wanted: 1 << kind and 1 << SW_LINE_* */
    __u16 cid_seed;
    int verbose;
    bool no_confine;
    __u64 interval_ns;                       /* between stats lines; 0: only the final one */
    __u16 server_ports[SW_SERVER_PORTS_MAX]; /* object.server_ports points here once given */
};

extern const struct argp sw_common_argp;

/* Defaults; call before argp_parse. replay: checksum, decap and the clock as replay wants them. */
void sw_common_defaults(struct sw_common_opts *opts, bool replay);

/* Runs argp with our conventions: one line on stderr for a mistake, exit code SW_EXIT_USAGE; --help prints
 * to stdout and exits 0. name is the command ("run"). Returns only on success. */
void sw_parse(const struct argp *argp, const char *name, int argc, char **argv, void *input);

/* For the commands' own parsers: one line, "synward NAME: …", then exit(SW_EXIT_USAGE). */
__attribute__((noreturn, format(printf, 1, 2))) void sw_usage_die(const char *fmt, ...);

/* Values; each dies by sw_usage_die when wrong. what is the option's name for the line. */
__u64 sw_arg_seconds(const char *what, const char *arg, double min, double max); /* -> ns */
__u64 sw_arg_number(const char *what, const char *arg, __u64 min, __u64 max); /* decimal or 0x…; k, M, G suffixes */
bool sw_arg_bool(const char *what, const char *arg);                          /* on|off; NULL: on */

#endif
