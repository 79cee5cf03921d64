/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which metrics there are, and what each is made of. docs/metrics.md shows the same table: a test compares them. */
#include "base/fmt.h"
#include "output/metrics.h"
#include "output/names.h"

#define NAME(prefix, id, name) name,
static const char *const roles[] = {SW_ROLES(NAME)};

static void put_build(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)m;
    (void)arg;
    sw_metric_put(o, "", 1, "version=\"%s\"", SW_VERSION);
}

static void put_running(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    sw_metric_put(o, "", m->running, NULL);
}

static void put_started(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    sw_metric_put(o, "", m->started, NULL);
}

static void put_ifaces(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    char device[IF_NAMESIZE * 3];

    (void)arg;
    for (size_t i = 0; i < m->ifaces_len; i++) {
        const struct sw_metrics_iface *iface = &m->ifaces[i];

        sw_metric_escape(device, iface->name);
        sw_metric_put(o, "", 1, "device=\"%s\",ingress=\"xdp_%s\",egress=\"%s\",shared=\"%s\"", device, iface->ingress,
                      iface->egress, iface->shared ? "true" : "false");
    }
}

static void put_counter(struct sw_metric_out *o, const struct sw_metrics *m, long counter)
{
    sw_metric_put(o, "", m->counters[counter], NULL);
}

/* Those that have no metric of their own. */
static void put_other_counters(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    for (int i = SW_C_TCP + 1; i < SW_C_LOST_OPENING; i++)
        if (i != SW_C_GUARD_LOST)
            sw_metric_put(o, "", m->counters[i], "counter=\"%s\"", sw_name_counter(i)->text);
}

static void put_events(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    for (int kind = 0; kind < SW_EV_MAX; kind++)
        sw_metric_put(o, "", m->counters[SW_C_EMITTED_OPENING + kind], "event=\"%s\"", sw_name_event(kind)->text);
}

/* By the rings. Evicted half-open connections have a metric of their own. */
static void put_lost(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    for (int kind = 0; kind < SW_LOSSES; kind++) {
        const char *name = kind == SW_LOSS_GUARD ? "guard" : sw_name_event(kind)->text;
        __u64 lost = m->counters[kind == SW_LOSS_GUARD ? SW_C_GUARD_LOST : SW_C_LOST_OPENING + kind];

        sw_metric_put(o, "", lost, "event=\"%s\"", name);
    }
}

/* A field that is an __u64: of the instance, or of what only its process knows. */
static void put_field(struct sw_metric_out *o, const struct sw_metrics *m, long offset)
{
    sw_metric_put(o, "", *(const __u64 *)((const char *)m + offset), NULL);
}

static void put_own(struct sw_metric_out *o, const struct sw_metrics *m, long offset)
{
    if (m->own)
        sw_metric_put(o, "", *(const __u64 *)((const char *)m->own + offset), NULL);
}

/* There is none without a file. */
static void put_interval(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    if (m->own && m->own->file_interval_ns)
        sw_metric_put_ns(o, "", m->own->file_interval_ns, NULL);
}

static __u64 count_of(const struct sw_histogram *h)
{
    __u64 n = 0;

    for (__u32 i = 0; i < SW_HG_BUCKETS; i++)
        n += h->bucket[i];
    return n;
}

static void put_attempts(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    for (int role = 0; role < SW_ROLE_MAX; role++) {
        const struct sw_histogram_set *set = &m->roles[role].set;
        const struct {
            const char *error_type;
            __u64 n;
        } outcome[] = {{"", count_of(&set->of[SW_HG_HANDSHAKE]) + set->unmeasured},
                       {"refused", set->ended[SW_WHY_REFUSED]},
                       {"reset", set->ended[SW_WHY_ABORTED]},
                       {"timed_out", set->ended[SW_WHY_UNANSWERED]}};

        for (size_t i = 0; i < sizeof(outcome) / sizeof(outcome[0]); i++)
            sw_metric_put(o, "", outcome[i].n, "role=\"%s\",error_type=\"%s\"", roles[role], outcome[i].error_type);
    }
}

static void put_ended(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    for (int role = 0; role < SW_ROLE_MAX; role++)
        for (int why = SW_WHY_NONE + 1; why < SW_WHY_MAX; why++)
            sw_metric_put(o, "", m->roles[role].set.ended[why], "role=\"%s\",reason=\"%s\"", roles[role],
                          sw_name_reason(why)->text);
}

