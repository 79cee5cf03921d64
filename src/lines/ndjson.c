/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lines/ndjson.h"

#include "lines/input.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* An event is flat, but for lists in it. */
enum { DEPTH = 8 };

struct sw_ndjson {
    struct sw_input *in;
    struct json_tokener *tokener;
    struct json_object *object; /* of the last line, which is text */
    const char *text;
    size_t text_len;
    struct sw_ndjson_counts counts;
    bool skipping; /* the rest of a line that is too long */
    bool ended;
    size_t from, len; /* bytes of buf that are not used yet */
    char buf[SW_NDJSON_LINE];
};

/* path, or fd if that is NULL. */
static int open_any(const char *path, int fd, struct sw_ndjson **ret)
{
    struct sw_ndjson *n = calloc(1, sizeof(*n));
    int err = -ENOMEM;

    if (!n)
        return err;
    n->tokener = json_tokener_new_ex(DEPTH);
    if (!n->tokener)
        goto out;
    json_tokener_set_flags(n->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    err = path ? sw_input_open(path, &n->in) : sw_input_take(fd, &n->in);
    if (err)
        goto out;
    *ret = n;
    return 0;

out:
    sw_ndjson_close(n);
    return err;
}

int sw_ndjson_open(const char *path, struct sw_ndjson **ret)
{
    return open_any(path, -1, ret);
}

int sw_ndjson_take(int fd, struct sw_ndjson **ret)
{
    return open_any(NULL, fd, ret);
}

void sw_ndjson_close(struct sw_ndjson *n)
{
    if (!n)
        return;
    json_object_put(n->object);
    if (n->tokener)
        json_tokener_free(n->tokener);
    sw_input_close(n->in);
    free(n);
}

int sw_ndjson_fd(const struct sw_ndjson *n)
{
    return sw_input_fd(n->in);
}

const char *sw_ndjson_text(const struct sw_ndjson *n, size_t *ret_len)
{
    *ret_len = n->text_len;
    return n->text;
}

const struct sw_ndjson_counts *sw_ndjson_counts(const struct sw_ndjson *n)
{
    return &n->counts;
}

static void count_broken(struct sw_ndjson *n)
{
    if (!n->counts.broken++)
        n->counts.first_broken = n->counts.read;
}

/* True: it is an object, now in n->object. */
static bool parse(struct sw_ndjson *n, const char *line, size_t len)
{
    n->counts.read++;
    while (len && strchr(" \t\r", line[len - 1]) && line[len - 1])
        len--;
    if (!len)
        return false;
    json_object_put(n->object);
    json_tokener_reset(n->tokener);
    /* a NUL would end the text early for the library */
    n->object = memchr(line, 0, len) ? NULL : json_tokener_parse_ex(n->tokener, line, (int)len);
    if (n->object && json_tokener_get_parse_end(n->tokener) == len &&
        json_object_is_type(n->object, json_type_object)) {
        n->counts.events++;
        n->text = line;
        n->text_len = len;
        return true;
    }
    json_object_put(n->object);
    n->object = NULL;
    count_broken(n);
    return false;
}

/* The next line that is there whole, or at the end what is left. */
static bool take(struct sw_ndjson *n, const char **ret_line, size_t *ret_len)
{
    char *at = n->buf + n->from, *newline = memchr(at, '\n', n->len);
    size_t len = newline ? (size_t)(newline - at) : n->len, used = len + !!newline;

    if (!newline && !(n->ended && n->len))
        return false;
    *ret_line = at;
    *ret_len = len;
    n->from += used;
    n->len -= used;
    return true;
}

/* 0 or -errno. A line that fills the buffer is dropped, up to its newline. */
static int fill(struct sw_ndjson *n)
{
    ssize_t got;

    memmove(n->buf, n->buf + n->from, n->len);
    n->from = 0;
    if (n->len == sizeof(n->buf)) {
        if (!n->skipping) {
            n->counts.read++;
            count_broken(n);
        }
        n->skipping = true;
        n->len = 0;
    }
    got = sw_input_read(n->in, n->buf + n->len, sizeof(n->buf) - n->len);
    if (got < 0 && got != -EAGAIN)
        n->ended = true;
    if (got < 0)
        return (int)got;
    n->ended = !got;
    n->len += got;
    return 0;
}

int sw_ndjson_next(struct sw_ndjson *n, const struct sw_line **ret)
{
    const char *line;
    size_t len;

    for (;;) {
        while (take(n, &line, &len)) {
            if (n->skipping) {
                n->skipping = false;
                continue;
            }
            if (parse(n, line, len)) {
                *ret = (const struct sw_line *)n->object;
                return 1;
            }
        }
        if (n->ended)
            return 0;
        int err = fill(n);
        if (err)
            return err;
    }
}

static struct json_object *value(const struct sw_line *line, const char *key, enum json_type type)
{
    struct json_object *at;

    if (!json_object_object_get_ex((const struct json_object *)line, key, &at) || !json_object_is_type(at, type))
        return NULL;
    return at;
}

const char *sw_field_text(const struct sw_line *line, const char *key)
{
    struct json_object *at = value(line, key, json_type_string);
    const char *text = at ? json_object_get_string(at) : NULL;

    /* \u0000 is in no event; what follows it would be cut off */
    return text && strlen(text) == (size_t)json_object_get_string_len(at) ? text : NULL;
}

bool sw_field_u64(const struct sw_line *line, const char *key, __u64 *ret)
{
    struct json_object *at = value(line, key, json_type_int);

    if (!at || json_object_get_int64(at) < 0)
        return false;
    *ret = json_object_get_uint64(at);
    return true;
}

bool sw_field_bool(const struct sw_line *line, const char *key, bool *ret)
{
    struct json_object *at = value(line, key, json_type_boolean);

    if (at)
        *ret = json_object_get_boolean(at);
    return at;
}

bool sw_field_time(const struct sw_line *line, const char *key, __u64 *ret_ns)
{
    const char *text = sw_field_text(line, key);

    return text && sw_time_parse(text, ret_ns);
}

size_t sw_field_len(const struct sw_line *line, const char *key)
{
    struct json_object *at = value(line, key, json_type_array);

    return at ? json_object_array_length(at) : 0;
}

const struct sw_line *sw_field_item(const struct sw_line *line, const char *key, size_t i)
{
    struct json_object *at = value(line, key, json_type_array);

    at = at && i < json_object_array_length(at) ? json_object_array_get_idx(at, i) : NULL;
    return json_object_is_type(at, json_type_object) ? (const struct sw_line *)at : NULL;
}

bool sw_field_has(const struct sw_line *line, const char *key)
{
    return json_object_object_get_ex((const struct json_object *)line, key, NULL);
}

const char *sw_field_json(const struct sw_line *line, const char *key)
{
    struct json_object *at;

    if (!json_object_object_get_ex((const struct json_object *)line, key, &at) || !at)
        return NULL;
    return json_object_to_json_string_ext(at, JSON_C_TO_STRING_PLAIN);
}

void sw_fields_each(const struct sw_line *line, void (*fn)(void *ctx, const char *key, const char *value), void *ctx)
{
    struct json_object_iterator at = json_object_iter_begin((struct json_object *)line);
    const struct json_object_iterator end = json_object_iter_end((struct json_object *)line);

    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        struct json_object *v = json_object_iter_peek_value(&at);
        const char *text;

        if (json_object_is_type(v, json_type_array) || json_object_is_type(v, json_type_object))
            continue;
        text = v ? json_object_get_string(v) : NULL;
        if (!json_object_is_type(v, json_type_string) || !text || strlen(text) == (size_t)json_object_get_string_len(v))
            fn(ctx, json_object_iter_peek_name(&at), text);
    }
}

