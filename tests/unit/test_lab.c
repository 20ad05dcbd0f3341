// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The lab's language: what a statement becomes, and what is said of a wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "cli/lab/parse.h"
#include "cli/lab/report.h"
#include "cli/lab/words.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LISTENER "b: s = socket inet stream\n"

static struct lab_scenario scenario;

/* The last statement of a text that is right. */
static const struct lab_statement *parse(const char *text)
{
	char error[512];

	lab_scenario_free(&scenario);
	if (lab_parse("x.lab", text, &scenario, error, sizeof(error)) < 0)
		fail_msg("'%s': %s", text, error);
	assert_true(scenario.count > 0);
	return &scenario.statements[scenario.count - 1];
}

static int clean(void **state)
{
	(void)state;
	lab_scenario_free(&scenario);
	return 0;
}

static void test_example(void **state)
{
	static const enum lab_kind kinds[] = {
		LAB_REMARK, LAB_SYSCTL, LAB_CALL, LAB_CALL, LAB_CALL, LAB_CALL, LAB_WAIT,
		LAB_EXPECT, LAB_EXPECT, LAB_EXPECT, LAB_EXPECT, LAB_EXPECT, LAB_CALL,
	};

	(void)state;
	parse("# The accept queue takes one more than listen() asked for.\n"
	      "sysctl b net.core.somaxconn 4096\n"
	      "b: s = socket inet stream\n"
	      "b: bind s 0.0.0.0:7000\n"
	      "b: listen s 2\n"
	      "a: connect c1..c5 10.0.0.2:7000 nonblock\n"
	      "\n"
	      "wait 500ms\n"
	      "expect s accept_queue 3/2\n"
	      "expect c1..c3 ESTABLISHED\n"
	      "expect c4..c5 SYN_SENT\n"
	      "expect b counter ListenOverflows >= 2\n"
	      "expect record overflow stage syn queue accept listener 7000\n"
	      "b: x = accept s\n");
	assert_int_equal(scenario.count, COUNT(kinds));
	for (size_t i = 0; i < COUNT(kinds); i++)
		assert_int_equal(scenario.statements[i].kind, kinds[i]);
	assert_int_equal(scenario.statements[6].line, 8);
	assert_string_equal(scenario.statements[1].name, "net.core.somaxconn");
	assert_string_equal(scenario.statements[1].rest, "4096");
	assert_int_equal(scenario.statements[6].duration_ns, 500000000);
}

static void test_calls(void **state)
{
	const struct lab_call *c;

	(void)state;
	c = &parse("b: s1..s3 = socket inet6 stream mptcp")->call;
	assert_int_equal(c->code, LAB_SOCKET);
	assert_int_equal(c->family, AF_INET6);
	assert_int_equal(c->protocol, 262);
	assert_string_equal(c->made.stem, "s");
	assert_int_equal(lab_range_count(&c->made), 3);
	c = &parse(LISTENER "b: listen s -1")->call;
	assert_int_equal(c->number, -1);
	c = &parse("a: connect c 10.0.0.2:7000 timeout 1.5s &")->call;
	assert_int_equal(c->timeout_ns, 1500000000);
	assert_true(c->background && !c->nonblock);
	c = &parse(LISTENER "b: x = accept s nonblock")->call;
	assert_true(c->nonblock);
	assert_string_equal(c->on.stem, "s");
	assert_string_equal(c->made.stem, "x");
	c = &parse(LISTENER "b: send s 100")->call;
	assert_int_equal(c->number, 100);
	c = &parse(LISTENER "b: shutdown s write")->call;
	assert_int_equal(c->how, SHUT_WR);
	c = &parse(LISTENER "b: setsockopt s TCP_DEFER_ACCEPT 3")->call;
	assert_int_equal(c->option->number, TCP_DEFER_ACCEPT);
	assert_int_equal(c->number, 3);
	assert_int_equal(parse(LISTENER "repeat 3 b: recv s 1 nonblock")->repeat, 3);
}

