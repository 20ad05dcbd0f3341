// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/wanted.h"

#include <linux/types.h>
#include <stddef.h>

#include "common/names.h"

#define ENDS(member) { offsetof(struct record, member.local), offsetof(struct record, member.remote) }

/* The ends that a record is about, or NULL. False if there is nothing in it to be filtered by. */
static bool ends_of(const struct record *r, const struct endpoint **local,
		    const struct endpoint **remote)
{
	static const struct {
		size_t local, remote;
	} ends[RECORD_TYPES] = {
		[RECORD_HANDSHAKE] = ENDS(handshake),	[RECORD_ACCEPT] = ENDS(accept), [RECORD_RESET] = ENDS(reset),
		[RECORD_RETRANSMIT] = ENDS(retransmit), [RECORD_DROP] = ENDS(drop),
		[RECORD_CLOSE] = ENDS(close),
	};

	*local = *remote = NULL;
	if (r->type == RECORD_OVERFLOW) {
		*local = r->overflow.has_listener ? &r->overflow.listener : NULL;
		*remote = r->overflow.has_remote ? &r->overflow.remote : NULL;
		return true;
	}
	if (!ends[r->type].local)
		return r->type == RECORD_AUDIT;
	*local = (const void *)((const char *)r + ends[r->type].local);
	*remote = (const void *)((const char *)r + ends[r->type].remote);
	return true;
}

bool record_is_wanted(const struct filter *f, const struct record *r)
{
	const struct record_handshake *h = r->type == RECORD_HANDSHAKE ? &r->handshake : NULL;
	const struct endpoint *local, *remote;

	if (filter_is_empty(f) || !ends_of(r, &local, &remote))
		return true;
	/* A word or an address unknown here cannot be what a criterion asks for. */
	if (h && f->stream.by_remote && !h->remote.numeric)
		return false;
	return filter_match(f, &(struct filter_subject){
				       .ends_only = !h,
				       .audit = r->type == RECORD_AUDIT,
				       .netns = (uint32_t)r->netns,
				       .role = (uint8_t)(h ? h->role : 0),
				       .outcome = (uint8_t)(h ? h->outcome : 0),
				       .local_port = local ? local->port : 0,
				       .remote_port = remote ? remote->port : 0,
				       .remote_addr = remote && remote->numeric ? remote->bytes : NULL,
				       .latency_ns = h ? h->latency_ns : NS_UNKNOWN,
				       .cgroup_path = r->cgroup_path,
			       });
}

bool listener_is_wanted(const struct filter *f, uint64_t netns, uint16_t port, const char *cgroup)
{
	return filter_match(f, &(struct filter_subject){
				       .ends_only = true,
				       .netns = (uint32_t)netns,
				       .local_port = port,
				       .cgroup_path = cgroup,
			       });
}
