/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/nft_look.h"
#include "base/netlink.h"
#include "synward.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define ECN_SYN (SW_TCP_SYN | SW_TCP_ECE | SW_TCP_CWR)

__u32 sw_nft_be32(const struct nlattr *a)
{
    return ntohl(sw_nl_u32(a));
}

bool sw_nft_name(const struct nlattr *a, char *ret, size_t size)
{
    *ret = 0;
    if (a)
        snprintf(ret, size, "%.*s", mnl_attr_get_payload_len(a), (const char *)mnl_attr_get_payload(a));
    return *ret;
}

bool sw_nft_is(const struct nlattr *a, const char *word)
{
    size_t len = strlen(word), have = a ? mnl_attr_get_payload_len(a) : 0;
    const char *name = a ? mnl_attr_get_payload(a) : "";

    return (have == len || (have > len && !name[len])) && !memcmp(name, word, len);
}

bool sw_nft_is_one(const struct nlattr *a, const char *const *words)
{
    while (*words && !sw_nft_is(a, *words))
        words++;
    return *words;
}

static bool holds(const struct sw_nft_test *t, __u32 value)
{
    return (((value & t->v->mask) ^ t->v->xor) == t->with) == t->equal;
}

void sw_nft_narrow(struct sw_nft_look *l, const struct sw_nft_test *t)
{
    bool either;

    switch (t->v->of) {
    case SW_NFT_OF_FLAGS:
        l->syn &= holds(t, SW_TCP_SYN) || holds(t, ECN_SYN);
        l->ack &= holds(t, SW_TCP_ACK) || holds(t, SW_TCP_ACK | SW_TCP_PSH);
        break;
    case SW_NFT_OF_PROTO:
    case SW_NFT_OF_STATE:
        either = holds(t, t->v->of == SW_NFT_OF_PROTO ? IPPROTO_TCP : SW_NFT_STATE_NEW);
        l->syn &= either;
        l->ack &= either;
        break;
    default: break;
    }
}
