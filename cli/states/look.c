// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/states/look.h"
#include "cli/host/sockets.h"
#include "cli/host/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cgroup.h"
#include "common/clock.h"
#include "common/proc.h"

#define RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define RESERVED_TEXT 262144 /* each other one of 65,536 ports fits */

static void add(void *ctx, const struct socket_seen *seen)
{
	states_add(ctx, seen);
}

static bool read_number(const char *name, uint64_t *value)
{
	char text[64];

	if (!sysctl_read_here(name, text, sizeof(text)))
		return false;
	*value = strtoull(text, NULL, 10);
	return true;
}

static void read_range(struct port_range *r)
{
	char range[64], *reserved = malloc(RESERVED_TEXT);
	unsigned low, high;
	uint64_t timestamps;

	if (reserved && sysctl_read_here("net.ipv4.ip_local_port_range", range, sizeof(range)) &&
	    sscanf(range, "%u %u", &low, &high) == 2 && low <= high && high <= 65535 &&
	    process_read_text(AT_FDCWD, RESERVED, reserved, RESERVED_TEXT) == 0 &&
	    read_number("net.ipv4.tcp_tw_reuse", &r->tw_reuse) && read_number("net.ipv4.tcp_timestamps", &timestamps)) {
		r->known = true;
		r->low = (uint16_t)low;
		r->high = (uint16_t)high;
		r->timestamps = timestamps;
		port_range_reserve(r, reserved);
	}
	free(reserved);
}

static int look_around(void *ctx, uint32_t netns)
{
	struct states_netns *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->netns = netns;
	read_range(&n->range);
	states_begin(ctx, n);
	free(n);
	err = sockets_each(SOCKETS_ALL, SOCKETS_QUIET, add, ctx);
	if (err)
		states_take_back(ctx);
	return err;
}

/* A cgroup's number is its directory's. */
static int add_cgroup(void *ctx, uint64_t id)
{
	states_add_cgroup(ctx, id);
	return 0;
}

static int want(void *ctx, uint32_t inode)
{
	return owners_want(ctx, inode);
}

int states_look(struct states_look *look, struct states *s, const struct filter *filter)
{
	uint64_t start = clock_cpu_ns();
	struct owners *owners = owners_new();
	int err;

	states_clear(s);
	if (filter->cgroup)
		cgroup_each_below(filter->cgroup, add_cgroup, s);
	err = namespaces_visit(&look->namespaces, filter->stream.netns, look_around, s);
	look->owners_error = owners ? 0 : -ENOMEM;
	if (!err && owners) {
		states_each_inode(s, want, owners);
		look->owners_error = owners_scan(owners);
		look->processes_hidden = owners_hidden(owners);
	}
	if (!err)
		states_build(s, owners);
	owners_free(owners);
	look->cost_ns = clock_cpu_ns() - start;
	return err;
}
