/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The containers that records name: in words, and kept by number, so that what is kept of a process has room for its
 * own. A name that comes later than the container, or is changed, is that of all its records. Pure.
 */
#ifndef TCPSHAKE_CONTAINERS_H
#define TCPSHAKE_CONTAINERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/feed/parsed_record.h"
#include "common/keyset.h"

#define CONTAINERS_MAX 4096 /* that are kept */
#define CONTAINER_TEXT 512 /* bytes for one in words */

/* As in the records; "" where it is not known. */
struct container_names {
	char name[129], pod[254], namespace[64];
};

/* All zero: empty. */
struct containers {
	struct keyset ids;
	struct container_names *names; /* by number - 1 */
	size_t room;
	uint64_t more; /* records whose container had no room */
	bool failed; /* memory ran out */
};

int containers_copy(struct containers *to, const struct containers *from);
void containers_free(struct containers *c);
/* From 1 on. 0: it is none, or there is no room, which is counted. */
uint32_t containers_put(struct containers *c, const struct record_container *container);
/* Drop those that are not kept, by number - 1. */
void containers_sweep(struct containers *c, const bool kept[CONTAINERS_MAX]);
/* What is known of it, as long as nothing is put; of 0 nothing. */
struct record_container containers_at(const struct containers *c, uint32_t number);

/* NAMESPACE/POD/NAME, NAME, or what is known of it: the beginning of its ID. False, and "": there is none. */
bool container_text(const struct record_container *c, char *text, size_t size);
/* The same in a sentence: " in container NAME of pod NAMESPACE/POD". */
const char *container_words(const struct record_container *c, char *text, size_t size);

#endif
