/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Verdicts: a connection that both files have alike, and what each difference makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "join/judge.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ull
#define S (1000 * MS)

/* a is at the originator's host, b at the responder's, 10 ms of round trip between. */
struct views {
    struct sw_join_view a, b;
};

static struct sw_join_view view(void)
{
    struct sw_join_view v = {.ts = 106 * S,
                             .start = 100 * S,
                             .duration = 1 * S,
                             .handshake = 11 * MS,
                             .bytes = {500, 2000},
                             .payload = {500, 2000},
                             .pkts = {6, 5},
                             .isn = {1111, 2222},
                             .has_isn = {true, true},
                             .rst = {SW_SAW_NO, SW_SAW_NO},
                             .fin = {SW_SAW_YES, SW_SAW_YES},
                             .reason = SW_WHY_FIN,
                             .established = true};
    const __u64 options[SW_JOIN_OPTIONS] = {1460, 7, 1, 1, 0, 0, 0};

    memcpy(v.option[SW_ORIG], options, sizeof(options));
    memcpy(v.option[SW_RESP], options, sizeof(options));
    return v;
}

static struct views alike(void)
{
    struct views v = {view(), view()};

    v.a.server = 11 * MS;
    v.a.client = 0;
    v.b.server = 1 * MS;
    v.b.client = 10 * MS;
    v.a.local[SW_ORIG] = v.b.local[SW_RESP] = true;
    return v;
}

static const struct sw_join_rules rules = {.delay = 100 * MS};

struct want {
    int verdict, len;
    int what, side, doubt; /* of the first fact */
};

static void expect(const char *name, const struct views *v, struct want want)
{
    struct sw_join_facts got[2];
    const struct sw_join_fact *f;

    sw_join_judge(&v->a, &v->b, &rules, &got[0]);
    sw_join_judge(&v->b, &v->a, &rules, &got[1]); /* the order of the files changes nothing */
    for (int i = 0; i < 2; i++) {
        f = &got[i].fact[0];
        if (got[i].verdict != want.verdict || (int)got[i].len != want.len ||
            (want.len && (f->what != want.what || f->side != want.side || f->doubt != want.doubt)))
            fail_msg("%s, %s first: %s of %zu facts, %s of %d, doubt %s; expected %s of %d, %s of %d, doubt %s", name,
                     i ? "b" : "a", sw_join_verdict_name(got[i].verdict), got[i].len,
                     got[i].len ? sw_join_what_name(f->what) : "-", got[i].len ? f->side : 0,
                     sw_join_doubt_name(got[i].len ? f->doubt : 0), sw_join_verdict_name(want.verdict), want.len,
                     sw_join_what_name(want.what), want.side, sw_join_doubt_name(want.doubt));
    }
    for (size_t i = 0; i < got[0].len; i++)
        for (int k = 0; k < 2; k++)
            assert_int_equal(got[0].fact[i].value[k], got[1].fact[i].value[!k]);
}

/* A case changes what both have; the rest is as in alike(). */
#define CASE(name, change, ...)                                                                                        \
    {                                                                                                                  \
        struct views v = alike();                                                                                      \
        struct sw_join_view *a = &v.a, *b = &v.b;                                                                      \
        (void)a, (void)b;                                                                                              \
        change;                                                                                                        \
        expect(name, &v, (struct want){__VA_ARGS__});                                                                  \
    }

#define ONE(verdict, what, side) SW_VERDICT_##verdict, 1, SW_JOIN_##what, SW_##side, SW_DOUBT_NONE
#define AGREES SW_VERDICT_AGREE, 0, 0, 0, 0
#define DOUBT(what, side, doubt) SW_VERDICT_CANNOT_TELL, 1, SW_JOIN_##what, SW_##side, SW_DOUBT_##doubt

