/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/show.h"

#include "base/fmt.h"
#include "output/text_fmt.h"
#include "output/text_row.h"

#include <string.h>

/*
 *      time | inner ............ | time
 *
 * On the left is the file that is nearer to the originator, so its segments go to the right.
 */
#define TIME 10
#define INNER (SW_TEXT_COLUMNS - 2 * (TIME + 1) - 2)
#define HALF 40 /* columns of an arrow that has one end */

struct art {
    const char *line, *right, *left, *bar, *cross;
};
static const struct art ascii = {"-", ">", "<", "|", "x"};
static const struct art boxes = {"\u2500", "\u25b6", "\u25c0", "\u2502", "\u00d7"};

static void repeat(FILE *out, const char *what, int n)
{
    while (n-- > 0)
        fputs(what, out);
}

/* One segment, as both files have it: numbers are relative to the ISNs, which differ where they are rewritten. */
static bool is_same(const struct sw_ladder_step *a, const struct sw_ladder_step *b)
{
    const bool acks = a->flags & SW_TCP_ACK;

    return a->from == b->from && a->flags == b->flags && a->seq == b->seq && a->len == b->len &&
           (!acks || a->ack == b->ack);
}

/* How often it is in c, from there on. */
static int copies(const struct sw_ladder_step *s, const struct sw_ladder_conn *c, size_t from)
{
    int n = 0;

    for (size_t i = from; i < c->len; i++)
        n += is_same(s, &c->step[i]);
    return n;
}

static void put_time(const struct sw_ladder_step *s, bool left, FILE *out)
{
    sw_text_value span;

    if (left)
        fprintf(out, "%*s ", TIME, s ? sw_text_span(s->ns, span) : "");
    else if (s)
        fprintf(out, " %s", sw_text_span(s->ns, span));
}

/* A segment s that both have, or that one has: a cross where its arrow ends, or begins, between them. */
static void put_arrow(const struct art *a, const struct sw_ladder_step *s, const struct sw_ladder_step *left,
                      const struct sw_ladder_step *right, FILE *out)
{
    const bool goes_right = s->from == SW_ORIG;
    char label[SW_LADDER_LABEL];
    int width = INNER, lines;

    sw_ladder_label(s, INNER - 8, label);
    if (!left || !right)
        width = (int)strlen(label) + 8 > HALF ? (int)strlen(label) + 8 : HALF;
    put_time(left, true, out);
    fputs(a->bar, out);
    if (!left)
        repeat(out, " ", INNER - width);
    lines = width - 4 - (int)strlen(label); /* an end on either side, and a blank at both sides of the label */
    fputs(goes_right ? (left ? a->line : a->cross) : (left ? a->left : a->cross), out);
    repeat(out, a->line, lines / 2);
    fprintf(out, " %s ", label);
    repeat(out, a->line, lines - lines / 2);
    fputs(goes_right ? (right ? a->right : a->cross) : (right ? a->line : a->cross), out);
    if (!right)
        repeat(out, " ", INNER - width);
    fputs(a->bar, out);
    put_time(right, false, out);
    fputc('\n', out);
}

static void put_head(const struct sw_join_result *r, const unsigned int file[2], FILE *out)
{
    const struct sw_join_view *v[2] = {r->view[file[0]], r->view[file[1]]};
    struct sw_text_end end[2];
    char text[2 * 64];

    fprintf(out, "%s%*s\n", v[0]->uid, SW_TEXT_COLUMNS - SW_UID_LEN, sw_join_verdict_name(r->verdict));
    for (int i = 0; i < 2; i++) {
        for (int side = SW_ORIG; side <= SW_RESP; side++)
            end[side] = (struct sw_text_end){.ip = v[i]->ip[side], .port = v[i]->port[side]};
        *sw_text_pair(text, end, SW_TEXT_COLUMNS - 4) = 0;
        fprintf(out, "%c: %s\n", sw_join_letter(file[i]), text);
    }
    fprintf(out, "%*s %c%*sbetween%*s%c\n", TIME, "", sw_join_letter(file[0]), (INNER - 7) / 2, "",
            INNER - 7 - (INNER - 7) / 2, "", sw_join_letter(file[1]));
}

bool sw_join_step(const struct sw_join_ladders *l, struct sw_join_step *at)
{
    const struct sw_ladder_step *x = at->i < l->left->len ? &l->left->step[at->i] : NULL;
    const struct sw_ladder_step *y = at->k < l->right->len ? &l->right->step[at->k] : NULL;

    at->left = at->right = NULL;
    if (!x && !y)
        return false;
    if (x && y && is_same(x, y)) {
        const int sent = x->from == SW_ORIG ? copies(x, l->left, at->i) : copies(x, l->right, at->k);
        const int came = x->from == SW_ORIG ? copies(x, l->right, at->k) : copies(x, l->left, at->i);

        /* sent again: what did not come were the first ones */
        at->left = sent > came && x->from == SW_RESP ? NULL : x;
        at->right = sent > came && x->from == SW_ORIG ? NULL : y;
    } else if (!x || (y && !copies(y, l->left, at->i) && (copies(x, l->right, at->k) || y->ns < x->ns))) {
        at->right = y;
    } else { /* if each is in the other, and their order differs: the left one's */
        at->left = x;
    }
    at->step = at->left ? at->left : at->right;
    at->i += at->left != NULL;
    at->k += at->right != NULL;
    return true;
}

static void put_missing(unsigned int file, const struct sw_ladder_conn *c, FILE *out)
{
    char note[SW_LADDER_NOTE];

    sw_ladder_missing(c, note);
    if (*note)
        fprintf(out, "%c: %s\n", sw_join_letter(file), note);
}

/* The pair whose fact decided. */
static const struct sw_join_pair *pair_of(const struct sw_join_result *r)
{
    const struct sw_join_pair *best = r->pairs ? &r->pair[0] : NULL;

    for (unsigned int i = 1; i < r->pairs; i++)
        if (r->pair[i].facts.len && (!best->facts.len || r->pair[i].facts.fact[0].kind > best->facts.fact[0].kind))
            best = &r->pair[i];
    return best;
}

bool sw_join_ladders_of(const struct sw_join_result *r, struct sw_join_ladders *ret)
{
    const struct sw_join_pair *pair = pair_of(r);

    if (!pair)
        return false;
    ret->pair = pair;
    ret->file[0] = pair->file[pair->facts.nearer == SW_NEARER_SECOND];
    ret->file[1] = pair->file[pair->facts.nearer != SW_NEARER_SECOND];
    ret->left = r->view[ret->file[0]]->ladder;
    ret->right = r->view[ret->file[1]]->ladder;
    return ret->left && ret->right;
}

bool sw_join_ladder(const struct sw_join_result *r, bool utf8, FILE *out)
{
    const struct art *a = utf8 ? &boxes : &ascii;
    struct sw_join_step at = {0};
    struct sw_join_ladders l;
    char sentence[SW_JOIN_SENTENCE];

    if (!sw_join_ladders_of(r, &l))
        return false;
    put_head(r, l.file, out);
    put_missing(l.file[0], l.left, out);
    put_missing(l.file[1], l.right, out);
    while (sw_join_step(&l, &at))
        put_arrow(a, at.step, at.left, at.right, out);
    for (size_t i = 0; i < l.pair->facts.len; i++) {
        sw_join_sentence(l.pair, &l.pair->facts.fact[i], sentence);
        fprintf(out, "%s%s\n", sentence, l.pair->facts.fact[i].doubt ? " (no proof)" : "");
    }
    return true;
}
