// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* doctor_model, doctor_sysctl, doctor_listeners, ports_sum: what is judged, and by what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/doctor/model.h"

#define OURS 7
#define LISTENER(netns, socket, max, rest)                                                   \
	"{\"v\":1,\"type\":\"listener\",\"seq\":2,\"event\":\"sample\",\"netns\":" #netns     \
	",\"socket\":\"" socket "\",\"local\":{\"addr\":\"::1\",\"port\":80},\"process\":"    \
	"{\"pid\":9,\"comm\":\"web\",\"uid\":0},\"accept_queue\":{\"len\":0,\"max\":" #max    \
	",\"peak\":0},\"backlog\":" #max rest "}"

/* What a host is like: name and value, up to NULL. */
struct setting {
	const char *name, *value;
};

static struct ports_summary ports;
static int ports_error;

static bool get(void *ctx, const char *name, uint64_t netns, uint64_t pid, char *out, size_t size)
{
	(void)pid;
	if (netns != OURS)
		return false;
	for (const struct setting *s = ctx; s->name; s++)
		if (strcmp(s->name, name) == 0)
			return snprintf(out, size, "%s", s->value) > 0;
	return false;
}

static int get_ports(void *ctx, uint16_t low, uint16_t high, struct ports_summary *sum)
{
	(void)ctx;
	assert_true(low <= high);
	*sum = ports;
	return ports_error;
}

static const struct doctor_finding *find(const struct doctor *d, const char *name)
{
	for (size_t i = 0; i < doctor_count(d); i++)
		if (strcmp(doctor_at(d, i)->name, name) == 0)
			return doctor_at(d, i);
	fail_msg("nothing is said of %s", name);
	return NULL;
}

/* The verdict on one sysctl, among others; `says` is in its detail. */
static void expect(const struct setting *settings, const char *const *lines, size_t count,
		   const char *name, enum doctor_verdict verdict, const char *says)
{
	static struct filter none;
	struct listener_list *list = listener_list_new(&none);
	struct doctor_host host = { .netns = OURS, .sysctl = get, .ports = get_ports,
				    .ctx = (void *)(uintptr_t)settings, .listeners = list };
	struct doctor d = { { 0 } };
	const struct doctor_finding *f;

	for (size_t i = 0; i < count; i++)
		listener_list_add(list, NULL, lines[i], strlen(lines[i]));
	assert_int_equal(listener_list_count(list), count);
	doctor_judge_sysctls(&d, &host);
	doctor_judge_listeners(&d, &host);
	f = find(&d, name);
	if (!strstr(f->detail, says))
		fail_msg("%s: no '%s' in '%s'", name, says, f->detail);
	assert_string_equal(doctor_verdict_names[f->verdict], doctor_verdict_names[verdict]);
	doctor_free(&d);
	listener_list_free(list);
}

#define EXPECT(name, value, verdict, says) \
	expect((struct setting[]){ { name, value }, { 0 } }, NULL, 0, name, verdict, says)

static void test_retries(void **state)
{
	(void)state;
	/* RFC 6298 and Documentation/networking/ip-sysctl.rst: 127 s and 63 s are the defaults. */
	EXPECT("net.ipv4.tcp_syn_retries", "6", DOCTOR_OK, "7 SYNs and fails after about 127 s");
	EXPECT("net.ipv4.tcp_syn_retries", "1", DOCTOR_WARN, "2 SYNs and fails after about 3 s");
	EXPECT("net.ipv4.tcp_syn_retries", "8", DOCTOR_NOTE, "9 SYNs and fails after about 367 s");
	EXPECT("net.ipv4.tcp_synack_retries", "5", DOCTOR_OK, "about 63 s");
	EXPECT("net.ipv4.tcp_synack_retries", "0", DOCTOR_WARN, "about 1 s");
	EXPECT("net.ipv4.tcp_synack_retries", "255", DOCTOR_NOTE, "s");
	expect((struct setting[]){ { "net.ipv4.tcp_syn_retries", "6" },
				   { "net.ipv4.tcp_syn_linear_timeouts", "4" }, { 0 } },
	       NULL, 0, "net.ipv4.tcp_syn_retries", DOCTOR_OK, "11 SYNs and fails after about 131 s");
	/* As measured on Linux 6.18, see test_doctor.py. */
	expect((struct setting[]){ { "net.ipv4.tcp_syn_retries", "1" },
				   { "net.ipv4.tcp_syn_linear_timeouts", "4" }, { 0 } },
	       NULL, 0, "net.ipv4.tcp_syn_retries", DOCTOR_OK, "3 SYNs and fails after about 3 s");
	expect((struct setting[]){ { "net.ipv4.tcp_syn_retries", "3" }, { "net.ipv4.tcp_rto_max_ms", "2000" }, { 0 } },
	       NULL, 0, "net.ipv4.tcp_syn_retries", DOCTOR_OK, "4 SYNs and fails after about 7 s");
	expect((struct setting[]){ { "net.ipv4.tcp_synack_retries", "3" }, { "net.ipv4.tcp_rto_max_ms", "1000" }, { 0 } },
	       NULL, 0, "net.ipv4.tcp_synack_retries", DOCTOR_OK,
	       "about 15 s, or 4 s if this kernel holds SYN-ACKs to tcp_rto_max_ms");
}

