/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every target starts with: the input as a cursor that gives zeros when it is empty, inputs as files, and a
 * check that says what it found before it dies.
 */
#ifndef SW_FUZZ_H
#define SW_FUZZ_H

#include <linux/types.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

__attribute__((format(printf, 4, 5), noreturn, unused)) static void fuzz_fail(const char *file, int line,
                                                                              const char *what, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    dprintf(STDERR_FILENO, "%s:%d: does not hold: %s: ", file, line, what);
    vdprintf(STDERR_FILENO, fmt, ap);
    dprintf(STDERR_FILENO, "\n");
    va_end(ap);
    abort();
}

#define holds(what, ...)                                                                                               \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            fuzz_fail(__FILE__, __LINE__, #what, __VA_ARGS__);                                                         \
    } while (0)

struct fuzz_in {
    const __u8 *at, *end;
};

static inline size_t fuzz_left(const struct fuzz_in *in)
{
    return in->end - in->at;
}

static inline void fuzz_take(struct fuzz_in *in, void *to, size_t n)
{
    size_t have = fuzz_left(in) < n ? fuzz_left(in) : n;

    memset(to, 0, n);
    if (have)
        memcpy(to, in->at, have);
    in->at += have;
}

static inline __u8 fuzz_u8(struct fuzz_in *in)
{
    __u8 v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

static inline __u16 fuzz_u16(struct fuzz_in *in)
{
    __u16 v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

static inline __u32 fuzz_u32(struct fuzz_in *in)
{
    __u32 v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

static inline __u64 fuzz_u64(struct fuzz_in *in)
{
    __u64 v;

    fuzz_take(in, &v, sizeof(v));
    return v;
}

/* All that is left, or up to a byte of the given value, as a string in an allocation of its own size. */
static inline char *fuzz_text(struct fuzz_in *in, int until)
{
    const __u8 *stop = fuzz_left(in) ? memchr(in->at, until, fuzz_left(in)) : NULL;
    size_t n = stop ? (size_t)(stop - in->at) : fuzz_left(in);
    char *text = malloc(n + 1);

    if (!text)
        abort();
    if (n)
        memcpy(text, in->at, n);
    text[n] = 0;
    in->at += n + !!stop;
    return text;
}

/* A copy of exactly that size, so that any byte read beyond it is seen. */
static inline __u8 *fuzz_copy(const void *data, size_t n)
{
    __u8 *copy = malloc(n ? n : 1);

    if (!copy)
        abort();
    if (n)
        memcpy(copy, data, n);
    return copy;
}

/* A file of mode 0600 with this content, always the same one. */
static inline const char *fuzz_file(const void *data, size_t n)
{
    static char path[40];
    static int fd = -1;

    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || fchmod(fd, 0600) || ftruncate(fd, 0) || pwrite(fd, data, n, 0) != (ssize_t)n)
        abort();
    return path;
}

/* One line for people: printable, and no newline in it. */
static inline void fuzz_one_line(const char *text)
{
    holds(*text, "an empty message");
    for (const char *p = text; *p; p++)
        holds((__u8)*p >= 0x20 && *p != 0x7f, "byte %02x in '%s'", (__u8)*p, text);
}

#endif
