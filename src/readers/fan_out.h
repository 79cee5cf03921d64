/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The readers, and from one record to the queues of all who want it. */
#ifndef SW_READERS_FAN_OUT_H
#define SW_READERS_FAN_OUT_H

#include "output/report.h"
#include "readers/reader.h"

#include <sys/types.h>

#define SW_READERS_MAX 64
#define SW_READERS_ROOT 8                 /* of these, which only root's are given */
#define SW_READERS_USER 16                /* of one other user */
#define SW_READERS_AMPLE 16               /* so many have the larger queue, */
#define SW_READERS_BYTES (8u << 20)       /* of as much as waits for standard output, */
#define SW_READERS_BYTES_FEW (1u << 20)   /* and the others a small one */
#define SW_READERS_ASK_NS (5 * SW_SECOND) /* to send a request */

/* The forms in which a line is made, at most once for all readers: each format, text in each style, the sum of the
 * bits.
 */
enum {
    SW_FORM_JSON,
    SW_FORM_TEXT = 1 << 0,
    SW_FORM_COLOR = 1 << 1,
    SW_FORM_WIDE = 1 << 2,
    SW_FORM_UTC = 1 << 3,
    SW_FORM_ZEEK = SW_FORM_COLOR, /* styles without text */
    SW_FORM_ECS = SW_FORM_WIDE,
};
#define SW_FORMS (1 << 4)

struct sw_reader {
    int fd;
    uid_t uid;
    bool asked;    /* its request is complete */
    bool blocked;  /* its socket is full: epoll says when it is not */
    bool ample;    /* it has the larger queue */
    bool gone;     /* seen while lines were made */
    char *request; /* so far */
    size_t request_len;
    __u64 deadline; /* for it */
    struct sw_reader_lines lines;
};

struct sw_readers {
    const struct sw_instance *inst;
    gid_t group;
    __u32 event_mask; /* lines that can be made here */
    int fd, epoll;
    bool listening; /* epoll has fd */
    bool ending;
    struct sw_report *report;
    struct sw_report_tap tap;
    struct sw_reader *reader[SW_READERS_MAX];
    size_t len, reading, ample;
    __u64 lost[SW_LOSSES]; /* as of the last tick */
    bool lost_known;       /* there was one: what was lost before is nobody's */
    struct sw_form_line {
        char *text;
        size_t room, len; /* len 0: not made of this record */
        __u32 sample;     /* that it speaks of */
    } line[SW_FORMS];
};

/* What the report shows is given to each reader that wants it. */
void sw_fan_out_tap(struct sw_readers *r);

/* Its whole queue, or as much as its socket takes. False: it is gone. */
bool sw_reader_send(const struct sw_readers *r, struct sw_reader *one);
bool sw_reader_watch(const struct sw_readers *r, const struct sw_reader *one, int op);

#endif
