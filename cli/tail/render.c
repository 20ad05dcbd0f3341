// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/tail/render.h"
#include "cli/feed/causes.h"
#include "cli/feed/containers.h"
#include "cli/feed/led.h"
#include "cli/text/line.h"
#include "cli/text/text.h"
#include "cli/tail/render_parts.h"

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/names.h"
#include "common/duration.h"

/* The most that a sentence may have on a line of its own. */
#define SENTENCE_COLUMNS 200

static const struct {
	enum paint paint;
	const char *implied; /* the errno that says no more than the outcome's own name */
} outcome_looks[OUTCOMES] = {
	[OUTCOME_ESTABLISHED] = { PAINT_GOOD, NULL },
	[OUTCOME_REFUSED] = { PAINT_BAD, "ECONNREFUSED" },
	[OUTCOME_RESET] = { PAINT_BAD, "ECONNRESET" },
	[OUTCOME_TIMEOUT] = { PAINT_BAD, "ETIMEDOUT" },
	[OUTCOME_UNREACHABLE] = { PAINT_BAD, NULL },
	[OUTCOME_CANCELLED] = { PAINT_WARN, NULL },
	[OUTCOME_NO_PORT] = { PAINT_BAD, "EADDRNOTAVAIL" },
	[OUTCOME_OVERFLOW] = { PAINT_BAD, NULL },
	[OUTCOME_DENIED] = { PAINT_BAD, NULL },
};

static const char *const loss_meanings[LOSS_WHYS] = {
	[LOSS_RING_FULL] = "the kernel's ring buffer was full",
	[LOSS_MAP_FULL] = "a map of the kernel side was full",
	[LOSS_RATE_LIMIT] = "more came in a second than are passed on",
	[LOSS_SLOW_READER] = "this reader was too slow",
	[LOSS_WRITE_ERROR] = "this file could not be written",
	[LOSS_NESTED] = "a program was interrupted by itself",
};

bool render_is_wide(const struct style *style)
{
	return !style->terminal || style->columns >= RENDER_WIDE_COLUMNS;
}

const char *render_clock(const char *ts, char *out, size_t size)
{
	struct tm tm = { 0 };
	int millis, used = 0;
	time_t seconds;

	if (!ts ||
	    sscanf(ts, "%4d-%2d-%2dT%2d:%2d:%2d.%3d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &millis, &used) != 7 ||
	    !used || millis < 0)
		return "-";
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	seconds = timegm(&tm);
	if (!localtime_r(&seconds, &tm))
		return "-";
	snprintf(out, size, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec, millis);
	return out;
}

void render_time(struct line *l, const struct record *r)
{
	char text[64];

	line_cell(l, PAINT_DIM, render_clock(r->ts, text, sizeof(text)), TIME_WIDTH);
	line_put(l, PAINT_NONE, " ");
	if (!r->host || !r->among_hosts || !render_is_wide(l->style))
		return;
	line_cell(l, PAINT_NONE, r->host, HOST_WIDTH);
	line_put(l, PAINT_NONE, " ");
}

void render_endpoint(struct line *l, const struct endpoint *e)
{
	line_format(l, PAINT_NONE, e->ipv6 ? "[%s]:%u" : "%s:%u", e->addr, e->port);
}

static const char *arrow(const struct style *style, int role)
{
	bool pretty = style->utf8 && style->terminal;

	if (role == ROLE_PASSIVE)
		return pretty ? "\u2190" : "<-";
	if (role == ROLE_ACTIVE)
		return pretty ? "\u2192" : "->";
	return pretty ? "\u2014" : "--";
}

void render_extra(struct line *l, enum paint paint, const char *key, const char *value)
{
	line_put(l, PAINT_NONE, l->columns ? " " : "");
	if (key) {
		line_put(l, PAINT_DIM, key);
		line_put(l, PAINT_DIM, "=");
	}
	line_put(l, paint, value);
}

static void put_retransmits(struct line *l, const struct record_handshake *h)
{
	char text[32];

	if (!h->retransmits)
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)h->retransmits);
	render_extra(l, PAINT_WARN, "retransmits", text);
	if (h->retransmit_wait_ns == NS_UNKNOWN)
		return;
	render_extra(l, PAINT_WARN, "wait", text_duration(h->retransmit_wait_ns, text, sizeof(text)));
}

static void put_flags(struct line *l, unsigned flags)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = {
		{ HANDSHAKE_FASTOPEN, "fastopen" },
		{ HANDSHAKE_SYNCOOKIE, "syncookie" },
		{ HANDSHAKE_SIMULTANEOUS, "simultaneous" },
		{ HANDSHAKE_PARTIAL, "partial" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].flag)
			render_extra(l, PAINT_NONE, NULL, names[i].name);
}

