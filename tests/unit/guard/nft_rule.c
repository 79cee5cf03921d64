/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rules as the kernel lists them: which of them treat a SYN otherwise than the ACK that follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "guard/nft_rule.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_tcpudp.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define BYTES(...) ((const __u8[]){__VA_ARGS__}), sizeof((const __u8[]){__VA_ARGS__})

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, NEW = 8, ESTABLISHED = 2, RELATED = 4 };

/* The message, and where the expression and the list of them began. */
static struct {
    union {
        struct nlmsghdr nh;
        char room[8192];
    };
    struct nlattr *list, *expr, *data;
} m;

static void begin(__u8 family)
{
    struct nfgenmsg *head;

    memset(&m, 0, sizeof(m));
    mnl_nlmsg_put_header(m.room);
    m.nh.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
    head = mnl_nlmsg_put_extra_header(&m.nh, sizeof(*head));
    head->nfgen_family = family;
    mnl_attr_put_strz(&m.nh, NFTA_RULE_TABLE, "filter");
    mnl_attr_put_strz(&m.nh, NFTA_RULE_CHAIN, "input");
    m.list = mnl_attr_nest_start(&m.nh, NFTA_RULE_EXPRESSIONS);
}

static void open_expr(const char *name)
{
    m.expr = mnl_attr_nest_start(&m.nh, NFTA_LIST_ELEM);
    mnl_attr_put_strz(&m.nh, NFTA_EXPR_NAME, name);
    m.data = mnl_attr_nest_start(&m.nh, NFTA_EXPR_DATA);
}

static void close_expr(void)
{
    mnl_attr_nest_end(&m.nh, m.data);
    mnl_attr_nest_end(&m.nh, m.expr);
}

static void number(__u16 type, __u32 value)
{
    mnl_attr_put_u32(&m.nh, type, htonl(value));
}

static void value(__u16 type, const __u8 *bytes, size_t len)
{
    struct nlattr *nest = mnl_attr_nest_start(&m.nh, type);

    mnl_attr_put(&m.nh, NFTA_DATA_VALUE, len, bytes);
    mnl_attr_nest_end(&m.nh, nest);
}

static void plain(const char *name)
{
    open_expr(name);
    close_expr();
}

static void payload(__u32 base, __u32 offset, __u32 len)
{
    open_expr("payload");
    number(NFTA_PAYLOAD_DREG, NFT_REG_1);
    number(NFTA_PAYLOAD_BASE, base);
    number(NFTA_PAYLOAD_OFFSET, offset);
    number(NFTA_PAYLOAD_LEN, len);
    close_expr();
}

static void meta(__u32 key)
{
    open_expr("meta");
    number(NFTA_META_DREG, NFT_REG_1);
    number(NFTA_META_KEY, key);
    close_expr();
}

static void ct(__u32 key)
{
    open_expr("ct");
    number(NFTA_CT_DREG, NFT_REG_1);
    number(NFTA_CT_KEY, key);
    close_expr();
}

static void bitwise(const __u8 *mask, size_t len)
{
    static const __u8 zero[16];

    open_expr("bitwise");
    number(NFTA_BITWISE_SREG, NFT_REG_1);
    number(NFTA_BITWISE_DREG, NFT_REG_1);
    number(NFTA_BITWISE_LEN, len);
    value(NFTA_BITWISE_MASK, mask, len);
    value(NFTA_BITWISE_XOR, zero, len);
    close_expr();
}

static void cmp(__u32 op, const __u8 *bytes, size_t len)
{
    open_expr("cmp");
    number(NFTA_CMP_SREG, NFT_REG_1);
    number(NFTA_CMP_OP, op);
    value(NFTA_CMP_DATA, bytes, len);
    close_expr();
}

