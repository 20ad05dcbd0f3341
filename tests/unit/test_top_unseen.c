// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What top shows of a host whose kernel does not let everything be seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/topping_screen.h"

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in\n%s", part, text);
}

static void put_hello(struct top_model *m, const char *line)
{
	struct record r;
	char error[160];

	assert_int_equal(record_parse(line, strlen(line), &r, error, sizeof(error)), RECORD_GOOD);
	put(m, r);
	record_free(&r);
}

/* Queues that nobody can look at: a dash, not an empty bar or 0, and one sentence why. */
static void test_unseen_queues(void **state)
{
	struct shown *s = show(120, 40, true);
	struct record r = listening(190 * SECOND, CHANGE_SAMPLE, "d", "0.0.0.0", 81, 0, 0, 0);
	const char *text, *line;

	(void)state;
	put_hello(s->m, "{\"v\":1,\"type\":\"hello\",\"capabilities\":{\"listener_iterator\":false,"
			"\"queue_look\":false,\"kfree_skb\":false},\"refused\":{\"queue_look\":\"No.\","
			"\"listener_iterator\":\"No.\"}}");
	s->ui.window = TOP_1S;
	text = draw(s);
	has(text, "overflowed                   \u2013       \u2013");
	has(text, "no handshake of this window has a cause");
	has(text, "a full queue's refused SYNs are not seen here (queue_look: No.)");
	r.listener.accept.known = r.listener.syn.known = false;
	r.listener.drops = r.listener.backlog.got = COUNT_UNKNOWN;
	put(s->m, r);
	text = draw(s);
	line = strstr(text, "0.0.0.0:81 ");
	assert_non_null(line);
	line = strndup(line, strcspn(line, "\n"));
	assert_null(strstr(line, "\u2591"));
	has(line, " \u2013               \u2013     \u2013     \u2013      \u2013      \u2013      \u2013      \u2013 ");
	free((char *)line);
	has(text, "queues not shown: queue_look: No.; refused handshakes are counted by namespace only;");
	hide(s);
}

static void test_no_listener_known(void **state)
{
	struct shown *s = show(80, 24, true);

	(void)state;
	put_hello(s->m, "{\"v\":1,\"type\":\"hello\",\"capabilities\":{\"listener_iterator\":true}}");
	has(draw(s), "no listeners\n");
	put_hello(s->m, "{\"v\":1,\"type\":\"hello\",\"capabilities\":{\"listener_iterator\":false}}");
	has(draw(s), "no listeners known: those from before the daemon");
	hide(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unseen_queues),
		cmocka_unit_test(test_no_listener_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
