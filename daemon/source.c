// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "source_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "kernel.h"
#include "accept.skel.h"
#include "functions.h"
#include "share.h"

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
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	libbpf_set_print(libbpf_message);
	s->handler = *handler;
	memcpy(s->capabilities, all_capabilities, sizeof(s->capabilities));
	s->cpus = libbpf_num_possible_cpus();
	s->per_cpu = s->cpus > 0 ? calloc((size_t)s->cpus, sizeof(struct counters)) : NULL;
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
	kernel_enums_free(&s->enums);
	latencies_free(s->latencies);
	free(s->per_cpu);
	free(s);
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

/* How large the ring buffer is, another size for tests and hosts that are short of memory, and when to wake its reader. */
static int size_ring(struct tcpshake_bpf *bpf, int cpus)
{
	const char *value = getenv("TCPSHAKE_RING_BYTES");
	unsigned long bytes = bpf_map__max_entries(bpf->maps.events);

	if (value && *value)
		bytes = strtoul(value, NULL, 10);
	if (bytes & (bytes - 1) || bytes < (unsigned long)sysconf(_SC_PAGESIZE) || bytes > 1UL << 30) {
		log_error("TCPSHAKE_RING_BYTES=%s: the ring is a power of two of at least a page", value);
		return -EINVAL;
	}
	bpf->rodata->wake_bytes = (__u32)(bytes / 2 / (unsigned long)cpus);
	return bpf_map__set_max_entries(bpf->maps.events, (__u32)bytes);
}

/* Open and load all programs but those the kernel is known to refuse. */
static int load_programs(struct source *s, const struct filter *filter)
{
	bool slots = !s->capabilities[CAP_ATOMICS].error;
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = s->core);
	struct tcpshake_bpf *bpf = tcpshake_bpf__open_opts(&opts);
	int err;

	if (!bpf)
		return -errno;
	s->bpf = bpf;
	bpf_program__set_autoload(bpf->progs.state_slots, slots && !s->classic);
	bpf_program__set_autoload(bpf->progs.state_hash, !slots);
	bpf_program__set_autoload(bpf->progs.state_classic, s->classic);
	bpf_program__set_autoload(bpf->progs.listener_files, !s->capabilities[CAP_ITERATOR].error);
	bpf_program__set_autoload(bpf->progs.listener_queues, !s->capabilities[CAP_QUEUES].error);
	bpf_program__set_autoload(bpf->progs.skb_dropped, !s->capabilities[CAP_KFREE].error);
	/* Whose argument has a type: without the tracepoint the kernel would refuse everything. */
	bpf_program__set_autoload(bpf->progs.receive_reset, !s->core || s->enums.receive_reset);
	bpf_program__set_autoattach(bpf->progs.listener_files, false); /* a link for each scan */
	bpf_program__set_autoattach(bpf->progs.listener_queues, false);
	bpf_program__set_autoattach(bpf->progs.untold, false);
	bpf_program__set_autoload(bpf->progs.skb_dropped_reason, !s->capabilities[CAP_KFREE].error);
	for (size_t i = 0; i < OPTIONALS; i++)
		bpf_program__set_autoattach(*optional_program(s, i), false);
	if (!slots)
		bpf_map__set_max_entries(bpf->maps.attempt_slots, 1);
	bpf->rodata->possible_cpus = (__u32)s->cpus;
	memcpy((void *)&bpf->rodata->filter, &filter->stream, sizeof(filter->stream));
	bpf->rodata->accept_evidence = s->accept_wait == ACCEPT_WAIT_OFF ? ACCEPT_OFF : ACCEPT_FUNCTION;
	bpf->rodata->tick_ns = clock_tick_ns();
	bpf->rodata->sock_type = s->enums.sock;
	bpf->rodata->tcp_sock_type = s->enums.tcp_sock;
	latencies_prepare(s);
	if (s->accept_wait == ACCEPT_WAIT_OFF)
		bpf_map__set_max_entries(bpf->maps.waiting, 1);
	memcpy((void *)bpf->rodata->filter_ports, filter->ports, sizeof(filter->ports));
	err = size_ring(bpf, s->cpus);
	if (err)
		return err;
	bpf->bss->filter_cgroup = filter->stream.cgroup_id;
	err = tcpshake_bpf__load(bpf);
	if (err || !s->classic)
		return err;
	bpf->links.state_classic = bpf_program__attach(bpf->progs.state_classic); /* may be refused */
	return bpf->links.state_classic ? 0 : -errno;
}

