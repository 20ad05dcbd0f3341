// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/top/model/fact.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int top_names_init(struct top_names *n)
{
	int err = keyset_init(&n->codes, sizeof(struct top_key), TOP_CODES - 1) | top_paths_init(&n->cgroups);

	n->next_detail = 1;
	n->details = calloc(TOP_DETAILS, TOP_DETAIL);
	return err ? err : n->details ? 0 : -ENOMEM;
}

int top_names_copy(struct top_names *to, const struct top_names *from)
{
	int err = keyset_copy(&to->codes, &from->codes) |
		  top_paths_copy(&to->cgroups, &from->cgroups);

	to->next_detail = from->next_detail;
	to->details = malloc((size_t)TOP_DETAILS * TOP_DETAIL);
	if (err || !to->details)
		return err ? err : -ENOMEM;
	memcpy(to->details, from->details, (size_t)TOP_DETAILS * TOP_DETAIL);
	return 0;
}

void top_names_free(struct top_names *n)
{
	keyset_free(&n->codes);
	top_paths_free(&n->cgroups);
	free(n->details);
	n->details = NULL;
}

const char *top_code(const struct top_names *n, uint8_t code)
{
	if (!code)
		return "";
	return code >= TOP_CODES ? "other" : top_table_key(&n->codes, code)->text;
}

const char *top_detail(const struct top_names *n, uint32_t detail)
{
	if (!detail || n->next_detail - detail > TOP_DETAILS)
		return NULL;
	return n->details[detail & (TOP_DETAILS - 1)];
}

static uint32_t keep_detail(struct top_names *n, const char *text)
{
	const char *last = top_detail(n, n->next_detail - 1);

	if (!text || !*text)
		return 0;
	if (last && strncmp(last, text, TOP_DETAIL - 1) == 0)
		return n->next_detail - 1;
	snprintf(n->details[n->next_detail & (TOP_DETAILS - 1)], TOP_DETAIL, "%s", text);
	return n->next_detail++;
}

static void set_cause(struct top_names *n, const struct cause *cause, struct top_fact *fact)
{
	struct top_key key = { .words = { 0 } };
	bool added;

	if (!cause->code)
		return;
	snprintf(key.text, sizeof(key.text), "%s", cause->code);
	fact->code = (uint8_t)top_table_put(&n->codes, &key, &added);
	if (!fact->code)
		fact->code = TOP_CODE_OTHER;
	if (record_is_proven(cause))
		fact->flags |= TOP_PROVEN;
	fact->detail = keep_detail(n, cause->detail);
}

static void set_process(struct top_fact *fact, bool known, uint64_t pid, const char *comm)
{
	if (!known)
		return;
	fact->flags |= TOP_PROCESS;
	fact->pid = (uint32_t)pid;
	snprintf(fact->comm, sizeof(fact->comm), "%s", comm);
}

static void set_local(struct top_fact *fact, const struct endpoint *end)
{
	memcpy(fact->local, end->bytes, sizeof(fact->local));
	fact->local_port = end->port;
	fact->flags |= end->numeric ? TOP_LOCAL : 0;
}

static void set_remote(struct top_fact *fact, const struct endpoint *end)
{
	memcpy(fact->remote, end->bytes, sizeof(fact->remote));
	fact->remote_port = end->port;
	fact->flags |= end->numeric ? TOP_REMOTE : 0;
}

static void of_handshake(struct top_names *n, const struct record *r, struct top_fact *fact)
{
	const struct record_handshake *h = &r->handshake;

	fact->kind = TOP_HANDSHAKE;
	fact->role = (uint8_t)(h->role < 0 ? ROLES : h->role);
	fact->outcome = (uint8_t)(h->outcome < 0 ? OUTCOMES : h->outcome);
	fact->latency_ns = h->latency_ns;
	fact->wait_ns = h->retransmit_wait_ns;
	fact->retransmits = (uint8_t)(h->retransmits < 255 ? h->retransmits : 255);
	fact->flags |= h->inferred ? TOP_INFERRED : 0;
	set_local(fact, &h->local);
	set_remote(fact, &h->remote);
	set_process(fact, h->has_process, h->pid, h->comm);
	set_cause(n, &h->cause, fact);
	top_paths_set_container(&n->cgroups, fact->cgroup, &h->container);
}

static void of_overflow(struct top_names *n, const struct record *r, struct top_fact *fact)
{
	const struct record_overflow *o = &r->overflow;

	fact->kind = TOP_OVERFLOW;
	fact->count = (uint32_t)(o->count < UINT32_MAX ? o->count : UINT32_MAX);
	fact->flags |= record_is_ack(o) ? TOP_AT_ACK : 0;
	fact->flags |= record_is_cookie(o) ? TOP_COOKIE : 0;
	fact->flags |= record_by_queue(o) ? 0 : TOP_NO_QUEUE;
	if (o->has_listener)
		set_local(fact, &o->listener);
	if (o->has_remote)
		set_remote(fact, &o->remote);
	set_process(fact, o->owner.known, o->owner.pid, o->owner.comm);
	set_cause(n, &o->cause, fact);
}