static void test_switches(void **state)
{
	(void)state;
	EXPECT("net.ipv4.tcp_syncookies", "1", DOCTOR_OK, "cookies");
	EXPECT("net.ipv4.tcp_syncookies", "0", DOCTOR_WARN, "drops SYNs");
	EXPECT("net.ipv4.tcp_syncookies", "2", DOCTOR_WARN, "every SYN");
	EXPECT("net.ipv4.tcp_abort_on_overflow", "0", DOCTOR_OK, "dropped");
	EXPECT("net.ipv4.tcp_abort_on_overflow", "1", DOCTOR_WARN, "RST");
	EXPECT("net.ipv4.tcp_fastopen", "0", DOCTOR_OK, "clients do not use it, servers do not");
	EXPECT("net.ipv4.tcp_fastopen", "1", DOCTOR_OK, "clients may send data in the SYN, servers do not");
	EXPECT("net.ipv4.tcp_fastopen", "1027", DOCTOR_OK, "servers all use it");
	EXPECT("net.ipv4.tcp_fastopen", "519", DOCTOR_NOTE, "without a cookie");
}

static void test_missing(void **state)
{
	(void)state;
	expect((struct setting[]){ { 0 } }, NULL, 0, "net.core.somaxconn", DOCTOR_UNKNOWN, "none");
}

static void test_somaxconn(void **state)
{
	const struct setting at_100[] = { { "net.core.somaxconn", "100" }, { 0 } };
	static const char *const lines[] = {
		LISTENER(7, "a", 16, ""), LISTENER(7, "b", 99, ""), LISTENER(8, "c", 100, ""),
		LISTENER(7, "d", 100, ""),
	};

	(void)state;
	expect(at_100, NULL, 0, "net.core.somaxconn", DOCTOR_OK, "nobody listens");
	/* That of another namespace has another somaxconn. */
	expect(at_100, lines, 3, "net.core.somaxconn", DOCTOR_OK, "the largest limit is 99, web/9 at [::1]:80");
	expect(at_100, lines, 3, "others", DOCTOR_OK, "3 of 3");
	expect(at_100, lines, 4, "net.core.somaxconn", DOCTOR_NOTE, "1 of 3 listeners are at it");
	expect(at_100, lines, 4, "net.core.somaxconn", DOCTOR_NOTE, "at most this");
	expect(at_100, lines, 4, "web/9 at [::1]:80", DOCTOR_NOTE, "at most 100");
	expect(at_100, lines, 4, "others", DOCTOR_OK, "3 of 4");
}

#define UNSEEN(netns, socket)                                                                 \
	"{\"v\":1,\"type\":\"listener\",\"seq\":2,\"event\":\"sample\",\"netns\":" #netns     \
	",\"socket\":\"" socket "\",\"local\":{\"addr\":\"::1\",\"port\":80},\"accept_queue\":null,"     \
	"\"syn_queue\":null,\"drops\":null,\"backlog\":null}"
#define PROBE(capability)                                                                     \
	"{\"v\":1,\"type\":\"probe\",\"capabilities\":{\"" capability "\":{\"ok\":false,\"error\":"  \
	"\"No.\"}}}"

