/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "join/show.h"

#include "output/text_fmt.h"
#include "output/text_row.h"

#include <string.h>

/* verdict, a blank, both ends, a blank, uid */
#define VERDICT 14
#define ENDS (SW_TEXT_COLUMNS - VERDICT - 2 - SW_UID_LEN)

static const char *const side_text[2] = {"originator", "responder"};

bool sw_join_fits(const struct sw_join_result *r)
{
    for (int i = 0; i < SW_JOIN_FILES; i++)
        if (r->view[i] && r->view[i]->fits)
            return true;
    return false;
}

static void put_view(const char *head, const struct sw_join_view *v, FILE *out)
{
    struct sw_text_end end[2];
    char text[2 * 64];

    for (int side = SW_ORIG; side <= SW_RESP; side++)
        end[side] = (struct sw_text_end){.ip = v->ip[side], .port = v->port[side]};
    *sw_text_pair(text, end, ENDS) = 0;
    fprintf(out, "%-*s %-*s %s\n", VERDICT, head, ENDS, text, v->uid);
}

static const char *number(__u64 v, sw_text_value buf)
{
    if (v == SW_JOIN_NONE)
        return "none";
    return sw_text_count(v, buf);
}

/* RST, FIN and what belongs to the handshake: one of both saw it. */
static void put_seen(char *p, size_t room, const struct sw_join_fact *f, const char letter[2])
{
    static const char *const name[] = {[SW_JOIN_RST] = "a RST of the ",
                                       [SW_JOIN_FIN] = "a FIN of the ",
                                       [SW_JOIN_SYNACK] = "the SYN-ACK of the ",
                                       [SW_JOIN_ACK] = "the handshake's last ACK, of the "};
    const bool first = f->value[0];

    snprintf(p, room, "%c saw %s%s, %c did not: %s between", letter[!first], name[f->what], side_text[f->side],
             letter[first], f->kind == SW_VERDICT_RESET ? "made" : "lost");
}

static void put_rewritten(char *p, size_t room, const struct sw_join_fact *f, const char letter[2])
{
    static const char *const name[] = {"MSS", "window scale", "SACK", "timestamps", "ECN", "Fast Open", "MPTCP"};
    static const char *const flag[] = {"no", "yes"};
    sw_text_value buf[2];
    const char *value[2];

    if (f->what == SW_JOIN_ISN) {
        snprintf(p, room, "ISN of the %s: %llu at %c, %llu at %c", side_text[f->side], f->value[0], letter[0],
                 f->value[1], letter[1]);
        return;
    }
    for (int i = 0; i < 2; i++) {
        const bool is_flag = (f->what == SW_JOIN_OPT_SACK || f->what == SW_JOIN_OPT_TS || f->what == SW_JOIN_OPT_MPTCP);

        value[i] = is_flag && f->value[i] < 2 ? flag[f->value[i]] : number(f->value[i], buf[i]);
    }
    snprintf(p, room, "%s of the %s: %s at %c, %s at %c", name[f->what - SW_JOIN_OPT_MSS], side_text[f->side], value[0],
             letter[0], value[1], letter[1]);
}

static void put_numbers(char *p, size_t room, const struct sw_join_pair *pair, const struct sw_join_fact *f,
                        const char letter[2])
{
    const bool swapped = f->value[1] > f->value[0];
    const char more = letter[swapped], fewer = letter[!swapped];
    sw_text_value buf[2];
    const char *most = sw_text_count(f->value[swapped], buf[0]), *least = sw_text_count(f->value[!swapped], buf[1]);
    sw_text_value span[3];

    if (f->what == SW_JOIN_BYTES && f->kind == SW_VERDICT_SWALLOWED)
        snprintf(p, room, "%s bytes of the %s passed %c, %s arrived at %c", most, side_text[f->side], more, least,
                 fewer);
    else if (f->what == SW_JOIN_BYTES)
        snprintf(p, room, "%s bytes of the %s at %c, %s at %c: added between", most, side_text[f->side], more, least,
                 fewer);
    else if (f->what == SW_JOIN_DATA)
        snprintf(p, room, "data of the %s was sent again: %s bytes passed %c, %s %c", side_text[f->side], most, more,
                 least, fewer);
    else if (f->what == SW_JOIN_HANDSHAKE)
        snprintf(p, room, "SYN to SYN-ACK: %s at %c, %s at %c; round trip between: %s",
                 sw_text_span(f->value[swapped], span[0]), more, sw_text_span(f->value[!swapped], span[1]), fewer,
                 sw_text_span(pair->facts.between, span[2]));
    else
        snprintf(p, room, "%s was sent again: %s at %c, %s at %c", f->what == SW_JOIN_SYN ? "SYN" : "SYN-ACK", most,
                 more, least, fewer);
}

