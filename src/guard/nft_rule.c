/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/nft_rule.h"
#include "base/netlink.h"
#include "guard/nft_look.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

enum {
    TCP_FLAGS_AT = 13, /* in the TCP header */
    IP_PROTO_AT = 9,   /* in the IP header */
    IP6_NEXT_AT = 6,
};

/* The bytes of NFTA_DATA_VALUE, NULL: none; *ret_len of them. */
static const __u8 *data_of(const struct nlattr *nest, size_t *ret_len)
{
    const struct nlattr *a[NFTA_DATA_MAX + 1];

    *ret_len = 0;
    sw_nl_nested(nest, a, NFTA_DATA_MAX);
    if (!a[NFTA_DATA_VALUE])
        return NULL;
    *ret_len = mnl_attr_get_payload_len(a[NFTA_DATA_VALUE]);
    return mnl_attr_get_payload(a[NFTA_DATA_VALUE]);
}

/* The part of such bytes that belongs to the value. False: it is not in them. */
static bool part_of(const struct sw_nft_value *v, const struct nlattr *nest, __u32 *ret)
{
    size_t len;
    const __u8 *data = data_of(nest, &len);

    if (!data || (v->of == SW_NFT_OF_STATE ? len < sizeof(*ret) : len <= v->byte))
        return false;
    if (v->of == SW_NFT_OF_STATE)
        memcpy(ret, data, sizeof(*ret)); /* in host order */
    else
        *ret = data[v->byte];
    return true;
}

static struct sw_nft_value *reg_of(struct sw_nft_look *l, const struct nlattr *a)
{
    __u32 reg = sw_nft_be32(a);

    l->none = (struct sw_nft_value){0};
    return a && reg < SW_NFT_REGISTERS ? &l->reg[reg] : &l->none;
}

/* Where both families come, it is the only field of one byte that begins there in either. */
static __u32 proto_at(__u8 family, __u32 offset)
{
    if (family == NFPROTO_IPV4)
        return IP_PROTO_AT;
    return family == NFPROTO_IPV6 || offset == IP6_NEXT_AT ? IP6_NEXT_AT : IP_PROTO_AT;
}

static void see_payload(struct sw_nft_look *l, const struct nlattr *data)
{
    const struct nlattr *a[NFTA_PAYLOAD_MAX + 1];
    __u32 base, offset, len, want = TCP_FLAGS_AT;
    struct sw_nft_value v = {.mask = 0xff};

    sw_nl_nested(data, a, NFTA_PAYLOAD_MAX);
    if (!a[NFTA_PAYLOAD_DREG])
        return;
    base = sw_nft_be32(a[NFTA_PAYLOAD_BASE]);
    offset = sw_nft_be32(a[NFTA_PAYLOAD_OFFSET]);
    len = sw_nft_be32(a[NFTA_PAYLOAD_LEN]);
    if (base == NFT_PAYLOAD_TRANSPORT_HEADER) {
        v.of = SW_NFT_OF_FLAGS;
    } else if (base == NFT_PAYLOAD_NETWORK_HEADER) {
        v.of = SW_NFT_OF_PROTO;
        want = proto_at(l->rule->family, offset);
    }
    v.byte = want - offset;
    v.alone = len == 1;
    if (offset > want || len <= v.byte ||
        (v.of == SW_NFT_OF_PROTO && !v.alone && l->rule->family != NFPROTO_IPV4 && l->rule->family != NFPROTO_IPV6))
        v = (struct sw_nft_value){0};
    *reg_of(l, a[NFTA_PAYLOAD_DREG]) = v;
}

static void see_meta(struct sw_nft_look *l, const struct nlattr *data)
{
    const struct nlattr *a[NFTA_META_MAX + 1];
    struct sw_nft_value v = {.of = SW_NFT_OF_PROTO, .alone = true, .mask = 0xff};

    sw_nl_nested(data, a, NFTA_META_MAX);
    if (a[NFTA_META_DREG])
        *reg_of(l, a[NFTA_META_DREG]) =
            sw_nft_be32(a[NFTA_META_KEY]) == NFT_META_L4PROTO ? v : (struct sw_nft_value){0};
}

static void see_ct(struct sw_nft_look *l, const struct nlattr *data)
{
    const struct nlattr *a[NFTA_CT_MAX + 1];
    struct sw_nft_value v = {.of = SW_NFT_OF_STATE, .alone = true, .mask = ~0u};

    sw_nl_nested(data, a, NFTA_CT_MAX);
    if (a[NFTA_CT_DREG])
        *reg_of(l, a[NFTA_CT_DREG]) =
            a[NFTA_CT_KEY] && sw_nft_be32(a[NFTA_CT_KEY]) == NFT_CT_STATE ? v : (struct sw_nft_value){0};
}

