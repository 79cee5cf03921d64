/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward gateway: what one shows that translates (--gateway translate), and how it is drained. */
#ifndef SW_CMD_GATEWAY_TRANSLATE_H
#define SW_CMD_GATEWAY_TRANSLATE_H

#include "loader/instance.h"

#include <stdbool.h>

/* 0 or -errno, -ENOENT: it has just ended. */
int sw_gateway_state_read(const struct sw_instance *inst, struct sw_gateway_state *ret);

/* Its connections, what has happened, and its backends. json: as keys of an object that is open. 0 or -errno. */
int sw_gateway_translate_show(const struct sw_instance *inst, bool json);

/* No more cookies from now on. 0 or -errno. */
int sw_gateway_drain_begin(const struct sw_instance *inst);

#endif
