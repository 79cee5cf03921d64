/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The place of pins: /sys/fs/bpf/synward/NAME, a directory of root's alone for each set. */
#ifndef SW_LOADER_PINFS_H
#define SW_LOADER_PINFS_H

#include <stdbool.h>
#include <stddef.h>

#define SW_PIN_ROOT "/sys/fs/bpf/synward"
#define SW_PIN_NAME 65  /* with its end */
#define SW_PIN_PATH 192 /* of one pin */

bool sw_pin_name_ok(const char *name); /* letters, digits, _ + - : the BPF file system takes no dots */
/* The interfaces' names, sorted, joined by +, dots as _. -ENAMETOOLONG. */
int sw_pin_name_of(const char *const *ifaces, size_t len, char ret[SW_PIN_NAME]);

/* The file system is there, or is mounted (ret_mounted), and takes pins: 0, or -errno with a line of text. */
int sw_pinfs_ready(bool *ret_mounted, char *error, size_t error_size);

bool sw_pinfs_has(const char *name); /* there is such a directory, and only root can have made it */
int sw_pinfs_make(const char *name); /* 0 or -errno */
void sw_pinfs_path(const char *name, const char *file, char ret[SW_PIN_PATH]);

/* Unpins everything in the directory, and removes it and an empty root. 0 or -errno. */
int sw_pinfs_remove(const char *name);

/* Calls fn for each set until it returns non-zero, which is returned. No file system, no sets. */
int sw_pinfs_walk(int (*fn)(const char *name, void *ctx), void *ctx);

#endif
