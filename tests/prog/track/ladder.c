/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ladders: which control segments the programs keep, in which table, and that each `conn` record comes with its own. */
#include "fixture.h"
#include "output/json_ladder.h"
#include "output/line.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static bool off;

static int group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.ladder = !off;
    return fixture_load(&opts);
}

static size_t entries(const struct bpf_map *map)
{
    struct sw_key key, next;
    size_t n = 0;

    while (n < 100000 && !bpf_map_get_next_key(bpf_map__fd(map), n ? &key : NULL, &next)) {
        key = next;
        n++;
    }
    return n;
}

/* How many ladders there are of established connections, and of others. */
static void expect_ladders(size_t of_flows, size_t open)
{
    assert_int_equal(entries(bpfrun_object(run)->maps.ladders), of_flows);
    assert_int_equal(entries(bpfrun_object(run)->maps.ladders_open), open);
}

/* ">SYN <SYN,ACK >ACK:5", the sender of the first segment on the left. */
static void words_of(const struct sw_ladder *l, char *buf)
{
    char *p = buf;

    for (__u32 i = 0; i < sw_ladder_len(l); i++) {
        const struct sw_ladder_seg *s = sw_ladder_at(l, i);

        p += sprintf(p, "%s%c", i ? " " : "", s->src_is_b ? '<' : '>');
        p = sw_put_tcp_flags(p, s->flags);
        if (s->len)
            p += sprintf(p, ":%u", s->len);
        *p = 0;
    }
    *p = 0;
}

static void expect_ladder_at(int line, const struct sw_ladder *l, __u32 lost, const char *words)
{
    char got[1024];

    assert_non_null(l);
    words_of(l, got);
    if (!strcmp(got, words) && l->lost == lost)
        return;
    print_error("ladder: got \"%s\" and %u more, expected \"%s\" and %u\n", got, l->lost, words, lost);
    _fail(__FILE__, line);
}

/* The one of the conn record. */
#define expect_ladder(lost, words) expect_ladder_at(__LINE__, bpfrun_ladder(run), lost, words)

static struct sw_ladder in_map(void)
{
    struct sw_ladder l = {0};

    if (bpf_map_lookup_elem(bpf_map__fd(bpfrun_object(run)->maps.ladders), &t->key, &l))
        assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(bpfrun_object(run)->maps.ladders_open), &t->key, &l), 0);
    return l;
}

/* The one of the connection as it stands. */
static void expect_now_at(int line, __u32 lost, const char *words)
{
    struct sw_ladder l = in_map();

    expect_ladder_at(line, &l, lost, words);
}
#define expect_now(lost, words) expect_now_at(__LINE__, lost, words)

static void expect_segment(const struct sw_ladder *l, __u32 i, __u64 ns, __u32 seq, __u32 ack, int a, int b)
{
    const struct sw_ladder_seg *s = sw_ladder_at(l, i);

    assert_int_equal(s->ns, ns);
    assert_int_equal(s->seq, seq);
    assert_int_equal(s->ack, ack);
    assert_int_equal(s->states & 15, a);
    assert_int_equal(s->states >> 4, b);
}

/* Handshake, data, four-way close: numbers, times and states of each; a segment that changes nothing is not there. */
static void whole(void)
{
    const __u64 start = bpfrun_now(run);
    const struct sw_ladder *l;

    talk_say(t, A, SYN, 0);
    expect_ladders(0, 1);
    talk_say(t, B, SYN | ACK, 0);
    expect_ladders(0, 1);
    talk_say(t, A, ACK, 0);
    expect_ladders(1, 0);
    talk_say(t, A, PSH | ACK, 100);
    talk_say(t, A, PSH | ACK, 100);
    talk_say(t, B, ACK, 0);
    talk_say(t, B, ACK, 50);
    talk_say(t, A, ACK, 0);
    talk_say(t, B, ACK, 50);
    talk_close(t);
    talk_wait(t, 6 * SEC);
    talk_conn(t);
    expect_ladder(0, ">SYN <SYN,ACK >ACK >PSH,ACK:100 <ACK <ACK:50 >FIN,ACK <ACK <FIN,ACK >ACK");
    l = bpfrun_ladder(run);
    assert_int_equal(l->start_ns, start);
    expect_segment(l, 0, start, 1000, 0, SW_ST_SYN_SENT, SW_ST_LISTEN);
    expect_segment(l, 1, start + MS, 5000000, 1001, SW_ST_SYN_SENT, SW_ST_SYN_RECEIVED);
    expect_segment(l, 2, start + 2 * MS, 1001, 5000001, SW_ST_ESTABLISHED, SW_ST_ESTABLISHED);
    expect_segment(l, 3, start + 3 * MS, 1001, 5000001, SW_ST_ESTABLISHED, SW_ST_ESTABLISHED);
    expect_segment(l, 4, start + 5 * MS, 5000001, 1201, SW_ST_ESTABLISHED, SW_ST_ESTABLISHED);
    expect_segment(l, 6, start + 9 * MS, 1201, 5000101, SW_ST_FIN_WAIT_1, SW_ST_ESTABLISHED);
    expect_segment(l, 7, start + 10 * MS, 5000101, 1202, SW_ST_FIN_WAIT_2, SW_ST_CLOSE_WAIT);
    expect_segment(l, 8, start + 11 * MS, 5000101, 1202, SW_ST_FIN_WAIT_2, SW_ST_LAST_ACK);
    expect_segment(l, 9, start + 12 * MS, 1202, 5000102, SW_ST_TIME_WAIT, SW_ST_CLOSED);
    expect_ladders(0, 0);
}

