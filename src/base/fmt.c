/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/fmt.h"
#include "synward.h"

#include <arpa/inet.h>

const char sw_digits[201] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

/* How many decimal digits, of v > 0. */
static int digits_of(__u64 v)
{
    static const __u64 power[20] = {0ULL,
                                    10ULL,
                                    100ULL,
                                    1000ULL,
                                    10000ULL,
                                    100000ULL,
                                    1000000ULL,
                                    10000000ULL,
                                    100000000ULL,
                                    1000000000ULL,
                                    10000000000ULL,
                                    100000000000ULL,
                                    1000000000000ULL,
                                    10000000000000ULL,
                                    100000000000000ULL,
                                    1000000000000000ULL,
                                    10000000000000000ULL,
                                    100000000000000000ULL,
                                    1000000000000000000ULL,
                                    10000000000000000000ULL};
    const int about = (64 - __builtin_clzll(v)) * 1233 >> 12; /* bits * log10(2), one too few at most */

    return about + (v >= power[about]);
}

char *sw_put_u64_long(char *p, __u64 v)
{
    char *const end = p + digits_of(v | 1), *q = end;

    while (v >= 100) {
        q -= 2;
        memcpy(q, sw_digits + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10)
        memcpy(p, sw_digits + 2 * v, 2);
    else
        *p = '0' + v;
    return end;
}

/* Unicode table 3-7. */
int sw_utf8_len(const __u8 *in, int *ret_skip)
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
        n = sw_utf8_len(in, &skip);
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

char *sw_put_second(char *p, __s64 sec)
{
    __s64 day = sec / 86400;
    int in_day = sec % 86400, y, m, d;

    if (in_day < 0) {
        in_day += 86400;
        day--;
    }
    civil(day, &y, &m, &d); /* 1677 to 2262: what 64 bits of nanoseconds hold */
    memcpy(p, sw_digits + 2 * (y / 100), 2);
    p = put_two(p + 2, y % 100, '-');
    p = put_two(p, m, '-');
    p = put_two(p, d, 'T');
    p = put_two(p, in_day / 3600, ':');
    p = put_two(p, in_day / 60 % 60, ':');
    return put_two(p, in_day % 60, '.');
}

static char *put_hex16(char *p, unsigned int v)
{
    static const char hex[] = "0123456789abcdef";

    if (v >= 0x1000)
        *p++ = hex[v >> 12];
    if (v >= 0x100)
        *p++ = hex[v >> 8 & 15];
    if (v >= 0x10)
        *p++ = hex[v >> 4 & 15];
    *p++ = hex[v & 15];
    return p;
}

/* RFC 5952: lower case, no leading zeros, the first of the longest runs of two or more zero groups is "::". */
static char *put_ip6(char *p, const __u8 ip[16])
{
    unsigned int group[8];
    int best = -1, best_len = 1;

    for (int i = 0; i < 8; i++)
        group[i] = ip[2 * i] << 8 | ip[2 * i + 1];
    for (int i = 0; i < 8; i++) {
        int n = 0;

        while (i + n < 8 && !group[i + n])
            n++;
        if (n > best_len) {
            best = i;
            best_len = n;
        }
        i += n;
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            *p++ = ':';
            *p++ = ':';
            i += best_len - 1;
            continue;
        }
        if (i && i != best + best_len)
            *p++ = ':';
        p = put_hex16(p, group[i]);
    }
    return p;
}

char *sw_put_ip(char *p, const __u8 ip[16])
{
    if (!sw_ip_is_v4(ip))
        return put_ip6(p, ip);
    for (int i = 12; i < 16; i++) {
        p = sw_put_u8(p, ip[i]);
        *p++ = '.';
    }
    return p - 1;
}

void sw_format_ip(const __u8 ip[16], char *buf)
{
    *sw_put_ip(buf, ip) = 0;
}

char *sw_put_endpoint(char *p, const __u8 ip[16], __be16 port)
{
    bool v4 = sw_ip_is_v4(ip);

    if (!v4)
        *p++ = '[';
    p = sw_put_ip(p, ip);
    if (!v4)
        *p++ = ']';
    *p++ = ':';
    return sw_put_u64(p, ntohs(port));
}

char *sw_put_net(char *p, const __u8 ip[16], __u8 any, bool brackets)
{
    bool v4 = sw_ip_is_v4(ip);

    brackets = brackets && !v4;
    if (brackets)
        *p++ = '[';
    p = sw_put_ip(p, ip);
    if (brackets)
        *p++ = ']';
    *p++ = '/';
    return sw_put_u8(p, any - SW_NET - (v4 ? 96 : 0));
}

char *sw_put_service(char *p, const __u8 ip[16], __be16 port, __u8 any)
{
    if (any > SW_NET) {
        p = sw_put_net(p, ip, any, true);
        *p++ = ':';
        return sw_put_u64(p, ntohs(port));
    }
    switch (any) {
    case 0: return sw_put_endpoint(p, ip, port);
    case SW_ANY_4: p = stpcpy(p, "0.0.0.0:"); break;
    case SW_ANY_6: p = stpcpy(p, "[::]:"); break;
    default: p = stpcpy(p, "*:"); break;
    }
    return sw_put_u64(p, ntohs(port));
}

void sw_format_service(const __u8 ip[16], __be16 port, __u8 any, char *buf)
{
    *sw_put_service(buf, ip, port, any) = 0;
}
