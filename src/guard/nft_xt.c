/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/netlink.h"
#include "guard/nft_look.h"

#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <string.h>

/* Matches of x_tables, with the structures that their modules take. */
static void see_xt_tcp(struct sw_nft_look *l, const void *info, size_t len)
{
    struct sw_nft_value v = {.of = SW_NFT_OF_FLAGS};
    struct xt_tcp tcp;

    if (len < sizeof(tcp))
        return;
    memcpy(&tcp, info, sizeof(tcp));
    v.mask = tcp.flg_mask;
    sw_nft_narrow(l, &(struct sw_nft_test){.v = &v, .with = tcp.flg_cmp, .equal = !(tcp.invflags & XT_TCP_INV_FLAGS)});
}

static void narrow_states(struct sw_nft_look *l, __u32 states, bool invert)
{
    bool either = !(states & SW_NFT_STATE_NEW) == invert;

    l->syn &= either;
    l->ack &= either;
}

static void see_xt_conntrack(struct sw_nft_look *l, const void *info, size_t len, __u32 revision)
{
    struct xt_conntrack_mtinfo2 ct; /* revision 3 begins like it */

    if (len < sizeof(ct) || revision < 2)
        return;
    memcpy(&ct, info, sizeof(ct));
    if (ct.match_flags & XT_CONNTRACK_STATE)
        narrow_states(l, ct.state_mask, ct.invert_flags & XT_CONNTRACK_STATE);
}

void sw_nft_see_match(struct sw_nft_look *l, const struct nlattr *data)
{
    static const char *const limits[] = {"connlimit", "hashlimit", "limit", "recent", NULL};
    const struct nlattr *a[NFTA_MATCH_MAX + 1];
    const void *info;
    __u32 states;
    size_t len;

    sw_nl_nested(data, a, NFTA_MATCH_MAX);
    l->limit |= sw_nft_is_one(a[NFTA_MATCH_NAME], limits);
    if (!a[NFTA_MATCH_INFO])
        return;
    info = mnl_attr_get_payload(a[NFTA_MATCH_INFO]);
    len = mnl_attr_get_payload_len(a[NFTA_MATCH_INFO]);
    if (sw_nft_is(a[NFTA_MATCH_NAME], "tcp"))
        see_xt_tcp(l, info, len);
    if (sw_nft_is(a[NFTA_MATCH_NAME], "conntrack"))
        see_xt_conntrack(l, info, len, sw_nft_be32(a[NFTA_MATCH_REV]));
    if (sw_nft_is(a[NFTA_MATCH_NAME], "state") && len >= sizeof(states)) {
        memcpy(&states, info, sizeof(states)); /* struct xt_state_info */
        narrow_states(l, states, false);
    }
}

void sw_nft_see_target(struct sw_nft_look *l, const struct nlattr *data)
{
    static const char *const harmless[] = {"AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "DSCP",
                                           "HL",    "LED",      "LOG",      "MARK",     "NFLOG",       "SECMARK",
                                           "SET",   "TCPMSS",   "TOS",      "TRACE",    "TTL",         NULL};
    static const char *const refusing[] = {"DROP", "NFQUEUE", "REJECT", "SYNPROXY", "TARPIT", NULL};
    const struct nlattr *a[NFTA_TARGET_MAX + 1];

    sw_nl_nested(data, a, NFTA_TARGET_MAX);
    l->decides |= !sw_nft_is_one(a[NFTA_TARGET_NAME], harmless);
    l->refuses |= sw_nft_is_one(a[NFTA_TARGET_NAME], refusing);
}
