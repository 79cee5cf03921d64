/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/json_fmt.h"
#include "output/figures.h"

#define LIT SW_LIT

char *sw_put_vlan(char *p, const __u16 vlan[2])
{
    if (!vlan[0] && !vlan[1])
        return LIT(p, ",\"vlan\":null");
    p = LIT(p, ",\"vlan\":[");
    p = sw_put_u64(p, vlan[0]);
    if (vlan[1]) {
        *p++ = ',';
        p = sw_put_u64(p, vlan[1]);
    }
    *p++ = ']';
    return p;
}

/* The lines about the whole instance belong to no interface, except that a capture is the only one. */
char *sw_put_whole(const struct sw_lines *l, char *p)
{
    if (!l->replay)
        return LIT(p, "\",\"iface\":null,\"hook\":null");
    p = LIT(p, "\",\"iface\":\"");
    memcpy(p, l->capture.text, l->capture.len);
    return LIT(p + l->capture.len, "\",\"hook\":\"replay\"");
}

char *sw_put_pair(char *p, const char *prefix, const char *key, __u64 v)
{
    *p++ = ',';
    *p++ = '"';
    p = stpcpy(stpcpy(p, prefix), key);
    p = LIT(p, "\":");
    return sw_put_u64(p, v);
}

char *sw_put_svc_counters(char *p, const char *prefix, const struct sw_svc_counters *t)
{
    char drop[32];

    *stpcpy(stpcpy(drop, prefix), "drop_") = 0;
    for (int i = 0; i < SW_T_MAX; i++)
        p = sw_put_pair(p, prefix, sw_name_svc_counter(i)->text, t->item[i]);
    p = sw_put_pair(p, prefix, "dropped", sw_svc_counters_dropped(t));
    for (int i = SW_DROP_NONE + 1; i < SW_DROP_MAX; i++)
        p = sw_put_pair(p, drop, sw_name_drop(i)->text, t->drop[i]);
    return p;
}