static void verdict(__s32 code, const char *chain)
{
    struct nlattr *data, *nest;

    open_expr("immediate");
    number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    data = mnl_attr_nest_start(&m.nh, NFTA_IMMEDIATE_DATA);
    nest = mnl_attr_nest_start(&m.nh, NFTA_DATA_VERDICT);
    number(NFTA_VERDICT_CODE, (__u32)code);
    if (chain)
        mnl_attr_put_strz(&m.nh, NFTA_VERDICT_CHAIN, chain);
    mnl_attr_nest_end(&m.nh, nest);
    mnl_attr_nest_end(&m.nh, data);
    close_expr();
}

static void match(const char *name, const void *info, size_t len, __u32 revision)
{
    open_expr("match");
    mnl_attr_put_strz(&m.nh, NFTA_MATCH_NAME, name);
    number(NFTA_MATCH_REV, revision);
    mnl_attr_put(&m.nh, NFTA_MATCH_INFO, len, info);
    close_expr();
}

static void target(const char *name)
{
    open_expr("target");
    mnl_attr_put_strz(&m.nh, NFTA_TARGET_NAME, name);
    close_expr();
}

/* nft: meta l4proto PROTO */
static void l4proto(__u8 proto)
{
    meta(NFT_META_L4PROTO);
    cmp(NFT_CMP_EQ, BYTES(proto));
}

/* nft: tcp flags & MASK == WANT, or != */
static void flags(__u8 mask, __u32 op, __u8 want)
{
    l4proto(IPPROTO_TCP);
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
    bitwise(BYTES(mask));
    cmp(op, BYTES(want));
}

/* nft: ct state STATES */
static void states(__u32 set)
{
    const __u32 zero = 0;

    ct(NFT_CT_STATE);
    bitwise((const __u8 *)&set, sizeof(set));
    cmp(NFT_CMP_NEQ, (const __u8 *)&zero, sizeof(zero));
}

static void end_rule(struct sw_nft_rule *ret)
{
    struct nlmsghdr *exact;

    mnl_attr_nest_end(&m.nh, m.list);
    exact = malloc(m.nh.nlmsg_len); /* so that the sanitizer sees what is read beyond */
    memcpy(exact, &m.nh, m.nh.nlmsg_len);
    assert_true(sw_nft_rule_read(exact, ret));
    free(exact);
}

static void is(enum sw_nft_kind want)
{
    struct sw_nft_rule rule;

    end_rule(&rule);
    assert_string_equal(rule.table, "filter");
    assert_string_equal(rule.chain, "input");
    assert_int_equal(rule.kind, want);
}

TEST(flags_of_nft)
{
    static const struct {
        __u8 mask;
        __u32 op;
        __u8 want;
        enum sw_nft_kind kind;
    } rows[] = {
        {SYN, NFT_CMP_NEQ, 0, SW_NFT_SYN},                         /* tcp flags syn */
        {FIN | SYN | RST | ACK, NFT_CMP_EQ, SYN, SW_NFT_SYN},      /* tcp flags & (fin|syn|rst|ack) == syn */
        {SYN | ACK, NFT_CMP_EQ, SYN, SW_NFT_SYN},                  /* ... / syn,ack */
        {0xff, NFT_CMP_EQ, SYN, SW_NFT_SYN},                       /* tcp flags == syn */
        {0xff, NFT_CMP_EQ, SYN | 0xc0, SW_NFT_SYN},                /* one with ECN */
        {ACK, NFT_CMP_EQ, 0, SW_NFT_SYN},                          /* without ACK: a SYN */
        {FIN | SYN | RST | ACK, NFT_CMP_NEQ, SYN, SW_NFT_NOT_SYN}, /* new, and not syn */
        {ACK, NFT_CMP_NEQ, 0, SW_NFT_NOT_SYN},                     /* tcp flags ack */
        {FIN | SYN, NFT_CMP_EQ, FIN | SYN, SW_NFT_OTHER},          /* bad combinations: neither */
        {SYN | RST, NFT_CMP_EQ, SYN | RST, SW_NFT_OTHER},
        {0x3f, NFT_CMP_EQ, 0, SW_NFT_OTHER},
        {0x3f, NFT_CMP_EQ, FIN | PSH | URG, SW_NFT_OTHER},
        {RST, NFT_CMP_NEQ, 0, SW_NFT_OTHER},
        {FIN | RST, NFT_CMP_EQ, 0, SW_NFT_OTHER}, /* both */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(NFPROTO_INET);
        flags(rows[i].mask, rows[i].op, rows[i].want);
        plain("counter");
        verdict(NF_DROP, NULL);
        is(rows[i].kind);
    }
}

