// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The second half: what is found in the records of other hosts. */
#include "cli/explain/across_internal.h"
#include "cli/text/text.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/duration.h"

/* A SYN takes at most so long to the other host. */
#define WAY_NS (250 * NSEC_PER_MSEC)
/* Where nothing compares two clocks, they are taken to be right to so much. */
#define APART_NS NSEC_PER_SEC

static const char *name_of(const struct across *a, uint32_t host)
{
	return host < a->host_count && *a->hosts[host].name ? a->hosts[host].name : "another host";
}

static bool is_ipv6(const char *addr)
{
	return strchr(addr, ':');
}

/* Would a listener there take what comes to `addr`? */
static bool takes(const char *listening, const char *addr)
{
	return strcmp(listening, addr) == 0 || strcmp(listening, "::") == 0 ||
	       (strcmp(listening, "0.0.0.0") == 0 && !is_ipv6(addr));
}

/* The one other host that has the address the attempt went to; NO_HOST: not known, or several have it. */
static uint32_t destination_of(const struct across *a, const struct attempt *t, bool *known)
{
	char key[ACROSS_ADDR] = "";
	size_t number;

	memcpy(key, t->remote, strlen(t->remote));
	number = keyset_find(&a->addresses, key);
	*known = number != KEYSET_NONE;
	return *known ? a->owners[number] : NO_HOST;
}

/* ---- by conn: no clock is needed ---- */

static const struct segment *first_of(const struct across *a, uint64_t conn)
{
	size_t low = 0, high = a->segment_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (a->segments[middle].conn < conn)
			low = middle + 1;
		else
			high = middle;
	}
	return a->segments + low;
}

static void set_place(struct across_finding *f, const struct segment *s)
{
	f->host = s->host;
	f->netns = s->netns;
	snprintf(f->addr, sizeof(f->addr), "%s", s->addr);
	f->port = s->port;
}

static bool find_segment(const struct across *a, const struct attempt *t, struct across_finding *f)
{
	const struct segment *end = a->segments + a->segment_count, *drop = NULL;
	uint64_t dropped = 0;

	for (const struct segment *s = first_of(a, t->conn); t->conn && s < end && s->conn == t->conn; s++) {
		if (s->host == t->host)
			continue;
		if (s->fate == SEGMENT_DROPPED && strcmp(s->what, "syn") == 0) {
			drop = s;
			dropped++;
		} else if (s->fate == SEGMENT_RESET && t->by_reset) {
			set_place(f, s);
			snprintf(f->code, sizeof(f->code), "port_closed");
			snprintf(f->detail, sizeof(f->detail),
				 "%s sent the RST in answer to this SYN: nobody listened on port %u there",
				 name_of(a, s->host), s->port);
			f->proven = true;
			return true;
		}
	}
	if (!drop || t->by_reset)
		return false;
	set_place(f, drop);
	snprintf(f->code, sizeof(f->code), "local_drop");
	snprintf(f->detail, sizeof(f->detail), "%s dropped %llu of %llu SYNs of it: %s", name_of(a, drop->host),
		 (unsigned long long)dropped, (unsigned long long)t->syns, drop->reason);
	f->proven = dropped >= t->syns && t->failed;
	return true;
}

/* ---- by address, port and time ---- */

static uint64_t apart(const struct across *a, uint32_t x, uint32_t y)
{
	const uint32_t both[] = { x, y };
	uint64_t sum = 0;

	for (int i = 0; i < 2; i++)
		sum += both[i] < a->host_count && a->hosts[both[i]].clock.known ? a->hosts[both[i]].clock.bound_ns :
										  APART_NS;
	return sum;
}

/* Was it this one's SYN, or may it have been? The first SYN of all: had that been taken, none would be missing. */
static bool fits(const struct across *a, const struct attempt *t, const struct refusal *r)
{
	uint64_t slack = apart(a, t->host, r->host);

	if (r->host == t->host || !takes(r->listener, t->remote))
		return false;
	if (r->remote_port)
		return r->remote_port == t->local_port && strcmp(r->remote, t->local) == 0 &&
		       r->end_ns + slack >= t->begin_ns && r->begin_ns <= t->end_ns + slack;
	return r->end_ns + slack >= t->begin_ns && r->begin_ns <= t->begin_ns + WAY_NS + slack;
}

/* The client is known; the segment was counted; the queue was full. */
static int rank_of(const struct refusal *r)
{
	return r->remote_port ? 2 : !r->state;
}

