/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Places in `flows` for connections of which no socket of this host has sent anything: so many, and no more. */
#include "guardshare.h"
#include "loader/sweep.h"

static int anew; /* so many had a place already when a listener of their four-tuple answered anew: they keep it */

static int small_group(void **state)
{
    struct sw_object_opts opts;

    bpfrun_opts(&opts);
    guarded_opts(&opts);
    opts.max_flows = FLOWS;
    opts.cfg.decap = !!*state;
    return guarded_load(&opts);
}

static int tunnel_group(void **state)
{
    *state = &anew;
    return small_group(state);
}

static __u64 held(void)
{
    return bpfrun_counter(run, SW_C_FLOWS_HELD);
}

/* The programs' count is what is in the table, and within the share. */
static void expect_count_is_true_at(const char *file, int line)
{
    const int fd = bpf_map__fd(bpfrun_object(run)->maps.flows);
    static const __s64 most[SW_SHARES] = {UNCONFIRMED, CLAIMED};
    __s64 n[SW_SHARES] = {0};
    struct sw_key key, *at = NULL;
    struct sw_flow f;

    for (; !bpf_map_get_next_key(fd, at, &key); at = &key) {
        assert_int_equal(bpf_map_lookup_elem(fd, &key, &f), 0);
        assert_int_equal(f.held, 0);
        assert_int_equal(f.end_claimed, 0);
        if (f.flags & SW_F_CLAIMED)
            n[SW_SHARE_CLAIMED]++;
        else if (f.flags & SW_F_UNCONFIRMED)
            n[SW_SHARE_UNCONFIRMED]++;
    }
    for (int i = 0; i < SW_SHARES; i++) {
        if (n[i] == count_of(i) && n[i] <= most[i] + (i == SW_SHARE_UNCONFIRMED ? anew : 0))
            continue;
        print_error("share %d: counted %lld, in the table %lld of %lld\n", i, (long long)count_of(i), (long long)n[i],
                    (long long)most[i]);
        _fail(file, line);
    }
}
#define expect_count_is_true() expect_count_is_true_at(__FILE__, __LINE__)
#define expect_held(s, is) expect_where_at(__FILE__, __LINE__, s, (is) ? BPFRUN_HALF_OPEN : BPFRUN_FLOWS)

static void sweep(void)
{
    assert_int_equal(bpfrun_sweep(run, 0, NULL), 0);
}

/* With the listener; of its socket nothing is seen. */
static struct talk connects_to(__u16 port)
{
    struct talk s = new_client(port);

    syn_alone(&s);
    listener_answers(&s);
    complete(&s);
    return s;
}

static struct talk connects(void)
{
    return connects_to(80);
}

static void its_socket_sends(struct talk *s)
{
    struct pkt p = of(s, B, ACK);

    leave(&p);
}

static void client_speaks(struct talk *s)
{
    struct pkt p = talk_pkt(s, A, PSH | ACK, 10);

    s->nxt[A] += 10;
    assert_int_equal(shoot(&p), BPFRUN_XDP_PASS);
}

/* Both ends' words arrive. */
static void claim(struct talk *s)
{
    struct pkt p;

    syn_alone(s);
    p = of(s, B, SYN | ACK);
    p.seq = s->isn[B];
    s->nxt[B] = s->isn[B] + 1;
    shoot(&p);
    complete(s);
}

static struct talk claims(__u16 port)
{
    struct talk s = new_client(port);

    claim(&s);
    return s;
}

/* One too many waits, until its socket has sent or there is a place again. */
TEST(unconfirmed)
{
    struct talk s[UNCONFIRMED + 3];

    for (int i = 0; i < UNCONFIRMED + 3; i++) {
        s[i] = connects();
        expect_held(&s[i], i >= UNCONFIRMED);
        expect_count_is_true();
    }
    assert_int_equal(held(), 3);
    expect_counted(UNCONFIRMED + 3, UNCONFIRMED + 3, UNCONFIRMED + 3, 0);
    client_speaks(&s[UNCONFIRMED]);
    sweep();
    expect_where(&s[UNCONFIRMED], HALF_OPEN);
    assert_int_equal(held(), 3); /* each once */
    its_socket_sends(&s[UNCONFIRMED]);
    client_speaks(&s[UNCONFIRMED]);
    expect_where(&s[UNCONFIRMED], FLOWS);
    expect_count_is_true();
    its_socket_sends(&s[0]);
    its_socket_sends(&s[0]);
    expect_count_is_true();
    client_speaks(&s[UNCONFIRMED + 1]);
    expect_where(&s[UNCONFIRMED + 1], FLOWS); /* there was a place */
    its_socket_sends(&s[1]);
    sweep(); /* and silent ones get it, too */
    expect_where(&s[UNCONFIRMED + 2], FLOWS);
    expect_count_is_true();
    assert_int_equal(bpfrun_count(run, BPFRUN_HALF_OPEN), 0);
    assert_int_equal(bpfrun_counter(run, SW_C_HALF_OPEN_PROMOTED), UNCONFIRMED + 3);
}

