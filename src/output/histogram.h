/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A histogram for people: its quantiles, and a picture of it. */
#ifndef SW_OUTPUT_HISTOGRAM_H
#define SW_OUTPUT_HISTOGRAM_H

#include "synward_histogram.h"

#include <stdbool.h>
#include <stdio.h>

__u64 sw_histogram_count(const struct sw_histogram *h);

/* What this share of the values does not exceed, 0 to 1: the middle of its bucket, at most a sixteenth off; 0 if there
 * are none. */
__u64 sw_histogram_quantile(const struct sw_histogram *h, double share);

/* Handshakes that completed and have no value of this kind; 0 of what a connection has at its end. */
__u64 sw_histogram_unmeasured(const struct sw_histogram_set *set, int kind);

/* What is in `now` and was not in `before`. A server that began anew has all of `now`. */
void sw_histogram_set_since(const struct sw_histogram_set *now, const struct sw_histogram_set *before,
                            struct sw_histogram_set *ret);

/* Powers of two as bcc's tools print them, in 80 columns, from the first that holds a value to the last. */
void sw_histogram_print(const struct sw_histogram *h, const char *unit, FILE *f);

/* Whose they are, in 80 columns: "role server, 10.0.0.1:80". */
void sw_histogram_text_head(const struct sw_histograms *row, FILE *f);
/* One of a row, enum sw_histogram_kind: its figures and the picture; its keys, each with a comma before it. */
void sw_histogram_text(const struct sw_histograms *row, int kind, FILE *f);
void sw_histogram_json(const struct sw_histograms *row, int kind, FILE *f);

#endif
