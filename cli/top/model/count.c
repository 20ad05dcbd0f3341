// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a fact counts for: its second, all time, and in each of them its rows. */
#include "cli/top/model/count.h"

#include <stdio.h>
#include <string.h>

#include "common/addr.h"

#define SWEEP_AGAIN 10 /* seconds */

/* ---- rows ---- */

struct sweep {
	struct top_model *m;
	enum top_table_id id;
	bool gone[TOP_ROWS_MAX];
};

static bool is_idle(void *ctx, size_t key)
{
	struct sweep *s = ctx;
	size_t number = key + 1; /* of the row */
	const struct top_row *row = &s->m->known.rows[s->id][number];
	uint64_t now = s->m->known.newest_ns / NSEC_PER_SEC;

	s->gone[number] = !row->sockets && row->last_second + TOP_RING < now;
	return s->gone[number];
}

/* What they counted since the start is from now on somebody else's. */
static void give_to_other(struct top_model *m, enum top_table_id id, const bool *gone)
{
	struct top_cells old = m->total.cells[id], new = { 0 };

	for (uint32_t i = 0; i < old.room; i++) {
		uint32_t row, slot;
		uint64_t n;

		if (top_cells_at(&old, i, &row, &slot, &n) &&
		    !top_cells_add(&new, gone[row] ? TOP_OTHER : row, slot, n, UINT32_MAX))
			m->known.failed = true;
	}
	top_cells_free(&old);
	m->total.cells[id] = new;
}

static void sweep(struct top_model *m, enum top_table_id id)
{
	struct sweep s = { .m = m, .id = id };
	uint64_t now = m->known.newest_ns / NSEC_PER_SEC;

	if (now < m->known.sweep_at[id])
		return;
	if (!keyset_sweep(&m->tables[id], is_idle, &s)) {
		m->known.sweep_at[id] = now + SWEEP_AGAIN;
		return;
	}
	give_to_other(m, id, s.gone);
}

uint32_t top_row_of(struct top_model *m, enum top_table_id id, const struct top_key *key)
{
	struct keyset *t = &m->tables[id];
	bool added;
	uint32_t number = top_table_put(t, key, &added);

	if (number == TOP_OTHER) {
		sweep(m, id);
		number = top_table_put(t, key, &added);
	}
	if (added)
		memset(&m->known.rows[id][number], 0, sizeof(m->known.rows[id][number]));
	return number;
}

struct top_key top_place_key(uint32_t netns, const uint8_t *addr, uint16_t port)
{
	struct top_key key = { .words = { 0 } };

	key.netns = netns;
	key.port = port;
	memcpy(key.addr, addr, sizeof(key.addr));
	return key;
}

void top_set_host(const struct top_model *m, struct top_key *key, uint32_t host)
{
	key->host = host;
	if (host < TOP_HOSTS)
		memcpy(key->host_name, m->known.host_names[host], sizeof(key->host_name));
}

bool top_is_wanted(const struct top_model *m, const struct top_fact *f)
{
	return !m->known.filtered ||
	       top_fact_matches(f, top_paths_text(&m->names.cgroups, f->cgroup), &m->filter);
}

uint32_t top_find_listener(const struct top_model *m, const struct top_fact *f)
{
	const uint8_t *addrs[] = { f->local, addr_any_ipv4, addr_any_ipv6 };

	for (int i = 0; i < 3; i++) {
		struct top_key key = top_place_key(f->netns, addrs[i], f->local_port);
		uint32_t number;

		top_set_host(m, &key, f->host);
		number = top_table_find(&m->tables[TOP_LISTENERS], &key);
		if (number && addr_fit(addrs[i], m->known.rows[TOP_LISTENERS][number].v6only, f->local))
			return number;
	}
	return TOP_OTHER;
}

/* One without a record is known by its handshakes. */
static uint32_t listener_of(struct top_model *m, const struct top_fact *f)
{
	struct top_key key = top_place_key(f->netns, f->local, f->local_port);
	uint32_t number = top_find_listener(m, f);

	top_set_host(m, &key, f->host);
	return number ? number : top_row_of(m, TOP_LISTENERS, &key);
}

static struct top_key text_key(const char *text)
{
	struct top_key key = { .words = { 0 } };

	snprintf(key.text, sizeof(key.text), "%s", text);
	return key;
}

/* Which rows a fact belongs to: a bit for each table it has one in. */
static unsigned find_rows(struct top_model *m, const struct top_fact *f, uint32_t *rows)
{
	unsigned in = 0;
	struct top_key key;

	if ((f->flags & TOP_LOCAL) && (f->kind == TOP_OVERFLOW || f->role == ROLE_PASSIVE)) {
		rows[TOP_LISTENERS] = listener_of(m, f);
		in |= 1U << TOP_LISTENERS;
	}
	if (f->kind == TOP_HANDSHAKE && f->role == ROLE_ACTIVE && (f->flags & TOP_REMOTE)) {
		key = top_place_key(f->netns, f->remote, f->remote_port);
		top_set_host(m, &key, f->host);
		rows[TOP_DESTINATIONS] = top_row_of(m, TOP_DESTINATIONS, &key);
		in |= 1U << TOP_DESTINATIONS;
	}
	if (f->flags & TOP_PROCESS) {
		key = text_key(f->comm);
		top_set_host(m, &key, f->host);
		rows[TOP_PROCESSES] = top_row_of(m, TOP_PROCESSES, &key);
		in |= 1U << TOP_PROCESSES;
	}
	if (f->code) {
		key = text_key(top_code(&m->names, f->code));
		rows[TOP_CAUSES] = top_row_of(m, TOP_CAUSES, &key);
		in |= 1U << TOP_CAUSES;
	}
	return in;
}

