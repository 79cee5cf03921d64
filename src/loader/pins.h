/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * run --pin: the maps outlive the daemon as pins, and so do the attached programs, which need none. A set of pins is
 * complete once its map `daemon` is pinned, which comes last; it holds the owner and the checkpoint.
 */
#ifndef SW_LOADER_PINS_H
#define SW_LOADER_PINS_H

#include "base/failure.h"
#include "loader/iface.h"
#include "loader/pin_format.h"
#include "loader/pinfs.h"

#include <stdbool.h>

struct bpf_map;
struct synward_bpf;

struct sw_pin {
    char name[SW_PIN_NAME];
    bool adopted; /* the pins were there */
    bool made;    /* by us, in this run */
    int fd;       /* of map `daemon` */
    struct sw_pinned *at;
    size_t bytes; /* mapped there */
    __u64 layout;
    char error[320]; /* why it is incompatible */
};

/* Is there such a set, and is it of this namespace, these interfaces and this kind of daemon? Makes nothing but the
 * root directory. 0, or -errno with ret_failure. Opens what is there for sw_pin_reuse. */
int sw_pin_open(struct sw_pin *pin, const struct sw_hooks *hooks, bool guard, enum sw_gateway gateway,
                struct sw_failure *ret_failure);
void sw_pin_close(struct sw_pin *pin); /* the pins are kept */

/* Is it pinned? By a list: a new map is one daemon's own until it is named there. */
bool sw_pin_is_state(const struct bpf_map *map);

/* Between opening and loading the object: its maps become the pinned ones if there are any. -ESTALE: they differ,
 * pin->error says how. */
int sw_pin_reuse(struct sw_pin *pin, struct synward_bpf *obj);

/* Before attaching: pins new maps. A failure undoes all of it. */
int sw_pin_make(struct sw_pin *pin, struct synward_bpf *obj, const struct sw_hooks *hooks,
                struct sw_failure *ret_failure);
/* What sw_pin_make made, if the start failed after it. */
void sw_pin_undo(struct sw_pin *pin);

/* Attached: these are its interfaces now, and this its daemon. */
void sw_pin_commit(struct sw_pin *pin, const struct sw_hooks *hooks, __s32 pid);

/* Reads the set's `daemon` map; -ENOENT: there is none, -EPROTO: of another version, only the members up to `layout`
 * are valid. */
int sw_pin_peek(const char *name, struct sw_pinned *ret);

bool sw_pinned_here(const struct sw_pinned *at); /* of our network namespace */

/* The fd of one pinned map, or -errno. */
int sw_pin_map(const char *name, const char *map);

#endif