void sw_join_sentence(const struct sw_join_pair *pair, const struct sw_join_fact *f, char buf[SW_JOIN_SENTENCE])
{
    const char letter[2] = {sw_join_letter(pair->file[0]), sw_join_letter(pair->file[1])};

    switch (f->what) {
    case SW_JOIN_RST:
    case SW_JOIN_FIN:
    case SW_JOIN_ACK: put_seen(buf, SW_JOIN_SENTENCE, f, letter); break;
    case SW_JOIN_SYNACK:
        if (f->kind == SW_VERDICT_SWALLOWED)
            put_seen(buf, SW_JOIN_SENTENCE, f, letter);
        else
            put_numbers(buf, SW_JOIN_SENTENCE, pair, f, letter);
        break;
    case SW_JOIN_BYTES:
    case SW_JOIN_SYN:
    case SW_JOIN_DATA:
    case SW_JOIN_HANDSHAKE: put_numbers(buf, SW_JOIN_SENTENCE, pair, f, letter); break;
    default: put_rewritten(buf, SW_JOIN_SENTENCE, f, letter);
    }
}

/* What would have to be known for the fact to be certain. */
static void put_doubt(const struct sw_join_result *r, const struct sw_join_pair *pair, const struct sw_join_fact *f,
                      FILE *out)
{
    const struct sw_join_view *a = r->view[pair->file[0]], *b = r->view[pair->file[1]];
    /* the one that lacks it: of bytes and the like that with fewer */
    const int lacks = f->value[1] < f->value[0];
    const char who = sw_join_letter(pair->file[lacks]), other = sw_join_letter(pair->file[!lacks]);
    sw_text_value span[2];

    switch (f->doubt) {
    case SW_DOUBT_DIRECTION: fprintf(out, "    no proof: it is not known which of them is nearer to whom\n"); break;
    case SW_DOUBT_ENDED:
        fprintf(out, "    no proof: %c was watched for %s, at %c it lasted %s\n", who,
                sw_text_span(sw_join_watched(lacks ? b : a), span[0]), other,
                sw_text_span((lacks ? a : b)->duration, span[1]));
        break;
    case SW_DOUBT_ONE_SIDED: fprintf(out, "    no proof: %c saw nothing at all of that side\n", who); break;
    case SW_DOUBT_HOLES: fprintf(out, "    no proof: %c has not seen all that arrived\n", who); break;
    case SW_DOUBT_GUARD: fprintf(out, "    no proof: the guard at %c dropped segments then\n", who); break;
    case SW_DOUBT_SENT_AGAIN: fprintf(out, "    no proof: it was sent again, and not all are alike\n"); break;
    case SW_DOUBT_HISTORY: fprintf(out, "    no proof: the history at %c is not whole\n", who); break;
    default: break;
    }
}

static void put_hole(unsigned int file, const struct sw_hole *h, FILE *out)
{
    const char who = sw_join_letter(file);
    sw_text_value buf;
    const char *n = sw_text_count(h->count, buf);

    fprintf(out, "  not in %c", who);
    switch (h->kind) {
    case SW_HOLE_NONE: fprintf(out, ", which lost nothing then: it did not come by there\n"); break;
    case SW_HOLE_WINDOW: fprintf(out, " within the window: it may be farther off\n"); break;
    case SW_HOLE_NO_STATS: fprintf(out, ", of which no stats line after it says what it followed\n"); break;
    case SW_HOLE_AMBIGUOUS: fprintf(out, ", which has one that may be this one, or another\n"); break;
    case SW_HOLE_CLOCK:
        fprintf(out, ", whose clock %s\n", h->count ? "was set then" : "is not known: nothing is in both files");
        break;
    case SW_HOLE_UNFOLLOWED: fprintf(out, ", which did not follow %s segments: its filter, or guard\n", n); break;
    case SW_HOLE_MIDSTREAM: fprintf(out, ", which picked up %s connections midstream then\n", n); break;
    case SW_HOLE_OPEN:
        if (h->count)
            fprintf(out, ", where %s connections that began then are open\n", n);
        else
            fprintf(out, ", where it may be open: that logs no openings\n");
        break;
    case SW_HOLE_BEFORE: fprintf(out, ", which begins later\n"); break;
    case SW_HOLE_AFTER: fprintf(out, ", which ends before\n"); break;
    case SW_HOLE_RESTART: fprintf(out, ", which was restarted meanwhile\n"); break;
    case SW_HOLE_BROKEN: fprintf(out, ", of which %s lines cannot be read or have no seq\n", n); break;
    case SW_HOLE_SAMPLED: fprintf(out, ", which is a sample, one of %s connections\n", n); break;
    case SW_HOLE_LOSS: fprintf(out, ", which lost %s openings and connections then\n", n); break;
    default: fprintf(out, ", which lacks %s lines then (a gap in seq)\n", n);
    }
}

