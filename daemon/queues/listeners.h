/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who listens where, and how its queues are. Fed by the LISTEN transitions as they happen, by
 * scans of all open files and by looks at the queues; pure: all three are the source's.
 */
#ifndef TCPSHAKE_LISTENERS_H
#define TCPSHAKE_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/depth.h"
#include "bpf/event.h"
#include "bpf/maps.h"
#include "common/names.h"
#include "daemon/queues/distribution.h"

#define LISTENER_OWNERS 16
#define LISTENER_WINDOW_NS 30000000000ULL /* scrapes are seldom further apart */

struct listener_owner {
	uint32_t pid;
	uint32_t uid;
	char comm[COMM_LEN];
	uint32_t start; /* as in struct process_state; 0: not known */
	bool init; /* the first process of its pid namespace */
};

/* Handshakes that were refused, as far as they are in `overflow` records. */
struct refused {
	uint64_t syn; /* SYNs dropped */
	uint64_t ack; /* final ACKs dropped or answered with a RST */
	uint64_t cookie; /* of which the request was in a SYN cookie */
};

/* What is kept of one of its queues, from look to look. */
struct listener_queue {
	uint32_t peak; /* the most that waited since the last record */
	uint32_t peak_window, peak_before; /* the most that waited since window_ns, and in the window before */
	uint32_t depth_limit; /* the limit, as the last who joined it found it */
	struct distribution depth; /* how deep they found it */
};

/* How one is found (listener_index.c). */
enum listener_links {
	LISTENER_BY_SOCKET,
	LISTENER_BY_INODE,
	LISTENER_BY_PLACE, /* namespace, port and address */
	LISTENER_LINKS,
};

struct listener_link {
	struct listener *next; /* of the same bucket */
	struct listener **here; /* what points at it */
};

/* What a look at a quiet one asks about comes first: thousands of them share few cache lines then. */
struct listener {
	uint64_t socket; /* the kernel's address of it: unique while it lives; its inode where /proc alone shows it */
	uint64_t inode; /* as /proc shows it; 0: it has none */
	uint64_t opened_ns; /* 0: it was there before */
	uint32_t place; /* among all listeners */
	uint32_t netns;
	uint32_t quiet_drops, quiet_max; /* if `quiet`: of `sample` */
	uint16_t port; /* 0: not bound yet */
	bool v6only;
	bool seen; /* by the scan under way */
	bool fresh; /* it opened under our eyes: all its drops are ours to explain */
	bool sampled; /* `sample` holds a look */
	bool reported; /* a record said what `told_…` holds */
	bool changed; /* its port or its owners, since then */
	bool cookies_always; /* tcp_syncookies was 2, at this look or the one before */
	bool quiet; /* empty, and nothing is left to say of it, by the last look */
	uint64_t cgroup_id;
	uint8_t addr[16];
	uint32_t reported_backlog;
	bool asked_known; /* what listen() was given; not once another call changed the limit */
	int32_t asked;
	uint32_t granted; /* what net.core.somaxconn left of it */
	uint32_t owner_count;
	uint32_t owners_more; /* holders beyond LISTENER_OWNERS */
	struct listener_owner owner[LISTENER_OWNERS]; /* the first is the main one */
	struct listener_sample sample;
	struct listener_queue queue[LISTENER_QUEUES]; /* by enum overflow_queue */
	struct distribution wait; /* how long connections waited for accept(), ns */
	uint64_t window_ns;
	uint32_t reported_drops;
	uint32_t drops_accounted; /* of sk_drops: in records, or explained otherwise */
	uint32_t drops_new; /* since the look before */
	struct listener_state accounted; /* the same for what the kernel side counts */
	uint64_t evident_acks; /* by SYN-ACK retransmits, not reconciled yet */
	uint64_t summed; /* reported in sums, of a stage that is not proven, and claimed by no event yet */
	struct refused refused;
	struct listener_link link[LISTENER_LINKS];
	bool counted; /* among those of its port */
	bool measured; /* it has series of its own in the metrics */
	uint16_t ordinal; /* … among those with its namespace, address and port */
};

