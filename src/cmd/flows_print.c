/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/fmt.h"
#include "cmd/flows.h"
#include "output/names.h"
#include "output/text_fmt.h"
#include "output/text_owner.h"
#include "output/text_row.h"
#include "owner/container.h"
#include "tcp/conn_state.h"

#include <arpa/inet.h>
#include <string.h>

static const char *iface_name(const struct sw_instance *inst, __u32 ifindex)
{
    for (size_t i = 0; i < inst->len; i++)
        if (inst->ifaces[i].ifindex == ifindex)
            return inst->ifaces[i].name;
    return "?";
}

static void put_ids(struct sw_flows *f, const struct sw_flows_block *b, const struct sw_flow_row *row)
{
    const struct sw_key *k = &row->key;
    const bool swap = row->flow.orig_is_b;
    char uid[SW_UID_LEN + 1], cid[SW_CID_LEN + 1], ts[64], iface[IF_NAMESIZE * 6 + 1], ip[2][SW_IP_LEN + 1];

    sw_format_uid(k, row->flow.start_ns, uid);
    sw_format_community_id(k, f->seed, cid);
    *sw_put_time(&f->lines, ts, b->now + f->clock_offset) = 0;
    *sw_json_escape(iface, iface_name(&b->inst, row->flow.ifindex)) = 0;
    *sw_put_ip(ip[0], swap ? k->b_ip : k->a_ip) = 0;
    *sw_put_ip(ip[1], swap ? k->a_ip : k->b_ip) = 0;
    fprintf(
        f->out,
        "{\"ts\":\"%s\",\"uid\":\"%s\",\"community_id\":\"%s\",\"iface\":\"%s\",\"orig_ip\":\"%s\",\"orig_port\":%u,"
        "\"resp_ip\":\"%s\",\"resp_port\":%u",
        ts, uid, cid, iface, ip[0], ntohs(swap ? k->b_port : k->a_port), ip[1], ntohs(swap ? k->a_port : k->b_port));
}

static void put_number(struct sw_flows *f, const char *key, bool known, __u64 n)
{
    if (known)
        fprintf(f->out, "\"%s\":%llu,", key, n);
    else
        fprintf(f->out, "\"%s\":null,", key);
}

/* As in lines: an end that is another host's has none of these keys. */
static void put_owner(struct sw_flows *f, const struct sw_flow *flow, int side)
{
    const char *of = side == SW_ORIG ? "orig" : "resp";
    const struct sw_owner *owner = sw_owner_of(flow, side);
    const struct sw_cgroup *cgroup = sw_owners_cgroup(f->owners, owner);
    const struct sw_process *process = sw_owners_process(f->owners, owner);
    char comm[6 * SW_COMM];

    if (!sw_owner_is_local(flow, side))
        return;
    fprintf(f->out, "\"%s_socket_cookie\":", of);
    if (owner->cookie)
        fprintf(f->out, "%llu", sw_owner_cookie(owner));
    else
        fputs("null", f->out);
    if (cgroup)
        fprintf(f->out, ",\"%s_cgroup\":\"%s\"", of, cgroup->json);
    else
        fprintf(f->out, ",\"%s_cgroup\":null", of);
    if (cgroup && cgroup->container)
        fprintf(f->out, ",\"%s_container\":\"%.*s\"", of, SW_CONTAINER_LEN, cgroup->container);
    if (!process) {
        fprintf(f->out, ",\"%s_pid\":null,\"%s_pids\":null,\"%s_comm\":null,", of, of, of);
        return;
    }
    *sw_json_escape(comm, process->comm) = 0;
    fprintf(f->out, ",\"%s_pid\":%d,\"%s_pids\":%u,\"%s_comm\":\"%s\",", of, process->pid, of, process->pids, of, comm);
}

