/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward probe: what is here, what would be used, what is lost by it. */
#include "base/capabilities.h"
#include "base/exit.h"
#include "base/fmt.h"
#include "base/links.h"
#include "base/log.h"
#include "base/nic.h"
#include "base/sysctl.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "config/cli.h"
#include "guard/firewall.h"
#include "loader/features.h"
#include "output/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static const struct {
    const char *name, *use, *loss;
} texts[] = {
#define TEXT_ITEM(name, use, loss) {#name, use, loss},
    SW_FEATURES(TEXT_ITEM)};

struct probe {
    bool json;
    int verbose;
    const char *iface;
    struct utsname uts;
    struct sw_features features;
    struct sw_nic nic;
    int syncookies, timestamps;
    struct sw_firewall firewall;
    char firewall_notes[SW_FIREWALL_NOTES][SW_FIREWALL_NOTE];
    int firewall_len;
};

enum { GUARD_NOTES = 8 + SW_FIREWALL_NOTES };

static bool can_run(const struct probe *p)
{
    for (int i = 0; i < SW_FEATURE_MAX; i++)
        if (!texts[i].loss && !p->features.have[i])
            return false;
    return p->features.have[SW_FEATURE_xdp_native] || p->features.have[SW_FEATURE_xdp_generic];
}

static const char *would_ingress(const struct probe *p)
{
    if (p->iface && (p->nic.loopback || !p->nic.native_xdp || !p->features.have[SW_FEATURE_xdp_native]))
        return "xdp_generic";
    if (p->iface && p->nic.native_xdp < 0)
        return "xdp_native, else xdp_generic";
    return p->features.have[SW_FEATURE_xdp_native] ? "xdp_native" : "xdp_generic";
}

static const char *would_egress(const struct probe *p)
{
    if (p->iface && p->nic.loopback)
        return "none";
    return p->features.have[SW_FEATURE_tcx] ? "tcx" : p->features.have[SW_FEATURE_clsact] ? "clsact" : "none";
}

/* With --guard, which has to send. */
static const char *would_guard_ingress(const struct probe *p)
{
    return p->iface && sw_veth_may_lose(p->nic.veth) ? "xdp_generic" : would_ingress(p);
}

/* Settings that change what XDP and tc see; each is one sentence. */
static int nic_notes(const struct probe *p, const char *notes[8])
{
    const struct sw_nic *nic = &p->nic;
    int n = 0;

    if (!nic->ethernet)
        notes[n++] = "it does not carry Ethernet frames: synward refuses it";
    if (nic->loopback)
        notes[n++] = "loopback: every packet is seen once, on ingress";
    if (nic->xdp_prog && !p->features.have[SW_FEATURE_dispatcher])
        notes[n++] = "it carries an XDP program already and cannot be shared: synward refuses it";
    if (nic->lro == 1)
        notes[n++] =
            "LRO merges segments before XDP: packet counts and IP bytes are of the merged ones (drivers mostly "
            "switch it off for native XDP)";
    if (nic->gro == 1 && !nic->native_xdp)
        notes[n++] = "GRO may merge segments before generic XDP: packet counts are of the merged ones";
    if (nic->rxvlan == 1 && !nic->loopback)
        notes[n++] = "the card takes VLAN tags off before native XDP: connections are logged without VLAN ids (ethtool "
                     "-K IF rxvlan off)";
    if (nic->mtu > 3506 && !p->features.have[SW_FEATURE_xdp_frags])
        notes[n++] = "the MTU is too large for native XDP without frags: generic is used";
    if (!nic->up)
        notes[n++] = "it is down";
    return n;
}

/* What --cookie auto would take for a listener that is not MPTCP. */
static enum sw_backend would_guard(const struct probe *p)
{
    if (!can_run(p) || p->syncookies <= 0 || !p->features.have[SW_FEATURE_xdp_load_bytes])
        return SW_BK_NONE;
    if (p->features.have[SW_FEATURE_cookie_reqsk] && p->features.have[SW_FEATURE_clsact_ingress])
        return SW_BK_REQSK;
    return p->features.have[SW_FEATURE_cookie_listener] ? SW_BK_LISTENER : SW_BK_NONE;
}

