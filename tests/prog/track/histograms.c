/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms: what goes into which, by role and by server, whatever is emitted, in the packet path and in the sweep. */
#include "fixture.h"
#include "loader/histograms.h"
#include "output/histogram.h"
#include "synward.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>

static struct sw_histogram_set role[SW_ROLE_MAX];
static struct sw_histograms *servers;
static __u32 servers_len;

static int roles_fd(void)
{
    return bpf_map__fd(bpfrun_object(run)->maps.histograms);
}

static int servers_fd(void)
{
    return bpf_map__fd(bpfrun_object(run)->maps.server_histograms);
}

static bool no_events, parts_unseen;

static int begin(void **state)
{
    const size_t size = libbpf_num_possible_cpus() * sizeof(struct sw_histogram_set);
    struct sw_server_key key;
    void *zero = calloc(1, size);
    int err = !zero;

    for (__u32 row = 0; row < SW_HG_ROWS && !err; row++)
        err = bpf_map_update_elem(roles_fd(), &row, zero, 0);
    free(zero);
    while (!err && !bpf_map_get_next_key(servers_fd(), NULL, &key))
        err = bpf_map_delete_elem(servers_fd(), &key);
    parts_unseen = false;
    return err ? -1 : fixture_test(state);
}

static void read_all(void)
{
    struct sw_histograms *roles;
    __u32 len;

    free(servers);
    assert_int_equal(sw_histograms_read(roles_fd(), &roles, &len), 0);
    assert_int_equal(len, SW_ROLE_MAX);
    for (__u32 i = 0; i < len; i++) {
        assert_int_equal(roles[i].key.role, i);
        role[i] = roles[i].set;
    }
    free(roles);
    assert_int_equal(sw_histograms_read_servers(servers_fd(), &servers, &servers_len), 0);
}

static __u64 count(const struct sw_histogram_set *set, enum sw_histogram_kind kind)
{
    return sw_histogram_count(&set->of[kind]);
}

/* After each test: of all roles together, what is counted as established; each part of it, too; and each conn. */
static void expect_exact(void)
{
    const __u64 established = bpfrun_counter(run, SW_C_HANDSHAKES);
    __u64 ended = 0;

    read_all();
    for (int r = 0; r < SW_ROLE_MAX; r++)
        for (int why = 0; why < SW_WHY_MAX; why++)
            ended += role[r].ended[why];
    for (int kind = SW_HG_HANDSHAKE; kind <= SW_HG_CLIENT; kind++) {
        __u64 n = 0, measured = 0;

        for (int r = 0; r < SW_ROLE_MAX; r++) {
            n += count(&role[r], kind) + sw_histogram_unmeasured(&role[r], kind);
            measured += count(&role[r], kind) + role[r].unmeasured;
        }
        assert_int_equal(n, established);
        if (!parts_unseen)
            assert_int_equal(measured, established);
    }
    if (no_events)
        return;
    assert_int_equal(bpfrun_counter(run, SW_C_EMITTED_ESTABLISHED) + bpfrun_counter(run, SW_C_LOST_ESTABLISHED),
                     established);
    assert_int_equal(bpfrun_counter(run, SW_C_EMITTED_CONN) + bpfrun_counter(run, SW_C_LOST_CONN), ended);
}

static int end(void **state)
{
    (void)state;
    expect_exact();
    free(servers);
    servers = NULL;
    servers_len = 0;
    return 0;
}

/* One value, in its bucket, and in the sum. */
static void expect_one(const struct sw_histogram_set *set, enum sw_histogram_kind kind, __u64 value)
{
    assert_int_equal(count(set, kind), 1);
    assert_int_equal(set->of[kind].bucket[sw_histogram_bucket(value)], 1);
    assert_int_equal(set->of[kind].sum, value);
}

static void expect_none(const struct sw_histogram_set *set)
{
    static const struct sw_histogram_set none;

    assert_memory_equal(set, &none, sizeof(none));
}

static int group_replay(void **state)
{
    return fixture_group(state);
}

/* Each packet moves the clock by a millisecond. */
TEST(values_of_a_connection)
{
    struct sw_histogram_set *set = &role[SW_ROLE_UNKNOWN];

    talk_open(t);
    read_all();
    expect_one(set, SW_HG_HANDSHAKE, 2 * MS);
    expect_one(set, SW_HG_SERVER, MS);
    expect_one(set, SW_HG_CLIENT, MS);
    assert_int_equal(count(set, SW_HG_DURATION), 0);
    talk_say(t, A, PSH | ACK, 100);
    talk_say(t, B, PSH | ACK, 1000);
    talk_close(t);
    talk_wait(t, 10 * SEC);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_FIN);
    read_all();
    assert_int_equal(count(set, SW_HG_HANDSHAKE), 1);
    expect_one(set, SW_HG_DURATION, 8 * MS);
    expect_one(set, SW_HG_ORIG_BYTES, 100);
    expect_one(set, SW_HG_RESP_BYTES, 1000);
    assert_int_equal(set->ended[SW_WHY_FIN], 1);
    expect_counter(t, HANDSHAKES, 1);
    for (int r = 0; r < SW_ROLE_MAX; r++)
        if (r != SW_ROLE_UNKNOWN)
            expect_none(&role[r]);
}

