// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "common/names.h"

#include <string.h>

const char *const role_names[ROLES] = {
	[ROLE_ACTIVE] = "active",
	[ROLE_PASSIVE] = "passive",
};

const char *const outcome_names[OUTCOMES] = {
	[OUTCOME_ESTABLISHED] = "established", [OUTCOME_REFUSED] = "refused",
	[OUTCOME_RESET] = "reset",	       [OUTCOME_TIMEOUT] = "timeout",
	[OUTCOME_UNREACHABLE] = "unreachable", [OUTCOME_CANCELLED] = "cancelled",
	[OUTCOME_NO_PORT] = "no_port",	       [OUTCOME_OVERFLOW] = "overflow",
	[OUTCOME_DENIED] = "denied",
};

const char *const cause_names[CAUSE_CODES] = {
	[CAUSE_NONE] = "none",
	[CAUSE_ACCEPT_QUEUE_FULL] = "accept_queue_full",
	[CAUSE_SYN_QUEUE_FULL] = "syn_queue_full",
	[CAUSE_SYN_QUEUE_THREE_QUARTERS] = "syn_queue_three_quarters",
	[CAUSE_SYN_LOST] = "syn_lost",
	[CAUSE_SYNACK_LOST] = "synack_lost",
	[CAUSE_ACK_LOST] = "ack_lost",
	[CAUSE_SEGMENT_LOST] = "segment_lost",
	[CAUSE_NO_ANSWER] = "no_answer",
	[CAUSE_PORT_CLOSED] = "port_closed",
	[CAUSE_FILTERED] = "filtered",
	[CAUSE_ICMP_UNREACHABLE] = "icmp_unreachable",
	[CAUSE_NEIGHBOUR_FAILED] = "neighbour_failed",
	[CAUSE_APPLICATION_CANCELLED] = "application_cancelled",
	[CAUSE_PORTS_EXHAUSTED] = "ports_exhausted",
	[CAUSE_DEFERRED_ACCEPT] = "deferred_accept",
	[CAUSE_CLIENT_RESET] = "client_reset",
	[CAUSE_PEER_RESET] = "peer_reset",
	[CAUSE_SLOW_PATH] = "slow_path",
	[CAUSE_UNKNOWN] = "unknown",
	[CAUSE_SEND_FAILED] = "send_failed",
	[CAUSE_NO_ROUTE_BACK] = "no_route_back",
	[CAUSE_LOCAL_DROP] = "local_drop",
	[CAUSE_DESCRIPTORS_EXHAUSTED] = "descriptors_exhausted",
	[CAUSE_LISTENER_CLOSED] = "listener_closed",
	[CAUSE_PORT_REUSED] = "port_reused",
	[CAUSE_NO_ROUTE] = "no_route",
	[CAUSE_DENIED] = "denied",
};

const char *const certainty_names[2] = { "probable", "proven" };

const char *const loss_why_names[LOSS_WHYS] = {
	[LOSS_SLOW_READER] = "slow_reader",
	[LOSS_WRITE_ERROR] = "write_error",
	[LOSS_RING_FULL] = "ring_full",
	[LOSS_RATE_LIMIT] = "rate_limit",
	[LOSS_MAP_FULL] = "map_full",
	[LOSS_NESTED] = "nested",
};

const char *const change_names[CHANGES] = {
	[CHANGE_OPENED] = "opened",
	[CHANGE_CLOSED] = "closed",
	[CHANGE_CHANGED] = "changed",
	[CHANGE_SAMPLE] = "sample",
};

const char *const stage_names[STAGES] = {
	[STAGE_SYN] = "syn",
	[STAGE_ACK] = "ack",
};

const char *const queue_names[QUEUES] = {
	[QUEUE_ACCEPT] = "accept",
	[QUEUE_SYN] = "syn",
	[QUEUE_NONE] = "none",
};

const char *const action_names[ACTIONS] = {
	[ACTION_DROPPED] = "dropped",
	[ACTION_RESET] = "reset",
	[ACTION_COOKIE] = "cookie",
};

const char *const reset_cause_names[RESET_CAUSES] = {
	[RESET_PORT_CLOSED] = "port_closed",
	[RESET_NO_CONNECTION] = "no_connection",
	[RESET_ABORT] = "abort",
	[RESET_ABORT_ON_OVERFLOW] = "abort_on_overflow",
	[RESET_INVALID] = "invalid",
	[RESET_LATE] = "late",
	[RESET_REFUSED] = "refused",
	[RESET_PEER] = "peer",
};

const char *const drop_segment_names[DROP_SEGMENTS] = {
	[DROP_SYN] = "syn",
	[DROP_SYN_ACK] = "synack",
	[DROP_ACK] = "ack",
};

const char *const close_first_names[FIRSTS] = {
	[FIRST_LOCAL] = "local",
	[FIRST_REMOTE] = "remote",
	[FIRST_BOTH] = "both",
};

const char *const close_how_names[HOWS] = {
	[HOW_FIN] = "fin",
	[HOW_RESET] = "reset",
	[HOW_TIMEOUT] = "timeout",
};

const char *const close_call_names[CLOSE_CALLS] = {
	[CLOSE_CALL_CLOSE] = "close",
	[CLOSE_CALL_SHUTDOWN] = "shutdown",
};

const char *const close_state_names[CLOSE_STATES] = {
	[SPENT_FIN_WAIT1] = "fin_wait1",   [SPENT_FIN_WAIT2] = "fin_wait2", [SPENT_CLOSING] = "closing",
	[SPENT_CLOSE_WAIT] = "close_wait", [SPENT_LAST_ACK] = "last_ack",
};

const char *const drop_direction_names[DROP_DIRECTIONS] = {
	[DROP_IN] = "in",
	[DROP_OUT] = "out",
};

int name_index(const char *const *names, int count, const char *word, size_t len)
{
	for (int i = 0; i < count; i++)
		if (names[i] && strlen(names[i]) == len && memcmp(names[i], word, len) == 0)
			return i;
	return -1;
}

const char *errno_name(int error)
{
	return strerrorname_np(error);
}
