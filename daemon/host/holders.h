/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who holds which listener, from /proc alone: for kernels that refuse the iterator over open files.
 * The files of other users' processes need CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE; no namespace is
 * entered.
 */
#ifndef TCPSHAKE_HOLDERS_H
#define TCPSHAKE_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"

/* A listener, and a process that has it open. */
struct holder {
	uint64_t inode; /* the socket's; 0: it has none */
	uint32_t netns; /* the inode number of the socket's namespace */
	uint8_t addr[16]; /* network byte order, v4-mapped */
	uint16_t port; /* host byte order */
	uint16_t family; /* AF_INET or AF_INET6; these files do not say if it takes IPv4 as well */
	uint32_t accept_len; /* of the accept queue */
	uint32_t pid; /* of the process, as this /proc numbers it; 0: no process holds it */
	uint32_t uid; /* the process's real uid; with pid 0 the owner of the socket */
	char comm[COMM_LEN]; /* the group leader's: any bytes but NUL, then NUL; "" with pid 0 */
	uint32_t start; /* when the process began, as in struct process_state; 0 with pid 0 */
	bool init; /* it is the first process of its pid namespace */
};

/* What a scan covered. Without the capabilities most of it is unread. */
struct holders_coverage {
	uint32_t processes; /* whose open files were read */
	uint32_t processes_unread; /* whose were not, though they go on: mostly for EACCES */
	uint32_t namespaces; /* whose listeners were read */
	uint32_t namespaces_unread; /* whose were not, by any of their processes */
	uint32_t listeners; /* of those namespaces */
};

typedef void holders_fn(void *ctx, const struct holder *holder);

/*
 * Call `fn` once for each listener and process that holds it, and once with pid 0 for each listener
 * that no process holds: as far as processes were read. With a `pid`, only for what this process
 * holds of its own namespace.
 *
 * `root` is where procfs is mounted. The listeners of a namespace that no process's leader is in
 * are not seen. A process that ends meanwhile may be left out. A socket's inode number is unique
 * until the kernel's 32-bit counter of them (get_next_ino()) wraps around.
 *
 * 0, or a negative errno if the scan could not be finished: what `fn` got until then is true but
 * not all. With a `pid` that is gone: 0, and `processes` is 0. `coverage` is always filled in.
 */
int holders_scan(const char *root, uint32_t pid, holders_fn *fn, void *ctx,
		 struct holders_coverage *coverage);

/* ---- what the files say; pure ---- */

enum holders_line {
	HOLDERS_LISTENER,
	HOLDERS_OTHER_STATE, /* no listener: none follows it (Documentation/networking/proc_net_tcp.rst) */
	HOLDERS_NO_SOCKET, /* the header, or a line that is not whole */
};

/*
 * A line of /proc/PID/net/tcp (AF_INET) or tcp6 (AF_INET6), without its newline. Of a listener, `h`
 * gets all but netns, pid and comm, and `uid` is the socket's. It is not changed otherwise.
 */
enum holders_line holders_parse_line(const char *line, size_t len, uint16_t family,
				     struct holder *h);

/* The real uid in the text of /proc/PID/status. */
bool holders_parse_uid(const char *status, uint32_t *uid);

/* Is it pid 1 of its own namespace, by the text of /proc/PID/status? */
bool holders_parse_init(const char *status);

#endif
