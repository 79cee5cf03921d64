/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `make options` writes: lists of options and completions, from the commands' tables. */
#ifndef SW_TESTS_OPTION_DOCS_H
#define SW_TESTS_OPTION_DOCS_H

#include "cmd/cmd.h"
#include "config/option_text.h"

void docs_man(void);
void docs_bash(void);
void docs_zsh(void);
void docs_fish(void);
void docs_dict(void);

/* The comment that a whole file begins with: its licence, and where it comes from. */
void docs_head(void);

#define EACH_COMMAND(c) for (const struct sw_command *const *c = sw_commands; *(c); (c)++)
#define EACH_GROUP(c, i) for (int i = 0; (i) < SW_GROUPS_MAX && (c)->groups[i].group; (i)++)
#define EACH_ROW(group, o) for (const struct sw_option *o = (group)->rows; (o)->name; (o)++)

/* The commands that take the group, this many at most. How many. */
enum { SW_USERS_MAX = 24 };
size_t docs_users(const struct sw_option_group *group, const struct sw_command *ret[SW_USERS_MAX]);
/* Help or man with the defaults of these commands, to be freed; ends the program if there is no memory. */
char *docs_text(const struct sw_option *o, const char *text, const struct sw_option_group *group,
                const struct sw_command *const *commands, size_t len);
/* Help of one command without backquotes. To be freed. */
char *docs_plain(const struct sw_option *o, const struct sw_option_group *group, const struct sw_command *command);

bool docs_value_needed(const struct sw_option *o); /* the next word is its value */

/* "run:-i | run:--interface", and so on for each command that has the row: a pattern of case. */
void docs_pattern(const struct sw_option *o, const struct sw_option_group *group, const char *quote,
                  const char *between);
/* What a shell offers for the value, besides words. */
enum sw_complete docs_complete(const struct sw_option *o);
/* The words that a value may be or begin with. */
bool docs_has_words(const struct sw_option *o);
void docs_words(const struct sw_option *o);

/* Prints s for between single quotes; escaped stands for a quote, chars are those that take a backslash. */
void docs_escape(const char *s, const char *escaped, const char *chars);

#endif
