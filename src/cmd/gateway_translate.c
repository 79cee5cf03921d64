/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/gateway_translate.h"

#include "base/clock.h"
#include "base/fmt.h"
#include "loader/map_reader.h"
#include "output/names.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int sw_gateway_state_read(const struct sw_instance *inst, struct sw_gateway_state *ret)
{
    const __u32 zero = 0;
    int fd = sw_map_by_id(inst->map_gateway_state, sizeof(*ret)), err;

    if (fd < 0)
        return fd;
    err = bpf_map_lookup_elem(fd, &zero, ret) ? -errno : 0;
    close(fd);
    return err;
}

int sw_gateway_drain_begin(const struct sw_instance *inst)
{
    int fd = sw_map_by_id(inst->map_guard, sizeof(struct sw_guard));
    struct sw_guard *g;

    if (fd < 0)
        return fd;
    g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (g == MAP_FAILED)
        return -errno;
    __atomic_fetch_or(&g->flags, SW_G_STOPPING, __ATOMIC_SEQ_CST);
    munmap(g, sizeof(*g));
    return 0;
}

static bool is_within(__u64 at, __u64 ns, __u64 now)
{
    return at && now < at + ns;
}

static void backend_json(const struct sw_backend_key *k, const struct sw_backend_facts *f, __u64 now,
                         const char *between)
{
    char name[SW_SERVICE_TEXT];

    sw_format_service(k->ip, k->port, 0, name);
    printf("%s{\"backend\":\"%s\",\"mss\":%u,", between, name, f->mss);
    if (f->flags & SW_BE_WSCALE)
        printf("\"wscale\":%u,", f->wscale);
    else
        printf("\"wscale\":null,");
    printf("\"timestamps\":%s,\"sack\":%s,\"ecn\":%s,", f->flags & SW_BE_TS ? "true" : "false",
           f->flags & SW_BE_SACK ? "true" : "false", f->flags & SW_BE_ECN ? "true" : "false");
    if (f->synack_ns)
        printf("\"synack_age\":%.1f,", now > f->synack_ns ? (now - f->synack_ns) / 1e9 : 0);
    else
        printf("\"synack_age\":null,");
    printf("\"refused\":%u,\"unanswered\":%u,\"silent\":%s}", f->refused, f->silent,
           is_within(f->silent_ns, SW_GATEWAY_SILENT_NS, now) ? "true" : "false");
}

static void backend_text(const struct sw_backend_key *k, const struct sw_backend_facts *f, __u64 now)
{
    char name[SW_SERVICE_TEXT], scale[8] = "-", age[24] = "-";

    sw_format_service(k->ip, k->port, 0, name);
    if (f->flags & SW_BE_WSCALE)
        snprintf(scale, sizeof(scale), "%u", f->wscale);
    if (f->synack_ns)
        snprintf(age, sizeof(age), "%.0f s", now > f->synack_ns ? (now - f->synack_ns) / 1e9 : 0);
    printf("%-24s %5u %6s %-3s %-4s %-3s %9s %8u %10u%s\n", name, f->mss, scale, f->flags & SW_BE_TS ? "yes" : "no",
           f->flags & SW_BE_SACK ? "yes" : "no", f->flags & SW_BE_ECN ? "yes" : "no", age, f->refused, f->silent,
           is_within(f->silent_ns, SW_GATEWAY_SILENT_NS, now) ? " silent" : "");
}

static int show_backends(const struct sw_instance *inst, bool json)
{
    int fd = sw_map_by_id(inst->map_backends, sizeof(struct sw_backend_facts));
    struct sw_backend_key key, next;
    struct sw_backend_facts facts;
    const char *between = "";
    __u64 now = sw_clock_now();
    bool more;

    if (fd < 0)
        return fd;
    more = !bpf_map_get_next_key(fd, NULL, &key);
    if (more && !json)
        printf("%-24s %5s %6s %-3s %-4s %-3s %9s %8s %10s\n", "backend", "mss", "wscale", "ts", "sack", "ecn",
               "syn-ack", "refused", "unanswered");
    for (int i = 0; more && i < SW_GATEWAY_BACKENDS; i++) {
        more = !bpf_map_get_next_key(fd, &key, &next);
        if (!bpf_map_lookup_elem(fd, &key, &facts)) {
            if (json)
                backend_json(&key, &facts, now, between);
            else
                backend_text(&key, &facts, now);
            between = ",";
        }
        key = next;
    }
    close(fd);
    return 0;
}

static void show_state(const struct sw_gateway_state *s, bool json)
{
    const char *between = "";

    printf(json ? ",\"connections\":{\"max\":%llu,\"of_one_client\":%llu,\"all\":%llu"
                : "connections: most %llu, of one client %llu; now %llu:",
           s->max, s->share, s->entries);
    for (unsigned int i = SW_X_NONE + 1; i < SW_X_MAX; i++)
        printf(json ? ",\"%s\":%llu" : " %s %llu", sw_name_xlate_state(i)->text, s->by_state[i]);
    printf(json ? "},\"counters\":{" : "\ncounters:");
    for (unsigned int i = 0; i < SW_GC_MAX; i++) {
        if (!json && !s->item[i])
            continue;
        printf(json ? "%s\"%s\":%llu" : "%s %s %llu", between, sw_name_gateway_counter(i)->text, s->item[i]);
        between = ",";
    }
    printf(json ? "},\"backends\":[" : "\n");
}

int sw_gateway_translate_show(const struct sw_instance *inst, bool json)
{
    struct sw_gateway_state state;
    int err = sw_gateway_state_read(inst, &state);

    if (err)
        return err;
    show_state(&state, json);
    err = show_backends(inst, json);
    if (json)
        putchar(']');
    return err;
}
