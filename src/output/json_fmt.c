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

/* The value of the key before it. */
static char *put_fingerprint(char *p, __u32 fingerprint)
{
    static const char hex[] = "0123456789abcdef";

    *p++ = '"';
    for (int shift = 28; shift >= 0; shift -= 4)
        *p++ = hex[fingerprint >> shift & 15];
    *p++ = '"';
    return p;
}

static char *put_from(char *p, bool given, __u64 real_ns)
{
    if (!given)
        return LIT(p, "null");
    *p++ = '"';
    p = sw_put_key_time(p, real_ns);
    *p++ = '"';
    return p;
}

char *sw_json_keys(char *p, const struct sw_key_state *k)
{
    if (!k->given)
        return p;
    p = put_fingerprint(LIT(p, ",\"guard_key\":"), k->now);
    p = put_from(LIT(p, ",\"guard_key_from\":"), k->from, k->from);
    p = LIT(p, ",\"guard_key_next\":");
    p = k->next ? put_fingerprint(p, k->next_key) : LIT(p, "null");
    return put_from(LIT(p, ",\"guard_key_next_from\":"), k->next, k->next_from);
}
