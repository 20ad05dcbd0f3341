/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How much of the range of local ports that connect() chooses from is in use, in our namespace. */
#ifndef TCPSHAKE_PORTS_H
#define TCPSHAKE_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One socket that is not listening; addresses in network byte order, v4-mapped. */
struct port_use {
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
};

struct ports_summary {
	uint64_t ports; /* of the range, in use by any socket; one port may serve many destinations */
	uint64_t busiest; /* in use from one address towards one destination: these exclude each other */
	struct port_use towards; /* the first of them, if there are any */
};

/* Pure. Changes the order of `uses`. */
void ports_sum(struct port_use *uses, size_t count, uint16_t low, uint16_t high,
	       struct ports_summary *sum);

/* Ask the kernel (sock_diag(7)), TIME_WAIT included. 0, or a negative errno: nobody can say. */
int ports_look(uint16_t low, uint16_t high, struct ports_summary *sum);

#endif
