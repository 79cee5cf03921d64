/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/guard_options.h"
#include "base/cidr.h"
#include "base/clock.h"
#include "config/cli.h"
#include "output/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MAX 1000000000ull /* one a nanosecond */
#define CAPTURE_DEFAULT (16u << 20)
#define CAPTURE_MIN 4096
#define CAPTURE_MAX (1ull << 40)

enum {
    OPT_GUARD = 0x300,
    OPT_PROTECT,
    OPT_ENGAGE,
    OPT_HOLD,
    OPT_GRACE,
    OPT_ALLOW,
    OPT_BLOCK,
    OPT_ALLOW_FILE,
    OPT_BLOCK_FILE,
    OPT_LIMIT_SOURCE,
    OPT_LIMIT_PREFIX,
    OPT_REPLY_BUDGET,
    OPT_COOKIE,
    OPT_KEY_FILE,
    OPT_WSCALE,
    OPT_MSS,
    OPT_CAPTURE,
    OPT_CAPTURE_SIZE,
};

static const struct argp_option options[] = {
    {"guard", OPT_GUARD, "off|monitor|auto|always", 0,
     "answer SYN floods with cookies: not yet, only say what would be done, when flooded, or always", 1},
    {"protect", OPT_PROTECT, "[ADDR:]PORT[,...]", 0,
     "protect these services; may be given several times (default: every listening socket of this host)", 1},
    {"engage", OPT_ENGAGE, "half-open=N,syn-rate=N", 0,
     "auto: begin at more than N half-open handshakes (1024), or N SYNs a second of which few complete (4000)", 1},
    {"hold", OPT_HOLD, "S", 0, "auto: end after S seconds under half of both (10)", 1},
    {"grace", OPT_GRACE, "S", 0, "then accept cookies for S seconds more (140: as long as one lives)", 1},
    {"allow", OPT_ALLOW, "CIDR", 0, "never answer, limit or drop what comes from there; may be repeated", 2},
    {"block", OPT_BLOCK, "CIDR", 0, "drop what comes from there unless it is allowed; may be repeated", 2},
    {"allow-file", OPT_ALLOW_FILE, "FILE", 0, "the same, one CIDR a line; read again at SIGHUP", 2},
    {"block-file", OPT_BLOCK_FILE, "FILE", 0, "the same, one CIDR a line; read again at SIGHUP", 2},
    {"limit-source", OPT_LIMIT_SOURCE, "N/s", 0, "most SYNs a second that do not complete from one address (none)", 2},
    {"limit-prefix", OPT_LIMIT_PREFIX, "N/s", 0, "the same for one /24 of IPv4 or /64 of IPv6 (none)", 2},
    {"reply-budget", OPT_REPLY_BUDGET, "N/s", 0, "most cookies a second in all (none)", 2},
    {"cookie", OPT_COOKIE, "auto|reqsk|listener", 0,
     "whose cookies: ours, which keep every TCP option (kernel 6.9), or the kernel's (auto)", 3},
    {"key-file", OPT_KEY_FILE, "FILE", 0, "the cookies' keys, shared by hosts behind one address (random keys)", 3},
    {"wscale", OPT_WSCALE, "N", 0, "window scale of our SYN-ACKs, 0 to 14 (what the kernel would say)", 3},
    {"mss", OPT_MSS, "N", 0, "most that our SYN-ACKs offer as MSS, 536 to 65495 (what the interface takes)", 3},
    {"capture", OPT_CAPTURE, "FILE", 0, "write a sample of the dropped frames as pcapng, the reason as comment", 3},
    {"capture-size", OPT_CAPTURE_SIZE, "BYTES", 0, "most that this file may grow to (16M)", 3},
    {0},
};