static void see_bitwise(struct sw_nft_look *l, const struct nlattr *data)
{
    const struct nlattr *a[NFTA_BITWISE_MAX + 1];
    struct sw_nft_value v;
    __u32 mask, flip;

    sw_nl_nested(data, a, NFTA_BITWISE_MAX);
    v = *reg_of(l, a[NFTA_BITWISE_SREG]);
    if (v.of && !sw_nft_be32(a[NFTA_BITWISE_OP]) && part_of(&v, a[NFTA_BITWISE_MASK], &mask) &&
        part_of(&v, a[NFTA_BITWISE_XOR], &flip)) {
        v.mask &= mask;
        v.xor = (v.xor &mask) ^ flip;
    } else {
        v = (struct sw_nft_value){0};
    }
    *reg_of(l, a[NFTA_BITWISE_DREG]) = v;
}

/* What of the packet is left after a comparison of this value. */
static void see_cmp(struct sw_nft_look *l, const struct nlattr *data)
{
    const struct nlattr *a[NFTA_CMP_MAX + 1];
    __u32 op;
    struct sw_nft_test t;

    sw_nl_nested(data, a, NFTA_CMP_MAX);
    op = sw_nft_be32(a[NFTA_CMP_OP]);
    t = (struct sw_nft_test){.v = reg_of(l, a[NFTA_CMP_SREG]), .equal = op == NFT_CMP_EQ};
    if (op != NFT_CMP_EQ && (op != NFT_CMP_NEQ || !t.v->alone))
        return;
    if (part_of(t.v, a[NFTA_CMP_DATA], &t.with))
        sw_nft_narrow(l, &t);
}

