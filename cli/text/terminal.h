/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What our standard output can show: colour, characters beyond ASCII, how many columns. */
#ifndef TCPSHAKE_TERMINAL_H
#define TCPSHAKE_TERMINAL_H

#include <stdbool.h>

enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct style {
	bool terminal; /* a person looks at it: a header, dim lines, a layout that fits */
	bool color;
	bool utf8;
	bool motion; /* the cursor can be moved */
	unsigned columns; /* of the terminal */
	unsigned rows;
};

/* Ask standard output, the locale, $NO_COLOR and $TERM. */
void terminal_detect(struct style *style, enum color_mode mode);
/* Ask for the size again, after a SIGWINCH. */
void terminal_resize(struct style *style);

#endif
