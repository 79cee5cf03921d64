/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SW_BASE_RANDOM_H
#define SW_BASE_RANDOM_H

#include <stddef.h>

int sw_random(void *to, size_t len); /* getrandom. 0 or -errno */

#endif
