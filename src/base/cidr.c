/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/cidr.h"
#include "base/array.h"
#include "base/fmt.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define V4_BITS 96 /* of ::ffff:0:0/96 */
#define LINE_MAX_SHOWN 60
#define FILE_MAX (256ll << 20) /* room for SW_LIST_ENTRIES_MAX lines with long comments */

static bool is_v4(const struct sw_cidr *cidr)
{
    return cidr->prefixlen >= V4_BITS && sw_ip_is_v4(cidr->ip);
}

/* Clears the bits beyond the prefix; false: none was set. */
static bool clear_host_bits(struct sw_cidr *cidr)
{
    __u32 at = cidr->prefixlen / 8;
    __u8 mask = 0xff >> cidr->prefixlen % 8;
    bool set = false;

    for (; at < sizeof(cidr->ip); at++, mask = 0xff) {
        set |= cidr->ip[at] & mask;
        cidr->ip[at] &= ~mask;
    }
    return set;
}

/* Decimal, no sign, no leading zero. -1: not such a number, or over max. */
static int parse_bits(const char *text, int max)
{
    int value = 0;

    if (!*text || (*text == '0' && text[1]))
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        value = value * 10 + (*text - '0');
        if (value > max)
            return -1;
    }
    return value;
}

/* Everything but the host bits. */
static int parse_any(const char *text, struct sw_cidr *ret)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    char ip[INET6_ADDRSTRLEN];
    bool v6 = memchr(text, ':', len);
    int bits, max = v6 ? 128 : 32;

    if (len >= sizeof(ip))
        return -EINVAL;
    memcpy(ip, text, len);
    ip[len] = 0;
    bits = slash ? parse_bits(slash + 1, max) : max;
    if (bits < 0)
        return -EINVAL;
    if (!sw_ip_parse(ip, ret->ip))
        return -EINVAL;
    ret->prefixlen = v6 ? bits : V4_BITS + bits;
    return 0;
}

int sw_cidr_parse(const char *text, struct sw_cidr *ret)
{
    int err = parse_any(text, ret);

    if (err)
        return err;
    return clear_host_bits(ret) ? -EDOM : 0;
}

void sw_cidr_format(const struct sw_cidr *cidr, char *buf, size_t size)
{
    char ip[SW_IP_LEN + 1];

    *sw_put_ip(ip, cidr->ip) = 0;
    snprintf(buf, size, "%s/%u", ip, cidr->prefixlen - (is_v4(cidr) ? V4_BITS : 0));
}

static void printable(const char *in, char *buf, size_t size)
{
    size_t at = 0;

    for (; at < size - 1 && in[at]; at++)
        buf[at] = isprint((unsigned char)in[at]) ? in[at] : '?';
    buf[at] = 0;
    if (in[at])
        memcpy(buf + size - 4, "...", 4);
}

void sw_cidr_explain(const char *text, int err, char *buf, size_t size)
{
    char shown[LINE_MAX_SHOWN + 1], right[SW_CIDR_LEN];
    struct sw_cidr cidr;

    printable(text, shown, sizeof(shown));
    if (err == -EDOM && !parse_any(text, &cidr)) {
        clear_host_bits(&cidr);
        sw_cidr_format(&cidr, right, sizeof(right));
        snprintf(buf, size, "%s has bits beyond its prefix (%s?)", shown, right);
    } else {
        snprintf(buf, size, "'%s' is not a CIDR, like 192.0.2.0/24 or 2001:db8::/32", shown);
    }
}

int sw_cidr_compare(const void *a, const void *b)
{
    const struct sw_cidr *x = a, *y = b;
    int order = is_v4(y) - is_v4(x);

    if (!order)
        order = memcmp(x->ip, y->ip, sizeof(x->ip));
    if (!order)
        order = (x->prefixlen > y->prefixlen) - (x->prefixlen < y->prefixlen);
    return order;
}

