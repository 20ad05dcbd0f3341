// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/report/audits.h"

#include <stdio.h>
#include <string.h>

void audits_free(struct audits *a)
{
	keyset_free(&a->namespaces);
}

static struct audit_sum *sum_of(struct audits *a, const char *name)
{
	struct audit_sum *s;
	char key[sizeof(s->name)];

	snprintf(key, sizeof(key), "%s", name);
	for (size_t i = 0; i < a->sum_count; i++)
		if (strcmp(a->sums[i].name, key) == 0)
			return &a->sums[i];
	if (a->sum_count == AUDITS_COUNTERS) {
		a->more = true;
		return NULL;
	}
	s = &a->sums[a->sum_count++];
	memcpy(s->name, key, sizeof(s->name));
	return s;
}

void audits_add(struct audits *a, const struct record *r)
{
	uint64_t key[2] = { r->host_number, r->audit.netns };
	const cJSON *item;
	bool added;

	a->count++;
	a->unbalanced += !r->audit.balanced;
	a->namespaces.key_size = sizeof(key);
	if (a->namespaces.count < AUDITS_NAMESPACES)
		keyset_put(&a->namespaces, key, &added);
	cJSON_ArrayForEach(item, r->audit.counters) {
		struct record_counter c;
		struct audit_sum *s;

		if (!record_counter_of(item, &c) || !(s = sum_of(a, c.name)))
			continue;
		s->kernel += c.kernel;
		s->observed += c.observed;
		s->difference += c.difference;
		if (c.difference != 0 && c.rule)
			snprintf(s->rule, sizeof(s->rule), "%s", c.rule);
		else if (c.difference != 0)
			s->unexplained++;
	}
}
