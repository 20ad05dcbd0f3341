/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The container that a cgroup path names, by the conventions of the runtimes. Pure. */
#ifndef TCPSHAKE_CONTAINER_H
#define TCPSHAKE_CONTAINER_H

#include <stdbool.h>

struct container {
	char id[65]; /* 64 hexadecimal digits */
	const char *runtime; /* "docker", "containerd", "crio", "podman"; NULL: not known */
	char pod_uid[37]; /* Kubernetes; "" if none */
};

/*
 * Docker  /docker/<id>                 /system.slice/docker-<id>.scope
 * Podman  /machine.slice/libpod-<id>.scope
 * CRI     …/kubepods-burstable-pod<uid_with_underscores>.slice/cri-containerd-<id>.scope
 *         …/kubepods/burstable/pod<uid>/<id>             (cgroupfs driver: runtime not known)
 * False if the path names none.
 */
bool container_of_path(const char *path, struct container *out);

#endif
