/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way out of the kernel: counters, the stream filter and the ring buffer. Maps and constants are
 * weak, because several objects that are linked into one define them.
 *
 * The reader is not woken for a record but for `wake_bytes` of one CPU; while there is traffic, a timer of its
 * own fetches what lies below. A wake-up a record would cost more than all the rest together. Without traffic it
 * sleeps, and says so: then the first record wakes it.
 */
#ifndef TCPSHAKE_STREAM_BPF_H
#define TCPSHAKE_STREAM_BPF_H

#include "cgroup.bpf.h"
#include "compat.bpf.h"
#include "count.bpf.h"
#include "counters.h"
#include "event.h"
#include "latency.bpf.h"
#include "maps.h"
#include "namespace.bpf.h"
#include "settings.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} events SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ring_reader);
} reader SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1 + 1); /* the second is takeover.bpf.h's */
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, struct remote_key);
	__type(value, __u8);
} filter_remotes SEC(".maps") __weak;

/*
 * What one cause can make many of is limited, so that it does not push out all the rest: stream_filter.most. Evidence
 * that somebody's flood of the kind is not to take away has a limit of its own.
 */
#define LIMIT_EVIDENCE EVENT_KINDS
#define LIMITS (EVENT_KINDS + 1)
#define EVIDENCE_PER_SECOND 20000

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASONS_MAX);
	__type(key, __u32);
	__type(value, struct drop_counts);
} drops SEC(".maps") __weak;

/* Of the kernel's reasons to drop a packet, those that are this host's own deed: 1 and more. */
const volatile __u8 drop_reasons[KERNEL_REASONS_MAX] __weak = {};

/* How much of each was delivered in the running second; about, for several CPUs add to it. */
struct limit {
	__u64 since_ns;
	__u64 used;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMITS);
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps") __weak;

/* --max-rate: a bucket that holds a second's worth of tokens, one for each record. */
struct bucket {
	__u64 filled_ns;
	__s64 tokens;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bucket);
} buckets SEC(".maps") __weak;

/* The share of a CPU in the half of the ring that may fill up until the reader is woken. */
const volatile __u32 wake_bytes __weak = 0;

const volatile __u8 filter_ports[PORT_BITMAP_BYTES] __weak = {};

/*
 * The time by ticks, from some moment on: one reading of the exact clock takes 35 ns, more than most of
 * what is done for an event.
 */
const volatile __u32 tick_ns __weak = 0;

static __always_inline __u64 coarse_ns(void)
{
	return bpf_jiffies64() * tick_ns;
}

static __always_inline struct counters *this_cpu_counters(void)
{
	__u32 which = COUNTS_APART;

	return bpf_map_lookup_elem(&counters, &which);
}

/* A pointer the verifier keeps an eye on, as a number. */
static __always_inline __u64 number_of(void *pointer)
{
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), &pointer);
	return number;
}

/*
 * How far a CPU's copies of per-CPU data are from their pointers. A per-CPU array of ours knows: its
 * element, of which `copy` is that CPU's, is per-CPU data, too. (__per_cpu_offset would need
 * /proc/kallsyms, and 5.10's BTF has no variables.)
 */
static __always_inline __u64 per_cpu_offset(void *map, void *copy)
{
	struct bpf_array *array = (struct bpf_array *)number_of(map);
	__u64 element = 0;

	bpf_core_read(&element, sizeof(element), &array->pptrs);
	return number_of(copy) - element;
}

static __always_inline bool port_wanted(__u16 port)
{
	return filter_ports[port >> 3] & (1 << (port & 7));
}

static __always_inline bool filters_ends(void)
{
	return filter.by_port || filter.by_remote;
}

static __always_inline bool ends_wanted(__u16 local_port, __u16 remote_port,
					const __u8 *remote_addr)
{
	struct remote_key key = { .prefix = 128 };

	if (filter.by_port && !port_wanted(local_port) && !port_wanted(remote_port))
		return false;
	if (!filter.by_remote)
		return true;
	__builtin_memcpy(key.addr, remote_addr, sizeof(key.addr));
	return bpf_map_lookup_elem(&filter_remotes, &key);
}

static __always_inline bool handshake_wanted(const struct event_handshake *e)
{
	if (filter.unwanted & (1 << EVENT_HANDSHAKE))
		return false;
	if (filter.netns && filter.netns != e->header.netns)
		return false;
	if (filter.by_cgroup && e->flags & HANDSHAKE_ELSEWHERE)
		return false;
	if (filter.roles && !(filter.roles & (1 << e->role)))
		return false;
	if (filter.outcomes && !(filter.outcomes & (1 << e->outcome)))
		return false;
	if (filter.slow_ns && (e->latency_ns == NS_UNKNOWN || e->latency_ns < filter.slow_ns))
		return false;
	return ends_wanted(e->local_port, e->remote_port, e->remote_addr);
}

