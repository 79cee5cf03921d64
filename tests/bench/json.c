/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ring record to JSON text, one core: `opening`, `established` and `conn`, each with connections that were
 * all different (identities never cached) and with few (always cached). Lines go to /dev/null in pieces, as the
 * loop does. Then the same with a summary, and in each other format, and JSON with three labels and of samples.
 * SW_BENCH_EVENTS sets the count of one measurement.
 */
#include "output/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SW_RECORDS 4096
#define SW_ROUNDS 3

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fill_end(struct sw_end *e, __u32 isn)
{
    e->isn = isn;
    e->seq_hi = isn + 74211;
    e->mss = 1460;
    e->wscale = 7;
    e->opts = SW_OPT_MSS | SW_OPT_WSCALE | SW_OPT_SACK | SW_OPT_TS;
    e->did = SW_E_SYN | SW_E_SYN_ACKED | SW_E_SEEN | SW_E_INIT;
    e->pkts = 57;
    e->ip_bytes = 77281;
    e->payload = 74210;
}

static void fill(struct sw_event *ev, enum sw_event_kind kind, unsigned int i, bool v6)
{
    static const __u8 mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 77, 0, 1};
    static const __u8 six[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0x12, 0x34, 0, 0, 0, 0, 0xde, 0xad, 0, 1};

    memset(ev, 0, sizeof(*ev));
    ev->version = SW_CONTRACT_VERSION;
    ev->size = sizeof(*ev);
    ev->kind = kind;
    ev->hook = SW_HOOK_XDP_INGRESS;
    ev->ifindex = 2;
    memcpy(ev->key.a_ip, v6 ? six : mapped, 16);
    memcpy(ev->key.b_ip, v6 ? six : mapped, 16);
    ev->key.b_ip[13] = i >> 12;
    ev->key.b_ip[15] = 2;
    ev->key.a_port = (__be16)(i * 2654435761u >> 8);
    ev->key.b_port = 0xbb01;
    ev->ts = 86400123456789ULL + i * 977ULL;
    ev->flow.start_ns = ev->ts - (kind == SW_EV_OPENING ? 0 : 81234567);
    ev->flow.last_ns = ev->ts;
    ev->flow.syn_ns = ev->flow.start_ns;
    ev->flow.hist[0] = 'S';
    ev->flow.hist_len = 1;
    fill_end(&ev->flow.end[SW_ORIG], 3141592653u + i);
    ev->flow.end[SW_ORIG].state = SW_ST_SYN_SENT;
    ev->flow.end[SW_ORIG].zstate = SW_Z_SYN_SENT;
    ev->flow.end[SW_RESP].state = SW_ST_LISTEN;
    if (kind == SW_EV_OPENING)
        return;
    fill_end(&ev->flow.end[SW_RESP], 271828182u + i);
    ev->flow.synack_ns = ev->flow.syn_ns + 212345;
    ev->flow.est_ns = ev->flow.syn_ns + 343210;
    memcpy(ev->flow.hist, "ShADadtfFa", ev->flow.hist_len = 10);
    ev->flow.end[SW_ORIG].state = kind == SW_EV_CONN ? SW_ST_TIME_WAIT : SW_ST_ESTABLISHED;
    ev->flow.end[SW_RESP].state = kind == SW_EV_CONN ? SW_ST_CLOSED : SW_ST_ESTABLISHED;
    ev->flow.end[SW_ORIG].zstate = ev->flow.end[SW_RESP].zstate = SW_Z_ESTABLISHED;
    if (kind == SW_EV_CONN) {
        ev->flow.end[SW_ORIG].zstate = ev->flow.end[SW_RESP].zstate = SW_Z_CLOSED;
        ev->flow.reason = SW_WHY_FIN;
        ev->flow.closed_by = 1;
    }
}