/* A question mark is for what is only probable. */
static void put_cause(struct line *l, const struct cause *cause)
{
	const struct cause_row *row = cause->code ? cause_find(cause->code) : NULL;
	bool proven = record_is_proven(cause);

	if (!cause->code)
		return;
	render_extra(l, row ? row->paint : PAINT_BOLD, NULL, cause->code);
	if (!proven)
		line_put(l, row ? row->paint : PAINT_BOLD, "?");
}

/* Where the other side really was, if that is not what the endpoints say. */
static void put_nat(struct line *l, const struct record_handshake *h)
{
	if (!h->has_nat || (h->nat.port == h->remote.port && strcmp(h->nat.addr, h->remote.addr) == 0))
		return;
	render_extra(l, PAINT_NONE, "nat", "");
	render_endpoint(l, &h->nat);
}

/* What an ordinary handshake does not have. */
static void put_extras(struct line *l, const struct record_handshake *h)
{
	const char *implied = h->outcome >= 0 ? outcome_looks[h->outcome].implied : NULL;
	char text[CONTAINER_TEXT];

	put_nat(l, h);
	put_cause(l, &h->cause);
	if (h->errno_name &&
	    (render_is_wide(l->style) || !implied || strcmp(h->errno_name, implied) != 0))
		render_extra(l, PAINT_BAD, NULL, h->errno_name);
	put_retransmits(l, h);
	if (h->has_queue && (h->queue_len || h->outcome != OUTCOME_ESTABLISHED)) {
		snprintf(text, sizeof(text), "%llu/%llu", (unsigned long long)h->queue_len,
			 (unsigned long long)h->queue_max);
		render_extra(l, h->queue_len >= h->queue_max ? PAINT_BAD : PAINT_NONE, "queue", text);
	}
	put_flags(l, h->flags);
	if (h->inferred)
		render_extra(l, PAINT_NONE, NULL, "inferred");
	if (container_text(&h->container, text, sizeof(text)))
		render_extra(l, PAINT_NONE, "container", text);
}

/* Where it ran, as far as the container has not said it; "/" says nothing. */
static void put_cgroup(struct line *l, const struct record_handshake *h)
{
	const char *slash = h->cgroup_path ? strrchr(h->cgroup_path, '/') : NULL;
	const char *name = slash ? slash + 1 : h->cgroup_path;

	if (name && *name && !h->container.id)
		render_extra(l, PAINT_NONE, "cgroup", name);
}

void render_process(struct line *l, bool known, const char *comm, uint64_t number)
{
	if (known)
		line_format(l, PAINT_NONE, "%s/%llu", comm, (unsigned long long)number);
	else
		line_put(l, PAINT_NONE, "-");
}

void render_endpoints(struct line *l, const struct endpoint *local, int role,
		   const struct endpoint *remote)
{
	size_t end = l->columns + (render_is_wide(l->style) ? ENDPOINT_WIDTH : PORT_WIDTH);

	if (render_is_wide(l->style))
		render_endpoint(l, local);
	else
		line_format(l, PAINT_NONE, ":%u", local->port);
	line_pad(l, end);
	line_put(l, PAINT_NONE, " ");
	line_put(l, PAINT_DIM, arrow(l->style, role));
	line_put(l, PAINT_NONE, " ");
	end = l->columns + ENDPOINT_WIDTH;
	render_endpoint(l, remote);
	line_pad(l, end);
	line_put(l, PAINT_NONE, " ");
}

static enum paint outcome_paint(const struct record_handshake *h)
{
	if (h->outcome < 0)
		return PAINT_BOLD;
	/* Established after all, but not at once. */
	if (h->outcome == OUTCOME_ESTABLISHED && h->retransmits)
		return PAINT_WARN;
	return outcome_looks[h->outcome].paint;
}

static bool fits(const struct line *l, size_t columns)
{
	return !l->style->terminal || l->columns + columns <= l->style->columns;
}

/* Append what was made aside, from a column on, after a space. */
static void put_aside(struct line *l, const struct line *aside, size_t column)
{
	line_pad(l, column);
	line_put(l, PAINT_NONE, " ");
	buf_mem(l->out, aside->out->data, aside->out->len);
	l->columns += aside->columns;
}

