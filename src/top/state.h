/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the user has chosen, by keys, and the rows that follow from it and from the model. Pure. */
#ifndef SW_TOP_STATE_H
#define SW_TOP_STATE_H

#include "top/columns.h"
#include "top/filter.h"
#include "top/list.h"

/* Keys: characters as they are, and these. */
enum {
    SW_TOP_BACKSPACE = 8,
    SW_TOP_ENTER = 10,
    SW_TOP_CLEAR = 21, /* Ctrl-U */
    SW_TOP_ESC = 27,
    SW_TOP_UP = 256,
    SW_TOP_DOWN,
    SW_TOP_PAGE_UP,
    SW_TOP_PAGE_DOWN,
    SW_TOP_HOME,
    SW_TOP_END
};

/* A row: of model->server or of model->conn. */
struct sw_top_row {
    __u64 value; /* that it is sorted by */
    __u32 at;
};

struct sw_top_state {
    enum sw_top_view view;
    bool opened;                    /* the connections of one server, */
    struct sw_top_id server;        /* this one */
    bool detail;                    /* of one connection, */
    struct sw_top_conn conn;        /* as it was last seen; */
    bool gone;                      /* it is in the table no more */
    bool help, paused, all, quit;   /* all: ended connections, too */
    bool typing;                    /* a filter, */
    char typed[SW_TOP_FILTER_TEXT]; /* this one so far */
    char shown[SW_TOP_FILTER_TEXT]; /* that holds; empty: none */
    struct sw_top_filter filter;
    char wrong[SW_TOP_FILTER_TEXT]; /* why what was typed is no filter; else empty */
    int sort[2];                    /* by enum sw_top_view */
    struct sw_top_columns columns;
    struct sw_top_list list[2];
    struct sw_top_row *row;
    size_t rows, rows_room;
    struct sw_top_id chosen_server; /* at the cursors */
    struct sw_key chosen_key;
    __u64 chosen_start;
};

void sw_top_state_init(struct sw_top_state *s);
void sw_top_state_fini(struct sw_top_state *s);

/* What a key means. The rows have to be made anew before the next one. */
void sw_top_state_key(struct sw_top_state *s, const struct sw_top_model *m, int key);

/* The rows of the view, in order, on a screen of so many columns with room for so many rows. The chosen one stays the
 * same, but for the first, which stays the first. 0 or -ENOMEM */
int sw_top_state_rows(struct sw_top_state *s, struct sw_top_model *m, int width, size_t room);

#endif
