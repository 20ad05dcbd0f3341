/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The local ports that connect() chooses from, and how many of them are left from one address towards one destination. Pure.
 * The rules are the kernel's: __inet_hash_connect(), __inet_check_established() and tcp_twsk_unique().
 */
#ifndef TCPSHAKE_PORT_RANGE_H
#define TCPSHAKE_PORT_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tw_reuse { TW_REUSE_OFF, TW_REUSE_ON, TW_REUSE_LOOPBACK };

struct port_range {
	bool known; /* the sysctls could be read */
	uint16_t low, high; /* net.ipv4.ip_local_port_range */
	uint8_t barred[8192]; /* bit (port & 7) of byte (port >> 3): reserved, or a listener's */
	uint64_t reserved, listening; /* how many of the range */
	uint64_t tw_reuse; /* net.ipv4.tcp_tw_reuse: enum tw_reuse */
	bool timestamps; /* net.ipv4.tcp_timestamps is on: without them no port is used again */
};

struct ports_left {
	bool known;
	uint16_t low, high; /* the range, and what is not usable of it */
	uint64_t reserved, listening;
	uint64_t usable; /* of the range: neither reserved nor a listener's */
	uint64_t used; /* of these, by a socket from this address towards this destination */
	uint64_t time_wait; /* of those used: in TIME_WAIT */
	/*
	 * Of those in TIME_WAIT, at most: those that a new connection may use again, a second or so after the last segment, if both
	 * sides have agreed on timestamps. The kernel does not show for which of them that holds.
	 */
	uint64_t reusable;
	uint64_t left; /* at most */
	double new_per_s; /* how many of those used entered TIME_WAIT each second, of late */
	uint64_t runs_out_ms; /* no port is left then, if that goes on; UINT64_MAX: it does not come to that, or nobody can say */
};

/* One socket of a destination. */
struct port_taken {
	size_t group; /* which destination */
	uint16_t port;
	bool time_wait;
	uint32_t ends_ms; /* if so: when it is free again */
};

/* ip_local_reserved_ports has "8080,9148-9150". */
void port_range_reserve(struct port_range *r, const char *list);
/* A listener has the port, whatever its address: connect() passes over it. */
void port_range_listen(struct port_range *r, uint16_t port);

/* May a connection between these addresses use a port again that is in TIME_WAIT? */
bool port_range_reuses(const struct port_range *r, const uint8_t *local, const uint8_t *remote);

/* In the order in which ports_left_count() needs them. */
void ports_taken_sort(struct port_taken *taken, size_t count);
/* Of one destination, sorted. How many of `taken` count, each port once; they come first in it then. */
size_t ports_left_count(struct ports_left *left, const struct port_range *r, bool reuses, struct port_taken *taken, size_t count);
/* … after that, of those that count: the last two of `left`. `reuses` as before; the order of `taken` is another one then. */
void ports_forecast(struct ports_left *left, bool reuses, struct port_taken *taken, size_t count);
/* `new_per_s`: "0.4", "470" */
const char *ports_rate_text(const struct ports_left *left, char *out, size_t size);

#endif