static void print_json(struct sw_flows *f, const struct sw_flows_block *b, const struct sw_flow_row *row)
{
    const struct sw_flow *flow = &row->flow;
    const struct sw_end *orig = &flow->end[SW_ORIG], *resp = &flow->end[SW_RESP];
    char start[64];
    __u64 ns = 0;
    bool known;

    put_ids(f, b, row);
    *sw_put_time(&f->lines, start, flow->start_ns + f->clock_offset) = 0;
    fprintf(f->out,
            ",\"orig_state\":\"%s\",\"resp_state\":\"%s\",\"conn_state\":\"%s\",\"history\":\"%.*s\","
            "\"established\":%s,\"ended\":%s,\"start\":\"%s\",\"age_ns\":%llu,\"idle_ns\":%llu,"
            "\"orig_pkts\":%llu,\"resp_pkts\":%llu,\"orig_ip_bytes\":%llu,\"resp_ip_bytes\":%llu,"
            "\"orig_bytes\":%llu,\"resp_bytes\":%llu,\"orig_payload_bytes\":%llu,\"resp_payload_bytes\":%llu,",
            sw_name_state(orig->state)->text, sw_name_state(resp->state)->text,
            sw_name_conn_state(sw_zeek_conn_state(flow))->text, flow->hist_len, flow->hist,
            flow->flags & SW_F_ESTABLISHED ? "true" : "false", flow->flags & SW_F_ENDED ? "true" : "false", start,
            b->now > flow->start_ns ? b->now - flow->start_ns : 0, b->now > flow->last_ns ? b->now - flow->last_ns : 0,
            orig->pkts, resp->pkts, orig->ip_bytes, resp->ip_bytes, sw_stream_bytes(flow, SW_ORIG),
            sw_stream_bytes(flow, SW_RESP), orig->payload, resp->payload);
    known = sw_span(flow->syn_ns, flow->est_ns, &ns);
    put_number(f, "handshake_ns", known, ns);
    put_number(f, "ip_bytes_per_s", f->sort == SW_SORT_RATE, row->rate);
    put_owner(f, flow, SW_ORIG);
    put_owner(f, flow, SW_RESP);
    sw_instance_keys(&b->inst, f->out);
    fputs("}\n", f->out);
}

/* "synward pid 12 (eth0): 3 connections, by rate"; while it is watched with the time. */
static void print_heading(struct sw_flows *f, const struct sw_flows_block *b)
{
    static const char *const by[] = {"", ", by bytes", ", by age", ", by handshake", ", by rate"};
    char who[SW_INSTANCE_TEXT], text[SW_INSTANCE_TEXT + 128], *p = text;

    if (f->watch_ns) {
        p = sw_text_heading(&f->lines, p, b->now);
        *p = 0;
        fputs(text, f->out);
        p = sw_text_time(&f->lines, text, b->now, 3) - 4; /* to the second */
        *p++ = ' ';
    }
    p += snprintf(p, text + sizeof(text) - p, "synward %s", sw_instance_text(&f->choice, &b->inst, who));
    if (!f->stream)
        snprintf(p, text + sizeof(text) - p, ": %zu connection%s%s", b->rows.len, b->rows.len == 1 ? "" : "s",
                 by[f->sort]);
    if (!f->wide && strlen(text) > SW_TEXT_COLUMNS) {
        text[SW_TEXT_COLUMNS - 1] = '~';
        text[SW_TEXT_COLUMNS] = 0;
    }
    fprintf(f->out, "%s\n", text);
}

void sw_flows_print_head(struct sw_flows *f, const struct sw_flows_block *b)
{
    char line[SW_FLOW_ROW_ROOM];

    if (f->json)
        return;
    print_heading(f, b);
    sw_flow_head(line, f->sort, f->wide);
    fprintf(f->out, "%s\n", line);
}

void sw_flows_print_row(struct sw_flows *f, const struct sw_flows_block *b, const struct sw_flow_row *row)
{
    char line[SW_FLOW_ROW_ROOM + 2 * SW_TEXT_OWNER], *p;

    if (f->json) {
        print_json(f, b, row);
        return;
    }
    if (f->wide) {
        p = sw_flow_row_wide(line, row, b->now, f->sort, iface_name(&b->inst, row->flow.ifindex));
        *sw_text_owners(p, f->owners, &row->flow) = 0;
    } else {
        sw_flow_row_narrow(line, row, b->now, f->sort);
    }
    fprintf(f->out, "%s\n", line);
}

/* On a screen each of several instances has its part of it: two lines are above the rows. */
void sw_flows_print(struct sw_flows *f)
{
    size_t left = f->rows_max;

    for (size_t i = 0; i < f->len; i++) {
        const struct sw_flows_block *b = &f->block[i];
        size_t part = left / (f->len - i), most = part > 2 ? part - 2 : 0;

        if (!f->rows_max || most > b->rows.len)
            most = b->rows.len;
        sw_flows_print_head(f, b);
        for (size_t k = 0; k < most; k++)
            sw_flows_print_row(f, b, &b->rows.row[k]);
        left -= left < most + 2 ? left : most + 2;
    }
}
