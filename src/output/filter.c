/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/filter.h"
#include "base/fmt.h"
#include "tcp/conn_state.h"

#include <errno.h>
#include <stdio.h>
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

static bool match_state(__u32 states, const struct sw_flow *flow)
{
    __u32 is = 1u << (flow->end[SW_ORIG].state & 31) | 1u << (flow->end[SW_RESP].state & 31);

    return states & (is | 1u << (SW_ST_MAX + sw_zeek_conn_state(flow)));
}

static bool match_handshake(__u64 min_ns, const struct sw_flow *flow)
{
    __u64 ns;

    return sw_span(flow->syn_ns, flow->est_ns, &ns) && ns >= min_ns;
}

static bool match_uid(const struct sw_filter *filter, const struct sw_key *key, const struct sw_flow *flow)
{
    char uid[SW_UID_LEN + 1];

    sw_format_uid(key, flow->start_ns, uid);
    for (__u32 i = 0; i < filter->uids_len; i++)
        if (!strcmp(uid, filter->uids[i]))
            return true;
    return false;
}

bool sw_filter_match(const struct sw_filter *filter, const struct sw_key *key, const struct sw_flow *flow)
{
    if (!sw_filter_rules_match(&filter->rules, key, flow->orig_is_b))
        return false;
    if (filter->states && !match_state(filter->states, flow))
        return false;
    if (filter->outcomes && !(filter->outcomes >> (flow->reason & 31) & 1))
        return false;
    if (flow->end[SW_ORIG].ip_bytes + flow->end[SW_RESP].ip_bytes < filter->min_bytes)
        return false;
    if (filter->min_handshake_ns && !match_handshake(filter->min_handshake_ns, flow))
        return false;
    return !filter->uids_len || match_uid(filter, key, flow);
}
