// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/kernel/source_internal.h"

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
#include "daemon/kernel/capabilities.h"
#include "daemon/kernel/kernel.h"
#include "daemon/kernel/share.h"
#include "generated/accept.skel.h"
#include "generated/classic.skel.h"
#include "generated/drop.skel.h"
#include "generated/files.skel.h"
#include "generated/look.skel.h"
#include "generated/neighbour.skel.h"
#include "generated/refused_ack.skel.h"
#include "generated/refused_syn.skel.h"
#include "generated/reset_answer.skel.h"
#include "generated/reset_received.skel.h"
#include "generated/reset_sent.skel.h"
#include "generated/retransmit.skel.h"
#include "generated/takeover.skel.h"
#include "generated/takeover_again.skel.h"

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
	source_detach(s);
	ring_buffer__free(s->ring);
	look_close(&s->look);
	for (int which = 0; which < OPTIONALS; which++)
		programs_free(&s->optional[which]);
	handshake_bpf__destroy(s->bpf);
	kernel_enums_free(&s->enums);
	latencies_free(s->latencies);
	free(s->per_cpu);
	free(s);
}

int source_write_settings(const struct source *s)
{
	uint32_t zero = 0;

	return bpf_map__update_elem(s->bpf->maps.settings, &zero, sizeof(zero), &s->settings,
				    sizeof(s->settings), BPF_ANY);
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

/* When the programs of an object are attached. */
enum attached {
	ATTACH_NEVER, /* it is run when it is wanted */
	ATTACH_LATER, /* with the rest: the first that the kernel takes */
	ATTACH_NOW, /* each of them, before any event is counted */
};

/* What a kernel may refuse, each an object of its own, in the order they are loaded in. */
static const struct optional {
	programs_elf *elf;
	int capability;
	enum attached attached;
} optionals[OPTIONALS] = {
	[OPTIONAL_CLASSIC] = { classic_bpf__elf_bytes, CAP_UNPREEMPTED, ATTACH_LATER },
	[OPTIONAL_TAKEOVER] = { takeover_bpf__elf_bytes, CAP_TAKEOVER, ATTACH_LATER },
	[OPTIONAL_TAKEOVER_AGAIN] = { takeover_again_bpf__elf_bytes, CAP_TAKEOVER, ATTACH_LATER },
	[OPTIONAL_RETRANSMIT] = { retransmit_bpf__elf_bytes, CAP_RETRANSMIT_SYN, ATTACH_LATER },
	[OPTIONAL_RESET_SENT] = { reset_sent_bpf__elf_bytes, CAP_RESET_SENT, ATTACH_LATER },
	[OPTIONAL_RESET_RECEIVED] = { reset_received_bpf__elf_bytes, CAP_RESET_RECEIVED, ATTACH_LATER },
	[OPTIONAL_NEIGHBOUR] = { neighbour_bpf__elf_bytes, CAP_NEIGHBOUR, ATTACH_LATER },
	[OPTIONAL_DROP] = { drop_bpf__elf_bytes, CAP_KFREE, ATTACH_LATER },
	[OPTIONAL_FILES] = { files_bpf__elf_bytes, CAP_FILES, ATTACH_NEVER },
	[OPTIONAL_LOOK] = { look_bpf__elf_bytes, CAP_LOOK, ATTACH_NEVER },
	[OPTIONAL_REFUSED_SYN] = { refused_syn_bpf__elf_bytes, CAP_FUNCTIONS, ATTACH_NOW },
	[OPTIONAL_REFUSED_ACK] = { refused_ack_bpf__elf_bytes, CAP_ACK_HOOKS, ATTACH_NOW },
	[OPTIONAL_RESET_ANSWER] = { reset_answer_bpf__elf_bytes, CAP_RESET_HOOKS, ATTACH_NOW },
};

/* How large the ring buffer is, another size for tests and hosts that are short of memory, and when to wake its reader. */
static int size_ring(struct handshake_bpf *bpf, int cpus)
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

/* How many listeners and attempts fit where their maps take all of their memory at once. */
#define PREALLOCATED 16384

/*
 * Before 6.1 a program of the type RAW_TRACEPOINT that uses a hash map which is not preallocated makes the
 * kernel WARN (34dd3bad1a6f "bpf: Relax the requirement to use preallocated hash maps in tracing progs.").
 */
static void preallocate(struct handshake_bpf *bpf)
{
	static const struct {
		const char *map;
		uint32_t entries;
	} maps[] = { { "listeners", PREALLOCATED }, { "services", PREALLOCATED },
		     { "attempts", PREALLOCATED }, { "namespaces", 1024 }, { "embryonics", 1024 } };

	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(bpf->obj, maps[i].map);

		bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~(__u32)BPF_F_NO_PREALLOC);
		bpf_map__set_max_entries(map, maps[i].entries);
	}
}

