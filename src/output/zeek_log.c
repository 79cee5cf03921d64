/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/zeek_log.h"
#include "base/fmt.h"
#include "output/json_fmt.h"
#include "output/names.h"
#include "tcp/conn_state.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Zeek's names and types, in its order; ip_proto is there since Zeek 7.1. */
#define COLUMNS(X)                                                                                                     \
    X("ts", "time")                                                                                                    \
    X("uid", "string")                                                                                                 \
    X("id.orig_h", "addr")                                                                                             \
    X("id.orig_p", "port")                                                                                             \
    X("id.resp_h", "addr")                                                                                             \
    X("id.resp_p", "port")                                                                                             \
    X("proto", "enum")                                                                                                 \
    X("service", "string")                                                                                             \
    X("duration", "interval")                                                                                          \
    X("orig_bytes", "count")                                                                                           \
    X("resp_bytes", "count")                                                                                           \
    X("conn_state", "string")                                                                                          \
    X("local_orig", "bool")                                                                                            \
    X("local_resp", "bool")                                                                                            \
    X("missed_bytes", "count")                                                                                         \
    X("history", "string")                                                                                             \
    X("orig_pkts", "count")                                                                                            \
    X("orig_ip_bytes", "count")                                                                                        \
    X("resp_pkts", "count")                                                                                            \
    X("resp_ip_bytes", "count")                                                                                        \
    X("tunnel_parents", "set[string]")                                                                                 \
    X("ip_proto", "count")
#define NAME(name, type) "\t" name
#define TYPE(name, type) "\t" type

/* Each column carries its separator: the first one has none. */
static char *put_count(char *p, __u64 n)
{
    *p++ = '\t';
    return sw_put_u64(p, n);
}

static char *put_unset(char *p)
{
    return stpcpy(p, "\t-");
}

static char *put_end(char *p, const __u8 ip[16], __be16 port)
{
    *p++ = '\t';
    p = sw_put_ip(p, ip);
    return put_count(p, ntohs(port));
}

/* Seconds, with microseconds. */
static char *put_seconds(char *p, __s64 us)
{
    __u64 n = us < 0 ? -(__u64)us : (__u64)us;

    if (us < 0)
        *p++ = '-';
    p = sw_put_u64(p, n / 1000000);
    *p++ = '.';
    for (__u64 unit = 100000; unit; unit /= 10)
        *p++ = '0' + n / unit % 10;
    return p;
}

/* duration and the bytes of both sides: without a duration Zeek says none of them. */
static char *put_volume(char *p, const struct sw_flow *f)
{
    const __u64 ns = f->last_ns > f->start_ns ? f->last_ns - f->start_ns : 0;

    if (!ns)
        return put_unset(put_unset(put_unset(p)));
    *p++ = '\t';
    p = put_seconds(p, (__s64)(ns / 1000 + (ns % 1000 >= 500)));
    p = put_count(p, sw_stream_bytes(f, SW_ORIG));
    return put_count(p, sw_stream_bytes(f, SW_RESP));
}

static char *put_history(char *p, const struct sw_flow *f)
{
    if (!f->hist_len)
        return put_unset(p);
    *p++ = '\t';
    return sw_put_history(p, f);
}

char *sw_zeek_event(struct sw_lines *l, __u64 seq, const struct sw_event *ev, char *p)
{
    const struct sw_ids *ids = sw_lines_ids(l, &ev->key, ev->flow.start_ns);
    const struct sw_flow *f = &ev->flow;
    const __s64 ns = (__s64)(f->start_ns + (__u64)l->clock_offset);
    const bool b = f->orig_is_b;

    (void)seq;
    p = put_seconds(p, ns / 1000);
    *p++ = '\t';
    memcpy(p, ids->uid, SW_UID_LEN);
    p += SW_UID_LEN;
    p = put_end(p, b ? ev->key.b_ip : ev->key.a_ip, b ? ev->key.b_port : ev->key.a_port);
    p = put_end(p, b ? ev->key.a_ip : ev->key.b_ip, b ? ev->key.a_port : ev->key.b_port);
    p = stpcpy(p, "\ttcp\t-");
    p = put_volume(p, f);
    *p++ = '\t';
    p = sw_put_name(p, sw_name_conn_state(sw_zeek_conn_state(f)));
    p = put_unset(put_unset(p)); /* what is local there only the site knows */
    p = put_count(p, f->missed);
    p = put_history(p, f);
    for (int side = SW_ORIG; side <= SW_RESP; side++) {
        p = put_count(p, f->end[side].pkts);
        p = put_count(p, f->end[side].ip_bytes);
    }
    p = put_count(put_unset(p), IPPROTO_TCP);
    *p++ = '\n';
    return p;
}

