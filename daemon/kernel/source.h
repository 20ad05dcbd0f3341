/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel side: loads and attaches the BPF programs, hands on their events, reads their
 * counters. It knows no record and no sink.
 *
 * The folder kernel/ is for what needs libbpf, which is used nowhere else; it may include host/.
 */
#ifndef TCPSHAKE_SOURCE_H
#define TCPSHAKE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/counters.h"
#include "bpf/depth.h"
#include "bpf/event.h"
#include "bpf/maps.h"
#include "common/filter.h"
#include "daemon/kernel/capabilities.h"
#include "daemon/kernel/consume.h"
#include "daemon/kernel/missed.h"
#include "daemon/kernel/unreported.h"

struct source;

/*
 * Latency histograms, kept by the kernel side if asked for before source_load(). Each is given once:
 * those of a role and outcome, without what was established at ports that have their own (port 0),
 * and the ports' own. Each sum over the shards is consistent, and the memory is the source's.
 */
struct latency_series {
	enum role role;
	enum outcome outcome;
	uint32_t netns; /* of a listener's port */
	uint16_t port; /* 0: all that have no histogram of their own */
};

void source_want_latencies(struct source *s);
void source_latencies(struct source *s,
		      void (*fn)(void *ctx, const struct latency_series *series,
				 const struct latency *sum),
		      void *ctx);

/*
 * Every interval: make room for other ports, if room is short. `listens`: is there a listener?
 * What was counted of a port that loses its histogram is from then on in that of port 0.
 */
void source_sweep_latencies(struct source *s,
			    bool (*listens)(void *ctx, uint32_t netns, uint16_t port), void *ctx);

/* What each BPF program cost, if kernel.bpf_stats_enabled is set. */
struct program_cost {
	const char *name;
	uint64_t run_ns, runs, misses;
};
void source_costs(const struct source *s, void (*fn)(void *ctx, const struct program_cost *cost),
		  void *ctx);

/*
 * Kernel memory of the maps that the programs share, which no process's memory shows: bytes, by the map's name. From
 * 6.4 on a table counts with the entries that it has, before with those that it may have.
 */
void source_map_memory(const struct source *s, void (*fn)(void *ctx, const char *map, uint64_t bytes), void *ctx);

/* What the running kernel does not report: enum unreported. */
uint32_t source_unreported(const struct source *s);
/* Its name for why it sent a RST, "no_socket" for SK_RST_REASON_NO_SOCKET; NULL if it has none. */
const char *source_reset_reason(const struct source *s, uint32_t reason);

struct source *source_new(const struct source_handler *handler);
void source_free(struct source *s);

/* Calls whose ends may be observed: accept(), and a connect() that fails before its socket leaves CLOSE. */
enum call { CALL_ACCEPT, CALL_CONNECT, CALLS };

enum observe {
	OBSERVE_AUTO, /* by functions if they can be hooked; else connect() by its system call, and accept() not */
	OBSERVE_FUNCTION,
	OBSERVE_SYSCALL,
	OBSERVE_OFF,
};

/* Before source_load(): how; if it is not said, OBSERVE_OFF. */
void source_observe(struct source *s, enum call call, enum observe how);

/*
 * Load the programs with the stream filtered as asked. 0 or a negative errno. What sees a call may be refused all the
 * same: source_call_error() says so.
 */
int source_load(struct source *s, const struct filter *filter);
int source_attach(struct source *s);
/* The cgroup that the filter asks for is another one now. */
void source_set_cgroup(struct source *s, uint64_t cgroup_id);
/* Stop new events; those in the ring stay for source_drain(). */
void source_detach(struct source *s);

/* Readable when much is waiting; below that only a timer's source_drain() fetches events, unless source_sleep(). */
int source_fd(const struct source *s);
/* Hand on everything that waits. How many events, or a negative errno if the ring is broken. */
int source_drain(struct source *s);
/*
 * From now on the next event makes source_fd() readable, once. What came before that took effect is found by a
 * source_drain() after it.
 */
void source_sleep(struct source *s);

/* Hand every listener that a process (`pid`, or any for 0) holds open to the handler. */
int source_scan_listeners(struct source *s, uint32_t pid);

/* Look at the queues of these listeners (look.h). 0 or a negative errno. */
int source_look(struct source *s, const struct look_request *requests, size_t count,
		void (*fn)(void *ctx, size_t index, const struct listener_sample *sample), void *ctx);
/* The same of a few between two looks: what is accepted meanwhile is of the time of the one before. */
int source_look_again(struct source *s, const struct look_request *requests, size_t count,
		      void (*fn)(void *ctx, size_t index, const struct listener_sample *sample), void *ctx);
