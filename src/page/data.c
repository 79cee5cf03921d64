/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "page/data.h"

#include "base/fmt.h"

#include <string.h>

enum { SERVERS_SHOWN = 200, TOP_SHOWN = 10, PIECE = 512 };

#define U64(v) ((unsigned long long)(v))

void sw_page_string(const char *text, FILE *out)
{
    char piece[PIECE + 1], escaped[6 * PIECE];

    putc('"', out);
    while (*text) {
        size_t len = strnlen(text, PIECE), back = 0;

        /* not within a character */
        while (text[len] && back < 3 && back < len - 1 && (text[len - back] & 0xc0) == 0x80)
            back++;
        len -= back;
        memcpy(piece, text, len);
        piece[len] = 0;
        text += len;
        for (const char *p = escaped, *end = sw_json_escape(escaped, piece); p < end; p++) {
            if (*p == '<')
                fputs("\\u003c", out);
            else
                putc(*p, out);
        }
    }
    putc('"', out);
}

static void put_names(const char *key, const struct sw_page_names *names, FILE *out)
{
    fprintf(out, ",\n\"%s\":{\"other\":%llu,\"list\":[", key, U64(names->other));
    for (size_t i = 0; i < names->len; i++) {
        fputs(i ? ",[" : "[", out);
        sw_page_string(names->name[i], out);
        fprintf(out, ",%llu]", U64(names->count[i]));
    }
    fputs("]}", out);
}

static void put_outcomes(const __u64 *outcome, FILE *out)
{
    for (int i = 0; i < SW_OUTCOMES; i++)
        fprintf(out, "%c%llu", i ? ',' : '[', U64(outcome[i]));
    putc(']', out);
}

/* "n", and of each span the median, 90th and 99th percentile and the maximum */
static void put_spans(struct sw_durations span[SW_FROMS][SW_SPANS], FILE *out)
{
    static const char *const names[SW_SPANS] = {"handshake", "server", "client"};
    struct sw_durations *d = sw_tally_spans(span);

    fprintf(out, "\"n\":%llu,\"exact\":%s", U64(d->n), d->bucket ? "false" : "true");
    for (int i = 0; i < SW_SPANS; i++, d++)
        fprintf(out, ",\"%s\":[%llu,%llu,%llu,%llu]", names[i], U64(sw_durations_percentile(d, 50)),
                U64(sw_durations_percentile(d, 90)), U64(sw_durations_percentile(d, 99)), U64(d->max));
}

/* Of a server with its port, of a client without. */
static void put_slot(const struct sw_top_slot *slot, FILE *out)
{
    char text[SW_IP_LEN + 16];
    char *end = slot->port ? sw_put_endpoint(text, slot->ip, slot->port) : sw_put_ip(text, slot->ip);
    fprintf(out, "\"%.*s\"", (int)(end - text), text);
}

static void put_servers(struct sw_tally *t, FILE *out)
{
    unsigned int best[SERVERS_SHOWN];
    size_t len = sw_top_best(&t->servers, best, SERVERS_SHOWN);

    fprintf(out, ",\n\"servers\":{\"over\":%s,\"len\":%u,\"list\":[", t->servers.over ? "true" : "false",
            t->servers.len);
    for (size_t i = 0; i < len; i++) {
        struct sw_page_server *s = &t->server[best[i]];

        fprintf(out, "%s\n{\"at\":", i ? "," : "");
        put_slot(&t->servers.slot[best[i]], out);
        fputs(",\"outcomes\":", out);
        put_outcomes(s->outcome, out);
        fprintf(out, ",\"rexmit\":%llu,", U64(s->syn_rexmit));
        put_spans(s->span, out);
        putc('}', out);
    }
    fputs("]}", out);
}

static void put_top(const char *key, const struct sw_top *top, FILE *out)
{
    unsigned int best[TOP_SHOWN];
    size_t len = sw_top_best(top, best, TOP_SHOWN);

    fprintf(out, "\"%s\":{\"total\":%llu,\"len\":%u,\"over\":%s,\"list\":[", key, U64(top->total), top->len,
            top->over ? "true" : "false");
    for (size_t i = 0; i < len; i++) {
        const struct sw_top_slot *slot = &top->slot[best[i]];
        fputs(i ? ",[" : "[", out);
        put_slot(slot, out);
        fprintf(out, ",%llu]", U64(slot->count - slot->error));
    }
    fputs("]}", out);
}

static void put_tops(struct sw_tally *t, FILE *out)
{
    static const char *const names[SW_TOPS] = {"refused", "reset", "unanswered"};

    fputs(",\n\"tops\":{", out);
    for (int i = 0; i < SW_TOPS; i++) {
        fprintf(out, "%s\n\"%s\":{", i ? "," : "", names[i]);
        put_top("servers", &t->target[i], out);
        putc(',', out);
        put_top("clients", &t->client[i], out);
        putc('}', out);
    }
    putc('}', out);
}

/* names: of the cells */
static void put_line(const struct sw_timeline *line, const char *const *names, unsigned int cells, FILE *out)
{
    __u64 v;

    fprintf(out, "{\"start\":%llu,\"width\":%llu,\"len\":%zu", U64(line->first * sw_timeline_width_ms(line)),
            U64(sw_timeline_width_ms(line)), line->len);
    for (unsigned int c = 0; c < cells; c++) {
        fprintf(out, ",\n\"%s\":[", names[c]);
        for (size_t i = 0; i < line->len; i++) {
            if (sw_timeline_get(line, i, c, &v))
                fprintf(out, "%s%llu", i ? "," : "", U64(v));
            else
                fputs(i ? ",null" : "null", out);
        }
        putc(']', out);
    }
    putc('}', out);
}

