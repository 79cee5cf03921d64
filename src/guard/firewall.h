/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rules of this network namespace's netfilter for which it matters that XDP answers SYNs: nothing before the ACK that
 * brings a cookie back comes to them. Read once; what is changed later is not seen.
 */
#ifndef SW_GUARD_FIREWALL_H
#define SW_GUARD_FIREWALL_H

#include "guard/nft_rule.h"

#include <stddef.h>

enum { SW_FIREWALL_PLACE = 128, SW_FIREWALL_NOTES = 4, SW_FIREWALL_NOTE = 480 };

struct sw_firewall {
    int error;                                   /* -errno: nftables' rules could not be read */
    size_t rules[SW_NFT_KINDS];                  /* those that hold for what comes in */
    char first[SW_NFT_KINDS][SW_FIREWALL_PLACE]; /* "inet filter input", printable */
    char legacy[SW_FIREWALL_PLACE];              /* tables of iptables-legacy with rules, which are not read */
};

/* Needs CAP_NET_ADMIN. A kernel without nftables has no rules. */
void sw_firewall_read(struct sw_firewall *ret);

/* What people should know of it, each a sentence; how many. */
int sw_firewall_notes(const struct sw_firewall *f, char ret[SW_FIREWALL_NOTES][SW_FIREWALL_NOTE]);

#endif
