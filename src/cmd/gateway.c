/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward gateway: what a gateway does for the hosts behind it; and to one that translates: no new connections. */
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/figures.h"
#include "cmd/find_instance.h"
#include "cmd/gateway_translate.h"
#include "cmd/patient.h"
#include "config/cli.h"
#include "output/figures.h"
#include "output/json_guard.h"
#include "output/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gateway {
    bool json, drain;
    __u64 wait_ns;
    struct sw_choice choice;
    size_t shown;
};

/* A service in a row of 80 columns, as far as its name allows. */
static void print_service(const struct sw_service *s, const struct sw_svc_counters *t, __u64 now)
{
    char name[SW_SERVICE_TEXT], since[24] = "-";
    __u64 seconds = (now - s->since) / SW_SECOND;

    if (s->since && now >= s->since)
        snprintf(since, sizeof(since), "%llu:%02llu:%02llu", seconds / 3600, seconds / 60 % 60, seconds % 60);
    sw_format_service(s->ip, s->port, s->any, name);
    printf("%-24s %-7s %-7s %8s %8llu %9llu %9llu\n", name, sw_name_guard_mode(s->mode)->text,
           sw_name_guard_state(s->state)->text, since, s->syn_rate, t->item[SW_T_COOKIES_SENT],
           t->item[SW_T_COOKIES_ACCEPTED]);
}

static void services_text(const struct sw_figures *f)
{
    printf("%-24s %-7s %-7s %8s %8s %9s %9s\n", "service", "mode", "state", "since", "syn/s", "sent", "came back");
    for (__u32 i = 1; i < SW_SERVICES; i++)
        if (f->guard->services[i].port)
            print_service(&f->guard->services[i], &f->guard->tally[i], f->now);
}

static void services_json(const struct sw_figures *f)
{
    char body[SW_SERVICE_ROOM];
    const char *between = "";

    printf(",\"services\":[");
    for (__u32 i = 1; i < SW_SERVICES; i++) {
        struct sw_report_service s = {.service = f->guard->services[i], .tally = f->guard->tally[i]};

        if (!s.service.port)
            continue;
        *sw_json_service_body(body, &s, f->now) = 0;
        printf("%s{%s}", between, body);
        between = ",";
    }
    putchar(']');
}

static void print_head(const struct gateway *g, const struct sw_instance *inst, const struct sw_figures *f)
{
    char who[SW_INSTANCE_TEXT];

    printf("synward %s: gateway %s, %llu services, %llu not calm; clock %s\n", sw_instance_text(&g->choice, inst, who),
           sw_name_gateway(f->gateway)->text, f->services, f->active,
           sw_clock_text(f, "not known", "synchronised", "not synchronised"));
}

static void print_head_json(const struct sw_instance *inst, const struct sw_figures *f)
{
    putchar('{');
    sw_instance_keys(inst, stdout);
    printf(",\"gateway\":\"%s\",\"clock_synchronized\":%s", sw_name_gateway(f->gateway)->text,
           sw_clock_text(f, "null", "true", "false"));
}

static int show(struct gateway *g, const struct sw_instance *inst)
{
    struct sw_figures f;
    int err = sw_figures_read(inst, true, &f);

    if (!err && f.gateway && f.gateway < SW_GATEWAY_MAX) {
        g->shown++;
        if (g->json)
            print_head_json(inst, &f);
        else
            print_head(g, inst, &f);
        (g->json ? services_json : services_text)(&f);
        if (f.gateway == SW_GATEWAY_TRANSLATE)
            err = sw_gateway_translate_show(inst, g->json);
        if (g->json)
            printf("}\n");
    }
    sw_figures_free(&f);
    return err == -ENOENT ? 0 : err; /* a map's id: it has just ended */
}

