/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How far the lines got. Lines gather in the reporter's buffer; a mark says which records, losses and numbers all
 * lines up to a byte stand for. Once that byte is written, the mark counts: its records are released, and its figures
 * are what the next daemon on the same pins goes on from.
 */
#ifndef SW_EVENTS_CHECKPOINT_H
#define SW_EVENTS_CHECKPOINT_H

#include "events/loss.h"
#include "events/ringbuf.h"
#include "loader/pin_format.h"
#include "output/report.h"

#define SW_MARKS 64

struct sw_marks {
    struct sw_saved *saved;
    struct sw_ringbuf *ring[SW_BOOK_RINGS]; /* NULL: not there */
    size_t first, len;
    struct sw_mark {
        __u64 bytes; /* made up to here */
        struct sw_books books;
    } mark[SW_MARKS];
};

/* Where the last daemon came to; the account and the rings go on from there. */
const struct sw_books *sw_books_last(const struct sw_saved *saved);
void sw_books_resume(const struct sw_saved *saved, struct sw_account *account, struct sw_marks *marks);

void sw_books_mark(struct sw_marks *m, const struct sw_report *report, const struct sw_account *account);
void sw_books_written(struct sw_marks *m, const struct sw_report *report);

#endif