int sw_cidrs_add(struct sw_cidrs *cidrs, const struct sw_cidr *cidr)
{
    struct sw_cidr *at = sw_array_room(cidrs->cidr, &cidrs->room, cidrs->len + 1, sizeof(*at));

    if (!at)
        return -ENOMEM;
    cidrs->cidr = at;
    cidrs->cidr[cidrs->len++] = *cidr;
    return 0;
}

void sw_cidrs_sort(struct sw_cidrs *cidrs)
{
    size_t kept = 0;

    if (!cidrs->len)
        return;
    qsort(cidrs->cidr, cidrs->len, sizeof(*cidrs->cidr), sw_cidr_compare);
    for (size_t i = 1; i < cidrs->len; i++)
        if (sw_cidr_compare(&cidrs->cidr[kept], &cidrs->cidr[i]))
            cidrs->cidr[++kept] = cidrs->cidr[i];
    cidrs->len = kept + 1;
}

void sw_cidrs_free(struct sw_cidrs *cidrs)
{
    if (!cidrs)
        return;
    free(cidrs->cidr);
    memset(cidrs, 0, sizeof(*cidrs));
}

/* Cuts the comment and the space around; NULL: nothing is left. */
static char *trim(char *line)
{
    char *end;

    line[strcspn(line, "#")] = 0;
    line += strspn(line, " \t\r\n");
    end = line + strlen(line);
    while (end > line && strchr(" \t\r\n", end[-1]))
        end--;
    *end = 0;
    return *line ? line : NULL;
}

static int read_line(char *line, size_t len, struct sw_cidrs *ret, char *why, size_t size)
{
    struct sw_cidr cidr;
    char *text;
    int err;

    if (strlen(line) != len) {
        snprintf(why, size, "a NUL byte: not a text file");
        return -EINVAL;
    }
    text = trim(line);
    if (!text)
        return 0;
    err = sw_cidr_parse(text, &cidr);
    if (err) {
        sw_cidr_explain(text, err, why, size);
        return err;
    }
    if (ret->len == SW_LIST_ENTRIES_MAX) {
        snprintf(why, size, "more than %u CIDRs", SW_LIST_ENTRIES_MAX);
        return -E2BIG;
    }
    err = sw_cidrs_add(ret, &cidr);
    if (err)
        snprintf(why, size, "%s", strerror(-err));
    return err;
}

static int read_lines(FILE *f, const char *path, struct sw_cidrs *ret, char *error, size_t error_size)
{
    char *line = NULL, why[160];
    size_t room = 0;
    ssize_t len;
    int err = 0;

    for (unsigned long number = 1; !err && (len = getline(&line, &room, f)) >= 0; number++) {
        err = read_line(line, len, ret, why, sizeof(why));
        if (err)
            snprintf(error, error_size, "%s:%lu: %s", path, number, why);
    }
    if (!err && !feof(f)) {
        err = errno ? -errno : -EIO;
        snprintf(error, error_size, "%s: %s", path, strerror(-err));
    }
    free(line);
    return err;
}

/* A FIFO or a device would be waited for, or never end; and could not be read again. */
static int open_regular(const char *path, FILE **ret_file)
{
    int err = 0, fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st))
        err = -errno;
    else if (S_ISDIR(st.st_mode))
        err = -EISDIR;
    else if (!S_ISREG(st.st_mode))
        err = -ENXIO;
    else if (st.st_size > FILE_MAX)
        err = -EFBIG;
    *ret_file = err ? NULL : fdopen(fd, "r");
    if (*ret_file)
        return 0;
    err = err ? err : -errno;
    close(fd);
    return err;
}

int sw_cidrs_read(const char *path, struct sw_cidrs *ret, char *error, size_t error_size)
{
    FILE *f = NULL;
    int err;

    memset(ret, 0, sizeof(*ret));
    err = open_regular(path, &f);
    if (err) {
        snprintf(error, error_size, "%s: %s", path, err == -ENXIO ? "not a regular file" : strerror(-err));
        return err;
    }
    err = read_lines(f, path, ret, error, error_size);
    fclose(f);
    if (err)
        sw_cidrs_free(ret);
    else
        sw_cidrs_sort(ret);
    return err;
}
