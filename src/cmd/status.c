/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward status: what runs where, how full the maps are, counters, events lost. */
#include "base/capabilities.h"
#include "base/exit.h"
#include "base/filter_rules.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/figures.h"
#include "cmd/find_instance.h"
#include "config/cli.h"
#include "loader/instance.h"
#include "output/figures.h"
#include "output/json_fmt.h"
#include "output/json_guard.h"
#include "output/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct status {
    bool json;
    struct sw_choice choice;
    int instances, elsewhere;
    bool other_version; /* one was there, and a line said so */
};

static void print_services_json(const struct sw_figures *f)
{
    char body[SW_SERVICE_ROOM];
    const char *between = "";

    *sw_put_svc_counters(body, "guard_", &f->sum) = 0;
    printf(",\"gateway\":\"%s\",\"clock_synchronized\":%s", sw_name_gateway(f->gateway)->text,
           sw_clock_text(f, "null", "true", "false"));
    printf(",\"services_active\":%llu,\"services_unprotected\":%llu%s,\"services\":[", f->active, f->unprotected, body);
    for (int i = 1; i < SW_SERVICES && f->guard; i++) {
        struct sw_report_service s = {.service = f->guard->services[i], .tally = f->guard->tally[i]};

        if (!s.service.port)
            continue;
        *sw_json_service_body(body, &s, f->now) = 0;
        printf("%s{%s}", between, body);
        between = ",";
    }
    putchar(']');
}

/* Of one that has no figures yet: all but `ifaces` is left out then. */
static void print_head_json(const struct sw_instance *inst, bool alive)
{
    char name[IF_NAMESIZE * 6 + 1];

    printf("{\"running\":%s,\"starting\":%s,\"pin\":%s%s%s,\"pid\":%d,\"netns\":%llu,\"started\":%lld,"
           "\"prog_ingress\":%u,\"prog_egress\":%u,\"prog_sweep\":%u,\"interfaces\":[",
           alive ? "true" : "false", alive && !inst->ready ? "true" : "false", *inst->pin ? "\"" : "",
           *inst->pin ? inst->pin : "null", *inst->pin ? "\"" : "", inst->pid, inst->netns, inst->started,
           inst->prog_ingress, inst->prog_egress, inst->prog_sweep);
    for (size_t i = 0; i < inst->len; i++) {
        *sw_json_escape(name, inst->ifaces[i].name) = 0;
        printf("%s\"%s\"", i ? "," : "", name);
    }
    printf("],\"ifaces\":[");
    for (size_t i = 0; i < inst->len; i++) {
        *sw_json_escape(name, inst->ifaces[i].name) = 0;
        printf("%s{\"ifindex\":%u,\"name\":\"%s\",\"ingress\":\"xdp_%s\",\"shared\":%s,\"egress\":\"%s\"}",
               i ? "," : "", inst->ifaces[i].ifindex, name, inst->ifaces[i].mode,
               inst->ifaces[i].shared ? "true" : "false", sw_egress_name(inst->ifaces[i].egress));
    }
    putchar(']');
}

static void print_json(const struct sw_instance *inst, bool alive, const struct sw_figures *f)
{
    char keys[SW_KEYS_ROOM];

    print_head_json(inst, alive);
    printf(",\"flows\":%llu,\"flows_max\":%llu,\"half_open\":%llu,\"half_open_max\":%llu,\"established\":%llu,"
           "\"half_open_evicted\":%llu,\"events_emitted\":%llu,\"events_lost\":%llu",
           f->flows.all, f->flows_max, f->half_open.all, f->half_open_max, f->flows.live, f->evicted, f->emitted,
           f->lost);
    printf(",\"export\":%s%s%s,\"exported\":%llu,\"export_lost\":%llu", *inst->export ? "\"" : "",
           *inst->export ? inst->export : "null", *inst->export ? "\"" : "", inst->exported, inst->export_lost);
    printf(",\"filter\":%s", f->filter.lists ? "\"" : "null");
    sw_filter_print(&f->filter, stdout);
    if (f->filter.lists)
        putchar('"');
    for (int i = 0; i < SW_C_MAX; i++)
        printf(",\"%s\":%llu", sw_name_counter(i)->text, f->counters[i]);
    print_services_json(f);
    *sw_json_keys(keys, &f->keys) = 0;
    printf("%s}\n", keys);
}

