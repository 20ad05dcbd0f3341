// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/filter.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "bpf/settings.h"
#include "common/addr.h"
#include "common/buf.h"
#include "common/cgroup.h"
#include "common/duration.h"
#include "common/names.h"

#define MEMBERS_MAX 16 /* of an object: each costs, and a key given twice only counts once */

enum { KEY_PORT, KEY_REMOTE, KEY_NETNS, KEY_CGROUP, KEY_ROLE, KEY_OUTCOME, KEY_SLOW };

const char *const filter_keys[FILTER_KEYS] = {
	[KEY_PORT] = "port", [KEY_REMOTE] = "remote",	[KEY_NETNS] = "netns", [KEY_CGROUP] = "cgroup",
	[KEY_ROLE] = "role", [KEY_OUTCOME] = "outcome", [KEY_SLOW] = "slow",
};

static const char *const key_help[FILTER_KEYS] = {
	[KEY_PORT] = "is no port; use 443, 80,443 or 8000-8099 (1..65535)",
	[KEY_REMOTE] = "is no address or CIDR; use 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32",
	[KEY_NETNS] = "is no network namespace; use /run/netns/NAME, /proc/PID/ns/net or its inode number",
	[KEY_CGROUP] = ("is no cgroup that can be seen here from the root of its hierarchy; use a directory of "
			"cgroup2 such as /sys/fs/cgroup/system.slice, or /system.slice"),
	[KEY_ROLE] = "is no role; use active or passive",
	[KEY_OUTCOME] = ("is no outcome; use established, refused, reset, timeout, unreachable, "
			 "cancelled, no_port, overflow, denied, or failed for all but established"),
	[KEY_SLOW] = "is no duration above zero; use 250us, 10ms, 1.5s or 2m",
};

/* A part of a value: between commas, or all of it. */
struct word {
	const char *text;
	size_t len;
};

/* Values come from anywhere and go to a terminal: one short line of plain characters. */
static void quote(struct word w, char *out, size_t size)
{
	size_t room = size - sizeof("..."), i;

	for (i = 0; i < w.len && i < room; i++)
		out[i] = w.text[i] >= ' ' && w.text[i] <= '~' ? w.text[i] : '?';
	strcpy(out + i, i < w.len ? "..." : "");
}

static int bad_value(int key, struct word w, char *error, size_t size)
{
	char quoted[64];

	quote(w, quoted, sizeof(quoted));
	snprintf(error, size, "%s: '%s' %s", filter_keys[key], quoted, key_help[key]);
	return -1;
}

/* The next part of a list; an empty one is a part too, so that "80," is refused. */
static bool next_word(const char **rest, struct word *w)
{
	if (!*rest)
		return false;
	w->text = *rest;
	w->len = strcspn(*rest, ",");
	*rest = w->text[w->len] ? w->text + w->len + 1 : NULL;
	return true;
}

/* All digits and at most `max`, or -1. */
static long number(const char *text, size_t len, long max)
{
	long value = 0;

	if (!len)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
		if (value > max)
			return -1;
	}
	return value;
}

/*
 * Of a list of ports: for each port the last one of the ranges that begin there; 0: none does. Each range costs one
 * entry, however many it spans: a list of thousands of ranges may come from anybody who can subscribe.
 */
static int read_ranges(const char *value, uint16_t *last, char *error, size_t size)
{
	struct word w;

	while (next_word(&value, &w)) {
		const char *dash = memchr(w.text, '-', w.len);
		size_t low_len = dash ? (size_t)(dash - w.text) : w.len;
		long low = number(w.text, low_len, 65535), high = low;

		if (dash)
			high = number(dash + 1, w.len - low_len - 1, 65535);
		if (low < 1 || high < low)
			return bad_value(KEY_PORT, w, error, size);
		if (last[low] < high)
			last[low] = (uint16_t)high;
	}
	return 0;
}

static int out_of_memory(int key, char *error, size_t size)
{
	snprintf(error, size, "%s: out of memory", filter_keys[key]);
	return -1;
}

