/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events/checkpoint.h"

#include <string.h>

const struct sw_books *sw_books_last(const struct sw_saved *saved)
{
    return &saved->slot[__atomic_load_n(&saved->current, __ATOMIC_ACQUIRE) & 1];
}

static void save(struct sw_saved *saved, const struct sw_books *books)
{
    __u32 next = !(saved->current & 1);

    saved->slot[next] = *books;
    __atomic_store_n(&saved->current, next, __ATOMIC_RELEASE);
}

void sw_books_resume(const struct sw_saved *saved, struct sw_account *account, struct sw_marks *marks)
{
    const struct sw_books *last = sw_books_last(saved);

    memcpy(account->said, last->said, sizeof(account->said));
    account->evicted = last->evicted;
    account->owed = last->owed;
    /* saved and not released, if it was killed in between; anything else is where the ring itself says */
    for (int i = 0; i < SW_BOOK_RINGS; i++)
        if (marks->ring[i])
            sw_ringbuf_seek(marks->ring[i], last->at[i]);
}

/* Without room the last mark is moved on: what it covers is only released later. */
void sw_books_mark(struct sw_marks *m, const struct sw_report *report, const struct sw_account *account)
{
    struct sw_mark *mark;

    if (m->len < SW_MARKS)
        m->len++;
    mark = &m->mark[(m->first + m->len - 1) % SW_MARKS];
    mark->bytes = sw_report_made(report);
    mark->books.seq = sw_report_seq(report);
    mark->books.evicted = account->evicted;
    mark->books.owed = account->owed;
    memcpy(mark->books.said, account->said, sizeof(mark->books.said));
    for (int i = 0; i < SW_BOOK_RINGS; i++)
        mark->books.at[i] = m->ring[i] ? m->ring[i]->at : 0;
}

void sw_books_written(struct sw_marks *m, const struct sw_report *report)
{
    const __u64 written = sw_report_made(report) - sw_report_pending(report);
    const struct sw_books *done = NULL;

    while (m->len && m->mark[m->first].bytes <= written) {
        done = &m->mark[m->first].books;
        m->first = (m->first + 1) % SW_MARKS;
        m->len--;
    }
    if (!done)
        return;
    save(m->saved, done);
    for (int i = 0; i < SW_BOOK_RINGS; i++)
        if (m->ring[i])
            sw_ringbuf_release(m->ring[i], done->at[i]);
}