TEST(whole_connection)
{
    whole();
}

TEST(whole_connection_ipv6)
{
    talk_init(t, run, true);
    whole();
}

/* The originator is the key's other endpoint. */
TEST(from_b)
{
    talk_say(t, B, SYN, 0);
    talk_say(t, A, RST | ACK, 0);
    talk_wait(t, 6 * SEC);
    talk_conn(t);
    expect_ladder(0, "<SYN >RST,ACK");
    assert_int_equal(sw_ladder_at(bpfrun_ladder(run), 0)->states, SW_ST_LISTEN | SW_ST_SYN_SENT << 4);
    expect_ladders(0, 0);
}

TEST(retransmissions)
{
    struct pkt syn = talk_pkt(t, A, SYN, 0), synack;

    talk_send(t, A, &syn);
    talk_send(t, A, &syn);
    talk_send(t, A, &syn);
    synack = talk_pkt(t, B, SYN | ACK, 0);
    talk_send(t, B, &synack);
    talk_send(t, B, &synack);
    talk_say(t, A, ACK, 0);
    expect_now(0, ">SYN >SYN >SYN <SYN,ACK <SYN,ACK >ACK");
    talk_say(t, A, RST, 0);
    talk_wait(t, 6 * SEC);
    talk_conn(t);
    expect_ladder(0, ">SYN >SYN >SYN <SYN,ACK <SYN,ACK >ACK >RST");
}

TEST(half_close)
{
    talk_open(t);
    talk_say(t, A, FIN | ACK, 0);
    talk_say(t, B, ACK, 0);
    talk_say(t, B, PSH | ACK, 7);
    talk_say(t, A, ACK, 0);
    talk_say(t, B, PSH | ACK, 7);
    talk_say(t, B, FIN | ACK, 0);
    talk_say(t, A, ACK, 0);
    talk_wait(t, 6 * SEC);
    talk_conn(t);
    expect_ladder(0, ">SYN <SYN,ACK >ACK >FIN,ACK <ACK <PSH,ACK:7 <FIN,ACK >ACK");
}

TEST(unanswered)
{
    talk_say(t, A, SYN, 0);
    talk_wait(t, 21 * SEC);
    talk_conn(t);
    expect_ladder(0, ">SYN");
    expect_ladders(0, 0);
}

/* The last 16, and how many came before. */
TEST(more_than_fit)
{
    struct pkt syn = talk_pkt(t, A, SYN, 0);

    for (int i = 0; i < 20; i++) {
        syn.win = 100 + i;
        talk_send(t, A, &syn);
    }
    talk_say(t, B, RST | ACK, 0);
    talk_wait(t, 6 * SEC);
    talk_conn(t);
    expect_ladder(5, ">SYN >SYN >SYN >SYN >SYN >SYN >SYN >SYN >SYN >SYN >SYN >SYN >SYN >SYN >SYN <RST,ACK");
}

/* Its checksum is wrong: the receiver drops it. */
TEST(bad_checksum)
{
    struct pkt fin;

    SKIP_OLD("checksums are not verified");
    talk_open(t);
    fin = talk_pkt(t, A, FIN | ACK, 0);
    fin.bad_checksum = true;
    talk_send(t, A, &fin);
    expect_now(0, ">SYN <SYN,ACK >ACK");
}

static void evict(bool ladder_too)
{
    assert_int_equal(bpf_map_delete_elem(bpf_map__fd(bpfrun_object(run)->maps.half_open), &t->key), 0);
    if (ladder_too)
        assert_int_equal(bpf_map_delete_elem(bpf_map__fd(bpfrun_object(run)->maps.ladders_open), &t->key), 0);
}

