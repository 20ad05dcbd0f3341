// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/host/container.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ID_LEN 64
#define UID_LEN 36

static const struct {
	const char *prefix; /* of the path component that holds the id */
	const char *runtime;
} runtimes[] = {
	{ "docker-", "docker" },	 { "cri-containerd-", "containerd" }, { "crio-", "crio" },
	{ "cri-dockerd-", "docker" },	 { "libpod-", "podman" },	      { "nerdctl-", "containerd" },
};

static bool is_hex(const char *s, size_t len)
{
	return strspn(s, "0123456789abcdef") >= len;
}

static bool container_id(const char *component, size_t len, struct container *out)
{
	size_t skip = 0;

	out->runtime = NULL;
	for (size_t i = 0; i < sizeof(runtimes) / sizeof(*runtimes); i++) {
		size_t n = strlen(runtimes[i].prefix);

		if (len > n && memcmp(component, runtimes[i].prefix, n) == 0) {
			skip = n;
			out->runtime = runtimes[i].runtime;
			break;
		}
	}
	if (len - skip < ID_LEN || !is_hex(component + skip, ID_LEN))
		return false;
	if (len - skip > ID_LEN && component[skip + ID_LEN] != '.') /* ".scope" */
		return false;
	memcpy(out->id, component + skip, ID_LEN);
	out->id[ID_LEN] = '\0';
	return true;
}

/* "pod<uid>" at the start of a component or behind a dash; systemd's form has underscores. */
static void pod_uid(const char *component, size_t len, struct container *out)
{
	const char *end = component + len;

	for (const char *p = component; p + 3 + UID_LEN <= end; p++) {
		const char *uid = p + 3;
		bool ok = memcmp(p, "pod", 3) == 0 && (p == component || p[-1] == '-');

		for (int i = 0; ok && i < UID_LEN; i++) {
			bool dash = i == 8 || i == 13 || i == 18 || i == 23;

			ok = dash ? uid[i] == '-' || uid[i] == '_' : is_hex(uid + i, 1);
			out->pod_uid[i] = dash ? '-' : uid[i];
		}
		out->pod_uid[ok ? UID_LEN : 0] = '\0';
		if (ok)
			return;
	}
}

bool container_of_path(const char *path, struct container *out)
{
	const char *parent = "";
	size_t parent_len = 0;
	bool found = false;

	out->pod_uid[0] = '\0';
	while (*path) {
		size_t len = strcspn(path, "/");

		if (!out->pod_uid[0])
			pod_uid(path, len, out);
		if (container_id(path, len, out)) { /* the outermost: the host runtime's */
			found = true;
			if (!out->runtime && parent_len == 6 && memcmp(parent, "docker", 6) == 0)
				out->runtime = "docker";
			break;
		}
		parent = path;
		parent_len = len;
		path += len + (path[len] == '/');
	}
	return found;
}
