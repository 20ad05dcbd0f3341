// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/states/render.h"
#include "cli/tail/render.h"
#include "cli/text/table.h"
#include "cli/text/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/names.h"

enum { COLUMNS_MAX = 14 };

#define NEAR 0.5 /* of a limit: worth a look */
#define AT_LIMIT 0.8

#define BIT(state) (1U << (state))
#define SYN (BIT(TCP_SYN_SENT) | BIT(TCP_SYN_RECV))
#define FIN_WAIT (BIT(TCP_FIN_WAIT1) | BIT(TCP_FIN_WAIT2))
#define CLOSING (BIT(TCP_CLOSING) | BIT(TCP_LAST_ACK))

struct column {
	const char *title, *narrow; /* NULL: the same */
	unsigned states; /* count the sockets in these */
	void (*put)(struct table *t, const struct style *style, const struct states_group *g);
	unsigned shrinks_to;
	bool right, mixed; /* mixed: only if there are several namespaces */
	bool wide; /* only where there is room */
};

static void put_unknown(struct table *t, const struct style *style)
{
	table_cell(t, PAINT_DIM, style->utf8 && style->terminal ? "\u2013" : "-", NULL);
}

static void put_end(struct table *t, const uint8_t *addr, uint16_t port)
{
	struct buf head = { 0 };
	bool ipv6 = !addr_is_ipv4(addr);
	char tail[16] = "";

	if (ipv6 && port)
		buf_lit(&head, "[");
	addr_format(&head, addr);
	if (port)
		snprintf(tail, sizeof(tail), "%s:%u", ipv6 ? "]" : "", port);
	table_cell(t, PAINT_NONE, buf_text(&head), tail);
	buf_free(&head);
}

static void put_local(struct table *t, const struct style *style, const struct states_group *g)
{
	(void)style;
	put_end(t, g->key.local, g->key.local_port);
}

static void put_remote(struct table *t, const struct style *style, const struct states_group *g)
{
	(void)style;
	put_end(t, g->key.remote, g->key.remote_port);
}

static void put_netns(struct table *t, const struct style *style, const struct states_group *g)
{
	(void)style;
	table_number(t, g->key.by == BY_NETNS ? PAINT_NONE : PAINT_DIM, g->key.netns);
}

static void put_process(struct table *t, const struct style *style, const struct states_group *g)
{
	char tail[24];

	if (!g->owned) {
		put_unknown(t, style);
		return;
	}
	snprintf(tail, sizeof(tail), "/%u", g->owner.pid);
	table_cell(t, PAINT_NONE, g->owner.state.comm, tail);
}

static void put_duration(struct table *t, const struct style *style, const char *before, uint64_t ms)
{
	char text[48], duration[32];

	if (ms == UINT64_MAX) {
		put_unknown(t, style);
		return;
	}
	snprintf(text, sizeof(text), "%s%s", before,
		 text_duration(ms * NSEC_PER_MSEC, duration, sizeof(duration)));
	table_cell(t, PAINT_NONE, text, NULL);
}

/* A lower bound: the last ACK may have come later than the FIN. */
static void put_oldest(struct table *t, const struct style *style, const struct states_group *g)
{
	put_duration(t, style, ">", g->oldest_ms[TCP_CLOSE_WAIT]);
}

static void put_freed(struct table *t, const struct style *style, const struct states_group *g)
{
	put_duration(t, style, "", g->first_end_ms);
}

static void put_share(struct table *t, const struct states_group *g, uint64_t used, uint64_t limit)
{
	char text[48];

	snprintf(text, sizeof(text), "%llu/%llu", (unsigned long long)used, (unsigned long long)limit);
	table_cell(t, g->share >= AT_LIMIT ? PAINT_BAD : g->share >= NEAR ? PAINT_WARN : PAINT_NONE, text, NULL);
}

static void put_files(struct table *t, const struct style *style, const struct states_group *g)
{
	if (g->share == NO_LIMIT_KNOWN)
		put_unknown(t, style);
	else
		put_share(t, g, g->owner.files, g->owner.files_limit);
}

static void put_queue(struct table *t, const struct style *style, const struct states_group *g)
{
	if (g->share == NO_LIMIT_KNOWN)
		put_unknown(t, style);
	else
		put_share(t, g, g->queue, g->limit);
}

static void put_ports(struct table *t, const struct style *style, const struct states_group *g)
{
	if (g->ports.known)
		put_share(t, g, g->ports.used, g->ports.usable);
	else
		put_unknown(t, style);
}

static void put_left(struct table *t, const struct style *style, const struct states_group *g)
{
	if (g->ports.known)
		table_number(t, g->share >= AT_LIMIT ? PAINT_BAD : PAINT_NONE, g->ports.left);
	else
		put_unknown(t, style);
}

