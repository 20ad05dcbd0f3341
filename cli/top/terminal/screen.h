/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The terminal: taken, drawn on, read from, and always given back as it was. */
#ifndef TCPSHAKE_TOP_SCREEN_H
#define TCPSHAKE_TOP_SCREEN_H

#include "cli/text/terminal.h"
#include "cli/top/draw/canvas.h"

/* 0, or -1 after one line on stderr. The canvas gets the terminal's size. */
int top_screen_open(enum color_mode color, struct top_canvas *c);
/* Ask for the size again. */
int top_screen_resize(struct top_canvas *c);
void top_screen_show(const struct top_canvas *c);
/* Forget what the terminal shows: the next top_screen_show() draws everything. */
void top_screen_forget(void);
/* Give it back for a while; top_screen_show() takes it again. */
void top_screen_leave(void);
/* The descriptor that keys come from. */
int top_screen_fd(void);
/* The next key, as top_ui_key() takes it, or 0. */
uint32_t top_screen_key(void);
void top_screen_close(void);

#endif
