/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward flows: the table of running instances, read from their maps. */
#include "base/capabilities.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/find_instance.h"
#include "config/cli.h"
#include "config/filter_options.h"
#include "loader/instance.h"
#include "loader/map_reader.h"
#include "output/conn_id.h"
#include "output/line.h"
#include "output/names.h"
#include "tcp/conn_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flows {
    bool json;
    bool all; /* those that ended and wait for late segments, too */
    int pid;  /* 0: every instance */
    __u16 seed;
    struct sw_filter filter;
    int instances, starting;
    __u64 now;
    __s64 clock_offset;
    struct sw_lines lines; /* for times and escapes */
    const struct sw_instance *inst;
};

static const char *iface_name(const struct sw_instance *inst, __u32 ifindex)
{
    for (size_t i = 0; i < inst->len; i++)
        if (inst->ifaces[i].ifindex == ifindex)
            return inst->ifaces[i].name;
    return "?";
}

struct ends {
    char ip[2][SW_IP_LEN + 1]; /* SW_ORIG, SW_RESP */
    unsigned int port[2];
    bool v6;
};

static void read_ends(const struct sw_key *key, const struct sw_flow *flow, struct ends *ret)
{
    int a = flow->orig_is_b ? SW_RESP : SW_ORIG, b = !a;

    /* cppcheck-suppress uninitvar ; it is written there, not read */
    *sw_put_ip(ret->ip[a], key->a_ip) = 0;
    *sw_put_ip(ret->ip[b], key->b_ip) = 0;
    ret->port[a] = ntohs(key->a_port);
    ret->port[b] = ntohs(key->b_port);
    ret->v6 = strchr(ret->ip[a], ':');
}

static void print_json(struct flows *f, const struct sw_key *key, const struct sw_flow *flow)
{
    const struct sw_end *orig = &flow->end[SW_ORIG], *resp = &flow->end[SW_RESP];
    char uid[SW_UID_LEN + 1], cid[SW_CID_LEN + 1], start[64], iface[IF_NAMESIZE * 6 + 1];
    struct ends ends;

    read_ends(key, flow, &ends);
    *sw_put_uid(uid, key, flow->start_ns) = 0;
    *sw_put_community_id(cid, key, f->seed) = 0;
    *sw_put_time(&f->lines, start, flow->start_ns + f->clock_offset) = 0;
    *sw_json_escape(iface, iface_name(f->inst, flow->ifindex)) = 0;
    printf("{\"uid\":\"%s\",\"community_id\":\"%s\",\"iface\":\"%s\",\"orig_ip\":\"%s\",\"orig_port\":%u,"
           "\"resp_ip\":\"%s\",\"resp_port\":%u,\"orig_state\":\"%s\",\"resp_state\":\"%s\",\"conn_state\":\"%s\","
           "\"history\":\"%.*s\",\"established\":%s,\"ended\":%s,\"start\":\"%s\",\"age_ns\":%llu,\"idle_ns\":%llu,"
           "\"orig_pkts\":%llu,\"resp_pkts\":%llu,\"orig_ip_bytes\":%llu,\"resp_ip_bytes\":%llu,"
           "\"orig_bytes\":%llu,\"resp_bytes\":%llu,\"orig_payload_bytes\":%llu,\"resp_payload_bytes\":%llu,"
           "\"pid\":%d}\n",
           uid, cid, iface, ends.ip[SW_ORIG], ends.port[SW_ORIG], ends.ip[SW_RESP], ends.port[SW_RESP],
           sw_name_state(orig->state)->text, sw_name_state(resp->state)->text,
           sw_name_conn_state(sw_zeek_conn_state(flow))->text, flow->hist_len, flow->hist,
           flow->flags & SW_F_ESTABLISHED ? "true" : "false", flow->flags & SW_F_ENDED ? "true" : "false", start,
           f->now > flow->start_ns ? f->now - flow->start_ns : 0, f->now > flow->last_ns ? f->now - flow->last_ns : 0,
           orig->pkts, resp->pkts, orig->ip_bytes, resp->ip_bytes, sw_stream_bytes(flow, SW_ORIG),
           sw_stream_bytes(flow, SW_RESP), orig->payload, resp->payload, f->inst->pid);
}

/* At most four columns and a unit: 812, 9.5k, 73M. */
static const char *short_number(__u64 n, char buf[16])
{
    const char *units = " kMGTPE";
    double value = n;

    if (n < 1000) {
        snprintf(buf, 16, "%llu", n);
        return buf;
    }
    while (value >= 999.5) {
        value /= 1000;
        units++;
    }
    snprintf(buf, 16, value < 9.95 ? "%.1f%c" : "%.0f%c", value, *units);
    return buf;
}

