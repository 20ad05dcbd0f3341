// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics/drops.h"

#include "common/drop_reason.h"
#include "common/names.h"

/* Only what was counted: a kernel has some forty reasons, of which a host meets few. */
void measure_drops(const struct source *source, struct exposition *e)
{
	struct drop_counts counts;

	exposition_family(e, "tcpshake_drops", METRIC_COUNTER, NULL,
			  "Segments of handshakes that this host threw away, by the kernel's reason.");
	for (unsigned int reason = 1; drop_reason_name(reason); reason++) {
		source_drops(source, reason, &counts);
		for (int i = 0; i < DROP_SEGMENTS * DROP_DIRECTIONS; i++) {
			int segment = i / DROP_DIRECTIONS, direction = i % DROP_DIRECTIONS;

			if (counts.segments[segment][direction])
				exposition_sample(e, counts.segments[segment][direction],
						  "segment", drop_segment_names[segment],
						  "direction", drop_direction_names[direction],
						  "reason", drop_reason_name(reason));
		}
	}
}
