/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text that a terminal can be given. Names come from files, interfaces and lines of others. */
#ifndef SW_TOP_TEXT_H
#define SW_TOP_TEXT_H

#include <stddef.h>

/* Any bytes as printable ASCII: what is none becomes '?'. Ends at a zero or after `len`; at most size - 1 characters.
 */
void sw_top_clean(const char *in, size_t len, char *buf, size_t size);

/* At most `width` characters of a text, which loses its middle: "[2001:db8:~5678]:443". */
void sw_top_fit_text(const char *text, int width, char *buf);

#endif
