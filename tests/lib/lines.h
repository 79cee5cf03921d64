/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the tests of lines: a reporter that writes to memory, a sample event, and looks at what came out. */
#ifndef SW_TEST_LINES_H
#define SW_TEST_LINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "output/names.h"
#include "output/report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL_LINES ((1u << SW_LINE_MAX) - 1)

struct out {
    int fd;
    struct sw_report *r;
    char *text; /* what was written, terminated; by take() */
};

static inline void out_open(struct out *o, struct sw_report_opts opts)
{
    memset(o, 0, sizeof(*o));
    o->fd = memfd_create("lines", MFD_CLOEXEC);
    assert_true(o->fd >= 0);
    opts.fd = o->fd;
    assert_int_equal(sw_report_new(&opts, &o->r), 0);
}

static inline char *take(struct out *o)
{
    off_t n;

    assert_int_equal(sw_report_flush(o->r), 0);
    assert_int_equal(sw_report_pending(o->r), 0);
    n = lseek(o->fd, 0, SEEK_CUR);
    free(o->text);
    o->text = calloc(1, n + 1);
    assert_non_null(o->text);
    assert_int_equal(pread(o->fd, o->text, n, 0), n);
    return o->text;
}

static inline void out_close(struct out *o)
{
    sw_report_free(o->r);
    free(o->text);
    close(o->fd);
}

static const struct sw_report_opts live = {.event_mask = ALL_LINES, .full_events = true, .host = "host.example"};

/* A closed connection 10.0.0.1:40000 -> 10.0.0.2:80 with both SYNs seen. */
static inline struct sw_event sample(enum sw_event_kind kind)
{
    struct sw_event ev = {.version = SW_CONTRACT_VERSION, .size = sizeof(ev), .kind = kind, .ifindex = 3};
    struct sw_flow *f = &ev.flow;

    ev.key = (struct sw_key){.a_ip = {[10] = 0xff, 0xff, 10, 0, 0, 1},
                             .b_ip = {[10] = 0xff, 0xff, 10, 0, 0, 2},
                             .a_port = htons(40000),
                             .b_port = htons(80)};
    ev.ts = 1700000000123456789ULL;
    f->start_ns = f->syn_ns = ev.ts - 5000000;
    f->synack_ns = f->syn_ns + 300;
    f->est_ns = f->synack_ns + 44;
    f->last_ns = ev.ts;
    f->reason = kind == SW_EV_CONN ? SW_WHY_FIN : SW_WHY_NONE;
    memcpy(f->hist, "ShADadFf", f->hist_len = 8);
    for (int side = 0; side < 2; side++) {
        struct sw_end *e = &f->end[side];

        e->did = SW_E_SYN | SW_E_SEEN | SW_E_INIT;
        e->isn = 4294967290u + side;
        e->mss = 1460;
        e->wscale = 7;
        e->opts = SW_OPT_MSS | SW_OPT_WSCALE | SW_OPT_SACK | SW_OPT_TS;
        e->zstate = SW_Z_CLOSED;
        e->pkts = 5 + side;
        e->ip_bytes = 500 + side;
        e->payload = 240 + side;
        e->seq_hi = e->isn + 1 + 240 + side;
    }
    return ev;
}

static inline void add(struct out *o, const struct sw_event *ev)
{
    assert_int_equal(sw_report_event(o->r, ev), 0);
}

static inline const char *line_n(const char *text, int n)
{
    while (n--) {
        text = strchr(text, '\n');
        assert_non_null(text);
        text++;
    }
    return text;
}

/* Says which piece is missing, and from what. */
static inline void has(const char *line, const char *piece)
{
    size_t n = strcspn(line, "\n");
    const char *at = strstr(line, piece);

    if (!at || at >= line + n)
        fail_msg("no %s in %.*s", piece, (int)n, line);
}

