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

bool sw_top_ip(const char *text, __u8 ret[16])
{
    struct in_addr v4;

    if (inet_pton(AF_INET6, text, ret) == 1)
        return true;
    if (inet_pton(AF_INET, text, &v4) != 1)
        return false;
    memcpy(ret, sw_v4_mapped, sizeof(sw_v4_mapped));
    memcpy(ret + 12, &v4, sizeof(v4));
    return true;
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
    return sw_top_ip(text, ret->ip);
}

static bool told_of(const char *line, enum sw_top_told *ret)
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

enum sw_top_line_kind sw_top_line_parse(const char *line, struct sw_top_id *ret_id, enum sw_top_told *ret_told,
                                        __u64 *ret_lost)
{
    const char *lost = after(line, "\"lost\":");

    if (begins(after(line, "\"event\":"), "\"loss\"") && lost) {
        *ret_lost = strtoull(lost, NULL, 10);
        return SW_TOP_LINE_LOSS;
    }
    return told_of(line, ret_told) && server_of(line, ret_id) ? SW_TOP_LINE_TOLD : SW_TOP_LINE_OTHER;
}
