/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "daemon/ready.h"

#include "base/log.h"
#include "daemon/exporter.h"
#include "daemon/flow_export.h"
#include "output/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAMES_MAX 8 /* of interfaces; the others are counted */

struct text {
    char *at;
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (t->len < SW_READY_TEXT)
        t->len += vsnprintf(t->at + t->len, SW_READY_TEXT - t->len, fmt, ap);
    va_end(ap);
}

static bool alike(const struct sw_hook_iface *a, const struct sw_hook_iface *b)
{
    return !strcmp(a->id.mode, b->id.mode) && a->id.egress == b->id.egress && a->id.shared == b->id.shared;
}

static void put_hooks(struct text *t, const struct sw_instance_iface *id)
{
    put(t, " (%s XDP%s, ", id->mode, id->shared ? " beside other programs" : "");
    if (id->egress == SW_EGRESS_NONE)
        put(t, "no egress hook)");
    else
        put(t, "%s egress)", sw_egress_name(id->egress));
}

/* "eth0 and eth1 (native XDP, tcx egress), lo (generic XDP, no egress hook)" */
static void put_interfaces(struct text *t, const struct sw_hooks *hooks)
{
    bool done[SW_IFACES_MAX] = {0};
    size_t named = 0;

    for (size_t i = 0; i < hooks->len && named < NAMES_MAX; i++) {
        const struct sw_hook_iface *first = &hooks->ifaces[i];
        size_t left = 0;

        if (done[i])
            continue;
        for (size_t k = i; k < hooks->len; k++)
            left += alike(first, &hooks->ifaces[k]);
        put(t, named ? ", " : "");
        for (size_t k = i; k < hooks->len && named < NAMES_MAX; k++) {
            if (!alike(first, &hooks->ifaces[k]))
                continue;
            done[k] = true;
            named++;
            left--;
            put(t, "%s%s", hooks->ifaces[k].id.name, !left || named == NAMES_MAX ? "" : left > 1 ? ", " : " and ");
        }
        put_hooks(t, &first->id);
    }
    if (named < hooks->len)
        put(t, " and %zu more", hooks->len - named);
}

void sw_ready_text(const struct sw_ready *r, char ret[SW_READY_TEXT])
{
    struct text t = {.at = ret};

    put(&t, "following ");
    put_interfaces(&t, r->hooks);
    if (r->guard)
        put(&t, ", guard %s on %u service%s", r->guard, r->services, r->services == 1 ? "" : "s");
    if (r->pin)
        put(&t, ", pinned as '%s'", r->pin);
    if (r->output)
        put(&t, ", output to '%.200s'", r->output);
    if (r->metrics)
        put(&t, ", metrics at %s", r->metrics);
    if (r->flow_export)
        put(&t, ", export to %s", r->flow_export);
    if (r->duration_ns)
        put(&t, "; ends after %.9g s%s", r->duration_ns / 1e9, r->terminal ? " or by Ctrl-C" : "");
    else if (r->terminal)
        put(&t, "; Ctrl-C ends");
    if (r->pin && (r->terminal || r->duration_ns))
        put(&t, ", the programs stay attached");
}

void sw_ready_log(struct sw_loop *loop)
{
    struct sw_ready r = {
        .hooks = loop->hooks,
        .guard = loop->guard ? sw_name_guard_mode(sw_guard_runtime_mode(loop->guard))->text : NULL,
        .services = loop->guard ? sw_guard_runtime_services(loop->guard) : 0,
        .pin = loop->pin ? loop->pin->name : NULL,
        .output = loop->opts->output,
        .metrics = sw_exporter_place(loop->exporter),
        .flow_export = sw_flow_export_url(loop->flow_export),
        .duration_ns = loop->duration_ns,
        .terminal = loop->terminal,
    };
    char text[SW_READY_TEXT];
    int err;

    sw_ready_text(&r, text);
    sw_info("%s", text);
    loop->inst->ready = true;
    err = sw_instance_update(loop->inst);
    if (err)
        sw_warn("instance file: %s", strerror(-err));
}