static void test_ends(void **state)
{
    (void)state;
    CASE("alike", , AGREES);
    CASE("a RST for the originator", a->rst[SW_RESP] = SW_SAW_YES, ONE(RESET, RST, RESP));
    CASE("a RST for the responder", b->rst[SW_ORIG] = SW_SAW_YES, ONE(RESET, RST, ORIG));
    CASE("for both", (a->rst[SW_RESP] = SW_SAW_YES, b->rst[SW_ORIG] = SW_SAW_YES), SW_VERDICT_RESET, 2, SW_JOIN_RST,
         SW_ORIG, SW_DOUBT_NONE);
    CASE("both saw it", (a->rst[SW_RESP] = SW_SAW_YES, b->rst[SW_RESP] = SW_SAW_YES), AGREES);
    CASE("a FIN for the originator", b->fin[SW_RESP] = SW_SAW_NO, ONE(RESET, FIN, RESP));
    CASE("the originator's RST is lost", a->rst[SW_ORIG] = SW_SAW_YES, ONE(SWALLOWED, RST, ORIG));
    CASE("the responder's", b->rst[SW_RESP] = SW_SAW_YES, ONE(SWALLOWED, RST, RESP));
    CASE("the originator's FIN", b->fin[SW_ORIG] = SW_SAW_NO, ONE(SWALLOWED, FIN, ORIG));
    CASE("the responder's FIN", a->fin[SW_RESP] = SW_SAW_NO, ONE(SWALLOWED, FIN, RESP));
    CASE("the last bytes", (b->bytes[SW_ORIG] = b->payload[SW_ORIG] = 20), ONE(SWALLOWED, BYTES, ORIG));
    CASE("the responder's", (a->bytes[SW_RESP] = a->payload[SW_RESP] = 20), ONE(SWALLOWED, BYTES, RESP));
    CASE("fewer in the stream, but as much came", b->bytes[SW_ORIG] = 20, AGREES);
    CASE("the ACK that completes", (b->established = false, b->reason = SW_WHY_TIMEOUT), ONE(SWALLOWED, ACK, ORIG));
}

static void test_doubts(void **state)
{
    (void)state;
    CASE("b ended before", (a->rst[SW_RESP] = SW_SAW_YES, a->duration = 7 * S), DOUBT(RST, RESP, ENDED));
    CASE("just not", (a->rst[SW_RESP] = SW_SAW_YES, a->duration = 5 * S - 10 * MS), ONE(RESET, RST, RESP));
    CASE("a second is not enough, and the way",
         (a->rst[SW_RESP] = SW_SAW_YES, a->duration = 5 * S - 10 * MS + 1, b->reason = SW_WHY_END_OF_INPUT),
         DOUBT(RST, RESP, ENDED));
    CASE("b's history is not whole", (a->rst[SW_RESP] = SW_SAW_YES, b->rst[SW_RESP] = SW_SAW_UNKNOWN),
         DOUBT(RST, RESP, HISTORY));
    CASE("nor is that of the one where it should be", (a->fin[SW_ORIG] = SW_SAW_YES, b->fin[SW_ORIG] = SW_SAW_UNKNOWN),
         DOUBT(FIN, ORIG, HISTORY));
    CASE("b saw nothing of that side", (a->rst[SW_RESP] = SW_SAW_YES, b->pkts[SW_RESP] = 0),
         DOUBT(RST, RESP, ONE_SIDED));
    CASE("b has not seen all of it", (b->fin[SW_ORIG] = SW_SAW_NO, b->holes[SW_ORIG] = true), DOUBT(FIN, ORIG, HOLES));
    CASE("of the other side", (b->fin[SW_ORIG] = SW_SAW_NO, b->holes[SW_RESP] = true), ONE(SWALLOWED, FIN, ORIG));
    CASE("b's other interface sent the RST", (a->rst[SW_RESP] = SW_SAW_YES, b->holes[SW_RESP] = true),
         DOUBT(RST, RESP, HOLES));
    CASE("b's guard dropped it", (b->bytes[SW_ORIG] = b->payload[SW_ORIG] = 20, b->guarded = true),
         DOUBT(BYTES, ORIG, GUARD));
    CASE("and had it sent again", (a->syn_rexmit[SW_ORIG] = 1, b->guarded = true), DOUBT(SYN, ORIG, GUARD));
    CASE("an ACK came, and it did not complete", (b->established = false, b->acked = true, b->reason = SW_WHY_TIMEOUT),
         DOUBT(ACK, ORIG, HISTORY));
    CASE("lost, but a was stopped",
         (b->fin[SW_RESP] = SW_SAW_YES, a->fin[SW_RESP] = SW_SAW_NO, a->reason = SW_WHY_FILTERED, b->duration = 6 * S),
         DOUBT(FIN, RESP, ENDED));
    CASE("nobody knows who is nearer",
         (a->local[SW_ORIG] = b->local[SW_RESP] = false, a->server = b->server = SW_JOIN_NONE,
          a->client = b->client = SW_JOIN_NONE, a->rst[SW_RESP] = SW_SAW_YES),
         DOUBT(RST, RESP, DIRECTION));
    CASE("nor who lost bytes",
         (a->local[SW_ORIG] = b->local[SW_RESP] = false, a->server = b->server = SW_JOIN_NONE,
          a->client = b->client = SW_JOIN_NONE, a->bytes[SW_ORIG] = a->payload[SW_ORIG] = 3),
         DOUBT(BYTES, ORIG, DIRECTION));
    CASE("a doubt about something weaker", (a->rst[SW_RESP] = SW_SAW_YES, b->fin[SW_ORIG] = SW_SAW_UNKNOWN),
         SW_VERDICT_RESET, 2, SW_JOIN_RST, SW_RESP, SW_DOUBT_NONE);
    CASE("about something stronger",
         (a->rst[SW_RESP] = SW_SAW_YES, b->rst[SW_RESP] = SW_SAW_UNKNOWN, b->option[SW_ORIG][SW_JOIN_MSS] = 1200),
         SW_VERDICT_CANNOT_TELL, 2, SW_JOIN_RST, SW_RESP, SW_DOUBT_HISTORY);
}

