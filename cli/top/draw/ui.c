// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Keys: a table of what each does. */
#include "cli/top/draw/ui.h"
#include "cli/top/draw/columns.h"

#include <stdio.h>
#include <string.h>

void top_ui_init(struct top_ui *ui)
{
	memset(ui, 0, sizeof(*ui));
	ui->window = TOP_10S;
	for (int i = 0; i < TOP_TABLES; i++)
		ui->sort[i] = top_panes[i].sort;
}

void top_ui_free(struct top_ui *ui)
{
	filter_free(&ui->filter);
}

/* ---- the filter, as it is typed ---- */

/* The next word up to a space or, of a key, '='; false at the end. */
static bool next_word(const char **text, const char *ends, char *word, size_t size)
{
	size_t len;

	*text += strspn(*text, " ");
	len = strcspn(*text, ends);
	if (!len || len >= size)
		return false;
	memcpy(word, *text, len);
	word[len] = '\0';
	*text += len;
	return true;
}

int top_filter_parse(const char *text, struct filter *f, char *error, size_t size)
{
	struct filter made = { .recorded = f->recorded };
	char key[32], value[TOP_FILTER_MAX];
	int err = 0;

	for (text += strspn(text, " "); !err && *text; text += strspn(text, " ")) {
		const char *name;

		if (!next_word(&text, " =", key, sizeof(key))) {
			snprintf(error, size, "there is no such filter; use port, remote, netns, cgroup, "
				 "role, outcome or slow");
			err = -1;
			break;
		}
		name = key + (strncmp(key, "--", 2) == 0 ? 2 : 0);
		text += strspn(text, " ");
		text += *text == '=';
		if (!next_word(&text, " ", value, sizeof(value))) {
			*value = '\0'; /* what is wrong with that, the key knows */
			text += strspn(text, " ");
		}
		err = filter_set(&made, name, value, error, size);
	}
	if (err) {
		filter_free(&made);
		return err;
	}
	*error = '\0';
	filter_free(f);
	*f = made;
	return 0;
}

static void filter_typed(struct top_ui *ui)
{
	if (top_filter_parse(ui->filter_text, &ui->filter, ui->filter_error,
			     sizeof(ui->filter_error)) == 0)
		ui->filter_changed = true;
}

static void type(struct top_ui *ui, uint32_t key)
{
	size_t len = strlen(ui->filter_text);

	switch (key) {
	case TOP_KEY_ENTER:
		/* What is not whole is nothing to go on with. */
		ui->typing = *ui->filter_error;
		return;
	case TOP_KEY_ESCAPE:
		ui->typing = false;
		memcpy(ui->filter_text, ui->filter_before, sizeof(ui->filter_text));
		break;
	case TOP_KEY_BACKSPACE:
		if (len)
			ui->filter_text[len - 1] = '\0';
		break;
	case 'U' - '@': /* as in a shell */
		*ui->filter_text = '\0';
		break;
	default:
		if (key < ' ' || key > '~' || len + 1 >= sizeof(ui->filter_text))
			return;
		ui->filter_text[len] = (char)key;
		ui->filter_text[len + 1] = '\0';
	}
	filter_typed(ui);
}

/* ---- moving ---- */

static void select_at(struct top_ui *ui, size_t place)
{
	struct top_order *o = &ui->order[ui->pane];

	if (!o->count)
		return;
	o->selected = place < o->count ? place : o->count - 1;
	ui->selected[ui->pane] = o->rows[o->selected];
	ui->chosen[ui->pane] = true;
}

static void move(struct top_ui *ui, long by)
{
	const struct top_order *o = &ui->order[ui->pane];
	size_t *skip = &ui->detail_skip;

	if (ui->mode == TOP_DETAIL_MODE)
		*skip = by < 0 && *skip < (size_t)-by ? 0 : *skip + (size_t)by;
	else
		select_at(ui, by < 0 && o->selected < (size_t)-by ? 0 : o->selected + (size_t)by);
}

static void up(struct top_ui *ui)
{
	move(ui, -1);
}

static void down(struct top_ui *ui)
{
	move(ui, 1);
}

static long page(const struct top_ui *ui)
{
	size_t lines = ui->mode == TOP_DETAIL_MODE ? ui->detail_page : ui->order[ui->pane].visible;

	return lines > 1 ? (long)lines - 1 : 1;
}

static void page_up(struct top_ui *ui)
{
	move(ui, -page(ui));
}

static void page_down(struct top_ui *ui)
{
	move(ui, page(ui));
}

static void home(struct top_ui *ui)
{
	ui->detail_skip = 0;
	/* The first one from now on, whichever it is. */
	if (ui->mode == TOP_MAIN)
		ui->chosen[ui->pane] = false;
}

static void end(struct top_ui *ui)
{
	move(ui, ui->mode == TOP_DETAIL_MODE ? 0 : TOP_ROWS_MAX);
}

static void go_to_pane(struct top_ui *ui, int pane)
{
	ui->pane = (enum top_table_id)((pane + TOP_TABLES) % TOP_TABLES);
	ui->mode = TOP_MAIN;
	ui->stale = true;
}

static void next_pane(struct top_ui *ui)
{
	go_to_pane(ui, (int)ui->pane + 1);
}

static void previous_pane(struct top_ui *ui)
{
	go_to_pane(ui, (int)ui->pane - 1);
}

