/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Metrics as text: Prometheus's exposition format 0.0.4, or OpenMetrics 1.0. Pure. The samples of
 * a family follow its exposition_family(); a name that was given already is refused, for both
 * formats forbid it.
 */
#ifndef TCPSHAKE_EXPOSITION_H
#define TCPSHAKE_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct identity;

#define EXPOSITION_FAMILIES 80

struct exposition {
	struct buf text;
	bool openmetrics;
	struct identity *containers; /* by which listeners' series have containers as labels; NULL: they have not */
	uint16_t fine_port; /* whose histograms are wanted with all their buckets; 0: none */
	bool counter; /* the family being written */
	bool labelled; /* the sample being written has labels */
	bool wrong; /* a family came twice, or there are too many */
	const char *family;
	const char *seen[EXPOSITION_FAMILIES];
	unsigned int count;
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/*
 * `name` is without "_total", and lives as long as the exposition: samples of a counter get it.
 * `unit` (NULL: none) is the end of the name.
 */
void exposition_family(struct exposition *e, const char *name, enum metric_type type,
		       const char *unit, const char *help);

/* A sample: its start, its labels, its value. `suffix`: "_total", "_bucket", … or "". */
void exposition_start(struct exposition *e, const char *suffix);
void exposition_label(struct exposition *e, const char *name, const char *value);
void exposition_label_number(struct exposition *e, const char *name, uint64_t value);
void exposition_value(struct exposition *e, uint64_t value);
void exposition_seconds(struct exposition *e, uint64_t ns); /* as seconds */
void exposition_signed(struct exposition *e, int64_t value);

/*
 * All of a sample whose labels are words: exposition_sample(e, 3, "role", "active", "outcome", "reset"). Of a counter its
 * name gets "_total".
 */
#define exposition_sample(e, value, ...) \
	exposition_sample_of(e, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL }, exposition_value, value)
#define exposition_sample_seconds(e, ns, ...) \
	exposition_sample_of(e, (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL }, exposition_seconds, ns)
void exposition_sample_of(struct exposition *e, const char *const *labels,
			  void (*put)(struct exposition *e, uint64_t value), uint64_t value);

/*
 * Samples of a family that are written while another one is: begun on an exposition of their own,
 * and moved behind the family's beginning once its turn has come.
 */
struct exposition exposition_aside(const struct exposition *e, const char *name);
void exposition_move(struct exposition *e, struct exposition *aside);

/* The end of it all. */
void exposition_end(struct exposition *e);

#endif
