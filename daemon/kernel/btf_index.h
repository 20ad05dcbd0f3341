/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * BTF as it lies in memory (Documentation/bpf/btf.rst), its types found by their number. Pure. What
 * libbpf makes of the kernel's takes it longer, and it makes it anew for each that asks.
 */
#ifndef TCPSHAKE_BTF_INDEX_H
#define TCPSHAKE_BTF_INDEX_H

#include <linux/btf.h>
#include <stddef.h>
#include <stdint.h>

struct btf_index {
	const uint8_t *types;
	const char *names;
	uint32_t names_len;
	uint32_t *offset; /* of each type, in `types` */
	uint32_t count; /* types have the numbers below it; 0 is void */
};

/* `data` has to stay. 0 or a negative errno: -EINVAL for what is no BTF, or has a kind not known here. */
int btf_index_make(struct btf_index *index, const void *data, size_t size);
void btf_index_free(struct btf_index *index);

/* NULL for void, and for what there is not. */
const struct btf_type *btf_index_type(const struct btf_index *index, uint32_t id);

/* By its offset; "" for none. */
const char *btf_index_name(const struct btf_index *index, uint32_t offset);

/* How many bytes follow a struct btf_type: once, and for each of its `vlen`. */
struct btf_shape {
	uint8_t once, each;
};
extern const struct btf_shape btf_shapes[];

static inline size_t btf_tail_len(const struct btf_type *type)
{
	const struct btf_shape *shape = &btf_shapes[BTF_INFO_KIND(type->info)];

	return shape->once + (size_t)shape->each * BTF_INFO_VLEN(type->info);
}

#endif
