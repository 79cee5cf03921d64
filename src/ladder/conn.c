/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "ladder/conn.h"

#include "base/fmt.h"
#include "output/json_ladder.h"
#include "output/names.h"
#include "output/text_fmt.h"

#include <string.h>
#include <time.h>

/* The first number of a side: of its first segment, of which a SYN is one before the data; else of what acknowledges
 * it. */
static __u32 first_of(const struct sw_ladder_conn *c, int side)
{
    for (size_t i = 0; i < c->len; i++) {
        const struct sw_ladder_step *s = &c->step[i];

        if (s->from == side)
            return s->flags & SW_TCP_SYN ? s->seq : s->seq - 1;
    }
    for (size_t i = 0; i < c->len; i++)
        if (c->step[i].flags & SW_TCP_ACK)
            return c->step[i].ack - 1;
    return 0;
}

void sw_ladder_relate(struct sw_ladder_conn *c, const bool isn_known[2], const __u32 isn[2])
{
    __u32 base[2];

    for (int side = SW_ORIG; side <= SW_RESP; side++)
        base[side] = isn_known[side] ? isn[side] : first_of(c, side);
    for (size_t i = 0; i < c->len; i++) {
        struct sw_ladder_step *s = &c->step[i];

        s->seq -= base[s->from];
        if (s->flags & SW_TCP_ACK)
            s->ack -= base[!s->from];
    }
}

static void take_steps(struct sw_ladder_conn *c, const struct sw_flow *f, const struct sw_ladder *l)
{
    for (__u32 i = 0; i < sw_ladder_len(l); i++) {
        const struct sw_ladder_seg *s = sw_ladder_at(l, i);
        const __u8 states[2] = {s->states & 15, s->states >> 4};

        c->step[c->len++] = (struct sw_ladder_step){
            .ns = s->ns > f->start_ns ? s->ns - f->start_ns : 0,
            .seq = s->seq,
            .ack = s->ack,
            .len = s->len,
            .flags = s->flags,
            .from = !!s->src_is_b == !!f->orig_is_b ? SW_ORIG : SW_RESP,
            .state = {states[!!f->orig_is_b], states[!f->orig_is_b]},
        };
    }
}

/* As in a line: one that was inferred may still move. */
static bool isn_is_known(const struct sw_end *e)
{
    return e->did & SW_E_SYN && !(e->more & SW_M_INFERRED);
}

void sw_ladder_of_flow(const struct sw_key *key, const struct sw_flow *f, const struct sw_ladder *l, __s64 clock_offset,
                       struct sw_ladder_conn *ret)
{
    const bool known[2] = {isn_is_known(&f->end[SW_ORIG]), isn_is_known(&f->end[SW_RESP])};
    const __u32 isn[2] = {f->end[SW_ORIG].isn, f->end[SW_RESP].isn};
    const int a = f->orig_is_b ? SW_RESP : SW_ORIG;

    memset(ret, 0, sizeof(*ret));
    sw_format_uid(key, f->start_ns, ret->uid);
    memcpy(ret->ip[a], key->a_ip, sizeof(key->a_ip));
    memcpy(ret->ip[!a], key->b_ip, sizeof(key->b_ip));
    ret->port[a] = key->a_port;
    ret->port[!a] = key->b_port;
    ret->start_ns = f->start_ns + (__u64)clock_offset;
    ret->duration_ns = f->last_ns > f->start_ns ? f->last_ns - f->start_ns : 0;
    ret->reason = f->flags & SW_F_ENDED ? f->reason : SW_WHY_NONE;
    ret->closed_by = f->closed_by;
    ret->lost = SW_LADDER_UNKNOWN;
    if (!l || l->start_ns != f->start_ns)
        return;
    ret->lost = l->lost;
    take_steps(ret, f, l);
    sw_ladder_relate(ret, known, isn);
}

void sw_ladder_label(const struct sw_ladder_step *s, size_t width, char buf[SW_LADDER_LABEL])
{
    char *p = sw_put_tcp_flags(buf, s->flags);

    p += sprintf(p, " seq %u", s->seq);
    if (s->flags & SW_TCP_ACK)
        p += sprintf(p, " ack %u", s->ack);
    if (s->len)
        p += sprintf(p, " len %u", s->len);
    if ((size_t)(p - buf) <= width)
        return;
    buf[width - 1] = '~';
    buf[width] = 0;
}

void sw_ladder_end(const struct sw_ladder_conn *c, char buf[SW_LADDER_NOTE])
{
    static const char *const first[] = {"", ", originator first", ", responder first", ", both at once"};
    char *p = buf;

    if (c->reason == SW_WHY_NONE)
        p += sprintf(p, "open, last segment after ");
    else
        p += sprintf(p, "%s%s, last segment after ", sw_name_reason(c->reason)->text,
                     c->reason == SW_WHY_FIN ? first[c->closed_by & 3] : "");
    *sw_text_duration(p, c->duration_ns) = 0;
}

void sw_ladder_missing(const struct sw_ladder_conn *c, char buf[SW_LADDER_NOTE])
{
    *buf = 0;
    if (c->lost == SW_LADDER_UNKNOWN)
        sprintf(buf, "control segments before are not known");
    else if (c->lost)
        sprintf(buf, "%u more control segment%s not kept", c->lost, c->lost == 1 ? " was" : "s were");
}

void sw_ladder_began(const struct sw_ladder_conn *c, char buf[SW_LADDER_NOTE])
{
    time_t sec = (time_t)(c->start_ns / SW_SECOND);
    struct tm tm;
    size_t n = gmtime_r(&sec, &tm) ? strftime(buf, SW_LADDER_NOTE, "%F %T", &tm) : 0;

    snprintf(buf + n, SW_LADDER_NOTE - n, ".%06llu UTC", c->start_ns % SW_SECOND / 1000);
}
