/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "guard/startup.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/nic.h"
#include "guard/firewall.h"
#include "guard/guard.h"
#include "guard/guard_state.h"
#include "guard/key_file.h"
#include "guard/tcp_settings.h"
#include "loader/tc.h"
#include "output/names.h"
#include "synward.skel.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sw_guard_runtime_new(const struct sw_guard_opts *opts, struct sw_guard_runtime **ret, struct sw_failure *f)
{
    struct sw_tcp_sysctls sysctls;
    struct sw_guard_runtime *g;
    const char *refusal;
    char error[400];
    int err;

    *ret = NULL;
    sw_tcp_sysctls_read(&sysctls);
    refusal = sysctls.syncookies < 0 ? "this kernel has no SYN cookies (CONFIG_SYN_COOKIES)"
                                     : sw_tcp_sysctls_refusal(&sysctls);
    if (refusal && !opts->gateway)
        return sw_fail(f, SW_EXIT_KERNEL, -ENOTSUP, "--guard: %s", refusal);
    g = calloc(1, sizeof(*g));
    if (!g)
        return sw_fail(f, SW_EXIT_MEMORY, -ENOMEM, "guard: %s", strerror(ENOMEM));
    g->opts = opts;
    err = sw_guard_files_read(opts, &g->files, error, sizeof(error));
    if (err) {
        sw_guard_runtime_free(g);
        return sw_fail(f, err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INPUT, err, "%s", error);
    }
    *ret = g;
    return 0;
}

void sw_guard_runtime_adopt(struct sw_guard_runtime *g, bool keep_keys)
{
    g->adopted = true;
    g->keep_keys = keep_keys;
}

void sw_guard_runtime_set_mode(struct sw_guard_runtime *g, enum sw_guard_mode mode)
{
    for (__u32 i = 1; i < SW_SERVICES; i++) {
        struct sw_service *s = sw_services_at(g->services, i);

        if (!s->port)
            continue;
        __atomic_store_n(&s->mode, (__u8)mode, __ATOMIC_RELAXED);
        __atomic_store_n(&s->due, 0, __ATOMIC_RELAXED);
    }
}

void sw_guard_runtime_object(const struct sw_guard_runtime *g, const struct sw_hooks *hooks,
                             struct sw_object_opts *object)
{
    const struct sw_guard_opts *opts = g->opts;

    object->cfg.guard = 1;
    object->cfg.stray_reset = opts->stray == SW_STRAY_RESET;
    object->cfg.gateway = opts->gateway;
    object->cfg.accept = opts->accept;
    object->cfg.outer = opts->gateway == SW_GATEWAY_TRANSLATE ? sw_translate_outer(hooks) : 0;
    object->gateway_flows = opts->gateway_flows;
    /* pinned, they are there at their sizes, so that the options may change from one daemon to the next */
    if (!opts->limit_source && !object->pinned)
        object->limit_source_max = 1;
    if (!opts->limit_prefix && !object->pinned)
        object->limit_prefix_max = 1;
    if (!opts->capture_file && !object->pinned)
        object->captures_bytes = sysconf(_SC_PAGESIZE);
    object->accept = opts->backend != SW_BK_LISTENER && !opts->gateway;
    for (size_t i = 0; i < hooks->len && object->accept; i++)
        if (!hooks->ifaces[i].loopback)
            object->accept = !sw_tc_try(hooks->ifaces[i].id.ifindex, SW_TC_INGRESS, true);
}

static int fill_lists(struct sw_guard_runtime *g, struct sw_failure *f)
{
    for (int i = 0; i < SW_LISTS; i++) {
        struct sw_cidrs given = {0};
        int err = sw_cidrs_from_opts(&g->opts->lists[i], &given);

        if (!err)
            err = sw_guard_apply_list(g->obj, g->guard, i, SW_LIST_OPTION, &given);
        if (!err)
            err = sw_guard_apply_list(g->obj, g->guard, i, SW_LIST_FILE, &g->files.list[i]);
        sw_cidrs_free(&given);
        if (err)
            return sw_fail(f, err == -ENOMEM || err == -E2BIG ? SW_EXIT_MEMORY : SW_EXIT_INTERNAL, err, "%s list: %s",
                           sw_list_names[i], strerror(-err));
    }
    return 0;
}

static int fail_services(int err, struct sw_failure *f)
{
    if (err == -E2BIG)
        return sw_fail(
            f, SW_EXIT_MEMORY, err,
            "--gateway: with this host's own addresses and local routes in them, the services of --protect are more "
            "than %d prefixes",
            SW_SERVICE_NETS);
    return sw_fail(f, err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INTERNAL, err, "listening sockets: %s", strerror(-err));
}

/* A port of a bridge may be a gateway's. Not of a bond or team: their master has the frames. */
static int check_port(const struct sw_guard_opts *opts, const struct sw_hook_iface *iface, bool *ret_bridged,
                      struct sw_failure *f)
{
    char master[IF_NAMESIZE], kind[16];

