/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/guard.h"
#include "base/clock.h"
#include "base/log.h"
#include "guard/guard_state.h"
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

#define JUDGE_AWAKE_NS SW_DECIDE_NS
#define JUDGE_CALM_NS SW_SECOND /* changes of mode are told even if nothing comes */
#define KNOWN_NS (60 * SW_SECOND)
#define KNOWN_LEAST_NS (5 * SW_SECOND) /* between refills, however many connections begin */
#define STEP_NS ((__s64)SW_SECOND)     /* the clock did not drift, it was set */

void sw_guarding_free(struct sw_guarding *g)
{
    if (!g)
        return;
    sw_guard_feed_close(&g->feed);
    sw_services_free(g->services);
    sw_guard_files_free(&g->files);
    free(g);
}

struct sw_ringbuf *sw_guarding_ring(struct sw_guarding *g)
{
    g->feed.keep = true;
    return &g->feed.told;
}

void sw_guarding_say_warnings(struct sw_guarding *g)
{
    const char *warning;

    while ((warning = sw_services_warning(g->services)))
        sw_warn("%s", warning);
}

static bool awake(struct sw_guarding *g)
{
    if (__atomic_load_n(&g->guard->awake, __ATOMIC_RELAXED))
        return true;
    for (__u32 i = 1; i < SW_SERVICES; i++) {
        const struct sw_service *s = sw_services_at(g->services, i);

        if (s->port && s->state != SW_GS_CALM)
            return true;
    }
    return false;
}

static int judge(struct sw_guarding *g)
{
    LIBBPF_OPTS(bpf_test_run_opts, run);

    return bpf_prog_test_run_opts(bpf_program__fd(g->obj->progs.sw_judge), &run);
}

/* Says a failure once, until it went well again. */
static void check(int err, bool *failed, const char *what)
{
    if (err && !*failed)
        sw_warn("%s: %s: goes on with what it has", what, strerror(-err));
    *failed = err;
}

void sw_guarding_tick(struct sw_guarding *g, __u64 now)
{
    if (now >= g->next_refresh) {
        check(sw_services_refresh(g->services), &g->refresh_failed, "listening sockets");
        sw_guarding_say_warnings(g);
        g->next_refresh = now + SW_REFRESH_NS;
        if (now + KNOWN_NS - g->next_known >= KNOWN_LEAST_NS && sw_services_known_is_full(g->services))
            g->next_known = now;
    }
    if (now >= g->next_known) {
        check(sw_services_refill_known(g->services), &g->known_failed, "open sockets");
        g->next_known = now + KNOWN_NS;
    }
    if (now >= g->next_key && !g->opts->key_file) {
        int err = sw_guard_renew_key(g->obj, g->guard, sw_epoch_now(g));

        check(err, &g->key_failed, "cookie keys");
        g->next_key = now + (err ? KNOWN_NS : SW_KEY_NS);
    }
    if (now >= g->next_judge) {
        check(judge(g), &g->judge_failed, "judging services");
        g->next_judge = now + (awake(g) ? JUDGE_AWAKE_NS : JUDGE_CALM_NS);
    }
}

int sw_guarding_drain(struct sw_guarding *g, struct sw_report *report, bool *ret_more)
{
    return sw_guard_feed_drain(&g->feed, report, ret_more);
}

void sw_guarding_clock(struct sw_guarding *g, __s64 clock_offset)
{
    __s64 moved = clock_offset - g->clock_offset;

    g->clock_offset = clock_offset;
    if (g->feed.capture)
        sw_pcapng_set_clock(g->feed.capture, clock_offset);
    if (!g->opts->key_file)
        return;
    __atomic_store_n(&g->guard->clock_offset, (__u64)clock_offset, __ATOMIC_RELAXED);
    if (moved >= STEP_NS || moved <= -STEP_NS)
        sw_warn("the wall clock was set by %+.1f s: cookies on their way may be taken for expired", moved / 1e9);
}

void sw_guarding_renamed(struct sw_guarding *g, __u32 ifindex, const char *name)
{
    if (g->feed.capture)
        sw_pcapng_set_iface(g->feed.capture, ifindex, name);
}

void sw_guarding_files(const struct sw_guarding *g, const char *ret_files[SW_LISTS + 1])
{
    for (int i = 0; i < SW_LISTS; i++)
        ret_files[i] = g->opts->lists[i].file;
    ret_files[SW_LISTS] = g->opts->key_file;
}

void sw_guarding_reload(struct sw_guarding *g)
{
    struct sw_guard_files files;
    char error[400];
    int err = sw_guard_files_read(g->opts, &files, error, sizeof(error));

    if (err) {
        sw_warn("%s: lists and keys stay as they are", error);
        return;
    }
    for (int i = 0; i < SW_LISTS; i++) {
        err = g->opts->lists[i].file ? sw_guard_apply_list(g->obj, g->guard, i, SW_LIST_FILE, &files.list[i]) : 0;
        if (err)
            sw_warn("%s: the %s list stays as it is: %s", g->opts->lists[i].file, sw_list_names[i], strerror(-err));
    }
    err = g->opts->key_file ? sw_guard_install_keys(g->obj, g->guard, &files, sw_epoch_now(g)) : 0;
    if (err)
        sw_warn("%s: the keys stay as they are: %s", g->opts->key_file, strerror(-err));
    else
        sw_info("files read again: %u entries in the allow list, %u in the block list, %s", g->guard->allow_len,
                g->guard->block_len,
                !g->opts->key_file   ? "random keys stay"
                : files.key_len == 1 ? "1 key"
                                     : "2 keys");
    sw_guard_files_free(&files);
}

bool sw_guarding_stop(struct sw_guarding *g)
{
    bool engaged = false;

    for (__u32 i = 1; i < SW_SERVICES; i++) {
        const struct sw_service *s = sw_services_at(g->services, i);

        engaged |= s->port && s->state == SW_GS_ENGAGED && s->mode != SW_GM_MONITOR;
    }
    __atomic_fetch_or(&g->guard->flags, SW_G_STOPPING, __ATOMIC_SEQ_CST);
    return engaged;
}

void sw_guarding_end(struct sw_guarding *g)
{
    __atomic_fetch_or(&g->guard->flags, SW_G_STOPPING, __ATOMIC_SEQ_CST);
    check(judge(g), &g->judge_failed, "judging services");
}
