// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_COLUMNS 80

void terminal_resize(struct style *style)
{
	struct winsize size;

	style->columns = DEFAULT_COLUMNS;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		style->columns = size.ws_col;
}

/* https://no-color.org: set and not empty, whatever it says. */
static bool color_unwanted(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return (no_color && *no_color) || !term || strcmp(term, "dumb") == 0;
}

void terminal_detect(struct style *style, enum color_mode mode)
{
	style->terminal = isatty(STDOUT_FILENO);
	style->color = mode == COLOR_ALWAYS ||
		       (mode == COLOR_AUTO && style->terminal && !color_unwanted());
	/* In a pipe the arrows are ASCII whatever the locale: what scripts match stays the same. */
	style->utf8 = setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	terminal_resize(style);
}
