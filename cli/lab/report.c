// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/lab/report.h"
#include "cli/text/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/duration.h"

#define WIDE_COLUMNS 110 /* from here on there are three columns */
#define GAP 2
#define JSON_VERSION 1
#define LATE_NS 500000000 /* as late as that, and a timer of the kernel may have run out that was not to */

static void begin_item(struct buf *items)
{
	if (items->len)
		buf_lit(items, ",");
	buf_lit(items, "{");
}

/* The first key of an object has no comma before it. */
static void first_string(struct buf *b, const char *key, const char *value)
{
	buf_format(b, "\"%s\":", key);
	buf_json_str(b, value, SIZE_MAX);
}

/* ,"key":text, or null. */
static void json_plain(struct buf *b, const char *key, const char *text)
{
	buf_format(b, ",\"%s\":%s", key, text ? text : "null");
}

void lab_report_begin(struct lab_report *r, const struct lab_statement *s)
{
	struct buf *all[] = { &r->calls, &r->sockets, &r->counters, &r->records, &r->expect, &r->failure };

	r->statement = s;
	r->verdict = PAINT_NONE;
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
	char name[16], number[32];

	begin_item(b);
	first_string(b, "call", lab_calls[call->code]);
	json_string(b, "socket", target->name);
	json_string(b, "text", text);
	snprintf(number, sizeof(number), "%ld", o->result);
	json_plain(b, "result", o->running ? NULL : number);
	json_string(b, "errno", o->running || !o->error ? NULL : lab_errno_name(o->error, name, sizeof(name)));
	snprintf(number, sizeof(number), "%d", o->value);
	json_plain(b, "value", call->code == LAB_GETSOCKOPT && !o->running && o->result == 0 ? number : NULL);
	snprintf(number, sizeof(number), "%" PRIu64, o->took_ns);
	json_plain(b, "blocked_ns", o->running ? NULL : number);
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

static void json_end(struct buf *b, const char *key, uint16_t port)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", port);
	json_plain(b, key, port ? text : NULL);
}

void lab_report_socket(struct lab_report *r, const struct lab_socket *s)
{
	struct buf *j = &r->sockets;

	lab_report_view(s, &r->columns[LAB_COLUMN_KERNEL]);
	buf_lit(&r->columns[LAB_COLUMN_KERNEL], "\n");
	begin_item(j);
	first_string(j, "socket", s->name);
	json_string(j, "netns", lab_places[s->place]);
	json_string(j, "state", lab_states[s->view.state]);
	json_end(j, "local_port", s->local.port);
	json_end(j, "peer_port", s->remote.port);
	if (s->view.accept.known)
		buf_format(j, ",\"accept_queue\":{\"len\":%" PRIu64 ",\"max\":%" PRIu64 "}", s->view.accept.len,
			   s->view.accept.max);
	else
		json_plain(j, "accept_queue", NULL);
	if (s->view.syn_known)
		json_number(j, "syn_queue", s->view.syn);
	else
		json_plain(j, "syn_queue", NULL);
	buf_lit(j, "}");
}

void lab_report_counter(struct lab_report *r, enum lab_place place, const char *name, uint64_t moved)
{
	struct buf *j = &r->counters;

	buf_format(&r->columns[LAB_COLUMN_KERNEL], "%s: %s +%" PRIu64 "\n", lab_places[place], name, moved);
	begin_item(j);
	first_string(j, "netns", lab_places[place]);
	json_string(j, "name", name);
	json_number(j, "moved", moved);
	buf_lit(j, "}");
}

void lab_report_record(struct lab_report *r, const struct lab_record *record)
{
	struct buf *b = &r->columns[LAB_COLUMN_RECORDS];

	lab_report_words(record, b);
	if (r->records.len)
		buf_lit(&r->records, ",");
	buf_mem(&r->records, record->line, record->len);
}

/* ---- what was expected ---- */

void lab_report_expect(struct lab_report *r, bool held, const char *found, uint64_t waited_ns)
{
	char span[32];

	r->verdict = held ? PAINT_GOOD : PAINT_BAD;
	buf_format(&r->columns[LAB_COLUMN_CALL], "%s after %s: %s\n", held ? "held" : "DID NOT HOLD",
		   duration_format(waited_ns, span, sizeof(span)), found);
	buf_str(&r->expect, held ? "{\"held\":true" : "{\"held\":false");
	json_string(&r->expect, "found", found);
	json_number(&r->expect, "waited_ns", waited_ns);
	buf_lit(&r->expect, "}");
}

void lab_report_wait(struct lab_report *r, uint64_t asked_ns, uint64_t took_ns)
{
	char span[32];

	if (took_ns > asked_ns + LATE_NS)
		buf_format(&r->columns[LAB_COLUMN_CALL], "waited %s: this machine is busy\n", duration_format(took_ns, span, sizeof(span)));
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
	buf_format(out, ",\"%s\":[", key);
	buf_mem(out, items->data, items->len);
	buf_lit(out, "]");
}

static void put_json(struct lab_report *r, struct buf *out)
{
	buf_format(out, "{\"v\":%d", JSON_VERSION);
	json_string(out, "type", "lab");
	json_string(out, "scenario", r->scenario);
	json_number(out, "line", r->statement->line);
	json_string(out, "statement", r->statement->text);
	put_array(out, "calls", &r->calls);
	put_array(out, "sockets", &r->sockets);
	put_array(out, "counters", &r->counters);
	put_array(out, "records", &r->records);
	buf_lit(out, ",\"expect\":");
	if (r->expect.len)
		buf_mem(out, r->expect.data, r->expect.len);
	else
		buf_lit(out, "null");
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
