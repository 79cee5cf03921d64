/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/kernel_queue.h"
#include "base/clock.h"
#include "base/netstat.h"
#include "guard/services_state.h"
#include "guard/sock_diag.h"

#include <arpa/inet.h>
#include <string.h>

enum { REST = 50 }; /* times as long as it took */

struct counting {
    const struct sw_chains *chains;
    __u32 half_open[SW_SERVICES];
};

static void count(const __u32 remote[4], const __u32 local[4], __be16 rport, __be16 lport, void *ctx)
{
    struct counting *c = ctx;

    (void)remote;
    (void)rport;
    c->half_open[sw_chain_of(c->chains, (const __u8 *)local, ntohs(lport))]++;
}

/* SYNs that were answered with a cookie or dropped because the queue was full, and handshakes that found the accept
 * queue full. Has any of them moved? */
static bool overflowed(struct sw_services *s)
{
    static const char *const names[] = {"TCPReqQFullDoCookies", "TCPReqQFullDrop", "ListenOverflows"};
    bool known = s->overflows_known, moved;
    __u64 now;

    s->overflows_known = !sw_netstat_read("TcpExt", names, sizeof(names) / sizeof(*names), &now);
    moved = known && s->overflows_known && now != s->overflows;
    s->overflows = now;
    return moved;
}

int sw_kernel_queue_refresh(struct sw_services *s, __u64 *ret_next)
{
    static struct counting c;
    __u64 began = sw_clock_now(), took;
    bool moved;
    int err;

    memset(&c, 0, sizeof(c));
    c.chains = &s->table.chain;
    err = sw_half_open_each(count, &c);
    moved = overflowed(s);
    for (__u32 i = 1; i < SW_SERVICES && !err; i++) {
        struct sw_service *sv = &s->table.chain.slot[i];
        __u32 full = moved && s->table.shadow[i].backlog && c.half_open[i] >= s->table.shadow[i].backlog;

        if (!sv->port)
            continue;
        __atomic_store_n(&sv->kernel_half_open, c.half_open[i], __ATOMIC_RELAXED);
        __atomic_store_n(&sv->kernel_full, full, __ATOMIC_RELAXED);
        __atomic_store_n(&sv->kernel_at, began, __ATOMIC_RELEASE);
    }
    took = sw_clock_now() - began;
    *ret_next = began + (took * REST > SW_SECOND ? took * REST : SW_SECOND);
    return err;
}
