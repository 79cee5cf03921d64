/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward keys: makes lines of a key file, and says what is in one. */
#include "base/clock.h"
#include "base/exit.h"
#include "base/key_state.h"
#include "base/log.h"
#include "base/random.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "config/cli.h"
#include "guard/keys.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_MAX 9999999999ull /* ten digits, as the file has them */
#define HOUR 3600

enum action { KEYS_NEW, KEYS_CHECK };

struct keys {
    bool json, v2;
    enum action action;
    const char *file;
    unsigned int count;
    __u64 every;   /* seconds; 0: not given */
    bool has_from; /* and not: the last multiple of every */
    __u64 from;    /* seconds since 1970 */
};

static void print_key(const __u64 key[2])
{
    for (int i = 0; i < 16; i++)
        printf("%02x", (unsigned int)(key[i / 8] >> (i % 8 * 8) & 0xff));
    putchar('\n');
}

/* A single key without --from and --every always counts, and has no time. */
static int make(const struct keys *k)
{
    const __u64 every = k->every ? k->every : HOUR;
    const __u64 from = k->has_from ? k->from : (__u64)time(NULL) / every * every;
    const bool timed = k->has_from || k->every || k->count > 1;

    if (from + (k->count - 1) * every > TIME_MAX) {
        sw_err("keys: times of more than ten digits");
        return SW_EXIT_USAGE;
    }
    for (unsigned int i = 0; i < k->count; i++) {
        __u64 key[2];
        int err = sw_random(key, sizeof(key));

        if (err) {
            sw_err("keys: no random numbers: %s", strerror(-err));
            return SW_EXIT_INTERNAL;
        }
        if (timed)
            printf("@%llu ", from + i * every);
        if (k->v2)
            fputs("v2:", stdout);
        print_key(key);
        explicit_bzero(key, sizeof(key));
    }
    return sw_stdout_end();
}

/* What a key is for: the one at `now` makes cookies. */
static const char *use_of(const struct sw_key_note *notes, size_t len, size_t i, size_t now)
{
    if (i + 1 < len && notes[i + 1].since == notes[i].since)
        return "never";
    return i < now ? "past" : i == now ? "now" : i == now + 1 ? "next" : "later";
}

static void print_time_json(const char *key, bool given, __u32 epoch)
{
    char text[SW_KEY_TIME + 1];

    *sw_put_key_time(text, sw_epoch_begins(epoch)) = 0;
    if (given)
        printf(",\"%s\":\"%s\"", key, text);
    else
        printf(",\"%s\":null", key);
}

static void print_row(const struct keys *k, const struct sw_key_note *notes, const __u32 *version, size_t len, size_t i,
                      size_t now)
{
    char from[SW_KEY_SECOND] = "ever", until[SW_KEY_SECOND] = "-";
    const char *use = use_of(notes, len, i, now);
    const bool ends = i + 1 < len;

    if (k->json) {
        printf("{\"use\":\"%s\",\"key\":\"%08x\",\"version\":%u", use, notes[i].fingerprint, version[i]);
        print_time_json("from", notes[i].since, notes[i].since);
        print_time_json("until", ends, ends ? notes[i + 1].since : 0);
        puts("}");
        return;
    }
    if (notes[i].since)
        sw_format_key_second(from, sw_epoch_begins(notes[i].since));
    if (ends)
        sw_format_key_second(until, sw_epoch_begins(notes[i + 1].since));
    printf("%-5s  %08x  v%u  %-20s  %s\n", use, notes[i].fingerprint, version[i], from, until);
}

static int check_file(const struct keys *k)
{
    struct sw_key_note notes[SW_KEY_LINES + 1];
    __u32 version[SW_KEY_LINES + 1];
    const __u64 real_ns = sw_clock_now() + (__u64)sw_clock_offset();
    struct sw_key_set set;
    size_t now = 0, len;
    char error[400];
    int err = sw_keys_read(k->file, &set, NULL, error, sizeof(error));

    if (err) {
        sw_err("%s", error);
        return SW_EXIT_INPUT;
    }
    len = set.len;
    sw_keys_notes(&set, notes);
    for (size_t i = 0; i < len; i++)
        version[i] = set.line[i].version;
    explicit_bzero(&set, sizeof(set));
    while (now + 1 < len && sw_epoch_begins(notes[now + 1].since) <= real_ns)
        now++;
    if (!k->json)
        puts("USE    KEY           FROM                  UNTIL");
    for (size_t i = 0; i < len; i++)
        print_row(k, notes, version, len, i, now);
    if (sw_epoch_begins(notes[0].since) > real_ns)
        sw_warn("%s: no key counts yet: the first one is used before its time", k->file);
    for (size_t i = 1; i < len; i++)
        if (version[i] != version[0]) {
            sw_warn("%s: keys of version 1 and 2: those of 1 do not prove the window scale", k->file);
            break;
        }
    return sw_stdout_end();
}

