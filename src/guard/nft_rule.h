/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A rule of nftables, as netlink lists it (linux/netfilter/nf_tables.h), looked at with one question: does it treat the
 * SYN of a new connection otherwise than the ACK that completes its handshake? While the guard answers SYNs, netfilter
 * sees that ACK alone. Rules of iptables-nft are among them, with matches and targets of x_tables. Pure.
 */
#ifndef SW_GUARD_NFT_RULE_H
#define SW_GUARD_NFT_RULE_H

#include <libmnl/libmnl.h>
#include <linux/types.h>
#include <stdbool.h>

enum { SW_NFT_NAME = 256 }; /* NFT_NAME_MAXLEN */

enum sw_nft_kind {
    SW_NFT_OTHER,   /* the same for both, or without effect on them */
    SW_NFT_SYN,     /* asks for a SYN, and decides something */
    SW_NFT_NOT_SYN, /* drops what is no SYN, of new connections too */
    SW_NFT_LIMIT,   /* counts or limits, and decides by that */
    SW_NFT_KINDS
};

struct sw_nft_rule {
    __u8 family; /* NFPROTO_* */
    char table[SW_NFT_NAME], chain[SW_NFT_NAME];
    enum sw_nft_kind kind;
    char jump[SW_NFT_NAME]; /* the chain that it jumps or goes to; "": none */
    bool map;               /* takes its verdict from a map: it may jump to any chain of the table */
};

/* False: not a rule, or without table and chain. */
bool sw_nft_rule_read(const struct nlmsghdr *nh, struct sw_nft_rule *ret);

struct sw_nft_chain {
    __u8 family;
    char table[SW_NFT_NAME], name[SW_NFT_NAME];
    bool base;    /* it hangs on a hook: */
    bool inwards; /* of what comes in to this host: ingress, prerouting, input */
};

/* False: not a chain, or without table and name. */
bool sw_nft_chain_read(const struct nlmsghdr *nh, struct sw_nft_chain *ret);

#endif
