// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/parsed_record.h"

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/names.h"

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *get_string(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(member(object, key));
}

static bool get_u64(const cJSON *object, const char *key, uint64_t *value)
{
	const cJSON *item = member(object, key);

	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= (double)RECORD_EXACT_MAX))
		return false;
	*value = (uint64_t)item->valuedouble;
	return (double)*value == item->valuedouble;
}

/* A host that runs for more than 104 days has times that are off by a nanosecond or two here: better than none. */
static uint64_t get_mono(const cJSON *object)
{
	const cJSON *item = member(object, "mono_ns");
	double value = cJSON_IsNumber(item) ? item->valuedouble : 0;

	return value >= 1 && value < (double)INT64_MAX && value == (double)(uint64_t)value ? (uint64_t)value : 0;
}

static uint64_t get_ns(const cJSON *object, const char *key)
{
	uint64_t ns;

	return get_u64(object, key, &ns) ? ns : NS_UNKNOWN;
}

uint64_t record_count_of(const cJSON *object, const char *key)
{
	uint64_t count;

	return get_u64(object, key, &count) ? count : 0;
}

static uint64_t get_count_or_unknown(const cJSON *object, const char *key)
{
	uint64_t count;

	return get_u64(object, key, &count) ? count : COUNT_UNKNOWN;
}

static struct record_container get_container(const cJSON *json)
{
	const cJSON *item = member(json, "container");

	return (struct record_container){ get_string(item, "id"), get_string(item, "name"), get_string(item, "pod"),
					  get_string(item, "namespace") };
}

static bool get_endpoint(const cJSON *object, const char *key, struct endpoint *e)
{
	const cJSON *item = member(object, key);
	uint64_t port;

	e->addr = get_string(item, "addr");
	if (!e->addr || !get_u64(item, "port", &port) || port > UINT16_MAX)
		return false;
	e->port = (uint16_t)port;
	e->ipv6 = strchr(e->addr, ':');
	e->numeric = addr_parse(e->addr, e->bytes);
	return true;
}

static struct owner get_owner(const cJSON *json)
{
	const cJSON *process = member(json, "process");
	struct owner owner = {
		.comm = get_string(process, "comm"),
		.uid = get_count_or_unknown(process, "uid"),
	};

	owner.known = get_u64(process, "pid", &owner.pid) && owner.comm;
	return owner;
}

static struct cause get_cause(const cJSON *json)
{
	const cJSON *cause = member(json, "cause");

	return (struct cause){
		.code = get_string(cause, "code"),
		.certainty = get_string(cause, "certainty"),
		.detail = get_string(cause, "detail"),
	};
}

bool record_is_proven(const struct cause *cause)
{
	return cause->certainty && strcmp(cause->certainty, certainty_names[true]) == 0;
}

static struct queue get_queue(const cJSON *json, const char *key)
{
	const cJSON *item = member(json, key);
	struct queue queue = { .peak = record_count_of(item, "peak") };

	queue.known = get_u64(item, "len", &queue.len) && get_u64(item, "max", &queue.max);
	return queue;
}

struct spread_keys {
	const char *p50, *p99, *max;
};

static struct spread get_spread(const cJSON *json, const char *key, const struct spread_keys *keys)
{
	const cJSON *item = member(json, key);
	struct spread s = { .p50 = record_count_of(item, keys->p50), .p99 = record_count_of(item, keys->p99),
			    .max = record_count_of(item, keys->max) };

	s.known = get_u64(item, "count", &s.count);
	return s;
}

static unsigned get_flags(const cJSON *json)
{
	static const struct {
		const char *key;
		unsigned flag;
	} keys[] = {
		{ "fastopen", HANDSHAKE_FASTOPEN },
		{ "syncookie", HANDSHAKE_SYNCOOKIE },
		{ "simultaneous", HANDSHAKE_SIMULTANEOUS },
		{ "partial", HANDSHAKE_PARTIAL },
	};
	unsigned flags = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (cJSON_IsTrue(member(json, keys[i].key)))
			flags |= keys[i].flag;
	return flags;
}

