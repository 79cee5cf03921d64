/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/top_events.h"

#include "base/ip.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* What follows `key`, which is `"name":`; NULL: it is not there. */
static const char *after(const char *line, const char *key)
{
    const char *at = strstr(line, key);

    return at ? at + strlen(key) : NULL;
}

static bool begins(const char *text, const char *with)
{
    return text && !strncmp(text, with, strlen(with));
}

static bool server_of(const char *line, struct sw_top_id *ret)
{
    const char *ip = after(line, "\"resp_ip\":\""), *port = after(line, "\"resp_port\":");
    size_t len = ip ? strcspn(ip, "\"") : 0;
    char text[INET6_ADDRSTRLEN];

    if (!port || !len || len >= sizeof(text))
        return false;
    memcpy(text, ip, len);
    text[len] = 0;
    ret->port = htons((__u16)strtoul(port, NULL, 10));
    return sw_ip_parse(text, ret->ip);
}

static bool failure_of(const char *line, enum sw_top_failure *ret)
{
    const char *event = after(line, "\"event\":");

    if (begins(event, "\"refused\""))
        *ret = SW_TOP_REFUSED;
    else if (begins(event, "\"reset\""))
        *ret = SW_TOP_RESET;
    else if (begins(event, "\"timeout\"") && begins(after(line, "\"reason\":"), "\"unanswered\""))
        *ret = SW_TOP_UNANSWERED;
    else
        return false;
    return true;
}

enum sw_top_line_kind sw_top_line_parse(const char *line, struct sw_top_id *ret_id, enum sw_top_failure *ret_what,
                                        __u64 *ret_lost)
{
    const char *lost = after(line, "\"lost\":");

    if (begins(after(line, "\"event\":"), "\"loss\"") && lost) {
        *ret_lost = strtoull(lost, NULL, 10);
        return SW_TOP_LINE_LOSS;
    }
    return failure_of(line, ret_what) && server_of(line, ret_id) ? SW_TOP_LINE_FAILURE : SW_TOP_LINE_OTHER;
}
