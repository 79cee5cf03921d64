/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/guard_options.h"
#include "base/cidr.h"
#include "base/clock.h"
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MAX 1000000000ull /* one a nanosecond */
#define DAY 86400

void sw_guard_defaults(struct sw_guard_opts *opts)
{
    memset(opts, 0, sizeof(*opts));
    opts->half_open = 1024;
    opts->syn_rate = 4000;
    opts->hold_ns = 10 * SW_SECOND;
    opts->grace_ns = 140 * SW_SECOND;
    opts->pass_rate = 10000;
    opts->backend = SW_BK_NONE;
    opts->wscale = -1;
    opts->window = 65160;
    opts->ttl = 64;
    opts->gateway_flows = SW_GATEWAY_FLOWS;
    opts->gateway_linger_ns = 120 * SW_SECOND;
    opts->gateway_pending_ns = 60 * SW_SECOND;
    opts->gateway_idle_ns = 7500 * SW_SECOND; /* RFC 5382 REQ-5: not less than 2 h 4 min */
    opts->capture_bytes = 16u << 20;
}

/* 1 to 65535 in decimal, nothing around it; 0: it is not. */
static __u16 parse_port(const char *text)
{
    unsigned long port;
    char *end;

    if (*text < '1' || *text > '9' || strlen(text) > 5)
        return 0;
    port = strtoul(text, &end, 10);
    return *end || port > 65535 ? 0 : port;
}

static int parse_address(const char *text, struct sw_protect *ret)
{
    static const __u8 none[16], none4[16] = SW_V4_MAPPED;
    char ip[INET6_ADDRSTRLEN];
    size_t len = strlen(text);
    bool v6 = *text == '[';

    if (!strcmp(text, "*")) {
        ret->any = SW_ANY_4 | SW_ANY_6;
        return 0;
    }
    if (v6 && text[len - 1] != ']')
        return -EINVAL;
    text += v6;
    len -= 2 * v6;
    if (len >= sizeof(ip))
        return -EINVAL;
    memcpy(ip, text, len);
    ip[len] = 0;
    memcpy(ret->ip, none4, sizeof(none4));
    if (inet_pton(v6 ? AF_INET6 : AF_INET, ip, v6 ? ret->ip : ret->ip + 12) != 1)
        return -EINVAL;
    if (!memcmp(ret->ip, none4, sizeof(none4)))
        ret->any = SW_ANY_4;
    else if (!memcmp(ret->ip, none, sizeof(none)))
        ret->any = SW_ANY_6;
    if (ret->any)
        memset(ret->ip, 0, sizeof(ret->ip));
    return 0;
}

/* ADDR/BITS or [ADDR6]/BITS. A prefix of no bits names nothing. */
static int parse_net(const char *text, struct sw_protect *ret)
{
    char plain[SW_CIDR_LEN];
    bool v6 = *text == '[';
    const char *bracket = strchr(text, ']');
    struct sw_cidr net;
    int err;

    if (v6 && (!bracket || bracket[1] != '/'))
        return -EINVAL;
    if (v6)
        snprintf(plain, sizeof(plain), "%.*s%s", (int)(bracket - text - 1), text + 1, bracket + 1);
    else
        snprintf(plain, sizeof(plain), "%s", text);
    if (!v6 != !strchr(plain, ':'))
        return -EINVAL;
    err = sw_cidr_parse(plain, &net);
    if (err)
        return err;
    if (net.prefixlen == (v6 ? 0 : 96) || (v6 && net.prefixlen >= 96 && sw_ip_is_v4(net.ip)))
        return -EINVAL; /* v4-mapped addresses stand for those of IPv4 in tables, and for no others */
    memcpy(ret->ip, net.ip, sizeof(ret->ip));
    ret->any = net.prefixlen < 128 ? SW_NET + net.prefixlen : 0;
    return 0;
}

