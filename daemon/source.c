// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "accept.skel.h"
#include "expire.h"
#include "functions.h"
#include "tcpshake.skel.h"

enum {
	CAP_STATE,
	CAP_RETRANSMIT,
	CAP_ITERATOR,
	CAP_QUEUES,
	CAP_KFREE,
	CAP_RESET_SENT,
	CAP_RESET_RECEIVED,
	CAP_RETRANSMIT_SYN,
	CAP_NEIGHBOUR,
	CAP_REASON,
	CAP_ATOMICS,
	CAP_FUNCTIONS,
	CAP_ACCEPT_FUNCTION,
	CAP_ACCEPT_SYSCALL,
	CAPABILITIES,
};

struct source {
	struct source_handler handler;
	struct tcpshake_bpf *bpf;
	struct accept_bpf *accept; /* NULL unless accept() is seen */
	struct functions *functions; /* NULL unless functions can be hooked */
	bool attached;
	enum accept_wait accept_wait;
	struct ring_buffer *ring;
	struct bpf_link *queues; /* the iterator over the table of listeners */
	struct counters *per_cpu;
	int cpus;
	uint32_t untold;
	struct capability capabilities[CAPABILITIES];
};

/* The daemon says itself what failed and what to do; libbpf's words are for -v. */
static int libbpf_message(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text, *line, *rest;

	(void)level;
	if (!log_wants(LOG_LEVEL_DEBUG) || vasprintf(&text, format, args) < 0)
		return 0;
	rest = text;
	while ((line = strsep(&rest, "\n"))) /* a verifier log comes as one message */
		if (*line)
			log_debug("%s", line);
	free(text);
	return 0;
}

struct source *source_new(const struct source_handler *handler)
{
	static const struct capability all[CAPABILITIES] = {
		[CAP_STATE] = { "inet_sock_set_state", "every handshake", "tcpshaked does not run",
				true, -ENOSYS },
		[CAP_RETRANSMIT] = { "tcp_retransmit_synack",
				     "the latency of retransmitted passive handshakes",
				     "tcpshaked does not run", true, -ENOSYS },
		[CAP_ITERATOR] = { "listener_iterator",
				   "owners of listeners that were there before the daemon",
				   "process is null for them", false, -ENOSYS },
		[CAP_QUEUES] = { "queue_iterator", "the depth of the queues, refused SYNs",
				 "no listener samples, no refused SYN without function_hooks",
				 false, -ENOSYS },
		[CAP_KFREE] = { "kfree_skb", "each refused final ACK with its client, at once",
				"told when its SYN-ACK goes out again, or by function_hooks", false, -ENOSYS },
		[CAP_REASON] = { "overflow_reason", "the stage of a refusal, by kfree_skb (6.15)",
				 "function_hooks tell it; else a refusal by the accept queue is probable",
				 false, -ENOSYS },
		[CAP_RESET_SENT] = { "tcp_send_reset", "RSTs sent", "no such reset records", false,
				     -ENOSYS },
		[CAP_RESET_RECEIVED] = { "tcp_receive_reset", "RSTs received",
					 "no such reset records; a refusal is taken for ICMP's", false,
					 -ENOSYS },
		[CAP_RETRANSMIT_SYN] = { "tcp_retransmit_skb", "when SYNs went out again",
					 "tcpshaked does not run", true, -ENOSYS },
		[CAP_NEIGHBOUR] = { "neigh_timer_handler",
				    "to tell a silent next hop from a router's ICMP message",
				    "cause icmp_unreachable for both", false, -ENOSYS },
		[CAP_ATOMICS] = { "fetch_atomics", "the cheaper table of attempts",
				  "a hash table keeps them", false, -ENOSYS },
		[CAP_FUNCTIONS] = { "function_hooks",
				    "each refused SYN with its client, at once; without overflow_reason, "
				    "each refused final ACK",
				    "SYNs are counted by listener at the next look, without the client; "
				    "final ACKs as overflow_reason says", false, -ENOSYS },
		[CAP_ACCEPT_FUNCTION] = { "accept_function", "how long connections wait for accept()",
					  "--accept-wait=syscall can tell it", false, -ENOSYS },
		[CAP_ACCEPT_SYSCALL] = { "accept_syscall",
					 "the same, without function hooks or io_uring",
					 "accept_function can tell it", false, -ENOSYS },
	};
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	libbpf_set_print(libbpf_message);
	s->handler = *handler;
	memcpy(s->capabilities, all, sizeof(all));
	s->cpus = libbpf_num_possible_cpus();
	s->per_cpu = s->cpus > 0 ? calloc((size_t)s->cpus, sizeof(*s->per_cpu)) : NULL;
	if (!s->per_cpu) {
		free(s);
		return NULL;
	}
	return s;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	ring_buffer__free(s->ring);
	bpf_link__destroy(s->queues);
	functions_free(s->functions);
	accept_bpf__destroy(s->accept);
	tcpshake_bpf__destroy(s->bpf);
	free(s->per_cpu);
	free(s);
}

