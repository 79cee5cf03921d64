/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this kernel can do, found by trying: small programs are loaded and attached in a network namespace of
 * their own, so that nothing real is touched.
 */
#ifndef SW_LOADER_FEATURES_H
#define SW_LOADER_FEATURES_H

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>

/* X(name, what it is for, what is lost without it; NULL: synward cannot do without it) */
#define SW_FEATURES(X)                                                                                                 \
    X(ring_buffer, "event records", NULL)                                                                              \
    X(xdp, "ingress hook", NULL)                                                                                       \
    X(syscall_programs, "expiry in the kernel", "the daemon checks each flow for expiry")                              \
    X(map_iteration, "expiry in the kernel", "the daemon checks each flow for expiry")                                 \
    X(xdp_load_bytes, "checksums, and the guard (kernel 5.18)", "--guard and --checksum are refused")                  \
    X(xdp_generic, "ingress on interfaces without native XDP", "interfaces without native XDP cannot be followed")     \
    X(xdp_native, "ingress in the driver (tried on veth)", "ingress runs in the stack, slower")                        \
    X(xdp_frags, "frames over a page", "native XDP caps the MTU at about 3500")                                        \
    X(dispatcher, "several XDP programs on one interface (libxdp)", "an interface with an XDP program is refused")     \
    X(tcx, "egress hook", "clsact is used for egress")                                                                 \
    X(clsact, "egress hook on kernels before 6.6 and with the guard",                                                  \
      "without tcx too: what the host sends is inferred")                                                              \
    X(clsact_ingress, "guard: hands a connection over to its listener", "the guard's backend reqsk cannot be used")    \
    X(cookie_reqsk, "guard, backend reqsk: cookies that carry every option (kernel 6.9)",                              \
      "a cookie keeps the MSS alone, unless net.ipv4.tcp_timestamps is 2")                                             \
    X(cookie_listener, "guard, backend listener: the kernel's own cookies (kernel 5.3)",                               \
      "MPTCP listeners cannot be guarded")
enum sw_feature {
#define SW_FEATURE_ITEM(name, use, loss) SW_FEATURE_##name,
    SW_FEATURES(SW_FEATURE_ITEM) SW_FEATURE_MAX
};

struct sw_features {
    bool have[SW_FEATURE_MAX];
    int error[SW_FEATURE_MAX]; /* why not: -errno */
};

void sw_probe_kernel(struct sw_features *ret_features);
int sw_kernel_has_reqsk(void); /* cookie_reqsk alone, quickly: 1, 0, or -errno if it cannot be known */
bool sw_kernel_has_cgroup_ids(void);
bool sw_kernel_is_old(void); /* no xdp_load_bytes: before 5.18 */

#endif