/* Exactly n digits, and then the byte `after`. */
static bool number(const char **p, int n, char after, unsigned int *ret)
{
    *ret = 0;
    for (; n; n--, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        *ret = *ret * 10 + (**p - '0');
    }
    return !after || *(*p)++ == after;
}

/* Days since 1970-01-01: years begin in March, so that the leap day comes last. */
static __u64 days(unsigned int year, unsigned int month, unsigned int day)
{
    unsigned int y = month < 3 ? year - 1 : year;
    unsigned int of_year = (153 * (month < 3 ? month + 9 : month - 3) + 2) / 5 + day - 1;

    return 365ULL * y + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

bool sw_time_parse(const char *text, __u64 *ret_ns)
{
    unsigned int year, month, day, hour, minute, second;
    const char *p = text;
    __u64 ns = 0;

    if (!number(&p, 4, '-', &year) || !number(&p, 2, '-', &month) || !number(&p, 2, 'T', &day) ||
        !number(&p, 2, ':', &hour) || !number(&p, 2, ':', &minute) || !number(&p, 2, 0, &second))
        return false;
    /* up to 2261, so that nanoseconds since 1970 fit in 63 bits */
    if (year < 1970 || year > 2261 || !month || month > 12 || !day || day > 31 || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    if (*p == '.') {
        __u64 unit = 100000000;
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
            ns += unit * (*p - '0');
    }
    if (strcmp(p, "Z"))
        return false;
    *ret_ns = (days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000000000 + ns;
    return true;
}
