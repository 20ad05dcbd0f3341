/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A screen of top for the tests, and what is on it. */
#ifndef TCPSHAKE_TEST_TOPPING_SCREEN_H
#define TCPSHAKE_TEST_TOPPING_SCREEN_H

#include "tests/unit/topping.h"

#define NOW (200 * SECOND)

struct shown {
	struct top_model *m;
	struct top_ui ui;
	struct top_view v;
	struct top_canvas c;
	struct buf text;
};

static inline struct shown *show(unsigned columns, unsigned rows, bool utf8)
{
	struct shown *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->m = top_model_new();
	assert_non_null(s->m);
	top_ui_init(&s->ui);
	s->v = (struct top_view){ .model = s->m, .ui = &s->ui, .now_ns = NOW, .state = "live" };
	for (int i = 0; i < TOP_TABLES; i++)
		assert_non_null(s->v.queries[i] = top_query_new());
	s->c.utf8 = utf8;
	assert_int_equal(top_canvas_resize(&s->c, rows, columns), 0);
	return s;
}

static inline const char *draw(struct shown *s)
{
	top_draw(&s->c, &s->v);
	buf_clear(&s->text);
	top_canvas_text(&s->c, &s->text);
	buf_text(&s->text);
	assert_false(s->text.failed);
	return s->text.data;
}

static inline void hide(struct shown *s)
{
	for (int i = 0; i < TOP_TABLES; i++)
		top_query_free(s->v.queries[i]);
	top_ui_free(&s->ui);
	top_model_free(s->m);
	top_canvas_free(&s->c);
	buf_free(&s->text);
	free(s);
}

#endif
