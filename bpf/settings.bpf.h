/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the daemon may change while programs run: one map, which all objects share. */
#ifndef TCPSHAKE_SETTINGS_BPF_H
#define TCPSHAKE_SETTINGS_BPF_H

#include "compat.bpf.h"
#include "event.h"
#include "settings.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps") __weak;

/* Never NULL in fact, but the verifier wants to see it asked. */
static __always_inline const struct settings *settings_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline bool acks_by_function(void)
{
	const struct settings *s = settings_now();

	return s && s->acks_by_function;
}

static __always_inline bool acks_by_drop(void)
{
	const struct settings *s = settings_now();

	return s && s->acks_by_drop;
}

static __always_inline bool closes_taken_over(void)
{
	const struct settings *s = settings_now();

	return s && s->closes_taken_over;
}

static __always_inline __u8 accept_by(void)
{
	const struct settings *s = settings_now();

	return s ? s->accept_by : CALL_UNSEEN;
}

static __always_inline __u8 connect_by(void)
{
	const struct settings *s = settings_now();

	return s ? s->connect_by : CALL_UNSEEN;
}

static __always_inline bool resets_by_function(void)
{
	const struct settings *s = settings_now();

	return s && s->resets_by_function;
}

#endif