static void put_unmeasured(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    for (int role = 0; role < SW_ROLE_MAX; role++)
        sw_metric_put(o, "", m->roles[role].set.unmeasured, "role=\"%s\"", roles[role]);
}

/* Upper bounds: powers of two, and with `halves` what is midway between two of them. All are edges of the kernel's
 * buckets, so that each count is exact. */
static const struct {
    __u8 first, last; /* exponents */
    __u8 step;        /* of them */
    bool halves, bytes;
    const char *side; /* NULL: it has none */
} bounds[] = {
    /* 4 us to 69 s */
    [SW_HG_HANDSHAKE] = {.first = 12, .last = 36, .step = 1, .halves = true},
    [SW_HG_SERVER] = {.first = 12, .last = 36, .step = 1},
    [SW_HG_CLIENT] = {.first = 12, .last = 36, .step = 1},
    /* 1 ms to 4.9 h */
    [SW_HG_DURATION] = {.first = 20, .last = 44, .step = 2},
    /* 64 to 1 TiB */
    [SW_HG_ORIG_BYTES] = {.first = 6, .last = 40, .step = 2, .bytes = true, .side = "orig"},
    [SW_HG_RESP_BYTES] = {.first = 6, .last = 40, .step = 2, .bytes = true, .side = "resp"},
};

struct row {
    struct sw_metric_out *o;
    const struct sw_histogram *h;
    char labels[48];
    bool bytes;
    __u32 next;
    __u64 sum; /* of all buckets before `next` */
};

/* As Prometheus writes numbers, so that it need not rename a series; in both formats alike. */
static void bound_text(__u64 le, bool bytes, char ret[32])
{
    int digits = snprintf(NULL, 0, "%llu", le);

    if (!bytes)
        snprintf(ret, 32, "%.15g", (double)le / SW_SECOND);
    else if (digits < 7)
        snprintf(ret, 32, "%llu.0", le);
    else
        snprintf(ret, 32, "%.*e", digits - 1, (double)le);
}

/* How many are below `end`: the label says the highest value of these, as a bound includes itself. */
static void put_bucket(struct row *r, __u64 end)
{
    char text[32];

    while (r->next < sw_histogram_bucket(end))
        r->sum += r->h->bucket[r->next++];
    bound_text(end - 1, r->bytes, text);
    sw_metric_put(r->o, "_bucket", r->sum, "%s,le=\"%s\"", r->labels, text);
}

static void put_histogram(struct sw_metric_out *o, const struct sw_metrics *m, long kind)
{
    for (int role = 0; role < SW_ROLE_MAX; role++) {
        struct row r = {.o = o, .h = &m->roles[role].set.of[kind], .bytes = bounds[kind].bytes};
        const __u64 n = count_of(r.h);

        if (bounds[kind].side)
            snprintf(r.labels, sizeof(r.labels), "role=\"%s\",side=\"%s\"", roles[role], bounds[kind].side);
        else
            snprintf(r.labels, sizeof(r.labels), "role=\"%s\"", roles[role]);
        for (int e = bounds[kind].first; e <= bounds[kind].last; e += bounds[kind].step) {
            put_bucket(&r, 1ull << e);
            if (bounds[kind].halves && e < bounds[kind].last)
                put_bucket(&r, 3ull << (e - 1));
        }
        sw_metric_put(o, "_bucket", n, "%s,le=\"+Inf\"", r.labels);
        if (r.bytes)
            sw_metric_put(o, "_sum", r.h->sum, "%s", r.labels);
        else
            sw_metric_put_ns(o, "_sum", r.h->sum, "%s", r.labels);
        sw_metric_put(o, "_count", n, "%s", r.labels);
    }
}

static void put_bytes(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    put_histogram(o, m, SW_HG_ORIG_BYTES);
    put_histogram(o, m, SW_HG_RESP_BYTES);
}

static void put_services(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    __u64 all = 0, active = 0;

    if (!m->services)
        return;
    for (int i = 1; i < SW_SERVICES; i++) {
        all += !!m->services[i].port;
        active += m->services[i].port && m->services[i].state != SW_GS_CALM;
    }
    sw_metric_put(o, "", arg ? active : all, NULL);
}

static void put_unprotected(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    if (m->services)
        sw_metric_put(o, "", m->services_unprotected, NULL);
}

static void put_translated(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    for (unsigned int i = SW_X_NONE + 1; i < SW_X_MAX && m->gateway; i++)
        sw_metric_put(o, "", m->gateway->by_state[i], "state=\"%s\"", sw_name_xlate_state(i)->text);
}

