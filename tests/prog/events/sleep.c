/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A reader that falls asleep as soon as it has read all, while the next record comes on another CPU, now and then just
 * in that moment: it never sleeps on while a record waits. And it is woken once, not for each record.
 */
#include "fixture.h"
#include "base/clock.h"
#include "events/reader.h"
#include "synward.skel.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { RECORDS = 30000, LONGEST_MS = 30000, PATIENCE_MS = 3000, SPIN_MOST = 20000 };

static struct {
    struct sw_rings rings;
    int epoll;
    atomic_bool stop;
    atomic_uint read;
    unsigned slept, overslept, wrong;
    __u8 next[4]; /* address */
} reader;

static void open_reader(void)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

    memset(&reader, 0, sizeof(reader));
    bpfrun_drain(run, false);
    assert_int_equal(sw_rings_open(&reader.rings, bpfrun_object(run)), 0);
    reader.epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_true(reader.epoll >= 0);
    assert_int_equal(epoll_ctl(reader.epoll, EPOLL_CTL_ADD, reader.rings.ring[SW_RING_MAIN].fd, &ev), 0);
}

static void close_reader(void)
{
    sw_rings_close(&reader.rings);
    close(reader.epoll);
    bpfrun_drain(run, true);
}

/* Each is of the next address, over the ring's end, too. */
static bool is_next(const struct sw_event *ev)
{
    const __u8 *ip = ev->key.b_ip + 12;
    const bool ok = ev->kind == SW_EV_OPENING && (!reader.next[0] || !memcmp(ip, reader.next, 4));
    __u32 n;

    memcpy(&n, ip, 4);
    n = htonl(ntohl(n) + 1);
    memcpy(reader.next, &n, 4);
    return ok;
}

static unsigned take_all(void)
{
    for (int i = 0; i < SW_RINGS; i++)
        sw_rings_take(&reader.rings, i);
    for (size_t i = 0; i < reader.rings.batch[SW_RING_OPEN].len; i++)
        reader.wrong += !is_next(sw_batch_at(&reader.rings.batch[SW_RING_OPEN], i));
    return sw_rings_taken(&reader.rings);
}

/* The reader on a CPU of its own, if there are two. */
static void stay_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *reads(void *arg)
{
    struct epoll_event ev;

    unsigned random = 1;

    (void)arg;
    stay_on(1);
    while (!reader.stop) {
        unsigned n = take_all();

        reader.read += n;
        if (n)
            continue;
        random = random * 1664525 + 1013904223;
        for (volatile unsigned spin = (random >> 16) % SPIN_MOST; spin; spin--) /* about as long as a record takes */
            ;
        if (sw_rings_sleep(&reader.rings)) {
            reader.slept++;
            if (!epoll_wait(reader.epoll, &ev, 1, PATIENCE_MS) && (n = take_all())) {
                reader.overslept++;
                reader.read += n;
            }
        }
        sw_rings_wake(&reader.rings);
    }
    return NULL;
}

static void one_record(unsigned i)
{
    struct talk f;
    struct pkt p;

    talk_init(&f, run, false);
    pkt_v4(f.side[A].src, 0xc6120000 + i); /* 198.18.0.0/15, RFC 2544 */
    p = talk_pkt(&f, A, SYN, 0);
    talk_send(&f, A, &p);
}

TEST(never_oversleeps)
{
    pthread_t thread;
    __u64 longest;
    unsigned n = 0;

    open_reader();
    stay_on(0);
    assert_int_equal(pthread_create(&thread, NULL, reads, NULL), 0);
    /* beside other load each record takes a time slice of the scheduler's */
    for (longest = sw_clock_now() + LONGEST_MS * MS; n < RECORDS && !reader.overslept && sw_clock_now() < longest;
         n++) {
        one_record(n);
        for (__u64 end = sw_clock_now() + 2 * PATIENCE_MS * MS; reader.read <= n && !reader.overslept; sched_yield())
            if (sw_clock_now() > end)
                fail_msg("record %u is not read", n);
    }
    reader.stop = true;
    one_record(n);
    pthread_join(thread, NULL);
    print_message("# %u records, slept %u times\n", n, reader.slept);
    assert_int_equal(reader.overslept, 0);
    assert_true(n > 1000);
    assert_int_equal(reader.wrong, 0);
    assert_true(reader.slept > n / 100);
    assert_true(reader.slept < n - n / 100 || sysconf(_SC_NPROCESSORS_ONLN) == 1);
    close_reader();
}

/* Four times round the ring, by windows and as a whole; and again after a rest. */
TEST(reads_on)
{
    const struct sw_ringbuf *ring = &reader.rings.ring[SW_RING_OPEN];
    unsigned n = 0;

    open_reader();
    for (unsigned pass = 0; pass < 2; pass++) {
        assert_false(ring->whole);
        while (ring->at < (pass + 1) * 4 * ring->size) {
            for (int i = 0; i < 1000; i++)
                one_record(n++);
            while (take_all())
                ;
        }
        assert_true(ring->whole);
        assert_true(sw_rings_sleep(&reader.rings));
        sw_rings_wake(&reader.rings);
    }
    print_message("# %u records\n", n);
    assert_int_equal(reader.wrong, 0);
    assert_true(ring->at > 8 * ring->size);
    close_reader();
}

TEST(woken_once)
{
    struct epoll_event ev;
    __u64 record;

    open_reader();
    while (epoll_wait(reader.epoll, &ev, 1, 0) > 0) /* of the test before */
        take_all();
    one_record(1);
    assert_int_equal(epoll_wait(reader.epoll, &ev, 1, 100), 0); /* awake: it polls */
    assert_int_equal(take_all(), 1);
    assert_true(sw_rings_sleep(&reader.rings));
    one_record(2);
    assert_int_equal(epoll_wait(reader.epoll, &ev, 1, PATIENCE_MS), 1);
    assert_int_equal(*reader.rings.sleeps, 0);
    record = sw_ringbuf_waiting(&reader.rings.ring[SW_RING_MAIN]);
    one_record(3);
    assert_int_equal(epoll_wait(reader.epoll, &ev, 1, 100), 0);
    assert_int_equal(sw_ringbuf_waiting(&reader.rings.ring[SW_RING_MAIN]), record);
    assert_int_equal(take_all(), 2);
    assert_int_equal(sw_ringbuf_waiting(&reader.rings.ring[SW_RING_MAIN]), 0); /* what woke it is no record */
    one_record(4);
    assert_false(sw_rings_sleep(&reader.rings)); /* one is there already */
    sw_rings_wake(&reader.rings);
    assert_int_equal(take_all(), 1);
    close_reader();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(woken_once),
        CASE(reads_on),
        CASE(never_oversleeps),
    };

    return RUN(tests);
}
