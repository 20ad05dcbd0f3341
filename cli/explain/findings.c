// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/explain/findings.h"
#include "cli/explain/sentences.h"
#include "cli/text/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/keyset.h"

#define LATE_NS ((uint64_t)STUCK_MS * NSEC_PER_MSEC)
#define CONNECTIONS_MIN 10 /* fewer are no leak */
#define PROCESSES_MAX 4096 /* that are kept apart */
#define SHOWN_MAX 10 /* of each kind */

const char *const finding_names[FINDING_CODES] = {
	[FINDING_CLOSE_WAIT] = "close_wait",
	[FINDING_CLOSED_LATE] = "closed_late",
	[FINDING_PORTS] = "ports",
};

/* No padding, unused bytes zero. */
struct process_key {
	uint64_t netns, pid;
	uint32_t host, others;
	char comm[COMM_SIZE];
};

struct findings {
	struct keyset keys; /* of struct process_key */
	struct buf late; /* of struct finding, by number of its key */
	struct buf found; /* of struct finding */
	bool failed;
};

struct findings *findings_new(void)
{
	struct findings *f = calloc(1, sizeof(*f));

	if (f)
		f->keys.key_size = sizeof(struct process_key);
	return f;
}

void findings_free(struct findings *f)
{
	if (!f)
		return;
	keyset_free(&f->keys);
	buf_free(&f->late);
	buf_free(&f->found);
	free(f);
}

static struct finding *item(const struct buf *b, size_t i)
{
	return (struct finding *)(void *)b->data + i;
}

/* ---- from records ---- */

static struct finding *late_of(struct findings *f, const struct record *r, const struct process_key *key)
{
	struct finding fresh = { .code = FINDING_CLOSED_LATE, .netns = key->netns, .host_number = r->host_number, .others = key->others,
				 .files = FILES_UNKNOWN, .files_limit = FILES_UNKNOWN };
	bool added = false;
	size_t number = keyset_put(&f->keys, key, &added);

	if (added) {
		fresh.process.known = key->pid != 0;
		fresh.process.pid = key->pid;
		fresh.process.uid = r->close.owner.uid;
		snprintf(fresh.process.comm, sizeof(fresh.process.comm), "%s", key->comm);
		buf_mem(&f->late, &fresh, sizeof(fresh));
	}
	f->failed = f->failed || number == KEYSET_NONE || f->late.failed;
	return f->failed ? NULL : item(&f->late, number);
}

void findings_add(struct findings *f, const struct record *r)
{
	uint64_t waited = r->type == RECORD_CLOSE ? r->close.spent_ns[SPENT_CLOSE_WAIT] : NS_UNKNOWN;
	struct process_key key = { .host = r->host_number };
	struct finding *late;

	if (waited == NS_UNKNOWN || waited < LATE_NS || f->failed)
		return;
	if (f->late.len / sizeof(struct finding) >= PROCESSES_MAX) {
		key.others = 1;
	} else {
		key.netns = r->netns;
		key.pid = r->close.owner.known ? r->close.owner.pid : 0;
		if (key.pid)
			snprintf(key.comm, sizeof(key.comm), "%s", r->close.owner.comm);
	}
	late = late_of(f, r, &key);
	if (!late)
		return;
	late->connections++;
	if (waited > late->oldest_ns)
		late->oldest_ns = waited;
}

/* ---- from a look ---- */

static void find_stuck(struct findings *f, const struct states_group *g)
{
	struct finding found = { .code = FINDING_CLOSE_WAIT, .netns = g->key.netns, .connections = g->stuck,
				 .files = FILES_UNKNOWN, .files_limit = FILES_UNKNOWN };

	if (g->oldest_ms[TCP_CLOSE_WAIT] != UINT64_MAX)
		found.oldest_ns = g->oldest_ms[TCP_CLOSE_WAIT] * NSEC_PER_MSEC;
	if (g->owned) {
		found.process = (struct explain_process){ .known = true, .pid = g->owner.pid, .uid = COUNT_UNKNOWN };
		snprintf(found.process.comm, sizeof(found.process.comm), "%s", g->owner.state.comm);
		found.files = g->owner.files;
		found.files_limit = g->owner.files_limit;
	}
	buf_mem(&f->found, &found, sizeof(found));
}

static void put_address(char *out, const uint8_t *addr)
{
	struct buf text = { 0 };

	addr_format(&text, addr);
	snprintf(out, ADDR_SIZE, "%s", buf_text(&text));
	buf_free(&text);
}

static void find_ports(struct findings *f, const struct states_group *g)
{
	struct finding found = { .code = FINDING_PORTS, .netns = g->key.netns, .connections = g->ports.used,
				 .remote_port = g->key.remote_port, .ports = g->ports };

	put_address(found.local, g->key.local);
	put_address(found.remote, g->key.remote);
	buf_mem(&f->found, &found, sizeof(found));
}

void findings_look(struct findings *f, const struct states *s)
{
	for (size_t i = 0; i < states_count(s); i++) {
		const struct states_group *g = states_at(s, i);

		if (g->key.by == BY_OWNER && g->stuck >= CONNECTIONS_MIN)
			find_stuck(f, g);
		else if (g->key.by == BY_DESTINATION && g->ports.known &&
			 (!g->ports.left || g->ports.runs_out_ms != UINT64_MAX))
			find_ports(f, g);
	}
	f->failed = f->failed || f->found.failed || states_failed(s);
}