    *ret_bridged = sw_nic_is_port(iface->id.ifindex, master, kind);
    if (!*ret_bridged)
        return 0;
    if (!opts->gateway || (strcmp(kind, "bridge") && strcmp(kind, "openvswitch")))
        return sw_fail(f, SW_EXIT_INTERFACE, -EINVAL,
                       "--guard: '%s' is a port of %s '%s': the guard belongs where the addresses are (-i %s)",
                       iface->id.name, *kind ? kind : "device", master, master);
    if (opts->reverse_path == SW_REVERSE_PATH_STRICT)
        return sw_fail(f, SW_EXIT_USAGE, -EINVAL,
                       "--reverse-path strict: '%s' is a port of '%s', where no route decides", iface->id.name, master);
    return 0;
}

static int open_services(struct sw_guard_runtime *g, const struct sw_hooks *hooks, bool reqsk, struct sw_failure *f)
{
    __u32 ifindexes[SW_IFACES_MAX];
    bool first = false, bridged;
    size_t len = 0;
    int err;

    for (size_t i = 0; i < hooks->len; i++) {
        if (hooks->ifaces[i].loopback)
            continue;
        err = check_port(g->opts, &hooks->ifaces[i], &bridged, f);
        if (err)
            return err;
        if (len && bridged != first)
            return sw_fail(f, SW_EXIT_INTERFACE, -EINVAL,
                           "--gateway: '%s' is %s port of a bridge, and others are%s: run one instance for each kind",
                           hooks->ifaces[i].id.name, bridged ? "a" : "no", bridged ? " not" : "");
        first = bridged;
        ifindexes[len++] = hooks->ifaces[i].id.ifindex;
    }
    if (g->opts->gateway == SW_GATEWAY_TRANSLATE && !len)
        return sw_fail(f, SW_EXIT_USAGE, -EINVAL, "--gateway translate: no outer interface (-i)");
    if (g->obj->rodata->cfg.outer)
        sw_translate_say_outer(hooks, g->obj->rodata->cfg.outer);
    err = sw_services_new(g->obj, g->opts, ifindexes, len, first, reqsk, &g->services);
    return err ? fail_services(err, f) : 0;
}

int sw_guard_runtime_open(struct sw_guard_runtime *g, struct synward_bpf *obj, const struct sw_hooks *hooks,
                          __s64 clock_offset, struct sw_failure *f)
{
    bool reqsk = bpf_program__autoload(obj->progs.sw_accept);
    int err;

    g->obj = obj;
    g->clock_offset = clock_offset;
    if (g->opts->accept && !reqsk)
        return sw_fail(f, SW_EXIT_KERNEL, -ENOTSUP,
                       "--accept: this kernel has no bpf_sk_assign_tcp_reqsk (6.9) or no clsact hook (see 'synward "
                       "probe')");
    if (g->opts->backend == SW_BK_REQSK && !reqsk && !g->opts->gateway)
        return sw_fail(f, SW_EXIT_KERNEL, -ENOTSUP,
                       "--cookie reqsk: this kernel has no bpf_sk_assign_tcp_reqsk (6.9) or no clsact hook "
                       "(see 'synward probe'); --cookie listener does without");
    err = open_services(g, hooks, reqsk, f);
    if (err)
        return err;
    g->guard = sw_services_guard(g->services);
    if (g->opts->key_file) {
        err = sw_key_schedule_open(&g->keys, bpf_map__fd(obj->maps.keys));
        if (err)
            return sw_fail(f, SW_EXIT_INTERNAL, err, "cookie keys: %s", strerror(-err));
    }
    err = sw_translate_open(&g->translate, obj, g->opts);
    if (err)
        return sw_fail(f, SW_EXIT_INTERNAL, err, "--gateway translate: %s", strerror(-err));
    return sw_guard_reader_open(&g->reader, obj, g->guard, g->opts, hooks, clock_offset, f);
}

static int fill_keys(struct sw_guard_runtime *g, struct sw_failure *f)
{
    int err = 0;

    g->guard->clock_offset = sw_epoch_offset(g);
    if (g->opts->key_file) { /* there are notes if the daemon before us had a key file, too */
        err = sw_key_schedule_set(&g->keys, g->guard, &g->files.keys, sw_epoch_now(g), g->guard->key_notes, NULL);
    } else {
        g->guard->key_notes = 0;
        if (!g->keep_keys)
            err = sw_guard_install_keys(g->obj, g->guard, sw_epoch_now(g));
    }
    return err ? sw_fail(f, SW_EXIT_INTERNAL, err, "cookie keys: %s", strerror(-err)) : 0;
}

/* Daemons that follow each other within the hour keep one key: it gets no older than without them. */
static __u64 key_due(const struct sw_guard_runtime *g, __u64 now)
{
    __u64 age = 0;

    if (g->opts->key_file)
        return now;
    if (g->keep_keys && sw_guard_key_age(g->obj, g->guard, sw_epoch_now(g), &age))
        return now;
    return age < SW_KEY_NS ? now + SW_KEY_NS - age : now;
}