/* As what a queue did not refuse: it counts in the row of its cause. Its ends are for filters; it is no listener's. */
static void of_drop(struct top_names *n, const struct record *r, struct top_fact *fact)
{
	const struct record_drop *d = &r->drop;
	const struct cause cause = { .code = cause_names[CAUSE_LOCAL_DROP], .certainty = certainty_names[true] };
	char detail[TOP_DETAIL];

	fact->kind = TOP_OVERFLOW;
	fact->flags |= TOP_NO_QUEUE;
	fact->local_port = d->local.port;
	set_remote(fact, &d->remote);
	set_process(fact, d->owner.known, d->owner.pid, d->owner.comm);
	set_cause(n, &cause, fact);
	snprintf(detail, sizeof(detail), "%s dropped %s: %s", d->segment, d->out ? "on its way out" : "as it came in",
		 d->reason);
	fact->detail = keep_detail(n, detail);
}

bool top_fact_of(struct top_names *n, const struct record *r, uint64_t mono_ns,
		 struct top_fact *fact)
{
	*fact = (struct top_fact){
		.mono_ns = r->mono_ns ? r->mono_ns : mono_ns,
		.latency_ns = NS_UNKNOWN,
		.wait_ns = NS_UNKNOWN,
		.netns = (uint32_t)r->netns,
		.host = (uint16_t)r->host_number,
		.count = 1,
		.cgroup = top_paths_put(&n->cgroups, r->cgroup_path),
	};
	switch (r->type) {
	case RECORD_HANDSHAKE:
		of_handshake(n, r, fact);
		return true;
	case RECORD_OVERFLOW:
		of_overflow(n, r, fact);
		return true;
	case RECORD_DROP:
		of_drop(n, r, fact);
		return true;
	case RECORD_LOSS:
		fact->kind = TOP_LOSS;
		fact->count = (uint32_t)(r->loss.count < UINT32_MAX ? r->loss.count : UINT32_MAX);
		fact->flags = strcmp(r->loss.why, loss_why_names[LOSS_RATE_LIMIT]) == 0 ? TOP_LIMITED : 0;
		return true;
	case RECORD_AUDIT:
		fact->kind = TOP_AUDIT;
		fact->flags = r->audit.balanced ? TOP_BALANCED : 0;
		return true;
	default:
		return false;
	}
}

bool top_fact_matches(const struct top_fact *fact, const char *cgroup, const struct filter *filter)
{
	if (fact->kind == TOP_LOSS)
		return true;
	/* A word or an address unknown here cannot be what a criterion asks for. */
	if (fact->kind == TOP_HANDSHAKE && filter->stream.by_remote && !(fact->flags & TOP_REMOTE))
		return false;
	return filter_match(filter, &(struct filter_subject){
					    .ends_only = fact->kind == TOP_OVERFLOW,
					    .audit = fact->kind == TOP_AUDIT,
					    .netns = fact->netns,
					    .role = fact->role < ROLES ? fact->role : UINT8_MAX,
					    .outcome = fact->outcome < OUTCOMES ? fact->outcome :
										  UINT8_MAX,
					    .local_port = fact->local_port,
					    .remote_port = fact->remote_port,
					    .remote_addr = fact->flags & TOP_REMOTE ? fact->remote :
										      NULL,
					    .latency_ns = fact->latency_ns,
					    .cgroup_path = cgroup,
				    });
}

/* ---- the log ---- */

struct top_chunk {
	unsigned users;
	struct top_fact facts[TOP_LOG_CHUNK];
};

static void release(struct top_chunk **chunk)
{
	if (*chunk && --(*chunk)->users == 0)
		free(*chunk);
	*chunk = NULL;
}

bool top_log_put(struct top_log *log, const struct top_fact *fact)
{
	uint32_t at = (uint32_t)(log->end % TOP_LOG_FACTS);
	struct top_chunk **chunk = &log->chunks[at / TOP_LOG_CHUNK];

	if (at % TOP_LOG_CHUNK == 0) {
		/* The oldest go, a chunk at a time; but a copy may still look at them. */
		if (log->end - log->start >= TOP_LOG_FACTS)
			log->start += TOP_LOG_CHUNK;
		if (*chunk && (*chunk)->users > 1)
			release(chunk);
	}
	if (!*chunk) {
		*chunk = malloc(sizeof(**chunk));
		if (!*chunk)
			return false;
		(*chunk)->users = 1;
	}
	(*chunk)->facts[at % TOP_LOG_CHUNK] = *fact;
	log->end++;
	return true;
}

const struct top_fact *top_log_at(const struct top_log *log, uint64_t number)
{
	uint32_t at = (uint32_t)(number % TOP_LOG_FACTS);

	return &log->chunks[at / TOP_LOG_CHUNK]->facts[at % TOP_LOG_CHUNK];
}

int top_log_copy(struct top_log *to, struct top_log *from)
{
	*to = *from;
	for (unsigned i = 0; i < TOP_LOG_CHUNKS; i++)
		if (to->chunks[i])
			to->chunks[i]->users++;
	return 0;
}

void top_log_free(struct top_log *log)
{
	for (unsigned i = 0; i < TOP_LOG_CHUNKS; i++)
		release(&log->chunks[i]);
	log->start = log->end = 0;
}