void sw_guard_defaults(struct sw_guard_opts *opts)
{
    memset(opts, 0, sizeof(*opts));
    opts->half_open = 1024;
    opts->syn_rate = 4000;
    opts->hold_ns = 10 * SW_SECOND;
    opts->grace_ns = 140 * SW_SECOND;
    opts->backend = SW_BK_NONE;
    opts->wscale = -1;
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
    static const __u8 none[16], none4[16] = {[10] = 0xff, [11] = 0xff};
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

static void add_protect(struct sw_guard_opts *opts, const char *arg)
{
    struct sw_protect one;
    char word[64];
    size_t len, i;

    for (const char *p = arg;; p += len + 1) {
        len = strcspn(p, ",");
        snprintf(word, sizeof(word), "%.*s", (int)len, p);
        if (len >= sizeof(word) || sw_protect_parse(word, &one))
            sw_usage_die("--protect: '%s' is not [ADDR:]PORT, like 443, 192.0.2.1:443 or [2001:db8::1]:443", word);
        for (i = 0; i < opts->protect_len && memcmp(&opts->protect[i], &one, sizeof(one)); i++)
            ;
        if (i == SW_PROTECT_MAX)
            sw_usage_die("--protect: more than %d services", SW_PROTECT_MAX);
        opts->protect[i] = one;
        opts->protect_len += i == opts->protect_len;
        if (!p[len])
            return;
    }
}

static void parse_engage(struct sw_guard_opts *opts, const char *arg)
{
    char word[64];
    size_t len;

    for (const char *p = arg;; p += len + 1) {
        len = strcspn(p, ",");
        snprintf(word, sizeof(word), "%.*s", (int)len, p);
        if (!strncmp(word, "half-open=", 10))
            opts->half_open = sw_arg_number("--engage half-open", word + 10, 1, RATE_MAX);
        else if (!strncmp(word, "syn-rate=", 9))
            opts->syn_rate = sw_arg_number("--engage syn-rate", word + 9, 1, RATE_MAX);
        else
            sw_usage_die("--engage: '%s' is neither half-open=N nor syn-rate=N", word);
        if (!p[len])
            return;
    }
}

static __u64 parse_rate(const char *what, const char *arg)
{
    size_t len = strlen(arg);
    char word[32];

    if (len > 2 && !strcmp(arg + len - 2, "/s"))
        len -= 2;
    if (len >= sizeof(word))
        sw_usage_die("%s: '%s' is not a number a second, like 100/s", what, arg);
    memcpy(word, arg, len);
    word[len] = 0;
    return sw_arg_number(what, word, 1, RATE_MAX);
}

static void add_cidr(struct sw_list_opts *list, const char *what, const char *arg)
{
    struct sw_cidr cidr;
    char why[160];
    int err = sw_cidr_parse(arg, &cidr);

    if (err) {
        sw_cidr_explain(arg, err, why, sizeof(why));
        sw_usage_die("%s: %s", what, why);
    }
    if (list->cidrs_len == SW_LIST_OPTS_MAX)
        sw_usage_die("%s: more than %d of them; %s-file takes any number", what, SW_LIST_OPTS_MAX, what);
    list->cidrs[list->cidrs_len++] = arg;
}

static void set_file(const char **file, const char *what, const char *arg)
{
    if (*file)
        sw_usage_die("%s: given twice", what);
    if (!*arg)
        sw_usage_die("%s: no file name", what);
    *file = arg;
}

static enum sw_guard_mode parse_mode(const char *arg)
{
    for (int mode = 0; mode < SW_GM_MAX; mode++)
        if (!strcmp(arg, sw_name_guard_mode(mode)->text))
            return mode;
    sw_usage_die("--guard: '%s' is none of off, monitor, auto, always", arg);
}

static enum sw_backend parse_backend(const char *arg)
{
    if (!strcmp(arg, "auto"))
        return SW_BK_NONE;
    for (int backend = SW_BK_NONE + 1; backend < SW_BK_MAX; backend++)
        if (!strcmp(arg, sw_name_backend(backend)->text))
            return backend;
    sw_usage_die("--cookie: '%s' is none of auto, reqsk, listener", arg);
}

static int parse_lists(int key, const char *arg, struct sw_guard_opts *opts)
{
    struct sw_list_opts *allow = &opts->lists[SW_LIST_ALLOW], *block = &opts->lists[SW_LIST_BLOCK];

    switch (key) {
    case OPT_ALLOW: add_cidr(allow, "--allow", arg); break;
    case OPT_BLOCK: add_cidr(block, "--block", arg); break;
    case OPT_ALLOW_FILE: set_file(&allow->file, "--allow-file", arg); break;
    case OPT_BLOCK_FILE: set_file(&block->file, "--block-file", arg); break;
    case OPT_LIMIT_SOURCE: opts->limit_source = parse_rate("--limit-source", arg); break;
    case OPT_LIMIT_PREFIX: opts->limit_prefix = parse_rate("--limit-prefix", arg); break;
    case OPT_REPLY_BUDGET: opts->reply_budget = parse_rate("--reply-budget", arg); break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int parse_one(int key, const char *arg, struct sw_guard_opts *opts)
{
    switch (key) {
    case OPT_GUARD:
        opts->mode = parse_mode(arg);
        opts->given = true;
        break;
    case OPT_PROTECT: add_protect(opts, arg); break;
    case OPT_ENGAGE: parse_engage(opts, arg); break;
    case OPT_HOLD: opts->hold_ns = sw_arg_seconds("--hold", arg, 0.1, 86400); break;
    case OPT_GRACE: opts->grace_ns = sw_arg_seconds("--grace", arg, 0.1, 86400); break;
    case OPT_COOKIE: opts->backend = parse_backend(arg); break;
    case OPT_KEY_FILE: set_file(&opts->key_file, "--key-file", arg); break;
    case OPT_WSCALE: opts->wscale = sw_arg_number("--wscale", arg, 0, 14); break;
    case OPT_MSS: opts->mss = sw_arg_number("--mss", arg, 536, 65495); break;
    case OPT_CAPTURE: set_file(&opts->capture_file, "--capture", arg); break;
    case OPT_CAPTURE_SIZE: opts->capture_bytes = sw_arg_number("--capture-size", arg, CAPTURE_MIN, CAPTURE_MAX); break;
    default: return parse_lists(key, arg, opts);
    }
    return 0;
}

static const char *option_name(int key)
{
    for (size_t i = 0; options[i].name; i++)
        if (options[i].key == key)
            return options[i].name;
    return NULL;
}

/* first: the name of the first option that needs --guard, NULL: there was none. */
static void check(struct sw_guard_opts *opts, const char *first)
{
    if (first && !opts->given)
        sw_usage_die("--%s needs --guard (off, monitor, auto or always)", first);
    if (opts->capture_bytes && !opts->capture_file)
        sw_usage_die("--capture-size goes with --capture");
    if (!opts->capture_bytes)
        opts->capture_bytes = CAPTURE_DEFAULT;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct sw_guard_opts *opts = state->input;
    const char *name = option_name(key);

    if (opts && key == ARGP_KEY_END)
        check(opts, state->hook); /* which is this parser's own */
    if (!opts || !name)
        return ARGP_ERR_UNKNOWN;
    if (!state->hook && key != OPT_GUARD)
        state->hook = (void *)name;
    return parse_one(key, arg, opts);
}

const struct argp sw_guard_argp = {.options = options, .parser = parse};
