// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* exposition: both formats, byte for byte, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "daemon/metrics/exposition.h"

static void assert_text(struct exposition *e, const char *wanted)
{
	exposition_end(e);
	buf_mem(&e->text, "", 1);
	assert_false(e->text.failed);
	assert_string_equal(e->text.data, wanted);
	buf_free(&e->text);
}

static void put_all(struct exposition *e)
{
	exposition_family(e, "a_seconds", METRIC_COUNTER, "seconds", "Some time.");
	exposition_start(e, "_total");
	exposition_seconds(e, 1500000000);
	exposition_family(e, "b", METRIC_GAUGE, NULL, "A number.");
	exposition_start(e, "");
	exposition_label(e, "x", "y");
	exposition_label_number(e, "n", 18446744073709551615ULL);
	exposition_signed(e, -12);
	exposition_family(e, "h", METRIC_HISTOGRAM, NULL, "A histogram.");
	exposition_start(e, "_bucket");
	exposition_label(e, "le", "+Inf");
	exposition_value(e, 3);
}

static void test_prometheus(void **state)
{
	struct exposition e = {};

	(void)state;
	put_all(&e);
	assert_false(e.wrong);
	assert_text(&e, "# HELP a_seconds_total Some time.\n# TYPE a_seconds_total counter\n"
			"a_seconds_total 1.5\n"
			"# HELP b A number.\n# TYPE b gauge\nb{x=\"y\",n=\"18446744073709551615\"} -12\n"
			"# HELP h A histogram.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\n");
}

static void test_openmetrics(void **state)
{
	struct exposition e = { .openmetrics = true };

	(void)state;
	put_all(&e);
	assert_false(e.wrong);
	assert_text(&e, "# HELP a_seconds Some time.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
			"a_seconds_total 1.5\n"
			"# HELP b A number.\n# TYPE b gauge\nb{x=\"y\",n=\"18446744073709551615\"} -12\n"
			"# HELP h A histogram.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\n# EOF\n");
}

static void test_escapes(void **state)
{
	struct exposition e = {};

	(void)state;
	exposition_family(&e, "b", METRIC_GAUGE, NULL, "A number.");
	e.text.len = 0;
	exposition_start(&e, "");
	exposition_label(&e, "comm", "a\"b\\c\nd\x01\xc3\x28\x7f ~");
	exposition_value(&e, 0);
	assert_text(&e, "b{comm=\"a\\\"b\\\\c?d?\?(? ~\"} 0\n");
}

static void test_numbers(void **state)
{
	struct exposition e = {};

	(void)state;
	exposition_family(&e, "b", METRIC_GAUGE, NULL, "A number.");
	e.text.len = 0;
	exposition_start(&e, "");
	exposition_seconds(&e, 1);
	exposition_start(&e, "");
	exposition_seconds(&e, 0);
	exposition_start(&e, "");
	exposition_seconds(&e, 1763650000123456789);
	exposition_start(&e, "");
	exposition_signed(&e, INT64_MIN);
	assert_text(&e, "b 1e-09\nb 0\nb 1763650000.12346\nb -9223372036854775808\n");
}

static void test_family_twice(void **state)
{
	struct exposition e = {};

	(void)state;
	exposition_family(&e, "a", METRIC_GAUGE, NULL, "One.");
	exposition_family(&e, "b", METRIC_GAUGE, NULL, "Two.");
	assert_false(e.wrong);
	exposition_family(&e, "a", METRIC_COUNTER, NULL, "Again.");
	assert_true(e.wrong);
	buf_free(&e.text);
}

static void test_too_many_families(void **state)
{
	char names[EXPOSITION_FAMILIES + 1][8];
	struct exposition e = {};

	(void)state;
	for (int i = 0; i <= EXPOSITION_FAMILIES; i++) {
		snprintf(names[i], sizeof(names[i]), "m%d", i);
		assert_false(e.wrong);
		exposition_family(&e, names[i], METRIC_GAUGE, NULL, "One.");
	}
	assert_true(e.wrong);
	buf_free(&e.text);
}

static void test_aside(void **state)
{
	struct exposition e = { .openmetrics = true }, aside = exposition_aside(&e, "late");

	(void)state;
	assert_true(aside.openmetrics);
	exposition_start(&aside, "_total");
	exposition_value(&aside, 5);
	exposition_family(&e, "late", METRIC_COUNTER, NULL, "Later.");
	exposition_move(&e, &aside);
	assert_false(e.wrong);
	assert_text(&e, "# HELP late Later.\n# TYPE late counter\nlate_total 5\n# EOF\n");
}

static void test_aside_of_another(void **state)
{
	struct exposition e = {}, aside = exposition_aside(&e, "late");

	(void)state;
	exposition_family(&e, "other", METRIC_COUNTER, NULL, "Other.");
	exposition_move(&e, &aside);
	assert_true(e.wrong);
	buf_free(&e.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prometheus),  cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_escapes),	    cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_family_twice), cmocka_unit_test(test_too_many_families),
		cmocka_unit_test(test_aside),	    cmocka_unit_test(test_aside_of_another),
	};

	return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
