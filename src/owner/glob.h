/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A pattern with '*' (any bytes, none too) and '?' (one byte), in time that its length and the text's bound. Pure. */
#ifndef SW_OWNER_GLOB_H
#define SW_OWNER_GLOB_H

#include <stdbool.h>

bool sw_glob_match(const char *pattern, const char *text);

#endif
