/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cmd/version.h"

#include "base/pcap.h"
#include "base/stdout.h"
#include "cmd/cmd.h"
#include "loader/object.h"
#include "loader/pin_format.h"
#include "output/line.h"

#include <bpf/libbpf.h>
#include <curses.h>
#include <gnu/libc-version.h>
#include <json-c/json.h>
#include <limits.h>
#include <link.h>
#include <seccomp.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char *seccomp_text(void)
{
    static char text[40];
    const struct scmp_version *v = seccomp_version();

    snprintf(text, sizeof(text), "%u.%u.%u", v->major, v->minor, v->micro);
    return text;
}

static const struct library {
    const char *name;             /* pkg-config's */
    const char *soname;           /* up to .so */
    const char *(*version)(void); /* of the one that is loaded; NULL: it does not tell */
} libraries[] = {
    {"libbpf", "libbpf", libbpf_version_string},
    {"libxdp", "libxdp", NULL},
    {"libelf", "libelf", NULL},
    {"zlib", "libz", zlibVersion},
    {"libpcap", "libpcap", sw_pcap_version},
    {"libmnl", "libmnl", NULL},
    {"libmd", "libmd", NULL},
    {"libcap-ng", "libcap-ng", NULL},
    {"libseccomp", "libseccomp", seccomp_text},
    {"json-c", "libjson-c", json_c_version},
    {"ncursesw", "libncursesw", curses_version},
    {"libc", "libc", gnu_get_libc_version},
};

#ifndef SW_LIBRARIES /* the Makefile has it; editors and linters do not */
#define SW_LIBRARIES ""
#endif
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

/* "libbpf=1.1.2,libxdp=1.3.1": what pkg-config said when this was built; glibc's headers speak for themselves. */
static const char built[] = SW_LIBRARIES ",libc=" TEXT(__GLIBC__) "." TEXT(__GLIBC_MINOR__);

static int built_with(const char *name, const char **ret)
{
    size_t len = strlen(name);

    for (const char *p = built; *p; p += strcspn(p, ","), p += *p == ',') {
        if (strncmp(p, name, len) || p[len] != '=')
            continue;
        *ret = p + len + 1;
        return (int)strcspn(*ret, ",");
    }
    *ret = "unknown";
    return (int)strlen(*ret);
}

struct loaded {
    const char *soname;
    char file[PATH_MAX];
};

static int look(struct dl_phdr_info *info, size_t size, void *ctx)
{
    struct loaded *l = ctx;
    const char *slash = strrchr(info->dlpi_name, '/'), *base = slash ? slash + 1 : info->dlpi_name;
    size_t len = strlen(l->soname);

    (void)size;
    if (strncmp(base, l->soname, len) || strncmp(base + len, ".so", 3))
        return 0;
    if (!realpath(info->dlpi_name, l->file))
        snprintf(l->file, sizeof(l->file), "%s", base);
    return 1;
}

/* The number in what a library says of itself: "libpcap version 1.10.3 (with TPACKET_V3)". */
static void put_told(const char *text)
{
    text += strcspn(text, "0123456789");
    printf("runs with %.*s", (int)strcspn(text, " "), text);
}

static void put_library(const struct library *library)
{
    struct loaded l = {.soname = library->soname};
    bool there = dl_iterate_phdr(look, &l);
    const char *version, *slash;
    int len = built_with(library->name, &version);

    slash = strrchr(l.file, '/');
    printf("library %s: built with %.*s, ", library->name, len, version);
    if (library->version)
        put_told(library->version());
    else if (there)
        printf("runs with %s", slash ? slash + 1 : l.file);
    else
        printf("linked in");
    putchar('\n');
}

static void put_object(const char *name, enum sw_object_form form)
{
    char digest[SHA256_DIGEST_STRING_LENGTH];
    size_t size;
    const void *bytes = sw_object_elf(form, &size);

    printf("object %s: %zu bytes, sha256 %s\n", name, size, SHA256Data(bytes, size, digest));
}

/* What run can choose among, by its tables. */
static void put_choices(void)
{
    for (int i = 0; i < SW_GROUPS_MAX && sw_run_command.groups[i].group; i++)
        for (const struct sw_option *o = sw_run_command.groups[i].group->rows; o->name; o++) {
            if (!o->words)
                continue;
            printf("run --%s:", o->name);
            for (const struct sw_word *w = o->words; w->name; w++)
                printf(" %s", w->name);
            putchar('\n');
        }
}

int sw_version_print(void)
{
    static const char *const forms[SW_FORMS] = {
        [SW_FORM_WHOLE] = "whole", [SW_FORM_NO_KFUNC] = "without kfuncs", [SW_FORM_OLD] = "before 5.18"};

    printf("synward %s\n", SW_VERSION);
    printf("records: schema %d, contract %d, pins %d\n", SW_SCHEMA, SW_CONTRACT_VERSION, SW_PIN_VERSION);
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
        put_library(&libraries[i]);
    for (int i = 0; i < SW_FORMS; i++)
        put_object(forms[i], i);
    printf("commands:");
    for (const struct sw_command *const *c = sw_commands; *c; c++)
        printf(" %s", (*c)->name);
    putchar('\n');
    put_choices();
    return sw_stdout_end();
}
