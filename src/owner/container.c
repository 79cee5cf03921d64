/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "owner/container.h"

#include <stdbool.h>
#include <string.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* What stands before the id in the name itself. Helpers of a container, as crio-conmon-ID, are not it. */
static const char *const prefixes[] = {"docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-"};
/* Directories whose children have ids as their names; "pod": the whole begins so, as Kubernetes' pods do. */
static const char *const parents[] = {"docker", "libpod_parent"};

static bool is_id(const char *at, size_t len)
{
    if (len != SW_CONTAINER_LEN)
        return false;
    while (len--)
        if (!((at[len] >= '0' && at[len] <= '9') || (at[len] >= 'a' && at[len] <= 'f')))
            return false;
    return true;
}

static bool begins(const char *at, size_t len, const char *with)
{
    return len >= strlen(with) && !memcmp(at, with, strlen(with));
}

static bool is(const char *at, size_t len, const char *word)
{
    return len == strlen(word) && begins(at, len, word);
}

/* The id in one name, or NULL. */
static const char *id_in(const char *at, size_t len, const char *parent, size_t parent_len)
{
    static const char scope[] = ".scope", cri[] = ":cri-containerd:";

    if (len > strlen(scope) && !memcmp(at + len - strlen(scope), scope, strlen(scope)))
        len -= strlen(scope);
    for (size_t i = 0; i < LEN(prefixes); i++)
        if (begins(at, len, prefixes[i]) && is_id(at + strlen(prefixes[i]), len - strlen(prefixes[i])))
            return at + strlen(prefixes[i]);
    if (len > SW_CONTAINER_LEN + strlen(cri) && is_id(at + len - SW_CONTAINER_LEN, SW_CONTAINER_LEN) &&
        !memcmp(at + len - SW_CONTAINER_LEN - strlen(cri), cri, strlen(cri)))
        return at + len - SW_CONTAINER_LEN; /* runc without systemd, given a name for it */
    if (!is_id(at, len))
        return NULL;
    for (size_t i = 0; i < LEN(parents); i++)
        if (is(parent, parent_len, parents[i]))
            return at;
    return begins(parent, parent_len, "pod") || begins(parent, parent_len, "kubepods") ? at : NULL;
}

const char *sw_container_id(const char *path)
{
    const char *found = NULL, *parent = path, *at = path;
    size_t parent_len = 0;

    while (*at) {
        const size_t len = strcspn(at, "/");
        const char *id = id_in(at, len, parent, parent_len);

        if (id)
            found = id;
        if (len) {
            parent = at;
            parent_len = len;
        }
        at += len + (at[len] == '/');
    }
    return found;
}
