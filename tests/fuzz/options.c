/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Options: any words through the parsers that run and replay share. Either all values are in their ranges, or one line
 * says what is wrong and the exit code is that of a wrong use. Nothing else may come out, and nothing may stay behind.
 */
#include "fuzz.h"
#include "base/cidr.h"
#include "base/exit.h"
#include "config/cli.h"
#include "config/guard_options.h"
#include "config/options.h"
#include "guard/lists.h"

#include <sanitizer/allocator_interface.h>
#include <setjmp.h>

enum { WORDS = 24, KEPT = 4096 };

struct both {
    struct sw_common_opts common;
    struct sw_guard_opts guard;
};

/* A parser that fails ends the process; here it ends the input, and what it had allocated is freed for it. */
static jmp_buf back;
static bool parsing;
static const volatile void *kept[KEPT];
static size_t kept_len;

static void on_malloc(const volatile void *p, size_t n)
{
    (void)n;
    if (parsing && kept_len < KEPT)
        kept[kept_len++] = p;
}

static void on_free(const volatile void *p)
{
    for (size_t i = kept_len; parsing && i--;) {
        if (kept[i] == p) {
            kept[i] = kept[--kept_len];
            return;
        }
    }
}

void exit(int code)
{
    if (!parsing)
        _exit(code);
    longjmp(back, code + 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    return freopen("/dev/null", "w", stdout) ? 0 : -1;
}

static void defaults(void *opts)
{
    struct both *b = opts;

    sw_common_defaults(&b->common, false);
    sw_guard_defaults(&b->guard);
}

static const struct sw_command command = {
    .name = "fuzz",
    .doc = "words",
    .size = sizeof(struct both),
    .defaults = defaults,
    .groups = {{&sw_common_group, offsetof(struct both, common)},
               {&sw_timeout_group, offsetof(struct both, common)},
               {&sw_rules_group, offsetof(struct both, common.filter)},
               {&sw_guard_group, offsetof(struct both, guard)}},
};

/* Printed as options, they give the same rules. */
static void check_filter(const struct sw_filter_rules *rules)
{
    static struct sw_filter_rules again;
    char *text = NULL, why[160];
    size_t len;
    FILE *out;

    holds(rules->nets_len <= SW_FILTER_NETS && !(rules->lists >> SW_FL_MAX), "%u networks", rules->nets_len);
    memset(&again, 0, sizeof(again));
    for (int list = 0; list < SW_FL_MAX; list++) {
        if (!(rules->lists >> list & 1))
            continue;
        out = open_memstream(&text, &len);
        holds(out, "no memory");
        sw_filter_print_list(rules, list, out);
        fclose(out);
        holds(!sw_filter_add(&again, list, text, why, sizeof(why)), "%s", why);
        free(text);
    }
    holds(again.lists == rules->lists && again.nets_len == rules->nets_len, "printed, %u networks", again.nets_len);
    holds(!memcmp(again.ports, rules->ports, sizeof(again.ports)), "ports as printed");
}

static void check_common(const struct sw_common_opts *o)
{
    const struct sw_object_opts *b = &o->object;
    const __u64 *t;

    holds(!(o->event_mask >> SW_LINE_MAX), "events %x", o->event_mask);
    holds(o->format >= SW_FORMAT_JSON && o->format <= SW_FORMAT_ECS, "format %d", o->format);
    holds(o->owner <= SW_OWNER_PROCESS, "owner %d", o->owner);
    holds(o->color <= SW_COLOR_NEVER, "color %d", o->color);
    holds(!o->summary || b->cfg.event_mask & 1u << SW_EV_CONN, "a summary without conn records");
    holds(o->interval_ns <= 100000000000000000ull, "interval %llu", o->interval_ns);
    for (t = &b->cfg.t_syn_sent; t <= &b->cfg.t_midstream; t++)
        holds(*t >= 1000000 && *t <= 100000000000000000ull, "timeout %llu", *t);
    holds(b->cfg.close_delay <= 1000000000000000ull, "close delay %llu", b->cfg.close_delay);
    holds(b->max_flows && b->max_flows <= 1u << 30 && b->max_half_open && b->max_half_open <= 1u << 30, "map sizes");
    holds(b->syn_cache_max && b->syn_cache_max <= 1u << 30, "handshakes %u", (unsigned)b->syn_cache_max);
    holds(__builtin_popcountll(b->ring_bytes) == 1 && __builtin_popcountll(b->ring_open_bytes) == 1, "ring sizes");
    holds(b->server_ports_len <= SW_SERVER_PORTS_MAX, "%zu ports", b->server_ports_len);
    for (size_t i = 0; b->server_ports && i < b->server_ports_len; i++)
        holds(b->server_ports[i], "port 0");
    check_filter(&o->filter);
    holds(!b->filter == !o->filter.lists, "a filter that is not passed on");
}

static void check_guard(const struct sw_guard_opts *o)
{
    static const __u8 none[16];

    holds(o->mode < SW_GM_MAX && o->backend < SW_BK_MAX, "mode %d backend %d", o->mode, o->backend);
    holds(o->protect_len <= SW_PROTECT_MAX, "%zu services", o->protect_len);
    for (size_t i = 0; i < o->protect_len; i++) {
        const bool net = o->protect[i].any > SW_NET;

        holds(o->protect[i].port && (net || o->protect[i].any <= (SW_ANY_4 | SW_ANY_6)), "port %u", o->protect[i].port);
        holds(o->gateway ? !o->protect[i].any || net : !net, "a service of another host's, or of none");
        holds((!o->protect[i].any || net) == !!memcmp(o->protect[i].ip, none, 16), "a wildcard with an address");
        for (size_t j = 0; j < i; j++)
            holds(memcmp(&o->protect[i], &o->protect[j], sizeof(o->protect[i])), "service %zu twice", i);
    }
    holds(o->half_open && o->half_open <= 1000000000 && o->syn_rate && o->syn_rate <= 1000000000, "thresholds");
    holds(o->hold_ns >= 100000000 && o->hold_ns <= 86400ull * 1000000000, "hold %llu", o->hold_ns);
    holds(o->grace_ns >= 100000000 && o->grace_ns <= 86400ull * 1000000000, "grace %llu", o->grace_ns);
    holds(o->limit_source <= 1000000000 && o->limit_prefix <= 1000000000 && o->reply_budget <= 1000000000, "limits");
    holds(o->stray == SW_STRAY_DROP || o->stray == SW_STRAY_RESET, "stray %d", o->stray);
    holds(o->reverse_path >= SW_REVERSE_PATH_AUTO && o->reverse_path <= SW_REVERSE_PATH_OFF, "reverse_path %d",
          o->reverse_path);
    holds(o->window && o->window <= 65535 && o->ttl && o->ttl <= 255, "window %u TTL %u", o->window, o->ttl);
    holds(!o->gateway || (o->protect_len && o->wscale >= 0 && !o->accept), "a gateway");
    holds(o->gateway != SW_GATEWAY_EDGE || o->key_file, "an edge without keys");
    holds(o->gateway_flows >= 16 && o->gateway_flows <= 1 << 24, "%u translated connections", o->gateway_flows);
    holds(o->gateway_linger_ns && o->gateway_idle_ns && o->gateway_pending_ns, "a time of 0");
    holds(!o->accept || o->key_file, "cookies of whom?");
    holds(o->wscale >= -1 && o->wscale <= 14, "scale %d", o->wscale);
    holds(!o->mss || (o->mss >= 536 && o->mss <= 65495), "MSS %u", o->mss);
    holds(o->capture_bytes >= 4096 && o->capture_bytes <= 1ull << 40, "capture of %llu", o->capture_bytes);
    for (int list = 0; list < SW_LISTS; list++) {
        struct sw_cidrs cidrs;

        holds(o->lists[list].cidrs_len <= SW_LIST_OPTS_MAX, "%zu CIDRs", o->lists[list].cidrs_len);
        holds(!sw_cidrs_from_opts(&o->lists[list], &cidrs), "a CIDR that was checked");
        sw_cidrs_free(&cidrs);
    }
    if (!o->given)
        holds(!o->mode && !o->protect_len && !o->key_file && !o->capture_file && !o->mss, "without --guard");
}

/* Runs the parsers. The exit code and what they said, or -1 if they returned. */
static int parse(struct both *b, int argc, char **argv, char **ret_output)
{
    FILE *real = stderr, *memory;
    size_t len;
    int code;

    *ret_output = NULL;
    memory = open_memstream(ret_output, &len);
    holds(memory, "no memory");
    stderr = memory;
    kept_len = 0;
    code = setjmp(back);
    if (!code) {
        parsing = true;
        sw_parse(&command, argc, argv, b);
    }
    parsing = false;
    stderr = real;
    fclose(memory);
    return code - 1;
}

/* Not what the parser itself has freed or passed on: --help and the words of argp. */
static void free_kept(void)
{
    while (kept_len)
        free((void *)kept[--kept_len]);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    static struct both both;
    struct fuzz_in in = {data, data + size};
    char *argv[WORDS + 2] = {"fuzz"}, *words[WORDS], *output;
    int argc = 1, code;

    while (argc <= WORDS && fuzz_left(&in)) {
        words[argc - 1] = fuzz_text(&in, '\n');
        argv[argc] = words[argc - 1];
        argc++;
    }
    code = parse(&both, argc, argv, &output);
    if (code < 0) {
        holds(!*output, "output: %s", output);
        check_common(&both.common);
        check_guard(&both.guard);
    } else {
        free_kept();
        holds(code == SW_EXIT_USAGE || code == SW_EXIT_OK, "exit code %d", code);
        if (code == SW_EXIT_USAGE) {
            char *newline = strchr(output, '\n');

            holds(!strncmp(output, "synward: fuzz: ", 15), "output: %s", output);
            holds(newline && !newline[1] && strstr(output, "--help'"), "not one line: %s", output);
        }
    }
    free(output);
    while (--argc)
        free(words[argc - 1]);
    return 0;
}