int sw_protect_parse(const char *text, struct sw_protect *ret)
{
    const char *colon = strrchr(text, ':');
    char address[SW_CIDR_LEN + 2];
    size_t len = colon ? colon - text : 0;
    int err = 0;

    memset(ret, 0, sizeof(*ret));
    if (len >= sizeof(address) || (colon && !len))
        return -EINVAL;
    memcpy(address, text, len);
    address[len] = 0;
    if (colon)
        err = strchr(address, '/') ? parse_net(address, ret) : parse_address(address, ret);
    else
        ret->any = SW_ANY_4 | SW_ANY_6;
    ret->port = parse_port(colon ? colon + 1 : text);
    return ret->port ? err : -EINVAL;
}

static void add_protect(struct sw_cli *cli, const char *arg, void *at)
{
    struct sw_guard_opts *opts = at;
    struct sw_protect one, net = {0}; /* of the last prefix: a port without an address after it is of that */
    char word[72];
    size_t len, i;
    int err;

    for (const char *p = arg;; p += len + 1) {
        len = strcspn(p, ",");
        snprintf(word, sizeof(word), "%.*s", (int)len, p);
        err = len < sizeof(word) ? sw_protect_parse(word, &one) : -EINVAL;
        if (err == -EDOM)
            sw_option_die(cli, "'%s' has bits beyond its prefix", word);
        if (err)
            sw_option_die(cli, "'%s' is not [ADDR[/BITS]:]PORT, like 443, 192.0.2.1:443 or [2001:db8::]/48:443", word);
        if (net.port && !strchr(word, ':')) {
            net.port = one.port;
            one = net;
        } else if (strchr(word, '/')) {
            net = one;
        } else {
            net.port = 0;
        }
        for (i = 0; i < opts->protect_len && memcmp(&opts->protect[i], &one, sizeof(one)); i++)
            ;
        if (i == SW_PROTECT_MAX)
            sw_option_die(cli, "more than %d services", SW_PROTECT_MAX);
        opts->protect[i] = one;
        opts->protect_len += i == opts->protect_len;
        if (!p[len])
            return;
    }
}

static void add_cidr(struct sw_cli *cli, const char *arg, void *at)
{
    struct sw_list_opts *list = at;
    struct sw_cidr cidr;
    char why[160];
    int err = sw_cidr_parse(arg, &cidr);

    if (err) {
        sw_cidr_explain(arg, err, why, sizeof(why));
        sw_option_die(cli, "%s", why);
    }
    if (list->cidrs_len == SW_LIST_OPTS_MAX)
        sw_option_die(cli, "more than %d of them; --%s-file takes any number", SW_LIST_OPTS_MAX, cli->option);
    list->cidrs[list->cidrs_len++] = arg;
}

/* What is behind it cannot be seen, and the kernel's cookies are of its own listeners. */
static void check_gateway(struct sw_cli *cli, struct sw_guard_opts *opts)
{
    if (!opts->protect_len)
        sw_usage_die(cli, "--gateway goes with --protect: what is behind it is not guessed");
    for (size_t i = 0; i < opts->protect_len; i++)
        if (opts->protect[i].any && opts->protect[i].any <= SW_NET)
            sw_usage_die(cli, "--gateway: port %u of --protect has no address: write ADDR:PORT or ADDR/BITS:PORT",
                         opts->protect[i].port);
    if (opts->gateway == SW_GATEWAY_EDGE && !opts->key_file)
        sw_usage_die(cli, "--gateway edge goes with --key-file, which the hosts behind it have, too");
    if (opts->gateway == SW_GATEWAY_TRANSLATE && sw_given(cli, "window"))
        sw_usage_die(cli, "--window goes with --gateway edge: translate grants none until the backend has answered");
    if (opts->gateway == SW_GATEWAY_TRANSLATE)
        opts->window = 0;
    if (opts->accept)
        sw_usage_die(cli, "--accept is for the hosts behind a gateway, not for --gateway");
    if (opts->backend == SW_BK_LISTENER)
        sw_usage_die(cli, "--cookie listener does not go with --gateway: there is no listener here");
    if (opts->stray == SW_STRAY_RESET)
        sw_usage_die(cli, "--stray reset does not go with --gateway, which lets strays pass");
    if (opts->wscale < 0)
        opts->wscale = SW_GATEWAY_WSCALE;
}

