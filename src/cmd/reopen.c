/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward reopen: running instances open their output files again, after these were moved away. */
#include "base/exit.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/find_instance.h"
#include "config/cli.h"
#include "loader/instance.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_US 5000000 /* how long it is waited for */
#define STEP_US 5000

enum { PIDS_MAX = 256 };

struct reopen {
    struct sw_choice choice;
    size_t len;
    struct asked {
        int pid;
        __u32 reopened, failed; /* as of before */
        bool waits;             /* still there, without an answer */
    } asked[PIDS_MAX];
    int running, elsewhere, code;
};

/* The lock on its file has just shown that it is still this process. */
static int ask(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct reopen *r = ctx;

    r->elsewhere += alive && sw_choice_is_elsewhere(&r->choice, inst);
    if (!alive || !sw_choice_fits(&r->choice, inst))
        return SW_INSTANCE_CONTINUE;
    r->running++;
    if (!inst->has_output || r->len == PIDS_MAX)
        return SW_INSTANCE_CONTINUE;
    if (kill(inst->pid, SIGHUP)) {
        sw_err("reopen: pid %d: %s", inst->pid, strerror(errno));
        r->code = errno == EPERM ? SW_EXIT_PRIVILEGE : SW_EXIT_INTERNAL;
        return SW_INSTANCE_CONTINUE;
    }
    r->asked[r->len++] = (struct asked){inst->pid, inst->reopened, inst->reopen_failed, true};
    return SW_INSTANCE_CONTINUE;
}

static int look(const struct sw_instance *inst, bool alive, void *ctx)
{
    char who[SW_INSTANCE_TEXT];
    struct reopen *r = ctx;

    for (size_t i = 0; i < r->len; i++) {
        struct asked *a = &r->asked[i];

        if (a->pid != inst->pid || !alive)
            continue;
        a->waits = a->failed == inst->reopen_failed && a->reopened == inst->reopened;
        if (a->failed == inst->reopen_failed) {
            if (!a->waits &&
                isatty(STDERR_FILENO)) /* elsewhere no news is good news: logrotate would send it by mail */
                sw_info("%s: its file is open again", sw_instance_text(&r->choice, inst, who));
            continue;
        }
        sw_err("reopen: the synward with %s could not open its file, and writes to the old one",
               sw_instance_text(&r->choice, inst, who));
        r->code = SW_EXIT_OUTPUT;
        a->failed = inst->reopen_failed;
    }
    return SW_INSTANCE_CONTINUE;
}

/* One that has ended meanwhile is not waited for. */
static int look_at_all(struct reopen *r)
{
    size_t kept = 0;
    int err;

    for (size_t i = 0; i < r->len; i++)
        r->asked[i].waits = false;
    err = sw_instance_walk(look, r);
    for (size_t i = 0; i < r->len; i++)
        if (r->asked[i].waits)
            r->asked[kept++] = r->asked[i];
    r->len = kept;
    return err;
}

/* Whoever moves the files may compress them next. */
static int wait_for_all(struct reopen *r)
{
    int err = 0;

    for (int waited = 0; r->len && waited < ANSWER_US && !err; waited += STEP_US) {
        usleep(STEP_US);
        err = look_at_all(r);
    }
    for (size_t i = 0; i < r->len; i++) {
        sw_err("reopen: the synward with pid %d does not answer", r->asked[i].pid);
        r->code = SW_EXIT_INTERNAL;
    }
    return err;
}

static int cmd_reopen(int argc, char **argv)
{
    struct reopen r = {0};
    bool any;
    int err;

    sw_parse(&sw_reopen_command, argc, argv, &r);
    sw_choice_begin(&r.choice);
    if (!r.choice.iface) /* files are of no network namespace */
        r.choice.all_namespaces = true;
    err = sw_instance_walk(ask, &r);
    any = r.len || r.code;
    if (!err)
        err = wait_for_all(&r);
    if (err)
        return sw_walk_failed("reopen", err);
    if (any)
        return r.code;
    if (!r.running)
        return sw_choice_say_none(&r.choice, r.elsewhere);
    sw_err("reopen: no synward writes to a file (run --output)");
    return SW_EXIT_NOT_RUNNING;
}

const struct sw_command sw_reopen_command = {
    .name = "reopen",
    .summary = "running synwards open their output files again",
    .doc = "After the files of --output were moved away, as logrotate does: each running synward opens its file again, "
           "which is made anew. Returns when they have done so.",
    .main = cmd_reopen,
    .size = sizeof(struct reopen),
    .groups = {{&sw_choice_group, offsetof(struct reopen, choice)}},
};
