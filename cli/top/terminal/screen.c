// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/top/terminal/screen.h"
#include "cli/top/draw/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <curses.h>

#include "common/log.h"

/* A terminal sends the bytes of one key within less. */
#define ESCAPE_DELAY_MS 25

static struct {
	SCREEN *screen;
	FILE *in; /* of /dev/tty, where standard input is the feed */
	attr_t looks[TOP_PAINTS], selected[TOP_PAINTS];
} terminal;

/* ---- colours ---- */

/* From few to many: 256 colours have a scale of blues, 8 only what is near. */
static const short heat_256[TOP_HEATS] = { 24, 25, 31, 37, 43, 79, 121, 157 };
static const struct {
	short color;
	attr_t attribute;
} heat_8[TOP_HEATS] = {
	{ COLOR_BLUE, 0 }, { COLOR_BLUE, 0 }, { COLOR_BLUE, A_BOLD }, { COLOR_CYAN, 0 },
	{ COLOR_CYAN, 0 }, { COLOR_CYAN, A_BOLD }, { COLOR_WHITE, 0 }, { COLOR_WHITE, A_BOLD },
};

static void set_plain_looks(void)
{
	memset(terminal.looks, 0, sizeof(terminal.looks));
	terminal.looks[TOP_DIM] = A_DIM;
	terminal.looks[TOP_BOLD] = terminal.looks[TOP_ACCENT] = A_BOLD;
	terminal.looks[TOP_ACTIVE] = terminal.looks[TOP_SELECTED] = A_REVERSE;
	terminal.looks[TOP_WARN] = terminal.looks[TOP_BAD] = A_BOLD;
	terminal.looks[TOP_LOUD] = A_BOLD | A_REVERSE;
	for (int i = 0; i < TOP_PAINTS; i++)
		terminal.selected[i] = A_REVERSE | (terminal.looks[i] & A_BOLD);
}

enum { GREY = 238, NONE = -1 };

/* The foreground of each where there are 256, and where there are 8; NONE: the terminal's own. */
static const struct {
	short many, few;
	short background; /* of both */
	attr_t attribute; /* where there are 8; where there are 256 A_BOLD only */
} inks[TOP_PAINTS] = {
	[TOP_PLAIN] = { NONE, NONE, NONE, 0 },
	[TOP_DIM] = { 245, NONE, NONE, A_DIM },
	[TOP_BOLD] = { NONE, NONE, NONE, A_BOLD },
	[TOP_ACCENT] = { COLOR_CYAN, COLOR_CYAN, NONE, 0 },
	[TOP_ACTIVE] = { COLOR_BLACK, COLOR_BLACK, COLOR_CYAN, 0 },
	[TOP_SELECTED] = { COLOR_BLACK, COLOR_BLACK, COLOR_WHITE, 0 },
	[TOP_GOOD] = { COLOR_GREEN, COLOR_GREEN, NONE, 0 },
	[TOP_WARN] = { COLOR_YELLOW, COLOR_YELLOW, NONE, 0 },
	[TOP_BAD] = { 203, COLOR_RED, NONE, 0 },
	[TOP_LOUD] = { COLOR_WHITE, COLOR_WHITE, COLOR_RED, A_BOLD },
};

static void set_colors(void)
{
	bool many, own;
	short number = 1;

	start_color();
	own = use_default_colors() == OK;
	many = COLORS >= 256;
	for (int i = 0; i < TOP_PAINTS; i++) {
		int heat = i - TOP_HEAT;
		short ink = many ? inks[i].many : inks[i].few, paper = inks[i].background;
		attr_t attribute = many ? inks[i].attribute & A_BOLD : inks[i].attribute;

		if (heat >= 0) {
			ink = many ? heat_256[heat] : heat_8[heat].color;
			paper = NONE;
			attribute = many ? 0 : heat_8[heat].attribute;
		}
		if (!own) {
			ink = ink == NONE ? COLOR_WHITE : ink;
			paper = paper == NONE ? COLOR_BLACK : paper;
		}
		init_pair(number, ink, paper);
		terminal.looks[i] = COLOR_PAIR(number++) | attribute;
		/* With 8 there is no grey to stand on. */
		if (many) {
			init_pair(number, ink == NONE ? 255 : ink, GREY);
			terminal.selected[i] = COLOR_PAIR(number++) | attribute;
		} else {
			terminal.selected[i] = terminal.looks[i] | A_REVERSE;
		}
	}
}

/* ---- open and close ---- */

