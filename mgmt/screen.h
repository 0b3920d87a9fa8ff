/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCREEN_H
#define SCREEN_H

/*
 * A full-screen live view on a terminal: the alternate screen, redrawn whole in one write, so
 * nothing flickers and what was on the terminal before comes back at the end. One at a time;
 * SIGINT, SIGTERM and SIGHUP end it like the key q.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum screen_event { SCREEN_TIMEOUT, SCREEN_REDRAW, SCREEN_QUIT };

/* 0, or -errno: not a terminal. */
int screen_open(void);
void screen_close(void);
/* Shows a text, cut to what fits. */
void screen_draw(const char *text);
/* Waits for a key, a signal or the time. */
enum screen_event screen_wait(int timeout_ms);

/*
 * Writes the part of a text that fits into `rows` lines of `columns`, from where the cursor is, and
 * clears what was there before. Escape sequences for colour take no room and are passed on whole,
 * also those behind a cut, so that no colour stays on.
 */
void screen_cut(FILE *out, const char *text, size_t columns, size_t rows);

#endif
