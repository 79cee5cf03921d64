/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

int sw_random(void *to, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = getrandom((char *)to + done, len - done, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? -errno : -EIO;
        done += got;
    }
    return 0;
}
