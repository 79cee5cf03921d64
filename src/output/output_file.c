/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/output_file.h"

#include "base/log.h"
#include "synward.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
#define MODE 0640
#define RETRY_NS SW_SECOND
#define SAME_MS 1000   /* names that are tried */
#define BACK_MS 10000  /* a clock that is set back by less makes no names before those that are there */
#define REMOVED_MAX 64 /* old files at once */

static __u64 wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* The directory and the name of the file itself, where path is a symbolic link. */
static int find_directory(struct sw_output_file *f)
{
    char *real = realpath(f->path, NULL), *copy = real ? strdup(real) : NULL;
    int err = real ? 0 : -errno;

    if (!err && !copy)
        err = -ENOMEM;
    if (!err && strlen(basename(real)) + SW_ROTATION_SUFFIX > sizeof(f->name))
        err = -ENAMETOOLONG;
    if (!err) {
        snprintf(f->name, sizeof(f->name), "%s", basename(real));
        f->dir = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
        err = f->dir < 0 ? -errno : 0;
    }
    free(copy);
    free(real);
    return err;
}

int sw_output_open(const char *path, const struct sw_rotation *rotation, struct sw_output_file **ret)
{
    int fd = open(strcmp(path, "none") ? path : "/dev/null", FLAGS, MODE), err = fd < 0 ? -errno : 0;
    struct sw_output_file *f = calloc(1, sizeof(*f));
    struct stat st;

    *ret = NULL;
    if (f)
        *f = (struct sw_output_file){.path = path, .dir = -1, .rotation = *rotation};
    else if (!err)
        err = -ENOMEM;
    if (!err && (fstat(fd, &st) || dup2(fd, STDOUT_FILENO) < 0))
        err = -errno;
    if (!err && S_ISREG(st.st_mode)) {
        f->began = st.st_size ? st.st_mtime : time(NULL);
        err = find_directory(f);
        if (!err)
            *ret = f;
    }
    if (fd >= 0)
        close(fd);
    if (!*ret)
        sw_output_free(f);
    return err;
}

void sw_output_free(struct sw_output_file *f)
{
    if (f && f->dir >= 0)
        close(f->dir);
    free(f);
}

void sw_output_append(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    struct stat st;

    if (flags >= 0 && !(flags & O_APPEND) && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
        lseek(fd, 0, SEEK_CUR) == st.st_size)
        fcntl(fd, F_SETFL, flags | O_APPEND);
}

/* Not over one that is there, on any file system. */
static int move(const struct sw_output_file *f, const char *to)
{
    if (!renameat2(f->dir, f->name, f->dir, to, RENAME_NOREPLACE))
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (linkat(f->dir, f->name, f->dir, to, 0))
        return -errno;
    return unlinkat(f->dir, f->name, 0) ? -errno : 0;
}

/* What is at the path may be another one by now. */
static int move_away(struct sw_output_file *f)
{
    char to[sizeof(f->name) + SW_ROTATION_SUFFIX], suffix[SW_ROTATION_SUFFIX];
    struct stat ours, there;
    __u64 now = wall_ms();
    int err = -EEXIST;

    if (fstat(STDOUT_FILENO, &ours))
        return -errno;
    if (fstatat(f->dir, f->name, &there, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : -errno;
    if (ours.st_dev != there.st_dev || ours.st_ino != there.st_ino)
        return 0;
    if (f->named >= now && f->named - now < BACK_MS)
        now = f->named + 1;
    for (int i = 0; i < SAME_MS && err == -EEXIST; i++) {
        f->named = now + i;
        sw_rotation_suffix(f->named, suffix);
        snprintf(to, sizeof(to), "%s%s", f->name, suffix);
        err = move(f, to);
    }
    return err == -ENOENT ? 0 : err; /* somebody else has just moved it */
}

/* Half a line at the end of the file that is left: it is whole in the next one. */
static void take_back(struct sw_report *report)
{
    off_t half = sw_report_rewind(report);
    struct stat st;

    if (half && !fstat(STDOUT_FILENO, &st) && st.st_size >= half && ftruncate(STDOUT_FILENO, st.st_size - half))
        sw_warn("the file that is left ends in the middle of a line: %s", strerror(errno));
    sw_report_leave(report);
}

static int open_new(struct sw_output_file *f, struct sw_report *report)
{
    int fd = openat(f->dir, f->name, FLAGS | O_NOFOLLOW, MODE), err = 0;
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st))
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = -ENOTSUP;
    if (!err) {
        take_back(report);
        err = dup3(fd, STDOUT_FILENO, 0) < 0 ? -errno : 0;
    }
    close(fd);
    return err;
}

/* The oldest old file; how many there are. */
static size_t oldest(const struct sw_output_file *f, char ret[256])
{
    int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    size_t len = 0;

    while (dir && (entry = readdir(dir))) {
        if (!sw_rotation_is_old(f->name, entry->d_name))
            continue;
        if (!len++ || strcmp(entry->d_name, ret) < 0)
            snprintf(ret, 256, "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return len;
}

static void remove_old(struct sw_output_file *f)
{
    char name[256];

    for (int i = 0; f->rotation.keep && i < REMOVED_MAX && oldest(f, name) > f->rotation.keep; i++) {
        if (!unlinkat(f->dir, name, 0) || errno == ENOENT) /* another one was faster */
            continue;
        if (!f->keep_warned)
            sw_warn("%s: old files cannot be removed: %s", f->path, strerror(errno));
        f->keep_warned = true;
        return;
    }
}

/* 0 or -errno, which is logged once. */
static int switch_file(struct sw_output_file *f, struct sw_report *report, bool rotate, __u64 now)
{
    int err = rotate && !f->reopen ? move_away(f) : 0;

    if (!err) {
        err = open_new(f, report);
        f->reopen = err;
    }
    if (err) {
        f->retry = now + RETRY_NS;
        if (!f->warned)
            sw_warn("%s: no new file: %s: lines go on into the old one", f->path, strerror(-err));
        f->warned = true;
        return err;
    }
    if (f->warned)
        sw_warn("%s: lines go into a new file again", f->path);
    f->warned = false;
    f->retry = 0;
    f->began = time(NULL);
    if (rotate)
        remove_old(f);
    return 0;
}

size_t sw_output_room(struct sw_output_file *f, struct sw_report *report, bool full, __u64 now)
{
    const __u64 wall = time(NULL);
    struct stat st;

    if (!f->rotation.size && !f->rotation.interval && !f->reopen)
        return SIZE_MAX;
    if (wall < f->began) /* the clock was set back */
        f->began = wall;
    if (fstat(STDOUT_FILENO, &st))
        return SIZE_MAX;
    if (f->reopen || (full && st.st_size) || sw_rotation_due(&f->rotation, st.st_size, f->began, wall)) {
        if (now < f->retry || switch_file(f, report, true, now))
            return SIZE_MAX;
        if (fstat(STDOUT_FILENO, &st))
            return SIZE_MAX;
    }
    return sw_rotation_room(&f->rotation, st.st_size);
}

int sw_output_reopen(struct sw_output_file *f, struct sw_report *report, __u64 now)
{
    f->reopen = true; /* not moved away once more */
    f->warned = false;
    return switch_file(f, report, false, now);
}
