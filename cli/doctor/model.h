/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `tcpshake doctor` finds: each thing it looked at with a verdict, why, and what to do. The
 * judgements are pure: what they rest on is given to them.
 */
#ifndef TCPSHAKE_DOCTOR_MODEL_H
#define TCPSHAKE_DOCTOR_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/listeners/listener_list.h"
#include "cli/host/ports.h"
#include "cli/text/terminal.h"

#include "common/buf.h"

enum doctor_about {
	DOCTOR_KERNEL,
	DOCTOR_PRIVILEGE,
	DOCTOR_MOUNT,
	DOCTOR_SYSCTL,
	DOCTOR_LISTENER,
	DOCTOR_ABOUTS,
};

enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_NOTE, /* worth knowing */
	DOCTOR_WARN, /* it harms handshakes, or is about to */
	DOCTOR_MISSING, /* tcpshaked sees less without it, or does not run */
	DOCTOR_UNKNOWN, /* nobody can say */
	DOCTOR_VERDICTS,
};

extern const char *const doctor_about_names[DOCTOR_ABOUTS];
extern const char *const doctor_verdict_names[DOCTOR_VERDICTS];

struct doctor_finding {
	enum doctor_about about;
	enum doctor_verdict verdict;
	bool required; /* and missing: tcpshaked does not run */
	uint64_t netns; /* of a sysctl or a listener; 0: not known */
	char name[96];
	char value[64]; /* "" if there is none */
	char detail[512]; /* why, in a sentence */
	char advice[400]; /* what to do, or "" */
};

struct doctor {
	struct buf findings; /* of struct doctor_finding */
};

struct doctor_finding *doctor_add(struct doctor *d, enum doctor_about about, const char *name,
				  enum doctor_verdict verdict);
size_t doctor_count(const struct doctor *d);
const struct doctor_finding *doctor_at(const struct doctor *d, size_t i);
void doctor_free(struct doctor *d);

/* The answer to {"op":"probe"}, or what `tcpshaked --probe` prints: what the kernel grants. */
void doctor_take_probe(struct doctor *d, const cJSON *probe);

/* What sysctls and listeners are judged by. */
struct doctor_host {
	uint64_t netns; /* ours, whose sysctls are shown */
	/* As sysctls_read(). */
	bool (*sysctl)(void *ctx, const char *name, uint64_t netns, uint64_t pid, char *out,
		       size_t size);
	/* As ports_look(). */
	int (*ports)(void *ctx, uint16_t low, uint16_t high, struct ports_summary *sum);
	void *ctx;
	const struct listener_list *listeners; /* NULL: nobody could be asked */
};

void doctor_judge_sysctls(struct doctor *d, const struct doctor_host *host);
/* Those with something to say of; the others are counted in one finding. */
void doctor_judge_listeners(struct doctor *d, const struct doctor_host *host);

/* "nginx/123 at 0.0.0.0:80". */
const char *doctor_name_listener(const struct record_listener *l, char *out, size_t size);

/* Who says so: the head of the page. */
struct doctor_source {
	const char *version, *host, *kernel, *evidence; /* NULL: not known */
	const char *from; /* "the daemon at …" */
};

void doctor_render(const struct doctor *d, const struct doctor_source *from,
		   const struct style *style, struct buf *b);
void doctor_json(const struct doctor *d, struct buf *b);

#endif
