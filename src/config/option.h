/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One row describes one option: the parser, --help, the man page and the completions of the shells are all made of it.
 * A new option is a new row, in the table of its command (src/cmd), of run and replay (options.c) or of the guard
 * (guard_options.c), and its field in the struct that the table fills; then `make options`.
 */
#ifndef SW_CONFIG_OPTION_H
#define SW_CONFIG_OPTION_H

#include "config/usage.h"

#include <linux/types.h>

enum sw_option_type {
    SW_OPT_SET,     /* bool or __u8: given, it is 1 */
    SW_OPT_CLEAR,   /* bool or __u8: given, it is 0 */
    SW_OPT_COUNT,   /* int: how often it was given */
    SW_OPT_SWITCH,  /* bool or __u8: on or off; on without a value */
    SW_OPT_SECONDS, /* __u64 of nanoseconds: seconds, with fractions */
    SW_OPT_NUMBER,  /* integer of any size: decimal or 0x…, with k, M or G */
    SW_OPT_BYTES,   /* the same, shown with its unit */
    SW_OPT_RING,    /* the same, a power of two, at least a page */
    SW_OPT_RATE,    /* the same, N or N/s */
    SW_OPT_CHOICE,  /* enum: one of words */
    SW_OPT_NAMES,   /* __u32, 1 << value: words joined by commas; all, none, -word leaves one out */
    SW_OPT_PARTS,   /* PART=N joined by commas: each part is a row, a SW_OPT_NUMBER */
    SW_OPT_FILE,    /* const char *: as typed; once, and not empty */
    SW_OPT_CUSTOM,  /* parse() */
};

/* What a shell offers for a value. Words, files, and metavariables PID and GROUP need nothing here. */
enum sw_complete {
    SW_COMPLETE_NOTHING,
    SW_COMPLETE_FILES,
    SW_COMPLETE_INTERFACES,
    SW_COMPLETE_PINS,
    SW_COMPLETE_PIDS,
    SW_COMPLETE_GROUPS,
};

/* A list ends with a name of NULL. */
struct sw_word {
    const char *name;
    int value;
};
/* A list from an X-macro of the contract: {SW_GUARD_MODES(SW_WORD_ITEM){0}} */
#define SW_WORD_ITEM(prefix, id, name) {name, prefix##id},

/*
 * help is one phrase without a full stop; man says more in the man page, in whole sentences. In both, words between
 * `backquotes` stand for themselves (bold, or as code), {} is the default as it would be typed, {PART} that of one
 * part, and {words} are the words. A row without {} has a default that cannot be typed: none, or not set.
 */
struct sw_option {
    const char *name; /* long; NULL ends a table */
    char letter;      /* short; 0: none */
    __u8 block;       /* of --help, within its group: 1, 2, ... with a blank line between */
    enum sw_option_type type;
    enum sw_complete complete;
    bool optional;       /* the value may be left out */
    size_t offset, size; /* SW_FIELD; CUSTOM may do without: its parser gets the whole struct */
    union {
        struct {
            double min, max;
        } seconds;
        struct {
            __u64 min, max;
        } range;
    };
    const struct sw_word *words;
    const struct sw_word *groups;  /* NAMES: words for several; value is 1 << value of each */
    const struct sw_option *parts; /* two */
    const char *noun;              /* what one of the names is called */
    /* CUSTOM: at is the field. arg is NULL if it was left out; if it is wrong: sw_option_die. */
    void (*parse)(struct sw_cli *cli, const char *arg, void *at);
    const char *arg; /* metavariable; not needed with words, parts, and where the type says it */
    const char *help, *man;
};

#define SW_FIELD(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)

/* Stores the value of arg in the struct opts that the table is about, or dies by sw_option_die. */
void sw_option_parse(struct sw_cli *cli, const struct sw_option *o, const char *arg, void *opts);

__u64 sw_option_load(const struct sw_option *o, const void *opts); /* the field as it is, of a type that is a number */
bool sw_option_has_arg(const struct sw_option *o);
/* The metavariable: arg, or what type, words and parts give, as in on|off. */
#define SW_OPTION_ARG 64
void sw_option_arg(const struct sw_option *o, char ret[SW_OPTION_ARG]);

/* For parsers of rows that are CUSTOM: a number as SW_OPT_NUMBER reads it, or sw_option_die. */
__u64 sw_arg_number(struct sw_cli *cli, const char *arg, __u64 min, __u64 max);

/* -1: it is none of them. */
int sw_word_find(const struct sw_word *words, const char *name);
const char *sw_word_name(const struct sw_word *words, int value); /* NULL: there is none */

#endif
