/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "config/options.h"
#include "config/cli.h"
#include "loader/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPT_EVENTS = 0x100,
    OPT_FORMAT,
    OPT_SEED,
    OPT_INTERVAL,
    OPT_LINGER,
    OPT_UPDATE,
    OPT_FLOWS,
    OPT_EMBRYOS,
    OPT_HANDSHAKES,
    OPT_RING,
    OPT_RING_OPEN,
    OPT_DECAP,
    OPT_CHECKSUM,
    OPT_SERVER_PORTS,
    OPT_T_SYN_SENT,
    OPT_T_SYN_RECEIVED,
    OPT_T_ESTABLISHED,
    OPT_T_FIN_WAIT,
    OPT_T_CLOSE_WAIT,
    OPT_T_LAST_ACK,
    OPT_T_MIDSTREAM,
    OPT_NO_CONFINE,
};

static const struct argp_option options[] = {
    {"events", OPT_EVENTS, "LIST", 0,
     "lines to tell, by name, joined by commas; 'all', 'none', and '-name' to leave one out", 1},
    {"format", OPT_FORMAT, "json|text", 0, "NDJSON for programs (default) or text for people", 1},
    {"interval", OPT_INTERVAL, "S", 0, "a stats line every S seconds (10; 0: only the final one)", 1},
    {"seed", OPT_SEED, "N", 0, "Community ID seed, 0 to 65535 (0)", 1},
    {"verbose", 'v', 0, 0, "show libbpf's and libxdp's log; twice: their debug lines too", 1},
    {"no-confine", OPT_NO_CONFINE, 0, 0, "keep every capability and system call, for debugging", 1},
    {"linger", OPT_LINGER, "S", 0, "keep a connection that is over for late segments before its conn line (5)", 2},
    {"update", OPT_UPDATE, "S", 0, "an update line for each live connection about every S seconds (0: none)", 2},
    {"decap", OPT_DECAP, "on|off", OPTION_ARG_OPTIONAL,
     "follow PPPoE, MPLS, GRE, VXLAN and Geneve to the inner connection (run: off, replay: on)", 2},
    {"checksum", OPT_CHECKSUM, "on|off", OPTION_ARG_OPTIONAL, "verify TCP checksums on ingress (run: off, replay: on)",
     2},
    {"likely-server-ports", OPT_SERVER_PORTS, "LIST", 0,
     "ports whose owner is taken for the server of a connection met midstream, at most 1024; 'none'", 2},
    {"flows", OPT_FLOWS, "N", 0, "most connections followed at once (131072)", 3},
    {"embryos", OPT_EMBRYOS, "N", 0, "most handshakes followed at once; a flood evicts about the oldest (65536)", 3},
    {"handshakes", OPT_HANDSHAKES, "N", 0,
     "notes from which an evicted handshake is rebuilt: SYNs a second times the round trip (524288)", 3},
    {"ring", OPT_RING, "BYTES", 0, "event ring, a power of two (64M)", 3},
    {"ring-open", OPT_RING_OPEN, "BYTES", 0, "event ring of handshakes that never completed, a power of two (16M)", 3},
    {"timeout-syn-sent", OPT_T_SYN_SENT, "S", 0, "no answer to the SYN: unanswered after S idle seconds (120)", 4},
    {"timeout-syn-received", OPT_T_SYN_RECEIVED, "S", 0, "no ACK for the SYN-ACK (60)", 4},
    {"timeout-established", OPT_T_ESTABLISHED, "S", 0, "an open connection in silence (7440)", 4},
    {"timeout-fin-wait", OPT_T_FIN_WAIT, "S", 0, "the first FIN is not acknowledged (240)", 4},
    {"timeout-close-wait", OPT_T_CLOSE_WAIT, "S", 0, "half-closed: one side has closed, the other is silent (240)", 4},
    {"timeout-last-ack", OPT_T_LAST_ACK, "S", 0, "both have closed, the last ACK is missing (240)", 4},
    {"timeout-midstream", OPT_T_MIDSTREAM, "S", 0, "a connection met midstream, in silence (300)", 4},
    {0},
};

#define NAME_ITEM(prefix, id, name) [prefix##id] = (name),
static const char *const line_names[SW_LINE_MAX] = {
    SW_EVENTS(NAME_ITEM)[SW_LINE_LOSS] = "loss",
    [SW_LINE_STATS] = "stats",
    [SW_LINE_GUARD] = "guard",
    [SW_LINE_DROP] = "drop",
    [SW_LINE_SERVICE] = "service",
};

static __u32 parse_events(const char *arg)
{
    const __u32 all = (1u << SW_LINE_MAX) - 1;
    __u32 mask = *arg == '-' ? all : 0;
    char name[32];

    for (const char *p = arg;; p++) {
        size_t len = strcspn(p, ",");
        bool minus = *p == '-';
        __u32 bits = 0;

        snprintf(name, sizeof(name), "%.*s", (int)(len - minus), p + minus);
        if (!strcmp(name, "all"))
            bits = all;
        for (int i = 0; i < SW_LINE_MAX; i++)
            if (!strcmp(name, line_names[i]))
                bits = 1u << i;
        if (!bits && strcmp(name, "none"))
            sw_usage_die("--events: there is no event '%s'", name);
        mask = minus ? mask & ~bits : mask | bits;
        p += len;
        if (!*p)
            return mask;
    }
}

