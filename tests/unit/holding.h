/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the tests of holders: lines of /proc/net/tcp, and what a scan gives. */
#ifndef TCPSHAKE_TEST_HOLDING_H
#define TCPSHAKE_TEST_HOLDING_H

#include <arpa/inet.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/host/holders.h"

#define HEADER                                                                                     \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "          \
	"timeout inode\n"
#define REST " 1 0000000000000000 100 0 0 10 0"
#define ZERO "00000000000000000000000000000000"

/* A word of an address as this host prints it. */
static inline const char *word(const char *bytes)
{
	static char text[4][9];
	static int next;
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	next = (next + 1) % 4;
	snprintf(text[next], sizeof(text[next]), "%08X", value);
	return text[next];
}

static inline void expect_addr(const struct holder *h, const char *text)
{
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, addr + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, addr), 1);
	assert_memory_equal(h->addr, addr, sizeof(addr));
}

/* Where to scan, and what came of it. */
struct tree {
	char root[64];
	struct holder *got;
	size_t count;
	struct holders_coverage c;
};

static inline void on_holder(void *ctx, const struct holder *h)
{
	struct tree *t = ctx;

	t->got = reallocarray(t->got, t->count + 1, sizeof(*t->got));
	assert_non_null(t->got);
	t->got[t->count++] = *h;
}

static inline int scan(struct tree *t, uint32_t pid)
{
	t->count = 0;
	return holders_scan(t->root, pid, on_holder, t, &t->c);
}

static inline void expect(const struct tree *t, size_t i, uint32_t pid, const char *comm, uint32_t uid,
		   uint16_t port, uint32_t netns)
{
	assert_true(i < t->count);
	assert_int_equal(t->got[i].pid, pid);
	assert_string_equal(t->got[i].comm, comm);
	assert_int_equal(t->got[i].uid, uid);
	assert_int_equal(t->got[i].port, port);
	assert_int_equal(t->got[i].netns, netns);
}

static inline int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

#endif
