/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ladder of a line: what a record says comes back; hostile ones are refused. */
#include "lines.h"

#include "ladder/line.h"
#include "output/json_ladder.h"

#include <unistd.h>

static const struct sw_filter all;

static struct sw_conn_event record(void)
{
    struct sw_conn_event c = {.event = sample(SW_EV_CONN)};
    const __u64 start = c.event.flow.start_ns;

    c.event.size = sizeof(c);
    c.ladder.start_ns = start;
    c.ladder.next = c.ladder.kept = 3;
    c.ladder.lost = 4;
    c.ladder.seg[0] = (struct sw_ladder_seg){.ns = start, .seq = 4294967290u, .flags = SW_TCP_SYN, .states = 0x12};
    c.ladder.seg[1] = (struct sw_ladder_seg){.ns = start + 300,
                                             .seq = 4294967291u,
                                             .ack = 4294967291u,
                                             .flags = SW_TCP_SYN | SW_TCP_ACK | SW_TCP_ECE,
                                             .src_is_b = 1,
                                             .states = 0x32};
    c.ladder.seg[2] = (struct sw_ladder_seg){.ns = start + 344,
                                             .seq = 4294967291u,
                                             .ack = 4294967292u,
                                             .len = 9,
                                             .flags = SW_TCP_ACK | SW_TCP_AE,
                                             .states = 0x44};
    c.event.flow.end[SW_ORIG].state = SW_ST_TIME_WAIT;
    c.event.flow.end[SW_RESP].state = SW_ST_CLOSED;
    c.event.flow.closed_by = 2;
    return c;
}

/* What one line says, by a pipe as any reader has it. */
static enum sw_ladder_found read_line(const char *line, const struct sw_filter *filter, struct sw_ladder_conn *ret)
{
    enum sw_ladder_found found = SW_LADDER_OTHER;
    const struct sw_line *object;
    struct sw_ndjson *in;
    char path[32];
    int fd = memfd_create("line", 0);

    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    lseek(fd, 0, SEEK_SET);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(sw_ndjson_open(path, &in), 0);
    if (sw_ndjson_next(in, &object) == 1)
        found = sw_ladder_of_line(object, filter, ret);
    else
        fail_msg("no object: %s", line);
    sw_ndjson_close(in);
    close(fd);
    return found;
}

static char *line_of(const struct sw_conn_event *c)
{
    struct out o;
    char *line;

    out_open(&o, live);
    add(&o, &c->event);
    line = strdup(take(&o));
    out_close(&o);
    return line;
}

/* The same as from the maps. */
static void test_same_as_the_record(void **state)
{
    struct sw_conn_event c = record();
    struct sw_ladder_conn want, got;

    (void)state;
    for (int i = 0; i < 4; i++) {
        char *line;

        c.event.flow.orig_is_b = i & 1;
        if (i & 2) /* a number that was inferred is none to count from */
            c.event.flow.end[SW_RESP].more |= SW_M_INFERRED;
        c.event.flow.flags = SW_F_ENDED;
        line = line_of(&c);
        sw_ladder_of_flow(&c.event.key, &c.event.flow, &c.ladder, 0, &want);
        assert_int_equal(read_line(line, &all, &got), SW_LADDER_OK);
        assert_int_equal(got.len, 3);
        assert_memory_equal(&got, &want, sizeof(got));
        free(line);
    }
}

static void test_without(void **state)
{
    struct sw_conn_event c = record();
    struct sw_ladder_conn got;
    char *line;

    (void)state;
    c.event.size = sizeof(c.event);
    line = line_of(&c);
    assert_int_equal(read_line(line, &all, &got), SW_LADDER_NONE);
    free(line);
    c.event.kind = SW_EV_CLOSED;
    line = line_of(&c);
    assert_int_equal(read_line(line, &all, &got), SW_LADDER_OTHER);
    free(line);
    assert_int_equal(read_line("{}", &all, &got), SW_LADDER_OTHER);
}

