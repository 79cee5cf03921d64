/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "owner/glob.h"

#include <stddef.h>

/* What the last '*' takes grows until the rest fits: those before it need not be tried again. */
bool sw_glob_match(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
