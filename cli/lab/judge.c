// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/lab/judge.h"
#include "cli/lab/parse.h"
#include "cli/lab/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"
#include "common/names.h"

/* ---- sockets ---- */

static bool is_so(const struct lab_socket *s, const char *word)
{
	if (strcmp(word, "BLOCKED") == 0)
		return s->last.running;
	if (name_index(lab_states, LAB_STATES, word, strlen(word)) >= 0)
		return strcmp(lab_states[s->view.state], word) == 0;
	if (!s->last.any || s->last.running)
		return false;
	return s->last.error == lab_errno_find(word); /* "ok" is 0, as no error's name is */
}

static bool judge_state(const struct lab_expect *e, const struct lab_socket *s, struct buf *found)
{
	char name[16];
	bool holds = false;

	for (size_t i = 0; i < e->word_count; i++)
		holds = holds || is_so(s, e->words[i]);
	lab_report_view(s, found);
	buf_format(found, " (last call: %s)", lab_report_outcome(s, name, sizeof(name)));
	return holds;
}

/* What is compared; false if it is not known. */
static bool number_of(const struct lab_socket *s, enum lab_subject subject, uint64_t *value, uint64_t *max)
{
	const struct lab_outcome *o = &s->last;

	*max = 0;
	switch (subject) {
	case LAB_ACCEPT_QUEUE:
		*value = s->view.accept.len;
		*max = s->view.accept.max_known ? s->view.accept.max : 0;
		return s->view.accept.known;
	case LAB_SYN_QUEUE:
		*value = s->view.syn;
		return s->view.syn_known;
	case LAB_TOOK:
		*value = o->took_ns;
		return o->any && !o->running;
	case LAB_RETURNED:
		*value = (uint64_t)o->result;
		return o->any && !o->running && o->result >= 0;
	case LAB_VALUE:
		*value = (uint64_t)o->value;
		return o->any && !o->running && o->value >= 0;
	case LAB_LOCAL_PORT:
		*value = s->local.port;
		return true;
	default:
		*value = s->remote.port;
		return true;
	}
}

static bool judge_number(const struct lab_expect *e, const struct lab_socket *s, struct buf *found)
{
	uint64_t value, max;
	bool known = number_of(s, e->subject, &value, &max);
	char name[16], span[32];

	buf_format(found, "%s %s ", s->name, lab_subjects[e->subject]);
	if (!known) {
		buf_format(found, "unknown (last call: %s)", lab_report_outcome(s, name, sizeof(name)));
		return false;
	}
	if (e->subject == LAB_TOOK)
		buf_str(found, duration_format(value, span, sizeof(span)));
	else
		buf_u64(found, value);
	if (e->subject == LAB_ACCEPT_QUEUE)
		buf_format(found, "/%" PRIu64, max);
	return lab_numbers_hold(&e->numbers, value, max);
}

bool lab_judge_sockets(const struct lab_expect *e, const struct lab_sockets *sockets, struct buf *found)
{
	unsigned count = lab_range_count(&e->of), held = 0, shown = 0;

	for (unsigned i = 0; i < count; i++) {
		char name[LAB_NAME_SIZE];
		struct lab_socket *s;
		struct buf words = { 0 };
		bool holds;

		lab_range_name(&e->of, i, name, sizeof(name));
		s = lab_socket_find(sockets, name);
		holds = s && (e->subject == LAB_STATE ? judge_state(e, s, &words) : judge_number(e, s, &words));
		held += holds;
		/* All of a long range would hide what matters. */
		if (count <= 4 || (!e->some && !holds && shown < 4)) {
			buf_str(found, shown++ ? "; " : "");
			buf_mem(found, words.data, words.len);
		}
		buf_free(&words);
	}
	if (count > 1)
		buf_format(found, "%s%u of %u", shown ? "; " : "", held, count);
	return e->some ? lab_numbers_hold(&e->many, held, 0) : held == count;
}

/* ---- counters ---- */

bool lab_judge_counter(const struct lab_expect *e, const struct lab_counter *before,
		       const struct lab_counter *now, struct buf *found)
{
	uint64_t moved = now ? now->value - (before ? before->value : 0) : 0;

	buf_str(found, e->counter);
	if (!now) {
		buf_lit(found, " is no counter of this kernel");
		return false;
	}
	buf_format(found, " +%" PRIu64, moved);
	return lab_numbers_hold(&e->numbers, moved, 0);
}

/* ---- records ---- */

/* A field of a record by its path: "cause.code". */
static const cJSON *find_field(const cJSON *json, const char *path)
{
	char copy[LAB_WORD_SIZE], *part, *rest;

	snprintf(copy, sizeof(copy), "%s", path);
	for (part = strtok_r(copy, ".", &rest); part && json; part = strtok_r(NULL, ".", &rest))
		json = cJSON_GetObjectItemCaseSensitive(json, part);
	return json;
}

static bool is_number(const cJSON *json, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	return cJSON_IsNumber(json) && end != text && !*end && json->valuedouble == value;
}

static bool is_scalar(const cJSON *json, const char *text)
{
	if (cJSON_IsString(json))
		return strcmp(json->valuestring, text) == 0;
	if (cJSON_IsBool(json))
		return strcmp(cJSON_IsTrue(json) ? "true" : "false", text) == 0;
	return cJSON_IsNull(json) ? strcmp(text, "null") == 0 : is_number(json, text);
}

/* "10.0.0.2:7000" of an endpoint */
static bool is_endpoint(const cJSON *json, const char *text)
{
	const cJSON *addr = cJSON_GetObjectItemCaseSensitive(json, "addr");
	const cJSON *port = cJSON_GetObjectItemCaseSensitive(json, "port");
	char both[128];

	if (!cJSON_IsString(addr) || !cJSON_IsNumber(port))
		return false;
	snprintf(both, sizeof(both), strchr(addr->valuestring, ':') ? "[%s]:%.0f" : "%s:%.0f", addr->valuestring,
		 port->valuedouble);
	return strcmp(both, text) == 0;
}

/* Of an object what names it: a port, a cause's code, a process's comm. */
static bool is_value(const cJSON *json, const char *text)
{
	static const char *const keys[] = { "port", "addr", "code", "comm", "len" };

	if (!json || !cJSON_IsObject(json))
		return json && is_scalar(json, text);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, keys[i]);

		if (item && is_scalar(item, text))
			return true;
	}
	return is_endpoint(json, text);
}

bool lab_judge_record(const struct lab_expect *e, const struct record *r)
{
	if (strcmp(r->type_name, e->record) != 0)
		return false;
	for (size_t i = 0; i < e->field_count; i++)
		if (!is_value(find_field(r->json, e->fields[i].name), e->fields[i].value))
			return false;
	return true;
}
