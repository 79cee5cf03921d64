/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the running kernel's verifier says of each program, as the daemon loads it: one line
 *     CONFIGURATION PROGRAM INSTRUCTIONS STATES PEAK
 * or CONFIGURATION refused - - -, and then the kernel's reason on stderr. Exit 1: even the plain tracker was refused.
 */
#include "loader/object.h"
#include "synward.skel.h"

#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRAMS_MAX = 32, LOG_BYTES = 1 << 18, LOG_STATS = 4 };

static struct {
    char name[64];
    char *log;
} programs[PROGRAMS_MAX];
static size_t programs_len;
static char output[4096]; /* libbpf's last output */

int __real_bpf_object__open_skeleton(struct bpf_object_skeleton *s, const struct bpf_object_open_opts *opts);
int __wrap_bpf_object__open_skeleton(struct bpf_object_skeleton *s, const struct bpf_object_open_opts *opts);

/* The linker puts this between the daemon's own loading and libbpf: statistics are asked of each program. */
int __wrap_bpf_object__open_skeleton(struct bpf_object_skeleton *s, const struct bpf_object_open_opts *opts)
{
    int err = __real_bpf_object__open_skeleton(s, opts);
    struct bpf_program *prog;

    if (err)
        return err;
    programs_len = 0;
    bpf_object__for_each_program(prog, *s->obj)
    {
        if (programs_len == PROGRAMS_MAX)
            return -E2BIG;
        if (!programs[programs_len].log)
            programs[programs_len].log = malloc(LOG_BYTES);
        if (!programs[programs_len].log)
            return -ENOMEM;
        programs[programs_len].log[0] = 0;
        snprintf(programs[programs_len].name, sizeof(programs[0].name), "%s", bpf_program__name(prog));
        bpf_program__set_log_level(prog, LOG_STATS);
        bpf_program__set_log_buf(prog, programs[programs_len].log, LOG_BYTES);
        programs_len++;
    }
    return 0;
}

static int keep(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    size_t len = strlen(output);

    if (level == LIBBPF_WARN && len < sizeof(output))
        vsnprintf(output + len, sizeof(output) - len, fmt, ap);
    return 0;
}

static int figure(const char *log, const char *word, unsigned long *ret)
{
    const char *at = strstr(log, word);

    return at && sscanf(at + strlen(word), " %lu", ret) == 1 ? 0 : -1;
}

static int emit(const char *configuration)
{
    unsigned long insns, states, peak;

    for (size_t i = 0; i < programs_len; i++) {
        const char *log = programs[i].log;

        if (!*log)
            continue; /* not for this configuration or kernel */
        if (figure(log, "processed", &insns) || figure(log, "total_states", &states) ||
            figure(log, "peak_states", &peak)) {
            fprintf(stderr, "%s: no figures in the log: %.200s\n", programs[i].name, log);
            return 1;
        }
        printf("%s %s %lu %lu %lu\n", configuration, programs[i].name, insns, states, peak);
    }
    return 0;
}

static void tell_refusal(const char *configuration, const char *why, int err)
{
    size_t len;

    printf("%s refused - - -\n", configuration);
    fprintf(stderr, "%s: %s: %s\n", configuration, why ? why : "refused", strerror(-err));
    for (size_t i = 0; i < programs_len; i++) {
        const char *log = programs[i].log;

        len = strlen(log);
        if (len)
            fprintf(stderr, "%s:\n%s\n", programs[i].name, len > 3000 ? log + len - 3000 : log);
    }
    fprintf(stderr, "%s\n", output);
}

int main(void)
{
    const struct {
        const char *name;
        __u8 guard, all, ladder, gateway, accept;
    } configurations[] = {
        {"tracker", .guard = 0},
        {"tracker+", .all = 1},
        {"guard", .guard = 1},
        {"guard+", .guard = 1, .all = 1},
        {"ladder", .ladder = 1},
        {"guard-ladder", .guard = 1, .ladder = 1},
        {"edge", .guard = 1, .gateway = SW_GATEWAY_EDGE},
        {"translate", .guard = 1, .gateway = SW_GATEWAY_TRANSLATE},
        {"behind", .guard = 1, .accept = 1},
    };
    int bad = 0;

    libbpf_set_print(keep);
    for (size_t i = 0; i < sizeof(configurations) / sizeof(configurations[0]); i++) {
        struct sw_object_opts opts;
        struct synward_bpf *obj;
        const char *why = NULL;
        int err;

        sw_object_defaults(&opts);
        opts.cfg.guard = configurations[i].guard;
        opts.cfg.ladder = configurations[i].ladder;
        opts.cfg.gateway = configurations[i].gateway;
        opts.cfg.outer = configurations[i].gateway == SW_GATEWAY_TRANSLATE; /* with inner interfaces, too: it is more */
        opts.cfg.accept = configurations[i].accept;
        opts.cfg.checksum = opts.cfg.decap = configurations[i].all;
        output[0] = 0;
        programs_len = 0;
        err = sw_object_new(&opts, &obj, &why);
        if (err)
            tell_refusal(configurations[i].name, why, err);
        else
            bad |= emit(configurations[i].name);
        bad |= err && i == 0;
        sw_object_free(obj);
    }
    return bad;
}
