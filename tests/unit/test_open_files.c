// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Descriptors of who owns a full queue: what /proc says, when it explains a refusal, and how that is said. */
#include "tests/unit/diagnosing.h"

#include <unistd.h>

#include "daemon/cause/exhausted.h"

#define LIMITS(value) \
	"Limit                     Soft Limit           Hard Limit           Units     \n" \
	"Max processes             31612                31612                processes \n" \
	"Max open files            " value "               524288               files     \n" \
	"Max locked memory         8388608              8388608              bytes     \n"

static void test_limit(void **state)
{
	uint32_t limit = 7;

	(void)state;
	assert_true(open_files_parse_limit(LIMITS("1024"), &limit));
	assert_int_equal(limit, 1024);
	assert_true(open_files_parse_limit(LIMITS("unlimited"), &limit));
	assert_int_equal(limit, UINT32_MAX);
	assert_true(open_files_parse_limit(LIMITS("1099511627776"), &limit));
	assert_int_equal(limit, UINT32_MAX);
	limit = 7;
	assert_false(open_files_parse_limit("", &limit));
	assert_false(open_files_parse_limit("Max open files            \n", &limit));
	assert_false(open_files_parse_limit("Max open files", &limit));
	assert_int_equal(limit, 7);
}

static void test_own(void **state)
{
	struct open_files before, after;
	int fd;

	(void)state;
	assert_int_equal(open_files_read("/proc", (uint32_t)getpid(), &before), 0);
	fd = dup(0);
	assert_true(fd >= 0);
	assert_int_equal(open_files_read("/proc", (uint32_t)getpid(), &after), 0);
	close(fd);
	assert_int_equal(after.used, before.used + 1);
	assert_true(after.limit > 0 && after.limit == before.limit);
	assert_true(open_files_read("/proc", UINT32_MAX, &after) < 0);
}

static struct refusal_evidence refusal_of(uint32_t netns)
{
	return (struct refusal_evidence){ .count = 2, .proven = true, .code = CODE_ACCEPT_QUEUE_FULL, .netns = netns };
}

/* From its first SYN at END - 3 s to its end. */
static bool is_found(const struct exhausted *x, struct refusal_evidence r, uint16_t port)
{
	exhausted_find(x, &r, port, END - 3 * SECOND, END);
	return r.open_files.limit;
}

static void seen(struct exhausted *x, uint64_t ns)
{
	exhausted_add(x, 1, 80, &(struct open_files){ .used = 64, .limit = 64, .seen_ns = ns });
}

static void test_when_it_was_seen(void **state)
{
	static struct exhausted x;
	struct refusal_evidence other = refusal_of(1);

	(void)state;
	assert_false(is_found(&x, refusal_of(1), 80));
	seen(&x, END - 4 * SECOND); /* it may have had some again */
	assert_false(is_found(&x, refusal_of(1), 80));
	seen(&x, END - 2 * SECOND);
	assert_true(is_found(&x, refusal_of(1), 80));
	assert_false(is_found(&x, refusal_of(2), 80));
	assert_false(is_found(&x, refusal_of(1), 81));
	other.code = CODE_SYN_QUEUE_FULL;
	assert_false(is_found(&x, other, 80));
	other = refusal_of(1);
	other.count = 0;
	assert_false(is_found(&x, other, 80));
	seen(&x, END + SECOND); /* of a run of looks that began before */
	assert_true(is_found(&x, refusal_of(1), 80));
	seen(&x, END + 60 * SECOND);
	assert_false(is_found(&x, refusal_of(1), 80));
}

static void test_sentence(void **state)
{
	(void)state;
	begin(ROLE_ACTIVE, OUTCOME_TIMEOUT, 3 * SECOND, 1);
	SENT(syns, 0, 1000);
	evidence.syn = refusal_of(1);
	is_cause(CAUSE_ACCEPT_QUEUE_FULL, true);
	evidence.syn.open_files = (struct open_files){ .used = 64, .limit = 64, .seen_ns = END };
	is_cause(CAUSE_DESCRIPTORS_EXHAUSTED, false);
	assert_string_equal(cause.detail, "SYN dropped twice: the server's accept queue was full, and its owner had 64 of 64 "
					  "descriptors open when that was looked at");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_when_it_was_seen),
		cmocka_unit_test(test_sentence),
	};

	return cmocka_run_group_tests_name("open_files", tests, NULL, NULL);
}
