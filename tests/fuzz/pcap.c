/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The capture reader, and replay up to the run of each frame: whatever the file holds, frames are readable memory, no
 * more of them are TCP than the file's size allows, the clock does not run back, and a time far away costs a bounded
 * number of sweeps.
 */
#include "fuzz.h"

/* What leaves replay.c for the tracker is ours. */
#define sw_account_update(a, now, ...) fuzz_account_update(a, now)
#define sw_account_loss(a, ...) fuzz_account_loss(a)
#define sw_account_stats(a, ...) fuzz_account_stats(a)
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "cmd/replay.c"

#define sw_parse sw_parse_frame /* the options' parser has the name, too */
#include "packet/parse.h"
#include "packet/tunnel.h"

/* A gap of any length in 1000 steps, and rounded to seconds; see replay_schedule.c. */
enum { SWEEPS_A_FRAME = 1200 };

static struct {
    const struct replay *replay;
    __u64 tcp, frames, sweeps, clock, next;
} seen;

static void clock_is(__u64 now)
{
    holds(now >= seen.clock, "%llu, then %llu", seen.clock, now);
    holds(now >= EPOCH, "a time that means unseen: %llu", now);
    seen.clock = now;
}

/* A frame as the tracker would get it. */
static int feed_one(struct sw_replay_engine *engine, const struct sw_frame *frame, __u64 now)
{
    __u8 *copy = fuzz_copy(frame->data, frame->len); /* each byte can be read */
    struct sw_inner inner = {0};
    struct sw_place at = {0};
    struct sw_seg s = {0};
    struct sw_key key;

    (void)engine;
    holds(frame->len >= ETH_HLEN, "a frame of %u bytes", frame->len);
    clock_is(now);
    sw_decap(copy, copy + frame->len, &inner);
    if (sw_parse_frame(copy, copy + frame->len, frame->len, &inner, &key, &s, &at) == SW_FOUND_TCP)
        seen.tcp++;
    seen.frames++;
    free(copy);
    return 0;
}

static int read_none(struct sw_replay_engine *engine)
{
    (void)engine;
    return 0;
}

int fuzz_account_update(struct sw_account *a, __u64 now)
{
    clock_is(now);
    holds(++seen.sweeps < SWEEPS_A_FRAME * (seen.replay->frames + 1), "%llu sweeps at frame %llu", seen.sweeps,
          seen.replay->frames);
    a->sweep.next = seen.next == ~0ull ? seen.next : seen.clock + seen.next;
    return 0;
}

int fuzz_account_loss(struct sw_account *a)
{
    (void)a;
    return 0;
}

int fuzz_account_stats(const struct sw_account *a)
{
    (void)a;
    return 0;
}

static void run(struct replay *c)
{
    int last = 0;

    holds(!feed_all(c, &last), "replay fails");
    holds(last == 0 || last == -EIO, "the reader ends with %d", last);
    if (last)
        holds(*sw_pcap_why(c->pcap), "damaged, and it does not say why");
    holds(seen.frames + c->runts == c->frames, "%llu frames of %llu", seen.frames + c->runts, c->frames);
    holds(seen.tcp <= sw_pcap_frames_max(c->pcap), "%llu segments, at most %llu", seen.tcp,
          sw_pcap_frames_max(c->pcap));
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct sw_replay_engine engine = {.feed = feed_one, .read = read_none};
    struct fuzz_in in = {data, data + size};
    __u8 how = fuzz_u8(&in);
    struct replay c = {.engine = &engine, .signal_fd = -1};
    char why[512] = "";
    int err;

    memset(&seen, 0, sizeof(seen));
    seen.replay = &c;
    seen.next = how & 1 ? ~0ull : (__u64)how << 28;
    sw_common_defaults(&c.opts, true);
    c.opts.interval_ns = how & 2 ? SW_SECOND : 0;
    err = sw_pcap_open(fuzz_file(in.at, fuzz_left(&in)), NULL, NULL, &c.pcap, why, sizeof(why));
    if (err) {
        holds(!c.pcap && (err == -EPROTO || err == -EPROTONOSUPPORT), "error %d", err);
        fuzz_one_line(why);
        return 0;
    }
    run(&c);
    sw_pcap_close(c.pcap);
    return 0;
}
