/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ladder/conn.h"

#include "base/fmt.h"
#include "output/names.h"
#include "output/text_fmt.h"

#include <string.h>

/* In pixels. Between two arrows there is room for the time. */
enum { WIDTH = 760, LEFT = 150, RIGHT = WIDTH - LEFT, MIDDLE = WIDTH / 2, ROW = 44, HEAD = 84, FOOT = 44, GAP = 24 };

static const char style[] =
    "<style>\n"
    "svg{background:#fff;color:#1c2128;font:13px ui-monospace,Menlo,Consolas,\"DejaVu Sans Mono\",monospace}\n"
    "text{fill:currentColor}.soft{fill:#59636e}.line{stroke:#8c959f;stroke-width:2}\n"
    ".arrow{stroke:#0757b8;fill:none;stroke-width:1.7;stroke-linecap:round;stroke-linejoin:round}\n"
    ".rst{stroke:#c2281d}\n"
    "@media(prefers-color-scheme:dark){svg{background:#14171c;color:#e6e9ee}.soft{fill:#9aa5b1}\n"
    ".line{stroke:#59636e}.arrow{stroke:#6cb0ff}.rst{stroke:#ff8078}}\n"
    "</style>\n";

/* Text of ours, with what is special in XML escaped all the same. */
void sw_ladder_svg_text(FILE *out, int x, int y, const char *anchor, const char *kind, const char *text)
{
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\"%s%s%s>", x, y, anchor, *kind ? " class=\"" : "", kind,
            *kind ? "\"" : "");
    for (; *text; text++) {
        switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        default: putc(*text, out);
        }
    }
    fputs("</text>\n", out);
}

static void put_end(const struct sw_ladder_conn *c, int side, int y, FILE *out)
{
    char end[SW_SERVICE_TEXT];

    *sw_put_endpoint(end, c->ip[side], c->port[side]) = 0;
    sw_ladder_svg_text(out, side == SW_ORIG ? 12 : WIDTH - 12, y, side == SW_ORIG ? "start" : "end", "", end);
}

static void put_arrow(const struct sw_ladder_step *s, int y, FILE *out)
{
    const int from = s->from == SW_ORIG ? LEFT : RIGHT, way = s->from == SW_ORIG ? 1 : -1;
    const int to = (s->from == SW_ORIG ? RIGHT : LEFT) - 2 * way;
    char label[SW_LADDER_LABEL];

    sw_ladder_label(s, 54, label);
    fprintf(out, "<path class=\"arrow%s\" d=\"M%d,%d H%d M%d,%d L%d,%d L%d,%d\"/>\n",
            s->flags & SW_TCP_RST ? " rst" : "", from, y, to, to - 9 * way, y - 5, to, y, to - 9 * way, y + 5);
    sw_ladder_svg_text(out, MIDDLE, y - 6, "middle", "", label);
    sw_ladder_svg_text(out, LEFT - 8, y + 4, "end", "", sw_name_state(s->state[SW_ORIG])->text);
    sw_ladder_svg_text(out, RIGHT + 8, y + 4, "start", "", sw_name_state(s->state[SW_RESP])->text);
}

static int height_of(const struct sw_ladder_conn *c)
{
    return HEAD + (int)(c->len ? c->len : 1) * ROW + FOOT;
}

static void put_conn(const struct sw_ladder_conn *c, int top, FILE *out)
{
    const int bottom = top + height_of(c) - FOOT;
    char note[SW_LADDER_NOTE];

    sw_ladder_svg_text(out, 12, top + 22, "start", "soft", c->uid);
    sw_ladder_began(c, note);
    sw_ladder_svg_text(out, WIDTH - 12, top + 22, "end", "soft", note);
    put_end(c, SW_ORIG, top + 44, out);
    put_end(c, SW_RESP, top + 44, out);
    sw_ladder_missing(c, note);
    sw_ladder_svg_text(out, MIDDLE, top + 66, "middle", "soft", note);
    for (int side = SW_ORIG; side <= SW_RESP; side++)
        fprintf(out, "<line class=\"line\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", side == SW_ORIG ? LEFT : RIGHT,
                side == SW_ORIG ? LEFT : RIGHT, top + 54, bottom);
    for (size_t i = 0; i < c->len; i++) {
        const struct sw_ladder_step *s = &c->step[i];
        const int y = top + HEAD + (int)i * ROW + ROW / 2;

        put_arrow(s, y, out);
        if (!i)
            continue;
        *sw_text_duration(note, s->ns > c->step[i - 1].ns ? s->ns - c->step[i - 1].ns : 0) = 0;
        sw_ladder_svg_text(out, LEFT + 10, y - ROW / 2 + 4, "start", "soft", note);
    }
    sw_ladder_end(c, note);
    sw_ladder_svg_text(out, MIDDLE, bottom + 22, "middle", "", note);
}

void sw_ladder_svg_begin(int width, int height, size_t conns, FILE *out)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-label=\"TCP control segments of %zu connection%s\">\n",
            width, height, width, height, conns, conns == 1 ? "" : "s");
    fputs(style, out);
}

void sw_ladder_svg(const struct sw_ladder_conn *conns, size_t len, FILE *out)
{
    int height = 0, top = 0;

    for (size_t i = 0; i < len; i++)
        height += height_of(&conns[i]) + (i ? GAP : 0);
    sw_ladder_svg_begin(WIDTH, height, len, out);
    for (size_t i = 0; i < len; i++) {
        put_conn(&conns[i], top, out);
        top += height_of(&conns[i]) + GAP;
    }
    fputs("</svg>\n", out);
}