/* every name of every list, on the kinds of line that carry it */
static inline int add_every_name(struct out *o)
{
    int n = 0;

    for (int kind = 0; kind < SW_EV_MAX; kind++) {
        for (int i = 0; i < SW_AN_MAX; i++, n++) {
            struct sw_event ev = sample(kind);
            struct sw_flow *f = &ev.flow;

            ev.hook = i % SW_HOOK_MAX;
            ev.by = i & 1;
            ev.anomaly = i ? i : SW_AN_SYN_FIN;
            f->reason = kind == SW_EV_CONN ? 1 + i % (SW_WHY_MAX - 1) : i % SW_WHY_MAX;
            f->closed_by = i % 4;
            f->direction_by = i % SW_BY_MAX;
            f->orig_is_b = i & 1;
            f->rst_state = i % SW_ST_MAX;
            f->flags = i == 1 ? ~0u : i == 2 ? SW_F_SIMULTANEOUS : i == 3 ? SW_F_SPLIT : 0;
            f->est_ns = i & 2 ? 0 : f->est_ns;
            f->vlan[0] = i % 3 ? 0 : 4095;
            f->vlan[1] = i % 6 ? 0 : 7;
            for (int side = 0; side < 2; side++) {
                struct sw_end *e = &f->end[side];

                e->state = (i + 3 * side) % SW_ST_MAX;
                e->zstate = (i + side * kind) % (SW_Z_RESET + 1);
                e->ecn = (i + side) % 8;
                e->opts = i * 5;
                e->did |= i % 4 == 3 ? SW_E_RST : 0;
                if ((i >> side) % 5 == 4)
                    e->did &= ~SW_E_SYN;
            }
            if (i == 5) {
                memcpy(ev.key.a_ip, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
                memcpy(ev.key.b_ip, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
            }
            add(o, &ev);
        }
    }
    return n;
}

static inline __u64 number(const char *line, const char *key)
{
    const char *at = strstr(line, key);

    assert_non_null(at);
    assert_true(at < line + strcspn(line, "\n"));
    return strtoull(at + strlen(key), NULL, 10);
}

static inline void has_not(const char *line, const char *piece)
{
    size_t n = strcspn(line, "\n");
    const char *at = strstr(line, piece);

    if (at && at < line + n)
        fail_msg("%s should not be in %.*s", piece, (int)n, line);
}

static inline void top_path(const char *name, char *ret_path, size_t room)
{
    char exe[PATH_MAX] = "";
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    assert_true(n > 0);
    snprintf(ret_path, room, "%s/../../%s", dirname(exe), name);
    if (access(ret_path, R_OK))
        snprintf(ret_path, room, "%s", name);
}

/* Exit status of tests/schema_check, with one argument or NULL, over text of len bytes; 2 (cannot check) skips the test
 * with its reason. */
static inline int schema_check(const char *argument, const char *text, size_t len, char *ret_output, size_t room)
{
    int in = memfd_create("in", 0), output = memfd_create("output", 0), status;
    char path[PATH_MAX + 64];
    ssize_t n;
    pid_t pid;

    top_path("tests/schema_check", path, sizeof(path));
    assert_true(in >= 0 && output >= 0);
    assert_int_equal(write(in, text, len), len);
    assert_int_equal(lseek(in, 0, SEEK_SET), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(in, 0);
        dup2(output, 1);
        execl(path, path, argument, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    n = pread(output, ret_output, room - 1, 0);
    ret_output[n > 0 ? n : 0] = 0;
    close(in);
    close(output);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) {
        print_message("skip: python3-jsonschema is not installed\n");
        skip();
    }
    return WEXITSTATUS(status);
}

static inline void valid(const char *text, int lines)
{
    char output[4096], want[64];

    snprintf(want, sizeof(want), "%d lines valid\n", lines);
    if (schema_check(NULL, text, strlen(text), output, sizeof(output)))
        fail_msg("%s", output);
    assert_string_equal(output, want);
}

/* Texts that are one after the other, each with its zero byte: none is valid. */
static inline void none_valid(const char *texts, size_t len, int count)
{
    char output[4096], want[64];

    snprintf(want, sizeof(want), "%d texts invalid\n", count);
    if (schema_check("--none", texts, len, output, sizeof(output)) || strcmp(output, want))
        fail_msg("%s", output);
}

/* text with its first `from` replaced */
static inline char *changed(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char *out = calloc(1, strlen(text) + strlen(to) + 1);

    if (!at)
        fail_msg("%s is not in %s", from, text);
    assert_non_null(out);
    memcpy(out, text, at - text);
    strcat(out, to);
    return strcat(out, at + strlen(from));
}

#endif
