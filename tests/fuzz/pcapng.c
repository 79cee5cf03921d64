/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pcapng writer: records of any content, interfaces that are renamed, a clock that is set, a file that gets full.
 * What was taken is read back by a strict reader of blocks and by libpcap: each frame, time, interface and comment.
 */
#include "fuzz.h"

#include "blocks.h" /* asserts with cmocka, which ends us outside of a test */
#include "output/names.h"
#include "base/pcap.h"
#include "output/pcapng.h"

#include <errno.h>

enum { RECORDS = 24, NAMES = 4 };

static struct sw_capture records[RECORDS];
static struct {
    __u32 cap, len, ifindex;
    __u64 ts;
    __u8 frame[SW_CAPTURE_BYTES];
    char comment[80];
} want[RECORDS];
static int wanted;

static const char *path(void)
{
    static char name[64];

    if (!*name)
        snprintf(name, sizeof(name), "/dev/shm/synward-fuzz.%d", (int)getpid());
    return name;
}

static void remove_file(void)
{
    unlink(path());
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    atexit(remove_file);
    return setenv("CMOCKA_TEST_ABORT", "1", 1);
}

static void record(struct fuzz_in *in, struct sw_capture *c)
{
    memset(c, 0, sizeof(*c));
    c->cap = fuzz_u16(in) % (SW_CAPTURE_BYTES + 2);
    c->len = c->cap + fuzz_u8(in) - 1u;
    c->ts = fuzz_u64(in);
    c->ifindex = fuzz_u8(in) % 4;
    c->reason = fuzz_u8(in);
    c->dry_run = c->reason & 1;
    fuzz_take(in, c->frame, c->cap < SW_CAPTURE_BYTES ? c->cap : SW_CAPTURE_BYTES);
}

static void keep(const struct sw_capture *c, __s64 clock)
{
    int n = wanted++;

    want[n].cap = c->cap;
    want[n].len = c->len;
    want[n].ifindex = c->ifindex;
    want[n].ts = c->ts + (__u64)clock;
    memcpy(want[n].frame, c->frame, c->cap);
    snprintf(want[n].comment, sizeof(want[n].comment), "synward: %s (%s)", c->dry_run ? "would drop" : "dropped",
             sw_name_drop(c->reason)->text);
}

static void write_file(struct fuzz_in *in, __u64 max, bool *ret_full)
{
    __s64 clock = (__s64)fuzz_u64(in);
    struct sw_pcapng *p;
    int names = 0;

    wanted = 0;
    holds(!sw_pcapng_open(path(), max, clock, &p), "cannot write");
    for (int i = 0; i < RECORDS && fuzz_left(in); i++) {
        struct sw_capture *c = &records[i];
        __u8 how = fuzz_u8(in);
        int err;

        if (how & 1 && names < NAMES) {
            char *name = fuzz_text(in, 0);

            holds(!sw_pcapng_set_iface(p, how >> 1 & 3, name), "no memory");
            names++;
            free(name);
        }
        if (how & 8)
            sw_pcapng_set_clock(p, clock = clock / -2);
        record(in, c);
        err = sw_pcapng_add(p, c);
        if (err == 1)
            *ret_full = true;
        else
            holds(err == (c->cap > SW_CAPTURE_BYTES || c->cap > c->len ? -EINVAL : 0), "error %d for %u of %u bytes",
                  err, c->cap, c->len);
        holds(!*ret_full || err == 1, "full, and then not");
        if (!err)
            keep(c, clock);
    }
    holds(!sw_pcapng_close(p), "cannot close");
}

/* libpcap takes a 64-bit time in nanoseconds from a block; ours reaches beyond what it holds as seconds. */
static void read_by_libpcap(void)
{
    struct sw_frame frame;
    struct sw_pcap *p;
    char why[300];
    int n = 0, more;

    if (!wanted)
        return; /* no interface block: libpcap calls that a damaged file */
    holds(!sw_pcap_open(path(), NULL, NULL, &p, why, sizeof(why)), "%s", why);
    while ((more = sw_pcap_next(p, &frame)) == 1) {
        holds(n < wanted && frame.len == want[n].cap && !memcmp(frame.data, want[n].frame, frame.len), "frame %d", n);
        if (want[n].ts < 4000000000ull * 1000000000)
            holds(frame.ts == want[n].ts, "frame %d at %llu, not %llu", n, frame.ts, want[n].ts);
        n++;
    }
    holds(!more && n == wanted, "%d of %d frames: %s", n, wanted, sw_pcap_why(p));
    sw_pcap_close(p);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    static struct seen seen;
    struct fuzz_in in = {data, data + size};
    __u64 max = 1536 + fuzz_u16(&in);
    bool full = false;
    size_t bytes;

    write_file(&in, max, &full);
    bytes = read_all(path(), &seen);
    holds(bytes <= max, "%zu bytes of %llu", bytes, max);
    holds(!full || bytes + 2 * 512 > max, "full with %zu bytes of %llu", bytes, max);
    holds(seen.frames == wanted, "%d frames of %d", seen.frames, wanted);
    for (int i = 0; i < wanted; i++) {
        holds(seen.ts[i] == want[i].ts && seen.cap[i] == want[i].cap && seen.len[i] == want[i].len,
              "frame %d: at %llu, %u of %u bytes", i, seen.ts[i], seen.cap[i], seen.len[i]);
        holds(!strcmp(seen.comment[i], want[i].comment), "%s, not %s", seen.comment[i], want[i].comment);
    }
    read_by_libpcap();
    return 0;
}