static void touch(const struct top_model *m, struct top_row *row, const struct top_fact *f)
{
	uint64_t second = f->mono_ns / NSEC_PER_SEC;

	if (second > row->last_second)
		row->last_second = second;
	if (f->flags & TOP_PROCESS) {
		row->several = row->several || (row->pid && row->pid != f->pid);
		row->pid = f->pid;
		memcpy(row->comm, f->comm, sizeof(row->comm));
		top_paths_follow(&m->names.cgroups, f->cgroup, &row->cgroup, &row->containers);
	}
	if (f->code && f->mono_ns >= row->newest.mono_ns)
		row->newest = *f;
}

/* ---- counting ---- */

void top_count_cell(struct top_model *m, struct top_bucket *b, enum top_table_id id, uint32_t row,
		    uint32_t slot, uint64_t n)
{
	uint32_t limit = b == &m->total ? TOP_TOTAL_CELLS : TOP_SECOND_CELLS;

	if (n && !top_cells_add(&b->cells[id], row, slot, n, limit) &&
	    !top_cells_add(&b->cells[id], TOP_OTHER, slot, n, limit + SLOT_END))
		m->known.failed = true;
}

static bool is_established(const struct top_fact *f)
{
	return f->outcome == OUTCOME_ESTABLISHED;
}

static void count_handshake_cells(struct top_model *m, struct top_bucket *b, const struct top_fact *f,
				  enum top_table_id id, uint32_t row)
{
	top_count_cell(m, b, id, row, SLOT_HANDSHAKES, 1);
	top_count_cell(m, b, id, row, SLOT_ACTIVE, f->role == ROLE_ACTIVE);
	top_count_cell(m, b, id, row, SLOT_FAILED, !is_established(f));
	top_count_cell(m, b, id, row, SLOT_RETRANSMITTED, f->retransmits > 0);
	top_count_cell(m, b, id, row, SLOT_PROVEN, f->code && (f->flags & TOP_PROVEN));
	if (is_established(f) && f->latency_ns != NS_UNKNOWN)
		top_count_cell(m, b, id, row, histogram_bucket(f->latency_ns), 1);
}

static void count_refusal_cells(struct top_model *m, struct top_bucket *b, const struct top_fact *f,
				enum top_table_id id, uint32_t row)
{
	uint32_t slot = f->flags & TOP_COOKIE ? SLOT_COOKIES :
			f->flags & TOP_AT_ACK ? SLOT_REFUSED_ACK : SLOT_REFUSED_SYN;

	if (id == TOP_LISTENERS && f->flags & TOP_NO_QUEUE)
		return; /* its columns are those of its queues; the cause's row has it */
	top_count_cell(m, b, id, row, slot, f->count);
}

static void count_fact(struct top_bucket *b, const struct top_fact *f)
{
	switch ((enum top_kind)f->kind) {
	case TOP_HANDSHAKE:
		b->counts[TOP_COUNT_ACTIVE] += f->role == ROLE_ACTIVE;
		b->counts[TOP_COUNT_PASSIVE] += f->role == ROLE_PASSIVE;
		b->counts[TOP_COUNT_FAILED] += !is_established(f);
		b->counts[TOP_COUNT_RETRANSMITTED] += f->retransmits > 0;
		if (is_established(f) && f->role < ROLES && f->latency_ns != NS_UNKNOWN)
			histogram_record(&b->latency[f->role], f->latency_ns);
		break;
	case TOP_OVERFLOW:
		if (!(f->flags & TOP_NO_QUEUE))
			b->counts[f->flags & TOP_COOKIE ? TOP_COUNT_COOKIES : TOP_COUNT_OVERFLOWED] += f->count;
		break;
	case TOP_LOSS:
		b->counts[f->flags & TOP_LIMITED ? TOP_COUNT_LIMITED : TOP_COUNT_LOST] += f->count;
		break;
	case TOP_AUDIT:
		b->counts[f->flags & TOP_BALANCED ? TOP_COUNT_BALANCED : TOP_COUNT_UNBALANCED]++;
		break;
	}
}

void top_apply(struct top_model *m, const struct top_fact *f)
{
	struct top_bucket *buckets[] = { &m->total, top_second_of(&m->seconds, f->mono_ns) };
	uint32_t rows[TOP_TABLES] = { 0 };
	unsigned in = find_rows(m, f, rows);

	for (enum top_table_id id = 0; id < TOP_TABLES; id++)
		if (in & 1U << id && rows[id] != TOP_OTHER)
			touch(m, &m->known.rows[id][rows[id]], f);
	for (int i = 0; i < 2; i++) {
		if (!buckets[i])
			continue;
		count_fact(buckets[i], f);
		for (enum top_table_id id = 0; id < TOP_TABLES; id++) {
			if (!(in & 1U << id))
				continue;
			if (f->kind == TOP_HANDSHAKE)
				count_handshake_cells(m, buckets[i], f, id, rows[id]);
			else if (f->kind == TOP_OVERFLOW)
				count_refusal_cells(m, buckets[i], f, id, rows[id]);
		}
	}
}
