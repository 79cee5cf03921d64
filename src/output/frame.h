/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a format has around the lines of each file: a header before the first, and after a regular end a last line. They
 * are no lines: they have no number, and no record waits for them. A file without lines has neither.
 */
#ifndef SW_OUTPUT_FRAME_H
#define SW_OUTPUT_FRAME_H

#include "output/format.h"
#include "output/sink.h"

struct sw_frame {
    const struct sw_formatter *format;
    bool utc;
    bool open;  /* the header is written */
    bool ended; /* no more lines: what is last follows */
    size_t len, done;
    char text[SW_FORMAT_ROOM]; /* so much of it is to be written, or is written */
};

/* The descriptor's file is not what it was: the next line comes after a header again. */
void sw_frame_lost(struct sw_frame *f);
/* Of `most` bytes for lines, so many are needed besides. A file that was emptied by another process begins anew. */
size_t sw_frame_room(struct sw_frame *f, const struct sw_sink *sink, size_t most);
/* Before lines: the header, if there is none. 0 or -errno; it may be called again. */
int sw_frame_begin(struct sw_frame *f, struct sw_sink *sink);
/* After all lines: what is last, once there was a header and no more lines will come. */
int sw_frame_end(struct sw_frame *f, struct sw_sink *sink);
/* Another file follows. How much of a header stands at the end of this one, if it is not whole; then what is last. */
size_t sw_frame_half(struct sw_frame *f);
void sw_frame_leave(struct sw_frame *f, struct sw_sink *sink);

#endif
