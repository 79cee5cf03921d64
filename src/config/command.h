/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Commands as data: what each is called, which options and operands it takes. */
#ifndef SW_CONFIG_COMMAND_H
#define SW_CONFIG_COMMAND_H

#include "config/option.h"

/* Options that belong together, for one command or for several. */
struct sw_option_group {
    const char *title; /* a heading of --help; NULL: continues under the previous heading */
    const char *needs; /* the option of this group without which none of the others may be given */
    const char *about; /* documents say it before the options; may be NULL */
    bool brief;        /* documents show a short table of names, defaults and man */
    const struct sw_option *rows;
    /* All is parsed: what goes together? opts is the struct that the rows are about. NULL: nothing to check. */
    void (*check)(struct sw_cli *cli, void *opts);
};

/* An argument that is not an option: what a shell offers for it. */
struct sw_operand {
    const char *name; /* NULL ends a list */
    const struct sw_word *words;
    enum sw_complete complete;
    bool repeated; /* this one and all that follow */
};

enum { SW_GROUPS_MAX = 6 };

struct sw_command {
    const char *name, *summary;
    const char *args_doc, *doc;         /* of --help; doc: \v stands where the options come */
    int (*main)(int argc, char **argv); /* argv[0] is the name; an enum sw_exit */
    size_t size;                        /* of the struct that the command line fills */
    void (*defaults)(void *opts);       /* of a zeroed struct; NULL: zeros are */
    struct {
        const struct sw_option_group *group; /* NULL ends the list */
        size_t offset;                       /* of its struct */
    } groups[SW_GROUPS_MAX];
    const struct sw_operand *operands; /* NULL: none are taken */
    /* The n-th operand, from 0. 0 or an errno. NULL: none are taken. */
    int (*operand)(struct sw_cli *cli, void *opts, unsigned int n, const char *arg);
    void (*check)(struct sw_cli *cli, void *opts, unsigned int operands); /* after those of the groups; may be NULL */
};

#endif
