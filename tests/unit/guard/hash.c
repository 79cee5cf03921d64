/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The keyed hash of four-tuples: what collides is chance, whatever is known of other keys, or of other collisions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "synward_hash.h"

#define TEST(name) static void name(void **state __attribute__((unused)))

struct tuple {
    __u32 remote[4], local[4];
    __be16 rport, lport;
};

static uint64_t seed;

/* xorshift64*, so that the counts are the same everywhere */
static uint64_t chance(void)
{
    uint64_t high;

    for (int i = 0; i < 2; i++) {
        high = seed * 0x2545f4914f6cdd1dull >> 32;
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
    }
    return high << 32 | seed * 0x2545f4914f6cdd1dull >> 32;
}

static struct sw_hash_key any_key(void)
{
    struct sw_hash_key key;

    for (int i = 0; i < SW_HASH_WORDS; i++)
        key.word[i] = chance();
    return key;
}

static const struct tuple live = {.remote = {0, 0, 0xffff0000, 0x0100000a},
                                  .local = {0, 0, 0xffff0000, 0x0200000a},
                                  .rport = 0x409c,
                                  .lport = 0x5000};

static __u32 slot(const struct sw_hash_key *key, const struct tuple *t)
{
    return sw_hash_slot(sw_tuple_hash(key, t->remote, t->local, t->rport | (__u32)t->lport << 16));
}

static __u32 bit(const struct sw_hash_key *key, const struct tuple *t)
{
    return sw_known_bit(key, t->remote, t->local, t->rport, t->lport);
}

/* Found with one key, they collide with the live four-tuple under it, and not under others. */
TEST(an_attack_set_is_for_one_key)
{
    enum { SET = 32, KEYS = 1000 };
    struct tuple set[SET];
    struct sw_hash_key key;
    int found = 0;

    seed = 88172645463325252ull;
    key = any_key();
    for (struct tuple t = live; found < SET;) {
        t.remote[3] += !++t.rport;
        if (bit(&key, &t) == bit(&key, &live))
            set[found++] = t;
    }
    found = 0;
    for (int k = 0; k < KEYS; k++) {
        key = any_key();
        for (int i = 0; i < SET; i++)
            found += bit(&key, &set[i]) == bit(&key, &live);
    }
    assert_in_range(found, 0, 1); /* 32 * 1000 / 2^20 are expected */
}

/* No form of addresses and ports helps: 1,000 of each, and so many keys, have as many collisions as random numbers. */
static void spread(const char *what, void (*make)(struct tuple *t, unsigned i))
{
    enum { SET = 1000, KEYS = 200 };
    static __u8 seen[SW_KNOWN_BITS / 8];
    unsigned twice = 0;

    for (int k = 0; k < KEYS; k++) {
        const struct sw_hash_key key = any_key();

        memset(seen, 0, sizeof(seen));
        for (unsigned i = 0; i < SET; i++) {
            struct tuple t = live;
            __u32 at;

            make(&t, i);
            at = bit(&key, &t);
            twice += seen[at / 8] >> at % 8 & 1;
            seen[at / 8] |= 1 << at % 8;
        }
    }
    /* 1000 * 999 / 2 pairs / 2^20 * 200 keys = 95 are expected. Regular sets have fewer, as pairs are independent, and
     * triples are not. */
    if (twice > 95 + 5 * 10)
        fail_msg("%s: %u in a bit that was taken", what, twice);
}

/* The halves of an IPv6 address change together. */
static void halves(struct tuple *t, unsigned i)
{
    t->remote[0] ^= i;
    t->remote[2] ^= i;
    t->remote[1] ^= i * 0x9e3779b1u;
    t->remote[3] ^= i * 0x9e3779b1u;
}

static void ports(struct tuple *t, unsigned i)
{
    t->rport = i;
}

static void addresses(struct tuple *t, unsigned i)
{
    t->remote[3] = i << 22;
}

static void interface_ids(struct tuple *t, unsigned i)
{
    t->remote[0] = 0xb80d0120;
    t->remote[2] = i;
}

static void prefixes(struct tuple *t, unsigned i)
{
    t->remote[0] = 0xb80d0120;
    t->remote[1] = i << 16;
}

TEST(sets_of_every_form_spread)
{
    seed = 362436069362436069ull;
    spread("both halves of an address", halves);
    spread("ports", ports);
    spread("addresses", addresses);
    spread("interface identifiers", interface_ids);
    spread("prefixes", prefixes);
}

/* Two four-tuples that differ in one bit, whichever it is, meet in 1 of 256 slots of 256, by high bits and by low ones.
 */
TEST(each_bit_of_a_four_tuple_counts)
{
    enum { KEYS = 1 << 15, WANTED = KEYS / 256 };

    seed = 521288629521288629ull;
    for (unsigned n = 0; n < 288; n++) {
        struct tuple other = live;
        unsigned low = 0, high = 0;

        if (n < 128)
            other.remote[n / 32] ^= 1u << n % 32;
        else if (n < 256)
            other.local[n / 32 - 4] ^= 1u << n % 32;
        else if (n < 272)
            other.rport ^= 1u << n % 16;
        else
            other.lport ^= 1u << n % 16;
        for (int k = 0; k < KEYS; k++) {
            const struct sw_hash_key key = any_key();
            __u32 differ = slot(&key, &live) ^ slot(&key, &other);

            low += !(differ & 0xff);
            high += !(differ >> 24);
        }
        /* five and a half sigma of a binomial with mean 128 */
        if (low < WANTED - 62 || low > WANTED + 62 || high < WANTED - 62 || high > WANTED + 62)
            fail_msg("bit %u: low %u, high %u of %d, expected %d", n, low, high, KEYS, WANTED);
    }
}

/* Who has seen that two sources meet at one port of theirs learns nothing about the others. */
TEST(one_collision_does_not_lead_to_others)
{
    enum { PAIRS = 2000, MASK = 0x3ff };
    unsigned still = 0;

    seed = 123456789123456789ull;
    for (int n = 0; n < PAIRS; n++) {
        const struct sw_hash_key key = any_key();
        struct tuple one = live, two = live;

        do
            two.remote[3]++;
        while ((slot(&key, &one) ^ slot(&key, &two)) & MASK);
        one.rport = two.rport = live.rport + 1;
        still += !((slot(&key, &one) ^ slot(&key, &two)) & MASK);
    }
    assert_in_range(still, 0, 12); /* 2 are expected; of the sum alone more than half */
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(an_attack_set_is_for_one_key),
        cmocka_unit_test(sets_of_every_form_spread),
        cmocka_unit_test(each_bit_of_a_four_tuple_counts),
        cmocka_unit_test(one_collision_does_not_lead_to_others),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