static void print_keys(const struct sw_key_state *k)
{
    char from[SW_KEY_SECOND] = "ever", next_from[SW_KEY_SECOND];

    if (k->from)
        sw_format_key_second(from, k->from);
    sw_format_key_second(next_from, k->next_from);
    printf("    key %08x from %s", k->now, from);
    if (k->next)
        printf(", then %08x from %s", k->next_key, next_from);
    putchar('\n');
}

/* One row a service: who is not calm first, so that it is not lost in a long list. */
static void print_guard(const struct sw_figures *f)
{
    printf("  guard     %10llu services, %llu active; cookies %llu sent, %llu accepted; dropped %llu\n", f->services,
           f->active, f->sum.item[SW_T_COOKIES_SENT], f->sum.item[SW_T_COOKIES_ACCEPTED],
           sw_svc_counters_dropped(&f->sum));
    if (f->gateway)
        printf("    gateway: %s\n", sw_name_gateway(f->gateway)->text);
    if (f->guard_flags & SW_G_CLOCK_WATCHED && !(f->guard_flags & SW_G_CLOCK_SYNCED))
        printf("    the wall clock is not synchronised, and a key file is shared\n");
    if (f->unprotected)
        printf("    %llu listening sockets are not protected: there are too many\n", f->unprotected);
    if (f->keys.given)
        print_keys(&f->keys);
    if (f->services)
        printf("    %-24s %-7s %-7s %-8s %9s %8s %10s %10s %10s %10s\n", "service", "mode", "state", "backend",
               "half-open", "syn/s", "syns", "sent", "accepted", "dropped");
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 1; i < SW_SERVICES; i++) {
            const struct sw_service *s = &f->guard->services[i];
            const struct sw_svc_counters *t = &f->guard->tally[i];
            char name[SW_SERVICE_TEXT];

            if (!s->port || (s->state == SW_GS_CALM) != pass)
                continue;
            sw_format_service(s->ip, s->port, s->any, name);
            printf("    %-24s %-7s %-7s %-8s %9llu %8llu %10llu %10llu %10llu %10llu%s%s\n", name,
                   sw_name_guard_mode(s->mode)->text, sw_name_guard_state(s->state)->text,
                   sw_name_backend(s->backend)->text, s->half_open, s->syn_rate, t->item[SW_T_SYNS],
                   t->item[SW_T_COOKIES_SENT], t->item[SW_T_COOKIES_ACCEPTED], sw_svc_counters_dropped(t),
                   s->flags & SW_SV_MPTCP ? " MPTCP" : "", s->flags & SW_SV_NO_LISTENER ? " no listener" : "");
        }
    }
    for (int i = SW_DROP_NONE + 1; i < SW_DROP_MAX; i++)
        if (f->sum.drop[i])
            printf("    dropped, %-18s %llu\n", sw_name_drop(i)->text, f->sum.drop[i]);
}

