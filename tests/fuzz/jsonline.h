/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One line of NDJSON, strictly (RFC 8259): one object of strings, integers, true, false, null, and lists of integers
 * or of flat objects, in well-formed UTF-8 without control characters, no key twice, no space, one newline at its end.
 */
#ifndef SW_JSONLINE_H
#define SW_JSONLINE_H

#include "fuzz.h"

enum { JSON_KEYS = 256 };

struct json_line {
    const char *start, *at, *end;
    const char *key[JSON_KEYS];
    size_t key_len[JSON_KEYS], keys;
};

#define json_holds(j, what)                                                                                            \
    holds(what, "byte %zu of: %.*s", (size_t)((j)->at - (j)->start), (int)((j)->end - (j)->start), (j)->start)

static inline void json_expect(struct json_line *j, char c)
{
    json_holds(j, j->at < j->end && *j->at == c);
    j->at++;
}

/* Well-formed, and no character that a terminal obeys (Unicode table 3-7; C0, DEL, C1). */
static inline void json_character(struct json_line *j)
{
    const __u8 *p = (const __u8 *)j->at;
    size_t left = j->end - j->at;
    __u32 code = p[0];
    int more = p[0] < 0x80 ? 0 : p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : 1;

    json_holds(j, p[0] >= 0x20 && p[0] != 0x7f);
    if (more) {
        json_holds(j, p[0] >= 0xc2 && p[0] <= 0xf4 && left > (size_t)more);
        code = p[0] & (0x3f >> more);
        for (int i = 1; i <= more; i++) {
            json_holds(j, p[i] >> 6 == 2);
            code = code << 6 | (p[i] & 0x3f);
        }
        json_holds(j, code >= (more == 1 ? 0xa0 : more == 2 ? 0x800 : 0x10000));
        json_holds(j, code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
    }
    j->at += 1 + more;
}

static inline void json_escape(struct json_line *j)
{
    j->at++;
    json_holds(j, j->at < j->end && strchr("\"\\bfnrtu", *j->at) && *j->at);
    if (*j->at++ != 'u')
        return;
    for (int i = 0; i < 4; i++, j->at++)
        json_holds(j, j->at < j->end && strchr("0123456789abcdef", *j->at) && *j->at);
}

static inline void json_string(struct json_line *j)
{
    json_expect(j, '"');
    while (j->at < j->end && *j->at != '"') {
        if (*j->at == '\\')
            json_escape(j);
        else
            json_character(j);
    }
    json_expect(j, '"');
}

static inline void json_integer(struct json_line *j)
{
    const char *from = j->at;

    while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
        j->at++;
    json_holds(j, j->at > from && j->at - from <= 20 && (*from != '0' || j->at == from + 1));
}

/* Strings, integers and null; a flat one, whose keys are those of the contract. */
static inline void json_item(struct json_line *j)
{
    if (j->at == j->end || *j->at != '{') {
        json_integer(j);
        return;
    }
    do {
        j->at++;
        json_string(j);
        json_expect(j, ':');
        if (j->end - j->at > 4 && !memcmp(j->at, "null", 4))
            j->at += 4;
        else if (j->at < j->end && *j->at == '"')
            json_string(j);
        else
            json_integer(j);
    } while (j->at < j->end && *j->at == ',');
    json_expect(j, '}');
}

static inline void json_value(struct json_line *j)
{
    static const char *const words[] = {"true", "false", "null"};
    size_t left = j->end - j->at;

    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);

        if (left >= n && !memcmp(j->at, words[i], n)) {
            j->at += n;
            return;
        }
    }
    if (left > 1 && j->at[0] == '[' && j->at[1] == ']') {
        j->at += 2;
    } else if (left && *j->at == '[') {
        do {
            j->at++;
            json_item(j);
        } while (j->at < j->end && *j->at == ',');
        json_expect(j, ']');
    } else if (left && *j->at == '"') {
        json_string(j);
    } else {
        json_integer(j);
    }
}

static inline void json_key(struct json_line *j)
{
    const char *from = j->at;
    size_t n;

    json_string(j);
    n = j->at - from;
    json_holds(j, j->keys < JSON_KEYS);
    for (size_t i = 0; i < j->keys; i++)
        json_holds(j, j->key_len[i] != n || memcmp(j->key[i], from, n));
    j->key[j->keys] = from;
    j->key_len[j->keys++] = n;
    json_expect(j, ':');
}

static inline void json_line(const char *line, size_t len)
{
    struct json_line j = {.start = line, .at = line, .end = line + len};

    json_expect(&j, '{');
    for (;;) {
        json_key(&j);
        json_value(&j);
        json_holds(&j, j.at < j.end);
        if (*j.at != ',')
            break;
        j.at++;
    }
    json_expect(&j, '}');
    json_expect(&j, '\n');
    json_holds(&j, j.at == j.end);
}

/* An object whose values may be objects, and lists of strings. */
static inline void json_object(struct json_line *outer, int depth)
{
    struct json_line j = {.start = outer->start, .at = outer->at, .end = outer->end};

    json_holds(&j, depth < 5);
    do {
        j.at++; /* a brace, or a comma */
        json_key(&j);
        if (j.end - j.at > 1 && *j.at == '{') {
            json_object(&j, depth + 1);
        } else if (j.end - j.at > 1 && j.at[0] == '[' && j.at[1] == '"') {
            do {
                j.at++;
                json_string(&j);
            } while (j.at < j.end && *j.at == ',');
            json_expect(&j, ']');
        } else {
            json_value(&j);
        }
    } while (j.at < j.end && *j.at == ',');
    json_expect(&j, '}');
    outer->at = j.at;
}

/* The same for documents: one object a line. */
static inline void json_document(const char *line, size_t len)
{
    struct json_line j = {.start = line, .at = line, .end = line + len};

    json_holds(&j, len && *line == '{');
    json_object(&j, 0);
    json_expect(&j, '\n');
    json_holds(&j, j.at == j.end);
}

#endif
