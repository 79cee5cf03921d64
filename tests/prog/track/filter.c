/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the filter excludes: no flow, no event, counted; both directions alike; roles; a change while flows are there.
 */
#include "fixture.h"

#include "loader/filter.h"

#include <bpf/libbpf.h>

#include "synward.skel.h"

static void filter(const char *words)
{
    assert_int_equal(bpfrun_filter(run, words), 0);
}

#define TALK 7 /* segments of talk_open and talk_close */

static void talk_all(void)
{
    talk_open(t);
    talk_close(t);
    talk_wait(t, 6 * SEC);
}

static void is_followed(const char *words, const char *file, int line)
{
    talk_all();
    if (bpfrun_counter(run, SW_C_FILTERED)) {
        print_error("%s: %llu segments are filtered\n", words, bpfrun_counter(run, SW_C_FILTERED));
        _fail(file, line);
    }
    expect_events_at(file, line, t, "opening established half_closed closed conn");
}

static void is_excluded(const char *words, const char *file, int line)
{
    talk_all();
    if (bpfrun_counter(run, SW_C_FILTERED) != TALK || bpfrun_counter(run, SW_C_TCP) != TALK ||
        bpfrun_counter(run, SW_C_HALF_OPEN_CREATED)) {
        print_error("%s: %llu segments of %d are filtered, %llu flows\n", words, bpfrun_counter(run, SW_C_FILTERED),
                    TALK, bpfrun_counter(run, SW_C_HALF_OPEN_CREATED));
        _fail(file, line);
    }
    expect_events_at(file, line, t, "");
    expect_where_at(file, line, t, BPFRUN_NOWHERE);
}

/* The whole conversation 10.0.0.1:40000 -> 10.0.0.2:80, or the same over IPv6, by either order of the key's ends. */
static void each_way(void (*expect)(const char *words, const char *file, int line), const char *v4, const char *v6,
                     const char *file, int line)
{
    for (int i = 0; i < 4; i++) {
        fixture_test(NULL);
        talk_init(t, run, i & 1);
        if (i & 2) { /* the originator's address is the higher one */
            t->side[A].src[15] = 9;
            t->side[B] = pkt_swap(&t->side[A]);
            t->key = pkt_key(&t->side[A], NULL);
        }
        filter(i & 1 ? v6 : v4);
        expect(i & 1 ? v6 : v4, file, line);
    }
}
#define FOLLOWED(v4, v6) each_way(is_followed, v4, v6, __FILE__, __LINE__)
#define EXCLUDED(v4, v6) each_way(is_excluded, v4, v6, __FILE__, __LINE__)
#define FOLLOWED_BOTH(words) FOLLOWED(words, words)
#define EXCLUDED_BOTH(words) EXCLUDED(words, words)

TEST(no_filter)
{
    FOLLOWED_BOTH("");
}

TEST(ports)
{
    FOLLOWED_BOTH("port 80");
    FOLLOWED_BOTH("port 40000");
    FOLLOWED_BOTH("port 1-79,80-81");
    EXCLUDED_BOTH("port 81");
    EXCLUDED_BOTH("port 0-79,81-39999,40001-65535");
    EXCLUDED_BOTH("not-port 80");
    EXCLUDED_BOTH("not-port 40000");
    FOLLOWED_BOTH("not-port 0-79,81-39999,40001-65535");
    EXCLUDED_BOTH("port 80 not-port 40000");
}

TEST(networks)
{
    FOLLOWED("net 10.0.0.2", "net 2001:db8::2");
    FOLLOWED("net 10.0.0.0/8", "net 2001:db8::/32");
    FOLLOWED("net 192.0.2.0/24,10.0.0.2/31", "net ::1,2001:db8::2/127");
    EXCLUDED("net 10.0.0.0/32", "net 2001:db8::/128");
    EXCLUDED("net ::/1", "net 0.0.0.0/0");
    EXCLUDED("not-net 10.0.0.2", "not-net 2001:db8::2");
    EXCLUDED("not-net 0.0.0.0/0", "not-net ::/0");
    FOLLOWED("not-net 11.0.0.0/8", "not-net 2001:db9::/32");
    FOLLOWED("net 10.0.0.2 not-net 10.0.0.3", "net 2001:db8::2 not-net 2001:db8::3");
    EXCLUDED("net 10.0.0.0/8 not-net 10.0.0.2", "net 2001:db8::/32 not-net 2001:db8::2");
    EXCLUDED("net 10.0.0.0/8 port 81", "net 2001:db8::/32 port 81");
}