static int set_port(struct filter *f, const char *value, char *error, size_t size)
{
	uint16_t *last = calloc(65536, sizeof(*last)), reached = 0;

	if (!last)
		return out_of_memory(KEY_PORT, error, size);
	if (read_ranges(value, last, error, size) < 0) {
		free(last);
		return -1;
	}
	memset(f->ports, 0, sizeof(f->ports));
	for (unsigned port = 1; port < 65536; port++) {
		if (last[port] > reached)
			reached = last[port];
		if (port <= reached)
			f->ports[port >> 3] |= (uint8_t)(1u << (port & 7));
	}
	free(last);
	f->stream.by_port = 1;
	return 0;
}

/* Keep the first `prefix` bits: "10.1.2.3/8" means 10.0.0.0/8. */
static void mask_address(uint8_t *address, unsigned prefix)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned bits = prefix > 8 * i ? prefix - 8 * i : 0;

		if (bits < 8)
			address[i] &= (uint8_t)(0xff00u >> bits);
	}
}

static int set_remote(struct filter *f, const char *value, char *error, size_t size)
{
	struct word all = { value, strlen(value) };
	size_t len = strcspn(value, "/");
	uint8_t address[16];
	char text[INET6_ADDRSTRLEN];
	long bits, prefix;
	int family;

	if (len >= sizeof(text))
		return bad_value(KEY_REMOTE, all, error, size);
	memcpy(text, value, len);
	text[len] = '\0';
	family = addr_parse(text, address);
	if (!family)
		return bad_value(KEY_REMOTE, all, error, size);
	bits = family == AF_INET ? 32 : 128;
	prefix = value[len] ? number(value + len + 1, all.len - len - 1, bits) : bits;
	if (prefix < 0)
		return bad_value(KEY_REMOTE, all, error, size);
	f->remote_prefix = (uint8_t)(128 - bits + prefix);
	mask_address(address, f->remote_prefix);
	memcpy(f->remote, address, sizeof(address));
	f->stream.by_remote = 1;
	return 0;
}

/* A path is asked for its inode; that it is a namespace's, its file system says (NSFS_MAGIC). */
static int set_netns(struct filter *f, const char *value, char *error, size_t size)
{
	long inode = number(value, strlen(value), UINT32_MAX);
	struct statfs fs;
	struct stat st;

	if (inode < 0 && statfs(value, &fs) == 0 && (uint32_t)fs.f_type == NSFS_MAGIC &&
	    stat(value, &st) == 0)
		inode = (long)st.st_ino;
	if (inode <= 0)
		return bad_value(KEY_NETNS, (struct word){ value, strlen(value) }, error, size);
	f->stream.netns = (uint32_t)inode;
	return 0;
}

/* In a recording only paths can be compared, and as they are there. */
static int set_cgroup(struct filter *f, const char *value, char *error, size_t size)
{
	struct cgroup_place place = {};

	if (cgroup_find(value, &place) < 0) {
		size_t len = strlen(value);

		if (!f->recorded || *value != '/')
			return bad_value(KEY_CGROUP, (struct word){ value, len }, error, size);
		while (len && value[len - 1] == '/')
			len--;
		place.path = strndup(value, len);
		if (!place.path)
			return out_of_memory(KEY_CGROUP, error, size);
	}
	free(f->cgroup);
	f->cgroup = place.path;
	f->stream.cgroup_id = place.id;
	f->stream.cgroup_level = place.level;
	f->stream.by_cgroup = 1;
	return 0;
}

bool filter_renew_cgroup(struct filter *f)
{
	struct cgroup_place place = {};
	bool renewed;

	if (!f->stream.by_cgroup || cgroup_find(f->cgroup[0] ? f->cgroup : "/", &place) < 0)
		return false;
	renewed = place.id != f->stream.cgroup_id && strcmp(place.path, f->cgroup) == 0;
	if (renewed)
		f->stream.cgroup_id = place.id;
	free(place.path);
	return renewed;
}

