/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Event lines (docs/events.md) read back, by json-c: one JSON object a line, from a file, a pipe or standard input,
 * plain or gzip. What is no object is counted and left out; which keys an object has is the caller's concern, who
 * ignores what it does not know.
 */
#ifndef SW_LINES_NDJSON_H
#define SW_LINES_NDJSON_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define SW_NDJSON_LINE (256 * 1024) /* longest line, with its newline; what is longer is broken */

struct sw_ndjson; /* opaque */
struct sw_line;   /* an object; valid until the next line is read */

struct sw_ndjson_counts {
    __u64 read;         /* lines so far, empty ones included: the number of the last one */
    __u64 events;       /* of these, JSON objects */
    __u64 broken;       /* neither an object nor empty: torn, too long, not UTF-8, no JSON */
    __u64 first_broken; /* its number; 0: there is none */
};

int sw_ndjson_open(const char *path, struct sw_ndjson **ret); /* "-": standard input. 0 or -errno */
int sw_ndjson_take(int fd, struct sw_ndjson **ret); /* a socket, say: it is closed with the rest. 0 or -ENOMEM */
void sw_ndjson_close(struct sw_ndjson *n);          /* NULL is fine */
int sw_ndjson_fd(const struct sw_ndjson *n);        /* to wait for, if it is non-blocking or a pipe */

/*
 * 1: *ret is the next object; 0: the end. -EAGAIN: none now, a later call goes on (of a non-blocking descriptor).
 * -EILSEQ: damaged gzip. Another -errno: it could not be read. After an error the next call may give what was read
 * before it of a last line.
 */
int sw_ndjson_next(struct sw_ndjson *n, const struct sw_line **ret);
/* The line of the last object, as it was read, without spaces at its end; valid as long as the object. */
const char *sw_ndjson_text(const struct sw_ndjson *n, size_t *ret_len);
const struct sw_ndjson_counts *sw_ndjson_counts(const struct sw_ndjson *n);

/* A value by its key. Missing, null, or of another type: NULL or false, and *ret is unchanged. */
const char *sw_field_text(const struct sw_line *line, const char *key);
bool sw_field_u64(const struct sw_line *line, const char *key, __u64 *ret);
bool sw_field_bool(const struct sw_line *line, const char *key, bool *ret);
bool sw_field_time(const struct sw_line *line, const char *key, __u64 *ret_ns); /* RFC 3339, UTC: ns since 1970 */
bool sw_field_has(const struct sw_line *line, const char *key);                 /* null counts */
/* Whatever it is, as JSON text on one line; valid as long as the line. */
const char *sw_field_json(const struct sw_line *line, const char *key);

/*
 * Each value that is neither a list nor an object, in the order of the line, as text: a string without quotes and
 * escapes, NULL for null. Left out: a string with a zero byte.
 */
void sw_fields_each(const struct sw_line *line, void (*fn)(void *ctx, const char *key, const char *value), void *ctx);

/* A list: how many items it has; and the i-th, NULL if it is no object. Valid as long as the line. 0: it is no list. */
size_t sw_field_len(const struct sw_line *line, const char *key);
const struct sw_line *sw_field_item(const struct sw_line *line, const char *key, size_t i);

/* The text of sw_field_time. */
bool sw_time_parse(const char *text, __u64 *ret_ns);

#endif