/* The last of as many as there may be is compared, too. */
TEST(many_networks)
{
    char words[2048] = "not-net ";
    size_t len = strlen(words);

    for (int i = 1; i < SW_FILTER_NETS; i++)
        len += snprintf(words + len, sizeof(words) - len, "192.0.2.%d,", i);
    snprintf(words + len, sizeof(words) - len, "10.0.0.2");
    EXCLUDED(words, "not-net 2001:db8::2");
    snprintf(words + len, sizeof(words) - len, "10.0.0.7");
    FOLLOWED(words, "not-net 2001:db8::7");
}

TEST(roles)
{
    FOLLOWED_BOTH("server 80");
    EXCLUDED_BOTH("server 40000");
    EXCLUDED_BOTH("server 81");
    EXCLUDED_BOTH("not-server 80");
    FOLLOWED_BOTH("not-server 40000");
    FOLLOWED("dst 10.0.0.2", "dst 2001:db8::2");
    EXCLUDED("src 10.0.0.2", "src 2001:db8::2");
    EXCLUDED("not-dst 10.0.0.2", "not-dst 2001:db8::2");
    FOLLOWED("not-src 10.0.0.2", "not-src 2001:db8::2");
    FOLLOWED("src 10.0.0.0/8 dst 10.0.0.0/8 server 80", "src ::/0 dst ::/0 server 80");
    EXCLUDED("dst 10.0.0.2 server 40000", "dst 2001:db8::2 server 40000");
}

/* A SYN-ACK is from the responder, though without likely server ports its sender is shown as the originator. */
TEST(synack_first)
{
    filter("not-server 80");
    talk_say(t, B, SYN | ACK, 0);
    expect_counter(t, FILTERED, 1);
    filter("dst 10.0.0.2");
    talk_say(t, B, SYN | ACK, 0);
    expect_counter(t, FILTERED, 1);
    talk_say(t, A, ACK, 0);
    talk_wait(t, SEC);
    expect_events(t, "opening established");
    filter("src 10.0.0.2");
    talk_wait(t, SEC);
    expect_events(t, "conn");
}

/* One segment of either end, picked up midstream. */
static void midstream(const char *words, bool followed)
{
    for (int who = A; who <= B; who++) {
        fixture_test(NULL);
        filter(words);
        talk_say(t, who, PSH | ACK, 10);
        if (bpfrun_count(run, BPFRUN_HALF_OPEN) != followed || bpfrun_counter(run, SW_C_FILTERED) == followed)
            fail_msg("%s: a segment of %s is %s", words, who ? "B" : "A", followed ? "filtered" : "followed");
        talk_wait(t, SEC);
        expect_events(t, followed ? "midstream" : "");
    }
}

/* Nobody knows who began: both directions have one answer. */
TEST(picked_up_midstream)
{
    midstream("port 80", true);
    midstream("not-port 80", false);
    midstream("net 10.0.0.1", true);
    midstream("not-net 10.0.0.1", false);
    midstream("server 80", true);
    midstream("server 81", false);
    midstream("server 40000", false);
    midstream("not-server 40000", false);
    midstream("not-server 80", false);
    midstream("not-server 81", true);
    midstream("src 10.0.0.1", false);
    midstream("src 10.0.0.0/30", true);
    midstream("dst 10.0.0.1", false);
    midstream("dst 10.0.0.0/30", true);
    midstream("not-src 10.0.0.1", false);
    midstream("not-src 10.0.0.3", true);
    midstream("not-dst 10.0.0.1", false);
    midstream("src 10.0.0.0/8 dst 10.0.0.0/8 server 80 port 40000", true);
}

/* A connection that its SYN has excluded is not picked up by its data. */
TEST(no_half_of_it)
{
    static const char *const words[] = {"src 10.0.0.2",     "not-dst 10.0.0.2", "not-server 80",
                                        "not-src 10.0.0.1", "server 40000",     "dst 10.0.0.1 server 80"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        fixture_test(NULL);
        filter(words[i]);
        talk_open(t);
        talk_say(t, A, PSH | ACK, 100);
        talk_say(t, B, PSH | ACK, 1000);
        talk_say(t, A, ACK, 0);
        talk_close(t);
        if (bpfrun_counter(run, SW_C_FILTERED) != TALK + 3)
            fail_msg("%s: %llu are filtered", words[i], bpfrun_counter(run, SW_C_FILTERED));
        expect_events(t, "");
    }
}

/* What is followed goes on, whatever a segment by itself would be taken for. */
TEST(answers_belong_to_it)
{
    filter("not-src 10.0.0.2");
    talk_open(t);
    talk_say(t, B, PSH | ACK, 100);
    talk_say(t, B, SYN, 0); /* in the window: an attack, or a new connection the other way round */
    talk_say(t, B, RST, 0);
    expect_counter(t, FILTERED, 0);
    expect_events(t, "opening established anomaly:syn_in_connection anomaly:rst_inexact");
}

