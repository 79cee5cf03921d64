/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/histogram.h"

#include "base/fmt.h"
#include "output/text_row.h"

#include <arpa/inet.h>
#include <string.h>

#define STARS 40

#define NAME(prefix, id, name) name,
static const char *const roles[] = {SW_ROLES(NAME)};
static const char *const kinds[] = {SW_HISTOGRAMS(NAME)};
static const struct {
    const char *name;
    double share;
} shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}};

__u64 sw_histogram_count(const struct sw_histogram *h)
{
    __u64 n = 0;

    for (__u32 i = 0; i < SW_HG_BUCKETS; i++)
        n += h->bucket[i];
    return n;
}

__u64 sw_histogram_quantile(const struct sw_histogram *h, double share)
{
    const __u64 n = sw_histogram_count(h);
    double left = share * (double)n;

    for (__u32 i = 0; i < SW_HG_BUCKETS; i++) {
        if (h->bucket[i] && left <= (double)h->bucket[i])
            return sw_histogram_middle(i);
        left -= (double)h->bucket[i];
    }
    return n ? sw_histogram_middle(SW_HG_BUCKETS - 1) : 0;
}

__u64 sw_histogram_unmeasured(const struct sw_histogram_set *set, int kind)
{
    const __u64 all = sw_histogram_count(&set->of[SW_HG_HANDSHAKE]) + set->unmeasured,
                n = sw_histogram_count(&set->of[kind]);

    return kind < SW_HG_DURATION && all > n ? all - n : 0; /* less: it was read while it was filled */
}

void sw_histogram_set_since(const struct sw_histogram_set *now, const struct sw_histogram_set *before,
                            struct sw_histogram_set *ret)
{
    *ret = *now;
    if (now->since_ns != before->since_ns) /* a server that had lost its place */
        return;
    ret->unmeasured -= before->unmeasured;
    for (int i = 0; i < SW_WHY_MAX; i++)
        ret->ended[i] -= before->ended[i];
    for (int k = 0; k < SW_HG_MAX; k++) {
        ret->of[k].sum -= before->of[k].sum;
        for (__u32 i = 0; i < SW_HG_BUCKETS; i++)
            ret->of[k].bucket[i] -= before->of[k].bucket[i];
    }
}

/* The powers of two: the first row has 0 and 1. */
static __u32 row_of(__u32 bucket)
{
    __u64 low = sw_histogram_bound(bucket);
    __u32 row = 0;

    while (low >>= 1)
        row++;
    return row;
}

void sw_histogram_print(const struct sw_histogram *h, const char *unit, FILE *f)
{
    __u64 rows[64] = {0}, most = 0;
    int first = -1, last = -1;
    bool wide;

    for (__u32 i = 0; i < SW_HG_BUCKETS; i++)
        rows[row_of(i)] += h->bucket[i];
    for (int i = 0; i < 64; i++) {
        if (!rows[i])
            continue;
        first = first < 0 ? i : first;
        last = i;
        most = rows[i] > most ? rows[i] : most;
    }
    if (first < 0)
        return;
    wide = last >= 33; /* ten digits hold no more */
    fprintf(f, wide ? "          %-24s : count     distribution\n" : "     %-19s : count     distribution\n", unit);
    for (int i = first; i <= last; i++) {
        const __u64 low = i ? 1ULL << i : 0, high = (2ULL << i) - 1;
        const int room = wide ? STARS - 10 : STARS, stars = (int)(rows[i] * (__u64)room / most);

        fprintf(f, wide ? "%15llu -> %-15llu : %-8llu |%-*.*s|\n" : "%10llu -> %-10llu : %-8llu |%-*.*s|\n", low, high,
                rows[i], room, stars, "****************************************");
    }
}

static bool is_bytes(int kind)
{
    return kind == SW_HG_ORIG_BYTES || kind == SW_HG_RESP_BYTES;
}

static const char *value_text(int kind, __u64 value, sw_text_value buf)
{
    return is_bytes(kind) ? sw_text_count(value, buf) : sw_text_span(value, buf);
}

void sw_histogram_text_head(const struct sw_histograms *row, FILE *f)
{
    char server[SW_TEXT_COLUMNS] = "";

    if (row->key.port)
        *sw_put_endpoint(server, row->key.ip, row->key.port) = 0;
    fprintf(f, "\nrole %s%s%s\n", roles[row->key.role & 3], *server ? ", " : "", server);
}

void sw_histogram_text(const struct sw_histograms *row, int kind, FILE *f)
{
    const struct sw_histogram *h = &row->set.of[kind];
    const __u64 n = sw_histogram_count(h), unmeasured = sw_histogram_unmeasured(&row->set, kind);
    sw_text_value text;

    fprintf(f, "%s: %llu", kinds[kind], n);
    if (n)
        for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
            fprintf(f, ", %s %s", shares[i].name, value_text(kind, sw_histogram_quantile(h, shares[i].share), text));
    if (unmeasured)
        fprintf(f, "%s%llu unmeasured", n ? "; " : ", ", unmeasured);
    fputc('\n', f);
    sw_histogram_print(h, is_bytes(kind) ? "bytes" : "nsecs", f);
}

void sw_histogram_json(const struct sw_histograms *row, int kind, FILE *f)
{
    const struct sw_histogram *h = &row->set.of[kind];
    const __u64 n = sw_histogram_count(h);
    char ip[SW_IP_LEN + 1];
    const char *between = "";

    fprintf(f, ",\"role\":\"%s\"", roles[row->key.role & 3]);
    *sw_put_ip(ip, row->key.ip) = 0;
    if (row->key.port)
        fprintf(f, ",\"server_ip\":\"%s\",\"server_port\":%u", ip, ntohs(row->key.port));
    else
        fputs(",\"server_ip\":null,\"server_port\":null", f);
    fprintf(f, ",\"histogram\":\"%s\",\"unit\":\"%s\",\"count\":%llu,\"sum\":%llu", kinds[kind],
            is_bytes(kind) ? "bytes" : "ns", n, h->sum);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
        fprintf(f, n ? ",\"%s\":%llu" : ",\"%s\":null", shares[i].name, sw_histogram_quantile(h, shares[i].share));
    fprintf(f, ",\"unmeasured\":%llu,\"buckets\":[", sw_histogram_unmeasured(&row->set, kind));
    for (__u32 i = 0; i < SW_HG_BUCKETS; i++) {
        if (!h->bucket[i])
            continue;
        fprintf(f, "%s[%llu,%llu,%llu]", between, sw_histogram_bound(i), sw_histogram_bound(i + 1), h->bucket[i]);
        between = ",";
    }
    fputc(']', f);
}
