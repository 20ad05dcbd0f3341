// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/share.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <string.h>

/* One section of variables, as its BTF says what is where, and their values. */
struct section {
	const struct btf *btf;
	const struct btf_type *type;
	char *values;
};

static bool find_section(struct section *s, const struct bpf_object *object, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	int id;
	size_t size;

	if (!map)
		return false;
	s->btf = bpf_object__btf(object);
	id = btf__find_by_name_kind(s->btf, name, BTF_KIND_DATASEC);
	if (id < 0)
		return false;
	s->type = btf__type_by_id(s->btf, (__u32)id);
	s->values = (char *)bpf_map__initial_value(map, &size);
	return s->values;
}

static const char *name_of(const struct section *s, const struct btf_var_secinfo *variable)
{
	return btf__name_by_offset(s->btf, btf__type_by_id(s->btf, variable->type)->name_off);
}

static void share_variable(const struct section *to, const struct btf_var_secinfo *variable,
			   const struct section *from)
{
	const struct btf_var_secinfo *same = btf_var_secinfos(from->type);

	for (int i = 0; i < btf_vlen(from->type); i++, same++)
		if (same->size == variable->size &&
		    strcmp(name_of(from, same), name_of(to, variable)) == 0)
			memcpy(to->values + variable->offset, from->values + same->offset, same->size);
}

static void share_section(const struct bpf_object *with, const struct bpf_object *shared,
			  const char *name)
{
	const struct btf_var_secinfo *variable;
	struct section to, from;

	if (!find_section(&to, with, name) || !find_section(&from, shared, name))
		return;
	variable = btf_var_secinfos(to.type);
	for (int i = 0; i < btf_vlen(to.type); i++, variable++)
		share_variable(&to, variable, &from);
}

int share(const struct bpf_object *with, const struct bpf_object *shared)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, with)
	{
		const struct bpf_map *same =
			bpf_object__find_map_by_name(shared, bpf_map__name(map));

		if (!err && same && !bpf_map__is_internal(map))
			err = bpf_map__reuse_fd(map, bpf_map__fd(same));
	}
	share_section(with, shared, ".rodata");
	return err;
}
