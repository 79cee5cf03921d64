/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/list.h"

static void show_cursor(struct sw_top_list *l)
{
    if (l->cursor < l->top)
        l->top = l->cursor;
    if (l->rows && l->cursor >= l->top + l->rows)
        l->top = l->cursor + 1 - l->rows;
    if (l->top + l->rows > l->len) /* no rows are left empty while there is something above */
        l->top = l->len > l->rows ? l->len - l->rows : 0;
}

void sw_top_list_go(struct sw_top_list *l, size_t to)
{
    if (to >= l->len)
        to = l->len ? l->len - 1 : 0;
    l->cursor = to;
    show_cursor(l);
}

void sw_top_list_fit(struct sw_top_list *l, size_t len, size_t rows)
{
    l->len = len;
    l->rows = rows;
    sw_top_list_go(l, l->cursor);
}

void sw_top_list_move(struct sw_top_list *l, long by)
{
    if (by < 0 && (size_t)-by > l->cursor)
        sw_top_list_go(l, 0);
    else
        sw_top_list_go(l, l->cursor + by);
}
