/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/log.h"

#include <bpf/libbpf.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <xdp/libxdp.h>

bool sw_log_quiet;
int sw_log_verbose;

#define PATIENCE_MS 200

/* A reader of standard error that stopped reading must not stop us. */
static bool can_say(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&out, 1, PATIENCE_MS) > 0;
}

/* One write a line, so that lines of several processes on one terminal do not mix. */
static void say(const char *prefix, const char *fmt, va_list ap)
{
    static unsigned int unsaid;
    char line[1024];
    int used = snprintf(line, sizeof(line), "synward: %s", prefix);

    vsnprintf(line + used, sizeof(line) - used, fmt, ap);
    if (!can_say()) {
        unsaid++;
        return;
    }
    if (fprintf(stderr, "%s\n", line) < 0) {
        unsaid++;
        return;
    }
    if (unsaid && can_say()) {
        fprintf(stderr, "synward: warning: %u log lines dropped (stderr could not be written)\n", unsaid);
        unsaid = 0;
    }
}

void sw_err(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say("", fmt, ap);
    va_end(ap);
}

void sw_warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say("warning: ", fmt, ap);
    va_end(ap);
}

void sw_info(const char *fmt, ...)
{
    va_list ap;

    if (sw_log_quiet)
        return;
    va_start(ap, fmt);
    say("", fmt, ap);
    va_end(ap);
}

void sw_log_text(const char *text, size_t len)
{
    if (len && can_say())
        fwrite(text, 1, len, stderr);
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    if (!sw_log_verbose || (level == LIBBPF_DEBUG && sw_log_verbose < 2))
        return 0;
    return vfprintf(stderr, fmt, ap);
}

static int print_libxdp(enum libxdp_print_level level, const char *fmt, va_list ap)
{
    if (!sw_log_verbose || (level == LIBXDP_DEBUG && sw_log_verbose < 2))
        return 0;
    return vfprintf(stderr, fmt, ap);
}

void sw_log_init(int verbose)
{
    sw_log_verbose = verbose;
    libbpf_set_print(print_libbpf);
    libxdp_set_print(print_libxdp);
}
