/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/array.h"

#include <stdlib.h>

void *sw_array_room(void *at, size_t *room, size_t need, size_t size)
{
    size_t more = *room ? *room : SW_ARRAY_FIRST;
    void *moved;

    if (need <= *room)
        return at;
    while (more < need)
        more *= 2;
    moved = reallocarray(at, more, size);
    if (moved)
        *room = more;
    return moved;
}
