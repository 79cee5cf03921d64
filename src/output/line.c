/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/line.h"
#include "base/array.h"
#include "base/fmt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Closes the text before it, but not its own. */
static int set_host(struct sw_lines *l, const char *host, const struct sw_labels *labels)
{
    const size_t json = labels ? labels->len : 0;
    char *p = malloc(sizeof("\",\"labels\":{},\"host\":\"") + json + 6 * strlen(host));

    if (!p)
        return -ENOMEM;
    l->before_host = p;
    *p++ = '"';
    if (json) {
        p = stpcpy(p, ",\"labels\":{");
        p = (char *)memcpy(p, labels->json, json) + json;
        *p++ = '}';
    }
    l->labels_len = (size_t)(p - l->before_host) - 1;
    p = stpcpy(p, ",\"host\":\"");
    l->host = p;
    p = sw_json_escape(p, host);
    l->host_len = (size_t)(p - l->host);
    l->before_host_len = (size_t)(p - l->before_host);
    return 0;
}

static char *escaped(const char *in, size_t *ret_len)
{
    char *out = malloc(6 * strlen(in) + 1);

    if (!out)
        return NULL;
    *ret_len = sw_json_escape(out, in) - out;
    out[*ret_len] = 0;
    return out;
}

char *sw_put_time(struct sw_lines *l, char *p, __s64 ns)
{
    __s64 sec = ns / (__s64)SW_SECOND;
    __s32 frac = ns % (__s64)SW_SECOND;
    struct sw_second *s;

    if (frac < 0) {
        frac += SW_SECOND;
        sec--;
    }
    s = &l->seconds[sec & (SW_SECONDS - 1)];
    if (s->sec != sec || !s->text[0]) {
        s->sec = sec;
        sw_put_second(s->text, sec);
    }
    memcpy(p, s->text, 20);
    p[20] = '0' + frac / 100000000;
    memcpy(p + 21, sw_digits + 2 * (frac / 1000000 % 100), 2);
    memcpy(p + 23, sw_digits + 2 * (frac / 10000 % 100), 2);
    memcpy(p + 25, sw_digits + 2 * (frac / 100 % 100), 2);
    memcpy(p + 27, sw_digits + 2 * (frac % 100), 2);
    p[29] = 'Z';
    return p + 30;
}

int sw_lines_init(struct sw_lines *l, const struct sw_report_opts *opts)
{
    size_t len = 0;

    l->clock_offset = opts->clock_offset_ns;
    l->cid_seed = opts->cid_seed;
    l->color = opts->color;
    l->full_events = opts->full_events;
    l->wide = opts->wide;
    l->utc = opts->utc;
    l->replay = opts->replay;
    l->owners = opts->owners;
    l->sample = opts->sample;
    l->unnamed.text = l->unnamed_text;
    l->capture.text = escaped(opts->iface ? opts->iface : "", &len);
    l->capture.len = len;
    l->iface_max = len > sizeof(l->unnamed_text) ? len : sizeof(l->unnamed_text);
    return l->capture.text ? set_host(l, opts->host ? opts->host : "", opts->labels) : -ENOMEM;
}

void sw_lines_swap_style(struct sw_lines *l, struct sw_style *style)
{
    struct sw_style before = {l->color, l->wide, l->utc, l->sample};

    l->color = style->color;
    l->wide = style->wide;
    l->sample = style->sample;
    if (l->utc != style->utc) /* what is kept of the last second is of the other zone */
        l->tm_known = false;
    l->utc = style->utc;
    *style = before;
}

void sw_lines_fini(struct sw_lines *l)
{
    for (size_t i = 0; i < l->ifaces_len; i++)
        free(l->ifaces[i].text);
    free(l->ifaces);
    free(l->capture.text);
    free(l->before_host);
}

