/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "tcp/ended.h"
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
    memset(m->n_events, 0, sizeof(m->n_events));
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

static int ring_of(const struct model *m, const struct cause *c, int kind, const struct sw_flow *f)
{
    if (kind == SW_EV_ANOMALY && c->out.anomaly != SW_AN_RST_IGNORED &&
        (m->cfg.close_delay || !(f->flags & SW_F_ENDED)))
        return SW_RING_ANOMALY;
    return f->flags & SW_F_ESTABLISHED ? SW_RING_MAIN : SW_RING_OPEN;
}

static void emit(struct model *m, struct sw_flow *f, const struct cause *c)
{
    if (c->out.events >> SW_EV_OPENING & 1) {
        put(m, f, c, SW_EV_OPENING, f->syn_ns ? f->syn_ns : f->start_ns, 1);
        if (m->cfg.event_mask >> SW_EV_OPENING & 1)
            f->flags |= SW_F_OPENING_EMITTED;
    }
    if (c->out.events >> SW_EV_MIDSTREAM & 1) /* before what the same segment ends */
        put(m, f, c, SW_EV_MIDSTREAM, c->ts, ring_of(m, c, SW_EV_MIDSTREAM, f));
    for (int kind = SW_EV_OPENING + 1; kind < SW_EV_UPDATE; kind++)
        if (kind != SW_EV_MIDSTREAM && c->out.events >> kind & 1)
            put(m, f, c, kind, c->ts, ring_of(m, c, kind, f));
}

