/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Verdicts, and the summary of all of them: for people in 80 columns, and as JSON lines (docs/schema). */
#ifndef SW_JOIN_SHOW_H
#define SW_JOIN_SHOW_H

#include "join/join.h"

#include <stdio.h>

#define SW_JOIN_SCHEMA 1

/* How a file is called: A is the first. */
static inline char sw_join_letter(unsigned int file)
{
    return (char)('A' + file);
}

/* Does the filter want it, by what any of the files says? */
bool sw_join_fits(const struct sw_join_result *r);

void sw_join_text(const struct sw_join_result *r, FILE *out);
void sw_join_text_summary(const struct sw_join *j, const char *const *names, FILE *out);
/* What a fact says, without a newline, in at most 78 columns. a, b: the views that it is about. */
#define SW_JOIN_SENTENCE 160
void sw_join_sentence(const struct sw_join_pair *pair, const struct sw_join_fact *f, char buf[SW_JOIN_SENTENCE]);

void sw_join_json(const struct sw_join_result *r, FILE *out);
void sw_join_json_summary(const struct sw_join *j, const char *const *names, FILE *out);

/*
 * Three columns: the segments at one file, how they relate, those at the other. Of the pair that decided; false, or 0:
 * one of them has no ladder.
 */
bool sw_join_ladder(const struct sw_join_result *r, bool utf8, FILE *out);
/* The same as a piece of an image, between sw_ladder_svg_begin and </svg>, from there downwards; how high it is. */
#define SW_JOIN_SVG_WIDTH 760
int sw_join_svg(const struct sw_join_result *r, int top, FILE *out);

/* What both draw. The left one is nearer to the originator, so its segments go to the right. */
struct sw_join_ladders {
    const struct sw_join_pair *pair;
    unsigned int file[2];
    const struct sw_ladder_conn *left, *right;
};
bool sw_join_ladders_of(const struct sw_join_result *r, struct sw_join_ladders *ret);

struct sw_join_step {
    size_t i, k;                               /* of either ladder, the next; 0 to begin with */
    const struct sw_ladder_step *step;         /* the segment, */
    const struct sw_ladder_step *left, *right; /* as either has it; NULL: it has it not */
};
bool sw_join_step(const struct sw_join_ladders *l, struct sw_join_step *at); /* false: there are no more */

#endif