/* The kernel threw the third packet away: also what waits leaves, and not after hours. */
TEST(held_without_a_socket)
{
    struct talk s[UNCONFIRMED + 1];
    struct sw_flow f;
    struct pkt syn;

    for (int i = 0; i < UNCONFIRMED + 1; i++)
        s[i] = connects();
    pass_time(10 * SEC);
    for (int i = 0; i < UNCONFIRMED + 1; i++) {
        syn = talk_pkt(&s[i], A, SYN, 0);
        guardrun_known(guard, 0, &syn, i < UNCONFIRMED);
        guardrun_known(guard, 1, &syn, i < UNCONFIRMED);
    }
    guardrun_conf(guard)->known_ns = bpfrun_now(run);
    assert_int_equal(guardrun_detect(guard), 0);
    sweep();
    assert_int_equal(bpfrun_lookup(run, &s[UNCONFIRMED].key, &f), BPFRUN_NOWHERE);
    assert_int_equal(bpfrun_count(run, BPFRUN_FLOWS), UNCONFIRMED);
    expect_count_is_true();
}

/* What is claimed of a service, or of nobody, has places of its own: those of real connections are not among them. */
TEST(claimed)
{
    static const __u16 ports[] = {80, 9999};
    struct talk s, mine;
    struct pkt p;

    for (int i = 0; i < CLAIMED + 4; i++) {
        s = claims(ports[i & 1]);
        expect_held(&s, i >= CLAIMED);
        expect_count_is_true();
        assert_int_equal(!!(talk_flow(&s).flags & SW_F_UNCONFIRMED), !(i & 1));
    }
    assert_int_equal(held(), 4);
    mine = connects();
    expect_where(&mine, FLOWS);
    mine = new_client(9999); /* a port of this host that is not protected */
    syn_alone(&mine);
    listener_answers(&mine);
    complete(&mine);
    expect_where(&mine, FLOWS);
    mine = new_client(9999); /* this host is the client, and its own third packet was not seen */
    p = of(&mine, A, SYN);
    p.seq = mine.isn[A];
    leave(&p);
    mine.nxt[A] = mine.isn[A] + 1;
    p = of(&mine, B, SYN | ACK);
    p.seq = mine.isn[B];
    mine.nxt[B] = mine.isn[B] + 1;
    shoot(&p);
    complete(&mine);
    expect_where(&mine, FLOWS);
    expect_count_is_true();
}

/* The same four-tuple after a handshake of the listener: what that had says nothing of what is claimed now. */
TEST(after_a_handshake)
{
    for (int reset = 0; reset < 2; reset++) {
        for (int i = 0; i < CLAIMED + 2; i++) {
            struct talk s = new_client(80);
            __u32 isn = s.isn[B];
            struct pkt p;

            syn_alone(&s);
            listener_answers(&s);
            if (reset) {
                p = of(&s, A, RST);
                shoot(&p);
                assert_int_equal(talk_flow(&s).listener, SW_L_ABORTED);
            }
            s.isn[A] += 1000000;
            s.isn[B] += 5000000;
            claim(&s);
            expect_held(&s, i >= CLAIMED);
            assert_true(talk_flow(&s).flags & SW_F_UNCONFIRMED);
            expect_count_is_true();
            p = of(&s, B, SYN | ACK); /* the listener's own, again */
            p.seq = isn;
            leave(&p);
            expect_count_is_true();
        }
        assert_int_equal(auto_test(state), 0);
    }
}