/* --gateway edge: it has to send by XDP, and needs no socket. */
static bool can_be_edge(const struct probe *p)
{
    return can_run(p) && p->features.have[SW_FEATURE_xdp_load_bytes];
}

/* --gateway translate: the same, with tc at both sides. */
static bool can_translate(const struct probe *p)
{
    return can_be_edge(p) && p->features.have[SW_FEATURE_clsact] && p->features.have[SW_FEATURE_clsact_ingress];
}

/* --accept, behind an edge. */
static bool can_accept(const struct probe *p)
{
    return would_guard(p) == SW_BK_REQSK;
}

/* Why that backend, what it costs, and which sysctl would change it; each is one sentence. */
static int guard_notes(const struct probe *p, const char *notes[GUARD_NOTES])
{
    enum sw_backend backend = would_guard(p);
    int n = 0;

    if (!p->features.have[SW_FEATURE_xdp_load_bytes])
        notes[n++] = "this kernel is too old for the guard, which needs 5.18 (bpf_xdp_load_bytes): --guard is refused";
    else if (p->syncookies < 0)
        notes[n++] = "this kernel has no SYN cookies (CONFIG_SYN_COOKIES): --guard is refused";
    else if (!p->syncookies)
        notes[n++] = "with net.ipv4.tcp_syncookies=0 the kernel takes no connection that came by a cookie: --guard is "
                     "refused (sysctl -w net.ipv4.tcp_syncookies=1)";
    if (backend == SW_BK_REQSK) {
        notes[n++] = "reqsk: a cookie carries MSS, window scale, SACK and ECN; of clients without timestamps MSS and "
                     "window scale are rounded down";
        notes[n++] = "MPTCP listeners (Go opens them by default) get backend listener";
    }
    if (backend == SW_BK_LISTENER && !p->features.have[SW_FEATURE_cookie_reqsk])
        notes[n++] = "listener, because the kernel has no bpf_sk_assign_tcp_reqsk (6.9)";
    else if (backend == SW_BK_LISTENER)
        notes[n++] = "listener, because no program can be attached to tc ingress by clsact";
    if (backend == SW_BK_LISTENER && p->timestamps != 2)
        notes[n++] =
            "listener: a cookie carries the MSS alone; net.ipv4.tcp_timestamps=2 restores window scale and SACK "
            "of clients with timestamps";
    if (backend == SW_BK_LISTENER && p->syncookies == 1)
        notes[n++] =
            "listener: with net.ipv4.tcp_syncookies=1 there are cookies only once the listener's queue is full, "
            "with 2 at once";
    if (backend != SW_BK_NONE && p->iface && sw_veth_may_lose(p->nic.veth))
        notes[n++] =
            "a veth whose other end has no XDP program: native XDP could send no answer there, so --mode auto is "
            "generic XDP, which is slower";
    if (backend != SW_BK_NONE && !p->timestamps)
        notes[n++] = "net.ipv4.tcp_timestamps is 0: no client is granted timestamps, so no cookie can use their bits";
    for (int i = 0; i < p->firewall_len && backend != SW_BK_NONE; i++)
        notes[n++] = p->firewall_notes[i];
    return n;
}

static const char *on_off(int value)
{
    return value < 0 ? "unknown" : value ? "on" : "off";
}

