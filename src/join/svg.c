/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/show.h"

#include "output/text_row.h"

#include <string.h>

/* In pixels. What one file alone has goes half the way, to a cross or from it. */
enum { LEFT = 90, RIGHT = SW_JOIN_SVG_WIDTH - LEFT, MIDDLE = SW_JOIN_SVG_WIDTH / 2, ROW = 36, HEAD = 100, FACT = 20 };

static void put_ends(const struct sw_join_result *r, unsigned int file, int y, FILE *out)
{
    const struct sw_join_view *v = r->view[file];
    struct sw_text_end end[2];
    char text[4 + 2 * 64] = {sw_join_letter(file), ':', ' '};

    for (int side = SW_ORIG; side <= SW_RESP; side++)
        end[side] = (struct sw_text_end){.ip = v->ip[side], .port = v->port[side]};
    *sw_text_pair(text + 3, end, SW_TEXT_COLUMNS) = 0;
    sw_ladder_svg_text(out, 12, y, "start", "", text);
}

static void put_arrow(const struct sw_join_step *at, int y, FILE *out)
{
    const bool goes_right = at->step->from == SW_ORIG;
    const int way = goes_right ? 1 : -1;
    /* half the way on the side of who has it, a little more: the label is there */
    const int left = at->left ? LEFT : MIDDLE - 60, right = at->right ? RIGHT : MIDDLE + 60;
    const int from = goes_right ? left : right, to = (goes_right ? right : left) - 2 * way;
    const bool arrives = goes_right ? at->right : at->left, begins = goes_right ? at->left : at->right;
    const int cross = at->left ? right : left;
    char label[SW_LADDER_LABEL];
    sw_text_value span;

    sw_ladder_label(at->step, 44, label);
    fprintf(out, "<path class=\"arrow%s\" d=\"M%d,%d H%d", at->step->flags & SW_TCP_RST ? " rst" : "", from, y, to);
    if (arrives)
        fprintf(out, " M%d,%d L%d,%d L%d,%d", to - 9 * way, y - 5, to, y, to - 9 * way, y + 5);
    if (!arrives || !begins)
        fprintf(out, " M%d,%d l10,10 m0,-10 l-10,10", cross - 5, y - 5);
    fprintf(out, "\"/>\n");
    sw_ladder_svg_text(out, (left + right) / 2, y - 6, "middle", "", label);
    if (at->left)
        sw_ladder_svg_text(out, LEFT - 8, y + 4, "end", "soft", sw_text_span(at->left->ns, span));
    if (at->right)
        sw_ladder_svg_text(out, RIGHT + 8, y + 4, "start", "soft", sw_text_span(at->right->ns, span));
}

int sw_join_svg(const struct sw_join_result *r, int top, FILE *out)
{
    struct sw_join_step at = {0};
    struct sw_join_ladders l;
    char text[SW_JOIN_SENTENCE] = {0}, fact[SW_JOIN_SENTENCE + 16];
    int y = top + HEAD;

    if (!sw_join_ladders_of(r, &l))
        return 0;
    sw_ladder_svg_text(out, 12, top + 22, "start", "soft", r->view[l.file[0]]->uid);
    sw_ladder_svg_text(out, SW_JOIN_SVG_WIDTH - 12, top + 22, "end", "", sw_join_verdict_name(r->verdict));
    for (int i = 0; i < 2; i++) {
        put_ends(r, l.file[i], top + 42 + 18 * i, out);
        text[0] = sw_join_letter(l.file[i]);
        sw_ladder_svg_text(out, i ? RIGHT : LEFT, top + 82, "middle", "", text);
    }
    while (sw_join_step(&l, &at)) {
        y += ROW;
        put_arrow(&at, y - ROW / 2 + 10, out);
    }
    for (int x = LEFT; x <= RIGHT; x += RIGHT - LEFT)
        fprintf(out, "<line class=\"line\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", x, x, top + 90, y + 10);
    y += 16;
    for (size_t i = 0; i < l.pair->facts.len; i++) {
        sw_join_sentence(l.pair, &l.pair->facts.fact[i], text);
        snprintf(fact, sizeof(fact), "%s%s", text, l.pair->facts.fact[i].doubt ? " (no proof)" : "");
        y += FACT;
        sw_ladder_svg_text(out, MIDDLE, y, "middle", "", fact);
    }
    return y + FACT - top;
}
