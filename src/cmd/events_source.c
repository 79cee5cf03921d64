/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/events_source.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/log.h"
#include "cmd/find_instance.h"
#include "readers/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CANDIDATES 64
#define ANSWER_MS 3000 /* one that is stopped does not answer */
#define WAITS_MS 500   /* who waits for one asks it again: at first he gives it less, and twice as much each time */
#define AGAIN_NS (1 * SW_SECOND)
#define OK "ok\n"
#define ERROR "error "
#define NOT_ALLOWED "not allowed"
#define WHY_MAX (SW_REQUEST_WHY + 32)

/* Once, of what is tried again. */
#define SAY(choice, ...)                                                                                               \
    do {                                                                                                               \
        if (!(choice)->quiet)                                                                                          \
            sw_err(__VA_ARGS__);                                                                                       \
    } while (0)

struct candidate {
    int fd;
    struct sw_hello hello;
};

struct search {
    const struct sw_events_choice *choice;
    size_t len;
    int elsewhere;
    int denied, silent;        /* how many */
    char refusal[WHY_MAX];     /* empty: nobody refused */
    struct sw_instances known; /* those whose files we may read */
    struct candidate found[CANDIDATES];
};

static int answer_ms(const struct sw_events_choice *choice)
{
    return choice->answer_ms ? choice->answer_ms : ANSWER_MS;
}

/* Reads a piece before a deadline: its length, 0 at the end, or -errno. */
static ssize_t read_some(int fd, char *buf, size_t size, __u64 deadline)
{
    struct pollfd in = {.fd = fd, .events = POLLIN};
    __u64 now = sw_clock_now();
    ssize_t n;

    if (now >= deadline || poll(&in, 1, (int)((deadline - now) / 1000000) + 1) <= 0)
        return -ETIMEDOUT;
    n = read(fd, buf, size);
    return n < 0 ? -errno : n;
}

/* In pieces until `whole` says so, or until the end: the length, or -errno. */
static ssize_t read_until(int fd, int ms, char *buf, size_t size, size_t piece,
                          bool (*whole)(const char *buf, size_t len))
{
    const __u64 deadline = sw_clock_now() + ms * 1000000ull;
    size_t len = 0;

    while (len < size && !whole(buf, len)) {
        ssize_t n = read_some(fd, buf + len, size - len < piece ? size - len : piece, deadline);

        if (n < 0)
            return n;
        if (!n)
            break;
        len += n;
    }
    return (ssize_t)len;
}

static bool has_empty_line(const char *buf, size_t len)
{
    return sw_request_whole(buf, len);
}

static bool ends_line(const char *buf, size_t len)
{
    return len && buf[len - 1] == '\n';
}

/* "error WHY" instead. */
static bool is_refusal(const char *buf, size_t len, char why[WHY_MAX])
{
    size_t skip = strlen(ERROR), n = skip;

    if (len < skip || memcmp(buf, ERROR, skip) != 0)
        return false;
    while (n < len && buf[n] >= 0x20 && buf[n] < 0x7f)
        n++;
    snprintf(why, WHY_MAX, "%.*s", (int)(n - skip), buf + skip);
    return true;
}

static const char *named(const struct sw_events_choice *choice)
{
    return choice->command ? choice->command : "events";
}

static int say_refusal(const struct sw_events_choice *choice, const char *why)
{
    SAY(choice, "%s: the synward refuses: %s", named(choice), why);
    return strstr(why, NOT_ALLOWED) ? SW_EXIT_PRIVILEGE : SW_EXIT_INTERNAL;
}

/* As choice.h takes it: what it says of itself, and no more. */
static void as_instance(const struct sw_hello *hello, struct sw_instance *ret)
{
    *ret = (struct sw_instance){.pid = hello->pid, .netns = hello->netns, .len = hello->ifaces_len, .fd = -1};
    for (size_t i = 0; i < hello->ifaces_len; i++)
        memcpy(ret->ifaces[i].name, hello->ifaces[i], IF_NAMESIZE);
    memcpy(ret->pin, hello->pin, sizeof(ret->pin));
}

