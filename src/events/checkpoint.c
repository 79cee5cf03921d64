/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "events/checkpoint.h"

#include <string.h>

const struct sw_checkpoint *sw_checkpoint_last(const struct sw_saved *saved)
{
    return &saved->slot[__atomic_load_n(&saved->current, __ATOMIC_ACQUIRE) & 1];
}

static void save(struct sw_saved *saved, const struct sw_checkpoint *checkpoint)
{
    __u32 next = !(saved->current & 1);

    saved->slot[next] = *checkpoint;
    __atomic_store_n(&saved->current, next, __ATOMIC_RELEASE);
}

void sw_checkpoint_resume(const struct sw_saved *saved, struct sw_account *account, struct sw_checkpoints *checkpoints)
{
    const struct sw_checkpoint *last = sw_checkpoint_last(saved);

    memcpy(account->reported, last->reported, sizeof(account->reported));
    account->evicted = last->evicted;
    account->openings_lost = last->openings_lost;
    /* saved but not released, if the daemon was killed in between; otherwise the ring's own position is right */
    for (int i = 0; i < SW_CHECKPOINT_RINGS; i++)
        if (checkpoints->ring[i])
            sw_ringbuf_seek(checkpoints->ring[i], last->at[i]);
}

/* If the list is full the last checkpoint is moved: its records are released later. */
void sw_checkpoint_add(struct sw_checkpoints *m, const struct sw_report *report, const struct sw_account *account)
{
    struct sw_checkpoint_at *at;

    if (m->len < SW_CHECKPOINTS)
        m->len++;
    at = &m->at[(m->first + m->len - 1) % SW_CHECKPOINTS];
    at->bytes = sw_report_made(report);
    at->checkpoint.seq = sw_report_seq(report);
    at->checkpoint.evicted = account->evicted;
    at->checkpoint.openings_lost = account->openings_lost;
    memcpy(at->checkpoint.reported, account->reported, sizeof(at->checkpoint.reported));
    for (int i = 0; i < SW_CHECKPOINT_RINGS; i++)
        at->checkpoint.at[i] = m->ring[i] ? m->ring[i]->at : 0;
}

void sw_checkpoint_written(struct sw_checkpoints *m, const struct sw_report *report)
{
    const __u64 written = sw_report_made(report) - sw_report_pending(report);
    const struct sw_checkpoint *done = NULL;

    while (m->len && m->at[m->first].bytes <= written) {
        done = &m->at[m->first].checkpoint;
        m->first = (m->first + 1) % SW_CHECKPOINTS;
        m->len--;
    }
    if (!done)
        return;
    save(m->saved, done);
    for (int i = 0; i < SW_CHECKPOINT_RINGS; i++)
        if (m->ring[i])
            sw_ringbuf_release(m->ring[i], done->at[i]);
}
