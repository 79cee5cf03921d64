/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "output/frame.h"

#include <sys/stat.h>
#include <time.h>

void sw_frame_lost(struct sw_frame *f)
{
    f->open = false;
    f->len = 0;
}

static bool was_emptied(const struct sw_sink *sink)
{
    struct stat st;

    return sink->kind == SW_SINK_FILE && !fstat(sink->fd, &st) && !st.st_size;
}

size_t sw_frame_room(struct sw_frame *f, const struct sw_sink *sink, size_t most)
{
    char text[SW_FORMAT_ROOM];
    size_t need;

    if (!f->format->head)
        return 0;
    if (was_emptied(sink))
        sw_frame_lost(f);
    need = f->format->end(text, 0, true) - text;
    if (!f->open)
        need += f->len ? f->len - f->done : (size_t)(f->format->head(text, 0, true) - text);
    return need < most ? need : most;
}

static int write_text(struct sw_frame *f, struct sw_sink *sink, char *(*make)(char *p, __s64 now, bool utc))
{
    if (!f->len) {
        f->len = make(f->text, time(NULL), f->utc) - f->text;
        f->done = 0;
    }
    while (f->done < f->len) {
        ssize_t n = sw_sink_write(sink, f->text + f->done, f->len - f->done);

        if (n < 0)
            return n;
        f->done += n;
    }
    f->len = 0;
    return 0;
}

int sw_frame_begin(struct sw_frame *f, struct sw_sink *sink)
{
    int err;

    if (!f->format->head || f->open)
        return 0;
    err = write_text(f, sink, f->format->head);
    f->open = !err;
    return err;
}

int sw_frame_end(struct sw_frame *f, struct sw_sink *sink)
{
    int err;

    if (!f->ended || !f->open)
        return 0;
    err = write_text(f, sink, f->format->end);
    f->open = err;
    return err;
}

size_t sw_frame_half(struct sw_frame *f)
{
    size_t half = f->len ? f->done : 0;

    f->len = 0;
    return half;
}

void sw_frame_leave(struct sw_frame *f, struct sw_sink *sink)
{
    if (f->open)
        write_text(f, sink, f->format->end);
    sw_frame_lost(f);
}
