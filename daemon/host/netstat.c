// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "daemon/host/netstat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/resources.h"

const char *const netstat_names[NETSTAT_COUNTERS] = {
	[NETSTAT_ACTIVE_OPENS] = "ActiveOpens",
	[NETSTAT_PASSIVE_OPENS] = "PassiveOpens",
	[NETSTAT_ATTEMPT_FAILS] = "AttemptFails",
	[NETSTAT_LISTEN_OVERFLOWS] = "ListenOverflows",
	[NETSTAT_LISTEN_DROPS] = "ListenDrops",
	[NETSTAT_REQQ_FULL_DROP] = "TCPReqQFullDrop",
	[NETSTAT_REQQ_FULL_COOKIES] = "TCPReqQFullDoCookies",
	[NETSTAT_EMBRYONIC_RSTS] = "EmbryonicRsts",
	[NETSTAT_SYNCOOKIES_RECV] = "SyncookiesRecv",
	[NETSTAT_OUT_RSTS] = "OutRsts",
	[NETSTAT_SYNCOOKIES_SENT] = "SyncookiesSent",
	[NETSTAT_SYN_RETRANS] = "TCPSynRetrans",
	[NETSTAT_TIMEOUTS] = "TCPTimeouts",
	[NETSTAT_RETRANS_SEGS] = "RetransSegs",
	[NETSTAT_RETRANS_FAIL] = "TCPRetransFail",
	[NETSTAT_STILL_QUEUED] = "TCPSpuriousRtxHostQueues",
	[NETSTAT_ABORT_ON_TIMEOUT] = "TCPAbortOnTimeout",
	[NETSTAT_DEFER_ACCEPT_DROP] = "TCPDeferAcceptDrop",
	[NETSTAT_NO_ROUTES] = "OutNoRoutes",
	[NETSTAT_NO_ROUTES6] = "Ip6OutNoRoutes",
};

/* There are 250 names in the files, and most differ in their length or their ends from ours. */
static int counter_index(const char *name, size_t len)
{
	static size_t lengths[NETSTAT_COUNTERS];

	for (int i = 0; i < NETSTAT_COUNTERS; i++) {
		if (!lengths[i])
			lengths[i] = strlen(netstat_names[i]);
		if (lengths[i] == len && netstat_names[i][len - 1] == name[len - 1] &&
		    memcmp(netstat_names[i], name, len) == 0)
			return i;
	}
	return -1;
}

void netstat_parse(struct netstat *n, char *text)
{
	char *names, *values;

	while ((names = strsep(&text, "\n")) && (values = strsep(&text, "\n"))) {
		char *name = strsep(&names, " "), *value = strsep(&values, " ");

		if (!name || !value || strcmp(name, value) != 0)
			return; /* the same protocol, "TcpExt:", starts both */
		while ((name = strsep(&names, " ")) && (value = strsep(&values, " "))) {
			int i = counter_index(name, names ? (size_t)(names - name) - 1 : strlen(name));

			if (i >= 0)
				n->value[i] = strtoull(value, NULL, 10);
		}
	}
}

void netstat_parse_ipv6(struct netstat *n, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *value = line + strcspn(line, " \t");
		int i = value > line ? counter_index(line, (size_t)(value - line)) : -1;

		if (i >= 0)
			n->value[i] = strtoull(value, NULL, 10);
	}
}

static int open_one(int process, const char *name)
{
	int fd = openat(process, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* What may not be there, if it is: -1 if not. 0, or a negative errno: nobody knows if it is. */
static int open_optional(int process, const char *name, int *fd)
{
	int opened = open_one(process, name);

	*fd = opened < 0 ? -1 : opened;
	return resources_lack(opened) ? opened : 0;
}

static int open_all(struct netstat_files *files, int process)
{
	int err;

	if ((err = files->fd[0] = open_one(process, "net/netstat")) < 0 ||
	    (err = files->fd[1] = open_one(process, "net/snmp")) < 0 ||
	    (err = open_optional(process, "net/snmp6", &files->snmp6)) < 0 ||
	    (err = open_optional(process, "net/fib_trie", &files->fib_trie)) < 0)
		return err;
	return open_optional(process, "net/if_inet6", &files->if_inet6);
}

/* The process may be in another one by the time that its files are open; its directory is never another process's. */
static int check_netns(int process, uint32_t netns)
{
	struct stat st;

	if (fstatat(process, "ns/net", &st, 0) < 0)
		return -errno;
	return st.st_ino == netns ? 0 : -ESTALE; /* it made the socket elsewhere, and left */
}

int netstat_open(struct netstat_files *files, uint32_t pid, uint32_t netns)
{
	char path[32];
	int process, err;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process < 0)
		return -errno;
	*files = (struct netstat_files)NETSTAT_CLOSED;
	err = check_netns(process, netns);
	err = err ? err : open_all(files, process);
	err = err ? err : check_netns(process, netns);
	close(process);
	if (err)
		netstat_close(files);
	return err;
}

static int read_one(int fd, struct netstat *n, void (*parse)(struct netstat *, char *))
{
	char text[16384];
	size_t have = 0;
	ssize_t got;

	while ((got = pread(fd, text + have, sizeof(text) - 1 - have, (off_t)have)) > 0)
		have += (size_t)got;
	if (got < 0)
		return -errno;
	text[have] = '\0';
	parse(n, text);
	return 0;
}

/*
 * The audit bounds AttemptFails by EmbryonicRsts, and TCPTimeouts by RetransSegs; what bounds is read
 * last: else what happens meanwhile would be in one of them only.
 */
int netstat_read(const struct netstat_files *files, struct netstat *n)
{
	struct netstat later = {};
	int err = read_one(files->fd[1], n, netstat_parse);

	err = err ? err : read_one(files->fd[0], n, netstat_parse);
	err = err ? err : read_one(files->fd[1], &later, netstat_parse);
	n->value[NETSTAT_RETRANS_SEGS] = later.value[NETSTAT_RETRANS_SEGS];
	n->value[NETSTAT_NO_ROUTES] = later.value[NETSTAT_NO_ROUTES]; /* no less than the SYNs that it explains */
	return err;
}

void netstat_read_ipv6(const struct netstat_files *files, struct netstat *n)
{
	if (files->snmp6 >= 0)
		read_one(files->snmp6, n, netstat_parse_ipv6);
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void netstat_close(struct netstat_files *files)
{
	close_one(&files->fd[0]);
	close_one(&files->fd[1]);
	close_one(&files->snmp6);
	close_one(&files->fib_trie);
	close_one(&files->if_inet6);
}