TEST(what_it_does_counts)
{
    begin(NFPROTO_INET);
    flags(SYN, NFT_CMP_NEQ, 0);
    plain("counter");
    plain("log");
    is(SW_NFT_OTHER);

    begin(NFPROTO_INET);
    flags(SYN, NFT_CMP_NEQ, 0);
    plain("limit");
    verdict(NF_ACCEPT, NULL);
    is(SW_NFT_SYN);

    begin(NFPROTO_INET);
    flags(SYN, NFT_CMP_NEQ, 0);
    plain("notrack");
    is(SW_NFT_SYN);

    begin(NFPROTO_INET);
    flags(SYN, NFT_CMP_NEQ, 0);
    target("TCPMSS");
    is(SW_NFT_OTHER);

    begin(NFPROTO_INET);
    flags(FIN | SYN | RST | ACK, NFT_CMP_NEQ, SYN);
    verdict(NF_ACCEPT, NULL);
    is(SW_NFT_OTHER);

    begin(NFPROTO_INET);
    flags(FIN | SYN | RST | ACK, NFT_CMP_NEQ, SYN);
    plain("reject");
    is(SW_NFT_NOT_SYN);
}

/* Of a new connection, and of TCP? */
TEST(conditions_besides)
{
    begin(NFPROTO_INET);
    states(NEW);
    flags(FIN | SYN | RST | ACK, NFT_CMP_NEQ, SYN);
    verdict(NF_DROP, NULL);
    is(SW_NFT_NOT_SYN);

    begin(NFPROTO_INET);
    states(ESTABLISHED | RELATED);
    flags(FIN | SYN | RST | ACK, NFT_CMP_NEQ, SYN);
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);

    begin(NFPROTO_INET);
    states(1); /* invalid */
    flags(SYN, NFT_CMP_NEQ, 0);
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);

    begin(NFPROTO_INET);
    l4proto(IPPROTO_UDP);
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
    cmp(NFT_CMP_EQ, BYTES(SYN));
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);

    begin(NFPROTO_INET);
    l4proto(IPPROTO_ICMP);
    plain("limit");
    verdict(NF_ACCEPT, NULL);
    is(SW_NFT_OTHER);

    begin(NFPROTO_IPV4);
    payload(NFT_PAYLOAD_NETWORK_HEADER, 9, 1);
    cmp(NFT_CMP_EQ, BYTES(IPPROTO_UDP));
    plain("limit");
    verdict(NF_ACCEPT, NULL);
    is(SW_NFT_OTHER);

    begin(NFPROTO_IPV6);
    payload(NFT_PAYLOAD_NETWORK_HEADER, 6, 1);
    cmp(NFT_CMP_EQ, BYTES(IPPROTO_TCP));
    plain("limit");
    verdict(NF_ACCEPT, NULL);
    is(SW_NFT_LIMIT);

    for (__u32 at = 6; at <= 9; at += 3) { /* ip6 nexthdr, ip protocol */
        begin(NFPROTO_INET);
        payload(NFT_PAYLOAD_NETWORK_HEADER, at, 1);
        cmp(NFT_CMP_EQ, BYTES(IPPROTO_UDP));
        plain("limit");
        verdict(NF_ACCEPT, NULL);
        is(SW_NFT_OTHER);
    }
    begin(NFPROTO_INET);
    payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 16); /* ip6 saddr */
    cmp(NFT_CMP_EQ, BYTES(1, IPPROTO_UDP, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
    plain("limit");
    verdict(NF_ACCEPT, NULL);
    is(SW_NFT_LIMIT);
}

/* The register has something else by now. */
TEST(registers_are_overwritten)
{
    begin(NFPROTO_INET);
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
    cmp(NFT_CMP_EQ, BYTES(SYN, SYN));
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);

    begin(NFPROTO_INET);
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
    plain("fib");
    cmp(NFT_CMP_EQ, BYTES(SYN));
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);

    begin(NFPROTO_INET);
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
    meta(NFT_META_IIF);
    cmp(NFT_CMP_EQ, BYTES(SYN, 0, 0, 0));
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);
}

