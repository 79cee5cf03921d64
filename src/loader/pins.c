/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "loader/pins.h"

#include "base/exit.h"
#include "base/log.h"
#include "loader/btf_fingerprint.h"
#include "loader/tc.h"
#include "synward.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DAEMON "daemon"

/* The maps that the next daemon continues with. All others belong to one daemon: configuration and scratch memory. */
static const char *const state_maps[] = {
    /* tracker */
    "half_open",
    "flows",
    "ladders",
    "ladders_open",
    "syn_cache",
    "ended",
    "locks",
    "hash_key",
    "counters",
    "histograms",
    "server_histograms",
    "events",
    "events_open",
    "events_anomaly",
    /* guard */
    "guard",
    "services",
    "svc_ports",
    "svc_counters",
    "svc_history",
    "local_ips",
    "known_tuples",
    "keys",
    "used_cookies",
    "allow",
    "block",
    "reverse_path",
    "service_nets",
    "xlate",
    "xlate_shares",
    "backends",
    "gateway_state",
    "limit_source",
    "limit_prefix",
    "guard_events",
    "captures",
    "drop_log",
};

bool sw_pin_is_state(const struct bpf_map *map)
{
    if (!bpf_map__autocreate(map))
        return false;
    for (size_t i = 0; i < sizeof(state_maps) / sizeof(state_maps[0]); i++)
        if (!strcmp(bpf_map__name(map), state_maps[i]))
            return true;
    return false;
}

static int share(int fd, struct sw_pinned **ret, size_t *ret_bytes)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);
    void *at;

    if (bpf_obj_get_info_by_fd(fd, &info, &len))
        return -errno;
    if (info.type != BPF_MAP_TYPE_ARRAY || strcmp(info.name, DAEMON) ||
        info.value_size < offsetof(struct sw_pinned, layout))
        return -EINVAL;
    at = mmap(NULL, info.value_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    *ret = at;
    *ret_bytes = info.value_size;
    if ((*ret)->version == SW_PIN_VERSION && (*ret)->contract == SW_CONTRACT_VERSION &&
        info.value_size == sizeof(**ret))
        return 0;
    return -EPROTO;
}

int sw_pin_map(const char *name, const char *map)
{
    char path[SW_PIN_PATH];
    int fd;

    sw_pinfs_path(name, map, path);
    fd = bpf_obj_get(path);
    return fd < 0 ? -errno : fd;
}

int sw_pin_peek(const char *name, struct sw_pinned *ret)
{
    int fd = sw_pin_map(name, DAEMON), err;
    struct sw_pinned *at = NULL;
    size_t bytes;

    memset(ret, 0, sizeof(*ret));
    if (fd < 0)
        return fd;
    err = share(fd, &at, &bytes);
    if (at) {
        memcpy(ret, at, err == -EPROTO ? offsetof(struct sw_pinned, layout) : sizeof(*ret));
        munmap(at, bytes);
    }
    close(fd);
    return err;
}

__attribute__((format(printf, 3, 4))) static int differ(const struct sw_pin *pin, struct sw_failure *f, const char *fmt,
                                                        ...)
{
    char what[320];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return sw_fail(f, SW_EXIT_PINS, -ESTALE, "pinned state '%s' is incompatible: %s; 'synward unpin %s' removes it",
                   pin->name, what, pin->name);
}

bool sw_pinned_here(const struct sw_pinned *at)
{
    return at->netns == sw_instance_netns() && at->netns_cookie == sw_instance_netns_cookie();
}

/* Each pinned interface is one of ours, and each of ours is pinned; one that was created again has another index. */
static int check_ifaces(const struct sw_pin *pin, const struct sw_hooks *hooks, struct sw_failure *f)
{
    bool found[SW_IFACES_MAX] = {0};
    char name[IF_NAMESIZE];

    for (__u32 i = 0; i < pin->at->ifaces_len && i < SW_IFACES_MAX; i++) {
        const struct sw_pinned_iface *p = &pin->at->iface[i];
        bool there = if_indextoname(p->ifindex, name), known = false;

        for (size_t k = 0; k < hooks->len; k++) {
            const struct sw_instance_iface *id = &hooks->ifaces[k].id;

            if (id->ifindex == p->ifindex || (!there && !strcmp(id->name, p->name)))
                known = found[k] = true;
        }
        if (there && !known)
            return differ(pin, f, "it includes interface '%s'", name);
    }
    for (size_t k = 0; k < hooks->len; k++)
        if (!found[k])
            return differ(pin, f, "it does not include interface '%s'", hooks->ifaces[k].id.name);
    return 0;
}

