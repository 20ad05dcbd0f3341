// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/lab/words.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "common/names.h"

/* Newer than some C libraries. */
#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif

#define ERRNO_MAX 4095 /* of any call: what is above is a result */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *const lab_states[LAB_STATES] = {
	[LAB_GONE] = "GONE",	       [LAB_ESTABLISHED] = "ESTABLISHED", [LAB_SYN_SENT] = "SYN_SENT",
	[LAB_SYN_RECV] = "SYN_RECV",   [LAB_FIN_WAIT1] = "FIN_WAIT1",	  [LAB_FIN_WAIT2] = "FIN_WAIT2",
	[LAB_TIME_WAIT] = "TIME_WAIT", [LAB_CLOSED] = "CLOSE",		  [LAB_CLOSE_WAIT] = "CLOSE_WAIT",
	[LAB_LAST_ACK] = "LAST_ACK",   [LAB_LISTENING] = "LISTEN",	  [LAB_CLOSING] = "CLOSING",
};

const char *const lab_places[LAB_PLACES] = { [LAB_A] = "a", [LAB_B] = "b" };

const char *const lab_calls[LAB_CALLS] = {
	[LAB_SOCKET] = "socket",	 [LAB_BIND] = "bind",	  [LAB_LISTEN] = "listen",
	[LAB_CONNECT] = "connect",	 [LAB_ACCEPT] = "accept", [LAB_SEND] = "send",
	[LAB_RECV] = "recv",		 [LAB_CLOSE] = "close",	  [LAB_SHUTDOWN] = "shutdown",
	[LAB_SETSOCKOPT] = "setsockopt", [LAB_GETSOCKOPT] = "getsockopt",
};

const char *const lab_subjects[LAB_SUBJECTS_OF_SOCKETS] = {
	[LAB_ACCEPT_QUEUE] = "accept_queue", [LAB_SYN_QUEUE] = "syn_queue",
	[LAB_TOOK] = "took",		     [LAB_RETURNED] = "returned",
	[LAB_VALUE] = "value",		     [LAB_LOCAL_PORT] = "local_port",
	[LAB_PEER_PORT] = "peer_port",
};

#define OPTION(level, name) { #name, level, name, false }

static const struct lab_option options[] = {
	{ "SO_LINGER", SOL_SOCKET, SO_LINGER, true },
	OPTION(SOL_SOCKET, SO_ERROR),
	OPTION(SOL_SOCKET, SO_KEEPALIVE),
	OPTION(SOL_SOCKET, SO_RCVBUF),
	OPTION(SOL_SOCKET, SO_REUSEADDR),
	OPTION(SOL_SOCKET, SO_REUSEPORT),
	OPTION(SOL_SOCKET, SO_SNDBUF),
	OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	OPTION(IPPROTO_IPV6, IPV6_V6ONLY),
	OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT),
	OPTION(IPPROTO_TCP, TCP_FASTOPEN),
	OPTION(IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
	OPTION(IPPROTO_TCP, TCP_LINGER2),
	OPTION(IPPROTO_TCP, TCP_MAXSEG),
	OPTION(IPPROTO_TCP, TCP_NODELAY),
	OPTION(IPPROTO_TCP, TCP_QUICKACK),
	OPTION(IPPROTO_TCP, TCP_SYNCNT),
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
};

const struct lab_option *lab_option_find(const char *name)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

const char *lab_errno_name(int error, char *out, size_t size)
{
	const char *name = errno_name(error);

	if (name)
		return name;
	snprintf(out, size, "E%d", error);
	return out;
}

int lab_errno_find(const char *name)
{
	for (int error = 1; error <= ERRNO_MAX; error++)
		if (errno_name(error) && strcmp(errno_name(error), name) == 0)
			return error;
	return 0;
}