void render_detail(struct line *l, const char *detail)
{
	size_t len = detail ? strlen(detail) : 0;

	if (!len || !render_is_wide(l->style))
		return;
	if (fits(l, len + 3)) {
		line_put(l, PAINT_NONE, " ");
	} else {
		line_end(l);
		line_pad(l, TIME_WIDTH + 1);
	}
	line_put(l, PAINT_DIM, "(");
	if (l->style->terminal)
		line_wrap(l, PAINT_DIM, detail, TIME_WIDTH + 1,
			  l->style->columns < SENTENCE_COLUMNS ? l->style->columns - 1 :
								 SENTENCE_COLUMNS);
	else
		line_put(l, PAINT_DIM, detail);
	line_put(l, PAINT_DIM, ")");
}

void render_rest(struct line *l, const struct owner *owner, const struct line *extras,
		 const struct line *spare)
{
	size_t column = l->columns + PROCESS_WIDTH;
	struct line e = *extras, c = *spare;

	render_process(l, owner->known, owner->comm, owner->pid);
	if (column < l->columns || !fits(l, column - l->columns + 1 + e.columns))
		column = l->columns;
	if (e.columns && !fits(l, 1 + e.columns)) {
		line_end(l);
		column = TIME_WIDTH;
	}
	if (e.columns)
		put_aside(l, &e, column);
	/* Nearly every process has a cgroup: not worth a line where there is no room. */
	if (c.columns && fits(l, 1 + c.columns))
		put_aside(l, &c, e.columns || !fits(l, column - l->columns + 1 + c.columns) ?
					 l->columns : column);
	l->out->failed = l->out->failed || e.out->failed || c.out->failed;
	buf_free(e.out);
	buf_free(c.out);
}

/* Whose latency it is, if not that of what the client connected to: in the wide layout only. */
static void put_led(struct line *l, const struct record_handshake *h)
{
	struct buf text = { 0 };
	struct line sentence = { .out = &text, .style = l->style };

	if (!record_is_led(h))
		return;
	line_put(&sentence, PAINT_NONE, "NAT led it to ");
	render_endpoint(&sentence, &h->nat);
	line_put(&sentence, PAINT_NONE, record_is_led_home(h) ? ", on its own host: " : ": ");
	line_put(&sentence, PAINT_NONE, h->latency_ns == NS_UNKNOWN ? "the outcome is" : "latency and outcome are");
	line_put(&sentence, PAINT_NONE, " from there, not from ");
	render_endpoint(&sentence, &h->remote);
	buf_mem(&text, "", 1);
	l->out->failed = l->out->failed || text.failed;
	if (!text.failed)
		render_detail(l, text.data);
	buf_free(&text);
}

static void put_rest(struct line *l, const struct record_handshake *h)
{
	struct buf extras = { 0 }, cgroup = { 0 };
	struct line e = { .out = &extras, .style = l->style };
	struct line c = { .out = &cgroup, .style = l->style };
	struct owner owner = { .known = h->has_process, .pid = h->pid, .comm = h->comm };

	put_extras(&e, h);
	put_cgroup(&c, h);
	render_rest(l, &owner, &e, &c);
	render_detail(l, h->cause.detail);
	put_led(l, h);
}

static void render_handshake(struct line *l, const struct record *r)
{
	const struct record_handshake *h = &r->handshake;
	char latency[32] = "-";

	render_time(l, r);
	if (render_is_wide(l->style)) {
		line_cell(l, PAINT_NONE, h->role_name, ROLE_WIDTH);
		line_put(l, PAINT_NONE, " ");
	}
	line_cell(l, outcome_paint(h), h->outcome_name, OUTCOME_WIDTH);
	line_put(l, PAINT_NONE, " ");
	if (h->latency_ns != NS_UNKNOWN)
		duration_format(h->latency_ns, latency, sizeof(latency));
	line_cell_right(l, PAINT_BOLD, latency, LATENCY_WIDTH);
	line_put(l, PAINT_NONE, " ");
	render_endpoints(l, &h->local, h->role, &h->remote);
	put_rest(l, h);
	line_end(l);
}

static void render_loss(struct line *l, const struct record *r)
{
	const struct record_loss *loss = &r->loss;
	int why = name_index(loss_why_names, LOSS_WHYS, loss->why, strlen(loss->why));

	render_time(l, r);
	line_format(l, PAINT_LOUD, "LOST %llu", (unsigned long long)loss->count);
	render_extra(l, PAINT_BAD, NULL, loss->what);
	render_extra(l, PAINT_BAD, NULL, loss->why);
	if (why >= 0 && loss_meanings[why])
		line_format(l, PAINT_NONE, ": %s", loss_meanings[why]);
	line_end(l);
}

