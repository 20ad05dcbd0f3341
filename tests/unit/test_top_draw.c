// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The screen of top without a terminal: what keys choose, what filters mean, what is drawn where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/topping_screen.h"

static void fill(struct top_model *m)
{
	struct record hello = { .type = RECORD_HELLO, .mono_ns = 100 * SECOND,
				.ts = "2026-11-20T10:01:40.000000000Z",
				.hello = { .host = "web1", .kernel = "6.1.0", .evidence = "tracepoints" } };
	struct record r;

	put(m, hello);
	put(m, listening(190 * SECOND, CHANGE_SAMPLE, "a", "0.0.0.0", 443, 17, 16, 17));
	put(m, listening(190 * SECOND, CHANGE_SAMPLE, "b", "::", 8080, 0, 128, 64));
	for (unsigned i = 0; i < 100; i++) {
		put(m, handshake((150 + i / 2) * SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 40000 + i));
		put(m, handshake((150 + i / 2) * SECOND, ROLE_PASSIVE, OUTCOME_ESTABLISHED, 1000000 + i));
	}
	r = handshake(195 * SECOND, ROLE_ACTIVE, OUTCOME_REFUSED, 30000);
	r.handshake.remote = end_of("2001:db8:1111:2222:3333:4444:5555:6666", 9);
	r.handshake.comm = "\x1b[31mevil\xff";
	r.handshake.cause = (struct cause){ "port_closed", "probable", "A RST came." };
	put(m, r);
	put(m, overflow(196 * SECOND, "syn", "dropped", 12));
}

static struct shown *show_filled(unsigned columns, unsigned rows, bool utf8)
{
	struct shown *s = show(columns, rows, utf8);

	setenv("TZ", "UTC", 1);
	fill(s->m);
	return s;
}

static void keys(struct shown *s, const char *text)
{
	for (; *text; text++)
		top_ui_key(&s->ui, (unsigned char)*text);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in\n%s", part, text);
}

/* ---- what is drawn ---- */

static void test_narrow(void **state)
{
	struct shown *s = show_filled(80, 24, true);
	const char *text = draw(s);

	(void)state;
	has(text, "tcpshake  web1  Linux 6.1.0");
	has(text, "window 10 s  10:03:20  live");
	has(text, "active        21   2.1/s");
	has(text, "failed         1   0.1/s");
	has(text, "overflowed    12   1.2/s");
	has(text, "active       40.1us");
	has(text, "0.0.0.0:443");
	has(text, "nginx/9");
	has(text, "\u2588\u2588\u2588\u2588\u2588\u2588\u2588     17/16");
	has(text, "accept_queue_full, proven, 4s ago: The queue was full.");
	has(text, "q quit");
	keys(s, "2");
	text = draw(s);
	has(text, "[2001:db8:1111:2222:3\u2026]:9 ");
	has(text, "port_closed?");
	keys(s, "3");
	text = draw(s);
	has(text, "?[31mevil?/7");
	keys(s, "4");
	has(draw(s), "port_closed");
	hide(s);
}

static void test_wide(void **state)
{
	struct shown *s = show_filled(200, 60, true);
	const char *text = draw(s);

	(void)state;
	for (const char *const *part = (const char *const[]){
		     " 1 Listeners 2 ", " 2 Destinations 2 ", " 3 Processes 3 ", " 4 Causes 2 ",
		     "]:9 ", "retransmitted", "by tracepoints",
		     "A RST came.", "P90", "COOKIE", NULL }; *part; part++)
		has(text, *part);
	hide(s);
}

#define ID(digit) digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit
#define CART ID("0a1b")
#define SHOP ID("cd23")

static void put_in(struct top_model *m, struct record r, const char *path, const char *id, const char *name, const char *pod)
{
	r.cgroup_path = path;
	r.handshake.container = (struct record_container){ id, name, pod, pod ? "shop" : NULL };
	put(m, r);
}