/* Flags and window, loaded together. */
TEST(flags_among_others)
{
    begin(NFPROTO_INET);
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 12, 4);
    bitwise(BYTES(0, 0x3f, 0xff, 0xff));
    cmp(NFT_CMP_EQ, BYTES(0, SYN, 4, 0));
    verdict(NF_DROP, NULL);
    is(SW_NFT_SYN);

    begin(NFPROTO_INET);
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 12, 4);
    cmp(NFT_CMP_NEQ, BYTES(0, SYN, 4, 0)); /* because of another byte, perhaps */
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);
}

TEST(limits)
{
    static const char *const matches[] = {"connlimit", "hashlimit", "limit", "recent"};
    const __u8 info[16] = {0};
    struct nlattr *nest;

    begin(NFPROTO_INET);
    states(NEW);
    l4proto(IPPROTO_TCP);
    plain("connlimit");
    verdict(NF_DROP, NULL);
    is(SW_NFT_LIMIT);

    begin(NFPROTO_INET); /* limit rate 5/minute log */
    plain("limit");
    plain("log");
    is(SW_NFT_OTHER);

    for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
        begin(NFPROTO_IPV4);
        match(matches[i], info, sizeof(info), 1);
        target("REJECT");
        is(SW_NFT_LIMIT);
        begin(NFPROTO_IPV4);
        match(matches[i], info, sizeof(info), 1);
        target("LOG");
        is(SW_NFT_OTHER);
    }

    begin(NFPROTO_INET); /* add @set { ip saddr limit rate over 10/second } drop */
    open_expr("dynset");
    nest = mnl_attr_nest_start(&m.nh, NFTA_DYNSET_EXPR);
    mnl_attr_put_strz(&m.nh, NFTA_EXPR_NAME, "limit");
    mnl_attr_nest_end(&m.nh, nest);
    close_expr();
    verdict(NF_DROP, NULL);
    is(SW_NFT_LIMIT);

    begin(NFPROTO_INET);
    open_expr("dynset");
    nest = mnl_attr_nest_start(&m.nh, NFTA_DYNSET_EXPRESSIONS);
    {
        struct nlattr *elem = mnl_attr_nest_start(&m.nh, NFTA_LIST_ELEM);

        mnl_attr_put_strz(&m.nh, NFTA_EXPR_NAME, "connlimit");
        mnl_attr_nest_end(&m.nh, elem);
    }
    mnl_attr_nest_end(&m.nh, nest);
    close_expr();
    verdict(NF_DROP, NULL);
    is(SW_NFT_LIMIT);

    begin(NFPROTO_INET); /* limit name "x" */
    open_expr("objref");
    number(NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_LIMIT);
    close_expr();
    verdict(NF_DROP, NULL);
    is(SW_NFT_LIMIT);
}

