// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "bpf/counters.h"
#include "bpf/maps.h"
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
#include "daemon/kernel/mapped.h"
#include "daemon/kernel/unreported.h"

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
	for (int call = 0; call < CALLS; call++)
		s->calls[call].how = OBSERVE_OFF;
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
	source_unload_calls(s);
	ring_buffer__free(s->ring);
	mapped_close(s->reader, sizeof(*s->reader));
	look_close(&s->look);
	programs_free(&s->required);
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

/* What only wakes the reader is empty. */
static int on_event(void *ctx, void *data, size_t size)
{
	struct source *s = ctx;

	if (!size || consume(&s->handler, data, size) || s->garbled)
		return 0;
	s->garbled = true;
	log_error("the ring holds an event that is none: %zu bytes; no more is said of others", size);
	return 0;
}

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

/*
 * How many entries a table has room for where a host of 4 GiB or more has 65,536: one for each 64 KiB of memory. An
 * empty table takes 16 bytes for each.
 */
static uint32_t entries_of_host(void)
{
	uint64_t wanted = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 65536;
	uint32_t entries = 4096;

	while (entries < 65536 && entries * 2 <= wanted)
		entries *= 2;
	return entries;
}

/*
 * Tables as large as the host may need them. Before 6.1 a program of the type RAW_TRACEPOINT that uses a hash map
 * which is not preallocated makes the kernel WARN (34dd3bad1a6f "bpf: Relax the requirement to use preallocated hash
 * maps in tracing progs."): there they take all of their memory at once, and are smaller.
 */
static void size_tables(struct handshake_bpf *bpf, bool preallocate)
{
	static const struct {
		const char *map;
		uint32_t most, preallocated;
	} tables[] = { { "listeners", 65536, 16384 }, { "services", 65536, 16384 }, { "attempts", 65536, 16384 },
		       { "requests", 16384, 16384 },  { "namespaces", 16384, 1024 }, { "embryonics", 65536, 1024 },
		       { "connect_calls", 65536, 4096 },
		       { "connect_errors", CONNECT_ERRORS_MAX, CONNECT_ERRORS_MAX },
		       { "accept_depths", 4096, 1024 }, { "syn_depths", 4096, 1024 }, { "accept_waits", 1024, 256 },
		       { "lifetimes", 65536, 16384 } };
	uint32_t host = entries_of_host();

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(bpf->obj, tables[i].map);
		uint32_t entries = preallocate ? tables[i].preallocated : tables[i].most;

		bpf_map__set_max_entries(map, entries < host ? entries : host);
		if (preallocate)
			bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~(__u32)BPF_F_NO_PREALLOC);
	}
}

/* The constants of all programs: the optional ones get them from here. */
static void set_constants(struct source *s, const struct filter *filter)
{
	struct handshake_bpf__rodata *constants = s->bpf->rodata;

	constants->possible_cpus = (__u32)s->cpus;
	memcpy((void *)&constants->filter, &filter->stream, sizeof(filter->stream));
	memcpy((void *)constants->filter_ports, filter->ports, sizeof(filter->ports));
	constants->accepts_watched = s->calls[CALL_ACCEPT].how != OBSERVE_OFF;
	constants->connects_watched = s->calls[CALL_CONNECT].how != OBSERVE_OFF;
	constants->tcp6_seen = kernel_attach_target(&s->enums, BPF_TRACE_FEXIT, "tcp_v6_connect") != 0; /* not of a module */
	constants->tick_ns = clock_tick_ns();
	constants->sock_type = s->enums.sock;
	constants->tcp_sock_type = s->enums.tcp_sock;
	constants->overflow_reason_refused = capability_refused("overflow_reason");
	constants->tasks_preempted = s->preempts;
	constants->takeovers = (__u8)(s->preempts ? 4 : 1); /* takeover_again.bpf.c has three */
	constants->mib_listen_overflows = s->enums.number[KERNEL_LISTEN_OVERFLOWS].value;
	constants->mib_listen_drops = s->enums.number[KERNEL_LISTEN_DROPS].value;
	constants->mib_reqq_full_drop = s->enums.number[KERNEL_REQQ_FULL_DROP].value;
	constants->mib_out_rsts = s->enums.number[KERNEL_OUT_RSTS].value;
	memcpy((void *)constants->drop_reasons, s->enums.drop_reasons, sizeof(constants->drop_reasons));
	constants->mib_out_no_routes = s->enums.number[KERNEL_OUT_NO_ROUTES].value;
}

/* How many connections may wait for accept() with a beginning that is known, where no record is made of each. */
#define WAITING_UNRECORDED 16384

static bool uses_slots(const struct source *s)
{
	return !s->capabilities[CAP_ATOMICS].error;
}