/* Nothing where no record names one; then names, also those that came after the first record, and "+" where there are others. */
static void test_containers(void **state)
{
	struct shown *s = show_filled(200, 60, true);
	struct record active = handshake(198 * SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1000);
	struct record passive = handshake(198 * SECOND, ROLE_PASSIVE, OUTCOME_ESTABLISHED, 1000);
	struct record listener = listening(198 * SECOND, CHANGE_SAMPLE, "a", "0.0.0.0", 443, 17, 16, 17);

	(void)state;
	assert_null(strstr(draw(s), "CONTAINER"));
	put_in(s->m, passive, "/kubepods/pod1/" CART, CART, NULL, NULL);
	has(draw(s), " 0a1b0a1b0a1b\n");
	put_in(s->m, passive, "/kubepods/pod1/" CART, CART, "w\x1b[1m", "cart-0");
	has(draw(s), " shop/cart-0/w?[1m\n");
	assert_null(strstr(draw(s), "0a1b0a1b"));
	listener.cgroup_path = "/kubepods/pod1/" CART;
	listener.listener.container = (struct record_container){ CART, "web", "cart-0", "shop" };
	put(s->m, listener);
	keys(s, "1\n");
	has(draw(s), " Listener 0.0.0.0:443 ");
	has(draw(s), " of nginx/9 in shop/cart-0/web ");
	has(draw(s), "container=shop/cart-0/web");
	keys(s, "\x1b");
	put_in(s->m, passive, "/system.slice/nginx.service", NULL, NULL, NULL);
	has(draw(s), " shop/cart-0/web+\n");
	has(draw(s), "nginx/9 shop/cart-0/web+ ");
	put_in(s->m, active, "/docker/" SHOP, SHOP, "client", NULL);
	has(draw(s), "curl/7 client ");
	keys(s, "2");
	draw(s);
	top_ui_key(&s->ui, TOP_KEY_DOWN);
	keys(s, "\n");
	has(draw(s), " Destination 10.0.0.2:443 ");
	has(draw(s), " from client ");
	hide(s);
}

/* As many as there is room for are kept; those of paths that nothing refers to any more make room. */
static void test_containers_are_bounded(void **state)
{
	struct top_paths paths = { 0 };
	bool marked[TOP_PATHS_MAX] = { 0 };
	char path[96], id[65], text[CONTAINER_TEXT];
	struct record_container one = { .id = id };
	uint16_t number = 0, last = 0;

	(void)state;
	assert_int_equal(top_paths_init(&paths), 0);
	for (unsigned i = 0; i < 2 * TOP_PATHS_MAX; i++) {
		if (top_paths_are_full(&paths)) {
			marked[last] = true;
			top_paths_sweep(&paths, marked);
			assert_true(top_paths_container(&paths, last, text, sizeof(text)));
		}
		snprintf(id, sizeof(id), "%064x", i << 16);
		snprintf(path, sizeof(path), "/docker/%s", id);
		number = top_paths_put(&paths, path);
		top_paths_set_container(&paths, number, &one);
		assert_true(top_paths_container(&paths, number, text, sizeof(text)));
		last = number;
	}
	/* One path whose container is another each time: no room is made for what a feed makes up. */
	for (unsigned i = 0; i < 2 * CONTAINERS_MAX; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		top_paths_set_container(&paths, number, &one);
	}
	assert_false(top_paths_container(&paths, number, text, sizeof(text)));
	assert_true(paths.containers.room <= CONTAINERS_MAX);
	top_paths_free(&paths);
}

static void test_ascii(void **state)
{
	struct shown *s = show_filled(120, 40, false);

	(void)state;
	for (int mode = 0; mode < 3; mode++) {
		for (const char *c = draw(s); *c; c++)
			assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
		keys(s, mode ? "?" : "\n");
	}
	hide(s);
}

