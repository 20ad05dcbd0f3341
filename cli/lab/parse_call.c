// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* "a: x = accept s": calls, and the sockets that they make and use. */
#define _GNU_SOURCE
#include "cli/lab/parse_internal.h"
#include "cli/lab/words.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/names.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static bool take_socket(struct lab_cursor *c, struct lab_call *call)
{
	static const char *const families[] = { [AF_INET] = "inet", [AF_INET6] = "inet6", [AF_UNIX] = "unix" };

	if (!lab_take_choice(c, families, sizeof(families) / sizeof(*families), &call->family,
			     "a family: inet, inet6 or unix"))
		return false;
	if (!lab_take_this(c, "stream"))
		return false;
	if (lab_take_if(c, "mptcp"))
		call->protocol = IPPROTO_MPTCP;
	return true;
}

static bool take_bind(struct lab_cursor *c, struct lab_call *call)
{
	return lab_take_address(c, &call->address);
}

static bool take_listen(struct lab_cursor *c, struct lab_call *call)
{
	return lab_take_integer(c, INT_MIN, INT_MAX, &call->number, "a backlog, such as 128");
}

static bool take_connect(struct lab_cursor *c, struct lab_call *call)
{
	if (!lab_take_address(c, &call->address))
		return false;
	call->nonblock = lab_take_if(c, "nonblock");
	return call->nonblock || !lab_take_if(c, "timeout") || lab_take_duration(c, &call->timeout_ns);
}

static bool take_nonblock(struct lab_cursor *c, struct lab_call *call)
{
	call->nonblock = lab_take_if(c, "nonblock");
	return true;
}

static bool take_bytes(struct lab_cursor *c, struct lab_call *call)
{
	return lab_take_integer(c, 1, 1 << 20, &call->number, "how many bytes, from 1 to 1048576") &&
	       take_nonblock(c, call);
}

static bool take_nothing(struct lab_cursor *c, struct lab_call *call)
{
	(void)c;
	(void)call;
	return true;
}

static bool take_how(struct lab_cursor *c, struct lab_call *call)
{
	static const char *const hows[] = { [SHUT_RD] = "read", [SHUT_WR] = "write", [SHUT_RDWR] = "both" };

	return lab_take_choice(c, hows, 3, &call->how, "what to shut down: read, write or both");
}

static bool take_option(struct lab_cursor *c, struct lab_call *call)
{
	char word[LAB_WORD_SIZE];
	const char *expected = "an option's name, such as SO_REUSEPORT or TCP_DEFER_ACCEPT";

	if (!lab_take_word(c, word, sizeof(word), expected))
		return false;
	call->option = lab_option_find(word);
	return call->option || lab_fail(c, word, expected);
}

static bool take_option_value(struct lab_cursor *c, struct lab_call *call)
{
	return take_option(c, call) &&
	       lab_take_integer(c, INT_MIN, INT_MAX, &call->number, "the option's value, a number");
}

/* What follows the socket that each is called on. */
static bool (*const arguments[LAB_CALLS])(struct lab_cursor *c, struct lab_call *call) = {
	[LAB_SOCKET] = take_socket,
	[LAB_BIND] = take_bind,
	[LAB_LISTEN] = take_listen,
	[LAB_CONNECT] = take_connect,
	[LAB_ACCEPT] = take_nonblock,
	[LAB_SEND] = take_bytes,
	[LAB_RECV] = take_bytes,
	[LAB_CLOSE] = take_nothing,
	[LAB_SHUTDOWN] = take_how,
	[LAB_SETSOCKOPT] = take_option_value,
	[LAB_GETSOCKOPT] = take_option,
};

#define A_CALL "a call: socket, bind, listen, connect, accept, send, recv, close, shutdown, setsockopt or getsockopt"

