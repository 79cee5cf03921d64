/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The terminal, by ncurses: draws pages, gives keys. Standard input and output. */
#ifndef SW_TOP_SCREEN_H
#define SW_TOP_SCREEN_H

#include "top/page.h"

/* 0; -ENOTTY: TERM names no known terminal; -ENOTSUP: one that cannot place its cursor, like dumb. */
int sw_top_screen_open(bool color);
void sw_top_screen_close(void); /* the terminal is as it was */

void sw_top_screen_size(int *ret_width, int *ret_height);
void sw_top_screen_draw(const struct sw_top_page *p);
/* As in state.h; 0: none that means anything, as a new size; -1: there is none now. */
int sw_top_screen_key(void);

#endif
