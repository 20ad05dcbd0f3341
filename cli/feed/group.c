// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/group.h"

#include <linux/types.h>
#include <stdio.h>
#include <string.h>

#include "common/names.h"

static struct group_member *member_of(struct group *g, const char *socket)
{
	for (uint32_t i = 0; i < g->count; i++)
		if (strcmp(g->member[i].socket, socket) == 0)
			return &g->member[i];
	return NULL;
}

static struct group_member *member_add(struct group *g, const char *socket)
{
	struct group_member *m;

	if (g->count == GROUP_MEMBERS) {
		g->more = true;
		return NULL;
	}
	m = &g->member[g->count++];
	*m = (struct group_member){ .max = COUNT_UNKNOWN };
	snprintf(m->socket, sizeof(m->socket), "%s", socket);
	return m;
}

void group_take(struct group *g, const struct record_listener *l)
{
	struct group_member *m = member_of(g, l->socket);
	uint64_t most = l->accept.peak > l->accept.len ? l->accept.peak : l->accept.len;

	if (l->event == CHANGE_CLOSED) {
		if (m)
			*m = g->member[--g->count];
		return;
	}
	m = m ? m : member_add(g, l->socket);
	if (!m)
		return;
	m->pid = l->owner.known ? (uint32_t)l->owner.pid : 0;
	if (!l->accept.known)
		return;
	if (most > m->most)
		m->most = most;
	m->max = l->accept.max;
}

bool group_say(struct buf *out, const struct group *g)
{
	uint32_t full = 0, roomy = 0, pid = 0;

	for (uint32_t i = 0; i < g->count; i++) {
		const struct group_member *m = &g->member[i];

		if (m->max != COUNT_UNKNOWN && m->most > m->max) {
			pid = full++ ? 0 : m->pid;
		} else if (m->max != COUNT_UNKNOWN) {
			roomy += m->most <= m->max / 2;
		}
	}
	if (!full || !roomy)
		return false;
	buf_format(out, "%u of %u%s listeners of this port %s full", full, g->count, g->more ? " or more" : "",
		   full == 1 ? "was" : "were");
	if (pid)
		buf_format(out, " (pid %u)", pid);
	buf_format(out, " while %u had room: if they share it by SO_REUSEPORT, a hash divides connections, not who is free", roomy);
	return true;
}
