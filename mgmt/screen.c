/* SPDX-License-Identifier: BSD-3-Clause */
/* A full-screen live view on a terminal, in plain ANSI. */
#include "mgmt/screen.h"

#include "mgmt/text_table.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SCREEN_ENTER "\033[?1049h\033[?25l"
#define SCREEN_LEAVE "\033[?25h\033[?1049l"
#define SCREEN_HOME "\033[H"
#define SCREEN_CLEAR_LINE "\033[K"
#define SCREEN_CLEAR_BELOW "\033[J"

static struct {
	struct termios before;
	sigset_t mask_before;
	struct sigaction action_before[4];
	bool keys; /* input is a terminal too */
} screen;

static const int screen_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH };
enum { SCREEN_SIGNALS = sizeof(screen_signals) / sizeof(screen_signals[0]) };

static volatile sig_atomic_t screen_ended;
static volatile sig_atomic_t screen_resized;

static void
screen_signal(int signal)
{
	if (signal == SIGWINCH) {
		screen_resized = 1;
	} else {
		screen_ended = 1;
	}
}

/* All of it: the terminal may take less at a time. */
static void
screen_write(const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = write(STDOUT_FILENO, bytes, size);

		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written <= 0) {
			screen_ended = 1; /* the terminal is gone */
			return;
		}
		bytes += written;
		size -= (size_t)written;
	}
}

/* Signals are let in only while waiting: none is lost between a look at the flags and the wait. */
static void
screen_catch_signals(void)
{
	struct sigaction action = { .sa_handler = screen_signal };
	sigset_t mask;

	sigemptyset(&action.sa_mask);
	sigemptyset(&mask);
	for (int i = 0; i < SCREEN_SIGNALS; i++) {
		sigaddset(&mask, screen_signals[i]);
	}
	sigprocmask(SIG_BLOCK, &mask, &screen.mask_before);
	for (int i = 0; i < SCREEN_SIGNALS; i++) {
		sigaction(screen_signals[i], &action, &screen.action_before[i]);
		sigdelset(&screen.mask_before, screen_signals[i]);
	}
}

int
screen_open(void)
{
	struct termios raw;

	if (isatty(STDOUT_FILENO) != 1) {
		return -ENOTTY;
	}
	screen_ended = screen_resized = 0;
	screen_catch_signals();
	screen.keys = tcgetattr(STDIN_FILENO, &screen.before) == 0;
	if (screen.keys) {
		raw = screen.before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* would leave the terminal as it is now */
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	screen_write(SCREEN_ENTER, strlen(SCREEN_ENTER));
	return 0;
}

void
screen_close(void)
{
	screen_write(SCREEN_LEAVE, strlen(SCREEN_LEAVE));
	if (screen.keys) {
		tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
	}
	for (int i = 0; i < SCREEN_SIGNALS; i++) {
		sigaction(screen_signals[i], &screen.action_before[i], NULL);
	}
	sigprocmask(SIG_SETMASK, &screen.mask_before, NULL);
}

/* An escape sequence at `text`: its length; 0: none. */
static size_t
screen_sequence(const char *text)
{
	size_t length = 2;

	if (text[0] != '\033' || text[1] != '[') {
		return 0;
	}
	while (text[length] >= ' ' && text[length] < '@') {
		length++;
	}
	return text[length] == '\0' ? length : length + 1;
}

/* Writes one line without its end; returns where it ends. */
static const char *
screen_cut_line(FILE *out, const char *text, size_t columns)
{
	size_t used = 0;

	while (*text != '\0' && *text != '\n') {
		size_t length = screen_sequence(text);
		int width = 0;

		if (length == 0) {
			length = text_character(text, &width);
			width = width < 0 ? 1 : width;
		}
		if (width == 0 || used + (size_t)width <= columns) {
			fwrite(text, 1, length, out);
			used += (size_t)width;
		} else {
			used = columns; /* what is narrower must not slip in behind the cut */
		}
		text += length;
	}
	return text;
}

/* Lines are cleared before they are written: behind the last column that would take its character.
 */
void
screen_cut(FILE *out, const char *text, size_t columns, size_t rows)
{
	size_t row = 0;

	while (row < rows && *text != '\0') {
		fputs(row == 0 ? SCREEN_CLEAR_LINE : "\r\n" SCREEN_CLEAR_LINE, out);
		text = screen_cut_line(out, text, columns);
		text += *text == '\n';
		row++;
	}
	if (row < rows) {
		fputs("\r\n" SCREEN_CLEAR_BELOW, out);
	}
}

void
screen_draw(const char *text)
{
	struct winsize window = { .ws_row = 24, .ws_col = 80 };
	char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);

	if (out == NULL) {
		return;
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_row == 0 ||
	    window.ws_col == 0) {
		window.ws_row = 24;
		window.ws_col = 80;
	}
	fputs(SCREEN_HOME, out);
	screen_cut(out, text, window.ws_col, window.ws_row);
	if (fclose(out) == 0) {
		screen_write(bytes, size);
	}
	free(bytes);
}

static bool
screen_quit_typed(void)
{
	char keys[64];
	ssize_t count = read(STDIN_FILENO, keys, sizeof(keys));

	for (ssize_t i = 0; i < count; i++) {
		if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == 4) {
			return true;
		}
	}
	if (count == 0) {
		screen.keys = false; /* the end of input: there will be no keys */
	}
	return false;
}

enum screen_event
screen_wait(int timeout_ms)
{
	struct timespec timeout = { .tv_sec = timeout_ms / 1000,
		                    .tv_nsec = timeout_ms % 1000 * 1000000L };
	struct pollfd input = { .fd = screen.keys ? STDIN_FILENO : -1, .events = POLLIN };
	int ready = ppoll(&input, 1, &timeout, &screen.mask_before);

	if (screen_ended || (ready > 0 && screen_quit_typed())) {
		return SCREEN_QUIT;
	}
	if (screen_resized || ready > 0) {
		screen_resized = 0;
		return SCREEN_REDRAW;
	}
	return SCREEN_TIMEOUT;
}