/* Every size and every mode: nothing is drawn outside, whatever there is no room for. */
static void test_sizes(void **state)
{
	struct shown *s = show_filled(80, 24, true);
	const char *const ways[] = { "", "\n", "?", "4", "/port", "wwww" };

	(void)state;
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		s->ui.mode = TOP_MAIN;
		s->ui.typing = false;
		keys(s, ways[way]);
		for (unsigned rows = 1; rows < 70; rows += rows < 30 ? 1 : 7)
			for (unsigned columns = 1; columns < 260; columns += columns < 100 ? 3 : 17) {
				assert_int_equal(top_canvas_resize(&s->c, rows, columns), 0);
				draw(s);
			}
	}
	hide(s);
}

static void test_report(void **state)
{
	struct shown *s = show_filled(80, 24, true);
	struct top_canvas c = { .utf8 = true };
	struct buf text = { 0 };
	struct record r;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		r = listening(190 * SECOND, CHANGE_SAMPLE, "c", "10.0.0.2", 10000 + i, 0, 128, 0);
		r.listener.netns = 1000 + i;
		put(s->m, r);
	}
	s->ui.window = TOP_START;
	assert_int_equal(top_draw_report(&c, &s->v, 160), 0);
	top_canvas_text(&c, &text);
	buf_mem(&text, "", 1);
	has(text.data, "window since start");
	has(text.data, "10.0.0.2:10000 ");
	has(text.data, "10.0.0.2:10299 ");
	has(text.data, "NEWEST EVIDENCE");
	buf_free(&text);
	top_canvas_free(&c);
	hide(s);
}

static void test_detail(void **state)
{
	struct shown *s = show_filled(100, 30, true);
	const char *text;

	(void)state;
	draw(s);
	keys(s, "\n");
	text = draw(s);
	has(text, " Listener 0.0.0.0:443 ");
	has(text, "of nginx/9");
	has(text, "accept_queue_full");
	has(text, "0 handshakes, 12 refused");
	has(text, "Only accept() empties this queue.");
	has(text, "10:03:16.000 refused syn     x12 ");
	has(text, "10:03:19.000 established  1.00ms \u2190  10.0.0.1:50000");
	/* Scrolled: not beyond the end. */
	for (int i = 0; i < 500; i++)
		top_ui_key(&s->ui, TOP_KEY_DOWN);
	draw(s);
	assert_in_range(s->ui.detail_skip, 1, 101);
	top_ui_key(&s->ui, TOP_KEY_ESCAPE);
	has(draw(s), "2 Destinations");
	hide(s);
}

/* Of several sockets the worst; in a row of its own only where there is room. */
static void test_spreads(void **state)
{
	struct record r = listening(190 * SECOND, CHANGE_SAMPLE, "a", "0.0.0.0", 443, 0, 511, 297);
	struct shown *s = show(230, 30, true);
	const char *text;

	(void)state;
	r.listener.syn_depth = (struct spread){ true, 320, 7, 84, 91 };
	r.listener.depth = (struct spread){ true, 300, 12, 295, 296 };
	r.listener.wait = (struct spread){ true, 299, 2000000, 2986000000, 3100000000 };
	put(s->m, r);
	r.listener.socket = "b";
	r.listener.depth = r.listener.syn_depth = (struct spread){ true, 5, 0, 3, 3 };
	put(s->m, r);
	text = draw(s);
	has(text, "12/295/296");
	has(text, "2.00ms/2.99s/3.10s");
	has(text, "7/84/91");
	keys(s, "\n");
	has(draw(s), "accept queue 12/295/296 of 300 connections, accept wait 2.00ms/2.99s/3.10s, SYN queue 7/84/91 of 320 requests: p50/p99/max "
		     "of the 30 to 60 s before its last record (");
	has(draw(s), "0/511"); /* the row itself is above */
	s->v.now_ns = 251 * SECOND;
	text = draw(s);
	has(text, "no record of these queues in the last minute");
	assert_null(strstr(text, "of 300 connections"));
	/* Another one's is newer: what is old is left out. */
	r.mono_ns = 195 * SECOND;
	r.listener.syn_depth = (struct spread){ true, 33, 8, 94, 95 };
	put(s->m, r);
	text = draw(s);
	has(text, "SYN queue 8/94/95 of 33 requests: p50/p99/max of the 30 to 60 s before its last record (00:03:15)");
	assert_null(strstr(text, "of 300 connections"));
	s->v.now_ns = NOW;
	has(draw(s), "SYN queue 8/94/95 of 33 requests: p50/p99/max of the 30 to 60 s before its last record (00:03:10)");
	/* The worst is old: the other one's stands there. */
	r.mono_ns = 251 * SECOND;
	r.listener.socket = "c";
	put(s->m, r);
	s->v.now_ns = 252 * SECOND;
	has(draw(s), "accept queue 0/3/3 of 5 connections, accept wait 2.00ms/2.99s/3.10s, SYN queue 8/94/95 of 33 requests: p50/p99/max of the "
		     "30 to 60 s before its last record (00:03:15)");
	s->v.now_ns = NOW;
	assert_int_equal(top_canvas_resize(&s->c, 30, 120), 0);
	top_ui_key(&s->ui, TOP_KEY_ESCAPE);
	assert_null(strstr(draw(s), "12/295/296"));
	hide(s);
}