static bool parse_handshake(const cJSON *json, struct record *r)
{
	struct record_handshake *h = &r->handshake;
	const cJSON *queue = member(json, "accept_queue");
	struct owner owner = get_owner(json);

	h->role_name = get_string(json, "role");
	h->outcome_name = get_string(json, "outcome");
	if (!h->role_name || !h->outcome_name || !get_endpoint(json, "local", &h->local) ||
	    !get_endpoint(json, "remote", &h->remote))
		return false;
	h->role = name_index(role_names, ROLES, h->role_name, strlen(h->role_name));
	h->outcome = name_index(outcome_names, OUTCOMES, h->outcome_name, strlen(h->outcome_name));
	h->errno_name = get_string(json, "errno_name");
	h->has_nat = get_endpoint(json, "nat", &h->nat);
	h->latency_ns = get_ns(json, "latency_ns");
	h->retransmit_wait_ns = get_ns(json, "retransmit_wait_ns");
	h->retransmits = record_count_of(json, "retransmits");
	h->flags = get_flags(json);
	h->has_queue = get_u64(queue, "len", &h->queue_len) &&
		       get_u64(queue, "max", &h->queue_max);
	h->has_process = owner.known;
	h->pid = owner.pid;
	h->uid = owner.uid;
	h->comm = owner.comm;
	h->cgroup_path = get_string(member(json, "cgroup"), "path");
	h->container = get_container(json);
	h->conn = get_string(json, "conn");
	h->client_isn = get_string(json, "client_isn");
	h->netns = record_count_of(json, "netns");
	h->deferred = cJSON_IsTrue(member(json, "deferred"));
	h->inferred = cJSON_IsTrue(member(json, "inferred"));
	h->cause = get_cause(json);
	return true;
}

static bool parse_hello(const cJSON *json, struct record *r)
{
	r->hello = (struct record_hello){
		.version = get_string(json, "version"),
		.host = get_string(json, "host"),
		.boot_id = get_string(json, "boot_id"),
		.kernel = get_string(json, "kernel"),
		.evidence = get_string(json, "evidence"),
		.filters = member(json, "filters"),
		.subscription = member(json, "subscription"),
		.repeated = cJSON_IsTrue(member(json, "repeated")),
	};
	return true;
}

static bool parse_loss(const cJSON *json, struct record *r)
{
	r->loss.what = get_string(json, "what");
	r->loss.why = get_string(json, "why");
	return r->loss.what && r->loss.why && get_u64(json, "count", &r->loss.count);
}

static bool parse_stats(const cJSON *json, struct record *r)
{
	r->stats.uptime_ns = get_ns(json, "uptime_ns");
	r->stats.totals = member(json, "totals");
	r->stats.outcomes = member(json, "outcomes");
	return true;
}

static bool parse_bye(const cJSON *json, struct record *r)
{
	const cJSON *handshake = member(member(json, "totals"), "handshake");
	struct record_bye *bye = &r->bye;

	parse_stats(json, r);
	bye->reason = get_string(json, "reason");
	bye->has_totals = get_u64(handshake, "seen", &bye->seen) &&
			  get_u64(handshake, "filtered", &bye->filtered) &&
			  get_u64(handshake, "lost", &bye->lost);
	bye->limited = record_count_of(handshake, "limited");
	return true;
}

static bool parse_end(const cJSON *json, struct record *r)
{
	r->end.ok = cJSON_IsTrue(member(json, "ok"));
	r->end.error = get_string(json, "error");
	return true;
}

/* An int, as listen() has it. */
static struct backlog get_backlog(const cJSON *json)
{
	const cJSON *asked = member(json, "backlog_asked");
	struct backlog b = { .got = get_count_or_unknown(json, "backlog") };

	if (!cJSON_IsNumber(asked) || asked->valuedouble < INT32_MIN || asked->valuedouble > INT32_MAX)
		return b;
	b.asked_known = true;
	b.asked = (int64_t)asked->valuedouble;
	return b;
}

