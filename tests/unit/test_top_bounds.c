// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The model of top: its memory is bounded, its filters look back, its copies stay as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/topping.h"

static struct top_model *begin(void)
{
	struct top_model *m = top_model_new();

	assert_non_null(m);
	return m;
}

/* ---- bounds ---- */

static struct record to_number(uint64_t mono_ns, unsigned number, uint64_t latency_ns)
{
	struct record r = handshake(mono_ns, ROLE_ACTIVE, OUTCOME_ESTABLISHED, latency_ns);

	r.handshake.remote.bytes[13] = (uint8_t)(number >> 16);
	r.handshake.remote.bytes[14] = (uint8_t)(number >> 8);
	r.handshake.remote.bytes[15] = (uint8_t)number;
	return r;
}

static uint64_t sum_of(struct top_query *q, const struct top_model *m, enum top_window window,
		       uint64_t now_ns, size_t *rows, uint64_t *other)
{
	struct top_span span = top_span_of(m, window, now_ns);
	struct top_line *lines;
	uint64_t sum = 0;

	*rows = top_lines_of(q, m, TOP_DESTINATIONS, &span, &lines);
	*other = 0;
	for (size_t i = 0; i < *rows; i++) {
		sum += top_line_count(&lines[i], SLOT_HANDSHAKES);
		if (!lines[i].key)
			*other = top_line_count(&lines[i], SLOT_HANDSHAKES);
	}
	return sum;
}

/* More destinations than rows: all are counted, those without a row as others. */
static void test_rows_are_bounded(void **state)
{
	struct top_model *m = begin();
	struct top_query *q = top_query_new();
	const unsigned all = TOP_ROWS_MAX + 5000;
	uint64_t other;
	size_t rows;

	(void)state;
	for (unsigned i = 0; i < all; i++)
		put(m, to_number((100 + i / 900) * SECOND, i, 1000));
	assert_int_equal(sum_of(q, m, TOP_1M, 150 * SECOND, &rows, &other), all);
	assert_int_equal(rows, TOP_ROWS_MAX);
	assert_int_equal(other, all - (TOP_ROWS_MAX - 1));
	/* Long after, new ones take the places of those that were idle, and nothing is uncounted. */
	for (unsigned i = 0; i < 100; i++)
		put(m, to_number(1000 * SECOND, 90000 + i, 1000));
	assert_int_equal(sum_of(q, m, TOP_10S, 1001 * SECOND, &rows, &other), 100);
	assert_int_equal(rows, 100);
	assert_int_equal(other, 0);
	assert_int_equal(sum_of(q, m, TOP_START, 1001 * SECOND, &rows, &other), all + 100);
	assert_int_equal(other, all);
	assert_int_equal(rows, 101);
	top_query_free(q);
	top_model_free(m);
}

/* In one second, more rows and latencies than there are places for. */
static void test_seconds_are_bounded(void **state)
{
	struct top_model *m = begin();
	struct top_query *q = top_query_new();
	uint64_t other;
	size_t rows;

	(void)state;
	for (unsigned i = 0; i < 40000; i++)
		put(m, to_number(100 * SECOND, i % 1000, 1000 + 97 * (uint64_t)i));
	assert_int_equal(sum_of(q, m, TOP_1S, 101 * SECOND, &rows, &other), 40000);
	assert_int_equal(count_of(m, TOP_1S, 101 * SECOND, TOP_COUNT_ACTIVE), 40000);
	assert_int_equal(sum_of(q, m, TOP_START, 101 * SECOND, &rows, &other), 40000);
	assert_int_equal(other, 0);
	top_query_free(q);
	top_model_free(m);
}

/* ---- filters and copies ---- */

static void check_same(const struct top_model *a, const struct top_model *b, uint64_t now_ns)
{
	struct top_query *q = top_query_new(), *p = top_query_new();

	for (enum top_window w = TOP_1S; w < TOP_WINDOWS; w++) {
		struct top_span span = top_span_of(a, w, now_ns);

		for (int i = 0; i < TOP_COUNTS; i++)
			assert_int_equal(count_of(a, w, now_ns, i), count_of(b, w, now_ns, i));
		for (enum top_table_id id = 0; id < TOP_TABLES; id++) {
			struct top_line *x, *y;
			size_t count = top_lines_of(q, a, id, &span, &x);

			assert_int_equal(count, top_lines_of(p, b, id, &span, &y));
			top_sort(a, id, 0, false, x, count);
			top_sort(b, id, 0, false, y, count);
			for (size_t i = 0; i < count; i++) {
				assert_memory_equal(x[i].counts, y[i].counts, sizeof(x[i].counts));
				assert_memory_equal(&x[i].latency, &y[i].latency,
						    sizeof(x[i].latency));
			}
		}
	}
	top_query_free(q);
	top_query_free(p);
}

