/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/filter.h"
#include "base/fmt.h"
#include "owner/glob.h"
#include "tcp/conn_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_uid(const char *text, size_t len)
{
    return len == SW_UID_LEN && *text == 'C' &&
           strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") >= len;
}

int sw_filter_add_uids(struct sw_filter *filter, const char *text, char *why, size_t size)
{
    for (;; text++) {
        size_t len = strcspn(text, ",");

        if (!is_uid(text, len)) {
            snprintf(why, size, "'%.*s' is not a uid: C and 17 letters and digits", (int)(len < 60 ? len : 60), text);
            return -EINVAL;
        }
        if (filter->uids_len == SW_FILTER_UIDS) {
            snprintf(why, size, "more than %d of them", SW_FILTER_UIDS);
            return -EINVAL;
        }
        memcpy(filter->uids[filter->uids_len], text, len);
        filter->uids[filter->uids_len++][len] = 0;
        text += len;
        if (!*text)
            return 0;
    }
}

int sw_filter_add_pids(struct sw_filter *filter, const char *text, char *why, size_t size)
{
    for (;; text++) {
        char *end;
        long pid = *text >= '1' && *text <= '9' ? strtol(text, &end, 10) : 0;

        if (pid < 1 || pid > 1 << 22 || (*end && *end != ',')) {
            snprintf(why, size, "'%.60s' is not a process id", text);
            return -EINVAL;
        }
        if (filter->pids_len == SW_FILTER_PIDS) {
            snprintf(why, size, "more than %d of them", SW_FILTER_PIDS);
            return -EINVAL;
        }
        filter->pids[filter->pids_len++] = (__s32)pid;
        text = end;
        if (!*text)
            return 0;
    }
}

int sw_filter_set_pattern(char to[SW_FILTER_PATTERN], const char *text, char *why, size_t size)
{
    const char *p = text;

    while ((unsigned char)*p >= 0x20 && *p != 0x7f)
        p++;
    if (!*text || *p || p - text >= SW_FILTER_PATTERN) {
        snprintf(why, size, "a pattern has 1 to %d bytes and no control characters", SW_FILTER_PATTERN - 1);
        return -EINVAL;
    }
    memset(to, 0, SW_FILTER_PATTERN);
    memcpy(to, text, p - text);
    return 0;
}

bool sw_filter_asks_process(const struct sw_filter *filter)
{
    return filter->pids_len || *filter->comm;
}

bool sw_filter_asks_owner(const struct sw_filter *filter)
{
    return sw_filter_asks_process(filter) || *filter->cgroup;
}

/* Does the end fit all that is asked of one? What is not known does not. */
static bool match_owner(const struct sw_filter *filter, const struct sw_owner *of, struct sw_owners *owners)
{
    const struct sw_process *process = sw_owners_process(owners, of);
    const struct sw_cgroup *cgroup = *filter->cgroup ? sw_owners_cgroup(owners, of) : NULL;
    bool pid = !filter->pids_len;

    for (__u32 i = 0; i < filter->pids_len && process; i++)
        pid |= filter->pids[i] == process->pid;
    return pid && (!*filter->comm || (process && sw_glob_match(filter->comm, process->comm))) &&
           (!*filter->cgroup || (cgroup && sw_glob_match(filter->cgroup, cgroup->path)));
}

static bool match_state(__u32 states, const struct sw_filter_conn *conn)
{
    return states & (1u << (conn->state[SW_ORIG] & 31) | 1u << (conn->state[SW_RESP] & 31) |
                     1u << ((SW_ST_MAX + conn->conn_state) & 31));
}

static bool match_uid(const struct sw_filter *filter, const char *uid)
{
    for (__u32 i = 0; i < filter->uids_len; i++)
        if (!strcmp(uid, filter->uids[i]))
            return true;
    return false;
}

bool sw_filter_match_conn(const struct sw_filter *filter, const struct sw_filter_conn *conn)
{
    if (!sw_filter_rules_match(&filter->rules, conn->key, conn->orig_is_b))
        return false;
    if (filter->states && !match_state(filter->states, conn))
        return false;
    if (filter->outcomes && !(filter->outcomes >> (conn->reason & 31) & 1))
        return false;
    if (conn->ip_bytes < filter->min_bytes)
        return false;
    if (filter->min_handshake_ns && (conn->handshake_ns == ~0ull || conn->handshake_ns < filter->min_handshake_ns))
        return false;
    return !filter->uids_len || match_uid(filter, conn->uid);
}

bool sw_filter_match(const struct sw_filter *filter, const struct sw_key *key, const struct sw_flow *flow,
                     struct sw_owners *owners)
{
    char uid[SW_UID_LEN + 1];
    struct sw_filter_conn conn = {
        .key = key,
        .orig_is_b = flow->orig_is_b,
        .state = {flow->end[SW_ORIG].state, flow->end[SW_RESP].state},
        .reason = flow->reason,
        .ip_bytes = flow->end[SW_ORIG].ip_bytes + flow->end[SW_RESP].ip_bytes,
        .uid = uid,
    };

    if (filter->states)
        conn.conn_state = sw_zeek_conn_state(flow);
    if (!sw_span(flow->syn_ns, flow->est_ns, &conn.handshake_ns))
        conn.handshake_ns = ~0ull;
    if (filter->uids_len)
        sw_format_uid(key, flow->start_ns, uid);
    if (!sw_filter_match_conn(filter, &conn))
        return false;
    return !sw_filter_asks_owner(filter) || match_owner(filter, &flow->owner[0], owners) ||
           match_owner(filter, &flow->owner[1], owners);
}
