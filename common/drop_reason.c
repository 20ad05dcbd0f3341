// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/drop_reason.h"

#include <string.h>

static const struct {
	const char *name;
	enum drop_group group;
} reasons[] = {
	{ "netfilter_drop", DROP_BY_FIREWALL },
	{ "ip_rpfilter", DROP_BY_ROUTE },
	{ "ip_local_source", DROP_BY_ROUTE },
	{ "ip_invalid_source", DROP_BY_ROUTE },
	{ "ip_invalid_dest", DROP_BY_ROUTE },
	{ "ip_localnet", DROP_BY_ROUTE },
	{ "ipv6disabled", DROP_BY_ROUTE },
	{ "bpf_cgroup_egress", DROP_BY_POLICY },
	{ "security_hook", DROP_BY_POLICY },
	{ "socket_filter", DROP_BY_POLICY },
	{ "xfrm_policy", DROP_BY_POLICY },
	{ "tc_egress", DROP_BY_POLICY },
	{ "tc_ingress", DROP_BY_POLICY },
	{ "tap_filter", DROP_BY_POLICY },
	{ "tap_txfilter", DROP_BY_POLICY },
	{ "tcp_minttl", DROP_BY_POLICY },
	{ "tcp_auth_hdr", DROP_BY_KEYS },
	{ "tcp_md5notfound", DROP_BY_KEYS },
	{ "tcp_md5unexpected", DROP_BY_KEYS },
	{ "tcp_md5failure", DROP_BY_KEYS },
	{ "tcp_aonotfound", DROP_BY_KEYS },
	{ "tcp_aounexpected", DROP_BY_KEYS },
	{ "tcp_aokeynotfound", DROP_BY_KEYS },
	{ "tcp_aofailure", DROP_BY_KEYS },
	{ "tcp_rfc7323_paws", DROP_BY_TIMESTAMPS },
	{ "tcp_rfc7323_paws_ack", DROP_BY_TIMESTAMPS },
	{ "tcp_rfc7323_tw_paws", DROP_BY_TIMESTAMPS },
	{ "tcp_rfc7323_tsecr", DROP_BY_TIMESTAMPS },
	{ "proto_mem", DROP_BY_MEMORY },
	{ "nomem", DROP_BY_MEMORY },
	{ "pfmemalloc", DROP_BY_MEMORY },
	{ "socket_backlog", DROP_BY_MEMORY },
	{ "qdisc_drop", DROP_BY_QUEUE },
	{ "qdisc_overlimit", DROP_BY_QUEUE },
	{ "qdisc_congested", DROP_BY_QUEUE },
	{ "cake_flood", DROP_BY_QUEUE },
	{ "fq_band_limit", DROP_BY_QUEUE },
	{ "fq_horizon_limit", DROP_BY_QUEUE },
	{ "fq_flow_limit", DROP_BY_QUEUE },
	{ "dualpi2_step_drop", DROP_BY_QUEUE },
	{ "cpu_backlog", DROP_BY_QUEUE },
	{ "full_ring", DROP_BY_QUEUE },
	{ "dev_ready", DROP_BY_QUEUE },
	{ "recursion_limit", DROP_BY_QUEUE },
};

#define REASONS (sizeof(reasons) / sizeof(*reasons))

_Static_assert(REASONS < DROP_REASONS_MAX, "0 is no reason");

const char *drop_reason_name(unsigned int reason)
{
	return reason && reason <= REASONS ? reasons[reason - 1].name : NULL;
}

unsigned int drop_reason_of(const char *name)
{
	for (unsigned int i = 0; i < REASONS; i++)
		if (strcmp(reasons[i].name, name) == 0)
			return i + 1;
	return 0;
}

enum drop_group drop_group_of(const char *name)
{
	unsigned int reason = drop_reason_of(name);

	return reason ? reasons[reason - 1].group : DROP_BY_OTHERS;
}
