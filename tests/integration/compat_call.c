/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * compat_call N: makes a system call of the 32-bit ABI that has the number of the 64-bit accept4(), and
 * returns N. It is keyctl(KEYCTL_READ) of a key of N bytes. Prints what the call returned.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEYCTL_OF_I386 288

#ifdef __x86_64__
static int compat_keyctl(long command, long key)
{
	int ret;

	asm volatile("int $0x80"
		     : "=a"(ret)
		     : "a"(KEYCTL_OF_I386), "b"(command), "c"(key), "d"(0), "S"(0), "D"(0)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}
#else
static int compat_keyctl(long command, long key)
{
	(void)command, (void)key;
	return -ENOSYS;
}
#endif

int main(int argc, char **argv)
{
	char payload[1024] = {};
	long size = argc == 2 ? strtol(argv[1], NULL, 10) : 0, key;
	int ret;

	if (size < 1 || (size_t)size > sizeof(payload)) {
		fprintf(stderr, "usage: compat_call N, which is 1 to %zu\n", sizeof(payload));
		return 2;
	}
	key = syscall(SYS_add_key, "user", "compat_call", payload, (size_t)size,
		      KEY_SPEC_PROCESS_KEYRING);
	if (key < 0) {
		printf("no key: %s\n", strerror(errno));
		return 1;
	}
	ret = compat_keyctl(KEYCTL_READ, key);
	if (ret < 0) {
		printf("%s\n", strerror(-ret));
		return 1;
	}
	printf("%d\n", ret);
	return 0;
}
