/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Each start has a key of its own for its tables, and the programs use it. */
#include "fixture.h"
#include "synward.skel.h"
#include "synward_hash.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static struct sw_hash_key key_of(struct bpfrun *of)
{
    struct sw_hash_key key;
    __u32 zero = 0;

    assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(bpfrun_object(of)->maps.hash_key), &zero, &key), 0);
    return key;
}

static __u64 hash_of(struct bpfrun *of, const struct sw_key *k)
{
    const struct sw_hash_key key = key_of(of);
    __u32 a[4], b[4];

    memcpy(a, k->a_ip, 16);
    memcpy(b, k->b_ip, 16);
    return sw_tuple_hash(&key, a, b, k->a_port | (__u32)k->b_port << 16);
}

/* Which set it is in, and its tag there. */
struct place {
    __u32 set, tag;
};

static struct place only_cache_entry(struct bpfrun *of)
{
    int fd = bpf_map__fd(bpfrun_object(of)->maps.syn_cache);
    struct sw_syn_set set;
    struct place ret = {0};

    assert_int_equal(bpfrun_syn_cache_entries(of), 1);
    for (__u32 i = 0; !bpf_map_lookup_elem(fd, &i, &set); i++)
        for (int at = 0; at < SW_SYN_WAYS; at++)
            if (set.tag[at])
                ret = (struct place){i, set.tag[at]};
    return ret;
}

TEST(two_starts_differ)
{
    struct sw_hash_key one, two;
    struct place here, elsewhere;
    struct sw_object_opts opts;
    struct bpfrun *other;
    struct talk there;

    bpfrun_opts(&opts);
    assert_int_equal(bpfrun_new(&opts, &other), 0);
    one = key_of(run);
    two = key_of(other);
    for (int i = 0; i < SW_HASH_WORDS; i++)
        assert_int_not_equal(one.word[i], two.word[i]);
    talk_init(&there, other, false);
    talk_say(t, A, SYN, 0);
    talk_say(&there, A, SYN, 0);
    here = only_cache_entry(run);
    elsewhere = only_cache_entry(other);
    assert_int_not_equal(here.set, elsewhere.set);
    assert_int_not_equal(here.tag, elsewhere.tag);
    bpfrun_free(other);
}

/* A start that continues with pinned tables finds in them what is there. */
TEST(a_key_that_is_there_stays)
{
    const struct sw_hash_key before = key_of(run);
    struct sw_hash_key after;

    assert_int_equal(sw_object_key_hashes(bpfrun_object(run), NULL), 0);
    after = key_of(run);
    assert_memory_equal(&before, &after, sizeof(before));
}

TEST(syn_cache_is_keyed)
{
    for (int v6 = 0; v6 < 2; v6++) {
        struct place here;
        __u64 hash;

        assert_int_equal(bpfrun_reset(run), 0);
        talk_init(t, run, v6);
        talk_say(t, A, SYN, 0);
        hash = hash_of(run, &t->key);
        here = only_cache_entry(run);
        assert_int_equal(here.tag, hash * 0x9e3779b97f4a7c15ull >> 32);
        assert_int_equal(here.set,
                         (__u64)sw_hash_slot(hash) * bpf_map__max_entries(bpfrun_object(run)->maps.syn_cache) >> 32);
    }
}

static void set_lock(__u32 slot, __u32 taken)
{
    assert_int_equal(bpf_map_update_elem(bpf_map__fd(bpfrun_object(run)->maps.locks), &slot, &taken, BPF_ANY), 0);
}

/* Held for good, the one lock of the four-tuple delays it; the others do not. */
TEST(locks_are_keyed)
{
    enum { LOCKS = 1024 };

    SKIP_OLD("a spin lock is part of the value");
    for (int v6 = 0; v6 < 2; v6++) {
        __u32 ours;

        assert_int_equal(bpfrun_reset(run), 0);
        talk_init(t, run, v6);
        ours = sw_hash_slot(hash_of(run, &t->key)) % LOCKS;
        assert_int_equal(bpf_map__max_entries(bpfrun_object(run)->maps.locks), LOCKS);
        for (__u32 i = 0; i < LOCKS; i++)
            set_lock(i, i != ours);
        talk_say(t, A, SYN, 0);
        expect_counter(t, LOCK_TIMEOUT, 0);
        for (__u32 i = 0; i < LOCKS; i++)
            set_lock(i, i == ours);
        talk_say(t, B, SYN | ACK, 0);
        expect_counter(t, LOCK_TIMEOUT, 1);
        set_lock(ours, 0);
        talk_say(t, A, ACK, 0);
        expect_counter(t, LOCK_TIMEOUT, 1);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(two_starts_differ),
        CASE(a_key_that_is_there_stays),
        CASE(syn_cache_is_keyed),
        CASE(locks_are_keyed),
    };

    return RUN(cases);
}
