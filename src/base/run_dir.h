/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where running instances have their files, and the locks of starts and lists. */
#ifndef SW_BASE_RUN_DIR_H
#define SW_BASE_RUN_DIR_H

#define SW_RUN_DIR "/run/synward"

#endif