/* ---- keys ---- */

static const char *text_of(const struct filter *f, const char *key)
{
	for (int i = 0; i < FILTER_KEYS; i++)
		if (strcmp(filter_keys[i], key) == 0)
			return f->text[i];
	fail_msg("there is no filter %s", key);
	return NULL;
}

static void test_rows_stay_chosen(void **state)
{
	struct shown *s = show_filled(100, 30, true);
	uint32_t row;

	(void)state;
	draw(s);
	keys(s, "j");
	row = s->ui.selected[TOP_LISTENERS];
	assert_int_equal(s->ui.order[TOP_LISTENERS].selected, 1);
	/* It moves to the top, and stays the one that is chosen. */
	put(s->m, listening(199 * SECOND, CHANGE_SAMPLE, "b", "::", 8080, 129, 128, 129));
	put(s->m, listening(199 * SECOND, CHANGE_SAMPLE, "a", "0.0.0.0", 443, 0, 16, 0));
	draw(s);
	assert_int_equal(s->ui.order[TOP_LISTENERS].selected, 0);
	assert_int_equal(s->ui.order[TOP_LISTENERS].rows[0], row);
	top_ui_key(&s->ui, TOP_KEY_END);
	assert_int_equal(s->ui.order[TOP_LISTENERS].selected, 1);
	top_ui_key(&s->ui, TOP_KEY_HOME);
	draw(s);
	assert_int_equal(s->ui.order[TOP_LISTENERS].selected, 0);
	hide(s);
}

static void test_keys(void **state)
{
	struct top_ui ui;

	(void)state;
	top_ui_init(&ui);
	for (enum top_table_id id = 0; id < TOP_TABLES; id++) {
		unsigned before = ui.sort[ui.pane];

		assert_int_equal(ui.pane, id);
		top_ui_key(&ui, 's');
		assert_int_not_equal(ui.sort[id], before);
		top_ui_key(&ui, '<');
		assert_int_equal(ui.sort[id], before);
		for (unsigned i = 0; i < top_column_count(id); i++)
			top_ui_key(&ui, '>');
		assert_int_equal(ui.sort[id], before);
		top_ui_key(&ui, 'S');
		assert_true(ui.reversed[id]);
		top_ui_key(&ui, '\t');
	}
	assert_int_equal(ui.pane, TOP_LISTENERS);
	top_ui_key(&ui, TOP_KEY_BACK_TAB);
	assert_int_equal(ui.pane, TOP_CAUSES);
	for (int i = 0; i < TOP_WINDOWS; i++)
		top_ui_key(&ui, 'w');
	assert_int_equal(ui.window, TOP_10S);
	top_ui_key(&ui, 'W');
	assert_int_equal(ui.window, TOP_1S);
	top_ui_key(&ui, ' ');
	assert_true(ui.paused);
	top_ui_key(&ui, 'p');
	assert_false(ui.paused);
	top_ui_key(&ui, '?');
	top_ui_key(&ui, 'q');
	assert_false(ui.quit);
	/* Keys that nobody gave a meaning, and rows that are not there. */
	for (uint32_t key = 1; key < 0x110020; key += key < 300 ? 1 : 997)
		if (key != 'q' && key != 'Q' && key != '/')
			top_ui_key(&ui, key);
	assert_false(ui.quit);
	ui.mode = TOP_MAIN;
	top_ui_key(&ui, 'q');
	assert_true(ui.quit);
	top_ui_free(&ui);
}

