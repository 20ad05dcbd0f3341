/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The listeners as their records report them: what the view `listeners` shows. Pure.
 *
 * A socket is known by its host, its netns and the `socket` of its records. The last record stands;
 * `closed` takes it out, and a `hello` all: a feed begins with every listener there is. What
 * else there may be is the evidence's matter, which a `hello` or a `probe` record brings.
 */
#ifndef TCPSHAKE_LISTENER_LIST_H
#define TCPSHAKE_LISTENER_LIST_H

#include "cli/feed/evidence.h"
#include "cli/options.h"
#include "cli/feed/parsed_record.h"

struct listener_list;

struct listener_entry {
	struct record record; /* of RECORD_LISTENER */
	char host[64]; /* "" where there is one */
	char *line; /* as it came, without newline */
	size_t len;
};

/* Only those whose port the filter (which must outlive the list) wants. */
struct listener_list *listener_list_new(const struct filter *filter);
void listener_list_free(struct listener_list *list);

/* Forget all: a whole answer follows. */
void listener_list_clear(struct listener_list *list);
/*
 * Take one line of a feed; a record of another type, or none, changes nothing. `from`: the same as it was read, for
 * whose it is; NULL: of the only host.
 */
void listener_list_add(struct listener_list *list, const struct record *from, const char *line, size_t len);

/* Sort by a key, the most urgent first. What is equal stands by port, address and socket. */
void listener_list_sort(struct listener_list *list, enum sort_key key);

size_t listener_list_count(const struct listener_list *list);
const struct listener_entry *listener_list_at(const struct listener_list *list, size_t i);
/* Not all were asked for. */
bool listener_list_is_filtered(const struct listener_list *list);
const struct evidence *listener_list_evidence(const struct listener_list *list);
/* In more than one network namespace. */
bool listener_list_is_mixed(const struct listener_list *list);
/* On more than one host. */
bool listener_list_has_hosts(const struct listener_list *list);
/* Memory ran out: something is missing. */
bool listener_list_failed(const struct listener_list *list);

#endif