struct listeners;

struct listeners *listeners_new(void);
void listeners_free(struct listeners *l);

/* Take an event: opened or found, by its address or by its inode only. NULL if memory is out. */
struct listener *listeners_put(struct listeners *l, const struct event_listener *e);
/* The one that this event is about; NULL if it is not known. */
struct listener *listeners_of(const struct listeners *l, const struct event_listener *e);
/* By the socket's address; NULL if it is not known. */
struct listener *listeners_find(const struct listeners *l, uint64_t socket);
/* Was it empty at the last look, and is all that it dropped explained? */
bool listener_is_quiet(const struct listener *listener);
/* Is the address of its socket known, so that its queues can be looked at? */
bool listener_has_address(const struct listener *listener);
/* Forget it; it is freed. NULL-safe. */
void listeners_remove(struct listeners *l, struct listener *listener);

/* Take a look at its queues; binds it to its port if it had none. */
void listeners_sample(struct listeners *l, struct listener *listener,
		      const struct listener_sample *sample);

/* What is kept of its queues, after that look; NULL: it is not. */
struct distributions {
	const struct depth *depth[LISTENER_QUEUES];
	const struct latency *wait;
};
void listener_distribute(struct listener *listener, const struct distributions *d);

/* The most that waited in a queue of it in the running window and the one before. */
uint32_t listener_peak(const struct listener *listener, enum overflow_queue which);

/*
 * Around a scan: what no LISTENER_FOUND mentions between the two has no owner that is known,
 * unless it opened meanwhile, or is the kernel's own.
 */
void listeners_scan_begin(struct listeners *l);
void listeners_scan_end(struct listeners *l);

/* A connection, or a segment, that came to a listener. */
struct arrival {
	uint64_t socket; /* the listener's address, where the event shows it; else 0 */
	uint64_t mono_ns; /* when: what opened later is another listener */
	uint32_t netns;
	uint16_t port;
	const uint8_t *addr; /* to which it came */
};

#define arrival_of(listener_socket, when_ns, e)                                                    \
	(&(struct arrival){ .socket = (listener_socket), .mono_ns = (when_ns),                     \
			    .netns = (e)->header.netns, .port = (e)->local_port,                   \
			    .addr = (e)->local_addr })

/*
 * The listener that took it: the one that the event shows, or, where it shows none, the bound address first,
 * then the wildcards, as the kernel's lookup does. NULL if none is known, or if several share the port and
 * fit equally (SO_REUSEPORT).
 */
const struct listener *listeners_at(const struct listeners *l, const struct arrival *a);

/*
 * A service manager, which holds sockets for the services that it starts: the first process of the host, or systemd,
 * also a user's.
 */
bool owner_is_manager(const struct listener_owner *owner);

/*
 * The owner of that listener. NULL if none is known, or if listeners of different processes share the port and
 * any of them may have taken it.
 */
const struct listener_owner *listeners_owner(const struct listeners *l, const struct arrival *a);

/*
 * Has any main owner's process gone, as `alive` says? Then a scan finds who holds the socket. Of many
 * listeners, each call asks about some 4,096, and goes on where the last one ended.
 */
bool listeners_orphaned(struct listeners *l, bool (*alive)(uint32_t pid));
/* Nobody with this number holds any listener: it is another process's now. */
void listeners_disown(struct listeners *l, uint32_t pid);
/* Does another listener share its namespace and port? */
bool listeners_port_shared(const struct listeners *l, const struct listener *listener);

/* Does anybody listen at this port, at whatever address? */
bool listeners_any(const struct listeners *l, uint32_t netns, uint16_t port);

size_t listeners_count(const struct listeners *l);

/* Call `fn` for each, the newest first; it may remove the one it is called with. */
void listeners_each(struct listeners *l, void (*fn)(void *ctx, struct listener *listener), void *ctx);

#endif
