/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tracker for one four-tuple, without BPF: the pure state machine in the two maps' stead, and the
 * records it would emit. What the BPF program does around the state machine is written here a second time, plainly.
 */
#ifndef SW_TEST_MODEL_H
#define SW_TEST_MODEL_H

#include "bpfrun.h"
#include "tcp/flow.h"

enum { MODEL_EVENTS = 16 };

struct model {
    struct sw_config cfg;
    bool fast; /* take the fast path where the program would */
    struct sw_key key;
    enum bpfrun_where where;
    struct sw_flow flow; /* valid unless where is nowhere */
    struct sw_seg syn;   /* waits for its answer on a live flow, if has_syn */
    unsigned syn_again;  /* and was retransmitted so often */
    bool has_syn;
    bool has_ended; /* a connection, and its segments begin none */
    struct sw_ended ended;
    __u64 late;                                       /* segments of it */
    struct sw_event events[SW_RINGS][MODEL_EVENTS];   /* of each ring */
    size_t n_events[SW_RINGS];                        /* since the last model_clear */
    __u64 created, promoted, ended_in[2], fast_taken; /* ended_in: half-open flows, flows */
};

void model_init(struct model *m, const struct sw_config *cfg, bool fast);
void model_clear(struct model *m); /* the events */
void model_segment(struct model *m, const struct sw_seg *s);
void model_sweep(struct model *m, __u64 now, __u64 flush);

#endif
