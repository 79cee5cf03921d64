/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/pinfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS "/sys/fs/bpf"
#define ANCESTORS 64

bool sw_pin_name_ok(const char *name)
{
    size_t len = strlen(name);

    for (const char *p = name; *p; p++)
        if (!isascii((unsigned char)*p) || (!isalnum((unsigned char)*p) && !strchr("_+-:@", *p)))
            return false;
    return len && len < SW_PIN_NAME;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int sw_pin_name_of(const char *const *ifaces, size_t len, char ret[SW_PIN_NAME])
{
    const char **sorted = calloc(len, sizeof(*sorted));
    size_t used = 0;

    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, ifaces, len * sizeof(*sorted));
    qsort(sorted, len, sizeof(*sorted), compare);
    for (size_t i = 0; i < len && used < SW_PIN_NAME; i++)
        used += snprintf(ret + used, SW_PIN_NAME - used, "%s%s", i ? "+" : "", sorted[i]);
    free(sorted);
    for (char *p = ret; *p; p++)
        if (*p == '.')
            *p = '_';
    return used < SW_PIN_NAME && sw_pin_name_ok(ret) ? 0 : -ENAMETOOLONG;
}

static bool is_bpffs(void)
{
    struct statfs st;

    return !statfs(BPFFS, &st) && (unsigned long)st.f_type == BPF_FS_MAGIC;
}

static int parent_of(int pid)
{
    char path[40], line[512], *p;
    int parent = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "re");
    if (!f)
        return 0;
    p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL; /* the name before it may hold anything */
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes it */
    if (p && strlen(p) > 4) /* ") S 123" */
        parent = (int)strtol(p + 4, NULL, 10);
    fclose(f);
    return parent;
}

/* A mount in a private mount namespace would disappear with this process, and the pins with it. That is the case if a
 * parent process is in another mount namespace; not every parent can be checked. */
static bool mounts_are_private(void)
{
    struct stat mine, theirs;
    char path[40];
    int pid = getpid();

    if (stat("/proc/self/ns/mnt", &mine))
        return false;
    for (int i = 0; i < ANCESTORS && (pid = parent_of(pid)) > 0; i++) {
        snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
        if (!stat(path, &theirs) && theirs.st_ino != mine.st_ino)
            return true;
    }
    return false;
}

/* Where others may make files on bpffs (mounted by hand it is 1777), the root can be theirs, and lead anywhere. */
static bool root_is_safe(void)
{
    struct stat st;

    return !lstat(SW_PIN_ROOT, &st) && S_ISDIR(st.st_mode) && (!st.st_uid || st.st_uid == geteuid()) &&
           !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static int make_root(char *error, size_t size)
{
    struct stat st;

    if (mkdir(SW_PIN_ROOT, 0700) && errno != EEXIST) {
        int err = -errno;

        if (err == -EACCES)
            snprintf(error, size,
                     "--pin: '%s' cannot be made: %s: it has to be a directory of user %u's ('chmod 711 %s && install "
                     "-d -m 700 -o %u %s' as root)",
                     SW_PIN_ROOT, strerror(-err), geteuid(), BPFFS, geteuid(), SW_PIN_ROOT);
        else
            snprintf(error, size, "--pin: '%s' cannot be made: %s", SW_PIN_ROOT, strerror(-err));
        return err;
    }
    if (lstat(SW_PIN_ROOT, &st))
        return -errno;
    if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IRWXG | S_IRWXO)))
        return 0;
    snprintf(error, size, "--pin: '%s' is not a directory of ours alone (chown %u, chmod 700)", SW_PIN_ROOT, geteuid());
    return -EPERM;
}

int sw_pinfs_ready(bool *ret_mounted, char *error, size_t size)
{
    struct statvfs st;
    int err;

    *ret_mounted = false;
    if (!is_bpffs()) {
        if (mounts_are_private()) {
            snprintf(error, size,
                     "--pin: there is no BPF file system on %s in this mount namespace; under 'ip netns exec' it is "
                     "hidden ('nsenter --net=/run/netns/NAME' does not hide it)",
                     BPFFS);
            return -ENOENT;
        }
        if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700")) {
            err = -errno;
            snprintf(error, size, "--pin: there is no BPF file system on %s, and it cannot be mounted: %s", BPFFS,
                     strerror(-err));
            return err;
        }
        *ret_mounted = true;
    }
    if (!statvfs(BPFFS, &st) && st.f_flag & ST_RDONLY) {
        snprintf(error, size, "--pin: %s is read-only", BPFFS);
        return -EROFS;
    }
    return make_root(error, size);
}

void sw_pinfs_path(const char *name, const char *file, char ret[SW_PIN_PATH])
{
    snprintf(ret, SW_PIN_PATH, "%s/%s%s%s", SW_PIN_ROOT, name, *file ? "/" : "", file);
}

bool sw_pinfs_has(const char *name)
{
    char path[SW_PIN_PATH];
    struct stat st;

    sw_pinfs_path(name, "", path);
    return root_is_safe() && !lstat(path, &st) && S_ISDIR(st.st_mode);
}

int sw_pinfs_make(const char *name)
{
    char path[SW_PIN_PATH];

    sw_pinfs_path(name, "", path);
    if (!mkdir(path, 0700))
        return 0;
    if (errno != ENOENT || mkdir(SW_PIN_ROOT, 0700)) /* the root goes with its last set */
        return -errno;
    return mkdir(path, 0700) ? -errno : 0;
}

int sw_pinfs_remove(const char *name)
{
    char path[SW_PIN_PATH];
    struct dirent *entry;
    int err = 0;
    DIR *dir;

    if (!sw_pinfs_has(name))
        return 0;
    sw_pinfs_path(name, "", path);
    dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    while ((entry = readdir(dir)))
        if (*entry->d_name != '.' && unlinkat(dirfd(dir), entry->d_name, 0) && errno != ENOENT && !err)
            err = -errno;
    closedir(dir);
    if (rmdir(path) && errno != ENOENT && !err)
        err = -errno;
    rmdir(SW_PIN_ROOT); /* if it was the last one */
    return err;
}

int sw_pinfs_walk(int (*fn)(const char *name, void *ctx), void *ctx)
{
    struct dirent *entry;
    int result = 0;
    DIR *dir;

    dir = root_is_safe() ? opendir(SW_PIN_ROOT) : NULL;
    if (!dir)
        return 0;
    while (!result && (entry = readdir(dir)))
        if (sw_pin_name_ok(entry->d_name) && sw_pinfs_has(entry->d_name))
            result = fn(entry->d_name, ctx);
    closedir(dir);
    return result;
}
