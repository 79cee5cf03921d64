/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The end of what a command prints on standard output. */
#ifndef SW_BASE_STDOUT_H
#define SW_BASE_STDOUT_H

/*
 * Writes what is still buffered. SW_EXIT_OK, also if the reader of a pipe went away: it has seen enough. Where the
 * output could not be written: one line, and SW_EXIT_OUTPUT.
 */
int sw_stdout_end(void);

#endif
