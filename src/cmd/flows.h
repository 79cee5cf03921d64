/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward flows: one look at the tables, and what is shown of it. */
#ifndef SW_CMD_FLOWS_H
#define SW_CMD_FLOWS_H

#include "cmd/choice.h"
#include "output/filter.h"
#include "output/flow_table.h"
#include "output/line.h"

#include <stdio.h>

struct sw_flows {
    enum sw_format format;
    bool json, all, wide;
    __u16 seed;
    enum sw_flow_sort sort;
    __u64 watch_ns; /* 0: once */
    struct sw_choice choice;
    struct sw_filter filter;
    __s64 clock_offset;
    struct sw_lines lines;    /* for times and escapes */
    struct sw_owners *owners; /* NULL: nobody asks */
    __u64 owners_due_ns;      /* until then they are as they were */
    FILE *out;
    size_t rows_max; /* that fit on a screen; 0: all */
    bool stream;     /* rows are printed as they are read, and not kept */

    /* of one look */
    struct sw_flows_block {
        struct sw_instance inst;
        __u64 now;
        struct sw_flow_rows rows;
    } * block;
    size_t len, room;
    int starting, elsewhere;
    bool other_version; /* one was there, and a line said so */
    int err;
    struct sw_flow_look before, seen; /* for rates: the look before, this one */
};

/* Reads the tables of all instances that fit into blocks. 0 or -errno */
int sw_flows_look(struct sw_flows *f);
void sw_flows_forget(struct sw_flows *f);        /* the blocks; what was seen is kept as the look before */
int sw_flows_say_none(const struct sw_flows *f); /* an enum sw_exit */

/* Prints the blocks; or what one begins with, and a row of it. */
void sw_flows_print(struct sw_flows *f);
void sw_flows_print_head(struct sw_flows *f, const struct sw_flows_block *b);
void sw_flows_print_row(struct sw_flows *f, const struct sw_flows_block *b, const struct sw_flow_row *row);

/* Until a signal, or until no instance that fits is left. An enum sw_exit. */
int sw_flows_watch(struct sw_flows *f);

#endif
