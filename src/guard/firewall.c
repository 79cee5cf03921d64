/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/firewall.h"
#include "base/array.h"
#include "base/netlink.h"
#include "synward.h"

#include <netinet/in.h> /* before the kernel's headers, which then leave its types out */

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ATTEMPTS = 3 }; /* a listing that changes meanwhile is begun again */

struct chain {
    struct sw_nft_chain is;
    size_t rules[SW_NFT_KINDS];
    bool map;     /* a rule, then one of its table, takes its verdict from a map */
    bool in, out; /* reached from a hook of what comes in, from another hook */
};

struct jump {
    size_t from, to;
};

struct ruleset {
    struct chain *chain; /* sorted before rules are read */
    size_t chains, chain_room;
    struct jump *jump;
    size_t jumps, jump_room;
};

static int compare(const void *a, const void *b)
{
    const struct sw_nft_chain *x = &((const struct chain *)a)->is, *y = &((const struct chain *)b)->is;
    int order;

    if (x->family != y->family)
        return x->family < y->family ? -1 : 1;
    order = strcmp(x->table, y->table);
    return order ? order : strcmp(x->name, y->name);
}

/* NULL: not listed, for it is younger than the list. */
static struct chain *find(const struct ruleset *r, const struct sw_nft_rule *rule, const char *name)
{
    struct chain key = {.is.family = rule->family};

    memcpy(key.is.table, rule->table, sizeof(key.is.table));
    snprintf(key.is.name, sizeof(key.is.name), "%s", name);
    return r->chains ? bsearch(&key, r->chain, r->chains, sizeof(key), compare) : NULL;
}

static int no_memory(void)
{
    errno = ENOMEM;
    return MNL_CB_ERROR;
}

static int add_chain(const struct nlmsghdr *nh, void *ctx)
{
    struct ruleset *r = ctx;
    struct chain *more, c = {0};

    if (!sw_nft_chain_read(nh, &c.is))
        return MNL_CB_OK;
    c.in = c.is.base && c.is.inwards;
    c.out = c.is.base && !c.is.inwards;
    more = sw_array_room(r->chain, &r->chain_room, r->chains + 1, sizeof(*more));
    if (!more)
        return no_memory();
    r->chain = more;
    r->chain[r->chains++] = c;
    return MNL_CB_OK;
}

static int add_rule(const struct nlmsghdr *nh, void *ctx)
{
    struct ruleset *r = ctx;
    struct sw_nft_rule rule;
    struct chain *from, *to;
    struct jump *more;

    if (!sw_nft_rule_read(nh, &rule))
        return MNL_CB_OK;
    from = find(r, &rule, rule.chain);
    if (!from)
        return MNL_CB_OK;
    from->rules[rule.kind]++;
    from->map |= rule.map;
    to = *rule.jump ? find(r, &rule, rule.jump) : NULL;
    if (!to)
        return MNL_CB_OK;
    more = sw_array_room(r->jump, &r->jump_room, r->jumps + 1, sizeof(*more));
    if (!more)
        return no_memory();
    r->jump = more;
    r->jump[r->jumps++] = (struct jump){from - r->chain, to - r->chain};
    return MNL_CB_OK;
}

static int dump(__u16 type, mnl_cb_t fn, struct ruleset *r)
{
    struct sw_nl_request req;
    struct nfgenmsg *head = sw_nl_begin(&req, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_DUMP, sizeof(*head));

    head->nfgen_family = NFPROTO_UNSPEC;
    return sw_nl_ask(NETLINK_NETFILTER, &req, fn, r);
}

static void follow_jumps(struct ruleset *r)
{
    bool more = true;

    while (more) {
        more = false;
        for (size_t i = 0; i < r->jumps; i++) {
            const struct chain *from = &r->chain[r->jump[i].from];
            struct chain *to = &r->chain[r->jump[i].to];

            more |= (from->in && !to->in) || (from->out && !to->out);
            to->in |= from->in;
            to->out |= from->out;
        }
    }
}

static const char *family_name(__u8 family)
{
    switch (family) {
    case NFPROTO_INET: return "inet";
    case NFPROTO_IPV4: return "ip";
    case NFPROTO_IPV6: return "ip6";
    case NFPROTO_NETDEV: return "netdev";
    case NFPROTO_BRIDGE: return "bridge";
    default: return "?";
    }
}

/* As it is printed, in JSON too. */
static void describe(const struct sw_nft_chain *c, char ret[SW_FIREWALL_PLACE])
{
    snprintf(ret, SW_FIREWALL_PLACE, "%s %.50s %.50s", family_name(c->family), c->table, c->name);
    for (; *ret; ret++)
        if (*ret < ' ' || *ret > '~' || *ret == '"' || *ret == '\\')
            *ret = '?';
}

static bool same_table(const struct sw_nft_chain *a, const struct sw_nft_chain *b)
{
    return a->family == b->family && !strcmp(a->table, b->table);
}

