// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/doctor/model.h"

#include <stdio.h>
#include <string.h>

const char *const doctor_about_names[DOCTOR_ABOUTS] = {
	[DOCTOR_KERNEL] = "kernel",   [DOCTOR_PRIVILEGE] = "privilege", [DOCTOR_MOUNT] = "mount",
	[DOCTOR_SYSCTL] = "sysctl",   [DOCTOR_LISTENER] = "listener",
};

const char *const doctor_verdict_names[DOCTOR_VERDICTS] = {
	[DOCTOR_OK] = "ok",		[DOCTOR_NOTE] = "note",	      [DOCTOR_WARN] = "warn",
	[DOCTOR_MISSING] = "missing",	[DOCTOR_UNKNOWN] = "unknown",
};

/* They are older than BTF: where one is refused, something else forbids it. */
#define TRACEPOINT \
	"CAP_BPF and CAP_PERFMON, or root; every kernel with CONFIG_DEBUG_INFO_BTF=y has this tracepoint"

/* How to get what a kernel does not grant. Where it refuses, rights may be what is missing. */
static const struct {
	const char *capability, *remedy;
} remedies[] = {
	{ "inet_sock_set_state", "Linux 5.10 or later with CONFIG_DEBUG_INFO_BTF=y, and CAP_BPF and "
				 "CAP_PERFMON, or root" },
	{ "tcp_retransmit_synack", "Linux 5.10 or later with CONFIG_DEBUG_INFO_BTF=y" },
	{ "tcp_retransmit_skb", TRACEPOINT },
	{ "no_preemption", "nothing has to be done; tracefs must be readable (see mounts)" },
	{ "nested_events", "Linux 5.12 or later, and fetch_atomics" },
	{ "listener_iterator", "Linux 5.15 or later" },
	{ "queue_look", "CAP_BPF and CAP_PERFMON, or root, and a kernel that lets BPF_PROG_TEST_RUN run a "
			"raw tracepoint's program: 5.10 or later" },
	{ "kfree_skb", "a kernel that gives a reason for each packet it drops: 5.17 or later, or 5.15.y" },
	{ "overflow_reason", "Linux 6.15 or later" },
	{ "tcp_send_reset", TRACEPOINT },
	{ "tcp_receive_reset", TRACEPOINT },
	{ "neigh_timer_handler", TRACEPOINT },
	{ "connection_ends", TRACEPOINT },
	{ "fetch_atomics", "Linux 5.12 or later" },
	{ "function_hooks", "a kernel with BPF trampolines, as distributions build it: "
			    "CONFIG_FUNCTION_TRACER and CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS" },
	{ "ack_hooks", "as function_hooks" },
	{ "reset_hooks", "as function_hooks" },
	{ "request_function", "as function_hooks" },
	{ "accept_function", "as function_hooks" },
	{ "accept_syscall", "x86-64 or arm64; elsewhere tracefs (see mounts) and a kernel with "
			    "CONFIG_FTRACE_SYSCALLS" },
	{ "connect_function", "as function_hooks" },
	{ "connect_syscall", "as accept_syscall" },
};

static const char *remedy_of(const char *capability)
{
	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (strcmp(remedies[i].capability, capability) == 0)
			return remedies[i].remedy;
	return "";
}

struct doctor_finding *doctor_add(struct doctor *d, enum doctor_about about, const char *name,
				  enum doctor_verdict verdict)
{
	static struct doctor_finding nowhere;
	struct doctor_finding f = { .about = about, .verdict = verdict };
	size_t at = d->findings.len;

	snprintf(f.name, sizeof(f.name), "%s", name);
	buf_mem(&d->findings, &f, sizeof(f));
	return d->findings.failed ? &nowhere : (void *)(d->findings.data + at);
}

size_t doctor_count(const struct doctor *d)
{
	return d->findings.len / sizeof(struct doctor_finding);
}

const struct doctor_finding *doctor_at(const struct doctor *d, size_t i)
{
	return (const void *)(d->findings.data + i * sizeof(struct doctor_finding));
}

void doctor_free(struct doctor *d)
{
	buf_free(&d->findings);
}

static const char *string_of(const cJSON *object, const char *key)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return s ? s : "";
}

void doctor_take_probe(struct doctor *d, const cJSON *probe)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(probe, "capabilities"))
	{
		bool ok = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "ok"));
		struct doctor_finding *f = doctor_add(d, DOCTOR_KERNEL, item->string,
						      ok ? DOCTOR_OK : DOCTOR_MISSING);

		snprintf(f->detail, sizeof(f->detail), "%s", string_of(item, "needed_for"));
		if (ok)
			continue;
		f->required = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "required"));
		snprintf(f->value, sizeof(f->value), "%s", string_of(item, "error"));
		if (*string_of(item, "without"))
			snprintf(f->detail + strlen(f->detail), sizeof(f->detail) - strlen(f->detail),
				 "; without it: %s", string_of(item, "without"));
		snprintf(f->advice, sizeof(f->advice), "%s", remedy_of(item->string));
	}
}
