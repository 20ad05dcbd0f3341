// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* listener_list, listener_render, table: the state that records report, and what is shown of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/listeners/listener_list.h"
#include "cli/listeners/render.h"
#include "cli/feed/live.h"
#include "cli/text/table.h"

#define V4(addr, port)                                                                        \
	"\"family\":\"ipv4\",\"local\":{\"addr\":\"" addr "\",\"port\":" #port "}"
#define OWNER(pid, comm) "{\"pid\":" #pid ",\"comm\":\"" comm "\",\"uid\":0}"
#define LISTENER(event, netns, socket, rest)                                                  \
	"{\"v\":1,\"type\":\"listener\",\"seq\":2,\"event\":\"" event "\",\"netns\":" #netns  \
	",\"socket\":\"000000000000000" socket "\"," rest "}"
#define QUEUES(len, max, peak)                                                                \
	",\"accept_queue\":{\"len\":" #len ",\"max\":" #max ",\"peak\":" #peak "}"            \
	",\"syn_queue\":{\"len\":1,\"young\":1,\"max\":" #max "},\"backlog\":" #max

static const struct style piped = { .columns = 80 };
static const struct style screen = { .terminal = true, .utf8 = true, .columns = 80 };

static struct listener_list *list_of(const struct filter *filter, const char *const *lines,
				     size_t count)
{
	struct listener_list *list = listener_list_new(filter);

	assert_non_null(list);
	for (size_t i = 0; i < count; i++)
		listener_list_add(list, NULL, lines[i], strlen(lines[i]));
	return list;
}

#define LIST_OF(filter, lines) list_of(filter, lines, sizeof(lines) / sizeof(lines[0]))

static char *text_of(struct buf *b)
{
	buf_mem(b, "", 1);
	assert_false(b->failed);
	return b->data;
}

static void expect_sockets(struct listener_list *list, enum sort_key key, const char *sockets)
{
	listener_list_sort(list, key);
	assert_int_equal(listener_list_count(list), strlen(sockets));
	for (size_t i = 0; sockets[i]; i++)
		assert_int_equal(listener_list_at(list, i)->record.listener.socket[15],
				 sockets[i]);
}

static void test_opened_changed_closed(void **state)
{
	static const char *const lines[] = {
		LISTENER("opened", 7, "1", V4("0.0.0.0", 0) ",\"accept_queue\":null"),
		LISTENER("opened", 7, "2", V4("0.0.0.0", 80)),
		LISTENER("changed", 7, "1", V4("0.0.0.0", 4000) QUEUES(0, 5, 0)),
		LISTENER("opened", 8, "2", V4("0.0.0.0", 81)),
		LISTENER("closed", 7, "2", V4("0.0.0.0", 80)),
		LISTENER("closed", 7, "9", V4("0.0.0.0", 80)),
		"{\"v\":1,\"type\":\"loss\",\"what\":\"a\",\"why\":\"b\",\"count\":1}",
		"no record",
	};
	struct filter none = { 0 };
	struct listener_list *list = LIST_OF(&none, lines);
	static const char hello[] = "{\"v\":1,\"type\":\"hello\",\"seq\":1}";

	(void)state;
	expect_sockets(list, SORT_PORT, "21");
	assert_int_equal(listener_list_at(list, 0)->record.listener.netns, 8);
	assert_int_equal(listener_list_at(list, 1)->record.listener.backlog.got, 5);
	assert_string_equal(listener_list_at(list, 1)->line, lines[2]);
	assert_true(listener_list_is_mixed(list));
	/* The next feed of a recording begins with all that there is. */
	listener_list_add(list, NULL, hello, sizeof(hello) - 1);
	assert_int_equal(listener_list_count(list), 0);
	listener_list_add(list, NULL, lines[1], strlen(lines[1]));
	expect_sockets(list, SORT_PORT, "2");
	listener_list_free(list);
}