/* Do atomics return values (5.12)? Asked of the verifier with the smallest program that does. */
static int probe_fetch_atomics(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .src_reg = BPF_REG_0,
		  .off = -8 },
		{ .code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = BPF_REG_10,
		  .src_reg = BPF_REG_0, .off = -8, .imm = BPF_CMPXCHG },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "probe", "GPL", program,
			       sizeof(program) / sizeof(*program), NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int load_remote(const struct source *s, const struct filter *filter)
{
	struct remote_key key = { .prefix = filter->remote_prefix };
	uint8_t value = 1;

	memcpy(key.addr, filter->remote, sizeof(key.addr));
	return bpf_map__update_elem(s->bpf->maps.filter_remotes, &key, sizeof(key), &value,
				    sizeof(value), BPF_ANY);
}

static int on_event(void *ctx, void *data, size_t size)
{
	const struct event_header *h = data;
	struct source *s = ctx;

	if (size < sizeof(*h))
		return 0;
	if (h->kind == EVENT_HANDSHAKE && size >= sizeof(struct event_handshake))
		s->handler.handshake(s->handler.ctx, data);
	else if (h->kind == EVENT_LISTENER && size >= sizeof(struct event_listener))
		s->handler.listener(s->handler.ctx, data);
	else if (h->kind == EVENT_OVERFLOW && size >= sizeof(struct event_overflow))
		s->handler.overflow(s->handler.ctx, data);
	else if (h->kind == EVENT_ACCEPT && size >= sizeof(struct event_accept))
		s->handler.accept(s->handler.ctx, data);
	else if (h->kind == EVENT_RESET && size >= sizeof(struct event_reset))
		s->handler.reset(s->handler.ctx, data);
	else if (h->kind == EVENT_RETRANSMIT && size >= sizeof(struct event_retransmit))
		s->handler.retransmit(s->handler.ctx, data);
	return 0;
}

/*
 * Programs the kernel may refuse to attach: for it has no such tracepoint, or one with fewer
 * arguments (EINVAL). `instead`: attached where the one before it was refused.
 */
static const struct optional {
	size_t program, link; /* offsets in the skeleton */
	int capability;
	bool instead;
} optionals[] = {
#define OPTIONAL(name) \
	offsetof(struct tcpshake_bpf, progs.name), offsetof(struct tcpshake_bpf, links.name)
	{ OPTIONAL(skb_dropped), CAP_KFREE, false },
	{ OPTIONAL(skb_dropped_reason), CAP_KFREE, true },
	{ OPTIONAL(send_reset), CAP_RESET_SENT, false },
	{ OPTIONAL(receive_reset), CAP_RESET_RECEIVED, false },
	{ OPTIONAL(neighbour_handled), CAP_NEIGHBOUR, false },
#undef OPTIONAL
};
#define OPTIONALS (sizeof(optionals) / sizeof(*optionals))

static struct bpf_program **optional_program(const struct source *s, size_t i)
{
	return (struct bpf_program **)((char *)s->bpf + optionals[i].program);
}

