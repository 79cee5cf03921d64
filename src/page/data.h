/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The numbers of the page, as JSON for its scripts: docs/report.md has no promise about it, the page is the interface.
 */
#ifndef SW_PAGE_DATA_H
#define SW_PAGE_DATA_H

#include "page/tally.h"

#include <stdio.h>

void sw_page_data(struct sw_tally *t, const char *const *files, FILE *out);

/* Any bytes as a JSON string that also may stand within <script>. */
void sw_page_string(const char *text, FILE *out);

#endif
