/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/names.h"

#define SW_NAME_ITEM(prefix, id, name) [prefix##id] = {name, sizeof(name) - 1},
#define SW_NAME(name)                                                                                                  \
    {                                                                                                                  \
        name, sizeof(name) - 1                                                                                         \
    }
#define SW_COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct sw_name unknown = SW_NAME("unknown");
static const struct sw_name states[] = {SW_STATES(SW_NAME_ITEM)};
static const struct sw_name conn_states[] = {SW_CONN_STATES(SW_NAME_ITEM)};
static const struct sw_name events[] = {SW_EVENTS(SW_NAME_ITEM)};
static const struct sw_name reasons[] = {SW_REASONS(SW_NAME_ITEM)};
static const struct sw_name anomalies[] = {SW_ANOMALIES(SW_NAME_ITEM)};
static const struct sw_name directions[] = {SW_DIRECTIONS(SW_NAME_ITEM)};
static const struct sw_name hooks[] = {SW_HOOKS(SW_NAME_ITEM)};
static const struct sw_name counters[] = {SW_COUNTERS(SW_NAME_ITEM)};
static const struct sw_name guard_modes[] = {SW_GUARD_MODES(SW_NAME_ITEM)};
static const struct sw_name guard_states[] = {SW_GUARD_STATES(SW_NAME_ITEM)};
static const struct sw_name guard_causes[] = {SW_GUARD_CAUSES(SW_NAME_ITEM)};
static const struct sw_name backends[] = {SW_BACKENDS(SW_NAME_ITEM)};
static const struct sw_name drops[] = {SW_DROPS(SW_NAME_ITEM)};
static const struct sw_name gateways[] = {SW_GATEWAYS(SW_NAME_ITEM)};
static const struct sw_name xlate_states[] = {SW_XLATE_STATES(SW_NAME_ITEM)};
static const struct sw_name gateway_counters[] = {SW_GATEWAY_COUNTERS(SW_NAME_ITEM)};
static const struct sw_name tallies[] = {SW_SVC_COUNTERS(SW_NAME_ITEM)};
static const struct sw_name closed_by[] = {SW_NAME("none"), SW_NAME("orig"), SW_NAME("resp"), SW_NAME("both")};
static const struct sw_name ecn[] = {SW_NAME("none"), SW_NAME("ece"),    SW_NAME("cwr"),    SW_NAME("cwr+ece"),
                                     SW_NAME("ae"),   SW_NAME("ae+ece"), SW_NAME("ae+cwr"), SW_NAME("ae+cwr+ece")};

#define SW_LOOKUP(fn, list)                                                                                            \
    const struct sw_name *fn(unsigned int i)                                                                           \
    {                                                                                                                  \
        return i < SW_COUNT(list) ? &(list)[i] : &unknown;                                                             \
    }

SW_LOOKUP(sw_name_state, states)
SW_LOOKUP(sw_name_conn_state, conn_states)
SW_LOOKUP(sw_name_event, events)
SW_LOOKUP(sw_name_reason, reasons)
SW_LOOKUP(sw_name_anomaly, anomalies)
SW_LOOKUP(sw_name_direction, directions)
SW_LOOKUP(sw_name_hook, hooks)
SW_LOOKUP(sw_name_counter, counters)
SW_LOOKUP(sw_name_closed_by, closed_by)
SW_LOOKUP(sw_name_ecn, ecn)
SW_LOOKUP(sw_name_guard_mode, guard_modes)
SW_LOOKUP(sw_name_guard_state, guard_states)
SW_LOOKUP(sw_name_guard_cause, guard_causes)
SW_LOOKUP(sw_name_backend, backends)
SW_LOOKUP(sw_name_drop, drops)
SW_LOOKUP(sw_name_svc_counter, tallies)
SW_LOOKUP(sw_name_gateway, gateways)
SW_LOOKUP(sw_name_xlate_state, xlate_states)
SW_LOOKUP(sw_name_gateway_counter, gateway_counters)
