/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/instance.h"
#include "base/run_dir.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGUN ".instance.tmp"
#define PID_LIMIT 4194304 /* PID_MAX_LIMIT */

const char *sw_egress_name(enum sw_egress_kind kind)
{
    switch (kind) {
    case SW_EGRESS_TCX: return "tcx";
    case SW_EGRESS_CLSACT: return "clsact";
    default: return "none";
    }
}

/* Whoever can open the directory can lock it, and a lock on it is what changes of the lists wait for (guard/lists.c).
 * That others pass it, to the sockets of --socket-group, is left as it is. */
static int make_dir(void)
{
    struct stat st;

    if (!mkdir(SW_RUN_DIR, 0700))
        return 0;
    if (errno != EEXIST || stat(SW_RUN_DIR, &st))
        return -errno;
    if (st.st_mode & 066 && chmod(SW_RUN_DIR, 0700))
        return -errno;
    return 0;
}

/* Files are created under the lock only, so an incomplete one is of a start that was killed. */
static void clear_begun(void)
{
    DIR *dir = opendir(SW_RUN_DIR);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        const char *dot = strchr(entry->d_name, '.');

        if (dot && !strcmp(dot, BEGUN))
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
}

int sw_instance_begin(void)
{
    int fd, err = make_dir();

    if (err)
        return err;
    fd = open(SW_RUN_DIR "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX)) {
        err = -errno;
        close(fd);
        return err;
    }
    clear_begun();
    return fd;
}

void sw_instance_end(int lock_fd)
{
    if (lock_fd >= 0)
        close(lock_fd);
}

__u64 sw_instance_netns(void)
{
    struct stat st;

    return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

__u64 sw_instance_netns_cookie(void)
{
    __u64 cookie = 0;
    socklen_t len = sizeof(cookie);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
        cookie = 0;
    if (fd >= 0)
        close(fd);
    return cookie;
}

/* The scalar fields, one table for writer and reader. */
#define FIELDS(X)                                                                                                      \
    X(netns)                                                                                                           \
    X(started)                                                                                                         \
    X(map_flows)                                                                                                       \
    X(map_half_open)                                                                                                   \
    X(map_counters)                                                                                                    \
    X(map_filter)                                                                                                      \
    X(map_histograms)                                                                                                  \
    X(map_server_histograms)                                                                                           \
    X(map_ladders)                                                                                                     \
    X(map_ladders_open)                                                                                                \
    X(prog_ingress)                                                                                                    \
    X(prog_egress)                                                                                                     \
    X(prog_sweep)                                                                                                      \
    X(map_guard)                                                                                                       \
    X(map_services)                                                                                                    \
    X(map_svc_ports)                                                                                                   \
    X(map_svc_counters)                                                                                                \
    X(map_allow)                                                                                                       \
    X(map_block)                                                                                                       \
    X(map_gateway_state)                                                                                               \
    X(map_backends)                                                                                                    \
    X(prog_detect)                                                                                                     \
    X(contract)                                                                                                        \
    X(ready)                                                                                                           \
    X(has_output)                                                                                                      \
    X(reopened)                                                                                                        \
    X(reopen_failed)                                                                                                   \
    X(exported)                                                                                                        \
    X(export_lost)

static int print_instance(const struct sw_instance *inst, FILE *f)
{
#define WRITE_FIELD(name) fprintf(f, #name "=%llu\n", (unsigned long long)inst->name);
    FIELDS(WRITE_FIELD)
    for (size_t i = 0; i < inst->len; i++) {
        const struct sw_instance_iface *iface = &inst->ifaces[i];

        fprintf(f, "iface=%u %s %d %d %d %s\n", iface->ifindex, iface->mode, iface->shared, iface->egress,
                iface->made_clsact, iface->name);
    }
    if (*inst->pin)
        fprintf(f, "pin=%s\n", inst->pin);
    if (*inst->export)
        fprintf(f, "export=%s\n", inst->export);
    return ferror(f) ? -EIO : 0;
}

/* The file of another process with our id: containers that share /run/synward, but not the ids of processes. That of
 * one which has ended, but has left something, gets the name of an id that no process has. -EEXIST: it runs. */
static int set_aside(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), err = fd < 0 && errno != ENOENT ? -errno : 0;

    if (fd < 0)
        return err;
    if (flock(fd, LOCK_SH | LOCK_NB))
        err = errno == EWOULDBLOCK ? -EEXIST : -errno;
    for (int id = PID_LIMIT + 1, named = 0; !err && !named && id < PID_LIMIT + 1000; id++) {
        char other[64];

        snprintf(other, sizeof(other), SW_RUN_DIR "/%d.instance", id);
        named = !renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_NOREPLACE);
        if (!named && errno != EEXIST)
            err = -errno;
    }
    close(fd);
    return err;
}

