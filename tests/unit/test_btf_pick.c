// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* btf_index and btf_pick: BTF made by hand, and the running kernel's, where it shows its own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/kernel/btf_pick.h"

#define INFO(kind, vlen) ((uint32_t)(kind) << 24 | (vlen))

/* What a test makes. */
struct made {
	struct buf types, names, all;
	uint32_t count;
};

static uint32_t name(struct made *m, const char *text)
{
	uint32_t at;

	if (!m->names.len)
		buf_mem(&m->names, "", 1);
	if (!*text)
		return 0;
	at = (uint32_t)m->names.len;
	buf_mem(&m->names, text, strlen(text) + 1);
	return at;
}

static uint32_t type(struct made *m, const char *text, uint32_t info, uint32_t size_or_type)
{
	struct btf_type t = { .name_off = name(m, text), .info = info, .size = size_or_type };

	buf_mem(&m->types, &t, sizeof(t));
	return ++m->count;
}

static void member(struct made *m, const char *text, uint32_t of, uint32_t bit)
{
	struct btf_member member = { .name_off = name(m, text), .type = of, .offset = bit };

	buf_mem(&m->types, &member, sizeof(member));
}

static const struct btf_header *finish(struct made *m)
{
	struct btf_header h = { .magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof(h),
				.type_len = (uint32_t)m->types.len,
				.str_off = (uint32_t)m->types.len,
				.str_len = (uint32_t)m->names.len };

	buf_mem(&m->all, &h, sizeof(h));
	buf_mem(&m->all, m->types.data, m->types.len);
	buf_mem(&m->all, m->names.data, m->names.len);
	return (const struct btf_header *)m->all.data;
}

static void release(struct made *m)
{
	buf_free(&m->types);
	buf_free(&m->names);
	buf_free(&m->all);
}

/* The `nth` of this kind and name, or NULL. */
static const struct btf_type *find(const struct btf_index *index, uint32_t kind, const char *text,
				   int nth)
{
	for (uint32_t id = 1; id < index->count; id++) {
		const struct btf_type *t = btf_index_type(index, id);

		if (BTF_INFO_KIND(t->info) == kind &&
		    strcmp(btf_index_name(index, t->name_off), text) == 0 && !nth--)
			return t;
	}
	return NULL;
}

static const struct btf_member *members(const struct btf_type *t)
{
	return (const struct btf_member *)(t + 1);
}

/* Types 1 to 17: what a struct of a kernel may hold. */
static void make_kernel(struct made *m)
{
	const uint32_t bits = 32;
	struct btf_array array = { .type = 1, .index_type = 1, .nelems = 3 };
	struct btf_param params[] = { { 0, 0 }, { 0, 6 } };
	struct btf_enum constant = { .val = 7 };

	type(m, "int", INFO(BTF_KIND_INT, 0), 4);
	buf_mem(&m->types, &bits, sizeof(bits));
	type(m, "inner", INFO(BTF_KIND_STRUCT, 1), 4);
	member(m, "a", 1, 0);
	type(m, "far", INFO(BTF_KIND_STRUCT, 1), 4);
	member(m, "b", 1, 0);
	type(m, "", INFO(BTF_KIND_ARRAY, 0), 0); /* 4 */
	buf_mem(&m->types, &array, sizeof(array));
	type(m, "", INFO(BTF_KIND_CONST, 0), 3);
	type(m, "", INFO(BTF_KIND_PTR, 0), 5); /* 6: const struct far * */
	type(m, "inner_t", INFO(BTF_KIND_TYPEDEF, 0), 2);
	type(m, "outer", INFO(BTF_KIND_STRUCT, 4) | 1U << 31, 40); /* 8, with bit fields */
	member(m, "in", 7, 0);
	member(m, "p", 6, 64);
	member(m, "bit", 1, 1U << 24 | 131);
	member(m, "list", 4, 160);
	type(m, "unrelated", INFO(BTF_KIND_STRUCT, 1), 8);
	member(m, "p", 6, 0);
	type(m, "outer", INFO(BTF_KIND_STRUCT, 1), 4); /* 10: another of that name */
	member(m, "other", 1, 0);
	type(m, "", INFO(BTF_KIND_FUNC_PROTO, 2), 1); /* 11 */
	buf_mem(&m->types, params, sizeof(params));
	type(m, "", INFO(BTF_KIND_PTR, 0), 11);
	type(m, "callback", INFO(BTF_KIND_TYPEDEF, 0), 12); /* 13 */
	type(m, "reason", INFO(BTF_KIND_ENUM, 1), 4);
	constant.name_off = name(m, "REASON_SEVEN");
	buf_mem(&m->types, &constant, sizeof(constant));
	type(m, "function", INFO(BTF_KIND_FUNC, 0), 11);
	type(m, "outer", INFO(BTF_KIND_FUNC, 0), 11); /* no type, though of that name */
	type(m, "outer", INFO(BTF_KIND_FWD, 0), 0);
}

