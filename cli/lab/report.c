// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/lab/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/duration.h"
#include "common/json.h"

#define WIDE_COLUMNS 110 /* from here on there are three columns */
#define GAP 2
#define JSON_VERSION 1
#define LATE_NS 500000000 /* a wait that ends so late is reported: kernel timers may have expired meanwhile */

void lab_report_begin(struct lab_report *r, const struct lab_statement *s)
{
	struct buf *all[] = { &r->calls, &r->sockets, &r->counters, &r->records, &r->expect, &r->failure };

	r->statement = s;
	r->verdict = PAINT_NONE;
	r->waited_ns = NS_UNKNOWN;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		buf_clear(all[i]);
	for (size_t i = 0; i < LAB_COLUMNS; i++)
		buf_clear(&r->columns[i]);
}

void lab_report_free(struct lab_report *r)
{
	struct buf *all[] = { &r->calls, &r->sockets, &r->counters, &r->records, &r->expect, &r->failure };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		buf_free(all[i]);
	for (size_t i = 0; i < LAB_COLUMNS; i++)
		buf_free(&r->columns[i]);
}

/* ---- calls ---- */

const char *lab_report_outcome(const struct lab_socket *s, char *out, size_t size)
{
	const struct lab_outcome *o = &s->last;

	return !o->any ? "none" : o->running ? "BLOCKED" : o->error ? lab_errno_name(o->error, out, size) :
		"ok";
}

/* " = -1 ECONNREFUSED (Connection refused)" */
static void put_result(struct buf *b, const struct lab_call *call, const struct lab_socket *on,
		       const struct lab_socket *target)
{
	const struct lab_outcome *o = &target->last;
	char span[32], name[16];

	if (o->running) {
		buf_lit(b, " ... blocked");
		return;
	}
	buf_format(b, " = %ld", o->result);
	if (call->code == LAB_GETSOCKOPT && o->result == 0)
		buf_format(b, ", value %d", o->value);
	if (o->error)
		buf_format(b, " %s (%s)", lab_errno_name(o->error, name, sizeof(name)), strerror(o->error));
	if (call->code == LAB_SOCKET || target != on)
		buf_format(b, ": %s", target->name);
	buf_format(b, ", %s", duration_format(o->took_ns, span, sizeof(span)));
}

static void json_call(struct buf *b, const char *text, const struct lab_call *call,
		      const struct lab_socket *target)
{
	const struct lab_outcome *o = &target->last;
	bool has_value = call->code == LAB_GETSOCKOPT && !o->running && o->result == 0;
	char name[16];

	json_object(b, NULL);
	json_string(b, "call", lab_calls[call->code]);
	json_string(b, "socket", target->name);
	json_string(b, "text", text);
	json_known_signed(b, "result", !o->running, o->result);
	json_string(b, "errno", o->running || !o->error ? NULL : lab_errno_name(o->error, name, sizeof(name)));
	json_known_signed(b, "value", has_value, o->value);
	json_known(b, "blocked_ns", !o->running, o->took_ns);
	buf_lit(b, "}");
}

void lab_report_call(struct lab_report *r, const struct lab_call *call, const struct lab_socket *on,
		     const struct lab_socket *target)
{
	struct buf *b = &r->columns[LAB_COLUMN_CALL], text = { 0 };
	const char *words;

	lab_call_text(call, on, &text);
	words = buf_text(&text);
	json_call(&r->calls, words, call, target);
	buf_str(b, words);
	buf_free(&text);
	put_result(b, call, on, target);
	buf_lit(b, "\n");
}

/* ---- what the kernel holds ---- */

void lab_report_view(const struct lab_socket *s, struct buf *b)
{
	const struct lab_queue *q = &s->view.accept;

	buf_format(b, "%s %s", s->name, lab_states[s->view.state]);
	if (q->known && q->max_known)
		buf_format(b, ", accept queue %" PRIu64 "/%" PRIu64, q->len, q->max);
	else if (q->known)
		buf_format(b, ", accept queue %" PRIu64 "/?", q->len);
	if (s->view.syn_known)
		buf_format(b, ", SYN queue %u", s->view.syn);
}

void lab_report_socket(struct lab_report *r, const struct lab_socket *s)
{
	struct buf *j = &r->sockets;

	lab_report_view(s, &r->columns[LAB_COLUMN_KERNEL]);
	buf_lit(&r->columns[LAB_COLUMN_KERNEL], "\n");
	json_object(j, NULL);
	json_string(j, "socket", s->name);
	json_string(j, "netns", lab_places[s->place]);
	json_string(j, "state", lab_states[s->view.state]);
	json_known(j, "local_port", s->local.port, s->local.port);
	json_known(j, "peer_port", s->remote.port, s->remote.port);
	if (s->view.accept.known) {
		json_object(j, "accept_queue");
		json_number(j, "len", s->view.accept.len);
		json_number(j, "max", s->view.accept.max);
		buf_lit(j, "}");
	} else {
		json_null(j, "accept_queue");
	}
	json_known(j, "syn_queue", s->view.syn_known, s->view.syn);
	buf_lit(j, "}");
}

void lab_report_counter(struct lab_report *r, enum lab_place place, const char *name, uint64_t moved)
{
	struct buf *j = &r->counters;

	buf_format(&r->columns[LAB_COLUMN_KERNEL], "%s: %s +%" PRIu64 "\n", lab_places[place], name, moved);
	json_object(j, NULL);
	json_string(j, "netns", lab_places[place]);
	json_string(j, "name", name);
	json_number(j, "moved", moved);
	buf_lit(j, "}");
}