/* Open and load all programs but those the kernel is known to refuse. */
static int load_programs(struct source *s, const struct filter *filter)
{
	bool slots = !s->capabilities[CAP_ATOMICS].error;
	struct tcpshake_bpf *bpf = tcpshake_bpf__open();

	if (!bpf)
		return -errno;
	s->bpf = bpf;
	bpf_program__set_autoload(bpf->progs.state_slots, slots);
	bpf_program__set_autoload(bpf->progs.state_hash, !slots);
	bpf_program__set_autoload(bpf->progs.listener_files, !s->capabilities[CAP_ITERATOR].error);
	bpf_program__set_autoload(bpf->progs.listener_queues, !s->capabilities[CAP_QUEUES].error);
	bpf_program__set_autoload(bpf->progs.skb_dropped, !s->capabilities[CAP_KFREE].error);
	bpf_program__set_autoattach(bpf->progs.listener_files, false); /* a link for each scan */
	bpf_program__set_autoattach(bpf->progs.listener_queues, false);
	bpf_program__set_autoattach(bpf->progs.untold, false);
	bpf_program__set_autoload(bpf->progs.skb_dropped_reason, !s->capabilities[CAP_KFREE].error);
	for (size_t i = 0; i < OPTIONALS; i++)
		bpf_program__set_autoattach(*optional_program(s, i), false);
	if (!slots)
		bpf_map__set_max_entries(bpf->maps.attempt_slots, 1);
	memcpy((void *)&bpf->rodata->filter, &filter->stream, sizeof(filter->stream));
	bpf->rodata->accept_evidence = s->accept_wait == ACCEPT_WAIT_OFF ? ACCEPT_OFF : ACCEPT_FUNCTION;
	if (s->accept_wait == ACCEPT_WAIT_OFF)
		bpf_map__set_max_entries(bpf->maps.waiting, 1);
	memcpy((void *)bpf->rodata->filter_ports, filter->ports, sizeof(filter->ports));
	return tcpshake_bpf__load(bpf);
}

/* Load one way to see accept(), with the maps of the other programs. */
static int load_accept(struct source *s, bool function)
{
	struct accept_bpf *a;
	int err;

	if (function && functions_forbidden())
		return s->capabilities[CAP_ACCEPT_FUNCTION].error = -EPERM;
	a = accept_bpf__open();
	if (!a)
		return -errno;
	bpf_program__set_autoload(a->progs.accept_function, function);
	bpf_program__set_autoload(a->progs.accept_syscall, !function);
	bpf_program__set_autoload(a->progs.accept4_syscall, !function);
	err = bpf_map__reuse_fd(a->maps.waiting, bpf_map__fd(s->bpf->maps.waiting));
	err = err ? err : bpf_map__reuse_fd(a->maps.events, bpf_map__fd(s->bpf->maps.events));
	err = err ? err : bpf_map__reuse_fd(a->maps.counters, bpf_map__fd(s->bpf->maps.counters));
	err = err ? err : accept_bpf__load(a);
	err = err ? err : accept_bpf__attach(a);
	if (err)
		accept_bpf__destroy(a);
	else
		s->accept = a;
	s->capabilities[function ? CAP_ACCEPT_FUNCTION : CAP_ACCEPT_SYSCALL].error = err;
	return err;
}

/* Refusals by the functions they happen in, from here on. */
static void load_functions(struct source *s)
{
	struct kernel_enums enums;
	int err = kernel_enums_read(&enums);

	s->capabilities[CAP_REASON].error = enums.number[KERNEL_OVERFLOW_REASON].known ? 0 : -ENOENT;
	if (functions_forbidden())
		err = -EPERM;
	if (!err)
		s->functions = functions_new(s->bpf->obj, &enums, &err);
	s->capabilities[CAP_FUNCTIONS].error = err;
	s->bpf->bss->acks_by_function = functions_tell_acks(s->functions);
}

void source_probe_accept(struct source *s)
{
	for (int function = 0; function < 2; function++) {
		if (load_accept(s, function) == 0)
			accept_bpf__destroy(s->accept);
		s->accept = NULL;
	}
}

int source_accept_error(const struct source *s)
{
	if (s->accept || s->accept_wait == ACCEPT_WAIT_OFF || s->accept_wait == ACCEPT_WAIT_AUTO)
		return 0;
	return s->capabilities[s->accept_wait == ACCEPT_WAIT_FUNCTION ? CAP_ACCEPT_FUNCTION :
									CAP_ACCEPT_SYSCALL]
		.error;
}

/* Everything, if the kernel cannot run the program that says so. */
static uint32_t ask_untold(const struct source *s)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	uint32_t all = UNTOLD_REQUEST_RESET | UNTOLD_NO_SOCKET | UNTOLD_SEND_FAILED;

	return bpf_prog_test_run_opts(bpf_program__fd(s->bpf->progs.untold), &run) ? all : run.retval;
}

uint32_t source_untold(const struct source *s)
{
	return s->untold;
}

static void set_required(struct source *s, int err)
{
	for (int i = 0; i < CAPABILITIES; i++)
		if (s->capabilities[i].required)
			s->capabilities[i].error = err;
}

