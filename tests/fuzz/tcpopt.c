/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The option parser against a second one, and: bytes behind the list change nothing. */
#include "fuzz.h"

#include "packet/tcp_options.h"

static struct sw_tcpopt parse(const __u8 *bytes, __u32 len, __u8 behind)
{
    struct sw_tcpopt o;

    memset(&o, behind, sizeof(o));
    o.tsval = o.tsecr = 0;
    o.cut = 0;
    o.pad = 0;
    memcpy(o.bytes, bytes, len < 40 ? len : 40);
    o.len = len;
    sw_tcpopt_parse(&o);
    return o;
}

/* Lengths that RFC 9293, 7323, 2018, 2385, 5925 and 7413 give; an AO option without a MAC signs nothing. */
static bool length_is_right(__u8 kind, __u32 len)
{
    switch (kind) {
    case 2: return len == 4;
    case 3: return len == 3;
    case 4: return len == 2;
    case 8: return len == 10;
    case 19: return len == 18;
    case 29: return len >= 5;
    case 34: return len == 2 || (len >= 6 && len <= 18);
    default: return true;
    }
}

/* One whole option of a right length. */
static void plain_one(const __u8 *p, __u32 len, struct sw_tcpopt *o)
{
    bool fast_open = p[0] == 34 || (p[0] == 254 && len >= 4 && p[2] == 0xf9 && p[3] == 0x89);

    if (p[0] == 2)
        o->mss = (__u16)(p[2] * 256 + p[3]), o->opts |= SW_OPT_MSS;
    if (p[0] == 3)
        o->wscale = p[2], o->opts |= SW_OPT_WSCALE;
    if (p[0] == 4)
        o->opts |= SW_OPT_SACK;
    if (p[0] == 8) {
        __be32 stamps[2];

        memcpy(stamps, p + 2, sizeof(stamps));
        o->tsval = ntohl(stamps[0]);
        o->tsecr = ntohl(stamps[1]);
        o->opts |= SW_OPT_TS;
    }
    if ((p[0] == 19 || p[0] == 29) && o->sig)
        o->bad = 1;
    if (p[0] == 19)
        o->sig |= SW_SIG_MD5;
    if (p[0] == 29)
        o->sig |= SW_SIG_AO;
    if (p[0] == 30)
        o->opts |= SW_OPT_MPTCP;
    if (fast_open)
        o->opts |= SW_OPT_TFO | (len > (p[0] == 34 ? 2 : 4) ? SW_OPT_TFO_COOKIE : 0);
}

static struct sw_tcpopt plain_parse(const __u8 *bytes, __u32 len)
{
    struct sw_tcpopt o = {.wscale = SW_WSCALE_NONE, .len = len < 40 ? len : 40};
    const __u8 *end = bytes + o.len;

    for (const __u8 *p = bytes; p < end && *p;) {
        if (*p == 1) {
            p++;
            continue;
        }
        if (end - p < 2 || p[1] < 2 || p[1] > end - p) {
            o.bad = 1;
            break;
        }
        if (length_is_right(p[0], p[1]))
            plain_one(p, p[1], &o);
        else
            o.bad = 1;
        p += p[1];
    }
    return o;
}

/* What the first bytes of a list say stays true, whatever follows; and what follows is not bad. */
static void check_cut(const __u8 *bytes, __u32 len, const struct sw_tcpopt *whole)
{
    for (__u32 n = 0; n < len; n++) {
        struct sw_tcpopt o = {.len = n, .cut = 1};

        memcpy(o.bytes, bytes, n);
        sw_tcpopt_parse(&o);
        holds(o.opts & SW_OPT_CUT && !(o.opts & ~SW_OPT_CUT & ~whole->opts), "of %u bytes %x, of all %x", n, o.opts,
              whole->opts);
        holds(!o.bad || whole->bad, "bad in %u of %u bytes", n, len);
    }
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    __u32 len = size < 100 ? (__u32)size : 100;
    struct sw_tcpopt a = parse(data, len, 0), b = parse(data, len, 0xff), want = plain_parse(data, len);

    holds(a.len <= 40, "%u bytes", a.len);
    memcpy(want.bytes, a.bytes, sizeof(a.bytes));
    memcpy(b.bytes, a.bytes, sizeof(a.bytes));
    holds(!memcmp(&a, &b, sizeof(a)), "bytes behind the list were read: options %x and %x", a.opts, b.opts);
    holds(a.opts == want.opts && a.bad == want.bad && a.sig == want.sig, "options %x bad %u signed %u, not %x %u %u",
          a.opts, a.bad, a.sig, want.opts, want.bad, want.sig);
    holds(a.mss == want.mss && a.wscale == want.wscale, "MSS %u scale %u, not %u %u", a.mss, a.wscale, want.mss,
          want.wscale);
    holds(a.tsval == want.tsval && a.tsecr == want.tsecr, "timestamps %u %u, not %u %u", a.tsval, a.tsecr, want.tsval,
          want.tsecr);
    check_cut(data, a.len, &a);
    return 0;
}