/* curl connects far more often than nginx is connected to, and is connected to once. */
static void test_passive_sorts_by_what_it_shows(void **state)
{
	struct shown *s = show_filled(120, 24, true);
	struct top_span span = top_span_of(s->m, TOP_START, NOW);
	struct record r = handshake(198 * SECOND, ROLE_PASSIVE, OUTCOME_ESTABLISHED, 1000);
	struct top_line *lines;
	unsigned passive = 0;
	size_t count;

	(void)state;
	r.handshake.comm = "curl";
	put(s->m, r);
	for (unsigned i = 0; i < 100; i++)
		put(s->m, handshake(198 * SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 1000));
	while (strcmp(top_panes[TOP_PROCESSES].columns[passive].title, "PASSIVE") != 0)
		passive++;
	count = top_lines_of(s->v.queries[TOP_PROCESSES], s->m, TOP_PROCESSES, &span, &lines);
	assert_true(count >= 2);
	top_sort(s->m, TOP_PROCESSES, passive, false, lines, count);
	assert_string_equal(lines[0].key->text, "nginx");
	assert_string_equal(lines[1].key->text, "curl");
	hide(s);
}

static void test_typing_a_filter(void **state)
{
	struct shown *s = show_filled(120, 24, true);

	(void)state;
	keys(s, "/port 443 outcom");
	has(draw(s), "filter: port 443 outcom");
	assert_true(*s->ui.filter_error);
	/* The last whole one stands, with what was typed of it. */
	assert_string_equal(text_of(&s->ui.filter, "port"), "443");
	assert_null(text_of(&s->ui.filter, "outcome"));
	top_ui_key(&s->ui, TOP_KEY_ENTER);
	assert_true(s->ui.typing);
	keys(s, "e failed");
	assert_false(*s->ui.filter_error);
	top_ui_key(&s->ui, TOP_KEY_ENTER);
	assert_false(s->ui.typing);
	assert_true(s->ui.filter_changed);
	assert_string_equal(text_of(&s->ui.filter, "outcome"), "failed");
	has(draw(s), "only port 443 outcome failed, since 10:01:40");
	/* Escape goes back to it; an empty one is none. */
	keys(s, "/ role active\x1b");
	assert_null(text_of(&s->ui.filter, "role"));
	assert_string_equal(s->ui.filter_text, "port 443 outcome failed");
	keys(s, "/\x15\n");
	assert_true(filter_is_empty(&s->ui.filter));
	has(draw(s), "q quit");
	hide(s);
}

/* Any keys in any order, on screens of any size, while records come. */
static void test_monkey(void **state)
{
	static const uint32_t special[] = { TOP_KEY_UP, TOP_KEY_DOWN, TOP_KEY_LEFT, TOP_KEY_RIGHT,
					    TOP_KEY_PAGE_UP, TOP_KEY_PAGE_DOWN, TOP_KEY_HOME, TOP_KEY_END,
					    TOP_KEY_BACK_TAB, TOP_KEY_BACKSPACE, TOP_KEY_ESCAPE,
					    TOP_KEY_ENTER, '\t', '/', 's', 'w', '?' };
	struct shown *s = show_filled(80, 24, true);

	(void)state;
	srandom(11);
	for (unsigned i = 0; i < 6000; i++) {
		top_ui_key(&s->ui, random() % 2 ? special[(size_t)random() % 17] :
						  (uint32_t)(1 + random() % 126));
		s->ui.quit = false;
		if (s->ui.filter_changed)
			top_model_set_filter(s->m, &s->ui.filter);
		s->ui.filter_changed = false;
		if (i % 7 == 0)
			put(s->m, handshake(NOW - SECOND + i, (int)(i % 2), (int)(i % OUTCOMES), i));
		if (i % 50 == 0)
			assert_int_equal(top_canvas_resize(&s->c, 1 + (unsigned)random() % 70,
							   1 + (unsigned)random() % 230), 0);
		draw(s);
	}
	hide(s);
}