void lab_report_record(struct lab_report *r, const struct lab_record *record)
{
	struct buf *b = &r->columns[LAB_COLUMN_RECORDS];

	lab_report_words(record, b);
	json_key(&r->records, NULL);
	buf_mem(&r->records, record->line, record->len);
}

/* ---- what was expected ---- */

void lab_report_expect(struct lab_report *r, bool held, const char *found, uint64_t waited_ns)
{
	char span[32];

	r->verdict = held ? PAINT_GOOD : PAINT_BAD;
	buf_format(&r->columns[LAB_COLUMN_CALL], "%s after %s: %s\n", held ? "held" : "DID NOT HOLD",
		   duration_format(waited_ns, span, sizeof(span)), found);
	buf_lit(&r->expect, "{");
	json_bool(&r->expect, "held", held);
	json_string(&r->expect, "found", found);
	json_number(&r->expect, "waited_ns", waited_ns);
	buf_lit(&r->expect, "}");
}

void lab_report_wait(struct lab_report *r, uint64_t asked_ns, uint64_t took_ns)
{
	char took[32], asked[32];

	r->waited_ns = took_ns;
	if (took_ns <= asked_ns + LATE_NS)
		return;
	buf_format(&r->columns[LAB_COLUMN_CALL], "waited %s instead of %s\n", duration_format(took_ns, took, sizeof(took)),
		   duration_format(asked_ns, asked, sizeof(asked)));
}

void lab_report_failure(struct lab_report *r, const char *why)
{
	r->verdict = PAINT_BAD;
	buf_format(&r->columns[LAB_COLUMN_CALL], "%s\n", why);
	buf_str(&r->failure, why);
}

/* ---- all of it ---- */

static void put_array(struct buf *out, const char *key, const struct buf *items)
{
	json_array(out, key);
	buf_mem(out, items->data, items->len);
	buf_lit(out, "]");
}

static void put_json(struct lab_report *r, struct buf *out)
{
	buf_lit(out, "{");
	json_number(out, "v", JSON_VERSION);
	json_string(out, "type", "lab");
	json_string(out, "scenario", r->scenario);
	json_number(out, "line", r->statement->line);
	json_string(out, "statement", r->statement->text);
	put_array(out, "calls", &r->calls);
	put_array(out, "sockets", &r->sockets);
	put_array(out, "counters", &r->counters);
	put_array(out, "records", &r->records);
	json_key(out, "expect");
	buf_str(out, r->expect.len ? buf_text(&r->expect) : "null");
	json_known(out, "waited_ns", r->waited_ns != NS_UNKNOWN, r->waited_ns);
	json_string(out, "error", r->failure.len ? buf_text(&r->failure) : NULL);
	buf_lit(out, "}\n");
}

/* The lines of a column, each of which may need several of the terminal's. */
static struct buf wrapped(const struct lab_report *r, const char *text, size_t len, size_t width)
{
	struct buf out = { 0 }, copy = { 0 };
	struct style plain = *r->style;
	struct line l = { .out = &out, .style = &plain };

	plain.color = false;
	buf_mem(&copy, text, len);
	buf_text(&copy);
	for (char *line = copy.failed ? NULL : copy.data, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line_wrap(&l, PAINT_NONE, line, 2, width);
		line_end(&l);
	}
	buf_free(&copy);
	buf_text(&out);
	return out;
}

/* The next line of a text, ended where it stands; "" when there is none left. */
static char *next_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (end)
		*end = '\0';
	*text = end ? end + 1 : line + strlen(line);
	return line;
}

static void put_columns(struct lab_report *r, struct buf *out)
{
	size_t width = (r->style->columns - 1) / LAB_COLUMNS;
	struct buf texts[LAB_COLUMNS];
	char *at[LAB_COLUMNS], none[] = "";
	bool more = true;

	for (size_t i = 0; i < LAB_COLUMNS; i++) {
		texts[i] = wrapped(r, r->columns[i].data, r->columns[i].len, width - GAP - GAP);
		at[i] = texts[i].failed ? none : texts[i].data;
	}
	for (;;) {
		struct line l = { .out = out, .style = r->style };

		more = false;
		for (size_t i = 0; i < LAB_COLUMNS; i++)
			more = more || *at[i];
		if (!more)
			break;
		for (size_t i = 0; i < LAB_COLUMNS; i++) {
			const char *text = next_line(&at[i]);

			line_pad(&l, *text ? i * width + GAP : 0);
			line_put(&l, i ? PAINT_NONE : r->verdict, text);
		}
		line_end(&l);
	}
	for (size_t i = 0; i < LAB_COLUMNS; i++)
		buf_free(&texts[i]);
}

static void put_lines(struct lab_report *r, struct buf *out)
{
	static const char *const marks[] = { "  ", "  kernel  ", "  record  " };

	for (size_t i = 0; i < LAB_COLUMNS; i++) {
		char *text = (char *)(uintptr_t)buf_text(&r->columns[i]);

		while (*text && !r->columns[i].failed) {
			struct line l = { .out = out, .style = r->style };

			line_put(&l, i ? PAINT_DIM : PAINT_NONE, marks[i]);
			line_put(&l, i ? PAINT_NONE : r->verdict, next_line(&text));
			line_end(&l);
		}
	}
}

void lab_report_end(struct lab_report *r, struct buf *out)
{
	struct line l = { .out = out, .style = r->style };
	bool remark = r->statement->kind == LAB_REMARK;

	if (r->json) {
		if (!remark)
			put_json(r, out);
		return;
	}
	line_put(&l, remark ? PAINT_DIM : PAINT_BOLD, r->statement->text);
	line_end(&l);
	if (remark)
		return;
	if (r->style->terminal && r->style->columns >= WIDE_COLUMNS)
		put_columns(r, out);
	else
		put_lines(r, out);
}