static bool parse_listener(const cJSON *json, struct record *r)
{
	static const struct spread_keys lengths = { "p50", "p99", "max" };
	struct record_listener *l = &r->listener;
	const cJSON *overflows = member(json, "overflows");

	l->event_name = get_string(json, "event");
	l->socket = get_string(json, "socket");
	if (!l->event_name || !l->socket || !get_u64(json, "netns", &l->netns) ||
	    !get_endpoint(json, "local", &l->local))
		return false;
	l->event = name_index(change_names, CHANGES, l->event_name, strlen(l->event_name));
	l->v6only = cJSON_IsTrue(member(json, "v6only"));
	l->owner = get_owner(json);
	l->owners = (uint64_t)cJSON_GetArraySize(member(json, "processes")) +
		    record_count_of(json, "processes_more");
	l->backlog = get_backlog(json);
	l->accept = get_queue(json, "accept_queue");
	l->syn = get_queue(json, "syn_queue");
	l->depth = get_spread(json, "accept_depth", &lengths);
	l->syn_depth = get_spread(json, "syn_depth", &lengths);
	l->wait = get_spread(json, "accept_wait", &(struct spread_keys){ "p50_ns", "p99_ns", "max_ns" });
	l->drops = get_count_or_unknown(json, "drops");
	l->overflow_syn = record_count_of(overflows, "syn");
	l->overflow_ack = record_count_of(overflows, "ack");
	l->overflow_cookie = record_count_of(overflows, "cookie");
	l->waiting = member(json, "oldest_wait_ns");
	l->oldest_wait_ns = get_ns(json, "oldest_wait_ns");
	l->container = get_container(json);
	return true;
}

static bool parse_overflow(const cJSON *json, struct record *r)
{
	struct record_overflow *o = &r->overflow;

	o->stage = get_string(json, "stage");
	o->queue = get_string(json, "queue");
	o->action = get_string(json, "action");
	if (!o->stage || !o->queue || !o->action || !get_u64(json, "count", &o->count) ||
	    !get_u64(json, "netns", &o->netns))
		return false;
	o->evidence = get_string(json, "evidence");
	o->cause = get_cause(json);
	o->has_listener = get_endpoint(json, "listener", &o->listener);
	o->has_remote = get_endpoint(json, "remote", &o->remote);
	o->owner = get_owner(json);
	o->accept = get_queue(json, "accept_queue");
	o->interval_ns = get_ns(json, "interval_ns");
	return true;
}

bool record_is_cookie(const struct record_overflow *o)
{
	return strcmp(o->action, action_names[ACTION_COOKIE]) == 0;
}

bool record_is_ack(const struct record_overflow *o)
{
	return strcmp(o->stage, stage_names[STAGE_ACK]) == 0;
}

bool record_by_queue(const struct record_overflow *o)
{
	return strcmp(o->queue, queue_names[QUEUE_NONE]) != 0;
}

static bool parse_audit(const cJSON *json, struct record *r)
{
	r->audit.interval_ns = get_ns(json, "interval_ns");
	r->audit.counters = member(json, "counters");
	r->audit.balanced = cJSON_IsTrue(member(json, "balanced"));
	return get_u64(json, "netns", &r->audit.netns) && cJSON_IsArray(r->audit.counters);
}

bool record_counter_of(const cJSON *item, struct record_counter *c)
{
	const cJSON *kernel = member(item, "kernel"), *observed = member(item, "observed");
	const cJSON *difference = member(item, "difference");

	c->name = get_string(item, "name");
	c->rule = get_string(item, "rule");
	if (!c->name || !cJSON_IsNumber(kernel) || !cJSON_IsNumber(observed) ||
	    !cJSON_IsNumber(difference))
		return false;
	c->kernel = kernel->valuedouble;
	c->observed = observed->valuedouble;
	c->difference = difference->valuedouble;
	return true;
}

static bool parse_accept(const cJSON *json, struct record *r)
{
	r->accept.wait_ns = get_ns(json, "wait_ns");
	r->accept.evidence = get_string(json, "evidence");
	r->accept.owner = get_owner(json);
	return get_endpoint(json, "local", &r->accept.local) &&
	       get_endpoint(json, "remote", &r->accept.remote);
}

static bool parse_reset(const cJSON *json, struct record *r)
{
	struct record_reset *s = &r->reset;

	s->conn = get_string(json, "conn");
	s->direction = get_string(json, "direction");
	s->phase = get_string(json, "phase");
	s->cause = get_string(json, "cause");
	s->reason = get_string(json, "reason");
	s->detail = get_string(json, "detail");
	s->owner = get_owner(json);
	if (!s->direction || !s->phase || !s->cause)
		return false;
	s->sent = strcmp(s->direction, "sent") == 0;
	return get_endpoint(json, "local", &s->local) && get_endpoint(json, "remote", &s->remote);
}