static void put_translated_max(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    if (m->gateway)
        sw_metric_put(o, "", m->gateway->max, NULL);
}

static void put_gateway_events(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    for (unsigned int i = 0; i < SW_GC_MAX && m->gateway; i++)
        sw_metric_put(o, "", m->gateway->item[i], "event=\"%s\"", sw_name_gateway_counter(i)->text);
}

/* What services counted that are gone, and what belongs to none, has the name "other". */
static bool service_text(const struct sw_metrics *m, int i, char ret[SW_SERVICE_TEXT])
{
    const struct sw_service *s = &m->services[i];

    if (i)
        sw_format_service(s->ip, s->port, s->any, ret);
    else
        snprintf(ret, SW_SERVICE_TEXT, "other");
    return !i || s->port;
}

static void put_service_info(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    char name[SW_SERVICE_TEXT];

    (void)arg;
    for (int i = 1; i < SW_SERVICES && m->services; i++)
        if (service_text(m, i, name))
            sw_metric_put(o, "", 1, "service=\"%s\",mode=\"%s\",backend=\"%s\"", name,
                          sw_name_guard_mode(m->services[i].mode)->text, sw_name_backend(m->services[i].backend)->text);
}

enum { SERVICE_STATE, SERVICE_HALF_OPEN, SERVICE_KERNEL_HALF_OPEN, SERVICE_KERNEL_FULL };

static void put_service(struct sw_metric_out *o, const struct sw_metrics *m, long what)
{
    char name[SW_SERVICE_TEXT];

    for (int i = 1; i < SW_SERVICES && m->services; i++) {
        const struct sw_service *s = &m->services[i];
        const __u64 value[] = {s->state, s->half_open, s->kernel_half_open, !!s->kernel_full};

        if (service_text(m, i, name))
            sw_metric_put(o, "", value[what], "service=\"%s\"", name);
    }
}

static void put_keys(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    if (m->keys.given)
        sw_metric_put(o, "", 1, "use=\"current\",fingerprint=\"%08x\"", m->keys.now);
    if (m->keys.next)
        sw_metric_put(o, "", 1, "use=\"next\",fingerprint=\"%08x\"", m->keys.next_key);
}

static void put_keys_from(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    (void)arg;
    if (m->keys.given)
        sw_metric_put_ns(o, "", m->keys.from, "use=\"current\"");
    if (m->keys.next)
        sw_metric_put_ns(o, "", m->keys.next_from, "use=\"next\"");
}

static void put_tally(struct sw_metric_out *o, const struct sw_metrics *m, long item)
{
    char name[SW_SERVICE_TEXT];

    for (int i = 0; i < SW_SERVICES && m->services; i++)
        if (service_text(m, i, name))
            sw_metric_put(o, "", m->tallies[i].item[item], "service=\"%s\"", name);
}

static void put_dropped(struct sw_metric_out *o, const struct sw_metrics *m, long arg)
{
    char name[SW_SERVICE_TEXT];

    (void)arg;
    for (int i = 0; i < SW_SERVICES && m->services; i++)
        for (int why = SW_DROP_NONE + 1; why < SW_DROP_MAX && service_text(m, i, name); why++)
            sw_metric_put(o, "", m->tallies[i].drop[why], "service=\"%s\",reason=\"%s\"", name,
                          sw_name_drop(why)->text);
}

