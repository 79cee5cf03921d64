/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every tests/prog/guard_*.c starts with: one object with the guard, in a network namespace of its own (so that no
 * socket is there but those that a test opens), a fresh service on 10.0.0.2 and 2001:db8::2, port 80, for each test.
 *
 * Whatever is delivered is held against what is true of every packet: what passes is not changed by one byte, what is
 * answered is answered with a legal frame that is no larger than the one that came, the minimum of 60 bytes aside.
 */
#ifndef SW_TEST_GUARDFIX_H
#define SW_TEST_GUARDFIX_H

#include "fixture.h"
#include "decode.h"
#include "guardrun.h"
#include "realsock.h"

static struct guardrun *guard;
static __u32 svc;                     /* the service */
static struct bpfrun_out out;         /* what became of the last packet */
static struct decoded reply;          /* the answer, if there was one */
static struct sw_svc_counters before; /* counts of svc before it */
static __u64 step = MS;               /* from one packet to the next */
static __u8 request[PKT_MAX_FRAME];
static size_t request_len;

static inline int guarded_load(const struct sw_object_opts *opts)
{
    if (namespace_of_our_own() || addresses_on_loopback() || fixture_load(opts))
        return -1;
    return guardrun_new(run, &guard) ? -1 : 0;
}

/* Before any case: there is no guard in the form for old kernels. */
__attribute__((constructor)) static void leave_old_kernels(void)
{
#ifndef SW_TOGETHER /* tests/vm/together.c asks */
    if (!bpfrun_old())
        return;
    puts("1..0 # SKIP the guard needs kernel 5.18");
    exit(0);
#endif
}

/* Records of the guard are wanted like any other line. */
static inline void guarded_opts(struct sw_object_opts *opts)
{
    opts->cfg.guard = 1;
    opts->cfg.event_mask |= 1u << SW_LINE_GUARD | 1u << SW_LINE_DROP;
}

static inline int guarded_group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    return guarded_load(&opts);
}

/* As it runs by default: no checksums are verified, and a plain SYN is answered by a shorter way. */
static inline int guarded_group_fast(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.cfg.checksum = 0;
    return guarded_load(&opts);
}

static inline int guarded_group_end(void **state)
{
    close_sockets();
    guardrun_free(guard);
    guard = NULL;
    return fixture_group_end(state);
}

/* In auto and calm. */
static inline int guarded_test(void **state)
{
    __u8 ip[16];

    close_sockets();
    if (fixture_test(state) || guardrun_reset(guard))
        return -1;
    svc = guardrun_service(guard, NULL, 80);
    pkt_v4(ip, 0x0a000002);
    guardrun_local(guard, ip);
    talk_init(t, run, true);
    guardrun_local(guard, t->side[B].src);
    talk_init(t, run, false);
    step = MS;
    return 0;
}

static inline void set_mode(enum sw_guard_mode mode)
{
    guardrun_at(guard, svc)->mode = mode;
    bpfrun_set_now(run, bpfrun_now(run) + SW_DETECT_NS);
    assert_int_equal(guardrun_detect(guard), 0);
}

/* Engaged, because the mode is always. */
static inline int engaged_test(void **state)
{
    if (guarded_test(state))
        return -1;
    set_mode(SW_GM_ALWAYS);
    assert_int_equal(guardrun_at(guard, svc)->state, SW_GS_ENGAGED);
    guardrun_clear(guard);
    return 0;
}

#define CALM(name) cmocka_unit_test_setup(name, guarded_test)
#define ENGAGED(name) cmocka_unit_test_setup(name, engaged_test)
#define RUN_GUARDED(cases) cmocka_run_group_tests(cases, guarded_group, guarded_group_end)
#define RUN_GUARD_FAST(cases) cmocka_run_group_tests(cases, guarded_group_fast, guarded_group_end)

static inline const char *verdict_name(int verdict)
{
    return verdict == BPFRUN_XDP_PASS   ? "pass"
           : verdict == BPFRUN_XDP_DROP ? "drop"
           : verdict == BPFRUN_XDP_TX   ? "tx"
                                        : "?";
}

static inline void check_output_at(const char *file, int line)
{
    const char *wrong;

    if (out.verdict == BPFRUN_XDP_PASS) {
        size_t kept = request_len < sizeof(out.frame) ? request_len : sizeof(out.frame);

        if (out.len != request_len || memcmp(out.frame, request, kept)) {
            print_error("a packet that passes was changed (%zu bytes, now %u)\n", request_len, out.len);
            _fail(file, line);
        }
        return;
    }
    if (out.verdict == BPFRUN_XDP_DROP)
        return;
    if (out.verdict != BPFRUN_XDP_TX) {
        print_error("verdict %d\n", out.verdict);
        _fail(file, line);
    }
    wrong = decode(out.frame, out.len, &reply);
    if (wrong) {
        print_error("the answer is not legal: %s\n", wrong);
        _fail(file, line);
    }
    if (out.len > (request_len > PKT_MIN_FRAME ? request_len : PKT_MIN_FRAME)) {
        print_error("%zu bytes are answered with %u\n", request_len, out.len);
        _fail(file, line);
    }
}

static inline int deliver_frame_at(const char *file, int line)
{
    int err;

    before = guardrun_counters(guard, svc);
    memset(&reply, 0, sizeof(reply));
    err = bpfrun_xdp(run, request, request_len, &out);
    if (err) {
        print_error("running the program: %s\n", strerror(-err));
        _fail(file, line);
    }
    bpfrun_set_now(run, bpfrun_now(run) + step);
    check_output_at(file, line);
    return out.verdict;
}