/* "c1..c3 = " before socket and accept. */
static bool take_made(struct lab_cursor *c, struct lab_call *call)
{
	struct lab_cursor ahead = *c;
	char word[256];

	if (!lab_peek_word(&ahead, word, sizeof(word)) ||
	    name_index(lab_calls, LAB_CALLS, word, strlen(word)) >= 0)
		return true;
	lab_take_word(&ahead, word, sizeof(word), "");
	if (!lab_take_if(&ahead, "="))
		return lab_fail(c, word, A_CALL ", or a socket's name and =");
	if (!lab_take_range(c, &call->made))
		return false;
	*c = ahead;
	return true;
}

bool lab_parse_call(struct lab_cursor *c, struct lab_call *call)
{
	bool makes, named;
	int code;

	if (!take_made(c, call) || !lab_take_choice(c, lab_calls, LAB_CALLS, &code, A_CALL))
		return false;
	call->code = (enum lab_call_code)code;
	named = *call->made.stem;
	makes = call->code == LAB_SOCKET || call->code == LAB_ACCEPT;
	if (makes != named)
		return lab_fail(c, lab_calls[code], makes ? "a name for the socket that it makes, such as s =" :
				"socket or accept after =");
	if (call->code != LAB_SOCKET && !lab_take_range(c, &call->on))
		return false;
	if (!arguments[code](c, call))
		return false;
	call->background = lab_take_if(c, "&");
	return lab_take_end(c);
}

/* ---- which sockets there are ---- */

static struct lab_known_socket *find(const struct lab_known *known, const char *name)
{
	for (size_t i = 0; i < known->count; i++)
		if (strcmp(known->sockets[i].name, name) == 0)
			return &known->sockets[i];
	return NULL;
}

static bool add(struct lab_cursor *c, struct lab_known *known, const char *name, enum lab_place place)
{
	struct lab_known_socket *s = find(known, name);
	char found[LAB_NAME_SIZE + 16];

	if (s && s->open) {
		snprintf(found, sizeof(found), "%s", name);
		return lab_fail(c, found, "a name that no open socket has");
	}
	s = s ? s : ARRAY_ADD(known->sockets, known->count, known->room);
	if (!s)
		return lab_fail(c, "out of memory", "less");
	*s = (struct lab_known_socket){ .place = place, .open = true };
	snprintf(s->name, sizeof(s->name), "%s", name);
	return true;
}

static bool add_all(struct lab_cursor *c, struct lab_known *known, const struct lab_range *r,
		    enum lab_place place)
{
	for (unsigned i = 0; i < lab_range_count(r); i++) {
		char name[LAB_NAME_SIZE];

		lab_range_name(r, i, name, sizeof(name));
		if (!add(c, known, name, place))
			return false;
	}
	return true;
}

/* connect makes the sockets that are not there. */
static bool use(struct lab_cursor *c, struct lab_known *known, struct lab_statement *s, const char *name)
{
	struct lab_known_socket *socket = find(known, name);

	if (s->call.code == LAB_CONNECT && (!socket || !socket->open))
		return add(c, known, name, s->place);
	if (!socket || !socket->open)
		return lab_fail(c, name, "a socket that is open here");
	if (socket->place != s->place)
		return lab_fail(c, name, s->place == LAB_A ? "a socket of a" : "a socket of b");
	socket->open = s->call.code != LAB_CLOSE;
	return true;
}

bool lab_check_call(struct lab_cursor *c, struct lab_known *known, struct lab_statement *s)
{
	const struct lab_call *call = &s->call;

	for (unsigned i = 0; i < lab_range_count(&call->on); i++) {
		char name[LAB_NAME_SIZE];

		lab_range_name(&call->on, i, name, sizeof(name));
		if (!use(c, known, s, name))
			return false;
	}
	if (call->code == LAB_ACCEPT && lab_range_count(&call->on) != 1)
		return lab_fail(c, call->on.stem, "one listener");
	return add_all(c, known, &call->made, s->place);
}

bool lab_check_expect(struct lab_cursor *c, const struct lab_known *known, const struct lab_statement *s)
{
	for (unsigned i = 0; i < lab_range_count(&s->expect.of); i++) {
		char name[LAB_NAME_SIZE];

		lab_range_name(&s->expect.of, i, name, sizeof(name));
		if (!find(known, name))
			return lab_fail(c, name, "a socket that was made before");
	}
	return true;
}