static int show_all(struct gateway *g)
{
    struct sw_instances found;
    int code = sw_find_instances("gateway", &g->choice, SW_NEED_GUARD, &found), err = 0;

    for (size_t i = 0; i < found.len && !code && !err; i++)
        err = show(g, &found.inst[i]);
    free(found.inst);
    if (err)
        return sw_walk_failed("gateway", err);
    if (!code && !g->shown) {
        sw_err("gateway: no synward that runs here is a gateway (--gateway)");
        return SW_EXIT_NOT_RUNNING;
    }
    return code;
}

#define LOOK_NS (SW_SECOND / 5)

/* Waits until no connection is translated any more. 0 or -errno. */
static int wait_for_end(const struct gateway *g, const struct sw_instance *inst, struct sw_gateway_state *state)
{
    const __u64 end = sw_clock_now() + g->wait_ns;
    int signal_fd = sw_patient_signals(), err;

    do
        err = sw_gateway_state_read(inst, state);
    while (!err && sw_gateway_live(state) && sw_clock_now() < end && sw_patient_wait(signal_fd, LOOK_NS));
    return err;
}

static int drain(struct gateway *g)
{
    struct sw_gateway_state state = {0};
    char who[SW_INSTANCE_TEXT];
    struct sw_instances found;
    int code = sw_find_instance("gateway", &g->choice, SW_NEED_GUARD, &found), err = 0;

    if (!code && !found.inst[0].map_gateway_state) {
        sw_err("gateway drain: this synward translates no connections (--gateway translate)");
        code = SW_EXIT_NOT_RUNNING;
    }
    if (!code) {
        err = sw_gateway_drain_begin(&found.inst[0]);
        if (!err)
            err = wait_for_end(g, &found.inst[0], &state);
    }
    if (!code && !err)
        sw_info("%s: no cookies until the next start; %llu connections are translated",
                sw_instance_text(&g->choice, &found.inst[0], who), sw_gateway_live(&state));
    free(found.inst);
    return err ? sw_walk_failed("gateway", err) : code;
}

static int cmd_gateway(int argc, char **argv)
{
    struct gateway g = {0};
    int code;

    sw_parse(&sw_gateway_command, argc, argv, &g);
    if (!sw_can_inspect()) {
        sw_err("gateway needs root, or CAP_SYS_ADMIN");
        return SW_EXIT_PRIVILEGE;
    }
    code = g.drain ? drain(&g) : show_all(&g);
    return code ? code : sw_stdout_end();
}

static const struct sw_option options[] = {
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct gateway, json), .help = "a JSON object for each instance"},
    {"wait", .type = SW_OPT_SECONDS, SW_FIELD(struct gateway, wait_ns), .seconds = {0, 1e6},
     .help = "drain: until no connection is translated any more, S seconds at most ({})"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

enum { STATUS, DRAIN };
static const struct sw_word actions[] = {{"status", STATUS}, {"drain", DRAIN}, {0}};
static const struct sw_operand operands[] = {{"ACTION", .words = actions}, {0}};

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct gateway *g = opts;
    int action = n ? -1 : sw_word_find(actions, arg);

    if (action < 0)
        sw_usage_die(cli, "'%s' is none of status, drain", arg);
    g->drain = action == DRAIN;
    return 0;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    const struct gateway *g = opts;

    (void)operands_len;
    if (g->drain && g->json)
        sw_usage_die(cli, "--json goes with status");
    if (!g->drain && sw_given(cli, "wait"))
        sw_usage_die(cli, "--wait goes with drain");
}

const struct sw_command sw_gateway_command = {
    .name = "gateway",
    .summary = "what a gateway answers for the hosts behind it",
    .args_doc = "[status]\ndrain",
    .doc = "Shows of each synward that runs with `--gateway`: its form, whether the clock is synchronised, and its "
           "services, with their states, cookies sent and cookies that came back; of `translate` also its connections, "
           "what became of them, and what backends have said. `drain` makes it send no more cookies until its next "
           "start, and says how many connections it still translates.",
    .main = cmd_gateway,
    .size = sizeof(struct gateway),
    .groups = {{&group, 0}, {&sw_choice_group, offsetof(struct gateway, choice)}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