/*
 * The reader says that it sleeps, and then looks once more for what waits; a record is put there before that word
 * is read. So one of the two sees the other. What is put there only to wake it is empty.
 */
static __always_inline void wake_sleeper(void *event)
{
	__u32 zero = 0;
	struct ring_reader *r = bpf_map_lookup_elem(&reader, &zero);

	if (!r || !*(volatile __u32 *)&r->asleep)
		return;
	r->asleep = 0;
	bpf_ringbuf_output(&events, event, 0, BPF_RB_FORCE_WAKEUP);
}

/*
 * Put an event, whose header is filled in, into the ring; count where it went. A listener's is
 * rare, and the reader should know of it before its first connections: it wakes the reader.
 */
static __always_inline void deliver(struct counters *c, void *event, __u32 size, __u32 kind)
{
	__u64 unwoken = c->unwoken + size;
	bool wake = kind == EVENT_LISTENER || unwoken >= wake_bytes;

	c->unwoken = wake ? 0 : unwoken;
	if (bpf_ringbuf_output(&events, event, size, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP))
		count(c->ring_full[kind]);
	wake_sleeper(event);
}

/* Is there room for one more in this second? */
static __always_inline bool take_place(__u32 which, __u32 per_second)
{
	__u32 key = which; /* a variable whose address is taken is not a constant */
	struct limit *limit = bpf_map_lookup_elem(&limits, &key);
	__u64 now = coarse_ns();

	if (!limit)
		return false;
	if (now - limit->since_ns >= 1000000000ULL) {
		limit->since_ns = now;
		limit->used = 0;
	}
	if (limit->used >= per_second)
		return false;
	count(limit->used);
	return true;
}

/*
 * Count one of a kind that is limited, to `per_second` (0: to any number), and that `passes` the filter. True if it is
 * to be delivered: ask before the work of filling it in, since a storm of them should cost little.
 */
static __always_inline bool within(struct counters *c, __u32 kind, __u32 per_second, bool passes)
{
	if (!passes || filter.unwanted & (1 << kind)) {
		count(c->filtered[kind]);
		return false;
	}
	if (!per_second || take_place(kind, per_second))
		return true;
	count(c->limited[kind]);
	return false;
}

static __always_inline bool within_limit(struct counters *c, __u32 kind, bool passes)
{
	return within(c, kind, filter.most[kind], passes);
}

/*
 * True if the rate allows one more. Two CPUs may fill the bucket at once; then it holds what one
 * of them put there, which is right within a few records.
 */
static __always_inline bool take_token(void)
{
	__u32 zero = 0;
	struct bucket *b;
	__u64 now, earned;
	__s64 tokens;

	if (!filter.max_rate)
		return true;
	b = bpf_map_lookup_elem(&buckets, &zero);
	if (!b)
		return true;
	now = bpf_ktime_get_ns();
	earned = now - b->filled_ns;
	if (earned > 1000000000ULL)
		earned = 1000000000ULL;
	earned = earned * filter.max_rate / 1000000000ULL;
	if (earned) {
		tokens = b->tokens + (__s64)earned;
		b->filled_ns = now;
		b->tokens = tokens > filter.max_rate ? filter.max_rate : tokens;
	}
	if (b->tokens <= 0)
		return false;
	__sync_fetch_and_add(&b->tokens, -1);
	return true;
}

/* `per_second`: for those that a loop around a call can make any number of; 0: no limit of its own. */
static __always_inline void emit_handshake_within(struct event_handshake *e, __u32 per_second)
{
	struct counters *c = this_cpu_counters();

	if (!c || e->role >= ROLES || e->outcome >= OUTCOMES)
		return;
	if (e->outcome == OUTCOME_ESTABLISHED) /* only ever reported by state changes */
		count_alone(c->handshakes[e->role][OUTCOME_ESTABLISHED]);
	else
		count(c->handshakes[e->role][e->outcome]);
	latency_record(e);
	if (!handshake_wanted(e))
		count(c->filtered[EVENT_HANDSHAKE]);
	else if (per_second && !take_place(EVENT_HANDSHAKE, per_second))
		count(c->connects_limited);
	else if (!take_token())
		count(c->limited[EVENT_HANDSHAKE]);
	else
		deliver(c, e, sizeof(*e), EVENT_HANDSHAKE);
}

static __always_inline void emit_handshake(struct event_handshake *e)
{
	emit_handshake_within(e, 0);
}

#endif
