// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/segment_record.h"

#include "common/names.h"
#include "daemon/records/parts.h"
#include "daemon/records/record.h"

static const char *const direction_names[DIRECTIONS] = {
	[RESET_SENT] = "sent",
	[RESET_RECEIVED] = "received",
};

static const char *const phase_names[PHASES] = {
	[PHASE_NONE] = "none",
	[PHASE_SYN_SENT] = "syn_sent",
	[PHASE_SYN_RECV] = "syn_recv",
	[PHASE_ESTABLISHED] = "established",
	[PHASE_CLOSING] = "closing",
};

static const char *const details[RESET_CAUSES] = {
	[RESET_PORT_CLOSED] = "a SYN came for a port where nobody listens",
	[RESET_NO_CONNECTION] = "a segment came for a connection that does not exist",
	[RESET_ABORT] = "the local application ended the connection",
	[RESET_ABORT_ON_OVERFLOW] = "the accept queue was full, and tcp_abort_on_overflow is set",
	[RESET_INVALID] = "an unacceptable segment came for the connection",
	[RESET_LATE] = "a segment came after the connection was closed here",
	[RESET_REFUSED] = "the SYN was answered with a RST",
	[RESET_PEER] = "the peer ended the connection",
};

static const char *const aborts[ABORTS] = {
	[ABORT_UNREAD] = "closed with data that nobody had read",
	[ABORT_LINGER] = "closed with SO_LINGER and a time of 0",
	[ABORT_UNACCEPTED] = "its listener was closed before accept() took it",
	[ABORT_DISCONNECT] = "the application disconnected its socket",
	[ABORT_DESTROYED] = "the connection was destroyed from outside, as by ss -K",
	[ABORT_TIMER] = "the kernel gave it up: no answer to keepalives, or nobody held it any more",
};

static void put_conn(struct buf *b, const uint8_t *local_addr, uint16_t local_port,
		     const uint8_t *remote_addr, uint16_t remote_port, uint32_t client_isn)
{
	buf_lit(b, ",\"conn\":\"");
	buf_hex64(b, record_connection(local_addr, local_port, remote_addr, remote_port,
				       client_isn));
	buf_lit(b, "\"");
}

static void put_caller(struct buf *b, uint32_t pid, uint32_t uid, const char *comm,
		       const struct listener_owner *owner)
{
	buf_lit(b, ",\"process\":");
	if (pid)
		put_process(b, pid, uid, comm);
	else
		put_owner(b, owner);
	buf_lit(b, "}\n");
}

void record_reset(struct buf *b, const struct event_reset *e, const char *reason,
		  const struct listener_owner *owner)
{
	const char *detail = e->cause == RESET_ABORT ? aborts[e->abort] : NULL;

	buf_lit(b, ",\"direction\":\"");
	buf_str(b, direction_names[e->direction]);
	buf_lit(b, "\",\"phase\":\"");
	buf_str(b, phase_names[e->phase]);
	buf_lit(b, "\",\"reason\":");
	if (reason)
		buf_json_str(b, reason, SIZE_MAX);
	else
		buf_lit(b, "null");
	buf_lit(b, ",\"cause\":\"");
	buf_str(b, reset_cause_names[e->cause]);
	buf_lit(b, "\",\"detail\":\"");
	buf_str(b, detail ? detail : details[e->cause]);
	buf_lit(b, "\"");
	if (e->has_isn)
		put_conn(b, e->local_addr, e->local_port, e->remote_addr, e->remote_port,
			 e->client_isn);
	put_family(b, e->remote_addr);
	buf_lit(b, ",");
	put_count(b, "netns", e->header.netns);
	buf_lit(b, ",\"local\":");
	put_endpoint(b, e->local_addr, e->local_port);
	buf_lit(b, ",\"remote\":");
	put_endpoint(b, e->remote_addr, e->remote_port);
	put_caller(b, e->pid, e->uid, e->comm, owner);
}

void record_retransmit(struct buf *b, const struct event_retransmit *e,
		       const struct listener *listener)
{
	bool known = e->start_ns != NS_UNKNOWN && e->start_ns <= e->mono_ns;

	if (e->segment == SEGMENT_SYN)
		buf_lit(b, ",\"segment\":\"syn\",");
	else
		buf_lit(b, ",\"segment\":\"syn_ack\",");
	put_count(b, "attempt", e->attempt);
	buf_lit(b, ",\"elapsed_ns\":");
	put_ns(b, known ? e->mono_ns - e->start_ns : NS_UNKNOWN);
	if (e->segment == SEGMENT_SYN_ACK) {
		buf_lit(b, ",\"acked\":");
		put_bool(b, e->acked);
	}
	put_conn(b, e->local_addr, e->local_port, e->remote_addr, e->remote_port, e->client_isn);
	put_family(b, e->remote_addr);
	buf_lit(b, ",");
	put_count(b, "netns", e->header.netns);
	buf_lit(b, ",\"local\":");
	put_endpoint(b, e->local_addr, e->local_port);
	buf_lit(b, ",\"remote\":");
	put_endpoint(b, e->remote_addr, e->remote_port);
	if (e->segment == SEGMENT_SYN_ACK) {
		buf_lit(b, ",\"listener\":");
		put_endpoint(b, listener ? listener->addr : e->local_addr, e->local_port);
	}
	put_caller(b, e->pid, e->uid, e->comm,
		   listener && listener->owner_count ? &listener->owner[0] : NULL);
}