static void check_no_gateway(struct sw_cli *cli, const struct sw_guard_opts *opts)
{
    for (size_t i = 0; i < opts->protect_len; i++)
        if (opts->protect[i].any > SW_NET)
            sw_usage_die(cli, "a prefix in --protect goes with --gateway: this host's services are named by address");
    if (sw_given(cli, "window") || sw_given(cli, "ttl"))
        sw_usage_die(cli, "--%s goes with --gateway", sw_given(cli, "window") ? "window" : "ttl");
}

/* What goes with one form of gateway alone. */
static void check_translate(struct sw_cli *cli, const struct sw_guard_opts *opts)
{
    static const char *const names[] = {"gateway-flows", "gateway-linger", "gateway-idle", "gateway-pending", "drain"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (opts->gateway != SW_GATEWAY_TRANSLATE && sw_given(cli, names[i]))
            sw_usage_die(cli, "--%s goes with --gateway translate", names[i]);
}

static void check(struct sw_cli *cli, void *at)
{
    struct sw_guard_opts *opts = at;

    opts->given = sw_given(cli, "guard");
    if (sw_given(cli, "capture-size") && !opts->capture_file)
        sw_usage_die(cli, "--capture-size goes with --capture");
    if (opts->accept && !opts->key_file)
        sw_usage_die(cli, "--accept goes with --key-file, which the edge has, too");
    if (opts->gateway)
        check_gateway(cli, opts);
    else
        check_no_gateway(cli, opts);
    check_translate(cli, opts);
}

const struct sw_word sw_guard_mode_words[] = {SW_GUARD_MODES(SW_WORD_ITEM){0}};
static const struct sw_word strays[] = {{"drop", SW_STRAY_DROP}, {"reset", SW_STRAY_RESET}, {0}};
static const struct sw_word reverse_paths[] = {
    {"auto", SW_REVERSE_PATH_AUTO}, {"strict", SW_REVERSE_PATH_STRICT}, {"off", SW_REVERSE_PATH_OFF}, {0}};
static const struct sw_word cookies[] = {
    {"auto", SW_BK_NONE}, {"reqsk", SW_BK_REQSK}, {"listener", SW_BK_LISTENER}, {0}};
_Static_assert(SW_BK_MAX == 3, "--cookie knows every backend");

static const struct sw_word gateways[] = {{"edge", SW_GATEWAY_EDGE}, {"translate", SW_GATEWAY_TRANSLATE}, {0}};

#define FIELD(field) SW_FIELD(struct sw_guard_opts, field)
#define RATE .type = SW_OPT_RATE, .range = {1, RATE_MAX}

static const struct sw_option thresholds[] = {
    {"half-open", .type = SW_OPT_NUMBER, FIELD(half_open), .range = {1, RATE_MAX}},
    {"syn-rate", .type = SW_OPT_NUMBER, FIELD(syn_rate), .range = {1, RATE_MAX}},
    {0},
};

static const struct sw_option options[] = {
    {"guard", .block = 1, .type = SW_OPT_CHOICE, FIELD(mode), .words = sw_guard_mode_words,
     .help = "answer SYN floods with cookies: never, dry run, during a flood, or always",
     .man = "`monitor`: decide, count and log as `auto` would, but change no packet. `auto`: answer SYNs "
            "with cookies in a flood, and disengage after it. `always`: answer every SYN with a cookie. `off`: do "
            "nothing until `synward guard` changes the mode."},
    {"protect", .block = 1, .type = SW_OPT_CUSTOM, .parse = add_protect, .arg = "[ADDR[/BITS]:]PORT[,...]",
     .help = "protect these services; may be given several times (default: every listening socket of this host)",
     .man = "At most 512. Without an address, or with `*`: all that listens on the port; `0.0.0.0:`PORT and "
            "`[::]:`PORT: one family of it. With `--gateway` addresses and prefixes of other hosts: "
            "`203.0.113.0/24:80,443`, `[2001:db8::]/48:443`; a port after a prefix is of that prefix."},
    {"gateway", .block = 1, .type = SW_OPT_CHOICE, FIELD(gateway), .words = gateways,
     .help = "guard hosts behind this one, which forwards: edge answers SYNs, and they take the cookies (--accept); "
             "translate takes them itself, for hosts as they are",
     .man = "Needs `--protect`, edge `--key-file` too. Interfaces may be ports of a bridge. See GATEWAY."},
    {"gateway-flows", .block = 1, .type = SW_OPT_NUMBER, FIELD(gateway_flows), .range = {16, 1 << 24},
     .help = "translate: connections that are translated at once ({})",
     .man = "Each takes about 220 bytes. None is ever evicted; if there are no more, SYNs pass. One client may have "
            "a sixteenth."},
    {"gateway-linger", .block = 1, .type = SW_OPT_SECONDS, FIELD(gateway_linger_ns), .seconds = {1, DAY},
     .help = "translate: a connection that is closed is translated for S seconds more ({})"},
    {"gateway-idle", .block = 1, .type = SW_OPT_SECONDS, FIELD(gateway_idle_ns), .seconds = {10, 30 * DAY},
     .help = "translate: one that is open and says nothing ends after S seconds ({})"},
    {"gateway-pending", .block = 1, .type = SW_OPT_SECONDS, FIELD(gateway_pending_ns), .seconds = {1, 600},
     .help = "translate: a host that has not answered a SYN after S seconds is silent: its client is reset ({})"},
    {"drain", .block = 1, .type = SW_OPT_SECONDS, FIELD(drain_ns), .seconds = {0, DAY},
     .help = "translate: at the end wait up to S seconds for connections that are translated ({})",
     .man = "While it waits no new ones begin. With `--pin` nothing ends, and nothing is waited for."},
    {"accept", .block = 1, .type = SW_OPT_SET, FIELD(accept),
     .help = "a host behind an edge: take the cookies of the key file in every state, calm too",
     .man = "Needs `--key-file`, and a kernel from 6.9 on."},
    {"engage", .block = 1, .type = SW_OPT_PARTS, .parts = thresholds,
     .help = "auto: engage at N half-open handshakes ({half-open}), or N SYNs a second of which few complete "
             "({syn-rate})",
     .man = "Few are fewer than half."},
    {"hold", .block = 1, .type = SW_OPT_SECONDS, FIELD(hold_ns), .seconds = {0.1, DAY},
     .help = "auto: disengage after S seconds below half of both thresholds ({})"},
    {"grace", .block = 1, .type = SW_OPT_SECONDS, FIELD(grace_ns), .seconds = {0.1, DAY},
     .help = "then accept cookies for S seconds more ({}: as long as one is valid)"},
    {"allow", .block = 2, .type = SW_OPT_CUSTOM, .parse = add_cidr, FIELD(lists[SW_LIST_ALLOW]), .arg = "CIDR",
     .help = "never answer, limit or drop what comes from there; may be repeated", .man = "At most 256."},
    {"allow-file", .block = 2, .type = SW_OPT_FILE, FIELD(lists[SW_LIST_ALLOW].file),
     .help = "the same, one CIDR a line; read again at SIGHUP", .man = "See FILES."},
    {"block", .block = 2, .type = SW_OPT_CUSTOM, .parse = add_cidr, FIELD(lists[SW_LIST_BLOCK]), .arg = "CIDR",
     .help = "drop what comes from there unless it is allowed; may be repeated", .man = "At most 256."},
    {"block-file", .block = 2, .type = SW_OPT_FILE, FIELD(lists[SW_LIST_BLOCK].file),
     .help = "the same, one CIDR a line; read again at SIGHUP", .man = "See FILES."},
    {"limit-source", .block = 2, RATE, FIELD(limit_source),
     .help = "SYNs a second that do not complete from one address; over it they get cookies, in calm, too (none)"},
    {"limit-prefix", .block = 2, RATE, FIELD(limit_prefix),
     .help = "the same for one /24 of IPv4 or /64 of IPv6 (none)"},
    {"pass-rate", .block = 2, RATE, FIELD(pass_rate),
     .help = "engaged: most SYNs a second of one service that pass, for a socket or a signature to decide ({})"},
    {"reply-budget", .block = 2, RATE, FIELD(reply_budget), .help = "most replies a second in all (none)",
     .man = "Cookies, and RSTs of `--stray reset`."},
    {"stray", .block = 2, .type = SW_OPT_CHOICE, FIELD(stray), .words = strays,
     .help = "engaged: drop an ACK that belongs to nothing, or answer it with a RST as well ({})",
     .man = "`reset` lets clients of a connection that this host has lost, as after a failover, fail at once. Within "
            "`--reply-budget`."},
    {"reverse-path", .block = 2, .type = SW_OPT_CHOICE, FIELD(reverse_path), .words = reverse_paths,
     .help = "drop a SYN that would be answered if no route to its source leads over the interface: auto where "
             "rp_filter is 1, strict always, off never ({})",
     .man =
         "`auto`: IPv4 only, as the kernel would drop it. `strict`: IPv4 and IPv6, whatever rp_filter is. With several "
         "interfaces one of them is enough."},
    {"cookie", .block = 3, .type = SW_OPT_CHOICE, FIELD(backend), .words = cookies,
     .help = "whose cookies: ours, which keep every TCP option (kernel 6.9), or the kernel's ({})",
     .man = "Ours are `reqsk`, and keep MSS, window scale, SACK and ECN; the kernel's are `listener`. `auto` takes "
            "reqsk where it is to be had. MPTCP listeners always get listener."},
    {"key-file", .block = 3, .type = SW_OPT_FILE, FIELD(key_file),
     .help = "the cookies' keys, shared by hosts behind one address (random keys)",
     .man = "Random keys are changed each hour. See FILES."},
    {"wscale", .block = 3, .type = SW_OPT_NUMBER, FIELD(wscale), .range = {0, 14},
     .help = "window scale of our SYN-ACKs, 0 to 14 (what the kernel would choose)"},
    {"mss", .block = 3, .type = SW_OPT_NUMBER, FIELD(mss), .range = {536, 65495},
     .help = "most that our SYN-ACKs offer as MSS, 536 to 65495 (what the interface takes)",
     .man = "With `--gateway` the MSS of the hosts behind it, also more than Ethernet has (1460; IPv6 1440)."},
    {"window", .block = 3, .type = SW_OPT_NUMBER, FIELD(window), .range = {1, 65535},
     .help = "--gateway: window of our SYN-ACKs ({})",
     .man = "Not more than the hosts' own first window (65160 as Linux comes): what a host takes of the client's first "
            "flight is by its own, whatever was granted."},
    {"ttl", .block = 3, .type = SW_OPT_NUMBER, FIELD(ttl), .range = {1, 255},
     .help = "--gateway: TTL and hop limit of our SYN-ACKs ({})"},
    {"capture", .block = 3, .type = SW_OPT_FILE, FIELD(capture_file),
     .help = "write a sample of the dropped frames as pcapng, the reason as comment",
     .man = "A regular file of that name is replaced."},
    {"capture-size", .block = 3, .type = SW_OPT_BYTES, FIELD(capture_bytes), .range = {4096, 1ull << 40},
     .help = "most that this file may grow to ({})"},
    {0},
};

const struct sw_option_group sw_guard_group = {
    .title = "The guard against SYN floods:",
    .about = "All others need `--guard`.",
    .needs = "guard",
    .rows = options,
    .check = check,
};
