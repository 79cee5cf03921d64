/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Kernel features, by trying. The attach tests run in a child with a network namespace of its own. */
#include "loader/features.h"

#include "base/netlink.h"
#include "loader/tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1u << 5)
#endif
#define HELPER_FOR_EACH_MAP_ELEM 164
#define HELPER_XDP_LOAD_BYTES 189
#define HELPER_SKB_CGROUP_ID 79
#define HELPER_SKC_LOOKUP_TCP 99
#define HELPER_TCP_CHECK_SYNCOOKIE 100
#define HELPER_TCP_GEN_SYNCOOKIE 110

/* return 2: XDP_PASS; valid for tc and syscall programs, too */
static int load(enum bpf_prog_type type, __u32 flags)
{
    const struct bpf_insn insns[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 2},
        {.code = BPF_JMP | BPF_EXIT},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = flags,
                .expected_attach_type = type == BPF_PROG_TYPE_XDP ? BPF_XDP : 0);
    int fd = bpf_prog_load(type, "sw_probe", "GPL", insns, 2, &opts);

    return fd < 0 ? -errno : fd;
}

static void record(struct sw_features *f, enum sw_feature feature, int result)
{
    f->have[feature] = result >= 0;
    f->error[feature] = result < 0 ? result : 0;
}

static void note_fd(struct sw_features *f, enum sw_feature feature, int fd)
{
    record(f, feature, fd);
    if (fd >= 0)
        close(fd);
}

static void note_helper(struct sw_features *f, enum sw_feature feature, enum bpf_prog_type type, int helper)
{
    int has = libbpf_probe_bpf_helper(type, helper, NULL);

    record(f, feature, has > 0 ? 0 : has < 0 ? has : -EOPNOTSUPP);
}

/* A pair of veth in the present (private) namespace; ifindex of one end, or -errno. */
static int make_veth(void)
{
    struct sw_nl_request req;
    struct nlattr *info;
    int err;

    sw_nl_begin(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(&req.nh, IFLA_IFNAME, "swprobe0");
    info = mnl_attr_nest_start(&req.nh, IFLA_LINKINFO);
    mnl_attr_put_str(&req.nh, IFLA_INFO_KIND, "veth");
    mnl_attr_nest_end(&req.nh, info);
    err = sw_nl_ask(NETLINK_ROUTE, &req, NULL, NULL);
    return err ? err : (int)if_nametoindex("swprobe0");
}

static int try_xdp(int ifindex, __u32 mode)
{
    int err, fd = load(BPF_PROG_TYPE_XDP, 0);

    if (fd < 0)
        return fd;
    err = bpf_xdp_attach(ifindex, fd, mode, NULL);
    if (!err)
        bpf_xdp_detach(ifindex, mode, NULL);
    close(fd);
    return err;
}

static int try_clsact(int ifindex, enum sw_tc_side side)
{
    int err, fd = load(BPF_PROG_TYPE_SCHED_CLS, 0);
    bool made;

    if (fd < 0)
        return fd;
    err = sw_clsact_attach(fd, ifindex, side, &made);
    close(fd);
    return err;
}

static int try_tcx(int ifindex)
{
    int link, fd = load(BPF_PROG_TYPE_SCHED_CLS, 0);

    if (fd < 0)
        return fd;
    link = sw_tcx_attach(fd, ifindex);
    close(fd);
    if (link >= 0)
        close(link);
    return link;
}

/* The namespace and all in it go with the child. */
static void try_hooks(struct sw_features *f)
{
    const int loopback = 1;
    int veth;

    if (unshare(CLONE_NEWNET)) {
        for (int i = SW_FEATURE_xdp_generic; i <= SW_FEATURE_clsact_ingress; i++)
            record(f, i, -errno);
        return;
    }
    veth = make_veth();
    record(f, SW_FEATURE_xdp_generic, try_xdp(loopback, XDP_FLAGS_SKB_MODE));
    record(f, SW_FEATURE_xdp_native, veth < 0 ? veth : try_xdp(veth, XDP_FLAGS_DRV_MODE));
    record(f, SW_FEATURE_tcx, try_tcx(loopback));
    record(f, SW_FEATURE_clsact, try_clsact(loopback, SW_TC_EGRESS));
    record(f, SW_FEATURE_clsact_ingress, try_clsact(loopback, SW_TC_INGRESS));
}

/* libxdp's dispatcher needs to replace a function of a running program: one empty program on another. */
static int try_dispatcher(void)
{
    DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .find_filename = "xdp-dispatcher.o", .prog_name = "xdp_pass");
    struct xdp_program *prog = xdp_program__create(&opts);
    struct xdp_multiprog *mp;
    int err = libxdp_get_error(prog);

    if (err)
        return err;
    err = xdp_program__attach(prog, 1, XDP_MODE_SKB, 0);
    if (!err) {
        mp = xdp_multiprog__get_from_ifindex(1);
        err = libxdp_get_error(mp);
        if (!err) {
            err = xdp_multiprog__is_legacy(mp) ? -EOPNOTSUPP : 0;
            xdp_multiprog__detach(mp);
            xdp_multiprog__close(mp);
        }
    }
    xdp_program__close(prog);
    return err;
}

