// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/record/trigger.h"
#include "cli/feed/causes.h"
#include "cli/feed/record_scan.h"
#include "cli/feed/wanted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/filter.h"
#include "common/histogram.h"

#define MINUTE 60
#define WORD_MAX 512
#define RATE_MAX 1000000000

struct trigger {
	struct filter filter;
	bool typed;
	enum record_type type;
	char *causes; /* with commas, or NULL: any */
	bool has_rate;
	uint64_t rate; /* more than so many */
	unsigned rate_seconds; /* in 1 or in 60 */
	double quantile; /* 0..1; 0: none */
	uint64_t quantile_ns;
	uint64_t for_ns;

	uint64_t second; /* the one that is counted; 0: none yet */
	uint64_t counts[MINUTE]; /* by second */
	struct histogram latency;
	uint64_t held; /* for so many whole seconds */
};

/* ---- what is asked for ---- */

static int fail(char *error, size_t size, const char *word, const char *why)
{
	snprintf(error, size, "'%s' %s", word, why);
	return -1;
}

static bool is_cause(const char *code)
{
	return cause_find(code) || name_index(reset_cause_names, RESET_CAUSES, code, strlen(code)) >= 0;
}

static int set_causes(struct trigger *t, const char *list, char *error, size_t size)
{
	char *rest, *code, copy[WORD_MAX];

	snprintf(copy, sizeof(copy), "%s", list);
	for (code = strtok_r(copy, ",", &rest); code; code = strtok_r(NULL, ",", &rest))
		if (!is_cause(code))
			return fail(error, size, code, "is no cause; docs/causes.md lists them");
	free(t->causes);
	t->causes = *list ? strdup(list) : NULL;
	return t->causes ? 0 : fail(error, size, "cause=", "names no cause");
}

static int set_rate(struct trigger *t, const char *value, char *error, size_t size)
{
	char *end = NULL;
	unsigned long long rate = *value >= '0' && *value <= '9' ? strtoull(value, &end, 10) : 0;

	if (!end || end == value || rate > RATE_MAX || (strcmp(end, "/s") != 0 && strcmp(end, "/m") != 0))
		return fail(error, size, value, "is no rate; use rate>10/s or rate>100/m");
	t->has_rate = true;
	t->rate = rate;
	t->rate_seconds = end[1] == 's' ? 1 : MINUTE;
	return 0;
}

/* "99>100ms" */
static int set_quantile(struct trigger *t, const char *word, char *error, size_t size)
{
	char *end = NULL;
	double percent = *word >= '0' && *word <= '9' ? strtod(word, &end) : 0;

	if (!end || *end != '>' || !(percent > 0 && percent <= 100) || duration_parse(end + 1, &t->quantile_ns) != 0)
		return fail(error, size, word, "is no percentile; use p99>100ms or p50>1ms");
	t->quantile = percent / 100;
	return 0;
}

static int set_for(struct trigger *t, const char *value, char *error, size_t size)
{
	if (duration_parse(value ? value : "", &t->for_ns) != 0 || t->for_ns < NSEC_PER_SEC)
		return fail(error, size, value ? value : "for", "is no duration from 1s on; use for 10s");
	return 0;
}

static int set_criterion(struct trigger *t, char *word, char *value, char *error, size_t size)
{
	*value++ = '\0';
	if (strcmp(word, "cause") == 0)
		return set_causes(t, value, error, size);
	return filter_set(&t->filter, word, value, error, size);
}

static int set_type(struct trigger *t, const char *word, char *error, size_t size)
{
	t->type = record_type_of(word, strlen(word));
	t->typed = true;
	if ((1U << t->type) & (STREAM_RECORDS | 1U << RECORD_LOSS))
		return 0;
	return fail(error, size, word, "is no type of record, and neither KEY=VALUE, rate>N/s, pN>DURATION nor for DURATION");
}

static int set_word(struct trigger *t, char *word, char **rest, char *error, size_t size)
{
	char *value = strchr(word, '=');

	if (strcmp(word, "for") == 0)
		return set_for(t, strtok_r(NULL, " ", rest), error, size);
	if (strncmp(word, "rate>", strlen("rate>")) == 0)
		return set_rate(t, word + strlen("rate>"), error, size);
	if (value)
		return set_criterion(t, word, value, error, size);
	if (word[0] == 'p' && word[1] >= '0' && word[1] <= '9')
		return set_quantile(t, word + 1, error, size);
	return set_type(t, word, error, size);
}

/* What only handshakes have. */
static bool needs_handshakes(const struct trigger *t)
{
	const struct stream_filter *f = &t->filter.stream;

	return f->roles || f->outcomes || f->slow_ns || t->quantile > 0;
}

