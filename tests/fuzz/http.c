/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a client of --metrics may send: any bytes. However they are cut, the answer is the same. */
#include "fuzz.h"
#include "metrics/http_request.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    char *copy = (char *)fuzz_copy(data, size);
    struct sw_http_request whole, part;
    enum sw_http_status status;
    size_t n = 0;

    status = sw_http_parse(copy, size, &whole);
    holds(status == SW_HTTP_MORE || (status >= 200 && status <= 505), "status %d", (int)status);
    holds(status != SW_HTTP_MORE || size < SW_HTTP_REQUEST_MAX, "it waits for more than %zu bytes", size);
    /* as a server sees it, byte by byte: the first answer stays */
    while (n <= size && sw_http_parse(copy, n, &part) == SW_HTTP_MORE)
        n++;
    if (n <= size)
        holds(sw_http_parse(copy, n, &part) == status ||
                  (status == SW_HTTP_BAD_REQUEST || status == SW_HTTP_HEAD_TOO_LARGE || size >= SW_HTTP_REQUEST_MAX),
              "%d of %zu bytes, %d of all", (int)sw_http_parse(copy, n, &part), n, (int)status);
    else
        holds(status == SW_HTTP_MORE, "%d of no part", (int)status);
    sw_http_accept(copy, size);
    free(copy);
    return 0;
}
