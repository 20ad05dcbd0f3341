// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* outcome: what the BPF programs make of sk_err. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/outcome.h"

static void test_errors(void **state)
{
	static const struct {
		int error;
		enum outcome outcome;
	} cases[] = {
		{ ECONNREFUSED, OUTCOME_REFUSED },   { ETIMEDOUT, OUTCOME_TIMEOUT },
		{ ECONNRESET, OUTCOME_RESET },	     { ECONNABORTED, OUTCOME_CANCELLED },
		{ EADDRNOTAVAIL, OUTCOME_NO_PORT },  { EHOSTUNREACH, OUTCOME_UNREACHABLE },
		{ ENETUNREACH, OUTCOME_UNREACHABLE }, { ENOPROTOOPT, OUTCOME_UNREACHABLE },
		{ EHOSTDOWN, OUTCOME_UNREACHABLE },  { ENONET, OUTCOME_UNREACHABLE },
		{ EACCES, OUTCOME_UNREACHABLE },     { EMSGSIZE, OUTCOME_UNREACHABLE },
		{ EPROTO, OUTCOME_UNREACHABLE },     { EOPNOTSUPP, OUTCOME_UNREACHABLE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(failed_outcome(cases[i].error, true), cases[i].outcome);
}

static void test_no_error(void **state)
{
	(void)state;
	assert_int_equal(failed_outcome(0, true), OUTCOME_CANCELLED);
	assert_int_equal(failed_outcome(0, false), OUTCOME_NO_PORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_no_error),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