static void print_text(const struct probe *p)
{
    const char *notes[GUARD_NOTES];

    printf("kernel %s %s %s\n", p->uts.sysname, p->uts.release, p->uts.machine);
    for (int i = 0; i < SW_FEATURE_MAX; i++) {
        printf("  %-17s %-4s %s", texts[i].name, p->features.have[i] ? "yes" : "no", texts[i].use);
        if (!p->features.have[i])
            printf(" (%s): %s", strerror(-p->features.error[i]), texts[i].loss ? texts[i].loss : "synward cannot run");
        printf("\n");
    }
    printf("  tcp_syncookies %d, tcp_timestamps %d\n", p->syncookies, p->timestamps);
    if (p->iface) {
        printf("interface %s: driver %s, mtu %d, %s, queues %d rx %d tx\n", p->nic.name,
               *p->nic.driver ? p->nic.driver : "unknown", p->nic.mtu, p->nic.up ? "up" : "down", p->nic.rx_queues,
               p->nic.tx_queues);
        printf("  gro %s, lro %s, gso %s, tso %s, rxvlan %s, native XDP %s", on_off(p->nic.gro), on_off(p->nic.lro),
               on_off(p->nic.gso), on_off(p->nic.tso), on_off(p->nic.rxvlan),
               p->nic.native_xdp < 0 ? "unknown until attached"
               : p->nic.native_xdp   ? "yes"
                                     : "no");
        if (p->nic.xdp_prog)
            printf(", XDP program %u on it", p->nic.xdp_prog);
        printf("\n");
        for (int i = 0, n = nic_notes(p, notes); i < n; i++)
            printf("  note: %s\n", notes[i]);
    }
    if (can_run(p))
        printf("synward would use: ingress %s%s, egress %s\n", would_ingress(p),
               p->features.have[SW_FEATURE_dispatcher] ? " (shared)" : "", would_egress(p));
    else
        printf("synward cannot run here\n");
    if (p->firewall.error)
        printf("netfilter's rules could not be read: %s\n", strerror(-p->firewall.error));
    printf("the guard would use: %s", sw_name_backend(would_guard(p))->text);
    if (p->iface && would_guard(p) != SW_BK_NONE)
        printf(", ingress %s", would_guard_ingress(p));
    printf("\n");
    for (int i = 0, n = guard_notes(p, notes); i < n; i++)
        printf("  note: %s\n", notes[i]);
    printf("gateway: edge %s; translate %s; host behind an edge (--accept) %s\n",
           can_be_edge(p) ? "yes" : "no, the kernel is too old (5.18)",
           can_translate(p) ? "yes"
           : can_be_edge(p) ? "no, there is no clsact hook"
                            : "no, the kernel is too old (5.18)",
           can_accept(p)    ? "yes"
           : !p->syncookies ? "no, net.ipv4.tcp_syncookies is 0"
                            : "no, it takes no cookies of ours (6.9, clsact)");
}

static void print_nic_json(const struct probe *p)
{
    char name[IF_NAMESIZE * 6 + 1], driver[32 * 6 + 1];
    const char *notes[8];
    const struct {
        const char *name;
        int value;
    } flags[] = {{"gro", p->nic.gro}, {"lro", p->nic.lro},       {"gso", p->nic.gso},
                 {"tso", p->nic.tso}, {"rxvlan", p->nic.rxvlan}, {"native_xdp", p->nic.native_xdp}};

    *sw_json_escape(name, p->nic.name) = 0;
    *sw_json_escape(driver, p->nic.driver) = 0;
    printf(",\"iface\":{\"name\":\"%s\",\"ifindex\":%u,\"driver\":\"%s\",\"mtu\":%d,\"up\":%s,\"rx_queues\":%d,"
           "\"tx_queues\":%d,\"xdp_prog\":%u",
           name, p->nic.ifindex, driver, p->nic.mtu, p->nic.up ? "true" : "false", p->nic.rx_queues, p->nic.tx_queues,
           p->nic.xdp_prog);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        printf(",\"%s\":%s", flags[i].name, flags[i].value < 0 ? "null" : flags[i].value ? "true" : "false");
    printf(",\"notes\":[");
    for (int i = 0, n = nic_notes(p, notes); i < n; i++)
        printf("%s\"%s\"", i ? "," : "", notes[i]);
    printf("]}");
}

static void print_firewall_json(const struct sw_firewall *f)
{
    printf(",\"netfilter\":{\"read\":%s,\"syn\":%zu,\"not_syn\":%zu,\"limit\":%zu,\"legacy\":%s}",
           f->error ? "false" : "true", f->rules[SW_NFT_SYN], f->rules[SW_NFT_NOT_SYN], f->rules[SW_NFT_LIMIT],
           *f->legacy ? "true" : "false");
}

