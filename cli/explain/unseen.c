// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/explain/unseen.h"

#include <stdint.h>
#include <string.h>

#include "common/json.h"

static bool is_among(const char *code, const char *const codes[SIGHT_CODES])
{
	for (size_t i = 0; i < SIGHT_CODES && codes[i]; i++)
		if (strcmp(codes[i], code) == 0)
			return true;
	return false;
}

/*
 * What is proven leaves no other explanation; but that an application gave up is proven whatever it
 * waited for.
 */
static bool is_in_doubt(const struct explain_cause *c)
{
	return c->probable || strcmp(c->code, "application_cancelled") == 0;
}

bool explain_may_hide(const struct explain_cause *c, const struct evidence *e, enum sight sight)
{
	const struct sight_row *row = &sight_rows[sight];

	return evidence_lacks(e, sight) && c->handshakes && is_in_doubt(c) &&
	       (c->by == CAUSE_BY_LISTENER) == row->passive && is_among(c->code, row->behind);
}

/* "a", "a and b", "a, b and c" */
static void list(struct buf *b, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_str(b, i + 1 == count ? " and " : ", ");
		buf_str(b, words[i]);
	}
}

static size_t count_of(const char *const codes[SIGHT_CODES])
{
	size_t n = 0;

	while (n < SIGHT_CODES && codes[n])
		n++;
	return n;
}

/* The codes found that it may hide behind. */
static size_t hiding_places(const struct explain *e, enum sight sight,
			    const char *places[SIGHT_CODES])
{
	const struct evidence *seen = &explain_totals(e)->evidence;
	const char *const *behind = sight_rows[sight].behind;
	size_t n = 0;

	for (size_t i = 0; i < count_of(behind); i++) {
		bool found = false;

		for (size_t rank = 0; !found && rank < explain_count(e); rank++) {
			const struct explain_cause *c = explain_at(e, rank);

			found = strcmp(c->code, behind[i]) == 0 && explain_may_hide(c, seen, sight);
		}
		if (found)
			places[n++] = behind[i];
	}
	return n;
}

bool explain_unseen(const struct explain *e, enum sight sight, struct buf *b)
{
	const struct sight_row *row = &sight_rows[sight];
	const struct evidence *seen = &explain_totals(e)->evidence;
	const char *places[SIGHT_CODES];
	size_t count = hiding_places(e, sight, places);
	char why[200];

	if (!evidence_lacks(seen, sight) || (!count && !row->lost))
		return false;
	buf_str(b, explain_totals(e)->hosts > 1 ? "Not seen on every host: " : "Not seen on this host: ");
	buf_str(b, row->shows);
	buf_lit(b, " (");
	buf_str(b, evidence_reasons(seen, sight, why, sizeof(why)));
	buf_lit(b, ").");
	if (count) {
		buf_lit(b, " ");
		list(b, row->causes, count_of(row->causes));
		buf_lit(b, " may hide behind ");
		list(b, places, count);
		buf_str(b, row->lost ? "; " : ".");
	} else {
		buf_lit(b, " So ");
	}
	if (row->lost) {
		buf_str(b, row->lost);
		buf_lit(b, ".");
	}
	return true;
}

/* ---- the same as JSON ---- */

static void put_codes(struct buf *b, const char *key, const char *const *codes, size_t count)
{
	json_array(b, key);
	for (size_t i = 0; i < count; i++)
		json_string(b, NULL, codes[i]);
	buf_lit(b, "]");
}

/* Those that the sight needs and the kernel refuses, each with its reason. */
static void put_refused(struct buf *b, const struct evidence *e, enum sight sight)
{
	uint32_t missing = e->refused & sight_rows[sight].needs;

	json_object(b, "refused");
	for (int i = 0; i < CAPABILITIES; i++)
		if (missing & 1U << i)
			json_string(b, capability_name((enum capability)i), *e->reasons[i] ? e->reasons[i] : NULL);
	buf_lit(b, "}");
}

void explain_unseen_json(const struct explain *e, struct buf *b)
{
	const struct evidence *seen = &explain_totals(e)->evidence;

	if (!seen->known) {
		json_null(b, "unseen");
		return;
	}
	json_array(b, "unseen");
	for (int i = 0; i < SIGHTS; i++) {
		if (!evidence_lacks(seen, (enum sight)i))
			continue;
		json_object(b, NULL);
		json_string(b, "what", sight_rows[i].shows);
		put_refused(b, seen, (enum sight)i);
		put_codes(b, "causes", sight_rows[i].causes, count_of(sight_rows[i].causes));
		put_codes(b, "behind", sight_rows[i].behind, count_of(sight_rows[i].behind));
		buf_lit(b, "}");
	}
	buf_lit(b, "]");
}

void explain_may_hide_json(const struct explain_cause *c, const struct evidence *e, struct buf *b)
{
	const char *codes[SIGHTS * SIGHT_CODES];
	size_t count = 0;

	for (int i = 0; i < SIGHTS; i++) {
		const char *const *causes = sight_rows[i].causes;

		for (size_t n = 0; explain_may_hide(c, e, (enum sight)i) && n < count_of(causes); n++) {
			size_t at = 0;

			while (at < count && strcmp(codes[at], causes[n]) != 0)
				at++;
			if (at == count)
				codes[count++] = causes[n];
		}
	}
	if (count)
		put_codes(b, "may_hide", codes, count);
}
