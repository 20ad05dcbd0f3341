// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "source_internal.h"

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
#include "expire.h"
#include "functions.h"

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

bool source_request_pending(const struct source *s, const struct event_handshake *e)
{
	struct request_key key = { .netns = e->header.netns, .local_port = e->local_port,
				   .remote_port = e->remote_port };
	struct request request;

	memcpy(key.local_addr, e->local_addr, sizeof(key.local_addr));
	memcpy(key.remote_addr, e->remote_addr, sizeof(key.remote_addr));
	return bpf_map__lookup_elem(s->bpf->maps.requests, &key, sizeof(key), &request,
				    sizeof(request), 0) == 0 &&
	       request.client_isn == e->client_isn;
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

void source_want_latencies(struct source *s)
{
	s->latencies = true;
}

int source_make_latencies(struct source *s)
{
	struct latency *empty = calloc((size_t)s->cpus, sizeof(*empty));
	struct latency_key key = { .port = 0 };
	int err = empty ? 0 : -ENOMEM;

	for (int role = 0; !err && role < ROLES; role++) {
		for (int outcome = 0; !err && outcome < OUTCOMES; outcome++) {
			key.role = (__u8)role;
			key.outcome = (__u8)outcome;
			err = bpf_map__update_elem(s->bpf->maps.latencies, &key, sizeof(key), empty,
						   (size_t)s->cpus * sizeof(*empty), BPF_ANY);
		}
	}
	free(empty);
	return err;
}

static void add_latency(struct latency *sum, const struct latency *one)
{
	sum->unknown += one->unknown;
	sum->sum_ns += one->sum_ns;
	for (int i = 0; i < LATENCY_BUCKETS; i++)
		sum->bucket[i] += one->bucket[i];
}

void source_latencies(const struct source *s,
		      void (*fn)(void *ctx, const struct latency_key *key, const struct latency *sum),
		      void *ctx)
{
	struct latency *per_cpu = calloc((size_t)s->cpus, sizeof(*per_cpu));
	struct bpf_map *map = s->bpf->maps.latencies;
	struct latency_key key, *last = NULL;
	struct latency sum;

	while (s->latencies && per_cpu &&
	       bpf_map__get_next_key(map, last, &key, sizeof(key)) == 0) {
		last = &key;
		if (bpf_map__lookup_elem(map, &key, sizeof(key), per_cpu,
					 (size_t)s->cpus * sizeof(*per_cpu), 0))
			continue;
		memset(&sum, 0, sizeof(sum));
		for (int cpu = 0; cpu < s->cpus; cpu++)
			add_latency(&sum, &per_cpu[cpu]);
		fn(ctx, &key, &sum);
	}
	free(per_cpu);
}

void source_costs(const struct source *s, void (*fn)(void *ctx, const struct program_cost *cost),
		  void *ctx)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, s->bpf->obj)
	{
		struct bpf_prog_info info = {};
		struct program_cost cost = {};
		__u32 len = sizeof(info);
		int fd = bpf_program__fd(program);

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
			continue;
		snprintf(cost.name, sizeof(cost.name), "%s", bpf_program__name(program));
		cost.run_ns = info.run_time_ns;
		cost.runs = info.run_cnt;
		cost.misses = info.recursion_misses;
		fn(ctx, &cost);
	}
}
