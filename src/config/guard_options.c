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

int sw_protect_parse(const char *text, struct sw_protect *ret)
{
    const char *colon = strrchr(text, ':');
    char address[INET6_ADDRSTRLEN + 2];
    size_t len = colon ? colon - text : 0;
    int err = 0;

    memset(ret, 0, sizeof(*ret));
    if (len >= sizeof(address) || (colon && !len))
        return -EINVAL;
    memcpy(address, text, len);
    address[len] = 0;
    if (colon)
        err = parse_address(address, ret);
    else
        ret->any = SW_ANY_4 | SW_ANY_6;
    ret->port = parse_port(colon ? colon + 1 : text);
    return ret->port ? err : -EINVAL;
}

static void add_protect(struct sw_cli *cli, const char *arg, void *at)
{
    struct sw_guard_opts *opts = at;
    struct sw_protect one;
    char word[64];
    size_t len, i;

    for (const char *p = arg;; p += len + 1) {
        len = strcspn(p, ",");
        snprintf(word, sizeof(word), "%.*s", (int)len, p);
        if (len >= sizeof(word) || sw_protect_parse(word, &one))
            sw_option_die(cli, "'%s' is not [ADDR:]PORT, like 443, 192.0.2.1:443 or [2001:db8::1]:443", word);
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

static void check(struct sw_cli *cli, void *at)
{
    struct sw_guard_opts *opts = at;

    opts->given = sw_given(cli, "guard");
    if (sw_given(cli, "capture-size") && !opts->capture_file)
        sw_usage_die(cli, "--capture-size goes with --capture");
}

const struct sw_word sw_guard_mode_words[] = {SW_GUARD_MODES(SW_WORD_ITEM){0}};
static const struct sw_word strays[] = {{"drop", SW_STRAY_DROP}, {"reset", SW_STRAY_RESET}, {0}};
static const struct sw_word reverse_paths[] = {
    {"auto", SW_REVERSE_PATH_AUTO}, {"strict", SW_REVERSE_PATH_STRICT}, {"off", SW_REVERSE_PATH_OFF}, {0}};
static const struct sw_word cookies[] = {
    {"auto", SW_BK_NONE}, {"reqsk", SW_BK_REQSK}, {"listener", SW_BK_LISTENER}, {0}};
_Static_assert(SW_BK_MAX == 3, "--cookie knows every backend");

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
    {"protect", .block = 1, .type = SW_OPT_CUSTOM, .parse = add_protect, .arg = "[ADDR:]PORT[,...]",
     .help = "protect these services; may be given several times (default: every listening socket of this host)",
     .man = "At most 512. Without an address, or with `*`: all that listens on the port; `0.0.0.0:`PORT and "
            "`[::]:`PORT: one family of it."},
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
     .help = "most that our SYN-ACKs offer as MSS, 536 to 65495 (what the interface takes)"},
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