static int set_role(struct filter *f, const char *value, char *error, size_t size)
{
	unsigned roles = 0;
	struct word w;

	while (next_word(&value, &w)) {
		int role = name_index(role_names, ROLES, w.text, w.len);

		if (role < 0)
			return bad_value(KEY_ROLE, w, error, size);
		roles |= 1u << role;
	}
	f->stream.roles = (uint8_t)roles;
	return 0;
}

static int set_outcome(struct filter *f, const char *value, char *error, size_t size)
{
	const unsigned failed = ((1u << OUTCOMES) - 1) & ~(1u << OUTCOME_ESTABLISHED);
	unsigned outcomes = 0;
	struct word w;

	while (next_word(&value, &w)) {
		int outcome = name_index(outcome_names, OUTCOMES, w.text, w.len);

		if (outcome >= 0)
			outcomes |= 1u << outcome;
		else if (w.len == strlen("failed") && memcmp(w.text, "failed", w.len) == 0)
			outcomes |= failed;
		else
			return bad_value(KEY_OUTCOME, w, error, size);
	}
	f->stream.outcomes = outcomes;
	return 0;
}

/* Zero is refused: it would look like "any" and yet leave out the unknown latencies. */
static int set_slow(struct filter *f, const char *value, char *error, size_t size)
{
	uint64_t ns;

	/* NS_UNKNOWN is not a latency that anything could reach. */
	if (duration_parse(value, &ns) < 0 || ns == 0 || ns == NS_UNKNOWN)
		return bad_value(KEY_SLOW, (struct word){ value, strlen(value) }, error, size);
	f->stream.slow_ns = ns;
	return 0;
}

static int (*const setters[FILTER_KEYS])(struct filter *, const char *, char *, size_t) = {
	[KEY_PORT] = set_port, [KEY_REMOTE] = set_remote,   [KEY_NETNS] = set_netns, [KEY_CGROUP] = set_cgroup,
	[KEY_ROLE] = set_role, [KEY_OUTCOME] = set_outcome, [KEY_SLOW] = set_slow,
};

int filter_set(struct filter *f, const char *key, const char *value, char *error, size_t size)
{
	char quoted[64], *text;
	int i = name_index(filter_keys, FILTER_KEYS, key, strlen(key));

	if (i < 0) {
		quote((struct word){ key, strlen(key) }, quoted, sizeof(quoted));
		snprintf(error, size,
			 "unknown filter '%s'; use port, remote, netns, cgroup, role, outcome or slow", quoted);
		return -1;
	}
	text = strdup(value);
	if (!text)
		return out_of_memory(i, error, size);
	if (setters[i](f, value, error, size) < 0) {
		free(text);
		return -1;
	}
	free(f->text[i]);
	f->text[i] = text;
	return 0;
}

/* Append a string or a whole number as the flags would have it; false if it is neither. */
static bool append_scalar(struct buf *b, const cJSON *item)
{
	if (cJSON_IsString(item)) {
		buf_str(b, item->valuestring);
		return true;
	}
	/* The upper bound only keeps the cast defined; filter_set() knows the range. */
	if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > UINT32_MAX ||
	    item->valuedouble != (double)(uint64_t)item->valuedouble)
		return false;
	buf_u64(b, (uint64_t)item->valuedouble);
	return true;
}

static bool append_value(struct buf *b, const cJSON *value)
{
	const cJSON *item;
	bool ok = true;

	if (!cJSON_IsArray(value))
		return append_scalar(b, value);
	cJSON_ArrayForEach(item, value) {
		if (item != value->child)
			buf_lit(b, ",");
		ok = ok && append_scalar(b, item);
	}
	return ok;
}

static int bad_member(int key, const cJSON *member, char *error, size_t size)
{
	char *text = cJSON_PrintUnformatted(member);

	bad_value(key, (struct word){ text ? text : "", text ? strlen(text) : 0 }, error, size);
	cJSON_free(text);
	return -1;
}

