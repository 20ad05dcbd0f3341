// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* record: a handshake as JSON, and the id that joins both sides. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <cmocka.h>

#include "common/connection.h"
#include "daemon/records/record.h"

static struct event_handshake handshake(const char *local, uint16_t local_port, const char *remote,
					uint16_t remote_port)
{
	struct event_handshake e = {
		.header = { EVENT_HANDSHAKE, sizeof(e), 4026531840U },
		.end_ns = 5000000000ULL,
		.latency_ns = 40123456,
		.rtt_ns = NS_UNKNOWN,
		.local_port = local_port,
		.remote_port = remote_port,
		.client_isn = 0xdeadbeef,
		.caller = { .pid = 42, .uid = 1000, .comm = "cu\"rl" },
	};

	assert_int_equal(inet_pton(AF_INET6, local, e.local_addr), 1);
	assert_int_equal(inet_pton(AF_INET6, remote, e.remote_addr), 1);
	return e;
}

static cJSON *written(const struct event_handshake *e, const struct listener_owner *owner)
{
	struct identity *identity = identity_new();
	struct record r = {};
	struct buf line = {};
	cJSON *parsed;

	record_begin(&r, RECORD_HANDSHAKE, e->end_ns, 1700000000LL * 1000000000LL);
	record_handshake(&r.body, e, identity, owner, &(struct verdict){ .cause = NULL });
	buf_lit(&line, "{");
	buf_mem(&line, r.body.data, r.body.len);
	assert_int_equal(line.data[line.len - 1], '\n');
	parsed = cJSON_ParseWithLength(line.data, line.len);
	assert_non_null(parsed);
	identity_free(identity);
	buf_free(&r.body);
	buf_free(&line);
	return parsed;
}

static const cJSON *at(const cJSON *record, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, key);

	assert_non_null(item);
	return item;
}

static void test_active(void **state)
{
	struct event_handshake e = handshake("::ffff:10.0.0.1", 54321, "::ffff:10.0.0.2", 80);
	cJSON *r = written(&e, NULL);

	(void)state;
	assert_string_equal(at(r, "ts")->valuestring, "2023-11-14T22:13:25.000000000Z");
	assert_string_equal(at(r, "client_isn")->valuestring, "deadbeef");
	assert_string_equal(at(r, "role")->valuestring, "active");
	assert_string_equal(at(r, "outcome")->valuestring, "established");
	assert_string_equal(at(r, "family")->valuestring, "ipv4");
	assert_string_equal(at(at(r, "local"), "addr")->valuestring, "10.0.0.1");
	assert_int_equal(at(at(r, "remote"), "port")->valueint, 80);
	assert_int_equal(at(r, "latency_ns")->valueint, 40123456);
	assert_true(cJSON_IsNull(at(r, "rtt_ns")));
	assert_string_equal(at(at(r, "process"), "comm")->valuestring, "cu\"rl");
	assert_true(cJSON_IsNull(at(r, "cgroup")));
	assert_null(cJSON_GetObjectItem(r, "errno"));
	assert_null(cJSON_GetObjectItem(r, "accept_queue"));
	cJSON_Delete(r);
}

/* Texts of processes are kept: what makes one another must not be missed. */
static void test_processes(void **state)
{
	static const struct listener_owner processes[] = {
		{ .pid = 7, .uid = 33, .comm = "nginx" },
		{ .pid = 7, .uid = 33, .comm = "nginx" },
		{ .pid = 7, .uid = 33, .comm = "nginx: worker" },
		{ .pid = 7, .uid = 0, .comm = "nginx" },
		{ .pid = 7 + 64, .uid = 0, .comm = "nginx" },
		{ .pid = 7 + 128, .uid = 0, .comm = "nginx" },
		{ .pid = 7, .uid = 33, .comm = "nginx" },
		{ .pid = UINT32_MAX, .uid = UINT32_MAX, .comm = "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1" },
		{ .pid = UINT32_MAX, .uid = UINT32_MAX, .comm = "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(processes) / sizeof(*processes); i++) {
		struct event_handshake e = handshake("::1", 54321, "::1", 80);
		cJSON *r;

		e.caller.pid = processes[i].pid;
		e.caller.uid = processes[i].uid;
		memcpy(e.caller.comm, processes[i].comm, COMM_LEN);
		r = written(&e, NULL);
		assert_true(at(at(r, "process"), "pid")->valuedouble == processes[i].pid);
		assert_true(at(at(r, "process"), "uid")->valuedouble == processes[i].uid);
		assert_string_equal(at(at(r, "process"), "comm")->valuestring, processes[i].comm);
		cJSON_Delete(r);
	}
}

static void test_failed(void **state)
{
	struct event_handshake e = handshake("fd00::1", 54321, "fd00::2", 80);
	cJSON *r;

	(void)state;
	e.outcome = OUTCOME_REFUSED;
	e.error = ECONNREFUSED;
	e.flags = HANDSHAKE_PARTIAL;
	e.caller.pid = 0;
	r = written(&e, NULL);
	assert_string_equal(at(r, "family")->valuestring, "ipv6");
	assert_int_equal(at(r, "errno")->valueint, ECONNREFUSED);
	assert_string_equal(at(r, "errno_name")->valuestring, "ECONNREFUSED");
	assert_true(cJSON_IsTrue(at(r, "partial")));
	assert_true(cJSON_IsNull(at(r, "process")));
	cJSON_Delete(r);
	e.outcome = OUTCOME_CANCELLED;
	e.error = 0;
	r = written(&e, NULL);
	assert_true(cJSON_IsNull(at(r, "errno")));
	assert_true(cJSON_IsNull(at(r, "errno_name")));
	cJSON_Delete(r);
	e.flags = HANDSHAKE_UNSENT;
	r = written(&e, NULL);
	assert_true(cJSON_IsNull(at(r, "client_isn")));
	cJSON_Delete(r);
}

static void test_passive(void **state)
{
	const struct listener_owner owner = { .pid = 7, .uid = 33, .comm = "nginx" };
	struct event_handshake e = handshake("::1", 80, "::1", 54321);
	cJSON *r;

	(void)state;
	e.role = ROLE_PASSIVE;
	e.listener.accept_queue_len = 3;
	e.listener.accept_queue_max = 128;
	r = written(&e, &owner);
	assert_int_equal(at(at(r, "accept_queue"), "len")->valueint, 3);
	assert_int_equal(at(at(r, "accept_queue"), "max")->valueint, 128);
	assert_string_equal(at(at(r, "process"), "comm")->valuestring, "nginx");
	assert_int_equal(at(at(r, "process"), "uid")->valueint, 33);
	cJSON_Delete(r);
}

static uint64_t connection(const struct event_handshake *e)
{
	return connection_hash(e->local_addr, e->local_port, e->remote_addr, e->remote_port,
			       e->client_isn);
}

static void test_connection_id(void **state)
{
	struct event_handshake client = handshake("::ffff:10.0.0.1", 54321, "::ffff:10.0.0.2", 80);
	struct event_handshake server = handshake("::ffff:10.0.0.2", 80, "::ffff:10.0.0.1", 54321);
	struct event_handshake swapped = handshake("::ffff:10.0.0.1", 80, "::ffff:10.0.0.2", 54321);

	(void)state;
	assert_true(connection(&client) == connection(&server));
	assert_true(connection(&client) != connection(&swapped));
	server.client_isn++;
	assert_true(connection(&client) != connection(&server));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_active),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_passive),
		cmocka_unit_test(test_connection_id),
	};

	return cmocka_run_group_tests_name("handshake record", tests, NULL, NULL);
}