/* ---- in order ---- */

static int compare(const void *a_finding, const void *b_finding)
{
	const struct finding *a = a_finding, *b = b_finding;

	if (a->code != b->code)
		return a->code < b->code ? -1 : 1;
	if (a->code == FINDING_PORTS && a->ports.runs_out_ms != b->ports.runs_out_ms)
		return a->ports.runs_out_ms < b->ports.runs_out_ms ? -1 : 1;
	return a->connections < b->connections ? 1 : a->connections > b->connections ? -1 : 0;
}

int findings_finish(struct findings *f)
{
	size_t count, kept = 0, of_kind = 0;

	for (size_t i = 0; i < f->late.len / sizeof(struct finding); i++)
		if (item(&f->late, i)->connections >= CONNECTIONS_MIN)
			buf_mem(&f->found, item(&f->late, i), sizeof(struct finding));
	if (f->failed || f->found.failed)
		return -1;
	count = findings_count(f);
	if (count)
		qsort(f->found.data, count, sizeof(struct finding), compare);
	for (size_t i = 0; i < count; i++) {
		of_kind = i && item(&f->found, i)->code == item(&f->found, i - 1)->code ? of_kind + 1 : 0;
		if (of_kind < SHOWN_MAX)
			*item(&f->found, kept++) = *item(&f->found, i);
	}
	f->found.len = kept * sizeof(struct finding);
	return 0;
}

size_t findings_count(const struct findings *f)
{
	return f->found.failed ? 0 : f->found.len / sizeof(struct finding);
}

const struct finding *findings_at(const struct findings *f, size_t i)
{
	return item(&f->found, i);
}

/* ---- in words ---- */

static void put_process(const struct finding *f, char *out, size_t size)
{
	if (f->others)
		snprintf(out, size, "of processes beyond the first %d", PROCESSES_MAX);
	else if (f->process.known)
		snprintf(out, size, "of %s/%llu", f->process.comm, (unsigned long long)f->process.pid);
	else
		snprintf(out, size, "whose processes are not known");
}

static void put_close_wait(const struct finding *f, char *out)
{
	char whose[COMM_SIZE + 48], oldest[32], files[96] = "";

	put_process(f, whose, sizeof(whose));
	text_duration(f->oldest_ns, oldest, sizeof(oldest));
	if (f->files != FILES_UNKNOWN && f->files_limit != FILES_UNKNOWN)
		snprintf(files, sizeof(files), "; it has %llu of %llu descriptors open", (unsigned long long)f->files,
			 (unsigned long long)f->files_limit);
	if (f->code == FINDING_CLOSE_WAIT)
		snprintf(out, SENTENCE_SIZE,
			 "%llu connections %s are in CLOSE_WAIT for a minute or more, one for at least %s: their peers have sent a FIN, "
			 "and %s%s",
			 (unsigned long long)f->connections, whose, oldest,
			 f->process.known ? "it has not closed them" : "nobody has closed them", files);
	else
		snprintf(out, SENTENCE_SIZE,
			 "%llu connections %s were in CLOSE_WAIT for a minute or more before they ended, one for %s: their "
			 "peers had sent a FIN long before",
			 (unsigned long long)f->connections, whose, oldest);
}

static void put_ports(const struct finding *f, char *out)
{
	const struct ports_left *p = &f->ports;
	char to[ADDR_SIZE + TEXT_PORT], when[64] = "no port is left", out_in[32], rate[32];

	text_endpoint(to, sizeof(to), f->remote, f->remote_port);
	if (p->left)
		snprintf(when, sizeof(when), "no port is left in %s at this rate",
			 text_duration(p->runs_out_ms * NSEC_PER_MSEC, out_in, sizeof(out_in)));
	snprintf(out, SENTENCE_SIZE,
		 "%s: %llu of %llu ports from %s to %s are taken, %llu of them in TIME_WAIT, and %s a second more enter it", when,
		 (unsigned long long)p->used, (unsigned long long)p->usable, f->local, to, (unsigned long long)p->time_wait,
		 ports_rate_text(p, rate, sizeof(rate)));
}

const char *finding_text(const struct finding *f, char *out)
{
	if (f->code == FINDING_PORTS)
		put_ports(f, out);
	else
		put_close_wait(f, out);
	return out;
}

const char *finding_advice(const struct finding *f)
{
	if (f->code == FINDING_PORTS)
		return "Reuse connections (keep-alive, a pool), or let the server close first. Else widen net.ipv4.ip_local_port_range, use "
		       "more addresses, or allow net.ipv4.tcp_tw_reuse, which needs timestamps on both sides.";
	if (f->code == FINDING_CLOSED_LATE && !f->process.known)
		return "Some of them may never have been accepted: tcpshake listeners shows what waits in accept queues. Others are of "
		       "processes that no record names; tcpshake states --by owner names those that have such connections now.";
	if (!f->process.known)
		return "Run tcpshake as root, if it was not: only so the open files of other users' processes can be read. tcpshake states --by owner "
		       "shows which sockets still have no owner.";
	return "The application must close a connection whose peer has sent a FIN, unless it still answers a half-closed peer: it reads "
	       "0 bytes, or gets EPOLLRDHUP. Look for a path that returns without close(), and for a pool that does not look at idle "
	       "connections. tcpshake states --by owner shows how it goes on.";
}
