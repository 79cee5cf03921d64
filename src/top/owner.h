/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose the connection is whose details are shown, as it was last known: a socket that is closed is nobody's. */
#ifndef SW_TOP_OWNER_H
#define SW_TOP_OWNER_H

#include "output/text_owner.h"
#include "top/conn.h"

struct sw_top_owner {
    struct sw_key key; /* the connection */
    __u64 start_ns;
    bool process[2];             /* by enum sw_side: the text has one */
    char text[2][SW_TEXT_OWNER]; /* empty: not known */
};

bool sw_top_owner_is(const struct sw_top_owner *w, const struct sw_top_conn *c); /* of that connection */

/* o: what there is now. */
void sw_top_owner_see(struct sw_top_owner *w, const struct sw_top_conn *c, struct sw_owners *o);

#endif
