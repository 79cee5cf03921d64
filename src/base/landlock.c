/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Landlock: no path is opened for writing, made, moved, removed or executed, but where it has to be. What is open
 * stays as it is. seccomp cannot look at paths; the files of user 0 are those that matter.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* younger than the headers this may be built with */
#define ACCESS_REFER (1ull << 13)
#define ACCESS_TRUNCATE (1ull << 14)
#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static uint64_t rights_of(int abi)
{
    uint64_t rights = ((1ull << 13) - 1) & ~ACCESS_READ;

    return rights | (abi >= 2 ? ACCESS_REFER : 0) | (abi >= 3 ? ACCESS_TRUNCATE : 0);
}

static int allow(int ruleset, const char *dir, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    int err = 0, fd = open(dir, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    rule.parent_fd = fd;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
        err = -errno;
    close(fd);
    return err;
}

int sw_confine_files(const char *remove_in, const char *all_in)
{
    int abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION), ruleset, err = 0;
    uint64_t handled = rights_of(abi); /* alone it is a whole struct landlock_ruleset_attr, which grew later */

    if (abi < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
    ruleset = syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
    if (ruleset < 0)
        return -errno;
    if (remove_in)
        err = allow(ruleset, remove_in, LANDLOCK_ACCESS_FS_REMOVE_FILE);
    if (!err && all_in)
        err = allow(ruleset, all_in, handled & ~LANDLOCK_ACCESS_FS_EXECUTE);
    if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
        err = -errno;
    close(ruleset);
    return err ? err : abi;
}