#define HELP_SYNS "SYNs received"
#define HELP_OPENED "Handshakes that the listener itself began: its SYN-ACKs"
#define HELP_RESOLVED "Of the handshakes opened: completed or reset"
#define HELP_COMPLETED "Of the handshakes opened: completed"
#define HELP_COOKIES_SENT "SYN-ACKs with a cookie"
#define HELP_COOKIES_ACCEPTED "Cookies that opened a connection"
#define HELP_COOKIES_REPLAYED "Further connections that an accepted cookie opened"
#define HELP_PROBES_SENT "Replies to a keepalive that came as the third packet"
#define HELP_RESETS_SENT "RSTs for ACKs of no connection (--stray reset)"
#define HELP_PASSED_KNOWN "SYNs passed: their four-tuple has a socket"
#define HELP_PASSED_ALLOWED "SYNs passed: their source is on the allow list"
#define HELP_PASSED_BACKEND "SYNs passed: the backend could not answer"
#define HELP_PASSED_SOCKET "Other segments without a flow passed: they belong to a socket"
#define HELP_COOKIE_REFUSED "Valid cookies that the kernel rejected (MPTCP listener)"
#define HELP_COOKIE_NO_LISTENER "Valid cookies for which there was no listener any more"
#define HELP_REOPENED "Handshakes taken for completed whose SYN-ACK came again"
#define HELP_KERNEL_COOKIES "SYN-ACKs of the kernel for which it keeps nothing: its own cookies"
#define HELP_OVER_LIMIT "SYNs over --limit-source or --limit-prefix, answered with a cookie"
#define HELP_RESET_UNDONE "Handshakes taken for reset whose SYN-ACK came again"
#define HELP_STRAY_ACKS "With --accept, calm: ACKs of no connection that carry no cookie of the key file"
#define HELP_TIME_WAITS_ENDED "With --accept: sockets in TIME_WAIT that a fresh cookie has ended"
#define TALLY(prefix, id, name)                                                                                        \
    {"synward_guard_" name, SW_METRIC_COUNTER, NULL, "service", HELP_##id, put_tally, prefix##id},

#define FIELD(name) offsetof(struct sw_metrics, name)
#define OWN(name) offsetof(struct sw_metrics_own, name)

const struct sw_metric sw_metrics_table[] = {
    {"synward_build", SW_METRIC_INFO, NULL, "version", "The synward that made these figures", put_build, 0},
    {"synward_running", SW_METRIC_GAUGE, NULL, NULL, "1 while its process runs, 0 if only its pinned programs do",
     put_running, 0},
    {"synward_start_time_seconds", SW_METRIC_GAUGE, "seconds", NULL, "When the process started, since 1970",
     put_started, 0},
    {"synward_interface", SW_METRIC_INFO, NULL, "device,ingress,egress,shared", "Interfaces that are followed, and how",
     put_ifaces, 0},
    {"synward_packets", SW_METRIC_COUNTER, NULL, NULL, "Frames seen, at all hooks", put_counter, SW_C_PACKETS},
    {"synward_tcp_segments", SW_METRIC_COUNTER, NULL, NULL, "TCP segments among them", put_counter, SW_C_TCP},
    {"synward_tracker", SW_METRIC_COUNTER, NULL, "counter", "What else the tracker counts, by the names of stats lines",
     put_other_counters, 0},
    {"synward_events", SW_METRIC_COUNTER, NULL, "event", "Events that the kernel side emitted", put_events, 0},
    {"synward_events_lost", SW_METRIC_COUNTER, NULL, "event", "Events for which a ring to the process had no room",
     put_lost, 0},
    {"synward_flows", SW_METRIC_GAUGE, NULL, NULL, "Established connections in the table, ended ones included",
     put_field, FIELD(flows)},
    {"synward_flows_limit", SW_METRIC_GAUGE, NULL, NULL, "Size of this table (--max-flows)", put_field,
     FIELD(flows_max)},
    {"synward_flows_live", SW_METRIC_GAUGE, NULL, NULL, "Of the established connections: not ended", put_field,
     FIELD(established)},
    {"synward_half_open", SW_METRIC_GAUGE, NULL, NULL, "Half-open connections in the table", put_field,
     FIELD(half_open)},
    {"synward_half_open_limit", SW_METRIC_GAUGE, NULL, NULL, "Size of this table (--max-half-open)", put_field,
     FIELD(half_open_max)},
    {"synward_half_open_evicted", SW_METRIC_COUNTER, NULL, NULL,
     "Half-open connections that others pushed out, or left no place", put_own, OWN(half_open_evicted)},
    {"synward_connection_attempts", SW_METRIC_COUNTER, NULL, "role,error_type",
     "Attempts to connect by outcome; no error_type: the handshake completed", put_attempts, 0},
    {"synward_connections_ended", SW_METRIC_COUNTER, NULL, "role,reason", "Connections that ended, by reason",
     put_ended, 0},
    {"synward_handshakes_unmeasured", SW_METRIC_COUNTER, NULL, "role",
     "Completed handshakes without a time: by a cookie, or without a SYN seen", put_unmeasured, 0},
    {"synward_handshake_duration_seconds", SW_METRIC_HISTOGRAM, "seconds", "role", "From the first SYN to completion",
     put_histogram, SW_HG_HANDSHAKE},
    {"synward_handshake_server_duration_seconds", SW_METRIC_HISTOGRAM, "seconds", "role",
     "From the first SYN to the SYN-ACK", put_histogram, SW_HG_SERVER},
    {"synward_handshake_client_duration_seconds", SW_METRIC_HISTOGRAM, "seconds", "role",
     "From the SYN-ACK to completion", put_histogram, SW_HG_CLIENT},
    {"synward_connection_duration_seconds", SW_METRIC_HISTOGRAM, "seconds", "role",
     "From the first to the last segment of connections that ended", put_histogram, SW_HG_DURATION},
    {"synward_connection_size_bytes", SW_METRIC_HISTOGRAM, "bytes", "role,side",
     "Bytes of the stream that each side of connections that ended has sent", put_bytes, 0},
    {"synward_guard_services", SW_METRIC_GAUGE, NULL, NULL, "Services that are protected", put_services, 0},
    {"synward_guard_services_active", SW_METRIC_GAUGE, NULL, NULL, "Of these: engaged or in grace", put_services, 1},
    {"synward_guard_services_unprotected", SW_METRIC_GAUGE, NULL, NULL,
     "Listening sockets for which there was no place", put_unprotected, 0},
    {"synward_gateway_connections", SW_METRIC_GAUGE, NULL, "state", "Connections that are translated", put_translated,
     0},
    {"synward_gateway_connections_max", SW_METRIC_GAUGE, NULL, NULL, "As many as can be", put_translated_max, 0},
    {"synward_gateway_events", SW_METRIC_COUNTER, NULL, "event", "What became of translated connections",
     put_gateway_events, 0},
    {"synward_guard_service", SW_METRIC_INFO, NULL, "service,mode,backend", "Settings of each service",
     put_service_info, 0},
    {"synward_guard_state", SW_METRIC_GAUGE, NULL, "service", "0: calm, 1: engaged, 2: grace", put_service,
     SERVICE_STATE},
    {"synward_guard_half_open", SW_METRIC_GAUGE, NULL, "service", "Half-open handshakes at the last evaluation",
     put_service, SERVICE_HALF_OPEN},
    {"synward_guard_kernel_half_open", SW_METRIC_GAUGE, NULL, "service", "Sockets of the kernel in SYN-RECEIVED",
     put_service, SERVICE_KERNEL_HALF_OPEN},
    {"synward_guard_kernel_queue_full", SW_METRIC_GAUGE, NULL, "service",
     "1: the kernel's queue of half-open handshakes overflows", put_service, SERVICE_KERNEL_FULL},
    {"synward_guard_key", SW_METRIC_INFO, NULL, "use,fingerprint",
     "Keys of the key file: the one that makes cookies now, and the next one", put_keys, 0},
    {"synward_guard_key_start_timestamp_seconds", SW_METRIC_GAUGE, "seconds", "use",
     "When each of these begins to count, since 1970; 0: it always did", put_keys_from, 0},
    SW_SVC_COUNTERS(TALLY){"synward_guard_dropped", SW_METRIC_COUNTER, NULL, "service,reason",
                           "Packets dropped; if it is monitored: that would have been", put_dropped, 0},
    {"synward_output_lines_lost", SW_METRIC_COUNTER, NULL, NULL, "Lines that the output did not take", put_own,
     OWN(lines_lost)},
    {"synward_readers", SW_METRIC_GAUGE, NULL, NULL, "Readers at the socket (synward events)", put_own, OWN(readers)},
    {"synward_exported_connections", SW_METRIC_COUNTER, NULL, NULL, "Connections whose flow record was sent (--export)",
     put_own, OWN(exported)},
    {"synward_export_lost_connections", SW_METRIC_COUNTER, NULL, NULL,
     "Connections whose flow record could not be sent, or was refused", put_own, OWN(export_lost)},
    {"synward_metrics_file_failures", SW_METRIC_COUNTER, NULL, NULL, "Writes of --metrics-file that failed", put_own,
     OWN(file_failures)},
    {"synward_metrics_file_interval_seconds", SW_METRIC_GAUGE, "seconds", NULL,
     "How often --metrics-file is written (--metrics-interval)", put_interval, 0},
    {"synward_metrics_requests", SW_METRIC_COUNTER, NULL, NULL, "Requests answered with metrics", put_own,
     OWN(requests)},
    {"synward_metrics_connections_refused", SW_METRIC_COUNTER, NULL, NULL,
     "Connections for metrics that were closed without an answer", put_own, OWN(refused)},
    {0},
};
