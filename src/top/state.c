/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/state.h"

#include "base/array.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sw_top_state_init(struct sw_top_state *s)
{
    memset(s, 0, sizeof(*s));
    s->sort[SW_TOP_SERVERS] = sw_top_column_default(SW_TOP_SERVERS);
    s->sort[SW_TOP_CONNS] = sw_top_column_default(SW_TOP_CONNS);
}

void sw_top_state_fini(struct sw_top_state *s)
{
    free(s->row);
}

static void go_first(struct sw_top_state *s)
{
    s->list[SW_TOP_SERVERS].cursor = s->list[SW_TOP_CONNS].cursor = 0;
}

static void set_filter(struct sw_top_state *s)
{
    struct sw_top_filter f;

    if (sw_top_filter_parse(s->typed, &f, s->wrong, sizeof(s->wrong)))
        return;
    *s->wrong = 0;
    s->filter = f;
    memcpy(s->shown, s->typed, sizeof(s->shown));
    s->typing = false;
    go_first(s);
}

static void type(struct sw_top_state *s, int key)
{
    size_t len = strlen(s->typed);

    if (key == SW_TOP_ENTER) {
        set_filter(s);
        return;
    }
    *s->wrong = 0;
    if (key == SW_TOP_ESC)
        s->typing = false;
    else if (key == SW_TOP_CLEAR)
        *s->typed = 0;
    else if (key == SW_TOP_BACKSPACE && len)
        s->typed[len - 1] = 0;
    else if (key >= ' ' && key < 0x7f && len + 1 < sizeof(s->typed)) {
        s->typed[len] = (char)key;
        s->typed[len + 1] = 0;
    }
}

static void back(struct sw_top_state *s)
{
    if (s->help) {
        s->help = false;
    } else if (s->detail) {
        s->detail = false;
    } else if (s->opened) {
        s->opened = false;
        s->view = SW_TOP_SERVERS;
    } else if (*s->shown) {
        *s->typed = 0;
        set_filter(s);
    }
}

static void open_row(struct sw_top_state *s, const struct sw_top_model *m)
{
    const struct sw_top_list *l = &s->list[s->view];

    if (s->detail || l->cursor >= s->rows)
        return;
    if (s->view == SW_TOP_CONNS) {
        s->conn = m->conn[s->row[l->cursor].at];
        s->detail = true;
        s->gone = false;
        return;
    }
    s->server = m->server[s->row[l->cursor].at].id;
    s->opened = true;
    s->view = SW_TOP_CONNS;
    s->list[SW_TOP_CONNS].cursor = 0;
}

static void sort_by(struct sw_top_state *s, int by)
{
    s->sort[s->view] = sw_top_column_step(&s->columns, s->sort[s->view], by);
    s->list[s->view].cursor = 0;
}

static void toggle_view(struct sw_top_state *s)
{
    s->view = s->view == SW_TOP_SERVERS ? SW_TOP_CONNS : SW_TOP_SERVERS;
    s->opened = s->detail = false;
}

static bool move(struct sw_top_list *l, int key)
{
    switch (key) {
    case SW_TOP_UP:
    case 'k': sw_top_list_move(l, -1); return true;
    case SW_TOP_DOWN:
    case 'j': sw_top_list_move(l, 1); return true;
    case SW_TOP_PAGE_UP: sw_top_list_move(l, -(long)l->rows); return true;
    case SW_TOP_PAGE_DOWN: sw_top_list_move(l, (long)l->rows); return true;
    case SW_TOP_HOME:
    case 'g': sw_top_list_go(l, 0); return true;
    case SW_TOP_END:
    case 'G': sw_top_list_go(l, l->len); return true;
    default: return false;
    }
}

static void command(struct sw_top_state *s, const struct sw_top_model *m, int key)
{
    switch (key) {
    case 'q': s->quit = true; break;
    case 'h':
    case '?': s->help = !s->help; break;
    case 'p':
    case ' ': s->paused = !s->paused; break;
    case 'a':
        s->all = !s->all;
        go_first(s);
        break;
    case 's': sort_by(s, 1); break;
    case 'S': sort_by(s, -1); break;
    case 't': toggle_view(s); break;
    case '/':
        s->help = s->detail = false;
        s->typing = true;
        memcpy(s->typed, s->shown, sizeof(s->typed));
        break;
    case SW_TOP_ENTER:
        if (s->help)
            s->help = false;
        else
            open_row(s, m);
        break;
    case SW_TOP_ESC: back(s); break;
    default: break;
    }
}

static bool matches(const void *ctx, const struct sw_top_conn *c)
{
    const struct sw_top_state *s = ctx;

    return sw_top_filter_match(&s->filter, c);
}

