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

/* Nothing where there is no limit, or nobody could look. */
static void put_open_files(struct buf *b, const struct open_files *files)
{
	if (!files || files->limit == UINT32_MAX)
		return;
	buf_lit(b, ",\"open_files\":{");
	put_count(b, "used", files->used);
	buf_lit(b, ",");
	put_count(b, "limit", files->limit);
	buf_lit(b, "}");
}

static void put_queues(struct buf *b, const struct listener *p, const struct open_files *files)
{
	const struct listener_sample *s = &p->sample;
	uint32_t peak = p->queue[QUEUE_ACCEPT].peak;

	buf_lit(b, ",");
	put_count(b, "backlog", s->accept_max);
	buf_lit(b, ",\"accept_queue\":{");
	put_count(b, "len", s->accept_len);
	buf_lit(b, ",");
	put_count(b, "max", s->accept_max);
	buf_lit(b, ",");
	put_count(b, "peak", peak > s->accept_len ? peak : s->accept_len);
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
	put_open_files(b, files);
}

/* Without any connection, there is no such value. */
static void put_of_spread(struct buf *b, const struct spread *s, const char *key, const char *unit, uint64_t value)
{
	buf_lit(b, ",\"");
	buf_str(b, key);
	buf_str(b, unit);
	buf_lit(b, "\":");
	if (s->count)
		buf_u64(b, value);
	else
		buf_lit(b, "null");
}

/* `unit`: the end of the keys. The object stays open. */
static void put_spread(struct buf *b, const struct spread *s, const char *unit)
{
	buf_lit(b, "{");
	put_count(b, "count", s->count);
	put_of_spread(b, s, "p50", unit, s->p50);
	put_of_spread(b, s, "p99", unit, s->p99);
	put_of_spread(b, s, "max", unit, s->max);
}

/* What the limit comes from: at opened it is on its way. */
static void put_asked(struct buf *b, const struct listener *p)
{
	buf_lit(b, ",\"backlog_asked\":");
	if (p->asked_known)
		buf_format(b, "%d", p->asked);
	else
		buf_lit(b, "null");
}

static void put_depth(struct buf *b, const struct listener_queue *q)
{
	if (!q->depth.known) {
		buf_lit(b, "null");
		return;
	}
	put_spread(b, &q->depth.spread, "");
	put_of_spread(b, &q->depth.spread, "limit", "", q->depth_limit);
	buf_lit(b, "}");
}

static void put_distributions(struct buf *b, const struct listener *p)
{
	buf_lit(b, ",\"accept_depth\":");
	put_depth(b, &p->queue[QUEUE_ACCEPT]);
	buf_lit(b, ",\"syn_depth\":");
	put_depth(b, &p->queue[QUEUE_SYN]);
	buf_lit(b, ",\"accept_wait\":");
	if (p->wait.known) {
		put_spread(b, &p->wait.spread, "_ns");
		buf_lit(b, "}");
	} else {
		buf_lit(b, "null");
	}
}

void record_listener(struct buf *b, const struct listener *p, enum listener_change change,
		     struct identity *identity, const struct open_files *files)
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
		put_queues(b, p, files);
	else
		buf_lit(b, ",\"backlog\":null,\"accept_queue\":null,\"syn_queue\":null,\"drops\":null");
	put_asked(b, p);
	put_distributions(b, p);
	buf_lit(b, ",\"overflows\":{");
	put_count(b, "syn", p->refused.syn);
	buf_lit(b, ",");
	put_count(b, "ack", p->refused.ack);
	buf_lit(b, ",");
	put_count(b, "cookie", p->refused.cookie);
	buf_lit(b, "}}\n");
}

/* One sentence, with the numbers. */
static void put_detail(struct buf *b, const struct overflow_report *r, const struct open_files *files)
{
	const char *what = r->finding.stage == STAGE_ACK     ? "final ACK" :
			   r->finding.action == ACTION_COOKIE ? "SYN answered with a cookie" :
							"SYN";
	char text[256], queue[64] = "", owner[96] = "";

	if (r->queue_known && is_immediate[r->finding.evidence])
		snprintf(queue, sizeof(queue), " at %u/%u", r->accept_len, r->accept_max);
	if (files)
		snprintf(owner, sizeof(owner), ", and its owner had %u of %u descriptors open when that was looked at",
			 files->used, files->limit);
	switch (r->finding.code) {
	case CODE_ACCEPT_QUEUE_FULL:
		snprintf(text, sizeof(text), "%s %s: the accept queue was full%s%s", what,
			 action_names[r->finding.action], queue, owner);
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
	if (r->local_addr)
		put_member(b, "listener", put_endpoint, r->local_addr, r->local_port);
	else
		put_member(b, "listener", put_text, NULL);
	put_member(b, "process", put_owner, r->listener && r->listener->owner_count ? &r->listener->owner[0] : NULL);
	if (r->remote_addr)
		put_member(b, "remote", put_endpoint, r->remote_addr, r->remote_port);
}

void record_overflow(struct buf *b, const struct overflow_report *r, const struct open_files *files)
{
	put_word(b, "stage", stage_names[r->finding.stage]);
	put_word(b, "queue", queue_names[r->finding.queue]);
	put_word(b, "action", action_names[r->finding.action]);
	put_member(b, "count", buf_u64, r->finding.count);
	put_word(b, "evidence", evidence_names[r->finding.evidence]);
	buf_lit(b, ",\"cause\":{\"code\":\"");
	buf_str(b, cause_names[files ? CAUSE_DESCRIPTORS_EXHAUSTED : causes[r->finding.code]]);
	buf_lit(b, "\"");
	/* That the queue was full for want of descriptors is likely; both were seen, but not at one moment. */
	put_word(b, "certainty", certainty_names[r->finding.proven && !files]);
	put_member(b, "detail", put_detail, r, files);
	buf_lit(b, "}");
	put_member(b, "netns", buf_u64, r->netns);
	put_listener_end(b, r);
	if (r->queue_known)
		put_accept_queue(b, r->accept_len, r->accept_max);
	else
		buf_lit(b, ",\"accept_queue\":null");
	if (r->interval_ns)
		put_member(b, "interval_ns", buf_u64, r->interval_ns);
	buf_lit(b, "}\n");
}
