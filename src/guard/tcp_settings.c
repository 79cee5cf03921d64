/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/tcp_settings.h"
#include "base/sysctl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TCP_MAX_WSCALE = 14, U16_TOP = 65535 };
enum { OPTION_AO_INFO = 40 }; /* TCP_AO_INFO: younger than the headers this is built with */

/* Is the socket option built into this kernel? Wrong use of one that is fails in another way. */
static int knows_option(int option)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes, value = 0;

    if (fd < 0)
        return -1;
    yes = !setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)) || errno != ENOPROTOOPT;
    close(fd);
    return yes;
}

void sw_tcp_sysctls_read(struct sw_tcp_sysctls *ret)
{
    long long v[3];

    *ret = (struct sw_tcp_sysctls){
        .syncookies = sw_sysctl_int("/proc/sys/net/ipv4/tcp_syncookies"),
        .timestamps = sw_sysctl_int("/proc/sys/net/ipv4/tcp_timestamps"),
        .sack = sw_sysctl_int("/proc/sys/net/ipv4/tcp_sack"),
        .window_scaling = sw_sysctl_int("/proc/sys/net/ipv4/tcp_window_scaling"),
        .ecn = sw_sysctl_int("/proc/sys/net/ipv4/tcp_ecn"),
        .rmem = {4096, 131072, 6291456}, /* the kernel's defaults */
        .loose = sw_sysctl_int("/proc/sys/net/netfilter/nf_conntrack_tcp_loose"),
        .md5 = knows_option(TCP_MD5SIG),
        .ao = knows_option(OPTION_AO_INFO),
        .ttl = sw_sysctl_int("/proc/sys/net/ipv4/ip_default_ttl"),
        .hop_limit = sw_sysctl_int("/proc/sys/net/ipv6/conf/default/hop_limit"),
        .first_open = sw_sysctl_int("/proc/sys/net/ipv4/ip_unprivileged_port_start"),
    };
    if (ret->first_open < 0)
        ret->first_open = IPPORT_RESERVED;
    if (sw_sysctl_numbers("/proc/sys/net/ipv4/tcp_rmem", v, 3) == 3)
        for (int i = 0; i < 3; i++)
            ret->rmem[i] = (__u32)v[i];
    /* absent in another network namespace than the first on older kernels */
    if (sw_sysctl_numbers("/proc/sys/net/core/rmem_max", v, 1) == 1)
        ret->rmem_max = (__u32)v[0];
}

const char *sw_tcp_sysctls_refusal(const struct sw_tcp_sysctls *s)
{
    return s->syncookies ? NULL
                         : "net.ipv4.tcp_syncookies is 0, so the kernel takes no cookie: set it to 1 (or 2) first";
}

/* A listener with a receive buffer of its own never has a window over half of it (tcp_adv_win_scale's default). */
static __u32 space_of(__u32 rcvbuf)
{
    return rcvbuf / 2;
}

__u8 sw_tcp_wscale_of(const struct sw_tcp_sysctls *s, __u32 rcvbuf)
{
    __u32 space = s->rmem[2], shift = 0;

    if (space < s->rmem_max)
        space = s->rmem_max;
    if (space < space_of(s->rmem[1]))
        space = space_of(s->rmem[1]);
    if (rcvbuf && rcvbuf != s->rmem[1])
        space = space_of(rcvbuf);
    while (shift < TCP_MAX_WSCALE && space >> (shift + 16))
        shift++;
    return shift;
}

__u16 sw_tcp_window_of(const struct sw_tcp_sysctls *s, __u32 rcvbuf, __u32 mss)
{
    __u32 space = space_of(rcvbuf ? rcvbuf : s->rmem[1]);

    if (mss && space > mss)
        space -= space % mss;
    return space > U16_TOP ? U16_TOP : space;
}

__u8 sw_tcp_wscale(const struct sw_tcp_sysctls *s)
{
    return sw_tcp_wscale_of(s, 0);
}

__u16 sw_tcp_window(const struct sw_tcp_sysctls *s, __u32 mss)
{
    return sw_tcp_window_of(s, 0, mss);
}