static void test_sorting(void **state)
{
	static const char *const lines[] = {
		LISTENER("sample", 7, "1", V4("0.0.0.0", 80) QUEUES(3, 9, 3)
			 ",\"drops\":5,\"process\":" OWNER(9, "b")),
		LISTENER("sample", 7, "2", V4("0.0.0.0", 70) QUEUES(2, 1, 2)
			 ",\"drops\":null,\"process\":null"),
		LISTENER("sample", 7, "3", V4("0.0.0.0", 90) QUEUES(0, 9, 10)
			 ",\"drops\":7,\"process\":" OWNER(10, "b")),
		LISTENER("opened", 7, "4", V4("0.0.0.0", 80)
			 ",\"accept_queue\":null,\"process\":" OWNER(99, "a")),
	};
	struct filter none = { 0 };
	struct listener_list *list = LIST_OF(&none, lines);

	(void)state;
	expect_sockets(list, SORT_QUEUE, "2134");
	expect_sockets(list, SORT_PEAK, "2314");
	expect_sockets(list, SORT_DROPS, "3124");
	expect_sockets(list, SORT_PORT, "2143");
	expect_sockets(list, SORT_PROCESS, "4132");
	listener_list_free(list);
}

static void test_filter(void **state)
{
	static const char *const lines[] = {
		LISTENER("opened", 7, "1", V4("0.0.0.0", 80)),
		LISTENER("opened", 7, "2", V4("0.0.0.0", 443)),
		LISTENER("opened", 7, "3", V4("0.0.0.0", 0)),
		LISTENER("changed", 7, "3", V4("0.0.0.0", 8080)),
	};
	struct filter filter = { 0 };
	struct listener_list *list;
	char error[160];

	(void)state;
	assert_int_equal(filter_set(&filter, "port", "443,8000-8099", error, sizeof(error)), 0);
	list = LIST_OF(&filter, lines);
	expect_sockets(list, SORT_PORT, "23");
	listener_list_free(list);
	filter_free(&filter);
}

static void test_many(void **state)
{
	struct filter none = { 0 };
	struct listener_list *list = listener_list_new(&none);
	char line[300];

	(void)state;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3000; i++) {
			snprintf(line, sizeof(line),
				 "{\"v\":1,\"type\":\"listener\",\"event\":\"sample\",\"netns\":%d,"
				 "\"socket\":\"%016x\",\"local\":{\"addr\":\"::\",\"port\":%d}}",
				 i % 3, i, i);
			listener_list_add(list, NULL, line, strlen(line));
		}
	assert_int_equal(listener_list_count(list), 3000);
	listener_list_sort(list, SORT_PORT);
	assert_int_equal(listener_list_at(list, 2999)->record.listener.local.port, 2999);
	assert_false(listener_list_failed(list));
	listener_list_free(list);
}

static void expect_bar(uint64_t len, uint64_t max, uint64_t peak, const char *text)
{
	struct queue queue = { .known = true, .len = len, .max = max, .peak = peak };
	struct buf b = { 0 };

	listener_bar(&b, false, 8, &queue);
	assert_string_equal(b.data, text);
	buf_free(&b);
}

static void test_bar(void **state)
{
	(void)state;
	expect_bar(0, 128, 0, "........");
	expect_bar(1, 4096, 1, "#.......");
	expect_bar(0, 4096, 1, "|.......");
	expect_bar(4, 7, 6, "####.|..");
	/* It holds max + 1: at its limit it is not yet full. */
	expect_bar(128, 128, 128, "#######.");
	expect_bar(129, 128, 129, "########");
	expect_bar(0, 0, 1, ".......|");
	expect_bar(1, 0, 1, "########");
	expect_bar(0, 16, 17, ".......|");
}

