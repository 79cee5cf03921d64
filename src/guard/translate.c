/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/translate.h"
#include "base/clock.h"
#include "base/log.h"
#include "synward.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CALM_NS SW_SECOND       /* between sweeps, */
#define PENDING_NS 100000000ull /* while a backend has not answered, */
#define REST 20                 /* and so many times as long as one takes */
#define WARN_NS (10 * SW_SECOND)
#define ROUTE_LEAST 20 /* backends that were asked, and none has answered: their answers go another way */

static int map_state(struct sw_translate *t, int fd)
{
    void *at = mmap(NULL, sizeof(*t->state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED)
        return -errno;
    t->state = at;
    return 0;
}

/* An XDP program that passes: what it is given by a test run with live frames comes in at the device. */
static int load_pass(void)
{
    const struct bpf_insn pass[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT},
    };
    int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "sw_pass", "GPL", pass, 2, NULL);

    return fd < 0 ? -errno : fd;
}

int sw_translate_open(struct sw_translate *t, struct synward_bpf *obj, const struct sw_guard_opts *opts)
{
    int err;

    memset(t, 0, sizeof(*t));
    t->pass_fd = -1;
    if (opts->gateway != SW_GATEWAY_TRANSLATE)
        return 0;
    err = map_state(t, bpf_map__fd(obj->maps.gateway_state));
    if (err)
        return err;
    t->due_fd = bpf_map__fd(obj->maps.gateway_due);
    t->sweep_fd = bpf_program__fd(obj->progs.sw_gateway_sweep);
    t->pass_fd = load_pass();
    if (t->pass_fd < 0) {
        err = t->pass_fd;
        sw_translate_close(t);
        return err;
    }
    t->state->max = opts->gateway_flows;
    t->state->share = opts->gateway_flows / SW_GATEWAY_SHARE;
    t->state->linger = opts->gateway_linger_ns;
    t->state->idle = opts->gateway_idle_ns;
    t->state->pending = opts->gateway_pending_ns;
    t->state->drain = 0;
    memcpy(t->warned, t->state->item, sizeof(t->warned)); /* of a daemon before this one */
    return 0;
}

void sw_translate_close(struct sw_translate *t)
{
    if (!t->state)
        return;
    munmap(t->state, sizeof(*t->state));
    t->state = NULL;
    if (t->pass_fd >= 0)
        close(t->pass_fd);
    t->pass_fd = -1;
}

void sw_translate_finish(struct sw_translate *t)
{
    LIBBPF_OPTS(bpf_test_run_opts, run);

    if (t->state)
        bpf_prog_test_run_opts(t->sweep_fd, &run);
}

__u64 sw_translate_next(const struct sw_translate *t)
{
    return t->state && t->state->by_state[SW_X_PENDING] ? t->next_sweep : ~0ULL;
}

__u64 sw_translate_live(const struct sw_translate *t)
{
    return t->state ? sw_gateway_live(t->state) : 0;
}

__u32 sw_translate_outer(const struct sw_hooks *hooks)
{
    __u32 first = 0;
    size_t len = 0;

    for (size_t i = 0; i < hooks->len; i++) {
        if (hooks->ifaces[i].loopback)
            continue;
        if (!len++)
            first = hooks->ifaces[i].id.ifindex;
    }
    return len > 1 ? first : 0;
}

void sw_translate_say_outer(const struct sw_hooks *hooks, __u32 outer)
{
    for (size_t i = 0; i < hooks->len; i++)
        if (hooks->ifaces[i].id.ifindex == outer)
            sw_info("--gateway translate: '%s' is the outer interface, the first one; the others are followed and not "
                    "guarded",
                    hooks->ifaces[i].id.name);
}

/* --- the client's acknowledgement --- */

static __u32 sum_of(const __u8 *p, size_t len)
{
    __u32 sum = 0;

    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (__u32)p[i] << 8 | p[i + 1];
    return sum;
}

