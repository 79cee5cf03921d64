/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Event lines of two or three files, joined. As they are, or made of the input's numbers, so that many have an ISN in
 * common. Each connection is decided once; what waits stays below its bound; the order of two files changes no verdict;
 * text has 80 columns, JSON is JSON.
 */
#include "fuzz.h"
#include "join/show.h"

#include <json-c/json.h>

enum { FILES = 3, PENDING = 5 };

struct run {
    struct sw_join join;
    __u64 views;
};

static const struct sw_filter all;

static char *shown(const struct sw_join_result *r, int how, size_t *ret_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    if (!out)
        abort();
    if (how == 0)
        sw_join_text(r, out);
    else if (how == 1)
        sw_join_ladder(r, false, out);
    else if (how == 3)
        sw_join_svg(r, 0, out);
    else
        sw_join_json(r, out);
    fclose(out);
    return text;
}

static void check_json(const char *text)
{
    struct json_object *object = json_tokener_parse(text);

    holds(object, "no JSON: %s", text);
    json_object_put(object);
}

/* As many < as >: nothing of a line gets out of its text. */
static void check_image(const char *text)
{
    long open = 0;

    for (const char *p = text; *p; p++)
        open += (*p == '<') - (*p == '>');
    holds(!open, "image: %s", text);
}

static void decided(const struct sw_join_result *r, void *ctx)
{
    struct run *run = ctx;

    run->views += r->views;
    holds(r->views && r->views <= run->join.opts.files && r->pairs == r->views - 1, "%u views, %u pairs", r->views,
          r->pairs);
    for (int how = 0; how < 4; how++) {
        size_t len, columns = 0;
        char *text = shown(r, how, &len);

        for (size_t i = 0; i < len && how < 2; i++) {
            columns = text[i] == '\n' ? 0 : columns + 1;
            holds(columns <= 80 && (text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f)), "column %zu of: %s",
                  columns, text);
        }
        if (how == 2)
            check_json(text);
        if (how == 3)
            check_image(text);
        free(text);
    }
    for (unsigned int i = 0; i < r->pairs; i++) {
        const struct sw_join_pair *p = &r->pair[i];
        struct sw_join_rules turned = run->join.opts.rules;
        struct sw_join_facts facts;

        if (turned.nearer)
            turned.nearer = SW_NEARER_FIRST + SW_NEARER_SECOND - turned.nearer;
        sw_join_judge(r->view[p->file[1]], r->view[p->file[0]], &turned, &facts);
        holds(facts.verdict == p->facts.verdict && facts.len == p->facts.len, "%s of %zu facts, turned %s of %zu",
              sw_join_verdict_name(p->facts.verdict), p->facts.len, sw_join_verdict_name(facts.verdict), facts.len);
    }
}

/* One of few values, so that lines have something in common; or none. */
static void put_isn(FILE *out, const char *key, __u8 v)
{
    if (v & 8)
        fprintf(out, ",\"%s_isn\":null", key);
    else
        fprintf(out, ",\"%s_isn\":%u", key, v & 3);
}

static void put_conn(FILE *out, struct fuzz_in *in)
{
    static const char *const reason[] = {"fin", "reset", "end_of_input", "timeout"};
    static const char *const history[] = {"ShADadfF", "ShADr", "ShADR", "S"};
    const __u8 isn = fuzz_u8(in), what = fuzz_u8(in), more = fuzz_u8(in);

    fprintf(out, "\"event\":\"conn\",\"uid\":\"C%017u\",\"start\":\"2026-01-01T00:00:%02u.5Z\",\"duration_ns\":%u",
            more, fuzz_u8(in) % 60, fuzz_u32(in));
    fprintf(out, ",\"orig_ip\":\"10.0.0.%u\",\"orig_port\":4000,\"resp_ip\":\"10.9.9.9\",\"resp_port\":80", what & 1);
    fprintf(out, ",\"handshake\":\"%s\",\"via\":\"%s\",\"reason\":\"%s\",\"history\":\"%s\",\"history_full\":%s",
            what & 2 ? "normal" : "incomplete", what & 4 ? "cookie" : "stack", reason[what >> 3 & 3],
            history[what >> 5 & 3], what >> 7 ? "true" : "false");
    put_isn(out, "orig", isn);
    put_isn(out, "resp", isn >> 4);
    for (int side = 0; side < 2; side++) {
        static const char *const name[] = {"orig", "resp"};
        const __u8 n = fuzz_u8(in);

        fprintf(out, ",\"%s_bytes\":%u,\"%s_payload_bytes\":%u,\"%s_pkts\":%u,\"%s_rexmit\":%u", name[side], n & 3,
                name[side], n >> 2 & 3, name[side], n >> 4 & 1, name[side], n >> 5 & 1);
        fprintf(out, ",\"%s_sack\":true,\"%s_ts\":true,\"%s_mss\":%u", name[side], name[side], name[side], n >> 6 & 1);
        if (n >> 7)
            fprintf(out, ",\"%s_socket_cookie\":null", name[side]);
    }
    fprintf(out, ",\"server_ns\":%u,\"client_ns\":%u,\"syn_rexmit\":%u,\"synack_rexmit\":%u", more & 3, more >> 2 & 3,
            more >> 4 & 3, more >> 6);
}

