/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What whoever runs it adds to each line: a few keys with text, kept as the JSON that lines have. */
#ifndef SW_OUTPUT_LABELS_H
#define SW_OUTPUT_LABELS_H

#include <stddef.h>

#define SW_LABELS_MAX 16
#define SW_LABEL_KEY 63    /* characters */
#define SW_LABELS_LEN 4096 /* bytes of all, as JSON: each line has them */
#define SW_LABELS_WHY 200

struct sw_labels {
    size_t count, len;
    char json[SW_LABELS_LEN]; /* "dc":"fra1","rack":"r7", not terminated */
};

/*
 * One more, "KEY=VALUE". The key is letters, digits and '_', and begins with no digit: so it is one in Prometheus and
 * in SQL, too. The value is any text, also none; it is escaped here. 0, or -EINVAL and a line in why.
 */
int sw_labels_add(struct sw_labels *labels, const char *text, char why[SW_LABELS_WHY]);

#endif