static void pick_from(struct made *m, const char *const *names, size_t count, struct buf *out,
		      struct btf_index *picked)
{
	const struct btf_header *h = finish(m);
	struct btf_index index;

	assert_int_equal(btf_index_make(&index, h, m->all.len), 0);
	assert_int_equal(index.count, m->count + 1);
	assert_int_equal(btf_pick(&index, names, count, out), 0);
	btf_index_free(&index);
	assert_int_equal(btf_index_make(picked, out->data, out->len), 0);
}

static void test_struct(void **state)
{
	static const char *const names[] = { "outer" };
	const struct btf_type *outer, *t;
	struct btf_index picked;
	struct made m = {};
	struct buf out = {};

	(void)state;
	make_kernel(&m);
	pick_from(&m, names, 1, &out, &picked);
	outer = find(&picked, BTF_KIND_STRUCT, "outer", 0);
	assert_non_null(outer);
	assert_int_equal(outer->size, 40);
	assert_int_equal(outer->info, INFO(BTF_KIND_STRUCT, 4) | 1U << 31);
	assert_string_equal(btf_index_name(&picked, members(outer)[2].name_off), "bit");
	assert_int_equal(members(outer)[2].offset, 1U << 24 | 131);
	assert_non_null(find(&picked, BTF_KIND_STRUCT, "outer", 1)); /* libbpf asks for all of them */
	assert_null(find(&picked, BTF_KIND_STRUCT, "outer", 2));

	t = btf_index_type(&picked, members(outer)[0].type); /* what is inside of it comes along */
	assert_string_equal(btf_index_name(&picked, t->name_off), "inner_t");
	t = btf_index_type(&picked, t->type);
	assert_string_equal(btf_index_name(&picked, t->name_off), "inner");
	assert_string_equal(btf_index_name(&picked, members(t)[0].name_off), "a");
	t = btf_index_type(&picked, members(outer)[3].type);
	assert_int_equal(BTF_INFO_KIND(t->info), BTF_KIND_ARRAY);
	assert_int_equal(((const struct btf_array *)(t + 1))->nelems, 3);

	t = btf_index_type(&picked, members(outer)[1].type); /* what is behind a pointer does not */
	assert_int_equal(BTF_INFO_KIND(t->info), BTF_KIND_PTR);
	t = btf_index_type(&picked, t->type);
	assert_int_equal(t->info, INFO(BTF_KIND_STRUCT, 0));
	assert_string_equal(btf_index_name(&picked, t->name_off), "");
	assert_null(find(&picked, BTF_KIND_STRUCT, "far", 0));
	assert_null(find(&picked, BTF_KIND_STRUCT, "unrelated", 0));
	assert_null(find(&picked, BTF_KIND_FUNC, "outer", 0));
	btf_index_free(&picked);
	buf_free(&out);
	release(&m);
}

static void test_function_and_enum(void **state)
{
	static const char *const names[] = { "absent", "callback", "reason" };
	const struct btf_param *params;
	const struct btf_type *t;
	struct btf_index picked;
	struct made m = {};
	struct buf out = {};

	(void)state;
	make_kernel(&m);
	pick_from(&m, names, 3, &out, &picked);
	t = find(&picked, BTF_KIND_TYPEDEF, "callback", 0);
	assert_non_null(t);
	t = btf_index_type(&picked, btf_index_type(&picked, t->type)->type);
	assert_int_equal(t->info, INFO(BTF_KIND_FUNC_PROTO, 2));
	params = (const struct btf_param *)(t + 1);
	assert_int_equal(params[0].type, 0); /* void */
	t = btf_index_type(&picked, btf_index_type(&picked, params[1].type)->type);
	assert_int_equal(BTF_INFO_KIND(t->info), BTF_KIND_STRUCT);
	t = find(&picked, BTF_KIND_ENUM, "reason", 0);
	assert_non_null(t);
	assert_string_equal(btf_index_name(&picked, ((const struct btf_enum *)(t + 1))->name_off),
			    "REASON_SEVEN");
	assert_int_equal(((const struct btf_enum *)(t + 1))->val, 7);
	btf_index_free(&picked);
	buf_free(&out);
	release(&m);
}

static int make(const struct btf_header *h, const struct made *m, size_t size)
{
	struct btf_index index;
	char *copy = malloc(size ? size : 1); /* of that size, for the sanitizer */
	int err;

	assert_non_null(copy);
	memcpy(copy, m->all.data, size);
	memcpy(copy, h, size < sizeof(*h) ? size : sizeof(*h));
	err = btf_index_make(&index, copy, size);
	if (!err)
		btf_index_free(&index);
	free(copy);
	return err;
}