static void put_rate(struct table *t, const struct style *style, const struct states_group *g)
{
	char text[32];

	if (!g->ports.known || g->ports.new_per_s <= 0) {
		put_unknown(t, style);
		return;
	}
	table_cell(t, PAINT_NONE, ports_rate_text(&g->ports, text, sizeof(text)), NULL);
}

static void put_out(struct table *t, const struct style *style, const struct states_group *g)
{
	put_duration(t, style, "", g->ports.runs_out_ms);
}

static void put_sockets(struct table *t, const struct style *style, const struct states_group *g)
{
	(void)style;
	table_number(t, PAINT_NONE, g->sockets);
}

static void put_orphans(struct table *t, const struct style *style, const struct states_group *g)
{
	(void)style;
	table_number(t, PAINT_NONE, g->orphans);
}

static void put_unaccepted(struct table *t, const struct style *style, const struct states_group *g)
{
	(void)style;
	table_number(t, PAINT_NONE, g->unaccepted);
}

#define COUNT(wide, narrow_title, mask) { .title = wide, .narrow = narrow_title, .states = mask, .right = true }
#define VALUE(wide, put_value) { .title = wide, .put = put_value, .right = true }
#define NETNS { .title = "NETNS", .put = put_netns, .right = true, .mixed = true }

static const struct column columns[STATES_BYS][COLUMNS_MAX] = {
	[BY_OWNER] = {
		{ .title = "PROCESS", .put = put_process, .shrinks_to = 12 }, NETNS, VALUE("SOCKETS", put_sockets),
		COUNT("ESTAB", NULL, BIT(TCP_ESTABLISHED)), COUNT("SYN", NULL, SYN), COUNT("FIN_WAIT", "FINW", FIN_WAIT),
		COUNT("CLOSE_WAIT", "CLOSEW", BIT(TCP_CLOSE_WAIT)), VALUE("OLDEST", put_oldest),
		COUNT("CLOSING", "CLOSING", CLOSING), COUNT("TIME_WAIT", "TIMEW", BIT(TCP_TIME_WAIT)), VALUE("FILES", put_files),
	},
	[BY_LISTENER] = {
		{ .title = "LISTEN", .put = put_local, .shrinks_to = 12 }, NETNS,
		{ .title = "PROCESS", .put = put_process, .shrinks_to = 9 }, VALUE("QUEUE", put_queue),
		COUNT("ESTAB", NULL, BIT(TCP_ESTABLISHED)), COUNT("SYN", NULL, SYN), COUNT("FIN_WAIT", "FINW", FIN_WAIT),
		COUNT("CLOSE_WAIT", "CLOSEW", BIT(TCP_CLOSE_WAIT)), VALUE("OLDEST", put_oldest),
		COUNT("CLOSING", "CLOSING", CLOSING), COUNT("TIME_WAIT", "TIMEW", BIT(TCP_TIME_WAIT)),
		VALUE("UNACCEPTED", put_unaccepted),
	},
	[BY_DESTINATION] = {
		{ .title = "DESTINATION", .put = put_remote, .shrinks_to = 12 },
		{ .title = "FROM", .put = put_local, .shrinks_to = 9 }, NETNS,
		COUNT("ESTAB", NULL, BIT(TCP_ESTABLISHED)), COUNT("SYN", NULL, SYN), COUNT("FIN_WAIT", "FINW", FIN_WAIT),
		COUNT("CLOSE_WAIT", "CLOSEW", BIT(TCP_CLOSE_WAIT)), COUNT("CLOSING", "CLOSING", CLOSING),
		COUNT("TIME_WAIT", "TIMEW", BIT(TCP_TIME_WAIT)), VALUE("FREED", put_freed), VALUE("PORTS", put_ports),
		VALUE("LEFT", put_left), { .title = "NEW/S", .put = put_rate, .right = true, .wide = true },
		{ .title = "OUT IN", .put = put_out, .right = true, .wide = true },
	},
	[BY_NETNS] = {
		{ .title = "NETNS", .put = put_netns, .right = true }, VALUE("SOCKETS", put_sockets),
		COUNT("ESTAB", NULL, BIT(TCP_ESTABLISHED)), COUNT("SYN", NULL, SYN), COUNT("FIN_WAIT", "FINW", FIN_WAIT),
		COUNT("CLOSE_WAIT", "CLOSEW", BIT(TCP_CLOSE_WAIT)), COUNT("CLOSING", "CLOSING", CLOSING),
		COUNT("TIME_WAIT", "TIMEW", BIT(TCP_TIME_WAIT)), COUNT("LISTEN", NULL, BIT(TCP_LISTEN)),
		VALUE("ORPHANS", put_orphans), VALUE("UNACCEPTED", put_unaccepted),
	},
};

