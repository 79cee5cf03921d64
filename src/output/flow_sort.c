/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/flow_table.h"
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static __u64 ip_bytes(const struct sw_flow *flow)
{
    return flow->end[SW_ORIG].ip_bytes + flow->end[SW_RESP].ip_bytes;
}

int sw_flow_rows_add(struct sw_flow_rows *rows, const struct sw_flow_row *row)
{
    struct sw_flow_row *at = sw_array_room(rows->row, &rows->room, rows->len + 1, sizeof(*at));

    if (!at)
        return -ENOMEM;
    rows->row = at;
    rows->row[rows->len++] = *row;
    return 0;
}

/* Both 0 without a handshake; one that took no time comes before those. */
static __u64 handshake(const struct sw_flow *flow)
{
    return flow->syn_ns && flow->est_ns >= flow->syn_ns ? flow->est_ns - flow->syn_ns + 1 : 0;
}

static int compare(const void *left, const void *right, void *by)
{
    const struct sw_flow_row *a = left, *b = right;
    __u64 x = 0, y = 0;

    switch (*(enum sw_flow_sort *)by) {
    case SW_SORT_BYTES: x = ip_bytes(&a->flow), y = ip_bytes(&b->flow); break;
    case SW_SORT_HANDSHAKE: x = handshake(&a->flow), y = handshake(&b->flow); break;
    case SW_SORT_RATE: x = a->rate, y = b->rate; break;
    default: break; /* by age alone */
    }
    if (x != y)
        return x > y ? -1 : 1;
    if (a->flow.start_ns != b->flow.start_ns)
        return a->flow.start_ns < b->flow.start_ns ? -1 : 1;
    return memcmp(&a->key, &b->key, sizeof(a->key));
}

void sw_flow_rows_sort(struct sw_flow_rows *rows, enum sw_flow_sort by)
{
    if (by != SW_SORT_NONE && rows->len)
        qsort_r(rows->row, rows->len, sizeof(*rows->row), compare, &by);
}

int sw_flow_look_add(struct sw_flow_look *look, int pid, const struct sw_key *key, const struct sw_flow *flow)
{
    struct sw_flow_seen *at = sw_array_room(look->seen, &look->room, look->len + 1, sizeof(*at));

    if (!at)
        return -ENOMEM;
    look->seen = at;
    look->seen[look->len++] =
        (struct sw_flow_seen){.key = *key, .pid = pid, .start_ns = flow->start_ns, .bytes = ip_bytes(flow)};
    return 0;
}

static int compare_seen(const void *left, const void *right)
{
    const struct sw_flow_seen *a = left, *b = right;
    int order = memcmp(&a->key, &b->key, sizeof(a->key));

    if (order)
        return order;
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

void sw_flow_look_end(struct sw_flow_look *look)
{
    if (look->len)
        qsort(look->seen, look->len, sizeof(*look->seen), compare_seen);
}

__u64 sw_flow_rate(const struct sw_flow_look *before, __u64 now, int pid, const struct sw_key *key,
                   const struct sw_flow *flow)
{
    const struct sw_flow_seen what = {.key = *key, .pid = pid, .start_ns = flow->start_ns}, *seen = NULL;
    __u64 bytes = ip_bytes(flow), since = before->ns;

    if (before->len)
        seen = bsearch(&what, before->seen, before->len, sizeof(what), compare_seen);
    if (seen && seen->bytes <= bytes)
        bytes -= seen->bytes;
    else if (flow->start_ns < since) /* it was missed: the table moves while it is read */
        since = flow->start_ns;
    return now > since ? (__u64)((double)bytes * SW_SECOND / (double)(now - since)) : 0;
}
