// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The model of top: records become facts, which count.c counts and query.c answers from. */
#define _GNU_SOURCE
#include "cli/top/model/model.h"
#include "cli/feed/wanted.h"
#include "cli/top/model/count.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct top_model *top_model_new(void)
{
	struct top_model *m = calloc(1, sizeof(*m));
	int err = -1;

	if (!m)
		return NULL;
	err = keyset_init(&m->socket_table, sizeof(struct top_key), TOP_SOCKETS_MAX - 1);
	for (int i = 0; i < TOP_TABLES; i++)
		err |= keyset_init(&m->tables[i], sizeof(struct top_key), TOP_ROWS_MAX - 1);
	err |= top_names_init(&m->names);
	if (!err)
		return m;
	top_model_free(m);
	return NULL;
}

void top_model_free(struct top_model *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < TOP_RING; i++)
		top_bucket_free(&m->seconds.ring[i]);
	top_bucket_free(&m->total);
	for (int i = 0; i < TOP_TABLES; i++)
		keyset_free(&m->tables[i]);
	keyset_free(&m->socket_table);
	top_names_free(&m->names);
	filter_free(&m->filter);
	top_log_free(&m->log);
	free(m);
}

/* What it matches by, without its texts. */
static int copy_filter(struct filter *to, const struct filter *from)
{
	*to = *from;
	memset(to->text, 0, sizeof(to->text));
	to->cgroup = from->cgroup ? strdup(from->cgroup) : NULL;
	return from->cgroup && !to->cgroup ? -ENOMEM : 0;
}

struct top_model *top_model_copy(struct top_model *m)
{
	struct top_model *copy = calloc(1, sizeof(*copy));
	int err = 0;

	if (!copy)
		return NULL;
	copy->known = m->known;
	for (unsigned i = 0; i < TOP_RING; i++)
		err |= top_bucket_copy(&copy->seconds.ring[i], &m->seconds.ring[i]);
	err |= top_bucket_copy(&copy->total, &m->total);
	for (int i = 0; i < TOP_TABLES; i++)
		err |= keyset_copy(&copy->tables[i], &m->tables[i]);
	err |= keyset_copy(&copy->socket_table, &m->socket_table);
	err |= top_names_copy(&copy->names, &m->names);
	err |= top_log_copy(&copy->log, &m->log);
	err |= copy_filter(&copy->filter, &m->filter);
	if (!err)
		return copy;
	top_model_free(copy);
	return NULL;
}

/* No fact holds peaks: they stay. */
static void clear_facts(struct top_model *m, struct top_bucket *b)
{
	struct top_cells old = b->cells[TOP_LISTENERS];
	uint32_t row, slot;
	uint64_t n;

	memset(&b->cells[TOP_LISTENERS], 0, sizeof(old));
	top_bucket_clear(b);
	b->used = true;
	for (uint32_t i = 0; i < old.room; i++)
		if (top_cells_at(&old, i, &row, &slot, &n) && slot == SLOT_PEAK)
			top_count_cell(m, b, TOP_LISTENERS, row, slot, n);
	top_cells_free(&old);
}

/* Forget what was counted, but not the facts. */
static void clear_counts(struct top_model *m)
{
	for (unsigned i = 0; i < TOP_RING; i++)
		if (m->seconds.ring[i].used)
			clear_facts(m, &m->seconds.ring[i]);
	clear_facts(m, &m->total);
	for (int i = 0; i < TOP_TABLES; i++) {
		if (i == TOP_LISTENERS) /* they are known by their sockets */
			continue;
		keyset_clear(&m->tables[i]);
		memset(m->known.rows[i], 0, sizeof(m->known.rows[i]));
	}
	for (unsigned i = 0; i < TOP_ROWS_MAX; i++)
		m->known.rows[TOP_LISTENERS][i].newest = (struct top_fact){ 0 };
	memset(m->known.sweep_at, 0, sizeof(m->known.sweep_at));
	m->known.sweep_paths_at = 0;
}

static void clear_sockets(struct top_model *m)
{
	keyset_clear(&m->socket_table);
	for (unsigned i = 0; i < TOP_ROWS_MAX; i++)
		m->known.rows[TOP_LISTENERS][i].sockets = 0;
	m->known.more_sockets = 0;
}

void top_model_clear(struct top_model *m)
{
	clear_counts(m);
	for (unsigned i = 0; i < TOP_RING; i++)
		top_bucket_clear(&m->seconds.ring[i]);
	top_bucket_clear(&m->total);
	keyset_clear(&m->tables[TOP_LISTENERS]);
	memset(m->known.rows[TOP_LISTENERS], 0, sizeof(m->known.rows[TOP_LISTENERS]));
	clear_sockets(m);
	top_log_free(&m->log);
	m->known.first_ns = m->known.newest_ns = m->known.since_ns = 0;
	m->known.wall_second = 0;
}