static const char *bad_reset_cause(const char *code)
{
	return name_index(reset_cause_names, RESET_CAUSES, code, strlen(code)) >= 0 ? NULL : "is no cause of a reset";
}

static const char *bad_cause(const char *code)
{
	return cause_find(code) ? NULL : "is a cause of resets; write reset cause=…";
}

/* Each of them can be that of a record of this type. */
static int check_causes(const struct trigger *t, char *error, size_t size)
{
	const char *(*bad)(const char *) = t->typed && t->type == RECORD_RESET ? bad_reset_cause : bad_cause;
	char *rest, *code, copy[WORD_MAX];
	int err = 0;

	if (t->typed && !((1U << t->type) & (1U << RECORD_HANDSHAKE | 1U << RECORD_OVERFLOW | 1U << RECORD_RESET)))
		return fail(error, size, record_type_names[t->type], "has no cause; handshake, overflow and reset do");
	snprintf(copy, sizeof(copy), "%s", t->causes);
	for (code = strtok_r(copy, ",", &rest); code && !err; code = strtok_r(NULL, ",", &rest))
		if (bad(code))
			err = fail(error, size, code, bad(code));
	return err;
}

/* What a record lacks is compared with nothing, and would be wanted, or never be. */
static int check_keys(const struct trigger *t, char *error, size_t size)
{
	const uint32_t ends = STREAM_RECORDS & ~(1U << RECORD_AUDIT);
	const struct {
		const char *key;
		uint32_t types; /* that have it */
	} keys[] = {
		{ "port", ends },
		{ "remote", ends & ~(1U << RECORD_LISTENER) },
		{ "netns", STREAM_RECORDS },
		{ "cgroup", 1U << RECORD_HANDSHAKE | 1U << RECORD_LISTENER },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		for (int n = 0; n < FILTER_KEYS; n++)
			if (t->filter.text[n] && strcmp(filter_keys[n], keys[i].key) == 0 && !(keys[i].types & 1U << t->type)) {
				snprintf(error, size, "'%s' has nothing that %s= compares", record_type_names[t->type], keys[i].key);
				return -1;
			}
	return 0;
}

static int check(struct trigger *t, char *error, size_t size)
{
	if (t->typed && t->type != RECORD_HANDSHAKE && needs_handshakes(t))
		return fail(error, size, record_type_names[t->type], "has no role, outcome, or latency: these are of handshakes");
	if (t->typed && check_keys(t, error, size) < 0)
		return -1;
	if (t->causes && check_causes(t, error, size) < 0)
		return -1;
	if (!t->typed && (needs_handshakes(t) || !t->causes)) {
		t->typed = true;
		t->type = RECORD_HANDSHAKE;
	}
	if (t->for_ns && !t->has_rate && !(t->quantile > 0))
		return fail(error, size, "for", "belongs to a rate or a percentile");
	return 0;
}

struct trigger *trigger_new(const char *text, char *error, size_t size)
{
	struct trigger *t = calloc(1, sizeof(*t));
	char *copy = strdup(text), *rest, *word;
	int err = t && copy ? 0 : fail(error, size, text, "cannot be read: out of memory");

	if (!err && (strlen(text) >= WORD_MAX || !text[strspn(text, " ")]))
		err = fail(error, size, "", "is empty or too long; use overflow, or outcome=failed rate>10/s");
	for (word = err ? NULL : strtok_r(copy, " ", &rest); word && !err; word = strtok_r(NULL, " ", &rest))
		err = set_word(t, word, &rest, error, size);
	if (!err)
		err = check(t, error, size);
	free(copy);
	if (!err)
		return t;
	trigger_free(t);
	return NULL;
}

void trigger_free(struct trigger *t)
{
	if (!t)
		return;
	filter_free(&t->filter);
	free(t->causes);
	free(t);
}

/* ---- what comes ---- */

static const char *cause_of(const struct record *r)
{
	switch (r->type) {
	case RECORD_HANDSHAKE:
		return r->handshake.cause.code;
	case RECORD_OVERFLOW:
		return r->overflow.cause.code;
	case RECORD_RESET:
		return r->reset.cause;
	default:
		return NULL;
	}
}

static bool has_cause(const struct trigger *t, const struct record *r)
{
	const char *code = cause_of(r), *at = t->causes;
	size_t len = code ? strlen(code) : 0;

	while (code && at) {
		if (strcspn(at, ",") == len && memcmp(at, code, len) == 0)
			return true;
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return false;
}

static uint32_t trigger_types(const struct trigger *t)
{
	return t->typed ? 1U << t->type : 1U << RECORD_HANDSHAKE | 1U << RECORD_OVERFLOW;
}

uint32_t trigger_parts(const struct trigger *t, enum record_type type)
{
	const struct filter *f = &t->filter;
	const struct {
		bool needed;
		uint32_t parts;
	} needs[] = {
		{ t->causes, PART_CAUSE },
		{ f->stream.roles, PART_ROLE },
		{ f->stream.outcomes, PART_OUTCOME },
		{ f->stream.netns, PART_NETNS },
		{ f->stream.by_port, PART_LOCAL | PART_REMOTE },
		{ f->stream.by_remote, PART_REMOTE },
		{ f->stream.by_cgroup, PART_CGROUP },
		{ f->stream.slow_ns, PART_LATENCY },
		{ t->quantile > 0, PART_OUTCOME | PART_LATENCY },
	};
	uint32_t parts = PART_HEAD;

	if (!(trigger_types(t) & 1U << type))
		return 0;
	if (type != RECORD_HANDSHAKE && type != RECORD_ACCEPT)
		return PART_ALL;
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		parts |= needs[i].needed ? needs[i].parts : 0;
	return parts;
}

static bool matches(const struct trigger *t, const struct record *r)
{
	if (!(trigger_types(t) & 1U << r->type))
		return false;
	if (r->type == RECORD_LISTENER)
		return listener_is_wanted(&t->filter, r->listener.netns, r->listener.local.port, r->cgroup_path);
	return (!t->causes || has_cause(t, r)) && record_is_wanted(&t->filter, r);
}

static uint64_t weight(const struct record *r)
{
	return r->type == RECORD_OVERFLOW ? r->overflow.count : r->type == RECORD_LOSS ? r->loss.count : 1;
}

static bool over_rate(const struct trigger *t)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < t->rate_seconds && i <= t->second; i++)
		sum += t->counts[(t->second - i) % MINUTE];
	return !t->has_rate || sum > t->rate;
}

