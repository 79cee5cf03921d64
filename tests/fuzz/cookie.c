/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cookie: what was made is taken back for as long as it should, and encodes what it was made of. Whatever else
 * comes is held against a second SipHash over bytes and a second reading of the bits (docs/cookie.md): the same answer
 * always, so a changed bit is refused unless the hash itself collides. A changed bit of the MAC cannot be.
 */
#include "fuzz.h"

#include "guard/syncookie.h"

#define EPOCH_NS (1ull << SW_EPOCH_SHIFT)
#define SKEW_NS (1ull << SW_SKEW_SHIFT)

static __u64 rotate(__u64 v, int n)
{
    return v << n | v >> (64 - n);
}

static void round_of(__u64 v[4])
{
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

/* SipHash-2-4 as its paper has it, over bytes. */
static __u64 siphash(const __u64 key[2], const __u8 *m, size_t len)
{
    __u64 v[4] = {key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull, key[0] ^ 0x6c7967656e657261ull,
                  key[1] ^ 0x7465646279746573ull};

    for (size_t at = 0; at <= len; at += 8) {
        __u8 word[8] = {0};
        __u64 w = 0;

        memcpy(word, m + at, len - at < 8 ? len - at : 8);
        if (len - at < 8)
            word[7] = (__u8)len;
        for (int i = 7; i >= 0; i--)
            w = w << 8 | word[i];
        v[3] ^= w;
        round_of(v), round_of(v);
        v[0] ^= w;
    }
    v[2] ^= 0xff;
    round_of(v), round_of(v), round_of(v), round_of(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The MAC of docs/cookie.md: addresses, ports, the client's ISN, epoch, then 3 bytes of options. */
static __u64 mac_of(const struct sw_keys *keys, const struct sw_cookie_tuple *f, __u32 epoch, __u32 info)
{
    const __u64 *key = (__s32)(epoch - keys->since) >= 0 ? keys->key[1] : keys->key[0];
    size_t n = f->v6 ? 16 : 4, at = 0;
    __u8 m[64];

    memcpy(m, f->src, n), at += n;
    memcpy(m + at, f->dst, n), at += n;
    memcpy(m + at, &f->sport, 2), memcpy(m + at + 2, &f->dport, 2), memcpy(m + at + 4, &f->isn, 4), at += 8;
    memcpy(m + at, &epoch, 4), memcpy(m + at + 4, &info, 3), at += 7;
    return siphash(key, m, at);
}

/* One handshake and a moment. */
struct input {
    struct sw_keys keys;
    struct sw_cookie_tuple who;
    struct sw_cookie_opts opts;
    __u64 now, later;
};

static bool fits(const struct input *in, __u32 epoch, __u32 isn, bool ts, __u32 tsecr)
{
    __u32 info = ts ? (isn & 31) | (tsecr & 0xff) << 5 | 1 << 13 : isn & 31;
    __u64 mac = mac_of(&in->keys, &in->who, epoch, info);

    return isn >> 6 == mac >> 38 && (!ts || tsecr >> 8 == (mac & 0xffffff));
}

/* By the rules, at `now`. */
static enum sw_cookie_result plain_check(const struct input *in, __u64 now, __u32 isn, bool ts, __u32 tsecr)
{
    __u32 epoch = (__u32)(now / EPOCH_NS);

    if ((epoch ^ isn >> 5) & 1)
        epoch += EPOCH_NS - now % EPOCH_NS < SKEW_NS ? 1 : -1;
    if (fits(in, epoch, isn, ts, tsecr))
        return SW_COOKIE_OK;
    return fits(in, epoch - 2, isn, ts, tsecr) ? SW_COOKIE_EXPIRED : SW_COOKIE_BAD;
}

static enum sw_cookie_result check(const struct input *in, __u64 now, __u32 isn, bool ts, __u32 tsecr,
                                   struct sw_cookie_opts *ret)
{
    enum sw_cookie_result have = sw_cookie_check(&in->keys, &in->who, isn, ts, tsecr, now, ret);
    enum sw_cookie_result want = plain_check(in, now, isn, ts, tsecr);

    holds(have == want, "result %d, plainly %d (isn %08x ts %d tsecr %08x now %llu)", have, want, isn, ts, tsecr, now);
    return have;
}

/* What a cookie may carry is never more than was offered. */
static void check_carried(const struct sw_cookie_opts *asked, const struct sw_cookie_opts *o, bool v6)
{
    __u16 floor = v6 ? 1220 : 536;

    holds(o->mss <= asked->mss || o->mss == floor, "MSS %u of %u", o->mss, asked->mss);
    holds(o->mss >= floor, "MSS %u", o->mss);
    holds(o->wscale == SW_WSCALE_NONE || (asked->wscale != SW_WSCALE_NONE && o->wscale <= asked->wscale),
          "window scale %u of %u", o->wscale, asked->wscale);
    holds(!o->sack || asked->sack, "SACK that was not offered");
    holds(!o->ecn || asked->ecn, "ECN that was not offered");
    holds(o->ts == asked->ts, "timestamps %u of %u", o->ts, asked->ts);
    if (asked->ts) {
        __u8 scale = asked->wscale == SW_WSCALE_NONE || asked->wscale <= 14 ? asked->wscale : 14;

        holds(o->wscale == scale && o->sack == asked->sack && o->ecn == asked->ecn, "scale %u of %u with timestamps",
              o->wscale, asked->wscale);
        holds(asked->mss < 1400 || asked->mss > 1460 || o->mss == asked->mss, "MSS %u of %u with timestamps", o->mss,
              asked->mss);
    }
}

/* For one epoch at least, less the skew, and for two at most: then the result is expired, and then bad. */
static void check_life(const struct input *in, const struct sw_cookie *c, const struct sw_cookie_opts *made)
{
    __u64 age = in->later - in->now;
    __u32 epochs = (__u32)(in->later / EPOCH_NS - in->now / EPOCH_NS);
    struct sw_cookie_opts o;
    enum sw_cookie_result r = check(in, in->later, c->isn, made->ts, c->tsval, &o);

    if (age < EPOCH_NS - SKEW_NS)
        holds(r == SW_COOKIE_OK, "refused (%d) after %llu ns", r, age);
    if (r == SW_COOKIE_OK && epochs < 2)
        holds(o.mss == made->mss && o.wscale == made->wscale && o.sack == made->sack && o.ecn == made->ecn &&
                  o.ts == made->ts,
              "carries MSS %u scale %u, made with %u %u", o.mss, o.wscale, made->mss, made->wscale);
    /* without timestamps another epoch's MAC may hit by chance, once in 2^26 */
    if (epochs == 2)
        holds(r == SW_COOKIE_EXPIRED || (r == SW_COOKIE_OK && !made->ts), "result %d after two epochs", r);
    if (epochs > 3)
        holds(r == SW_COOKIE_BAD || !made->ts, "result %d after %u epochs", r, epochs);
}

/* Each bit of what comes back, one at a time. */
static void check_changed(const struct input *in, const struct sw_cookie *c, bool ts, __u8 bit)
{
    __u32 isn = c->isn ^ (bit < 32 ? 1u << bit : 0), tsval = c->tsval ^ (bit >= 32 && bit < 64 ? 1u << (bit - 32) : 0);
    bool in_mac = bit < 32 ? bit >= 6 : ts && bit >= 40 && bit < 64;
    struct input other = *in;
    struct sw_cookie_opts o;

    holds(check(in, in->now, isn, ts, tsval, &o) != SW_COOKIE_OK || !in_mac, "bit %u of the MAC does not matter", bit);
    /* of the handshake: addresses, ports, ISN */
    ((__u8 *)&other.who)[bit % offsetof(struct sw_cookie_tuple, v6)] ^= 1 << (bit & 7);
    check(&other, in->now, c->isn, ts, c->tsval, &o);
    other = *in;
    ((__u8 *)other.keys.key)[bit % 32] ^= 1 << (bit & 7);
    check(&other, in->now, c->isn, ts, c->tsval, &o);
    check(in, in->now, c->isn, !ts, c->tsval, &o);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct fuzz_in bytes = {data, data + size};
    struct sw_cookie_opts asked, made, o;
    struct input in = {0};
    struct sw_cookie c;
    __u8 how = fuzz_u8(&bytes), bit = fuzz_u8(&bytes);
    __u32 isn, tsecr;

    in.now = fuzz_u64(&bytes) >> 1; /* until the year 2262 */
    in.later = in.now + (fuzz_u64(&bytes) & (EPOCH_NS * 4 - 1));
    in.opts = (struct sw_cookie_opts){.mss = fuzz_u16(&bytes), .wscale = fuzz_u8(&bytes)};
    in.opts.sack = how & 1;
    in.opts.ecn = how >> 1 & 1;
    in.opts.ts = how >> 2 & 1;
    in.who.v6 = how >> 3 & 1;
    in.keys.since = how & 16 ? sw_epoch(in.now) + (how >> 5) - 3 : fuzz_u32(&bytes);
    isn = fuzz_u32(&bytes);
    tsecr = fuzz_u32(&bytes);
    fuzz_take(&bytes, &in.who, offsetof(struct sw_cookie_tuple, v6));
    fuzz_take(&bytes, in.keys.key, sizeof(in.keys.key));
    made = asked = in.opts;
    sw_cookie_make(&in.keys, &in.who, &made, in.now, &c);
    check_carried(&asked, &made, in.who.v6);
    holds(check(&in, in.now, c.isn, made.ts, c.tsval, &o) == SW_COOKIE_OK, "not taken back at once");
    check_life(&in, &c, &made);
    check_changed(&in, &c, made.ts, bit);
    check(&in, in.later, isn, made.ts, tsecr, &o); /* anything */
    return 0;
}
