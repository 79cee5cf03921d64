/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A rule of nftables as it is read, expression by expression: which segments it may still match, and what it does.
 * Pure. */
#ifndef SW_GUARD_NFT_LOOK_H
#define SW_GUARD_NFT_LOOK_H

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

struct sw_nft_rule;

enum {
    SW_NFT_REGISTERS = NFT_REG32_15 + 1,
    SW_NFT_STATE_NEW = 1 << 3, /* NF_CT_STATE_BIT(IP_CT_NEW), XT_STATE_BIT(IP_CT_NEW) */
};

/* What a register holds. */
enum sw_nft_subject { SW_NFT_OF_OTHER, SW_NFT_OF_FLAGS, SW_NFT_OF_PROTO, SW_NFT_OF_STATE };
struct sw_nft_value {
    enum sw_nft_subject of;
    __u32 byte;      /* of FLAGS and PROTO: where in the register */
    bool alone;      /* nothing else was loaded with it */
    __u32 mask, xor; /* applied */
};

struct sw_nft_look {
    struct sw_nft_value reg[SW_NFT_REGISTERS], none;
    bool syn, ack; /* may the rule still match it? */
    bool limit, decides, refuses;
    struct sw_nft_rule *rule;
};

struct sw_nft_test {
    const struct sw_nft_value *v;
    __u32 with;
    bool equal;
};

/* What does not pass such a test is not matched any more. */
void sw_nft_narrow(struct sw_nft_look *l, const struct sw_nft_test *t);

/* Attributes; NULL: 0, "" or false. */
__u32 sw_nft_be32(const struct nlattr *a);
bool sw_nft_name(const struct nlattr *a, char *ret, size_t size); /* a copy, cut to size; false: it is empty */
bool sw_nft_is(const struct nlattr *a, const char *word);
bool sw_nft_is_one(const struct nlattr *a, const char *const *words); /* ends with NULL */

/* Matches and targets of x_tables (iptables-nft): data of such an expression. */
void sw_nft_see_match(struct sw_nft_look *l, const struct nlattr *data);
void sw_nft_see_target(struct sw_nft_look *l, const struct nlattr *data);

#endif