/* Make the maps of all programs: then two threads can load these. */
static int make_maps(struct source *s, const struct filter *filter)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = s->core);
	struct handshake_bpf *bpf = handshake_bpf__open_opts(&opts);
	struct bpf_program *program;
	int err;

	if (!bpf)
		return -errno;
	s->bpf = bpf;
	bpf_object__for_each_program(program, bpf->obj)
		bpf_program__set_autoload(program, false);
	if (!uses_slots(s))
		bpf_map__set_max_entries(bpf->maps.attempt_slots, 1);
	if (s->calls[CALL_ACCEPT].how == OBSERVE_OFF)
		bpf_map__set_max_entries(bpf->maps.waiting, 1);
	else if (filter->stream.unwanted & (1U << EVENT_ACCEPT)) /* it takes all of its memory at once */
		bpf_map__set_max_entries(bpf->maps.waiting, WAITING_UNRECORDED);
	size_tables(bpf, s->enums.preallocates);
	if (capability_refused(s->capabilities[CAP_REQUEST_FUNCTION].name) || programs_hooks_refused())
		bpf_map__set_max_entries(bpf->maps.syn_depths, 1); /* nothing will be in it */
	if (s->calls[CALL_CONNECT].how == OBSERVE_OFF) {
		bpf_map__set_max_entries(bpf->maps.connect_calls, 1);
		bpf_map__set_max_entries(bpf->maps.connect_errors, 1);
	}
	if (!s->closes) {
		bpf_map__set_max_entries(bpf->maps.lifetimes, 1);
		bpf_map__set_max_entries(bpf->maps.close_times, 1);
		bpf_map__set_max_entries(bpf->maps.close_ports, 1);
	}
	set_constants(s, filter);
	latencies_prepare(s);
	err = size_ring(bpf, s->cpus);
	if (err)
		return err;
	s->settings.cgroup_id = filter->stream.cgroup_id;
	err = handshake_bpf__load(bpf);
	return err ? err : source_write_settings(s);
}

int required_load(struct source *s)
{
	return programs_load(&s->required, handshake_bpf__elf_bytes, s->bpf->obj, s->core,
			     uses_slots(s) ? "state_hash" : "state_slots", NULL, NULL);
}

/* What this kernel never reports, by its BTF: everything, if that cannot be read. */
static uint32_t ask_unreported(const struct source *s)
{
	const struct kernel_enums *k = &s->enums;
	bool reason = k->number[KERNEL_OVERFLOW_REASON].known && !capability_refused("overflow_reason");

	return (reason ? 0 : UNREPORTED_REQUEST_RESET) | (k->send_reset_has_reason ? 0 : UNREPORTED_NO_SOCKET) |
	       (k->retransmit_has_error ? 0 : UNREPORTED_SEND_FAILED);
}

uint32_t source_unreported(const struct source *s)
{
	return s->unreported;
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

	err = err ? err : make_maps(s, filter);
	if (!err && filter->stream.by_remote)
		err = load_remote(s, filter);
	if (err) {
		set_required(s, err);
		return err;
	}
	s->unreported = ask_unreported(s);
	s->capabilities[CAP_REASON].error = capability_refused("overflow_reason") ? -EPERM :
					    s->unreported & UNREPORTED_REQUEST_RESET	  ? -ENOENT :
										    0;
	err = objects_load(s);
	set_required(s, err);
	if (err)
		return err;
	err = source_watch_calls(s);
	return err ? err : latencies_begin(s);
}

int source_load(struct source *s, const struct filter *filter)
{
	struct kernel_btf kernel;
	int err;

	if (s->calls[CALL_ACCEPT].how == OBSERVE_AUTO &&
	    (capability_refused(s->capabilities[CAP_ACCEPT_FUNCTION].name) || programs_hooks_refused())) {
		s->capabilities[CAP_ACCEPT_FUNCTION].error = -EPERM;
		s->calls[CALL_ACCEPT].how = OBSERVE_OFF; /* nobody would read what is kept for it */
	}
	s->closes = !(filter->stream.unwanted & (1U << EVENT_CLOSE));
	err = kernel_fetch_atomics();
	s->guards = !err;
	s->capabilities[CAP_ATOMICS].error = capability_refused(s->capabilities[CAP_ATOMICS].name) ? -EPERM : err;
	if (read_kernel(s, &kernel))
		log_debug("the kernel's BTF cannot be read here; libbpf tries");
	err = load_all(s, filter);
	s->core = NULL;
	if (s->core_fd >= 0)
		close(s->core_fd);
	if (err)
		return err;
	s->reader = mapped_open(bpf_map__fd(s->bpf->maps.reader), sizeof(*s->reader));
	s->ring = s->reader ? ring_buffer__new(bpf_map__fd(s->bpf->maps.events), on_event, s, NULL) : NULL;
	return s->ring ? 0 : -errno;
}

/* State changes by the classic tracepoint where it is needed and there, else by the other. */
static int attach_required(struct source *s)
{
	optional_attach(s, OPTIONAL_CLASSIC);
	return programs_attach_from(&s->required, optional_loaded(s, OPTIONAL_CLASSIC));
}

int source_attach(struct source *s)
{
	int err = attach_required(s);

	set_required(s, err);
	s->attached = !err;
	if (err)
		return err;
	for (int which = OPTIONAL_CLASSIC + 1; which < OPTIONALS; which++)
		optional_attach(s, which);
	s->unreported |= optionals_unreported(s);
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
	programs_detach(&s->required);
	for (int which = 0; which < OPTIONALS; which++)
		programs_detach(&s->optional[which]);
	source_detach_calls(s);
}

int source_fd(const struct source *s)
{
	return ring_buffer__epoll_fd(s->ring);
}

int source_drain(struct source *s)
{
	return ring_buffer__consume(s->ring);
}

void source_sleep(struct source *s)
{
	__atomic_store_n(&s->reader->asleep, 1, __ATOMIC_SEQ_CST);
}