static const char *const three[] = {
	LISTENER("sample", 7, "1", V4("0.0.0.0", 443) QUEUES(17, 16, 17)
		 ",\"drops\":40,\"overflows\":{\"syn\":36,\"ack\":1,\"cookie\":1}"
		 ",\"oldest_wait_ns\":1200000000,\"process\":" OWNER(812, "nginx")
		 ",\"processes\":[" OWNER(812, "nginx") "," OWNER(815, "nginx") "]"),
	LISTENER("sample", 7, "2", V4("127.0.0.1", 22) QUEUES(0, 128, 3)
		 ",\"drops\":0,\"overflows\":{\"syn\":0,\"ack\":0,\"cookie\":0}"
		 ",\"process\":" OWNER(1, "sshd") ",\"processes\":[" OWNER(1, "sshd") "]"),
	LISTENER("opened", 7, "3", "\"family\":\"ipv6\",\"local\":{\"addr\":"
		 "\"2001:db8:1111:2222:3333:4444:5555:6666\",\"port\":65535}"
		 ",\"accept_queue\":null,\"syn_queue\":null,\"drops\":null,\"process\":null"),
};

static void test_table(void **state)
{
	struct filter none = { 0 };
	struct listener_list *list = LIST_OF(&none, three);
	struct buf b = { 0 };

	(void)state;
	listener_list_sort(list, SORT_QUEUE);
	listener_render(&b, &piped, list, SIZE_MAX);
	assert_string_equal(text_of(&b),
		"LISTEN                                         PROCESS     ACCEPT-QUEUE     LEN/MAX "
		"PEAK SYN-QUEUE DROPS OVERFLOWS-SYN/ACK OLDEST\n"
		"0.0.0.0:443                                    nginx/812+1 ################   17/16 "
		"  17      1/16    40              36/2  1.20s\n"
		"127.0.0.1:22                                   sshd/1      |...............   0/128 "
		"   3     1/128     0               0/0      -\n"
		"[2001:db8:1111:2222:3333:4444:5555:6666]:65535 -           -                      - "
		"   -         -     -               0/0      -\n");
	buf_free(&b);
	listener_list_free(list);
}

