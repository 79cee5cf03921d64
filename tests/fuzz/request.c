/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a reader sends to the socket of an instance, and what the instance says of itself. What is taken is written back
 * and read again as the same; what is refused is explained in one harmless line.
 */
#include "fuzz.h"
#include "readers/request.h"

#include <errno.h>

static void check_request(const __u8 *data, size_t size)
{
    static struct sw_request request, again;
    static char text[SW_REQUEST_MAX];
    char why[SW_REQUEST_WHY] = "";
    size_t whole = sw_request_whole((const char *)data, size);
    char *copy = (char *)fuzz_copy(data, whole);
    int err, len;

    holds(whole <= size, "%zu of %zu bytes", whole, size);
    if (!whole) {
        free(copy);
        return;
    }
    err = sw_request_parse(copy, whole, &request, why);
    free(copy);
    holds(!err || err == -EINVAL, "error %d", err);
    if (err) {
        fuzz_one_line(why);
        return;
    }
    holds(request.event_mask < 1u << SW_LINE_MAX, "events %x", request.event_mask);
    len = sw_request_print(&request, text, sizeof(text));
    if (len == -E2BIG)
        return;
    holds(len > 0 && sw_request_whole(text, len) == (size_t)len, "%d bytes", len);
    holds(!sw_request_parse(text, len, &again, why), "%s", why);
    /* networks may be in another order */
    holds(again.event_mask == request.event_mask && again.format == request.format && again.color == request.color &&
              again.filter.rules.lists == request.filter.rules.lists &&
              again.filter.rules.nets_len == request.filter.rules.nets_len &&
              !memcmp(again.filter.rules.ports, request.filter.rules.ports, sizeof(again.filter.rules.ports)) &&
              !memcmp(&again.filter.states, &request.filter.states,
                      sizeof(again.filter) - offsetof(struct sw_filter, states)),
          "other than before: %.*s", len, text);
}

static void check_hello(const __u8 *data, size_t size)
{
    char *copy = (char *)fuzz_copy(data, size);
    struct sw_hello hello;

    if (!sw_hello_parse(copy, size, &hello)) {
        holds(hello.pid > 0 && hello.ifaces_len <= SW_IFACES_MAX, "pid %d, %zu", hello.pid, hello.ifaces_len);
        for (size_t i = 0; i < hello.ifaces_len; i++)
            holds(memchr(hello.ifaces[i], 0, IF_NAMESIZE), "interface %zu", i);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    check_request(data, size);
    check_hello(data, size);
    return 0;
}