int source_load(struct source *s, const struct filter *filter, enum accept_wait accept_wait)
{
	static const int welcome[] = { CAP_KFREE, CAP_QUEUES, CAP_ITERATOR };
	int err;

	s->accept_wait = accept_wait;
	s->capabilities[CAP_ATOMICS].error = probe_fetch_atomics();
	s->capabilities[CAP_ITERATOR].error = 0;
	s->capabilities[CAP_QUEUES].error = 0;
	s->capabilities[CAP_KFREE].error = 0;
	err = load_programs(s, filter);
	for (size_t i = 0; err && i < sizeof(welcome) / sizeof(*welcome); i++) {
		tcpshake_bpf__destroy(s->bpf); /* once more, without what is only welcome */
		s->bpf = NULL;
		s->capabilities[welcome[i]].error = err;
		err = load_programs(s, filter);
	}
	set_required(s, err);
	if (!err && filter->stream.by_remote)
		err = load_remote(s, filter);
	if (err)
		return err;
	load_functions(s);
	if (accept_wait == ACCEPT_WAIT_AUTO || accept_wait == ACCEPT_WAIT_FUNCTION)
		load_accept(s, true);
	else if (accept_wait == ACCEPT_WAIT_SYSCALL)
		load_accept(s, false);
	s->untold = ask_untold(s);
	s->ring = ring_buffer__new(bpf_map__fd(s->bpf->maps.events), on_event, s, NULL);
	return s->ring ? 0 : -errno;
}

static void attach_one(struct source *s, size_t i)
{
	struct capability *c = &s->capabilities[optionals[i].capability];
	struct bpf_program *program = *optional_program(s, i);
	struct bpf_link **link = (struct bpf_link **)((char *)s->bpf + optionals[i].link);

	if (!bpf_program__autoload(program) || (optionals[i].instead && !c->error))
		return;
	*link = bpf_program__attach(program);
	if (!optionals[i].instead)
		c->error = *link ? 0 : -errno;
}

/* What is only welcome: a refusal is kept in the capability. */
static void attach_optional(struct source *s)
{
	union bpf_iter_link_info info = { .map.map_fd = (__u32)bpf_map__fd(s->bpf->maps.listeners) };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info,
		    .link_info_len = sizeof(info));

	if (!s->capabilities[CAP_QUEUES].error) {
		s->queues = bpf_program__attach_iter(s->bpf->progs.listener_queues, &opts);
		s->capabilities[CAP_QUEUES].error = s->queues ? 0 : -errno;
	}
	for (size_t i = 0; i < OPTIONALS; i++)
		attach_one(s, i);
}

int source_attach(struct source *s)
{
	int err = tcpshake_bpf__attach(s->bpf);

	set_required(s, err);
	s->attached = !err;
	if (!err)
		attach_optional(s);
	return err;
}

void source_detach(struct source *s)
{
	s->attached = false;
	tcpshake_bpf__detach(s->bpf);
	functions_detach(s->functions);
	if (s->accept)
		accept_bpf__detach(s->accept);
}

int source_fd(const struct source *s)
{
	return ring_buffer__epoll_fd(s->ring);
}

int source_drain(struct source *s)
{
	int n = ring_buffer__consume(s->ring);

	return n < 0 ? n : 0;
}

/* Read an iterator's output to its end, and hand on each record of `size` bytes. */
static int read_records(const struct bpf_link *link, size_t size,
			void (*fn)(void *ctx, const void *record), void *ctx)
{
	int fd = bpf_iter_create(bpf_link__fd(link)), err = 0;
	char buffer[8192] __attribute__((aligned(8)));
	size_t have = 0, used;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, buffer + have, sizeof(buffer) - have)) != 0) {
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0) {
			err = -errno;
			break;
		}
		have += (size_t)n;
		for (used = 0; have - used >= size; used += size)
			fn(ctx, buffer + used);
		have -= used;
		memmove(buffer, buffer + used, have);
	}
	close(fd);
	return err;
}

static void on_listener_file(void *ctx, const void *record)
{
	struct source *s = ctx;

	s->handler.listener(s->handler.ctx, record);
}