static bool follows(const struct sw_hello *hello, const char *iface)
{
    for (size_t i = 0; i < hello->ifaces_len; i++)
        if (!strcmp(hello->ifaces[i], iface))
            return true;
    return false;
}

/* After one has ended it is that of its interface which is waited for. */
static bool fits(struct search *s, const struct sw_hello *hello)
{
    const struct sw_hello *last = &s->choice->last;
    struct sw_instance inst;

    as_instance(hello, &inst);
    s->elsewhere += sw_choice_is_elsewhere(&s->choice->which, &inst);
    if (last->pid && (hello->netns != last->netns || !last->ifaces_len || !follows(hello, last->ifaces[0])))
        return false;
    return sw_choice_fits(&s->choice->which, &inst);
}

static int keep(const struct sw_instance *inst, bool alive, void *ctx)
{
    struct search *s = ctx;

    return alive ? sw_instances_add(&s->known, inst) : 0;
}

/* Its file says that it is not meant: it need not answer, and what it answers says nothing. */
static bool is_another(struct search *s, pid_t pid)
{
    for (size_t i = 0; i < s->known.len; i++) {
        const struct sw_instance *inst = &s->known.inst[i];

        if (inst->pid != pid || sw_choice_fits(&s->choice->which, inst))
            continue;
        s->elsewhere += sw_choice_is_elsewhere(&s->choice->which, inst);
        return true;
    }
    return false;
}

static int look(pid_t pid, void *ctx)
{
    struct search *s = ctx;
    struct candidate *c = &s->found[s->len];
    char buf[SW_HELLO_MAX];
    ssize_t len;

    if (s->len == CANDIDATES || is_another(s, pid))
        return 0;
    c->fd = sw_socket_connect(pid);
    s->denied += c->fd == -EACCES;
    s->silent += c->fd == -EAGAIN; /* nobody takes what waits */
    if (c->fd < 0)
        return 0;
    len = read_until(c->fd, answer_ms(s->choice), buf, sizeof(buf), sizeof(buf), has_empty_line);
    if (len < 0 || sw_hello_parse(buf, len, &c->hello)) {
        if (len > 0)
            is_refusal(buf, len, s->refusal);
        s->silent += len == -ETIMEDOUT;
        close(c->fd);
        return 0;
    }
    if (fits(s, &c->hello))
        s->len++;
    else
        close(c->fd);
    return 0;
}

static int say_none(const struct search *s, bool waits, int err)
{
    if (*s->refusal)
        return say_refusal(s->choice, s->refusal);
    if (err == -EACCES || s->denied) {
        SAY(s->choice, "%s needs root, or the group that 'synward run --socket-group' names", named(s->choice));
        return SW_EXIT_PRIVILEGE;
    }
    if (err) {
        SAY(s->choice, SW_READERS_DIR ": %s", strerror(-err));
        return SW_EXIT_INTERNAL;
    }
    if (waits)
        return SW_EXIT_NOT_RUNNING;
    if (!s->silent)
        return sw_choice_say_none(&s->choice->which, s->elsewhere);
    SAY(s->choice, "%s: a synward is there and does not answer", named(s->choice));
    return SW_EXIT_NOT_RUNNING;
}

static int say_candidates(const struct search *s)
{
    struct sw_instance *inst;
    int code;

    if (s->choice->quiet)
        return SW_EXIT_USAGE;
    inst = calloc(s->len, sizeof(*inst));
    if (!inst)
        return SW_EXIT_MEMORY;
    for (size_t i = 0; i < s->len; i++)
        as_instance(&s->found[i].hello, &inst[i]);
    code = sw_choice_say_several(named(s->choice), inst, s->len);
    free(inst);
    return code;
}

int sw_events_find(struct sw_events_choice *choice, bool waits, int *ret_fd, struct sw_hello *ret)
{
    struct search *s = calloc(1, sizeof(*s));
    int err, code = SW_EXIT_OK;

    if (!s)
        return SW_EXIT_MEMORY;
    s->choice = choice;
    sw_choice_begin(&choice->which);
    sw_instance_walk(keep, s); /* without the right to it, each is asked */
    err = choice->which.pid ? look(choice->which.pid, s) : sw_socket_walk(look, s);
    if (s->len == 1) {
        *ret_fd = s->found[0].fd;
        *ret = s->found[0].hello;
    } else {
        code = s->len ? say_candidates(s) : say_none(s, waits, err);
        for (size_t i = 0; i < s->len; i++)
            close(s->found[i].fd);
    }
    free(s->known.inst);
    free(s);
    return code;
}

