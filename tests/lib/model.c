/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "tcp/timeouts.h"
#include "tcp/fsm.h"

/* where and by what something is emitted */
struct cause {
    __u64 ts;
    __u32 ifindex;
    __u8 hook;
    struct sw_out out;
};

void model_init(struct model *m, const struct sw_config *cfg, bool fast)
{
    memset(m, 0, sizeof(*m));
    m->cfg = *cfg;
    m->fast = fast;
}

void model_clear(struct model *m)
{
    m->n_events[0] = m->n_events[1] = 0;
}

static void put(struct model *m, const struct sw_flow *f, const struct cause *c, __u8 kind, __u64 ts, int ring)
{
    struct sw_event *e;

    if (!(m->cfg.event_mask >> kind & 1))
        return;
    if (m->n_events[ring] == MODEL_EVENTS)
        abort();
    e = &m->events[ring][m->n_events[ring]++];
    memset(e, 0, sizeof(*e));
    e->version = SW_CONTRACT_VERSION;
    e->size = sizeof(*e);
    e->kind = kind;
    e->hook = c->hook;
    e->anomaly = kind == SW_EV_ANOMALY ? c->out.anomaly : SW_AN_NONE;
    e->by = c->out.by;
    e->ifindex = c->ifindex;
    e->key = m->key;
    e->ts = ts;
    e->flow = *f;
}

static int ring_of(const struct sw_flow *f)
{
    return f->flags & SW_F_ESTABLISHED ? 0 : 1;
}

static void emit(struct model *m, struct sw_flow *f, const struct cause *c)
{
    if (c->out.events >> SW_EV_OPENING & 1) {
        put(m, f, c, SW_EV_OPENING, f->syn_ns ? f->syn_ns : f->start_ns, 1);
        if (m->cfg.event_mask >> SW_EV_OPENING & 1)
            f->flags |= SW_F_OPENING_EMITTED;
    }
    if (c->out.events >> SW_EV_MIDSTREAM & 1) /* before what the same segment ends */
        put(m, f, c, SW_EV_MIDSTREAM, c->ts, ring_of(f));
    for (int kind = SW_EV_OPENING + 1; kind < SW_EV_UPDATE; kind++)
        if (kind != SW_EV_MIDSTREAM && c->out.events >> kind & 1)
            put(m, f, c, kind, c->ts, ring_of(f));
}

static void end(struct model *m, const struct cause *c)
{
    m->flow.end_claimed = 1;
    put(m, &m->flow, c, SW_EV_CONN, c->ts, ring_of(&m->flow));
    m->ended[m->where == BPFRUN_FLOWS]++;
    m->where = BPFRUN_NOWHERE;
}

static void begin(struct model *m, const struct sw_seg *s, struct sw_flow *f, struct cause *c)
{
    sw_fsm_step(f, s, &c->out);
    m->where = BPFRUN_HALF_OPEN;
    if (f->flags & SW_F_ESTABLISHED) { /* one-sided: the ACK that answers a pending SYN's unseen answer */
        f->flags |= SW_F_IN_FLOWS;
        m->where = BPFRUN_FLOWS;
        m->promoted++;
    }
    emit(m, f, c);
    m->flow = *f;
    m->created++;
}

/* The pending SYN becomes the new flow's first segment; it was counted with the old flow. */
static void pending(struct sw_flow *f, const struct sw_flow *old)
{
    struct sw_end *e = &f->end[SW_ORIG];

    f->orig_is_b = old->pend_side == SW_ORIG ? old->orig_is_b : !old->orig_is_b;
    f->direction_by = SW_BY_SYN;
    f->flags = (f->flags & ~SW_F_MIDSTREAM) | SW_F_INFERRED | SW_F_FIRST_ORIG;
    f->end[SW_RESP].state = SW_ST_LISTEN;
    f->hist_seen = SW_H_SYN;
    f->hist[0] = 'S';
    f->hist_len = 1;
    e->did = SW_E_SYN | SW_E_SEEN | SW_E_INIT;
    e->zstate = SW_Z_SYN_SENT;
    e->state = SW_ST_SYN_SENT;
    e->isn = old->pend_isn;
    e->seq_hi = e->nxt = old->pend_isn + 1;
}

static void renew(struct model *m, const struct sw_seg *s, struct cause *c, bool is_pending)
{
    struct sw_flow old = m->flow, f = {0};
    struct sw_seg first = *s;

    if (!(m->flow.flags & SW_F_ENDED)) {
        m->flow.flags |= SW_F_ENDED;
        m->flow.reason = SW_WHY_REUSED;
        m->flow.ended_ns = s->now;
    }
    c->out.anomaly = SW_AN_NONE;
    end(m, c);
    first.flip &= !is_pending; /* a SYN that was seen needs no guess */
    sw_flow_init(&f, &first);
    f.flags |= SW_F_REUSED;
    if (is_pending)
        pending(&f, &old);
    c->out.events = 1u << SW_EV_REUSED;
    begin(m, s, &f, c);
}

void model_segment(struct model *m, const struct sw_seg *s)
{
    struct cause c = {.ts = s->now, .ifindex = s->ifindex, .hook = s->hook};
    struct sw_flow *f = &m->flow;
    int verdict;

    if (m->where == BPFRUN_NOWHERE) {
        struct sw_flow created = {0};

        sw_flow_init(&created, s);
        begin(m, s, &created, &c);
        return;
    }
    if (m->fast && m->where == BPFRUN_FLOWS && sw_fsm_fast(f, s)) {
        m->fast_taken++;
        return;
    }
    verdict = sw_fsm_step(f, s, &c.out);
    if (verdict != SW_SAME_FLOW) {
        renew(m, s, &c, verdict == SW_NEW_PENDING);
        return;
    }
    if (m->where == BPFRUN_HALF_OPEN && f->flags & SW_F_ESTABLISHED && !(f->flags & SW_F_ENDED)) {
        f->flags |= SW_F_IN_FLOWS;
        m->where = BPFRUN_FLOWS;
        m->promoted++;
    }
    emit(m, f, &c);
    if (f->flags & SW_F_ENDED && c.out.events && !m->cfg.close_delay)
        end(m, &c);
}

void model_sweep(struct model *m, __u64 now, __u64 flush)
{
    struct sw_flow *f = &m->flow;
    struct cause c = {.ts = now, .ifindex = f->ifindex, .hook = SW_HOOK_REPLAY};
    enum sw_reason why;

    if (m->where == BPFRUN_NOWHERE)
        return;
    why = sw_expiry(f, &m->cfg, now, flush);
    if (why == SW_WHY_NONE)
        return;
    f->end_claimed = 1;
    if (!(f->flags & SW_F_ENDED)) {
        f->flags |= SW_F_ENDED;
        f->ended_ns = now;
        f->reason = why;
        if (why != SW_WHY_END_OF_INPUT)
            put(m, f, &c, SW_EV_TIMEOUT, now, ring_of(f));
    }
    end(m, &c);
}
