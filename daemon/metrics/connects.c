// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/metrics/connects.h"

#include <stdio.h>

#include "common/names.h"

static void put_error(void *ctx, const struct connect_error_key *key, uint64_t count)
{
	const char *name = key->error ? errno_name((int)key->error) : "other";
	char comm[COMM_LEN + 1];

	snprintf(comm, sizeof(comm), "%.*s", COMM_LEN, key->comm);
	exposition_sample(ctx, count, "errno", name ? name : "other", "comm", comm);
}

void measure_connects(const struct source *source, struct exposition *e)
{
	exposition_family(e, "tcpshake_connect_errors", METRIC_COUNTER, NULL,
			  "Calls of connect() that failed before a SYN, by errno and process (--connect-errors).");
	source_connect_errors(source, put_error, e);
}
