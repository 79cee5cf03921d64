/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "page/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sw_rows_init(struct sw_rows *r, size_t limit)
{
    memset(r, 0, sizeof(*r));
    r->limit = limit;
    for (int i = 0; i < SW_OUTCOMES && limit; i++) {
        r->last[i] = calloc(limit, sizeof(*r->last[i]));
        if (!r->last[i])
            return -ENOMEM;
    }
    return 0;
}

void sw_rows_clear(struct sw_rows *r)
{
    for (int i = 0; i < SW_OUTCOMES; i++) {
        for (size_t n = 0; r->last[i] && n < r->limit; n++)
            free(r->last[i][n].text);
        free(r->last[i]);
    }
    for (int i = 0; i < SW_ROWS_SLOW; i++)
        free(r->slow[i].text);
    memset(r, 0, sizeof(*r));
}

static int keep(struct sw_row *row, const char *text, size_t len, __u64 ns)
{
    char *copy = realloc(row->text, len);

    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, len);
    row->text = copy;
    row->len = len;
    row->ns = ns;
    return 0;
}

static struct sw_row *fastest(struct sw_rows *r)
{
    struct sw_row *least = r->slow;

    for (int i = 1; i < SW_ROWS_SLOW; i++)
        if (r->slow[i].ns < least->ns)
            least = &r->slow[i];
    return least;
}

int sw_rows_add(struct sw_rows *r, enum sw_outcome outcome, __u64 handshake_ns, const char *text, size_t len)
{
    struct sw_row *least;
    int err = 0;

    if (!len || len > SW_ROW_MAX) {
        r->too_long++;
        return 0;
    }
    if (r->limit)
        err = keep(&r->last[outcome][r->seen[outcome] % r->limit], text, len, handshake_ns);
    r->seen[outcome]++;
    if (err || !r->limit || !handshake_ns)
        return err;
    least = fastest(r);
    return handshake_ns > least->ns ? keep(least, text, len, handshake_ns) : 0;
}

void sw_rows_each(const struct sw_rows *r, void (*each)(void *arg, const struct sw_row *row), void *arg)
{
    for (int i = 0; i < SW_OUTCOMES; i++)
        for (size_t n = 0; n < r->limit && n < r->seen[i]; n++)
            each(arg, &r->last[i][n]);
    for (int i = 0; i < SW_ROWS_SLOW; i++)
        if (r->slow[i].len)
            each(arg, &r->slow[i]);
}