/* A new connection on the same four-tuple, the other way round, is another one. */
TEST(reused_the_other_way_round)
{
    struct pkt p;

    filter("src 10.0.0.1");
    talk_all();
    expect_events(t, "opening established half_closed closed conn");
    p = talk_pkt(t, B, SYN, 0);
    p.seq += 1000000;
    talk_send(t, B, &p);
    expect_counter(t, FILTERED, 1);
    expect_where(t, NOWHERE);
}

/* While the closed one is still there. */
TEST(reused_within_the_close_delay)
{
    struct pkt p;

    filter("src 10.0.0.1");
    talk_open(t);
    talk_close(t);
    p = talk_pkt(t, B, SYN, 0);
    p.seq += 1000000;
    talk_send(t, B, &p);
    expect_events(t, "opening established half_closed closed conn");
    expect_counter(t, FILTERED, 1);
    expect_where(t, NOWHERE);
}

TEST(egress)
{
    struct pkt p = talk_pkt(t, A, SYN, 0);
    __u8 frame[2048];
    int verdict = -100;
    size_t len;

    p.no_padding = true;
    len = pkt_build(&p, frame, sizeof(frame));
    filter("not-port 80");
    assert_int_equal(bpfrun_egress(run, frame, len, NULL, &verdict), 0);
    assert_int_equal(verdict, BPFRUN_TCX_NEXT);
    expect_counter(t, FILTERED, 1);
    expect_where(t, NOWHERE);
    filter("not-port 81");
    assert_int_equal(bpfrun_egress(run, frame, len, NULL, &verdict), 0);
    expect_counter(t, FILTERED, 1);
    expect_where(t, HALF_OPEN);
}

/* Set while a connection is there: it ends with a record of its own, which is true of what was seen. */
TEST(set_later)
{
    struct sw_event ev;

    talk_open(t);
    expect_events(t, "opening established");
    filter("not-port 80");
    talk_say(t, A, PSH | ACK, 10);
    expect_counter(t, FILTERED, 1);
    talk_wait(t, SEC);
    ev = talk_conn(t);
    assert_int_equal(ev.flow.reason, SW_WHY_FILTERED);
    assert_int_equal(ev.flow.end[A].pkts, 2);
    expect_events(t, "conn");
    expect_where(t, NOWHERE);
    expect_counter(t, FLOW_ENDED, 1);
    filter("");
    talk_say(t, A, PSH | ACK, 10);
    expect_events(t, "midstream");
    talk_wait(t, SEC);
    expect_events(t, "");
}

TEST(set_during_the_handshake)
{
    talk_say(t, A, SYN, 0);
    filter("not-server 80");
    talk_wait(t, SEC);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_FILTERED);
    expect_events(t, "opening conn");
    expect_counter(t, HALF_OPEN_ENDED, 1);
    talk_say(t, B, SYN | ACK, 0); /* the SYN cache does not bring it back */
    talk_say(t, A, ACK, 0);
    expect_events(t, "");
    expect_counter(t, FILTERED, 2);
}

/* Of a connection that has ended only the record is due, with its own reason. */
TEST(set_after_the_end)
{
    talk_open(t);
    talk_close(t);
    filter("not-port 80");
    talk_wait(t, SEC);
    expect_events(t, "opening established half_closed closed");
    talk_wait(t, 5 * SEC);
    assert_int_equal(talk_conn(t).flow.reason, SW_WHY_FIN);
    expect_events(t, "conn");
}

/* A filter that does not exclude it changes nothing. */
TEST(set_to_something_else)
{
    talk_open(t);
    filter("port 80 not-net 192.0.2.0/24 server 80 src 10.0.0.1");
    talk_wait(t, SEC);
    talk_wait(t, SEC);
    talk_close(t);
    expect_events(t, "opening established half_closed closed");
    expect_counter(t, FILTERED, 0);
}

/* A flow that a packet began by the old rules while the first sweep ran ends with the second. */
TEST(swept_twice)
{
    struct sw_filter_map *map;

    assert_int_equal(sw_filter_map(bpf_map__fd(bpfrun_object(run)->maps.filter), &map), 0);
    filter("not-port 80");
    talk_wait(t, SEC);
    map->active = 0;
    talk_open(t);
    map->active = 1;
    expect_events(t, "opening established");
    talk_wait(t, SEC);
    expect_events(t, "conn");
    assert_int_equal(map->passes, 0);
    sw_filter_unmap(map);
}

