// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/btf_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KINDS (BTF_KIND_ENUM64 + 1)

const struct btf_shape btf_shapes[KINDS] = {
	[BTF_KIND_INT] = { sizeof(uint32_t), 0 },
	[BTF_KIND_ARRAY] = { sizeof(struct btf_array), 0 },
	[BTF_KIND_STRUCT] = { 0, sizeof(struct btf_member) },
	[BTF_KIND_UNION] = { 0, sizeof(struct btf_member) },
	[BTF_KIND_ENUM] = { 0, sizeof(struct btf_enum) },
	[BTF_KIND_FUNC_PROTO] = { 0, sizeof(struct btf_param) },
	[BTF_KIND_VAR] = { sizeof(struct btf_var), 0 },
	[BTF_KIND_DATASEC] = { 0, sizeof(struct btf_var_secinfo) },
	[BTF_KIND_DECL_TAG] = { sizeof(struct btf_decl_tag), 0 },
	[BTF_KIND_ENUM64] = { 0, sizeof(struct btf_enum64) },
};

/* Find where each type begins. */
static int walk(struct btf_index *index, size_t size)
{
	size_t at = 0, len;

	for (index->count = 1; at < size; at += len, index->count++) {
		const struct btf_type *type = (const struct btf_type *)(index->types + at);

		if (size - at < sizeof(*type) || BTF_INFO_KIND(type->info) >= KINDS)
			return -EINVAL;
		len = sizeof(*type) + btf_tail_len(type);
		if (size - at < len)
			return -EINVAL;
		index->offset[index->count] = (uint32_t)at;
	}
	return 0;
}

int btf_index_make(struct btf_index *index, const void *data, size_t size)
{
	const struct btf_header *h = data;
	const uint8_t *body;
	size_t most;
	int err;

	if (size < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len > size)
		return -EINVAL;
	body = (const uint8_t *)data + h->hdr_len;
	size -= h->hdr_len;
	if (h->type_off > size || h->type_len > size - h->type_off || h->type_off % 4 ||
	    h->hdr_len % 4 || h->str_off > size || h->str_len > size - h->str_off || !h->str_len ||
	    body[h->str_off + h->str_len - 1])
		return -EINVAL;
	most = 1 + h->type_len / sizeof(struct btf_type); /* memory that is not used costs nothing */
	*index = (struct btf_index){
		.types = body + h->type_off,
		.names = (const char *)body + h->str_off,
		.names_len = h->str_len,
		.offset = malloc(most * sizeof(*index->offset)),
	};
	if (!index->offset)
		return -ENOMEM;
	err = walk(index, h->type_len);
	if (err)
		btf_index_free(index);
	return err;
}

void btf_index_free(struct btf_index *index)
{
	free(index->offset);
	*index = (struct btf_index){};
}

const struct btf_type *btf_index_type(const struct btf_index *index, uint32_t id)
{
	if (!id || id >= index->count)
		return NULL;
	return (const struct btf_type *)(index->types + index->offset[id]);
}

const char *btf_index_name(const struct btf_index *index, uint32_t offset)
{
	return offset < index->names_len ? index->names + offset : "";
}
