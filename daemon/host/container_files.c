// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/host/container_files.h"

#include <cjson/cJSON.h>
#include <string.h>

#define ID_LEN (sizeof(((struct container *)0)->id) - 1)
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define LABEL LOWER DIGITS "-" /* RFC 1123: namespaces, containers of a pod */
#define SUBDOMAIN LABEL "." /* pods */
#define PLAIN LOWER DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-" /* Docker, Podman */

/* A part of a text. */
struct part {
	const char *text;
	size_t len;
};

/* Copy a name of such characters; false if it is none, or longer than its writer lets it be. */
static bool take(struct part p, const char *characters, char *out, size_t size)
{
	if (!p.len || p.len >= size || strspn(p.text, characters) < p.len || memchr("-_.", *p.text, 3))
		return false;
	memcpy(out, p.text, p.len);
	out[p.len] = '\0';
	return true;
}

static bool take_pod(struct part namespace, struct part pod, struct container_names *out)
{
	return take(namespace, LABEL, out->namespace, sizeof(out->namespace)) &&
	       take(pod, SUBDOMAIN, out->pod, sizeof(out->pod));
}

/* Split at underscores, which no name of Kubernetes has: exactly `count` parts. */
static bool split(struct part all, struct part *parts, size_t count)
{
	const char *end = all.text + all.len;

	for (size_t i = 0; i < count; i++) {
		const char *stop = memchr(all.text, '_', (size_t)(end - all.text));

		if (!stop != (i == count - 1))
			return false;
		stop = stop ? stop : end;
		parts[i] = (struct part){ all.text, (size_t)(stop - all.text) };
		all.text = stop + 1;
	}
	return true;
}

static bool is(struct part p, const char *text)
{
	return *text && p.len == strlen(text) && memcmp(p.text, text, p.len) == 0;
}

bool container_files_pod(const char *entry, const struct container *c, struct container_names *names)
{
	struct container_names found = *names;
	struct part p[3];

	if (!split((struct part){ entry, strlen(entry) }, p, 3) || !is(p[2], c->pod_uid) || !take_pod(p[0], p[1], &found))
		return false;
	*names = found;
	return true;
}

bool container_files_log(const char *entry, const struct container *c, struct container_names *names)
{
	static const char tail[] = ".log";
	struct container_names found = *names;
	size_t len = strlen(entry), end = ID_LEN + strlen(tail);
	struct part p[3];

	if (len <= end || entry[len - end - 1] != '-' || memcmp(entry + len - end, c->id, ID_LEN) != 0 ||
	    strcmp(entry + len - strlen(tail), tail) != 0)
		return false;
	if (!split((struct part){ entry, len - end - 1 }, p, 3) || !take_pod(p[1], p[0], &found) ||
	    !take(p[2], LABEL, found.name, 64))
		return false;
	*names = found;
	return true;
}

/* What cri-dockerd and CRI-O call a pod's container: k8s_NAME_POD_NAMESPACE_UID_ATTEMPT. */
static bool take_cri(const char *text, const struct container *c, struct container_names *names)
{
	struct container_names found = *names;
	struct part p[6];

	if (!split((struct part){ text, strlen(text) }, p, 6) || !is(p[0], "k8s") || !is(p[4], c->pod_uid) ||
	    !take(p[1], LABEL, found.name, 64) || !take_pod(p[3], p[2], &found))
		return false;
	*names = found;
	return true;
}

/* A pod's container has no other name; what has none of a pod is called as its user wants. */
static bool take_name(const cJSON *json, const struct container *c, struct container_names *names)
{
	const char *text = cJSON_GetStringValue(json);

	if (!text)
		return false;
	text += *text == '/'; /* Docker's begin with it */
	if (c->pod_uid[0])
		return take_cri(text, c, names);
	return take((struct part){ text, strlen(text) }, PLAIN, names->name, sizeof(names->name));
}

static bool is_of(const cJSON *json, const char *key, const struct container *c)
{
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));

	return id && strcmp(id, c->id) == 0;
}

bool container_files_docker(const char *json, size_t len, const struct container *c, struct container_names *names)
{
	cJSON *config = cJSON_ParseWithLength(json, len);
	bool found = is_of(config, "ID", c) && take_name(cJSON_GetObjectItemCaseSensitive(config, "Name"), c, names);

	cJSON_Delete(config);
	return found;
}

bool container_files_storage(const char *json, size_t len, const struct container *c, struct container_names *names)
{
	cJSON *all = cJSON_ParseWithLength(json, len);
	const cJSON *one;
	bool found = false;

	cJSON_ArrayForEach(one, all) {
		if (!is_of(one, "id", c))
			continue;
		found = take_name(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(one, "names"), 0), c, names);
		break;
	}
	cJSON_Delete(all);
	return found;
}
