/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* conn_state of every pair of endpoint states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcp/conn_state.h"

#include <string.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define NAME_ITEM(prefix, id, name) [prefix##id] = (name),

static const char *const names[] = {SW_CONN_STATES(NAME_ITEM)};

static struct sw_flow flow(int orig, int resp, const char *history, uint32_t bytes)
{
    struct sw_flow f = {.hist_len = strlen(history)};

    memcpy(f.hist, history, f.hist_len);
    f.end[SW_ORIG].zstate = orig;
    f.end[SW_RESP].zstate = resp;
    for (int i = 0; i < 2; i++) {
        f.end[i].did = SW_E_INIT;
        f.end[i].isn = 0xfffffff0;
        f.end[i].seq_hi = 0xfffffff0 + 1 + bytes; /* across the wrap */
    }
    return f;
}

/* columns: responder; inactive, syn_sent, syn_ack_sent, partial, established, closed, reset */
static const char *const with_data[7][7] = {
    /* inactive    */ {"OTH", "OTH", "OTH", "OTH", "OTH", "SHR", "RSTRH"},
    /* syn_sent    */ {"S0", "OTH", "OTH", "OTH", "OTH", "S3", "REJ"},
    /* syn_ack_sent*/ {"OTH", "OTH", "OTH", "OTH", "OTH", "S3", "REJ"},
    /* partial     */ {"OTH", "OTH", "OTH", "OTH", "OTH", "SHR", "RSTRH"},
    /* established */ {"OTH", "OTH", "OTH", "OTH", "S1", "S3", "RSTR"},
    /* closed      */ {"SH", "S2", "S2", "SH", "S2", "SF", "RSTR"},
    /* reset       */ {"OTH", "RSTO", "RSTO", "OTH", "RSTO", "RSTO", "RSTR"},
};

TEST(every_pair_of_states)
{
    for (int o = 0; o < 7; o++) {
        for (int r = 0; r < 7; r++) {
            struct sw_flow f = flow(o, r, "DdRr", 100);

            assert_string_equal(names[sw_zeek_conn_state(&f)], with_data[o][r]);
        }
    }
}

/* Bytes of the stream: SYN and FIN are none, what was sent again counts once, what was only acknowledged counts. */
TEST(stream_bytes)
{
    static const struct {
        uint64_t payload, bytes;
    } rows[] = {
        {0, 0},
        {100, 100},
        {250, 100}, /* sent again */
        {40, 100},
        {0, 100}, /* not seen */
        {0, 3000000000u},
        {5000000000, 5000000000},
        {5000000000, 4000000000}, /* across 2^32 */
        {1ull << 40, (1ull << 40) + 5},
        {1ull << 33, (1ull << 33) - 9},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sw_flow f = flow(SW_Z_ESTABLISHED, SW_Z_ESTABLISHED, "ShADad", (uint32_t)rows[i].bytes);

        f.end[SW_ORIG].payload = rows[i].payload;
        assert_int_equal(sw_stream_bytes(&f, SW_ORIG), rows[i].bytes);
        f.end[SW_ORIG].did |= SW_E_FIN;
        f.end[SW_ORIG].seq_hi++;
        assert_int_equal(sw_stream_bytes(&f, SW_ORIG), rows[i].bytes);
        f.end[SW_ORIG].seq_hi -= 7; /* the peer has acknowledged what was not seen here */
        f.end[SW_RESP].did |= SW_E_SEEN;
        f.end[SW_RESP].ack = f.end[SW_ORIG].seq_hi + 7;
        assert_int_equal(sw_stream_bytes(&f, SW_ORIG), rows[i].bytes);
        f.end[SW_ORIG].did = 0;
        assert_int_equal(sw_zeek_size(&f.end[SW_ORIG], &f.end[SW_RESP]), 0);
    }
}

/* Both reset and not a byte: refused, whoever was faster. */
TEST(reset_without_data)
{
    struct sw_flow f = flow(SW_Z_RESET, SW_Z_RESET, "SrR", 0);

    assert_string_equal(names[sw_zeek_conn_state(&f)], "REJ");
    f.end[SW_RESP].seq_hi++;
    assert_string_equal(names[sw_zeek_conn_state(&f)], "RSTR");
    f = flow(SW_Z_RESET, SW_Z_RESET, "SrR", 0);
    f.end[SW_ORIG].seq_hi++;
    assert_string_equal(names[sw_zeek_conn_state(&f)], "RSTR");
}

TEST(syn_then_reset)
{
    static const struct {
        const char *history, *state;
    } table[] = {{"SR", "RSTOS0"},  {"^SR", "RSTOS0"}, {"SDR", "RSTOS0"}, {"SaR", "RSTOS0"}, {"STCWR", "RSTOS0"},
                 {"SRD", "RSTOS0"}, {"R", "OTH"},      {"", "OTH"},       {"^", "OTH"},      {"S", "OTH"},
                 {"SAR", "OTH"},    {"SHR", "OTH"},    {"SFR", "OTH"},    {"SGR", "OTH"},    {"SIR", "OTH"},
                 {"SQR", "OTH"},    {"DSR", "OTH"},    {"^^SR", "OTH"}};

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct sw_flow f = flow(SW_Z_RESET, SW_Z_INACTIVE, table[i].history, 0);

        if (strcmp(names[sw_zeek_conn_state(&f)], table[i].state))
            fail_msg("history %s: %s, not %s", table[i].history, names[sw_zeek_conn_state(&f)], table[i].state);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_pair_of_states),
        cmocka_unit_test(stream_bytes),
        cmocka_unit_test(reset_without_data),
        cmocka_unit_test(syn_then_reset),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
