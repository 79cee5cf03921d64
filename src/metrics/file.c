/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE 0644 /* the collector is another user, whatever our umask is */
#define MASK 0022

/* A collector takes names that end in .prom, and must not take this one. 0 or -errno. */
static int write_new(const struct sw_metrics_file *f, const char *text, size_t len)
{
    size_t done = 0;
    mode_t mask;
    int fd, err;

    unlinkat(f->dir, f->new, 0); /* of one that was killed */
    mask = umask(MASK);
    fd = openat(f->dir, f->new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE);
    err = fd < 0 ? -errno : 0;
    umask(mask);
    if (err)
        return err;
    while (done < len && !err) {
        ssize_t n = write(fd, text + done, len - done);

        if (n > 0)
            done += n;
        else if (!n || errno != EINTR)
            err = n ? -errno : -EIO;
    }
    if (close(fd) && !err)
        err = -errno;
    if (err)
        unlinkat(f->dir, f->new, 0);
    return err;
}

/* It has to be a file, or nothing yet: a device would be replaced by one. */
static int check_place(const struct sw_metrics_file *f)
{
    struct stat st;

    if (fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : -errno;
    return S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
}

int sw_metrics_file_open(const char *path, __u64 interval_ns, struct sw_metrics_file **ret)
{
    struct sw_metrics_file *f = calloc(1, sizeof(*f));
    char *for_dir = strdup(path), *for_name = strdup(path);
    int err = f && for_dir && for_name ? 0 : -ENOMEM, n;

    *ret = f;
    if (f)
        *f = (struct sw_metrics_file){.dir = -1, .interval = interval_ns, .outage = {.what = path}};
    if (!err && (!*path || path[strlen(path) - 1] == '/'))
        err = -EISDIR;
    if (!err) {
        snprintf(f->name, sizeof(f->name), "%s", basename(for_name));
        n = snprintf(f->new, sizeof(f->new), ".%s.new", f->name);
        err = n >= (int)sizeof(f->new) || strlen(basename(for_name)) >= sizeof(f->name) ? -ENAMETOOLONG : 0;
    }
    if (!err) {
        f->dir = open(dirname(for_dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
        err = f->dir < 0 ? -errno : check_place(f);
    }
    if (!err)
        err = write_new(f, "", 0);
    if (!err)
        unlinkat(f->dir, f->new, 0);
    free(for_dir);
    free(for_name);
    return err;
}

void sw_metrics_file_free(struct sw_metrics_file *f)
{
    if (!f)
        return;
    if (f->written)
        unlinkat(f->dir, f->name, 0);
    if (f->dir >= 0)
        close(f->dir);
    free(f);
}

bool sw_metrics_file_due(const struct sw_metrics_file *f, __u64 now_ns)
{
    return f && now_ns >= f->next;
}

void sw_metrics_file_write(struct sw_metrics_file *f, const char *text, size_t len, int err, __u64 now_ns)
{
    f->next = now_ns + f->interval;
    if (text)
        err = write_new(f, text, len);
    if (!err && renameat(f->dir, f->new, f->dir, f->name)) {
        err = -errno;
        unlinkat(f->dir, f->new, 0);
    }
    if (err) {
        f->failures++;
        sw_outage_failed(&f->outage, err, f->failures - 1, "metrics are not written, all else goes on", now_ns);
        return;
    }
    f->written++;
    sw_outage_over(&f->outage, now_ns);
    sw_outage_log(&f->outage, f->failures, "writes", now_ns);
}