const char *sw_events_text(const struct sw_events_choice *choice, const struct sw_hello *hello,
                           char buf[SW_INSTANCE_TEXT])
{
    struct sw_instance inst;

    as_instance(hello, &inst);
    return sw_instance_text(&choice->which, &inst, buf);
}

static int send_all(int fd, int ms, const char *text, size_t len)
{
    const __u64 deadline = sw_clock_now() + ms * 1000000ull;

    while (len) {
        struct pollfd out = {.fd = fd, .events = POLLOUT};
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN)
            return -errno;
        if (n < 0 && (sw_clock_now() >= deadline || poll(&out, 1, ms) <= 0))
            return -ETIMEDOUT;
        if (n > 0) {
            text += n;
            len -= n;
        }
    }
    return 0;
}

int sw_events_ask(const struct sw_events_choice *choice, int fd, const struct sw_request *request)
{
    char *text = malloc(SW_REQUEST_MAX), answer[SW_REQUEST_WHY + 32], why[WHY_MAX];
    int len = text ? sw_request_print(request, text, SW_REQUEST_MAX) : -ENOMEM, err;
    ssize_t n;

    if (len < 0) {
        free(text);
        SAY(choice, "%s: %s", named(choice), len == -E2BIG ? "the filter is too long" : strerror(-len));
        return len == -E2BIG ? SW_EXIT_USAGE : SW_EXIT_MEMORY;
    }
    err = send_all(fd, answer_ms(choice), text, len);
    free(text);
    /* a byte at a time: the lines behind it are not its own; also to what could not be sent */
    n = read_until(fd, answer_ms(choice), answer, sizeof(answer), 1, ends_line);
    if (n == (ssize_t)strlen(OK) && !memcmp(answer, OK, n))
        return SW_EXIT_OK;
    if (n > 0 && is_refusal(answer, n, why))
        return say_refusal(choice, why);
    if (n == 0 || n == -ECONNRESET || err == -EPIPE) {
        SAY(choice, "%s: the synward has just stopped", named(choice));
        return SW_EXIT_NOT_RUNNING;
    }
    SAY(choice, "%s: the synward does not answer", named(choice));
    return SW_EXIT_INTERNAL;
}

/* Once one was there, everything may be of a next one that has only begun: its group is not set, there are two of them.
 */
static bool is_lasting(const struct sw_events_choice *choice, int code)
{
    return code == SW_EXIT_MEMORY || (!choice->last.pid && (code == SW_EXIT_USAGE || code == SW_EXIT_PRIVILEGE));
}

int sw_events_join(struct sw_events_choice *choice, bool waits, const struct sw_request *request, int *ret_fd,
                   struct sw_hello *ret)
{
    const __u64 began = sw_clock_now();
    bool there;
    int code;

    if (waits && began < choice->again_at)
        return SW_EXIT_NOT_RUNNING;
    if (waits && !choice->answer_ms)
        choice->answer_ms = WAITS_MS;
    code = sw_events_find(choice, waits, ret_fd, ret);
    there = code != SW_EXIT_NOT_RUNNING;
    if (!code) {
        code = sw_events_ask(choice, *ret_fd, request);
        if (code)
            close(*ret_fd);
    }
    if (!code) {
        choice->quiet = false;
        choice->answer_ms = 0;
        return SW_EXIT_OK;
    }
    if (!waits || is_lasting(choice, code))
        return code;
    if (there && !choice->quiet)
        sw_info("%s: it is asked again", named(choice));
    choice->quiet |= there;
    if (there || sw_clock_now() - began >= WAITS_MS * 1000000ull) { /* also one that did not say who it is */
        choice->answer_ms = choice->answer_ms < ANSWER_MS / 2 ? 2 * choice->answer_ms : ANSWER_MS;
        choice->again_at = sw_clock_now() + AGAIN_NS;
    }
    return SW_EXIT_NOT_RUNNING;
}
