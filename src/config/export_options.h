/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* --export and what belongs to it, of run and replay: sw_export_group is about a struct sw_export_opts. */
#ifndef SW_CONFIG_EXPORT_OPTIONS_H
#define SW_CONFIG_EXPORT_OPTIONS_H

#include "config/command.h"
#include "config/options.h"
#include "output/ipfix.h"

#define SW_EXPORT_HOST 254 /* bytes of a name (RFC 1035), and a zero */
#define SW_EXPORT_URL (SW_EXPORT_HOST + 24)

struct sw_export_opts {
    bool given;
    struct sw_ipfix_opts message;
    char host[SW_EXPORT_HOST]; /* an address without brackets, or a name */
    char port[6];
    char url[SW_EXPORT_URL]; /* as typed */
};

extern const struct sw_option_group sw_export_group;

void sw_export_defaults(struct sw_export_opts *opts);

/* "ipfix://192.0.2.1:4739", "netflow9://[2001:db8::1]:2055", "ipfix://name:4739": 0 or -EINVAL. */
int sw_export_parse(const char *url, struct sw_export_opts *ret);

/* What follows from it for the others: that the programs make `conn` records. For the check of a command. */
void sw_export_check(struct sw_cli *cli, const struct sw_export_opts *opts, struct sw_common_opts *common);

#endif
