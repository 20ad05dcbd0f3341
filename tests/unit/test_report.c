// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The page: what is escaped, and what becomes of the columns as time goes by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/report/grid.h"
#include "cli/report/html.h"
#include "cli/report/plot.h"
#include "cli/report/tally.h"
#include "common/bands.h"

#define SECOND GRID_STEP_NS

static const char *made(struct buf *b)
{
	buf_mem(b, "", 1);
	assert_false(b->failed);
	return b->data;
}

static void assert_text(const char *s, const char *wanted)
{
	struct buf b = { 0 };

	html_text(&b, s);
	assert_string_equal(made(&b), wanted);
	buf_free(&b);
}

static void assert_attribute(const char *s, const char *wanted)
{
	struct buf b = { 0 };

	html_put(&b, "<p title=\"%s\">", s);
	assert_string_equal(made(&b), wanted);
	buf_free(&b);
}

static void test_text(void **state)
{
	(void)state;
	assert_text("</script><script>alert(1)</script>", "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
	assert_text("a & b &amp; \"c\" 'd'", "a &amp; b &amp;amp; \"c\" 'd'");
	assert_text("z\u00fcrich \u4e2d", "z\u00fcrich \u4e2d");
	assert_text("\x1b[31m\n\t\x7f", "\ufffd[31m\ufffd\ufffd\ufffd");
	assert_text("\u202e\u2066\u200f\u2028", "\ufffd\ufffd\ufffd\ufffd");
	assert_text("\xff\xc0\xbc\xed\xa0\x80", "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"); /* an overlong '<', a surrogate */
}

static void test_attribute(void **state)
{
	(void)state;
	assert_attribute("\" onload=\"x", "<p title=\"&quot; onload=&quot;x\">");
	assert_attribute("' > <b> & \n", "<p title=\"&#39; &gt; &lt;b&gt; &amp; \ufffd\">");
}

static void test_long_text(void **state)
{
	char text[3 * HTML_TEXT_MAX];
	struct buf b = { 0 };

	(void)state;
	memset(text, '<', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	html_text(&b, text);
	assert_int_equal(b.len, HTML_TEXT_MAX * strlen("&lt;") + strlen("\u2026"));
	buf_free(&b);
	text[HTML_TEXT_MAX] = '\0';
	html_text(&b, text);
	assert_int_equal(b.len, HTML_TEXT_MAX * strlen("&lt;"));
	buf_free(&b);
}

static void test_numbers(void **state)
{
	struct buf b = { 0 };

	(void)state;
	html_count(&b, 0);
	buf_lit(&b, " ");
	html_count(&b, 999);
	buf_lit(&b, " ");
	html_number(&b, "failed", 1234567);
	buf_lit(&b, " ");
	html_decimal(&b, 12.5);
	buf_lit(&b, " ");
	html_decimal(&b, 100);
	assert_string_equal(made(&b), "0 999 <data class=\"failed\" value=\"1234567\">1,234,567</data> 12.5 100");
	buf_free(&b);
}

static void test_put(void **state)
{
	struct buf b = { 0 };

	(void)state;
	html_put(&b, "<a id=\"%s\" x=\"%f%%\">%s</a> %u %zu %'ju", "\"<", 12.50, "\"<", 1234U, (size_t)5678, (uintmax_t)1234567);
	assert_string_equal(made(&b), "<a id=\"&quot;&lt;\" x=\"12.5%\">\"&lt;</a> 1234 5678 1,234,567");
	buf_free(&b);
}

/* ---- time ---- */

static void add(void *into, const void *from)
{
	*(uint64_t *)into += *(const uint64_t *)from;
}

static const struct grid_kind sums = { sizeof(uint64_t), add };

static void count_at(struct grid *g, size_t row, uint64_t ns)
{
	unsigned column = grid_column(g, ns);

	assert_true(column < g->count && g->count <= GRID_COLUMNS);
	assert_true(grid_begin_ns(g, column) <= ns && ns < grid_begin_ns(g, column + 1));
	++*(uint64_t *)grid_cell(g, row, column);
}

static uint64_t sum_of(const struct grid *g, size_t row)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < GRID_COLUMNS; i++) {
		uint64_t n = *(uint64_t *)grid_cell(g, row, i);

		assert_true(i < g->count || !n);
		sum += n;
	}
	return sum;
}