/* A map of one chain may lead to any other of its table. */
static void share_maps(struct ruleset *r)
{
    size_t end;

    for (size_t i = 0; i < r->chains; i = end) {
        bool map = false;

        for (end = i; end < r->chains && same_table(&r->chain[i].is, &r->chain[end].is); end++)
            map |= r->chain[end].map;
        while (i < end)
            r->chain[i++].map = map;
    }
}

static void sum_up(struct ruleset *r, struct sw_firewall *ret)
{
    follow_jumps(r);
    share_maps(r);
    for (size_t i = 0; i < r->chains; i++) {
        const struct chain *c = &r->chain[i];

        if (!c->in && (c->out || !c->map))
            continue;
        for (int kind = 0; kind < SW_NFT_KINDS; kind++) {
            if (c->rules[kind] && !ret->rules[kind])
                describe(&c->is, ret->first[kind]);
            ret->rules[kind] += c->rules[kind];
        }
    }
}

static int read_nftables(struct sw_firewall *ret)
{
    struct ruleset r = {0};
    int err = dump(NFT_MSG_GETCHAIN, add_chain, &r);

    if (!err && r.chains) {
        qsort(r.chain, r.chains, sizeof(*r.chain), compare);
        err = dump(NFT_MSG_GETRULE, add_rule, &r);
    }
    if (!err)
        sum_up(&r, ret);
    free(r.chain);
    free(r.jump);
    return err;
}

SW_ASSERT(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "one structure for both");

/* The hooks have a policy each, and an entry ends the table: what is more are rules. */
static bool has_rules(int fd, int level, int option, const char *table)
{
    struct ipt_getinfo info = {0};
    socklen_t len = sizeof(info);

    snprintf(info.name, sizeof(info.name), "%s", table);
    return !getsockopt(fd, level, option, &info, &len) &&
           info.num_entries > (unsigned int)__builtin_popcount(info.valid_hooks) + 1;
}

/* The tables that are there, of iptables-legacy alone: to ask for others would load their modules. */
static void read_legacy(const char *path, int family, const char *prefix, char ret[SW_FIREWALL_PLACE])
{
    int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
        option = family == AF_INET ? IPT_SO_GET_INFO : IP6T_SO_GET_INFO;
    FILE *f = fopen(path, "re");
    char table[XT_TABLE_MAXNAMELEN];
    size_t len;
    int fd;

    if (!f)
        return;
    fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    while (fd >= 0 && fscanf(f, "%31s", table) == 1) {
        len = strlen(ret);
        if (has_rules(fd, level, option, table))
            snprintf(ret + len, SW_FIREWALL_PLACE - len, "%s%s %s", len ? ", " : "", prefix, table);
    }
    if (fd >= 0)
        close(fd);
    fclose(f);
}

void sw_firewall_read(struct sw_firewall *ret)
{
    int err = -EINTR;

    for (int i = 0; i < ATTEMPTS && err == -EINTR; i++) {
        *ret = (struct sw_firewall){0};
        err = read_nftables(ret);
    }
    if (err != -EINVAL && err != -EPROTONOSUPPORT && err != -EOPNOTSUPP) /* these: there are no nftables */
        ret->error = err;
    read_legacy("/proc/net/ip_tables_names", AF_INET, "iptables", ret->legacy);
    read_legacy("/proc/net/ip6_tables_names", AF_INET6, "ip6tables", ret->legacy);
}

/* A sentence, and what to do about it. */
__attribute__((format(printf, 2, 3))) static void put_note(char ret[SW_FIREWALL_NOTE], const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(ret, SW_FIREWALL_NOTE, fmt, args);
    va_end(args);
    if (n >= 0 && n < SW_FIREWALL_NOTE)
        snprintf(ret + n, SW_FIREWALL_NOTE - n, "; name the services to guard by --protect");
}

int sw_firewall_notes(const struct sw_firewall *f, char ret[SW_FIREWALL_NOTES][SW_FIREWALL_NOTE])
{
    static const char *const texts[SW_NFT_KINDS] = {
        [SW_NFT_SYN] =
            "netfilter rules that ask for a SYN: %zu (the first in %s). They see none that the guard answers, "
            "and the ACK that follows is no SYN: what they refuse or count gets through, what they alone "
            "admit does not",
        [SW_NFT_NOT_SYN] =
            "netfilter rules that refuse new connections without a SYN: %zu (the first in %s). They shut "
            "out the clients of an engaged service, whose ACK is the first packet that they see",
        [SW_NFT_LIMIT] = "netfilter rules that limit or count: %zu (the first in %s). While a service is engaged they "
                         "apply to the client's ACK, not to its SYN: who is over the limit takes the connection for "
                         "open",
    };
    int n = 0;

    for (int kind = 0; kind < SW_NFT_KINDS; kind++)
        if (texts[kind] && f->rules[kind])
            /* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral): one of the three above */
            put_note(ret[n++], texts[kind], f->rules[kind], f->first[kind]);
    if (*f->legacy)
        put_note(
            ret[n++],
            "rules of iptables-legacy, which are not read (in %s): those that ask for a SYN see none that the guard "
            "answers",
            f->legacy);
    return n;
}