static void end(struct model *m, const struct cause *c)
{
    m->flow.end_claimed = 1;
    if (m->where == BPFRUN_HALF_OPEN)
        m->has_syn = false;
    put(m, &m->flow, c, SW_EV_CONN, c->ts, ring_of(m, c, SW_EV_CONN, &m->flow));
    m->ended_in[m->where == BPFRUN_FLOWS]++;
    if (sw_ended_for_good(&m->flow)) {
        m->has_ended = true;
        sw_ended_set(&m->ended, &m->flow);
    }
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

/* Does s go on with the SYN that waits? Only for a while: a SYN is retransmitted after 1, 3, 7 and 15 s. */
static bool continues_syn(const struct model *m, const struct sw_seg *s)
{
    const __u32 past = m->syn.seq + 1, kind = s->flags & (SW_TCP_SYN | SW_TCP_RST | SW_TCP_FIN | SW_TCP_ACK);

    if (!m->has_syn || s->bad_csum || s->now > m->syn.now + SW_SYN_CACHE_NS)
        return false;
    if (s->src_is_b != m->syn.src_is_b)
        return kind & SW_TCP_ACK && kind & (SW_TCP_SYN | SW_TCP_RST) && s->ack - past <= m->syn.len;
    if (kind & SW_TCP_SYN)
        return kind == SW_TCP_SYN && s->seq == m->syn.seq;
    if (kind & SW_TCP_RST)
        return s->seq - past <= m->syn.len;
    return m->cfg.one_sided && kind & SW_TCP_ACK && s->seq == past + m->syn.len;
}

/* The SYN that waited, whole, as the flow that it begins. */
static void begin_with_syn(struct model *m, struct sw_flow *f)
{
    struct sw_out unused = {0};
    struct sw_end *e = &f->end[SW_ORIG];

    memset(f, 0, sizeof(*f));
    sw_flow_init(f, &m->syn);
    sw_fsm_step(f, &m->syn, &unused);
    e->pkts += m->syn_again;
    e->ip_bytes += (__u64)m->syn_again * m->syn.ip_bytes;
    e->payload += (__u64)m->syn_again * m->syn.len;
    f->syn_rexmit += m->syn_again;
    if (m->syn.len) {
        e->rexmit += m->syn_again;
        e->z_rexmit += m->syn_again;
    }
    m->has_syn = false;
}

static void emit_opening(struct model *m, struct sw_flow *f, const struct cause *c)
{
    put(m, f, c, SW_EV_OPENING, f->syn_ns, 1);
    if (m->cfg.event_mask >> SW_EV_OPENING & 1)
        f->flags |= SW_F_OPENING_EMITTED;
}

static void keep_syn(struct model *m, const struct sw_seg *s, bool again)
{
    if (again && m->has_syn && s->now <= m->syn.now + SW_SYN_CACHE_NS) {
        if (m->syn_again < 255)
            m->syn_again++;
        return;
    }
    m->has_syn = true;
    m->syn_again = 0;
    m->syn = (struct sw_seg){.now = s->now,
                             .seq = s->seq,
                             .flags = s->flags,
                             .win = s->win,
                             .mss = s->mss,
                             .ip_bytes = (__u16)s->ip_bytes,
                             .len = (__u16)s->len,
                             .cap = (__u16)s->len,
                             .wscale = s->wscale,
                             .opts = s->opts,
                             .pkts = 1,
                             .ifindex = s->ifindex,
                             .vlan = {s->vlan[0], s->vlan[1]},
                             .hook = s->hook,
                             .src_is_b = s->src_is_b,
                             .local = s->local,
                             .one_sided = m->cfg.one_sided};
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
    e->opts = SW_OPT_CUT; /* not kept */
}

static void renew(struct model *m, const struct sw_seg *s, struct cause *c, bool is_pending)
{
    struct sw_flow old = m->flow, f = {0};
    bool whole = old.flags & SW_F_PENDING_SYN && (is_pending || s->seq == old.pend_isn) && continues_syn(m, s);
    struct sw_end *e = &m->flow.end[old.pend_side];
    struct sw_seg first = *s;

    if (whole) { /* it was counted to the old one */
        e->pkts -= 1 + m->syn_again;
        e->ip_bytes -= (1 + m->syn_again) * (__u64)m->syn.ip_bytes;
        e->payload -= (1 + m->syn_again) * (__u64)m->syn.len;
    }

    if (!(m->flow.flags & SW_F_ENDED)) {
        m->flow.flags |= SW_F_ENDED;
        m->flow.reason = SW_WHY_REUSED;
        m->flow.ended_ns = s->now;
    }
    c->out.anomaly = SW_AN_NONE;
    end(m, c);
    first.flip &= !is_pending; /* a SYN that was seen needs no guess */
    if (whole)
        begin_with_syn(m, &f);
    else
        sw_flow_init(&f, &first);
    f.flags |= SW_F_REUSED;
    if (whole)
        emit_opening(m, &f, c);
    else if (is_pending)
        pending(&f, &old);
    c->out.events = 1u << SW_EV_REUSED;
    begin(m, s, &f, c);
}

void model_segment(struct model *m, const struct sw_seg *s)
{
    struct cause c = {.ts = s->now, .ifindex = s->ifindex, .hook = s->hook};
    struct sw_flow *f = &m->flow;
    int verdict;
    bool waits;

    if (m->where == BPFRUN_NOWHERE) {
        struct sw_flow created = {0};

        if (m->has_ended && sw_ended_matches(&m->ended, s)) {
            m->late++;
            return;
        }
        sw_flow_init(&created, s);
        begin(m, s, &created, &c);
        return;
    }
    if (m->fast && m->where == BPFRUN_FLOWS && sw_fsm_fast(f, s)) {
        m->fast_taken++;
        return;
    }
    waits = f->flags & SW_F_PENDING_SYN && f->pend_isn == s->seq && f->pend_side == sw_flow_side(f, s);
    verdict = sw_fsm_step(f, s, &c.out);
    if (verdict != SW_SAME_FLOW) {
        renew(m, s, &c, verdict == SW_NEW_PENDING);
        return;
    }
    if (m->where == BPFRUN_HALF_OPEN && c.out.events && f->flags & (SW_F_ESTABLISHED | SW_F_ENDED))
        m->has_syn = false;
    if (f->flags & SW_F_PENDING_SYN && (s->flags & (SW_TCP_SYN | SW_TCP_ACK)) == SW_TCP_SYN && s->seq == f->pend_isn &&
        !s->bad_csum)
        keep_syn(m, s, waits);
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
            put(m, f, &c, SW_EV_TIMEOUT, now, ring_of(m, &c, SW_EV_TIMEOUT, f));
    }
    end(m, &c);
}