static void test_sent_again(void **state)
{
    (void)state;
    CASE("a SYN is lost", a->syn_rexmit[SW_ORIG] = 1, ONE(RETRANSMITTED, SYN, ORIG));
    CASE("beyond", (a->syn_rexmit[SW_ORIG] = 1, b->syn_rexmit[SW_ORIG] = 1), AGREES);
    CASE("a SYN-ACK is lost", b->syn_rexmit[SW_RESP] = 2, ONE(RETRANSMITTED, SYNACK, RESP));
    CASE("through a cookie it is not counted", (a->syn_rexmit[SW_ORIG] = 1, b->cookie = true), AGREES);
    CASE("b ended before it was sent again", (a->syn_rexmit[SW_ORIG] = 1, a->duration = 9 * S),
         DOUBT(SYN, ORIG, ENDED));
    CASE("data is lost", (a->payload[SW_ORIG] = 700, a->rexmit[SW_ORIG] = 1), ONE(RETRANSMITTED, DATA, ORIG));
    CASE("the responder's", (b->payload[SW_RESP] = 2600, b->rexmit[SW_RESP] = 3), ONE(RETRANSMITTED, DATA, RESP));
    CASE("beyond", (a->payload[SW_ORIG] = b->payload[SW_ORIG] = 700, a->rexmit[SW_ORIG] = b->rexmit[SW_ORIG] = 1),
         AGREES);
    CASE("the network has sent it twice", b->payload[SW_ORIG] = 700, AGREES);
    CASE("the SYN-ACK never arrives",
         (a->has_isn[SW_RESP] = a->established = b->established = false, a->pkts[SW_RESP] = 0, a->bytes[SW_RESP] = 0,
          a->payload[SW_RESP] = b->bytes[SW_RESP] = b->payload[SW_RESP] = 0,
          a->fin[SW_RESP] = b->fin[SW_RESP] = SW_SAW_NO),
         ONE(SWALLOWED, SYNACK, RESP));
    CASE("a has missed it",
         (a->has_isn[SW_RESP] = a->established = false, a->pkts[SW_RESP] = 0, a->bytes[SW_RESP] = 0,
          a->payload[SW_RESP] = b->bytes[SW_RESP] = b->payload[SW_RESP] = 0,
          a->fin[SW_RESP] = b->fin[SW_RESP] = SW_SAW_NO),
         DOUBT(SYNACK, RESP, ONE_SIDED));
}

