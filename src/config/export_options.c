/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/export_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
#define IPV6 "0123456789abcdefABCDEF:."

static const struct {
    const char *prefix;
    enum sw_export_protocol protocol;
} schemes[] = {{"ipfix://", SW_EXPORT_IPFIX}, {"netflow9://", SW_EXPORT_NETFLOW9}};

/* 1 to 65535 in decimal, nothing around it. */
static bool is_port(const char *text)
{
    const size_t len = strspn(text, "0123456789");

    return len && len <= 5 && !text[len] && *text != '0' && strtoul(text, NULL, 10) <= 65535;
}

/* An address of IPv6 may end in %IF. Names are for the resolver to judge. */
static bool is_host(const char *text, size_t len, bool v6)
{
    size_t ok = strspn(text, v6 ? IPV6 : NAME);

    if (v6 && text[ok] == '%' && ok)
        ok += 1 + strspn(text + ok + 1, NAME);
    return ok == len && len && len < SW_EXPORT_HOST;
}

int sw_export_parse(const char *url, struct sw_export_opts *ret)
{
    const char *host = NULL, *colon = strrchr(url, ':');
    size_t len;
    bool v6;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]) && !host; i++) {
        if (strncmp(url, schemes[i].prefix, strlen(schemes[i].prefix)) != 0)
            continue;
        ret->message.protocol = schemes[i].protocol;
        host = url + strlen(schemes[i].prefix);
    }
    if (!host || !colon || colon < host || !is_port(colon + 1))
        return -EINVAL;
    v6 = *host == '[';
    if (v6 && colon[-1] != ']')
        return -EINVAL;
    host += v6;
    len = colon - v6 > host ? colon - v6 - host : 0;
    if (!is_host(host, len, v6))
        return -EINVAL;
    memcpy(ret->host, host, len);
    ret->host[len] = 0;
    snprintf(ret->port, sizeof(ret->port), "%s", colon + 1);
    snprintf(ret->url, sizeof(ret->url), "%s", url);
    ret->given = true;
    return 0;
}

static void parse_export(struct sw_cli *cli, const char *arg, void *at)
{
    struct sw_export_opts *opts = at;

    if (opts->given)
        sw_option_die(cli, "one collector: '%s' is one too many", arg);
    if (sw_export_parse(arg, opts))
        sw_option_die(cli,
                      "'%s' is not ipfix://HOST:PORT or netflow9://HOST:PORT, like ipfix://192.0.2.1:4739 or "
                      "netflow9://[2001:db8::1]:2055",
                      arg);
}

#define FIELD(field) SW_FIELD(struct sw_export_opts, message.field)

static const struct sw_option options[] = {
    {"export", .type = SW_OPT_CUSTOM, .parse = parse_export, .arg = "URL",
     .help = "a flow record of each connection that has ended, by UDP to a collector: ipfix://HOST:PORT or "
             "netflow9://HOST:PORT",
     .man = "HOST is an address, that of IPv6 in brackets, or a name, which is resolved once, at the start. It depends "
            "neither on `--events` nor on `--output`. See EXPORT."},
    {"export-domain", .type = SW_OPT_NUMBER, FIELD(domain), .range = {1, 0xffffffff},
     .help = "observation domain id, NetFlow's source id, by which a collector tells exporters of one address apart "
             "({})"},
    {"export-pen", .type = SW_OPT_NUMBER, FIELD(pen), .range = {1, 0xffffffff},
     .help = "IPFIX: private enterprise number of the elements for handshake times ({})",
     .man = "The default is that of examples, by RFC 5612: synward has none of its own."},
    {"export-size", .type = SW_OPT_NUMBER, FIELD(size), .range = {SW_EXPORT_SIZE_MIN, SW_EXPORT_SIZE_MAX},
     .help = "most bytes of a message, without its UDP and IP headers ({})",
     .man = "What is larger than the path's MTU is fragmented, and lost as a whole if one fragment is."},
    {0},
};
const struct sw_option_group sw_export_group = {
    .title = "Flow records for a collector:",
    .rows = options,
};

void sw_export_defaults(struct sw_export_opts *opts)
{
    *opts = (struct sw_export_opts){.message = {.domain = 1, .pen = SW_EXPORT_PEN, .size = SW_EXPORT_SIZE}};
}

void sw_export_check(struct sw_cli *cli, const struct sw_export_opts *opts, struct sw_common_opts *common)
{
    if (!opts->given && (sw_given(cli, "export-domain") || sw_given(cli, "export-pen") || sw_given(cli, "export-size")))
        sw_usage_die(cli, "--export-domain, --export-pen and --export-size go with --export");
    if (sw_given(cli, "export-pen") && opts->message.protocol != SW_EXPORT_IPFIX)
        sw_usage_die(cli, "--export-pen: NetFlow v9 has no private elements");
    if (opts->given)
        common->object.cfg.event_mask |= 1u << SW_EV_CONN;
}