static int set_member(struct filter *f, const cJSON *member, char *error, size_t size)
{
	int key = name_index(filter_keys, FILTER_KEYS, member->string, strlen(member->string));
	struct buf text = { 0 };
	int result;

	buf_reserve(&text, 1);
	if (key >= 0 && !append_value(&text, member)) {
		buf_free(&text);
		return bad_member(key, member, error, size);
	}
	buf_mem(&text, "", 1);
	if (text.failed) {
		snprintf(error, size, "%s: out of memory", member->string);
		result = -1;
	} else {
		result = filter_set(f, member->string, text.data, error, size);
	}
	buf_free(&text);
	return result;
}

int filter_set_json(struct filter *f, const cJSON *object, char *error, size_t size)
{
	struct filter trial = { .recorded = f->recorded };
	const cJSON *member;
	int result = 0;

	if (!object)
		return 0;
	if (!cJSON_IsObject(object)) {
		snprintf(error, size,
			 "the filter is no object; use {\"port\":\"443\"}, keys: port, remote, "
			 "netns, cgroup, role, outcome, slow");
		return -1;
	}
	if (cJSON_GetArraySize(object) > MEMBERS_MAX) {
		snprintf(error, size, "the filter has more than %d members; use one list of values for each key",
			 MEMBERS_MAX);
		return -1;
	}
	/* All or nothing: `f` stays as it is unless every member is good. */
	cJSON_ArrayForEach(member, object)
		if (result == 0)
			result = set_member(&trial, member, error, size);
	filter_free(&trial);
	cJSON_ArrayForEach(member, object)
		if (result == 0)
			result = set_member(f, member, error, size);
	return result;
}

cJSON *filter_to_json(const struct filter *f)
{
	cJSON *object = cJSON_CreateObject();

	for (int i = 0; object && i < FILTER_KEYS; i++)
		if (f->text[i] && !cJSON_AddStringToObject(object, filter_keys[i], f->text[i])) {
			cJSON_Delete(object);
			return NULL;
		}
	return object;
}

static bool has_port(const struct filter *f, uint16_t port)
{
	return f->ports[port >> 3] & (1u << (port & 7));
}

/* No mask is no criterion; a value from beyond the mask (a newer daemon's) matches none. */
static bool in_mask(uint32_t mask, uint8_t value)
{
	return !mask || (value < 32 && (mask & (1u << value)));
}

static bool ends_match(const struct filter *f, const struct filter_subject *subject)
{
	const struct stream_filter *s = &f->stream;

	if (s->by_port && !has_port(f, subject->local_port) && !has_port(f, subject->remote_port))
		return false;
	return !s->by_remote || !subject->remote_addr ||
	       addr_share_prefix(subject->remote_addr, f->remote, f->remote_prefix);
}

/* As the kernel side does, which knows those that are gone, too. */
static bool in_cgroup(const struct filter *f, const struct filter_subject *subject)
{
	if (subject->cgroup_id && subject->cgroup_id == f->stream.cgroup_id)
		return true;
	return subject->cgroup_path && cgroup_below(subject->cgroup_path, f->cgroup);
}

bool filter_match(const struct filter *f, const struct filter_subject *subject)
{
	const struct stream_filter *s = &f->stream;

	if (s->netns && subject->netns && subject->netns != s->netns)
		return false;
	if (subject->audit)
		return true;
	if (!ends_match(f, subject) || (s->by_cgroup && !in_cgroup(f, subject)))
		return false;
	if (subject->ends_only)
		return true;
	if (!in_mask(s->roles, subject->role) || !in_mask(s->outcomes, subject->outcome))
		return false;
	return !s->slow_ns ||
	       (subject->latency_ns != NS_UNKNOWN && subject->latency_ns >= s->slow_ns);
}

bool filter_is_empty(const struct filter *f)
{
	for (int i = 0; i < FILTER_KEYS; i++)
		if (f->text[i])
			return false;
	return true;
}

void filter_free(struct filter *f)
{
	for (int i = 0; i < FILTER_KEYS; i++) {
		free(f->text[i]);
		f->text[i] = NULL;
	}
	free(f->cgroup);
	f->cgroup = NULL;
}
