/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "readers/request.h"
#include "output/format.h"
#include "output/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST "synward-events 1"

static const char *const line_names[SW_LINE_MAX - SW_LINE_LOSS] = {"loss", "stats",   "guard",
                                                                   "drop", "gateway", "service"};

static const char *line_name(int i)
{
    return i < SW_EV_MAX ? sw_name_event(i)->text : line_names[i - SW_LINE_LOSS];
}

static const char *state_name(int i)
{
    return i < SW_ST_MAX ? sw_name_state(i)->text : sw_name_conn_state(i - SW_ST_MAX)->text;
}

static const char *outcome_name(int i)
{
    return sw_name_reason(i)->text;
}

struct names {
    const char *(*name)(int i);
    int len;
};
static const struct names lines = {line_name, SW_LINE_MAX}, states = {state_name, SW_ST_MAX + SW_CS_MAX},
                          outcomes = {outcome_name, SW_WHY_MAX};

/* "a,b" to bits; -EINVAL and the word that is none in why. With why NULL such a word is passed over. */
static int parse_names(char *text, const struct names *names, __u32 *ret, char *why)
{
    char *save, *word;

    *ret = 0;
    for (word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        int i = 0;

        while (i < names->len && strcmp(names->name(i), word))
            i++;
        if (i < names->len)
            *ret |= 1u << i;
        else if (why) {
            snprintf(why, SW_REQUEST_WHY, "'%.60s' is not known", word);
            return -EINVAL;
        }
    }
    return 0;
}

static void print_names(FILE *f, const char *key, __u32 bits, const struct names *names)
{
    const char *comma = "";

    fprintf(f, "%s ", key);
    for (int i = 0; i < names->len; i++) {
        if (!(bits >> i & 1))
            continue;
        fprintf(f, "%s%s", comma, names->name(i));
        comma = ",";
    }
    fputc('\n', f);
}

static int parse_number(const char *text, __u64 *ret, char *why)
{
    char *end;

    errno = 0;
    *ret = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno)
        return 0;
    snprintf(why, SW_REQUEST_WHY, "'%.60s' is not a number", text);
    return -EINVAL;
}

static int parse_sample(const char *text, __u32 *ret, char *why)
{
    __u64 n;
    int err = parse_number(text, &n, why);

    if (err)
        return err;
    if (n && n <= SW_SAMPLE_MAX) {
        *ret = (__u32)n;
        return 0;
    }
    snprintf(why, SW_REQUEST_WHY, "'%.60s' is not a number from 1 to %u", text, SW_SAMPLE_MAX);
    return -EINVAL;
}

static int parse_format(const char *text, struct sw_request *r, char *why)
{
    r->color = !strcmp(text, "color");
    for (int format = SW_FORMAT_JSON; format <= SW_FORMAT_ECS; format++) {
        if (strcmp(r->color ? "text" : text, sw_formatter(format)->name))
            continue;
        r->format = format;
        return 0;
    }
    snprintf(why, SW_REQUEST_WHY, "'%.60s' is not a format", text);
    return -EINVAL;
}

/* How many ports "1" or "1-5" are; 1 if that is wrong, which is found later. */
static long width_of(const char *word)
{
    char *end;
    long first = strtol(word, &end, 10), last = *end == '-' ? strtol(end + 1, NULL, 10) : first;

    return first >= 0 && last >= first && last < 65536 ? last - first + 1 : 1;
}

/* Ranges that overlap would take long to no end: no list needs more ports than there are. */
static int parse_list(struct sw_filter_rules *rules, int list, const char *value, char *why)
{
    long ports = 0;

    for (const char *word = value; word && list < SW_FILTER_PORT_LISTS; word = strchr(word, ',')) {
        ports += width_of(word += *word == ',');
        if (ports > 65536) {
            snprintf(why, SW_REQUEST_WHY, "more than 65536 ports");
            return -EINVAL;
        }
    }
    if (rules->lists >> list & 1) {
        snprintf(why, SW_REQUEST_WHY, "'%s' is given twice", sw_filter_list_names[list]);
        return -EINVAL;
    }
    return sw_filter_add(rules, list, value, why, SW_REQUEST_WHY);
}