/* Take what is gone out of that table, and the books of a port without listeners. */
void source_forget_listener(struct source *s, uint64_t socket);
void source_forget_service(struct source *s, uint32_t netns, uint16_t port);

/*
 * How deep connections found the accept queue of a listener that they joined, and requests the SYN queue, and how long
 * connections waited for accept(): all since it began to listen, or since the daemon did. `alone`: no other listens at its
 * port, so that those of which only the port is known are its own.
 */
struct queue_place {
	uint64_t socket;
	struct service_key service;
	bool alone;
};

/* False: nothing is kept of it, and `sum` is empty. */
bool source_depth(const struct source *s, enum overflow_queue which, const struct queue_place *place, struct depth *sum);
bool source_wait(const struct source *s, const struct queue_place *place, struct latency *sum);
/* Does the kernel side see accept()? */
bool source_sees_accept(const struct source *s);
/* … and who joins a queue of that kind? */
bool source_sees_queue(const struct source *s, enum overflow_queue which);
/* A listener was closed: has another one its address by now, so that what is kept is of that? */
bool source_listens_again(const struct source *s, uint64_t socket);
/* Take what is kept of it out of these tables. */
void source_forget_queue(struct source *s, uint64_t socket);
/* The same of connections of which only the port is known. */
void source_forget_port(struct source *s, uint32_t netns, uint16_t port);

/* What the kernel side counted in a namespace; zeros if nothing. */
void source_namespace(const struct source *s, uint32_t netns, struct namespace_counts *counts);
void source_forget_namespace(struct source *s, uint32_t netns);

/* What this host dropped for a reason of common/drop_reason.h, over all CPUs; zeros if nothing. */
void source_drops(const struct source *s, unsigned int reason, struct drop_counts *sum);

/*
 * How long connections lasted that ended (enum close_how), or were in a state (enum close_time); `role`: ROLE_UNKNOWN, too.
 * False: nothing of that is kept.
 */
bool source_close_time(const struct source *s, unsigned int which, unsigned int role, struct latency *sum);

/*
 * The same by port, each once: as source_latencies() has it for established handshakes, and with connections that are in a state on
 * the way to their end now. Nothing, if nothing of that is kept.
 */
void source_close_ports(struct source *s,
			void (*fn)(void *ctx, const struct latency_series *series, const struct close_port *sum),
			void *ctx);

/* Are ends of connections seen? */
bool source_sees_ends(const struct source *s);
/* From how many local ports connect() chooses, in the daemon's own namespace at its start; 0: without histograms. */
unsigned int source_local_ports(const struct source *s);

/* The sums over all CPUs. */
int source_counters(const struct source *s, struct counters *sum);

/*
 * How many runs the kernel skipped since the program was running already on that CPU. Of changes of state
 * an upper bound, where more than one program is called for each (bpf/takeover.bpf.h).
 */
void source_missed(const struct source *s, uint64_t missed[MISSED_KINDS]);

/* Forget retransmitted requests that can no longer complete, and attempts whose end was missed. */
void source_expire(struct source *s, uint64_t now_ns);

/* Is that request still there, by what is known: its end would have taken it out? */
bool source_request_pending(const struct source *s, const struct event_handshake *e);

/* The ends of a refused SYN as the kernel saw them that refused it (HANDSHAKE_TRANSLATED). False: they are not known any more. */
bool source_take_refusal(struct source *s, uint32_t client_isn, struct refusal *refusal);

/* Find out how else calls could be seen, for the capabilities; after source_load(). */
void source_probe_calls(struct source *s);
/* … and whether the kernel takes what shows how connections end, if nobody asked for it. */
void source_probe_ends(struct source *s);
/* Why a call cannot be seen as asked: 0 or a negative errno. */
int source_call_error(const struct source *s, enum call call);

/* How often connect() failed at once, by errno (0: of all for which the table has no room) and process. */
void source_connect_errors(const struct source *s,
			   void (*fn)(void *ctx, const struct connect_error_key *key, uint64_t count), void *ctx);

/* The tier: "tracepoints", or "functions" where those can be hooked as well. */
const char *source_evidence(const struct source *s);

/* Does an event report each refused final ACK? */
bool source_reports_acks(const struct source *s);
/* If not, are there no more of them than the listener's state says are unnamed? */
bool source_bounds_acks(const struct source *s);
/* Does one report each refused SYN, now? */
bool source_reports_syns(const struct source *s);

/* All CAPABILITIES of them, with what this kernel grants. */
const struct capability *source_capabilities(const struct source *s, size_t *count);

#endif