/* Ctrl-S is no way to hold this screen: it would hold the feed. */
static void free_flow(void)
{
	struct termios modes;

	if (tcgetattr(STDOUT_FILENO, &modes) < 0)
		return;
	modes.c_iflag &= ~(tcflag_t)IXON;
	if (tcsetattr(STDOUT_FILENO, TCSANOW, &modes) == 0)
		def_prog_mode();
}

int top_screen_open(enum color_mode color, struct top_canvas *c)
{
	struct style style;

	/* Where the feed comes through standard input, keys come from the terminal itself. */
	if (!isatty(STDIN_FILENO)) {
		terminal.in = fopen("/dev/tty", "re");
		if (!terminal.in) {
			log_error("cannot open /dev/tty to read keys from: %s", strerror(errno));
			return -1;
		}
	}
	terminal_detect(&style, color);
	terminal.screen = newterm(NULL, stdout, terminal.in ? terminal.in : stdin);
	if (!terminal.screen) {
		log_error("cannot draw on the terminal TERM=%s", getenv("TERM"));
		return -1;
	}
	set_escdelay(ESCAPE_DELAY_MS);
	cbreak();
	noecho();
	nonl();
	free_flow();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	leaveok(stdscr, FALSE);
	curs_set(0);
	set_plain_looks();
	if (style.color && has_colors())
		set_colors();
	c->utf8 = style.utf8;
	return top_canvas_resize(c, (unsigned)LINES, (unsigned)COLS);
}

int top_screen_resize(struct top_canvas *c)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
	return top_canvas_resize(c, (unsigned)LINES, (unsigned)COLS);
}

int top_screen_fd(void)
{
	return terminal.in ? fileno(terminal.in) : STDIN_FILENO;
}

void top_screen_leave(void)
{
	endwin();
}

void top_screen_close(void)
{
	if (!terminal.screen)
		return;
	endwin();
	delscreen(terminal.screen);
	if (terminal.in)
		fclose(terminal.in);
	memset(&terminal, 0, sizeof(terminal));
}

/* ---- drawing ---- */

void top_screen_forget(void)
{
	clearok(curscr, TRUE);
}

/* Of the chosen row, too, a block stays what it is: in reverse video it would be a hole. */
static attr_t look_of(const struct top_glyph *g)
{
	bool block = g->character >= 0x2580 && g->character <= 0x259f;
	bool reversed = terminal.selected[g->paint] & A_REVERSE;

	return g->selected && !(block && reversed) ? terminal.selected[g->paint] : terminal.looks[g->paint];
}

/* A run of characters that look alike. */
static void put_run(const struct top_canvas *c, unsigned row, unsigned start, unsigned end)
{
	const struct top_glyph *line = c->glyphs + (size_t)row * c->columns;
	wchar_t text[end - start + 1];

	for (unsigned i = start; i < end; i++)
		text[i - start] = (wchar_t)line[i].character;
	text[end - start] = L'\0';
	attrset((int)look_of(&line[start]));
	mvaddnwstr((int)row, (int)start, text, (int)(end - start));
}

void top_screen_show(const struct top_canvas *c)
{
	for (unsigned row = 0; row < c->rows; row++) {
		const struct top_glyph *line = c->glyphs + (size_t)row * c->columns;

		for (unsigned start = 0, end; start < c->columns; start = end) {
			for (end = start + 1; end < c->columns && look_of(&line[end]) == look_of(&line[start]);)
				end++;
			put_run(c, row, start, end);
		}
	}
	refresh();
}

/* ---- keys ---- */

uint32_t top_screen_key(void)
{
	static const struct {
		wint_t code;
		uint32_t key;
	} keys[] = {
		{ KEY_UP, TOP_KEY_UP },		{ KEY_DOWN, TOP_KEY_DOWN },
		{ KEY_LEFT, TOP_KEY_LEFT },	{ KEY_RIGHT, TOP_KEY_RIGHT },
		{ KEY_PPAGE, TOP_KEY_PAGE_UP }, { KEY_NPAGE, TOP_KEY_PAGE_DOWN },
		{ KEY_HOME, TOP_KEY_HOME },	{ KEY_END, TOP_KEY_END },
		{ KEY_BTAB, TOP_KEY_BACK_TAB }, { KEY_BACKSPACE, TOP_KEY_BACKSPACE },
		{ KEY_ENTER, TOP_KEY_ENTER },
	};
	wint_t code;

	for (;;) {
		int kind = get_wch(&code);

		if (kind == ERR)
			return 0;
		if (kind != KEY_CODE_YES)
			return code == '\r' ? TOP_KEY_ENTER :
			       code == 127 || code == 8 ? TOP_KEY_BACKSPACE : (uint32_t)code;
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (keys[i].code == code)
				return keys[i].key;
	}
}
