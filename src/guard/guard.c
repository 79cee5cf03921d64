/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/guard.h"
#include "base/clock.h"
#include "base/log.h"
#include "guard/guard_state.h"
#include "guard/key_file.h"
#include "guard/kernel_queue.h"
#include "guard/known_tuples.h"
#include "guard/warnings.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DETECT_ACTIVE_NS SW_DETECT_NS
#define DETECT_CALM_NS SW_SECOND /* changes of mode are logged even without traffic */
#define KNOWN_NS (60 * SW_SECOND)
#define PASSED_NS                                                                                                      \
    (65 * SW_SECOND) /* of a gateway, whose SYNs that passed are known for one to two of these: 64 s at least */
#define KNOWN_LEAST_NS (5 * SW_SECOND) /* between refills, however many connections begin, */
#define KNOWN_REST 50                  /* and so many times as long as one takes */
#define CLOCK_NS (60 * SW_SECOND)
#define STEP_NS ((__s64)SW_SECOND) /* the clock did not drift, it was set */

void sw_guard_runtime_free(struct sw_guard_runtime *g)
{
    if (!g)
        return;
    sw_translate_close(&g->translate);
    sw_guard_reader_close(&g->reader);
    sw_services_free(g->services);
    sw_guard_files_free(&g->files);
    sw_key_schedule_close(&g->keys);
    free(g);
}

struct sw_ringbuf *sw_guard_runtime_ring(struct sw_guard_runtime *g)
{
    g->reader.keep = true;
    return &g->reader.events;
}

void sw_guard_runtime_report_warnings(struct sw_guard_runtime *g)
{
    const char *warning;

    while ((warning = sw_services_warning(g->services)))
        sw_warn("%s", warning);
}

static bool any_active(struct sw_guard_runtime *g)
{
    if (__atomic_load_n(&g->guard->active, __ATOMIC_RELAXED))
        return true;
    for (__u32 i = 1; i < SW_SERVICES; i++) {
        const struct sw_service *s = sw_services_at(g->services, i);

        if (s->port && s->state != SW_GS_CALM)
            return true;
    }
    return false;
}

static int detect(struct sw_guard_runtime *g)
{
    LIBBPF_OPTS(bpf_test_run_opts, run);

    return bpf_prog_test_run_opts(bpf_program__fd(g->obj->progs.sw_detect), &run);
}

void sw_guard_runtime_check(int err, bool *failed, const char *what)
{
    if (err && !*failed)
        sw_warn("%s: %s: keeping the previous state", what, strerror(-err));
    *failed = err;
}

/* Connections that only their clients claim may hold this share of the table before they are looked for. */
static bool many_unconfirmed(const struct sw_guard_runtime *g)
{
    const __u64 unconfirmed = __atomic_load_n(&g->obj->bss->sweep.unconfirmed, __ATOMIC_RELAXED);

    return unconfirmed > bpf_map__max_entries(g->obj->maps.flows) / 16;
}

static bool may_refill_early(const struct sw_guard_runtime *g, __u64 now)
{
    const __u64 since = now + KNOWN_NS - g->next_known;

    return since >= KNOWN_LEAST_NS && since >= g->known_took * KNOWN_REST;
}

/* Hosts that share a key have to agree about the epoch. */
static void watch_clock(struct sw_guard_runtime *g)
{
    const int synced = sw_clock_is_synchronized();
    __u32 flags = synced < 0 ? 0 : synced ? SW_G_CLOCK_WATCHED | SW_G_CLOCK_SYNCED : SW_G_CLOCK_WATCHED;

    __atomic_fetch_or(&g->guard->flags, flags, __ATOMIC_RELAXED);
    __atomic_fetch_and(&g->guard->flags, flags | ~(__u32)(SW_G_CLOCK_WATCHED | SW_G_CLOCK_SYNCED), __ATOMIC_RELAXED);
    if (synced < 0) /* a sandbox around this one refuses it: nothing is known */
        return;
    if (!synced && !g->clock_said)
        sw_warn(
            "the wall clock is not synchronised (adjtimex), and --key-file is for hosts whose clocks are at most 4 s "
            "apart: else cookies of one are none for the other");
    g->clock_said = !synced;
}

void sw_guard_runtime_tick(struct sw_guard_runtime *g, __u64 now)
{
    if (now >= g->next_clock && g->opts->key_file) {
        watch_clock(g);
        g->next_clock = now + CLOCK_NS;
    }
    if (now >= g->next_refresh) {
        sw_guard_runtime_check(sw_services_refresh(g->services), &g->refresh_failed, "listening sockets");
        sw_guard_runtime_report_warnings(g);
        g->next_refresh = now + SW_REFRESH_NS;
        if (!g->opts->gateway && may_refill_early(g, now) &&
            (sw_services_known_is_full(g->services) || many_unconfirmed(g)))
            g->next_known = now;
    }
    if (now >= g->next_queue && !g->opts->gateway)
        sw_guard_runtime_check(sw_kernel_queue_refresh(g->services, &g->next_queue), &g->queue_failed,
                               "half-open handshakes");
    if (now >= g->next_known) {
        __u64 began = sw_clock_now();

        sw_guard_runtime_check(sw_services_refill_known(g->services), &g->known_failed, "open sockets");
        g->known_took = sw_clock_now() - began;
        g->next_known = now + (g->opts->gateway ? PASSED_NS : KNOWN_NS);
    }
    if (now >= g->next_key && g->opts->key_file) {
        sw_guard_key_file_tick(g, now);
    } else if (now >= g->next_key) {
        int err = sw_guard_renew_key(g->obj, g->guard, sw_epoch_now(g));

        sw_guard_runtime_check(err, &g->key_failed, "cookie keys");
        g->next_key = now + (err ? KNOWN_NS : SW_KEY_NS);
    }
    sw_translate_tick(&g->translate, now);
    if (now >= g->next_detect) {
        sw_guard_runtime_check(detect(g), &g->detect_failed, "evaluating services");
        g->next_detect = now + (any_active(g) ? DETECT_ACTIVE_NS : DETECT_CALM_NS);
    }
}