static void test_filter(void **state)
{
    struct sw_filter filter = {.outcomes = 1u << SW_WHY_FIN, .states = 1u << SW_ST_TIME_WAIT, .min_bytes = 1001};
    struct sw_conn_event c = record();
    char *line = line_of(&c), *other, why[160];
    struct sw_ladder_conn got;

    (void)state;
    assert_int_equal(read_line(line, &filter, &got), SW_LADDER_OK);
    filter.min_bytes++;
    assert_int_equal(read_line(line, &filter, &got), SW_LADDER_OTHER);
    filter = (struct sw_filter){.states = 1u << (SW_ST_MAX + SW_CS_OTH)};
    assert_int_equal(read_line(line, &filter, &got), SW_LADDER_OTHER);
    other = changed(line, "\"orig_state\":\"TIME_WAIT\",\"resp_state\":\"CLOSED\"",
                    "\"orig_state\":\"X\",\"resp_state\":\"Y\"");
    assert_int_equal(read_line(other, &filter, &got), SW_LADDER_OTHER); /* what is not known is no other state */
    filter = (struct sw_filter){0};
    assert_int_equal(sw_filter_add_uids(&filter, got.uid, why, sizeof(why)), 0);
    assert_int_equal(read_line(line, &filter, &got), SW_LADDER_OK);
    filter.uids[0][3] ^= 1;
    assert_int_equal(read_line(line, &filter, &got), SW_LADDER_OTHER);
    free(other);
    free(line);
}

/* Each change makes it a ladder of another form. */
static void test_hostile(void **state)
{
    static const char *const rows[][2] = {
        {"\"ladder\":[{", "\"ladder\":[1,{"},
        {"\"ladder\":[{", "\"ladder\":[null,{"},
        {"\"ladder\":[{", "\"ladder\":[[],{"},
        {"\"ladder\":[{", "\"ladder\":\"x\",\"x\":[{"},
        {"\"ladder\":[{", "\"ladder\":5,\"x\":[{"},
        {"\"ladder\":[{", "\"ladder\":{},\"x\":[{"},
        {"\"from\":\"orig\"", "\"from\":\"both\""},
        {"\"from\":\"orig\"", "\"from\":1"},
        {"\"flags\":\"SYN\"", "\"flags\":\"SYN,\""},
        {"\"flags\":\"SYN\"", "\"flags\":\"\""},
        {"\"flags\":\"SYN\"", "\"flags\":\"<b>\""},
        {"\"flags\":\"SYN\"", "\"flags\":null"},
        {"\"seq\":4294967290,", "\"seq\":4294967296,"},
        {"\"seq\":4294967290,", "\"seq\":-1,"},
        {"\"seq\":4294967290,", "\"seq\":1.5,"},
        {"\"len\":9,", ""},
        {"\"ack\":4294967292,", "\"ack\":null,"},
        {"\"ns\":300,", "\"ns\":\"300\","},
        {"\"orig_state\":\"SYN_SENT\"", "\"orig_state\":\"SYN\""},
        {"\"uid\":\"C", "\"uid\":\"\\u001b"},
        {"\"orig_ip\":\"10.", "\"orig_ip\":\"x10."},
        {"\"orig_port\":40000", "\"orig_port\":65536"},
        {"\"start\":\"2", "\"start\":\"x"},
    };
    struct sw_conn_event c = record();
    char *line = line_of(&c);
    struct sw_ladder_conn got;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *bad = changed(line, rows[i][0], rows[i][1]);

        if (read_line(bad, &all, &got) != SW_LADDER_BAD)
            fail_msg("row %zu is taken: %s", i, bad);
        free(bad);
    }
    free(line);
}

/* More than we make: the last 16. And numbers of what is missing that are none. */
static void test_long(void **state)
{
    struct sw_conn_event c = record();
    char *line = line_of(&c), *text = NULL, *other;
    struct sw_ladder_conn got;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    fputs("\"ladder\":[", out);
    for (int i = 0; i < 1000; i++)
        fprintf(out,
                "{\"ns\":%d,\"from\":\"orig\",\"flags\":\"RST\",\"seq\":%u,\"len\":0,\"orig_state\":\"CLOSED\",\"resp_"
                "state\":\"CLOSED\"},",
                i, 4294967290u + i);
    fclose(out);
    other = changed(line, "\"ladder\":[", text);
    assert_int_equal(read_line(other, &all, &got), SW_LADDER_OK);
    assert_int_equal(got.len, SW_LADDER);
    assert_int_equal(got.lost, 4 + 1003 - SW_LADDER);
    assert_int_equal(got.step[0].ns, 1003 - SW_LADDER);
    assert_int_equal(got.step[0].seq, 1003 - SW_LADDER);
    free(other);
    other = changed(line, "\"ladder_more\":4", "\"ladder_more\":null");
    assert_int_equal(read_line(other, &all, &got), SW_LADDER_OK);
    assert_int_equal(got.lost, SW_LADDER_UNKNOWN);
    free(other);
    other = changed(line, "\"ladder_more\":4", "\"ladder_more\":4294967295");
    assert_int_equal(read_line(other, &all, &got), SW_LADDER_OK);
    assert_int_equal(got.lost, SW_LADDER_UNKNOWN);
    free(other);
    free(text);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_record),
        cmocka_unit_test(test_without),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
