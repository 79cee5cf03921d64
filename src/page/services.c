/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "page/services.h"

#include "base/array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sw_page_copy(char *to, size_t size, const char *from)
{
    size_t len = from ? strnlen(from, size - 1) : 0;

    if (len)
        memcpy(to, from, len);
    to[len] = 0;
}

static void free_service(struct sw_page_service *p)
{
    sw_timeline_clear(&p->line);
    free(p->change);
    free(p);
}

void sw_services_seen_clear(struct sw_services_seen *s)
{
    for (size_t i = 0; i < s->len; i++)
        free_service(s->at[i]);
    memset(s, 0, sizeof(*s));
}

/* A place for a service that is new: also that of one that never changed, if this one did. -1: there is none. */
static int place_for(struct sw_services_seen *s, bool guard)
{
    if (s->len < SW_SERVICES_MAX)
        return (int)s->len++;
    for (int i = 0; guard && i < SW_SERVICES_MAX; i++)
        if (!s->at[i]->changes) {
            free_service(s->at[i]);
            s->at[i] = NULL;
            s->left_out++;
            return i;
        }
    return -1;
}

/* NULL with *ret_err 0: there is no place for it. */
static struct sw_page_service *find(struct sw_services_seen *s, const struct sw_line *line, bool guard, int *ret_err)
{
    char host[SW_PAGE_TEXT], name[SW_PAGE_TEXT];
    struct sw_page_service *p;
    int place;

    *ret_err = 0;
    sw_page_copy(host, sizeof(host), sw_field_text(line, "host"));
    sw_page_copy(name, sizeof(name), sw_field_text(line, "service"));
    for (size_t i = 0; i < s->len; i++)
        if (!strcmp(s->at[i]->name, name) && !strcmp(s->at[i]->host, host))
            return s->at[i];
    p = calloc(1, sizeof(*p));
    if (!p) {
        *ret_err = -ENOMEM;
        return NULL;
    }
    place = place_for(s, guard);
    if (place < 0) {
        free(p);
        s->left_out++;
        return NULL;
    }
    memcpy(p->host, host, sizeof(host));
    memcpy(p->name, name, sizeof(name));
    p->line.cells = SW_SERVICE_CELLS;
    s->at[place] = p;
    return p;
}

static int add_change(struct sw_page_service *p, const struct sw_line *line, __u64 ns)
{
    struct sw_change *more;

    if (p->changes == SW_CHANGES_MAX) {
        p->changes_more++;
        return 0;
    }
    more = sw_array_room(p->change, &p->changes_room, p->changes + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    p->change = more;
    more += p->changes++;
    memset(more, 0, sizeof(*more));
    more->ns = ns;
    sw_field_u64(line, "half_open", &more->half_open);
    sw_field_u64(line, "syn_rate", &more->syn_rate);
    sw_field_u64(line, "completed_rate", &more->completed_rate);
    sw_page_copy(more->from, sizeof(more->from), sw_field_text(line, "from"));
    sw_page_copy(more->to, sizeof(more->to), sw_field_text(line, "to"));
    sw_page_copy(more->cause, sizeof(more->cause), sw_field_text(line, "cause"));
    return 0;
}

int sw_services_seen_add(struct sw_services_seen *s, const struct sw_line *line, bool guard)
{
    static const char *keys[SW_SERVICE_CELLS] = {"half_open", "syn_rate", "completed_rate"};
    struct sw_page_service *p;
    __u64 ns, value;
    int err;

    if (!sw_field_text(line, "service") || !sw_field_time(line, "ts", &ns))
        return 0;
    p = find(s, line, guard, &err);
    if (!p)
        return err;
    sw_page_copy(p->mode, sizeof(p->mode), sw_field_text(line, "mode"));
    sw_page_copy(p->state, sizeof(p->state), sw_field_text(line, guard ? "to" : "state"));
    for (int i = 0; i < SW_SERVICE_CELLS && !err; i++)
        if (sw_field_u64(line, keys[i], &value))
            err = sw_timeline_add(&p->line, ns, i, value);
    if (guard) {
        sw_field_bool(line, "dry_run", &p->dry_run);
        sw_field_u64(line, "half_open_threshold", &p->half_open_threshold);
        sw_field_u64(line, "syn_rate_threshold", &p->syn_rate_threshold);
        return err ? err : add_change(p, line, ns);
    }
    sw_field_u64(line, "syns", &p->syns);
    sw_field_u64(line, "completed", &p->completed);
    sw_field_u64(line, "cookies_sent", &p->cookies_sent);
    sw_field_u64(line, "cookies_accepted", &p->cookies_accepted);
    sw_field_u64(line, "dropped", &p->dropped);
    return err;
}
