/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "scenario.h"

#include <stdlib.h>
#include <string.h>

#include "pkt.h"

#define MS_NS 1000000ull
#define SEC_NS 1000000000ull

enum { SYN = TH_SYN_, ACK = TH_ACK_, FIN = TH_FIN_, RST = TH_RST_, PSH = TH_PSH_ };

/* splitmix64 */
__u32 scenario_rand(__u64 *rng, __u32 below)
{
    __u64 z = *rng += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    return (__u32)(((z >> 32) * below) >> 32);
}

static __u32 pick(struct scenario *st, __u32 below)
{
    return scenario_rand(&st->rng, below);
}

static bool chance(struct scenario *st, __u32 percent)
{
    return pick(st, 100) < percent;
}

static __u32 any32(struct scenario *st)
{
    __u32 high = pick(st, 0x10000); /* one after the other, or the scenario of a seed depends on the compiler */

    return high << 16 | pick(st, 0x10000);
}

/* where arithmetic breaks: around 0, around 2^31, anywhere */
static __u32 an_isn(struct scenario *st)
{
    switch (pick(st, 4)) {
    case 0: return 0u - pick(st, 4000);
    case 1: return 0x80000000u - pick(st, 4000);
    case 2: return pick(st, 3);
    default: return any32(st);
    }
}

static __u32 a_length(struct scenario *st)
{
    static const __u32 usual[] = {1, 2, 10, 100, 536, 1400};

    return usual[pick(st, 6)];
}

static struct scenario_seg *say(struct scenario *st, int from, __u16 flags, __u32 len)
{
    struct scenario_seg *s;

    if (st->n >= st->limit)
        return NULL;
    s = &st->seg[st->n++];
    memset(s, 0, sizeof(*s));
    s->gap_ns = MS_NS;
    s->from = from;
    s->flags = flags;
    s->len = len;
    s->seq = st->nxt[from];
    s->ack = flags & ACK ? st->nxt[!from] : 0;
    s->win = st->win[from];
    if (flags & SYN)
        s->opts = pick(st, 4) ? 1 : pick(st, 4);
    if (flags & ACK && len && chance(st, 10))
        s->gso = 2 + pick(st, 4);
    st->nxt[from] += len + !!(flags & SYN) + !!(flags & FIN);
    return s;
}

/* The same segment once more. */
static void again(struct scenario *st, struct scenario_seg *s)
{
    if (s && st->n < st->limit) {
        st->seg[st->n] = *s;
        st->seg[st->n++].gap_ns = pick(st, 3) ? 200 * MS_NS : SEC_NS;
    }
}

static void new_isns(struct scenario *st)
{
    for (int i = 0; i < 2; i++) {
        st->isn[i] = st->nxt[i] = an_isn(st);
        st->win[i] = chance(st, 80) ? 64240 : 1 + pick(st, 2000);
    }
}

static void open_by(struct scenario *st, int a)
{
    int b = !a;
    __u16 ecn = chance(st, 20) ? TH_ECE_ | TH_CWR_ : 0;

    switch (pick(st, 12)) {
    case 0: /* simultaneous, figure 8 */
        say(st, a, SYN, 0);
        say(st, b, SYN, 0);
        st->nxt[b]--;
        st->nxt[a]--;
        st->nxt[b]++;
        say(st, a, SYN | ACK, 0);
        st->nxt[b]--;
        say(st, b, SYN | ACK, 0);
        break;
    case 1: /* split: the answer is an ACK, then a SYN */
        say(st, a, SYN, 0);
        if (chance(st, 50))
            say(st, b, ACK, 0);
        say(st, b, SYN, 0);
        st->nxt[a]--;
        say(st, a, SYN | ACK, 0);
        say(st, b, ACK, 0);
        break;
    case 2: /* nobody answers */ again(st, say(st, a, SYN, 0)); break;
    case 3: /* refused */
        say(st, a, SYN, 0);
        say(st, b, RST | ACK, 0);
        break;
    case 4: /* midstream */ break;
    case 5: /* the SYN is not seen, or comes late */
        say(st, a, SYN, 0);
        say(st, b, SYN | ACK, 0);
        if (st->n >= 2) {
            struct scenario_seg syn = st->seg[st->n - 2];

            st->seg[st->n - 2] = st->seg[st->n - 1];
            st->seg[st->n - 1] = syn;
            if (chance(st, 50))
                st->n--;
        }
        say(st, a, ACK, 0);
        break;
    case 6: /* Fast Open or plain SYN data, acknowledged or not */
        say(st, a, SYN, a_length(st));
        if (chance(st, 50))
            st->nxt[a] = st->isn[a] + 1;
        say(st, b, SYN | ACK, chance(st, 30) ? 100 : 0);
        say(st, a, ACK, 0);
        break;
    default:
        if (chance(st, 15))
            again(st, say(st, a, SYN | ecn, 0));
        else
            say(st, a, SYN | ecn, 0);
        if (chance(st, 15))
            again(st, say(st, b, SYN | ACK, 0));
        else
            say(st, b, SYN | ACK, 0);
        say(st, a, ACK, 0);
    }
}