static void test_refused(void **state)
{
	const struct btf_header *h;
	struct btf_header changed;
	struct made m = {};

	(void)state;
	make_kernel(&m);
	h = finish(&m);
	assert_int_equal(make(h, &m, m.all.len), 0);
	for (size_t size = 0; size < m.all.len; size++)
		assert_int_equal(make(h, &m, size), -EINVAL);
	changed = *h;
	changed.magic = 0x9feb; /* of the other byte order */
	assert_int_equal(make(&changed, &m, m.all.len), -EINVAL);
	changed = *h;
	changed.type_len -= 4;
	assert_int_equal(make(&changed, &m, m.all.len), -EINVAL);
	changed = *h;
	changed.str_len--; /* the last name does not end */
	assert_int_equal(make(&changed, &m, m.all.len), -EINVAL);
	changed = *h;
	changed.type_off = UINT32_MAX - 3;
	assert_int_equal(make(&changed, &m, m.all.len), -EINVAL);
	release(&m);

	type(&m, "", INFO(BTF_KIND_ENUM64 + 1, 0), 0); /* nobody knows yet how long it is */
	m.count = 0;
	name(&m, "");
	h = finish(&m);
	assert_int_equal(make(h, &m, m.all.len), -EINVAL);
	release(&m);
}

static uint32_t without_modifiers(const struct btf_index *index, uint32_t id)
{
	const struct btf_type *t;

	while ((t = btf_index_type(index, id)) &&
	       (BTF_INFO_KIND(t->info) == BTF_KIND_TYPEDEF || BTF_INFO_KIND(t->info) == BTF_KIND_CONST ||
		BTF_INFO_KIND(t->info) == BTF_KIND_VOLATILE ||
		BTF_INFO_KIND(t->info) == BTF_KIND_TYPE_TAG))
		id = t->type;
	return id;
}

/* The same members, in the same places, of the same size, all the way down. */
static void assert_same(const struct btf_index *one, uint32_t a, const struct btf_index *other,
			uint32_t b)
{
	const struct btf_type *s, *t;
	uint32_t kind;

	a = without_modifiers(one, a);
	b = without_modifiers(other, b);
	assert_int_equal(!a, !b);
	if (!a)
		return;
	s = btf_index_type(one, a);
	t = btf_index_type(other, b);
	assert_int_equal(s->info, t->info);
	assert_string_equal(btf_index_name(one, s->name_off), btf_index_name(other, t->name_off));
	kind = BTF_INFO_KIND(s->info);
	if (kind == BTF_KIND_PTR)
		return;
	if (kind == BTF_KIND_ARRAY) {
		const struct btf_array *x = (const struct btf_array *)(s + 1);
		const struct btf_array *y = (const struct btf_array *)(t + 1);

		assert_int_equal(x->nelems, y->nelems);
		assert_same(one, x->type, other, y->type);
		return;
	}
	assert_int_equal(s->size, t->size);
	if (kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION)
		return;
	for (uint32_t i = 0; i < BTF_INFO_VLEN(s->info); i++) {
		const struct btf_member *x = members(s) + i, *y = members(t) + i;

		assert_string_equal(btf_index_name(one, x->name_off),
				    btf_index_name(other, y->name_off));
		assert_int_equal(x->offset, y->offset);
		assert_same(one, x->type, other, y->type);
	}
}

static uint32_t find_struct(const struct btf_index *index, const char *text)
{
	for (uint32_t id = 1; id < index->count; id++) {
		const struct btf_type *t = btf_index_type(index, id);

		if (BTF_INFO_KIND(t->info) == BTF_KIND_STRUCT &&
		    strcmp(btf_index_name(index, t->name_off), text) == 0)
			return id;
	}
	return 0;
}

static void test_running_kernel(void **state)
{
	static const char *const names[] = { "net", "sk_buff", "tcp_sock" };
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	struct btf_index index, picked;
	struct buf data = {}, out = {};
	ssize_t n;

	(void)state;
	if (fd < 0)
		skip(); /* this kernel shows no BTF */
	while (buf_reserve(&data, 65536) && (n = read(fd, data.data + data.len, 65536)) > 0)
		data.len += (size_t)n;
	close(fd);
	assert_int_equal(btf_index_make(&index, data.data, data.len), 0);
	assert_int_equal(btf_pick(&index, names, 3, &out), 0);
	assert_int_equal(btf_index_make(&picked, out.data, out.len), 0);
	assert_true(picked.count < index.count / 10);
	for (size_t i = 0; i < 3; i++) {
		uint32_t id = find_struct(&index, names[i]);

		assert_int_not_equal(id, 0);
		assert_same(&index, id, &picked, find_struct(&picked, names[i]));
	}
	btf_index_free(&picked);
	btf_index_free(&index);
	buf_free(&data);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_struct),
		cmocka_unit_test(test_function_and_enum),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_running_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