static void test_addresses(void **state)
{
	const struct lab_address *a = &parse("a: connect c 10.0.0.2:7000")->call.address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->addr;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->addr;

	(void)state;
	assert_int_equal(in->sin_family, AF_INET);
	assert_int_equal(ntohl(in->sin_addr.s_addr), 0x0a000002);
	assert_int_equal(ntohs(in->sin_port), 7000);
	a = &parse("a: connect c [fd00::2]:65535")->call.address;
	in6 = (const struct sockaddr_in6 *)&a->addr;
	assert_int_equal(in6->sin6_family, AF_INET6);
	assert_int_equal(in6->sin6_addr.s6_addr[15], 2);
	assert_int_equal(ntohs(in6->sin6_port), 65535);
	a = &parse("b: connect c @lab")->call.address;
	un = (const struct sockaddr_un *)&a->addr;
	assert_int_equal(un->sun_family, AF_UNIX);
	assert_memory_equal(un->sun_path, "\0lab", 4);
	assert_int_equal(a->len, offsetof(struct sockaddr_un, sun_path) + 4);
}

static void test_ranges(void **state)
{
	const struct lab_range *r = &parse("a: connect c8..c11 10.0.0.2:1")->call.on;
	char name[LAB_NAME_SIZE];

	(void)state;
	assert_int_equal(lab_range_count(r), 4);
	lab_range_name(r, 0, name, sizeof(name));
	assert_string_equal(name, "c8");
	lab_range_name(r, 3, name, sizeof(name));
	assert_string_equal(name, "c11");
	r = &parse("a: connect c8 10.0.0.2:1")->call.on;
	assert_int_equal(lab_range_count(r), 1);
	lab_range_name(r, 0, name, sizeof(name));
	assert_string_equal(name, "c8");
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t value, max;
		bool holds;
	} cases[] = {
		{ "accept_queue 3/2", 3, 2, true },    { "accept_queue 3/2", 3, 3, false },
		{ "accept_queue 3/2", 2, 2, false },   { "accept_queue 3", 3, 99, true },
		{ "accept_queue 2..4/5", 4, 5, true }, { "accept_queue 2..4/5", 5, 5, false },
		{ "accept_queue 1/2 or 3/4", 3, 4, true },
		{ "accept_queue 1/2 or 3/4", 1, 4, false },
		{ "syn_queue >= 3", 3, 0, true },      { "syn_queue >= 3", 2, 0, false },
		{ "syn_queue > 3", 3, 0, false },      { "syn_queue > 3", 4, 0, true },
		{ "syn_queue <= 3", 3, 0, true },      { "syn_queue <= 3", 4, 0, false },
		{ "syn_queue < 3", 2, 0, true },       { "syn_queue < 3", 3, 0, false },
		{ "took 100ms..1s", 500000000, 0, true },
		{ "took < 100ms", 100000000, 0, false },
		{ "returned 0 or 7", 7, 0, true },     { "returned 0 or 7", 3, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[128] = LISTENER "expect s ";
		const struct lab_expect *e = &parse(strcat(text, cases[i].text))->expect;

		if (lab_numbers_hold(&e->numbers, cases[i].value, cases[i].max) != cases[i].holds)
			fail_msg("%s of %llu/%llu", cases[i].text, (unsigned long long)cases[i].value,
				 (unsigned long long)cases[i].max);
	}
}

static void test_expect(void **state)
{
	const struct lab_expect *e;

	(void)state;
	e = &parse(LISTENER "expect s ESTABLISHED or ECONNREFUSED or ok within 3s")->expect;
	assert_int_equal(e->subject, LAB_STATE);
	assert_int_equal(e->word_count, 3);
	assert_string_equal(e->words[1], "ECONNREFUSED");
	assert_int_equal(e->within_ns, 3000000000);
	e = &parse("a: connect c1..c9 10.0.0.2:1\nexpect 3..5 of c1..c9 SYN_SENT")->expect;
	assert_true(e->some && lab_numbers_hold(&e->many, 4, 0) && !lab_numbers_hold(&e->many, 6, 0));
	e = &parse("expect a counter TCPTimeouts 0")->expect;
	assert_int_equal(e->subject, LAB_COUNTER);
	assert_int_equal(scenario.statements[0].place, LAB_A);
	assert_string_equal(e->counter, "TCPTimeouts");
	e = &parse("expect no record reset direction=sent cause.code closed within 1s")->expect;
	assert_int_equal(e->subject, LAB_RECORD);
	assert_true(e->absent);
	assert_int_equal(e->field_count, 2);
	assert_string_equal(e->fields[0].name, "direction");
	assert_string_equal(e->fields[0].value, "sent");
	assert_string_equal(e->fields[1].name, "cause.code");
	assert_int_equal(parse(LISTENER "require s ok")->kind, LAB_REQUIRE);
	/* A socket may have the name of a namespace. */
	e = &parse("a: a = socket inet stream\nexpect a CLOSE")->expect;
	assert_string_equal(e->of.stem, "a");
}

