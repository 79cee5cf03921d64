/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward run: its options; the rest is daemon/start.c. */
#include "base/capabilities.h"
#include "base/exit.h"
#include "base/links.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "config/cli.h"
#include "config/guard_options.h"
#include "config/options.h"
#include "daemon/start.h"
#include "loader/pinfs.h"
#include "readers/socket.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sw_word modes[] = {
    {"auto", SW_MODE_AUTO}, {"native", SW_MODE_NATIVE}, {"generic", SW_MODE_GENERIC}, {0}};

static void add_interface(struct sw_cli *cli, const char *arg, void *at)
{
    struct sw_run *run = at;

    char *own = run->own_names[run->names_len % SW_IFACES_MAX];

    if (run->names_len == SW_IFACES_MAX)
        sw_usage_die(cli, "more than %d interfaces", SW_IFACES_MAX);
    /* from here on by its own name: so are events and pins. One that is not there is an error later. */
    run->names[run->names_len++] = sw_link_name(arg, own) ? arg : own;
}

static void parse_pin(struct sw_cli *cli, const char *arg, void *at)
{
    struct sw_run *run = at;

    run->pinned = true;
    if (arg && !sw_pin_name_ok(arg))
        sw_option_die(cli, "'%s' is no name: up to %d letters, digits and _ + - : @", arg, SW_PIN_NAME - 1);
    if (arg)
        snprintf(run->pin_name, sizeof(run->pin_name), "%s", arg);
}

static const struct sw_word owners[] = {
    {"off", SW_OWNER_OFF}, {"socket", SW_OWNER_SOCKET}, {"process", SW_OWNER_PROCESS}, {0}};
static const struct sw_word periods[] = {{"minute", 60}, {"hour", 3600}, {"day", 86400}, {0}};

static void parse_period(struct sw_cli *cli, const char *arg, void *at)
{
    int seconds = sw_word_find(periods, arg);

    *(__u64 *)at = seconds > 0 ? (__u64)seconds : sw_arg_number(cli, arg, 1, 366 * 86400);
}

/* By name or number. */
static void parse_group(struct sw_cli *cli, const char *arg, void *at)
{
    const struct group *found = getgrnam(arg);
    struct sw_run *run = at;
    char *end;
    unsigned long gid = strtoul(arg, &end, 10);

    if (!found && (*arg < '0' || *arg > '9' || *end || gid >= SW_NO_GROUP))
        sw_option_die(cli, "there is no group '%s'", arg);
    run->socket_grouped = true;
    run->socket_group = found ? found->gr_gid : (gid_t)gid;
}

static void parse_metrics(struct sw_cli *cli, const char *arg, void *at)
{
    if (sw_metrics_place_parse(arg, at))
        sw_option_die(cli, "'%s' is not [ADDR:]PORT, like 9435, 192.0.2.1:9435 or [::1]:9435, nor 'systemd'", arg);
}

#define FIELD(field) SW_FIELD(struct sw_run, field)