static struct record anything(unsigned i)
{
	struct record r = to_number((100 + i / 50) * SECOND + i, (unsigned)random() % 40,
				    (uint64_t)random() % 5000000);

	r.handshake.role = (int)(random() % 2);
	r.handshake.outcome = (int)(random() % OUTCOMES);
	r.handshake.retransmits = (uint64_t)(random() % 2);
	if (r.handshake.outcome)
		r.handshake.cause = (struct cause){ "no_answer", random() % 2 ? "proven" : "probable",
						    "Nothing came." };
	if (random() % 10 == 0)
		return overflow(r.mono_ns, random() % 2 ? "syn" : "ack", "dropped",
				(uint64_t)(1 + random() % 3));
	return r;
}

/* A filter set later, or from the start, or taken away again: the same. */
static void test_filters(void **state)
{
	static const char *const texts[] = { "outcome failed", "role active outcome timeout,refused",
					     "remote 10.0.0.0/28 slow 1ms", "port 1", "netns 1" };
	struct top_model *plain = begin();

	(void)state;
	srandom(3);
	for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
		struct top_model *late = begin(), *early = begin(), *source = begin();
		struct filter f = { 0 };
		char error[200];

		assert_int_equal(top_filter_parse(texts[t], &f, error, sizeof(error)), 0);
		top_model_set_filter(early, &f);
		top_model_set_source_filter(source, &f);
		top_model_clear(plain);
		for (unsigned i = 0; i < 4000; i++) {
			struct record r = anything(i);

			put(late, r);
			put(early, r);
			put(source, r);
			put(plain, r);
		}
		top_model_set_filter(late, &f);
		check_same(late, early, 179 * SECOND);
		check_same(late, source, 179 * SECOND);
		top_model_set_filter(late, NULL);
		top_model_set_filter(early, NULL);
		check_same(late, plain, 179 * SECOND);
		check_same(early, plain, 179 * SECOND);
		filter_free(&f);
		top_model_free(late);
		top_model_free(early);
		top_model_free(source);
	}
	top_model_free(plain);
}

/* Peaks are no fact: a filter does not forget them. */
static void test_filters_keep_peaks(void **state)
{
	struct top_model *m = begin();
	struct top_query *q = top_query_new();
	struct filter f = { 0 };
	char error[200];
	struct top_line l;

	(void)state;
	put(m, listening(SECOND, CHANGE_SAMPLE, "a", "0.0.0.0", 443, 1, 16, 15));
	put(m, handshake(SECOND, ROLE_PASSIVE, OUTCOME_ESTABLISHED, 10));
	assert_int_equal(top_filter_parse("outcome failed", &f, error, sizeof(error)), 0);
	top_model_set_filter(m, &f);
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_1S, 2 * SECOND, "0.0.0.0:443", &l));
	assert_int_equal(top_line_count(&l, SLOT_PEAK), 15);
	assert_int_equal(top_line_count(&l, SLOT_HANDSHAKES), 0);
	filter_free(&f);
	/* But those of another port are not asked for. */
	assert_int_equal(top_filter_parse("port 80", &f, error, sizeof(error)), 0);
	top_model_set_filter(m, &f);
	assert_false(line_named(q, m, TOP_LISTENERS, TOP_1S, 2 * SECOND, "0.0.0.0:443", &l));
	filter_free(&f);
	top_query_free(q);
	top_model_free(m);
}

