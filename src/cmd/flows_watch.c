/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* synward flows --watch: drawn anew on a terminal, else block by block. */
#include "base/exit.h"
#include "base/log.h"
#include "cmd/find_instance.h"
#include "cmd/flows.h"
#include "cmd/patient.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FIRST_NS SW_SECOND /* between the two looks that the first rates need, at most */
#define HOME "\033[H"
#define TO_END "\033[J"
#define NO_WRAP "\033[?7l" /* a terminal of fewer columns shows the beginning of each line */
#define WRAP "\033[?7h"

static int screen_rows(void)
{
    struct winsize w;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_row ? 24 : w.ws_row;
}

static int draw(struct sw_flows *f, int signal_fd, bool screen, bool *ret_done)
{
    char *text = NULL;
    size_t len = 0;
    int code = SW_EXIT_MEMORY;

    f->out = open_memstream(&text, &len);
    if (!f->out)
        return code;
    if (screen) {
        f->lines.heading.shown = false;
        f->rows_max = screen_rows() > 3 ? screen_rows() - 2 : 1; /* the date above, the cursor below */
        fputs(NO_WRAP HOME TO_END, f->out);
    }
    sw_flows_print(f);
    if (screen)
        fputs(WRAP, f->out);
    if (!fclose(f->out))
        code = sw_patient_write(signal_fd, text, len, ret_done);
    free(text);
    return code;
}

int sw_flows_watch(struct sw_flows *f)
{
    bool screen = !f->json && isatty(STDOUT_FILENO), done = false, shown = false;
    int signal_fd = sw_patient_signals(), code = SW_EXIT_OK;

    if (signal_fd < 0)
        return SW_EXIT_INTERNAL;
    while (!done && !code) {
        int err = sw_flows_look(f);
        bool first = f->sort == SW_SORT_RATE && !f->before.ns;

        if (err)
            code = sw_walk_failed("flows", err);
        else if (!f->len && !shown)
            code = sw_flows_say_none(f);
        else if (!f->len)
            break;
        else if (!first)
            code = draw(f, signal_fd, screen, &done);
        shown |= f->len;
        sw_flows_forget(f);
        if (!code && !done)
            done = !sw_patient_wait(signal_fd, first && f->watch_ns > FIRST_NS ? FIRST_NS : f->watch_ns);
    }
    if (screen && write(STDOUT_FILENO, WRAP, sizeof(WRAP) - 1) < 0) /* a signal may have come between two pieces */
        code = code ? code : SW_EXIT_OUTPUT;
    if (!code && !done)
        sw_info("no synward that it shows is running any more");
    close(signal_fd);
    return code;
}