static int measure(struct sw_report *r, struct sw_event *ev, const char *name, enum sw_event_kind kind, bool v6,
                   unsigned int few, unsigned long count)
{
    unsigned int different = few ? few : SW_RECORDS;
    double best = 1e9;
    size_t bytes = 0;
    int err;

    for (unsigned int i = 0; i < SW_RECORDS; i++)
        fill(&ev[i], kind, i % different, v6);
    for (int round = 0; round < SW_ROUNDS; round++) {
        double start = now_s();

        bytes = 0;
        for (unsigned long i = 0; i < count; i++) {
            /* without this the cache would know the identity after the first pass over the records */
            if (!few)
                ev[i % SW_RECORDS].key.a_ip[13] = (i / SW_RECORDS) & 0xff;
            err = sw_report_event(r, &ev[i % SW_RECORDS]);
            if (!err && sw_report_pending(r) > 64 * 1024) {
                bytes += sw_report_pending(r);
                err = sw_report_flush(r);
            }
            if (err) {
                fprintf(stderr, "bench: %s\n", strerror(-err));
                return 1;
            }
        }
        if (now_s() - start < best)
            best = now_s() - start;
    }
    printf("%-12s %-4s %-10s %10.0f events/s %7.0f ns/event %6.0f bytes/line\n", name, v6 ? "IPv6" : "IPv4",
           few ? "cached" : "not cached", count / best, best / count * 1e9, (double)bytes / count);
    return 0;
}

/* ns/event: of all, those that a sample leaves out included. */
static int with_labels(struct sw_report_opts opts, struct sw_event *ev, unsigned long count)
{
    static const __u32 samples[] = {1, 10, 1000};
    struct sw_labels labels = {0};
    char why[SW_LABELS_WHY];
    int failed = sw_labels_add(&labels, "dc=fra1", why) || sw_labels_add(&labels, "rack=r7", why) ||
                 sw_labels_add(&labels, "role=edge", why);

    opts.format = SW_FORMAT_JSON;
    opts.summary = false;
    for (int i = 0; i < 4 && !failed; i++) {
        struct sw_report *r = NULL;

        opts.labels = i ? NULL : &labels;
        opts.sample = i ? samples[i - 1] : 1;
        printf("JSON, %s, one of %u connections\n", i ? "no labels" : "three labels", opts.sample);
        failed = sw_report_new(&opts, &r) || sw_report_set_iface(r, 2, "eth0") ||
                 measure(r, ev, "conn", SW_EV_CONN, false, 0, count) ||
                 measure(r, ev, "conn", SW_EV_CONN, false, 64, count);
        sw_report_free(r);
    }
    return failed;
}

int main(void)
{
    const char *env = getenv("SW_BENCH_EVENTS");
    unsigned long count = env ? strtoul(env, NULL, 10) : 1000000;
    struct sw_report_opts opts = {.event_mask = ~0u, .host = "bench.example", .clock_offset_ns = 1764000000000000000};
    struct sw_event *ev = calloc(SW_RECORDS, sizeof(*ev));
    struct sw_report *r = NULL;
    int failed;

    opts.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (!ev || opts.fd < 0 || !count || sw_report_new(&opts, &r) || sw_report_set_iface(r, 2, "eth0")) {
        fprintf(stderr, "bench: cannot start\n");
        failed = 1;
    } else {
        failed = measure(r, ev, "opening", SW_EV_OPENING, false, 0, count) ||
                 measure(r, ev, "established", SW_EV_ESTABLISHED, false, 64, count) ||
                 measure(r, ev, "established", SW_EV_ESTABLISHED, false, 0, count) ||
                 measure(r, ev, "conn", SW_EV_CONN, false, 0, count) ||
                 measure(r, ev, "conn", SW_EV_CONN, false, 64, count) ||
                 measure(r, ev, "conn", SW_EV_CONN, true, 0, count);
    }
    for (int format = SW_FORMAT_JSON; !failed && format <= SW_FORMAT_ECS; format++) {
        static const char *const titles[] = {"JSON, with a summary", "text, without a summary", "Zeek", "ECS"};

        sw_report_free(r);
        r = NULL;
        opts.summary = format == SW_FORMAT_JSON;
        opts.kinds = ~0u;
        opts.format = format;
        printf("%s\n", titles[format]);
        failed = sw_report_new(&opts, &r) || sw_report_set_iface(r, 2, "eth0");
        if (!failed && format != SW_FORMAT_ZEEK) /* which has no such line */
            failed = measure(r, ev, "established", SW_EV_ESTABLISHED, false, 64, count) ||
                     measure(r, ev, "established", SW_EV_ESTABLISHED, false, 0, count);
        failed = failed || measure(r, ev, "conn", SW_EV_CONN, false, 64, count) ||
                 measure(r, ev, "conn", SW_EV_CONN, true, 0, count);
    }
    failed = failed || with_labels(opts, ev, count);
    sw_report_free(r);
    free(ev);
    if (opts.fd >= 0)
        close(opts.fd);
    return failed;
}
