// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "cli/lab/socket.h"
#include "cli/lab/unix_queue.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"

struct lab_socket *lab_socket_find(const struct lab_sockets *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i]->name, name) == 0)
			return s->list[i];
	return NULL;
}

struct lab_socket *lab_socket_add(struct lab_sockets *s, const char *name, enum lab_place place)
{
	struct lab_socket *found = lab_socket_find(s, name);

	if (!found && ARRAY_ROOM(s->list, s->count, s->room) && (found = malloc(sizeof(*found))))
		s->list[s->count++] = found;
	if (!found)
		return NULL;
	*found = (struct lab_socket){ .place = place, .fd = -1, .changed = true };
	snprintf(found->name, sizeof(found->name), "%s", name);
	return found;
}

void lab_sockets_free(struct lab_sockets *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->list[i]->fd >= 0)
			close(s->list[i]->fd);
		free(s->list[i]);
	}
	free(s->list);
	*s = (struct lab_sockets){ 0 };
}

static void set_end(struct lab_end *end, const struct sockaddr_storage *addr)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;

	memset(end, 0, sizeof(*end));
	if (addr->ss_family == AF_INET6) {
		memcpy(end->addr, &in6->sin6_addr, sizeof(end->addr));
		end->port = ntohs(in6->sin6_port);
	} else if (addr->ss_family == AF_INET) {
		end->addr[10] = end->addr[11] = 0xff;
		memcpy(end->addr + 12, &in->sin_addr, 4);
		end->port = ntohs(in->sin_port);
	}
}

void lab_socket_note_ends(struct lab_socket *s)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	if (s->fd < 0 || s->family == AF_UNIX)
		return;
	if (getsockname(s->fd, (struct sockaddr *)&addr, &len) == 0)
		set_end(&s->local, &addr);
	len = sizeof(addr);
	if (getpeername(s->fd, (struct sockaddr *)&addr, &len) == 0)
		set_end(&s->remote, &addr);
}

static bool is_listener(int fd)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

static void see_unix(const struct lab_space *space, const struct lab_socket *s, struct lab_view *v)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (is_listener(s->fd)) {
		v->state = LAB_LISTENING;
		v->accept.known = v->accept.max_known =
			lab_unix_queue(space, s->place, s->fd, &v->accept.len, &v->accept.max) == 0;
	} else {
		v->state = getpeername(s->fd, (struct sockaddr *)&addr, &len) == 0 ? LAB_ESTABLISHED : LAB_CLOSED;
	}
}

/* Of a listener both numbers of the accept queue are in struct tcp_info. */
static void see_open(const struct lab_socket *s, const struct lab_look *look, struct lab_view *v)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	const struct lab_row *row;

	if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0) {
		v->state = info.tcpi_state < LAB_STATES ? (enum lab_state)info.tcpi_state : LAB_CLOSED;
	} else if (is_listener(s->fd)) {
		v->state = LAB_LISTENING; /* MPTCP, before it answered TCP_INFO */
	} else {
		row = lab_look_row(look, &s->local, &s->remote);
		v->state = row ? row->state : LAB_CLOSED;
	}
	if (v->state != LAB_LISTENING)
		return;
	v->accept.known = v->accept.max_known = info.tcpi_state == LAB_LISTENING;
	v->accept.len = info.tcpi_unacked;
	v->accept.max = info.tcpi_sacked;
	v->syn_known = true;
	v->syn = lab_look_requests(look, s->local.port);
}

static bool is_same(const struct lab_view *a, const struct lab_view *b)
{
	return a->state == b->state && a->accept.known == b->accept.known && a->accept.len == b->accept.len &&
	       a->accept.max == b->accept.max && a->syn == b->syn;
}

void lab_socket_see(const struct lab_space *space, struct lab_socket *s, const struct lab_look *look)
{
	struct lab_view v = { .state = LAB_GONE };
	const struct lab_row *row;

	lab_socket_note_ends(s);
	if (s->fd >= 0 && s->family == AF_UNIX) {
		see_unix(space, s, &v);
	} else if (s->fd >= 0) {
		see_open(s, look, &v);
	} else if (s->remote.port) {
		row = lab_look_row(look, &s->local, &s->remote);
		v.state = row ? row->state : LAB_GONE;
	}
	s->changed = s->changed || !is_same(&v, &s->view);
	s->view = v;
}
