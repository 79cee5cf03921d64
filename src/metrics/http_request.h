/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * As much of HTTP/1.1 (RFC 9110, RFC 9112) as one resource needs that is only read: GET and HEAD of /metrics, without
 * content, one request a connection. Pure; any bytes may come.
 */
#ifndef SW_METRICS_HTTP_REQUEST_H
#define SW_METRICS_HTTP_REQUEST_H

#include "output/metrics.h"

#define SW_HTTP_REQUEST_MAX 8192 /* bytes of a request's head */

enum sw_http_status {
    SW_HTTP_MORE = 0, /* it is not whole yet */
    SW_HTTP_OK = 200,
    SW_HTTP_BAD_REQUEST = 400,
    SW_HTTP_NOT_FOUND = 404,
    SW_HTTP_METHOD_NOT_ALLOWED = 405,
    SW_HTTP_CONTENT_TOO_LARGE = 413, /* it has content */
    SW_HTTP_HEAD_TOO_LARGE = 431,
    SW_HTTP_UNAVAILABLE = 503,
    SW_HTTP_VERSION_NOT_SUPPORTED = 505,
};

struct sw_http_request {
    bool head; /* HEAD: no body is sent */
    enum sw_metrics_format format;
};

/* What has come so far, which need not be terminated. */
enum sw_http_status sw_http_parse(const char *text, size_t len, struct sw_http_request *ret);

/* The format that an Accept header asks for; where it asks for neither, text. */
enum sw_metrics_format sw_http_accept(const char *value, size_t len);

/* The head of a response of body_len bytes, of `type`; at most SW_HTTP_HEAD_ROOM bytes. Its length. */
#define SW_HTTP_HEAD_ROOM 384
int sw_http_head(enum sw_http_status status, const char *type, size_t body_len, __s64 now_s,
                 char ret[SW_HTTP_HEAD_ROOM]);
const char *sw_http_reason(enum sw_http_status status);

#endif