/* A set of flags is not read: whoever asks for some, asks for a SYN. */
static void see_lookup(struct sw_nft_look *l, const struct nlattr *data)
{
    const struct nlattr *a[NFTA_LOOKUP_MAX + 1];

    sw_nl_nested(data, a, NFTA_LOOKUP_MAX);
    if (reg_of(l, a[NFTA_LOOKUP_SREG])->of == SW_NFT_OF_FLAGS &&
        !(sw_nft_be32(a[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV))
        l->ack = false;
    if (!a[NFTA_LOOKUP_DREG])
        return;
    if (sw_nft_be32(a[NFTA_LOOKUP_DREG]) == NFT_REG_VERDICT)
        l->rule->map = l->decides = true;
    *reg_of(l, a[NFTA_LOOKUP_DREG]) = (struct sw_nft_value){0};
}

static void see_immediate(struct sw_nft_look *l, const struct nlattr *data)
{
    const struct nlattr *a[NFTA_IMMEDIATE_MAX + 1], *d[NFTA_DATA_MAX + 1], *v[NFTA_VERDICT_MAX + 1];
    __s32 code;

    sw_nl_nested(data, a, NFTA_IMMEDIATE_MAX);
    *reg_of(l, a[NFTA_IMMEDIATE_DREG]) = (struct sw_nft_value){0};
    sw_nl_nested(a[NFTA_IMMEDIATE_DATA], d, NFTA_DATA_MAX);
    if (!d[NFTA_DATA_VERDICT])
        return;
    sw_nl_nested(d[NFTA_DATA_VERDICT], v, NFTA_VERDICT_MAX);
    code = (__s32)sw_nft_be32(v[NFTA_VERDICT_CODE]);
    l->decides |= code != NFT_CONTINUE;
    l->refuses |= code == NF_DROP;
    if (code == NFT_JUMP || code == NFT_GOTO)
        l->refuses |= sw_nft_name(v[NFTA_VERDICT_CHAIN], l->rule->jump, SW_NFT_NAME);
}

static bool is_limit(const struct nlattr *expr)
{
    const struct nlattr *a[NFTA_EXPR_MAX + 1];

    sw_nl_nested(expr, a, NFTA_EXPR_MAX);
    return sw_nft_is(a[NFTA_EXPR_NAME], "limit") || sw_nft_is(a[NFTA_EXPR_NAME], "connlimit");
}

/* A set with a limit for each element. */
static void see_dynset(struct sw_nft_look *l, const struct nlattr *data)
{
    const struct nlattr *a[NFTA_DYNSET_MAX + 1], *expr;

    sw_nl_nested(data, a, NFTA_DYNSET_MAX);
    l->limit |= is_limit(a[NFTA_DYNSET_EXPR]);
    if (!a[NFTA_DYNSET_EXPRESSIONS])
        return;
    mnl_attr_for_each_nested(expr, a[NFTA_DYNSET_EXPRESSIONS]) l->limit |= is_limit(expr);
}

static void see_objref(struct sw_nft_look *l, const struct nlattr *data)
{
    const struct nlattr *a[NFTA_OBJREF_MAX + 1];

    sw_nl_nested(data, a, NFTA_OBJREF_MAX);
    l->limit |= sw_nft_be32(a[NFTA_OBJREF_IMM_TYPE]) == NFT_OBJECT_LIMIT;
}

static void see_limit(struct sw_nft_look *l, const struct nlattr *data)
{
    (void)data;
    l->limit = true;
}

static void see_reject(struct sw_nft_look *l, const struct nlattr *data)
{
    (void)data;
    l->decides = l->refuses = true;
}

static void see_decision(struct sw_nft_look *l, const struct nlattr *data)
{
    (void)data;
    l->decides = true;
}

static void see_nothing(struct sw_nft_look *l, const struct nlattr *data)
{
    (void)l;
    (void)data;
}

static void see(struct sw_nft_look *l, const struct nlattr *expr)
{
    static const struct {
        const char *name;
        void (*see)(struct sw_nft_look *l, const struct nlattr *data);
    } kinds[] = {
        {"payload", see_payload},
        {"meta", see_meta},
        {"ct", see_ct},
        {"bitwise", see_bitwise},
        {"cmp", see_cmp},
        {"lookup", see_lookup},
        {"dynset", see_dynset},
        {"immediate", see_immediate},
        {"objref", see_objref},
        {"limit", see_limit},
        {"connlimit", see_limit},
        {"match", sw_nft_see_match},
        {"target", sw_nft_see_target},
        {"reject", see_reject},
        {"synproxy", see_reject},
        {"queue", see_reject},
        {"notrack", see_decision},
        {"nat", see_decision},
        {"redir", see_decision},
        {"tproxy", see_decision},
        {"fwd", see_decision},
        {"counter", see_nothing},
        {"log", see_nothing},
    };
    const struct nlattr *a[NFTA_EXPR_MAX + 1];

    sw_nl_nested(expr, a, NFTA_EXPR_MAX);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (sw_nft_is(a[NFTA_EXPR_NAME], kinds[i].name)) {
            kinds[i].see(l, a[NFTA_EXPR_DATA]);
            return;
        }
    memset(l->reg, 0, sizeof(l->reg)); /* it may have written any */
}

static enum sw_nft_kind kind_of(const struct sw_nft_look *l)
{
    if (l->syn && !l->ack && l->decides)
        return SW_NFT_SYN;
    if (!l->syn && l->ack && l->refuses)
        return SW_NFT_NOT_SYN;
    return l->syn && l->ack && l->limit && l->decides ? SW_NFT_LIMIT : SW_NFT_OTHER;
}

bool sw_nft_rule_read(const struct nlmsghdr *nh, struct sw_nft_rule *ret)
{
    const struct nfgenmsg *head = sw_nl_header(nh, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, sizeof(*head));
    struct sw_nft_look look = {.syn = true, .ack = true, .rule = ret};
    const struct nlattr *a[NFTA_RULE_MAX + 1], *expr;

    *ret = (struct sw_nft_rule){0};
    if (!head)
        return false;
    ret->family = head->nfgen_family;
    sw_nl_attrs(nh, sizeof(*head), a, NFTA_RULE_MAX);
    if (!sw_nft_name(a[NFTA_RULE_TABLE], ret->table, SW_NFT_NAME) ||
        !sw_nft_name(a[NFTA_RULE_CHAIN], ret->chain, SW_NFT_NAME))
        return false;
    if (a[NFTA_RULE_EXPRESSIONS])
        mnl_attr_for_each_nested(expr, a[NFTA_RULE_EXPRESSIONS]) see(&look, expr);
    ret->kind = kind_of(&look);
    return true;
}

/* Hooks have other numbers in each family. */
static bool is_inwards(__u8 family, __u32 hook)
{
    switch (family) {
    case NFPROTO_INET: return hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_IN || hook == NF_INET_INGRESS;
    case NFPROTO_IPV4:
    case NFPROTO_IPV6:
    case NFPROTO_BRIDGE: return hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_IN;
    case NFPROTO_NETDEV: return hook == NF_NETDEV_INGRESS;
    default: return false;
    }
}

bool sw_nft_chain_read(const struct nlmsghdr *nh, struct sw_nft_chain *ret)
{
    const struct nfgenmsg *head = sw_nl_header(nh, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, sizeof(*head));
    const struct nlattr *a[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];

    *ret = (struct sw_nft_chain){0};
    if (!head)
        return false;
    ret->family = head->nfgen_family;
    sw_nl_attrs(nh, sizeof(*head), a, NFTA_CHAIN_MAX);
    if (!sw_nft_name(a[NFTA_CHAIN_TABLE], ret->table, SW_NFT_NAME) ||
        !sw_nft_name(a[NFTA_CHAIN_NAME], ret->name, SW_NFT_NAME))
        return false;
    ret->base = a[NFTA_CHAIN_HOOK];
    sw_nl_nested(a[NFTA_CHAIN_HOOK], hook, NFTA_HOOK_MAX);
    ret->inwards = hook[NFTA_HOOK_HOOKNUM] && is_inwards(ret->family, sw_nft_be32(hook[NFTA_HOOK_HOOKNUM]));
    return true;
}