/* What the listeners are judged to be, after a probe. */
static void expect_unseen(const char *probe, const char *line, const char *name, const char *says)
{
	static const struct setting settings[] = { { "net.core.somaxconn", "100" },
						   { "net.ipv4.tcp_max_syn_backlog", "64" },
						   { "net.ipv4.tcp_syncookies", "0" }, { 0 } };
	static struct filter none;
	struct listener_list *list = listener_list_new(&none);
	struct doctor_host host = { .netns = OURS, .sysctl = get, .ports = get_ports,
				    .ctx = (void *)(uintptr_t)settings, .listeners = list };
	struct doctor d = { { 0 } };
	const struct doctor_finding *f;

	listener_list_add(list, NULL, probe, strlen(probe));
	if (line)
		listener_list_add(list, NULL, line, strlen(line));
	doctor_judge_sysctls(&d, &host);
	doctor_judge_listeners(&d, &host);
	f = find(&d, name);
	if (!strstr(f->detail, says))
		fail_msg("%s: no '%s' in '%s'", name, says, f->detail);
	assert_string_equal(doctor_verdict_names[f->verdict], "unknown");
	doctor_free(&d);
	listener_list_free(list);
}

/* No queue was looked at, no listener found: then nothing is fine. */
static void test_what_was_not_looked_at(void **state)
{
	(void)state;
	expect_unseen(PROBE("queue_look"), UNSEEN(7, "a"), "net.core.somaxconn",
		      "the limits of the listeners here, 1 of them, are not known (queue_look: No.)");
	expect_unseen(PROBE("queue_look"), UNSEEN(7, "a"), "net.ipv4.tcp_max_syn_backlog",
		      "not all known");
	expect_unseen(PROBE("queue_look"), UNSEEN(7, "a"), "others",
		      "1 of 1 listeners: nothing was seen to be refused; queues not shown: queue_look: No.");
	expect_unseen(PROBE("listener_iterator"), NULL, "net.core.somaxconn",
		      "cannot be found (listener_iterator: No.)");
	expect_unseen(PROBE("listener_iterator"), NULL, "others", "no listeners known");
}