static void parse_ports(struct sw_common_opts *opts, const char *arg)
{
    struct sw_object_opts *object = &opts->object;
    char word[32];

    object->server_ports = opts->server_ports;
    object->server_ports_len = 0;
    object->cfg.likely_server_ports = strcmp(arg, "none") != 0;
    if (!object->cfg.likely_server_ports)
        return;
    for (const char *p = arg;; p++) {
        size_t len = strcspn(p, ",");

        snprintf(word, sizeof(word), "%.*s", (int)len, p);
        if (object->server_ports_len == SW_SERVER_PORTS_MAX)
            sw_usage_die("--likely-server-ports: more than %d ports", SW_SERVER_PORTS_MAX);
        opts->server_ports[object->server_ports_len++] = sw_arg_number("--likely-server-ports", word, 1, 65535);
        p += len;
        if (!*p)
            return;
    }
}

static __u32 parse_ring(const char *what, const char *arg)
{
    __u64 page = sysconf(_SC_PAGESIZE);
    __u64 bytes = sw_arg_number(what, arg, page, 1u << 30);

    if (bytes & (bytes - 1))
        sw_usage_die("%s: '%s' is not a power of two", what, arg);
    return bytes;
}

static int parse_timeout(int key, const char *arg, struct sw_config *cfg)
{
    const struct {
        int key;
        const char *what;
        __u64 *value;
    } table[] = {
        {OPT_T_SYN_SENT, "--timeout-syn-sent", &cfg->t_syn_sent},
        {OPT_T_SYN_RECEIVED, "--timeout-syn-received", &cfg->t_syn_received},
        {OPT_T_ESTABLISHED, "--timeout-established", &cfg->t_established},
        {OPT_T_FIN_WAIT, "--timeout-fin-wait", &cfg->t_fin_wait},
        {OPT_T_CLOSE_WAIT, "--timeout-close-wait", &cfg->t_close_wait},
        {OPT_T_LAST_ACK, "--timeout-last-ack", &cfg->t_last_ack},
        {OPT_T_MIDSTREAM, "--timeout-midstream", &cfg->t_midstream},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].key != key)
            continue;
        *table[i].value = sw_arg_seconds(table[i].what, arg, 0.001, 1e8);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    struct sw_common_opts *opts = state->input;
    struct sw_config *cfg;

    if (!opts) /* --help asks without */
        return ARGP_ERR_UNKNOWN;
    cfg = &opts->object.cfg;
    switch (key) {
    case OPT_EVENTS: opts->event_mask = parse_events(arg); break;
    case OPT_FORMAT:
        if (!strcmp(arg, "text"))
            opts->format = SW_FORMAT_TEXT;
        else if (!strcmp(arg, "json"))
            opts->format = SW_FORMAT_JSON;
        else
            sw_usage_die("--format: '%s' is neither json nor text", arg);
        break;
    case OPT_INTERVAL: opts->interval_ns = sw_arg_seconds("--interval", arg, 0, 1e8); break;
    case OPT_SEED: opts->cid_seed = sw_arg_number("--seed", arg, 0, 65535); break;
    case OPT_LINGER: cfg->linger = sw_arg_seconds("--linger", arg, 0, 1e6); break;
    case OPT_UPDATE: cfg->update_interval = sw_arg_seconds("--update", arg, 0, 1e8); break;
    case OPT_FLOWS: opts->object.max_flows = sw_arg_number("--flows", arg, 1, 1u << 30); break;
    case OPT_EMBRYOS: opts->object.max_embryos = sw_arg_number("--embryos", arg, 1, 1u << 30); break;
    case OPT_HANDSHAKES: opts->object.max_handshakes = sw_arg_number("--handshakes", arg, 1, 1u << 30); break;
    case OPT_RING: opts->object.ring_bytes = parse_ring("--ring", arg); break;
    case OPT_RING_OPEN: opts->object.ring_open_bytes = parse_ring("--ring-open", arg); break;
    case OPT_DECAP: cfg->decap = sw_arg_bool("--decap", arg); break;
    case OPT_CHECKSUM: cfg->checksum = sw_arg_bool("--checksum", arg); break;
    case OPT_SERVER_PORTS: parse_ports(opts, arg); break;
    case 'v': opts->verbose++; break;
    case OPT_NO_CONFINE: opts->no_confine = true; break;
    case ARGP_KEY_SUCCESS:
        cfg->event_mask = opts->event_mask & (((1u << SW_EV_MAX) - 1) | 1u << SW_LINE_GUARD | 1u << SW_LINE_DROP);
        opts->color = opts->format == SW_FORMAT_TEXT && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
        break;
    default: return key >= OPT_T_SYN_SENT && key <= OPT_T_MIDSTREAM ? parse_timeout(key, arg, cfg) : ARGP_ERR_UNKNOWN;
    }
    return 0;
}

const struct argp sw_common_argp = {.options = options, .parser = parse_common};

void sw_common_defaults(struct sw_common_opts *opts, bool replay)
{
    memset(opts, 0, sizeof(*opts));
    sw_object_defaults(&opts->object);
    opts->object.cfg.replay = replay;
    opts->object.cfg.checksum = replay;
    opts->object.cfg.decap = replay;
    opts->format = SW_FORMAT_JSON;
    opts->event_mask = (1u << SW_LINE_MAX) - 1;
    opts->interval_ns = 10000000000ull;
}