static int cmd_keys(int argc, char **argv)
{
    struct keys k = {0};

    sw_parse(&sw_keys_command, argc, argv, &k);
    sw_keys_protect_process();
    return k.action == KEYS_NEW ? make(&k) : check_file(&k);
}

/* N, or +N from now. */
static void parse_from(struct sw_cli *cli, const char *arg, void *at)
{
    struct keys *k = at;
    const bool ahead = *arg == '+';
    const __u64 now = ahead ? (__u64)time(NULL) : 0;

    k->has_from = true;
    k->from = now + sw_arg_number(cli, arg + ahead, 0, TIME_MAX - now);
}

static const struct sw_option options[] = {
    {"count", 'n', .type = SW_OPT_NUMBER, SW_FIELD(struct keys, count), .range = {1, SW_KEY_LINES}, .arg = "N",
     .help = "new: how many keys, 1 to 64 ({})"},
    {"every", 'e', .type = SW_OPT_NUMBER, SW_FIELD(struct keys, every), .range = {SW_KEYS_APART, 1u << 30}, .arg = "S",
     .help = "new: seconds for which each counts, at least 300 (3600)"},
    {"from", 'f', .type = SW_OPT_CUSTOM, .parse = parse_from, .arg = "TIME",
     .help = "new: when the first begins to count: seconds since 1970, or +S from now (the last multiple of `--every`)",
     .man = "A single key without `--from` and `--every` has no time: it always counts."},
    {"v2", '2', .type = SW_OPT_SET, SW_FIELD(struct keys, v2),
     .help = "new: keys of version 2, whose cookies are good only at hosts with the same window scale"},
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct keys, json), .help = "check: a JSON object a line"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

static const struct sw_word actions[] = {{"new", KEYS_NEW}, {"check", KEYS_CHECK}, {0}};
static const struct sw_operand operands[] = {
    {"ACTION", .words = actions}, {"FILE", .complete = SW_COMPLETE_FILES}, {0}};

static void defaults(void *opts)
{
    struct keys *k = opts;

    k->count = 1;
}

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct keys *k = opts;
    int action = n ? (int)k->action : sw_word_find(actions, arg);

    if (action < 0)
        sw_usage_die(cli, "'%s' is neither new nor check", arg);
    if (n > 1 || (n && k->action == KEYS_NEW))
        sw_usage_die(cli, "unexpected argument '%s'", arg);
    k->action = action;
    if (n)
        k->file = arg;
    return 0;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    const struct keys *k = opts;

    if (!operands_len)
        sw_usage_die(cli, "new, or check FILE");
    if (k->action == KEYS_CHECK && !k->file)
        sw_usage_die(cli, "check which FILE?");
    if (k->action == KEYS_CHECK && (k->has_from || k->every || k->count > 1 || k->v2))
        sw_usage_die(cli, "--count, --every, --from and --v2 go with new");
    if (k->action == KEYS_NEW && k->json)
        sw_usage_die(cli, "--json goes with check");
}

const struct sw_command sw_keys_command = {
    .name = "keys",
    .summary = "makes keys for cookies, and says which one counts",
    .args_doc = "new\ncheck FILE",
    .doc =
        "new prints lines for the file of run --key-file: random keys. check reads such a file as run does, owner and "
        "mode too, and shows which of its keys makes cookies now and which ones will, by their fingerprints, as "
        "status does; never a key.\vA key counts from the first epoch (68.7 s) that begins at its time or later.",
    .main = cmd_keys,
    .size = sizeof(struct keys),
    .defaults = defaults,
    .groups = {{&group, 0}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
