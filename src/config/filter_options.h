/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of filters: the same for what is followed (run, replay, filter) and for what is shown (flows). */
#ifndef SW_CONFIG_FILTER_OPTIONS_H
#define SW_CONFIG_FILTER_OPTIONS_H

#include "config/command.h"
#include "output/filter.h"

extern const struct sw_option_group sw_rules_group; /* about a struct sw_filter_rules: what is followed, or shown */
extern const struct sw_option_group sw_view_group;  /* about a struct sw_filter: what only a view can ask */

#endif