/* ---- the rest ---- */

static void sort_by(struct top_ui *ui, unsigned step)
{
	unsigned count = top_column_count(ui->pane);

	ui->sort[ui->pane] = (ui->sort[ui->pane] + step) % count;
	ui->reversed[ui->pane] = false;
}

static void sort_next(struct top_ui *ui)
{
	sort_by(ui, 1);
}

static void sort_previous(struct top_ui *ui)
{
	sort_by(ui, top_column_count(ui->pane) - 1);
}

static void sort_reversed(struct top_ui *ui)
{
	ui->reversed[ui->pane] = !ui->reversed[ui->pane];
}

static void next_window(struct top_ui *ui)
{
	ui->window = (ui->window + 1) % TOP_WINDOWS;
}

static void previous_window(struct top_ui *ui)
{
	ui->window = (ui->window + TOP_WINDOWS - 1) % TOP_WINDOWS;
}

static void pause_or_go_on(struct top_ui *ui)
{
	ui->paused = !ui->paused;
}

static void begin_filter(struct top_ui *ui)
{
	memcpy(ui->filter_before, ui->filter_text, sizeof(ui->filter_before));
	ui->typing = true;
	ui->mode = ui->mode == TOP_HELP ? TOP_MAIN : ui->mode;
}

static void look_closer(struct top_ui *ui)
{
	const struct top_order *o = &ui->order[ui->pane];

	if (ui->mode != TOP_MAIN || !o->count || o->rows[o->selected] == TOP_OTHER)
		return;
	ui->detail_of = ui->pane;
	ui->detail_row = o->rows[o->selected];
	ui->detail_skip = 0;
	ui->mode = TOP_DETAIL_MODE;
}

static void step_back(struct top_ui *ui)
{
	if (ui->mode == TOP_MAIN)
		ui->chosen[ui->pane] = false;
	ui->mode = TOP_MAIN;
}

static void help(struct top_ui *ui)
{
	ui->mode = ui->mode == TOP_HELP ? TOP_MAIN : TOP_HELP;
}

static void freeze(struct top_ui *ui)
{
	ui->freeze = true;
}

static void redraw(struct top_ui *ui)
{
	ui->redraw = true;
}

static void quit(struct top_ui *ui)
{
	if (ui->mode == TOP_HELP)
		ui->mode = TOP_MAIN;
	else
		ui->quit = true;
}

static void forward(struct top_ui *ui)
{
	ui->seek += 10;
}

static void backward(struct top_ui *ui)
{
	ui->seek -= 10;
}

static void step(struct top_ui *ui)
{
	ui->seek += 1;
}

static const struct {
	uint32_t keys[4];
	void (*act)(struct top_ui *ui);
} actions[] = {
	{ { 'q', 'Q' }, quit },
	{ { '?', 'h', 'H' }, help },
	{ { '\t' }, next_pane },
	{ { TOP_KEY_BACK_TAB }, previous_pane },
	{ { 'j', TOP_KEY_DOWN }, down },
	{ { 'k', TOP_KEY_UP }, up },
	{ { TOP_KEY_PAGE_DOWN, 'F' - '@' }, page_down },
	{ { TOP_KEY_PAGE_UP, 'B' - '@' }, page_up },
	{ { 'g', TOP_KEY_HOME }, home },
	{ { 'G', TOP_KEY_END }, end },
	{ { TOP_KEY_ENTER }, look_closer },
	{ { TOP_KEY_ESCAPE, TOP_KEY_BACKSPACE }, step_back },
	{ { 's', '>' }, sort_next },
	{ { '<' }, sort_previous },
	{ { 'S', 'r' }, sort_reversed },
	{ { 'w' }, next_window },
	{ { 'W' }, previous_window },
	{ { ' ', 'p' }, pause_or_go_on },
	{ { '/' }, begin_filter },
	{ { 'f' }, freeze },
	{ { 'L' - '@' }, redraw },
	{ { ']', TOP_KEY_RIGHT }, forward },
	{ { '[', TOP_KEY_LEFT }, backward },
	{ { '.' }, step },
};

const struct top_help top_help[] = {
	{ "Tab, 1 2 3 4", "the next pane, or that one" },
	{ "Up Down PgUp PgDn j k", "choose a row; Home: the first, whichever it is" },
	{ "Enter", "its causes and its last records; Esc: back" },
	{ "s or >, <, S", "sort by the next, the previous column; reverse" },
	{ "w, W", "window: 1 s, 10 s, 1 min, 5 min, since start" },
	{ "/", "filter, as options do: port 443 outcome failed" },
	{ "Space or p", "hold the screen; records go on being counted" },
	{ "f", "freeze all of it, with all rows, into a file" },
	{ "[ ] .", "in a recording: 10 s back, 10 s on, 1 s on" },
	{ "Ctrl-L", "draw everything anew" },
	{ "? or h", "this help" },
	{ "q or Ctrl-C", "quit" },
	{ NULL, NULL },
};

void top_ui_key(struct top_ui *ui, uint32_t key)
{
	if (ui->typing) {
		type(ui, key);
		return;
	}
	if (key >= '1' && key < '1' + TOP_TABLES) {
		go_to_pane(ui, (int)(key - '1'));
		return;
	}
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		for (int k = 0; k < 4; k++)
			if (key && actions[i].keys[k] == key) {
				actions[i].act(ui);
				return;
			}
}
