/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/sandbox.h"
#include "base/capabilities.h"
#include "base/run_dir.h"

#include <bpf/bpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BPFFS "/sys/fs/bpf"
#define BIT(cap) (1ull << (cap))

/* of Landlock, younger than the headers this may be built with */
#define ACCESS_REFER (1ull << 13)
#define ACCESS_TRUNCATE (1ull << 14)
/* truncating: half a line that a full disk has left */
#define OUTPUT                                                                                                         \
    (LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | ACCESS_TRUNCATE)
#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* Kernels before 5.19 with unprivileged_bpf_disabled require it even if the map is already open. */
static bool bpf_is_refused(int map_fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    return map_fd >= 0 && bpf_obj_get_info_by_fd(map_fd, &info, &len) && errno == EPERM;
}

static bool file_is_refused(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return errno == EACCES;
    close(fd);
    return false;
}

/* Can the file not be written, or its directory not be changed? */
static bool output_is_refused(int dir, const char *name)
{
    return faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) || (faccessat(dir, name, W_OK, AT_EACCESS) && errno == EACCES);
}

/* Found by trying, with the others laid aside. */
static uint64_t needed(const struct sw_sandbox_opts *opts)
{
    uint64_t have = sw_caps(), need = opts->follow ? BIT(CAP_NET_ADMIN) : 0; /* detaching */

    if (opts->processes) /* other users' descriptors */
        return (BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH)) & have;
    if (sw_caps_use(need))
        return have;
    if (bpf_is_refused(opts->map_fd))
        need |= (have & BIT(CAP_BPF)) ? BIT(CAP_BPF) : BIT(CAP_SYS_ADMIN);
    for (size_t i = 0; i < SW_SANDBOX_FILES; i++)
        if (opts->files[i] && file_is_refused(opts->files[i]))
            need |= BIT(CAP_DAC_READ_SEARCH);
    for (size_t i = 0; i < SW_SANDBOX_OUTPUTS; i++)
        if (opts->outputs[i].dir && output_is_refused(opts->outputs[i].dir, opts->outputs[i].name))
            need |= BIT(CAP_DAC_OVERRIDE);
    if (opts->dispatcher) /* programs by their ids, loading, attaching to another program */
        need |= BIT(CAP_SYS_ADMIN) | BIT(CAP_BPF) | BIT(CAP_PERFMON);
    sw_caps_use(have);
    return need & have;
}

static void name_caps(uint64_t caps, char *text, size_t size)
{
    size_t used = 0;

    snprintf(text, size, "none");
    for (int cap = 0; cap <= CAP_LAST_CAP && used < size; cap++)
        if (caps & BIT(cap))
            used += snprintf(text + used, size - used, "%s%s", used ? " " : "", capng_capability_to_name(cap));
}

/*
 * Landlock: no path is opened for writing, made, moved, removed or executed, but where it has to be. What is open
 * stays as it is. seccomp cannot look at paths; the files of user 0 are those that matter.
 */
static uint64_t rights_of(int abi)
{
    uint64_t rights = ((1ull << 13) - 1) & ~ACCESS_READ;

    return rights | (abi >= 2 ? ACCESS_REFER : 0) | (abi >= 3 ? ACCESS_TRUNCATE : 0);
}

static int allow_fd(int ruleset, int fd, uint64_t rights)
{
    const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};

    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ? -errno : 0;
}

static int allow(int ruleset, const char *dir, uint64_t rights)
{
    int err, fd = open(dir, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    err = allow_fd(ruleset, fd, rights);
    close(fd);
    return err;
}

int sw_sandbox_files(const char *remove_in, const char *all_in,
                     const struct sw_sandbox_output outputs[SW_SANDBOX_OUTPUTS])
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
    for (size_t i = 0; i < SW_SANDBOX_OUTPUTS && !err; i++)
        if (outputs[i].dir)
            err = allow_fd(ruleset, outputs[i].dir, handled & OUTPUT);
    if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
        err = -errno;
    close(ruleset);
    return err ? err : abi;
}

static int sandbox_paths(const struct sw_sandbox_opts *opts)
{
    const char *bpffs = getenv("LIBXDP_BPFFS");

#ifdef SW_COVERAGE
    return 0;
#endif
    return sw_sandbox_files(opts->follow ? SW_RUN_DIR : NULL,
                            !opts->dispatcher ? NULL
                            : bpffs           ? bpffs
                                              : BPFFS,
                            opts->outputs);
}

int sw_sandbox(const struct sw_sandbox_opts *opts, struct sw_sandbox_info *ret, const char **ret_what)
{
    uint64_t caps = needed(opts);
    int err;

    memset(ret, 0, sizeof(*ret));
    *ret_what = "no_new_privs";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -errno;
    *ret_what = "Landlock";
    if (!opts->processes) /* Landlock lets nobody look at processes without it */
        ret->landlock = sandbox_paths(opts);
    if (ret->landlock < 0)
        return ret->landlock;
    *ret_what = "capabilities";
    err = sw_caps_keep(caps, &ret->bounding);
    if (err)
        return err;
    name_caps(caps, ret->caps, sizeof(ret->caps));
    *ret_what = "seccomp";
    return sw_sandbox_syscalls(opts, &ret->syscalls);
}