/* What is counted of a frame that the filter would exclude, beside the frame itself. */
static void counted(struct pkt p, const char *what, enum sw_counter c, __u64 filtered, __u64 tcp)
{
    fixture_test(NULL);
    filter("not-port 80");
    talk_send(t, A, &p);
    if (bpfrun_counter(run, c) != 1 || bpfrun_counter(run, SW_C_FILTERED) != filtered ||
        bpfrun_counter(run, SW_C_TCP) != tcp || bpfrun_counter(run, SW_C_PACKETS) != 1)
        fail_msg("%s: counted %llu, filtered %llu, TCP %llu, packets %llu", what, bpfrun_counter(run, c),
                 bpfrun_counter(run, SW_C_FILTERED), bpfrun_counter(run, SW_C_TCP), bpfrun_counter(run, SW_C_PACKETS));
    expect_where(t, NOWHERE);
    expect_events(t, "");
}

/* Every frame has the counters that it has without a filter. */
static void every_frame(bool v6)
{
    struct pkt plain, p;

    talk_init(t, run, v6);
    plain = talk_pkt(t, A, PSH | ACK, 100);
    counted(plain, "plain", SW_C_FILTERED, 1, 1);
    p = plain;
    p.vlan[0] = 7;
    p.vlans = 1;
    counted(p, "VLAN tag", SW_C_FILTERED, 1, 1);
    p = plain;
    p.opts_len = 12;
    memset(p.opts, 1, 12);
    counted(p, "TCP options", SW_C_FILTERED, 1, 1);
    p = plain;
    p.fragment = p.more_frags = true;
    p.payload = 108;
    counted(p, "first fragment", SW_C_FRAG_FIRST, 1, 1);
    p.frag_off = 128;
    counted(p, "later fragment", SW_C_FRAG_LATER, 0, 0);
    p = plain;
    p.cut_to = v6 ? 14 + 40 + 19 : 14 + 20 + 19;
    counted(p, "cut in its TCP header", SW_C_TRUNCATED, 0, 0);
    p.cut_to = v6 ? 14 + 39 : 14 + 19;
    counted(p, "cut in its IP header", SW_C_TRUNCATED, 0, 0);
    p = plain;
    p.force_doff = 4;
    counted(p, "a TCP header of 16 bytes", SW_C_BAD_HEADER, 0, 0);
    p.force_doff = 15;
    p.payload = 0;
    counted(p, "a TCP header beyond the packet", SW_C_BAD_HEADER, 0, 0);
    p = plain;
    p.force_version = 5;
    counted(p, "another IP version", SW_C_BAD_HEADER, 0, 0);
    p = plain;
    p.proto = 17;
    counted(p, "UDP", SW_C_NOT_TCP, 0, 0);
    p = plain;
    p.force_eth = 0x88cc;
    counted(p, "LLDP", SW_C_NOT_IP, 0, 0);
    p = plain;
    if (v6) {
        p.ext_len = 8;
        p.ext_next = 60;
        p.ext[0] = 6;
        p.ext[2] = 1; /* PadN */
        p.ext[3] = 4;
        counted(p, "extension header", SW_C_FILTERED, 1, 1);
    } else {
        p.ip_opts_len = 4;
        memset(p.ip_opts, 1, 4);
        counted(p, "IPv4 options", SW_C_FILTERED, 1, 1);
        p = plain;
        p.force_ihl = 4;
        counted(p, "an IPv4 header of 16 bytes", SW_C_BAD_HEADER, 0, 0);
    }
}

TEST(every_frame_v4)
{
    every_frame(false);
}
TEST(every_frame_v6)
{
    every_frame(true);
}

/* Without checksums the filter comes before the parser. */
static int early_group(void **state)
{
    struct sw_object_opts opts;

    (void)state;
    bpfrun_opts(&opts);
    opts.cfg.checksum = 0;
    return fixture_load(&opts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_frame_v4),
        CASE(every_frame_v6),
        CASE(no_filter),
        CASE(ports),
        CASE(networks),
        CASE(many_networks),
        CASE(roles),
        CASE(synack_first),
        CASE(picked_up_midstream),
        CASE(no_half_of_it),
        CASE(answers_belong_to_it),
        CASE(reused_the_other_way_round),
        CASE(reused_within_the_close_delay),
        CASE(egress),
        CASE(set_later),
        CASE(set_during_the_handshake),
        CASE(set_after_the_end),
        CASE(set_to_something_else),
        CASE(swept_twice),
    };

    return RUN(tests) + cmocka_run_group_tests(tests, early_group, fixture_group_end);
}