static bool parse_retransmit(const cJSON *json, struct record *r)
{
	struct record_retransmit *s = &r->retransmit;

	s->segment = get_string(json, "segment");
	s->elapsed_ns = get_ns(json, "elapsed_ns");
	s->acked = cJSON_IsTrue(member(json, "acked"));
	s->owner = get_owner(json);
	if (!s->segment || !get_u64(json, "attempt", &s->attempt))
		return false;
	s->syn_ack = strcmp(s->segment, "syn_ack") == 0;
	return get_endpoint(json, "local", &s->local) && get_endpoint(json, "remote", &s->remote);
}

static bool parse_drop(const cJSON *json, struct record *r)
{
	const char *direction = get_string(json, "direction");
	struct record_drop *d = &r->drop;

	d->segment = get_string(json, "segment");
	d->reason = get_string(json, "reason");
	d->owner = get_owner(json);
	if (!d->segment || !d->reason || !direction)
		return false;
	d->out = strcmp(direction, drop_direction_names[DROP_OUT]) == 0;
	return get_endpoint(json, "local", &d->local) && get_endpoint(json, "remote", &d->remote);
}

static bool parse_close(const cJSON *json, struct record *r)
{
	const char *role = get_string(json, "role");
	struct record_close *c = &r->close;
	char key[24];

	c->conn = get_string(json, "conn");
	c->role = role ? name_index(role_names, ROLES, role, strlen(role)) : -1;
	c->first = get_string(json, "first");
	c->how = get_string(json, "how");
	c->call = get_string(json, "call");
	c->duration_ns = get_ns(json, "duration_ns");
	for (int state = 0; state < CLOSE_STATES; state++) {
		snprintf(key, sizeof(key), "%s_ns", close_state_names[state]);
		c->spent_ns[state] = get_ns(json, key);
	}
	c->time_wait = cJSON_IsTrue(member(json, "time_wait"));
	c->owner = get_owner(json);
	return c->how && get_endpoint(json, "local", &c->local) && get_endpoint(json, "remote", &c->remote);
}

/* The types that have fields of their own in struct record. */
static const struct {
	bool (*parse)(const cJSON *json, struct record *r);
	const char *needs;
} types[RECORD_TYPES] = {
	[RECORD_HELLO] = { parse_hello, "" },
	[RECORD_HANDSHAKE] = { parse_handshake, "role, outcome, local and remote" },
	[RECORD_LISTENER] = { parse_listener, "event, netns, socket and local" },
	[RECORD_OVERFLOW] = { parse_overflow, "stage, queue, action, count and netns" },
	[RECORD_AUDIT] = { parse_audit, "netns and counters" },
	[RECORD_ACCEPT] = { parse_accept, "local and remote" },
	[RECORD_RESET] = { parse_reset, "direction, phase, cause, local and remote" },
	[RECORD_RETRANSMIT] = { parse_retransmit, "segment, attempt, local and remote" },
	[RECORD_DROP] = { parse_drop, "segment, direction, reason, local and remote" },
	[RECORD_CLOSE] = { parse_close, "how, local and remote" },
	[RECORD_LOSS] = { parse_loss, "what, why and count" },
	[RECORD_BYE] = { parse_bye, "" },
	[RECORD_STATS] = { parse_stats, "" },
	[RECORD_END] = { parse_end, "" },
};

/* All of the line and nothing else, as an object; NULL if it is none. */
static cJSON *parse_object(const char *line, size_t len)
{
	const char *end = NULL;
	cJSON *json = cJSON_ParseWithLengthOpts(line, len, &end, false);

	while (json && end < line + len && (*end == ' ' || *end == '\t' || *end == '\r'))
		end++;
	if (json && end == line + len && cJSON_IsObject(json))
		return json;
	cJSON_Delete(json);
	return NULL;
}

static enum record_status check_version(const cJSON *json, char *error, size_t size)
{
	const cJSON *v = member(json, "v");

	if (!cJSON_IsNumber(v)) {
		snprintf(error, size, "it has no \"v\", so it is no tcpshake record");
		return RECORD_BAD;
	}
	if (v->valuedouble != RECORD_VERSION) {
		snprintf(error, size,
			 "it has record format version %g, and this program knows version %d",
			 v->valuedouble, RECORD_VERSION);
		return RECORD_FOREIGN;
	}
	return RECORD_GOOD;
}