int sw_instance_write(struct sw_instance *inst)
{
    char path[64], tmp[72];
    int fd, err = make_dir();
    FILE *f;

    snprintf(path, sizeof(path), SW_RUN_DIR "/%d.instance", inst->pid);
    if (!err && inst->fd < 0)
        err = set_aside(path);
    if (err)
        return err;
    snprintf(tmp, sizeof(tmp), SW_RUN_DIR "/%d" BEGUN, inst->pid);
    /* who can read it can lock it, and so pass for us when we are gone */
    fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    f = fdopen(dup(fd), "w");
    if (!f) {
        err = -errno;
        goto fail;
    }
    err = print_instance(inst, f);
    if (fclose(f) && !err)
        err = -errno;
    if (!err && (flock(fd, LOCK_EX | LOCK_NB) || rename(tmp, path)))
        err = -errno;
    if (err)
        goto fail;
    if (inst->fd >= 0)
        close(inst->fd);
    inst->fd = fd;
    return 0;
fail:
    unlink(tmp);
    close(fd);
    return err;
}

/* In one write, and never shorter than before: a reader finds old lines, new ones, and at the end empty ones. */
int sw_instance_update(const struct sw_instance *inst)
{
    char *text = NULL;
    size_t len = 0;
    struct stat st;
    int err = 0;
    FILE *f;

    if (inst->fd < 0)
        return -EBADF;
    if (fstat(inst->fd, &st))
        return -errno;
    f = open_memstream(&text, &len);
    if (!f)
        return -ENOMEM;
    err = print_instance(inst, f);
    while (!err && ftell(f) < st.st_size)
        fputc('\n', f);
    if (fclose(f) && !err)
        err = -ENOMEM;
    if (!err && pwrite(inst->fd, text, len, 0) != (ssize_t)len)
        err = -EIO;
    free(text);
    return err;
}

void sw_instance_remove(struct sw_instance *inst)
{
    char path[64];

    if (inst->fd < 0)
        return;
    snprintf(path, sizeof(path), SW_RUN_DIR "/%d.instance", inst->pid);
    unlink(path);
    close(inst->fd);
    inst->fd = -1;
}

void sw_instance_leave(struct sw_instance *inst)
{
    if (inst->fd >= 0)
        close(inst->fd);
    inst->fd = -1;
}

bool sw_instance_is_pinned(const struct sw_instance *inst)
{
    int fd;

    if (!*inst->pin || !sw_pinfs_has(inst->pin))
        return false;
    fd = bpf_map_get_fd_by_id(inst->map_flows);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static int forget_one(const struct sw_instance *inst, bool alive, void *ctx)
{
    return !alive && !strcmp(inst->pin, ctx) ? SW_INSTANCE_REMOVE : SW_INSTANCE_CONTINUE;
}

void sw_instance_forget(const char *pin)
{
    sw_instance_walk(forget_one, (void *)pin);
}

static void read_line(struct sw_instance *inst, char *line)
{
    char *value = strchr(line, '=');
    struct sw_instance_iface *iface;
    int shared, egress, made, used = 0;

    line[strcspn(line, "\n")] = 0;
    if (!value)
        return;
    *value++ = 0;
#define READ_FIELD(name)                                                                                               \
    if (!strcmp(line, #name))                                                                                          \
        inst->name = strtoull(value, NULL, 10);
    FIELDS(READ_FIELD)
    if (!strcmp(line, "pin"))
        snprintf(inst->pin, sizeof(inst->pin), "%s", value);
    if (!strcmp(line, "export"))
        snprintf(inst->export, sizeof(inst->export), "%s", value);
    if (strcmp(line, "iface") || inst->len == SW_IFACES_MAX)
        return;
    iface = &inst->ifaces[inst->len];
    /* NOLINTNEXTLINE(cert-err34-c): numbers that synward itself wrote, in a directory of root's */
    if (sscanf(value, "%u %11s %d %d %d %n", &iface->ifindex, iface->mode, &shared, &egress, &made, &used) != 5 ||
        !used)
        return;
    iface->shared = shared;
    iface->egress = egress;
    iface->made_clsact = made;
    snprintf(iface->name, sizeof(iface->name), "%s", value + used);
    inst->len++;
}

/* The lock is tried on a separate descriptor: if it is free the writer is gone. */
static int read_instance(int dir, const char *name, struct sw_instance *inst, bool *ret_alive)
{
    char line[512];
    FILE *f;
    int fd;

    memset(inst, 0, sizeof(*inst));
    inst->fd = -1;
    inst->pid = atoi(name); /* NOLINT(cert-err34-c): the caller knows the name */
    fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_alive = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
    f = fdopen(fd, "r");
    if (!f) {
        close(fd);
        return -ENOMEM;
    }
    while (fgets(line, sizeof(line), f))
        read_line(inst, line);
    fclose(f);
    return 0;
}

int sw_instance_walk(sw_instance_fn fn, void *ctx)
{
    struct dirent *entry;
    int result = 0;
    DIR *dir;

    dir = opendir(SW_RUN_DIR);
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    while (result >= 0 && result != SW_INSTANCE_STOP && (entry = readdir(dir))) {
        const char *dot = strchr(entry->d_name, '.');
        struct sw_instance inst;
        bool alive = false;

        if (!dot || strcmp(dot, ".instance") || read_instance(dirfd(dir), entry->d_name, &inst, &alive))
            continue;
        result = fn(&inst, alive, ctx);
        if (result == SW_INSTANCE_REMOVE && !alive)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    return result < 0 || result == SW_INSTANCE_STOP ? result : 0;
}
