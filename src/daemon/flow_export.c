/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/flow_export.h"

#include "base/exit.h"
#include "base/log.h"
#include "base/outage.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEMPLATES_NS (30 * SW_SECOND) /* how often templates are sent again, and the totals, */
#define TEMPLATES_MESSAGES 100        /* or after so many messages */
#define SEND_BUFFER (4 << 20)         /* what waits in the kernel while the link is busy */
#define SUSPECT_NS (3 * SW_SECOND)    /* how long a failure lets one doubt that the collector is there */
#define READS_MAX 16                  /* datagrams that are thrown away in a row */

struct sw_flow_export {
    int fd;
    char url[SW_EXPORT_URL];
    char what[SW_EXPORT_URL + 16]; /* for warnings */
    struct sw_ipfix x;             /* connections */
    struct sw_ipfix templates;     /* the message that has nothing else; its sequence is that of x */
    struct sw_ipfix own;           /* the totals: as of the whole exporter, their domain is 0, with its own sequence */
    bool templates_due;
    __u64 next_templates, next_totals;
    __u32 since_templates; /* messages */
    struct sw_export_totals totals;
    struct sw_export_counts counts;
    __u64 recent; /* connections that were sent in this second, */
    __u64 aged;   /* in the one before it: both may come to be refused */
    __u64 next_second;
    __u64 suspect_until; /* after a failure: the collector may not be there */
    struct sw_outage outage;
};

static int open_at(const struct addrinfo *at)
{
    const int size = SEND_BUFFER;
    int fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size))) /* which takes CAP_NET_ADMIN */
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (!connect(fd, at->ai_addr, at->ai_addrlen))
        return fd;
    err = -errno;
    close(fd);
    return err;
}

/* The first of its addresses to which there is a route. */
static int open_socket(const struct sw_export_opts *opts, struct sw_failure *f)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found;
    int fd = -EADDRNOTAVAIL, err = getaddrinfo(opts->host, opts->port, &hints, &found);

    if (err)
        return sw_fail(f, SW_EXIT_OUTPUT, -EADDRNOTAVAIL, "export to %s: %s", opts->url,
                       err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
        fd = open_at(at);
    freeaddrinfo(found);
    if (fd < 0)
        return sw_fail(f, SW_EXIT_OUTPUT, fd, "export to %s: %s", opts->url, strerror(-fd));
    return fd;
}

int sw_flow_export_open(const struct sw_export_opts *opts, struct sw_flow_export **ret, struct sw_failure *f)
{
    struct sw_flow_export *e;

    *ret = NULL;
    if (!opts->given)
        return 0;
    e = calloc(1, sizeof(*e));
    if (!e)
        return sw_fail(f, SW_EXIT_MEMORY, -ENOMEM, "export: %s", strerror(ENOMEM));
    e->fd = open_socket(opts, f);
    if (e->fd < 0) {
        int err = e->fd;

        free(e);
        return err;
    }
    memcpy(e->url, opts->url, sizeof(e->url));
    snprintf(e->what, sizeof(e->what), "export to %s", e->url);
    sw_ipfix_init(&e->x, &opts->message);
    sw_ipfix_init(&e->templates, &opts->message);
    sw_ipfix_init(&e->own, &opts->message);
    e->own.opts.domain = 0;
    e->outage.what = e->what;
    e->templates_due = true;
    *ret = e;
    return 0;
}

void sw_flow_export_free(struct sw_flow_export *e)
{
    if (!e)
        return;
    close(e->fd);
    free(e);
}

void sw_flow_export_set_clock(struct sw_flow_export *e, __s64 clock_offset_ns, __u64 boot_ns)
{
    if (e)
        e->x.clock = e->templates.clock = e->own.clock =
            (struct sw_ipfix_clock){.offset_ns = clock_offset_ns, .boot_ns = boot_ns};
}

/*
 * A refusal says that the collector is not there, and not since when: what was sent and not confirmed is lost. A host
 * says so about once a second, however much it refuses. A full buffer says nothing of the collector.
 */
static int failed(struct sw_flow_export *e, int err, __u64 now)
{
    if (err != -EAGAIN && err != -ENOBUFS)
        e->suspect_until = now + SUSPECT_NS;
    sw_outage_failed(&e->outage, err, e->counts.lost, "connections are not exported, and counted", now);
    if (err == -ECONNREFUSED) {
        e->counts.lost += e->aged + e->recent;
        e->aged = e->recent = 0;
    }
    return err;
}

