/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What both formats share: names, times, identities, and their caches. */
#include "output/json.h"

#include <errno.h>
#include <stdlib.h>

const char sw_digits[201] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

char *sw_put_u64_long(char *p, __u64 v)
{
    char tmp[20], *q = tmp + sizeof(tmp);
    size_t n;

    while (v >= 100) {
        q -= 2;
        memcpy(q, sw_digits + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10) {
        q -= 2;
        memcpy(q, sw_digits + 2 * v, 2);
    } else {
        *--q = '0' + v;
    }
    n = tmp + sizeof(tmp) - q;
    memcpy(p, q, n);
    return p + n;
}

/* Length of the well-formed UTF-8 sequence at in (Unicode table 3-7), or 0 with *ret_skip bytes of an ill-formed one.
 */
static int utf8_len(const __u8 *in, int *ret_skip)
{
    __u8 lo = 0x80, hi = 0xbf;
    int n;

    *ret_skip = 1;
    if (in[0] >= 0xc2 && in[0] <= 0xdf)
        n = 2;
    else if (in[0] >= 0xe0 && in[0] <= 0xef)
        n = 3;
    else if (in[0] >= 0xf0 && in[0] <= 0xf4)
        n = 4;
    else
        return 0;
    if (in[0] == 0xe0)
        lo = 0xa0;
    else if (in[0] == 0xed)
        hi = 0x9f;
    else if (in[0] == 0xf0)
        lo = 0x90;
    else if (in[0] == 0xf4)
        hi = 0x8f;
    for (int i = 1; i < n; i++, lo = 0x80, hi = 0xbf) {
        if (in[i] < lo || in[i] > hi) {
            *ret_skip = i;
            return 0;
        }
    }
    return n;
}

static char *put_escape(char *p, unsigned int c)
{
    static const char hex[] = "0123456789abcdef";

    *p++ = '\\';
    switch (c) {
    case '"':
    case '\\': *p++ = c; return p;
    case '\b': *p++ = 'b'; return p;
    case '\f': *p++ = 'f'; return p;
    case '\n': *p++ = 'n'; return p;
    case '\r': *p++ = 'r'; return p;
    case '\t': *p++ = 't'; return p;
    default: break;
    }
    memcpy(p, "u00", 3);
    p[3] = hex[c >> 4];
    p[4] = hex[c & 15];
    return p + 5;
}

char *sw_json_escape(char *p, const char *text)
{
    const __u8 *in = (const __u8 *)text;

    while (*in) {
        int skip, n;

        if (*in < 0x80) {
            if (*in < 0x20 || *in == 0x7f || *in == '"' || *in == '\\')
                p = put_escape(p, *in);
            else
                *p++ = *in;
            in++;
            continue;
        }
        n = utf8_len(in, &skip);
        if (!n) {
            memcpy(p, "\xef\xbf\xbd", 3);
            p += 3;
            in += skip;
        } else if (in[0] == 0xc2 && in[1] < 0xa0) {
            p = put_escape(p, in[1]);
            in += n;
        } else {
            memcpy(p, in, n);
            p += n;
            in += n;
        }
    }
    return p;
}

static char *escaped(const char *in, size_t *ret_len)
{
    char *out = malloc(6 * strlen(in) + 1);

    if (!out)
        return NULL;
    *ret_len = sw_json_escape(out, in) - out;
    out[*ret_len] = 0;
    return out;
}

/* Civil date of a day counted from 1970-01-01, proleptic Gregorian: years from March, eras of 400 years. */
static void civil(__s64 day, int *ret_y, int *ret_m, int *ret_d)
{
    __s64 z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned int doe = z - era * 146097;
    unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned int mp = (5 * doy + 2) / 153;

    *ret_d = doy - (153 * mp + 2) / 5 + 1;
    *ret_m = mp < 10 ? mp + 3 : mp - 9;
    *ret_y = yoe + era * 400 + (*ret_m <= 2);
}

static char *put_two(char *p, unsigned int v, char after)
{
    memcpy(p, sw_digits + 2 * v, 2);
    p[2] = after;
    return p + 3;
}

char *sw_put_time(struct sw_lines *l, char *p, __s64 ns)
{
    __s64 sec = ns / 1000000000;
    __s32 frac = ns % 1000000000;
    struct sw_second *s;

    if (frac < 0) {
        frac += 1000000000;
        sec--;
    }
    s = &l->seconds[sec & (SW_SECONDS - 1)];
    if (s->sec != sec || !s->text[0]) {
        __s64 day = sec / 86400;
        int in_day = sec % 86400, y, m, d;
        char *q = s->text;

        if (in_day < 0) {
            in_day += 86400;
            day--;
        }
        civil(day, &y, &m, &d); /* 1677 to 2262: what 64 bits of nanoseconds hold */
        s->sec = sec;
        memcpy(q, sw_digits + 2 * (y / 100), 2);
        q = put_two(q + 2, y % 100, '-');
        q = put_two(q, m, '-');
        q = put_two(q, d, 'T');
        q = put_two(q, in_day / 3600, ':');
        q = put_two(q, in_day / 60 % 60, ':');
        put_two(q, in_day % 60, '.');
    }
    memcpy(p, s->text, 20);
    p[20] = '0' + frac / 100000000;
    memcpy(p + 21, sw_digits + 2 * (frac / 1000000 % 100), 2);
    memcpy(p + 23, sw_digits + 2 * (frac / 10000 % 100), 2);
    memcpy(p + 25, sw_digits + 2 * (frac / 100 % 100), 2);
    memcpy(p + 27, sw_digits + 2 * (frac % 100), 2);
    p[29] = 'Z';
    return p + 30;
}

int sw_lines_init(struct sw_lines *l, const struct sw_report_opts *opts)
{
    size_t len = 0;

    l->clock_offset = opts->clock_offset_ns;
    l->cid_seed = opts->cid_seed;
    l->color = opts->color;
    l->replay = opts->replay;
    l->unnamed.text = l->unnamed_text;
    l->host = escaped(opts->host ? opts->host : "", &l->host_len);
    l->capture.text = escaped(opts->iface ? opts->iface : "", &len);
    l->capture.len = len;
    l->iface_max = len > sizeof(l->unnamed_text) ? len : sizeof(l->unnamed_text);
    return l->host && l->capture.text ? 0 : -ENOMEM;
}

void sw_lines_fini(struct sw_lines *l)
{
    for (size_t i = 0; i < l->ifaces_len; i++)
        free(l->ifaces[i].text);
    free(l->ifaces);
    free(l->capture.text);
    free(l->host);
}

int sw_lines_set_iface(struct sw_lines *l, __u32 ifindex, const char *name)
{
    struct sw_iface_text *more;
    size_t len, i;
    char *text = escaped(name, &len);

    if (!text)
        return -ENOMEM;
    for (i = 0; i < l->ifaces_len && l->ifaces[i].ifindex != ifindex; i++)
        ;
    if (i == l->ifaces_len) {
        more = reallocarray(l->ifaces, l->ifaces_len + 1, sizeof(*more));
        if (!more) {
            free(text);
            return -ENOMEM;
        }
        l->ifaces = more;
        l->ifaces_len++;
    } else {
        free(l->ifaces[i].text);
    }
    l->ifaces[i] = (struct sw_iface_text){.ifindex = ifindex, .len = len, .text = text};
    if (len > l->iface_max)
        l->iface_max = len;
    return 0;
}

const struct sw_iface_text *sw_lines_iface(struct sw_lines *l, const struct sw_event *ev)
{
    /* the sweep has no interface of its own */
    return sw_lines_iface_at(l, ev->ifindex ? ev->ifindex : ev->flow.ifindex);
}

const struct sw_iface_text *sw_lines_iface_at(struct sw_lines *l, __u32 ifindex)
{
    if (l->replay)
        return &l->capture;
    if (l->last_iface < l->ifaces_len && l->ifaces[l->last_iface].ifindex == ifindex)
        return &l->ifaces[l->last_iface];
    for (size_t i = 0; i < l->ifaces_len; i++) {
        if (l->ifaces[i].ifindex == ifindex) {
            l->last_iface = i;
            return &l->ifaces[i];
        }
    }
    l->unnamed_text[0] = '#';
    l->unnamed.len = sw_put_u64(l->unnamed_text + 1, ifindex) - l->unnamed_text;
    return &l->unnamed;
}

const struct sw_ids *sw_lines_ids(struct sw_lines *l, const struct sw_key *key, __u64 start_ns)
{
    __u64 a, b, h;
    struct sw_ids *ids;

    memcpy(&a, key->a_ip + 8, 8);
    memcpy(&b, key->b_ip + 8, 8);
    h = (a ^ b * 0x9e3779b97f4a7c15ULL ^ (__u64)key->a_port << 16 ^ key->b_port) * 0xff51afd7ed558ccdULL;
    ids = &l->ids[h >> 32 & (SW_IDS - 1)];
    if (!ids->cid[0] || memcmp(&ids->key, key, sizeof(*key))) {
        ids->key = *key;
        sw_put_community_id(ids->cid, key, l->cid_seed);
    } else if (ids->start_ns == start_ns) {
        return ids;
    }
    ids->start_ns = start_ns;
    sw_put_uid(ids->uid, key, start_ns);
    return ids;
}

size_t sw_lines_room(const struct sw_lines *l)
{
    return 8192 + l->host_len + l->iface_max;
}