static void talk(struct scenario *st)
{
    for (__u32 i = pick(st, 14); i > 0; i--) {
        int from = pick(st, 2);
        struct scenario_seg *s = say(st, from, chance(st, 30) ? ACK | PSH : ACK, chance(st, 60) ? a_length(st) : 0);

        if (!s)
            return;
        switch (pick(st, 16)) {
        case 0: s->win = 0; break;
        case 1: /* keepalive */
            s->seq = st->nxt[from] - 1;
            s->len = 0;
            break;
        case 2: again(st, s); break;
        case 3: st->win[from] = 1 + pick(st, 65535); break;
        }
    }
}

static void shut(struct scenario *st)
{
    int a = pick(st, 2), b = !a;
    __u32 half = pick(st, 3);

    switch (pick(st, 7)) {
    case 0: /* three segments */
        say(st, a, FIN | ACK, 0);
        say(st, b, FIN | ACK, 0);
        say(st, a, ACK, 0);
        break;
    case 1: { /* simultaneous */
        __u32 before = st->nxt[a];
        struct scenario_seg *s;

        say(st, a, FIN | ACK, chance(st, 30) ? 10 : 0);
        s = say(st, b, FIN | ACK, 0);
        if (s)
            s->ack = before;
        say(st, a, ACK, 0);
        say(st, b, ACK, 0);
        break;
    }
    case 2: say(st, a, RST | (chance(st, 50) ? ACK : 0), 0); break;
    case 3: /* inexact: a challenge ACK, then the exact one */
        st->nxt[a] += 100;
        say(st, a, RST, 0);
        st->nxt[a] -= 100;
        say(st, b, ACK, 0);
        say(st, a, RST, 0);
        break;
    case 4: break;
    default: /* four segments, data between, the last ACK once more */
        say(st, a, FIN | ACK, chance(st, 30) ? a_length(st) : 0);
        say(st, b, ACK, 0);
        while (half--)
            say(st, b, ACK | PSH, a_length(st));
        say(st, b, FIN | ACK, 0);
        if (chance(st, 20))
            again(st, st->n ? &st->seg[st->n - 1] : NULL);
        say(st, a, ACK, 0);
        if (chance(st, 20))
            say(st, a, RST, 0);
    }
}

static __u32 near(struct scenario *st, __u32 v)
{
    switch (pick(st, 5)) {
    case 0: return v + 1;
    case 1: return v - 1;
    case 2: return v + pick(st, 3000) - 1500;
    case 3: return v + 0x7ffffffe + pick(st, 5);
    default: return any32(st);
    }
}

/* One thing goes wrong with segment i. */
static void hurt(struct scenario *st, size_t i)
{
    struct scenario_seg *s = &st->seg[i];
    size_t j;

    switch (pick(st, 14)) {
    case 0: /* lost */
        memmove(s, s + 1, (st->n - i - 1) * sizeof(*s));
        st->n--;
        break;
    case 1: again(st, s); break;
    case 2:
    case 3: /* comes late */
        j = i + 1 + pick(st, 4);
        if (j < st->n) {
            struct scenario_seg late = *s;

            memmove(s, s + 1, (j - i) * sizeof(*s));
            st->seg[j] = late;
        }
        break;
    case 4: s->flags = pick(st, 0x200); break;
    case 5: s->flags ^= 1u << pick(st, 6); break;
    case 6: s->seq = near(st, s->seq); break;
    case 7: s->ack = near(st, s->ack); break;
    case 8: s->win = pick(st, 2) ? 0 : pick(st, 65536); break;
    case 9: s->bad_checksum = true; break;
    case 10: s->fragment = true; break;
    case 11: s->from = !s->from; break;
    case 12:
        s->gap_ns = pick(st, 2) ? 6 * SEC_NS : (1 + pick(st, 400)) * SEC_NS;
        s->sweep = chance(st, 70);
        break;
    default: s->cut = s->len > 0; break;
    }
}

void scenario_make(struct scenario *st, __u64 seed, __u32 most)
{
    static const __u32 rates[] = {0, 5, 20, 60};
    __u32 rate, connections;

    memset(st, 0, sizeof(*st));
    st->rng = seed;
    st->limit = most < SCENARIO_MAX ? most : SCENARIO_MAX;
    rate = rates[pick(st, 4)];
    connections = 1 + (chance(st, 40) ? 1 : 0) + (chance(st, 10) ? 1 : 0);
    for (__u32 i = 0; i < connections; i++) {
        int opener = chance(st, 80) ? 0 : 1;

        new_isns(st);
        open_by(st, opener);
        talk(st);
        shut(st);
        if (st->n && chance(st, 30)) {
            st->seg[st->n - 1].gap_ns = 7 * SEC_NS;
            st->seg[st->n - 1].sweep = true;
        }
    }
    for (size_t i = 0; i < st->n; i++)
        if (chance(st, rate))
            hurt(st, i);
    /* pure noise now and then */
    if (chance(st, 5))
        for (size_t i = 0; i < st->n; i++) {
            st->seg[i].flags = pick(st, 0x200);
            st->seg[i].seq = an_isn(st);
            st->seg[i].ack = an_isn(st);
        }
}

__u64 from_env(const char *name, __u64 otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

__u64 scenario_rounds(__u64 usual)
{
    return usual * from_env("SW_SEQUENCES", 2000) / 2000;
}
