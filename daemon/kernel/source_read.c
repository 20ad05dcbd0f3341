// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/counters.h"
#include "bpf/maps.h"
#include "daemon/kernel/source_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/host/holders.h"
#include "daemon/kernel/expire.h"

/* Read an iterator's output to its end, and hand on each record of `size` bytes. */
static int read_records(int link, size_t size,
			void (*fn)(void *ctx, const void *record), void *ctx)
{
	int fd = bpf_iter_create(link), err = 0;
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

static void on_holder(void *ctx, const struct holder *h)
{
	struct source *s = ctx;
	struct event_listener e = {
		.header = { EVENT_LISTENER, sizeof(e), h->netns },
		.mono_ns = clock_mono_ns(),
		.inode = h->inode,
		.local_port = h->port,
		.event = LISTENER_FOUND,
		.pid = h->pid,
		.uid = h->uid,
		.start = h->start,
		.init = h->init,
		.accept_len = h->accept_len,
	};

	memcpy(e.local_addr, h->addr, sizeof(e.local_addr));
	memcpy(e.comm, h->comm, sizeof(e.comm));
	if (h->inode)
		s->handler.listener(s->handler.ctx, &e);
}

/* By /proc: what it costs and shows is said in host/holders.h. */
static int scan_proc(struct source *s, uint32_t pid)
{
	struct holders_coverage coverage;
	int err = holders_scan("/proc", pid, on_holder, s, &coverage);

	if (!err && !pid && coverage.processes_unread)
		log_debug("%u processes do not show their files: owners may be missing",
			  coverage.processes_unread);
	return err;
}

int source_scan_listeners(struct source *s, uint32_t pid)
{
	union bpf_iter_link_info info = { .task.pid = pid };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	int program = s->optional[OPTIONAL_FILES].program[0].fd, link, err;

	if (s->capabilities[CAP_FILES].error)
		return scan_proc(s, pid);
	link = bpf_link_create(program, 0, BPF_TRACE_ITER, pid ? &opts : NULL);
	if (link < 0 && pid) /* one process only: 6.1, f0d74c4da1f0 "bpf: Parameterize task iterators." */
		link = bpf_link_create(program, 0, BPF_TRACE_ITER, NULL);
	if (link < 0)
		return -errno;
	err = read_records(link, sizeof(struct event_listener), on_listener_file, s);
	close(link);
	return err;
}

int source_look_again(struct source *s, const struct look_request *requests, size_t count,
		      void (*fn)(void *ctx, size_t index, const struct listener_sample *sample), void *ctx)
{
	int err = s->capabilities[CAP_LOOK].error;

	return err ? err : look_at(&s->look, requests, count, fn, ctx);
}

int source_look(struct source *s, const struct look_request *requests, size_t count,
		void (*fn)(void *ctx, size_t index, const struct listener_sample *sample), void *ctx)
{
	int err = s->capabilities[CAP_LOOK].error;

	if (err)
		return err;
	s->settings.look++; /* what is accepted from here on is of this look's time */
	err = source_write_settings(s);
	return err ? err : source_look_again(s, requests, count, fn, ctx);
}

void source_forget_listener(struct source *s, uint64_t socket)
{
	struct listener_key key = { socket };

	bpf_map__delete_elem(s->bpf->maps.listeners, &key, sizeof(key), 0);
}

/* All CPUs' copies of an element. */
static int read_per_cpu(const struct source *s, const struct bpf_map *map, uint32_t key, size_t size)
{
	return bpf_map__lookup_elem(map, &key, sizeof(key), s->per_cpu, (size_t)s->cpus * size, 0);
}

void source_namespace(const struct source *s, uint32_t netns, struct namespace_counts *counts)
{
	const struct namespace_counts *hashed = s->per_cpu;
	const struct namespace_slot *slot = s->per_cpu;

	memset(counts, 0, sizeof(*counts));
	if (read_per_cpu(s, s->bpf->maps.namespace_slots, namespace_slot(netns), sizeof(*slot)) == 0)
		for (int cpu = 0; cpu < s->cpus; cpu++)
			if (slot[cpu].netns == netns)
				add_words(counts, &slot[cpu].counts, sizeof(*counts));
	for (int apart = 0; apart < 2; apart++)
		if (read_per_cpu(s, s->bpf->maps.namespaces, apart ? netns_apart(netns) : netns, sizeof(*hashed)) == 0)
			for (int cpu = 0; cpu < s->cpus; cpu++)
				add_words(counts, &hashed[cpu], sizeof(*counts));
}

void source_forget_namespace(struct source *s, uint32_t netns)
{
	uint32_t apart = netns_apart(netns);

	bpf_map__delete_elem(s->bpf->maps.namespaces, &netns, sizeof(netns), 0);
	bpf_map__delete_elem(s->bpf->maps.namespaces, &apart, sizeof(apart), 0);
}

int source_counters(const struct source *s, struct counters *sum)
{
	const struct counters *c = s->per_cpu;

	memset(sum, 0, sizeof(*sum));
	for (uint32_t apart = 0; apart < 2; apart++) {
		int err = read_per_cpu(s, s->bpf->maps.counters, apart, sizeof(*c));

		if (err)
			return err;
		for (int cpu = 0; cpu < s->cpus; cpu++)
			add_words(sum, &c[cpu], sizeof(*sum));
	}
	return 0;
}

void source_drops(const struct source *s, unsigned int reason, struct drop_counts *sum)
{
	const struct drop_counts *counts = s->per_cpu;

	memset(sum, 0, sizeof(*sum));
	if (read_per_cpu(s, s->bpf->maps.drops, reason, sizeof(*counts)) == 0)
		for (int cpu = 0; cpu < s->cpus; cpu++)
			add_words(sum, &counts[cpu], sizeof(*sum));
}

bool source_sees_ends(const struct source *s)
{
	return s->closes && !s->capabilities[CAP_CLOSE].error;
}

unsigned int source_local_ports(const struct source *s)
{
	return s->latencies ? s->bpf->rodata->ephemeral_last - s->bpf->rodata->ephemeral_first + 1U : 0;
}

bool source_close_time(const struct source *s, unsigned int which, unsigned int role, struct latency *sum)
{
	uint32_t index = which * (ROLES + 1) + role;

	return s->closes && s->latencies &&
	       bpf_map__lookup_elem(s->bpf->maps.close_times, &index, sizeof(index), sum, sizeof(*sum), 0) == 0;
}

static void cost_of(int fd, const char *name, void (*fn)(void *ctx, const struct program_cost *cost), void *ctx)
{
	struct bpf_prog_info info = {};
	struct program_cost cost = { .name = name };
	__u32 len = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return; /* it is not loaded */
	cost.run_ns = info.run_time_ns;
	cost.runs = info.run_cnt;
	cost.misses = info.recursion_misses; /* stays 0 before 5.12 */
	fn(ctx, &cost);
}

/* Call `fn` for each program of an object that is loaded. */
static void each_program_of(const struct bpf_object *object,
			    void (*fn)(void *ctx, const struct program_cost *cost), void *ctx)
{
	struct bpf_program *program = NULL;

	while (object && (program = bpf_object__next_program(object, program)))
		cost_of(bpf_program__fd(program), bpf_program__name(program), fn, ctx);
}

static void each_kept(const struct programs *p, void (*fn)(void *ctx, const struct program_cost *cost), void *ctx)
{
	for (size_t i = 0; i < p->count; i++)
		cost_of(p->program[i].fd, p->program[i].name, fn, ctx);
}

static void each_program(const struct source *s,
			 void (*fn)(void *ctx, const struct program_cost *cost), void *ctx)
{
	each_kept(&s->required, fn, ctx);
	for (int call = 0; call < CALLS; call++)
		each_program_of(s->calls[call].object, fn, ctx);
	for (int which = 0; which < OPTIONALS; which++)
		each_kept(&s->optional[which], fn, ctx);
}

/* By the beginning of a program's name. What is not here misses nothing that is looked for. */
static const struct {
	const char *program;
	enum missed what;
} missed_by[] = {
	{ "retransmit_", MISSED_RETRANSMIT },
	{ "send_reset", MISSED_RESET },
	{ "receive_reset", MISSED_RESET },
	{ "reset4_", MISSED_RESET },
	{ "reset6_", MISSED_RESET },
	{ "conn_request_", MISSED_OVERFLOW },
	{ "check_req_", MISSED_OVERFLOW },
	{ "cookie_sock_", MISSED_OVERFLOW },
	{ "connect_enter", MISSED_CONNECT }, /* connect_any_enter, _exit: nearly all that they miss are other calls */
	{ "connect_exit", MISSED_CONNECT },
	{ "connect_v4", MISSED_CONNECT_WAY },
	{ "connect_v6", MISSED_CONNECT_WAY },
	{ "connect_security", MISSED_CONNECT },
	{ "connect_syscall_", MISSED_CONNECT },
	{ "accept", MISSED_ACCEPT }, /* syscall_exit: nearly all that it misses are other calls */
	{ "close_state", MISSED_CLOSE },
	{ "skb_dropped", MISSED_EVIDENCE },
	{ "neighbour_", MISSED_EVIDENCE },
};

struct skipped {
	uint64_t *missed;
	uint64_t takeover; /* by that program of takeover.bpf.h that skipped least */
	uint64_t close_takeover; /* by that of close_takeover.bpf.c */
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void add_missed(void *ctx, const struct program_cost *cost)
{
	struct skipped *s = ctx;

	if (strncmp(cost->name, "state_takeover", strlen("state_takeover")) == 0)
		s->takeover = least(s->takeover, cost->misses);
	else if (strcmp(cost->name, "close_takeover") == 0)
		s->close_takeover = cost->misses;
	else if (strncmp(cost->name, "state_", strlen("state_")) == 0)
		s->missed[MISSED_TRANSITION] += cost->misses;
	for (size_t i = 0; i < sizeof(missed_by) / sizeof(*missed_by); i++)
		if (strncmp(cost->name, missed_by[i].program, strlen(missed_by[i].program)) == 0)
			s->missed[missed_by[i].what] += cost->misses;
}

/*
 * A change of state is lost if all programs missed it. Where tasks are not preempted inside of them, one
 * runs on a CPU only after the other, and an interrupt finds one of them free. What is not attached is not
 * loaded any more.
 */
static void take_over(const struct source *s, int which, uint64_t *missed, uint64_t by_takeover)
{
	if (programs_loaded(&s->optional[which]))
		*missed = s->preempts ? least(*missed, by_takeover) : 0;
}

void source_missed(const struct source *s, uint64_t missed[MISSED_KINDS])
{
	struct skipped skipped = { .missed = missed, .takeover = UINT64_MAX };

	memset(missed, 0, MISSED_KINDS * sizeof(*missed));
	each_program(s, add_missed, &skipped);
	take_over(s, OPTIONAL_TAKEOVER, &missed[MISSED_TRANSITION], skipped.takeover);
	take_over(s, OPTIONAL_CLOSE_TAKEOVER, &missed[MISSED_CLOSE], skipped.close_takeover);
}

void source_costs(const struct source *s, void (*fn)(void *ctx, const struct program_cost *cost),
		  void *ctx)
{
	each_program(s, fn, ctx);
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

bool source_take_refusal(struct source *s, uint32_t client_isn, struct refusal *refusal)
{
	const struct bpf_map *map = s->bpf->maps.refusals;

	if (bpf_map__lookup_elem(map, &client_isn, sizeof(client_isn), refusal, sizeof(*refusal), 0))
		return false;
	bpf_map__delete_elem(map, &client_isn, sizeof(client_isn), 0);
	return true;
}

bool source_reports_acks(const struct source *s)
{
	return programs_loaded(&s->optional[OPTIONAL_REFUSED_ACK]) ||
	       (!s->capabilities[CAP_KFREE].error && !s->capabilities[CAP_REASON].error);
}

bool source_bounds_acks(const struct source *s)
{
	return !s->capabilities[CAP_KFREE].error && s->capabilities[CAP_REASON].error;
}

bool source_reports_syns(const struct source *s)
{
	return programs_loaded(&s->optional[OPTIONAL_REFUSED_SYN]) && s->attached;
}

const char *source_evidence(const struct source *s)
{
	return programs_loaded(&s->optional[OPTIONAL_REFUSED_SYN]) ? "functions" : "tracepoints";
}

const struct capability *source_capabilities(const struct source *s, size_t *count)
{
	*count = CAPABILITIES;
	return s->capabilities;
}