/* Columns of their own, where any listener has them; without the wait, a sentence says why. */
static void test_distributions(void **state)
{
	static const char *const lines[] = {
		"{\"v\":1,\"type\":\"hello\",\"seq\":1,\"schema\":\"1.6\",\"capabilities\":{\"queue_look\":true,"
		"\"accept_function\":false,\"request_function\":false},\"refused\":{\"accept_function\":{\"error\":"
		"\"Operation not permitted\"},\"request_function\":{\"error\":\"Operation not permitted\"}}}",
		LISTENER("sample", 7, "1", V4("0.0.0.0", 80) QUEUES(0, 16, 9)
			 ",\"accept_depth\":{\"count\":12,\"p50\":1,\"p99\":8,\"max\":9,\"limit\":16},\"accept_wait\":null"),
		LISTENER("sample", 7, "2", V4("0.0.0.0", 81) QUEUES(0, 16, 0)
			 ",\"accept_depth\":{\"count\":0,\"p50\":null,\"p99\":null,\"max\":null,\"limit\":null},"
			 "\"accept_wait\":null"),
	};
	static const char wait[] =
		LISTENER("sample", 7, "2", V4("0.0.0.0", 81) QUEUES(0, 16, 0)
			 ",\"accept_depth\":null,\"accept_wait\":{\"count\":3,\"p50_ns\":52735,\"p99_ns\":2986344447,"
			 "\"max_ns\":2986344447}");
	static const char syn[] =
		LISTENER("sample", 7, "1", V4("0.0.0.0", 80) QUEUES(0, 16, 0)
			 ",\"accept_depth\":{\"count\":0,\"p50\":null,\"p99\":null,\"max\":null,\"limit\":null},"
			 "\"syn_depth\":{\"count\":12,\"p50\":2,\"p99\":5,\"max\":7,\"limit\":16},\"accept_wait\":null");
	const struct style narrow = { .terminal = true, .columns = 143 }, broad = { .terminal = true, .columns = 144 },
			   broadest = { .terminal = true, .columns = 167 };
	struct filter none = { 0 };
	struct listener_list *list = LIST_OF(&none, lines);
	struct buf b = { 0 };

	(void)state;
	listener_list_sort(list, SORT_PORT);
	listener_render(&b, &piped, list, SIZE_MAX);
	assert_string_equal(text_of(&b),
		"LISTEN     PROCESS ACCEPT-QUEUE     LEN/MAX PEAK SYN-QUEUE DROPS OVERFLOWS-SYN/ACK OLDEST DEPTH-P50/P99/MAX\n"
		"0.0.0.0:80 -       .......|........    0/16    9      1/16     -               0/0      -             1/8/9\n"
		"0.0.0.0:81 -       ................    0/16    0      1/16     -               0/0      -                 -\n"
		"waits for accept() not shown: accept_function: Operation not permitted; the daemon's --accept-wait=syscall may "
		"show them\n"
		"depths of SYN queues not shown: request_function: Operation not permitted\n");
	buf_clear(&b);
	listener_list_add(list, NULL, wait, sizeof(wait) - 1);
	listener_list_sort(list, SORT_PORT);
	listener_render(&b, &piped, list, SIZE_MAX);
	assert_string_equal(text_of(&b),
		"LISTEN     PROCESS ACCEPT-QUEUE     LEN/MAX PEAK SYN-QUEUE DROPS OVERFLOWS-SYN/ACK OLDEST DEPTH-P50/P99/MAX"
		"   WAIT-P50/P99/MAX\n"
		"0.0.0.0:80 -       .......|........    0/16    9      1/16     -               0/0      -             1/8/9"
		"                  -\n"
		"0.0.0.0:81 -       ................    0/16    0      1/16     -               0/0      -                 -"
		" 52.7us/2.99s/2.99s\n"
		"depths of SYN queues not shown: request_function: Operation not permitted\n");
	buf_clear(&b);
	listener_list_add(list, NULL, syn, sizeof(syn) - 1);
	listener_list_sort(list, SORT_PORT);
	listener_render(&b, &piped, list, SIZE_MAX);
	assert_string_equal(text_of(&b),
		"LISTEN     PROCESS ACCEPT-QUEUE     LEN/MAX PEAK SYN-QUEUE DROPS OVERFLOWS-SYN/ACK OLDEST DEPTH-P50/P99/MAX"
		"   WAIT-P50/P99/MAX SYN-DEPTH-P50/P99/MAX\n"
		"0.0.0.0:80 -       ................    0/16    0      1/16     -               0/0      -                 -"
		"                  -                 2/5/7\n"
		"0.0.0.0:81 -       ................    0/16    0      1/16     -               0/0      -                 -"
		" 52.7us/2.99s/2.99s                     -\n");
	buf_clear(&b);
	listener_render(&b, &narrow, list, 10);
	assert_null(strstr(text_of(&b), "DEPTH"));
	buf_clear(&b);
	listener_render(&b, &broad, list, 10);
	assert_non_null(strstr(text_of(&b), " DEPTH-P50/P99/MAX"));
	assert_null(strstr(text_of(&b), "SYN-DEPTH"));
	buf_clear(&b);
	listener_render(&b, &broadest, list, 10);
	assert_non_null(strstr(text_of(&b), "SYN-DEPTH-P50/P99/MAX"));
	buf_free(&b);
	listener_list_free(list);
}

#define UNSEEN(socket, port, overflows)                                                       \
	LISTENER("sample", 7, socket, V4("0.0.0.0", port) ",\"backlog\":null,\"accept_queue\":null" \
		 ",\"syn_queue\":null,\"drops\":null,\"overflows\":" overflows ",\"process\":" \
		 OWNER(9, "web"))
#define NO_LOOK                                                                               \
	"{\"v\":1,\"type\":\"hello\",\"seq\":1,\"capabilities\":{\"listener_iterator\":true,"      \
	"\"queue_look\":false,\"kfree_skb\":true,\"overflow_reason\":true},\"refused\":{"        \
	"\"queue_look\":\"Operation not permitted\"}}"
#define NOTHING                                                                               \
	"{\"v\":1,\"type\":\"hello\",\"seq\":1,\"capabilities\":{\"listener_iterator\":false,"     \
	"\"queue_iterator\":false,\"kfree_skb\":false}}"

