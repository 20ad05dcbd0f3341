/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How kubelets and runtimes name containers in their plain files. Each function is false, and leaves `names` as it is,
 * unless the text says it of this very container in the form that its writer gives it. Pure.
 */
#ifndef TCPSHAKE_CONTAINER_FILES_H
#define TCPSHAKE_CONTAINER_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/host/container.h"

struct container_names {
	char name[129]; /* of the container; "": not known */
	char pod[254], namespace[64]; /* of Kubernetes; both or none */
};

/* An entry of /var/log/pods: NAMESPACE_POD_UID. */
bool container_files_pod(const char *entry, const struct container *c, struct container_names *names);
/* An entry of /var/log/containers: POD_NAMESPACE_NAME-ID.log. */
bool container_files_log(const char *entry, const struct container *c, struct container_names *names);
/* Docker's config.v2.json of this container. */
bool container_files_docker(const char *json, size_t len, const struct container *c, struct container_names *names);
/* The containers.json that Podman and CRI-O keep of all of them. */
bool container_files_storage(const char *json, size_t len, const struct container *c, struct container_names *names);

#endif