/* A flow that the SYN cache restores has its ladder again, without the retransmissions, which are counted. */
TEST(restored)
{
    const __u64 start = bpfrun_now(run);
    struct pkt syn = talk_pkt(t, A, SYN, 0);

    talk_send(t, A, &syn);
    talk_send(t, A, &syn);
    talk_say(t, B, SYN | ACK, 0);
    evict(true);
    talk_say(t, A, ACK, 0);
    expect_counter(t, HALF_OPEN_RESTORED, 1);
    expect_ladders(1, 0);
    talk_say(t, A, RST, 0);
    talk_wait(t, 6 * SEC);
    talk_conn(t);
    expect_ladder(1, ">SYN <SYN,ACK >ACK >RST");
    expect_segment(bpfrun_ladder(run), 0, start, 1000, 0, SW_ST_SYN_SENT, SW_ST_LISTEN);
    expect_segment(bpfrun_ladder(run), 1, start + 2 * MS, 5000000, 1001, SW_ST_SYN_SENT, SW_ST_SYN_RECEIVED);
}

/* Only the flow was evicted: its ladder goes on. */
TEST(restored_with_its_ladder)
{
    struct pkt syn = talk_pkt(t, A, SYN, 0);

    talk_send(t, A, &syn);
    talk_send(t, A, &syn);
    evict(false);
    talk_say(t, B, SYN | ACK, 0);
    expect_counter(t, HALF_OPEN_RESTORED, 1);
    expect_now(0, ">SYN >SYN <SYN,ACK");
}

/* Only the ladder was: what came before is not known. */
TEST(ladder_evicted)
{
    talk_say(t, A, SYN, 0);
    assert_int_equal(bpf_map_delete_elem(bpf_map__fd(bpfrun_object(run)->maps.ladders_open), &t->key), 0);
    talk_say(t, B, SYN | ACK, 0);
    expect_now(SW_LADDER_UNKNOWN, "<SYN,ACK");
    assert_int_equal(bpf_map_delete_elem(bpf_map__fd(bpfrun_object(run)->maps.ladders_open), &t->key), 0);
    talk_wait(t, 31 * SEC);
    talk_conn(t);
    expect_ladder(SW_LADDER_UNKNOWN, "");
}

/* A segment that is processed while its flow ends, when the flow's ladder is gone: nobody would delete a new one. */
TEST(added_to_one_that_ends)
{
    talk_open(t);
    expect_ladders(1, 0);
    assert_int_equal(bpf_map_delete_elem(bpf_map__fd(bpfrun_object(run)->maps.ladders), &t->key), 0);
    talk_say(t, A, FIN | ACK, 0);
    expect_now(SW_LADDER_UNKNOWN, ">FIN,ACK");
    expect_ladders(0, 1); /* where a next one takes its place */
}

/* What an evicted connection has left for the same four-tuple is not this one's, and neither added to nor logged. */
TEST(stale)
{
    const struct sw_ladder old = {.start_ns = 77, .next = 3, .kept = 3};

    assert_int_equal(bpf_map_update_elem(bpf_map__fd(bpfrun_object(run)->maps.ladders_open), &t->key, &old, 0), 0);
    talk_say(t, A, SYN, 0);
    expect_now(0, ">SYN");
    assert_int_equal(bpf_map_update_elem(bpf_map__fd(bpfrun_object(run)->maps.ladders_open), &t->key, &old, 0), 0);
    talk_wait(t, 21 * SEC);
    talk_conn(t);
    expect_ladder(SW_LADDER_UNKNOWN, "");
    expect_ladders(0, 1);
}

static void new_isns(void)
{
    t->nxt[A] = t->isn[A] = 500000000;
    t->nxt[B] = t->isn[B] = 900000000;
}

/* The four-tuple is used again: each connection has its own. */
TEST(reused)
{
    talk_open(t);
    talk_close(t);
    bpfrun_clear_events(run);
    new_isns();
    talk_say(t, A, SYN, 0);
    talk_conn(t);
    expect_ladder(0, ">SYN <SYN,ACK >ACK >FIN,ACK <ACK <FIN,ACK >ACK");
    expect_ladders(0, 1);
    expect_now(0, ">SYN");
    assert_int_equal(in_map().seg[0].seq, 500000000);
}

