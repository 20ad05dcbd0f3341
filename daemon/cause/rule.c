// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/cause/rule.h"

#include <stdio.h>

/* "at 0, 1.02 and 3.05 s": when a segment went out, seen from its first transmission. */
static const char *moments(const struct transmissions *t, char *text, size_t size)
{
	unsigned int known = t->count < EVIDENCE_TIMES ? t->count : EVIDENCE_TIMES;
	size_t used = 0;

	*text = '\0';
	for (unsigned int i = 0; i < known && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%.3g",
					 i == 0		  ? "at " :
					 i == known - 1   ? " and " :
							    ", ",
					 (double)t->after_ns[i] / 1e9);
	if (used < size)
		snprintf(text + used, size - used, t->count > known ? " s and later" : " s");
	return text;
}

static const enum cause_code cause_of_refusal[CODES] = {
	[CODE_ACCEPT_QUEUE_FULL] = CAUSE_ACCEPT_QUEUE_FULL,
	[CODE_SYN_QUEUE_FULL] = CAUSE_SYN_QUEUE_FULL,
	[CODE_SYN_QUEUE_THREE_QUARTERS] = CAUSE_SYN_QUEUE_THREE_QUARTERS,
	[CODE_NO_ROUTE_BACK] = CAUSE_NO_ROUTE_BACK,
};

#define REFUSAL_WORDS 128

/* "dropped twice: the server's accept queue was full at 129/128" */
static const char *refusal_words(const struct refusal_evidence *r, char *text, size_t size)
{
	static const char *const what[CODES] = {
		[CODE_ACCEPT_QUEUE_FULL] = "the server's accept queue was full",
		[CODE_SYN_QUEUE_FULL] = "the server's SYN queue was full",
		[CODE_SYN_QUEUE_THREE_QUARTERS] =
			"the server's SYN queue was over three quarters of tcp_max_syn_backlog",
		[CODE_NO_ROUTE_BACK] = "the server's host found no route back to the client's address",
	};
	char queue[48] = "", often[32];

	if (r->queue_known)
		snprintf(queue, sizeof(queue), " at %u/%u", r->len, r->max);
	snprintf(text, size, "dropped %s%s: %s%s", r->at_least ? "at least " : "", times_word(r->count, often),
		 what[r->code], queue);
	return text;
}

bool by_refusal(const struct refusal_evidence *r, bool sure, const char *segment, const char *ending,
		struct cause *cause)
{
	char words[REFUSAL_WORDS];

	if (r->count && r->open_files.limit) /* what it had as its queue refused this one is not known, only what it had then */
		return say(cause, CAUSE_DESCRIPTORS_EXHAUSTED, false,
			   "%s %s, and its owner had %u of %u descriptors open when that was looked at%s", segment,
			   refusal_words(r, words, sizeof(words)), r->open_files.used, r->open_files.limit, ending);
	return r->count && say(cause, cause_of_refusal[r->code], sure && r->proven, "%s %s%s", segment,
			       refusal_words(r, words, sizeof(words)), ending);
}

bool beyond_trip(uint64_t wait_ns, uint64_t trip_ns)
{
	return trip_ns != NS_UNKNOWN && wait_ns > 4 * trip_ns + 100000000;
}

const char *syns_sent(const struct evidence *e, char text[96])
{
	char often[32];

	if (e->syns.count && !e->gap)
		return moments(&e->syns, text, 96);
	snprintf(text, 96, "%s", times_word(e->handshake->retransmits + 1U, often));
	return text;
}
