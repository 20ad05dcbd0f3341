// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/kernel/btf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/kernel/btf_pick.h"
#include "generated/core_types.h"

#define VMLINUX "/sys/kernel/btf/vmlinux"

/* It can be mapped from 6.16 on (a539e2a6d51d "btf: Allow mmap of vmlinux btf"). */
static int read_all(struct kernel_btf *k, int fd)
{
	size_t have = 0;
	ssize_t n = 1;

	k->data = mmap(NULL, k->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	k->mapped = k->data != MAP_FAILED;
	if (k->mapped)
		return 0;
	k->data = malloc(k->size);
	if (!k->data)
		return -ENOMEM;
	while (have < k->size && n > 0) {
		n = read(fd, (char *)k->data + have, k->size - have);
		have += n > 0 ? (size_t)n : 0;
	}
	return have == k->size ? 0 : -EIO;
}

int kernel_btf_open(struct kernel_btf *k)
{
	int fd = open(VMLINUX, O_RDONLY | O_CLOEXEC), err;
	struct stat st;

	*k = (struct kernel_btf){};
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : 0;
	k->size = err ? 0 : (size_t)st.st_size;
	err = err ? err : read_all(k, fd);
	err = err ? err : btf_index_make(&k->index, k->data, k->size);
	close(fd);
	if (err)
		kernel_btf_close(k);
	return err;
}

void kernel_btf_close(struct kernel_btf *k)
{
	if (k->mapped)
		munmap(k->data, k->size);
	else
		free(k->data);
	btf_index_free(&k->index);
	*k = (struct kernel_btf){};
}

static int write_all(int fd, const struct buf *b)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < b->len && n > 0) {
		n = write(fd, b->data + done, b->len - done);
		done += n > 0 ? (size_t)n : 0;
	}
	return n > 0 ? 0 : -EIO;
}

int kernel_btf_core(const struct kernel_btf *k, char *path)
{
	struct buf types = {};
	int fd, err;

	err = btf_pick(&k->index, core_types, sizeof(core_types) / sizeof(*core_types), &types);
	fd = err ? err : memfd_create("core_types", MFD_CLOEXEC);
	if (!err && fd < 0)
		err = -errno;
	err = err ? err : write_all(fd, &types);
	snprintf(path, CORE_PATH_LEN, "/proc/self/fd/%d", fd);
	if (!err && access(path, R_OK)) /* without /proc */
		err = -errno;
	buf_free(&types);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	log_debug("libbpf has to look through all of the kernel's types: %s", strerror(-err));
	return err;
}
