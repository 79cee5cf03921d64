/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/tc.h"

#include "base/netlink.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#define SW_BPF_TCX_EGRESS 47 /* BPF_TCX_EGRESS: younger than the headers this is built with */
#define FILTER_HANDLE 0x5357
#define FILTER_PRIORITY 0x5357
#define GATEWAY_PRIORITY 0x5356

/* The program on each side: what is found under our handle is ours if it has this name. */
static const struct {
    const char *program;
    enum bpf_tc_attach_point point;
    __u32 priority;
} sides[SW_TC_SIDES] = {
    [SW_TC_INGRESS] = {"sw_accept", BPF_TC_INGRESS, FILTER_PRIORITY},
    [SW_TC_EGRESS] = {"sw_egress", BPF_TC_EGRESS, FILTER_PRIORITY},
    [SW_TC_GATEWAY_IN] = {"sw_gateway_in", BPF_TC_INGRESS, GATEWAY_PRIORITY},
    [SW_TC_GATEWAY_OUT] = {"sw_gateway_out", BPF_TC_EGRESS, GATEWAY_PRIORITY},
};

/* What this process attached: ours without querying the kernel for the program, which needs CAP_SYS_ADMIN. */
#define MINE_MAX 256
static __u32 mine[MINE_MAX];
static unsigned int mine_next;

int sw_tcx_attach(int prog_fd, __u32 ifindex)
{
    int fd = bpf_link_create(prog_fd, ifindex, SW_BPF_TCX_EGRESS, NULL);

    return fd < 0 ? -errno : fd;
}

static int attach(int prog_fd, __u32 ifindex, enum sw_tc_side side, __u32 flags, bool *ret_made)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = sides[side].point);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = sides[side].priority, .prog_fd = prog_fd,
                .flags = flags);
    int err;

    *ret_made = false;
    err = bpf_tc_hook_create(&hook);
    if (err && err != -EEXIST)
        return err;
    if (err && sides[side].point == BPF_TC_EGRESS && !sw_clsact_there(ifindex))
        return err; /* the qdisc is "ingress": it takes a filter of egress, and runs it on what comes in */
    *ret_made = !err;
    err = bpf_tc_attach(&hook, &opts);
    if (err && *ret_made) {
        hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
        bpf_tc_hook_destroy(&hook);
        *ret_made = false;
    }
    if (!err)
        mine[mine_next++ % MINE_MAX] = opts.prog_id;
    return err;
}

int sw_clsact_attach(int prog_fd, __u32 ifindex, enum sw_tc_side side, bool *ret_made)
{
    return attach(prog_fd, ifindex, side, 0, ret_made);
}

int sw_clsact_put(int prog_fd, __u32 ifindex, enum sw_tc_side side, bool *ret_made)
{
    int old = sw_clsact_program(ifindex, side);

    if (old >= 0)
        close(old);
    return attach(prog_fd, ifindex, side, old >= 0 ? BPF_TC_F_REPLACE : 0, ret_made);
}

int sw_tc_try(__u32 ifindex, enum sw_tc_side side, bool clsact)
{
    const struct bpf_insn nothing[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 /* TC_ACT_UNSPEC */},
        {.code = BPF_JMP | BPF_EXIT},
    };
    int err, link = -1, prog = sw_clsact_program(ifindex, side);
    bool made;

    if (prog >= 0) {
        close(prog);
        return 0;
    }
    prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, sides[side].program, "GPL", nothing, 2, NULL);
    if (prog < 0)
        return -errno;
    if (!clsact)
        link = sw_tcx_attach(prog, ifindex);
    if (link >= 0) {
        close(link);
        err = 0;
    } else {
        err = sw_clsact_attach(prog, ifindex, side, &made);
        if (!err)
            err = sw_clsact_detach(ifindex, side, made);
    }
    close(prog);
    return err;
}

bool sw_clsact_is_in_use(__u32 ifindex)
{
    bool used = false;

    for (int side = 0; side < SW_TC_SIDES; side++) {
        int fd = sw_clsact_program(ifindex, (enum sw_tc_side)side);

        used |= fd >= 0;
        if (fd >= 0)
            close(fd);
    }
    return used;
}

