// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/resources.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"

#define LARGE (128 * 1024) /* glibc's first thresholds, in bytes */

bool resources_lack(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS;
}

void resources_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_debug("cannot raise the limit of descriptors: %s", strerror(errno));
}

bool resources_descriptors_scarce(int fd, unsigned int kept)
{
	struct rlimit limit;
	int lowest = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (lowest < 0)
		return true;
	close(lowest);
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)lowest + kept >= limit.rlim_cur;
}

void resources_return_memory(void)
{
	/* The start has raised both: the first to the size of a large block that was freed, the second to twice as much. */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_TRIM_THRESHOLD, LARGE);
	malloc_trim(0); /* of what the start took */
}