/* The constants of all programs: the optional ones get them from here. */
static void set_constants(struct source *s, const struct filter *filter)
{
	struct handshake_bpf__rodata *constants = s->bpf->rodata;

	constants->possible_cpus = (__u32)s->cpus;
	memcpy((void *)&constants->filter, &filter->stream, sizeof(filter->stream));
	memcpy((void *)constants->filter_ports, filter->ports, sizeof(filter->ports));
	constants->accept_evidence = s->accept_wait == ACCEPT_WAIT_OFF ? ACCEPT_OFF : ACCEPT_FUNCTION;
	constants->tick_ns = clock_tick_ns();
	constants->sock_type = s->enums.sock;
	constants->tcp_sock_type = s->enums.tcp_sock;
	constants->overflow_reason_refused = capability_refused("overflow_reason");
	constants->tasks_preempted = s->preempts;
	constants->takeovers = (__u8)(s->preempts ? 2 : 1);
	constants->mib_listen_overflows = s->enums.number[KERNEL_LISTEN_OVERFLOWS].value;
	constants->mib_listen_drops = s->enums.number[KERNEL_LISTEN_DROPS].value;
	constants->mib_reqq_full_drop = s->enums.number[KERNEL_REQQ_FULL_DROP].value;
	constants->mib_out_rsts = s->enums.number[KERNEL_OUT_RSTS].value;
}

/* Load what the daemon does not run without, and the maps of all. */
static int load_required(struct source *s, const struct filter *filter)
{
	bool slots = !s->capabilities[CAP_ATOMICS].error;
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = s->core);
	struct handshake_bpf *bpf = handshake_bpf__open_opts(&opts);
	int err;

	if (!bpf)
		return -errno;
	s->bpf = bpf;
	bpf_program__set_autoload(bpf->progs.state_slots, slots);
	bpf_program__set_autoload(bpf->progs.state_hash, !slots);
	if (!slots)
		bpf_map__set_max_entries(bpf->maps.attempt_slots, 1);
	if (s->accept_wait == ACCEPT_WAIT_OFF)
		bpf_map__set_max_entries(bpf->maps.waiting, 1);
	if (s->enums.preallocates)
		preallocate(bpf);
	set_constants(s, filter);
	latencies_prepare(s);
	err = size_ring(bpf, s->cpus);
	if (err)
		return err;
	s->settings.cgroup_id = filter->stream.cgroup_id;
	err = handshake_bpf__load(bpf);
	return err ? err : source_write_settings(s);
}

static bool has(const struct source *s, int which)
{
	return programs_loaded(&s->optional[which]);
}

/* Does another kind of evidence leave something to it? */
static bool needed(const struct source *s, int which)
{
	switch (which) {
	case OPTIONAL_CLASSIC:
		return s->preempts && !s->capabilities[CAP_ATOMICS].error;
	case OPTIONAL_TAKEOVER: /* kernels without such atomics let a program interrupt itself */
		return !s->capabilities[CAP_ATOMICS].error || capability_refused("fetch_atomics");
	case OPTIONAL_TAKEOVER_AGAIN:
		return s->preempts && needed(s, OPTIONAL_TAKEOVER);
	case OPTIONAL_REFUSED_ACK:
		return !has(s, OPTIONAL_DROP) || s->capabilities[CAP_REASON].error;
	case OPTIONAL_RESET_ANSWER:
		return s->untold & UNTOLD_NO_SOCKET;
	}
	return true;
}