/* Of a listener that is no service's the kernel may have thrown the third packet away, too. */
TEST(no_service)
{
    struct talk s[UNCONFIRMED + 2], service;

    for (int i = 0; i < UNCONFIRMED + 2; i++) {
        s[i] = connects_to(9999);
        expect_held(&s[i], i >= UNCONFIRMED);
        expect_count_is_true();
    }
    assert_int_equal(held(), 2);
    service = connects();
    expect_held(&service, true);
    for (int i = 0; i < UNCONFIRMED + 2; i++) {
        its_socket_sends(&s[i]);
        expect_where(&s[i], FLOWS);
        assert_int_equal(talk_flow(&s[i]).flags & (SW_F_UNCONFIRMED | SW_F_CLAIMED), 0);
        expect_count_is_true();
    }
    client_speaks(&service);
    expect_where(&service, FLOWS);
    assert_int_equal(count_of(SW_SHARE_UNCONFIRMED), 1);
}

/* What this host only forwards is not its own, by whichever hook it is seen. */
TEST(forwarded)
{
    for (int i = 0; i < CLAIMED + 1; i++) {
        struct talk s = new_client(9999);
        struct pkt p;

        syn_alone(&s);
        p = of(&s, B, SYN | ACK);
        p.seq = s.isn[B];
        s.nxt[B] = s.isn[B] + 1;
        forward(&p);
        complete(&s);
        expect_held(&s, i >= CLAIMED);
    }
    expect_count_is_true();
}

/* What began midstream is proven by a segment of this host, not by one that it forwards. */
TEST(forwarded_midstream)
{
    for (int i = 0; i < CLAIMED + 2; i++) {
        struct talk s = new_client(9999);
        struct pkt p = talk_pkt(&s, A, PSH | ACK, 10);

        shoot(&p);
        p = talk_pkt(&s, B, PSH | ACK, 10);
        p.ack = s.nxt[A] + 10;
        forward(&p);
        expect_held(&s, i >= CLAIMED);
        expect_count_is_true();
    }
}

/* The next process has the tables of one before: nothing takes a place before they were counted. */
TEST(adopted)
{
    struct talk s[3], c;
    __s64 room;

    for (int i = 0; i < 2; i++)
        s[i] = connects();
    c = claims(9999);
    expect_where(&c, FLOWS);
    room = bpfrun_room(run);
    sw_object_counts_unknown(bpfrun_object(run));
    assert_in_range(bpfrun_room(run), 1, room / 8); /* as of a full table */
    s[2] = connects();
    expect_where(&s[2], HALF_OPEN);
    sweep();
    expect_count_is_true();
    assert_int_equal(count_of(SW_SHARE_UNCONFIRMED), 2);
    assert_int_equal(count_of(SW_SHARE_CLAIMED), 1);
    sweep();
    expect_where(&s[2], FLOWS);
    expect_count_is_true();
}

/* A count that is wrong, by a lost flag of two processors, is put right. */
TEST(put_right)
{
    static const struct sw_share wrong[] = {{0, 0}, {1000, 0}, {5, 1000}, {7, 3}};

    for (int i = 0; i < 2; i++) {
        connects();
        claims(80);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        for (int k = 0; k < SW_SHARES; k++)
            bpfrun_object(run)->bss->shares[k] = wrong[i];
        sweep();
        expect_count_is_true();
    }
}

/* No place in its share, and later none in the table: both are counted, each once. */
TEST(full_after_share)
{
    struct talk s[FLOWS], late;

    for (int i = 0; i < FLOWS / 4; i++)
        s[i] = connects();
    late = connects();
    expect_held(&late, true);
    for (int i = 0; i < FLOWS; i++) {
        if (i >= FLOWS / 4)
            s[i] = connects();
        its_socket_sends(&s[i]);
    }
    assert_int_equal(bpfrun_counter(run, SW_C_FLOWS_HELD), 1);
    assert_int_equal(bpfrun_counter(run, SW_C_FLOWS_FULL), 0);
    for (int i = 0; i < 2; i++) {
        its_socket_sends(&late);
        expect_where(&late, HALF_OPEN);
        assert_int_equal(bpfrun_counter(run, SW_C_FLOWS_HELD), 1);
        assert_int_equal(bpfrun_counter(run, SW_C_FLOWS_FULL), 1);
    }
    expect_count_is_true();
}