static int parse_pair(struct sw_request *r, const char *key, char *value, char *why)
{
    if (!strcmp(key, "format"))
        return parse_format(value, r, why);
    if (!strcmp(key, "wide") || !strcmp(key, "utc")) {
        *(*key == 'w' ? &r->wide : &r->utc) = true;
        return 0;
    }
    if (!strcmp(key, "events"))
        return parse_names(value, &lines, &r->event_mask, why);
    if (!strcmp(key, "sample"))
        return parse_sample(value, &r->sample, why);
    if (!strcmp(key, "state"))
        return parse_names(value, &states, &r->filter.states, why);
    if (!strcmp(key, "outcome"))
        return parse_names(value, &outcomes, &r->filter.outcomes, why);
    if (!strcmp(key, "uid"))
        return sw_filter_add_uids(&r->filter, value, why, SW_REQUEST_WHY);
    if (!strcmp(key, "pid"))
        return sw_filter_add_pids(&r->filter, value, why, SW_REQUEST_WHY);
    if (!strcmp(key, "cgroup") || !strcmp(key, "comm"))
        return sw_filter_set_pattern(key[1] == 'g' ? r->filter.cgroup : r->filter.comm, value, why, SW_REQUEST_WHY);
    if (!strcmp(key, "min-bytes"))
        return parse_number(value, &r->filter.min_bytes, why);
    if (!strcmp(key, "min-handshake-ns"))
        return parse_number(value, &r->filter.min_handshake_ns, why);
    for (int list = 0; list < SW_FL_MAX; list++)
        if (!strcmp(key, sw_filter_list_names[list]))
            return parse_list(&r->filter.rules, list, value, why);
    snprintf(why, SW_REQUEST_WHY, "'%.60s' is not known", key);
    return -EINVAL;
}

size_t sw_request_whole(const char *text, size_t len)
{
    const char *end = len ? memmem(text, len, "\n\n", 2) : NULL;

    return end ? (size_t)(end - text) + 2 : 0;
}

/* The next line, its value behind the first blank cut off; NULL: there is none. */
static char *next_line(char **rest, char **ret_value)
{
    char *line = strsep(rest, "\n"), *blank;

    if (!line || !*line)
        return NULL;
    blank = strchr(line, ' ');
    *ret_value = blank ? blank + 1 : line + strlen(line);
    if (blank)
        *blank = 0;
    return line;
}

/* The text becomes a string without its last newline, its first line is checked. */
static int begin(char *text, size_t len, char **ret_rest)
{
    size_t first = strlen(FIRST);

    if (len < first + 2 || memchr(text, 0, len) || memcmp(text, FIRST "\n", first + 1))
        return -EPROTO;
    text[len - 1] = 0;
    *ret_rest = text + first + 1;
    return 0;
}

int sw_request_parse(char *text, size_t len, struct sw_request *ret, char why[SW_REQUEST_WHY])
{
    char *rest, *key, *value;
    int err = 0;

    memset(ret, 0, sizeof(*ret));
    ret->event_mask = (1u << SW_LINE_MAX) - 1;
    if (begin(text, len, &rest)) {
        snprintf(why, SW_REQUEST_WHY, "that is not a request of protocol '%s'", FIRST);
        return -EINVAL;
    }
    while (!err && (key = next_line(&rest, &value)))
        err = parse_pair(ret, key, value, why);
    ret->event_mask &= sw_formatter(ret->format)->lines | 1u << SW_LINE_LOSS;
    for (char *p = why; err && *p; p++) /* it goes back as one harmless line */
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            *p = '?';
    return err;
}

/* A buffer as a stream; close_text() says how much was written. */
static FILE *open_text(char *buf, size_t size)
{
    FILE *f = fmemopen(buf, size, "w");

    if (f)
        fputs(FIRST "\n", f);
    return f;
}

