/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The names in the dictionary of the fuzz target `options`: all of run but its own. */
#include "docs.h"

void docs_dict(void)
{
    EACH_GROUP (&sw_run_command, i) {
        if (!i)
            continue;
        EACH_ROW (sw_run_command.groups[i].group, o) {
            printf("o_");
            for (const char *p = o->name; *p; p++)
                putchar(*p == '-' ? '_' : *p);
            printf("=\"--%s=\"\n", o->name);
        }
    }
}
