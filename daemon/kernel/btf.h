/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The running kernel's BTF, read once for all that is asked of it at start. */
#ifndef TCPSHAKE_KERNEL_BTF_H
#define TCPSHAKE_KERNEL_BTF_H

#include <stdbool.h>

#include "daemon/kernel/btf_index.h"

struct kernel_btf {
	void *data;
	size_t size;
	bool mapped;
	struct btf_index index;
};

/* 0 or a negative errno; nothing is to be closed then. */
int kernel_btf_open(struct kernel_btf *k);
void kernel_btf_close(struct kernel_btf *k);

#define CORE_PATH_LEN 32

/*
 * A file, in memory, with the types that the programs' relocations need, for libbpf to open by its
 * path as long as its descriptor, which is returned, is open. Or a negative errno.
 */
int kernel_btf_core(const struct kernel_btf *k, char *path);

#endif