int source_scan_listeners(struct source *s, uint32_t pid)
{
	union bpf_iter_link_info info = { .task.pid = pid };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info,
		    .link_info_len = sizeof(info));
	struct bpf_link *link;
	int err;

	if (s->capabilities[CAP_ITERATOR].error)
		return -EOPNOTSUPP;
	link = bpf_program__attach_iter(s->bpf->progs.listener_files, pid ? &opts : NULL);
	if (!link && pid) /* one process only: 6.1, f0d74c4da1f0 "bpf: Parameterize task iterators." */
		link = bpf_program__attach_iter(s->bpf->progs.listener_files, NULL);
	if (!link)
		return -errno;
	err = read_records(link, sizeof(struct event_listener), on_listener_file, s);
	bpf_link__destroy(link);
	return err;
}

struct look {
	void (*fn)(void *ctx, const struct listener_sample *sample);
	void *ctx;
};

static void on_look(void *ctx, const void *record)
{
	struct look *look = ctx;

	look->fn(look->ctx, record);
}

int source_look(struct source *s, void (*fn)(void *ctx, const struct listener_sample *sample),
		void *ctx)
{
	struct look look = { fn, ctx };

	if (!s->queues)
		return -EOPNOTSUPP;
	return read_records(s->queues, sizeof(struct listener_sample), on_look, &look);
}

void source_forget_listener(struct source *s, uint64_t socket)
{
	struct listener_key key = { socket };

	bpf_map__delete_elem(s->bpf->maps.listeners, &key, sizeof(key), 0);
}

void source_forget_service(struct source *s, uint32_t netns, uint16_t port)
{
	static const uint16_t families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		struct service_key key = { netns, port, families[i] };

		bpf_map__delete_elem(s->bpf->maps.services, &key, sizeof(key), 0);
	}
}

void source_namespace(const struct source *s, uint32_t netns, struct namespace_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	bpf_map__lookup_elem(s->bpf->maps.namespaces, &netns, sizeof(netns), counts, sizeof(*counts),
			     0);
}

void source_forget_namespace(struct source *s, uint32_t netns)
{
	bpf_map__delete_elem(s->bpf->maps.namespaces, &netns, sizeof(netns), 0);
}

int source_counters(const struct source *s, struct counters *sum)
{
	const size_t words = sizeof(*sum) / sizeof(__u64);
	uint32_t zero = 0;
	int err = bpf_map__lookup_elem(s->bpf->maps.counters, &zero, sizeof(zero), s->per_cpu,
				       (size_t)s->cpus * sizeof(*s->per_cpu), 0);

	if (err)
		return err;
	memset(sum, 0, sizeof(*sum));
	for (int cpu = 0; cpu < s->cpus; cpu++)
		for (size_t i = 0; i < words; i++)
			((__u64 *)sum)[i] += ((__u64 *)&s->per_cpu[cpu])[i];
	return 0;
}

uint64_t source_missed(const struct source *s)
{
	struct bpf_program *program;
	uint64_t missed = 0;

	bpf_object__for_each_program(program, s->bpf->obj)
	{
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);
		int fd = bpf_program__fd(program);

		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
			missed += info.recursion_misses; /* stays 0 before 5.12 */
	}
	return missed;
}

static bool request_expired(const void *value, uint64_t now_ns)
{
	return ((const struct request *)value)->expires_ns < now_ns;
}

/* Its end was missed, surely: tcp_syn_retries of 30 would take this long. */
static bool attempt_expired(const void *value, uint64_t now_ns)
{
	return ((const struct attempt *)value)->start_ns + 3600 * NSEC_PER_SEC < now_ns;
}

void source_expire(struct source *s, uint64_t now_ns)
{
	expire(bpf_map__fd(s->bpf->maps.requests), sizeof(struct request_key),
	       sizeof(struct request), request_expired, now_ns);
	expire(bpf_map__fd(s->bpf->maps.attempts), sizeof(__u64), sizeof(struct attempt),
	       attempt_expired, now_ns);
}

bool source_tells_acks(const struct source *s)
{
	return functions_tell_acks(s->functions) ||
	       (!s->capabilities[CAP_KFREE].error && !s->capabilities[CAP_REASON].error);
}

bool source_bounds_acks(const struct source *s)
{
	return !s->capabilities[CAP_KFREE].error && s->capabilities[CAP_REASON].error;
}

bool source_tells_syns(const struct source *s)
{
	return s->functions && s->attached;
}

const char *source_evidence(const struct source *s)
{
	return s->functions ? "functions" : "tracepoints";
}

const struct capability *source_capabilities(const struct source *s, size_t *count)
{
	*count = CAPABILITIES;
	return s->capabilities;
}
