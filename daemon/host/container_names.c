// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/container_names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/resources.h"

#define STORAGE "/storage/overlay-containers/"

typedef bool (*entry_fn)(const char *entry, const struct container *c, struct container_names *names);
typedef bool (*text_fn)(const char *text, size_t len, const struct container *c, struct container_names *names);

static bool is_same(const struct container_names *a, const struct container_names *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->pod, b->pod) == 0 && strcmp(a->namespace, b->namespace) == 0;
}

/* Entries that contradict one another say nothing. */
static int read_entries(DIR *dir, entry_fn parse, const struct container *c, struct container_names *names)
{
	struct container_names found = {}, other = {};
	struct dirent *entry;
	int count = 0;
	bool known = false;

	while ((errno = 0, entry = readdir(dir))) {
		if (++count > CONTAINER_NAMES_ENTRIES)
			return -EFBIG;
		if (!parse(entry->d_name, c, known ? &other : &found))
			continue;
		if (known && !is_same(&found, &other))
			return -EBADMSG;
		known = true;
	}
	if (errno)
		return -errno;
	if (known)
		*names = found;
	return known ? 0 : -ENOENT;
}

static int look_at_directory(const char *root, const char *name, entry_fn parse,
			     const struct container *c, struct container_names *names)
{
	char path[PATH_MAX];
	DIR *dir;
	int err;

	snprintf(path, sizeof(path), "%s%s", root, name);
	dir = opendir(path);
	if (!dir)
		return -errno;
	err = read_entries(dir, parse, c, names);
	closedir(dir);
	return err;
}

/* A regular file's bytes, if they are not too many; it may grow while it is read. */
static int read_file(int fd, char **text, size_t *len)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	if (st.st_size > CONTAINER_NAMES_BYTES)
		return -EFBIG;
	*text = malloc((size_t)st.st_size + 1);
	if (!*text)
		return -ENOMEM;
	for (*len = 0; *len < (size_t)st.st_size; *len += (size_t)n) {
		n = read(fd, *text + *len, (size_t)st.st_size - *len);
		if (n <= 0)
			return n < 0 ? -errno : 0;
	}
	return 0;
}

static int look_at_file(const char *path, text_fn parse, const struct container *c, struct container_names *names)
{
	/* What is there may be no file: nobody waits for a FIFO's writer. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), err;
	char *text = NULL;
	size_t len = 0;

	if (fd < 0)
		return -errno;
	err = read_file(fd, &text, &len);
	if (!err)
		err = parse(text, len, c, names) ? 0 : -ENOENT;
	free(text);
	close(fd);
	return err;
}

/* The kubelet's, of whatever runtime: the pod by its UID, the container by its ID. They have to agree. */
static int look_at_kubelet(const char *root, const struct container *c, struct container_names *names)
{
	struct container_names pod = {}, log = {};
	int of_pod = c->pod_uid[0] ? look_at_directory(root, "/var/log/pods", container_files_pod, c, &pod) : -ENOENT;
	int of_log = look_at_directory(root, "/var/log/containers", container_files_log, c, &log);

	if (of_pod == -EBADMSG || of_log == -EBADMSG ||
	    (!of_pod && !of_log && (strcmp(pod.pod, log.pod) != 0 || strcmp(pod.namespace, log.namespace) != 0)))
		return -EBADMSG;
	if (!of_pod || !of_log)
		*names = of_log ? pod : log;
	return of_log;
}

static int look_at_docker(const char *root, const struct container *c, struct container_names *names)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/var/lib/docker/containers/%s/config.v2.json", root, c->id);
	return look_at_file(path, container_files_docker, c, names);
}

/* Those that outlive a boot, those that do not (podman run --rm), and with transient storage. */
static int look_at_storage(const char *root, const struct container *c, struct container_names *names)
{
	static const char *const files[] = {
		"/var/lib/containers" STORAGE "containers.json",
		"/var/lib/containers" STORAGE "volatile-containers.json",
		"/run/containers" STORAGE "volatile-containers.json",
	};
	int err = -ENOENT;

	for (size_t i = 0; err && i < sizeof(files) / sizeof(*files); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s%s", root, files[i]);
		err = look_at_file(path, container_files_storage, c, names);
		if (resources_lack(err))
			break;
	}
	return err;
}

static bool may_be(const struct container *c, const char *runtime)
{
	return !c->runtime || strcmp(c->runtime, runtime) == 0;
}

/* Is the container's name still to be looked for? What a pod is called may be known earlier. */
static bool is_open(int err)
{
	return err && err != -EBADMSG && !resources_lack(err);
}

int container_names_find(const char *root, const struct container *c, struct container_names *names)
{
	struct container_names found = {};
	int err = look_at_kubelet(root, c, &found);

	if (is_open(err) && may_be(c, "docker"))
		err = look_at_docker(root, c, &found);
	if (is_open(err) && (may_be(c, "podman") || may_be(c, "crio")))
		err = look_at_storage(root, c, &found);
	*names = err == -EBADMSG ? (struct container_names){} : found;
	return resources_lack(err) ? -EAGAIN : 0;
}
