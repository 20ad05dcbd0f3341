// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "reasons.h"

#include <bpf/btf.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ENUM_NAME "sk_rst_reason"
#define PREFIX "SK_RST_REASON_"

struct reasons {
	uint32_t count;
	char **name; /* by number, with gaps */
};

static char *lower_name(const char *name)
{
	char *copy = strdup(strncmp(name, PREFIX, strlen(PREFIX)) == 0 ? name + strlen(PREFIX) : name);

	for (char *p = copy; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

static void read_enum(struct reasons *r, const struct btf *btf, const struct btf_type *type)
{
	const struct btf_enum *values = btf_enum(type);
	uint32_t members = btf_vlen(type);

	r->name = calloc(members, sizeof(*r->name));
	if (!r->name)
		return;
	r->count = members;
	for (uint32_t i = 0; i < members; i++) {
		uint32_t value = (uint32_t)values[i].val;

		if (value < members && !r->name[value])
			r->name[value] = lower_name(btf__name_by_offset(btf, values[i].name_off));
	}
}

struct reasons *reasons_new(void)
{
	struct reasons *r = calloc(1, sizeof(*r));
	struct btf *btf;
	int id;

	if (!r)
		return NULL;
	btf = btf__load_vmlinux_btf();
	if (btf) {
		id = btf__find_by_name_kind(btf, ENUM_NAME, BTF_KIND_ENUM);
		if (id > 0)
			read_enum(r, btf, btf__type_by_id(btf, (uint32_t)id));
		btf__free(btf);
	}
	return r;
}

void reasons_free(struct reasons *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->count; i++)
		free(r->name[i]);
	free(r->name);
	free(r);
}

const char *reasons_name(const struct reasons *r, uint32_t reason)
{
	return r && reason < r->count ? r->name[reason] : NULL;
}
