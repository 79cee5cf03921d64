/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/filter.h"

#include "base/fmt.h"
#include "output/names.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PAIR_TEXT 128

/* -1: there is none of that name. */
static int state_of(const char *name)
{
    for (int i = 0; i < SW_ST_MAX; i++)
        if (!strcasecmp(name, sw_name_state(i)->text))
            return i;
    for (int i = 0; i < SW_CS_MAX; i++)
        if (!strcasecmp(name, sw_name_conn_state(i)->text))
            return SW_ST_MAX + i;
    return -1;
}

static int add_states(struct sw_top_filter *f, char *names, char *why, size_t size)
{
    char *rest = NULL;

    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        int state = state_of(name);

        if (state < 0) {
            snprintf(why, size, "there is no state '%.40s'", name);
            return -EINVAL;
        }
        f->of.states |= 1u << state;
    }
    return 0;
}

static int add_text(struct sw_top_filter *f, const char *word, char *why, size_t size)
{
    char *to;

    if (f->words == SW_TOP_FILTER_WORDS) {
        snprintf(why, size, "more than %d words of text", SW_TOP_FILTER_WORDS);
        return -EINVAL;
    }
    to = f->word[f->words];
    for (; *word; word++)
        *to++ = (char)tolower((unsigned char)*word);
    *to = 0;
    f->words++;
    return 0;
}

static int add(struct sw_top_filter *f, char *word, char *why, size_t size)
{
    char *colon = strchr(word, ':');
    size_t len = colon ? (size_t)(colon - word) : 0;

    if (len == strlen("state") && !strncmp(word, "state", len))
        return add_states(f, colon + 1, why, size);
    for (int list = 0; list < SW_FL_MAX && len; list++)
        if (len == strlen(sw_filter_list_names[list]) && !strncmp(word, sw_filter_list_names[list], len))
            return sw_filter_add(&f->of.rules, list, colon + 1, why, size);
    return add_text(f, word, why, size);
}

int sw_top_filter_parse(const char *text, struct sw_top_filter *ret, char *why, size_t size)
{
    char copy[SW_TOP_FILTER_TEXT], *rest = NULL;
    int err = 0;

    memset(ret, 0, sizeof(*ret));
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *word = strtok_r(copy, " \t", &rest); word && !err; word = strtok_r(NULL, " \t", &rest))
        err = add(ret, word, why, size);
    return err;
}

bool sw_top_conn_match(const struct sw_filter *filter, const struct sw_top_conn *c)
{
    char uid[SW_UID_LEN + 1];
    const struct sw_filter_conn conn = {
        .key = &c->key,
        .orig_is_b = c->orig_is_b,
        .state = {c->state[SW_ORIG], c->state[SW_RESP]},
        .conn_state = c->conn_state,
        .reason = c->reason,
        .ip_bytes = sw_top_conn_bytes(c),
        .handshake_ns = c->handshake_ns,
        .uid = uid,
    };

    if (filter->uids_len)
        sw_top_conn_uid(c, uid);
    return sw_filter_match_conn(filter, &conn);
}

/* Addresses and ports have no capital letters. */
static bool match_words(const struct sw_top_filter *f, const struct sw_top_conn *c)
{
    struct sw_text_end end[2];
    char pair[PAIR_TEXT], *p = pair;

    sw_top_conn_ends(c, end);
    p = sw_put_endpoint(p, end[SW_ORIG].ip, end[SW_ORIG].port);
    p = stpcpy(p, " -> ");
    *sw_put_endpoint(p, end[SW_RESP].ip, end[SW_RESP].port) = 0;
    for (int i = 0; i < f->words; i++)
        if (!strstr(pair, f->word[i]))
            return false;
    return true;
}

bool sw_top_filter_match(const struct sw_top_filter *f, const struct sw_top_conn *c)
{
    return sw_top_conn_match(&f->of, c) && (!f->words || match_words(f, c));
}