static bool over_quantile(const struct trigger *t)
{
	return !(t->quantile > 0) ||
	       (t->latency.count && histogram_quantile(&t->latency, t->quantile) > t->quantile_ns);
}

/* The second is over: the next one is `second`. Did it complete what is asked for? */
static bool end_second(struct trigger *t, uint64_t second)
{
	bool strikes;

	t->held = over_rate(t) && over_quantile(t) ? t->held + 1 : 0;
	strikes = t->held && t->held * NSEC_PER_SEC >= t->for_ns;
	if (second > t->second + 1)
		t->held = 0;
	for (uint64_t at = t->second + 1; at <= second && at <= t->second + MINUTE; at++)
		t->counts[at % MINUTE] = 0;
	memset(&t->latency, 0, sizeof(t->latency));
	t->second = second;
	return strikes;
}

/* Another feed, maybe of another clock. */
static void begin(struct trigger *t, uint64_t second)
{
	memset(t->counts, 0, sizeof(t->counts));
	memset(&t->latency, 0, sizeof(t->latency));
	t->held = 0;
	t->second = second;
}

static void count(struct trigger *t, const struct record *r)
{
	t->counts[t->second % MINUTE] += weight(r);
	if (r->type == RECORD_HANDSHAKE && r->handshake.outcome == OUTCOME_ESTABLISHED &&
	    r->handshake.latency_ns != NS_UNKNOWN)
		histogram_record(&t->latency, r->handshake.latency_ns);
}

bool trigger_take(struct trigger *t, const struct record *r)
{
	uint64_t second = r->mono_ns / NSEC_PER_SEC;
	bool by_second = t->quantile > 0 || t->for_ns, strikes = false;

	if (!r->mono_ns)
		return false;
	if (!t->second || r->type == RECORD_HELLO || second + MINUTE < t->second)
		begin(t, second);
	/* What is asked for at once was answered at once. */
	if (second > t->second)
		strikes = end_second(t, second) && by_second;
	if (!matches(t, r))
		return strikes;
	count(t, r);
	return strikes || (!by_second && over_rate(t));
}

const char *trigger_word(const struct trigger *t, const struct record *r, char out[TRIGGER_WORD_SIZE])
{
	const char *word = t->quantile > 0 ? "latency" : matches(t, r) ? cause_of(r) : t->causes, *at;
	size_t len = 0;

	if (!word)
		word = r->type == RECORD_HANDSHAKE && matches(t, r) ? r->handshake.outcome_name :
		       record_type_names[t->type];
	for (at = word; *at && len < TRIGGER_WORD_SIZE - 1; at++)
		out[len++] = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') ? *at : '_';
	out[len] = '\0';
	return out;
}
