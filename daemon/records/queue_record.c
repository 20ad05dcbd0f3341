// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/records/queue_record.h"

#include <stdio.h>

#include "bpf/maps.h"
#include "common/addr.h"
#include "daemon/records/parts.h"

static const char *const evidence_names[EVIDENCES] = {
	[EVIDENCE_KFREE_SKB] = "kfree_skb",
	[EVIDENCE_SYNACK_RETRANSMIT] = "synack_retransmit",
	[EVIDENCE_SK_DROPS] = "sk_drops",
	[EVIDENCE_COUNTERS] = "counters",
	[EVIDENCE_CONN_REQUEST] = "tcp_conn_request",
	[EVIDENCE_CHECK_REQ] = "tcp_check_req",
	[EVIDENCE_GET_COOKIE_SOCK] = "tcp_get_cookie_sock",
};

/* Written as it happened: the queue's length is the one that refused. */
static const bool is_immediate[EVIDENCES] = {
	[EVIDENCE_KFREE_SKB] = true,
	[EVIDENCE_CONN_REQUEST] = true,
	[EVIDENCE_CHECK_REQ] = true,
	[EVIDENCE_GET_COOKIE_SOCK] = true,
};

static const enum cause_code causes[CODES] = {
	[CODE_ACCEPT_QUEUE_FULL] = CAUSE_ACCEPT_QUEUE_FULL,
	[CODE_SYN_QUEUE_FULL] = CAUSE_SYN_QUEUE_FULL,
	[CODE_SYN_QUEUE_THREE_QUARTERS] = CAUSE_SYN_QUEUE_THREE_QUARTERS,
	[CODE_NO_ROUTE_BACK] = CAUSE_NO_ROUTE_BACK,
};

bool overflow_possible(enum overflow_stage stage, enum overflow_queue queue,
		       enum overflow_action action)
{
	if (stage == STAGE_ACK)
		return queue == QUEUE_ACCEPT && action != ACTION_COOKIE;
	return action == ACTION_DROPPED || (action == ACTION_COOKIE && queue == QUEUE_SYN);
}

static void put_owners(struct buf *b, const struct listener *p)
{
	buf_lit(b, ",\"process\":");
	put_owner(b, p->owner_count ? &p->owner[0] : NULL);
	buf_lit(b, ",\"processes\":[");
	for (uint32_t i = 0; i < p->owner_count; i++) {
		if (i)
			buf_lit(b, ",");
		put_owner(b, &p->owner[i]);
	}
	buf_lit(b, "]");
	if (p->owners_more) {
		buf_lit(b, ",");
		put_count(b, "processes_more", p->owners_more);
	}
}

static void put_queues(struct buf *b, const struct listener *p)
{
	const struct listener_sample *s = &p->sample;

	buf_lit(b, ",");
	put_count(b, "backlog", s->accept_max);
	buf_lit(b, ",\"accept_queue\":{");
	put_count(b, "len", s->accept_len);
	buf_lit(b, ",");
	put_count(b, "max", s->accept_max);
	buf_lit(b, ",");
	put_count(b, "peak", p->peak > s->accept_len ? p->peak : s->accept_len);
	buf_lit(b, "},\"syn_queue\":{");
	put_count(b, "len", s->syn_len);
	buf_lit(b, ",");
	put_count(b, "young", s->syn_young);
	buf_lit(b, ",");
	put_count(b, "max", s->accept_max); /* the same limit: inet_csk_reqsk_queue_is_full() */
	buf_lit(b, "},");
	put_count(b, "drops", s->drops);
	if (s->accept_len) {
		buf_lit(b, ",\"oldest_wait_ns\":");
		put_ns(b, s->oldest_ns && s->oldest_ns <= s->mono_ns ? s->mono_ns - s->oldest_ns :
								      NS_UNKNOWN);
	}
}