static void put_text(const char *key, const char *text, FILE *out)
{
    fprintf(out, "\"%s\":", key);
    sw_page_string(text, out);
    putc(',', out);
}

static void put_changes(const struct sw_page_service *p, FILE *out)
{
    fprintf(out, ",\"changesMore\":%llu,\"changes\":[", U64(p->changes_more));
    for (size_t i = 0; i < p->changes; i++) {
        const struct sw_change *c = &p->change[i];

        fprintf(out, "%s\n{\"at\":%llu.%06llu,", i ? "," : "", U64(c->ns / 1000000), U64(c->ns % 1000000));
        put_text("from", c->from, out);
        put_text("to", c->to, out);
        put_text("cause", c->cause, out);
        fprintf(out, "\"halfOpen\":%llu,\"synRate\":%llu,\"completedRate\":%llu}", U64(c->half_open), U64(c->syn_rate),
                U64(c->completed_rate));
    }
    putc(']', out);
}

static void put_services(const struct sw_services_seen *s, FILE *out)
{
    static const char *const names[SW_SERVICE_CELLS] = {"halfOpen", "synRate", "completedRate"};

    fprintf(out, ",\n\"servicesLeftOut\":%llu,\"services\":[", U64(s->left_out));
    for (size_t i = 0; i < s->len; i++) {
        const struct sw_page_service *p = s->at[i];

        fputs(i ? ",\n{" : "\n{", out);
        put_text("host", p->host, out);
        put_text("name", p->name, out);
        put_text("mode", p->mode, out);
        put_text("state", p->state, out);
        fprintf(out,
                "\"dryRun\":%s,\"halfOpenThreshold\":%llu,\"synRateThreshold\":%llu,\"syns\":%llu,\"completed\":%llu,"
                "\"cookiesSent\":%llu,\"cookiesAccepted\":%llu,\"dropped\":%llu,\"line\":",
                p->dry_run ? "true" : "false", U64(p->half_open_threshold), U64(p->syn_rate_threshold), U64(p->syns),
                U64(p->completed), U64(p->cookies_sent), U64(p->cookies_accepted), U64(p->dropped));
        put_line(&p->line, names, SW_SERVICE_CELLS, out);
        put_changes(p, out);
        putc('}', out);
    }
    putc(']', out);
}

static void put_kinds(const struct sw_tally *t, FILE *out)
{
    fputs(",\n\"kinds\":{", out);
    for (int i = 0; i < SW_LINE_MAX; i++)
        fprintf(out, "%s\"%s\":%llu", i ? "," : "", sw_tally_kind_name(i), U64(t->kinds[i]));
    fprintf(out, "},\n\"loss\":{\"lost\":%llu,\"missing\":%llu,\"restarts\":%llu,\"by\":{", U64(t->lost),
            U64(t->missing), U64(t->restarts));
    for (int i = 0; i < SW_LOSSES; i++)
        fprintf(out, "%s\"%s\":%llu", i ? "," : "", i == SW_LOSS_GUARD ? "guard" : sw_tally_kind_name(i),
                U64(t->lost_by[i]));
    fputs("}}", out);
}

void sw_page_data(struct sw_tally *t, const char *const *files, FILE *out)
{
    static const char *const cells[SW_CELLS] = {
#define NAME_ITEM(id, name) name,
        SW_OUTCOME_LIST(NAME_ITEM) "lost", "dropped", "wouldDrop", "halfOpen"};

    fputs("{\"version\":\"" SW_VERSION "\",\"files\":[", out);
    for (size_t i = 0; files[i]; i++) {
        if (i)
            putc(',', out);
        sw_page_string(strcmp(files[i], "-") ? files[i] : "standard input", out);
    }
    fprintf(out,
            "],\n\"lines\":%llu,\"broken\":%llu,\"firstBroken\":%llu,\"otherSchema\":%llu,\"unknown\":%llu,"
            "\"noTime\":%llu,\"early\":%llu,\"sample\":%llu,",
            U64(t->lines), U64(t->broken), U64(t->first_broken), U64(t->other_schema), U64(t->unknown), U64(t->no_time),
            U64(t->early), U64(t->sample));
    put_text("firstBrokenIn", t->first_broken_in ? t->first_broken_in : "", out);
    put_text("damaged", t->damaged ? t->damaged : "", out);
    fprintf(out, "\"first\":%llu.%06llu,\"last\":%llu.%06llu,\"outcomes\":", U64(t->first_ns / 1000000),
            U64(t->first_ns % 1000000), U64(t->last_ns / 1000000), U64(t->last_ns % 1000000));
    put_outcomes(t->outcome, out);
    fprintf(out, ",\"midstream\":%llu,\"cookie\":%llu,\"anomalous\":%llu,\n\"spans\":{", U64(t->midstream),
            U64(t->cookie), U64(t->anomalous));
    put_spans(t->span, out);
    putc('}', out);
    put_kinds(t, out);
    put_names("hosts", &t->hosts, out);
    put_names("ifaces", &t->ifaces, out);
    put_names("drops", &t->drops, out);
    put_names("wouldDrops", &t->would_drops, out);
    put_names("anomalies", &t->anomalies, out);
    put_servers(t, out);
    put_tops(t, out);
    fputs(",\n\"line\":", out);
    put_line(&t->line, cells, SW_CELLS, out);
    put_services(&t->services, out);
    fprintf(out, ",\n\"rows\":{\"limit\":%zu,\"slow\":%d,\"tooLong\":%llu}}\n", t->rows.limit, SW_ROWS_SLOW,
            U64(t->rows.too_long));
}