/* What is not wanted takes no row. */
static void test_unwanted_listeners(void **state)
{
	struct top_model *m = begin();
	struct top_query *q = top_query_new();
	struct filter f = { 0 };
	char error[200], socket[20];
	struct top_line l;

	(void)state;
	assert_int_equal(top_filter_parse("netns 5", &f, error, sizeof(error)), 0);
	top_model_set_source_filter(m, &f);
	for (unsigned i = 0; i < TOP_ROWS_MAX + 10; i++) {
		struct record r;

		snprintf(socket, sizeof(socket), "%x", i + 1);
		r = listening(SECOND, CHANGE_SAMPLE, socket, "0.0.0.0", 1 + i % 60000, 0, 16, 0);
		if (i > TOP_ROWS_MAX)
			r.netns = r.listener.netns = 5;
		put(m, r);
	}
	assert_false(line_named(q, m, TOP_LISTENERS, TOP_1S, 2 * SECOND, "0.0.0.0:1", &l));
	snprintf(error, sizeof(error), "0.0.0.0:%u", TOP_ROWS_MAX + 2);
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_1S, 2 * SECOND, error, &l));
	/* All of them wanted: those without a row are reported. */
	top_model_clear(m);
	top_model_set_source_filter(m, NULL);
	for (unsigned i = 0; i < TOP_ROWS_MAX + 10; i++) {
		snprintf(socket, sizeof(socket), "%x", i + 1);
		put(m, listening(SECOND, CHANGE_SAMPLE, socket, "0.0.0.0", 1 + i, 0, 16, 0));
	}
	assert_true(line_named(q, m, TOP_LISTENERS, TOP_1S, 2 * SECOND,
			       "others (no room for their rows)", &l));
	assert_int_equal(l.sockets, 11);
	filter_free(&f);
	top_query_free(q);
	top_model_free(m);
}

/* Paths are kept beside the facts: of any length, and of more than there is room for at a time. */
static void test_cgroups(void **state)
{
	static const char deep[] = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0123456789"
				   "/cri-containerd-0123456789abcdef0123456789abcdef.scope";
	struct top_model *late = begin(), *early = begin(), *copy;
	struct top_query *q = top_query_new();
	struct filter f = { .recorded = true };
	struct record r;
	struct top_line l;
	char path[200], error[200];

	(void)state;
	assert_int_equal(top_filter_parse("cgroup /kubepods.slice", &f, error, sizeof(error)), 0);
	top_model_set_source_filter(early, &f);
	for (unsigned i = 0; i < 3 * TOP_PATHS_MAX; i++) {
		r = handshake(100 * SECOND + i, ROLE_PASSIVE, OUTCOME_ESTABLISHED, 5);
		snprintf(path, sizeof(path), "%s/%u", i % 2 ? deep : "/system.slice", i % 1000);
		r.cgroup_path = i % 10 ? path : NULL;
		put(late, r);
		put(early, r);
	}
	r = listening(100 * SECOND, CHANGE_SAMPLE, "a", "0.0.0.0", 443, 0, 16, 0);
	r.cgroup_path = deep;
	put(late, r);
	put(early, r);
	r = listening(100 * SECOND, CHANGE_SAMPLE, "b", "0.0.0.0", 80, 0, 16, 0);
	r.cgroup_path = "/system.slice";
	put(late, r);
	put(early, r);
	copy = top_model_copy(late);
	assert_non_null(copy);
	top_model_set_filter(late, &f);
	top_model_set_filter(copy, &f);
	filter_free(&f);
	assert_int_equal(count_of(early, TOP_START, 101 * SECOND, TOP_COUNT_PASSIVE),
			 3 * TOP_PATHS_MAX / 2);
	assert_int_equal(count_of(late, TOP_START, 101 * SECOND, TOP_COUNT_PASSIVE),
			 3 * TOP_PATHS_MAX / 2);
	assert_int_equal(count_of(copy, TOP_START, 101 * SECOND, TOP_COUNT_PASSIVE),
			 3 * TOP_PATHS_MAX / 2);
	for (int i = 0; i < 2; i++) {
		assert_true(line_named(q, i ? late : early, TOP_LISTENERS, TOP_1S, 200 * SECOND,
				       "0.0.0.0:443", &l));
		assert_false(line_named(q, i ? late : early, TOP_LISTENERS, TOP_1S, 200 * SECOND,
					"0.0.0.0:80", &l));
	}
	top_model_free(late);
	/* Ever new ones: those that no record here refers to make room. */
	top_model_clear(copy);
	top_model_set_filter(copy, NULL);
	for (unsigned i = 0; i < TOP_LOG_FACTS + 6000; i++) {
		r = handshake(200 * SECOND + i * (SECOND / 1000), ROLE_PASSIVE, OUTCOME_ESTABLISHED, 5);
		snprintf(path, sizeof(path), "/%u", i / 65);
		r.cgroup_path = path;
		put(copy, r);
	}
	assert_int_equal(top_filter_parse("cgroup /4124", &f, error, sizeof(error)), 0);
	top_model_set_filter(copy, &f);
	assert_int_equal(count_of(copy, TOP_START, 300 * SECOND, TOP_COUNT_PASSIVE), 65);
	filter_free(&f);
	top_query_free(q);
	top_model_free(early);
	top_model_free(copy);
}

