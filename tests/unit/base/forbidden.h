/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* System calls that a sandboxed synward may not make, each with a function that tries it. Harmless if it may. */
#ifndef SW_TEST_FORBIDDEN_H
#define SW_TEST_FORBIDDEN_H

#define TRY(name, call)                                                                                                \
    static long try_##name(struct try *t)                                                                              \
    {                                                                                                                  \
        (void)t;                                                                                                       \
        return (call);                                                                                                 \
    }

static union bpf_attr attr;
static char room[96];
static const struct sockaddr_in nowhere = {.sin_family = AF_INET, .sin_port = 9, .sin_addr = {0x0100007f}};
static const struct sock_fprog filter = {.len = 0};

static long bpf_call(int cmd)
{
    return syscall(SYS_bpf, cmd, &attr, sizeof(attr));
}

#define FORBIDDEN(X)                                                                                                   \
    X(execve, syscall(SYS_execve, "/nonexistent", NULL, NULL))                                                         \
    X(execveat, syscall(SYS_execveat, -1, "", NULL, NULL, 0))                                                          \
    X(clone, syscall(SYS_clone, SIGCHLD | CLONE_NEWNS_AND_FS, 0, NULL, NULL, 0))                                       \
    X(clone3, syscall(SYS_clone3, NULL, 0))                                                                            \
    X(ptrace, syscall(SYS_ptrace, 0, 0, 0, 0))                                                                         \
    X(process_vm_readv, syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0))                                         \
    X(pidfd_open, syscall(SYS_pidfd_open, getpid(), 0))                                                                \
    X(kill, kill(parent, 0))                                                                                           \
    X(tgkill, syscall(SYS_tgkill, parent, parent, 0))                                                                  \
    X(mount, syscall(SYS_mount, NULL, NULL, NULL, 0, NULL))                                                            \
    X(umount2, syscall(SYS_umount2, "/nonexistent", 0))                                                                \
    X(open_tree, syscall(SYS_open_tree, -1, "", 0))                                                                    \
    X(pivot_root, syscall(SYS_pivot_root, "/nonexistent", "/nonexistent"))                                             \
    X(chroot, chroot("/nonexistent"))                                                                                  \
    X(setns, syscall(SYS_setns, -1, 0))                                                                                \
    X(unshare, syscall(SYS_unshare, 0))                                                                                \
    X(init_module, syscall(SYS_init_module, NULL, 0, ""))                                                              \
    X(finit_module, syscall(SYS_finit_module, -1, "", 0))                                                              \
    X(keyctl, syscall(SYS_keyctl, 0, 0, 0, 0, 0))                                                                      \
    X(add_key, syscall(SYS_add_key, NULL, NULL, NULL, 0, 0))                                                           \
    X(perf_event_open, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))                                               \
    X(io_uring_setup, syscall(SYS_io_uring_setup, 1, NULL))                                                            \
    X(userfaultfd, syscall(SYS_userfaultfd, 0))                                                                        \
    X(memfd_create, syscall(SYS_memfd_create, "x", 0))                                                                 \
    X(setuid, syscall(SYS_setuid, 0))                                                                                  \
    X(setgroups, syscall(SYS_setgroups, 0, NULL))                                                                      \
    X(capset, syscall(SYS_capset, NULL, NULL))                                                                         \
    X(prctl, prctl(PR_SET_DUMPABLE, 1))                                                                                \
    X(prlimit64, syscall(SYS_prlimit64, 0, 0, NULL, NULL))                                                             \
    X(personality, syscall(SYS_personality, 0xffffffff))                                                               \
    X(clock_settime, syscall(SYS_clock_settime, 0, NULL))                                                              \
    X(sethostname, syscall(SYS_sethostname, NULL, 1))                                                                  \
    X(open_by_handle_at, syscall(SYS_open_by_handle_at, -1, NULL, 0))                                                  \
    X(openat2, syscall(SYS_openat2, -100, "/dev/null", NULL, 0))                                                       \
    X(mkdirat, mkdirat(AT_FDCWD, room, 0700))                                                                          \
    X(linkat, linkat(AT_FDCWD, "/nonexistent", AT_FDCWD, room, 0))                                                     \
    X(symlinkat, symlinkat("/nonexistent", AT_FDCWD, room))                                                            \
    X(mknodat, mknodat(AT_FDCWD, room, S_IFREG | 0600, 0))                                                             \
    X(renameat2, syscall(SYS_renameat2, AT_FDCWD, "/nonexistent", AT_FDCWD, room, 0))                                  \
    X(fchmod, fchmod(file_fd, 0777))                                                                                   \
    X(fchmodat, fchmodat(AT_FDCWD, dir, 0700, 0))                                                                      \
    X(fchownat, fchownat(AT_FDCWD, dir, 0, 0, 0))                                                                      \
    X(setxattr, syscall(SYS_setxattr, dir, "user.x", "", 0, 0))                                                        \
    X(truncate, truncate("/nonexistent", 0))                                                                           \
    X(connect, connect(-1, (const struct sockaddr *)&nowhere, sizeof(nowhere)))                                        \
    X(listen, listen(-1, 1))                                                                                           \
    X(sendmsg, sendmsg(-1, NULL, 0))                                                                                   \
    X(socketpair, socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)room))

