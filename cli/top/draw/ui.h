/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the keys have chosen: which window, which pane, which order, which row. Pure. */
#ifndef TCPSHAKE_TOP_UI_H
#define TCPSHAKE_TOP_UI_H

#include "common/filter.h"
#include "cli/top/model/cells.h"
#include "cli/top/model/model.h"

enum top_mode { TOP_MAIN, TOP_DETAIL_MODE, TOP_HELP };

/* Rows of a pane in the order they were shown last. */
struct top_order {
	uint32_t rows[TOP_ROWS_MAX];
	size_t count;
	size_t first; /* on top, scrolled */
	size_t visible;
	size_t selected; /* its place */
};

#define TOP_FILTER_MAX 200

struct top_ui {
	enum top_table_id pane;
	enum top_window window;
	enum top_mode mode;
	unsigned sort[TOP_TABLES]; /* number of a column */
	bool reversed[TOP_TABLES];
	bool chosen[TOP_TABLES]; /* a row was; else it is the first one, whichever that is */
	uint32_t selected[TOP_TABLES]; /* number of that row */
	struct top_order order[TOP_TABLES];
	enum top_table_id detail_of;
	uint32_t detail_row;
	size_t detail_skip; /* records scrolled past */
	size_t detail_page; /* shown last */
	bool paused;
	bool typing; /* a filter */
	bool quit, freeze, redraw;
	bool stale; /* another pane: its order is known when it was drawn */
	int seek; /* seconds forwards (or back) in a recording */
	bool filter_changed;
	struct filter filter; /* the last whole one */
	char filter_text[TOP_FILTER_MAX];
	char filter_before[TOP_FILTER_MAX]; /* for Escape */
	char filter_error[160]; /* why the text is none; "": it is one */
};

void top_ui_init(struct top_ui *ui);
void top_ui_free(struct top_ui *ui);

/* Keys above all characters, as curses has them or not. */
enum top_key_code {
	TOP_KEY_UP = 0x110000,
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_BACK_TAB,
	TOP_KEY_BACKSPACE,
};

#define TOP_KEY_ESCAPE 27
#define TOP_KEY_ENTER '\n'

void top_ui_key(struct top_ui *ui, uint32_t key);

/* For the help: keys and what they do, up to one without keys. */
struct top_help {
	const char *keys, *what;
};
extern const struct top_help top_help[];

/*
 * Words as on the command line: "--port 443 --outcome failed", "port=443", "port 443". 0, or -1 and
 * why in `error`; `f` is freed and set anew only if it is 0.
 */
int top_filter_parse(const char *text, struct filter *f, char *error, size_t size);

#endif
