// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel_enums.h"

#include <bpf/btf.h>
#include <errno.h>
#include <string.h>

static const char *const names[KERNEL_NAMES] = {
	[KERNEL_LISTEN_OVERFLOWS] = "LINUX_MIB_LISTENOVERFLOWS",
	[KERNEL_LISTEN_DROPS] = "LINUX_MIB_LISTENDROPS",
	[KERNEL_REQQ_FULL_DROP] = "LINUX_MIB_TCPREQQFULLDROP",
	[KERNEL_OVERFLOW_REASON] = "SKB_DROP_REASON_TCP_LISTEN_OVERFLOW",
};

static void take_names(struct kernel_enums *enums, const struct btf *btf,
		       const struct btf_type *type)
{
	const struct btf_enum *member = btf_enum(type);

	for (int i = 0; i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, member[i].name_off);

		for (int n = 0; n < KERNEL_NAMES; n++)
			if (strcmp(name, names[n]) == 0)
				enums->number[n] = (struct kernel_number){
					.value = (uint32_t)member[i].val,
					.known = true,
				};
	}
}

int kernel_enums_read(struct kernel_enums *enums)
{
	struct btf *btf = btf__load_vmlinux_btf();
	__u32 count;

	memset(enums, 0, sizeof(*enums));
	if (!btf)
		return -errno;
	count = btf__type_cnt(btf);
	for (__u32 id = 1; id < count; id++) { /* all: that of the counters has no name */
		const struct btf_type *type = btf__type_by_id(btf, id);

		if (btf_is_enum(type))
			take_names(enums, btf, type);
		else if (btf_is_func(type) &&
			 strcmp(btf__name_by_offset(btf, type->name_off), "tcp_conn_request") == 0)
			enums->conn_request = id;
	}
	btf__free(btf);
	return 0;
}
