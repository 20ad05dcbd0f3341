// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/kernel/mapped.h"

#include <sys/mman.h>
#include <unistd.h>

static size_t pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

void *mapped_open(int map, size_t size)
{
	void *memory = mmap(NULL, pages(size), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void mapped_close(void *memory, size_t size)
{
	if (memory)
		munmap(memory, pages(size));
}