static void begin(struct sw_guard_runtime *g)
{
    __u64 now = sw_clock_now();

    g->next_detect = now;
    g->next_refresh = now + SW_REFRESH_NS;
    g->next_known = now; /* again as soon as it is attached: new sockets may have been opened */
    g->next_key = key_due(g, now);
    __atomic_fetch_and(&g->guard->flags, ~(SW_G_STOPPING | SW_G_CAPTURE | SW_G_CLOCK_WATCHED | SW_G_CLOCK_SYNCED),
                       __ATOMIC_SEQ_CST); /* of a daemon before this one */
    if (g->reader.capture)
        __atomic_fetch_or(&g->guard->flags, SW_G_CAPTURE, __ATOMIC_SEQ_CST);
}

int sw_guard_runtime_fill(struct sw_guard_runtime *g, struct sw_failure *f)
{
    const struct sw_guard guard = *g->guard;
    struct sw_guard_lists before = {0};
    int err = g->adopted ? sw_guard_lists_save(g->obj, &before) : 0;

    if (err)
        return sw_fail(f, err == -ENOMEM ? SW_EXIT_MEMORY : SW_EXIT_INTERNAL, err, "lists: %s", strerror(-err));
    err = fill_lists(g, f);
    if (!err)
        err = fill_keys(g, f);
    if (!err) {
        err = sw_services_fill(g->services);
        if (err)
            fail_services(err, f);
    }
    if (!err) {
        begin(g);
    } else if (g->adopted) {
        g->guard->clock_offset = guard.clock_offset;
        g->guard->key_notes = guard.key_notes;
        memcpy(g->guard->key_note, guard.key_note, sizeof(guard.key_note));
        __atomic_store_n(&g->guard->key_slot, guard.key_slot, __ATOMIC_RELEASE); /* the keys before are still there */
        sw_guard_lists_restore(g->obj, g->guard, &before);
    }
    sw_guard_lists_free(&before);
    sw_guard_files_free(&g->files);
    return err;
}

static void say_iface(const struct sw_hook_iface *iface)
{
    const char *name = iface->id.name;
    struct sw_nic nic;

    if (iface->loopback)
        sw_warn("'%s' is the loopback: followed, and not guarded", name);
    if (iface->loopback || iface->xdp_mode != XDP_MODE_NATIVE || sw_probe_nic(name, &nic))
        return;
    if (sw_nic_strips_vlans(&nic))
        sw_warn("'%s' takes VLAN tags off before XDP: SYNs of its VLANs are answered without a tag, so their services "
                "are cut off while engaged ('ethtool -K %s rxvlan off')",
                name, name);
}

/* By now: what changes later is not seen, and the sandbox would not let it be read. */
static void say_firewall(const struct sw_guard_runtime *g)
{
    char notes[SW_FIREWALL_NOTES][SW_FIREWALL_NOTE];
    struct sw_firewall f;

    if (g->opts->mode == SW_GM_OFF)
        return;
    sw_firewall_read(&f);
    if (f.error && sw_log_verbose)
        sw_info("netfilter's rules could not be read: %s", strerror(-f.error));
    for (int i = 0, n = sw_firewall_notes(&f, notes); i < n; i++)
        sw_warn("%s", notes[i]);
}

static void say_reverse_path(const struct sw_guard_runtime *g)
{
    __u32 flags = g->guard->flags & (SW_G_REVERSE_4 | SW_G_REVERSE_6);

    if (flags)
        sw_info("reverse path: no answer to a SYN %sif no route to its source leads over an interface that is followed",
                flags & SW_G_REVERSE_6 ? "" : "of IPv4 ");
}

void sw_guard_runtime_report(struct sw_guard_runtime *g, const struct sw_hooks *hooks)
{
    unsigned int backend[SW_BK_MAX] = {0};

    for (__u32 i = 1; i < SW_SERVICES; i++) {
        const struct sw_service *s = sw_services_at(g->services, i);

        if (s->port && s->backend < SW_BK_MAX)
            backend[s->backend]++;
    }
    if (g->opts->gateway)
        sw_info("gateway %s: SYNs for %u services of other hosts are answered with window scale %d, window %u",
                sw_name_gateway(g->opts->gateway)->text, backend[SW_BK_REQSK], g->opts->wscale, g->opts->window);
    else
        sw_info("guard %s: services whose cookies are made by reqsk %u, by listener %u",
                sw_name_guard_mode(g->opts->mode)->text, backend[SW_BK_REQSK], backend[SW_BK_LISTENER]);
    if (g->opts->backend == SW_BK_NONE && !g->opts->gateway && !bpf_program__autoload(g->obj->progs.sw_accept))
        sw_info("the kernel takes no cookies of ours, so its own are used (see 'synward probe')");
    say_reverse_path(g);
    sw_guard_key_file_report(g);
    sw_guard_runtime_report_warnings(g);
    say_firewall(g);
    for (size_t i = 0; i < hooks->len; i++)
        say_iface(&hooks->ifaces[i]);
}