static void print_json(const struct probe *p)
{
    const char *notes[GUARD_NOTES];

    printf("{\"kernel\":\"%s\",\"machine\":\"%s\",\"features\":{", p->uts.release, p->uts.machine);
    for (int i = 0; i < SW_FEATURE_MAX; i++)
        printf("%s\"%s\":%s", i ? "," : "", texts[i].name, p->features.have[i] ? "true" : "false");
    printf("},\"lost\":{");
    for (int i = 0, n = 0; i < SW_FEATURE_MAX; i++)
        if (!p->features.have[i])
            printf("%s\"%s\":\"%s\"", n++ ? "," : "", texts[i].name,
                   texts[i].loss ? texts[i].loss : "synward cannot run");
    printf("},\"tcp_syncookies\":%d,\"tcp_timestamps\":%d", p->syncookies, p->timestamps);
    print_firewall_json(&p->firewall);
    if (p->iface)
        print_nic_json(p);
    printf(",\"can_run\":%s,\"ingress\":\"%s\",\"egress\":\"%s\",\"guard\":\"%s\",\"guard_ingress\":\"%s\","
           "\"guard_notes\":[",
           can_run(p) ? "true" : "false", would_ingress(p), would_egress(p), sw_name_backend(would_guard(p))->text,
           would_guard_ingress(p));
    for (int i = 0, n = guard_notes(p, notes); i < n; i++)
        printf("%s\"%s\"", i ? "," : "", notes[i]);
    printf("],\"gateway\":{\"edge\":%s,\"translate\":%s,\"accept\":%s}}\n", can_be_edge(p) ? "true" : "false",
           can_translate(p) ? "true" : "false", can_accept(p) ? "true" : "false");
}

static int cmd_probe(int argc, char **argv)
{
    struct probe p = {0};
    char own_name[IF_NAMESIZE];
    int err;

    sw_parse(&sw_probe_command, argc, argv, &p);
    sw_log_init(p.verbose);
    if (p.iface && !sw_link_name(p.iface, own_name))
        p.iface = own_name;
    err = p.iface ? sw_probe_nic(p.iface, &p.nic) : 0;
    if (err == -ENODEV) {
        sw_err("there is no interface '%.64s'", p.iface);
        return SW_EXIT_INTERFACE;
    }
    if (err) {
        sw_err("interface '%s': %s", p.iface, strerror(-err));
        return SW_EXIT_INTERNAL;
    }
    if (!sw_can_attach()) {
        sw_err("probe needs root, or CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF and CAP_PERFMON: it tries programs");
        return SW_EXIT_PRIVILEGE;
    }
    uname(&p.uts);
    sw_probe_kernel(&p.features);
    p.syncookies = sw_sysctl_int("/proc/sys/net/ipv4/tcp_syncookies");
    p.timestamps = sw_sysctl_int("/proc/sys/net/ipv4/tcp_timestamps");
    sw_firewall_read(&p.firewall);
    p.firewall_len = sw_firewall_notes(&p.firewall, p.firewall_notes);
    (p.json ? print_json : print_text)(&p);
    return sw_stdout_end();
}

static const struct sw_option options[] = {
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct probe, json), .help = "one JSON object"},
    {"verbose", 'v', .type = SW_OPT_COUNT, SW_FIELD(struct probe, verbose), .help = "show libbpf's and libxdp's log"},
    {0},
};
static const struct sw_option_group group = {.rows = options};
static const struct sw_operand operands[] = {{"IFACE", .complete = SW_COMPLETE_INTERFACES}, {0}};

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    struct probe *p = opts;

    if (n)
        sw_usage_die(cli, "more than one interface: '%s'", arg);
    p->iface = arg;
    return 0;
}

const struct sw_command sw_probe_command = {
    .name = "probe",
    .summary = "what this kernel and network card can do",
    .args_doc = "[IFACE]",
    .doc = "Shows what this kernel and network card can do, found by trying.",
    .main = cmd_probe,
    .size = sizeof(struct probe),
    .groups = {{&group, 0}},
    .operands = operands,
    .operand = operand,
};