static const struct sw_option options[] = {
    {"interface", 'i', .type = SW_OPT_CUSTOM, .parse = add_interface, .arg = "IF", .complete = SW_COMPLETE_INTERFACES,
     .help = "follow this interface; may be given several times",
     .man =
         "At most 64. An alternative name (`ip link property add dev` IF `altname` NAME) will do; events and views "
         "have "
         "the interface's own. It must carry Ethernet frames. Loopback is followed on ingress only, where each packet "
         "is seen once."},
    {"mode", .type = SW_OPT_CHOICE, FIELD(mode), .words = modes,
     .help = "XDP in the driver, in the stack, or whichever works ({})",
     .man = "With `--guard` auto is generic on a veth whose other end has no XDP program, as a container's: native XDP "
            "could send no answer there."},
    {"ingress-only", .type = SW_OPT_SET, FIELD(ingress_only),
     .help = "no egress hook: what this host sends is inferred",
     .man = "Acknowledgements say what was sent. Not with `--guard`."},
    {"socket-group", .type = SW_OPT_CUSTOM, .parse = parse_group, .arg = "GROUP",
     .help = "who may read by 'synward events', besides root",
     .man = "Others may then pass /run/synward (mode 0711), and not look into it. See FILES."},
    {"pin", .type = SW_OPT_CUSTOM, .parse = parse_pin, .arg = "NAME", .optional = true, .complete = SW_COMPLETE_PINS,
     .help = "programs and state outlive this process, and the next one continues with them",
     .man = "See PINS. Not with `--log-open-at-exit`."},
    {"duration", .type = SW_OPT_SECONDS, FIELD(duration_ns), .seconds = {0.001, 1e9},
     .help = "stop after S seconds (default: at SIGINT or SIGTERM)"},
    {"log-open-at-exit", .type = SW_OPT_SET, FIELD(log_open_at_exit),
     .help = "at exit, log the `conn` line of connections that are still open, too",
     .man = "Its reason is `end_of_input`."},
    {"owner", .type = SW_OPT_CHOICE, FIELD(common.owner), .words = owners,
     .help = "whose connections are: socket and cgroup of this host's ends, also their process, or off ({})",
     .man = "With `socket` `conn` lines have the socket's cookie, its cgroup and the container. `process` adds pid and "
            "comm, also to `established`, for which a second process that may look at all others is kept. See OWNERS."},
    {"quiet", 'q', .type = SW_OPT_SET, FIELD(quiet),
     .help = "warnings and errors alone on standard error: no line when it is ready",
     .man = "Nor any other line that is neither."},
    {"rotate-size", .block = 2, .type = SW_OPT_BYTES, FIELD(rotation.size), .range = {1, 1ull << 50},
     .help = "begin a new output file before one is larger than this (no limit)", .man = "See OUTPUT FILES."},
    {"rotate-interval", .block = 2, .type = SW_OPT_CUSTOM, .parse = parse_period, FIELD(rotation.interval),
     .arg = "S|minute|hour|day", .help = "begin a new output file at each multiple of S seconds, in UTC (never)"},
    {"rotate-keep", .block = 2, .type = SW_OPT_NUMBER, FIELD(rotation.keep), .range = {1, 1000000},
     .help = "after that remove the oldest files, so that N old ones are left (all are kept)"},
    {"metrics", .block = 3, .type = SW_OPT_CUSTOM, .parse = parse_metrics, FIELD(exporter.place), .arg = "[ADDR:]PORT",
     .help = "serve metrics for Prometheus over HTTP at this port, of 127.0.0.1 unless ADDR says otherwise",
     .man = "Path /metrics. `*` stands for every address, `systemd` for the one listening socket that systemd passes "
            "(LISTEN_FDS). There is neither a password nor TLS. See METRICS."},
    {"metrics-file", .block = 3, .type = SW_OPT_FILE, FIELD(exporter.file), .complete = SW_COMPLETE_FILES,
     .help = "write metrics to this file, for the textfile collector of node_exporter",
     .man =
         "It is replaced by renaming, has mode 0644, and is removed at the end. Its samples have the labels netns and "
         "interfaces, so that files of several instances can be collected together."},
    {"metrics-interval", .block = 3, .type = SW_OPT_SECONDS, FIELD(exporter.interval_ns), .seconds = {1, 86400},
     .help = "write the metrics file every S seconds ({})"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

static void check(struct sw_cli *cli, void *opts, unsigned int operands)
{
    struct sw_run *run = opts;

    (void)operands;
    if (!run->names_len)
        sw_usage_die(cli, "no interface: -i IF");
    if (run->ingress_only && sw_given(cli, "owner") && run->common.owner != SW_OWNER_OFF)
        sw_usage_die(cli, "--owner does not go with --ingress-only: sockets are seen at the egress hook");
    if (run->ingress_only)
        run->common.owner = SW_OWNER_OFF;
    if (run->common.owner == SW_OWNER_OFF)
        run->common.object.cfg.owners = 0;
    if (run->common.owner == SW_OWNER_PROCESS) /* that is when they are looked for */
        run->common.object.cfg.event_mask |= 1u << SW_EV_ESTABLISHED;
    sw_export_check(cli, &run->flow_export, &run->common);
    if (run->guard.given && run->ingress_only)
        sw_usage_die(cli, "--guard does not go with --ingress-only: inferred handshakes can be forged blindly");
    if ((run->rotation.size || run->rotation.interval) && (!run->common.output || !strcmp(run->common.output, "none")))
        sw_usage_die(cli, "--rotate-size and --rotate-interval need --output FILE");
    if (run->rotation.keep && !run->rotation.size && !run->rotation.interval)
        sw_usage_die(cli, "--rotate-keep needs --rotate-size or --rotate-interval");
    if (sw_given(cli, "metrics-interval") && !run->exporter.file)
        sw_usage_die(cli, "--metrics-interval goes with --metrics-file");
    if (run->pinned && run->log_open_at_exit)
        sw_usage_die(cli,
                     "--log-open-at-exit does not go with --pin: the next process continues with open connections");
    if (run->pinned && !*run->pin_name && sw_pin_name_of(run->names, run->names_len, run->pin_name))
        sw_usage_die(cli, "--pin: the interfaces' names make no name for the pins: --pin=NAME");
}

static void defaults(void *opts)
{
    sw_run_defaults(opts);
}

static int cmd_run(int argc, char **argv)
{
    struct sw_run *run = calloc(1, sizeof(*run));
    int code;

    if (!run)
        return SW_EXIT_MEMORY;
    sw_parse(&sw_run_command, argc, argv, run);
    sw_log_init(run->common.verbose);
    sw_log_quiet = run->quiet;
    if (!sw_can_attach()) {
        sw_err("run needs root, or CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON");
        code = SW_EXIT_PRIVILEGE;
    } else if (run->pinned && !sw_can_inspect()) {
        sw_err("--pin needs root, or CAP_SYS_ADMIN");
        code = SW_EXIT_PRIVILEGE;
    } else {
        code = sw_run(run);
    }
    free(run);
    return code;
}

const struct sw_command sw_run_command = {
    .name = "run",
    .summary = "follow interfaces and print events until SIGINT or SIGTERM",
    .args_doc = "-i IF [-i IF...]",
    .doc = "Follows every TCP connection on the interfaces and logs one line per event on standard output. With "
           "--guard it answers SYN floods against this host with cookies.",
    .main = cmd_run,
    .size = sizeof(struct sw_run),
    .defaults = defaults,
    .groups = {{&group, 0},
               {&sw_common_group, offsetof(struct sw_run, common)},
               {&sw_timeout_group, offsetof(struct sw_run, common)},
               {&sw_rules_group, offsetof(struct sw_run, common.filter)},
               {&sw_export_group, offsetof(struct sw_run, flow_export)},
               {&sw_guard_group, offsetof(struct sw_run, guard)}},
    .check = check,
};