static void unload_programs(struct source *s)
{
	tcpshake_bpf__destroy(s->bpf);
	s->bpf = NULL;
}

/* Is the classic tracepoint needed to see state changes while tasks are preempted, and is it there? */
static void choose_state_program(struct source *s)
{
	int *error = &s->capabilities[CAP_UNPREEMPTED].error;

	*error = 0;
	if (s->capabilities[CAP_ATOMICS].error || !s->preempts)
		return;
	*error = kernel_classic_tracepoint("sock/inet_sock_set_state");
	s->classic = !*error;
}

/* Load one way to see accept(), with the maps of the other programs. */
static int try_accept(struct source *s, bool function, bool all_calls)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = s->core);
	struct accept_bpf *a;
	int err;

	if (function && functions_refused())
		return s->capabilities[CAP_ACCEPT_FUNCTION].error = -EPERM;
	a = accept_bpf__open_opts(&opts);
	if (!a)
		return -errno;
	bpf_program__set_autoload(a->progs.accept_function, function);
	bpf_program__set_autoload(a->progs.accept_syscall, !function && !all_calls);
	bpf_program__set_autoload(a->progs.accept4_syscall, !function && !all_calls);
	bpf_program__set_autoload(a->progs.syscall_exit, all_calls);
	err = share(a->obj, s->bpf->obj);
	err = err ? err : accept_bpf__load(a);
	err = err ? err : accept_bpf__attach(a);
	if (err)
		accept_bpf__destroy(a);
	else
		s->accept = a;
	s->capabilities[function ? CAP_ACCEPT_FUNCTION : CAP_ACCEPT_SYSCALL].error = err;
	return err;
}

/* The exits of the two system calls need tracefs; without it, those of all calls (decision 0011). */
static int load_accept(struct source *s, bool function)
{
	int err = try_accept(s, function, false);

	return err && !function ? try_accept(s, false, true) : err;
}

