/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/metrics.h"

#include "base/fmt.h"

#include <stdarg.h>
#include <stdlib.h>

#define COMMON_ROOM 8192 /* 64 interfaces with their longest names */

struct sw_metric_out {
    FILE *f;
    const struct sw_metric *metric;
    char common[COMMON_ROOM]; /* labels of this instance, without braces */
};

static const char *const type_names[][SW_METRICS_FORMATS] = {
    [SW_METRIC_COUNTER] = {"counter", "counter"},
    [SW_METRIC_GAUGE] = {"gauge", "gauge"},
    [SW_METRIC_INFO] = {"gauge", "info"},
    [SW_METRIC_HISTOGRAM] = {"histogram", "histogram"},
};

const char *sw_metric_suffix(enum sw_metric_type type)
{
    return type == SW_METRIC_COUNTER ? "_total" : type == SW_METRIC_INFO ? "_info" : "";
}

const char *sw_metrics_content_type(enum sw_metrics_format format)
{
    return format == SW_METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                            : "text/plain; version=0.0.4; charset=utf-8";
}

/* What is no text of one line becomes U+FFFD. */
void sw_metric_escape(char *ret, const char *text)
{
    const __u8 *in = (const __u8 *)text;

    while (*in) {
        int n = 1, skip = 1;

        if (*in >= 0x80)
            n = sw_utf8_len(in, &skip);
        if (!n || *in < 0x20 || *in == 0x7f || (in[0] == 0xc2 && in[1] < 0xa0)) {
            memcpy(ret, "\xef\xbf\xbd", 3);
            ret += 3;
            in += n ? n : skip;
            continue;
        }
        if (*in == '"' || *in == '\\')
            *ret++ = '\\';
        memcpy(ret, in, n);
        ret += n;
        in += n;
    }
    *ret = 0;
}

static void put_name(const struct sw_metric_out *o, const char *suffix, const char *labels, va_list ap)
{
    fprintf(o->f, "%s%s%s", o->metric->name, sw_metric_suffix(o->metric->type), suffix);
    if (!labels && !*o->common)
        return;
    fprintf(o->f, "{%s%s", o->common, labels && *o->common ? "," : "");
    if (labels)
        vfprintf(o->f, labels, ap);
    putc('}', o->f);
}

void sw_metric_put(struct sw_metric_out *o, const char *suffix, __u64 value, const char *labels, ...)
{
    va_list ap;

    va_start(ap, labels);
    put_name(o, suffix, labels, ap);
    va_end(ap);
    fprintf(o->f, " %llu\n", value);
}

void sw_metric_put_ns(struct sw_metric_out *o, const char *suffix, __u64 ns, const char *labels, ...)
{
    va_list ap;

    va_start(ap, labels);
    put_name(o, suffix, labels, ap);
    va_end(ap);
    fprintf(o->f, " %llu.%09llu\n", ns / SW_SECOND, ns % SW_SECOND);
}

/* Text has the name of the samples in its comments, OpenMetrics that of their family. */
static void put_head(const struct sw_metric_out *o, enum sw_metrics_format format)
{
    const struct sw_metric *of = o->metric;
    const char *suffix = format == SW_METRICS_OPENMETRICS ? "" : sw_metric_suffix(of->type);

    fprintf(o->f, "# HELP %s%s %s.\n# TYPE %s%s %s\n", of->name, suffix, of->help, of->name, suffix,
            type_names[of->type][format]);
    if (of->unit && format == SW_METRICS_OPENMETRICS)
        fprintf(o->f, "# UNIT %s %s\n", of->name, of->unit);
}

/* By namespace and interfaces, which remain over a restart, as a pid would not. */
static void set_common(struct sw_metric_out *o, const struct sw_metrics *m, bool named)
{
    char *p = o->common, *end = o->common + sizeof(o->common);

    *p = 0;
    if (!named)
        return;
    p += snprintf(p, end - p, "netns=\"%llu\",interfaces=\"", m->netns);
    for (size_t i = 0; i < m->ifaces_len; i++) {
        char name[IF_NAMESIZE * 3];

        sw_metric_escape(name, m->ifaces[i].name);
        if (p + sizeof(name) + 2 < end)
            p += snprintf(p, end - p, "%s%s", i ? "," : "", name);
    }
    snprintf(p, end - p, "\"");
}

void sw_metrics_print(const struct sw_metrics *m, size_t len, bool named, enum sw_metrics_format format, FILE *out)
{
    struct sw_metric_out o = {.f = out};

    for (o.metric = sw_metrics_table; o.metric->name; o.metric++) {
        put_head(&o, format);
        for (size_t i = 0; i < len; i++) {
            set_common(&o, &m[i], named);
            o.metric->put(&o, &m[i], o.metric->arg);
        }
    }
    if (format == SW_METRICS_OPENMETRICS)
        fputs("# EOF\n", out);
}
