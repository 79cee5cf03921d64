/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ladder/line.h"

#include "base/ip.h"
#include "output/line.h"
#include "output/names.h"

#include <arpa/inet.h>
#include <string.h>

typedef const struct sw_name *(*name_fn)(unsigned int i);

/* The number of a name in a list of so many; the list's length if it is missing or not known. */
static unsigned int number_of(const struct sw_line *line, const char *key, name_fn name, unsigned int len)
{
    const char *text = sw_field_text(line, key);
    unsigned int i = 0;

    if (!text)
        return len;
    while (i < len && strcmp(text, name(i)->text))
        i++;
    return i;
}

static bool u32_of(const struct sw_line *line, const char *key, __u32 *ret)
{
    __u64 v;

    if (!sw_field_u64(line, key, &v) || v > ~0u)
        return false;
    *ret = (__u32)v;
    return true;
}

/* "SYN,ACK"; "none". False: something else is in it. */
static bool flags_of(const char *text, __u16 *ret)
{
    char name[SW_LADDER_LABEL];

    *ret = 0;
    if (!strcmp(text, "none"))
        return true;
    for (;; text++) {
        size_t len = strcspn(text, ",");
        unsigned int bit = SW_TCP_FIN;

        for (; bit <= SW_TCP_AE; bit <<= 1) {
            *sw_put_tcp_flags(name, bit) = 0;
            if (strlen(name) == len && !memcmp(name, text, len))
                break;
        }
        if (bit > SW_TCP_AE)
            return false;
        *ret |= bit;
        text += len;
        if (!*text)
            return true;
    }
}

static bool step_of(const struct sw_line *item, struct sw_ladder_step *ret)
{
    const char *from = item ? sw_field_text(item, "from") : NULL, *flags = item ? sw_field_text(item, "flags") : NULL;
    unsigned int orig, resp;

    if (!from || !flags || (strcmp(from, "orig") && strcmp(from, "resp")) || !flags_of(flags, &ret->flags) ||
        !sw_field_u64(item, "ns", &ret->ns) || !u32_of(item, "seq", &ret->seq) || !u32_of(item, "len", &ret->len))
        return false;
    if (ret->flags & SW_TCP_ACK && !u32_of(item, "ack", &ret->ack))
        return false;
    orig = number_of(item, "orig_state", sw_name_state, SW_ST_MAX);
    resp = number_of(item, "resp_state", sw_name_state, SW_ST_MAX);
    if (orig == SW_ST_MAX || resp == SW_ST_MAX)
        return false;
    ret->from = *from == 'o' ? SW_ORIG : SW_RESP;
    ret->state[SW_ORIG] = (__u8)orig;
    ret->state[SW_RESP] = (__u8)resp;
    return true;
}

/* Of a longer one than we make, the last. */
static bool steps_of(const struct sw_line *line, struct sw_ladder_conn *c)
{
    const size_t len = sw_field_len(line, "ladder"), from = len > SW_LADDER ? len - SW_LADDER : 0;
    bool known[2];
    __u32 isn[2];

    if (len - from > SW_LADDER || (!len && *sw_field_json(line, "ladder") != '['))
        return false;
    for (size_t i = from; i < len; i++)
        if (!step_of(sw_field_item(line, "ladder", i), &c->step[c->len++]))
            return false;
    if (!u32_of(line, "ladder_more", &c->lost) || c->lost + from >= SW_LADDER_UNKNOWN)
        c->lost = SW_LADDER_UNKNOWN;
    else
        c->lost += (__u32)from;
    known[SW_ORIG] = u32_of(line, "orig_isn", &isn[SW_ORIG]);
    known[SW_RESP] = u32_of(line, "resp_isn", &isn[SW_RESP]);
    sw_ladder_relate(c, known, isn);
    return true;
}

static bool is_uid(const char *text)
{
    return strlen(text) == SW_UID_LEN &&
           strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == SW_UID_LEN;
}

