/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines from events, without I/O: the state that lines share (names already escaped, caches) and the
 * two formats. A formatter appends one whole line, newline included, to room that the caller has made:
 * sw_lines_room() bytes are always enough.
 */
#ifndef SW_OUTPUT_JSON_H
#define SW_OUTPUT_JSON_H

#include "base/fmt.h"
#include "output/conn_id.h"
#include "output/report.h"
#include "synward.h"

#include <string.h>

#define SW_SCHEMA 2
#define SW_SECONDS 64 /* cached date texts, by second */
#define SW_IDS 1024   /* cached identities: the lines of a short connection come close together */

struct sw_iface_text {
    __u32 ifindex;
    __u32 len;
    char *text; /* escaped */
};

struct sw_second {
    __s64 sec;
    char text[24]; /* "2026-11-21T04:41:00." */
};

struct sw_ids {
    struct sw_key key;
    __u64 start_ns;
    char uid[24]; /* of SW_UID_LEN */
    char cid[32]; /* of SW_CID_LEN */
};

struct sw_lines {
    __s64 clock_offset;
    __u16 cid_seed;
    bool color;
    bool replay;
    char *host; /* escaped */
    size_t host_len;
    struct sw_iface_text capture; /* replay: stands for every ifindex */
    struct sw_iface_text *ifaces;
    size_t ifaces_len;
    size_t iface_max; /* longest name, for the room and for columns */
    size_t last_iface;
    int width;                    /* text: widest pair of endpoints so far */
    struct sw_iface_text unnamed; /* an ifindex that nobody named: "#7" */
    char unnamed_text[16];
    struct sw_second seconds[SW_SECONDS];
    struct sw_ids ids[SW_IDS];
};

int sw_lines_init(struct sw_lines *l, const struct sw_report_opts *opts);
void sw_lines_fini(struct sw_lines *l);
int sw_lines_set_iface(struct sw_lines *l, __u32 ifindex, const char *name);
size_t sw_lines_room(const struct sw_lines *l);
const struct sw_iface_text *sw_lines_iface(struct sw_lines *l, const struct sw_event *ev);
const struct sw_iface_text *sw_lines_iface_at(struct sw_lines *l, __u32 ifindex);
const struct sw_ids *sw_lines_ids(struct sw_lines *l, const struct sw_key *key, __u64 start_ns);

char *sw_json_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p);
char *sw_json_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p);
char *sw_json_stats(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p);

char *sw_json_told(struct sw_lines *l, __u64 seq, const struct sw_told *t, char *p);
char *sw_json_service(struct sw_lines *l, __u64 seq, const struct sw_report_service *s, __u64 now_ns, char *p);

char *sw_text_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p);
char *sw_text_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p);
char *sw_text_stats(struct sw_lines *l, __u64 seq, const struct sw_report_stats *s, __u64 now_ns, char *p);
char *sw_text_told(struct sw_lines *l, __u64 seq, const struct sw_told *t, char *p);
char *sw_text_service(struct sw_lines *l, __u64 seq, const struct sw_report_service *s, __u64 now_ns, char *p);

/* "service":… as in a service line, without the fields that all lines have and without `final`: at most SW_SERVICE_ROOM
 * bytes. */
#define SW_SERVICE_ROOM 2048
char *sw_json_service_body(char *p, const struct sw_report_service *s, __u64 now_ns);

char *sw_put_time(struct sw_lines *l, char *p, __s64 unix_ns); /* RFC 3339, UTC, nanoseconds */

#endif
