/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pieces of JSON that all lines share. Each appends and returns the new end. */
#ifndef SW_OUTPUT_JSON_FMT_H
#define SW_OUTPUT_JSON_FMT_H

#include "base/fmt.h"
#include "base/key_state.h"
#include "output/line.h"
#include "output/names.h"

#define SW_STR_OF(x) #x
#define SW_STR(x) SW_STR_OF(x)

/* Keys are literals of known length. */
#define SW_LIT(p, s) (memcpy((p), (s), sizeof(s) - 1), (p) + sizeof(s) - 1)

/* Copies the whole entry, which the line's room allows, and keeps its length. */
static inline char *sw_put_name(char *p, const struct sw_name *n)
{
    memcpy(p, n->text, sizeof(n->text));
    return p + n->len;
}

static inline char *sw_put_bool(char *p, bool v)
{
    memcpy(p, v ? "true\0" : "false", 5);
    return p + 5 - v;
}

/* What is before the number in every line. */
#define SW_JSON_BEFORE_SEQ "{\"schema\":" SW_STR(SW_SCHEMA) ",\"seq\":"

/* The common fields up to `host`, whose closing quote is left to what follows. */
static inline char *sw_put_head(struct sw_lines *l, char *p, __u64 seq, __u64 ts, const struct sw_name *event)
{
    p = SW_LIT(p, SW_JSON_BEFORE_SEQ);
    p = sw_put_u64(p, seq);
    if (l->sample > 1)
        p = sw_put_u64(SW_LIT(p, ",\"sample\":"), l->sample);
    p = SW_LIT(p, ",\"ts\":\"");
    p = sw_put_time(l, p, (__s64)(ts + (__u64)l->clock_offset));
    p = SW_LIT(p, "\",\"event\":\"");
    p = sw_put_name(p, event);
    memcpy(p, l->before_host, l->before_host_len);
    return p + l->before_host_len;
}

char *sw_put_whole(const struct sw_lines *l, char *p); /* iface and hook of a line about the instance */
char *sw_put_vlan(char *p, const __u16 vlan[2]);       /* null without a tag */
/* ,"PREFIXkey":v - for the lines that are rare */
char *sw_put_pair(char *p, const char *prefix, const char *key, __u64 v);
/* ,"PREFIXsyns":n, each item by name, then the sum of the drops, then each reason */
char *sw_put_svc_counters(char *p, const char *prefix, const struct sw_svc_counters *t);
/* ,"guard_key":… and the rest of the key file, or nothing without one: at most SW_KEYS_ROOM bytes */
#define SW_KEYS_ROOM 192
char *sw_json_keys(char *p, const struct sw_key_state *k);

#endif
