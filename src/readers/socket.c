/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "readers/socket.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define GROUPS_MAX 65536 /* of one process, in the kernel */
#define PASSED_BY_ALL 0711

static struct sockaddr_un address_of(pid_t pid)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(at.sun_path, sizeof(at.sun_path), SW_READERS_DIR "/%d", pid);
    return at;
}

int sw_socket_connect(pid_t pid)
{
    struct sockaddr_un at = address_of(pid);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

    if (fd < 0)
        return -errno;
    if (!connect(fd, (struct sockaddr *)&at, sizeof(at)))
        return fd;
    err = -errno;
    close(fd);
    return err;
}

int sw_socket_walk(int (*fn)(pid_t pid, void *ctx), void *ctx)
{
    DIR *dir = opendir(SW_READERS_DIR);
    struct dirent *entry;
    int result = 0;

    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    while (!result && (entry = readdir(dir))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);

        if (*entry->d_name >= '1' && *entry->d_name <= '9' && !*end && pid < 1 << 30)
            result = fn((pid_t)pid, ctx);
    }
    closedir(dir);
    return result;
}

static int remove_dead(pid_t pid, void *ctx)
{
    int fd = sw_socket_connect(pid);

    (void)ctx;
    if (fd == -ECONNREFUSED)
        sw_socket_remove(pid);
    if (fd >= 0)
        close(fd);
    return 0;
}

static int make_dir(gid_t group)
{
    if ((mkdir(SW_READERS_DIR, 0755) && errno != EEXIST) || chmod(SW_READERS_DIR, 0755))
        return -errno;
    return group != SW_NO_GROUP && chmod(SW_RUN_DIR, PASSED_BY_ALL) ? -errno : 0;
}

/* Whoever belongs to the group already, as a service with Group= does, needs no right to change it. */
static int give_to(const char *path, gid_t group)
{
    struct stat st;

    if (stat(path, &st) || (st.st_gid != group && chown(path, -1, group)) || chmod(path, 0660))
        return -errno;
    return 0;
}

int sw_socket_listen(pid_t pid, gid_t group, const char **ret_path)
{
    static struct sockaddr_un at;
    int fd, bound, err = make_dir(group);
    mode_t mask;

    *ret_path = SW_READERS_DIR;
    if (err)
        return err;
    sw_socket_walk(remove_dead, NULL);
    at = address_of(pid);
    *ret_path = at.sun_path;
    unlink(at.sun_path); /* of another process with our id, which cannot be there any more */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    mask = umask(0177);
    bound = bind(fd, (struct sockaddr *)&at, sizeof(at));
    err = bound ? -errno : 0;
    umask(mask);
    if (!err && group != SW_NO_GROUP) {
        err = give_to(at.sun_path, group);
        if (err == -EPERM)
            *ret_path = "--socket-group: synward's user does not belong to it";
    }
    if (!err && listen(fd, BACKLOG))
        err = -errno;
    if (!err)
        return fd;
    if (!bound)
        unlink(at.sun_path);
    close(fd);
    return err;
}

void sw_socket_remove(pid_t pid)
{
    unlink(address_of(pid).sun_path);
}

static bool has_group(int fd, gid_t group)
{
    socklen_t len = 0;
    bool found = false;
    gid_t *groups;

    if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) || errno != ERANGE || len > GROUPS_MAX * sizeof(*groups))
        return false;
    groups = malloc(len);
    if (groups && !getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
        for (size_t i = 0; i < len / sizeof(*groups); i++)
            found |= groups[i] == group;
    free(groups);
    return found;
}

bool sw_socket_peer_allowed(int fd, gid_t group, uid_t *ret_uid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
        return false;
    *ret_uid = peer.uid;
    if (!peer.uid || peer.uid == geteuid())
        return true;
    return group != SW_NO_GROUP && (peer.gid == group || has_group(fd, group));
}