static uint64_t count_of(const struct states_group *g, unsigned states)
{
	uint64_t sum = 0;

	for (int i = 0; i < TCP_STATES; i++)
		if (states & BIT(i))
			sum += g->count[i];
	return sum;
}

static void put_cell(struct table *t, const struct style *style, const struct column *c, const struct states_group *g)
{
	uint64_t count = c->states ? count_of(g, c->states) : 0;

	if (!c->states)
		c->put(t, style, g);
	else
		table_number(t, count && c->states == BIT(TCP_CLOSE_WAIT) ? PAINT_WARN : PAINT_NONE, count);
}

/* Groups of one kind stand together. */
static size_t count_groups(const struct states *s, enum states_by by, size_t *first)
{
	size_t count = 0;

	for (size_t i = 0; i < states_count(s); i++) {
		if (states_at(s, i)->key.by != by)
			continue;
		if (!count++)
			*first = i;
	}
	return count;
}

static void put_table(struct buf *b, const struct style *style, const struct states *s, size_t first, size_t rows,
		      bool mixed)
{
	const struct column *all = columns[states_at(s, first)->key.by];
	const struct column *chosen[COLUMNS_MAX];
	struct table_column titles[COLUMNS_MAX];
	struct table *t;
	size_t count = 0;

	for (size_t i = 0; i < COLUMNS_MAX && all[i].title; i++) {
		if ((all[i].mixed && !mixed) || (all[i].wide && !render_is_wide(style)))
			continue;
		chosen[count] = &all[i];
		titles[count++] = (struct table_column){
			.title = all[i].narrow && !render_is_wide(style) ? all[i].narrow : all[i].title,
			.right = all[i].right,
			.shrinks_to = all[i].shrinks_to,
		};
	}
	t = table_new(titles, count, style);
	for (size_t row = 0; row < rows; row++)
		for (size_t i = 0; i < count; i++)
			put_cell(t, style, chosen[i], states_at(s, first + row));
	table_end(t, b, rows);
}

static void __attribute__((format(printf, 4, 5))) put_line(struct buf *b, const struct style *style, enum paint paint,
							   const char *format, ...)
{
	struct line l = { .out = b, .style = style };
	struct buf text = { 0 };
	va_list args;

	va_start(args, format);
	buf_format_list(&text, format, args);
	va_end(args);
	line_wrap(&l, paint, buf_text(&text), 0, style->terminal ? style->columns : SIZE_MAX);
	line_end(&l);
	b->failed = b->failed || text.failed;
	buf_free(&text);
}

/* "412 sockets in 3 network namespaces: 12 established, ..." */
static void put_head(struct buf *b, const struct style *style, const struct states_shown *shown)
{
	uint64_t sockets = 0, orphans = 0, counts[TCP_STATES] = { 0 };
	struct buf text = { 0 };

	for (size_t i = 0; i < states_count(shown->states); i++) {
		const struct states_group *g = states_at(shown->states, i);

		if (g->key.by != BY_NETNS)
			continue;
		sockets += g->sockets;
		orphans += g->orphans;
		for (int state = 0; state < TCP_STATES; state++)
			counts[state] += g->count[state];
	}
	buf_format(&text, "%llu socket%s%s in %zu network namespace%s", (unsigned long long)sockets, sockets == 1 ? "" : "s",
		   shown->filtered ? " of those asked for" : "", shown->look->namespaces.seen,
		   shown->look->namespaces.seen == 1 ? "" : "s");
	for (int state = 0, first = 1; state < TCP_STATES; state++) {
		if (!counts[state])
			continue;
		buf_format(&text, "%s%llu %s", first ? ": " : ", ", (unsigned long long)counts[state], state_names[state]);
		first = 0;
	}
	if (orphans)
		buf_format(&text, "; %llu orphans", (unsigned long long)orphans);
	put_line(b, style, PAINT_BOLD, "%s", buf_text(&text));
	b->failed = b->failed || text.failed;
	buf_free(&text);
}

/* "from 10.0.0.1 to 10.0.0.5:443" */
static void put_way(struct buf *b, const struct states_key *key)
{
	struct buf to = { 0 };
	char end[64];

	buf_lit(b, "from ");
	addr_format(b, key->local);
	buf_lit(b, " to ");
	addr_format(&to, key->remote);
	buf_str(b, text_endpoint(end, sizeof(end), buf_text(&to), key->remote_port));
	b->failed = b->failed || to.failed;
	buf_free(&to);
}

