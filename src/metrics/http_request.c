/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/http_request.h"

#include <string.h>
#include <strings.h>
#include <time.h>

/* A piece of the request. */
struct piece {
    const char *at;
    size_t len;
};

static bool is(struct piece p, const char *text)
{
    return p.len == strlen(text) && !memcmp(p.at, text, p.len);
}

static bool is_word(struct piece p, const char *text)
{
    return p.len == strlen(text) && !strncasecmp(p.at, text, p.len);
}

static bool begins(struct piece p, const char *text)
{
    const size_t n = strlen(text);

    return p.len >= n && !strncasecmp(p.at, text, n);
}

static struct piece trim(struct piece p)
{
    while (p.len && (*p.at == ' ' || *p.at == '\t')) {
        p.at++;
        p.len--;
    }
    while (p.len && (p.at[p.len - 1] == ' ' || p.at[p.len - 1] == '\t'))
        p.len--;
    return p;
}

/* Up to `end`, which is taken, too; all that is left if it does not come. */
static struct piece cut(struct piece *rest, char end)
{
    const char *at = rest->len ? memchr(rest->at, end, rest->len) : NULL;
    struct piece p = {rest->at, at ? (size_t)(at - rest->at) : rest->len};
    const size_t used = p.len + !!at;

    rest->at += used;
    rest->len -= used;
    return p;
}

/* A line without its end, which may be a bare LF (RFC 9112, 2.2). */
static struct piece cut_line(struct piece *rest)
{
    struct piece line = cut(rest, '\n');

    line.len -= line.len && line.at[line.len - 1] == '\r';
    return line;
}

/* RFC 9110, 5.6.2. */
static bool is_token(struct piece p)
{
    for (size_t i = 0; i < p.len; i++)
        if (p.at[i] <= ' ' || p.at[i] == 0x7f || strchr("\"(),/:;<=>?@[\\]{}", p.at[i]))
            return false;
    return p.len;
}