/* The counters by which hooks into functions see what these do. */
static bool counters_known(const struct source *s)
{
	for (int n = 0; n < KERNEL_NAMES; n++)
		if (n != KERNEL_NO_SOCKET && n != KERNEL_OVERFLOW_REASON && !s->enums.number[n].known)
			return false;
	return true;
}

/* Why one is not even tried: 0, or a negative errno. */
static int foreseen(const struct source *s, int which)
{
	const struct optional *o = &optionals[which];

	if (capability_refused(s->capabilities[o->capability].name))
		return -EPERM;
	if (which == OPTIONAL_DROP && s->core && !s->enums.number[KERNEL_NO_SOCKET].known)
		return -EINVAL; /* without a reason the tracepoint shows nothing */
	if (o->capability == CAP_TAKEOVER && needed(s, which))
		return s->capabilities[CAP_ATOMICS].error; /* without them attempts are in another table */
	if (o->attached != ATTACH_NOW || !needed(s, which))
		return 0;
	return counters_known(s) ? programs_hooks_refused() : -ENOENT;
}

static int open_look(const struct bpf_object *object, void *ctx)
{
	struct source *s = ctx;

	return look_open(&s->look, object);
}

/* What has to be done at once with what was loaded. */
static int begin_optional(struct source *s, int which)
{
	struct programs *p = &s->optional[which];

	if (optionals[which].attached == ATTACH_NOW)
		return programs_attach_each(p);
	if (which != OPTIONAL_LOOK)
		return 0;
	s->look.program = p->program[0].fd;
	return look_try(&s->look);
}

static void load_optional(struct source *s, int which)
{
	const struct optional *o = &optionals[which];
	struct programs *p = &s->optional[which];
	int err = foreseen(s, which);

	if (!err && needed(s, which)) {
		err = programs_load(p, o->elf, s->bpf->obj, s->core, which == OPTIONAL_LOOK ? open_look : NULL, s);
		err = err ? err : begin_optional(s, which);
	}
	if (err)
		programs_free(p);
	if (err || which != OPTIONAL_TAKEOVER_AGAIN)
		s->capabilities[o->capability].error = err;
	log_debug("%s: %s", s->capabilities[o->capability].name,
		  err ? strerror(-err) : has(s, which) ? "loaded" : "not needed");
}

/* What the hooks see the tracepoints must not report again. */
static int load_optionals(struct source *s)
{
	for (int which = 0; which < OPTIONALS; which++)
		load_optional(s, which);
	s->settings.acks_by_function = has(s, OPTIONAL_REFUSED_ACK);
	s->settings.resets_by_function = has(s, OPTIONAL_RESET_ANSWER);
	if (has(s, OPTIONAL_RESET_ANSWER))
		s->untold &= ~(uint32_t)UNTOLD_NO_SOCKET;
	if (has(s, OPTIONAL_REFUSED_ACK))
		s->untold &= ~(uint32_t)UNTOLD_REQUEST_RESET;
	return source_write_settings(s);
}

static void unload_accept(struct source *s)
{
	for (size_t i = 0; i < sizeof(s->accept_links) / sizeof(*s->accept_links); i++) {
		bpf_link__destroy(s->accept_links[i]);
		s->accept_links[i] = NULL;
	}
	accept_bpf__destroy(s->accept);
	s->accept = NULL;
}

/* Load one way to see accept(), with the maps of the other programs. */
static int try_accept(struct source *s, bool function, bool all_calls)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = s->core);
	struct capability *capability =
		&s->capabilities[function ? CAP_ACCEPT_FUNCTION : CAP_ACCEPT_SYSCALL];
	struct accept_bpf *a;
	int err;

	if (capability_refused(capability->name) || (function && programs_hooks_refused()))
		return capability->error = -EPERM;
	a = accept_bpf__open_opts(&opts);
	if (!a)
		return -errno;
	bpf_program__set_autoload(a->progs.accept_function, function);
	bpf_program__set_autoload(a->progs.accept_syscall, !function && !all_calls);
	bpf_program__set_autoload(a->progs.accept4_syscall, !function && !all_calls);
	bpf_program__set_autoload(a->progs.syscall_exit, all_calls);
	err = share(a->obj, s->bpf->obj);
	err = err ? err : accept_bpf__load(a);
	err = err ? err : programs_attach_all(a->obj, s->accept_links, 2);
	s->accept = a;
	if (err)
		unload_accept(s);
	return capability->error = err;
}