TEST(matches_of_iptables)
{
    struct xt_tcp syn = {.spts = {0, 65535}, .dpts = {80, 80}, .flg_mask = 0x17, .flg_cmp = SYN},
                  any = {.dpts = {80, 80}}, not_syn = syn;
    struct xt_conntrack_mtinfo3 tracked = {.match_flags = XT_CONNTRACK_STATE, .state_mask = NEW};
    __u32 statemask = ESTABLISHED | RELATED;

    begin(NFPROTO_IPV4);
    match("tcp", &syn, sizeof(syn), 0);
    match("connlimit", BYTES(0), 1);
    target("REJECT");
    is(SW_NFT_SYN);

    begin(NFPROTO_IPV4);
    match("tcp", &any, sizeof(any), 0);
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);

    not_syn.invflags = XT_TCP_INV_FLAGS;
    begin(NFPROTO_IPV4);
    match("conntrack", &tracked, sizeof(tracked), 3);
    match("tcp", &not_syn, sizeof(not_syn), 0);
    verdict(NF_DROP, NULL);
    is(SW_NFT_NOT_SYN);

    tracked.state_mask = ESTABLISHED;
    begin(NFPROTO_IPV4);
    match("conntrack", &tracked, sizeof(tracked), 3);
    match("tcp", &syn, sizeof(syn), 0);
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);

    tracked.invert_flags = XT_CONNTRACK_STATE;
    begin(NFPROTO_IPV4);
    match("conntrack", &tracked, sizeof(tracked), 3);
    match("tcp", &syn, sizeof(syn), 0);
    verdict(NF_DROP, NULL);
    is(SW_NFT_SYN);

    begin(NFPROTO_IPV4);
    match("state", &statemask, sizeof(statemask), 0);
    match("tcp", &syn, sizeof(syn), 0);
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);

    statemask = NEW;
    begin(NFPROTO_IPV4);
    match("state", &statemask, sizeof(statemask), 0);
    match("limit", BYTES(0), 0);
    verdict(NF_ACCEPT, NULL);
    is(SW_NFT_LIMIT);
}