/* A SYN that waited on a live connection begins the next one: it is in that one's ladder, and not in the old one's. */
TEST(pending_syn)
{
    struct pkt syn;

    talk_open(t);
    talk_say(t, A, PSH | ACK, 10);
    syn = talk_pkt(t, A, SYN, 0);
    syn.seq += 1000; /* within the window */
    talk_send(t, A, &syn);
    expect_now(0, ">SYN <SYN,ACK >ACK >PSH,ACK:10 >SYN");
    bpfrun_clear_events(run);
    t->nxt[A] = syn.seq + 1;
    t->nxt[B] = 900000000;
    talk_say(t, B, SYN | ACK, 0);
    talk_conn(t);
    expect_ladder(0, ">SYN <SYN,ACK >ACK >PSH,ACK:10");
    expect_now(0, ">SYN <SYN,ACK");
    expect_ladders(0, 1);
}

/* It was sent again while it waited: that is counted. */
TEST(pending_syn_again)
{
    struct pkt syn;

    talk_open(t);
    syn = talk_pkt(t, A, SYN, 0);
    syn.seq += 1000;
    talk_send(t, A, &syn);
    talk_send(t, A, &syn);
    expect_now(0, ">SYN <SYN,ACK >ACK >SYN >SYN");
    bpfrun_clear_events(run);
    t->nxt[A] = syn.seq + 1;
    t->nxt[B] = 900000000;
    talk_say(t, B, SYN | ACK, 0);
    talk_conn(t);
    expect_ladder(0, ">SYN <SYN,ACK >ACK");
    expect_now(1, ">SYN <SYN,ACK");
}

TEST(midstream)
{
    t->nxt[A] = 70000;
    talk_say(t, A, PSH | ACK, 10);
    talk_say(t, B, ACK, 0);
    talk_say(t, B, PSH | ACK, 20);
    talk_say(t, A, ACK, 0);
    talk_say(t, A, PSH | ACK, 10);
    expect_ladders(1, 0);
    expect_now(0, ">PSH,ACK:10 <ACK <PSH,ACK:20 >ACK");
    talk_say(t, B, RST, 0);
    talk_wait(t, 6 * SEC);
    talk_conn(t);
    expect_ladder(0, ">PSH,ACK:10 <ACK <PSH,ACK:20 >ACK <RST");
}

/* At the end of the input, when it is open. */
TEST(flushed)
{
    talk_open(t);
    talk_sweep(t, 2);
    talk_conn(t);
    expect_ladder(0, ">SYN <SYN,ACK >ACK");
    expect_ladders(0, 0);
}

/* Many connections: each has its own. */
TEST(many)
{
    for (int i = 0; i < 200; i++) {
        t->side[A].sport = t->side[B].dport = 1000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        t->nxt[A] = t->isn[A] = 1000 + i;
        t->nxt[B] = t->isn[B] = 5000000;
        talk_open(t);
    }
    expect_ladders(200, 0);
    for (int i = 0; i < 200; i++) {
        t->side[A].sport = t->side[B].dport = 1000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        expect_now(0, ">SYN <SYN,ACK >ACK");
        assert_int_equal(in_map().seg[0].seq, 1000 + i);
    }
    talk_sweep(t, 2);
    expect_ladders(0, 0);
}

/* Without --ladder there is nothing of it. */
TEST(none)
{
    talk_open(t);
    talk_close(t);
    expect_ladders(0, 0);
    talk_wait(t, 6 * SEC);
    assert_int_equal(talk_conn(t).size, sizeof(struct sw_event));
    assert_null(bpfrun_ladder(run));
    assert_int_equal(bpf_map__max_entries(bpfrun_object(run)->maps.ladders), 1);
    assert_int_equal(bpf_map__max_entries(bpfrun_object(run)->maps.ladders_open), 1);
}

int main(void)
{
    const struct CMUnitTest with[] = {
        CASE(whole_connection),
        CASE(whole_connection_ipv6),
        CASE(from_b),
        CASE(retransmissions),
        CASE(half_close),
        CASE(unanswered),
        CASE(more_than_fit),
        CASE(bad_checksum),
        CASE(restored),
        CASE(restored_with_its_ladder),
        CASE(ladder_evicted),
        CASE(added_to_one_that_ends),
        CASE(stale),
        CASE(reused),
        CASE(pending_syn),
        CASE(pending_syn_again),
        CASE(midstream),
        CASE(flushed),
        CASE(many),
    };
    const struct CMUnitTest without[] = {CASE(none)};
    int failed = cmocka_run_group_tests(with, group, fixture_group_end);

    off = true;
    return failed + cmocka_run_group_tests(without, group, fixture_group_end);
}
