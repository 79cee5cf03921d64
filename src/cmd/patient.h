/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For commands that go on until a signal: it ends them between two lines, and also where nobody reads. */
#ifndef SW_CMD_PATIENT_H
#define SW_CMD_PATIENT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* A descriptor that SIGINT, SIGTERM and SIGHUP make readable, instead of ending the process; SIGPIPE is ignored. -1 */
int sw_patient_signals(void);

/* True: the time is over. False: a signal, or nobody reads standard output. */
bool sw_patient_wait(int signal_fd, __u64 ns);

/* All of it to standard output, however long that takes. *ret_done: a signal came between two lines or while nothing
 * could be written, or the reader is gone. An enum sw_exit, after a line on stderr. */
int sw_patient_write(int signal_fd, const char *data, size_t len, bool *ret_done);
/* The same, and how many bytes went out. A signal_fd of -1: no signal ends it. */
int sw_patient_write_some(int signal_fd, const char *data, size_t len, bool *ret_done, size_t *ret_written);

#endif