static const char *short_age(__u64 ns, char buf[16])
{
    __u64 s = ns / SW_SECOND;

    if (s < 60)
        snprintf(buf, 16, "%.1fs", ns / 1e9);
    else if (s < 3600)
        snprintf(buf, 16, "%llum%02llus", s / 60, s % 60);
    else if (s < 100 * 3600)
        snprintf(buf, 16, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        snprintf(buf, 16, "%llud", s / 86400);
    return buf;
}

static void print_row(struct flows *f, const struct sw_key *key, const struct sw_flow *flow)
{
    const struct sw_end *orig = &flow->end[SW_ORIG], *resp = &flow->end[SW_RESP];
    char from[64], to[64], states[48], age[16], n[4][16], pkts[40], bytes[40];
    struct ends ends;

    read_ends(key, flow, &ends);
    snprintf(from, sizeof(from), ends.v6 ? "[%s]:%u" : "%s:%u", ends.ip[SW_ORIG], ends.port[SW_ORIG]);
    snprintf(to, sizeof(to), ends.v6 ? "[%s]:%u" : "%s:%u", ends.ip[SW_RESP], ends.port[SW_RESP]);
    snprintf(states, sizeof(states), "%s/%s", sw_name_state(orig->state)->text, sw_name_state(resp->state)->text);
    snprintf(pkts, sizeof(pkts), "%s/%s", short_number(orig->pkts, n[0]), short_number(resp->pkts, n[1]));
    snprintf(bytes, sizeof(bytes), "%s/%s", short_number(orig->ip_bytes, n[2]), short_number(resp->ip_bytes, n[3]));
    printf("%-24s %-24s %-25s %8s %12s %12s  %-8s %.*s\n", from, to, states,
           short_age(f->now > flow->start_ns ? f->now - flow->start_ns : 0, age), pkts, bytes,
           iface_name(f->inst, flow->ifindex), flow->hist_len, flow->hist);
}

static void print_one(const struct sw_key *key, const struct sw_flow *flow, void *ctx)
{
    struct flows *f = ctx;

    if ((f->all || !(flow->flags & SW_F_ENDED)) && sw_filter_match(&f->filter, key, flow))
        (f->json ? print_json : print_row)(f, key, flow);
}

static int show(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct flows *f = ctx;
    int err;

    if ((!alive && !sw_instance_is_pinned(inst)) || (f->pid && inst->pid != f->pid))
        return 0;
    if (!inst->map_flows) {
        f->starting = inst->pid;
        return 0;
    }
    if (inst->contract != SW_CONTRACT_VERSION) {
        sw_warn("the synward with pid %d is of another version: not shown", inst->pid);
        return 0;
    }
    if (!alive)
        sw_info("pinned state '%s': no synward is running, its programs stay attached", inst->pin);
    if (!f->instances++ && !f->json)
        printf("%-24s %-24s %-25s %8s %12s %12s  %-8s %s\n", "ORIGINATOR", "RESPONDER", "STATES", "AGE", "PACKETS",
               "BYTES", "IFACE", "HISTORY");
    f->inst = inst;
    err = sw_map_flows(inst->map_flows, print_one, f);
    return err ? err : sw_map_flows(inst->map_half_open, print_one, f);
}

static int cmd_flows(int argc, char **argv)
{
    const struct sw_report_opts none = {.host = ""};
    struct flows *f = calloc(1, sizeof(*f));
    int err, code = SW_EXIT_OK;

    if (!f)
        return SW_EXIT_MEMORY;
    sw_parse(&sw_flows_command, argc, argv, f);
    if (!sw_can_inspect()) {
        sw_err("flows needs root, or CAP_SYS_ADMIN");
        free(f);
        return SW_EXIT_PRIVILEGE;
    }
    f->now = sw_clock_now();
    f->clock_offset = sw_clock_offset();
    err = sw_lines_init(&f->lines, &none);
    if (!err)
        err = sw_instance_walk(show, f);
    if (err) {
        code = sw_walk_failed("flows", err);
    } else if (!f->instances && f->starting) {
        sw_err("flows: the synward with pid %d is starting", f->starting);
        code = SW_EXIT_NOT_RUNNING;
    } else if (!f->instances) {
        sw_err(f->pid ? "no synward with pid %d is running" : "no synward is running", f->pid);
        code = SW_EXIT_NOT_RUNNING;
    } else {
        code = sw_stdout_end();
    }
    sw_lines_fini(&f->lines);
    free(f);
    return code;
}

static const struct sw_option options[] = {
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct flows, json), .help = "a JSON object a line instead of a table"},
    {"all", 'a', .type = SW_OPT_SET, SW_FIELD(struct flows, all),
     .help = "connections that ended and wait for late segments, too"},
    {"pid", 'p', .type = SW_OPT_NUMBER, SW_FIELD(struct flows, pid), .range = {1, 1u << 30}, .arg = "PID",
     .help = "only of the synward with this process id"},
    {"seed", 's', .type = SW_OPT_NUMBER, SW_FIELD(struct flows, seed), .range = {0, 65535},
     .help = "Community ID seed ({})"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

const struct sw_command sw_flows_command = {
    .name = "flows",
    .summary = "the live table of a running synward",
    .doc = "Shows the connections that running synwards follow.",
    .main = cmd_flows,
    .size = sizeof(struct flows),
    .groups = {{&group, 0},
               {&sw_rules_group, offsetof(struct flows, filter.rules)},
               {&sw_view_group, offsetof(struct flows, filter)}},
};
