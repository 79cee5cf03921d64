/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A cursor in a list that is longer than the screen, and which part of the list is shown. */
#ifndef SW_TOP_LIST_H
#define SW_TOP_LIST_H

#include <stddef.h>

struct sw_top_list {
    size_t len, rows;   /* of the list, and of the screen */
    size_t cursor, top; /* the chosen one, the first that is shown */
};

/* The list or the screen has another size: cursor and top stay where they may be. */
void sw_top_list_fit(struct sw_top_list *l, size_t len, size_t rows);
/* By so many, backwards if negative; stops at the ends. */
void sw_top_list_move(struct sw_top_list *l, long by);
void sw_top_list_go(struct sw_top_list *l, size_t to);

#endif
