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
		{ 0, OUTCOME_CANCELLED },	     { ENOBUFS, OUTCOME_CANCELLED },
		{ EKEYREJECTED, OUTCOME_CANCELLED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(failed_outcome(cases[i].error), cases[i].outcome);
}

/* Of a call that fails at once only what says something of the network, or of who may use it. */
static void test_at_once(void **state)
{
	(void)state;
	assert_int_equal(at_once_outcome(EPERM), OUTCOME_DENIED);
	assert_int_equal(at_once_outcome(EACCES), OUTCOME_DENIED);
	assert_int_equal(at_once_outcome(ENETUNREACH), OUTCOME_UNREACHABLE);
	assert_int_equal(at_once_outcome(EHOSTUNREACH), OUTCOME_UNREACHABLE);
	assert_int_equal(at_once_outcome(EADDRNOTAVAIL), OUTCOME_UNREACHABLE);
	assert_int_equal(at_once_outcome(0), OUTCOMES);
	assert_int_equal(at_once_outcome(EINPROGRESS), OUTCOMES);
	assert_int_equal(at_once_outcome(EINVAL), OUTCOMES);
	assert_int_equal(at_once_outcome(ECONNREFUSED), OUTCOMES); /* a SYN was answered */
}

/* How far connect() came, and what that says. */
static void test_unsent(void **state)
{
	static const struct {
		struct unsent unsent;
		int error;
	} cases[] = {
		{ {}, EADDRNOTAVAIL },
		{ { .is_routed = true }, EADDRNOTAVAIL }, /* IPv6 stores the route before */
		{ { .may_wait = true }, EADDRNOTAVAIL },
		{ { .is_routed = true, .is_built = true, .lost_route = true }, EADDRNOTAVAIL }, /* what an earlier one left */
		{ { .has_port = true }, 0 },
		{ { .has_port = true, .is_routed = true }, EKEYREJECTED },
		{ { .has_port = true, .lost_route = true }, EHOSTUNREACH },
		{ { .has_port = true, .lost_route = true, .may_wait = true }, EHOSTUNREACH },
		{ { .has_port = true, .is_routed = true, .may_wait = true }, NEVER_ASKED },
		{ { .has_port = true, .may_wait = true }, NEVER_ASKED }, /* SO_MARK drops the route */
		{ { .has_port = true, .is_routed = true, .is_built = true }, ENOBUFS },
		{ { .has_port = true, .is_routed = true, .is_built = true, .may_wait = true }, ENOBUFS },
		{ { .has_port = true, .is_routed = true, .is_built = true, .is_refused = true }, ECONNREFUSED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(unsent_error(&cases[i].unsent), cases[i].error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_unsent),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
