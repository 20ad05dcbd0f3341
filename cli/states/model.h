/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets counted by state: of each network namespace, owner, listener and destination. Pure: what was seen is given to it.
 *
 * A socket has the local end of a listener, then it is that listener's; or it has not, then it is counted by its destination.
 */
#ifndef TCPSHAKE_STATES_MODEL_H
#define TCPSHAKE_STATES_MODEL_H

#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/host/owners.h"
#include "cli/host/sockets.h"
#include "cli/options.h"
#include "cli/states/port_range.h"

#define TCP_STATES (TCP_CLOSING + 1)

/* By TCP_ESTABLISHED …; NULL where there is no such state. */
extern const char *const state_names[TCP_STATES];

/* In the order of the words of --by. */
enum states_by { BY_OWNER, BY_LISTENER, BY_DESTINATION, BY_NETNS, STATES_BYS };
extern const char *const states_by_names[STATES_BYS];

#define STUCK_MS 60000

#define NO_LIMIT_KNOWN -1.0 /* there is no limit, or nobody can say */

/* What a group is of; what does not belong to it is zero. */
struct states_key {
	uint32_t by, netns;
	uint32_t pid; /* of an owner; 0: all sockets without one */
	uint16_t local_port, remote_port;
	uint8_t local[16], remote[16]; /* of a destination: both addresses, for the ports are those between the two */
};

struct states_group {
	struct states_key key;
	uint64_t sockets, count[TCP_STATES];
	uint64_t oldest_ms[TCP_STATES]; /* at least that long; UINT64_MAX: not known */
	uint64_t stuck; /* in CLOSE_WAIT for a minute or more, and a process has them open */
	uint64_t orphans; /* closed by their process, and not by the peer; the kernel keeps them whole */
	uint64_t unaccepted; /* no accept() has returned them */
	uint64_t unfound; /* they have a file, and nobody found the process that has it open */
	uint64_t first_end_ms, last_end_ms; /* of those in TIME_WAIT: when the first and the last of them ends */
	bool owned; /* `owner` is known: of an owner, or of a listener */
	struct file_owner owner;
	uint64_t queue, limit; /* of a listener: of all that share its address */
	struct ports_left ports; /* of a destination */
	double share; /* of what is limited, how much is taken: descriptors, the accept queue, ports */
};

/* What holds for one namespace. */
struct states_netns {
	uint32_t netns;
	struct port_range range;
};

struct states;

/* Of those that the filter (which must outlive it) wants. NULL if memory is out. */
struct states *states_new(const struct filter *filter);
void states_free(struct states *s);
void states_clear(struct states *s);

/* A cgroup below the one that the filter asks for. */
void states_add_cgroup(struct states *s, uint64_t id);
/* The sockets that follow are of this namespace; `n` is copied. */
void states_begin(struct states *s, const struct states_netns *n);
void states_add(struct states *s, const struct socket_seen *seen);
/* Take the last states_begin() back, and what came after it. */
void states_take_back(struct states *s);
/* Call `fn` with the inode of each socket that the filter wants and that has one. */
void states_each_inode(const struct states *s, int (*fn)(void *ctx, uint32_t inode), void *ctx);
/* All have been added: make the groups of them. `owners` may be NULL. */
void states_build(struct states *s, const struct owners *owners);
/* The most urgent first: by what is nearest to its limit, or by the key that was asked for. */
void states_sort(struct states *s, enum sort_key key);

size_t states_count(const struct states *s);
const struct states_group *states_at(const struct states *s, size_t i);
/* Memory ran out: something is missing. */
bool states_failed(const struct states *s);

#endif
