/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "watch/job.h"

#include "base/fmt.h"
#include "watch/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

_Static_assert(SW_JOB_LINE >= 6 * (SW_WATCH_KEY + sizeof(((struct sw_job *)0)->of)) + 320, "a line has room");

/* Counts on beyond the room. */
static size_t put_byte(char ret[SW_WATCH_KEY + 1], size_t used, char byte)
{
    if (used < SW_WATCH_KEY)
        ret[used] = byte;
    return used + 1;
}

bool sw_job_key(const struct sw_line *line, char *const *keys, size_t len, char ret[SW_WATCH_KEY + 1])
{
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        const char *text = sw_field_text(line, keys[i]);

        const bool strange = text;

        if (i)
            used = put_byte(ret, used, ' ');
        if (strange && !strcmp(text, "null"))
            used = put_byte(ret, used, '\\');
        text = text ? text : sw_field_json(line, keys[i]);
        for (text = text ? text : "null"; *text; text++) {
            if (strange && (*text == ' ' || *text == '\\'))
                used = put_byte(ret, used, '\\');
            used = put_byte(ret, used, *text);
        }
    }
    ret[used < SW_WATCH_KEY ? used : SW_WATCH_KEY] = 0;
    return used <= SW_WATCH_KEY;
}

struct sw_job *sw_job_new(const struct sw_line *line, const char *text, size_t len, const char *key)
{
    struct sw_job *job = calloc(1, sizeof(*job));
    const char *of = sw_field_text(line, "event");

    if (!job)
        return NULL;
    job->line = malloc(len + 1);
    job->env = sw_watch_env_pack(line, &job->env_len);
    if (!job->line || !job->env) {
        sw_job_free(job);
        return NULL;
    }
    memcpy(job->line, text, len);
    job->line[len] = '\n';
    job->line_len = len + 1;
    snprintf(job->of, sizeof(job->of), "%s", of ? of : "");
    snprintf(job->key, sizeof(job->key), "%s", key ? key : "");
    sw_field_u64(line, "seq", &job->seq);
    return job;
}

void sw_job_free(void *at)
{
    struct sw_job *job = at;

    if (!job)
        return;
    free(job->line);
    free(job->env);
    free(job);
}

static char *put_text(char *p, const char *text)
{
    *p++ = '"';
    p = sw_json_escape(p, text);
    *p++ = '"';
    return p;
}

/* Up to the value of "dry_run". */
static char *put_head(const struct sw_job *job, bool dry, __u64 now_ns, char *p)
{
    p += sprintf(p, "{\"schema\":1,\"event\":\"run\",\"ts\":\"");
    p = sw_put_second(p, (__s64)(now_ns / 1000000000));
    p += sprintf(p, "%09uZ\",\"of\":", (unsigned int)(now_ns % 1000000000));
    p = put_text(p, job->of);
    p += sprintf(p, ",\"seq\":%llu,\"key\":", (unsigned long long)job->seq);
    p = *job->key ? put_text(p, job->key) : stpcpy(p, "null");
    return stpcpy(stpcpy(p, ",\"dry_run\":"), dry ? "true" : "false");
}

size_t sw_job_line(const struct sw_job *job, const struct sw_job_end *end, __u64 now_ns, char buf[SW_JOB_LINE])
{
    char *p = put_head(job, false, now_ns, buf);

    p += sprintf(p, ",\"pid\":%d,\"status\":", end->pid);
    p = WIFEXITED(end->status) ? p + sprintf(p, "%d", WEXITSTATUS(end->status)) : stpcpy(p, "null");
    p = stpcpy(p, ",\"signal\":");
    p = WIFSIGNALED(end->status) ? p + sprintf(p, "%d", WTERMSIG(end->status)) : stpcpy(p, "null");
    p += sprintf(p, ",\"timed_out\":%s,\"duration_ns\":%llu}\n", end->timed_out ? "true" : "false",
                 (unsigned long long)end->duration_ns);
    return p - buf;
}

/* A text of any length, escaped. */
static void print_text(FILE *out, const char *text)
{
    char *room = malloc(6 * strlen(text) + 1);

    if (!room) {
        fputs("\"\"", out);
        return;
    }
    fprintf(out, "\"%.*s\"", (int)(sw_json_escape(room, text) - room), room);
    free(room);
}

char *sw_job_dry_line(const struct sw_job *job, char *const *argv, __u64 now_ns, size_t *ret_len)
{
    char head[SW_JOB_LINE], *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    if (!out)
        return NULL;
    fprintf(out, "%.*s,\"argv\":[", (int)(put_head(job, true, now_ns, head) - head), head);
    for (char *const *arg = argv; *arg; arg++) {
        fputs(arg == argv ? "" : ",", out);
        print_text(out, *arg);
    }
    fputs("],\"env\":{", out);
    for (char *p = job->env; p < job->env + job->env_len; p += strlen(p) + 1) {
        char *value = strchr(p, '=');

        fprintf(out, "%s\"%.*s\":", p == job->env ? "" : ",", (int)(value - p), p);
        print_text(out, value + 1);
    }
    fputs("}}\n", out);
    if (!fclose(out))
        return text;
    free(text);
    return NULL;
}
