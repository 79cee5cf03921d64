/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/text_fmt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
    if (ns < 999500) /* it would be rounded to 1e+03 */
        return put(p, "%.3g us", ns / 1e3);
    if (ns < 999500000)
        return put(p, "%.3g ms", ns / 1e6);
    if (ns < 100 * SW_SECOND)
        return put(p, "%.3g s", ns / 1e9);
    return put(p, "%llum%02llus", ns / (60 * SW_SECOND), ns / SW_SECOND % 60);
}

static const struct tm *civil_time(struct sw_lines *l, __u64 ts, __s64 *ret_ns)
{
    const __s64 second = SW_SECOND, ns = (__s64)(ts + (__u64)l->clock_offset);
    time_t sec = ns / second - (ns % second < 0);

    *ret_ns = (ns % second + second) % second;
    if (l->tm_known && l->tm_sec == sec)
        return &l->tm;
    if (!(l->utc ? gmtime_r : localtime_r)(&sec, &l->tm))
        memset(&l->tm, 0, sizeof(l->tm));
    l->tm_sec = sec;
    l->tm_known = true;
    return &l->tm;
}

/* "UTC", "CET (UTC+01:00)", and without a name of letters "UTC+05:45". */
static char *put_zone(const struct sw_lines *l, char *p, const struct tm *tm)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const char *name = l->utc ? "UTC" : tm->tm_zone ? tm->tm_zone : "";
    long off = tm->tm_gmtoff, positive = off < 0 ? -off : off;
    bool named = *name && strlen(name) < 8 && !name[strspn(name, letters)];

    if (!off && (!named || !strcmp(name, "UTC")))
        return put(p, "UTC");
    if (named)
        p = put(p, "%s (", name);
    p = put(p, "UTC%c%02ld:%02ld", off < 0 ? '-' : '+', positive / 3600, positive / 60 % 60);
    if (positive % 60)
        p = put(p, ":%02ld", positive % 60);
    return named ? put(p, ")") : p;
}

char *sw_text_heading(struct sw_lines *l, char *p, __u64 ts)
{
    bool dated = l->wide && l->replay; /* its lines are */
    struct sw_heading *last = &l->heading;
    const struct tm *tm;
    __s64 ns;

    tm = civil_time(l, ts, &ns);
    if (l->no_heading || (last->shown && last->off == tm->tm_gmtoff &&
                          (dated || (last->day == tm->tm_yday && last->year == tm->tm_year))))
        return p;
    *last = (struct sw_heading){.shown = true, .off = tm->tm_gmtoff, .day = tm->tm_yday, .year = tm->tm_year};
    p = sw_text_color(l, p, SW_DIM);
    p = put(p, "# %04d-%02d-%02d, times in ", tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday);
    p = put_zone(l, p, tm);
    if (l->sample > 1)
        p = put(p, ", one of %u connections", l->sample);
    p = sw_text_color(l, p, SW_PLAIN);
    *p++ = '\n';
    return p;
}

char *sw_text_time(struct sw_lines *l, char *p, __u64 ts, int digits)
{
    const struct tm *tm;
    __s64 ns;

    tm = civil_time(l, ts, &ns);
    p = put(p, "%02d:%02d:%02d", tm->tm_hour, tm->tm_min, tm->tm_sec);
    return digits == 3 ? put(p, ".%03lld", ns / 1000000) : put(p, ".%06lld", ns / 1000);
}

/* A capture is rarely of today, so there the date comes first. */
char *sw_text_clock(struct sw_lines *l, char *p, __u64 ts)
{
    const struct tm *tm;
    __s64 ns;

    p = sw_text_color(l, sw_text_heading(l, p, ts), SW_DIM);
    tm = civil_time(l, ts, &ns);
    if (l->replay)
        p = put(p, "%04d-%02d-%02d ", tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday);
    return sw_text_color(l, sw_text_time(l, p, ts, 6), SW_PLAIN);
}
