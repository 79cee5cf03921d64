/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The columns of both tables: which of them fit on a screen, what stands in them, what they sort by. The first one
 * takes what is left of the width.
 */
#ifndef SW_TOP_COLUMNS_H
#define SW_TOP_COLUMNS_H

#include "top/model.h"

enum sw_top_view { SW_TOP_SERVERS, SW_TOP_CONNS };

#define SW_TOP_COLUMNS_MAX 16
#define SW_TOP_WIDTH_MAX 400 /* of a row; what is right of it stays empty */

/* Which of a view's columns are shown. */
struct sw_top_columns {
    enum sw_top_view view;
    int first; /* width of the first one */
    int len;
    int id[SW_TOP_COLUMNS_MAX]; /* from left to right; id[0] is 0 */
};

/* What the cells of a look depend on. */
struct sw_top_cells {
    __u64 now, span_ns; /* span_ns 0: rates are not known yet */
    bool events_read;   /* events are read; else what only they say is not known */
};

/* width: 80 or more */
void sw_top_columns_fit(enum sw_top_view view, int width, struct sw_top_columns *ret);
/* "B/s"; and the columns' numbers by their heads, for tests. */
const char *sw_top_column_head(enum sw_top_view view, int id);
int sw_top_column_find(enum sw_top_view view, const char *head); /* -1: there is none */
/* The column of the first look at a view. */
int sw_top_column_default(enum sw_top_view view);
/* The next or previous one of those that are shown, round about. */
int sw_top_column_step(const struct sw_top_columns *c, int id, int by);

/* Lines of at most SW_TOP_WIDTH_MAX characters, terminated. The head of the sorted column has a `*` before it. */
#define SW_TOP_ROW_ROOM (SW_TOP_WIDTH_MAX + 1)
void sw_top_head_text(const struct sw_top_columns *c, int sort, char buf[SW_TOP_ROW_ROOM]);
void sw_top_server_text(const struct sw_top_columns *c, const struct sw_top_cells *cells, const struct sw_top_server *s,
                        char buf[SW_TOP_ROW_ROOM]);
void sw_top_conn_text(const struct sw_top_columns *c, const struct sw_top_cells *cells, const struct sw_top_conn *conn,
                      char buf[SW_TOP_ROW_ROOM]);

/* What is sorted by, the largest first; 0 where it is not known. Of the first column it is 0: by address. */
__u64 sw_top_server_value(int id, const struct sw_top_server *s);
__u64 sw_top_conn_value(int id, const struct sw_top_conn *c, __u64 now);

#endif