#define CLONE_NEWNS_AND_FS 0x00020200u /* refused by the kernel together: no child comes into being */
FORBIDDEN(TRY)

/* Forbidden with these arguments. */
#define ARGUMENTS(X)                                                                                                   \
    X(openat, write_only, open("/dev/null", O_WRONLY))                                                                 \
    X(openat, read_write, open("/dev/null", O_RDWR))                                                                   \
    X(openat, create, open("/dev/null", O_RDONLY | O_CREAT, 0600))                                                     \
    X(openat, truncate_it, open("/dev/null", O_RDONLY | O_TRUNC))                                                      \
    X(openat, nameless, open("/tmp", O_TMPFILE | O_WRONLY, 0600))                                                      \
    X(mmap, code, (long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))                   \
    X(mprotect, code_later, mprotect(mmap(NULL, 4096, 1, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096, PROT_EXEC))        \
    X(socket, packet, socket(AF_PACKET, SOCK_RAW, 0))                                                                  \
    X(socket, raw, socket(AF_INET, SOCK_RAW, IPPROTO_TCP))                                                             \
    X(socket, inet6, socket(AF_INET6, SOCK_STREAM, 0))                                                                 \
    X(socket, unix_stream, socket(AF_UNIX, SOCK_STREAM, 0))                                                            \
    X(socket, netfilter, socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER))                                              \
    X(socket, generic, socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC))                                                  \
    X(sendto, to_somebody, sendto(socket_fd, "x", 1, 0, (const struct sockaddr *)&nowhere, sizeof(nowhere)))           \
    X(setsockopt, filter, setsockopt(socket_fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))                \
    X(setsockopt, iptables, setsockopt(socket_fd, IPPROTO_IP, 64, room, 0))                                            \
    X(ioctl, interface_down, ioctl(socket_fd, SIOCSIFFLAGS, room))                                                     \
    X(ioctl, terminal_input, ioctl(file_fd, TIOCSTI, room))                                                            \
    X(fcntl, owner, fcntl(file_fd, F_SETOWN, parent))                                                                  \
    X(bpf, prog_load, bpf_call(BPF_PROG_LOAD))                                                                         \
    X(bpf, map_create, bpf_call(BPF_MAP_CREATE))                                                                       \
    X(bpf, btf_load, bpf_call(BPF_BTF_LOAD))                                                                           \
    X(bpf, link_create, bpf_call(BPF_LINK_CREATE))                                                                     \
    X(bpf, prog_attach, bpf_call(BPF_PROG_ATTACH))                                                                     \
    X(bpf, obj_pin, bpf_call(BPF_OBJ_PIN))                                                                             \
    X(bpf, obj_get, bpf_call(BPF_OBJ_GET))                                                                             \
    X(bpf, map_by_id, bpf_call(BPF_MAP_GET_FD_BY_ID))                                                                  \
    X(bpf, prog_by_id, bpf_call(BPF_PROG_GET_FD_BY_ID))

#define TRY_ARGUMENTS(call, name, what) TRY(name, what)
ARGUMENTS(TRY_ARGUMENTS)

static const struct {
    const char *call, *name;
    try_fn fn;
} forbidden[] = {
#define ROW(name, call) {#name, #name, try_##name},
    FORBIDDEN(ROW)
#define ROW_ARGUMENTS(call, name, what) {#call, #name, try_##name},
        ARGUMENTS(ROW_ARGUMENTS)};
#define FORBIDDENS (sizeof(forbidden) / sizeof(forbidden[0]))

#endif
