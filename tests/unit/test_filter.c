// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* filter: the grammar, what it matches, and what it says about what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "common/filter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint8_t address[16];

static const uint8_t *addr(const char *text)
{
	char mapped[64] = "::ffff:";

	if (!strchr(text, ':'))
		text = strcat(mapped, text);
	assert_int_equal(inet_pton(AF_INET6, text, address), 1);
	return address;
}

static struct filter_subject subject(void)
{
	return (struct filter_subject){
		.role = ROLE_ACTIVE,
		.outcome = OUTCOME_ESTABLISHED,
		.local_port = 54321,
		.remote_port = 443,
		.remote_addr = addr("10.1.2.3"),
		.latency_ns = 1000000,
	};
}

static void set(struct filter *f, const char *key, const char *value)
{
	char error[256] = "";

	if (filter_set(f, key, value, error, sizeof(error)) != 0)
		fail_msg("%s '%s' was refused: %s", key, value, error);
}

static void test_empty_matches_all(void **state)
{
	struct filter f = { 0 };
	struct filter_subject s = subject();

	(void)state;
	assert_true(filter_is_empty(&f));
	assert_true(filter_match(&f, &s));
	s.latency_ns = NS_UNKNOWN;
	s.role = 0xff;
	s.outcome = 0xff;
	assert_true(filter_match(&f, &s));
	filter_free(&f);
}

static bool port_matches(const char *value, uint16_t local, uint16_t remote)
{
	struct filter f = { 0 };
	struct filter_subject s = subject();
	bool match;

	set(&f, "port", value);
	s.local_port = local;
	s.remote_port = remote;
	match = filter_match(&f, &s);
	filter_free(&f);
	return match;
}

static void test_ports(void **state)
{
	(void)state;
	assert_true(port_matches("443", 54321, 443));
	assert_true(port_matches("443", 443, 54321));
	assert_false(port_matches("443", 54321, 444));
	assert_true(port_matches("80,443", 80, 1));
	assert_false(port_matches("80,443", 81, 1));
	assert_false(port_matches("8000-8099,9000", 7999, 1));
	assert_true(port_matches("8000-8099,9000", 8000, 1));
	assert_true(port_matches("8000-8099,9000", 8099, 1));
	assert_false(port_matches("8000-8099,9000", 8100, 1));
	assert_true(port_matches("8000-8099,9000", 9000, 1));
	assert_true(port_matches("7-7", 7, 1));
	assert_true(port_matches("1-65535", 65535, 0));
	assert_false(port_matches("1-65535", 0, 0));
	assert_true(port_matches("65535", 65535, 1));
	assert_true(port_matches("080", 80, 1));
}

static bool remote_matches(const char *value, const char *remote)
{
	struct filter f = { 0 };
	struct filter_subject s = subject();
	bool match;

	set(&f, "remote", value);
	s.remote_addr = addr(remote);
	match = filter_match(&f, &s);
	filter_free(&f);
	return match;
}

/* Ranges that overlap, touch and repeat one another, in any order. */
static void test_overlapping_ranges(void **state)
{
	static const char ranges[] = "300-310,100-200,150-160,201,305-400,400-410,7,100-120";

	(void)state;
	for (unsigned port = 0; port < 65536; port++) {
		bool in = port == 7 || (port >= 100 && port <= 201) || (port >= 300 && port <= 410);

		if (port % 97 == 0 || port < 500)
			assert_int_equal(port_matches(ranges, (uint16_t)port, 0), in);
	}
}

/* CPU time of a list of ports that repeats `part`, as long as a request may be. */
static clock_t cost_of(const char *part)
{
	static char list[60000];
	struct filter f = { 0 };
	clock_t begin;
	size_t len = 0;

	while (len + strlen(part) + 1 < sizeof(list))
		len += (size_t)sprintf(list + len, "%s%s", len ? "," : "", part);
	begin = clock();
	for (int i = 0; i < 20; i++)
		set(&f, "port", list);
	begin = clock() - begin;
	filter_free(&f);
	return begin;
}

