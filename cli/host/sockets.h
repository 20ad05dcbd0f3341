/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TCP sockets of the network namespace that this thread is in, as sock_diag(7) lists them, TIME_WAIT included. */
#ifndef TCPSHAKE_SOCKETS_H
#define TCPSHAKE_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#define SOCKETS_ALL 0xffeU /* 1 << TCP_ESTABLISHED to 1 << TCP_CLOSING of netinet/tcp.h */
#define QUIET_UNKNOWN UINT32_MAX

struct socket_seen {
	uint8_t local[16], remote[16]; /* network byte order, v4-mapped */
	uint16_t local_port, remote_port;
	uint8_t state; /* TCP_ESTABLISHED … of netinet/tcp.h; a request is TCP_SYN_RECV */
	bool ends; /* a timer ends it, and the kernel keeps no whole socket: TIME_WAIT, or FIN_WAIT2 that waits so */
	uint32_t ends_ms; /* when */
	bool v6only; /* of an IPv6 listener: it takes no IPv4 */
	uint32_t inode; /* of its file; 0: it has none */
	uint32_t queue, limit; /* of a listener: its accept queue; 0 of others */
	uint32_t quiet_ms; /* since the last ACK came; modulo 2^32; QUIET_UNKNOWN if it was not asked for, or there is no whole socket */
	uint64_t cgroup_id; /* that its process was in when it made it; 0: not known */
};

typedef void sockets_fn(void *ctx, const struct socket_seen *s);

enum sockets_detail { SOCKETS_BRIEF, SOCKETS_QUIET /* with `quiet_ms`, which takes the kernel longer */ };

/*
 * Call `fn` for each socket in one of `states` (1 << state). Sockets that change their state meanwhile can be missing, or come twice. 0, or a negative errno.
 */
int sockets_each(uint32_t states, enum sockets_detail detail, sockets_fn *fn, void *ctx);

#endif
