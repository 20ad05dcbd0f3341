/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Listeners and their queues, followed by events and looks: reports a listener that opens, closes, changes or is
 * busy, each refusal that can be found, and the audit of each namespace.
 *
 * The folder queues/ is for what this host's listeners do; it may include host/ and kernel/, and knows no record.
 */
#ifndef TCPSHAKE_QUEUES_H
#define TCPSHAKE_QUEUES_H

#include "daemon/kernel/source.h"
#include "daemon/queues/audit.h"
#include "daemon/queues/listeners.h"
#include "daemon/queues/overflow.h"

struct queues;

/* A refusal: the finding (whose `view` is not asked), where and to whom. */
struct overflow_report {
	struct overflow_finding finding;
	uint32_t netns;
	const uint8_t *local_addr; /* NULL: no listener is known; else with local_port */
	uint16_t local_port;
	const uint8_t *remote_addr; /* NULL: the client is not known */
	uint16_t remote_port;
	bool queue_known;
	uint32_t accept_len;
	uint32_t accept_max;
	const struct listener *listener; /* NULL: none that is known */
	uint64_t interval_ns; /* within which it happened; 0: at the record's moment */
};

/* What an event says of one, at the moment that it happened. */
static inline struct overflow_report overflow_report_of(const struct event_overflow *e, const struct listener *p)
{
	return (struct overflow_report){
		.finding = { .stage = e->stage, .queue = overflow_queue_of(e->code), .action = e->action,
			     .evidence = e->evidence, .code = e->code, .proven = e->proven, .count = 1 },
		.netns = e->header.netns,
		.local_addr = p ? p->addr : e->local_addr,
		.local_port = e->local_port,
		.remote_addr = e->remote_addr,
		.remote_port = e->remote_port,
		.queue_known = true,
		.accept_len = e->accept_queue_len,
		.accept_max = e->accept_queue_max,
		.listener = p,
	};
}

/* Who gets the reports. */
struct queues_handler {
	void (*listener)(void *ctx, const struct listener *p, enum listener_change change, uint64_t mono_ns);
	void (*overflow)(void *ctx, const struct overflow_report *r, uint64_t mono_ns);
	void (*audit)(void *ctx, const struct audit_report *r);
	/* For the causes: SYNs were refused, and all before `now_ns` are reported. */
	void (*refused)(void *ctx, const struct syn_refusals *refusals);
	void (*looked)(void *ctx, uint32_t netns, uint64_t now_ns);
	void *ctx;
};

/* Neither source nor listeners are owned. NULL if memory is out. */
struct queues *queues_new(struct source *source, struct listeners *listeners,
			  const struct queues_handler *handler);
void queues_free(struct queues *q);

void queues_listener(struct queues *q, const struct event_listener *e);
void queues_overflow(struct queues *q, const struct event_overflow *e);

/* listen() without bind(): its port is known by now, to a look at this socket. False if nobody can look. */
bool queues_bind(struct queues *q, uint64_t socket);

/* How many namespaces have the address (`netns`: only that one)? As far as one can be looked into. */
unsigned int queues_has_address(struct queues *q, uint32_t netns, const uint8_t *addr);

/* A process of this namespace opened a connection: it is audited from now on. Cheap. */
void queues_client(struct queues *q, uint32_t netns, uint32_t pid);

/*
 * Look at all queues: at start, and every interval. The books of idle namespaces are read now and then,
 * or with `all` now.
 */
void queues_interval(struct queues *q, uint64_t now_ns, bool all);

/*
 * After it: let namespaces go that nothing keeps any more but the files of their counters, which are read a last time. Who
 * keeps the others is searched for now and then, at 2 % of a CPU at most, and in no look's time.
 */
void queues_leave_dead(struct queues *q, uint64_t now_ns);

/* The last look found every queue empty, and nothing to say: until something happens, there is nothing to look for. */
bool queues_quiet(const struct queues *q);
/* An interval goes by without a look. */
void queues_skip_interval(struct queues *q);

/* Where the kernel side keeps what it counts of that listener's accept queue. */
struct queue_place queues_place(const struct queues *q, const struct listener *p);

/* How many handshakes were refused so, in reports or out of them. */
uint64_t queues_refused(const struct queues *q, enum overflow_stage stage,
			enum overflow_queue queue, enum overflow_action action);

/* How many audits balanced, or did not. */
uint64_t queues_audits(const struct queues *q, bool balanced);

/* Each listener as it was at the last look; `mono_ns`: that moment. */
void queues_each_listener(struct queues *q, void (*fn)(void *ctx, const struct listener *p, uint64_t mono_ns),
			  void *ctx);
/* The last audit of each namespace. */
void queues_each_audit(const struct queues *q, void (*fn)(void *ctx, const struct audit_report *r), void *ctx);

#endif