/* Its server has the same. */
TEST(values_of_a_server)
{
    struct sw_histogram_set *mine = &role[SW_ROLE_UNKNOWN];
    __u64 last;

    talk_open(t);
    talk_say(t, A, PSH | ACK, 10);
    talk_close(t);
    talk_wait(t, 10 * SEC);
    read_all();
    assert_int_equal(servers_len, 1);
    assert_int_equal(servers[0].key.port, htons(80));
    assert_int_equal(servers[0].key.role, SW_ROLE_UNKNOWN);
    assert_memory_equal(servers[0].key.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\2", 16);
    last = servers[0].set.last_ns;
    assert_true(last);
    servers[0].set.last_ns = servers[0].set.since_ns = 0;
    assert_memory_equal(&servers[0].set, mine, sizeof(*mine));
}

/* A SYN-ACK that was not seen, or a connection older than synward, is no handshake with a time. */
TEST(what_has_no_time)
{
    talk_say(t, A, ACK, 0);
    talk_say(t, B, ACK, 0);
    talk_say(t, A, PSH | ACK, 10);
    talk_close(t);
    talk_wait(t, 10 * SEC);
    talk_conn(t);
    read_all();
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_HANDSHAKE), 0);
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_DURATION), 0);
    assert_int_equal(role[SW_ROLE_UNKNOWN].ended[SW_WHY_FIN], 1);
    expect_counter(t, HANDSHAKES, 0);
    assert_int_equal(servers_len, 0);
}

/* The SYN went another way: the client's part alone has a time. */
TEST(syn_not_seen)
{
    parts_unseen = true;
    t->nxt[A]++;
    talk_say(t, B, SYN | ACK, 0);
    talk_say(t, A, ACK, 0);
    expect_events(t, "opening established");
    read_all();
    assert_int_equal(role[SW_ROLE_UNKNOWN].unmeasured, 1);
    assert_int_equal(sw_histogram_unmeasured(&role[SW_ROLE_UNKNOWN], SW_HG_SERVER), 1);
    assert_int_equal(sw_histogram_unmeasured(&role[SW_ROLE_UNKNOWN], SW_HG_CLIENT), 0);
    assert_int_equal(sw_histogram_unmeasured(&role[SW_ROLE_UNKNOWN], SW_HG_DURATION), 0);
    expect_one(&role[SW_ROLE_UNKNOWN], SW_HG_CLIENT, MS);
    assert_int_equal(servers_len, 1);
    assert_int_equal(servers[0].set.unmeasured, 1);
}

/* Refused, unanswered: counted by how it ended, and they give nobody a place. */
TEST(what_was_never_established)
{
    talk_say(t, A, SYN, 0);
    talk_say(t, B, RST | ACK, 0);
    talk_wait(t, 10 * SEC);
    t->side[A].sport++;
    talk_say(t, A, SYN, 0);
    talk_wait(t, 100 * SEC);
    read_all();
    assert_int_equal(role[SW_ROLE_UNKNOWN].ended[SW_WHY_REFUSED], 1);
    assert_int_equal(role[SW_ROLE_UNKNOWN].ended[SW_WHY_UNANSWERED], 1);
    for (int k = 0; k < SW_HG_MAX; k++)
        assert_int_equal(count(&role[SW_ROLE_UNKNOWN], k), 0);
    assert_int_equal(servers_len, 0);
}

/* Those that go on when the input ends have neither a duration nor all their bytes. */
TEST(cut_off)
{
    talk_open(t);
    talk_sweep(t, 2);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_END_OF_INPUT);
    read_all();
    assert_int_equal(role[SW_ROLE_UNKNOWN].ended[SW_WHY_END_OF_INPUT], 1);
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_DURATION), 0);
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_HANDSHAKE), 1);
}

