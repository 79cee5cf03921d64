/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The capture reader, and replay up to the run of each frame: whatever the file holds, frames are readable memory, no
 * more of them are TCP than the file's size allows, the clock does not run back, and a time far away costs a bounded
 * number of sweeps.
 */
#include "fuzz.h"

/* What leaves replay.c for the kernel is ours. */
#define bpf_prog_test_run_opts fuzz_test_run
#define sw_account_update(a, ...) fuzz_account_update(a)
#define sw_account_loss(a, ...) fuzz_account_loss(a)
#define sw_account_stats(a, ...) fuzz_account_stats(a)
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define ring_buffer__consume fuzz_consume
#define bpf_program__fd fuzz_program_fd
#include "cmd/replay.c"

#define sw_parse sw_parse_frame /* the options' parser has the name, too */
#include "packet/parse.h"
#include "packet/tunnel.h"

/* A gap of any length in 1000 steps, and rounded to seconds; see replay_schedule.c. */
enum { SWEEPS_A_FRAME = 1200 };

static struct {
    struct synward_bpf__bss bss;
    const struct replay *replay;
    __u64 tcp, frames, sweeps, clock, next;
} seen;

int fuzz_program_fd(const struct bpf_program *prog)
{
    (void)prog;
    return -1;
}

int fuzz_consume(struct ring_buffer *ring)
{
    (void)ring;
    return 0;
}

/* A frame as the kernel would get it. */
int fuzz_test_run(int fd, struct bpf_test_run_opts *run)
{
    const __u8 *frame = run->data_in;
    __u8 *copy = fuzz_copy(frame, run->data_size_in); /* each byte can be read */
    struct sw_inner inner = {0};
    struct sw_place at = {0};
    struct sw_seg s = {0};
    struct sw_key key;

    (void)fd;
    holds(run->data_size_in >= ETH_HLEN, "a test run of %u bytes", run->data_size_in);
    holds(seen.bss.replay_now >= seen.clock, "%llu, then %llu", seen.clock, seen.bss.replay_now);
    holds(seen.bss.replay_now >= EPOCH, "a time that means unseen: %llu", seen.bss.replay_now);
    seen.clock = seen.bss.replay_now;
    sw_decap(copy, copy + run->data_size_in, &inner);
    if (sw_parse_frame(copy, copy + run->data_size_in, run->data_size_in, &inner, &key, &s, &at) == SW_FOUND_TCP)
        seen.tcp++;
    seen.frames++;
    free(copy);
    return 0;
}

int fuzz_account_update(struct sw_account *a)
{
    holds(seen.bss.replay_now >= seen.clock, "swept at %llu, after %llu", seen.bss.replay_now, seen.clock);
    seen.clock = seen.bss.replay_now;
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
    static struct synward_bpf obj;
    struct fuzz_in in = {data, data + size};
    __u8 how = fuzz_u8(&in);
    struct replay c = {.obj = &obj, .frame_max = FRAME_MAX, .signal_fd = -1};
    char why[512] = "";
    int err;

    memset(&seen, 0, sizeof(seen));
    seen.replay = &c;
    seen.next = how & 1 ? ~0ull : (__u64)how << 28;
    obj.bss = &seen.bss;
    sw_common_defaults(&c.opts, true);
    c.opts.interval_ns = how & 2 ? SW_SECOND : 0;
    c.run.sz = sizeof(c.run);
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
