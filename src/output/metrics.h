/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The figures of instances in the exposition formats of Prometheus. One table says which metrics there are, and both
 * formats and the documents follow it. Labels are bounded: roles, names of the contract's lists, this host's interfaces
 * and services; never the address of a peer.
 */
#ifndef SW_OUTPUT_METRICS_H
#define SW_OUTPUT_METRICS_H

#include "base/key_state.h"
#include "synward_histogram.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Prometheus' text format 0.0.4; OpenMetrics 1.0.0. */
enum sw_metrics_format { SW_METRICS_TEXT, SW_METRICS_OPENMETRICS, SW_METRICS_FORMATS };

struct sw_metrics_iface {
    char name[IF_NAMESIZE];
    const char *ingress, *egress; /* "native", "tcx" */
    bool shared;
};

/* What only the process itself knows. */
struct sw_metrics_own {
    __u64 half_open_evicted;
    __u64 lines_lost;    /* that standard output or its file did not take */
    __u64 readers;       /* at the socket */
    __u64 file_failures; /* writes of --metrics-file */
    __u64 file_interval_ns;
    __u64 requests, refused;
    __u64 exported, export_lost; /* connections, by --export */
};

struct sw_metrics {
    bool running; /* its process; else its pinned state is left */
    __u64 netns;
    __s64 started; /* seconds since 1970 */
    const struct sw_metrics_iface *ifaces;
    size_t ifaces_len;
    __u64 counters[SW_C_MAX];
    __u64 flows, flows_max, established, half_open, half_open_max;
    const struct sw_histograms *roles;     /* SW_ROLE_MAX of them */
    const struct sw_service *services;     /* NULL: no guard; else SW_SERVICES, and so many of */
    const struct sw_svc_counters *tallies; /* sums over CPUs */
    __u64 services_unprotected;
    const struct sw_gateway_state *gateway; /* NULL: none that translates */
    struct sw_key_state keys;               /* not given: without a key file */
    const struct sw_metrics_own *own;       /* NULL: it is another process */
};

/* All metrics of these instances. named: each has labels that tell it from the others. */
void sw_metrics_print(const struct sw_metrics *m, size_t len, bool named, enum sw_metrics_format format, FILE *out);
const char *sw_metrics_content_type(enum sw_metrics_format format);

enum sw_metric_type { SW_METRIC_COUNTER, SW_METRIC_GAUGE, SW_METRIC_INFO, SW_METRIC_HISTOGRAM };

struct sw_metric_out; /* opaque */

struct sw_metric {
    const char *name; /* in OpenMetrics' way: without _total or _info */
    enum sw_metric_type type;
    const char *unit;   /* as the name ends; NULL: none */
    const char *labels; /* joined by commas; NULL: none */
    const char *help;   /* a phrase */
    void (*put)(struct sw_metric_out *o, const struct sw_metrics *m, long arg);
    long arg;
};

extern const struct sw_metric sw_metrics_table[]; /* ends with a name of NULL */
const char *sw_metric_suffix(enum sw_metric_type type);

/* For put of the table: one sample. labels are a format, or NULL. */
__attribute__((format(printf, 4, 5))) void sw_metric_put(struct sw_metric_out *o, const char *suffix, __u64 value,
                                                         const char *labels, ...);
/* The same with a value in nanoseconds, shown as seconds. */
__attribute__((format(printf, 4, 5))) void sw_metric_put_ns(struct sw_metric_out *o, const char *suffix, __u64 ns,
                                                            const char *labels, ...);
/* Any bytes as a label's value: at most 3 for each, and a terminating zero. */
void sw_metric_escape(char *ret, const char *in);

#endif