static int check(struct sw_pin *pin, int err, const struct sw_hooks *hooks, bool guard, enum sw_gateway gateway,
                 struct sw_failure *f)
{
    if (err == -EPROTO)
        return differ(pin, f, "it is of synward %.31s (version %u/%u, here %d/%d)", pin->at->made_by, pin->at->version,
                      pin->at->contract, SW_PIN_VERSION, SW_CONTRACT_VERSION);
    if (!sw_pinned_here(pin->at))
        return sw_fail(f, SW_EXIT_PINS, -ESTALE,
                       "pinned state '%s' is of another network namespace: choose another name by --pin=NAME",
                       pin->name);
    if (!!pin->at->guard != guard)
        return differ(pin, f, pin->at->guard ? "it was made with --guard" : "it was made without --guard");
    if (pin->at->gateway != (__u32)gateway)
        return differ(pin, f, "its services are %s",
                      !pin->at->gateway ? "of this host (--gateway)"
                      : gateway         ? "of a gateway of another form"
                                        : "of a gateway");
    return check_ifaces(pin, hooks, f);
}

int sw_pin_open(struct sw_pin *pin, const struct sw_hooks *hooks, bool guard, enum sw_gateway gateway,
                struct sw_failure *f)
{
    bool mounted;
    int err = sw_pinfs_ready(&mounted, pin->error, sizeof(pin->error));

    if (err)
        return sw_fail(f, SW_EXIT_PINS, err, "%s", pin->error);
    if (mounted)
        sw_info("mounted the BPF file system on /sys/fs/bpf");
    if (!sw_pinfs_has(pin->name))
        return 0;
    pin->fd = sw_pin_map(pin->name, DAEMON);
    if (pin->fd == -ENOENT) { /* a start that was killed before anything was attached */
        pin->fd = sw_pinfs_remove(pin->name);
        if (!pin->fd) {
            pin->fd = -1;
            return 0;
        }
    }
    if (pin->fd < 0)
        return sw_fail(f, SW_EXIT_PINS, pin->fd, "%s/%s: %s", SW_PIN_ROOT, pin->name, strerror(-pin->fd));
    err = share(pin->fd, &pin->at, &pin->bytes);
    if (!pin->at)
        return sw_fail(f, SW_EXIT_PINS, err, "%s/%s/%s is not synward's: %s", SW_PIN_ROOT, pin->name, DAEMON,
                       strerror(-err));
    err = check(pin, err, hooks, guard, gateway, f);
    pin->adopted = !err;
    return err;
}

void sw_pin_close(struct sw_pin *pin)
{
    if (pin->at)
        munmap(pin->at, pin->bytes);
    if (pin->fd >= 0)
        close(pin->fd);
    pin->at = NULL;
    pin->fd = -1;
}

/* The options that give the sizes. */
static const char *option_of(const char *map)
{
    static const char *const options[][2] = {{"flows", " (--max-flows)"},       {"half_open", " (--max-half-open)"},
                                             {"syn_cache", " (--syn-cache)"},   {"ended", " (--max-flows)"},
                                             {"xlate", " (--gateway-flows)"},   {"ladders", " (--ladder)"},
                                             {"ladders_open", " (--ladder)"},   {"events", " (--ring)"},
                                             {"events_open", " (--ring-open)"}, {"events_anomaly", " (--ring)"}};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (!strcmp(map, options[i][0]))
            return options[i][1];
    return "";
}

static int same_map(struct sw_pin *pin, const struct bpf_map *map, int fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    if (bpf_obj_get_info_by_fd(fd, &info, &len)) {
        snprintf(pin->error, sizeof(pin->error), "map '%s': %s", bpf_map__name(map), strerror(errno));
        return -ESTALE;
    }
    if (info.max_entries != bpf_map__max_entries(map)) {
        snprintf(pin->error, sizeof(pin->error), "the size of map '%s'%s is %u there and %u here", bpf_map__name(map),
                 option_of(bpf_map__name(map)), info.max_entries, bpf_map__max_entries(map));
        return -ESTALE;
    }
    if (info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
        info.value_size == bpf_map__value_size(map) && info.map_flags == bpf_map__map_flags(map))
        return 0;
    snprintf(pin->error, sizeof(pin->error),
             "map '%s' has type %u, key %u, value %u, flags %#x there and %u, %u, %u, %#x here", bpf_map__name(map),
             info.type, info.key_size, info.value_size, info.map_flags, bpf_map__type(map), bpf_map__key_size(map),
             bpf_map__value_size(map), bpf_map__map_flags(map));
    return -ESTALE;
}

