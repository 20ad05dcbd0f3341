// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel_enums.h"

#include <bpf/btf.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESET_REASONS "sk_rst_reason"
#define RESET_REASON "SK_RST_REASON_"

static const char *const names[KERNEL_NAMES] = {
	[KERNEL_LISTEN_OVERFLOWS] = "LINUX_MIB_LISTENOVERFLOWS",
	[KERNEL_LISTEN_DROPS] = "LINUX_MIB_LISTENDROPS",
	[KERNEL_REQQ_FULL_DROP] = "LINUX_MIB_TCPREQQFULLDROP",
	[KERNEL_OVERFLOW_REASON] = "SKB_DROP_REASON_TCP_LISTEN_OVERFLOW",
	[KERNEL_OUT_RSTS] = "TCP_MIB_OUTRSTS",
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

static char *lower_reason(const char *name)
{
	size_t prefix = strncmp(name, RESET_REASON, strlen(RESET_REASON)) ? 0 : strlen(RESET_REASON);
	char *copy = strdup(name + prefix);

	for (char *p = copy; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

/* Without memory they have no names. */
static void take_reset_reasons(struct kernel_enums *enums, const struct btf *btf,
			       const struct btf_type *type)
{
	const struct btf_enum *member = btf_enum(type);
	uint32_t members = btf_vlen(type);

	if (enums->reset_reason)
		return;
	enums->reset_reason = calloc(members, sizeof(*enums->reset_reason));
	if (!enums->reset_reason)
		return;
	enums->reset_reasons = members;
	for (uint32_t i = 0; i < members; i++) {
		uint32_t value = (uint32_t)member[i].val;

		if (value < members && !enums->reset_reason[value])
			enums->reset_reason[value] =
				lower_reason(btf__name_by_offset(btf, member[i].name_off));
	}
}

static void take_function(struct kernel_enums *enums, const char *name, uint32_t id)
{
	if (strcmp(name, "tcp_conn_request") == 0)
		enums->conn_request = id;
	else if (strcmp(name, "tcp_v4_send_reset") == 0 || strcmp(name, "tcp_v6_send_reset") == 0)
		enums->send_reset++;
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
		const char *name = btf__name_by_offset(btf, type->name_off);

		if (btf_is_enum(type) && strcmp(name, RESET_REASONS) == 0)
			take_reset_reasons(enums, btf, type);
		else if (btf_is_enum(type))
			take_names(enums, btf, type);
		else if (btf_is_func(type))
			take_function(enums, name, id);
	}
	btf__free(btf);
	return 0;
}

void kernel_enums_free(struct kernel_enums *enums)
{
	for (uint32_t i = 0; i < enums->reset_reasons; i++)
		free(enums->reset_reason[i]);
	free(enums->reset_reason);
	enums->reset_reason = NULL;
	enums->reset_reasons = 0;
}
