// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/enums.h"

#include <ctype.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "common/drop_reason.h"

#define DROP_REASONS "skb_drop_reason"
#define RESET_REASONS "sk_rst_reason"
#define DROP_REASON "SKB_DROP_REASON_"
#define RESET_REASON "SK_RST_REASON_"

static const char *const names[KERNEL_NAMES] = {
	[KERNEL_LISTEN_OVERFLOWS] = "LINUX_MIB_LISTENOVERFLOWS",
	[KERNEL_LISTEN_DROPS] = "LINUX_MIB_LISTENDROPS",
	[KERNEL_REQQ_FULL_DROP] = "LINUX_MIB_TCPREQQFULLDROP",
	[KERNEL_NO_SOCKET] = "SKB_DROP_REASON_NO_SOCKET",
	[KERNEL_OVERFLOW_REASON] = "SKB_DROP_REASON_TCP_LISTEN_OVERFLOW",
	[KERNEL_OUT_RSTS] = "TCP_MIB_OUTRSTS",
	[KERNEL_OUT_NO_ROUTES] = "IPSTATS_MIB_OUTNOROUTES",
};

/* Most differ in their first letter. */
static bool same(const char *a, const char *b)
{
	return *a == *b && strcmp(a, b) == 0;
}

/* May it be the enum of one of them? Those of the counters have no name, but many another has none. */
static bool has_names(const struct btf_index *btf, const struct btf_type *type, const char *name)
{
	const struct btf_enum *member = (const struct btf_enum *)(type + 1);

	if (*name)
		return same(name, DROP_REASONS);
	return BTF_INFO_VLEN(type->info) && strstr(btf_index_name(btf, member->name_off), "_MIB_");
}

