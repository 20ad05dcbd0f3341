// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/explain/source.h"

static bool read_sysctl(void *ctx, const struct explain_cause *c, const char *name, char *out,
			size_t size)
{
	return sysctls_read(ctx, name, c->netns, c->process.known ? c->process.pid : 0, out, size);
}

void explain_source_open(struct explain_source *from, struct sysctls *s, const struct explain *e)
{
	const struct explain_totals *t = explain_totals(e);

	sysctls_open(s);
	from->host.ctx = s;
	from->host.evidence = &t->evidence;
	if (t->has_host && !t->mixed && sysctls_are_of(t->host, t->boot_id))
		from->host.sysctl = read_sysctl;
}
