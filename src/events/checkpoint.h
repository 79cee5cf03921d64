/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How far lines have been written. Lines gather in the reporter's buffer; a checkpoint says which records, losses and
 * sequence number all lines up to a byte stand for. Once that byte is written the checkpoint is saved: its records are
 * released, and the next daemon on the same pins continues from it.
 *
 * While nothing can be written, records are released without: the checkpoint then counts as lost what has no written
 * line, and should the daemon be killed, the next one logs that.
 */
#ifndef SW_EVENTS_CHECKPOINT_H
#define SW_EVENTS_CHECKPOINT_H

#include "events/loss.h"
#include "events/ringbuf.h"
#include "loader/pin_format.h"
#include "output/report.h"

#define SW_CHECKPOINTS 64

struct sw_checkpoints {
    struct sw_saved *saved;
    struct sw_ringbuf *ring[SW_CHECKPOINT_RINGS]; /* NULL: not there */
    struct sw_checkpoint base;                    /* the last one that stands for written lines */
    __u64 base_made[SW_LOSSES];                   /* lines made up to there */
    size_t first, len;
    struct sw_checkpoint_at {
        __u64 bytes; /* bytes made up to here */
        __u64 made[SW_LOSSES];
        struct sw_checkpoint checkpoint;
    } at[SW_CHECKPOINTS];
};

/* The last saved checkpoint; accounting and rings continue from it. */
const struct sw_checkpoint *sw_checkpoint_last(const struct sw_saved *saved);
void sw_checkpoint_resume(const struct sw_saved *saved, struct sw_account *account, struct sw_checkpoints *checkpoints);
/* What the reporter goes on from. */
void sw_checkpoint_counts(const struct sw_saved *saved, struct sw_report_counts *ret);

void sw_checkpoint_add(struct sw_checkpoints *m, const struct sw_report *report, const struct sw_account *account);
void sw_checkpoint_written(struct sw_checkpoints *m, const struct sw_report *report);
/* Releases all records that were read, written or not. */
void sw_checkpoint_skip(struct sw_checkpoints *m, const struct sw_report *report, const struct sw_account *account);

#endif
