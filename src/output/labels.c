/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/labels.h"
#include "base/fmt.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
static const char others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

/* Quotes within a value are escaped: what looks like the begin of a label is one. */
static bool has_key(const struct sw_labels *l, const char *key, size_t len)
{
    char begin[SW_LABEL_KEY + 4];
    const int begin_len = snprintf(begin, sizeof(begin), "\"%.*s\":", (int)len, key);

    return memmem(l->json, l->len, begin, (size_t)begin_len);
}

static int refuse(char *why, const char *text)
{
    snprintf(why, SW_LABELS_WHY, "%s", text);
    return -EINVAL;
}

static int append(struct sw_labels *l, const char *key, size_t key_len, const char *value)
{
    /* key, quotes, colon and comma; of each byte of the value up to six */
    char *text = malloc(key_len + 6 + 6 * strlen(value)), *p = text;
    size_t len;

    if (!text)
        return -ENOMEM;
    if (l->count)
        *p++ = ',';
    *p++ = '"';
    p = (char *)memcpy(p, key, key_len) + key_len;
    p = stpcpy(p, "\":\"");
    p = sw_json_escape(p, value);
    *p++ = '"';
    len = (size_t)(p - text);
    if (len <= sizeof(l->json) - l->len) {
        memcpy(l->json + l->len, text, len);
        l->len += len;
        l->count++;
        len = 0;
    }
    free(text);
    return len ? -E2BIG : 0;
}

int sw_labels_add(struct sw_labels *l, const char *text, char why[SW_LABELS_WHY])
{
    const size_t key_len = strcspn(text, "=");
    int err;

    if (!text[key_len])
        return refuse(why, "that is not KEY=VALUE");
    if (!key_len || !strchr(letters, *text) || strspn(text, others) != key_len)
        return refuse(why, "a key is letters, digits and _, and begins with no digit");
    if (key_len > SW_LABEL_KEY)
        return refuse(why, "a key has at most 63 characters");
    if (has_key(l, text, key_len)) {
        snprintf(why, SW_LABELS_WHY, "'%.*s' is given twice", (int)key_len, text);
        return -EINVAL;
    }
    if (l->count == SW_LABELS_MAX)
        return refuse(why, "more than 16 labels");
    err = append(l, text, key_len, text + key_len + 1);
    if (err == -E2BIG)
        return refuse(why, "all labels together have more than 4096 bytes as JSON");
    return err ? refuse(why, "no memory") : 0;
}
