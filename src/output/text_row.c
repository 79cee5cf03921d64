/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/text_row.h"
#include "base/fmt.h"
#include "base/ip.h"
#include "output/text_fmt.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TIME_COLUMNS 12  /* 05:51:01.569 */
#define EVENT_COLUMNS 11 /* established */
#define PAIR_COLUMNS 44  /* of two IPv6 endpoints that are shortened; two of IPv4 never need more than 46 */
#define PAIR_ALIGNED 46
#define ONE_COLUMNS 24 /* of one */
#define ENDPOINT 64    /* room for the text of one */

static void append(char *to, size_t room, const char *fmt, va_list ap)
{
    size_t used = strlen(to);

    vsnprintf(to + used, room - used, fmt, ap);
}

void sw_text_detail(struct sw_text_row *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    append(r->detail, sizeof(r->detail), fmt, ap);
    va_end(ap);
}

void sw_text_brief(struct sw_text_row *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    append(r->brief, sizeof(r->brief), fmt, ap);
    va_end(ap);
}

void sw_text_more(struct sw_text_row *r, const char *fmt, ...)
{
    va_list ap;

    if (r->mores == SW_TEXT_MORE)
        return;
    va_start(ap, fmt);
    append(r->more[r->mores++], sizeof(r->more[0]), fmt, ap);
    va_end(ap);
}

static const char *scaled(__u64 n, __u64 plain, int digits, sw_text_value buf)
{
    static const char unit[] = " kMGTPE";
    double v = n;
    int i = 0;

    if (n < plain) {
        snprintf(buf, SW_TEXT_VALUE, "%llu", n);
        return buf;
    }
    while (v >= 999.5 && i < 6) {
        v /= 1000;
        i++;
    }
    snprintf(buf, SW_TEXT_VALUE, "%.*f%c", v < 9.95 ? digits - 1 : v < 99.5 ? digits - 2 : 0, v, unit[i]);
    return buf;
}

const char *sw_text_count(__u64 n, sw_text_value buf)
{
    return scaled(n, 100000, 3, buf);
}

const char *sw_text_count_brief(__u64 n, sw_text_value buf)
{
    return scaled(n, 10000, 2, buf);
}

