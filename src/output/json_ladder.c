/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/json_ladder.h"

#include "output/json_fmt.h"

#define LIT SW_LIT

static char *put_state(char *p, unsigned int state)
{
    return sw_put_name(p, sw_name_state(state < SW_ST_MAX ? state : SW_ST_CLOSED));
}

static char *put_segment(char *p, const struct sw_flow *f, const struct sw_ladder_seg *s)
{
    const unsigned int a = s->states & 15, b = s->states >> 4;

    p = LIT(p, "{\"ns\":");
    p = sw_put_u64(p, s->ns > f->start_ns ? s->ns - f->start_ns : 0);
    p = !!s->src_is_b == !!f->orig_is_b ? LIT(p, ",\"from\":\"orig\",\"flags\":\"")
                                        : LIT(p, ",\"from\":\"resp\",\"flags\":\"");
    p = sw_put_tcp_flags(p, s->flags);
    p = LIT(p, "\",\"seq\":");
    p = sw_put_u64(p, s->seq);
    p = LIT(p, ",\"ack\":");
    p = s->flags & SW_TCP_ACK ? sw_put_u64(p, s->ack) : LIT(p, "null");
    p = LIT(p, ",\"len\":");
    p = sw_put_u64(p, s->len);
    p = LIT(p, ",\"orig_state\":\"");
    p = put_state(p, f->orig_is_b ? b : a);
    p = LIT(p, "\",\"resp_state\":\"");
    p = put_state(p, f->orig_is_b ? a : b);
    return LIT(p, "\"}");
}

char *sw_json_ladder(char *p, const struct sw_event *ev)
{
    const struct sw_ladder *l = sw_event_ladder(ev);

    if (!l)
        return p;
    p = LIT(p, ",\"ladder\":[");
    for (__u32 i = 0; i < sw_ladder_len(l); i++) {
        if (i)
            *p++ = ',';
        p = put_segment(p, &ev->flow, sw_ladder_at(l, i));
    }
    p = LIT(p, "],\"ladder_more\":");
    return l->lost == SW_LADDER_UNKNOWN ? LIT(p, "null") : sw_put_u64(p, l->lost);
}
