/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The key file while the daemon runs: looked at once a second, and read again when it has changed. */
#ifndef SW_GUARD_KEY_FILE_H
#define SW_GUARD_KEY_FILE_H

#include "guard/guard_state.h"

/* With a key file, at g->next_key: a changed file, the next key. */
void sw_guard_key_file_tick(struct sw_guard_runtime *g, __u64 now);

/* SIGHUP: these were read. Logs nothing. 0 or -errno. */
int sw_guard_key_file_reload(struct sw_guard_runtime *g, struct sw_key_set *set);
/* This line was logged: if it is about the key file it is not logged again. */
void sw_guard_key_file_warned(struct sw_guard_runtime *g, const char *error);

/* At the start: no key counts yet, so this host may be alone with the one that it uses. */
void sw_guard_key_file_report(const struct sw_guard_runtime *g);

#endif
