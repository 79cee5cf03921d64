/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines for people, on stderr, each "synward: …". Only commands log; leaf code returns 0 or -errno. */
#ifndef SW_BASE_LOG_H
#define SW_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

extern bool sw_log_quiet;  /* --quiet: no sw_info */
extern int sw_log_verbose; /* -v: libbpf's and libxdp's own lines too */

__attribute__((format(printf, 1, 2))) void sw_err(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void sw_warn(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) void sw_info(const char *fmt, ...);
void sw_log_text(const char *text, size_t len); /* whole lines, as they are */
void sw_log_init(int verbose);                  /* routes libbpf's and libxdp's printers */

#endif