static void clear_sockets_of(struct top_model *m, uint32_t host)
{
	for (uint32_t i = 1; i < TOP_SOCKETS_MAX; i++) {
		if (!top_table_has(&m->socket_table, i) || top_table_key(&m->socket_table, i)->host != host)
			continue;
		m->known.rows[TOP_LISTENERS][m->known.sockets[i].row].sockets--;
		keyset_remove(&m->socket_table, i - 1);
	}
	m->known.more_sockets = 0;
}

/* ---- listeners ---- */

static void close_socket(struct top_model *m, const struct top_key *key)
{
	uint32_t number = top_table_find(&m->socket_table, key);

	if (!number)
		return;
	m->known.rows[TOP_LISTENERS][m->known.sockets[number].row].sockets--;
	keyset_remove(&m->socket_table, number - 1);
}

static void fill_socket(struct top_socket *s, const struct record_listener *l)
{
	s->backlog = l->backlog.got;
	s->drops = l->drops;
	s->accept = l->accept;
	s->syn = l->syn;
	s->depth = l->depth;
	s->syn_depth = l->syn_depth;
	s->wait = l->wait;
	s->waiting = l->waiting;
	s->oldest_wait_ns = l->oldest_wait_ns;
	s->has_owner = l->owner.known;
	s->owners = (uint32_t)l->owners;
	if (!l->owner.known)
		return;
	s->pid = (uint32_t)l->owner.pid;
	snprintf(s->comm, sizeof(s->comm), "%s", l->owner.comm);
}

static void add_listener(struct top_model *m, const struct record *r, uint64_t mono_ns)
{
	const struct record_listener *l = &r->listener;
	struct top_key key = { .words = { 0 } }, place;
	struct top_bucket *second;
	struct top_socket *s;
	uint32_t number;
	bool added;

	key.id = strtoull(l->socket, NULL, 16);
	key.netns = (uint32_t)l->netns;
	top_set_host(m, &key, r->host_number);
	if (l->event == CHANGE_CLOSED || !l->local.numeric) {
		close_socket(m, &key);
		return;
	}
	place = top_place_key((uint32_t)l->netns, l->local.bytes, l->local.port);
	top_set_host(m, &place, r->host_number);
	/* A daemon that is asked answers with all of them. */
	if (m->known.source_filter && !listener_is_wanted(m->known.source_filter, l->netns,
							  l->local.port, r->cgroup_path))
		return;
	number = top_table_put(&m->socket_table, &key, &added);
	if (number == TOP_OTHER) {
		m->known.more_sockets++;
		return;
	}
	s = &m->known.sockets[number];
	if (!added)
		m->known.rows[TOP_LISTENERS][s->row].sockets--;
	s->row = top_row_of(m, TOP_LISTENERS, &place);
	m->known.rows[TOP_LISTENERS][s->row].sockets++;
	m->known.rows[TOP_LISTENERS][s->row].v6only = l->v6only;
	s->at_ns = mono_ns;
	s->cgroup = top_paths_put(&m->names.cgroups, r->cgroup_path);
	top_paths_set_container(&m->names.cgroups, s->cgroup, &l->container);
	fill_socket(s, l);
	if (!l->accept.known)
		return;
	top_count_cell(m, &m->total, TOP_LISTENERS, s->row, SLOT_PEAK, l->accept.peak);
	second = top_second_of(&m->seconds, mono_ns);
	if (second)
		top_count_cell(m, second, TOP_LISTENERS, s->row, SLOT_PEAK, l->accept.peak);
}

/* ---- records ---- */

static void copy_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

static void add_criterion(char *out, size_t size, const char *key, const char *value)
{
	size_t len = strlen(out);

	snprintf(out + len, size - len, "%s%s=%s", len ? " " : "", key, value);
}

/* What one host lacks may hide something in all. */
static void take_evidence(struct top_model *m, const struct record *r)
{
	struct evidence one;

	evidence_take(&one, r);
	if (r->host_number)
		evidence_join(&m->known.evidence, &one);
	else
		m->known.evidence = one;
}

static void add_hello(struct top_model *m, const struct record *r)
{
	const struct record_hello *h = &r->hello;
	const cJSON *item;

	/* Another boot counts its own nanoseconds; those of several hosts are on one clock. */
	if (!r->host && h->boot_id && *m->known.boot_id &&
	    strncmp(m->known.boot_id, h->boot_id, sizeof(m->known.boot_id) - 1) != 0)
		top_model_clear(m);
	/* All listeners of that host that there are follow it. */
	clear_sockets_of(m, r->host_number);
	copy_text(m->known.boot_id, sizeof(m->known.boot_id), h->boot_id);
	copy_text(m->known.host, sizeof(m->known.host), r->host_number ? "several hosts" : h->host);
	copy_text(m->known.kernel, sizeof(m->known.kernel), h->kernel);
	copy_text(m->known.version, sizeof(m->known.version), h->version);
	copy_text(m->known.tier, sizeof(m->known.tier), h->evidence);
	take_evidence(m, r);
	*m->known.daemon_only = '\0';
	/* Of several hosts each may have its own. */
	cJSON_ArrayForEach(item, h->filters)
		if (cJSON_IsString(item) && !r->host_number)
			add_criterion(m->known.daemon_only, sizeof(m->known.daemon_only), item->string,
				      item->valuestring);
}