/* Each says where, what is there, and what should be. */
static void test_wrong(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "listen s 2", "x.lab:1: found 'listen', expected a statement: a: or b: and a call" },
		{ "\n# x\nwait soon", "x.lab:3: found 'soon', expected a duration" },
		{ "wait", "x.lab:1: found the end of the line, expected a duration" },
		{ "wait 1s 2s", "x.lab:1: found '2s', expected the end of the line" },
		{ "b: dance s", "found 'dance', expected a call: socket, bind" },
		{ "b: socket inet stream", "found 'socket', expected a name for the socket that it makes" },
		{ "b: s = socket ipx stream", "found 'ipx', expected a family: inet, inet6 or unix" },
		{ "b: s = socket inet dgram", "found 'dgram', expected stream" },
		{ "b: s = socket inet", "found the end of the line, expected stream" },
		{ "b: 1s = socket inet stream", "found '1s', expected a socket's name" },
		{ "b: c3..c1 = socket inet stream", "found 'c3..c1', expected a range of one name" },
		{ "b: c1..d5 = socket inet stream", "found 'c1..d5', expected a range of one name" },
		{ "b: c1..c500 = socket inet stream", "found 'c1..c500', expected a range of one name" },
		{ LISTENER LISTENER, "x.lab:2: found 's', expected a name that no open socket has" },
		{ LISTENER "b: x = listen s 1", "found 'listen', expected socket or accept after =" },
		{ LISTENER "b: accept s", "found 'accept', expected a name for the socket" },
		{ LISTENER "b: listen s many", "x.lab:2: found 'many', expected a backlog" },
		{ LISTENER "b: listen s", "x.lab:2: found the end of the line, expected a backlog" },
		{ LISTENER "b: bind s 10.0.0.2", "found '10.0.0.2', expected an address" },
		{ LISTENER "b: bind s 10.0.0:80", "found '10.0.0:80', expected an address" },
		{ LISTENER "b: bind s 10.0.0.2:70000", "found '10.0.0.2:70000', expected an address" },
		{ LISTENER "b: bind s fd00::2:80", "found 'fd00::2:80', expected an address" },
		{ LISTENER "b: bind s @", "found '@', expected an address" },
		{ LISTENER "a: listen s 2", "x.lab:2: found 's', expected a socket of a" },
		{ "b: listen s 2", "x.lab:1: found 's', expected a socket that is open here" },
		{ LISTENER "b: close s\nb: listen s 1", "x.lab:3: found 's', expected a socket that is open" },
		{ LISTENER "b: setsockopt s TCP_NONE 1", "found 'TCP_NONE', expected an option's name" },
		{ LISTENER "b: setsockopt s SO_LINGER", "found the end of the line, expected the option's value" },
		{ LISTENER "b: shutdown s now", "found 'now', expected what to shut down" },
		{ LISTENER "b: send s 0", "found '0', expected how many bytes" },
		{ LISTENER "b: listen s 1 2", "found '2', expected the end of the line" },
		{ "a: connect c 10.0.0.2:1 timeout x", "found 'x', expected a duration" },
		{ "sysctl c net.core.somaxconn 1", "found 'c', expected a namespace: a or b" },
		{ "sysctl b net.core.somaxconn", "found the end of the line, expected the value" },
		{ "nft b", "found the end of the line, expected what nft is to be given" },
		{ "repeat 0 wait 1s", "found '0', expected how many times" },
		{ "repeat 2 b: s = socket inet stream", "found 'repeat', expected a call that makes no" },
		{ "require s LISTEN", "found 's', expected a socket that was made before" },
		{ "expect s LISTEN", "found 's', expected a socket that was made before" },
		{ LISTENER "expect s LISTENING", "found 'LISTENING', expected a state" },
		{ LISTENER "expect s", "x.lab:2: found the end of the line, expected a state" },
		{ LISTENER "expect s LISTEN or", "found the end of the line, expected a state" },
		{ LISTENER "expect s accept_queue 3/x", "found '3/x', expected what is in the queue" },
		{ LISTENER "expect s accept_queue 5..3", "found '5..3', expected what is in the queue" },
		{ LISTENER "expect s syn_queue 3/2", "found '3/2', expected a number" },
		{ LISTENER "expect s syn_queue -1", "found '-1', expected a number" },
		{ LISTENER "expect s syn_queue < 0", "found '< 0', expected something that can be" },
		{ LISTENER "expect s took 5x", "found '5x', expected a duration" },
		{ LISTENER "expect s LISTEN within", "found the end of the line, expected a duration" },
		{ "expect b counter", "found the end of the line, expected a counter's name" },
		{ "expect b counter X many", "found 'many', expected a number" },
		{ "expect record dance", "found 'dance', expected a record's type" },
		{ "expect record reset cause", "found the end of the line, expected the field's value" },
		{ "expect no reset", "found 'reset', expected record" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct lab_scenario s;
		char error[512];

		if (lab_parse("x.lab", cases[i].text, &s, error, sizeof(error)) == 0)
			fail_msg("'%s' was taken", cases[i].text);
		if (!strstr(error, cases[i].error))
			fail_msg("'%s': '%s', not '%s'", cases[i].text, error, cases[i].error);
	}
}