/* A queue that nobody can look at is shown as such, and why. */
static void test_queues_not_seen(void **state)
{
	static const char *const looks[] = {
		NO_LOOK, UNSEEN("1", 80, "{\"syn\":0,\"ack\":0,\"cookie\":0}"),
		UNSEEN("2", 81, "{\"syn\":2,\"ack\":3,\"cookie\":0}"),
	};
	static const char *const nothing[] = {
		NOTHING, UNSEEN("1", 80, "{\"syn\":0,\"ack\":0,\"cookie\":0}"),
		UNSEEN("2", 81, "{\"syn\":0,\"ack\":3,\"cookie\":0}"),
	};
	struct filter none = { 0 };
	struct listener_list *list = LIST_OF(&none, looks);
	struct buf b = { 0 };

	(void)state;
	listener_list_sort(list, SORT_PORT);
	listener_render(&b, &piped, list, SIZE_MAX);
	assert_string_equal(text_of(&b),
		"LISTEN     PROCESS ACCEPT-QUEUE LEN/MAX PEAK SYN-QUEUE DROPS OVERFLOWS-SYN/ACK OLDEST\n"
		"0.0.0.0:80 web/9   -                  -    -         -     -               -/0      -\n"
		"0.0.0.0:81 web/9   -                  -    -         -     -               2/3      -\n"
		"queues not shown: queue_look: Operation not permitted; refused SYNs are counted by "
		"namespace only\n");
	listener_list_free(list);
	buf_clear(&b);
	list = LIST_OF(&none, nothing);
	listener_list_sort(list, SORT_PORT);
	listener_render(&b, &piped, list, SIZE_MAX);
	assert_string_equal(text_of(&b),
		"LISTEN     PROCESS ACCEPT-QUEUE LEN/MAX PEAK SYN-QUEUE DROPS OVERFLOWS-SYN/ACK OLDEST\n"
		"0.0.0.0:80 web/9   -                  -    -         -     -                 -      -\n"
		"0.0.0.0:81 web/9   -                  -    -         -     -               -/3      -\n"
		"queues not shown: queue_look: not granted; refused handshakes are counted by namespace "
		"only; listeners from before the daemon not known: listener_iterator: not granted\n");
	listener_list_free(list);
	buf_free(&b);
}

/* The sentence takes its lines from the table's; the dash is one where there is UTF-8. */
static void test_queues_not_seen_on_a_terminal(void **state)
{
	static const char *const lines[] = {
		NO_LOOK, UNSEEN("1", 80, "{}"), UNSEEN("2", 81, "{}"), UNSEEN("3", 82, "{}"),
	};
	struct filter none = { 0 };
	struct listener_list *list = LIST_OF(&none, lines);
	struct buf b = { 0 };
	size_t rows = 0;
	char *text;

	(void)state;
	listener_list_sort(list, SORT_PORT);
	listener_render(&b, &screen, list, 4);
	text = text_of(&b);
	assert_non_null(strstr(text, "0.0.0.0:80 web/9   \u2013 "));
	assert_non_null(strstr(text, "\u2013/0"));
	assert_null(strstr(text, "\u2591"));
	assert_non_null(strstr(text, "and 2 more; --once shows all\nqueues not shown: queue_look:"));
	for (; *text; text++)
		rows += *text == '\n';
	assert_int_equal(rows, 5); /* with the titles */
	listener_list_free(list);
	buf_free(&b);
}

static void expect_none(const char *hello, const char *says)
{
	struct filter none = { 0 };
	struct listener_list *list = list_of(&none, &hello, 1);
	struct buf b = { 0 };

	listener_render(&b, &piped, list, SIZE_MAX);
	assert_string_equal(text_of(&b), says);
	buf_free(&b);
	listener_list_free(list);
}