static void put_warning(struct buf *b, const struct style *style, const struct states_group *g)
{
	const struct ports_left *p = &g->ports;
	struct buf text = { 0 };
	char out[32], rate[32];

	buf_str(&text, p->left ? "ports " : "no port is left ");
	put_way(&text, &g->key);
	if (p->left)
		buf_format(&text, " run out in %s: %llu of %llu are taken, and each second %s more enter TIME_WAIT",
			   text_duration(p->runs_out_ms * NSEC_PER_MSEC, out, sizeof(out)), (unsigned long long)p->used,
			   (unsigned long long)p->usable, ports_rate_text(p, rate, sizeof(rate)));
	else
		buf_format(&text, ": %llu of %llu are taken, %llu of them in TIME_WAIT", (unsigned long long)p->used,
			   (unsigned long long)p->usable, (unsigned long long)p->time_wait);
	put_line(b, style, PAINT_BAD, "%s", buf_text(&text));
	b->failed = b->failed || text.failed;
	buf_free(&text);
}

/* Each destination whose ports run out if all goes on as it does, or have. */
static void put_warnings(struct buf *b, const struct style *style, const struct states *s)
{
	for (size_t i = 0; i < states_count(s); i++) {
		const struct states_group *g = states_at(s, i);

		if (g->key.by == BY_DESTINATION && g->ports.known && (!g->ports.left || g->ports.runs_out_ms != UINT64_MAX))
			put_warning(b, style, g);
	}
}

/* What could not be seen, and how seldom it is looked at. */
static void put_notes(struct buf *b, const struct style *style, const struct states_shown *shown)
{
	const struct states_look *look = shown->look;
	char cost[32], pause[32];
	const char *error = errno_name(-look->namespaces.error);

	if (look->namespaces.unseen)
		put_line(b, style, PAINT_DIM, "%zu network namespace%s could not be looked at (%s)", look->namespaces.unseen,
			 look->namespaces.unseen == 1 ? "" : "s", error ? error : "?");
	if (look->namespaces.hidden)
		put_line(b, style, PAINT_DIM, "the network namespace of %zu process%s cannot be seen: there may be more of them",
			 look->namespaces.hidden, look->namespaces.hidden == 1 ? "" : "es");
	if (look->processes_hidden || look->owners_error)
		put_line(b, style, PAINT_DIM,
			 "the open files of %zu process%s could not be read%s: sockets of theirs have no owner here",
			 look->processes_hidden, look->processes_hidden == 1 ? "" : "es",
			 look->owners_error ? ", and not all of the others" : "");
	if (shown->pause_ns > NSEC_PER_SEC)
		put_line(b, style, PAINT_DIM, "a look takes %s of a CPU, so the next one is in %s",
			 text_duration(look->cost_ns, cost, sizeof(cost)),
			 text_duration(shown->pause_ns, pause, sizeof(pause)));
}

static size_t count_lines(const struct buf *b)
{
	size_t lines = 0;

	for (size_t i = 0; i < b->len; i++)
		lines += b->data[i] == '\n';
	return lines;
}

/* One namespace has its sums in the head already. */
static bool is_table(const struct states_shown *shown, enum states_by by, bool mixed)
{
	return by == BY_NETNS && !shown->by_mask ? mixed : states_is_shown(shown, by);
}

static void put_tables(struct buf *b, const struct style *style, const struct states_shown *shown, size_t rows)
{
	size_t first = 0, counts[STATES_BYS], firsts[STATES_BYS], tables = 0;
	bool mixed = count_groups(shown->states, BY_NETNS, &first) > 1;

	for (int by = 0; by < STATES_BYS; by++) {
		counts[by] = is_table(shown, by, mixed) ? count_groups(shown->states, by, &firsts[by]) : 0;
		tables += counts[by] > 0;
	}
	for (int by = 0; by < STATES_BYS; by++) {
		/* Its share of the lines that are left: an empty one, the titles, rows, and how many more there are. */
		size_t room = tables ? rows / tables : 0, shown_rows = counts[by];

		if (!counts[by])
			continue;
		if (shown_rows + 2 > room)
			shown_rows = room > 3 ? room - 3 : 0;
		tables--;
		if (!shown_rows)
			continue;
		buf_lit(b, "\n");
		put_table(b, style, shown->states, firsts[by], shown_rows, mixed);
		if (shown_rows < counts[by])
			put_line(b, style, PAINT_DIM, "and %zu more; --once shows all", counts[by] - shown_rows);
		rows -= shown_rows + 2 + (shown_rows < counts[by]);
	}
}

void states_render(struct buf *b, const struct style *style, const struct states_shown *shown, size_t rows)
{
	struct buf notes = { 0 };
	size_t start = count_lines(b), taken;

	put_head(b, style, shown);
	put_warnings(&notes, style, shown->states);
	put_notes(&notes, style, shown);
	taken = count_lines(b) - start + count_lines(&notes);
	put_tables(b, style, shown, rows > taken ? rows - taken : 0);
	if (notes.len)
		buf_mem(b, notes.data, notes.len);
	b->failed = b->failed || notes.failed || states_failed(shown->states);
	buf_free(&notes);
}