void sw_join_text(const struct sw_join_result *r, FILE *out)
{
    char head[VERDICT + 1], sentence[SW_JOIN_SENTENCE];
    bool first = true;

    for (unsigned int i = 0; i < SW_JOIN_FILES; i++) {
        if (!r->view[i] || (!first && r->verdict == SW_VERDICT_AGREE)) /* then one line is enough */
            continue;
        if (first)
            snprintf(head, sizeof(head), "%s", sw_join_verdict_name(r->verdict));
        else
            snprintf(head, sizeof(head), "  at %c", sw_join_letter(i));
        put_view(head, r->view[i], out);
        first = false;
    }
    for (unsigned int i = 0; i < r->pairs; i++)
        for (size_t k = 0; k < r->pair[i].facts.len; k++) {
            sw_join_sentence(&r->pair[i], &r->pair[i].facts.fact[k], sentence);
            fprintf(out, "  %s\n", sentence);
            put_doubt(r, &r->pair[i], &r->pair[i].facts.fact[k], out);
        }
    if (r->ambiguous)
        fprintf(out, "  no proof: more lines than these fit by one initial sequence number\n");
    for (unsigned int i = 0; i < SW_JOIN_FILES; i++)
        if (r->missing & 1u << i)
            put_hole(i, &r->hole[i], out);
}

/* A file's name may be any bytes: what is not printable ASCII would be a command to the terminal, or more columns. */
#define NAME 50
static const char *shown_name(const char *name, char buf[NAME + 1])
{
    size_t i;

    for (i = 0; i < NAME && name[i]; i++)
        buf[i] = name[i] >= ' ' && name[i] < 0x7f ? name[i] : '?';
    buf[i] = 0;
    return buf;
}

static void put_clock(const struct sw_join *j, unsigned int file, FILE *out)
{
    const __u64 apart = sw_join_apart(j, file);
    sw_text_value buf;

    if (apart == SW_JOIN_NONE)
        fprintf(out, "   its clock: not known, no connection of it is in another file by both ISNs\n");
    else if (apart > j->opts.slack)
        fprintf(out, "   its clock: up to %s from another file's\n", sw_text_span(apart, buf));
}

void sw_join_text_summary(const struct sw_join *j, const char *const *names, FILE *out)
{
    __u64 all = 0;
    char name[NAME + 1];

    for (int i = 0; i < SW_VERDICT_MAX; i++)
        all += j->verdict[i];
    fprintf(out, "\n%llu connections", all);
    for (int i = SW_VERDICT_MAX - 1; i >= 0; i--)
        if (j->verdict[i])
            fprintf(out, "\n  %-14s %llu", sw_join_verdict_name(i), j->verdict[i]);
    fputc('\n', out);
    for (unsigned int i = 0; i < j->opts.files; i++) {
        const struct sw_join_file *f = &j->file[i];
        const struct sw_coverage *c = &f->coverage;

        fprintf(out, "%c: %s, host %.20s\n", sw_join_letter(i), shown_name(names[i], name), *f->host ? f->host : "?");
        fprintf(out, "   %llu lines, %llu conn; lost: %llu by its loss lines, %llu more by seq\n", c->lines, f->conns,
                c->lost_conn, c->missing);
        if (c->restarts)
            fprintf(out, "   restarted %llu times\n", c->restarts);
        if (f->without_isn)
            fprintf(out, "   not joinable: %llu without an initial sequence number\n", f->without_isn);
        put_clock(j, i, out);
        if (f->doubles || f->again)
            fprintf(out, "   left out: %llu second views, %llu lines logged again\n", f->doubles, f->again);
    }
}