static int count(const struct nlmsghdr *nh, void *ctx)
{
    *(int *)ctx += nh->nlmsg_type == RTM_NEWTFILTER;
    return MNL_CB_OK;
}

/* Filters in one half of the clsact qdisc; -errno if the kernel gives no answer. */
static int count_filters(__u32 ifindex, __u32 parent)
{
    struct sw_nl_request req;
    struct tcmsg *tc = sw_nl_begin(&req, RTM_GETTFILTER, NLM_F_DUMP, sizeof(*tc));
    int filters = 0, err;

    tc->tcm_ifindex = (int)ifindex;
    tc->tcm_parent = parent;
    err = sw_nl_ask(NETLINK_ROUTE, &req, count, &filters);
    return err ? err : filters;
}

struct qdisc {
    __u32 ifindex;
    bool clsact;
};

static int see_qdisc(const struct nlmsghdr *nh, void *ctx)
{
    const struct tcmsg *tc = sw_nl_header(nh, RTM_NEWQDISC, sizeof(*tc));
    const struct nlattr *a[TCA_MAX + 1];
    struct qdisc *qdisc = ctx;

    if (!tc || (__u32)tc->tcm_ifindex != qdisc->ifindex)
        return MNL_CB_OK;
    sw_nl_attrs(nh, sizeof(*tc), a, TCA_MAX);
    qdisc->clsact |= a[TCA_KIND] && !strcmp(mnl_attr_get_str(a[TCA_KIND]), "clsact");
    return MNL_CB_OK;
}

bool sw_clsact_there(__u32 ifindex)
{
    struct qdisc qdisc = {.ifindex = ifindex};
    struct sw_nl_request req;
    struct tcmsg *tc = sw_nl_begin(&req, RTM_GETQDISC, NLM_F_DUMP, sizeof(*tc));

    tc->tcm_ifindex = (int)ifindex;
    sw_nl_ask(NETLINK_ROUTE, &req, see_qdisc, &qdisc);
    return qdisc.clsact;
}

int sw_clsact_tidy(__u32 ifindex)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

    if (count_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) != 0 ||
        count_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)) != 0)
        return 0;
    return bpf_tc_hook_destroy(&hook);
}

int sw_clsact_query(__u32 ifindex, enum sw_tc_side side, __u32 *ret_prog_id)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = sides[side].point);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = sides[side].priority);
    int err = bpf_tc_query(&hook, &opts);

    if (err == -EINVAL) /* there is no such qdisc */
        return -ENOENT;
    *ret_prog_id = opts.prog_id;
    return err;
}

/* Is the program behind the filter ours? Someone else may have taken the same handle. */
static bool is_ours(__u32 prog_id, enum sw_tc_side side)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);
    bool ours;
    int fd;

    for (unsigned int i = 0; i < MINE_MAX; i++)
        if (prog_id && mine[i] == prog_id)
            return true;
    fd = bpf_prog_get_fd_by_id(prog_id);
    if (fd < 0)
        return false;
    ours = !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, sides[side].program);
    close(fd);
    return ours;
}

int sw_clsact_program(__u32 ifindex, enum sw_tc_side side)
{
    __u32 id;
    int fd;

    if (sw_clsact_query(ifindex, side, &id) || !is_ours(id, side))
        return -ENOENT;
    fd = bpf_prog_get_fd_by_id(id);
    return fd < 0 ? -ENOENT : fd;
}

int sw_clsact_detach(__u32 ifindex, enum sw_tc_side side, bool remove_qdisc)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = sides[side].point);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = sides[side].priority);
    int err = bpf_tc_query(&hook, &opts);

    if (err)
        return -ENOENT;
    if (!is_ours(opts.prog_id, side))
        return -ENOENT;
    opts.prog_fd = opts.prog_id = opts.flags = 0;
    err = bpf_tc_detach(&hook, &opts);
    return err || !remove_qdisc ? err : sw_clsact_tidy(ifindex);
}
