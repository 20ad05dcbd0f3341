// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/events/subject.h"

#include <stddef.h>

struct filter_subject subject_of_handshake(struct identity *identity, const struct event_handshake *e)
{
	return (struct filter_subject){
		.netns = e->header.netns,
		.role = e->role,
		.outcome = e->outcome,
		.local_port = e->local_port,
		.remote_port = e->remote_port,
		.remote_addr = e->remote_addr,
		.latency_ns = e->latency_ns,
		.cgroup_id = e->cgroup_id,
		.cgroup_path = identity_cgroup_path(identity, e->cgroup_id),
	};
}

struct filter_subject subject_of_ends(struct identity *identity, uint32_t netns, uint64_t cgroup_id,
				      uint16_t local_port, const uint8_t *remote_addr,
				      uint16_t remote_port)
{
	return (struct filter_subject){
		.ends_only = true,
		.netns = netns,
		.local_port = local_port,
		.remote_port = remote_port,
		.remote_addr = remote_addr,
		.cgroup_id = cgroup_id,
		.cgroup_path = identity_cgroup_path(identity, cgroup_id),
	};
}

struct filter_subject subject_of_listener(struct identity *identity, const struct listener *p)
{
	return subject_of_ends(identity, p->netns, p->cgroup_id, p->port, NULL, 0);
}

struct filter_subject subject_of_overflow(struct identity *identity, const struct overflow_report *r)
{
	return subject_of_ends(identity, r->netns, r->listener ? r->listener->cgroup_id : 0,
			       r->local_port, r->remote_addr, r->remote_port);
}

struct filter_subject subject_of_audit(const struct audit_report *r)
{
	return (struct filter_subject){ .audit = true, .netns = r->netns };
}
