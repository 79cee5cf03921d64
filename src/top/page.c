/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/page.h"

#include "top/detail.h"
#include "top/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ABOVE 4      /* lines above the rows, without the guard's: who, totals, the title, the heads */
#define BELOW 1      /* the keys */
#define GUARD_MIN 3  /* services that a screen of the least height shows */
#define GUARD_PART 6 /* of the screen's height at most this part */

/* The next line, cut at the screen's width; NULL if the screen is full. */
__attribute__((format(printf, 3, 4))) static struct sw_top_line *put(struct sw_top_page *p, enum sw_top_look look,
                                                                     const char *fmt, ...)
{
    struct sw_top_line *line = p->len < p->height ? &p->line[p->len++] : NULL;
    va_list ap;

    if (!line)
        return NULL;
    line->look = look;
    va_start(ap, fmt);
    vsnprintf(line->text, p->width + 1, fmt, ap);
    va_end(ap);
    return line;
}

/* Services that are shown. */
static size_t guard_rows(const struct sw_top_guard *g, int height)
{
    size_t most = height / GUARD_PART;

    if (most < GUARD_MIN)
        most = GUARD_MIN;
    return g->len < most ? g->len : most;
}

/* Lines of the guard: title and heads besides. */
static size_t guard_lines(const struct sw_top_guard *g, int height)
{
    return !g->there ? 0 : g->len ? guard_rows(g, height) + 2 : 1;
}

static bool is_too_small(int width, int height)
{
    return width < SW_TOP_MIN_WIDTH || height < SW_TOP_MIN_HEIGHT;
}

size_t sw_top_page_rows(const struct sw_top_guard *g, int width, int height)
{
    if (height > SW_TOP_HEIGHT_MAX)
        height = SW_TOP_HEIGHT_MAX;
    return is_too_small(width, height) ? 0 : height - ABOVE - BELOW - guard_lines(g, height);
}

/* Rates are over the time that is said: that between two looks, or all of a file. */
static void put_who(struct sw_top_page *p, const struct sw_top_model *m, const struct sw_top_state *s,
                    const struct sw_top_info *info)
{
    char clean[SW_TOP_WIDTH_MAX + 1], who[SW_TOP_WIDTH_MAX + 1], right[64];
    sw_text_value over;
    int room;

    snprintf(right, sizeof(right), "%s%s%s%s", s->paused ? "PAUSED " : "", info->clock, m->span_ns ? " over " : "",
             m->span_ns ? sw_text_span(m->span_ns, over) : "");
    room = p->width - (int)strlen(right) - 13; /* behind "synward top " */
    sw_top_clean(info->who, sizeof(clean), clean, sizeof(clean));
    sw_top_fit_text(clean, room, who);
    put(p, s->paused ? SW_LOOK_WARN : SW_LOOK_BOLD, "synward top %-*s %s", room, who, right);
}

static const char *per_second(const struct sw_top_model *m, __u64 n, sw_text_value buf)
{
    if (!m->span_ns)
        return "-";
    return sw_text_count_brief(sw_top_per_second(n, m->span_ns), buf);
}

/* What makes the figures doubtful comes first: on a narrow screen the end is cut. */
static void put_totals(struct sw_top_page *p, const struct sw_top_model *m, const struct sw_top_info *info)
{
    sw_text_value open, half, begun, rate, refused, reset, unanswered, lost;
    char failures[96] = "", losses[48] = "";

    if (info->events_read)
        snprintf(failures, sizeof(failures), "; %s refused, %s reset, %s unanswered",
                 sw_text_count_brief(m->failed[SW_TOP_REFUSED], refused),
                 sw_text_count_brief(m->failed[SW_TOP_RESET], reset),
                 sw_text_count_brief(m->failed[SW_TOP_UNANSWERED], unanswered));
    if (info->lost)
        snprintf(losses, sizeof(losses), "%s LINES LOST; ", sw_text_count_brief(info->lost, lost));
    put(p, info->lost ? SW_LOOK_ALARM : SW_LOOK_PLAIN, "%s%s%s%s open, %s half-open, %s new/s, %s B/s%s", losses,
        info->note, *info->note ? "; " : "", sw_text_count(m->open, open), sw_text_count(m->half, half),
        per_second(m, m->begun, begun), m->span_ns ? sw_text_count_brief(m->rate, rate) : "-", failures);
}