/* The exits of the two system calls need tracefs; without it, those of all calls (decision 0011). */
static int load_accept(struct source *s, bool function)
{
	int err = try_accept(s, function, false);

	return err && !function ? try_accept(s, false, true) : err;
}

void source_probe_accept(struct source *s)
{
	for (int function = 0; function < 2; function++)
		if (load_accept(s, function) == 0)
			unload_accept(s);
}

int source_accept_error(const struct source *s)
{
	if (s->accept || s->accept_wait == ACCEPT_WAIT_OFF || s->accept_wait == ACCEPT_WAIT_AUTO)
		return 0;
	return s->capabilities[s->accept_wait == ACCEPT_WAIT_FUNCTION ? CAP_ACCEPT_FUNCTION :
									CAP_ACCEPT_SYSCALL]
		.error;
}

/* What this kernel never reports, by its BTF: everything, if that cannot be read. */
static uint32_t ask_untold(const struct source *s)
{
	const struct kernel_enums *k = &s->enums;
	bool reason = k->number[KERNEL_OVERFLOW_REASON].known && !capability_refused("overflow_reason");

	return (reason ? 0 : UNTOLD_REQUEST_RESET) | (k->send_reset_tells_all ? 0 : UNTOLD_NO_SOCKET) |
	       (k->retransmit_tells_error ? 0 : UNTOLD_SEND_FAILED);
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

/* Without it libbpf says what is wrong. */
static int read_kernel(struct source *s, struct kernel_btf *kernel)
{
	int err = kernel_btf_open(kernel);

	s->core_fd = -1;
	if (err)
		return err;
	s->preempts = kernel_preempts_tracepoints(&kernel->index);
	kernel_enums_read(&s->enums, &kernel->index);
	programs_know(&s->enums);
	s->core_fd = kernel_btf_core(kernel, s->core_path);
	if (s->core_fd >= 0)
		s->core = s->core_path;
	kernel_btf_close(kernel);
	return 0;
}

/* What cannot be done without, which nobody can refuse and have the daemon run. */
static int refused_required(struct source *s)
{
	for (int i = 0; i < CAPABILITIES; i++)
		if (s->capabilities[i].required && capability_refused(s->capabilities[i].name))
			return -EPERM;
	return 0;
}

static int load_all(struct source *s, const struct filter *filter)
{
	int err = refused_required(s);

	err = err ? err : load_required(s, filter);
	set_required(s, err);
	if (!err && filter->stream.by_remote)
		err = load_remote(s, filter);
	if (err)
		return err;
	s->untold = ask_untold(s);
	s->capabilities[CAP_REASON].error = capability_refused("overflow_reason") ? -EPERM :
					    s->untold & UNTOLD_REQUEST_RESET	  ? -ENOENT :
										    0;
	err = load_optionals(s);
	if (err)
		return err;
	if (s->accept_wait == ACCEPT_WAIT_AUTO || s->accept_wait == ACCEPT_WAIT_FUNCTION)
		load_accept(s, true);
	else if (s->accept_wait == ACCEPT_WAIT_SYSCALL)
		load_accept(s, false);
	return latencies_begin(s);
}

int source_load(struct source *s, const struct filter *filter, enum accept_wait accept_wait)
{
	struct kernel_btf kernel;
	int err;

	if (accept_wait == ACCEPT_WAIT_AUTO &&
	    (capability_refused(s->capabilities[CAP_ACCEPT_FUNCTION].name) || programs_hooks_refused())) {
		s->capabilities[CAP_ACCEPT_FUNCTION].error = -EPERM;
		accept_wait = ACCEPT_WAIT_OFF; /* nobody would read what is kept for it */
	}
	s->accept_wait = accept_wait;
	s->capabilities[CAP_ATOMICS].error =
		capability_refused(s->capabilities[CAP_ATOMICS].name) ? -EPERM : kernel_fetch_atomics();
	if (read_kernel(s, &kernel))
		log_debug("the kernel's BTF cannot be read here; libbpf tries");
	err = load_all(s, filter);
	s->core = NULL;
	if (s->core_fd >= 0)
		close(s->core_fd);
	if (err)
		return err;
	s->ring = ring_buffer__new(bpf_map__fd(s->bpf->maps.events), on_event, s, NULL);
	return s->ring ? 0 : -errno;
}

static void attach_optional(struct source *s, int which)
{
	int *error = &s->capabilities[optionals[which].capability].error;

	if (optionals[which].attached != ATTACH_LATER || !has(s, which))
		return;
	*error = programs_attach(&s->optional[which]);
	if (!programs_attached(&s->optional[which]))
		programs_free(&s->optional[which]);
}

/* What the daemon could not attach to. */
static uint32_t unattached(const struct source *s)
{
	uint32_t untold = 0;

	if (!has(s, OPTIONAL_RESET_SENT))
		untold |= UNTOLD_RESET_SENT;
	if (!has(s, OPTIONAL_RESET_SENT) || (s->untold & UNTOLD_NO_SOCKET && !has(s, OPTIONAL_DROP)))
		untold |= UNTOLD_CLOSED_PORT;
	if (!has(s, OPTIONAL_RESET_RECEIVED))
		untold |= UNTOLD_RESET_RECEIVED;
	if (!source_tells_acks(s))
		untold |= UNTOLD_REFUSED_ACK;
	if (s->capabilities[CAP_KFREE].error && !has(s, OPTIONAL_REFUSED_ACK))
		untold |= UNTOLD_REQUEST_RESET | UNTOLD_REFUSED_COOKIE;
	if (!has(s, OPTIONAL_RETRANSMIT))
		untold |= UNTOLD_SYN_RETRANSMIT;
	if (!has(s, OPTIONAL_NEIGHBOUR))
		untold |= UNTOLD_NEIGHBOUR;
	if (!has(s, OPTIONAL_LOOK))
		untold |= UNTOLD_QUEUES;
	if (!has(s, OPTIONAL_FILES))
		untold |= UNTOLD_LISTENERS;
	return untold;
}

/* State changes by the classic tracepoint where it is needed and there, else by the other. */
static int attach_required(struct source *s)
{
	bool slots = !s->capabilities[CAP_ATOMICS].error;
	struct bpf_program *const programs[REQUIRED_LINKS] = {
		slots ? s->bpf->progs.state_slots : s->bpf->progs.state_hash,
		s->bpf->progs.retransmit_synack,
	};

	attach_optional(s, OPTIONAL_CLASSIC);
	for (int i = has(s, OPTIONAL_CLASSIC); i < REQUIRED_LINKS; i++) {
		s->links[i] = programs_attach_one(programs[i]);
		if (!s->links[i])
			return -errno;
	}
	return 0;
}

int source_attach(struct source *s)
{
	int err = attach_required(s);

	set_required(s, err);
	s->attached = !err;
	if (err)
		return err;
	for (int which = OPTIONAL_CLASSIC + 1; which < OPTIONALS; which++)
		attach_optional(s, which);
	s->untold |= unattached(s);
	s->settings.acks_by_drop = !s->capabilities[CAP_KFREE].error && !s->capabilities[CAP_REASON].error;
	return source_write_settings(s);
}

void source_set_cgroup(struct source *s, uint64_t cgroup_id)
{
	s->settings.cgroup_id = cgroup_id;
	source_write_settings(s);
}

void source_detach(struct source *s)
{
	s->attached = false;
	for (int i = 0; i < REQUIRED_LINKS; i++) {
		bpf_link__destroy(s->links[i]);
		s->links[i] = NULL;
	}
	for (int which = 0; which < OPTIONALS; which++)
		programs_detach(&s->optional[which]);
	if (s->accept)
		unload_accept(s);
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
