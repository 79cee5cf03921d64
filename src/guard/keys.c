/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/keys.h"
#include "base/random.h"
#include "synward_siphash.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MOST = 16384,
    READS = 3, /* of a file that changes while it is read */
    DIGITS = 32,
    VERSION_LEN = 3,
    FROM_DIGITS = 10, /* of seconds: until the year 2286 */
    EPOCHS_AHEAD = 2, /* a new key counts from the next epoch but one: no clock is so far off */
    EPOCHS_LEFT = 2,  /* a cookie is good in its own epoch and the next one */
};

/* Where we are in the file, for the error. */
struct place {
    const char *path;
    unsigned int line; /* 0: none */
    char *error;
    size_t size;
};

static int refuse(const struct place *p, int err, const char *what)
{
    if (p->line)
        snprintf(p->error, p->size, "%s:%u: %s", p->path, p->line, what);
    else
        snprintf(p->error, p->size, "%s: %s", p->path, what);
    return err;
}

/* Opens the file and looks whose it is. fd or -errno. */
static int open_checked(const struct place *p, struct sw_file_id *ret_id)
{
    /* a pipe must not block us */
    int err, fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st)) {
        err = -errno;
        refuse(p, err, strerror(-err));
    } else if (!S_ISREG(st.st_mode)) {
        err = refuse(p, -EINVAL, "is not a regular file");
    } else if (st.st_uid && st.st_uid != geteuid()) {
        err = refuse(p, -EPERM, "belongs to another user");
    } else if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        err = refuse(p, -EPERM,
                     st.st_mode & (S_IRGRP | S_IROTH) ? "others can read it (chmod 600)"
                                                      : "others can change it (chmod 600)");
    } else {
        sw_file_id_of(&st, ret_id);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return err;
}

static ssize_t read_once(const struct place *p, char *buf, size_t size, struct sw_file_id *ret_before,
                         struct sw_file_id *ret_after)
{
    int fd = open_checked(p, ret_before), err = 0;
    size_t len = 0;
    struct stat st;