/* Anybody who may subscribe may send it: thousands of times all ports cost no more than as many bytes of others. */
static void test_wide_ranges_cost_no_more(void **state)
{
	clock_t narrow = cost_of("65000-65000"), wide = cost_of("1-65535");

	(void)state;
	if (wide > 20 * narrow)
		fail_msg("%ld against %ld us", (long)wide, (long)narrow);
}

static void test_remotes(void **state)
{
	(void)state;
	assert_true(remote_matches("10.1.2.3", "10.1.2.3"));
	assert_false(remote_matches("10.1.2.3", "10.1.2.4"));
	assert_true(remote_matches("10.0.0.0/8", "10.255.0.1"));
	assert_false(remote_matches("10.0.0.0/8", "11.0.0.0"));
	assert_true(remote_matches("10.1.2.0/23", "10.1.3.255"));
	assert_false(remote_matches("10.1.2.0/23", "10.1.4.0"));
	assert_true(remote_matches("10.1.2.3/31", "10.1.2.2"));
	assert_false(remote_matches("10.1.2.3/31", "10.1.2.4"));
	/* Host bits are no error. */
	assert_true(remote_matches("10.99.99.99/8", "10.1.1.1"));
	/* All of IPv4, and no IPv6. */
	assert_true(remote_matches("0.0.0.0/0", "255.255.255.255"));
	assert_false(remote_matches("0.0.0.0/0", "2001:db8::1"));
	assert_true(remote_matches("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(remote_matches("2001:db8::/32", "2001:db9::1"));
	assert_true(remote_matches("2001:db8::1", "2001:db8::1"));
	assert_true(remote_matches("fe80::ffff/10", "febf::1"));
	assert_false(remote_matches("fe80::ffff/10", "fec0::1"));
	assert_true(remote_matches("::/0", "2001:db8::1"));
	assert_true(remote_matches("::1/128", "::1"));
	assert_false(remote_matches("::1/128", "0.0.0.1"));
	/* The mapped form of an IPv4 address is that address. */
	assert_true(remote_matches("::ffff:10.0.0.0/104", "10.1.2.3"));
}

static void test_masked_on_the_mapped_form(void **state)
{
	struct filter f = { 0 };

	(void)state;
	set(&f, "remote", "10.99.99.99/9");
	assert_int_equal(f.remote_prefix, 105);
	assert_memory_equal(f.remote, addr("10.0.0.0"), 16);
	assert_int_equal(f.stream.by_remote, 1);
	set(&f, "remote", "2001:db8:ffff::1/33");
	assert_int_equal(f.remote_prefix, 33);
	assert_memory_equal(f.remote, addr("2001:db8:8000::"), 16);
	filter_free(&f);
}

static void test_roles_and_outcomes(void **state)
{
	struct filter f = { 0 };
	struct filter_subject s = subject();

	(void)state;
	set(&f, "role", "active");
	assert_int_equal(f.stream.roles, 1 << ROLE_ACTIVE);
	assert_true(filter_match(&f, &s));
	s.role = ROLE_PASSIVE;
	assert_false(filter_match(&f, &s));
	s.role = 0xff;
	assert_false(filter_match(&f, &s));
	set(&f, "role", "passive");
	s.role = ROLE_PASSIVE;
	assert_true(filter_match(&f, &s));
	set(&f, "outcome", "failed");
	assert_false(filter_match(&f, &s));
	for (uint8_t outcome = 1; outcome < OUTCOMES; outcome++) {
		s.outcome = outcome;
		assert_true(filter_match(&f, &s));
	}
	s.outcome = 0xff;
	assert_false(filter_match(&f, &s));
	set(&f, "outcome", "refused,timeout");
	assert_int_equal(f.stream.outcomes, 1 << OUTCOME_REFUSED | 1 << OUTCOME_TIMEOUT);
	set(&f, "outcome", "failed,established");
	assert_int_equal(f.stream.outcomes, (1 << OUTCOMES) - 1);
	filter_free(&f);
}

static void test_slow(void **state)
{
	struct filter f = { 0 };
	struct filter_subject s = subject();

	(void)state;
	set(&f, "slow", "1ms");
	assert_true(filter_match(&f, &s));
	s.latency_ns--;
	assert_false(filter_match(&f, &s));
	/* The largest number of all is not the slowest: it stands for "unknown". */
	s.latency_ns = NS_UNKNOWN;
	assert_false(filter_match(&f, &s));
	filter_free(&f);
}

static void test_criteria_are_joined_by_and(void **state)
{
	struct filter f = { 0 };
	struct filter_subject s = subject();

	(void)state;
	set(&f, "port", "443");
	set(&f, "remote", "10.0.0.0/8");
	set(&f, "role", "active");
	set(&f, "outcome", "established");
	set(&f, "slow", "1us");
	assert_true(filter_match(&f, &s));
	s.remote_port = 80;
	assert_false(filter_match(&f, &s));
	filter_free(&f);
}

static void test_second_value_replaces(void **state)
{
	struct filter f = { 0 };
	struct filter_subject s = subject();

	(void)state;
	set(&f, "port", "443");
	set(&f, "port", "80");
	assert_false(filter_match(&f, &s));
	assert_string_equal(f.text[0], "80");
	filter_free(&f);
}

/* One line, names the value, says what is right; and the filter is as it was. */
static void expect_refused(const char *key, const char *value, const char *named, const char *hint)
{
	struct filter f = { 0 }, before;
	char error[256] = "";

	set(&f, "port", "443");
	before = f;
	assert_int_equal(filter_set(&f, key, value, error, sizeof(error)), -1);
	if (!strstr(error, named) || !strstr(error, hint) || strlen(error) + 1 >= sizeof(error))
		fail_msg("%s '%s': unhelpful: %s", key, value, error);
	for (const char *p = error; *p; p++)
		assert_in_range(*p, ' ', '~');
	assert_memory_equal(&f, &before, sizeof(f));
	filter_free(&f);
}

static void test_refused(void **state)
{
	static const char *const ports[] = { "0", "65536", "http", "-1", "80-", "-80", "9-8",
					     "80 ", " 80", "+80", "0x50", "1-2-3", "0-5",
					     "99999999999999999999", "80;443", "8.0" };
	static const char *const remotes[] = { "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0",
					       "10.0.0.0/8/8", "::/129", "host.example", "1.2.3.4 ",
					       "fe80::1%eth0", "/8", "256.1.1.1", "::g",
					       "10.0.0.0/0x8" };
	static const char *const slows[] = { "0", "0s", "0.1ns", "fast", "-1s", "10 ms",
					     "18446744073709551615ns" };

	(void)state;
	for (size_t i = 0; i < COUNT(ports); i++)
		expect_refused("port", ports[i], ports[i], "1..65535");
	for (size_t i = 0; i < COUNT(remotes); i++)
		expect_refused("remote", remotes[i], remotes[i], "10.0.0.0/8");
	for (size_t i = 0; i < COUNT(slows); i++)
		expect_refused("slow", slows[i], slows[i], "10ms");
	expect_refused("role", "both", "both", "active or passive");
	expect_refused("outcome", "ok", "ok", "established, refused");
	expect_refused("outcome", "Refused", "Refused", "failed");
	expect_refused("ports", "80", "ports", "port, remote");
	for (size_t i = 0; i < FILTER_KEYS; i++)
		expect_refused(filter_keys[i], "", "''", "use");
}

/* In a list it is the bad part that is named. */
static void test_refused_part(void **state)
{
	(void)state;
	expect_refused("port", "80,99999,443", "'99999'", "1..65535");
	expect_refused("port", "80,", "''", "1..65535");
	expect_refused("port", ",80", "''", "1..65535");
	expect_refused("outcome", "refused,,reset", "''", "failed");
	expect_refused("outcome", "refused,late", "'late'", "failed");
}

static void test_refused_value_cannot_harm_a_terminal(void **state)
{
	char longest[4096];

	(void)state;
	expect_refused("outcome", "a\033[31m\nb\x9b", "'a?[31m?b?'", "failed");
	expect_refused("x\ny", "1", "'x?y'", "port");
	memset(longest, '9', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < FILTER_KEYS; i++)
		expect_refused(filter_keys[i], longest, "'99999999", "use");
}

static int set_json(struct filter *f, const char *text, char *error, size_t size)
{
	cJSON *json = cJSON_Parse(text);
	int result;

	assert_non_null(json);
	result = filter_set_json(f, json, error, size);
	cJSON_Delete(json);
	return result;
}

static void test_json(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "{}", "{}" },
		{ "{\"port\":443}", "{\"port\":\"443\"}" },
		{ "{\"port\":[80,443]}", "{\"port\":\"80,443\"}" },
		{ "{\"port\":[80,\"8000-8099\"]}", "{\"port\":\"80,8000-8099\"}" },
		{ "{\"outcome\":[\"refused\",\"reset\"],\"role\":[\"active\"]}",
		  "{\"role\":\"active\",\"outcome\":\"refused,reset\"}" },
		{ "{\"slow\":\"10ms\",\"remote\":\"::1\",\"port\":\"80\"}",
		  "{\"port\":\"80\",\"remote\":\"::1\",\"slow\":\"10ms\"}" },
		{ "{\"port\":1,\"port\":2}", "{\"port\":\"2\"}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct filter f = { 0 };
		char error[256] = "", *out;
		cJSON *json;

		assert_int_equal(set_json(&f, cases[i].in, error, sizeof(error)), 0);
		json = filter_to_json(&f);
		out = cJSON_PrintUnformatted(json);
		assert_string_equal(out, cases[i].out);
		/* There and back again. */
		assert_int_equal(set_json(&f, out, error, sizeof(error)), 0);
		cJSON_free(out);
		cJSON_Delete(json);
		filter_free(&f);
	}
}

static void test_netns(void **state)
{
	struct filter_subject s = subject();
	struct filter f = { 0 };
	char error[256];

	(void)state;
	set(&f, "netns", "4026532001");
	assert_true(filter_match(&f, &s)); /* of none: matches any */
	s.netns = 4026532001;
	assert_true(filter_match(&f, &s));
	s.netns++;
	assert_false(filter_match(&f, &s));
	s.audit = true;
	assert_false(filter_match(&f, &s));
	s.netns--;
	set(&f, "port", "1");
	assert_true(filter_match(&f, &s)); /* an audit has no ends */
	assert_int_equal(filter_set(&f, "netns", "/proc/self/ns/net", error, sizeof(error)), 0);
	assert_int_equal(filter_set(&f, "netns", "/proc/self/ns/pid/..", error, sizeof(error)), -1);
	assert_int_equal(filter_set(&f, "netns", "4294967296", error, sizeof(error)), -1);
	filter_free(&f);
}

/* Of a recording: by paths alone, of whatever host. */
static void test_cgroup(void **state)
{
	struct filter f = { .recorded = true };
	struct filter_subject s = subject();
	char error[256];

	(void)state;
	set(&f, "cgroup", "/no.such/web.service/");
	assert_false(filter_match(&f, &s)); /* of none: in none */
	s.cgroup_id = 7;
	assert_false(filter_match(&f, &s));
	s.cgroup_path = "/no.such/web.service";
	assert_true(filter_match(&f, &s));
	s.cgroup_path = "/no.such/web.service/a/b";
	assert_true(filter_match(&f, &s));
	s.cgroup_path = "/no.such/web.service2";
	assert_false(filter_match(&f, &s));
	s.cgroup_path = "/no.such";
	assert_false(filter_match(&f, &s));
	s.ends_only = true;
	assert_false(filter_match(&f, &s));
	s.audit = true; /* of a namespace, not of a process */
	assert_true(filter_match(&f, &s));
	s.audit = false;
	f.stream.cgroup_id = 7; /* one that is gone has no path, but its id */
	s.cgroup_path = NULL;
	assert_true(filter_match(&f, &s));
	assert_int_equal(filter_set(&f, "cgroup", "relative", error, sizeof(error)), -1);
	assert_string_equal(f.text[3], "/no.such/web.service/");
	filter_free(&f);
	s.cgroup_path = "/";
	f = (struct filter){ .recorded = true };
	set(&f, "cgroup", "/");
	assert_true(filter_match(&f, &s));
	s.cgroup_path = "/any";
	assert_true(filter_match(&f, &s));
	filter_free(&f);
}

#define FOUR_PORTS "\"port\":1,\"port\":2,\"port\":3,\"port\":4"
#define PORTS FOUR_PORTS "," FOUR_PORTS "," FOUR_PORTS "," FOUR_PORTS

static void test_json_refused(void **state)
{
	static const struct {
		const char *in, *named;
	} cases[] = {
		{ "[]", "no object" },
		{ "\"port\"", "no object" },
		{ "null", "no object" },
		{ "{\"port\":443.5}", "443.5" },
		{ "{" PORTS ",\"port\":1}", "more than 16 members" },
		{ "{\"port\":-1}", "-1" },
		{ "{\"port\":1e300}", "1e+300" },
		{ "{\"port\":65536}", "65536" },
		{ "{\"port\":null}", "null" },
		{ "{\"port\":true}", "true" },
		{ "{\"port\":[]}", "''" },
		{ "{\"port\":\"\"}", "''" },
		{ "{\"port\":[\"\"]}", "''" },
		{ "{\"port\":[[80]]}", "[[80]]" },
		{ "{\"port\":{\"a\":1}}", "{\"a\":1}" },
		{ "{\"port\":[80,\"\"]}", "''" },
		{ "{\"outcome\":[\"refused\",7]}", "'7'" },
		{ "{\"slow\":\"x\"}", "'x'" },
		{ "{\"netns\":\"/tmp\"}", "'/tmp'" },
		{ "{\"netns\":0}", "'0'" },
		{ "{\"netns\":{}}", "netns" },
		{ "{\"cgroup\":\"/tmp\"}", "'/tmp'" },
		{ "{\"cgroup\":\"\"}", "''" },
		{ "{\"cgroups\":\"5\"}", "'cgroups'" },
		{ "{\"port\":80,\"role\":\"none\"}", "'none'" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct filter f = { 0 };
		char error[256] = "";

		set(&f, "port", "443");
		assert_int_equal(set_json(&f, cases[i].in, error, sizeof(error)), -1);
		if (!strstr(error, cases[i].named) || strchr(error, '\n'))
			fail_msg("%s: unhelpful: %s", cases[i].in, error);
		/* All or nothing. */
		assert_string_equal(f.text[0], "443");
		filter_free(&f);
	}
}

static void test_no_json_is_no_filter(void **state)
{
	struct filter f = { 0 };
	char error[256];

	(void)state;
	assert_int_equal(filter_set_json(&f, NULL, error, sizeof(error)), 0);
	assert_true(filter_is_empty(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_matches_all),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_overlapping_ranges),
		cmocka_unit_test(test_wide_ranges_cost_no_more),
		cmocka_unit_test(test_remotes),
		cmocka_unit_test(test_masked_on_the_mapped_form),
		cmocka_unit_test(test_roles_and_outcomes),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_criteria_are_joined_by_and),
		cmocka_unit_test(test_second_value_replaces),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_part),
		cmocka_unit_test(test_refused_value_cannot_harm_a_terminal),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_netns),
		cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_json_refused),
		cmocka_unit_test(test_no_json_is_no_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
