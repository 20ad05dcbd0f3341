/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What filters ask about a record. */
#ifndef TCPSHAKE_SUBJECT_H
#define TCPSHAKE_SUBJECT_H

#include "common/filter.h"
#include "daemon/host/identity.h"
#include "daemon/queues/queues.h"

struct filter_subject subject_of_handshake(struct identity *identity, const struct event_handshake *e);
struct filter_subject subject_of_listener(struct identity *identity, const struct listener *p);
struct filter_subject subject_of_overflow(struct identity *identity, const struct overflow_report *r);
struct filter_subject subject_of_audit(const struct audit_report *r);

/* Of what has ends and a cgroup, and no role or outcome. `remote_addr`: NULL if it is not known. */
struct filter_subject subject_of_ends(struct identity *identity, uint32_t netns, uint64_t cgroup_id,
				      uint16_t local_port, const uint8_t *remote_addr,
				      uint16_t remote_port);

/* The same of any event that has them. */
#define subject_of_event(identity, e)                                                              \
	subject_of_ends(identity, (e)->header.netns, (e)->cgroup_id, (e)->local_port,              \
			(e)->remote_addr, (e)->remote_port)

#endif
