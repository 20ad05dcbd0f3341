/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From all types of a kernel, those that relocations need. For each type that a program uses, libbpf
 * looks through all there are, a hundred thousand and more: it had spent most of the start there.
 */
#ifndef TCPSHAKE_BTF_PICK_H
#define TCPSHAKE_BTF_PICK_H

#include "common/buf.h"
#include "daemon/kernel/btf_index.h"

/*
 * BTF of the structs, unions, enums and typedefs with one of these names, which are sorted, and of what
 * is inside of them, is appended to `out`. What is behind a pointer keeps its kind only. 0 or a negative errno.
 */
int btf_pick(const struct btf_index *from, const char *const *names, size_t count, struct buf *out);

#endif