static void take_names(struct kernel_enums *enums, const struct btf_index *btf,
		       const struct btf_type *type)
{
	const struct btf_enum *member = (const struct btf_enum *)(type + 1);

	for (uint32_t i = 0; i < BTF_INFO_VLEN(type->info); i++) {
		const char *name = btf_index_name(btf, member[i].name_off);

		for (int n = 0; n < KERNEL_NAMES; n++)
			if (same(name, names[n]))
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
static void take_reset_reasons(struct kernel_enums *enums, const struct btf_index *btf,
			       const struct btf_type *type)
{
	const struct btf_enum *member = (const struct btf_enum *)(type + 1);
	uint32_t members = BTF_INFO_VLEN(type->info);

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
				lower_reason(btf_index_name(btf, member[i].name_off));
	}
}

/* Which numbers the reasons have that common/drop_reason.h knows. */
static void take_drop_reasons(struct kernel_enums *enums, const struct btf_index *btf, const struct btf_type *type)
{
	const struct btf_enum *member = (const struct btf_enum *)(type + 1);
	char lower[64];

	for (uint32_t i = 0; i < BTF_INFO_VLEN(type->info); i++) {
		const char *name = btf_index_name(btf, member[i].name_off);
		size_t len = 0;

		if ((uint32_t)member[i].val >= KERNEL_REASONS_MAX || strncmp(name, DROP_REASON, strlen(DROP_REASON)))
			continue;
		for (name += strlen(DROP_REASON); name[len] && len + 1 < sizeof(lower); len++)
			lower[len] = (char)tolower((unsigned char)name[len]);
		lower[len] = '\0';
		enums->drop_reasons[member[i].val] = (uint8_t)drop_reason_of(lower);
	}
}

static void take_struct(struct kernel_enums *enums, const char *name, uint32_t id)
{
	if (same(name, "sock"))
		enums->sock = id;
	else if (same(name, "tcp_sock"))
		enums->tcp_sock = id;
	else if (same(name, "bpf_mem_alloc")) /* 6.1, with what lets such programs use other maps */
		enums->preallocates = false;
}

/* A tracepoint has a typedef of this name, an iterator and a function a function. */
static const char *const targets[KERNEL_TARGETS] = {
	[TARGET_SET_STATE] = "btf_trace_inet_sock_set_state",
	[TARGET_RETRANSMIT_SYNACK] = "btf_trace_tcp_retransmit_synack",
	[TARGET_RETRANSMIT_SKB] = "btf_trace_tcp_retransmit_skb",
	[TARGET_RECEIVE_RESET] = "btf_trace_tcp_receive_reset",
	[TARGET_SYS_EXIT] = "btf_trace_sys_exit",
	[TARGET_TASK_FILE] = "bpf_iter_task_file",
	[TARGET_CONN_REQUEST] = "tcp_conn_request",
	[TARGET_CHECK_REQ] = "tcp_check_req",
	[TARGET_GET_COOKIE_SOCK] = "tcp_get_cookie_sock",
	[TARGET_V4_SEND_RESET] = "tcp_v4_send_reset",
	[TARGET_V6_SEND_RESET] = "tcp_v6_send_reset",
	[TARGET_ACCEPT] = "inet_csk_accept",
	[TARGET_ADD_REQUEST] = "inet_csk_reqsk_queue_hash_add",
	[TARGET_SYS_ENTER] = "btf_trace_sys_enter",
	[TARGET_SECURITY_CONNECT] = "security_socket_connect",
	[TARGET_STREAM_CONNECT] = "inet_stream_connect",
	[TARGET_V4_CONNECT] = "tcp_v4_connect",
	[TARGET_V6_CONNECT] = "tcp_v6_connect",
};

static void take_target(struct kernel_enums *enums, const char *name, uint32_t id)
{
	for (int n = 0; n < KERNEL_TARGETS; n++)
		if (same(name, targets[n]))
			enums->target[n] = id;
}

/* How many arguments a tracepoint has, by its typedef: of a pointer to a function, whose first one is not the event's. */
static uint32_t arguments(const struct btf_index *btf, const struct btf_type *type)
{
	const struct btf_type *function;

	type = btf_index_type(btf, type->type);
	function = type && BTF_INFO_KIND(type->info) == BTF_KIND_PTR ? btf_index_type(btf, type->type) : NULL;
	if (!function || BTF_INFO_KIND(function->info) != BTF_KIND_FUNC_PROTO || !BTF_INFO_VLEN(function->info))
		return 0;
	return BTF_INFO_VLEN(function->info) - 1;
}

static void take_tracepoint(struct kernel_enums *enums, const struct btf_index *btf,
			    const struct btf_type *type, const char *name, uint32_t id)
{
	static const char prefix[] = "btf_trace_";

	if (strncmp(name, prefix, strlen(prefix)))
		return;
	take_target(enums, name, id);
	if (same(name, "btf_trace_tcp_send_reset"))
		enums->send_reset_has_reason = arguments(btf, type) >= 3;
	else if (same(name, "btf_trace_kfree_skb"))
		enums->drop_has_socket = arguments(btf, type) >= 4;
	else if (same(name, "btf_trace_tcp_retransmit_skb"))
		enums->retransmit_has_error = arguments(btf, type) >= 3;
}

uint32_t kernel_attach_target(const struct kernel_enums *enums, int attach, const char *name)
{
	const char *prefix = attach == BPF_TRACE_RAW_TP ? "btf_trace_" :
			     attach == BPF_TRACE_ITER	? "bpf_iter_" :
							  "";

	for (int n = 0; n < KERNEL_TARGETS; n++)
		if (strncmp(targets[n], prefix, strlen(prefix)) == 0 &&
		    strcmp(targets[n] + strlen(prefix), name) == 0)
			return enums->target[n];
	return 0;
}

void kernel_enums_read(struct kernel_enums *enums, const struct btf_index *btf)
{
	memset(enums, 0, sizeof(*enums));
	enums->preallocates = true;
	for (uint32_t id = 1; id < btf->count; id++) {
		const struct btf_type *type = btf_index_type(btf, id);
		const char *name = btf_index_name(btf, type->name_off);

		switch (BTF_INFO_KIND(type->info)) {
		case BTF_KIND_ENUM:
			if (same(name, RESET_REASONS))
				take_reset_reasons(enums, btf, type);
			else if (has_names(btf, type, name))
				take_names(enums, btf, type);
			if (same(name, DROP_REASONS))
				take_drop_reasons(enums, btf, type);
			break;
		case BTF_KIND_STRUCT:
			take_struct(enums, name, id);
			break;
		case BTF_KIND_TYPEDEF:
			take_tracepoint(enums, btf, type, name, id);
			break;
		case BTF_KIND_FUNC:
			take_target(enums, name, id);
		}
	}
}

void kernel_enums_free(struct kernel_enums *enums)
{
	for (uint32_t i = 0; i < enums->reset_reasons; i++)
		free(enums->reset_reason[i]);
	free(enums->reset_reason);
	enums->reset_reason = NULL;
	enums->reset_reasons = 0;
}
