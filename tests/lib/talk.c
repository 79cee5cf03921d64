/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "talk.h"

static __u8 frame[PKT_MAX_FRAME];

void talk_init(struct talk *t, struct bpfrun *run, bool v6)
{
    static const __u8 v6a[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}, v6b[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};
    struct pkt *a = &t->side[A];

    memset(t, 0, sizeof(*t));
    t->run = run;
    a->v6 = v6;
    a->win = 60000;
    a->sport = 40000;
    a->dport = 80;
    if (v6) {
        memcpy(a->src, v6a, 16);
        memcpy(a->dst, v6b, 16);
    } else {
        pkt_v4(a->src, 0x0a000001);
        pkt_v4(a->dst, 0x0a000002);
    }
    t->side[B] = pkt_swap(a);
    t->isn[A] = t->nxt[A] = 1000;
    t->isn[B] = t->nxt[B] = 5000000;
    t->key = pkt_key(a, NULL);
}

struct pkt talk_pkt(const struct talk *t, int who, __u16 flags, __u32 payload)
{
    struct pkt p = t->side[who];

    p.flags = flags;
    p.seq = t->nxt[who];
    p.ack = flags & ACK ? t->nxt[!who] : 0;
    p.payload = payload;
    return p;
}

void talk_send(struct talk *t, int who, const struct pkt *p)
{
    size_t len = pkt_build(p, frame, sizeof(frame));
    __u32 end = p->seq + p->payload + !!(p->flags & SYN) + !!(p->flags & FIN);
    int verdict = -100, err;

    assert_true(len > 0);
    err = bpfrun_ingress(t->run, frame, len, &verdict);
    assert_int_equal(err, 0);
    assert_int_equal(verdict, BPFRUN_XDP_PASS);
    bpfrun_set_now(t->run, bpfrun_now(t->run) + MS);
    t->pkts[who]++;
    t->ip_bytes[who] += pkt_ip_len(p);
    if (!(p->flags & RST) && (int)(end - t->nxt[who]) > 0)
        t->nxt[who] = end;
}

void talk_say(struct talk *t, int who, __u16 flags, __u32 payload)
{
    struct pkt p = talk_pkt(t, who, flags, payload);

    talk_send(t, who, &p);
}

void talk_open(struct talk *t)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);

    pkt_opt_usual(&p, t->side[A].v6 ? 1440 : 1460, 7);
    talk_send(t, A, &p);
    p = talk_pkt(t, B, SYN | ACK, 0);
    pkt_opt_usual(&p, t->side[A].v6 ? 1440 : 1460, 7);
    talk_send(t, B, &p);
    talk_say(t, A, ACK, 0);
}

void talk_close(struct talk *t)
{
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    talk_say(t, B, FIN | ACK, 0);
    talk_say(t, A, ACK, 0);
}

void talk_sweep(struct talk *t, __u64 flush)
{
    struct sw_sweep sweep;
    int err = bpfrun_sweep(t->run, flush, &sweep);

    assert_int_equal(err, 0);
    assert_int_equal(sweep.held_back, 0);
}

void talk_wait(struct talk *t, __u64 ns)
{
    bpfrun_set_now(t->run, bpfrun_now(t->run) + ns);
    talk_sweep(t, 0);
}

struct sw_flow talk_flow(struct talk *t)
{
    struct sw_flow flow;

    memset(&flow, 0, sizeof(flow));
    assert_int_not_equal(bpfrun_lookup(t->run, &t->key, &flow), BPFRUN_NOWHERE);
    return flow;
}

static void words_of(struct talk *t, char *buf, size_t size)
{
    const struct sw_event *ev;
    size_t n = bpfrun_events(t->run, &ev), len = 0;
    char word[64];

    buf[0] = 0;
    for (size_t i = 0; i < n && len + sizeof(word) < size; i++) {
        bpfrun_event_word(&ev[i], word, sizeof(word));
        len += snprintf(buf + len, size - len, "%s%s", i ? " " : "", word);
    }
}

void expect_events_at(const char *file, int line, struct talk *t, const char *words)
{
    char got[4096];

    words_of(t, got, sizeof(got));
    bpfrun_clear_events(t->run);
    if (strcmp(got, words)) {
        print_error("events: got \"%s\", expected \"%s\"\n", got, words);
        _fail(file, line);
    }
}

void expect_states_at(const char *file, int line, struct talk *t, unsigned a, unsigned b)
{
    struct sw_flow flow;

    if (bpfrun_lookup(t->run, &t->key, &flow) == BPFRUN_NOWHERE) {
        print_error("no flow, expected %s/%s\n", bpfrun_state_name(a), bpfrun_state_name(b));
        _fail(file, line);
    }
    if (flow.end[A].state != a || flow.end[B].state != b) {
        print_error("states: got %s/%s, expected %s/%s (history %.*s)\n", bpfrun_state_name(flow.end[A].state),
                    bpfrun_state_name(flow.end[B].state), bpfrun_state_name(a), bpfrun_state_name(b), flow.hist_len,
                    flow.hist);
        _fail(file, line);
    }
}

void expect_history_at(const char *file, int line, struct talk *t, const char *history)
{
    struct sw_flow flow = talk_flow(t);

    if (flow.hist_len != strlen(history) || memcmp(flow.hist, history, flow.hist_len)) {
        print_error("history: got \"%.*s\", expected \"%s\"\n", flow.hist_len, flow.hist, history);
        _fail(file, line);
    }
}

void expect_where_at(const char *file, int line, struct talk *t, enum bpfrun_where where)
{
    static const char *const names[] = {"nowhere", "half_open", "flows"};
    struct sw_flow flow;
    enum bpfrun_where got = bpfrun_lookup(t->run, &t->key, &flow);

    if (got != where) {
        print_error("the flow is in: got %s, expected %s\n", names[got], names[where]);
        _fail(file, line);
    }
}

void expect_counts_at(const char *file, int line, struct talk *t)
{
    struct sw_flow flow = talk_flow(t);

    for (int who = A; who <= B; who++) {
        if (flow.end[who].pkts == t->pkts[who] && flow.end[who].ip_bytes == t->ip_bytes[who])
            continue;
        print_error("side %c: got %llu packets %llu IP bytes, expected %u and %u\n", "AB"[who],
                    (unsigned long long)flow.end[who].pkts, (unsigned long long)flow.end[who].ip_bytes, t->pkts[who],
                    t->ip_bytes[who]);
        _fail(file, line);
    }
}

struct sw_event talk_event_at(const char *file, int line, struct talk *t, unsigned kind)
{
    const struct sw_event *ev;
    size_t n = bpfrun_events(t->run, &ev);
    char got[4096];

    for (size_t i = n; i-- > 0;)
        if (ev[i].kind == kind && !memcmp(&ev[i].key, &t->key, sizeof(t->key)))
            return ev[i];
    words_of(t, got, sizeof(got));
    print_error("no event of kind %u among \"%s\"\n", kind, got);
    _fail(file, line);
    return (struct sw_event){0};
}

struct sw_event talk_conn_at(const char *file, int line, struct talk *t)
{
    const struct sw_event *ev;
    size_t n = bpfrun_events(t->run, &ev), found = 0;

    for (size_t i = 0; i < n; i++)
        found += ev[i].kind == SW_EV_CONN && !memcmp(&ev[i].key, &t->key, sizeof(t->key));
    if (found != 1) {
        print_error("conn records: got %zu, expected 1\n", found);
        _fail(file, line);
    }
    return talk_event_at(file, line, t, SW_EV_CONN);
}