static void test_a_copy_stays_as_it_is(void **state)
{
	struct top_model *m = begin(), *twin = begin(), *copy;
	struct record r;

	(void)state;
	srandom(5);
	/* More than the log holds: its chunks are used again, but not those that the copy sees. */
	for (unsigned i = 0; i < 5000; i++) {
		r = anything(i);
		put(m, r);
		put(twin, r);
	}
	copy = top_model_copy(m);
	assert_non_null(copy);
	check_same(copy, twin, 199 * SECOND);
	for (unsigned i = 0; i < TOP_LOG_FACTS + 5000; i++)
		put(m, to_number(190 * SECOND, i % 7, 5));
	check_same(copy, twin, 199 * SECOND);
	/* Both are asked anew: from what they have kept. */
	top_model_set_filter(copy, NULL);
	check_same(copy, twin, 199 * SECOND);
	top_model_free(m);
	top_model_set_filter(copy, NULL);
	check_same(copy, twin, 199 * SECOND);
	top_model_free(copy);
	top_model_free(twin);
}

/* A filter reaches back as far as records are kept, and says how far that is. */
static void test_the_log_is_bounded(void **state)
{
	struct top_model *m = begin();
	const unsigned more = 10 * TOP_LOG_CHUNK;

	(void)state;
	for (unsigned i = 0; i < TOP_LOG_FACTS + more; i++)
		put(m, to_number(100 * SECOND + i, i % 7, 5));
	assert_int_equal(count_of(m, TOP_START, 101 * SECOND, TOP_COUNT_ACTIVE), TOP_LOG_FACTS + more);
	assert_int_equal(top_info_of(m).since_ns, 100 * SECOND);
	top_model_set_filter(m, NULL);
	assert_int_equal(count_of(m, TOP_START, 101 * SECOND, TOP_COUNT_ACTIVE), TOP_LOG_FACTS);
	assert_int_equal(top_info_of(m).since_ns, 100 * SECOND + more);
	top_model_free(m);
}

static void test_another_boot_begins_anew(void **state)
{
	struct top_model *m = begin();
	struct record hello = { .type = RECORD_HELLO, .mono_ns = 100 * SECOND,
				.hello = { .boot_id = "one", .host = "vm" } };

	(void)state;
	put(m, hello);
	put(m, handshake(101 * SECOND, ROLE_ACTIVE, OUTCOME_ESTABLISHED, 5));
	hello.mono_ns = 110 * SECOND;
	put(m, hello);
	assert_int_equal(count_of(m, TOP_START, 111 * SECOND, TOP_COUNT_ACTIVE), 1);
	hello.hello.boot_id = "two";
	hello.mono_ns = 5 * SECOND;
	put(m, hello);
	assert_int_equal(count_of(m, TOP_START, 6 * SECOND, TOP_COUNT_ACTIVE), 0);
	assert_int_equal(top_info_of(m).since_ns, 5 * SECOND);
	assert_string_equal(top_info_of(m).host, "vm");
	top_model_free(m);
}

/* Sentences and codes that there is no room for. */
static void test_words_are_bounded(void **state)
{
	struct top_model *m = begin();
	struct top_query *q = top_query_new();
	struct top_line l;
	char code[32], detail[400];
	struct record r;

	(void)state;
	for (unsigned i = 0; i < 3 * TOP_DETAILS; i++) {
		r = handshake(SECOND + i, ROLE_ACTIVE, OUTCOME_TIMEOUT, 5);
		snprintf(code, sizeof(code), "cause_%u", i % 100);
		snprintf(detail, sizeof(detail), "%u: %0300d", i, 0);
		r.handshake.cause = (struct cause){ code, "proven", detail };
		put(m, r);
	}
	assert_true(line_named(q, m, TOP_CAUSES, TOP_1S, 2 * SECOND, "other", &l));
	assert_true(top_line_count(&l, SLOT_HANDSHAKES) > 1000);
	assert_true(line_named(q, m, TOP_CAUSES, TOP_1S, 2 * SECOND, "cause_43", &l));
	snprintf(detail, sizeof(detail), "%u: 0", 3 * TOP_DETAILS - 1);
	assert_int_equal(strncmp(top_detail(top_names_of(m), l.newest.detail), detail, 4), 0);
	assert_null(top_detail(top_names_of(m), 1));
	top_query_free(q);
	top_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_bounded),
		cmocka_unit_test(test_seconds_are_bounded),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_filters_keep_peaks),
		cmocka_unit_test(test_unwanted_listeners),
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_a_copy_stays_as_it_is),
		cmocka_unit_test(test_the_log_is_bounded),
		cmocka_unit_test(test_another_boot_begins_anew),
		cmocka_unit_test(test_words_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
