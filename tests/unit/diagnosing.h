/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Evidence of a handshake and what diagnose() makes of it, for its tests. */
#ifndef TCPSHAKE_TEST_DIAGNOSING_H
#define TCPSHAKE_TEST_DIAGNOSING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/outcome.h"
#include "daemon/cause/diagnose.h"
#include "daemon/kernel/unreported.h"

#define MS 1000000ULL
#define SECOND (1000 * MS)
#define END (100 * SECOND)

__attribute__((unused)) static struct event_handshake handshake;
__attribute__((unused)) static struct evidence evidence;
__attribute__((unused)) static struct cause cause;

/* A handshake of which everything was seen, and nothing else is known. */
__attribute__((unused)) static void begin(enum role role, enum outcome outcome, uint64_t latency_ns, uint16_t retransmits)
{
	handshake = (struct event_handshake){ .role = role,
					      .outcome = outcome,
					      .end_ns = END,
					      .latency_ns = latency_ns,
					      .rtt_ns = NS_UNKNOWN,
					      .retransmits = retransmits,
					      .local_port = 40000,
					      .remote_port = 80 };
	evidence = (struct evidence){ .handshake = &handshake,
				      .server_began_ns = NS_UNKNOWN,
				      .client_done_ns = NS_UNKNOWN,
				      .trip_ns = NS_UNKNOWN,
				      .reach_ns = NS_UNKNOWN,
				      .complete = true };
}

__attribute__((unused)) static void sent(struct transmissions *t, unsigned int count, const uint64_t *ms)
{
	t->count = count;
	for (unsigned int i = 0; i < count && i < EVIDENCE_TIMES; i++)
		t->after_ns[i] = ms[i] * MS;
}
#define SENT(member, ...)                                                                          \
	sent(&evidence.member, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, (uint64_t[]){ __VA_ARGS__ })

#define is_cause(want, sure) check(want, sure, __LINE__)

__attribute__((unused)) static void check(enum cause_code want, bool proven, int line)
{
	diagnose(&evidence, &cause);
	if (cause.code != want || cause.proven != proven)
		fail_msg("line %d: %s %s (%s)", line, cause_names[cause.code],
			 cause.proven ? "proven" : "probable", cause.detail);
	if (want)
		assert_true(strlen(cause.detail) > 10 && strlen(cause.detail) < sizeof(cause.detail) - 1);
}

/* What takes the proof away from a cause, without changing it. */
__attribute__((unused)) static void needs_whole(enum cause_code want)
{
	is_cause(want, true);
	evidence.complete = false;
	is_cause(want, false);
	evidence.complete = true;
	handshake.flags |= HANDSHAKE_PARTIAL;
	is_cause(want, false);
	handshake.flags &= ~HANDSHAKE_PARTIAL;
	is_cause(want, true);
}

#endif
