/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is answered to which bytes, however they are cut. */
#include "metrics/http_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GET "GET /metrics HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

static enum sw_http_status parse(const char *text, size_t len, struct sw_http_request *ret)
{
    char *copy = malloc(len + 1); /* of exactly this size: what is read beyond it is found */
    enum sw_http_status status;

    copy = realloc(copy, len ? len : 1);
    memcpy(copy, text, len);
    status = sw_http_parse(copy, len, ret);
    free(copy);
    return status;
}

/* A whole request; each part of it is not whole yet, or refused for the same reason. */
static void expect(const char *text, enum sw_http_status want)
{
    struct sw_http_request r;
    const size_t len = strlen(text);
    const enum sw_http_status got = parse(text, len, &r);

    if (got != want)
        fail_msg("'%s': got %d, expected %d", text, (int)got, (int)want);
    for (size_t n = 0; n < len; n++) {
        const enum sw_http_status part = parse(text, n, &r);

        if (part != SW_HTTP_MORE && part != want)
            fail_msg("%zu bytes of '%s': got %d", n, text, (int)part);
    }
}

static void test_answers(void **state)
{
    (void)state;
    expect(GET HOST "\r\n", SW_HTTP_OK);
    expect("GET /metrics HTTP/1.0\r\n\r\n", SW_HTTP_OK);
    expect("GET /metrics HTTP/1.0\n\n", SW_HTTP_OK);
    expect("\r\n" GET HOST "\r\n", SW_HTTP_OK);
    expect("HEAD /metrics HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_OK);
    expect("GET /metrics?a=b HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_OK);
    expect("GET http://a:1/metrics HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_OK);
    expect("GET /metrics HTTP/1.9\r\n" HOST "\r\n", SW_HTTP_OK);
    expect(GET HOST "Content-Length: 0\r\n\r\n", SW_HTTP_OK);
    expect(GET HOST "X-Empty:\r\n\r\n", SW_HTTP_OK);
    expect("GET / HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_NOT_FOUND);
    expect("GET /metrics/ HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_NOT_FOUND);
    expect("GET /metric HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_NOT_FOUND);
    expect("GET /../metrics HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_NOT_FOUND);
    expect("POST / HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_NOT_FOUND);
    expect("GET http://a HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_NOT_FOUND);
    expect("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_NOT_FOUND);
    expect("POST /metrics HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_METHOD_NOT_ALLOWED);
    expect("get /metrics HTTP/1.1\r\n" HOST "\r\n", SW_HTTP_METHOD_NOT_ALLOWED); /* methods have a case */
    expect("POST /metrics HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", SW_HTTP_CONTENT_TOO_LARGE);
    expect(GET HOST "Transfer-Encoding: chunked\r\n\r\n", SW_HTTP_CONTENT_TOO_LARGE);
    expect("GET /metrics HTTP/2.0\r\n" HOST "\r\n", SW_HTTP_VERSION_NOT_SUPPORTED);
    expect("GET /metrics HTTP/0.9\r\n" HOST "\r\n", SW_HTTP_VERSION_NOT_SUPPORTED);
}

/* Whatever else is wrong: the answer to HEAD has no body. */
static void test_is_head(void **state)
{
    static const char *const texts[] = {
        "HEAD /metrics HTTP/1.1\r\n" HOST "\r\n", "HEAD / HTTP/1.1\r\n" HOST "\r\n", "HEAD /metrics HTTP/1.1\r\n\r\n",
        "HEAD /metrics HTTP/2.0\r\n" HOST "\r\n", "HEAD /metrics\r\n\r\n",
    };
    struct sw_http_request r;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        parse(texts[i], strlen(texts[i]), &r);
        if (!r.head)
            fail_msg("'%s' is no HEAD", texts[i]);
    }
    parse(GET HOST "\r\n", strlen(GET HOST "\r\n"), &r);
    assert_false(r.head);
}

static void test_bad(void **state)
{
    static const char *const bad[] = {
        "GET /metrics\r\n\r\n",
        "GET /metrics HTTP/1.1\r\n\r\n", /* without a host */
        GET HOST HOST "\r\n",
        "GET  /metrics HTTP/1.1\r\n" HOST "\r\n",
        "GET /metrics  HTTP/1.1\r\n" HOST "\r\n",
        "GET /metrics HTTP/1.1 \r\n" HOST "\r\n",
        "GET /metrics HTTP/11\r\n" HOST "\r\n",
        "GET /metrics http/1x1\r\n" HOST "\r\n",
        " GET /metrics HTTP/1.1\r\n" HOST "\r\n",
        "G(T /metrics HTTP/1.1\r\n" HOST "\r\n",
        GET "Host : a\r\n\r\n",
        GET HOST " folded\r\n\r\n",
        GET HOST "no colon\r\n\r\n",
        GET HOST ": no name\r\n\r\n",
        GET HOST "Content-Length: -1\r\n\r\n",
        GET HOST "Content-Length: x\r\n\r\n",
        GET HOST "Content-Length:\r\n\r\n",
        GET HOST "X: \x01\r\n\r\n",
        "\x16\x03\x01\x02\x01", /* TLS: at once */
        "PRI\x7f",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(bad[i], SW_HTTP_BAD_REQUEST);
}

static void test_long(void **state)
{
    static char text[SW_HTTP_REQUEST_MAX + 1];
    struct sw_http_request r;

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(parse(text, SW_HTTP_REQUEST_MAX - 1, &r), SW_HTTP_MORE);
    assert_int_equal(parse(text, SW_HTTP_REQUEST_MAX, &r), SW_HTTP_HEAD_TOO_LARGE);
    memcpy(text, GET HOST "X: ", strlen(GET HOST "X: "));
    memcpy(text + SW_HTTP_REQUEST_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(parse(text, SW_HTTP_REQUEST_MAX, &r), SW_HTTP_OK);
    memset(text, '\n', sizeof(text)); /* empty lines alone */
    assert_int_equal(parse(text, SW_HTTP_REQUEST_MAX, &r), SW_HTTP_HEAD_TOO_LARGE);
}

static void test_accept(void **state)
{
    static const struct {
        const char *value;
        enum sw_metrics_format format;
    } of[] = {
        /* Prometheus 2.42, 3.x; curl; a browser */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         SW_METRICS_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;"
         "version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/"
         "*;q=0.1",
         SW_METRICS_OPENMETRICS},
        {"*/*", SW_METRICS_TEXT},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", SW_METRICS_TEXT},
        {"", SW_METRICS_TEXT},
        {"application/openmetrics-text", SW_METRICS_OPENMETRICS},
        {"Application/OpenMetrics-Text ; Q=0.5 , text/plain ; q=0.4", SW_METRICS_OPENMETRICS},
        {"application/openmetrics-text;q=0.4,text/plain", SW_METRICS_TEXT},
        {"application/openmetrics-text;q=0", SW_METRICS_TEXT},
        {"application/openmetrics-text;q=0.000,*/*;q=0.001", SW_METRICS_TEXT},
        {"application/openmetrics-text;version=2.0.0", SW_METRICS_TEXT},
        {"application/openmetrics-text;version=0.0.1", SW_METRICS_TEXT},
        {"application/openmetrics-text;q=2", SW_METRICS_TEXT},
        {"application/openmetrics-text;q=1.001", SW_METRICS_TEXT},
        {"application/openmetrics-text;q=0.1234", SW_METRICS_TEXT},
        {",;,;=,q=1", SW_METRICS_TEXT},
    };
    char text[512];
    struct sw_http_request r;

    (void)state;
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        if (sw_http_accept(of[i].value, strlen(of[i].value)) != of[i].format)
            fail_msg("'%s': not format %d", of[i].value, (int)of[i].format);
        snprintf(text, sizeof(text), GET HOST "aCCept: \t%s \r\n\r\n", of[i].value);
        assert_int_equal(parse(text, strlen(text), &r), SW_HTTP_OK);
        assert_int_equal(r.format, of[i].format);
    }
}

static void test_head(void **state)
{
    char head[SW_HTTP_HEAD_ROOM];
    int n;

    (void)state;
    n = sw_http_head(SW_HTTP_METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", 19, 784111777, head);
    assert_int_equal(n, strlen(head));
    assert_string_equal(head, "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                              "Allow: GET, HEAD\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 19\r\n"
                              "Vary: Accept\r\nConnection: close\r\n\r\n");
    for (int format = 0; format < SW_METRICS_FORMATS; format++)
        assert_in_range(
            sw_http_head(SW_HTTP_HEAD_TOO_LARGE, sw_metrics_content_type(format), SIZE_MAX, 1ull << 40, head), 1,
            SW_HTTP_HEAD_ROOM - 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers), cmocka_unit_test(test_is_head), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_long),    cmocka_unit_test(test_accept),  cmocka_unit_test(test_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