static void put_line(FILE *out, struct fuzz_in *in, unsigned int *seq, unsigned int *at)
{
    const __u8 kind = fuzz_u8(in);

    *seq = kind & 0x80 ? *seq + (kind >> 4 & 7) - 2 : *seq + 1;
    *at += kind & 8 ? 1 : 0;
    fprintf(out, "{\"schema\":3,\"seq\":%u,\"ts\":\"2026-01-01T00:%02u:%02u.%uZ\",", *seq, *at / 60 % 60, *at % 60,
            fuzz_u8(in) % 10);
    switch (kind & 7) {
    case 0: fprintf(out, "\"event\":\"opening\""); break;
    case 1: fprintf(out, "\"event\":\"loss\",\"lost\":%u,\"lost_conn\":%u", fuzz_u8(in) & 3, fuzz_u8(in) & 3); break;
    case 2: fprintf(out, "\"event\":\"stats\",\"final\":true,\"flows\":%u,\"half_open\":0", fuzz_u8(in) & 1); break;
    default: put_conn(out, in);
    }
    fprintf(out, "}\n");
}

/* The text of each file: parted by \001, or made. */
static void make(struct fuzz_in *in, bool made, char *text[FILES], size_t len[FILES])
{
    FILE *out[FILES];
    unsigned int seq[FILES] = {0}, at[FILES] = {0}, file = 0;

    for (int i = 0; i < FILES; i++) {
        out[i] = open_memstream(&text[i], &len[i]);
        if (!out[i])
            abort();
    }
    while (fuzz_left(in)) {
        const __u8 c = fuzz_u8(in);

        if (made)
            put_line(out[c % FILES], in, &seq[c % FILES], &at[c % FILES]);
        else if (c == 1)
            file = (file + 1) % FILES;
        else
            putc(c, out[file]);
    }
    for (int i = 0; i < FILES; i++)
        fclose(out[i]);
}

/* As fuzz_file, of which there is one. */
static const char *path_of(unsigned int i, const char *text, size_t len)
{
    static char path[FILES][40];
    static int fd[FILES];

    if (!fd[i])
        fd[i] = memfd_create("fuzz", MFD_CLOEXEC);
    snprintf(path[i], sizeof(path[i]), "/proc/self/fd/%d", fd[i]);
    if (fd[i] <= 0 || ftruncate(fd[i], 0) || pwrite(fd[i], text, len, 0) != (ssize_t)len)
        abort();
    return path[i];
}

static void read_all(struct run *run, struct sw_ndjson *in[FILES])
{
    __u64 broken[FILES] = {0};
    int file;

    while ((file = sw_join_next(&run->join)) >= 0) {
        const struct sw_line *line;
        int got = sw_ndjson_next(in[file], &line);
        __u64 all_broken = sw_ndjson_counts(in[file])->broken, more = all_broken - broken[file];

        broken[file] = all_broken;
        holds(!(got == 1 ? sw_join_line(&run->join, file, line, more) : sw_join_end(&run->join, file, more, got)),
              "file %d", file);
        holds(sw_pending_len(run->join.pending) <= PENDING, "%zu wait", sw_pending_len(run->join.pending));
    }
    holds(!sw_pending_len(run->join.pending), "%zu wait at the end", sw_pending_len(run->join.pending));
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    static const char *const names[FILES] = {"a", "b", "c"};
    struct fuzz_in in = {data, data + size};
    struct run run = {.views = 0};
    struct sw_ndjson *file[FILES];
    char *text[FILES], *summary = NULL;
    __u64 accounted = 0, conns = 0;
    size_t len[FILES];
    FILE *out;

    if (size < 2 || size > 65536)
        return 0;
    const __u8 how = fuzz_u8(&in);
    const struct sw_join_opts opts = {.files = 2 + (how & 1),
                                      .rules = {.delay = how & 2, .nearer = (how >> 2 & 3) % 3},
                                      .window = (how & 16 ? 3 : 300) * 1000000000ull,
                                      .slack = how & 32 ? 0 : 2000000000,
                                      .pending = PENDING,
                                      .ladders = true,
                                      .filter = &all};

    make(&in, how & 64, text, len);
    for (unsigned int i = 0; i < opts.files; i++)
        if (sw_ndjson_open(path_of(i, text[i], len[i]), &file[i]))
            abort();
    if (sw_join_init(&run.join, &opts, decided, &run))
        abort();
    read_all(&run, file);
    for (unsigned int i = 0; i < opts.files; i++) {
        const struct sw_join_file *f = &run.join.file[i];

        conns += f->conns;
        accounted += f->without_isn + f->doubles + f->again;
        sw_ndjson_close(file[i]);
    }
    holds(run.views + accounted == conns, "%llu views and %llu others of %llu", run.views, accounted, conns);
    out = open_memstream(&summary, &len[0]);
    if (!out)
        abort();
    sw_join_json_summary(&run.join, names, out);
    fclose(out);
    check_json(summary);
    free(summary);
    sw_join_fini(&run.join);
    for (int i = 0; i < FILES; i++)
        free(text[i]);
    return 0;
}
