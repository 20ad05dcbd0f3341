/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a report's values come from: this host's sysctls, if the feed is its own. */
#ifndef TCPSHAKE_EXPLAIN_SOURCE_H
#define TCPSHAKE_EXPLAIN_SOURCE_H

#include "cli/explain/sentences.h"
#include "cli/host/sysctl.h"

/* `e` is finished. `s` is to be closed when `from` is no longer used. */
void explain_source_open(struct explain_source *from, struct sysctls *s, const struct explain *e);

#endif
