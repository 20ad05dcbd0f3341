/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sysctls of this host, in the network namespace that is meant: net.* differ between them. */
#ifndef TCPSHAKE_SYSCTL_H
#define TCPSHAKE_SYSCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sysctls {
	uint64_t netns; /* our own, an inode */
	int home; /* to come back to it */
};

void sysctls_open(struct sysctls *s);
void sysctls_close(struct sysctls *s);

/* The value of `name` in the namespace that this thread is in, as sysctls_read() has it. */
bool sysctl_read_here(const char *name, char *out, size_t size);

/*
 * The value of `name` ("net.core.somaxconn") in `netns`, its words with one space between. Another
 * namespace than ours is visited through process `pid`, which takes CAP_SYS_ADMIN. False if there
 * is no such value, or nobody can say.
 */
bool sysctls_read(struct sysctls *s, const char *name, uint64_t netns, uint64_t pid, char *out,
		  size_t size);

/* Whether a feed with this host name and boot id (or "") is of this boot of this host. */
bool sysctls_are_of(const char *host, const char *boot_id);

#endif
