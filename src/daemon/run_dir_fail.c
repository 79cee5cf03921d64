/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/run_dir_fail.h"
#include "base/exit.h"
#include "base/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Something in our directory that is not ours, as a synward of another user leaves it. */
static bool foreign(char name[NAME_MAX + 1], uid_t *ret_uid)
{
    DIR *dir = opendir(SW_RUN_DIR);
    struct dirent *entry;
    bool found = false;
    struct stat st;

    if (!dir)
        return false;
    if (fstat(dirfd(dir), &st) || st.st_uid != geteuid()) {
        closedir(dir);
        return false;
    }
    while (!found && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, "..") || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
            st.st_uid == geteuid())
            continue;
        snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
        *ret_uid = st.st_uid;
        found = true;
    }
    closedir(dir);
    return found;
}

bool sw_run_dir_foreign(int err, struct sw_failure *f)
{
    char name[NAME_MAX + 1];
    uid_t uid;

    if (!foreign(name, &uid))
        return false;
    sw_fail(f, SW_EXIT_PRIVILEGE, err,
            SW_RUN_DIR "/%s: %s: it belongs to user %u (with no synward running, 'rm -r " SW_RUN_DIR "/*' as root)",
            name, strerror(-err), uid);
    return true;
}

int sw_run_dir_fail(int err, struct sw_failure *f)
{
    if (err == -EEXIST)
        return sw_fail(f, SW_EXIT_RUNNING, err,
                       SW_RUN_DIR
                       "/%d.instance: a synward of another pid namespace has this pid: containers with one " SW_RUN_DIR
                       " need the host's pids, or each its own " SW_RUN_DIR,
                       getpid());
    if (err != -EACCES && err != -EPERM)
        return sw_fail(f, SW_EXIT_INTERNAL, err, SW_RUN_DIR ": %s", strerror(-err));
    if (sw_run_dir_foreign(err, f))
        return err;
    return sw_fail(f, SW_EXIT_PRIVILEGE, err,
                   SW_RUN_DIR ": %s: it has to be a directory of user %u's ('install -d -m 700 -o %u " SW_RUN_DIR
                              "' as root)",
                   strerror(-err), geteuid(), geteuid());
}