char *sw_zeek_loss(struct sw_lines *l, __u64 seq, const __u64 lost[SW_LOSSES], __u64 now_ns, char *p)
{
    __u64 total = 0;

    (void)l;
    (void)seq;
    (void)now_ns;
    for (int i = 0; i < SW_LOSSES; i++)
        total += lost[i];
    p = sw_put_u64(stpcpy(p, SW_ZEEK_LOST), total);
    *p++ = '\n';
    return p;
}

/* As Zeek's: local time, unless --utc is given. */
static char *put_clock(char *p, __s64 now, bool utc)
{
    const time_t s = now;
    struct tm tm = {0};

    (utc ? gmtime_r : localtime_r)(&s, &tm);
    p += strftime(p, 32, "%Y-%m-%d-%H-%M-%S", &tm);
    *p++ = '\n';
    return p;
}

char *sw_zeek_head(char *p, __s64 now, bool utc)
{
    p = stpcpy(p, "#separator \\x09\n"
                  "#set_separator\t,\n"
                  "#empty_field\t(empty)\n"
                  "#unset_field\t-\n"
                  "#path\tconn\n"
                  "#open\t");
    p = put_clock(p, now, utc);
    return stpcpy(p, "#fields" COLUMNS(NAME) "\n#types" COLUMNS(TYPE) "\n");
}

char *sw_zeek_end(char *p, __s64 now, bool utc)
{
    return put_clock(stpcpy(p, SW_ZEEK_END), now, utc);
}

/* What lines that are no rows begin with; the last two end a header and a log. */
static const char *const words[] = {"#separator ", "#set_separator\t", "#empty_field\t", "#unset_field\t", "#path\t",
                                    "#open\t",     "#fields\t",        "#types\t",       SW_ZEEK_END};
enum { WORDS = sizeof(words) / sizeof(words[0]), OF_HEAD = WORDS - 2 };

/* A line that is in a header and not its last: without that one zeek-cut would give up. */
static bool is_of_head(const char *line, size_t len)
{
    for (size_t i = 0; i < OF_HEAD; i++)
        if (len > strlen(words[i]) && !memcmp(line, words[i], strlen(words[i])))
            return true;
    return false;
}

static size_t digits(const char *p, size_t len)
{
    size_t n = 0;

    while (n < len && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

/* A whole line after which a row may come. */
static bool is_before_row(const char *line, size_t len)
{
    const size_t n = digits(line, len);

    return (n && n < len && line[n] == '.') ||
           (len > strlen(words[OF_HEAD]) && !memcmp(line, words[OF_HEAD], strlen(words[OF_HEAD])));
}

/* The beginning of a line of ours? A row begins with seconds and six digits more; digits alone may be anybody's, but
 * behind a line of ours. */
static bool is_half(const char *line, size_t len, bool before_row)
{
    size_t n, minus = len && *line == '-', after;

    for (size_t i = 0; i < WORDS; i++) {
        n = strlen(words[i]);
        if (!memcmp(line, words[i], len < n ? len : n))
            return true;
    }
    n = digits(line + minus, len - minus);
    if (!n || minus + n == len)
        return before_row && (n || minus);
    if (line[minus + n] != '.')
        return false;
    after = digits(line + minus + n + 1, len - minus - n - 1);
    return minus + n + 1 + after == len ? after <= 6 : after == 6 && line[minus + n + 7] == '\t';
}

size_t sw_zeek_torn(const char *end, size_t len)
{
    size_t from = len;

    while (from && end[from - 1] != '\n')
        from--;
    if (from < len) {
        size_t line = from ? from - 1 : 0;

        while (line && end[line - 1] != '\n')
            line--;
        if (!is_half(end + from, len - from, from && is_before_row(end + line, from - line)))
            return 0;
    }
    while (from) {
        size_t line = from - 1;

        while (line && end[line - 1] != '\n')
            line--;
        if (!is_of_head(end + line, from - line))
            break;
        from = line;
    }
    return len - from;
}