/* Refusals by the functions they happen in, from here on. */
static void load_functions(struct source *s)
{
	int err = functions_refused();

	if (!err)
		s->functions = functions_new(s->bpf->obj, s->core, &s->enums,
					     s->untold & UNTOLD_NO_SOCKET, &err);
	s->capabilities[CAP_FUNCTIONS].error = err;
	s->bpf->bss->acks_by_function = functions_tell_acks(s->functions);
	s->bpf->bss->resets_by_function = functions_tell_resets(s->functions);
	if (functions_tell_resets(s->functions))
		s->untold &= ~(uint32_t)UNTOLD_NO_SOCKET;
	if (functions_tell_acks(s->functions))
		s->untold &= ~(uint32_t)UNTOLD_REQUEST_RESET;
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

const char *source_reset_reason(const struct source *s, uint32_t reason)
{
	return reason < s->enums.reset_reasons ? s->enums.reset_reason[reason] : NULL;
}

static void set_required(struct source *s, int err)
{
	for (int i = 0; i < CAPABILITIES; i++)
		if (s->capabilities[i].required)
			s->capabilities[i].error = err;
}

/* Load the programs, and if that fails once more without what only some kernels take. */
static int load_most(struct source *s, const struct filter *filter)
{
	static const int welcome[] = { CAP_KFREE, CAP_QUEUES, CAP_ITERATOR };
	int err = load_programs(s, filter);

	if (err && s->classic) {
		unload_programs(s);
		s->classic = false;
		s->capabilities[CAP_UNPREEMPTED].error = err;
		err = load_programs(s, filter);
	}
	for (size_t i = 0; err && i < sizeof(welcome) / sizeof(*welcome); i++) {
		unload_programs(s);
		s->capabilities[welcome[i]].error = err;
		err = load_programs(s, filter);
	}
	return err;
}

/* What the kernel is known to take or to refuse, before it is tried. */
static void foresee(struct source *s)
{
	s->capabilities[CAP_ITERATOR].error = 0;
	s->capabilities[CAP_QUEUES].error = 0;
	s->capabilities[CAP_KFREE].error =
		s->core && !s->enums.number[KERNEL_NO_SOCKET].known ? -EINVAL : 0;
	choose_state_program(s);
}

/* Without it libbpf says what is wrong. */
static void read_kernel(struct source *s)
{
	struct kernel_btf kernel;

	s->core_fd = -1;
	if (kernel_btf_open(&kernel))
		return;
	s->preempts = kernel_preempts_tracepoints(&kernel.index);
	kernel_enums_read(&s->enums, &kernel.index, !functions_refused());
	s->core_fd = kernel_btf_core(&kernel, s->core_path);
	if (s->core_fd >= 0)
		s->core = s->core_path;
	kernel_btf_close(&kernel); /* 5 MB: libbpf reads it, too */
}

static int load_all(struct source *s, const struct filter *filter)
{
	int err;

	foresee(s);
	err = load_most(s, filter);
	if (err && err != -EPERM && s->core) { /* as libbpf knows the kernel, modules and all */
		unload_programs(s);
		s->core = NULL;
		foresee(s);
		err = load_most(s, filter);
	}
	set_required(s, err);
	if (!err && filter->stream.by_remote)
		err = load_remote(s, filter);
	if (err)
		return err;
	s->untold = ask_untold(s);
	s->capabilities[CAP_REASON].error = s->untold & UNTOLD_REQUEST_RESET ? -ENOENT : 0;
	load_functions(s);
	if (s->accept_wait == ACCEPT_WAIT_AUTO || s->accept_wait == ACCEPT_WAIT_FUNCTION)
		load_accept(s, true);
	else if (s->accept_wait == ACCEPT_WAIT_SYSCALL)
		load_accept(s, false);
	return latencies_begin(s);
}

int source_load(struct source *s, const struct filter *filter, enum accept_wait accept_wait)
{
	int err;

	if (accept_wait == ACCEPT_WAIT_AUTO && functions_refused()) {
		s->capabilities[CAP_ACCEPT_FUNCTION].error = -EPERM;
		accept_wait = ACCEPT_WAIT_OFF; /* nobody would read what is kept for it */
	}
	s->accept_wait = accept_wait;
	s->capabilities[CAP_ATOMICS].error = kernel_fetch_atomics();
	read_kernel(s);
	err = load_all(s, filter);
	s->core = NULL;
	if (s->core_fd >= 0)
		close(s->core_fd);
	if (err)
		return err;
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
	if (!s->bpf->links.send_reset ||
	    (s->untold & UNTOLD_NO_SOCKET && !s->bpf->links.skb_dropped_reason))
		s->untold |= UNTOLD_CLOSED_PORT;
	if (!s->bpf->links.receive_reset)
		s->untold |= UNTOLD_RESET_RECEIVED;
	if (!source_tells_acks(s))
		s->untold |= UNTOLD_REFUSED_ACK;
	if (!s->bpf->links.skb_dropped && !functions_tell_acks(s->functions))
		s->untold |= UNTOLD_REQUEST_RESET | UNTOLD_REFUSED_COOKIE;
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

void source_set_cgroup(struct source *s, uint64_t cgroup_id)
{
	s->bpf->bss->filter_cgroup = cgroup_id;
	functions_set_cgroup(s->functions, cgroup_id);
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