static __u16 fold(__u32 sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static __u8 *put16(__u8 *p, __u16 v)
{
    p[0] = v >> 8;
    p[1] = v;
    return p + 2;
}

static __u8 *put32(__u8 *p, __u32 v)
{
    return put16(put16(p, v >> 16), v);
}

static size_t put_tcp(__u8 *tcp, const struct sw_gateway_due *d, size_t addresses)
{
    const struct sw_xlate *x = &d->x;
    const bool ts = x->flags & SW_XF_TS;
    const size_t len = ts ? 32 : 20;
    __u8 *p = tcp;

    memcpy(p, &d->key.cport, 2);
    memcpy(p + 2, &d->key.sport, 2);
    p = put32(p + 4, x->client_isn + 1);
    p = put32(p, x->cookie_isn + 1);
    p = put16(p, len / 4 << 12 | SW_TCP_ACK);
    p = put16(p, x->client_win);
    p = put32(p, 0);
    if (ts) {
        p = put32(p, 0x0101080a);
        p = put32(p, x->client_ts);
        put32(p, x->cookie_ts);
    }
    put16(tcp + 16, fold(sum_of(d->key.client + 16 - addresses, addresses) +
                         sum_of(d->key.server + 16 - addresses, addresses) + 6 + len + sum_of(tcp, len)));
    return len;
}

size_t sw_translate_frame(const struct sw_gateway_due *d, __u8 frame[SW_TRANSLATE_FRAME])
{
    const bool v6 = d->x.flags & SW_XF_V6;
    __u8 *p = frame + 12, *ip;
    size_t len;

    memset(frame, 0, SW_TRANSLATE_FRAME);
    memcpy(frame, d->x.mac, 12);
    if (d->x.vlan)
        p = put32(p, 0x81000000u | (d->x.vlan & 0xefff));
    ip = put16(p, v6 ? 0x86dd : 0x0800);
    if (v6) {
        len = put_tcp(ip + 40, d, 16);
        put32(ip, 6u << 28);
        put16(ip + 4, len);
        ip[6] = 6;
        ip[7] = 64;
        memcpy(ip + 8, d->key.client, 16);
        memcpy(ip + 24, d->key.server, 16);
        return ip + 40 + len - frame;
    }
    len = put_tcp(ip + 20, d, 4);
    put32(ip, 0x45000000u | (20 + len));
    put32(ip + 4, 0x4000); /* don't fragment */
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, d->key.client + 12, 4);
    memcpy(ip + 16, d->key.server + 12, 4);
    put16(ip + 10, fold(sum_of(ip, 20)));
    return ip + 20 + len - frame;
}

/* It comes in as if the client had sent it: sw_gateway_in makes the SYN of it, or, for a dead one, the RST. */
static int come_in(const struct sw_translate *t, const struct sw_gateway_due *d)
{
    __u8 frame[SW_TRANSLATE_FRAME];
    size_t len = sw_translate_frame(d, frame);
    struct xdp_md where = {.data_end = len, .ingress_ifindex = d->x.ifindex};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = len, .ctx_in = &where,
                .ctx_size_in = sizeof(where), .repeat = 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 1);

    return bpf_prog_test_run_opts(t->pass_fd, &run);
}

static int sweep(struct sw_translate *t)
{
    LIBBPF_OPTS(bpf_test_run_opts, run);
    int err = bpf_prog_test_run_opts(t->sweep_fd, &run);
    struct sw_gateway_due due;

    for (__u32 i = 0; i < t->state->due && i < SW_GATEWAY_DUE && !err; i++) {
        if (bpf_map_lookup_elem(t->due_fd, &i, &due))
            return -errno;
        err = come_in(t, &due);
    }
    return err;
}

/* --- what is said --- */

static const struct {
    enum sw_gateway_counter counter;
    const char *text;
} warnings[] = {
    {SW_GC_FULL, "%llu SYNs and cookies met a full table of translated connections and were left to the backends "
                 "(--gateway-flows)"},
    {SW_GC_OVER_SHARE, "%llu cookies were not taken: their clients hold their share of the table (--gateway-flows)"},
    {SW_GC_SILENT, "%llu connections ended because their backend did not answer"},
    {SW_GC_NO_TIMESTAMPS, "%llu connections were reset: their backend has timestamps no more"},
    {SW_GC_FAILED, "%llu packets could not be rewritten, and were dropped"},
};

static void say_route(struct sw_translate *t, __u64 begun)
{
    const struct sw_gateway_state *s = t->state;

    if (t->said_route || begun < ROUTE_LEAST || s->item[SW_GC_OPENED] || s->item[SW_GC_REFUSED])
        return;
    t->said_route = true;
    sw_warn("no backend has answered %llu SYNs by this interface: answers that leave another way cannot be translated "
            "(--gateway edge can)",
            begun);
}

static void warn(struct sw_translate *t, __u64 now)
{
    if (now < t->next_warning)
        return;
    for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++) {
        const enum sw_gateway_counter c = warnings[i].counter;
        const __u64 n = __atomic_load_n(&t->state->item[c], __ATOMIC_RELAXED);

        if (n == t->warned[c])
            continue;
        sw_warn(warnings[i].text, n - t->warned[c]);
        t->warned[c] = n;
        t->next_warning = now + WARN_NS;
    }
    say_route(t, t->state->item[SW_GC_SILENT]);
}

void sw_translate_tick(struct sw_translate *t, __u64 now)
{
    __u64 took, rest;
    int err;

    if (!t->state || now < t->next_sweep)
        return;
    err = sweep(t);
    if (err && !t->failed)
        sw_warn("translated connections: %s: SYNs to backends are not repeated", strerror(-err));
    t->failed = err;
    took = sw_clock_now() - now;
    rest = t->state->by_state[SW_X_PENDING] ? PENDING_NS : CALM_NS;
    t->next_sweep = now + (took * REST > rest ? took * REST : rest);
    warn(t, now);
}