static enum record_status parse_type(struct record *r, char *error, size_t size)
{
	r->type_name = get_string(r->json, "type");
	if (!r->type_name) {
		snprintf(error, size, "it has no \"type\", so it is no tcpshake record");
		return RECORD_BAD;
	}
	r->type = record_type_of(r->type_name, strlen(r->type_name));
	if (!types[r->type].parse || types[r->type].parse(r->json, r))
		return RECORD_GOOD;
	snprintf(error, size, "it lacks what a %s record needs: %s", r->type_name,
		 types[r->type].needs);
	return RECORD_BAD;
}

/* The number that so many digits are. */
static uint64_t digits(const char *ts, size_t at, size_t count)
{
	uint64_t value = 0;

	for (size_t i = at; i < at + count; i++)
		value = 10 * value + (uint64_t)(ts[i] - '0');
	return value;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar, counted in years that begin in March. */
static uint64_t days_until(uint64_t year, uint64_t month, uint64_t day)
{
	year -= month <= 2;
	month = (month + 9) % 12;
	return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719468;
}

#define SECOND_LEN 19 /* of what is before the fraction */

/* As in the pattern, where n is a digit? */
static bool is_like(const char *ts, const char *pattern)
{
	for (size_t i = 0; pattern[i]; i++)
		if (pattern[i] == 'n' ? ts[i] < '0' || ts[i] > '9' : ts[i] != pattern[i])
			return false;
	return true;
}

/* The next record is of the same second, mostly. */
uint64_t record_time_at(const char *ts, size_t len)
{
	static char last[SECOND_LEN];
	static uint64_t seconds;

	if (len != SECOND_LEN + sizeof(".nnnnnnnnnZ") - 1 || !is_like(ts + SECOND_LEN, ".nnnnnnnnnZ"))
		return 0;
	if (memcmp(ts, last, SECOND_LEN) != 0) {
		if (!is_like(ts, "nnnn-nn-nnTnn:nn:nn") || digits(ts, 0, 4) < 1970)
			return 0;
		memcpy(last, ts, SECOND_LEN);
		seconds = days_until(digits(ts, 0, 4), digits(ts, 5, 2), digits(ts, 8, 2)) * 86400 +
			  digits(ts, 11, 2) * 3600 + digits(ts, 14, 2) * 60 + digits(ts, 17, 2);
	}
	return seconds * NSEC_PER_SEC + digits(ts, SECOND_LEN + 1, 9);
}

uint64_t record_time_of(const char *ts)
{
	return ts ? record_time_at(ts, strlen(ts)) : 0;
}

/* Whose it is by its own words; hello and probe name their host in any case. */
static void parse_source(struct record *r)
{
	const cJSON *feed = member(r->json, "feed");

	if (r->type == RECORD_BYE)
		feed = member(feed, "id");
	r->feed = cJSON_GetStringValue(feed);
	if (r->feed || (r->type != RECORD_HELLO && r->type != RECORD_PROBE))
		r->host = get_string(r->json, "host");
}

enum record_status record_parse(const char *line, size_t len, struct record *r, char *error,
				size_t size)
{
	struct record parsed = { .json = parse_object(line, len) };
	enum record_status status;

	if (!parsed.json) {
		snprintf(error, size, "it is no JSON object");
		return RECORD_BAD;
	}
	status = check_version(parsed.json, error, size);
	if (status == RECORD_GOOD)
		status = parse_type(&parsed, error, size);
	if (status != RECORD_GOOD) {
		cJSON_Delete(parsed.json);
		return status;
	}
	parsed.ts = get_string(parsed.json, "ts");
	parsed.wall_ns = record_time_of(parsed.ts);
	parse_source(&parsed);
	parsed.seq = record_count_of(parsed.json, "seq");
	parsed.mono_ns = get_mono(parsed.json);
	parsed.netns = record_count_of(parsed.json, "netns");
	parsed.cgroup_path = get_string(member(parsed.json, "cgroup"), "path");
	if (parsed.type == RECORD_HELLO && parsed.hello.repeated)
		record_forget_time(&parsed);
	*r = parsed;
	return RECORD_GOOD;
}

void record_forget_time(struct record *r)
{
	r->ts = NULL;
	r->wall_ns = r->seq = r->mono_ns = 0;
}

void record_free(struct record *r)
{
	cJSON_Delete(r->json);
	free(r->text);
	memset(r, 0, sizeof(*r));
}
