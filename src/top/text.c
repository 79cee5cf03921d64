/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/text.h"

#include <stdio.h>
#include <string.h>

void sw_top_clean(const char *in, size_t len, char *buf, size_t size)
{
    size_t n = 0;

    for (; n < len && n + 1 < size && in[n]; n++)
        buf[n] = in[n] >= ' ' && in[n] < 0x7f ? in[n] : '?';
    buf[n] = 0;
}

void sw_top_fit_text(const char *text, int width, char *buf)
{
    int len = (int)strlen(text), head = (width - 1) / 2, tail = width - 1 - head;

    if (len <= width)
        memcpy(buf, text, len + 1);
    else
        snprintf(buf, width + 1, "%.*s~%s", head, text, text + len - tail);
}