static void print_text(const struct status *s, const struct sw_instance *inst, bool alive, const struct sw_figures *f)
{
    long long up = time(NULL) - inst->started;
    char who[SW_INSTANCE_TEXT];

    if (alive)
        printf("synward %s, up %lldh%02lldm%02llds, programs %u %u %u\n", sw_instance_text(&s->choice, inst, who),
               up / 3600, up / 60 % 60, up % 60, inst->prog_ingress, inst->prog_egress, inst->prog_sweep);
    else
        printf("pinned state %s: no synward is running, its programs %u %u stay attached (last pid %d)\n", inst->pin,
               inst->prog_ingress, inst->prog_egress, inst->pid);
    for (size_t i = 0; i < inst->len; i++)
        printf("  %-15s ingress XDP %s%s, egress %s\n", inst->ifaces[i].name, inst->ifaces[i].mode,
               inst->ifaces[i].shared ? " (shared)" : "", sw_egress_name(inst->ifaces[i].egress));
    printf("  flows     %10llu of %llu, %llu of them live\n", f->flows.all, f->flows_max, f->flows.live);
    printf("  half-open %10llu of %llu, %llu evicted\n", f->half_open.all, f->half_open_max, f->evicted);
    printf("  events    %10llu emitted, %llu lost\n", f->emitted, f->lost);
    if (*inst->export)
        printf("  export    %10llu sent, %llu lost, to %s\n", inst->exported, inst->export_lost, inst->export);
    if (f->filter.lists) {
        printf("  filter    ");
        sw_filter_print(&f->filter, stdout);
        printf("; %llu segments filtered\n", f->counters[SW_C_FILTERED]);
    }
    if (f->guard)
        print_guard(f);
    for (int i = 0; i < SW_C_MAX; i++)
        if (f->counters[i])
            printf("    %-18s %llu\n", sw_name_counter(i)->text, f->counters[i]);
}

/* Its maps may be there already, but nothing is attached to all of its interfaces. */
static void show_starting(struct status *s, const struct sw_instance *inst)
{
    char who[SW_INSTANCE_TEXT];

    s->instances++;
    if (s->json) {
        print_head_json(inst, true);
        printf("}\n");
        return;
    }
    printf("synward %s, starting\n", sw_instance_text(&s->choice, inst, who));
}

/* The others are shown. */
static int say_other(struct status *s, const struct sw_instance *inst)
{
    sw_warn("the synward with pid %d is of another version: not shown", inst->pid);
    s->other_version = true;
    return 0;
}

static int show(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct status *s = ctx;
    struct sw_figures f;
    int err;

    if (!alive && !sw_instance_is_pinned(inst))
        return 0;
    s->elsewhere += sw_choice_is_elsewhere(&s->choice, inst);
    if (!sw_choice_fits(&s->choice, inst))
        return 0;
    if (inst->contract != SW_CONTRACT_VERSION)
        return say_other(s, inst);
    if (alive && !inst->ready) {
        show_starting(s, inst);
        return 0;
    }
    err = sw_figures_read(inst, alive, &f);
    if (!err) {
        s->instances++;
        if (s->json)
            print_json(inst, alive, &f);
        else
            print_text(s, inst, alive, &f);
    }
    sw_figures_free(&f);
    if (err == -EPROTO)
        return say_other(s, inst);
    return err == -ENOENT ? 0 : err; /* a map's id: it has just ended */
}

static int cmd_status(int argc, char **argv)
{
    struct status s = {0};
    int err;

    sw_parse(&sw_status_command, argc, argv, &s);
    if (!sw_can_inspect()) {
        sw_err("status needs root, or CAP_SYS_ADMIN");
        return SW_EXIT_PRIVILEGE;
    }
    sw_choice_begin(&s.choice);
    err = sw_instance_walk(show, &s);
    if (err)
        return sw_walk_failed("status", err);
    if (!s.instances && s.other_version)
        return SW_EXIT_NOT_RUNNING;
    if (!s.instances)
        return sw_choice_say_none(&s.choice, s.elsewhere);
    return sw_stdout_end();
}

static const struct sw_option options[] = {
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct status, json), .help = "a JSON object for each instance"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

const struct sw_command sw_status_command = {
    .name = "status",
    .summary = "what runs where, counters, events lost",
    .doc = "Shows what runs where.",
    .main = cmd_status,
    .size = sizeof(struct status),
    .groups = {{&group, 0}, {&sw_choice_group, offsetof(struct status, choice)}},
};
