/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Of the kernel's reasons to drop a packet (enum skb_drop_reason), those that are a deed of this host: what it is set
 * up to do, or is short of. Its names are in lower case and without prefix; which of them a kernel has, and by which
 * number, its BTF says.
 *
 * Left out is what has a name of its own here (no socket, a full queue of a listener, a neighbour that does not
 * answer), what only shows that the segment is old, a duplicate or damaged, and a packet that is for another host.
 */
#ifndef TCPSHAKE_DROP_REASON_H
#define TCPSHAKE_DROP_REASON_H

#include "bpf/event.h"

/* What to look at. */
enum drop_group {
	DROP_BY_OTHERS, /* a reason that this table does not have */
	DROP_BY_FIREWALL,
	DROP_BY_ROUTE, /* addresses, routes, and the check of the source by routes */
	DROP_BY_POLICY, /* programs and modules that decide about packets */
	DROP_BY_KEYS, /* TCP-MD5, TCP-AO */
	DROP_BY_TIMESTAMPS, /* RFC 7323: the segment looks older than the connection */
	DROP_BY_MEMORY,
	DROP_BY_QUEUE, /* of a device or a CPU */
	DROP_GROUPS,
};

/* Numbers from 1 on, below DROP_REASONS_MAX; 0 and NULL: there is none. */
const char *drop_reason_name(unsigned int reason);
unsigned int drop_reason_of(const char *name);
enum drop_group drop_group_of(const char *name);

#endif
