/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/choice.h"

#include "base/exit.h"
#include "base/fmt.h"
#include "base/links.h"
#include "base/log.h"

#include <string.h>

#define NAMES_SHOWN 4 /* of an instance's interfaces */

void sw_choice_begin(struct sw_choice *c)
{
    c->netns = sw_instance_netns();
    if (c->iface && c->iface != c->own_name && !sw_link_name(c->iface, c->own_name))
        c->iface = c->own_name;
}

static bool follows(const struct sw_choice *c, const struct sw_instance *inst)
{
    for (size_t i = 0; i < inst->len && c->iface; i++)
        if (!strcmp(inst->ifaces[i].name, c->iface))
            return true;
    return !c->iface;
}

/* Where our own is not known, every one may be of it. */
static bool is_here(const struct sw_choice *c, const struct sw_instance *inst)
{
    return c->pid || c->all_namespaces || !c->netns || inst->netns == c->netns;
}

static bool is_meant(const struct sw_choice *c, const struct sw_instance *inst)
{
    return (!c->pid || inst->pid == c->pid) && follows(c, inst);
}

bool sw_choice_fits(const struct sw_choice *c, const struct sw_instance *inst)
{
    return is_meant(c, inst) && is_here(c, inst);
}

bool sw_choice_is_elsewhere(const struct sw_choice *c, const struct sw_instance *inst)
{
    return is_meant(c, inst) && !is_here(c, inst);
}

int sw_choice_say_none(const struct sw_choice *c, int elsewhere)
{
    char where[96] = "";

    if (elsewhere)
        snprintf(where, sizeof(where), " in this network namespace (%d elsewhere: --all-namespaces)", elsewhere);
    if (c->pid && c->iface)
        sw_err("no synward with pid %d is running on '%s'", c->pid, c->iface);
    else if (c->pid)
        sw_err("no synward with pid %d is running", c->pid);
    else if (c->iface)
        sw_err("no synward is running on '%s'%s", c->iface, where);
    else
        sw_err("no synward is running%s", where);
    return SW_EXIT_NOT_RUNNING;
}

int sw_choice_say_several(const char *command, const struct sw_instance *inst, size_t len)
{
    char text[800] = "", one[SW_INSTANCE_TEXT];
    size_t used = 0, shown = 0;

    while (shown < len) {
        const char *next = sw_instance_text(NULL, &inst[shown], one);

        if (used + strlen(next) + 32 > sizeof(text))
            break;
        used += snprintf(text + used, sizeof(text) - used, "%s%s", shown++ ? ", " : "", next);
    }
    if (shown < len)
        snprintf(text + used, sizeof(text) - used, ", and %zu more", len - shown);
    sw_err("%s: %zu synwards are there: choose one with --interface or --pid: %s", command, len, text);
    return SW_EXIT_USAGE;
}

const char *sw_instance_text(const struct sw_choice *c, const struct sw_instance *inst, char buf[SW_INSTANCE_TEXT])
{
    char *p = buf, *end = buf + SW_INSTANCE_TEXT;

    p += snprintf(p, end - p, "pid %d (", inst->pid);
    for (size_t i = 0; i < inst->len && i <= NAMES_SHOWN; i++)
        p += snprintf(p, end - p, "%s%s", i ? ", " : "", i < NAMES_SHOWN ? inst->ifaces[i].name : "...");
    if (!c || (inst->netns != c->netns && c->netns))
        p += snprintf(p, end - p, "; netns %llu", inst->netns);
    if (*inst->pin)
        p += snprintf(p, end - p, "; pins %s", inst->pin);
    snprintf(p, end - p, ")");
    return buf;
}

void sw_instance_keys(const struct sw_instance *inst, FILE *out)
{
    fprintf(out, "\"pid\":%d,\"netns\":%llu,\"interfaces\":[", inst->pid, inst->netns);
    for (size_t i = 0; i < inst->len; i++) {
        char name[IF_NAMESIZE * 6 + 1];

        *sw_json_escape(name, inst->ifaces[i].name) = 0;
        fprintf(out, "%s\"%s\"", i ? "," : "", name);
    }
    fputc(']', out);
}

static const struct sw_option options[] = {
    {"interface", 'i', .type = SW_OPT_FILE, SW_FIELD(struct sw_choice, iface), .arg = "IF",
     .complete = SW_COMPLETE_INTERFACES, .help = "of the synward that follows this interface"},
    {"pid", 'p', .type = SW_OPT_NUMBER, SW_FIELD(struct sw_choice, pid), .range = {1, 1u << 30}, .arg = "PID",
     .help = "of the synward with this process id, in whatever network namespace"},
    {"all-namespaces", 'A', .type = SW_OPT_SET, SW_FIELD(struct sw_choice, all_namespaces),
     .help = "also of those in other network namespaces"},
    {0},
};

const struct sw_option_group sw_choice_group = {
    .title = "Which instance:",
    .about =
        "Without these it is every one of this network namespace that is shown (`reopen`: every one there is), and "
        "the only one that is changed or read: where there are several, that ends with 2 and a line that lists "
        "them.",
    .rows = options,
};
