/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SW_OUTPUT_TORN_LINE_H
#define SW_OUTPUT_TORN_LINE_H

/* A synward that was killed may have left half a line at the end of the file that ours go on in (>>). It is told
 * again, so a JSON one is taken away; anything else gets its newline. Best effort: what is no such file stays. */
void sw_tail_mend(int fd);

#endif
