/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward list: the allow and block lists of a running instance. */
#include "base/capabilities.h"
#include "base/exit.h"
#include "base/log.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "cmd/find_instance.h"
#include "config/cli.h"
#include "guard/files.h"
#include "loader/map_reader.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum action { LIST_ADD, LIST_DEL, LIST_SHOW };

struct list {
    bool json;
    struct sw_choice choice;
    enum action action;
    enum sw_list which;
    struct sw_cidrs cidrs;
    struct sw_instance inst; /* the one that is read or changed now */
};

static void print_entry(const struct list *l, const struct sw_list_entry *entry)
{
    static const struct {
        __u32 bit;
        const char *name;
    } sources[] = {{SW_LIST_OPTION, "option"}, {SW_LIST_FILE, "file"}, {SW_LIST_COMMAND, "command"}};
    const char *quote = l->json ? "\"" : "", *comma = "";
    char cidr[SW_CIDR_LEN];

    sw_cidr_format(&entry->cidr, cidr, sizeof(cidr));
    if (l->json) {
        putchar('{');
        sw_instance_keys(&l->inst, stdout);
        printf(",\"list\":\"%s\",\"cidr\":\"%s\",\"from\":[", sw_list_names[l->which], cidr);
    } else
        printf("%-18s ", cidr);
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        if (!(entry->from & sources[i].bit))
            continue;
        printf("%s%s%s%s", comma, quote, sources[i].name, quote);
        comma = ",";
    }
    printf(l->json ? "]}\n" : "\n");
}

static int show(const struct list *l, int fd)
{
    struct sw_list_entry *entries;
    char who[SW_INSTANCE_TEXT];
    size_t len;
    int err = sw_list_dump(fd, &entries, &len);

    if (!err && !l->json)
        printf("synward %s: %zu on the %s list\n", sw_instance_text(&l->choice, &l->inst, who), len,
               sw_list_names[l->which]);
    for (size_t i = 0; i < len; i++)
        print_entry(l, &entries[i]);
    free(entries);
    return err;
}

static int change(const struct list *l, int fd, struct sw_guard *guard, struct sw_cidrs *ret_missing)
{
    __u32 *len = l->which == SW_LIST_ALLOW ? &guard->allow_len : &guard->block_len;

    if (l->action == LIST_DEL)
        return sw_list_del(fd, &l->cidrs, ret_missing, len);
    return sw_list_add(fd, SW_LIST_COMMAND, &l->cidrs, len);
}

static int act(const struct list *l, struct sw_cidrs *ret_missing)
{
    int guard_fd = sw_map_by_id(l->inst.map_guard, sizeof(struct sw_guard)), fd = -1, err;
    size_t page = sysconf(_SC_PAGESIZE);
    void *guard = MAP_FAILED;

    if (guard_fd >= 0)
        fd = bpf_map_get_fd_by_id(l->which == SW_LIST_ALLOW ? l->inst.map_allow : l->inst.map_block);
    if (fd >= 0)
        guard = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, guard_fd, 0);
    if (guard == MAP_FAILED)
        err = guard_fd < 0 ? guard_fd : -errno;
    else
        err = l->action == LIST_SHOW ? show(l, fd) : change(l, fd, guard, ret_missing);
    if (guard != MAP_FAILED)
        munmap(guard, page);
    if (fd >= 0)
        close(fd);
    if (guard_fd >= 0)
        close(guard_fd);
    return err;
}

static int say_failure(const struct list *l, int err)
{
    switch (err) {
    case -ENOENT: /* a map's id: gone since we looked */
        sw_err("the synward with pid %d has just stopped", l->inst.pid);
        return SW_EXIT_NOT_RUNNING;
    case -E2BIG:
    case -ENOMEM:
        sw_err("list: %s: nothing was changed", err == -E2BIG ? "it is full" : strerror(-err));
        return SW_EXIT_MEMORY;
    case -EBUSY: sw_err("list: another synward is changing it and does not finish"); return SW_EXIT_INTERNAL;
    default: sw_err("list: %s", strerror(-err)); return SW_EXIT_INTERNAL;
    }
}

static void say_change(const struct list *l)
{
    char who[SW_INSTANCE_TEXT];

    sw_info("%s: %zu %s the %s list", sw_instance_text(&l->choice, &l->inst, who), l->cidrs.len,
            l->action == LIST_ADD ? "added to" : "removed from", sw_list_names[l->which]);
}

