/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward run: its options; the rest is daemon/start.c. */
#include "base/capabilities.h"
#include "base/exit.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "config/cli.h"
#include "config/guard_options.h"
#include "config/options.h"
#include "daemon/start.h"
#include "loader/pinfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_DURATION = 0x200, OPT_FLUSH, OPT_MODE, OPT_INGRESS_ONLY, OPT_PIN };

static const struct argp_option options[] = {
    {"interface", 'i', "IF", 0, "follow this interface; may be given several times", 0},
    {"duration", OPT_DURATION, "S", 0, "stop after S seconds (default: at SIGINT or SIGTERM)", 0},
    {"flush", OPT_FLUSH, 0, 0, "at the end, tell the conn line of connections that are still open too", 0},
    {"mode", OPT_MODE, "auto|native|generic", 0, "XDP in the driver, in the stack, or whichever works (auto)", 0},
    {"ingress-only", OPT_INGRESS_ONLY, 0, 0, "no egress hook: what this host sends is inferred", 0},
    {"pin", OPT_PIN, "NAME", OPTION_ARG_OPTIONAL,
     "the programs and all state outlive the end of this process, and the next one goes on from there", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct sw_run *run = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &run->common;
        state->child_inputs[1] = &run->guard;
        break;
    case 'i':
        if (run->names_len == SW_IFACES_MAX)
            sw_usage_die("more than %d interfaces", SW_IFACES_MAX);
        run->names[run->names_len++] = arg;
        break;
    case OPT_DURATION: run->duration_ns = sw_arg_seconds("--duration", arg, 0.001, 1e9); break;
    case OPT_FLUSH: run->flush = true; break;
    case OPT_INGRESS_ONLY: run->ingress_only = true; break;
    case OPT_PIN:
        run->pinned = true;
        if (arg && !sw_pin_name_ok(arg))
            sw_usage_die("--pin: '%s' is no name: up to %d letters, digits and _ + - : @", arg, SW_PIN_NAME - 1);
        if (arg)
            snprintf(run->pin_name, sizeof(run->pin_name), "%s", arg);
        break;
    case OPT_MODE:
        if (!strcmp(arg, "auto"))
            run->mode = SW_MODE_AUTO;
        else if (!strcmp(arg, "native"))
            run->mode = SW_MODE_NATIVE;
        else if (!strcmp(arg, "generic"))
            run->mode = SW_MODE_GENERIC;
        else
            sw_usage_die("--mode: '%s' is none of auto, native, generic", arg);
        break;
    case ARGP_KEY_ARG: sw_usage_die("unexpected argument '%s'", arg);
    case ARGP_KEY_END:
        if (!run->names_len)
            sw_usage_die("no interface: -i IF");
        if (run->guard.given && run->ingress_only)
            sw_usage_die("--guard does not go with --ingress-only: inferred handshakes can be forged blindly");
        if (run->pinned && run->flush)
            sw_usage_die("--flush does not go with --pin: the next one goes on with what is still open");
        if (run->pinned && !*run->pin_name && sw_pin_name_of(run->names, run->names_len, run->pin_name))
            sw_usage_die("--pin: the interfaces' names make no name for the pins: --pin=NAME");
        break;
    default: return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_child children[] = {
    {&sw_common_argp, 0, "What is told and how:", 1}, {&sw_guard_argp, 0, "The guard against SYN floods:", 2}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .children = children,
    .args_doc = "-i IF [-i IF...]",
    .doc =
        "Follows every TCP connection on the interfaces and tells its life, a line an event, on standard output. With "
        "--guard it answers SYN floods against this host with cookies.",
};

int cmd_run(int argc, char **argv)
{
    struct sw_run *run = calloc(1, sizeof(*run));
    int code;

    if (!run)
        return SW_EXIT_MEMORY;
    sw_run_defaults(run);
    sw_parse(&argp, "run", argc, argv, run);
    sw_log_init(run->common.verbose);
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
