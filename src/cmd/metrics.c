/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward metrics: the figures of running instances for Prometheus, once. */
#include "base/capabilities.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/figures.h"
#include "cmd/find_instance.h"
#include "cmd/gateway_translate.h"
#include "config/cli.h"
#include "loader/histograms.h"
#include "output/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is shown of an instance, and what that points to. */
struct look {
    struct sw_gateway_state gateway;
    struct sw_metrics_iface ifaces[SW_IFACES_MAX];
    struct sw_figures figures;
    struct sw_histograms *roles;
};

struct metrics {
    enum sw_metrics_format format;
    struct sw_choice choice;
    int elsewhere, starting;
    struct sw_instances found;
    bool *alive;
    struct sw_metrics *shown;
    struct look *look;
    size_t len;
};

static int find(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct metrics *m = ctx;
    bool *all;
    int err;

    if (!alive && !sw_instance_is_pinned(inst))
        return 0;
    m->elsewhere += sw_choice_is_elsewhere(&m->choice, inst);
    if (!sw_choice_fits(&m->choice, inst))
        return 0;
    if (inst->contract != SW_CONTRACT_VERSION) {
        sw_warn("the synward with pid %d is of another version: not shown", inst->pid);
        return 0;
    }
    if (alive && !inst->ready) {
        m->starting = inst->pid;
        return 0;
    }
    err = sw_instances_add(&m->found, inst);
    all = err ? NULL : reallocarray(m->alive, m->found.len, sizeof(*all));
    if (!all)
        return -ENOMEM;
    m->alive = all;
    m->alive[m->found.len - 1] = alive;
    return 0;
}

static int read_one(const struct sw_instance *inst, bool alive, struct look *l, struct sw_metrics *ret)
{
    __u32 len;
    int err = sw_figures_read(inst, alive, &l->figures);

    if (!err)
        err = sw_map_histograms(inst->map_histograms, &l->roles, &len);
    if (!err && inst->map_gateway_state)
        err = sw_gateway_state_read(inst, &l->gateway);
    if (err)
        return err;
    for (size_t i = 0; i < inst->len; i++) {
        l->ifaces[i] = (struct sw_metrics_iface){.ingress = inst->ifaces[i].mode,
                                                 .egress = sw_egress_name(inst->ifaces[i].egress),
                                                 .shared = inst->ifaces[i].shared};
        memcpy(l->ifaces[i].name, inst->ifaces[i].name, IF_NAMESIZE);
    }
    *ret = (struct sw_metrics){
        .running = alive,
        .netns = inst->netns,
        .started = inst->started,
        .ifaces = l->ifaces,
        .ifaces_len = inst->len,
        .flows = l->figures.flows.all,
        .flows_max = l->figures.flows_max,
        .established = l->figures.flows.live,
        .half_open = l->figures.half_open.all,
        .half_open_max = l->figures.half_open_max,
        .roles = l->roles,
        .services = l->figures.guard ? l->figures.guard->services : NULL,
        .tallies = l->figures.guard ? l->figures.guard->tally : NULL,
        .services_unprotected = l->figures.unprotected,
        .gateway = inst->map_gateway_state ? &l->gateway : NULL,
        .keys = l->figures.keys,
    };
    memcpy(ret->counters, l->figures.counters, sizeof(ret->counters));
    return 0;
}

/* One that has ended since it was found is left out. */
static int read_all(struct metrics *m)
{
    m->shown = calloc(m->found.len, sizeof(*m->shown));
    m->look = calloc(m->found.len, sizeof(*m->look));
    if (!m->shown || !m->look)
        return -ENOMEM;
    for (size_t i = 0; i < m->found.len; i++) {
        struct look *l = &m->look[i];
        int err = read_one(&m->found.inst[i], m->alive[i], l, &m->shown[m->len]);

        if (err && err != -ENOENT)
            return err;
        m->len += !err;
    }
    return 0;
}

static int say_none(const struct metrics *m)
{
    if (!m->starting)
        return sw_choice_say_none(&m->choice, m->elsewhere);
    sw_err("metrics: the synward with pid %d is starting", m->starting);
    return SW_EXIT_NOT_RUNNING;
}

static int run(struct metrics *m)
{
    int err = sw_instance_walk(find, m);

    if (err)
        return sw_walk_failed("metrics", err);
    if (!m->found.len)
        return say_none(m);
    if (m->found.len > 1 && !m->choice.all_namespaces)
        return sw_choice_say_several("metrics", m->found.inst, m->found.len);
    err = read_all(m);
    if (err)
        return sw_walk_failed("metrics", err);
    if (!m->len)
        return say_none(m);
    sw_metrics_print(m->shown, m->len, m->choice.all_namespaces, m->format, stdout);
    return sw_stdout_end();
}

static int cmd_metrics(int argc, char **argv)
{
    struct metrics m = {0};
    int code;

    sw_parse(&sw_metrics_command, argc, argv, &m);
    if (!sw_can_inspect()) {
        sw_err("metrics needs root, or CAP_SYS_ADMIN");
        return SW_EXIT_PRIVILEGE;
    }
    sw_choice_begin(&m.choice);
    code = run(&m);
    for (size_t i = 0; i < m.found.len && m.look; i++) {
        sw_figures_free(&m.look[i].figures);
        free(m.look[i].roles);
    }
    free(m.look);
    free(m.shown);
    free(m.alive);
    free(m.found.inst);
    return code;
}

static const struct sw_word formats[] = {{"text", SW_METRICS_TEXT}, {"openmetrics", SW_METRICS_OPENMETRICS}, {0}};

static const struct sw_option options[] = {
    {"format", 'f', .type = SW_OPT_CHOICE, SW_FIELD(struct metrics, format), .words = formats,
     .help = "Prometheus' text format 0.0.4, or OpenMetrics 1.0 ({})"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

const struct sw_command sw_metrics_command = {
    .name = "metrics",
    .summary = "counters and histograms for Prometheus, once",
    .doc =
        "Prints the metrics of one instance for Prometheus, once; with --all-namespaces those of all there are, each "
        "with labels netns and interfaces. 'synward run --metrics' serves them.",
    .main = cmd_metrics,
    .size = sizeof(struct metrics),
    .groups = {{&group, 0}, {&sw_choice_group, offsetof(struct metrics, choice)}},
};
