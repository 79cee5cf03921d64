/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The environment of a command: ours without SYNWARD_…, and for each key of the event SYNWARD_KEY with its value.
 * Values come from strangers: all names have that prefix, so that none of them is PATH, IFS or LD_PRELOAD.
 */
#ifndef SW_WATCH_ENV_H
#define SW_WATCH_ENV_H

#include "lines/ndjson.h"

enum {
    SW_WATCH_VALUE = 1024, /* bytes of a value; what is longer is left out */
    SW_WATCH_NAME = 48,    /* of a key, of a-z, 0-9 and _ */
    SW_WATCH_VARS = 160,
};

/*
 * "SYNWARD_EVENT=guard\0…": null is the empty text, a control character '?'. A key that is no name, or is one too many,
 * is left out. In memory of the caller's; NULL: there is none.
 */
char *sw_watch_env_pack(const struct sw_line *line, size_t *ret_len);

/* For execve: pointers into both, and a NULL; freed by free(). NULL: no memory. */
char **sw_watch_env_list(char *const *ours, char *packed, size_t len);

#endif
