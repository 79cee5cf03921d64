/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CIDRs and list files. What parses is written back and parses to the same; what is refused is explained in one
 * harmless line, and if a better one is proposed, that one parses. A file is the sum of its lines.
 */
#include "fuzz.h"
#include "base/cidr.h"

#include <arpa/inet.h>
#include <errno.h>

static void check_value(const struct sw_cidr *c)
{
    holds(c->prefixlen <= 128, "/%u", c->prefixlen);
    for (__u32 bit = c->prefixlen; bit < 128; bit++)
        holds(!(c->ip[bit / 8] & 0x80 >> bit % 8), "bit %u of a /%u is set", bit, c->prefixlen);
}

/* Plainly: one slash at most, digits behind it, inet_pton for the rest. 1: a CIDR, 0: not, -1: bits beyond it. */
static int plain_parse(const char *text)
{
    const char *slash = strchr(text, '/');
    int bits, max = strchr(text, ':') ? 128 : 32;
    __u8 ip[16], mask[16] = {0};
    char address[64], *end;

    bits = max;
    if (slash) {
        if (slash[1] < '0' || slash[1] > '9' || (slash[1] == '0' && slash[2]) || strlen(slash + 1) > 3)
            return 0;
        bits = (int)strtol(slash + 1, &end, 10);
        if (*end || bits > max)
            return 0;
    }
    if ((slash ? (size_t)(slash - text) : strlen(text)) >= sizeof(address))
        return 0;
    snprintf(address, sizeof(address), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
    if (inet_pton(max == 128 ? AF_INET6 : AF_INET, address, ip) != 1)
        return 0;
    for (int i = bits; i < max; i++)
        mask[i / 8] |= 0x80 >> i % 8;
    for (int i = 0; i < max / 8; i++)
        if (ip[i] & mask[i])
            return -1;
    return 1;
}

static int check_one(const char *text)
{
    char written[SW_CIDR_LEN], why[200];
    struct sw_cidr cidr, again;
    int err = sw_cidr_parse(text, &cidr), plain = plain_parse(text);

    holds(plain == (!err ? 1 : err == -EDOM ? -1 : 0), "error %d, plainly %d: %s", err, plain, text);
    if (!err) {
        check_value(&cidr);
        sw_cidr_format(&cidr, written, sizeof(written));
        holds(!sw_cidr_parse(written, &again) && !sw_cidr_compare(&cidr, &again), "%s became %s", text, written);
        holds(cidr.prefixlen == again.prefixlen && !memcmp(cidr.ip, again.ip, 16), "%s became %s", text, written);
        return 0;
    }
    sw_cidr_explain(text, err, why, sizeof(why));
    fuzz_one_line(why);
    if (err == -EDOM && strlen(text) < 60) { /* "… has bits beyond its prefix (RIGHT?)" */
        char *right = strrchr(why, '('), *end = right ? strrchr(right, '?') : NULL;

        holds(end, "no proposal: %s", why);
        *end = 0;
        holds(!sw_cidr_parse(right + 1, &again), "proposes %s", right + 1);
    }
    return err;
}

/* The parts of a line that count: no comment, no blanks around. */
static char *trimmed(char *line)
{
    size_t n;

    line[strcspn(line, "#")] = 0;
    line += strspn(line, " \t\r\n");
    for (n = strlen(line); n && strchr(" \t\r\n", line[n - 1]); n--)
        ;
    line[n] = 0;
    return line;
}

/* Every entry of the file, and no other, is in the list; the first bad line is the one that is named. */
static void check_file(const __u8 *data, size_t size)
{
    struct sw_cidrs list, want = {0};
    char error[300], *text, *line, where[16];
    const char *path = fuzz_file(data, size), *colon;
    unsigned number = 0;
    int bad = 0, err = sw_cidrs_read(path, &list, error, sizeof(error));
    struct fuzz_in in = {data, data + size};

    if (err) {
        holds(!list.len && !list.cidr, "%zu entries in spite of error %d", list.len, err);
        fuzz_one_line(error);
    }
    for (size_t i = 1; i < list.len; i++)
        holds(sw_cidr_compare(&list.cidr[i - 1], &list.cidr[i]) < 0, "entry %zu is out of order", i);
    while (!bad && fuzz_left(&in)) {
        const __u8 *newline = memchr(in.at, '\n', fuzz_left(&in));
        size_t len = newline ? (size_t)(newline - in.at) : fuzz_left(&in);
        struct sw_cidr cidr;

        number++;
        bad = memchr(in.at, 0, len) ? -EINVAL : 0;
        text = malloc(len + 1);
        holds(text, "no memory");
        memcpy(text, in.at, len);
        text[len] = 0;
        in.at += len + !!newline;
        line = trimmed(text);
        if (!bad && *line)
            bad = check_one(line);
        if (!bad && *line)
            holds(!sw_cidr_parse(line, &cidr) && !sw_cidrs_add(&want, &cidr), "%s", line);
        free(text);
    }
    holds(err == bad, "error %d, line by line %d", err, bad);
    if (err) {
        colon = strncmp(error, path, strlen(path)) ? NULL : error + strlen(path);
        snprintf(where, sizeof(where), ":%u: ", number);
        holds(colon && !strncmp(colon, where, strlen(where)), "line %u, but: %s", number, error);
    }
    sw_cidrs_sort(&want);
    holds(err || (list.len == want.len && (!list.len || !memcmp(list.cidr, want.cidr, list.len * sizeof(*list.cidr)))),
          "%zu entries, line by line %zu", list.len, want.len);
    sw_cidrs_free(&list);
    sw_cidrs_free(&want);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
    struct fuzz_in in = {data, data + size};
    char *text;

    check_file(data, size);
    text = fuzz_text(&in, -1);
    check_one(text);
    free(text);
    return 0;
}
