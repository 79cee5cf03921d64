/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Gives an interface an XDP program that passes everything: what a veth's other end sends by XDP_TX arrives only if
 * there is one. It stays after this has ended.
 *
 *   tool_xdp_pass IFACE
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const struct bpf_insn insns[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_XDP_HAS_FRAGS);
    int ifindex, fd, err;

    if (argc != 2) {
        fprintf(stderr, "usage: %s IFACE\n", argv[0]);
        return 2;
    }
    ifindex = if_nametoindex(argv[1]);
    if (!ifindex) {
        fprintf(stderr, "%s: no interface '%s'\n", argv[0], argv[1]);
        return 1;
    }
    fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "xdp_pass", "GPL", insns, sizeof(insns) / sizeof(insns[0]), &opts);
    err = fd < 0 ? fd : bpf_xdp_attach(ifindex, fd, XDP_FLAGS_DRV_MODE, NULL);
    if (err)
        fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(-err));
    return !!err;
}
