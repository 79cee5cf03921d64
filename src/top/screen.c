/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "top/screen.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#define ESC_MS 50    /* what comes so soon after Esc is one key with it */
#define STUCK_MS 500 /* between two times that a terminal which takes no output is looked after */

enum { RED = 1, YELLOW };

static SCREEN *screen;
static bool colored;

/* Asked before ncurses begins: it writes to the terminal, and there is no way back on one that has none. */
static int check_terminal(void)
{
    char name[] = "cup";
    const char *how;
    int err;

    if (setupterm(NULL, STDOUT_FILENO, &err) == ERR)
        return -ENOTTY;
    how = tigetstr(name);
    err = how ? 0 : -ENOTSUP;
    del_curterm(cur_term);
    return err;
}

/*
 * The terminal takes no output, and a blocked signal asks for the end: what nobody read is thrown away, and output goes
 * on that Ctrl-S stopped, which TCOON alone does not do. All these calls are safe in a handler.
 */
static void unblock(int sig)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    int saved = errno;
    sigset_t set;
    bool end = false;

    (void)sig;
    if (!sigpending(&set))
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
            end |= sigismember(&set, ends[i]) == 1;
    if (end) {
        tcflush(STDOUT_FILENO, TCOFLUSH);
        tcflow(STDOUT_FILENO, TCOOFF);
        tcflow(STDOUT_FILENO, TCOON);
    }
    errno = saved;
}

/* Around what writes: ncurses goes on with it after a signal, whatever that says. */
static void watch(bool on)
{
    struct itimerval every = {0};

    if (on)
        every.it_value.tv_usec = every.it_interval.tv_usec = STUCK_MS * 1000;
    setitimer(ITIMER_REAL, &every, NULL);
}

static void catch_alarm(void)
{
    struct sigaction action = {.sa_handler = unblock, .sa_flags = SA_RESTART};
    sigset_t set;

    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM); /* it may be inherited as blocked */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int sw_top_screen_open(bool color)
{
    int err = check_terminal();

    if (err)
        return err;
    setlocale(LC_CTYPE, ""); /* how lines are drawn */
    set_escdelay(ESC_MS);
    catch_alarm();
    watch(true);
    screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        watch(false);
        return -ENOTTY;
    }
    colored = color && has_colors();
    if (colored) {
        start_color();
        use_default_colors();
        init_pair(RED, COLOR_RED, -1);
        init_pair(YELLOW, COLOR_YELLOW, -1);
    }
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    watch(false);
    return 0;
}

void sw_top_screen_close(void)
{
    if (!screen)
        return;
    move(LINES - 1, 0); /* a terminal without a second screen keeps this one: what is said next gets its last line */
    clrtoeol();
    watch(true);
    refresh();
    endwin();
    watch(false);
    delscreen(screen);
    screen = NULL;
}

void sw_top_screen_size(int *ret_width, int *ret_height)
{
    getmaxyx(stdscr, *ret_height, *ret_width);
}

static attr_t color(short pair)
{
    return colored ? (attr_t)COLOR_PAIR(pair) : A_NORMAL;
}

static attr_t attributes(enum sw_top_look look)
{
    switch (look) {
    case SW_LOOK_BOLD: return A_BOLD;
    case SW_LOOK_DIM: return A_DIM;
    case SW_LOOK_HEAD: return A_BOLD | A_UNDERLINE;
    case SW_LOOK_CHOSEN: return A_REVERSE;
    case SW_LOOK_RULE: return A_BOLD;
    case SW_LOOK_WARN: return color(YELLOW);
    case SW_LOOK_ALARM: return A_BOLD | color(RED);
    default: return A_NORMAL;
    }
}

static void draw_line(int y, const struct sw_top_line *line, int width)
{
    int len = (int)strlen(line->text);

    attrset(attributes(line->look));
    mvaddnstr(y, 0, line->text, width);
    if (line->look == SW_LOOK_CHOSEN && len < width) /* all of the row */
        hline(' ' | A_REVERSE, width - len);
    attrset(A_NORMAL);
    if (line->look == SW_LOOK_RULE && len + 1 < width)
        mvhline(y, len + 1, 0, width - len - 1);
}

void sw_top_screen_draw(const struct sw_top_page *p)
{
    erase();
    for (int y = 0; y < p->len; y++)
        draw_line(y, &p->line[y], p->width);
    watch(true);
    curs_set(p->cursor >= 0);
    move(p->len ? p->len - 1 : 0, p->cursor >= 0 ? p->cursor : 0);
    refresh();
    watch(false);
}

int sw_top_screen_key(void)
{
    int key = getch();

    switch (key) {
    case ERR: return -1;
    case KEY_UP: return SW_TOP_UP;
    case KEY_DOWN: return SW_TOP_DOWN;
    case KEY_PPAGE: return SW_TOP_PAGE_UP;
    case KEY_NPAGE: return SW_TOP_PAGE_DOWN;
    case KEY_HOME: return SW_TOP_HOME;
    case KEY_END: return SW_TOP_END;
    case KEY_ENTER:
    case '\r':
    case '\n': return SW_TOP_ENTER;
    case KEY_BACKSPACE:
    case 0x7f:
    case '\b': return SW_TOP_BACKSPACE;
    default: return key < 0x7f ? key : 0;
    }
}