static int reuse(struct sw_pin *pin, struct bpf_map *map)
{
    int fd = sw_pin_map(pin->name, bpf_map__name(map)), err;

    if (fd < 0) {
        snprintf(pin->error, sizeof(pin->error), "map '%s' is not there: %s", bpf_map__name(map), strerror(-fd));
        return -ESTALE;
    }
    err = same_map(pin, map, fd);
    if (!err)
        err = bpf_map__reuse_fd(map, fd);
    close(fd);
    return err;
}

int sw_pin_reuse(struct sw_pin *pin, struct synward_bpf *obj)
{
    struct bpf_map *map;
    int err = 0;

    pin->layout = sw_btf_fingerprint_of_lists(SW_LAYOUT_FIRST);
    bpf_object__for_each_map(map, obj->obj)
    {
        if (sw_pin_is_state(map))
            pin->layout = sw_btf_fingerprint_of_map(obj->obj, map, pin->layout);
    }
    if (!pin->adopted)
        return 0;
    bpf_object__for_each_map(map, obj->obj)
    {
        if (sw_pin_is_state(map))
            err = reuse(pin, map);
        if (err)
            return err;
    }
    if (pin->at->layout == pin->layout)
        return 0;
    snprintf(pin->error, sizeof(pin->error), "synward %.31s uses other record layouts", pin->at->made_by);
    return -ESTALE;
}

/* --- making them --- */

static int make_daemon(struct sw_pin *pin)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
    int err;

    pin->fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, DAEMON, sizeof(__u32), sizeof(struct sw_pinned), 1, &opts);
    if (pin->fd < 0)
        return -errno;
    err = share(pin->fd, &pin->at, &pin->bytes);
    return err == -EPROTO ? 0 : err; /* empty as yet */
}

static int pin_one(const struct sw_pin *pin, int fd, const char *file)
{
    char path[SW_PIN_PATH];

    sw_pinfs_path(pin->name, file, path);
    return bpf_obj_pin(fd, path) ? -errno : 0;
}

static void describe(struct sw_pin *pin, const struct sw_hooks *hooks)
{
    struct sw_pinned *at = pin->at;

    at->version = SW_PIN_VERSION;
    at->contract = SW_CONTRACT_VERSION;
    at->layout = pin->layout;
    at->netns = sw_instance_netns();
    at->netns_cookie = sw_instance_netns_cookie();
    at->guard = hooks->guard;
    at->ifaces_len = hooks->len;
    snprintf(at->made_by, sizeof(at->made_by), "%s", SW_VERSION);
    for (size_t i = 0; i < hooks->len; i++) {
        at->iface[i].ifindex = hooks->ifaces[i].id.ifindex;
        at->iface[i].made_clsact = hooks->ifaces[i].id.made_clsact;
        snprintf(at->iface[i].name, sizeof(at->iface[i].name), "%s", hooks->ifaces[i].id.name);
    }
}

static bool will_make_clsact(const struct synward_bpf *obj, const struct sw_hooks *hooks,
                             const struct sw_hook_iface *iface)
{
    return (!iface->loopback || obj->rodata->cfg.owners) && (hooks->guard || !hooks->ingress_only) &&
           !sw_clsact_there(iface->id.ifindex);
}

int sw_pin_make(struct sw_pin *pin, struct synward_bpf *obj, const struct sw_hooks *hooks, struct sw_failure *f)
{
    struct bpf_map *map;
    int err;

    if (pin->adopted)
        return 0;
    err = make_daemon(pin);
    if (!err)
        err = sw_pinfs_make(pin->name);
    if (err)
        return sw_fail(f, SW_EXIT_PINS, err, "%s/%s: %s", SW_PIN_ROOT, pin->name, strerror(-err));
    pin->made = true;
    bpf_object__for_each_map(map, obj->obj)
    {
        if (sw_pin_is_state(map) && !err)
            err = pin_one(pin, bpf_map__fd(map), bpf_map__name(map));
    }
    describe(pin, hooks);
    for (size_t i = 0; i < hooks->len; i++) /* if we are killed before the commit, it is ours */
        pin->at->iface[i].made_clsact = will_make_clsact(obj, hooks, &hooks->ifaces[i]);
    if (!err)
        err = pin_one(pin, pin->fd, DAEMON);
    if (!err)
        return 0;
    sw_pin_undo(pin);
    return sw_fail(f, SW_EXIT_PINS, err, "%s/%s: %s", SW_PIN_ROOT, pin->name, strerror(-err));
}

void sw_pin_undo(struct sw_pin *pin)
{
    if (pin->made)
        sw_pinfs_remove(pin->name);
    pin->made = false;
}

void sw_pin_commit(struct sw_pin *pin, const struct sw_hooks *hooks, __s32 pid)
{
    describe(pin, hooks);
    pin->at->pid = pid;
    pin->made = false;
}