static void test_words(void **state)
{
	char name[16];

	(void)state;
	assert_string_equal(lab_errno_name(ECONNREFUSED, name, sizeof(name)), "ECONNREFUSED");
	assert_string_equal(lab_errno_name(9999, name, sizeof(name)), "E9999");
	assert_int_equal(lab_errno_find("ETIMEDOUT"), ETIMEDOUT);
	assert_int_equal(lab_errno_find("ok"), 0);
	/* include/net/tcp_states.h */
	assert_string_equal(lab_states[TCP_ESTABLISHED], "ESTABLISHED");
	assert_string_equal(lab_states[TCP_TIME_WAIT], "TIME_WAIT");
	assert_string_equal(lab_states[TCP_LISTEN], "LISTEN");
	assert_string_equal(lab_states[TCP_CLOSING], "CLOSING");
}

/* Names may be made again once they are closed. */
static void test_names_again(void **state)
{
	(void)state;
	parse(LISTENER "b: close s\n" LISTENER "b: listen s 1");
	parse("a: connect c 10.0.0.2:1\na: close c\na: connect c 10.0.0.2:1\nexpect c CLOSE");
	parse("a: connect c 10.0.0.2:1\na: close c\nexpect c TIME_WAIT");
}

/* A wait that ends half a second late is reported: kernel timers may have expired meanwhile. */
static void test_late(void **state)
{
	struct lab_report r = { .json = false };

	(void)state;
	lab_report_wait(&r, 400000000, 900000000);
	assert_int_equal(r.columns[LAB_COLUMN_CALL].len, 0);
	lab_report_wait(&r, 400000000, 5130000000);
	assert_string_equal(buf_text(&r.columns[LAB_COLUMN_CALL]), "waited 5.13 s instead of 400 ms\n");
	assert_int_equal(r.waited_ns, 5130000000);
	lab_report_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_example, clean),
		cmocka_unit_test_teardown(test_calls, clean),
		cmocka_unit_test_teardown(test_addresses, clean),
		cmocka_unit_test_teardown(test_ranges, clean),
		cmocka_unit_test_teardown(test_numbers, clean),
		cmocka_unit_test_teardown(test_expect, clean),
		cmocka_unit_test_teardown(test_names_again, clean),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
