/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the tests of joined files: lines with what is needed, and what was decided of them. */
#ifndef SW_TEST_JOINING_H
#define SW_TEST_JOINING_H

#include "lines.h"

#include "join/show.h"

#define S 1000000000ull

static struct sw_join j;
static const struct sw_filter all;
static struct {
    int len;
    struct {
        int verdict, match, views, why; /* why: of the last file that has it not */
    } got[256];
    char *json, *text;
} seen;

static inline char *shown(const struct sw_join_result *r, void (*show)(const struct sw_join_result *, FILE *))
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    show(r, out);
    fclose(out);
    return text;
}

static void decided(const struct sw_join_result *r, void *ctx)
{
    assert_ptr_equal(ctx, &seen);
    assert_true(seen.len < 256);
    seen.got[seen.len].verdict = r->verdict;
    seen.got[seen.len].match = r->match;
    seen.got[seen.len].views = (int)r->views;
    for (int i = 0; i < SW_JOIN_FILES; i++)
        if (r->missing & 1u << i)
            seen.got[seen.len].why = r->hole[i].kind;
    seen.len++;
    free(seen.json);
    free(seen.text);
    seen.json = shown(r, sw_join_json);
    seen.text = shown(r, sw_join_text);
}

static void begin(unsigned int files)
{
    const struct sw_join_opts opts = {
        .files = files, .rules = {.delay = S / 10}, .window = 60 * S, .slack = 2 * S, .pending = 20, .filter = &all};

    sw_join_fini(&j);
    free(seen.json);
    free(seen.text);
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(sw_join_init(&j, &opts, decided, &seen), 0);
}

static void feed(unsigned int file, const char *text)
{
    const struct sw_line *line;
    struct sw_ndjson *in;
    char path[32];
    int fd = memfd_create("line", 0);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    lseek(fd, 0, SEEK_SET);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(sw_ndjson_open(path, &in), 0);
    if (sw_ndjson_next(in, &line) != 1)
        fail_msg("no object: %s", text);
    assert_int_equal(sw_join_line(&j, file, line, 0), 0);
    sw_ndjson_close(in);
    close(fd);
}

/* start() has written two lines before the first: they are numbered 1 and 2, but for what it gives as -1 and 0. */
#define SEQ(n) ((n) + 2)
/* A line without more than what is needed; at: seconds after 2026-11-28T00:00:00Z, up to an hour. */
static void other(unsigned int file, __u64 seq, unsigned int at, const char *rest)
{
    char text[4096];

    snprintf(text, sizeof(text), "{\"schema\":3,\"seq\":%llu,\"ts\":\"2026-11-28T00:%02u:%02u.5Z\",%s}", SEQ(seq),
             at / 60, at % 60, rest);
    feed(file, text);
}

struct given {
    unsigned int at;  /* it began; the line is 10 s later */
    __u32 orig, resp; /* ISNs; 0: null */
    unsigned int client, bytes;
    const char *more; /* keys that come later count */
};

static void conn(unsigned int file, __u64 seq, struct given g)
{
    char text[2048], isn[2][16] = {"null", "null"};

    if (g.orig)
        snprintf(isn[0], sizeof(isn[0]), "%u", g.orig);
    if (g.resp)
        snprintf(isn[1], sizeof(isn[1]), "%u", g.resp);
    snprintf(text, sizeof(text),
             "\"event\":\"conn\",\"uid\":\"C%05u%05u1234567\",\"orig_ip\":\"10.0.0.%u\",\"orig_port\":4000,"
             "\"resp_ip\":\"10.9.9.9\",\"resp_port\":80,\"start\":\"2026-11-28T00:%02u:%02u.5Z\",\"duration_ns\":1000,"
             "\"orig_state\":\"CLOSED\",\"resp_state\":\"CLOSED\",\"conn_state\":\"SF\",\"history\":\"ShADadfF\","
             "\"history_full\":false,\"reason\":\"fin\",\"closed_by\":\"orig\",\"via\":\"stack\",\"handshake\":\"%s\","
             "\"orig_isn\":%s,\"resp_isn\":%s,\"orig_pkts\":5,\"resp_pkts\":5,\"orig_bytes\":%u,\"resp_bytes\":7,"
             "\"orig_payload_bytes\":%u,\"resp_payload_bytes\":7%s",
             g.orig % 100000, 10 * g.client + file, g.client, g.at / 60, g.at % 60,
             g.orig || g.resp ? "normal" : "unseen", isn[0], isn[1], g.bytes, g.bytes, g.more ? g.more : "");
    other(file, seq, g.at + 10, text);
}

#define STATS "\"event\":\"stats\",\"final\":false"

/* Both files have begun long ago, log what begins, and what they have followed each 80 s: then nothing is odd at 240.
 */
static void start(unsigned int files)
{
    begin(files);
    for (unsigned int i = 0; i < files; i++) {
        other(i, -1ull, 0, "\"event\":\"opening\"");
        other(i, 0, 11, STATS);
        other(i, 1, 91, STATS);
        conn(i, 2, (struct given){.orig = 1, .resp = 1, .more = ",\"ts\":\"2026-11-28T00:01:31.5Z\""});
    }
    assert_int_equal(seen.len, 1);
    seen.len = 0;
}

static void finish(unsigned int files)
{
    for (unsigned int i = 0; i < files; i++)
        assert_int_equal(sw_join_end(&j, i, 0, false), 0);
    assert_int_equal(sw_join_next(&j), -1);
}

#define expect(i, v, m, n)                                                                                             \
    do {                                                                                                               \
        assert_true(seen.len > (i));                                                                                   \
        assert_string_equal(sw_join_verdict_name(seen.got[i].verdict), sw_join_verdict_name(SW_VERDICT_##v));          \
        assert_string_equal(sw_join_match_name(seen.got[i].match), sw_join_match_name(SW_MATCH_##m));                  \
        assert_int_equal(seen.got[i].views, n);                                                                        \
    } while (0)

static inline int end(void **state)
{
    (void)state;
    sw_join_fini(&j);
    free(seen.json);
    free(seen.text);
    return 0;
}

#endif