static void test_filter_grammar(void **state)
{
	static const struct {
		const char *text;
		const char *key;
		const char *value; /* NULL: it is none */
	} cases[] = {
		{ "port 443", "port", "443" }, { "--port 443", "port", "443" }, { "port=443", "port", "443" },
		{ "--port=80,443", "port", "80,443" }, { "  port   443  ", "port", "443" },
		{ "port 1 port 2", "port", "2" }, { "remote 10.0.0.0/8 port 443", "remote", "10.0.0.0/8" },
		{ "slow 10ms", "slow", "10ms" }, { "role=passive outcome=failed", "outcome", "failed" },
		{ "port", "port", NULL }, { "port ", "port", NULL }, { "prt 443", "port", NULL }, { "=", "port", NULL },
		{ "port 70000", "port", NULL }, { "-- 5", "port", NULL }, { "443", "port", NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "port", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct filter f = { 0 };
		char error[200] = "";
		int err = top_filter_parse(cases[i].text, &f, error, sizeof(error));

		assert_int_equal(err, cases[i].value ? 0 : -1);
		assert_int_equal(!*error, err == 0);
		if (err)
			assert_true(filter_is_empty(&f));
		else
			assert_string_equal(text_of(&f, cases[i].key), cases[i].value);
		filter_free(&f);
	}
}

/* ---- numbers ---- */

static void test_numbers(void **state)
{
	static const struct {
		uint64_t n;
		unsigned digits;
		const char *text;
	} numbers[] = {
		{ 0, 5, "0" }, { 99999, 5, "99999" }, { 100000, 5, "100k" }, { 9999999, 5, "9999k" },
		{ 10000000, 5, "10M" }, { 123456, 6, "123456" }, { UINT64_MAX, 5, "18E" },
	};
	static const struct {
		uint64_t n;
		double seconds;
		const char *text;
	} rates[] = {
		{ 0, 0, "0/s" }, { 1, 300, "<0.1/s" }, { 1, 10, "0.1/s" }, { 95, 10, "9.5/s" },
		{ 123, 1, "123/s" }, { 9999, 1, "9999/s" }, { 12345, 1, "12.3k/s" },
		{ 123456, 1, "123k/s" }, { 12345678, 1, "12.3M/s" },
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_string_equal(top_number(numbers[i].n, numbers[i].digits, out, sizeof(out)),
				    numbers[i].text);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		assert_string_equal(top_rate(rates[i].n, rates[i].seconds, out, sizeof(out)),
				    rates[i].text);
	assert_string_equal(top_age(5 * SECOND, 5 * SECOND, out, sizeof(out)), "now");
	assert_string_equal(top_age(5 * SECOND, 65 * SECOND, out, sizeof(out)), "60s");
	assert_string_equal(top_age(5 * SECOND, 305 * SECOND, out, sizeof(out)), "5m");
	assert_string_equal(top_age(9 * SECOND, 5 * SECOND, out, sizeof(out)), "now");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_containers_are_bounded),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_spreads),
		cmocka_unit_test(test_detail),
		cmocka_unit_test(test_rows_stay_chosen),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_passive_sorts_by_what_it_shows),
		cmocka_unit_test(test_typing_a_filter),
		cmocka_unit_test(test_monkey),
		cmocka_unit_test(test_filter_grammar),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
