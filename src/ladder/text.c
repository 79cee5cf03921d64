/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ladder/conn.h"

#include "base/fmt.h"
#include "output/names.h"
#include "output/text_fmt.h"
#include "output/text_row.h"

#include <string.h>

/*
 * STATE______ | inner ............ | ______STATE
 *
 * The longest state has 12 letters.
 */
#define STATE 12
#define INNER (SW_TEXT_COLUMNS - 2 * (STATE + 1) - 2)

struct art {
    const char *line, *right, *left, *bar;
};
static const struct art ascii = {"-", ">", "<", "|"}, boxes = {"\u2500", "\u25b6", "\u25c0", "\u2502"};

static void repeat(FILE *out, const char *what, int n)
{
    while (n-- > 0)
        fputs(what, out);
}

/* Both addresses: on one line, or one a line if they are too long. */
static void put_ends(const struct sw_ladder_conn *c, FILE *out)
{
    char end[2][SW_SERVICE_TEXT];
    int len[2];

    for (int side = SW_ORIG; side <= SW_RESP; side++) {
        char *p = sw_put_endpoint(end[side], c->ip[side], c->port[side]);

        *p = 0;
        len[side] = (int)(p - end[side]);
    }
    if (len[SW_ORIG] + len[SW_RESP] + 2 > SW_TEXT_COLUMNS)
        fprintf(out, "%s\n%*s\n", end[SW_ORIG], SW_TEXT_COLUMNS, end[SW_RESP]);
    else
        fprintf(out, "%s%*s\n", end[SW_ORIG], SW_TEXT_COLUMNS - len[SW_ORIG], end[SW_RESP]);
}

/* What stands between two arrows, or above the first. */
static void put_between(const struct art *a, const char *note, FILE *out)
{
    fprintf(out, "%*s %s %-*s%s\n", STATE, "", a->bar, INNER - 1, note, a->bar);
}

static void put_arrow(const struct art *a, const struct sw_ladder_step *s, FILE *out)
{
    char label[SW_LADDER_LABEL];
    int lines, before;

    sw_ladder_label(s, INNER - 5, label);
    lines = INNER - 3 - (int)strlen(label); /* a head, and a blank at both sides of the label */
    before = lines / 2;
    fprintf(out, "%-*s %s%s", STATE, sw_name_state(s->state[SW_ORIG])->text, a->bar,
            s->from == SW_ORIG ? a->line : a->left);
    repeat(out, a->line, before - (s->from == SW_ORIG));
    fprintf(out, " %s ", label);
    repeat(out, a->line, lines - before);
    fprintf(out, "%s%s %*s\n", s->from == SW_ORIG ? a->right : "", a->bar, STATE,
            sw_name_state(s->state[SW_RESP])->text);
}

void sw_ladder_text(const struct sw_ladder_conn *c, bool utf8, FILE *out)
{
    const struct art *a = utf8 ? &boxes : &ascii;
    char note[SW_LADDER_NOTE];

    sw_ladder_began(c, note);
    fprintf(out, "%s%*s\n", c->uid, SW_TEXT_COLUMNS - (int)strlen(c->uid), note);
    put_ends(c, out);
    sw_ladder_missing(c, note);
    put_between(a, note, out);
    for (size_t i = 0; i < c->len; i++) {
        const struct sw_ladder_step *s = &c->step[i];

        if (i) {
            *sw_text_duration(note, s->ns > c->step[i - 1].ns ? s->ns - c->step[i - 1].ns : 0) = 0;
            put_between(a, note, out);
        }
        put_arrow(a, s, out);
    }
    sw_ladder_end(c, note);
    put_between(a, c->len ? "" : "no segment is known", out);
    fprintf(out, "%*s%s\n", STATE + 1, "", note);
}
