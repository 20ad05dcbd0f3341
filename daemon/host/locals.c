// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/locals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/array.h"

#define TEXT_MAX (4 * 1024 * 1024) /* a host with a million routes is not looked through */

static void add(struct locals *l, const struct local *one)
{
	if (ARRAY_ROOM(l->local, l->count, l->room))
		l->local[l->count++] = *one;
}

/* A line with an address, "|-- 10.0.0.2", then one for each of its routes, "/32 host LOCAL". */
void locals_parse_fib_trie(struct locals *l, char *text)
{
	struct local one;
	char *line, addr[16], scope[16], type[16];
	unsigned int prefix;
	bool known = false;

	while ((line = strsep(&text, "\n"))) {
		line += strspn(line, " ");
		if (sscanf(line, "|-- %15s", addr) == 1) {
			known = addr_parse(addr, one.addr) == AF_INET;
		} else if (known && sscanf(line, "/%u %15s %15s", &prefix, scope, type) == 3 &&
			   prefix <= 32 && strcmp(type, "LOCAL") == 0) {
			one.prefix = (uint8_t)(96 + prefix);
			add(l, &one);
		}
	}
}

void locals_parse_if_inet6(struct locals *l, char *text)
{
	struct local one = { .prefix = 128 };
	char *line;

	while ((line = strsep(&text, "\n"))) {
		int i = 0;

		while (i < 16 && sscanf(line + 2 * i, "%2hhx", &one.addr[i]) == 1)
			i++;
		if (i == 16)
			add(l, &one);
	}
}

bool locals_have(const struct locals *l, const uint8_t *addr)
{
	for (size_t i = 0; i < l->count; i++)
		if (addr_share_prefix(l->local[i].addr, addr, l->local[i].prefix))
			return true;
	return false;
}

void locals_free(struct locals *l)
{
	free(l->local);
	*l = (struct locals){ .local = NULL };
}

/* The whole file, to be freed; NULL with errno. */
static char *read_all(int fd)
{
	size_t have = 0, room = 16384;
	char *text = malloc(room), *more;
	ssize_t n = 1;

	while (text && (n = pread(fd, text + have, room - 1 - have, (off_t)have)) > 0) {
		have += (size_t)n;
		if (have < room - 1)
			continue;
		more = room < TEXT_MAX ? realloc(text, room * 2) : NULL;
		if (!more) {
			n = -1;
			errno = EFBIG;
			break;
		}
		text = more;
		room *= 2;
	}
	if (text && n < 0) {
		free(text);
		return NULL;
	}
	if (text)
		text[have] = '\0';
	return text;
}

int locals_read(struct locals *l, int fib_trie, int if_inet6)
{
	static void (*const parse[2])(struct locals *l, char *text) = {
		locals_parse_fib_trie,
		locals_parse_if_inet6,
	};
	const int fd[2] = { fib_trie, if_inet6 };

	l->count = 0;
	for (int i = 0; i < 2; i++) {
		char *text = fd[i] >= 0 ? read_all(fd[i]) : NULL;

		if (!text && fd[i] >= 0) {
			l->count = 0;
			return -errno;
		}
		if (text)
			parse[i](l, text);
		free(text);
	}
	return 0;
}
