/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SW_OUTPUT_TORN_LINE_H
#define SW_OUTPUT_TORN_LINE_H

#include "output/line.h"

/* A killed synward may have left half a line at the end of the file that is appended to (>>). The event is logged
 * again, so its beginning is removed, where it is one of this format; other text gets a newline. Best effort: other
 * files are not changed. */
void sw_torn_line_repair(int fd, enum sw_format format);

#endif
