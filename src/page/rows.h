/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The conn lines that the page's table shows, as they were read: the last ones of each outcome, and those with the
 * slowest handshakes. At most SW_OUTCOMES * limit + SW_ROWS_SLOW lines of SW_ROW_MAX bytes.
 */
#ifndef SW_PAGE_ROWS_H
#define SW_PAGE_ROWS_H

#include <linux/types.h>
#include <stddef.h>

/* How a connection ended, in the order of the page's legend. */
#define SW_OUTCOME_LIST(X)                                                                                             \
    X(CLOSED, "closed")                                                                                                \
    X(RESET, "reset")                                                                                                  \
    X(REFUSED, "refused")                                                                                              \
    X(UNANSWERED, "unanswered")                                                                                        \
    X(TIMEOUT, "timeout")                                                                                              \
    X(OTHER, "other")
#define SW_OUTCOME_ITEM(id, name) SW_OUTCOME_##id,
enum sw_outcome { SW_OUTCOME_LIST(SW_OUTCOME_ITEM) SW_OUTCOMES };

enum { SW_ROWS_SLOW = 50, SW_ROW_MAX = 12288 };

struct sw_row {
    char *text;
    size_t len;
    __u64 ns; /* of the slow ones: the handshake */
};

struct sw_rows {
    size_t limit; /* of each outcome */
    struct sw_row *last[SW_OUTCOMES], slow[SW_ROWS_SLOW];
    __u64 seen[SW_OUTCOMES], too_long;
};

int sw_rows_init(struct sw_rows *r, size_t limit); /* 0 or -ENOMEM */
void sw_rows_clear(struct sw_rows *r);
int sw_rows_add(struct sw_rows *r, enum sw_outcome outcome, __u64 handshake_ns, const char *text, size_t len);

/* Calls each for every row that is kept, some of them twice: the slow ones come last. */
void sw_rows_each(const struct sw_rows *r, void (*each)(void *arg, const struct sw_row *row), void *arg);

#endif
