/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The whole screen as lines of text, each with what it looks like. Pure: a terminal draws it, a test reads it. */
#ifndef SW_TOP_PAGE_H
#define SW_TOP_PAGE_H

#include "loader/instance.h"
#include "top/guard.h"
#include "top/owner.h"
#include "top/state.h"

#define SW_TOP_MIN_WIDTH 80
#define SW_TOP_MIN_HEIGHT 24
#define SW_TOP_HEIGHT_MAX 200

enum sw_top_look {
    SW_LOOK_PLAIN,
    SW_LOOK_BOLD,
    SW_LOOK_DIM,
    SW_LOOK_HEAD,   /* of columns */
    SW_LOOK_CHOSEN, /* the row at the cursor */
    SW_LOOK_RULE,   /* a line is drawn behind the text, up to the edge */
    SW_LOOK_WARN,
    SW_LOOK_ALARM
};

struct sw_top_line {
    enum sw_top_look look;
    char text[SW_TOP_WIDTH_MAX + 1]; /* printable ASCII */
};

/* What is known besides the model. */
struct sw_top_info {
    const char *who;                  /* "pid 12 (eth0)", a file's name; any bytes */
    const struct sw_instance *inst;   /* for names of interfaces; NULL: a file */
    char clock[24];                   /* of the look */
    bool events_read;                 /* events are read */
    __u64 lost;                       /* lines that were lost of these, or of the file */
    char note[80];                    /* any more; empty: nothing */
    const struct sw_top_owner *owner; /* of the connection in detail; NULL: not looked for */
    __s64 clock_offset;               /* as struct sw_lines' */
    bool utc;
};

struct sw_top_page {
    int width, height, len;
    int cursor; /* column of the terminal's cursor in the last line; -1: none */
    struct sw_top_line line[SW_TOP_HEIGHT_MAX];
};

/* How many rows of the table have room on such a screen. */
size_t sw_top_page_rows(const struct sw_top_guard *g, int width, int height);
/* The rows have been made (sw_top_state_rows). */
void sw_top_page_make(struct sw_top_page *p, const struct sw_top_model *m, const struct sw_top_state *s,
                      const struct sw_top_guard *g, const struct sw_top_info *info, int width, int height);

#endif
