// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/evidence.h"

#include <stdio.h>
#include <string.h>

#define BIT(capability) (1U << CAPABILITY_##capability)
#define QUEUE_CAUSES { "accept_queue_full", "descriptors_exhausted", "syn_queue_full", "syn_queue_three_quarters", "no_route_back" }
/* What a client says whose SYN was refused: daemon/cause/diagnose.c. */
#define BEHIND_A_REFUSED_SYN { "no_answer", "application_cancelled", "syn_lost", "segment_lost" }

static const struct {
	const char *name, *older;
} names[CAPABILITIES] = {
	[CAPABILITY_LISTENERS] = { "listener_iterator", NULL },
	[CAPABILITY_LOOK] = { "queue_look", "queue_iterator" },
	[CAPABILITY_DROP] = { "kfree_skb", NULL },
	[CAPABILITY_REASON] = { "overflow_reason", NULL },
	[CAPABILITY_RESET_SENT] = { "tcp_send_reset", NULL },
	[CAPABILITY_RESET_RECEIVED] = { "tcp_receive_reset", NULL },
	[CAPABILITY_SYN_AGAIN] = { "tcp_retransmit_skb", NULL },
	[CAPABILITY_NEIGHBOUR] = { "neigh_timer_handler", NULL },
	[CAPABILITY_FUNCTIONS] = { "function_hooks", NULL },
	[CAPABILITY_ACK_HOOKS] = { "ack_hooks", "function_hooks" },
	[CAPABILITY_ACCEPT] = { "accept_function", NULL },
	[CAPABILITY_REQUEST] = { "request_function", NULL },
};

const struct sight_row sight_rows[SIGHTS] = {
	[SIGHT_SYNS] = { BIT(LOOK), BIT(FUNCTIONS), 0, "SYNs that a listener refuses", QUEUE_CAUSES,
			 false, BEHIND_A_REFUSED_SYN,
			 "a refused SYN of a client elsewhere is counted by namespace at most" },
	[SIGHT_OLD_LISTENERS] = { BIT(LISTENERS), BIT(FUNCTIONS), BIT(LOOK),
				  "SYNs refused by listeners that are older than the daemon",
				  QUEUE_CAUSES, false, BEHIND_A_REFUSED_SYN,
				  "a refused SYN of a client elsewhere is counted by namespace at most" },
	[SIGHT_ACKS] = { BIT(DROP) | BIT(REASON), BIT(ACK_HOOKS), 0,
			 "each final ACK that a full queue refuses, each RST to a pending request",
			 { "accept_queue_full", "client_reset" },
			 true,
			 { "ack_lost", "synack_lost", "segment_lost", "no_answer",
			   "deferred_accept", "unknown" },
			 "a request that ends before its SYN-ACK is sent again has no record" },
	[SIGHT_SYN_AGAIN] = { BIT(SYN_AGAIN), 0, 0, "when a SYN is sent again",
			      { "syn_lost", "synack_lost", "slow_path" }, false, { "segment_lost" },
			      NULL },
	[SIGHT_RESETS_SENT] = { BIT(RESET_SENT), 0, 0, "RSTs that this host sends",
				{ "filtered", "listener_closed", "port_reused" }, false,
				{ "port_closed", "segment_lost" }, NULL },
	[SIGHT_RESETS_RECEIVED] = { BIT(RESET_RECEIVED), 0, 0, "RSTs that this host receives",
				    { "peer_reset", "icmp_unreachable" }, false,
				    { "port_closed", "filtered", "unknown" }, NULL },
	[SIGHT_NEIGHBOURS] = { BIT(NEIGHBOUR), 0, 0, "next hops that do not answer",
			       { "neighbour_failed" }, false, { "icmp_unreachable", "no_answer" }, NULL },
};

/* True or false as the feed says; anything else: it does not say. */
static const cJSON *named(const cJSON *capabilities, enum capability capability)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(capabilities, names[capability].name);

	if (!item && names[capability].older)
		item = cJSON_GetObjectItemCaseSensitive(capabilities, names[capability].older);
	/* A probe has more to say of each. */
	return cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "ok") : item;
}

static const char *reason_of(const struct record *r, enum capability capability)
{
	const cJSON *refused = cJSON_GetObjectItemCaseSensitive(r->json, "refused");
	const cJSON *capabilities = cJSON_GetObjectItemCaseSensitive(r->json, "capabilities");
	const char *keys[] = { names[capability].name, names[capability].older };

	for (size_t i = 0; i < 2 && keys[i]; i++) {
		const cJSON *one = cJSON_GetObjectItemCaseSensitive(refused, keys[i]), *reason;

		if (!one) /* a probe */
			one = cJSON_GetObjectItemCaseSensitive(capabilities, keys[i]);
		reason = cJSON_IsString(one) ? one : cJSON_GetObjectItemCaseSensitive(one, "error");
		if (cJSON_IsString(reason) && *reason->valuestring)
			return reason->valuestring;
	}
	return "";
}

static bool falls_back(const struct record *r)
{
	const cJSON *schema = cJSON_GetObjectItemCaseSensitive(r->json, "schema");
	unsigned major, minor;

	return cJSON_IsString(schema) && sscanf(schema->valuestring, "%u.%u", &major, &minor) == 2 &&
	       (major > 1 || minor >= 5);
}

