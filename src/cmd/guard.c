/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward guard: see and change the guard of a running instance, through its mmapped maps. */
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/find_instance.h"
#include "config/cli.h"
#include "config/guard_options.h"
#include "loader/map_reader.h"
#include "loader/service_stats.h"
#include "output/figures.h"
#include "output/json_guard.h"
#include "output/names.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    bool json;
    struct sw_choice choice;
    bool change; /* else: status */
    enum sw_guard_mode mode;
    const char *service; /* as typed, NULL: all */
    struct sw_protect wanted;
    struct sw_instance inst;     /* the one that is read or changed now */
    struct sw_service *services; /* mmapped */
    struct sw_guard *config;     /* mmapped */
    __u32 matched;
};

/* The elements lie one after the other: the sizes are multiples of 8. */
static int map_array(__u32 id, size_t size, size_t len, int prot, void **ret)
{
    int fd = sw_map_by_id(id, size), err = 0;

    if (fd < 0)
        return fd;
    *ret = mmap(NULL, size * len, prot, MAP_SHARED, fd, 0);
    if (*ret == MAP_FAILED)
        err = -errno;
    close(fd);
    return err;
}

static int open_maps(struct guard *g)
{
    void *services, *config;
    int err =
        map_array(g->inst.map_services, sizeof(struct sw_service), SW_SERVICES, PROT_READ | PROT_WRITE, &services);

    if (err)
        return err;
    g->services = services; /* NOLINT(clang-analyzer-core.uninitialized.Assign): errno is not 0 after a failure */
    err = map_array(g->inst.map_guard, sizeof(struct sw_guard), 1, PROT_READ | PROT_WRITE, &config);
    if (!err)
        g->config = config; /* NOLINT(clang-analyzer-core.uninitialized.Assign): the same */
    return err;
}

static bool matches(const struct guard *g, const struct sw_service *s)
{
    if (!s->port)
        return false;
    if (!g->service)
        return true;
    if (ntohs(s->port) != g->wanted.port)
        return false;
    if (!strchr(g->service, ':')) /* the port alone */
        return true;
    return s->any == g->wanted.any && !memcmp(s->ip, g->wanted.ip, sizeof(s->ip));
}

/* Evaluates at once, not at the next SYN or the daemon's next tick. If it fails, that happens a little later. */
static void detect_now(const struct guard *g)
{
    LIBBPF_OPTS(bpf_test_run_opts, run);
    int fd = bpf_prog_get_fd_by_id(g->inst.prog_detect);

    if (fd < 0)
        return;
    bpf_prog_test_run_opts(fd, &run);
    close(fd);
}

static void change(struct guard *g)
{
    char who[SW_INSTANCE_TEXT];

    if (!g->service)
        __atomic_store_n(&g->config->mode, (__u8)g->mode, __ATOMIC_RELAXED);
    for (__u32 i = 1; i < SW_SERVICES; i++) {
        if (!matches(g, &g->services[i]))
            continue;
        __atomic_store_n(&g->services[i].mode, (__u8)g->mode, __ATOMIC_RELAXED);
        __atomic_store_n(&g->services[i].due, 0, __ATOMIC_RELAXED);
        g->matched++;
    }
    detect_now(g);
    if (g->matched || !g->service)
        sw_info("%s: mode %s: %u %s", sw_instance_text(&g->choice, &g->inst, who), sw_name_guard_mode(g->mode)->text,
                g->matched, g->matched == 1 ? "service" : "services");
}

static void print_row(const struct sw_service *s, const struct sw_svc_counters *t, __u64 now)
{
    char name[SW_SERVICE_TEXT], since[24] = "-";
    __u64 seconds = (now - s->since) / SW_SECOND;

    if (s->since && now >= s->since)
        snprintf(since, sizeof(since), "%llu:%02llu:%02llu", seconds / 3600, seconds / 60 % 60, seconds % 60);
    sw_format_service(s->ip, s->port, s->any, name);
    printf("%-24s %-7s %-7s %9s %-8s %10llu %10llu %10llu %10llu%s%s\n", name, sw_name_guard_mode(s->mode)->text,
           sw_name_guard_state(s->state)->text, since, sw_name_backend(s->backend)->text, t->item[SW_T_SYNS],
           t->item[SW_T_COOKIES_SENT], t->item[SW_T_COOKIES_ACCEPTED], sw_svc_counters_dropped(t),
           s->flags & SW_SV_MPTCP ? " MPTCP" : "", s->flags & SW_SV_NO_LISTENER ? " no listener" : "");
}

static void print_head(const struct guard *g)
{
    const struct sw_guard *c = g->config;
    char who[SW_INSTANCE_TEXT];

    printf("synward %s: engages over %llu half-open or %llu SYNs/s; hold %llu s, grace %llu s; %u allowed, "
           "%u blocked\n",
           sw_instance_text(&g->choice, &g->inst, who), c->half_open, c->syn_rate, c->hold / SW_SECOND,
           c->grace / SW_SECOND, c->allow_len, c->block_len);
    printf("%-24s %-7s %-7s %9s %-8s %10s %10s %10s %10s\n", "service", "mode", "state", "since", "backend", "syns",
           "sent", "accepted", "dropped");
}