/* `flows` is full of confirmed ones: one more waits like one that is too many of its share. */
TEST(full)
{
    struct talk s[FLOWS + 2];

    for (int i = 0; i < FLOWS + 2; i++) {
        s[i] = connects();
        expect_held(&s[i], i >= FLOWS);
        its_socket_sends(&s[i]);
        expect_count_is_true();
    }
    assert_int_equal(bpfrun_counter(run, SW_C_FLOWS_FULL), 2);
    sweep();
    its_socket_sends(&s[FLOWS]);
    expect_where(&s[FLOWS], HALF_OPEN);
    assert_int_equal(bpfrun_counter(run, SW_C_FLOWS_FULL), 2); /* each once */
    for (int i = 0; i < 2; i++) {
        struct pkt p = of(&s[i], B, RST);

        leave(&p);
    }
    pass_time(6 * SEC);
    sweep();
    sweep(); /* both are silent, and get the places */
    expect_where(&s[FLOWS], FLOWS);
    expect_where(&s[FLOWS + 1], FLOWS);
    expect_count_is_true();
}

static void claim_its_end(const struct talk *s, __u32 claimed)
{
    const int fd = bpf_map__fd(bpfrun_object(run)->maps.half_open);
    struct sw_flow f;

    assert_int_equal(bpf_map_lookup_elem(fd, &s->key, &f), 0);
    f.end_claimed = claimed;
    assert_int_equal(bpf_map_update_elem(fd, &s->key, &f, BPF_EXIST), 0);
}

static void lock_all(__u32 taken)
{
    const struct bpf_map *locks = bpfrun_object(run)->maps.locks;

    assert_int_equal(bpf_map__value_size(locks), sizeof(taken));
    for (__u32 i = 0; i < bpf_map__max_entries(locks); i++)
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(locks), &i, &taken, BPF_ANY), 0);
}

/* One that another CPU is ending, or whose segment it processes, is not moved: nobody could end the copy. */
TEST(ended_meanwhile)
{
    struct talk s[UNCONFIRMED + 1], *last = &s[UNCONFIRMED];
    struct sw_flow f;
    struct pkt p;

    for (int i = 0; i < UNCONFIRMED + 1; i++)
        s[i] = connects();
    its_socket_sends(&s[0]);
    claim_its_end(last, 1);
    sweep();
    expect_where(last, HALF_OPEN);
    client_speaks(last);
    expect_where(last, HALF_OPEN);
    claim_its_end(last, 0);
    lock_all(1);
    sweep();
    lock_all(0);
    expect_where(last, HALF_OPEN);
    expect_count_is_true();
    sweep();
    expect_where(last, FLOWS);
    expect_count_is_true();
    p = of(last, B, RST);
    leave(&p);
    pass_time(6 * SEC);
    sweep();
    assert_int_equal(bpfrun_lookup(run, &last->key, &f), BPFRUN_NOWHERE);
    expect_count_is_true();
}

/* Data that follows a cookie's acknowledgement closely has no socket yet, also while the connection is held. */
TEST(first_flight)
{
    struct pkt p;

    for (int i = 0; i < UNCONFIRMED; i++)
        connects();
    set_mode(SW_GM_ALWAYS);
    open_by_cookie();
    expect_where(t, HALF_OPEN);
    assert_true(talk_flow(t).held);
    for (int i = 0; i < 3; i++) {
        p = talk_pkt(t, A, PSH | ACK, 10);
        t->nxt[A] += 10;
        assert_int_equal(shoot(&p), BPFRUN_XDP_PASS);
    }
    pass_time(SEC);
    p = talk_pkt(t, A, PSH | ACK, 10);
    assert_int_equal(shoot(&p), BPFRUN_XDP_DROP); /* by now it would have one */
}

static bool has_a_place_of_its_own(const struct talk *s)
{
    struct sw_flow f;

    return bpfrun_lookup(run, &s->key, &f) == BPFRUN_FLOWS && !(f.flags & (SW_F_UNCONFIRMED | SW_F_CLAIMED));
}

/* IP in IP, between two addresses of RFC 5737. */
static size_t encapsulate(const struct pkt *p, __u8 *frame, size_t size)
{
    static const __u8 outer[] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 4, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2};
    struct pkt inner = *p;
    size_t len;

    inner.no_padding = true;
    len = pkt_build(&inner, frame, size - sizeof(outer));
    memmove(frame + 14 + sizeof(outer), frame + 14, len - 14);
    memcpy(frame + 14, outer, sizeof(outer));
    len += sizeof(outer);
    frame[16] = (len - 14) >> 8;
    frame[17] = len - 14;
    return len;
}

