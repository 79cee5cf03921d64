/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who gets a place when there are more listeners than places, in the table of services or in the chain of a port. Any
 * user can open listeners without number on ports that need no privilege. So who has a place keeps it, but one of a
 * higher class takes it, and a user with few places that of a user with many. Pure.
 */
#ifndef SW_GUARD_SERVICE_SHARE_H
#define SW_GUARD_SERVICE_SHARE_H

#include <linux/types.h>
#include <stddef.h>

enum { SW_SHARE_PART = 4 }; /* a user's share is this part of all places */

enum sw_share_class {
    SW_SHARE_FREE,  /* the place is free */
    SW_SHARE_GONE,  /* its listener went away */
    SW_SHARE_USER,  /* what any user can open */
    SW_SHARE_ROOT,  /* of user 0 */
    SW_SHARE_PORT,  /* on a port that needs a privilege */
    SW_SHARE_NAMED, /* named by --protect with its address, or without a listener */
};

struct sw_share_place {
    __u32 uid;
    __u32 born; /* the greater, the younger; of equal ones the last */
    enum sw_share_class class;
};

struct sw_share_newcomer {
    size_t index; /* the caller's */
    __u32 uid;
    enum sw_share_class class;
    size_t before; /* result: places of its uid, and newcomers of it that come first; 0 for a class above USER */
};

/* Sorts newcomers: by class, the highest first; then who has the fewest places; then by index. */
void sw_share_order(struct sw_share_newcomer *newcomers, size_t len, const struct sw_share_place *places,
                    size_t places_len);

/*
 * All places are taken: the one that the newcomer gets, or -1. Of the lowest class below its own the youngest place
 * of the uid that has most; or, if its uid has less than its share (`before` says how many), that of a user over it.
 */
int sw_share_victim(const struct sw_share_place *places, size_t len, const struct sw_share_newcomer *newcomer);

/* How many places of this class the uid has that has most; its uid. 0: there is none. */
size_t sw_share_most(const struct sw_share_place *places, size_t len, enum sw_share_class class, __u32 *ret_uid);

/* Those of class USER that this uid has. */
size_t sw_share_held(const struct sw_share_place *places, size_t len, __u32 uid);

#endif
