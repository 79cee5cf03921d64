/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "owner/cgroups.h"
#include "base/clock.h"
#include "base/fmt.h"
#include "owner/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ROOM 16384u      /* places, a power of two; three quarters of them are used */
#define DEEP 32          /* directories within each other */
#define MOST 8192        /* directories of a walk: it is done between two lines */
#define SHARE 20         /* a walk of t is followed by one after SHARE * t, */
#define LEAST 100000000u /* and after so many ns */

struct sw_cgroups {
    int dir;
    unsigned walks;
    size_t len;
    __u64 next_walk;
    struct sw_cgroup at[ROOM];
};

static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

int sw_cgroups_open(void)
{
    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        int fd = open(mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct statfs fs;

        if (fd >= 0 && !fstatfs(fd, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

int sw_cgroups_new(int dir, struct sw_cgroups **ret)
{
    *ret = calloc(1, sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    (*ret)->dir = dir;
    return 0;
}

static void forget(struct sw_cgroup *one)
{
    if (one->json != one->path)
        free(one->json);
    free(one->path);
    memset(one, 0, sizeof(*one));
}

void sw_cgroups_free(struct sw_cgroups *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < ROOM; i++)
        forget(&c->at[i]);
    if (c->dir >= 0)
        close(c->dir);
    free(c);
}

/* Its place, or the one that it would get. */
static struct sw_cgroup *place(struct sw_cgroups *c, __u64 id)
{
    __u32 i = id * 0x9e3779b97f4a7c15ULL >> 40;

    while (c->at[i & (ROOM - 1)].id && c->at[i & (ROOM - 1)].id != id)
        i++;
    return &c->at[i & (ROOM - 1)];
}

/* Those that the last walk has not seen leave, and if that is not enough, all. */
static void make_room(struct sw_cgroups *c)
{
    struct sw_cgroup *old = malloc(sizeof(c->at));

    if (old)
        memcpy(old, c->at, sizeof(c->at));
    for (size_t i = 0; i < ROOM && !old; i++)
        forget(&c->at[i]);
    memset(c->at, 0, sizeof(c->at));
    c->len = 0;
    for (size_t i = 0; i < ROOM && old; i++) {
        if (!old[i].id)
            continue;
        if (old[i].walk != c->walks || !old[i].path || c->len >= ROOM / 2) {
            forget(&old[i]);
            continue;
        }
        *place(c, old[i].id) = old[i];
        c->len++;
    }
    free(old);
}

/* path NULL: there is none. Without memory it is not known. */
static struct sw_cgroup *add(struct sw_cgroups *c, __u64 id, const char *path)
{
    char json[6 * SW_CGROUP_PATH + 1];
    struct sw_cgroup *one;

    if (c->len >= ROOM / 4 * 3)
        make_room(c);
    one = place(c, id);
    if (!one->id) {
        *one = (struct sw_cgroup){.id = id};
        c->len++;
    }
    one->walk = c->walks;
    if (!path || one->path)
        return one;
    *sw_json_escape(json, path) = 0;
    if (strlen(json) > SW_CGROUP_JSON)
        return one;
    one->path = strdup(path);
    one->json = one->path && strcmp(json, path) ? strdup(json) : one->path;
    if (!one->json) {
        free(one->path);
        one->path = NULL;
    }
    if (one->path)
        one->container = sw_container_id(one->path);
    return one;
}

/* A directory in `in`; NULL: it has gone, or may not be read. */
static DIR *open_dir(int in, const char *name)
{
    int fd = openat(in, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

/* Everything below the root, deepest first. A path that is too long is left out, with what is below. False: there is
 * more than it takes. */
static bool walk(struct sw_cgroups *c)
{
    struct {
        DIR *dir;
        size_t len; /* of its path */
    } at[DEEP] = {{.dir = open_dir(c->dir, ".")}};
    char path[SW_CGROUP_PATH];
    int deep = at[0].dir ? 0 : -1, left = MOST;

    while (deep >= 0 && left) {
        const struct dirent *e = readdir(at[deep].dir);
        const size_t len = at[deep].len, name = e ? strlen(e->d_name) : 0;
        DIR *below;

        if (!e) {
            closedir(at[deep--].dir);
            continue;
        }
        if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
            len + 1 + name >= SW_CGROUP_PATH)
            continue;
        path[len] = '/';
        memcpy(path + len + 1, e->d_name, name + 1);
        add(c, e->d_ino, path);
        left--;
        below = deep + 1 < DEEP ? open_dir(dirfd(at[deep].dir), e->d_name) : NULL;
        if (!below)
            continue;
        at[++deep].dir = below;
        at[deep].len = len + 1 + name;
    }
    while (deep >= 0)
        closedir(at[deep--].dir);
    return left;
}

static bool walk_all(struct sw_cgroups *c, __u64 now_ns)
{
    const __u64 begun = sw_clock_now();
    struct stat root;
    bool whole;
    __u64 took;

    c->walks++;
    if (!fstat(c->dir, &root))
        add(c, root.st_ino, "/");
    whole = walk(c);
    took = sw_clock_now() - begun;
    c->next_walk = now_ns + (SHARE * took > LEAST ? SHARE * took : LEAST);
    return whole;
}

const struct sw_cgroup *sw_cgroups_find(struct sw_cgroups *c, __u64 id, __u64 now_ns)
{
    struct sw_cgroup *one;

    if (!id || c->dir < 0)
        return NULL;
    one = place(c, id);
    if (!one->id && now_ns >= c->next_walk) {
        const bool whole = walk_all(c, now_ns);

        one = place(c, id);
        if (!one->id && whole) /* of another namespace of cgroups, or gone: not to be looked for again */
            one = add(c, id, NULL);
    }
    return one->path ? one : NULL;
}

size_t sw_cgroups_len(const struct sw_cgroups *c)
{
    return c->len;
}