int sw_lines_set_iface(struct sw_lines *l, __u32 ifindex, const char *name)
{
    struct sw_iface_text *more;
    size_t len, i;
    char *text = escaped(name, &len);

    if (!text)
        return -ENOMEM;
    for (i = 0; i < l->ifaces_len && l->ifaces[i].ifindex != ifindex; i++)
        ;
    if (i == l->ifaces_len) {
        more = sw_array_room(l->ifaces, &l->ifaces_room, l->ifaces_len + 1, sizeof(*more));
        if (!more) {
            free(text);
            return -ENOMEM;
        }
        l->ifaces = more;
        l->ifaces_len++;
    } else {
        free(l->ifaces[i].text);
    }
    l->ifaces[i] = (struct sw_iface_text){.ifindex = ifindex, .len = len, .text = text};
    if (len > l->iface_max)
        l->iface_max = len;
    return 0;
}

const struct sw_iface_text *sw_lines_iface(struct sw_lines *l, const struct sw_event *ev)
{
    /* the sweep has no interface of its own */
    return sw_lines_iface_at(l, ev->ifindex ? ev->ifindex : ev->flow.ifindex);
}

const struct sw_iface_text *sw_lines_iface_at(struct sw_lines *l, __u32 ifindex)
{
    if (l->replay)
        return &l->capture;
    if (l->last_iface < l->ifaces_len && l->ifaces[l->last_iface].ifindex == ifindex)
        return &l->ifaces[l->last_iface];
    for (size_t i = 0; i < l->ifaces_len; i++) {
        if (l->ifaces[i].ifindex == ifindex) {
            l->last_iface = i;
            return &l->ifaces[i];
        }
    }
    l->unnamed_text[0] = '#';
    l->unnamed.len = sw_put_u64(l->unnamed_text + 1, ifindex) - l->unnamed_text;
    return &l->unnamed;
}

const struct sw_ids *sw_lines_ids(struct sw_lines *l, const struct sw_key *key, __u64 start_ns)
{
    __u64 a, b, h;
    struct sw_ids *ids;

    memcpy(&a, key->a_ip + 8, 8);
    memcpy(&b, key->b_ip + 8, 8);
    h = (a ^ b * 0x9e3779b97f4a7c15ULL ^ (__u64)key->a_port << 16 ^ key->b_port) * 0xff51afd7ed558ccdULL;
    ids = &l->ids[h >> 32 & (SW_IDS - 1)];
    if (!ids->cid[0] || memcmp(&ids->key, key, sizeof(*key))) {
        ids->key = *key;
        sw_put_community_id(ids->cid, key, l->cid_seed);
    } else if (ids->start_ns == start_ns) {
        return ids;
    }
    ids->start_ns = start_ns;
    sw_put_uid(ids->uid, key, start_ns);
    return ids;
}

size_t sw_lines_room(const struct sw_lines *l)
{
    return 14336 + l->before_host_len + l->iface_max; /* two owners, and a ladder of 16 segments, among them */
}

/* Letters and '^'; anything else would break the line, and shows as '?'. Writes SW_HIST_MAX bytes in any case. */
char *sw_put_history(char *p, const struct sw_flow *f)
{
    for (int i = 0; i < SW_HIST_MAX; i++) {
        __u8 c = f->hist[i];

        p[i] = (__u8)((c | 0x20) - 'a') < 26 || c == '^' ? c : '?';
    }
    return p + (f->hist_len < SW_HIST_MAX ? f->hist_len : SW_HIST_MAX);
}

char *sw_put_tcp_flags(char *p, __u16 flags)
{
    static const struct {
        __u16 bit;
        char name[4];
    } bits[] = {
        {SW_TCP_SYN, "SYN"}, {SW_TCP_FIN, "FIN"}, {SW_TCP_RST, "RST"}, {SW_TCP_PSH, "PSH"}, {SW_TCP_ACK, "ACK"},
        {SW_TCP_URG, "URG"}, {SW_TCP_ECE, "ECE"}, {SW_TCP_CWR, "CWR"}, {SW_TCP_AE, "AE"},
    };
    char *start = p;

    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if (!(flags & bits[i].bit))
            continue;
        if (p != start)
            *p++ = ',';
        p = stpcpy(p, bits[i].name);
    }
    return p == start ? stpcpy(p, "none") : p;
}
