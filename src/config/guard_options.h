/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guard's options of `run`: sw_guard_group is about a struct sw_guard_opts. Files that are named here are read by
 * guard/files.h, before anything is attached.
 */
#ifndef SW_CONFIG_GUARD_OPTIONS_H
#define SW_CONFIG_GUARD_OPTIONS_H

#include "config/command.h"
#include "synward.h"

#include <stdbool.h>

#define SW_PROTECT_MAX 512
#define SW_GATEWAY_WSCALE 7 /* Linux with tcp_rmem as it comes */
#define SW_LIST_OPTS_MAX 256

/* What becomes of an ACK that belongs to nothing: it is dropped; a RST goes back as well. */
enum sw_stray { SW_STRAY_DROP, SW_STRAY_RESET };

/* When sources are held against the routes: as the kernel's rp_filter says; always; never. */
enum sw_reverse_path_mode { SW_REVERSE_PATH_AUTO, SW_REVERSE_PATH_STRICT, SW_REVERSE_PATH_OFF };

enum sw_list { SW_LIST_ALLOW, SW_LIST_BLOCK, SW_LISTS };

struct sw_list_opts {
    const char *cidrs[SW_LIST_OPTS_MAX]; /* --allow CIDR, --block CIDR */
    size_t cidrs_len;
    const char *file; /* --allow-file, --block-file; NULL: none */
};

/* What --protect names: PORT, ADDR:PORT or [ADDR6]:PORT. No address, or *: all zero ip, any = both families;
 * 0.0.0.0: SW_ANY_4; [::]: SW_ANY_6. ADDR/BITS:PORT, [ADDR6]/BITS:PORT: SW_NET + bits, of IPv4 96 more. */
struct sw_protect {
    __u8 ip[16]; /* v4-mapped */
    __u16 port;
    __u8 any;  /* SW_ANY_*, SW_NET + n */
    __u8 zero; /* no padding: compared as bytes */
};

struct sw_guard_opts {
    bool given;              /* --guard was given: the programs carry the guard even if it is off */
    enum sw_guard_mode mode; /* of every service */
    struct sw_protect protect[SW_PROTECT_MAX];
    size_t protect_len; /* 0: every listening socket */
    __u64 half_open, syn_rate;
    __u64 hold_ns, grace_ns;
    __u64 limit_source, limit_prefix, reply_budget; /* 0: none */
    __u64 pass_rate;
    enum sw_stray stray; /* while engaged */
    enum sw_reverse_path_mode reverse_path;
    enum sw_backend backend; /* SW_BK_NONE: auto */
    const char *key_file;    /* NULL: random keys, changed every hour */
    enum sw_gateway gateway; /* services are of hosts behind this one */
    __u32 gateway_flows;     /* translate: */
    __u64 gateway_linger_ns, gateway_idle_ns, gateway_pending_ns, drain_ns;
    bool accept;                         /* cookies are good in calm, too */
    __u32 window, ttl;                   /* of a gateway's SYN-ACKs */
    int wscale;                          /* -1: as the kernel would; of a gateway SW_GATEWAY_WSCALE */
    __u32 mss;                           /* 0: as the interface's MTU gives; of a gateway as Ethernet's */
    const char *capture_file;            /* NULL: none */
    __u64 capture_bytes;                 /* most that the file may grow to */
    struct sw_list_opts lists[SW_LISTS]; /* --allow, --allow-file, --block, --block-file */
};

extern const struct sw_option_group sw_guard_group;
extern const struct sw_word sw_guard_mode_words[]; /* of `synward guard` too */
void sw_guard_defaults(struct sw_guard_opts *opts);

/* 0, -EINVAL; -EDOM: bits are set beyond the prefix. Used by `synward guard ... SERVICE` too. */
int sw_protect_parse(const char *text, struct sw_protect *ret);

#endif