static enum sw_top_look service_look(const struct sw_top_service *s)
{
    return s->state == SW_GS_ENGAGED ? SW_LOOK_ALARM : s->state == SW_GS_GRACE ? SW_LOOK_WARN : SW_LOOK_PLAIN;
}

static void put_guard(struct sw_top_page *p, const struct sw_top_guard *g)
{
    size_t rows = guard_rows(g, p->height);
    char more[48] = "", buf[SW_TOP_WIDTH_MAX + 1];

    if (!g->there)
        return;
    if (rows < g->len)
        snprintf(more, sizeof(more), ", %zu not shown", g->len - rows);
    put(p, SW_LOOK_RULE, "guard: %zu service%s, %zu not calm%s", g->len, g->len == 1 ? "" : "s", g->active, more);
    if (!g->len)
        return;
    sw_top_guard_head(p->width, buf);
    put(p, SW_LOOK_HEAD, "%s", buf);
    for (size_t i = 0; i < rows; i++) {
        sw_top_guard_text(&g->service[i], p->width, buf);
        put(p, service_look(&g->service[i]), "%s", buf);
    }
}

static void put_title(struct sw_top_page *p, const struct sw_top_state *s)
{
    const char *what = s->view == SW_TOP_SERVERS ? "server" : "connection";
    const struct sw_text_end end = {.ip = s->server.ip, .port = s->server.port};
    const struct sw_top_list *l = &s->list[s->view];
    const char *by = sw_top_column_head(s->view, s->sort[s->view]);
    char of[80] = "";

    if (s->opened)
        *sw_text_endpoint(stpcpy(of, " of "), &end, 48) = 0;
    put(p, SW_LOOK_RULE, "%zu %s%s%s%s by %s%s%s; %zu-%zu shown", s->rows, what, s->rows == 1 ? "" : "s", of,
        s->all ? ", ended ones too," : "", by, *s->shown ? ", filter: " : "", s->shown, l->len ? l->top + 1 : 0,
        l->top + l->rows < l->len ? l->top + l->rows : l->len);
}

static enum sw_top_look conn_look(const struct sw_top_conn *c)
{
    return c->phase == SW_TOP_ENDED ? SW_LOOK_DIM : c->phase == SW_TOP_HALF_OPEN ? SW_LOOK_WARN : SW_LOOK_PLAIN;
}

static void put_rows(struct sw_top_page *p, const struct sw_top_model *m, const struct sw_top_state *s,
                     const struct sw_top_info *info)
{
    const struct sw_top_cells cells = {.now = m->ns, .span_ns = m->span_ns, .events_read = info->events_read};
    const struct sw_top_list *l = &s->list[s->view];
    char buf[SW_TOP_ROW_ROOM];

    sw_top_head_text(&s->columns, s->sort[s->view], buf);
    put(p, SW_LOOK_HEAD, "%s", buf);
    for (size_t i = l->top; i < l->len && i < l->top + l->rows; i++) {
        enum sw_top_look look = SW_LOOK_PLAIN;

        if (s->view == SW_TOP_SERVERS) {
            sw_top_server_text(&s->columns, &cells, &m->server[s->row[i].at], buf);
        } else {
            sw_top_conn_text(&s->columns, &cells, &m->conn[s->row[i].at], buf);
            look = conn_look(&m->conn[s->row[i].at]);
        }
        put(p, i == l->cursor ? SW_LOOK_CHOSEN : look, "%s", buf);
    }
    if (!l->len)
        put(p, SW_LOOK_DIM, "%s", *s->shown ? "nothing fits the filter" : "no connections");
}

