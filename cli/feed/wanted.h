/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a filter leaves of a recording: the same that the daemon leaves of its stream. Pure. */
#ifndef TCPSHAKE_WANTED_H
#define TCPSHAKE_WANTED_H

#include "cli/feed/parsed_record.h"

#include "common/filter.h"

/* Listeners are wanted by all: what shows them asks listener_is_wanted(). */
bool record_is_wanted(const struct filter *f, const struct record *r);
bool listener_is_wanted(const struct filter *f, uint64_t netns, uint16_t port, const char *cgroup);

#endif