/* As many servers as there are places, and then those that are busy. */
TEST(places)
{
    for (int i = 0; i < SW_HG_SERVERS + 10; i++) {
        talk_init(t, run, false);
        t->side[A].dport = t->side[B].sport = 1000 + i;
        talk_open(t);
        bpfrun_clear_events(run);
    }
    read_all();
    assert_int_equal(servers_len, SW_HG_SERVERS);
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_HANDSHAKE), SW_HG_SERVERS + 10);
    expect_counter(t, SERVERS_FULL, 10);
    assert_int_equal(sw_histograms_make_room(servers_fd()), 0);
    read_all();
    assert_int_equal(servers_len, SW_HG_SERVERS - SW_HG_SERVERS / 4);
    for (__u32 i = 0; i < servers_len; i++)
        assert_true(ntohs(servers[i].key.port) >= 1000 + SW_HG_SERVERS / 4); /* idle longest: the first ones */
    assert_int_equal(sw_histograms_make_room(servers_fd()), 0);
    read_all();
    assert_int_equal(servers_len, SW_HG_SERVERS - SW_HG_SERVERS / 4); /* there is room */
}

static const struct sw_histogram_set *server(__u16 port)
{
    for (__u32 i = 0; i < servers_len; i++)
        if (ntohs(servers[i].key.port) == port)
            return &servers[i].set;
    return NULL;
}

/* The end of an old connection, of which the sweep hears late, makes its server no longer idle. */
TEST(swept_late)
{
    __u64 first;

    t->side[A].dport = t->side[B].sport = 2000;
    t->side[A].sport = t->side[B].dport = 3000;
    t->key = pkt_key(&t->side[A], NULL);
    talk_open(t);
    talk_close(t);
    read_all();
    first = server(2000)->last_ns;
    assert_true(first && server(2000)->since_ns == first);
    talk_wait(t, SEC);
    talk_init(t, run, false);
    t->side[A].dport = t->side[B].sport = 2000;
    t->key = pkt_key(&t->side[A], NULL);
    talk_open(t);
    read_all();
    assert_true(server(2000)->last_ns > first);
    first = server(2000)->last_ns;
    talk_wait(t, 10 * SEC); /* the sweep: the first one's record */
    read_all();
    assert_int_equal(count(server(2000), SW_HG_DURATION), 1);
    assert_int_equal(server(2000)->last_ns, first);
    bpfrun_clear_events(run);
}

static int group_silent(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.event_mask = 0;
    return fixture_load(&opts);
}

/* Exact whatever is emitted. */
TEST(without_events)
{
    for (int i = 0; i < 100; i++) {
        talk_init(t, run, false);
        t->side[A].sport = t->side[B].dport = 2000 + i;
        talk_open(t);
        talk_close(t);
    }
    talk_wait(t, 10 * SEC);
    expect_events(t, "");
    read_all();
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_HANDSHAKE), 100);
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_DURATION), 100);
    expect_counter(t, HANDSHAKES, 100);
}

static int group_live(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.replay = 0;
    return fixture_load(&opts);
}

static void send_out(int who, __u16 flags, __u32 ingress_ifindex)
{
    const struct bpfrun_skb skb = {.ingress_ifindex = ingress_ifindex};
    struct pkt p = talk_pkt(t, who, flags, 0);
    __u8 frame[256];
    int verdict, err;

    p.no_padding = true;
    err = bpfrun_egress(run, frame, pkt_build(&p, frame, sizeof(frame)), &skb, &verdict);
    if (err == -EINVAL && ingress_ifindex && bpfrun_old()) {
        print_message("skip: this kernel runs no program on a forwarded packet for a test\n");
        skip();
    }
    assert_int_equal(err, 0);
    t->nxt[who] += flags & SYN ? 1 : 0;
}

/* who: what this host sends; ingress_ifindex: or forwards. */
static void open_through(int who, __u32 ingress_ifindex)
{
    static const __u16 flags[] = {SYN, SYN | ACK, ACK};

    for (int i = 0; i < 3; i++) {
        int from = i == 1 ? B : A;

        if (from == who)
            send_out(from, flags[i], ingress_ifindex);
        else
            talk_say(t, from, flags[i], 0);
    }
}

static void expect_role(enum sw_role wanted)
{
    read_all();
    for (int r = 0; r < SW_ROLE_MAX; r++)
        assert_int_equal(count(&role[r], SW_HG_HANDSHAKE), r == (int)wanted);
    assert_int_equal(servers_len, 1);
    assert_int_equal(servers[0].key.role, wanted);
}

TEST(role_server)
{
    open_through(B, 0);
    expect_role(SW_ROLE_SERVER);
}

TEST(role_client)
{
    open_through(A, 0);
    expect_role(SW_ROLE_CLIENT);
}

TEST(role_forwarder)
{
    open_through(B, 7);
    expect_role(SW_ROLE_FORWARDER);
}

/* The entry of the SYN cache keeps what this host has sent. */
TEST(role_of_one_restored)
{
    talk_say(t, A, SYN, 0);
    send_out(B, SYN | ACK, 0);
    assert_int_equal(bpf_map_delete_elem(bpf_map__fd(bpfrun_object(run)->maps.half_open), &t->key), 0);
    talk_say(t, A, ACK, 0);
    expect_counter(t, HALF_OPEN_RESTORED, 1);
    expect_role(SW_ROLE_SERVER);
}

