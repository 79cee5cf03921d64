/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Options that run and replay share: sw_common_group is about a struct sw_common_opts. */
#ifndef SW_CONFIG_OPTIONS_H
#define SW_CONFIG_OPTIONS_H

#include "config/command.h"
#include "config/filter_options.h"
#include "loader/map_sizes.h"
#include "output/line.h"

#include <stdbool.h>

#define SW_SERVER_PORTS_MAX 1024

enum sw_color_when { SW_COLOR_AUTO, SW_COLOR_ALWAYS, SW_COLOR_NEVER };

struct sw_common_opts {
    struct sw_object_opts object; /* cfg included; object.cfg.event_mask holds what the kernel makes only */
    enum sw_format format;
    bool full_events; /* JSON: every key in every line of a connection */
    bool summary;
    bool wide, utc; /* of text */
    enum sw_color_when color;
    bool colored;     /* what follows from color */
    __u32 event_mask; /* lines wanted: 1 << kind and 1 << SW_LINE_* */
    __u16 cid_seed;
    struct sw_labels labels;
    __u32 sample;       /* connections: one of so many */
    const char *output; /* a file, "none", or NULL: standard output */
    int verbose;
    bool no_sandbox;
    enum sw_owner_mode owner;                /* of connections; run only */
    __u64 interval_ns;                       /* between stats lines; 0: only the final one */
    __u16 server_ports[SW_SERVER_PORTS_MAX]; /* object.server_ports points here once given */
    struct sw_filter_rules filter;           /* object.filter points here once given */
};

extern const struct sw_word sw_line_words[], sw_line_groups[], sw_format_words[]; /* of --events, --format */
extern const struct sw_word sw_color_words[];                                     /* of --color */
extern const struct sw_option_group sw_common_group, sw_timeout_group;

/* Has the format one of these lines? Else it ends with a usage error. */
void sw_check_format(struct sw_cli *cli, enum sw_format format, __u32 event_mask);

/* Can the format say that its lines are of a sample? Else it ends with a usage error. */
void sw_check_sample(struct sw_cli *cli, enum sw_format format, __u32 sample);

/* replay: checksum, decap, the clock and the rings as replay wants them. */
void sw_common_defaults(struct sw_common_opts *opts, bool replay);

/* Are lines that go to standard output, or elsewhere, coloured? */
bool sw_wants_color(enum sw_color_when when, bool on_stdout);

#endif