/* 0.000 to 1.000 as thousandths (RFC 9110, 12.4.2); what is none is 0. */
static int weight(struct piece p)
{
    int value = p.len && *p.at == '1' ? 1000 : 0;

    if (!p.len || *p.at > '1' || *p.at < '0' || (p.len > 1 && p.at[1] != '.') || p.len > 5)
        return 0;
    for (size_t i = 2, digit = 100; i < p.len; i++, digit /= 10) {
        if (p.at[i] < '0' || p.at[i] > '9')
            return 0;
        value += (int)digit * (p.at[i] - '0');
    }
    return value > 1000 ? 0 : value;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

enum sw_metrics_format sw_http_accept(const char *value, size_t len)
{
    struct piece rest = {value, len};
    int open = 0, text = 0;

    while (rest.len) {
        struct piece range = cut(&rest, ','), type = trim(cut(&range, ';')), version = {0};
        int q = 1000;

        while (range.len) {
            struct piece parameter = cut(&range, ';'), name = trim(cut(&parameter, '='));

            if (is_word(name, "q"))
                q = weight(trim(parameter));
            else if (is_word(name, "version"))
                version = trim(parameter);
        }
        if (is_word(type, "application/openmetrics-text") && (!version.len || is(version, "1.0.0")))
            open = most(open, q);
        else if ((is_word(type, "text/plain") && (!version.len || is(version, "0.0.4"))) || is_word(type, "text/*") ||
                 is_word(type, "*/*"))
            text = most(text, q);
    }
    return open && open >= text ? SW_METRICS_OPENMETRICS : SW_METRICS_TEXT;
}

/* What the fields say, before it is asked for what. */
struct fields {
    int hosts;
    bool content;
};

static enum sw_http_status read_field(struct piece line, struct fields *f, struct sw_http_request *ret)
{
    struct piece name, value = line;

    if (!memchr(line.at, ':', line.len))
        return SW_HTTP_BAD_REQUEST;
    name = cut(&value, ':');
    if (!is_token(name)) /* a space before the colon, and a line that continues one, are none */
        return SW_HTTP_BAD_REQUEST;
    value = trim(value);
    if (is_word(name, "host")) {
        f->hosts++;
    } else if (is_word(name, "accept")) {
        if (sw_http_accept(value.at, value.len) == SW_METRICS_OPENMETRICS)
            ret->format = SW_METRICS_OPENMETRICS;
    } else if (is_word(name, "transfer-encoding")) {
        f->content = true;
    } else if (is_word(name, "content-length")) {
        for (size_t i = 0; i < value.len; i++) {
            if (value.at[i] < '0' || value.at[i] > '9')
                return SW_HTTP_BAD_REQUEST;
            f->content |= value.at[i] != '0';
        }
        if (!value.len)
            return SW_HTTP_BAD_REQUEST;
    }
    return SW_HTTP_OK;
}

/* The path alone, of either form of a target (RFC 9112, 3.2). */
static struct piece path_of(struct piece target)
{
    if (begins(target, "http://")) {
        target.at += 7;
        target.len -= 7;
        while (target.len && *target.at != '/') {
            target.at++;
            target.len--;
        }
    }
    return cut(&target, '?');
}

static enum sw_http_status read_head(struct piece rest, struct sw_http_request *ret)
{
    struct piece line = cut_line(&rest), method = cut(&line, ' '), target = cut(&line, ' ');
    struct fields f = {0};
    enum sw_http_status status;

    ret->head = is(method, "HEAD"); /* an error has no body then, either */
    if (!is_token(method) || !target.len || !begins(line, "HTTP/") || line.len != 8 || line.at[6] != '.' ||
        line.at[5] < '0' || line.at[5] > '9' || line.at[7] < '0' || line.at[7] > '9')
        return SW_HTTP_BAD_REQUEST;
    if (line.at[5] != '1')
        return SW_HTTP_VERSION_NOT_SUPPORTED;
    while (rest.len) {
        struct piece field = cut_line(&rest);

        if (!field.len)
            break;
        status = read_field(field, &f, ret);
        if (status != SW_HTTP_OK)
            return status;
    }
    if (f.hosts > 1 || (!f.hosts && line.at[7] != '0'))
        return SW_HTTP_BAD_REQUEST;
    if (f.content)
        return SW_HTTP_CONTENT_TOO_LARGE;
    if (!is(path_of(target), "/metrics"))
        return SW_HTTP_NOT_FOUND;
    return ret->head || is(method, "GET") ? SW_HTTP_OK : SW_HTTP_METHOD_NOT_ALLOWED;
}

/* Of the head, with the empty line that ends it; 0: it has not come. */
static size_t whole(struct piece text)
{
    struct piece rest = text;

    while (rest.len && memchr(rest.at, '\n', rest.len))
        if (!cut_line(&rest).len)
            return text.len - rest.len;
    return 0;
}

enum sw_http_status sw_http_parse(const char *text, size_t len, struct sw_http_request *ret)
{
    struct piece head = {text, len};
    size_t n;

    *ret = (struct sw_http_request){.format = SW_METRICS_TEXT};
    /* empty lines before a request are skipped (RFC 9112, 2.2) */
    while (head.len && (*head.at == '\r' || *head.at == '\n')) {
        head.at++;
        head.len--;
    }
    n = whole(head);
    for (size_t i = 0; i < (n ? n : head.len); i++) { /* what is no text ends it at once */
        const unsigned char c = head.at[i];

        if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
            return SW_HTTP_BAD_REQUEST;
    }
    if (n)
        return read_head((struct piece){head.at, n}, ret);
    return len < SW_HTTP_REQUEST_MAX ? SW_HTTP_MORE : SW_HTTP_HEAD_TOO_LARGE;
}

const char *sw_http_reason(enum sw_http_status status)
{
    switch (status) {
    case SW_HTTP_OK: return "OK";
    case SW_HTTP_NOT_FOUND: return "Not Found";
    case SW_HTTP_METHOD_NOT_ALLOWED: return "Method Not Allowed";
    case SW_HTTP_CONTENT_TOO_LARGE: return "Content Too Large";
    case SW_HTTP_HEAD_TOO_LARGE: return "Request Header Fields Too Large";
    case SW_HTTP_UNAVAILABLE: return "Service Unavailable";
    case SW_HTTP_VERSION_NOT_SUPPORTED: return "HTTP Version Not Supported";
    default: return "Bad Request";
    }
}

int sw_http_head(enum sw_http_status status, const char *type, size_t body_len, __s64 now_s,
                 char ret[SW_HTTP_HEAD_ROOM])
{
    const time_t now = now_s;
    struct tm tm;
    char date[40];

    if (!gmtime_r(&now, &tm) || !strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm))
        *date = 0;
    return snprintf(ret, SW_HTTP_HEAD_ROOM,
                    "HTTP/1.1 %d %s\r\nDate: %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n"
                    "Vary: Accept\r\nConnection: close\r\n\r\n",
                    (int)status, sw_http_reason(status), date,
                    status == SW_HTTP_METHOD_NOT_ALLOWED ? "Allow: GET, HEAD\r\n" : "", type, body_len);
}