static void put_keys(struct sw_top_page *p, const struct sw_top_state *s)
{
    while (p->len < p->height - 1)
        put(p, SW_LOOK_PLAIN, "%s", "");
    if (s->typing) {
        put(p, *s->wrong ? SW_LOOK_ALARM : SW_LOOK_BOLD, "/%s%s%s", s->typed, *s->wrong ? "   " : "", s->wrong);
        p->cursor = 1 + (int)strlen(s->typed);
        if (p->cursor >= p->width)
            p->cursor = p->width - 1;
    } else if (s->help || s->detail) {
        put(p, SW_LOOK_DIM, "Esc back  q quit");
    } else {
        put(p, SW_LOOK_DIM, "q quit  / filter  s S sort  Enter open  t %s%s  p pause  h help",
            s->view == SW_TOP_SERVERS ? "connections" : "servers", s->opened || *s->shown ? "  Esc back" : "  a ended");
    }
}

static const char *const help[] = {
    "Keys",
    "  q            quit",
    "  j k, arrows  down, up; PgDn PgUp by a screen; g G, Home End to the ends",
    "  Enter        the connections of a server, the details of a connection",
    "  Esc          back; at the beginning: without the filter",
    "  t            all connections, or servers",
    "  s S          sort by the next column, by the one before; * marks it",
    "  a            ended connections, too, as long as they are in the table",
    "  p, Space     pause: what is shown stays as it is; again: go on",
    "  /            filter: port:443 server:80 src:10.0.0.0/8 dst: net: not-port:",
    "               state:ESTABLISHED,S1, or a piece of the text of both ends;",
    "               all must hold; Ctrl-U clears the line",
    "  h ?          this page",
    "Columns",
    "  OPEN HALF    connections now: established, half-open",
    "  NEW/s B/s    connections begun, IP bytes both ways, since the last look",
    "  HANDS        time of the handshake, of a server the mean; - is not seen",
    "  REFUS RESET  since the start of top; NOANS: SYNs that nobody answered",
};

static void put_help(struct sw_top_page *p)
{
    for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++)
        put(p, *help[i] && *help[i] != ' ' ? SW_LOOK_RULE : SW_LOOK_PLAIN, "%s", help[i]);
}

static void put_detail(struct sw_top_page *p, const struct sw_top_state *s, const struct sw_top_info *info, __u64 now)
{
    const struct sw_top_detail_info about = {
        .now = now, .clock_offset = info->clock_offset, .utc = info->utc, .inst = info->inst, .owner = info->owner};
    struct sw_top_detail d;

    sw_top_detail_make(&d, &s->conn, &about);
    put(p, SW_LOOK_RULE, "connection%s", s->gone ? ": in the table no more" : "");
    for (int i = 0; i < d.len; i++)
        put(p, SW_LOOK_PLAIN, "%s", d.line[i]);
}

void sw_top_page_make(struct sw_top_page *p, const struct sw_top_model *m, const struct sw_top_state *s,
                      const struct sw_top_guard *g, const struct sw_top_info *info, int width, int height)
{
    p->width = width < SW_TOP_WIDTH_MAX ? width : SW_TOP_WIDTH_MAX;
    p->height = height < SW_TOP_HEIGHT_MAX ? height : SW_TOP_HEIGHT_MAX;
    p->len = 0;
    p->cursor = -1;
    if (is_too_small(width, height)) {
        put(p, SW_LOOK_PLAIN, "synward top needs %d x %d, here are %d x %d; q quits", SW_TOP_MIN_WIDTH,
            SW_TOP_MIN_HEIGHT, width, height);
        return;
    }
    put_who(p, m, s, info);
    put_totals(p, m, info);
    if (s->help) {
        put_help(p);
    } else if (s->detail) {
        put_detail(p, s, info, m->ns);
    } else {
        put_guard(p, g);
        put_title(p, s);
        put_rows(p, m, s, info);
    }
    put_keys(p, s);
}
