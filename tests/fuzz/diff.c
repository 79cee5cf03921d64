/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The same bytes to the headers compiled for the host and to the program in the kernel, by BPF_PROG_TEST_RUN: the same
 * verdict, the same counters, the same records and the same flow, byte for byte. Needs root. Loaded twice: with the
 * walk through tunnels and without.
 *
 * An input is a byte of configuration and frames, each after a byte for the time before it and one for its length.
 */
#include "fuzz.h"
#include "model.h"

#include "packet/parse.h"
#include "packet/tcp_options.h"
#include "packet/tunnel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "synward.skel.h"

enum { FRAMES = 8, SCORES = SW_C_LOCK_TIMEOUT };

static struct bpfrun *runs[2];

/* What the host expects of one input. */
static struct {
    struct model models[FRAMES];
    size_t n;
    __u64 counters[SCORES];
} host;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (int decap = 0; decap < 2; decap++) {
        struct sw_object_opts opts;

        bpfrun_opts(&opts);
        opts.cfg.decap = decap;
        opts.max_flows = opts.max_half_open = opts.syn_cache_max = 1024;
        if (bpfrun_new(&opts, &runs[decap]))
            exit(1);
    }
    return 0;
}

/* One system call for all counters: they are read after each input. */
static void read_counters(struct bpfrun *run, __u64 ret[SCORES])
{
    static __u64 *values;
    static __u32 keys[SW_C_MAX];
    int cpus = libbpf_num_possible_cpus();
    __u32 n = SW_C_MAX, at;

    if (!values)
        values = calloc(SW_C_MAX, cpus * sizeof(*values));
    holds(values && cpus > 0, "no memory");
    if (bpf_map_lookup_batch(bpf_map__fd(bpfrun_object(run)->maps.counters), NULL, &at, keys, values, &n, NULL))
        holds(n == SW_C_MAX, "%u of %u counters", n, SW_C_MAX);
    for (int i = 0; i < SCORES; i++) {
        ret[i] = 0;
        for (int cpu = 0; cpu < cpus; cpu++)
            ret[i] += values[i * cpus + cpu];
    }
}

static struct model *model_of(const struct sw_key *key, const struct sw_config *cfg)
{
    struct model *m = host.models;

    for (size_t i = 0; i < host.n; i++, m++)
        if (!memcmp(&m->key, key, sizeof(*key)))
            return m;
    model_init(m, cfg, true);
    m->key = *key;
    host.n++;
    return m;
}

/* RFC 9293 section 3.1, plainly. A sum of the pseudo-header alone is what offloading leaves; what is not there is not
 * evaluated. */