static void print_json(const struct guard *g, const char *body)
{
    putchar('{');
    sw_instance_keys(&g->inst, stdout);
    printf(",%s}\n", body);
}

static int status(struct guard *g)
{
    struct sw_service_stats *t = malloc(sizeof(*t));
    __u64 now = sw_clock_now();
    char body[SW_SERVICE_ROOM];
    int err;

    if (!t)
        return -ENOMEM;
    err = sw_service_stats_read_ids(g->inst.map_services, g->inst.map_svc_counters, now, t);
    if (!err && !g->json)
        print_head(g);
    for (__u32 i = 1; i < SW_SERVICES && !err; i++) {
        struct sw_report_service s = {.service = t->services[i], .tally = t->tally[i]};

        if (!matches(g, &s.service))
            continue;
        g->matched++;
        *sw_json_service_body(body, &s, now) = 0;
        if (g->json)
            print_json(g, body);
        else
            print_row(&s.service, &s.tally, now);
    }
    free(t);
    return err;
}

static int act(struct guard *g)
{
    int err = open_maps(g);

    if (!err && g->change)
        change(g);
    else if (!err)
        err = status(g);
    if (g->services)
        munmap(g->services, SW_SERVICES * sizeof(struct sw_service));
    if (g->config)
        munmap((void *)g->config, sizeof(struct sw_guard));
    g->services = NULL;
    g->config = NULL;
    if (err == -ENOENT) { /* a map's id: gone since we looked */
        sw_err("the synward with pid %d has just stopped", g->inst.pid);
        return SW_EXIT_NOT_RUNNING;
    }
    if (err) {
        sw_err("guard: %s", strerror(-err));
        return SW_EXIT_INTERNAL;
    }
    return SW_EXIT_OK;
}

/* All that fit are shown, and one is changed. */
static int act_on_all(struct guard *g)
{
    struct sw_instances found;
    int code = g->change ? sw_find_instance("guard", &g->choice, SW_NEED_GUARD, &found)
                         : sw_find_instances("guard", &g->choice, SW_NEED_GUARD, &found);

    size_t gone = 0;

    for (size_t i = 0; i < found.len && !code; i++) {
        g->inst = found.inst[i];
        code = act(g);
        if (code == SW_EXIT_NOT_RUNNING && ++gone < found.len)
            code = SW_EXIT_OK; /* others are there */
    }
    free(found.inst);
    if (!code && g->service && !g->matched) {
        sw_err("guard: there is no service '%s' ('synward guard status' shows them)", g->service);
        code = SW_EXIT_USAGE;
    }
    return code;
}

static int cmd_guard(int argc, char **argv)
{
    struct guard g = {0};
    int code;

    sw_parse(&sw_guard_command, argc, argv, &g);
    if (!sw_can_inspect()) {
        sw_err("guard needs root, or CAP_SYS_ADMIN");
        return SW_EXIT_PRIVILEGE;
    }
    code = act_on_all(&g);
    if (!code)
        code = sw_stdout_end();
    return code;
}

static const struct sw_option options[] = {
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct guard, json), .help = "status: a JSON object for each service"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

enum { STATUS = SW_GM_MAX };
static const struct sw_word actions[] = {{"status", STATUS}, SW_GUARD_MODES(SW_WORD_ITEM){0}};
static const struct sw_operand operands[] = {{"ACTION", .words = actions}, {.name = "SERVICE"}, {0}};

/* False: the argument is no action, so it is the service to show. */
static bool parse_action(struct guard *g, const char *arg)
{
    int action = sw_word_find(actions, arg);

    if (action < 0)
        return false;
    g->change = action != STATUS;
    if (g->change)
        g->mode = action;
    return true;
}

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct guard *g = opts;

    if (!n && parse_action(g, arg))
        return 0;
    if (g->service)
        sw_usage_die(cli, "unexpected argument '%s'", arg);
    g->service = arg;
    if (!sw_protect_parse(arg, &g->wanted))
        return 0;
    if (n)
        sw_usage_die(cli, "'%s' is not a service: [ADDR:]PORT", arg);
    sw_usage_die(cli, "'%s' is none of status, off, monitor, auto, always, nor a service", arg);
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    const struct guard *g = opts;

    (void)operands_len;
    if (g->change && g->json)
        sw_usage_die(cli, "--json goes with status");
}

const struct sw_command sw_guard_command = {
    .name = "guard",
    .summary = "the guard of a running synward: its services, and their modes",
    .args_doc = "[status] [SERVICE]\noff|monitor|auto|always [SERVICE]",
    .doc = "Shows the protected services of a running synward, or changes the mode of all of them or of SERVICE, which "
           "is ADDR:PORT as status shows it, or PORT: every service of that port. The change counts at once and loses "
           "no packet. A listener that is found later gets the mode that was last set for all.",
    .main = cmd_guard,
    .size = sizeof(struct guard),
    .groups = {{&group, 0}, {&sw_choice_group, offsetof(struct guard, choice)}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
