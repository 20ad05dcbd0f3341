/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which handshakes a reader wants: one grammar for the daemon's flags, the CLI's flags and the
 * socket's {"op":"subscribe","filter":{...}}. Pure.
 *
 *   key      flag       value                                            matches
 *   port     --port     443 or 80,443 or 8000-8099,9000 (1..65535)       local or remote port
 *   remote   --remote   CIDR, IPv4 or IPv6, or a bare address            remote address
 *   netns    --netns    inode number, or a path: /run/netns/NAME          network namespace
 *   cgroup   --cgroup   a path: /sys/fs/cgroup/system.slice, or as in     cgroup of the process,
 *                       the records: /system.slice                       or one above it
 *   role     --role     active or passive                                role
 *   outcome  --outcome  established,refused,... or "failed" (all others) outcome
 *   slow     --slow     duration: 250us 10ms 1.5s 2m                     latency_ns >= it
 *
 * Criteria are joined by AND. A handshake of unknown latency is never slow.
 */
#ifndef TCPSHAKE_FILTER_H
#define TCPSHAKE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "bpf/event.h"
#include "bpf/settings.h"

struct filter {
	struct stream_filter stream; /* what the kernel side takes as it is */
	uint8_t ports[PORT_BITMAP_BYTES]; /* bit (port & 7) of byte (port >> 3) */
	uint8_t remote[16]; /* network byte order, v4-mapped */
	uint8_t remote_prefix; /* 0..128, counted on the mapped form */
	char *cgroup; /* from the root of the hierarchy; owned */
	bool recorded; /* of a recording, maybe another host's: cgroups are paths, and need not be here */
	char *text[7]; /* the values as given, by key; owned */
};

/* The handshake asked about; or a listener, or its refusals: of these only the ends count. */
struct filter_subject {
	bool audit; /* of these, only the namespace counts */
	bool ends_only;
	uint32_t netns; /* 0: none, which matches any */
	uint8_t role, outcome;
	uint16_t local_port, remote_port; /* 0: none */
	const uint8_t *remote_addr; /* 16 bytes, v4-mapped; NULL: none, which matches any */
	uint64_t latency_ns; /* NS_UNKNOWN if it is */
	uint64_t cgroup_id; /* 0: none, which is in no cgroup */
	const char *cgroup_path; /* from the root of the hierarchy; NULL: not known */
};

#define FILTER_KEYS 7
extern const char *const filter_keys[FILTER_KEYS];

/*
 * Add one criterion. 0, or -1 with one line in `error` that says what is wrong with the value
 * and what would be right (without the program's name). A key given twice replaces its value.
 */
int filter_set(struct filter *f, const char *key, const char *value, char *error, size_t size);

/*
 * Add the criteria of a JSON object (NULL is none): strings as above; "port" may also be a
 * number or an array of numbers, "outcome" and "role" an array of strings. At most 16 members; a
 * key that comes twice has its last value. The cost grows with the length of the text only.
 */
int filter_set_json(struct filter *f, const cJSON *object, char *error, size_t size);

/* The criteria as the object that filter_set_json() takes, values as strings; {} for none. */
cJSON *filter_to_json(const struct filter *f);

/* Is another cgroup at the path by now, made anew? Then f->stream has its id. */
bool filter_renew_cgroup(struct filter *f);

bool filter_match(const struct filter *f, const struct filter_subject *subject);
bool filter_is_empty(const struct filter *f);
void filter_free(struct filter *f); /* what it owns; not `f` itself */

#endif