static void test_rewritten(void **state)
{
    (void)state;
    for (int side = SW_ORIG; side <= SW_RESP; side++)
        for (int i = 0; i < SW_JOIN_OPTIONS; i++) {
            CASE("an option", b->option[side][i] = 5, SW_VERDICT_REWRITTEN, 1, SW_JOIN_OPT_MSS + i, side,
                 SW_DOUBT_NONE);
            CASE("taken out", b->option[side][i] = SW_JOIN_NONE, SW_VERDICT_REWRITTEN, 1, SW_JOIN_OPT_MSS + i, side,
                 SW_DOUBT_NONE);
            CASE("through a cookie", (b->option[side][i] = 5, b->cookie = true), AGREES);
            CASE("of a SYN that was not seen", (b->option[side][i] = 5, b->has_isn[side] = false), AGREES);
            CASE("behind what the capture holds", (b->option[side][i] = 5, a->cut[side] = true), AGREES);
        }
    CASE("a second SYN without ECN",
         (a->syn_rexmit[SW_ORIG] = b->syn_rexmit[SW_ORIG] = 1, a->option[SW_ORIG][SW_JOIN_ECN] = 3), AGREES);
    CASE("its MSS may be another",
         (a->syn_rexmit[SW_ORIG] = b->syn_rexmit[SW_ORIG] = 1, a->option[SW_ORIG][SW_JOIN_MSS] = 3),
         DOUBT(OPT_MSS, ORIG, SENT_AGAIN));
    CASE("b saw the second one, and that is another", (a->syn_rexmit[SW_ORIG] = 1, b->option[SW_ORIG][SW_JOIN_TS] = 0),
         SW_VERDICT_CANNOT_TELL, 2, SW_JOIN_OPT_TS, SW_ORIG, SW_DOUBT_SENT_AGAIN);
    CASE("an ISN", b->isn[SW_RESP] = 3, ONE(REWRITTEN, ISN, RESP));
    CASE("bytes are added", (b->bytes[SW_ORIG] = b->payload[SW_ORIG] = 600), ONE(REWRITTEN, BYTES, ORIG));
}

static void test_delayed(void **state)
{
    (void)state;
    CASE("as long as it may be", (a->server = 101 * MS - 1, b->client = 100 * MS), AGREES);
    CASE("longer", (a->server = 101 * MS, b->client = 100 * MS), ONE(DELAYED, HANDSHAKE, ORIG));
    CASE("a lost ACK delays one only", b->client = 300 * MS, AGREES);
    CASE("a lost SYN-ACK delays both", (a->server = b->client = 1100 * MS, b->syn_rexmit[SW_RESP] = 1),
         ONE(RETRANSMITTED, SYNACK, RESP));
    CASE("a delay, and a RST", (a->server = 301 * MS, b->client = 300 * MS, a->rst[SW_RESP] = SW_SAW_YES),
         SW_VERDICT_RESET, 2, SW_JOIN_RST, SW_RESP, SW_DOUBT_NONE);
}

/* Where the first SYN was lost, b begins later, and what it lasted and was watched counts from there. */
static void lose_syn(struct views *v)
{
    v->a.server = 1011 * MS;
    v->a.handshake = 1011 * MS;
    v->a.syn_rexmit[SW_ORIG] = 1;
}