/* A SYN that nobody answers: perhaps it was for this host, perhaps not. */
TEST(role_of_an_unanswered_syn)
{
    struct sw_sweep sweep;

    talk_say(t, A, SYN, 0);
    assert_int_equal(bpfrun_sweep(run, 2, &sweep), 0);
    read_all();
    assert_int_equal(role[SW_ROLE_UNKNOWN].ended[SW_WHY_END_OF_INPUT], 1);
    talk_init(t, run, false);
    send_out(A, SYN, 0);
    assert_int_equal(bpfrun_sweep(run, 2, &sweep), 0);
    read_all();
    assert_int_equal(role[SW_ROLE_CLIENT].ended[SW_WHY_END_OF_INPUT], 1);
}

static int group_one_sided(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.one_sided = 1;
    return fixture_load(&opts);
}

/* Without an egress hook nobody knows; and the SYN-ACK has no time. */
TEST(role_without_egress)
{
    parts_unseen = true;
    talk_say(t, A, SYN, 0);
    t->nxt[B] = t->isn[B] + 1;
    talk_say(t, A, ACK, 0);
    expect_role(SW_ROLE_UNKNOWN);
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_SERVER), 0);
}

static int group_full(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.max_flows = 4;
    opts.max_half_open = 64;
    opts.ring_bytes = opts.ring_open_bytes = 1 << 16;
    return fixture_load(&opts);
}

/* No place in `flows`, none in the rings, evicted from `half_open`: each handshake is counted, once. */
TEST(full_maps_and_rings)
{
    enum { N = 500 };
    struct sw_sweep sweep = {.held_back = 1};

    bpfrun_drain(run, false);
    for (int i = 0; i < N; i++) {
        talk_init(t, run, false);
        t->side[A].sport = t->side[B].dport = 2000 + i;
        t->key = pkt_key(&t->side[A], NULL);
        talk_open(t);
    }
    assert_true(bpfrun_counter(run, SW_C_FLOWS_FULL) > 0);
    assert_true(bpfrun_counter(run, SW_C_LOST_ESTABLISHED) > 0);
    assert_true(bpfrun_count(run, BPFRUN_HALF_OPEN) < N / 2);
    bpfrun_drain(run, true);
    bpfrun_set_now(run, bpfrun_now(run) + 1000000 * SEC);
    for (int i = 0; i < N && sweep.held_back; i++) { /* until the ring has room for all of their conn records */
        bpfrun_clear_events(run);
        assert_int_equal(bpfrun_sweep(run, 0, &sweep), 0);
    }
    assert_int_equal(sweep.held_back, 0);
    read_all();
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_HANDSHAKE), N);
    assert_int_equal(count(&role[SW_ROLE_UNKNOWN], SW_HG_DURATION), role[SW_ROLE_UNKNOWN].ended[SW_WHY_TIMEOUT]);
    assert_true(count(&role[SW_ROLE_UNKNOWN], SW_HG_DURATION) >= 4);
    assert_true(count(&role[SW_ROLE_UNKNOWN], SW_HG_DURATION) < N / 2); /* those that were evicted have no conn */
}

#define HISTOGRAM_CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest replay[] = {
        HISTOGRAM_CASE(values_of_a_connection),
        HISTOGRAM_CASE(values_of_a_server),
        HISTOGRAM_CASE(what_has_no_time),
        HISTOGRAM_CASE(syn_not_seen),
        HISTOGRAM_CASE(what_was_never_established),
        HISTOGRAM_CASE(cut_off),
        HISTOGRAM_CASE(places),
        HISTOGRAM_CASE(swept_late),
    };
    const struct CMUnitTest silent[] = {HISTOGRAM_CASE(without_events)};
    const struct CMUnitTest live[] = {
        HISTOGRAM_CASE(role_server),
        HISTOGRAM_CASE(role_client),
        HISTOGRAM_CASE(role_forwarder),
        HISTOGRAM_CASE(role_of_one_restored),
        HISTOGRAM_CASE(role_of_an_unanswered_syn),
    };
    const struct CMUnitTest full[] = {HISTOGRAM_CASE(full_maps_and_rings)};
    const struct CMUnitTest one_sided[] = {HISTOGRAM_CASE(role_without_egress)};
    int failed = cmocka_run_group_tests(replay, group_replay, fixture_group_end);

    failed += cmocka_run_group_tests(full, group_full, fixture_group_end);
    no_events = true;
    failed += cmocka_run_group_tests(silent, group_silent, fixture_group_end);
    no_events = false;
    failed += cmocka_run_group_tests(live, group_live, fixture_group_end);
    return failed + cmocka_run_group_tests(one_sided, group_one_sided, fixture_group_end);
}
