/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The page: one HTML file with style, scripts and numbers in it. It loads nothing: its content security policy allows
 * its own script, by hash, and no connection. What comes from the lines is in it only as JSON, in elements that are
 * not run, with every '<' escaped; the scripts put it into text nodes.
 */
#ifndef SW_PAGE_PAGE_H
#define SW_PAGE_PAGE_H

#include "page/tally.h"

#include <stdio.h>

/* files: the names as they were given, ending with NULL. The caller looks at ferror(). Sorts, so t is not const. */
void sw_page_write(struct sw_tally *t, const char *const *files, FILE *out);

#endif