    if (fd < 0)
        return fd;
    while (len < size) {
        ssize_t got = read(fd, buf + len, size - len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            err = refuse(p, -errno, strerror(errno));
        if (got <= 0)
            break;
        len += got;
    }
    if (!err && fstat(fd, &st))
        err = refuse(p, -errno, strerror(errno));
    if (!err)
        sw_file_id_of(&st, ret_after);
    close(fd);
    if (err)
        return err;
    return len < size ? (ssize_t)len : refuse(p, -EFBIG, "is too large for a key file");
}

/* None of it may be from before a change, and the rest from after it. */
static ssize_t read_all(const struct place *p, char *buf, size_t size, struct sw_file_id *ret_id)
{
    struct sw_file_id after;

    for (int i = 0; i < READS; i++) {
        ssize_t len = read_once(p, buf, size, ret_id, &after);

        if (len < 0 || sw_file_id_same(ret_id, &after))
            return len;
    }
    return refuse(p, -EAGAIN, "changes while it is read");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int hex_value(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* "@SECONDS", then blanks. */
static int parse_from(const struct place *p, const char **at, const char *end, __s64 *ret)
{
    const char *c = *at + 1;
    __s64 v = 0;
    int n = 0;

    for (; c < end && isdigit((unsigned char)*c); c++, n++)
        if (n < FROM_DIGITS)
            v = v * 10 + (*c - '0');
    if (!n || n > FROM_DIGITS || c == end || !is_blank(*c))
        return refuse(p, -EINVAL, "@ is followed by seconds since 1970 and a space");
    while (c < end && is_blank(*c))
        c++;
    *at = c;
    *ret = v;
    return 0;
}

/* One line without comment, and without blanks at its ends. The key is 16 bytes, in the order of SipHash's paper. */
static int parse_line(const struct place *p, const char *at, const char *end, struct sw_key_line *ret)
{
    int err;

    memset(ret, 0, sizeof(*ret));
    ret->version = 1;
    if (*at == '@') {
        err = parse_from(p, &at, end, &ret->from);
        if (err)
            return err;
    }
    if (end - at > VERSION_LEN && !memcmp(at, "v2:", VERSION_LEN)) {
        ret->version = 2;
        at += VERSION_LEN;
    }
    if (end - at != DIGITS)
        return refuse(p, -EINVAL, "a key is 32 hexadecimal digits");
    for (int i = 0; i < DIGITS; i++) {
        int v = hex_value(at[i]);

        if (v < 0)
            return refuse(p, -EINVAL, "a key is 32 hexadecimal digits");
        ret->key[i / 16] |= (__u64)v << (i % 16 / 2 * 8 + (i & 1 ? 0 : 4));
    }
    if (!(ret->key[0] | ret->key[1]))
        return refuse(p, -EINVAL, "a key of zeros is none");
    return 0;
}

/* Is there a key that begins too soon before this one, or after it? */
static bool too_close(const struct sw_key_set *set, __s64 from)
{
    for (size_t i = 0; i < set->len; i++) {
        const __s64 apart = from - set->line[i].from;

        if (from && set->line[i].from && apart < SW_KEYS_APART && apart > -SW_KEYS_APART)
            return true;
    }
    return false;
}

/* In order, after those of the same time. */
static void add_line(struct sw_key_set *set, const struct sw_key_line *line)
{
    size_t at = set->len++;

    for (; at && set->line[at - 1].from > line->from; at--)
        set->line[at] = set->line[at - 1];
    set->line[at] = *line;
}

static int parse_and_add(const struct place *p, const char *at, const char *end, struct sw_key_set *set)
{
    struct sw_key_line line;
    int err;

    if (set->len == SW_KEY_LINES)
        return refuse(p, -EINVAL, "there are more than 64 keys");
    err = parse_line(p, at, end, &line);
    if (!err && too_close(set, line.from))
        err = refuse(p, -EINVAL, "keys begin less than 300 seconds apart");
    if (!err)
        add_line(set, &line);
    explicit_bzero(&line, sizeof(line));
    return err;
}

static int parse(struct place *p, const char *buf, size_t len, struct sw_key_set *set)
{
    const char *at = buf, *stop = buf + len;
    int err;

    for (; at < stop; at++) {
        const char *newline = memchr(at, '\n', stop - at), *next = newline ? newline : stop, *end = next;
        const char *comment = memchr(at, '#', end - at);

        p->line++;
        if (comment)
            end = comment;
        while (at < end && is_blank(*at))
            at++;
        while (end > at && is_blank(end[-1]))
            end--;
        if (at < end) {
            err = parse_and_add(p, at, end, set);
            if (err)
                return err;
        }
        at = next;
    }
    p->line = 0;
    return set->len ? 0 : refuse(p, -EINVAL, "there is no key in it");
}

int sw_keys_read(const char *path, struct sw_key_set *ret, struct sw_file_id *ret_id, char *error, size_t error_size)
{
    struct place p = {.path = path, .error = error, .size = error_size};
    struct sw_file_id id;
    char buf[FILE_MOST];
    ssize_t len;
    int err;

    memset(ret, 0, sizeof(*ret));
    len = read_all(&p, buf, sizeof(buf), ret_id ? ret_id : &id);
    err = len < 0 ? (int)len : parse(&p, buf, len, ret);
    explicit_bzero(buf, sizeof(buf));
    if (err)
        explicit_bzero(ret, sizeof(*ret));
    return err;
}

__u32 sw_key_epoch(__s64 seconds)
{
    __u64 ns = (__u64)seconds * SW_SECOND;

    return (__u32)((ns >> SW_EPOCH_SHIFT) + !!(ns & ((1ull << SW_EPOCH_SHIFT) - 1)));
}

static __u32 epoch_at(__u64 now_ns)
{
    return (__u32)(now_ns >> SW_EPOCH_SHIFT);
}

static __u32 is_bound(const struct sw_key_line *line)
{
    return line->version > 1;
}

__u32 sw_key_fingerprint(const struct sw_key_line *line)
{
    struct sw_sip s;
    __u32 first;

    sw_sip_begin(&s, line->key);
    sw_sip_word(&s, is_bound(line) ? 2 : 0);
    sw_sip_word(&s, 8ull << 56);
    first = (__u32)sw_sip_end(&s);
    explicit_bzero(&s, sizeof(s)); /* with a message that is known it gives the key back */
    return __builtin_bswap32(first);
}

void sw_keys_notes(const struct sw_key_set *set, struct sw_key_note *ret)
{
    for (size_t i = 0; i < set->len; i++)
        ret[i] = (struct sw_key_note){.fingerprint = sw_key_fingerprint(&set->line[i]),
                                      .since = sw_key_epoch(set->line[i].from)};
}

size_t sw_keys_first(const struct sw_key_note *notes, size_t len, __u64 now_ns)
{
    const __u32 epoch = epoch_at(now_ns);
    size_t now = 0;

    while (now + 1 < len && notes[now + 1].since <= epoch)
        now++;
    return now && (now + 1 == len || epoch - notes[now].since < EPOCHS_LEFT) ? now - 1 : now;
}

void sw_keys_from_lines(const struct sw_key_line *lines, size_t len, __u64 now_ns, struct sw_keys *ret)
{
    struct sw_key_note notes[SW_KEY_LINES + 1];
    const struct sw_key_line *older, *newer;

    for (size_t i = 0; i < len; i++)
        notes[i] = (struct sw_key_note){.since = sw_key_epoch(lines[i].from)};
    older = &lines[sw_keys_first(notes, len, now_ns)];
    newer = older + (older + 1 < lines + len);
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->key[0], older->key, sizeof(ret->key[0]));
    memcpy(ret->key[1], newer->key, sizeof(ret->key[1]));
    ret->bound = is_bound(older) | is_bound(newer) << 1;
    ret->since = newer > older ? sw_key_epoch(newer->from) : epoch_at(now_ns);
}

bool sw_keys_precede(struct sw_key_set *set, const struct sw_keys *before, __u64 now_ns)
{
    const __u32 epoch = epoch_at(now_ns), first = sw_key_epoch(set->line[0].from);
    const __u32 last = first && first - 1 < epoch ? first - 1 : epoch; /* of the key before */
    const __u32 newer = (__s32)(last - before->since) >= 0, bound = before->bound >> newer & 1;
    struct sw_key_line *line = &set->line[0];

    if (!first || epoch >= first + EPOCHS_LEFT ||
        (!memcmp(before->key[newer], line->key, sizeof(line->key)) && bound == is_bound(line)))
        return false;
    memmove(line + 1, line, set->len * sizeof(*line));
    memset(line, 0, sizeof(*line));
    memcpy(line->key, before->key[newer], sizeof(line->key)); /* from where it is, for it may not stay on the stack */
    line->version = 1 + bound;
    set->len++;
    return true;
}

int sw_keys_random(struct sw_keys *ret, __u64 now_ns)
{
    memset(ret, 0, sizeof(*ret));
    ret->since = epoch_at(now_ns);
    return sw_random(ret->key, sizeof(ret->key));
}

int sw_keys_renew(struct sw_keys *keys, __u64 now_ns)
{
    __u32 epoch = epoch_at(now_ns);
    __u64 fresh[2];
    int err;

    /* cookies of the older key are still about */
    if ((__s32)(epoch - keys->since) < EPOCHS_AHEAD)
        return -EAGAIN;
    err = sw_random(fresh, sizeof(fresh));
    if (err)
        return err;
    memcpy(keys->key[0], keys->key[1], sizeof(keys->key[0]));
    memcpy(keys->key[1], fresh, sizeof(keys->key[1]));
    explicit_bzero(fresh, sizeof(fresh));
    keys->since = epoch + EPOCHS_AHEAD;
    return 0;
}

__u64 sw_keys_age(const struct sw_keys *keys, __u64 now_ns)
{
    __s32 epochs = (__s32)(epoch_at(now_ns) - keys->since);

    return epochs > 0 ? (__u64)epochs << SW_EPOCH_SHIFT : 0;
}

int sw_keys_install(int keys_map_fd, struct sw_guard *guard, const struct sw_keys *keys)
{
    __u32 slot = !guard->key_slot;

    if (bpf_map_update_elem(keys_map_fd, &slot, keys, BPF_ANY))
        return -errno;
    __atomic_store_n(&guard->key_slot, slot, __ATOMIC_RELEASE);
    return 0;
}

void sw_keys_protect_process(void)
{
    const struct rlimit none = {0, 0};

    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &none);
}
