/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/notify.h"

#include "base/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int notify_fd = -1;

bool sw_notify_open(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path ? strlen(path) : 0;

    if (!len || (*path != '/' && *path != '@') || len >= sizeof(to.sun_path))
        return false;
    memcpy(to.sun_path, path, len);
    if (*path == '@') /* an abstract one: as long as its name, and no zero at its end */
        to.sun_path[0] = 0;
    unsetenv("NOTIFY_SOCKET");
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify_fd < 0 ||
        !connect(notify_fd, (const struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + len))
        return true;
    sw_warn("NOTIFY_SOCKET: %s", strerror(errno));
    close(notify_fd);
    notify_fd = -1;
    return true;
}

void sw_notify(const char *assignment)
{
    if (notify_fd >= 0 && send(notify_fd, assignment, strlen(assignment), MSG_NOSIGNAL) < 0)
        sw_warn("NOTIFY_SOCKET: %s", strerror(errno));
}