static bool shows(const struct sw_top_state *s, const struct sw_top_conn *c)
{
    struct sw_top_id id;

    if (c->phase == SW_TOP_ENDED && !s->all)
        return false;
    if (s->opened) {
        sw_top_conn_server(c, &id);
        if (!sw_top_id_is(&id, &s->server))
            return false;
    }
    return matches(s, c);
}

struct order {
    const struct sw_top_model *m;
    enum sw_top_view view;
};

static int compare_conns(const struct sw_top_conn *a, const struct sw_top_conn *b)
{
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    return memcmp(&a->key, &b->key, sizeof(a->key));
}

/* By address, then by port as a number. */
static int compare_servers(const struct sw_top_server *a, const struct sw_top_server *b)
{
    int order = memcmp(a->id.ip, b->id.ip, sizeof(a->id.ip));

    return order ? order : memcmp(&a->id.port, &b->id.port, sizeof(a->id.port));
}

static int compare(const void *left, const void *right, void *ctx)
{
    const struct sw_top_row *a = left, *b = right;
    const struct order *o = ctx;

    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    if (o->view == SW_TOP_CONNS)
        return compare_conns(&o->m->conn[a->at], &o->m->conn[b->at]);
    return compare_servers(&o->m->server[a->at], &o->m->server[b->at]);
}

static int add_row(struct sw_top_state *s, __u64 value, size_t at)
{
    struct sw_top_row *rows = sw_array_room(s->row, &s->rows_room, s->rows + 1, sizeof(*rows));

    if (!rows)
        return -ENOMEM;
    s->row = rows;
    s->row[s->rows++] = (struct sw_top_row){.value = value, .at = at};
    return 0;
}

static int add_rows(struct sw_top_state *s, struct sw_top_model *m)
{
    int err = 0, sort = s->sort[s->view];

    s->rows = 0;
    if (s->view == SW_TOP_SERVERS) {
        err = sw_top_model_servers(m, matches, s);
        for (size_t i = 0; i < m->servers && !err; i++)
            err = add_row(s, sw_top_server_value(sort, &m->server[i]), i);
    } else {
        for (size_t i = 0; i < m->conns && !err; i++)
            if (shows(s, &m->conn[i]))
                err = add_row(s, sw_top_conn_value(sort, &m->conn[i], m->ns), i);
    }
    return err;
}

static bool is_chosen(const struct sw_top_state *s, const struct sw_top_model *m, const struct sw_top_row *row)
{
    const struct sw_top_conn *c = &m->conn[row->at];

    if (s->view == SW_TOP_SERVERS)
        return sw_top_id_is(&m->server[row->at].id, &s->chosen_server);
    return c->start_ns == s->chosen_start && !memcmp(&c->key, &s->chosen_key, sizeof(c->key));
}

/* The row at the cursor is the one that stays chosen. */
static void choose(struct sw_top_state *s, const struct sw_top_model *m)
{
    const struct sw_top_list *l = &s->list[s->view];

    if (l->cursor >= s->rows)
        return;
    if (s->view == SW_TOP_SERVERS) {
        s->chosen_server = m->server[s->row[l->cursor].at].id;
    } else {
        s->chosen_key = m->conn[s->row[l->cursor].at].key;
        s->chosen_start = m->conn[s->row[l->cursor].at].start_ns;
    }
}

static void find_chosen(struct sw_top_state *s, const struct sw_top_model *m)
{
    struct sw_top_list *l = &s->list[s->view];

    for (size_t i = 0; i < s->rows && l->cursor; i++) {
        if (!is_chosen(s, m, &s->row[i]))
            continue;
        l->cursor = i;
        return;
    }
}

/* The connection whose details are shown, as it is now. */
static void refresh_detail(struct sw_top_state *s, const struct sw_top_model *m)
{
    if (!s->detail)
        return;
    s->gone = true;
    for (size_t i = 0; i < m->conns && s->gone; i++) {
        const struct sw_top_conn *c = &m->conn[i];

        if (c->start_ns != s->conn.start_ns || memcmp(&c->key, &s->conn.key, sizeof(c->key)) != 0)
            continue;
        s->conn = *c;
        s->gone = false;
    }
}

int sw_top_state_rows(struct sw_top_state *s, struct sw_top_model *m, int width, size_t room)
{
    struct order order = {.m = m, .view = s->view};
    int err;

    sw_top_columns_fit(s->view, width, &s->columns);
    err = add_rows(s, m);
    if (err)
        return err;
    if (s->rows)
        qsort_r(s->row, s->rows, sizeof(*s->row), compare, &order);
    find_chosen(s, m);
    sw_top_list_fit(&s->list[s->view], s->rows, room);
    choose(s, m);
    refresh_detail(s, m);
    return 0;
}

void sw_top_state_key(struct sw_top_state *s, const struct sw_top_model *m, int key)
{
    if (s->typing)
        type(s, key);
    else if (!s->help && !s->detail && move(&s->list[s->view], key))
        choose(s, m);
    else
        command(s, m, key);
}