TEST(sets_jumps_and_maps)
{
    struct sw_nft_rule rule;

    begin(NFPROTO_INET); /* tcp flags { ... } */
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
    open_expr("lookup");
    number(NFTA_LOOKUP_SREG, NFT_REG_1);
    close_expr();
    verdict(NF_DROP, NULL);
    is(SW_NFT_SYN);

    begin(NFPROTO_INET); /* tcp flags != { ... } */
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1);
    open_expr("lookup");
    number(NFTA_LOOKUP_SREG, NFT_REG_1);
    number(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    close_expr();
    verdict(NF_DROP, NULL);
    is(SW_NFT_OTHER);

    begin(NFPROTO_INET); /* ct state vmap { ... } */
    ct(NFT_CT_STATE);
    open_expr("lookup");
    number(NFTA_LOOKUP_SREG, NFT_REG_1);
    number(NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
    close_expr();
    end_rule(&rule);
    assert_int_equal(rule.kind, SW_NFT_OTHER);
    assert_true(rule.map);
    assert_string_equal(rule.jump, "");

    begin(NFPROTO_INET);
    flags(SYN, NFT_CMP_NEQ, 0);
    verdict(NFT_JUMP, "flood");
    end_rule(&rule);
    assert_int_equal(rule.kind, SW_NFT_SYN);
    assert_false(rule.map);
    assert_string_equal(rule.jump, "flood");
}

static void chain(__u8 family, const __u32 *hook, bool want_base, bool want_in)
{
    struct sw_nft_chain c;
    struct nfgenmsg *head;
    struct nlattr *nest;

    memset(&m, 0, sizeof(m));
    mnl_nlmsg_put_header(m.room);
    m.nh.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN;
    head = mnl_nlmsg_put_extra_header(&m.nh, sizeof(*head));
    head->nfgen_family = family;
    mnl_attr_put_strz(&m.nh, NFTA_CHAIN_TABLE, "t");
    mnl_attr_put_strz(&m.nh, NFTA_CHAIN_NAME, "c");
    if (hook) {
        nest = mnl_attr_nest_start(&m.nh, NFTA_CHAIN_HOOK);
        number(NFTA_HOOK_HOOKNUM, *hook);
        mnl_attr_nest_end(&m.nh, nest);
    }
    assert_true(sw_nft_chain_read(&m.nh, &c));
    assert_int_equal(c.family, family);
    assert_string_equal(c.table, "t");
    assert_string_equal(c.name, "c");
    assert_int_equal(c.base, want_base);
    assert_int_equal(c.inwards, want_in);
    m.nh.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
    assert_false(sw_nft_chain_read(&m.nh, &c));
}

TEST(chains)
{
    static const struct {
        __u8 family;
        __u32 hook;
        bool in;
    } rows[] = {
        {NFPROTO_INET, NF_INET_PRE_ROUTING, true},
        {NFPROTO_INET, NF_INET_LOCAL_IN, true},
        {NFPROTO_INET, NF_INET_FORWARD, false},
        {NFPROTO_INET, NF_INET_LOCAL_OUT, false},
        {NFPROTO_INET, NF_INET_POST_ROUTING, false},
        {NFPROTO_INET, NF_INET_INGRESS, true},
        {NFPROTO_IPV4, NF_INET_LOCAL_IN, true},
        {NFPROTO_IPV6, NF_INET_FORWARD, false},
        {NFPROTO_BRIDGE, NF_INET_LOCAL_IN, true},
        {NFPROTO_NETDEV, NF_NETDEV_INGRESS, true},
        {NFPROTO_NETDEV, 1, false},
        {NFPROTO_ARP, 0, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        chain(rows[i].family, &rows[i].hook, true, rows[i].in);
    chain(NFPROTO_INET, NULL, false, false);
}

/* Whatever is cut off or overwritten: nothing beyond the message is read. */
TEST(damaged_messages)
{
    struct xt_tcp syn = {.flg_mask = 0x17, .flg_cmp = SYN};
    struct sw_nft_chain c;
    struct sw_nft_rule rule;
    unsigned int seed = 7;
    __u32 len;

    begin(NFPROTO_INET);
    states(NEW);
    flags(FIN | SYN | RST | ACK, NFT_CMP_EQ, SYN);
    match("tcp", &syn, sizeof(syn), 0);
    match("conntrack", BYTES(1, 2, 3), 3);
    match("state", BYTES(1), 0);
    plain("dynset");
    plain("lookup");
    verdict(NFT_JUMP, "flood");
    end_rule(&rule);
    len = m.nh.nlmsg_len;
    for (int i = 0; i < 20000; i++) {
        __u32 cut = i < (int)len ? (__u32)i : len;
        char *copy = malloc(cut > sizeof(struct nlmsghdr) ? cut : sizeof(struct nlmsghdr));
        struct nlmsghdr *nh = (struct nlmsghdr *)copy;

        if (cut < sizeof(*nh))
            cut = sizeof(*nh);
        memcpy(copy, &m.nh, cut);
        nh->nlmsg_len = cut;
        for (int k = 0; i >= (int)len && k < 1 + i % 4; k++)
            copy[sizeof(*nh) + rand_r(&seed) % (cut - sizeof(*nh))] = (char)rand_r(&seed);
        sw_nft_rule_read(nh, &rule);
        assert_in_range(rule.kind, 0, SW_NFT_KINDS - 1);
        assert_non_null(memchr(rule.jump, 0, sizeof(rule.jump)));
        nh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN;
        sw_nft_chain_read(nh, &c);
        free(copy);
    }
}

TEST(no_rule)
{
    struct sw_nft_rule rule;

    begin(NFPROTO_INET);
    m.nh.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN;
    assert_false(sw_nft_rule_read(&m.nh, &rule));
    begin(NFPROTO_INET);
    m.nh.nlmsg_len = sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg); /* no table */
    m.nh.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;
    assert_false(sw_nft_rule_read(&m.nh, &rule));
    begin(NFPROTO_INET); /* without expressions */
    is(SW_NFT_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_of_nft),
        cmocka_unit_test(what_it_does_counts),
        cmocka_unit_test(conditions_besides),
        cmocka_unit_test(registers_are_overwritten),
        cmocka_unit_test(flags_among_others),
        cmocka_unit_test(limits),
        cmocka_unit_test(matches_of_iptables),
        cmocka_unit_test(sets_jumps_and_maps),
        cmocka_unit_test(chains),
        cmocka_unit_test(damaged_messages),
        cmocka_unit_test(no_rule),
    };

    return cmocka_run_group_tests_name("nft_rule", tests, NULL, NULL);
}
