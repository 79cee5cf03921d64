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
    checkpoints->base = *last;
    /* saved but not released, if the daemon was killed in between; otherwise the ring's own position is right */
    for (int i = 0; i < SW_CHECKPOINT_RINGS; i++)
        if (checkpoints->ring[i])
            sw_ringbuf_seek(checkpoints->ring[i], last->at[i]);
}

void sw_checkpoint_counts(const struct sw_saved *saved, struct sw_report_counts *ret)
{
    const struct sw_checkpoint *last = sw_checkpoint_last(saved);

    memset(ret, 0, sizeof(*ret));
    memcpy(ret->unmade, last->unmade, sizeof(ret->unmade));
    memcpy(ret->unmade_logged, last->unmade_logged, sizeof(ret->unmade_logged));
}

static void take_positions(const struct sw_checkpoints *m, struct sw_checkpoint *checkpoint)
{
    for (int i = 0; i < SW_CHECKPOINT_RINGS; i++)
        checkpoint->at[i] = m->ring[i] ? m->ring[i]->at : 0;
}

static void release(const struct sw_checkpoints *m, const struct sw_checkpoint *checkpoint)
{
    for (int i = 0; i < SW_CHECKPOINT_RINGS; i++)
        if (m->ring[i])
            sw_ringbuf_release(m->ring[i], checkpoint->at[i]);
}

/* If the list is full the last checkpoint is moved: its records are released later. */
void sw_checkpoint_add(struct sw_checkpoints *m, const struct sw_report *report, const struct sw_account *account)
{
    const struct sw_report_counts *counts = sw_report_counts(report);
    struct sw_checkpoint_at *at;

    if (m->len < SW_CHECKPOINTS)
        m->len++;
    at = &m->at[(m->first + m->len - 1) % SW_CHECKPOINTS];
    at->bytes = sw_report_made(report);
    at->checkpoint.seq = sw_report_seq(report);
    at->checkpoint.evicted = account->evicted;
    at->checkpoint.openings_lost = account->openings_lost;
    memcpy(at->checkpoint.reported, account->reported, sizeof(at->checkpoint.reported));
    memcpy(at->checkpoint.unmade, counts->unmade, sizeof(counts->unmade));
    memcpy(at->checkpoint.unmade_logged, counts->unmade_logged, sizeof(counts->unmade_logged));
    memcpy(at->made, counts->made, sizeof(at->made));
    take_positions(m, &at->checkpoint);
}

void sw_checkpoint_written(struct sw_checkpoints *m, const struct sw_report *report)
{
    const __u64 written = sw_report_made(report) - sw_report_pending(report);
    const struct sw_checkpoint_at *done = NULL;

    while (m->len && m->at[m->first].bytes <= written) {
        done = &m->at[m->first];
        m->first = (m->first + 1) % SW_CHECKPOINTS;
        m->len--;
    }
    if (!done)
        return;
    m->base = done->checkpoint;
    memcpy(m->base_made, done->made, sizeof(m->base_made));
    save(m->saved, &m->base);
    release(m, &m->base);
}

/* Of the lines made since the last checkpoint some may be written: then they are logged, and counted as lost, too. */
void sw_checkpoint_skip(struct sw_checkpoints *m, const struct sw_report *report, const struct sw_account *account)
{
    const struct sw_report_counts *counts = sw_report_counts(report);
    struct sw_checkpoint checkpoint = m->base;

    checkpoint.evicted = account->evicted;
    checkpoint.openings_lost = account->openings_lost;
    for (int kind = 0; kind < SW_LOSSES; kind++)
        checkpoint.unmade[kind] = counts->unmade[kind] + counts->made[kind] - m->base_made[kind];
    take_positions(m, &checkpoint);
    save(m->saved, &checkpoint);
    release(m, &checkpoint);
    m->len = 0;
}
