/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/netstat.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NETSTAT_BYTES = 32768 }; /* the file has 4 kB today */

/* The line of the group from `text` on, behind its name; *ret_next is the line after it. */
static const char *group_line(const char *text, const char *group, const char **ret_next)
{
    size_t len = strlen(group);

    while (text && *text) {
        const char *end = strchr(text, '\n');

        *ret_next = end ? end + 1 : text + strlen(text);
        if (!strncmp(text, group, len) && text[len] == ':')
            return text + len + 1;
        text = end ? end + 1 : NULL;
    }
    return NULL;
}

/* The next word of a line; false at its end. */
static bool next_word(const char **at, const char **ret, size_t *ret_len)
{
    *at += strspn(*at, " \t");
    *ret = *at;
    *ret_len = strcspn(*at, " \t\n");
    *at += *ret_len;
    return *ret_len;
}

static bool is_one_of(const char *word, size_t len, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i]) == len && !memcmp(names[i], word, len))
            return true;
    return false;
}

int sw_netstat_sum(const char *text, const char *group, const char *const *names, size_t n, __u64 *ret)
{
    const char *next, *keys = group_line(text, group, &next), *values, *key, *value;
    size_t key_len, value_len;

    *ret = 0;
    values = keys ? group_line(next, group, &next) : NULL;
    if (!values)
        return -ENOENT;
    while (next_word(&keys, &key, &key_len)) {
        if (!next_word(&values, &value, &value_len))
            return -ENOENT;
        if (is_one_of(key, key_len, names, n))
            *ret += strtoull(value, NULL, 10);
    }
    return next_word(&values, &value, &value_len) ? -ENOENT : 0;
}

int sw_netstat_read(const char *group, const char *const *names, size_t n, __u64 *ret)
{
    static char text[NETSTAT_BYTES];
    FILE *f = fopen("/proc/net/netstat", "re");
    size_t len;

    if (!f)
        return -errno;
    len = fread(text, 1, sizeof(text) - 1, f);
    text[len] = 0;
    fclose(f);
    return sw_netstat_sum(text, group, names, n, ret);
}