static void test_aligned(void **state)
{
    (void)state;
    CASE("b is watched as long as a lasts", (lose_syn(&v), a->rst[SW_RESP] = SW_SAW_YES, a->duration = 5990 * MS),
         SW_VERDICT_RESET, 2, SW_JOIN_RST, SW_RESP, SW_DOUBT_NONE);
    CASE("not quite", (lose_syn(&v), a->rst[SW_RESP] = SW_SAW_YES, a->duration = 5991 * MS), SW_VERDICT_CANNOT_TELL, 2,
         SW_JOIN_RST, SW_RESP, SW_DOUBT_ENDED);
    CASE("a is", (lose_syn(&v), b->rst[SW_ORIG] = SW_SAW_YES, b->duration = 3990 * MS), SW_VERDICT_RESET, 2,
         SW_JOIN_RST, SW_ORIG, SW_DOUBT_NONE);
    CASE("a is not", (lose_syn(&v), b->rst[SW_ORIG] = SW_SAW_YES, b->duration = 3991 * MS), SW_VERDICT_CANNOT_TELL, 2,
         SW_JOIN_RST, SW_ORIG, SW_DOUBT_ENDED);
    CASE("the ACK was lost: no later",
         (b->client = b->handshake = 1011 * MS, a->rst[SW_RESP] = SW_SAW_YES, a->duration = 4990 * MS),
         ONE(RESET, RST, RESP));
    CASE("without times a may have begun earlier",
         (a->server = a->client = a->handshake = SW_JOIN_NONE, b->rst[SW_ORIG] = SW_SAW_YES,
          a->syn_rexmit[SW_ORIG] = b->syn_rexmit[SW_ORIG] + 1, a->duration = 3 * S, b->duration = 4 * S),
         SW_VERDICT_CANNOT_TELL, 2, SW_JOIN_RST, SW_ORIG, SW_DOUBT_ENDED);
}

static void test_nearer(void **state)
{
    struct sw_join_rules given = {.delay = 100 * MS, .nearer = SW_NEARER_SECOND};
    struct views v = alike();
    struct sw_join_facts got;

    (void)state;
    sw_join_judge(&v.a, &v.b, &rules, &got);
    assert_int_equal(got.nearer, SW_NEARER_FIRST);
    assert_int_equal(got.between, 10 * MS);
    v.a.local[SW_ORIG] = v.b.local[SW_RESP] = false; /* by times */
    sw_join_judge(&v.a, &v.b, &given, &got);
    assert_int_equal(got.nearer, SW_NEARER_FIRST);
    sw_join_judge(&v.b, &v.a, &rules, &got);
    assert_int_equal(got.nearer, SW_NEARER_SECOND);
    v.b.client = v.a.client; /* one of them is not enough, */
    sw_join_judge(&v.a, &v.b, &rules, &got);
    assert_int_equal(got.nearer, SW_NEARER_UNKNOWN);
    assert_true(got.between == SW_JOIN_NONE);
    sw_join_judge(&v.a, &v.b, &given, &got);
    assert_int_equal(got.nearer, SW_NEARER_SECOND);
    v.a.server = 1 * MS + 20000; /* nor are both, by less than cards and kernels take */
    v.b.client = v.a.client + 19999;
    sw_join_judge(&v.a, &v.b, &rules, &got);
    assert_int_equal(got.nearer, SW_NEARER_UNKNOWN);
    v.b.client++;
    sw_join_judge(&v.a, &v.b, &rules, &got);
    assert_int_equal(got.nearer, SW_NEARER_FIRST);
    v.b.local[SW_ORIG] = true; /* what a host says against the times */
    sw_join_judge(&v.a, &v.b, &given, &got);
    assert_int_equal(got.nearer, SW_NEARER_UNKNOWN);
    v.b.local[SW_ORIG] = false;
    v.a.local[SW_ORIG] = v.a.local[SW_RESP] = true; /* a host that talks to itself does not say it */
    sw_join_judge(&v.a, &v.b, &rules, &got);
    assert_int_equal(got.nearer, SW_NEARER_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),      cmocka_unit_test(test_doubts),  cmocka_unit_test(test_sent_again),
        cmocka_unit_test(test_rewritten), cmocka_unit_test(test_delayed), cmocka_unit_test(test_nearer),
        cmocka_unit_test(test_aligned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
