/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that do not end: those in CLOSE_WAIT that a process holds and has not closed, and local ports that TIME_WAIT takes. From
 * `close` records, and from a look at the sockets that there are now, where the feed is of now and of this host. Pure.
 *
 * A finding says what was seen and no more: a process with ten such connections or more, for a minute or more; a destination to
 * which no port is left, or none will be at the rate of late.
 */
#ifndef TCPSHAKE_EXPLAIN_FINDINGS_H
#define TCPSHAKE_EXPLAIN_FINDINGS_H

#include "cli/explain/model.h"
#include "cli/states/model.h"

enum finding_code {
	FINDING_CLOSE_WAIT, /* there are connections in CLOSE_WAIT now */
	FINDING_CLOSED_LATE, /* there were, as their process closed them */
	FINDING_PORTS,
	FINDING_CODES,
};
extern const char *const finding_names[FINDING_CODES];

struct finding {
	enum finding_code code;
	uint64_t netns; /* 0: not known */
	uint32_t host_number; /* of explain_host_name() */
	struct explain_process process; /* not of ports; not known: of all connections whose processes are not */
	bool others; /* of all processes beyond those that are kept apart */
	uint64_t connections; /* of ports: those taken */
	uint64_t oldest_ns; /* in CLOSE_WAIT, at least; the longest */
	uint64_t files, files_limit; /* descriptors; or FILES_UNKNOWN */
	char local[ADDR_SIZE], remote[ADDR_SIZE]; /* of ports */
	uint16_t remote_port;
	struct ports_left ports;
};

struct findings;

struct findings *findings_new(void);
void findings_free(struct findings *f);
void findings_add(struct findings *f, const struct record *r);
/* What there is now; after all records. */
void findings_look(struct findings *f, const struct states *s);
/* Those worth a word, the worst of each kind first. Negative: memory ran out, now or before. */
int findings_finish(struct findings *f);
size_t findings_count(const struct findings *f);
const struct finding *findings_at(const struct findings *f, size_t i);

/* One sentence each, in `out` of SENTENCE_SIZE bytes, which is what they return. */
const char *finding_text(const struct finding *f, char *out);
const char *finding_advice(const struct finding *f);

#endif