/* The segment leaves this host. */
static inline void leave(const struct pkt *p)
{
    static __u8 frame[PKT_MIN_FRAME * 4];
    size_t len = pkt_build(p, frame, sizeof(frame));
    int verdict = -100;

    assert_true(len > 0);
    assert_int_equal(bpfrun_egress(run, frame, len, NULL, &verdict), 0);
    bpfrun_clear_events(run);
}

static inline int deliver_at(const char *file, int line, const struct pkt *p)
{
    request_len = pkt_build(p, request, sizeof(request));
    assert_true(request_len > 0);
    return deliver_frame_at(file, line);
}
#define deliver(p) deliver_at(__FILE__, __LINE__, p)
#define deliver_frame() deliver_frame_at(__FILE__, __LINE__)

/* The counters that the last packet moved, besides the SYNs themselves: "cookies_sent", "drop:rst", ... */
static inline const char *moved(void)
{
    static char text[512];
    struct sw_svc_counters now = guardrun_counters(guard, svc);
    size_t len = 0;

    text[0] = 0;
    for (int i = 0; i < SW_T_MAX; i++)
        if (i != SW_T_SYNS && now.item[i] != before.item[i])
            len += snprintf(text + len, sizeof(text) - len, "%s%s%s", len ? " " : "", guardrun_svc_counter_name(i),
                            now.item[i] - before.item[i] == 1 ? "" : " more than once");
    for (int i = 0; i < SW_DROP_MAX; i++)
        if (now.drop[i] != before.drop[i])
            len += snprintf(text + len, sizeof(text) - len, "%sdrop:%s%s", len ? " " : "", guardrun_drop_name(i),
                            now.drop[i] - before.drop[i] == 1 ? "" : " more than once");
    return text;
}

/* Was the last packet, a SYN, over a limit? It got a cookie or, where there is none, nothing. */
static inline bool was_over_limit(void)
{
    struct sw_svc_counters now = guardrun_counters(guard, svc);

    return now.item[SW_T_OVER_LIMIT] != before.item[SW_T_OVER_LIMIT] ||
           now.drop[SW_DROP_RATE_SOURCE] != before.drop[SW_DROP_RATE_SOURCE] ||
           now.drop[SW_DROP_RATE_PREFIX] != before.drop[SW_DROP_RATE_PREFIX];
}

static inline void expect_moved_at(const char *file, int line, int verdict, const char *counters)
{
    if (out.verdict == verdict && !strcmp(moved(), counters))
        return;
    print_error("got %s, counted \"%s\"; expected %s, \"%s\"\n", verdict_name(out.verdict), moved(),
                verdict_name(verdict), counters);
    _fail(file, line);
}

#define expect_verdict(p, verdict, counters)                                                                           \
    do {                                                                                                               \
        deliver(p);                                                                                                    \
        expect_moved_at(__FILE__, __LINE__, verdict, counters);                                                        \
    } while (0)
#define expect_drop(p, reason) expect_verdict(p, BPFRUN_XDP_DROP, "drop:" reason)
#define expect_pass(p, counters) expect_verdict(p, BPFRUN_XDP_PASS, counters)
#define expect_reply(p, counters) expect_verdict(p, BPFRUN_XDP_TX, counters)

static inline struct pkt usual_syn(void)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);

    p.seq = t->isn[A];
    pkt_opt_usual(&p, p.v6 ? 1440 : 1460, 7);
    return p;
}

static inline struct pkt bare_syn(void)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);

    p.seq = t->isn[A];
    return p;
}

static inline void add_stamps(struct pkt *p, __u32 tsval, __u32 tsecr)
{
    __u8 v[8] = {tsval >> 24, tsval >> 16, tsval >> 8, tsval, tsecr >> 24, tsecr >> 16, tsecr >> 8, tsecr};

    p->opts[p->opts_len++] = 1;
    p->opts[p->opts_len++] = 1;
    pkt_opt(p, 8, v, 8);
}

/* Sends a SYN that must be answered with a cookie; the talk continues from there. */
static inline struct decoded cookie_for_at(const char *file, int line, const struct pkt *p)
{
    deliver_at(file, line, p);
    expect_moved_at(file, line, BPFRUN_XDP_TX, "cookies_sent");
    t->isn[B] = reply.seq;
    t->nxt[A] = t->isn[A] + 1;
    t->nxt[B] = reply.seq + 1;
    return reply;
}
#define cookie_for(p) cookie_for_at(__FILE__, __LINE__, p)

/* The client's third packet, or any later one, for that cookie. */
static inline struct pkt answer_to(const struct decoded *synack, __u16 flags, __u32 payload)
{
    struct pkt p = talk_pkt(t, A, flags, payload);

    p.seq = t->isn[A] + 1;
    p.ack = synack->seq + 1;
    if (synack->has_ts)
        add_stamps(&p, 2, synack->tsval);
    return p;
}

/* A segment of no connection. */
static inline struct pkt stray(__u16 flags)
{
    struct pkt p = talk_pkt(t, A, flags, 0);

    p.seq = 123456;
    p.ack = flags & ACK ? 987654 : 0;
    return p;
}

/* The whole handshake; the flow is established. */
static inline void open_by_cookie_at(const char *file, int line)
{
    struct pkt p = usual_syn();
    struct decoded synack = cookie_for_at(file, line, &p);

    p = answer_to(&synack, ACK, 0);
    deliver_at(file, line, &p);
    expect_moved_at(file, line, BPFRUN_XDP_PASS, "cookies_accepted");
}
#define open_by_cookie() open_by_cookie_at(__FILE__, __LINE__)

#endif