static int act_on(struct list *l, const struct sw_instance *inst)
{
    struct sw_cidrs missing = {0};
    char cidr[SW_CIDR_LEN];
    int code = SW_EXIT_OK, err;

    l->inst = *inst;
    err = act(l, &missing);
    if (err)
        code = say_failure(l, err);
    for (size_t i = 0; i < missing.len && !err; i++) {
        sw_cidr_format(&missing.cidr[i], cidr, sizeof(cidr));
        sw_err("%s is not on the %s list", cidr, sw_list_names[l->which]);
        code = SW_EXIT_INTERNAL;
    }
    if (!code && l->action != LIST_SHOW)
        say_change(l);
    sw_cidrs_free(&missing);
    return code;
}

/* All that fit are shown, and one is changed. */
static int run(struct list *l)
{
    struct sw_instances found;
    int code = l->action == LIST_SHOW ? sw_find_instances("list", &l->choice, SW_NEED_GUARD, &found)
                                      : sw_find_instance("list", &l->choice, SW_NEED_GUARD, &found);

    size_t gone = 0;

    for (size_t i = 0; i < found.len && !code; i++) {
        code = act_on(l, &found.inst[i]);
        if (code == SW_EXIT_NOT_RUNNING && ++gone < found.len)
            code = SW_EXIT_OK; /* others are there */
    }
    free(found.inst);
    return code ? code : sw_stdout_end();
}

static int cmd_list(int argc, char **argv)
{
    struct list l = {0};
    int code;

    sw_parse(&sw_list_command, argc, argv, &l);
    if (!sw_can_inspect()) {
        sw_err("list needs root, or CAP_SYS_ADMIN");
        return SW_EXIT_PRIVILEGE;
    }
    sw_cidrs_sort(&l.cidrs);
    code = run(&l);
    sw_cidrs_free(&l.cidrs);
    return code;
}

static const struct sw_option options[] = {
    {"json", 'j', .type = SW_OPT_SET, SW_FIELD(struct list, json), .help = "show: a JSON object a line"},
    {0},
};
static const struct sw_option_group group = {.rows = options};

static const struct sw_word actions[] = {{"add", LIST_ADD}, {"del", LIST_DEL}, {"show", LIST_SHOW}, {0}};
static const struct sw_word lists[] = {{"allow", SW_LIST_ALLOW}, {"block", SW_LIST_BLOCK}, {0}};
static const struct sw_operand operands[] = {
    {"ACTION", .words = actions}, {"LIST", .words = lists}, {"CIDR", .repeated = true}, {0}};

static int parse_cidr(struct sw_cli *cli, struct list *l, const char *arg)
{
    struct sw_cidr cidr;
    char why[160];
    int err;

    if (l->action == LIST_SHOW)
        sw_usage_die(cli, "show takes no CIDR");
    err = sw_cidr_parse(arg, &cidr);
    if (err) {
        sw_cidr_explain(arg, err, why, sizeof(why));
        sw_usage_die(cli, "%s", why);
    }
    return -sw_cidrs_add(&l->cidrs, &cidr);
}

static int operand(struct sw_cli *cli, void *opts, unsigned int n, const char *arg)
{
    int word = n < 2 ? sw_word_find(operands[n].words, arg) : 0;
    struct list *l = opts;

    if (n > 1)
        return parse_cidr(cli, l, arg);
    if (word < 0)
        sw_usage_die(cli, n ? "'%s' is neither allow nor block" : "'%s' is none of add, del, show", arg);
    if (n)
        l->which = word;
    else
        l->action = word;
    return 0;
}

static void check(struct sw_cli *cli, void *opts, unsigned int operands_len)
{
    const struct list *l = opts;

    if (operands_len < 2)
        sw_usage_die(cli, "add, del or show, then allow or block");
    if (l->action != LIST_SHOW && !l->cidrs.len)
        sw_usage_die(cli, "no CIDR");
    if (l->action != LIST_SHOW && l->json)
        sw_usage_die(cli, "--json goes with show");
}

const struct sw_command sw_list_command = {
    .name = "list",
    .summary = "the guard's allow and block lists while it runs",
    .args_doc = "add|del allow|block CIDR...\nshow allow|block",
    .doc = "Changes or shows the lists of a running synward, at once. An entry that del removes comes back at "
           "SIGHUP if a file names it; one that add made is kept until synward stops.",
    .main = cmd_list,
    .size = sizeof(struct list),
    .groups = {{&group, 0}, {&sw_choice_group, offsetof(struct list, choice)}},
    .operands = operands,
    .operand = operand,
    .check = check,
};