static void test_listeners(void **state)
{
	const struct setting at_100[] = { { "net.core.somaxconn", "100" }, { 0 } };
	static const struct {
		const char *line;
		enum doctor_verdict verdict;
		const char *says;
	} cases[] = {
		{ LISTENER(7, "a", 101, ""), DOCTOR_NOTE, "above somaxconn, which was lowered to 100" },
		{ LISTENER(7, "a", 5, ",\"drops\":3"), DOCTOR_NOTE, "dropped 3 packets" },
		{ LISTENER(7, "a", 5, ",\"overflows\":{\"syn\":2,\"ack\":1}"), DOCTOR_WARN,
		  "2 handshakes refused at the SYN and 1 at the final ACK" },
		{ LISTENER(7, "a", 100, ",\"overflows\":{\"syn\":2,\"ack\":0}"), DOCTOR_WARN, "at most 100" },
		{ LISTENER(7, "a", 100, ",\"backlog_asked\":511"), DOCTOR_NOTE,
		  "asked 511, got 100: net.core.somaxconn of this namespace (511 may be the default of nginx" },
		{ LISTENER(7, "a", 50, ",\"backlog_asked\":511"), DOCTOR_NOTE, "asked 511, got 50" },
		{ LISTENER(7, "a", 5, ",\"drops\":3"), DOCTOR_NOTE, "got 5 (5 may be the default of Python's" },
		{ LISTENER(7, "a", 5, ",\"oldest_wait_ns\":3000000000"), DOCTOR_WARN, "has waited 3.00 s" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(at_100, &cases[i].line, 1, "web/9 at [::1]:80", cases[i].verdict, cases[i].says);
}

static void test_syn_backlog(void **state)
{
	const struct setting cookies[] = { { "net.ipv4.tcp_max_syn_backlog", "128" },
					   { "net.ipv4.tcp_syncookies", "1" }, { 0 } };
	const struct setting none[] = { { "net.ipv4.tcp_max_syn_backlog", "128" },
					{ "net.ipv4.tcp_syncookies", "0" }, { 0 } };
	static const char *const small[] = { LISTENER(7, "a", 96, "") };
	static const char *const large[] = { LISTENER(7, "a", 97, "") };

	(void)state;
	expect(cookies, large, 1, "net.ipv4.tcp_max_syn_backlog", DOCTOR_OK, "not used");
	expect(none, small, 1, "net.ipv4.tcp_max_syn_backlog", DOCTOR_OK, "up to 96");
	expect(none, large, 1, "net.ipv4.tcp_max_syn_backlog", DOCTOR_WARN, "1 of 1 listeners");
}

static void test_port_range(void **state)
{
	static const char name[] = "net.ipv4.ip_local_port_range";

	(void)state;
	ports = (struct ports_summary){ 0 };
	EXPECT(name, "32768 60999", DOCTOR_OK, "28232 ports for outgoing connections to one destination; none");
	ports = (struct ports_summary){ .ports = 9, .busiest = 5, .towards = { .remote_port = 443 } };
	EXPECT(name, "40000 40009", DOCTOR_NOTE, "[::]:443: 5 (50 %)");
	ports.busiest = 8;
	EXPECT(name, "40000 40009", DOCTOR_WARN, "8 (80 %)");
	ports.busiest = 4;
	EXPECT(name, "40000 40009", DOCTOR_OK, "4 (40 %)");
	EXPECT(name, "9 1", DOCTOR_UNKNOWN, "no range");
	ports_error = -1;
	EXPECT(name, "40000 40009", DOCTOR_UNKNOWN, "does not show");
	ports_error = 0;
}

static struct port_use use(uint8_t from, uint16_t local_port, uint8_t to, uint16_t remote_port)
{
	return (struct port_use){ .local = { [15] = from }, .remote = { [15] = to },
				  .local_port = local_port, .remote_port = remote_port };
}

static void test_ports_sum(void **state)
{
	struct port_use uses[] = {
		use(1, 1000, 2, 80), use(1, 1001, 2, 80), use(1, 1001, 2, 81), /* one port, two ways */
		use(3, 1002, 2, 80), /* of another address */
		use(1, 999, 2, 80), use(1, 1100, 2, 80), /* outside */
		use(1, 1001, 2, 80), /* again: TIME_WAIT beside its successor */
	};
	struct ports_summary sum;

	(void)state;
	ports_sum(uses, sizeof(uses) / sizeof(uses[0]), 1000, 1099, &sum);
	assert_int_equal(sum.ports, 3);
	assert_int_equal(sum.busiest, 2);
	assert_int_equal(sum.towards.remote_port, 80);
	assert_int_equal(sum.towards.local[15], 1);
	ports_sum(uses, 0, 1000, 1099, &sum);
	assert_int_equal(sum.ports + sum.busiest, 0);
	ports_sum(uses, sizeof(uses) / sizeof(uses[0]), 0, 65535, &sum);
	assert_int_equal(sum.ports, 5);
	assert_int_equal(sum.busiest, 4);
}

static void test_probe(void **state)
{
	cJSON *probe = cJSON_Parse("{\"capabilities\":{\"one\":{\"ok\":true,\"needed_for\":\"this\"},"
				   "\"fetch_atomics\":{\"ok\":false,\"required\":true,\"needed_for\":\"that\","
				   "\"error\":\"Invalid argument\",\"without\":\"less\"}}}");
	struct doctor d = { { 0 } };
	const struct doctor_finding *f;

	(void)state;
	doctor_take_probe(&d, probe);
	assert_int_equal(find(&d, "one")->verdict, DOCTOR_OK);
	f = find(&d, "fetch_atomics");
	assert_int_equal(f->verdict, DOCTOR_MISSING);
	assert_true(f->required);
	assert_string_equal(f->value, "Invalid argument");
	assert_string_equal(f->detail, "that; without it: less");
	assert_string_equal(f->advice, "Linux 5.12 or later");
	cJSON_Delete(probe);
	doctor_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retries),	    cmocka_unit_test(test_switches),
		cmocka_unit_test(test_missing),	    cmocka_unit_test(test_somaxconn),
		cmocka_unit_test(test_listeners),   cmocka_unit_test(test_syn_backlog),
		cmocka_unit_test(test_port_range),  cmocka_unit_test(test_ports_sum),
		cmocka_unit_test(test_probe),	    cmocka_unit_test(test_what_was_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
