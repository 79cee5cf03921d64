/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The names of the contract's lists as they stand in lines, with their lengths; made from the X-macros. */
#ifndef SW_OUTPUT_NAMES_H
#define SW_OUTPUT_NAMES_H

#include "synward.h"

/* Fixed room, so that a name is copied in one piece of constant size. */
struct sw_name {
    char text[23];
    __u8 len;
};

/* An index beyond the list gives "unknown", which no schema accepts: it shows. */
const struct sw_name *sw_name_state(unsigned int i);
const struct sw_name *sw_name_conn_state(unsigned int i);
const struct sw_name *sw_name_event(unsigned int i);
const struct sw_name *sw_name_reason(unsigned int i);
const struct sw_name *sw_name_anomaly(unsigned int i);
const struct sw_name *sw_name_direction(unsigned int i);
const struct sw_name *sw_name_hook(unsigned int i);
const struct sw_name *sw_name_counter(unsigned int i);
const struct sw_name *sw_name_closed_by(unsigned int i); /* sw_flow.closed_by: none, orig, resp, both */
const struct sw_name *sw_name_ecn(unsigned int i);       /* SW_ECN_* bits */
const struct sw_name *sw_name_guard_mode(unsigned int i);
const struct sw_name *sw_name_guard_state(unsigned int i);
const struct sw_name *sw_name_guard_cause(unsigned int i);
const struct sw_name *sw_name_backend(unsigned int i);
const struct sw_name *sw_name_drop(unsigned int i);
const struct sw_name *sw_name_svc_counter(unsigned int i);
const struct sw_name *sw_name_gateway(unsigned int i);
const struct sw_name *sw_name_xlate_state(unsigned int i);
const struct sw_name *sw_name_gateway_counter(unsigned int i);

#endif