static bool sum_is_wrong(const __u8 *frame, __u32 len, const struct sw_place *at)
{
    const __u8 *addresses = frame + at->ip + (at->v6 ? 8 : 12), *tcp = frame + at->tcp;
    __u64 sum = 6 + (at->tcp_len >> 16) + (at->tcp_len & 0xffff);

    for (int i = 0; i < (at->v6 ? 32 : 8); i++)
        sum += i % 2 ? addresses[i] : addresses[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    if (sum == (__u64)(tcp[16] << 8 | tcp[17]) || at->tcp + (__u64)at->tcp_len > len)
        return false;
    for (__u32 i = 0; i < at->tcp_len; i++)
        sum += i % 2 ? tcp[i] : tcp[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum != 0xffff;
}

/* Options as far as the frame has whole words of them. */
static void read_options(const __u8 *frame, __u32 len, const struct sw_place *at, struct sw_seg *s)
{
    __u32 there = (len - at->tcp - 20) & ~3u;
    struct sw_tcpopt opt = {.len = at->opt_len < there ? at->opt_len : there, .cut = there < at->opt_len};

    memcpy(opt.bytes, frame + at->tcp + 20, opt.len);
    sw_tcpopt_parse(&opt);
    s->mss = opt.mss;
    s->wscale = opt.wscale;
    s->opts = opt.opts;
    s->bad_opt = opt.bad;
    host.counters[SW_C_BAD_OPTION] += opt.bad;
}

static void expect_frame(struct bpfrun *run, const struct sw_config *cfg, const __u8 *frame, __u32 len)
{
    static const enum sw_counter counter[] = {
        [SW_FOUND_TCP] = SW_C_TCP,
        [SW_FOUND_NOT_IP] = SW_C_NOT_IP,
        [SW_FOUND_NOT_TCP] = SW_C_NOT_TCP,
        [SW_FOUND_FRAG_LATER] = SW_C_FRAG_LATER,
        [SW_FOUND_TRUNCATED] = SW_C_TRUNCATED,
        [SW_FOUND_BAD_HEADER] = SW_C_BAD_HEADER,
        [SW_FOUND_EXT_LIMIT] = SW_C_EXT_LIMIT,
    };
    struct sw_seg s = {.now = bpfrun_now(run), .pkts = 1, .ifindex = 1, .hook = SW_HOOK_REPLAY};
    __u8 *copy = fuzz_copy(frame, len);
    struct sw_inner inner = {0};
    struct sw_place at = {0};
    enum sw_found found;
    struct sw_key key;

    s.wscale = SW_WSCALE_NONE;
    if (cfg->decap)
        sw_decap(copy, copy + len, &inner);
    found = sw_parse(copy, copy + len, len, cfg->decap ? &inner : NULL, &key, &s, &at);
    host.counters[SW_C_PACKETS]++;
    host.counters[counter[found]]++;
    if (found == SW_FOUND_TCP) {
        host.counters[SW_C_FRAG_FIRST] += s.frag;
        s.bad_csum = !s.frag && s.cap == s.len && sum_is_wrong(copy, len, &at);
        host.counters[SW_C_BAD_CHECKSUM] += s.bad_csum;
        if (s.flags & SW_TCP_SYN && at.opt_len)
            read_options(copy, len, &at, &s);
        model_segment(model_of(&key, cfg), &s);
    }
    free(copy);
}

/* Those of one flow, in the order of the rings. */
static void check_records(struct bpfrun *run)
{
    const struct sw_event *have;
    size_t n = bpfrun_events(run, &have), taken = 0;

    for (struct model *m = host.models; m < host.models + host.n; m++) {
        size_t at = 0;

        for (int ring = 0; ring < SW_RINGS; ring++) {
            for (size_t i = 0; i < m->n_events[ring]; i++) {
                const struct sw_event *want = &m->events[ring][i];

                while (at < n && memcmp(&have[at].key, &m->key, sizeof(m->key)))
                    at++;
                holds(at < n, "the program does not emit kind %u", want->kind);
                holds(have[at].kind == want->kind && have[at].anomaly == want->anomaly,
                      "the program emits kind %u (%u), not %u (%u)", have[at].kind, have[at].anomaly, want->kind,
                      want->anomaly);
                holds(!memcmp(&have[at], want, sizeof(*want)), "the program emits something else of kind %u",
                      want->kind);
                at++;
                taken++;
            }
        }
        model_clear(m);
    }
    holds(taken == n, "the program emits %zu records, the host %zu", n, taken);
    bpfrun_clear_events(run);
}

static void sweep(struct bpfrun *run, __u64 flush)
{
    struct sw_sweep result;

    for (size_t i = 0; i < host.n; i++)
        model_sweep(&host.models[i], bpfrun_now(run), flush);
    holds(!bpfrun_sweep(run, flush, &result), "the sweep fails");
    check_records(run);
}

static void check_flows(struct bpfrun *run)
{
    for (struct model *m = host.models; m < host.models + host.n; m++) {
        struct sw_flow f;
        enum bpfrun_where where = bpfrun_lookup(run, &m->key, &f);

        holds(where == m->where, "in map %d, on the host in %d", where, m->where);
        holds(where == BPFRUN_NOWHERE || !memcmp(&f, &m->flow, sizeof(f)), "another flow in map %d", where);
    }
}

static void check_counters(const __u64 before[SCORES], const __u64 after[SCORES])
{
    for (size_t i = 0; i < host.n; i++) {
        const struct model *m = &host.models[i];

        host.counters[SW_C_HALF_OPEN_CREATED] += m->created;
        host.counters[SW_C_HALF_OPEN_PROMOTED] += m->promoted;
        host.counters[SW_C_HALF_OPEN_ENDED] += m->ended_in[0];
        host.counters[SW_C_LATE] += m->late;
        host.counters[SW_C_FLOW_ENDED] += m->ended_in[1];
        host.counters[SW_C_FAST_PATH] += m->fast_taken;
    }
    for (int i = 0; i < SCORES; i++)
        if (i != SW_C_HISTORY_FULL)
            holds(after[i] - before[i] == host.counters[i], "counter %d: the program %llu, the host %llu", i,
                  after[i] - before[i], host.counters[i]);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    bool decap = fuzz_u8(&in) & 1;
    struct bpfrun *run = runs[decap];
    struct sw_object_opts opts;
    __u64 before[SCORES], after[SCORES];

    bpfrun_opts(&opts);
    opts.cfg.decap = decap;
    memset(&host, 0, sizeof(host));
    read_counters(run, before);
    bpfrun_set_now(run, bpfrun_now(run) + SW_LATE_NS + 1000000000); /* what ended in the last run is forgotten */
    for (int n = 0; n < FRAMES && fuzz_left(&in); n++) {
        __u8 gap = fuzz_u8(&in), len = fuzz_u8(&in);
        int verdict = -1;

        len = len < fuzz_left(&in) ? len : (__u8)fuzz_left(&in);
        if (len < 14)
            break; /* no test run takes it */
        bpfrun_set_now(run, bpfrun_now(run) + ((__u64)gap << 28));
        if (gap & 1)
            sweep(run, 0);
        expect_frame(run, &opts.cfg, in.at, len);
        holds(!bpfrun_ingress(run, in.at, len, &verdict), "no run of %u bytes", len);
        holds(verdict == BPFRUN_XDP_PASS, "verdict %d", verdict);
        check_records(run);
        in.at += len;
    }
    check_flows(run);
    bpfrun_set_now(run, bpfrun_now(run) + 1000000);
    sweep(run, 2);
    read_counters(run, after);
    check_counters(before, after);
    return 0;
}
