/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/show.h"

#include "base/fmt.h"
#include "output/names.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const char *const side_name[2] = {"orig", "resp"};

static void put_number(const char *key, __u64 v, FILE *out)
{
    if (v == SW_JOIN_NONE)
        fprintf(out, ",\"%s\":null", key);
    else
        fprintf(out, ",\"%s\":%llu", key, v);
}

/* RFC 3339, as in event lines. */
static void put_time(const char *key, __u64 ns, FILE *out)
{
    char second[24];

    *sw_put_second(second, (__s64)(ns / SW_SECOND)) = 0;
    fprintf(out, ",\"%s\":\"%s%09lluZ\"", key, second, ns % SW_SECOND);
}

static void put_view(unsigned int file, const struct sw_join_view *v, FILE *out)
{
    fprintf(out, "{\"file\":\"%c\",\"uid\":\"%s\"", sw_join_letter(file), v->uid);
    put_time("start", v->start, out);
    fprintf(out, ",\"duration_ns\":%llu", v->duration);
    for (int side = SW_ORIG; side <= SW_RESP; side++) {
        char ip[SW_IP_LEN + 1];

        sw_format_ip(v->ip[side], ip);
        fprintf(out, ",\"%s_ip\":\"%s\",\"%s_port\":%u", side_name[side], ip, side_name[side], ntohs(v->port[side]));
    }
    if (v->reason == SW_WHY_NONE)
        fprintf(out, ",\"reason\":null");
    else
        fprintf(out, ",\"reason\":\"%s\"", sw_name_reason(v->reason)->text);
    put_number("server_ns", v->server, out);
    put_number("client_ns", v->client, out);
    fprintf(out, ",\"orig_bytes\":%llu,\"resp_bytes\":%llu}", v->bytes[SW_ORIG], v->bytes[SW_RESP]);
}

static void put_pair(const struct sw_join_pair *p, FILE *out)
{
    const struct sw_join_facts *facts = &p->facts;

    fprintf(out, "{\"between\":[\"%c\",\"%c\"]", sw_join_letter(p->file[0]), sw_join_letter(p->file[1]));
    if (facts->nearer == SW_NEARER_UNKNOWN)
        fprintf(out, ",\"nearer_orig\":null");
    else
        fprintf(out, ",\"nearer_orig\":\"%c\"", sw_join_letter(p->file[facts->nearer == SW_NEARER_SECOND]));
    put_number("round_trip_ns", facts->between, out);
    fprintf(out, ",\"facts\":[");
    for (size_t i = 0; i < facts->len; i++) {
        const struct sw_join_fact *f = &facts->fact[i];

        fprintf(out, "%s{\"verdict\":\"%s\",\"what\":\"%s\",\"side\":\"%s\"", i ? "," : "",
                sw_join_verdict_name(f->kind), sw_join_what_name(f->what), side_name[f->side]);
        put_number("first", f->value[0], out);
        put_number("second", f->value[1], out);
        if (f->doubt)
            fprintf(out, ",\"doubt\":\"%s\"}", sw_join_doubt_name(f->doubt));
        else
            fprintf(out, ",\"doubt\":null}");
    }
    fprintf(out, "]}");
}

void sw_join_json(const struct sw_join_result *r, FILE *out)
{
    const char *comma = "";

    fprintf(out, "{\"schema\":%d,\"event\":\"verdict\",\"verdict\":\"%s\"", SW_JOIN_SCHEMA,
            sw_join_verdict_name(r->verdict));
    if (r->views > 1)
        fprintf(out, ",\"matched_by\":\"%s\"", sw_join_match_name(r->match));
    else
        fprintf(out, ",\"matched_by\":null");
    fprintf(out, ",\"views\":[");
    for (unsigned int i = 0; i < SW_JOIN_FILES; i++) {
        if (!r->view[i])
            continue;
        fputs(comma, out);
        put_view(i, r->view[i], out);
        comma = ",";
    }
    fprintf(out, "],\"missing\":[");
    comma = "";
    for (unsigned int i = 0; i < SW_JOIN_FILES; i++) {
        if (!(r->missing & 1u << i))
            continue;
        fprintf(out, "%s{\"file\":\"%c\",\"why\":\"%s\",\"count\":%llu}", comma, sw_join_letter(i),
                sw_join_hole_name(r->hole[i].kind), r->hole[i].count);
        comma = ",";
    }
    fprintf(out, "],\"pairs\":[");
    for (unsigned int i = 0; i < r->pairs; i++) {
        if (i)
            fputc(',', out);
        put_pair(&r->pair[i], out);
    }
    fprintf(out, "]}\n");
}

/* A file's name may be any bytes. */
static void put_text(const char *key, const char *text, FILE *out)
{
    char *buf = malloc(6 * strlen(text) + 1);

    if (buf)
        *sw_json_escape(buf, text) = 0;
    fprintf(out, ",\"%s\":\"%s\"", key, buf ? buf : "");
    free(buf);
}

void sw_join_json_summary(const struct sw_join *j, const char *const *names, FILE *out)
{
    fprintf(out, "{\"schema\":%d,\"event\":\"summary\"", SW_JOIN_SCHEMA);
    for (int i = 0; i < SW_VERDICT_MAX; i++)
        fprintf(out, ",\"%s\":%llu", sw_join_verdict_name(i), j->verdict[i]);
    fprintf(out, ",\"decided_early\":%llu,\"waited_most\":%zu,\"files\":[", j->cut, j->pending_most);
    for (unsigned int i = 0; i < j->opts.files; i++) {
        const struct sw_join_file *f = &j->file[i];
        const struct sw_coverage *c = &f->coverage;

        fprintf(out, "%s{\"file\":\"%c\"", i ? "," : "", sw_join_letter(i));
        put_text("name", names[i], out);
        put_text("host", f->host, out);
        fprintf(out,
                ",\"lines\":%llu,\"conns\":%llu,\"without_isn\":%llu,\"doubles\":%llu,\"again\":%llu,"
                "\"lost\":%llu,\"missing_lines\":%llu,\"restarts\":%llu}",
                c->lines, f->conns, f->without_isn, f->doubles, f->again, c->lost_conn, c->missing, c->restarts);
    }
    fprintf(out, "]}\n");
}