void record_listener(struct buf *b, const struct listener *p, enum listener_change change,
		     struct identity *identity)
{
	buf_lit(b, ",\"event\":\"");
	buf_str(b, change_names[change]);
	buf_lit(b, "\",");
	put_count(b, "netns", p->netns);
	put_family(b, p->addr);
	buf_lit(b, ",\"local\":");
	put_endpoint(b, p->addr, p->port);
	if (!addr_is_ipv4(p->addr)) {
		buf_lit(b, ",\"v6only\":");
		if (listener_has_address(p))
			put_bool(b, p->v6only);
		else
			buf_lit(b, "null"); /* /proc does not show it */
	}
	buf_lit(b, ",\"socket\":\"");
	buf_hex64(b, p->socket);
	buf_lit(b, "\"");
	put_owners(b, p);
	buf_lit(b, ",");
	identity_append_cgroup(identity, b, p->cgroup_id);
	if (p->sampled && change != CHANGE_OPENED && change != CHANGE_CLOSED)
		put_queues(b, p);
	else
		buf_lit(b, ",\"backlog\":null,\"accept_queue\":null,\"syn_queue\":null,\"drops\":null");
	buf_lit(b, ",\"overflows\":{");
	put_count(b, "syn", p->refused.syn);
	buf_lit(b, ",");
	put_count(b, "ack", p->refused.ack);
	buf_lit(b, ",");
	put_count(b, "cookie", p->refused.cookie);
	buf_lit(b, "}}\n");
}

/* One sentence, with the numbers. */
static void put_detail(struct buf *b, const struct overflow_report *r)
{
	const char *what = r->finding.stage == STAGE_ACK     ? "final ACK" :
			   r->finding.action == ACTION_COOKIE ? "SYN answered with a cookie" :
							"SYN";
	char text[256], queue[64] = "";

	if (r->queue_known && is_immediate[r->finding.evidence])
		snprintf(queue, sizeof(queue), " at %u/%u", r->accept_len, r->accept_max);
	switch (r->finding.code) {
	case CODE_ACCEPT_QUEUE_FULL:
		snprintf(text, sizeof(text), "%s %s: the accept queue was full%s", what,
			 action_names[r->finding.action], queue);
		break;
	case CODE_SYN_QUEUE_FULL:
		snprintf(text, sizeof(text), "%s%s: the SYN queue was full", what,
			 r->finding.action == ACTION_COOKIE ? "" : " dropped");
		break;
	case CODE_NO_ROUTE_BACK:
		snprintf(text, sizeof(text), r->finding.proven ?
			 "SYN dropped: this host found no route for the SYN-ACK" :
			 "SYN dropped: no queue was full, and as many packets had no route (OutNoRoutes)");
		break;
	default:
		snprintf(text, sizeof(text), "SYN dropped: the SYN queue was over three quarters of "
					     "tcp_max_syn_backlog, without syncookies");
		break;
	}
	buf_json_str(b, text, sizeof(text));
}

static void put_listener_end(struct buf *b, const struct overflow_report *r)
{
	buf_lit(b, ",\"listener\":");
	if (r->local_addr)
		put_endpoint(b, r->local_addr, r->local_port);
	else
		buf_lit(b, "null");
	buf_lit(b, ",\"process\":");
	put_owner(b, r->listener && r->listener->owner_count ? &r->listener->owner[0] : NULL);
	if (r->remote_addr) {
		buf_lit(b, ",\"remote\":");
		put_endpoint(b, r->remote_addr, r->remote_port);
	}
}

void record_overflow(struct buf *b, const struct overflow_report *r)
{
	buf_lit(b, ",\"stage\":\"");
	buf_str(b, stage_names[r->finding.stage]);
	buf_lit(b, "\",\"queue\":\"");
	buf_str(b, queue_names[r->finding.queue]);
	buf_lit(b, "\",\"action\":\"");
	buf_str(b, action_names[r->finding.action]);
	buf_lit(b, "\",");
	put_count(b, "count", r->finding.count);
	buf_lit(b, ",\"evidence\":\"");
	buf_str(b, evidence_names[r->finding.evidence]);
	buf_lit(b, "\",\"cause\":{\"code\":\"");
	buf_str(b, cause_names[causes[r->finding.code]]);
	buf_lit(b, "\",\"certainty\":\"");
	buf_str(b, certainty_names[r->finding.proven]);
	buf_lit(b, "\",\"detail\":");
	put_detail(b, r);
	buf_lit(b, "},");
	put_count(b, "netns", r->netns);
	put_listener_end(b, r);
	if (r->queue_known)
		put_accept_queue(b, r->accept_len, r->accept_max);
	else
		buf_lit(b, ",\"accept_queue\":null");
	if (r->interval_ns) {
		buf_lit(b, ",");
		put_count(b, "interval_ns", r->interval_ns);
	}
	buf_lit(b, "}\n");
}
