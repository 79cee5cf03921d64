/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A row as text: its default, its help with the defaults filled in. */
#ifndef SW_CONFIG_OPTION_TEXT_H
#define SW_CONFIG_OPTION_TEXT_H

#include "config/command.h"

/* The value in opts, which the table is about, as it would be typed. False, and an empty text: it cannot be typed. */
#define SW_OPTION_VALUE 64
bool sw_option_value(const struct sw_option *o, const void *opts, char ret[SW_OPTION_VALUE]);

/* A zeroed struct with the defaults of the command. To be freed; NULL: no memory. */
void *sw_command_defaults(const struct sw_command *command);

/* text is help or man of a row of the group: {} is filled in from these commands' defaults; backquotes are kept. To be
 * freed; NULL: no memory. */
char *sw_option_text(const struct sw_option *o, const char *text, const struct sw_option_group *group,
                     const struct sw_command *const *commands, size_t len);

#endif
