// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/text/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_COLUMNS 80
#define DEFAULT_ROWS 24

void terminal_resize(struct style *style)
{
	struct winsize size;

	style->columns = DEFAULT_COLUMNS;
	style->rows = DEFAULT_ROWS;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	if (size.ws_col)
		style->columns = size.ws_col;
	if (size.ws_row)
		style->rows = size.ws_row;
}

static bool is_dumb(void)
{
	const char *term = getenv("TERM");

	return !term || strcmp(term, "dumb") == 0;
}

/* https://no-color.org: set and not empty, whatever it says. */
static bool color_unwanted(void)
{
	const char *no_color = getenv("NO_COLOR");

	return (no_color && *no_color) || is_dumb();
}

void terminal_detect(struct style *style, enum color_mode mode)
{
	style->terminal = isatty(STDOUT_FILENO);
	style->motion = style->terminal && !is_dumb();
	style->color = mode == COLOR_ALWAYS ||
		       (mode == COLOR_AUTO && style->terminal && !color_unwanted());
	/* In a pipe the arrows are ASCII whatever the locale: what scripts match stays the same. */
	style->utf8 = setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	terminal_resize(style);
}
