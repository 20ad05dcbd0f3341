/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The addresses that are a network namespace's own: /proc/PID/net/fib_trie and if_inet6. */
#ifndef TCPSHAKE_LOCALS_H
#define TCPSHAKE_LOCALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct local {
	uint8_t addr[16]; /* network byte order, v4-mapped */
	uint8_t prefix; /* counted on the mapped form; 128: one address */
};

struct locals {
	struct local *local;
	size_t count, room;
};

/* Add what a file says; `text` is cut up. What does not parse is left out. Pure. */
void locals_parse_fib_trie(struct locals *l, char *text);
void locals_parse_if_inet6(struct locals *l, char *text);

bool locals_have(const struct locals *l, const uint8_t *addr);
void locals_free(struct locals *l); /* what it owns */

/* Read both anew from open files. 0 or a negative errno, and then it is empty. */
int locals_read(struct locals *l, int fib_trie, int if_inet6);

#endif
