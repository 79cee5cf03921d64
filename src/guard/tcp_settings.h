/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP sysctls of this host, and what they make of its own SYN-ACKs. */
#ifndef SW_GUARD_TCP_SETTINGS_H
#define SW_GUARD_TCP_SETTINGS_H

#include <linux/types.h>

/* The sysctls; read again at every refresh. -1: unknown. */
struct sw_tcp_sysctls {
    int syncookies, timestamps, sack, window_scaling, ecn;
    int loose;   /* nf_conntrack_tcp_loose; -1 also: no connection tracking */
    int md5, ao; /* the kernel supports TCP MD5 and TCP-AO signatures */
    __u32 rmem[3], rmem_max;
    int ttl, hop_limit;
    int first_open; /* ip_unprivileged_port_start: lower ports need a privilege */
};
void sw_tcp_sysctls_read(struct sw_tcp_sysctls *ret);
/* Why cookies are impossible with these, one line that names the sysctl; NULL: they are possible. */
const char *sw_tcp_sysctls_refusal(const struct sw_tcp_sysctls *s);
/* The window scale and window that the kernel's own SYN-ACK would have (tcp_select_initial_window). */
__u8 sw_tcp_wscale(const struct sw_tcp_sysctls *s);
__u16 sw_tcp_window(const struct sw_tcp_sysctls *s, __u32 mss);
/* The same for a listener with this receive buffer: SO_RCVBUF bounds both. 0: unknown. */
__u8 sw_tcp_wscale_of(const struct sw_tcp_sysctls *s, __u32 rcvbuf);
__u16 sw_tcp_window_of(const struct sw_tcp_sysctls *s, __u32 rcvbuf, __u32 mss);

#endif