__u64 sw_guard_runtime_next(const struct sw_guard_runtime *g)
{
    const __u64 due[] = {g->next_refresh,
                         g->next_known,
                         g->next_key,
                         g->next_detect,
                         g->opts->key_file ? g->next_clock : ~0ULL,
                         sw_translate_next(&g->translate),
                         g->opts->gateway ? ~0ULL : g->next_queue};
    __u64 next = ~0ULL;

    for (size_t i = 0; i < sizeof(due) / sizeof(due[0]); i++)
        next = due[i] < next ? due[i] : next;
    return next;
}

int sw_guard_runtime_watch(const struct sw_guard_runtime *g, int epoll, bool on)
{
    return sw_guard_reader_watch(&g->reader, epoll, on);
}

bool sw_guard_runtime_is_empty(const struct sw_guard_runtime *g)
{
    return !sw_ringbuf_waiting(&g->reader.events);
}

int sw_guard_runtime_drain(struct sw_guard_runtime *g, struct sw_report *report, bool *ret_more)
{
    return sw_guard_reader_drain(&g->reader, report, ret_more);
}

void sw_guard_runtime_set_clock(struct sw_guard_runtime *g, __s64 clock_offset)
{
    __s64 moved = clock_offset - g->clock_offset;

    g->clock_offset = clock_offset;
    if (g->reader.capture)
        sw_pcapng_set_clock(g->reader.capture, clock_offset);
    if (!g->opts->key_file)
        return;
    __atomic_store_n(&g->guard->clock_offset, (__u64)clock_offset, __ATOMIC_RELAXED);
    if (moved >= STEP_NS || moved <= -STEP_NS)
        sw_warn("the wall clock was set by %+.1f s: cookies on their way may be taken for expired", moved / 1e9);
}

void sw_guard_runtime_renamed(struct sw_guard_runtime *g, __u32 ifindex, const char *name)
{
    if (g->reader.capture)
        sw_pcapng_set_iface(g->reader.capture, ifindex, name);
}

enum sw_guard_mode sw_guard_runtime_mode(const struct sw_guard_runtime *g)
{
    return __atomic_load_n(&g->guard->mode, __ATOMIC_RELAXED);
}

unsigned int sw_guard_runtime_services(const struct sw_guard_runtime *g)
{
    unsigned int len = 0;

    for (__u32 i = 1; i < SW_SERVICES; i++)
        len += sw_services_at(g->services, i)->port != 0;
    return len;
}

void sw_guard_runtime_files(const struct sw_guard_runtime *g, const char *ret_files[SW_LISTS + 1])
{
    for (int i = 0; i < SW_LISTS; i++)
        ret_files[i] = g->opts->lists[i].file;
    ret_files[SW_LISTS] = g->opts->key_file;
}

static void say_reloaded(const struct sw_guard_runtime *g, size_t keys)
{
    char text[32] = "random keys are kept";

    if (g->opts->key_file)
        snprintf(text, sizeof(text), "%zu key%s", keys, keys == 1 ? "" : "s");
    sw_info("files reloaded: %u entries in the allow list, %u in the block list, %s", g->guard->allow_len,
            g->guard->block_len, text);
}

void sw_guard_runtime_reload(struct sw_guard_runtime *g)
{
    struct sw_guard_files files;
    char error[400];
    int err = sw_guard_files_read(g->opts, &files, error, sizeof(error));

    if (err) {
        sw_warn("%s: lists and keys are unchanged", error);
        sw_guard_key_file_warned(g, error);
        return;
    }
    for (int i = 0; i < SW_LISTS; i++) {
        err = g->opts->lists[i].file ? sw_guard_apply_list(g->obj, g->guard, i, SW_LIST_FILE, &files.list[i]) : 0;
        if (err)
            sw_warn("%s: the %s list is unchanged: %s", g->opts->lists[i].file, sw_list_names[i], strerror(-err));
    }
    err = g->opts->key_file ? sw_guard_key_file_reload(g, &files.keys) : 0;
    if (err)
        sw_warn("%s: the keys are unchanged: %s", g->opts->key_file, strerror(-err));
    else
        say_reloaded(g, g->keys.len - g->keys.preceding);
    sw_guard_files_free(&files);
}

bool sw_guard_runtime_stop(struct sw_guard_runtime *g)
{
    bool engaged = false;

    for (__u32 i = 1; i < SW_SERVICES; i++) {
        const struct sw_service *s = sw_services_at(g->services, i);

        engaged |= s->port && s->state == SW_GS_ENGAGED && s->mode != SW_GM_MONITOR;
    }
    __atomic_fetch_or(&g->guard->flags, SW_G_STOPPING, __ATOMIC_SEQ_CST);
    return engaged;
}

__u64 sw_guard_runtime_translated(const struct sw_guard_runtime *g)
{
    return sw_translate_live(&g->translate);
}

__u64 sw_guard_runtime_drain_ns(const struct sw_guard_runtime *g)
{
    return g->opts->drain_ns;
}

void sw_guard_runtime_finish(struct sw_guard_runtime *g)
{
    __atomic_fetch_or(&g->guard->flags, SW_G_STOPPING, __ATOMIC_SEQ_CST);
    sw_guard_runtime_check(detect(g), &g->detect_failed, "evaluating services");
    sw_translate_finish(&g->translate);
}