/*
 * The kfunc that makes a request socket of a cookie is there if the kernel's type information has its name. The bytes
 * are searched and not parsed; strings end in NUL there, and the first one is empty.
 */
int sw_kernel_has_reqsk(void)
{
    static const char wanted[] = "\0bpf_sk_assign_tcp_reqsk";
    static char buf[65536];
    size_t have = 0, keep;
    ssize_t got = 0;
    bool found = false;
    int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC), err = 0;

    if (fd < 0)
        return -errno;
    while (!found && (got = read(fd, buf + have, sizeof(buf) - have)) > 0) {
        have += got;
        found = memmem(buf, have, wanted, sizeof(wanted));
        keep = have < sizeof(wanted) - 1 ? have : sizeof(wanted) - 1;
        memmove(buf, buf + have - keep, keep);
        have = keep;
    }
    if (got < 0)
        err = -errno;
    close(fd);
    return err ? err : found;
}

/* Some kernels are built without cgroups of sockets (CONFIG_SOCK_CGROUP_DATA). */
bool sw_kernel_has_cgroup_ids(void)
{
    return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, HELPER_SKB_CGROUP_ID, NULL) > 0;
}

/* Without the privilege to query it is unknown: loading will fail then. */
bool sw_kernel_is_old(void)
{
    return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, HELPER_XDP_LOAD_BYTES, NULL) == 0;
}

/* The kernel's cookie is made and checked in XDP, for a listener that is looked up there. */
static void try_kernel_cookie(struct sw_features *f)
{
    const int helpers[] = {HELPER_SKC_LOOKUP_TCP, HELPER_TCP_CHECK_SYNCOOKIE, HELPER_TCP_GEN_SYNCOOKIE};

    for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
        note_helper(f, SW_FEATURE_cookie_listener, BPF_PROG_TYPE_XDP, helpers[i]);
        if (!f->have[SW_FEATURE_cookie_listener])
            return;
    }
}

void sw_probe_kernel(struct sw_features *ret_features)
{
    struct sw_features *f;
    int status, has;
    pid_t child;

    memset(ret_features, 0, sizeof(*ret_features));
    f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (f == MAP_FAILED)
        return;
    note_fd(f, SW_FEATURE_ring_buffer, bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, sysconf(_SC_PAGESIZE), NULL));
    note_fd(f, SW_FEATURE_xdp, load(BPF_PROG_TYPE_XDP, 0));
    note_fd(f, SW_FEATURE_xdp_frags, load(BPF_PROG_TYPE_XDP, BPF_F_XDP_HAS_FRAGS));
    note_fd(f, SW_FEATURE_syscall_programs, load(BPF_PROG_TYPE_SYSCALL, BPF_F_SLEEPABLE));
    note_helper(f, SW_FEATURE_map_iteration, BPF_PROG_TYPE_XDP, HELPER_FOR_EACH_MAP_ELEM);
    note_helper(f, SW_FEATURE_xdp_load_bytes, BPF_PROG_TYPE_XDP, HELPER_XDP_LOAD_BYTES);
    has = sw_kernel_has_reqsk();
    record(f, SW_FEATURE_cookie_reqsk, has > 0 ? 0 : has < 0 ? has : -EOPNOTSUPP);
    try_kernel_cookie(f);
    child = fork();
    if (!child) {
        try_hooks(f);
        record(f, SW_FEATURE_dispatcher, try_dispatcher());
        _exit(0);
    }
    if (child > 0)
        waitpid(child, &status, 0);
    *ret_features = *f;
    munmap(f, sizeof(*f));
}