/* Once a second: what the clocks differ by changes slowly. */
static void set_wall(struct top_model *m, const struct record *r)
{
	struct tm tm = { 0 };
	char fraction[10] = "";
	int read = 0;

	if (!r->ts || !r->mono_ns || r->mono_ns / NSEC_PER_SEC == m->known.wall_second)
		return;
	if (sscanf(r->ts, "%4d-%2d-%2dT%2d:%2d:%2d.%9[0-9]Z%n", &tm.tm_year, &tm.tm_mon,
		   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, fraction, &read) != 7 ||
	    strlen(fraction) != 9 || !read)
		return;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	m->known.wall_second = r->mono_ns / NSEC_PER_SEC;
	m->known.wall_offset_ns = (int64_t)timegm(&tm) * (int64_t)NSEC_PER_SEC + atol(fraction) -
			    (int64_t)r->mono_ns;
}

/* Paths that nothing here refers to any more make room. */
static void sweep_paths(struct top_model *m)
{
	bool marked[TOP_PATHS_MAX] = { 0 };

	if (!top_paths_are_full(&m->names.cgroups) || m->known.newest_ns / NSEC_PER_SEC < m->known.sweep_paths_at)
		return;
	for (uint64_t i = m->log.start; i < m->log.end; i++)
		marked[top_log_at(&m->log, i)->cgroup] = true;
	for (uint32_t i = 1; i < TOP_SOCKETS_MAX; i++)
		if (top_table_has(&m->socket_table, i))
			marked[m->known.sockets[i].cgroup] = true;
	for (enum top_table_id id = 0; id < TOP_TABLES; id++)
		for (uint32_t i = 0; i < TOP_ROWS_MAX; i++)
			marked[m->known.rows[id][i].newest.cgroup] = marked[m->known.rows[id][i].cgroup] = true;
	top_paths_sweep(&m->names.cgroups, marked);
	m->known.sweep_paths_at = m->known.newest_ns / NSEC_PER_SEC + 60;
}

void top_model_add(struct top_model *m, const struct record *r, uint64_t now_ns)
{
	uint64_t mono_ns = r->mono_ns ? r->mono_ns : now_ns;
	struct top_fact fact;

	if (r->host && r->host_number < TOP_HOSTS && !*m->known.host_names[r->host_number])
		copy_text(m->known.host_names[r->host_number], sizeof(m->known.host_names[0]), r->host);
	if (r->type == RECORD_HELLO)
		add_hello(m, r);
	set_wall(m, r);
	if (!m->known.first_ns)
		m->known.first_ns = m->known.since_ns = mono_ns;
	if (mono_ns > m->known.newest_ns)
		m->known.newest_ns = mono_ns;
	sweep_paths(m);
	if (r->type == RECORD_LISTENER)
		add_listener(m, r, mono_ns);
	if (!top_fact_of(&m->names, r, mono_ns, &fact))
		return;
	if (m->known.source_filter && !record_is_wanted(m->known.source_filter, r))
		return;
	if (!top_log_put(&m->log, &fact))
		m->known.failed = true;
	if (top_is_wanted(m, &fact))
		top_apply(m, &fact);
}

void top_model_set_source_filter(struct top_model *m, const struct filter *filter)
{
	m->known.source_filter = filter && !filter_is_empty(filter) ? filter : NULL;
	*m->known.source_only = '\0';
	for (int i = 0; m->known.source_filter && i < FILTER_KEYS; i++)
		if (filter->text[i])
			add_criterion(m->known.source_only, sizeof(m->known.source_only), filter_keys[i],
				      filter->text[i]);
}

void top_model_set_filter(struct top_model *m, const struct filter *filter)
{
	m->known.filtered = filter && !filter_is_empty(filter);
	filter_free(&m->filter);
	memset(&m->filter, 0, sizeof(m->filter));
	/* Without memory for the path nobody knows what is in it. */
	if (m->known.filtered && copy_filter(&m->filter, filter) < 0) {
		m->known.filtered = false;
		m->known.failed = true;
	}
	clear_counts(m);
	m->known.since_ns = m->log.start ? top_log_at(&m->log, m->log.start)->mono_ns : m->known.first_ns;
	for (uint64_t i = m->log.start; i < m->log.end; i++)
		if (top_is_wanted(m, top_log_at(&m->log, i)))
			top_apply(m, top_log_at(&m->log, i));
}
