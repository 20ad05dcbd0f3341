// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/consume.h"

/* Hand an event on, if each of its numbers is one that tables are indexed by. */
#define TAKE(kind, is_sound)                                                                     \
	static bool take_##kind(const struct source_handler *handler, const void *data)          \
	{                                                                                        \
		const struct event_##kind *e = data;                                             \
		bool sound = is_sound;                                                           \
                                                                                                 \
		if (sound)                                                                       \
			handler->kind(handler->ctx, e);                                          \
		return sound;                                                                    \
	}

TAKE(handshake, e->role < ROLES && e->outcome < OUTCOMES)
TAKE(listener, e->event <= LISTENER_FOUND)
TAKE(overflow, e->stage < STAGES && e->action < ACTIONS && e->evidence < EVIDENCES && e->code < CODES)
TAKE(accept, e->evidence <= CALL_BY_SYSCALL)
TAKE(reset, e->direction < DIRECTIONS && e->phase < PHASES && e->cause < RESET_CAUSES && e->abort < ABORTS)
TAKE(retransmit, e->segment < SEGMENTS)
TAKE(drop, e->segment < DROP_SEGMENTS && e->direction < DROP_DIRECTIONS && e->reason < DROP_REASONS_MAX)
TAKE(close, e->role <= ROLE_UNKNOWN && e->first < FIRSTS && e->how < HOWS && e->rest < RESTS)

#define KIND(kind) { sizeof(struct event_##kind), take_##kind }

static const struct {
	size_t size;
	bool (*take)(const struct source_handler *handler, const void *data);
} kinds[EVENT_KINDS] = {
	[EVENT_HANDSHAKE] = KIND(handshake), [EVENT_LISTENER] = KIND(listener), [EVENT_OVERFLOW] = KIND(overflow),
	[EVENT_ACCEPT] = KIND(accept),	     [EVENT_RESET] = KIND(reset),	[EVENT_RETRANSMIT] = KIND(retransmit),
	[EVENT_DROP] = KIND(drop),	     [EVENT_CLOSE] = KIND(close),
};

bool consume(const struct source_handler *handler, const void *data, size_t size)
{
	const struct event_header *h = data;

	return size >= sizeof(*h) && h->kind < EVENT_KINDS && size >= kinds[h->kind].size &&
	       kinds[h->kind].take(handler, data);
}