static size_t first_refusal(const struct across *a, uint16_t port, uint64_t end_ns)
{
	size_t low = 0, high = a->refusal_count;

	while (low < high) {
		const struct refusal *r = &a->refusals[low + (high - low) / 2];

		if (r->port < port || (r->port == port && r->end_ns < end_ns))
			low += (high - low) / 2 + 1;
		else
			high = low + (high - low) / 2;
	}
	return low;
}

/* The best one; NULL if there is none, or if it may be one of several hosts'. */
static const struct refusal *find_refusal(const struct across *a, const struct attempt *t)
{
	const struct refusal *best = NULL;
	bool known, several = false;
	uint32_t destination = destination_of(a, t, &known);
	uint64_t slack = 2 * APART_NS;

	if (known && (destination == NO_HOST || destination == t->host))
		return NULL;
	for (size_t i = first_refusal(a, t->remote_port, t->begin_ns - slack); i < a->refusal_count; i++) {
		const struct refusal *r = &a->refusals[i];

		if (r->port != t->remote_port || r->end_ns > t->end_ns + WAY_NS + slack + a->longest_ns)
			break;
		if ((known && r->host != destination) || !fits(a, t, r))
			continue;
		several = several || (best && best->host != r->host);
		if (!best || rank_of(r) > rank_of(best))
			best = r;
	}
	return several && !(best && best->remote_port) ? NULL : best;
}

/* "listener 0.0.0.0:80 of host-b" */
static void describe(const struct across *a, const struct refusal *r, char *out, size_t size)
{
	char at[ACROSS_ADDR + TEXT_PORT];

	snprintf(out, size, "%s of %s", text_endpoint(at, sizeof(at), r->listener, r->port), name_of(a, r->host));
}

static bool find_queue(const struct across *a, const struct attempt *t, struct across_finding *f)
{
	const struct refusal *r = t->by_reset ? NULL : find_refusal(a, t);
	char where[160], queue[64] = "", bound[32];

	if (!r)
		return false;
	describe(a, r, where, sizeof(where));
	if (r->len != COUNT_UNKNOWN)
		snprintf(queue, sizeof(queue), ", accept queue at %llu/%llu", (unsigned long long)r->len,
			 (unsigned long long)r->max);
	duration_format(apart(a, t->host, r->host), bound, sizeof(bound));
	snprintf(f->code, sizeof(f->code), "%s", r->code);
	if (r->state)
		snprintf(f->detail, sizeof(f->detail), "%s had a full accept queue (%llu/%llu) when this SYN came, by clocks "
			 "compared to ±%s", where, (unsigned long long)r->len, (unsigned long long)r->max, bound);
	else if (r->remote_port)
		snprintf(f->detail, sizeof(f->detail), "%s refused a SYN of this client%s, by clocks compared to ±%s", where,
			 queue, bound);
	else
		snprintf(f->detail, sizeof(f->detail), "%s refused %llu SYN%s when this one came%s, by clocks compared to ±%s",
			 where, (unsigned long long)r->count, r->count == 1 ? "" : "s", queue, bound);
	f->host = r->host;
	f->netns = r->netns;
	snprintf(f->addr, sizeof(f->addr), "%s", r->listener);
	f->port = r->port;
	f->proven = false;
	return true;
}

/* ---- by what is not there ---- */

/* The host that has the address was watched all the time, and has no record of it. */
static bool find_nothing(const struct across *a, const struct attempt *t, struct across_finding *f)
{
	bool known;
	uint32_t host = destination_of(a, t, &known);

	if (!known || host >= a->host_count || host == t->host || t->joined || !t->failed || t->by_reset)
		return false;
	if (!a->from_ns[host] || a->from_ns[host] > t->begin_ns || a->to_ns[host] < t->end_ns)
		return false;
	f->host = host;
	snprintf(f->detail, sizeof(f->detail), "%s, which has that address, has no record of it", name_of(a, host));
	return true;
}

bool across_find(const struct across *a, uint32_t number, struct across_finding *finding)
{
	const struct attempt *t;

	if (number >= a->attempt_count)
		return false;
	t = &a->attempts[number];
	*finding = (struct across_finding){ .host = t->host, .wall_ns = t->end_ns };
	return find_segment(a, t, finding) || find_queue(a, t, finding) || find_nothing(a, t, finding);
}