/* Whatever comes in whatever order, each is counted once, in the column of its time. */
static void test_columns(void **state)
{
	struct grid g = { 0 };
	size_t row = grid_add_row(&g, &sums), late;

	(void)state;
	for (uint64_t i = 0; i < GRID_COLUMNS; i++)
		count_at(&g, row, 1000 * SECOND + i * SECOND);
	assert_int_equal(g.count, GRID_COLUMNS);
	assert_int_equal(g.step_ns, SECOND);
	late = grid_add_row(&g, &sums); /* a listener that comes later */
	count_at(&g, late, 1000 * SECOND + 239 * SECOND);
	count_at(&g, row, 999 * SECOND); /* before the first */
	assert_int_equal(g.step_ns, 2 * SECOND);
	assert_int_equal(sum_of(&g, row), GRID_COLUMNS + 1);
	count_at(&g, row, 990 * SECOND);
	count_at(&g, row, 100000 * SECOND);
	count_at(&g, row, 1);
	count_at(&g, row, UINT64_MAX / 2); /* the year 2262 */
	assert_int_equal(sum_of(&g, row), GRID_COLUMNS + 5);
	assert_int_equal(sum_of(&g, late), 1);
	grid_free(&g);
}

static void test_random_times(void **state)
{
	struct grid g = { 0 };
	size_t row = grid_add_row(&g, &sums);
	uint64_t x = 88172645463325252ULL;

	(void)state;
	for (int i = 1; i <= 3000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		count_at(&g, row, (x >> 20) % (i < 1000 ? 300 * SECOND : 100000 * SECOND));
		assert_int_equal(sum_of(&g, row), i);
	}
	grid_free(&g);
}

static void test_ticks(void **state)
{
	static const uint64_t spans[] = { 1, 7, 59, 240, 3600, 86400, 40 * 86400, 400ULL * 365 * 86400 };

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		uint64_t begin = 1700000003 * SECOND;
		struct plot_marks marks;
		struct grid g = { 0 };

		grid_column(&g, begin);
		grid_column(&g, begin + (spans[i] - 1) * SECOND);
		plot_marks_of(&marks, &g, begin);
		assert_true(marks.since >= 0 && marks.since < 100);
		for (unsigned t = 0; t < marks.tick_count; t++)
			assert_true(marks.ticks[t].at >= (t ? marks.ticks[t - 1].at + 5 : 0) && marks.ticks[t].at < 100 &&
				    *marks.ticks[t].text);
		grid_free(&g);
	}
}

/* ---- places ---- */

/* More of them than are kept apart: the rest is counted, as others. */
static void test_many_places(void **state)
{
	const struct record_handshake h = { .role = ROLE_ACTIVE, .outcome = OUTCOME_TIMEOUT };
	struct tally_key key = { .port = 443 };
	struct tally t = { 0 };
	struct tally_line *lines;
	uint64_t all = 0;
	size_t count;

	(void)state;
	for (uint64_t i = 0; i < TALLY_ROWS + 100; i++) {
		key.netns = i + 1;
		tally_add(&t, &key, &h, 1000 + i);
	}
	lines = tally_lines(&t, &count);
	assert_int_equal(count, TALLY_ROWS + 1);
	assert_null(lines[0].key);
	assert_int_equal(lines[0].failed, 100);
	for (size_t i = 0; i < count; i++)
		all += lines[i].handshakes;
	assert_int_equal(all, TALLY_ROWS + 100);
	assert_false(t.failed);
	free(lines);
	tally_free(&t);
}

static void test_bands(void **state)
{
	uint8_t band[HISTOGRAM_BUCKETS];
	uint64_t floors[18];
	unsigned bands = bands_choose(40000, 3100000, floors, 18);

	(void)state;
	assert_true(bands > 1 && bands <= 18 && floors[0] <= 40000 && floors[bands - 1] <= 3100000);
	bands_of_buckets(floors, bands, band);
	assert_int_equal(band[histogram_bucket(40000)], 0);
	assert_int_equal(band[histogram_bucket(3100000)], bands - 1);
	assert_int_equal(bands_level(0, 100, 6), 0);
	assert_int_equal(bands_level(100, 100, 6), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	     cmocka_unit_test(test_attribute),
		cmocka_unit_test(test_long_text),    cmocka_unit_test(test_numbers), cmocka_unit_test(test_put),
		cmocka_unit_test(test_columns),	     cmocka_unit_test(test_random_times),
		cmocka_unit_test(test_ticks),	     cmocka_unit_test(test_many_places),
		cmocka_unit_test(test_bands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
