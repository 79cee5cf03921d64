/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is typed behind `/`: words, of which all must hold.
 *
 *     port:443 src:10.0.0.0/8 not-net:fe80::/10     as the options of these names
 *     state:ESTABLISHED,S1                          as --state, in any case of letters
 *     10.66.                                        in the text of both ends, "CLIENT -> SERVER"
 */
#ifndef SW_TOP_FILTER_H
#define SW_TOP_FILTER_H

#include "output/filter.h"
#include "top/conn.h"

#define SW_TOP_FILTER_TEXT 128
#define SW_TOP_FILTER_WORDS 8

struct sw_top_filter {
    struct sw_filter of;
    int words;
    char word[SW_TOP_FILTER_WORDS][SW_TOP_FILTER_TEXT]; /* in lower case */
};

/* 0, or -EINVAL and a line in why. */
int sw_top_filter_parse(const char *text, struct sw_top_filter *ret, char *why, size_t size);
bool sw_top_filter_match(const struct sw_top_filter *f, const struct sw_top_conn *c);
bool sw_top_conn_match(const struct sw_filter *filter, const struct sw_top_conn *c);

#endif
