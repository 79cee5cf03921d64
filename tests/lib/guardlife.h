/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Floods and their answers, and the changes of state that they bring. */
#ifndef SW_TEST_GUARDLIFE_H
#define SW_TEST_GUARDLIFE_H

#include "guardfix.h"

static __u32 sources; /* SYNs come from so many addresses */
static __u8 fast[PKT_MIN_FRAME * 4];

/* One frame, nothing checked: floods have no time. */
static inline int shoot(const struct pkt *p)
{
    size_t len = pkt_build(p, fast, sizeof(fast));
    int verdict = -100;

    assert_true(len > 0);
    assert_int_equal(bpfrun_ingress(run, fast, len, &verdict), 0);
    bpfrun_clear_events(run);
    return verdict;
}

static inline void pass_time(__u64 ns)
{
    bpfrun_set_now(run, bpfrun_now(run) + ns);
}

static inline struct talk new_client(__u16 port)
{
    struct talk s;

    talk_init(&s, run, false);
    pkt_v4(s.side[A].src, 0xc6120000 + sources++); /* 198.18.0.0/15, RFC 2544 */
    s.side[A].dport = port;
    s.side[B] = pkt_swap(&s.side[A]);
    s.key = pkt_key(&s.side[A], NULL);
    return s;
}

static inline int syn_alone(struct talk *s)
{
    struct pkt p = talk_pkt(s, A, SYN, 0);

    p.seq = s->isn[A];
    s->nxt[A] = s->isn[A] + 1;
    return shoot(&p);
}

static inline void listener_answers(struct talk *s)
{
    struct pkt p = talk_pkt(s, B, SYN | ACK, 0);

    p.seq = s->isn[B];
    s->nxt[B] = s->isn[B] + 1;
    leave(&p);
}

/* What passes reaches the listener, which answers it. */
static inline int syn_from(struct talk *s)
{
    int verdict = syn_alone(s);
    __u32 port = s->side[A].dport;

    if (verdict == BPFRUN_XDP_PASS && (port != 80 || !(guardrun_at(guard, svc)->flags & SW_SV_NO_LISTENER)))
        listener_answers(s);
    return verdict;
}

static inline void flood_port(__u16 port, unsigned n, unsigned a_second)
{
    for (unsigned i = 0; i < n; i++) {
        struct talk s = new_client(port);

        pass_time(SEC / a_second);
        syn_from(&s);
    }
}

static inline void flood(unsigned n, unsigned a_second)
{
    flood_port(80, n, a_second);
}

/* The client's answer to the listener's. */
static inline void complete(struct talk *s)
{
    struct pkt p = talk_pkt(s, A, ACK, 0);

    shoot(&p);
}

static inline enum sw_guard_state state_of(__u32 index)
{
    return guardrun_at(guard, index)->state;
}

static inline void evaluate(void)
{
    pass_time(SW_DETECT_NS);
    assert_int_equal(guardrun_detect(guard), 0);
}

static inline void detect_for(__u64 ns)
{
    for (__u64 i = 0; i < ns / SW_DETECT_NS; i++)
        evaluate();
}

static inline void expect_state_at(const char *file, int line, enum sw_guard_state want)
{
    const struct sw_service *sv = guardrun_at(guard, svc);

    if (sv->state == want)
        return;
    print_error("state %s, expected %s (half-open %llu, SYNs/s %llu, done/s %llu)\n", guardrun_state_name(sv->state),
                guardrun_state_name(want), (unsigned long long)sv->half_open, (unsigned long long)sv->syn_rate,
                (unsigned long long)sv->completed_rate);
    _fail(file, line);
}
#define expect_state(want) expect_state_at(__FILE__, __LINE__, SW_GS_##want)

/* Takes the guard records emitted since the last time: "calm>engaged:half_open ...", the last one in *last. */
static struct sw_guard_event last;

static inline void expect_changes_at(const char *file, int line, const char *want)
{
    static const char *const causes[] = {"none",  "half_open", "syn_rate",    "below_threshold",
                                         "grace", "mode",      "no_listener", "kernel_queue"};
    const struct sw_guard_event *emitted;
    char got[1024] = "";
    size_t n = guardrun_events(guard, &emitted), len = 0;

    memset(&last, 0, sizeof(last));
    for (size_t i = 0; i < n && len < sizeof(got); i++) {
        if (emitted[i].kind != SW_GUARD_EV_STATE)
            continue;
        last = emitted[i];
        len += snprintf(got + len, sizeof(got) - len, "%s%s>%s:%s", len ? " " : "", guardrun_state_name(last.from),
                        guardrun_state_name(last.to), last.cause < SW_GW_MAX ? causes[last.cause] : "?");
    }
    guardrun_clear(guard);
    if (strcmp(got, want)) {
        print_error("changes: got \"%s\", expected \"%s\"\n", got, want);
        _fail(file, line);
    }
}
#define expect_changes(want) expect_changes_at(__FILE__, __LINE__, want)

static inline int auto_test(void **state)
{
    if (guarded_test(state))
        return -1;
    sources = 0;
    guardrun_conf(guard)->half_open = 100;
    guardrun_conf(guard)->syn_rate = 1000;
    evaluate(); /* the first evaluation */
    guardrun_clear(guard);
    return 0;
}
#define AUTO(name) cmocka_unit_test_setup(name, auto_test)

static inline void engage(void)
{
    flood(150, 1000);
    evaluate();
    expect_state(ENGAGED);
    expect_changes("calm>engaged:half_open");
}

#endif
