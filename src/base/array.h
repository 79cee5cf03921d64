/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arrays that grow. */
#ifndef SW_BASE_ARRAY_H
#define SW_BASE_ARRAY_H

#include <stddef.h>

#define SW_ARRAY_FIRST 64

/*
 * The array with room for `need` elements at least, which may have moved; *room is for how many. It doubles, from
 * SW_ARRAY_FIRST. NULL: no memory, and the array at `at` is unchanged.
 */
void *sw_array_room(void *at, size_t *room, size_t need, size_t size);

#endif
