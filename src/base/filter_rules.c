/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/filter_rules.h"
#include "base/cidr.h"
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64 /* longer than any port range or CIDR */
#define PORTS 65536

#define NAME(prefix, id, name) [prefix##id] = (name),
const char *const sw_filter_list_names[SW_FL_MAX] = {SW_FILTER_LISTS(NAME)};

/* Decimal, up to 65535, without a leading zero; *end is after it. -1: it is none. */
static long parse_port(const char *text, const char **end)
{
    long port = 0;
    int len = 0;

    for (; text[len] >= '0' && text[len] <= '9' && len < 5; len++)
        port = port * 10 + (text[len] - '0');
    *end = text + len;
    return !len || (len > 1 && *text == '0') || port >= PORTS ? -1 : port;
}

static int add_ports(struct sw_filter_rules *rules, enum sw_filter_list list, const char *word, char *why, size_t size)
{
    const char *end;
    long first = parse_port(word, &end), last = first;

    if (first >= 0 && *end == '-')
        last = parse_port(end + 1, &end);
    if (first < 0 || last < first || *end) {
        snprintf(why, size, "'%s' is not a port or a range of ports, like 443 or 8000-8100", word);
        return -EINVAL;
    }
    for (long port = first; port <= last; port++)
        rules->ports[list][port >> 6] |= 1ull << (port & 63);
    return 0;
}

static void to_net(const struct sw_cidr *cidr, struct sw_filter_net *ret)
{
    __u8 mask[16] = {0};

    memset(ret, 0, sizeof(*ret));
    for (__u32 bit = 0; bit < cidr->prefixlen; bit++)
        mask[bit / 8] |= 0x80 >> bit % 8;
    memcpy(ret->ip, cidr->ip, sizeof(ret->ip));
    memcpy(ret->mask, mask, sizeof(ret->mask));
    ret->v4 = cidr->prefixlen >= 96 && sw_ip_is_v4(cidr->ip);
}

static void to_cidr(const struct sw_filter_net *net, struct sw_cidr *ret)
{
    memcpy(ret->ip, net->ip, sizeof(ret->ip));
    ret->prefixlen = __builtin_popcountll(net->mask[0]) + __builtin_popcountll(net->mask[1]);
}

static int add_net(struct sw_filter_rules *rules, enum sw_filter_list list, const char *word, char *why, size_t size)
{
    struct sw_filter_net net;
    struct sw_cidr cidr;
    __u32 i = 0;
    int err = sw_cidr_parse(word, &cidr);

    if (err) {
        sw_cidr_explain(word, err, why, size);
        return -EINVAL;
    }
    to_net(&cidr, &net);
    while (i < rules->nets_len && memcmp(&rules->nets[i], &net, offsetof(struct sw_filter_net, lists)))
        i++;
    if (i == SW_FILTER_NETS) {
        snprintf(why, size, "more than %d networks in all", SW_FILTER_NETS);
        return -EINVAL;
    }
    if (i == rules->nets_len)
        rules->nets[rules->nets_len++] = net;
    rules->nets[i].lists |= 1u << list;
    return 0;
}

int sw_filter_add(struct sw_filter_rules *rules, enum sw_filter_list list, const char *text, char *why, size_t size)
{
    char word[WORD_MAX];
    int err;

    for (;; text++) {
        size_t len = strcspn(text, ",");

        snprintf(word, sizeof(word), "%.*s", (int)(len < sizeof(word) ? len : sizeof(word)), text);
        err = (list < SW_FILTER_PORT_LISTS ? add_ports : add_net)(rules, list, word, why, size);
        if (err)
            return err;
        rules->lists |= 1u << list;
        text += len;
        if (!*text)
            return 0;
    }
}

static void print_ports(const struct sw_filter_rules *rules, enum sw_filter_list list, FILE *out)
{
    const char *comma = "";

    for (long first = 0, last; first < PORTS; first = last + 1) {
        last = first;
        if (!sw_filter_has_port(rules, list, first))
            continue;
        while (last + 1 < PORTS && sw_filter_has_port(rules, list, last + 1))
            last++;
        fprintf(out, last > first ? "%s%ld-%ld" : "%s%ld", comma, first, last);
        comma = ",";
    }
}

static void print_nets(const struct sw_filter_rules *rules, enum sw_filter_list list, FILE *out)
{
    struct sw_cidr cidrs[SW_FILTER_NETS] = {0};
    char text[SW_CIDR_LEN];
    size_t len = 0;

    for (__u32 i = 0; i < rules->nets_len && i < SW_FILTER_NETS; i++)
        if (rules->nets[i].lists >> list & 1)
            to_cidr(&rules->nets[i], &cidrs[len++]);
    qsort(cidrs, len, sizeof(*cidrs), sw_cidr_compare);
    for (size_t i = 0; i < len; i++) {
        sw_cidr_format(&cidrs[i], text, sizeof(text));
        fprintf(out, "%s%s", i ? "," : "", text);
    }
}

void sw_filter_print_list(const struct sw_filter_rules *rules, enum sw_filter_list list, FILE *out)
{
    if (rules->lists >> list & 1)
        (list < SW_FILTER_PORT_LISTS ? print_ports : print_nets)(rules, list, out);
}

void sw_filter_print(const struct sw_filter_rules *rules, FILE *out)
{
    const char *blank = "";

    for (int list = 0; list < SW_FL_MAX; list++) {
        if (!(rules->lists >> list & 1))
            continue;
        fprintf(out, "%s--%s ", blank, sw_filter_list_names[list]);
        sw_filter_print_list(rules, list, out);
        blank = " ";
    }
}

__u32 sw_filter_lists_of(const struct sw_filter_rules *rules, const __u8 ip[16], __be16 port)
{
    __u32 lists = 0, v4 = sw_ip_is_v4(ip);
    __u64 word[2];

    memcpy(word, ip, sizeof(word));
    for (int list = 0; list < SW_FILTER_PORT_LISTS; list++)
        lists |= (__u32)sw_filter_has_port(rules, list, ntohs(port)) << list;
    for (__u32 i = 0; i < rules->nets_len && i < SW_FILTER_NETS; i++) {
        const struct sw_filter_net *net = &rules->nets[i];

        if (net->v4 == v4 && !((word[0] ^ net->ip[0]) & net->mask[0]) && !((word[1] ^ net->ip[1]) & net->mask[1]))
            lists |= net->lists;
    }
    return lists;
}

bool sw_filter_rules_match(const struct sw_filter_rules *rules, const struct sw_key *key, bool orig_is_b)
{
    __u32 a, b;

    if (!rules->lists)
        return true;
    a = sw_filter_lists_of(rules, key->a_ip, key->a_port);
    b = sw_filter_lists_of(rules, key->b_ip, key->b_port);
    return sw_filter_admits(rules->lists, orig_is_b ? b : a, orig_is_b ? a : b);
}