static bool identity_of(const struct sw_line *line, struct sw_ladder_conn *c)
{
    const char *uid = sw_field_text(line, "uid"), *orig = sw_field_text(line, "orig_ip"),
               *resp = sw_field_text(line, "resp_ip");
    __u32 port[2];

    if (!uid || !is_uid(uid) || !orig || !resp || !sw_ip_parse(orig, c->ip[SW_ORIG]) ||
        !sw_ip_parse(resp, c->ip[SW_RESP]) || !u32_of(line, "orig_port", &port[SW_ORIG]) ||
        !u32_of(line, "resp_port", &port[SW_RESP]) || port[SW_ORIG] > 65535 || port[SW_RESP] > 65535)
        return false;
    memcpy(c->uid, uid, sizeof(c->uid));
    c->port[SW_ORIG] = htons((__u16)port[SW_ORIG]);
    c->port[SW_RESP] = htons((__u16)port[SW_RESP]);
    return sw_field_time(line, "start", &c->start_ns) && sw_field_u64(line, "duration_ns", &c->duration_ns);
}

/* What is not known is none of those that a filter can name. */
static __u8 known_of(const struct sw_line *line, const char *key, name_fn name, unsigned int len)
{
    unsigned int i = number_of(line, key, name, len);

    return i < len ? i : 31 - SW_ST_MAX;
}

/* The originator is a, whatever order the table has. */
static bool matches(const struct sw_line *line, const struct sw_filter *filter, const struct sw_ladder_conn *c)
{
    struct sw_key key = {.a_port = c->port[SW_ORIG], .b_port = c->port[SW_RESP]};
    struct sw_filter_conn conn = {.key = &key, .reason = c->reason, .handshake_ns = ~0ull, .uid = c->uid};
    __u64 bytes[2] = {0};

    memcpy(key.a_ip, c->ip[SW_ORIG], sizeof(key.a_ip));
    memcpy(key.b_ip, c->ip[SW_RESP], sizeof(key.b_ip));
    conn.state[SW_ORIG] = known_of(line, "orig_state", sw_name_state, SW_ST_MAX);
    conn.state[SW_RESP] = known_of(line, "resp_state", sw_name_state, SW_ST_MAX);
    conn.conn_state = known_of(line, "conn_state", sw_name_conn_state, SW_CS_MAX);
    sw_field_u64(line, "orig_ip_bytes", &bytes[SW_ORIG]);
    sw_field_u64(line, "resp_ip_bytes", &bytes[SW_RESP]);
    conn.ip_bytes = bytes[SW_ORIG] + bytes[SW_RESP];
    sw_field_u64(line, "handshake_ns", &conn.handshake_ns);
    return sw_filter_match_conn(filter, &conn);
}

static __u8 closed_by_of(const struct sw_line *line)
{
    unsigned int by = number_of(line, "closed_by", sw_name_closed_by, 4);

    return by < 4 ? by : 0;
}

enum sw_ladder_found sw_ladder_of_line(const struct sw_line *line, const struct sw_filter *filter,
                                       struct sw_ladder_conn *ret)
{
    const char *event = sw_field_text(line, "event");
    unsigned int reason;

    if (!event || strcmp(event, "conn"))
        return SW_LADDER_OTHER;
    memset(ret, 0, sizeof(*ret));
    if (!identity_of(line, ret))
        return SW_LADDER_BAD;
    reason = number_of(line, "reason", sw_name_reason, SW_WHY_MAX);
    ret->reason = reason < SW_WHY_MAX ? reason : SW_WHY_NONE;
    ret->closed_by = closed_by_of(line);
    if (!matches(line, filter, ret))
        return SW_LADDER_OTHER;
    if (!sw_field_json(line, "ladder"))
        return SW_LADDER_NONE;
    return steps_of(line, ret) ? SW_LADDER_OK : SW_LADDER_BAD;
}