/* Nobody listens only where all that listen could be found. */
static void test_no_listeners(void **state)
{
	(void)state;
	expect_none(NO_LOOK, "no listeners\n");
	expect_none("{\"v\":1,\"type\":\"probe\",\"capabilities\":{\"listener_iterator\":{\"ok\":true}}}",
		    "no listeners\n");
	expect_none("{\"v\":1,\"type\":\"probe\",\"capabilities\":{\"listener_iterator\":{\"ok\":false,"
		    "\"error\":\"No such device\"}}}",
		    "no listeners known: those from before the daemon cannot be found here "
		    "(listener_iterator: No such device)\n");
	expect_none(NOTHING, "no listeners known: those from before the daemon cannot be found here "
			     "(listener_iterator: not granted)\n");
	expect_none("{\"v\":1,\"type\":\"hello\",\"seq\":1}", "no listeners known\n");
}

/* Columns of a line of UTF-8. */
static size_t columns_of(const char *line, size_t len)
{
	size_t columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += ((unsigned char)line[i] & 0xc0) != 0x80;
	return columns;
}

static void test_table_on_a_terminal(void **state)
{
	struct filter none = { 0 };
	struct listener_list *list = LIST_OF(&none, three);
	struct buf b = { 0 };
	const char *text;

	(void)state;
	listener_list_sort(list, SORT_QUEUE);
	listener_render(&b, &screen, list, 3);
	text = text_of(&b);
	assert_non_null(strstr(text, "0.0.0.0:443 "));
	assert_non_null(strstr(text, "\u2588\u2588\u2588\u2588\u2588\u2588"));
	assert_non_null(strstr(text, "\u2026]:65535 "));
	for (size_t len; *text; text += len + 1) {
		len = strcspn(text, "\n");
		assert_in_range(columns_of(text, len), 1, 80);
	}
	buf_clear(&b);
	listener_render(&b, &screen, list, 2);
	assert_non_null(strstr(text_of(&b), "and 2 more; --once shows all\n"));
	buf_clear(&b);
	listener_list_clear(list);
	listener_render(&b, &screen, list, 2);
	assert_string_equal(text_of(&b), "no listeners known\n");
	buf_free(&b);
	listener_list_free(list);
}

static void test_cells_that_do_not_fit(void **state)
{
	static const struct table_column columns[] = { { "A", false, 4 }, { "B", true, 0 } };
	const struct style narrow = { .terminal = true, .columns = 10 };
	struct table *t = table_new(columns, 2, &narrow);
	struct buf b = { 0 };

	(void)state;
	assert_non_null(t);
	table_cell(t, PAINT_NONE, "abcdefghij", ":80");
	table_number(t, PAINT_NONE, 1);
	table_cell(t, PAINT_NONE, "", ":1234567890");
	table_number(t, PAINT_NONE, 22);
	table_cell(t, PAINT_NONE, "\033[2J", NULL);
	table_number(t, PAINT_NONE, 333);
	table_end(t, &b, SIZE_MAX);
	assert_string_equal(text_of(&b), "A        B\n"
					 "ab~:80   1\n"
					 "~67890  22\n"
					 "?[2J   333\n");
	buf_free(&b);
}

static void test_drawing_in_place(void **state)
{
	struct buf text = { 0 }, b = { 0 };

	(void)state;
	buf_lit(&text, "one\ntwo\n");
	assert_int_equal(live_replace(&b, &text, 0), 2);
	assert_string_equal(text_of(&b), "one\033[K\ntwo\033[K\n\033[J");
	buf_clear(&b);
	assert_int_equal(live_replace(&b, &text, 12), 2);
	assert_string_equal(text_of(&b), "\033[12A\rone\033[K\ntwo\033[K\n\033[J");
	buf_free(&b);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opened_changed_closed),
		cmocka_unit_test(test_sorting),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_bar),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_distributions),
		cmocka_unit_test(test_table_on_a_terminal),
		cmocka_unit_test(test_queues_not_seen),
		cmocka_unit_test(test_queues_not_seen_on_a_terminal),
		cmocka_unit_test(test_no_listeners),
		cmocka_unit_test(test_cells_that_do_not_fit),
		cmocka_unit_test(test_drawing_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
