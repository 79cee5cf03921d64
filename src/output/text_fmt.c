/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/text_fmt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define put sw_text_put

char *sw_text_put(char *p, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(p, 512, fmt, ap);
    va_end(ap);
    return p + (n < 512 ? n : 511);
}

char *sw_text_color(const struct sw_lines *l, char *p, const char *color)
{
    return l->color ? put(p, "%s", color) : p;
}

char *sw_text_duration(char *p, __u64 ns)
{
    if (ns < 1000)
        return put(p, "%llu ns", ns);
    if (ns < 1000000)
        return put(p, "%.3g us", ns / 1e3);
    if (ns < SW_SECOND)
        return put(p, "%.3g ms", ns / 1e6);
    if (ns < 100 * SW_SECOND)
        return put(p, "%.3g s", ns / 1e9);
    return put(p, "%llum%02llus", ns / (60 * SW_SECOND), ns / SW_SECOND % 60);
}

/* Local time; a capture is rarely of today, so there the date comes first. */
char *sw_text_clock(const struct sw_lines *l, char *p, __u64 ts)
{
    __s64 ns = (__s64)(ts + (__u64)l->clock_offset);
    const __s64 second = SW_SECOND;
    time_t sec = ns / second - (ns % second < 0);
    struct tm tm;

    if (!localtime_r(&sec, &tm))
        memset(&tm, 0, sizeof(tm));
    p = sw_text_color(l, p, SW_DIM);
    if (l->replay)
        p = put(p, "%04d-%02d-%02d ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    p = put(p, "%02d:%02d:%02d.%06lld", tm.tm_hour, tm.tm_min, tm.tm_sec, (ns % second + second) % second / 1000);
    return sw_text_color(l, p, SW_PLAIN);
}