void evidence_take(struct evidence *e, const struct record *r)
{
	const cJSON *capabilities = cJSON_GetObjectItemCaseSensitive(r->json, "capabilities");
	uint32_t granted = 0;

	*e = (struct evidence){ .known = cJSON_IsObject(capabilities), .falls_back = falls_back(r) };
	for (int i = 0; i < CAPABILITIES; i++) {
		const cJSON *item = named(capabilities, (enum capability)i);

		if (cJSON_IsTrue(item))
			granted |= 1U << i;
		if (!cJSON_IsFalse(item))
			continue;
		e->refused |= 1U << i;
		snprintf(e->reasons[i], sizeof(e->reasons[i]), "%s",
			 reason_of(r, (enum capability)i));
	}
	for (int i = 0; i < SIGHTS; i++) {
		const struct sight_row *row = &sight_rows[i];
		bool instead = row->instead && (granted & row->instead) == row->instead;

		if (e->refused & row->needs && !instead && !(e->refused & row->moot))
			e->lacking |= 1U << i;
	}
}

void evidence_join(struct evidence *all, const struct evidence *one)
{
	all->falls_back = one->falls_back && (all->falls_back || !all->known);
	all->known = all->known || one->known;
	all->refused |= one->refused;
	all->lacking |= one->lacking;
	for (int i = 0; i < CAPABILITIES; i++)
		if (!*all->reasons[i])
			memcpy(all->reasons[i], one->reasons[i], sizeof(all->reasons[i]));
}

bool evidence_counts_syns(const struct evidence *e, bool looked_at)
{
	return !evidence_lacks(e, SIGHT_SYNS) &&
	       (looked_at || !evidence_lacks(e, SIGHT_OLD_LISTENERS));
}

/* One by one, or by the looks. */
bool evidence_counts_acks(const struct evidence *e, bool looked_at)
{
	return !evidence_lacks(e, SIGHT_ACKS) || evidence_counts_syns(e, looked_at);
}

bool evidence_counts_all(const struct evidence *e, bool filtered)
{
	return evidence_counts_syns(e, false) || (e->falls_back && !filtered);
}

bool evidence_hides_listeners(const struct evidence *e)
{
	return !e->falls_back && evidence_refuses(e, CAPABILITY_LISTENERS);
}

const char *capability_name(enum capability capability)
{
	return names[capability].name;
}

const char *evidence_reason(const struct evidence *e, enum capability capability, char *out,
			    size_t size)
{
	snprintf(out, size, "%s: %s", names[capability].name,
		 *e->reasons[capability] ? e->reasons[capability] : "not granted");
	return out;
}

const char *evidence_reasons(const struct evidence *e, enum sight sight, char *out, size_t size)
{
	uint32_t missing = e->refused & sight_rows[sight].needs;

	*out = '\0';
	for (int i = 0; i < CAPABILITIES; i++) {
		size_t used = strlen(out);
		char one[96];

		if (missing & 1U << i)
			snprintf(out + used, size - used, "%s%s", used ? ", " : "",
				 evidence_reason(e, (enum capability)i, one, sizeof(one)));
	}
	return out;
}

const char *evidence_of_queues(const struct evidence *e, char *out, size_t size)
{
	char look[96], old[96];
	bool no_look = evidence_refuses(e, CAPABILITY_LOOK);
	bool no_old = evidence_refuses(e, CAPABILITY_LISTENERS);
	const char *counted = evidence_counts_syns(e, false) ? "" :
			      evidence_counts_acks(e, false) ?
							     "; refused SYNs are counted by namespace only" :
							     "; refused handshakes are counted by namespace "
							     "only";

	evidence_reason(e, CAPABILITY_LOOK, look, sizeof(look));
	evidence_reason(e, CAPABILITY_LISTENERS, old, sizeof(old));
	*out = '\0';
	if (no_look)
		snprintf(out, size, "queues not shown: %s%s", look, counted);
	else if (no_old && e->falls_back)
		snprintf(out, size, "queues of listeners from before the daemon not shown: %s%s", old,
			 *counted ? "; what they refuse is counted by namespace only" : "");
	if (evidence_hides_listeners(e))
		snprintf(out + strlen(out), size - strlen(out),
			 "%slisteners from before the daemon not known: %s", no_look ? "; " : "", old);
	return out;
}

const char *evidence_of_waits(const struct evidence *e, char *out, size_t size)
{
	char why[96];

	*out = '\0';
	if (evidence_refuses(e, CAPABILITY_ACCEPT))
		snprintf(out, size, "waits for accept() not shown: %s; the daemon's --accept-wait=syscall may show them",
			 evidence_reason(e, CAPABILITY_ACCEPT, why, sizeof(why)));
	return out;
}

const char *evidence_of_requests(const struct evidence *e, char *out, size_t size)
{
	char why[96];

	*out = '\0';
	if (evidence_refuses(e, CAPABILITY_REQUEST))
		snprintf(out, size, "depths of SYN queues not shown: %s", evidence_reason(e, CAPABILITY_REQUEST, why, sizeof(why)));
	return out;
}

const char *evidence_no_listeners(const struct evidence *e, char *out, size_t size)
{
	char why[96];

	if (evidence_hides_listeners(e))
		snprintf(out, size,
			 "no listeners known: those from before the daemon cannot be found here (%s)",
			 evidence_reason(e, CAPABILITY_LISTENERS, why, sizeof(why)));
	else
		snprintf(out, size, e->known ? "no listeners" : "no listeners known");
	return out;
}