static int close_text(FILE *f, size_t size)
{
    long len;
    int bad;

    fputc('\n', f);
    bad = fflush(f) || ferror(f);
    len = ftell(f);
    fclose(f);
    return bad || len <= 0 || (size_t)len >= size ? -E2BIG : (int)len;
}

int sw_request_print(const struct sw_request *request, char *buf, size_t size)
{
    const struct sw_filter *filter = &request->filter;
    FILE *f = open_text(buf, size);

    if (!f)
        return -ENOMEM;
    fprintf(f, "format %s\n", request->color ? "color" : sw_formatter(request->format)->name);
    fputs(request->wide ? "wide\n" : "", f);
    fputs(request->utc ? "utc\n" : "", f);
    print_names(f, "events", request->event_mask, &lines);
    if (request->sample > 1)
        fprintf(f, "sample %u\n", request->sample);
    for (int list = 0; list < SW_FL_MAX; list++) {
        if (!(filter->rules.lists >> list & 1))
            continue;
        fprintf(f, "%s ", sw_filter_list_names[list]);
        sw_filter_print_list(&filter->rules, list, f);
        fputc('\n', f);
    }
    if (filter->states)
        print_names(f, "state", filter->states, &states);
    if (filter->outcomes)
        print_names(f, "outcome", filter->outcomes, &outcomes);
    for (__u32 i = 0; i < filter->uids_len; i++)
        fprintf(f, "uid %s\n", filter->uids[i]);
    for (__u32 i = 0; i < filter->pids_len; i++)
        fprintf(f, "pid %d\n", filter->pids[i]);
    if (*filter->cgroup)
        fprintf(f, "cgroup %s\n", filter->cgroup);
    if (*filter->comm)
        fprintf(f, "comm %s\n", filter->comm);
    if (filter->min_bytes)
        fprintf(f, "min-bytes %llu\n", filter->min_bytes);
    if (filter->min_handshake_ns)
        fprintf(f, "min-handshake-ns %llu\n", filter->min_handshake_ns);
    return close_text(f, size);
}

int sw_hello_print(const struct sw_hello *hello, char buf[SW_HELLO_MAX])
{
    FILE *f = open_text(buf, SW_HELLO_MAX);

    if (!f)
        return -ENOMEM;
    fprintf(f, "version %s\npid %d\nnetns %llu\n", hello->version, hello->pid, hello->netns);
    for (size_t i = 0; i < hello->ifaces_len; i++)
        fprintf(f, "iface %s\n", hello->ifaces[i]);
    if (*hello->pin)
        fprintf(f, "pin %s\n", hello->pin);
    print_names(f, "events", hello->event_mask, &lines);
    return close_text(f, SW_HELLO_MAX);
}

/* What a later version says besides is passed over. */
int sw_hello_parse(char *text, size_t len, struct sw_hello *ret)
{
    char *rest, *key, *value;

    memset(ret, 0, sizeof(*ret));
    if (begin(text, len, &rest))
        return -EPROTO;
    while ((key = next_line(&rest, &value))) {
        if (!strcmp(key, "version"))
            snprintf(ret->version, sizeof(ret->version), "%s", value);
        else if (!strcmp(key, "pid"))
            ret->pid = (int)strtol(value, NULL, 10);
        else if (!strcmp(key, "netns"))
            ret->netns = strtoull(value, NULL, 10);
        else if (!strcmp(key, "iface") && ret->ifaces_len < SW_IFACES_MAX)
            snprintf(ret->ifaces[ret->ifaces_len++], IF_NAMESIZE, "%s", value);
        else if (!strcmp(key, "pin"))
            snprintf(ret->pin, sizeof(ret->pin), "%s", value);
        else if (!strcmp(key, "events"))
            parse_names(value, &lines, &ret->event_mask, NULL);
    }
    return ret->pid > 0 ? 0 : -EPROTO;
}
