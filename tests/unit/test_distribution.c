// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* distribution, bpf/depth.h: buckets of lengths, and how what came of late is spread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/depth.h"
#include "daemon/queues/listeners.h"

static void test_buckets(void **state)
{
	(void)state;
	for (uint32_t len = 0; len < 1 << DEPTH_MAX_BITS; len++) {
		uint32_t bucket = depth_bucket(len), start = depth_bucket_start(bucket),
			 end = depth_bucket_start(bucket + 1);

		assert_in_range(len, start, end - 1);
		assert_true(len >= 32 || end == start + 1);
		assert_true((end - start - 1) * 16 <= start); /* the middle is wrong by half of that */
	}
	assert_int_equal(depth_bucket(65535), DEPTH_BUCKETS - 1);
	assert_int_equal(depth_bucket(65536), DEPTH_BUCKETS - 1);
	assert_int_equal(depth_bucket(UINT32_MAX), DEPTH_BUCKETS - 1);
}

static void test_crowded(void **state)
{
	(void)state;
	assert_false(depth_is_crowded(0, 0));
	assert_false(depth_is_crowded(8, 10));
	assert_true(depth_is_crowded(9, 10));
	assert_true(depth_is_crowded(1, 1));
	assert_false(depth_is_crowded(3276, 4096));
	assert_true(depth_is_crowded(3277, 4096));
	assert_true(depth_is_crowded(UINT32_MAX, UINT32_MAX));
}

static void expect(const struct distribution *d, uint64_t count, uint64_t p50, uint64_t p99, uint64_t max)
{
	assert_true(d->known);
	assert_int_equal(d->spread.count, count);
	assert_int_equal(d->spread.p50, p50);
	assert_int_equal(d->spread.p99, p99);
	assert_int_equal(d->spread.max, max);
}

static void test_quantiles(void **state)
{
	struct distribution d = { .known = false };
	__u64 counts[DEPTH_BUCKETS] = { [3] = 98, [7] = 1 };

	(void)state;
	distribution_take(&d, &depth_scale, counts, true);
	expect(&d, 99, 3, 7, 7); /* 99 % of 99 are not all of 98 */
	counts[3]++;
	distribution_take(&d, &depth_scale, counts, false);
	expect(&d, 100, 3, 3, 7);
	counts[depth_bucket(4097)] += 1;
	distribution_take(&d, &depth_scale, counts, false);
	expect(&d, 101, 3, 7, 4096 + 127);
	distribution_bound(&d, &depth_scale, 4097);
	expect(&d, 101, 3, 7, 4097);
	distribution_free(&d);
	assert_false(d.known);
}

static void test_bound_is_of_the_last_bucket(void **state)
{
	struct distribution d = { .known = false };
	__u64 counts[DEPTH_BUCKETS] = { 0 };

	(void)state;
	counts[depth_bucket(40)] = 1;
	distribution_take(&d, &depth_scale, counts, true);
	expect(&d, 1, 40, 40, 40);
	distribution_bound(&d, &depth_scale, 700); /* somebody's who waited before */
	expect(&d, 1, 40, 40, 40);
	counts[depth_bucket(700)] = 1;
	distribution_take(&d, &depth_scale, counts, false);
	distribution_bound(&d, &depth_scale, 700);
	expect(&d, 2, 40, 687, 700);
	distribution_bound(&d, &depth_scale, 672); /* quantiles are not above it */
	expect(&d, 2, 40, 672, 672);
	distribution_free(&d);
}

/* A second listener of the port: what only the port is known of is no more counted to the first. */
static void test_fewer_than_before(void **state)
{
	struct distribution d = { .known = false };
	__u64 counts[DEPTH_BUCKETS] = { [2] = 10 };

	(void)state;
	distribution_take(&d, &depth_scale, counts, true);
	distribution_take(&d, &depth_scale, counts, true);
	counts[2] = 4;
	counts[3] = 1;
	distribution_take(&d, &depth_scale, counts, true);
	expect(&d, 1, 3, 3, 3);
	distribution_free(&d);
}

static void test_waits(void **state)
{
	struct distribution d = { .known = false };
	struct latency l = { .unknown = 9 };
	const uint64_t ns = 3000000000;

	(void)state;
	l.bucket[latency_bucket(ns)] = 5;
	distribution_take(&d, &wait_scale, l.bucket, true);
	assert_int_equal(d.spread.count, 5);
	assert_in_range(d.spread.p99, ns - ns / 64, ns + ns / 64);
	distribution_free(&d);
}

/* A look at a listener, `s` seconds after its first window began: `more` that joined one queue found one waiting. */
static void look(struct listeners *l, struct listener *p, enum overflow_queue which, unsigned int s, struct depth *kept,
		 unsigned int more)
{
	struct listener_sample sample = { .mono_ns = (1000 + s) * 1000000000ULL, .state = { .local_port = 80 } };
	struct distributions d = { .wait = NULL };

	*(which == QUEUE_SYN ? &sample.syn_peak : &sample.accept_peak) = more ? 2 : 0;
	kept->bucket[1] += more;
	kept->limit = 5;
	d.depth[which] = kept;
	listeners_sample(l, p, &sample);
	listener_distribute(p, &d);
	assert_false(p->queue[which == QUEUE_SYN ? QUEUE_ACCEPT : QUEUE_SYN].depth.known || p->wait.known);
}

/* What is shown is of the running window and the one before it: of the last 30 to 60 s. */
static void windows(enum overflow_queue which)
{
	static const struct {
		unsigned int at, more, shown;
	} looks[] = { { 0, 7, 7 },   { 10, 3, 10 }, { 30, 1, 4 },  { 59, 0, 4 },  { 60, 0, 0 },
		      { 70, 0, 0 },  { 90, 4, 4 },  { 119, 1, 5 }, { 120, 1, 2 }, { 150, 0, 0 },
		      { 500, 2, 2 }, { 1000, 0, 0 }, { 1001, 3, 3 } };
	struct event_listener e = { .socket = 1, .local_port = 80, .event = LISTENER_OPENED };
	struct listeners *l = listeners_new();
	struct listener *p = listeners_put(l, &e);
	struct listener_queue *q = &p->queue[which];
	struct depth kept = { .sum = 0 };

	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++) {
		look(l, p, which, looks[i].at, &kept, looks[i].more);
		expect(&q->depth, looks[i].shown, !!looks[i].shown, !!looks[i].shown, !!looks[i].shown);
		assert_int_equal(q->depth_limit, 5);
	}
	listener_distribute(p, &(struct distributions){ .wait = NULL });
	assert_false(q->depth.known);
	listeners_free(l);
}

static void test_windows(void **state)
{
	(void)state;
	windows(QUEUE_ACCEPT);
	windows(QUEUE_SYN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_crowded),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_bound_is_of_the_last_bucket),
		cmocka_unit_test(test_fewer_than_before),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