static bool is_suspect(const struct sw_flow_export *e, __u64 now)
{
    return now < e->suspect_until;
}

/* Nothing was refused: what was sent in the second before this one has arrived, as far as anybody tells. */
static void confirm(struct sw_flow_export *e)
{
    e->counts.exported += e->aged;
    e->aged = e->recent;
    e->recent = 0;
}

/* The answer to what was sent before, if there is one. */
static void look_for_refusal(struct sw_flow_export *e, __u64 now)
{
    char any[64]; /* no collector says anything; who poses as one does not keep us here */
    ssize_t n = 0;

    for (int i = 0; i < READS_MAX && n >= 0; i++)
        n = read(e->fd, any, sizeof(any));
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        failed(e, -errno, now);
}

/* Of any kind. What was refused is an earlier one, of which the kernel tells now. */
static int send_message(struct sw_flow_export *e, struct sw_ipfix *x, __u64 now)
{
    const size_t len = sw_ipfix_finish(x, now);
    ssize_t n;

    do
        n = write(e->fd, x->buf, len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return failed(e, -errno, now);
    e->recent += x->conns;
    e->totals.messages++;
    e->totals.records += x->records;
    e->totals.bytes += len;
    return 0;
}

static int send_templates(struct sw_flow_export *e, __u64 now)
{
    int err;

    e->templates.sequence = e->x.sequence;
    sw_ipfix_templates(&e->templates);
    err = send_message(e, &e->templates, now);
    sw_ipfix_next(&e->templates);
    e->x.sequence = e->templates.sequence;
    if (err)
        return err;
    e->templates_due = false;
    e->next_templates = now + TEMPLATES_NS;
    e->since_templates = 0;
    return 0;
}

static void send_totals(struct sw_flow_export *e, __u64 now, __u64 unmade)
{
    e->totals.not_sent = e->counts.lost + unmade;
    sw_ipfix_totals(&e->own, e->x.opts.domain, &e->totals);
    if (!send_message(e, &e->own, now))
        e->next_totals = now + TEMPLATES_NS;
    sw_ipfix_next(&e->own);
}

/* A refusal is of what was sent before, and leaves this message unsent: then it is tried once more. A collector that
 * comes back needs the templates first. */
static void flush(struct sw_flow_export *e, __u64 now)
{
    int err = -ECONNREFUSED;

    if (!e->x.conns)
        return;
    for (int tries = 0; tries < 2 && err == -ECONNREFUSED; tries++) {
        err = e->templates_due || is_suspect(e, now) ? send_templates(e, now) : 0;
        if (!err)
            err = send_message(e, &e->x, now);
    }
    if (err)
        e->counts.lost += e->x.conns;
    sw_ipfix_next(&e->x);
    e->templates_due |= ++e->since_templates >= TEMPLATES_MESSAGES;
}

void sw_flow_export_event(struct sw_flow_export *e, const struct sw_event *ev)
{
    if (!e || ev->kind != SW_EV_CONN || sw_ipfix_conn(&e->x, ev))
        return;
    flush(e, ev->ts);
    sw_ipfix_conn(&e->x, ev); /* into an empty message, which has room for one of each kind */
}

void sw_flow_export_tick(struct sw_flow_export *e, __u64 now, __u64 unmade)
{
    if (!e)
        return;
    look_for_refusal(e, now);
    if (now >= e->next_second && !is_suspect(e, now)) {
        confirm(e);
        sw_outage_over(&e->outage, now);
        e->next_second = now + SW_SECOND * 9 / 10; /* a tick may be a little early */
    }
    flush(e, now);
    if (e->templates_due || now >= e->next_templates || is_suspect(e, now))
        send_templates(e, now);
    if (now >= e->next_totals && !is_suspect(e, now))
        send_totals(e, now, unmade);
    sw_outage_log(&e->outage, e->counts.lost, "connections", now);
}

void sw_flow_export_end(struct sw_flow_export *e, __u64 now, __u64 unmade)
{
    if (!e)
        return;
    flush(e, now);
    look_for_refusal(e, now);
    send_totals(e, now, unmade);
    look_for_refusal(e, now);
    confirm(e);
    confirm(e);
    e->outage.quiet = false;
    sw_outage_log(&e->outage, e->counts.lost, "connections", now);
}

const struct sw_export_counts *sw_flow_export_counts(const struct sw_flow_export *e)
{
    return e ? &e->counts : NULL;
}

const char *sw_flow_export_url(const struct sw_flow_export *e)
{
    return e ? e->url : NULL;
}