const char *sw_text_span(__u64 ns, sw_text_value buf)
{
    unsigned long long s = ns / SW_SECOND;

    if (s < 100)
        *sw_text_duration(buf, ns) = 0;
    else if (s < 6000)
        snprintf(buf, SW_TEXT_VALUE, "%llum%02llus", s / 60, s % 60);
    else if (s < 360000)
        snprintf(buf, SW_TEXT_VALUE, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        snprintf(buf, SW_TEXT_VALUE, "%llud", s / 86400);
    return buf;
}

const char *sw_text_span_brief(__u64 ns, sw_text_value buf)
{
    static const struct {
        __u64 below, ns;
        const char *name;
    } unit[] = {{1000, 1, "ns"},
                {1000000, 1000, "us"},
                {SW_SECOND, 1000000, "ms"},
                {100 * SW_SECOND, SW_SECOND, "s"},
                {6000 * SW_SECOND, 60 * SW_SECOND, "m"},
                {360000 * SW_SECOND, 3600 * SW_SECOND, "h"},
                {~0ULL, 86400 * SW_SECOND, "d"}};
    int i = 0;

    while (ns >= unit[i].below && unit[i].below != ~0ULL)
        i++;
    snprintf(buf, SW_TEXT_VALUE, "%llu%s", ns / unit[i].ns, unit[i].name);
    return buf;
}

/*
 * An IPv6 address with `keep` of its groups, more of them from its end, where addresses of one network differ. As many
 * as it has, or more: the whole.
 */
static char *put_groups(char *p, const __u8 ip[16], int keep)
{
    char text[SW_IP_LEN + 1], *at = text;
    int colons = 0, head = keep / 2, tail = keep - head;

    sw_format_ip(ip, text);
    for (const char *c = text; *c; c++)
        colons += *c == ':';
    if (keep > colons)
        return stpcpy(p, text);
    for (int i = 0; i < head; i++)
        at = strchr(at, ':') + 1;
    memcpy(p, text, at - text);
    p = stpcpy(p + (at - text), "~");
    at = text;
    for (int i = 0; i <= colons - tail; i++)
        at = strchr(at, ':') + 1;
    return stpcpy(p, at - 1);
}

static size_t put_end(char *text, const struct sw_text_end *e, int keep)
{
    char *p = text;

    if ((e->any && e->any <= SW_NET) || sw_ip_is_v4(e->ip)) {
        p = sw_put_service(text, e->ip, e->port, e->any);
    } else {
        *p++ = '[';
        p = put_groups(p, e->ip, keep);
        *p++ = ']';
        if (e->any)
            p += sprintf(p, "/%u", e->any - SW_NET);
        p += sprintf(p, ":%u", ntohs(e->port));
    }
    *p = 0;
    return p - text;
}

/* Both in at most `columns`, as far as IPv6 addresses can be shortened: the longer one loses a group first. */
static size_t put_ends(char text[2][ENDPOINT], const struct sw_text_row *r, size_t columns)
{
    size_t len[2] = {0}, arrow = r->ends == 2 ? 4 : 0;
    int keep[2] = {8, 8}, longer;

    for (int i = 0; i < 2 && i < r->ends; i++)
        len[i] = put_end(text[i], &r->end[i], keep[i]);
    while (len[0] + len[1] + arrow > columns && (keep[0] > 2 || keep[1] > 2)) {
        longer = keep[1] > 2 && (len[1] > len[0] || keep[0] <= 2);
        keep[longer]--;
        if (longer < r->ends)
            len[longer] = put_end(text[longer], &r->end[longer], keep[longer]);
    }
    return len[0] + len[1] + arrow;
}

char *sw_text_endpoint(char *p, const struct sw_text_end *end, size_t columns)
{
    const struct sw_text_row r = {.ends = 1, .end = {*end}};
    char text[2][ENDPOINT];

    put_ends(text, &r, columns);
    return stpcpy(p, text[0]);
}

char *sw_text_pair(char *p, const struct sw_text_end end[2], size_t columns)
{
    const struct sw_text_row r = {.ends = 2, .end = {end[0], end[1]}};
    char text[2][ENDPOINT];

    put_ends(text, &r, columns);
    return stpcpy(stpcpy(stpcpy(p, text[0]), " -> "), text[1]);
}

/* What of the line is shown: the endpoints' width, the detail, the columns of the event's name. */
struct layout {
    char end[2][ENDPOINT];
    size_t ends, event;
    char *detail;
};

static size_t over(const struct layout *lay)
{
    size_t detail = strlen(lay->detail), rest = SW_TEXT_COLUMNS - TIME_COLUMNS - 2 - lay->event;
    size_t need = lay->ends + (lay->ends && detail) + detail;

    return need > rest ? need - rest : 0;
}

static void fit(struct layout *lay, struct sw_text_row *r)
{
    size_t name = strlen(r->event), excess;

    lay->event = EVENT_COLUMNS;
    lay->detail = r->detail;
    lay->ends = put_ends(lay->end, r, ~0UL);
    if (over(lay) && r->ends)
        lay->ends = put_ends(lay->end, r, r->ends == 2 ? PAIR_COLUMNS : ONE_COLUMNS);
    if (over(lay) && *r->brief)
        lay->detail = r->brief;
    excess = over(lay);
    lay->event -= excess < EVENT_COLUMNS - name ? excess : EVENT_COLUMNS - name;
    excess = over(lay);
    if (excess) {
        size_t len = strlen(lay->detail) - excess;

        lay->detail[len - 1] = '~';
        lay->detail[len] = 0;
    }
}

/* The detail stands in a column of its own while there is room for that. */
static size_t gap(struct sw_lines *l, const struct layout *lay, size_t left)
{
    size_t want;

    if (lay->ends > (size_t)l->width && lay->ends <= PAIR_ALIGNED)
        l->width = lay->ends;
    want = (lay->ends > (size_t)l->width ? lay->ends : (size_t)l->width) + 2 - lay->ends;
    return want < left ? want : left;
}

static char *put_row(struct sw_lines *l, char *p, struct sw_text_row *r, const struct layout *lay)
{
    size_t left, detail = strlen(lay->detail);

    p = sw_text_color(l, p, r->color && !r->dim ? r->color : "");
    p = stpcpy(p, r->event);
    p = sw_text_color(l, p, r->color && !r->dim ? SW_PLAIN : "");
    left = SW_TEXT_COLUMNS - TIME_COLUMNS - 2 - lay->event - lay->ends - detail;
    if (lay->ends || detail || r->mores)
        p += sprintf(p, "%*s", (int)(lay->event - strlen(r->event)) + 1, "");
    for (int i = 0; i < r->ends; i++)
        p = stpcpy(stpcpy(p, i ? " -> " : ""), lay->end[i]);
    if (lay->ends && (detail || r->mores)) {
        size_t n = gap(l, lay, left);

        p += sprintf(p, "%*s", (int)n, "");
        left -= n;
    }
    p = stpcpy(p, lay->detail);
    for (int i = 0; i < r->mores && lay->detail == r->detail; i++) {
        size_t n = strlen(r->more[i]);

        if (n > left)
            continue;
        p = stpcpy(p, r->more[i]);
        left -= n;
    }
    while (p[-1] == ' ')
        p--;
    return p;
}

char *sw_text_row(struct sw_lines *l, char *p, __u64 ts, struct sw_text_row *r)
{
    struct layout lay;

    fit(&lay, r);
    p = sw_text_heading(l, p, ts);
    p = sw_text_color(l, p, r->dim ? SW_DIM : "");
    p = sw_text_time(l, p, ts, 3);
    *p++ = ' ';
    p = put_row(l, p, r, &lay);
    p = sw_text_color(l, p, r->dim ? SW_PLAIN : "");
    *p++ = '\n';
    return p;
}
