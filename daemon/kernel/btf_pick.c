// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/btf_pick.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of those picked: an empty struct and an empty union, without a name, come first. */
enum { ANY_STRUCT = 1, ANY_UNION, FIRST };

struct picking {
	const struct btf_index *from;
	uint32_t *picked; /* by the number in `from`: that here, 0 if it is not picked */
	uint32_t *order; /* the numbers in `from`, as picked */
	uint32_t count; /* of `order` */
	struct buf types, names;
};

static uint32_t pick(struct picking *p, uint32_t id)
{
	if (!btf_index_type(p->from, id))
		return 0;
	if (!p->picked[id]) {
		p->picked[id] = FIRST + p->count;
		p->order[p->count++] = id;
	}
	return p->picked[id];
}

/*
 * What a pointer points to: relocations ask for its kind only, and only inside of a function's type.
 * A name would make it another struct of that name.
 */
static uint32_t pick_pointed(struct picking *p, uint32_t id)
{
	const struct btf_type *type = btf_index_type(p->from, id);
	uint32_t at = id;

	while (type) {
		switch (BTF_INFO_KIND(type->info)) {
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_TYPE_TAG:
			at = type->type;
			type = btf_index_type(p->from, at);
			continue;
		case BTF_KIND_STRUCT:
			return ANY_STRUCT;
		case BTF_KIND_UNION:
			return ANY_UNION;
		default:
			return pick(p, id);
		}
	}
	return 0; /* void */
}

static uint32_t put_name(struct picking *p, uint32_t offset)
{
	const char *name = btf_index_name(p->from, offset);
	uint32_t at = (uint32_t)p->names.len;

	if (!*name)
		return 0;
	buf_mem(&p->names, name, strlen(name) + 1);
	return at;
}

/* Each kind that has a tail begins its elements with a name, but for those of one element. */
static void put_tail(struct picking *p, const struct btf_type *type)
{
	const uint8_t *tail = (const uint8_t *)(type + 1);
	uint32_t kind = BTF_INFO_KIND(type->info), vlen = BTF_INFO_VLEN(type->info);
	size_t each = btf_shapes[kind].each;
	struct btf_array array;

	if (kind == BTF_KIND_ARRAY) {
		memcpy(&array, tail, sizeof(array));
		array.type = pick(p, array.type);
		array.index_type = pick(p, array.index_type);
		buf_mem(&p->types, &array, sizeof(array));
		return;
	}
	if (btf_shapes[kind].once)
		buf_mem(&p->types, tail, btf_shapes[kind].once);
	for (uint32_t i = 0; i < vlen; i++, tail += each) {
		uint32_t words[3]; /* a name; a type, or a value */

		memcpy(words, tail, each);
		words[0] = put_name(p, words[0]);
		if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION || kind == BTF_KIND_FUNC_PROTO)
			words[1] = pick(p, words[1]);
		buf_mem(&p->types, words, each);
	}
}

static int put_type(struct picking *p, const struct btf_type *type)
{
	struct btf_type copy = *type;

	copy.name_off = put_name(p, type->name_off);
	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_PTR:
		copy.type = pick_pointed(p, type->type);
		break;
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
	case BTF_KIND_FUNC_PROTO:
		copy.type = pick(p, type->type);
		break;
	case BTF_KIND_INT:
	case BTF_KIND_FLOAT:
	case BTF_KIND_FWD:
	case BTF_KIND_ARRAY:
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		break;
	default: /* no type is made of it */
		return -EINVAL;
	}
	buf_mem(&p->types, &copy, sizeof(copy));
	put_tail(p, type);
	return p->types.failed || p->names.failed ? -ENOMEM : 0;
}

/* What is wanted, by first letter: `names` are sorted. */
struct wanted {
	const char *const *names;
	size_t from[UINT8_MAX + 2];
};

static void want(struct wanted *w, const char *const *names, size_t count)
{
	size_t n = 0;

	w->names = names;
	for (int letter = 0; letter <= UINT8_MAX + 1; letter++) {
		while (n < count && (unsigned char)*names[n] < letter)
			n++;
		w->from[letter] = n;
	}
}

static bool is_wanted(const struct wanted *w, const char *name)
{
	unsigned char letter = (unsigned char)*name;

	for (size_t n = w->from[letter]; n < w->from[letter + 1]; n++)
		if (strcmp(name, w->names[n]) == 0)
			return true;
	return false;
}

static void pick_named(struct picking *p, const char *const *names, size_t count)
{
	struct wanted wanted;

	want(&wanted, names, count);
	for (uint32_t id = 1; id < p->from->count; id++) {
		const struct btf_type *type = btf_index_type(p->from, id);

		switch (BTF_INFO_KIND(type->info)) {
		case BTF_KIND_STRUCT:
		case BTF_KIND_UNION:
		case BTF_KIND_ENUM:
		case BTF_KIND_ENUM64:
		case BTF_KIND_TYPEDEF:
			if (is_wanted(&wanted, btf_index_name(p->from, type->name_off)))
				pick(p, id);
		}
	}
}

static int put_all(struct picking *p, struct buf *out)
{
	const struct btf_type any[] = {
		{ .info = BTF_KIND_STRUCT << 24 },
		{ .info = BTF_KIND_UNION << 24 },
	};
	struct btf_header header = { .magic = BTF_MAGIC, .version = BTF_VERSION,
				     .hdr_len = sizeof(header) };
	int err = 0;

	buf_mem(&p->names, "", 1); /* no name */
	buf_mem(&p->types, any, sizeof(any));
	for (uint32_t i = 0; !err && i < p->count; i++)
		err = put_type(p, btf_index_type(p->from, p->order[i]));
	if (err)
		return err;
	header.type_len = header.str_off = (uint32_t)p->types.len;
	header.str_len = (uint32_t)p->names.len;
	buf_mem(out, &header, sizeof(header));
	buf_mem(out, p->types.data, p->types.len);
	buf_mem(out, p->names.data, p->names.len);
	return out->failed ? -ENOMEM : 0;
}

int btf_pick(const struct btf_index *from, const char *const *names, size_t count, struct buf *out)
{
	struct picking p = {
		.from = from,
		.picked = calloc(from->count, sizeof(*p.picked)),
		.order = calloc(from->count, sizeof(*p.order)),
	};
	int err = -ENOMEM;

	if (p.picked && p.order) {
		pick_named(&p, names, count);
		err = put_all(&p, out);
	}
	free(p.picked);
	free(p.order);
	buf_free(&p.types);
	buf_free(&p.names);
	return err;
}
