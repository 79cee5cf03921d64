/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/top_live.h"

#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "cmd/events_source.h"
#include "cmd/find_instance.h"
#include "cmd/top_events.h"
#include "loader/map_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOM (256u << 10) /* of lines that are read at once; no line is longer than that */
#define PIECES 16         /* that are read before keys are looked at again */
#define MANY (64u << 10)  /* bytes: a socket holds about three times as many */

static int is_it(const struct sw_instance *inst, bool alive, void *ctx)
{
    const struct sw_instance *which = ctx;

    return alive && inst->pid == which->pid && inst->map_flows == which->map_flows ? SW_INSTANCE_STOP : 0;
}

/* A process id may be another process's by now: its file is locked as long as it runs. */
static int open_process(const struct sw_instance *inst)
{
    struct sw_instance copy = *inst;
    int fd = (int)syscall(SYS_pidfd_open, inst->pid, 0);

    if (fd >= 0 && sw_instance_walk(is_it, &copy) != SW_INSTANCE_STOP) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Without them the tables are shown all the same. */
static int open_events(struct sw_top_live *l)
{
    struct sw_events_choice choice = {.which = {.pid = l->inst.pid}};
    struct sw_request *wants = calloc(1, sizeof(*wants));
    struct sw_hello hello;
    int fd = -1;

    if (!wants)
        return -1;
    wants->format = SW_FORMAT_JSON;
    wants->event_mask = SW_TOP_EVENTS | 1u << SW_LINE_LOSS;
    wants->filter = *l->filter;
    if (!sw_events_find(&choice, false, &fd, &hello)) {
        l->mute = (hello.event_mask & SW_TOP_EVENTS) != SW_TOP_EVENTS;
        if (l->mute || sw_events_ask(&choice, fd, wants)) {
            close(fd);
            fd = -1;
        }
    }
    free(wants);
    return fd;
}

int sw_top_live_open(struct sw_top_live *l, struct sw_choice *choice, const struct sw_filter *filter)
{
    struct sw_instances found;
    int code = sw_find_instance("top", choice, SW_NEED_FILTER, &found);

    *l = (struct sw_top_live){.filter = filter, .process_fd = -1, .events_fd = -1};
    if (!code)
        l->inst = found.inst[0];
    free(found.inst);
    if (code)
        return code;
    l->buf = malloc(ROOM);
    l->stats = l->inst.map_services ? malloc(sizeof(*l->stats)) : NULL;
    if (!l->buf || (l->inst.map_services && !l->stats)) {
        sw_err("top: %s", strerror(ENOMEM));
        return SW_EXIT_MEMORY;
    }
    l->process_fd = open_process(&l->inst);
    if (l->process_fd >= 0)
        l->events_fd = open_events(l);
    return SW_EXIT_OK;
}

void sw_top_live_close(struct sw_top_live *l)
{
    if (l->process_fd >= 0)
        close(l->process_fd);
    if (l->events_fd >= 0)
        close(l->events_fd);
    free(l->stats);
    free(l->buf);
}

struct look {
    const struct sw_filter *filter;
    struct sw_owners *owners; /* NULL: the filter does not ask */
    struct sw_top_model *m;
    int err;
};

static void take(const struct sw_key *key, const struct sw_flow *flow, void *ctx)
{
    struct look *look = ctx;
    struct sw_top_conn c;

    if (look->err || !sw_filter_match(look->filter, key, flow, look->owners))
        return;
    sw_top_conn_of(key, flow, &c);
    look->err = sw_top_model_conn(look->m, &c);
}

static int look_at_services(struct sw_top_live *l, struct sw_top_guard *g, __u64 now)
{
    int err = sw_service_stats_read_ids(l->inst.map_services, l->inst.map_svc_counters, now, l->stats);

    g->there = true;
    g->len = 0;
    for (int i = 1; i < SW_SERVICES && !err; i++) {
        struct sw_top_service s;

        if (!l->stats->services[i].port)
            continue;
        sw_top_service_of(&l->stats->services[i], &l->stats->tally[i], now, &s);
        err = sw_top_guard_put(g, &s);
    }
    sw_top_guard_sort(g);
    return err;
}

int sw_top_live_look(struct sw_top_live *l, struct sw_top_model *m, struct sw_top_guard *g)
{
    struct look look = {.filter = l->filter, .m = m};
    __u64 now = sw_clock_now();
    int err = sw_filter_asks_owner(l->filter) ? sw_owners_look(&look.owners) : 0;

    sw_top_model_begin(m, now);
    if (!err)
        err = sw_map_flows(l->inst.map_flows, take, &look);
    if (!err)
        err = sw_map_flows(l->inst.map_half_open, take, &look);
    if (!err)
        err = look.err;
    sw_top_model_end(m);
    sw_owners_free(look.owners);
    if (!err && l->stats)
        err = look_at_services(l, g, now);
    if (err != -ENOENT) /* a map's id: it has just ended */
        return err;
    l->ended = true;
    return 0;
}

/* The whole lines of the buffer. */
static int use_lines(struct sw_top_live *l, struct sw_top_model *m)
{
    char *line = l->buf, *end = l->buf + l->len, *newline;
    __u64 now = sw_clock_now();
    int err = 0;

    while (!err && (newline = memchr(line, '\n', end - line))) {
        enum sw_top_failure what;
        struct sw_top_id id;
        __u64 lost;

        *newline = 0;
        switch (sw_top_line_parse(line, &id, &what, &lost)) {
        case SW_TOP_LINE_FAILURE: err = sw_top_model_failure(m, now, &id, what, 1); break;
        case SW_TOP_LINE_LOSS: l->lost += lost; break;
        default: break;
        }
        line = newline + 1;
    }
    l->len = end - line;
    memmove(l->buf, line, l->len);
    if (l->len == ROOM) /* no line of ours is so long */
        l->len = 0;
    return err;
}

int sw_top_live_read(struct sw_top_live *l, struct sw_top_model *m)
{
    struct pollfd process = {.fd = l->process_fd, .events = POLLIN};
    size_t got = 0;
    int err = 0;

    for (int i = 0; i < PIECES && !err && l->events_fd >= 0; i++) {
        ssize_t n = recv(l->events_fd, l->buf + l->len, ROOM - l->len, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        l->ended |= n <= 0;
        if (n <= 0)
            break;
        got += n;
        l->len += n;
        err = use_lines(l, m);
    }
    l->busy = got > MANY;
    l->ended |= l->process_fd >= 0 && poll(&process, 1, 0) > 0;
    return err;
}