static void put_dim(struct line *l, const char *before, const char *value, const char *after)
{
	if (!value)
		return;
	line_put(l, PAINT_DIM, before);
	line_put(l, PAINT_DIM, value);
	line_put(l, PAINT_DIM, after);
}

static void put_filters(struct line *l, const cJSON *filters)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, filters) {
		put_dim(l, ", ", item->string, "=");
		put_dim(l, "", cJSON_GetStringValue(item), "");
	}
}

static void render_hello(struct line *l, const struct record *r)
{
	const struct record_hello *hello = &r->hello;

	if (!l->style->terminal)
		return;
	put_dim(l, "tcpshaked ", hello->version, "");
	put_dim(l, " on ", hello->host, "");
	put_dim(l, ", Linux ", hello->kernel, "");
	put_dim(l, ", evidence: ", hello->evidence, "");
	put_filters(l, hello->filters);
	put_filters(l, hello->subscription);
	line_end(l);
}

static void render_bye(struct line *l, const struct record *r)
{
	if (!l->style->terminal)
		return;
	put_dim(l, "end of the feed (", r->bye.reason ? r->bye.reason : "no reason given", ")");
	line_end(l);
}

/* Any type, a newer daemon's too: its name, and all fields. */
static void render_other(struct line *l, const struct record *r)
{
	static const char *const common[] = { "v", "type", "seq", "ts", "mono_ns" };
	const cJSON *item;

	render_time(l, r);
	line_put(l, PAINT_BOLD, r->type_name);
	cJSON_ArrayForEach(item, r->json) {
		bool shown = false;
		char *text;

		for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
			shown = shown || strcmp(common[i], item->string) == 0;
		if (shown)
			continue;
		if (cJSON_IsString(item)) {
			render_extra(l, PAINT_NONE, item->string, item->valuestring);
			continue;
		}
		text = cJSON_PrintUnformatted(item);
		render_extra(l, PAINT_NONE, item->string, text ? text : "?");
		cJSON_free(text);
	}
	line_end(l);
}

/* An answer: the reader's matter. */
static void render_nothing(struct line *l, const struct record *r)
{
	(void)l;
	(void)r;
}

/* Those that have none are shown as they came. */
static void (*const renderers[RECORD_TYPES])(struct line *l, const struct record *r) = {
	[RECORD_HELLO] = render_hello,	      [RECORD_HANDSHAKE] = render_handshake,
	[RECORD_LISTENER] = render_listener,  [RECORD_OVERFLOW] = render_overflow,
	[RECORD_AUDIT] = render_audit_record, [RECORD_ACCEPT] = render_accept,
	[RECORD_RESET] = render_reset,	      [RECORD_RETRANSMIT] = render_retransmit,
	[RECORD_DROP] = render_drop,	      [RECORD_CLOSE] = render_close,
	[RECORD_LOSS] = render_loss,
	[RECORD_BYE] = render_bye,	      [RECORD_END] = render_nothing,
};

void render_record(struct buf *b, const struct style *style, const struct record *r)
{
	struct line l = { .out = b, .style = style };

	(renderers[r->type] ? renderers[r->type] : render_other)(&l, r);
}

void render_host(struct buf *b, const struct style *style, const char *host)
{
	struct line l = { .out = b, .style = style };

	line_put(&l, PAINT_BOLD, host);
	line_put(&l, PAINT_BOLD, ":");
	line_end(&l);
}

void render_header(struct buf *b, const struct style *style, bool hosts)
{
	struct line l = { .out = b, .style = style };

	line_cell(&l, PAINT_BOLD, "TIME", TIME_WIDTH + 1);
	if (hosts && render_is_wide(style))
		line_cell(&l, PAINT_BOLD, "HOST", HOST_WIDTH + 1);
	if (render_is_wide(style))
		line_cell(&l, PAINT_BOLD, "ROLE", ROLE_WIDTH + 1);
	line_cell(&l, PAINT_BOLD, "OUTCOME", OUTCOME_WIDTH + 1);
	line_cell_right(&l, PAINT_BOLD, "LATENCY", LATENCY_WIDTH);
	line_put(&l, PAINT_NONE, " ");
	line_cell(&l, PAINT_BOLD, "LOCAL", render_is_wide(style) ? ENDPOINT_WIDTH : PORT_WIDTH);
	line_pad(&l, l.columns + 2 + strlen(style->utf8 && style->terminal ? "-" : "->"));
	line_cell(&l, PAINT_BOLD, "REMOTE", ENDPOINT_WIDTH + 1);
	line_put(&l, PAINT_BOLD, "PROCESS");
	line_end(&l);
}