static void in_tunnel(const struct pkt *p, bool leaves)
{
    static __u8 frame[PKT_MIN_FRAME * 4];
    size_t len = encapsulate(p, frame, sizeof(frame));
    int verdict;

    if (leaves)
        assert_int_equal(bpfrun_egress(run, frame, len, NULL, &verdict), 0);
    else
        assert_int_equal(bpfrun_ingress(run, frame, len, &verdict), 0);
    bpfrun_clear_events(run);
}

static struct talk connects_in_tunnel(__u16 port)
{
    struct talk s = new_client(port);
    struct pkt p = of(&s, A, SYN);

    p.seq = s.isn[A];
    s.nxt[A] = s.isn[A] + 1;
    in_tunnel(&p, false);
    p = of(&s, B, SYN | ACK);
    p.seq = s.isn[B];
    s.nxt[B] = s.isn[B] + 1;
    in_tunnel(&p, true);
    p = of(&s, A, ACK);
    in_tunnel(&p, false);
    return s;
}

/* This host is an end of the tunnel, and its listener answers there. */
TEST(tunnelled)
{
    struct talk s[UNCONFIRMED + 3];
    struct pkt p;

    for (int i = 0; i < UNCONFIRMED + 3; i++) {
        s[i] = connects_in_tunnel(i & 1 ? 80 : 9999);
        expect_held(&s[i], i >= UNCONFIRMED);
        expect_count_is_true();
    }
    for (int i = 0; i < UNCONFIRMED + 3; i++) {
        p = of(&s[i], B, ACK);
        in_tunnel(&p, true);
        expect_where(&s[i], FLOWS);
        assert_int_equal(talk_flow(&s[i]).flags & (SW_F_UNCONFIRMED | SW_F_CLAIMED), 0);
        expect_count_is_true();
    }
    assert_int_equal(count_of(SW_SHARE_UNCONFIRMED), 0);
    expect_counted(0, 0, 0, 0);
}

static void any(struct talk *s, unsigned what)
{
    static const __u16 ends[] = {FIN | ACK, RST, SYN, SYN | ACK, PSH | ACK, ACK};
    struct pkt p;

    switch (what % 11) {
    case 0: *s = connects(); break;
    case 1: *s = claims(what & 64 ? 80 : 9999); break;
    case 2: its_socket_sends(s); break;
    case 3: client_speaks(s); break;
    case 4: /* the four-tuple, again */
        s->isn[A] += 100000;
        s->isn[B] += 100000;
        syn_alone(s);
        listener_answers(s);
        complete(s);
        break;
    case 5:
        anew += has_a_place_of_its_own(s);
        listener_answers(s);
        break;
    case 6: pass_time(what & 64 ? 6 * SEC : SEC); break;
    default:
        p = of(s, what & 128 ? A : B, ends[what / 256 % 6]);
        if (what & 64 && !(what & 128) && !(p.flags & SYN)) /* this host's SYN-ACKs answer something: above */
            leave(&p);
        else
            shoot(&p);
    }
}

/* Whatever happens in whatever order. */
TEST(in_any_order)
{
    struct talk s[40];
    __u32 seed = 12345;

    for (int i = 0; i < 40; i++)
        s[i] = new_client(i & 3 ? 80 : 9999);
    for (int i = 0; i < 6000; i++) {
        seed = seed * 1664525 + 1013904223;
        any(&s[seed >> 24 & 31], seed >> 8);
        bpfrun_clear_events(run);
        if (i % 50 == 49) {
            sweep();
            bpfrun_clear_events(run);
        }
        expect_count_is_true();
    }
    anew = 0;
    assert_true(held() > 10);
    assert_true(bpfrun_counter(run, SW_C_FLOW_ENDED) > 20);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        AUTO(unconfirmed),
        AUTO(held_without_a_socket),
        AUTO(claimed),
        AUTO(after_a_handshake),
        AUTO(no_service),
        AUTO(forwarded),
        AUTO(forwarded_midstream),
        AUTO(full),
        AUTO(full_after_share),
        AUTO(ended_meanwhile),
        AUTO(first_flight),
        AUTO(adopted),
        AUTO(put_right),
        AUTO(in_any_order),
    };

    const struct CMUnitTest decap[] = {AUTO(tunnelled)};

    return cmocka_run_group_tests(cases, small_group, guarded_group_end) +
           cmocka_run_group_tests(decap, tunnel_group, guarded_group_end);
}
