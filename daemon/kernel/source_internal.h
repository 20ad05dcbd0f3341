/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the source's files share: source.c loads and attaches what is required, source_optional.c what a kernel may
 * refuse, source_accept.c what sees accept(), source_connect.c what sees connect() fail; source_read.c reads what the maps hold, source_queues.c what is kept of listeners' queues, source_memory.c how
 * much they take, latencies.c the histograms.
 */
#ifndef TCPSHAKE_SOURCE_INTERNAL_H
#define TCPSHAKE_SOURCE_INTERNAL_H

#include "bpf/settings.h"
#include "daemon/kernel/btf.h"
#include "daemon/kernel/enums.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/programs.h"
#include "daemon/kernel/source.h"
#include "daemon/kernel/unreported.h"
#include "generated/handshake.skel.h"

/* Objects of programs that a kernel may refuse. */
enum {
	OPTIONAL_CLASSIC,
	OPTIONAL_TAKEOVER,
	OPTIONAL_TAKEOVER_AGAIN,
	OPTIONAL_RETRANSMIT,
	OPTIONAL_RESET_SENT,
	OPTIONAL_RESET_RECEIVED,
	OPTIONAL_NEIGHBOUR,
	OPTIONAL_DROP,
	OPTIONAL_FILES,
	OPTIONAL_LOOK,
	OPTIONAL_REFUSED_SYN,
	OPTIONAL_REFUSED_ACK,
	OPTIONAL_RESET_ANSWER,
	OPTIONAL_REQUEST,
	OPTIONAL_CLOSE_CLASSIC,
	OPTIONAL_CLOSE,
	OPTIONALS,
};

#define REQUIRED_LINKS 2
#define CONNECT_LINKS 5

struct source {
	struct source_handler handler;
	struct handshake_bpf *bpf;
	struct bpf_link *links[REQUIRED_LINKS];
	struct programs optional[OPTIONALS];
	struct look look;
	struct settings settings;
	struct accept_bpf *accept; /* NULL unless accept() is seen */
	struct bpf_link *accept_links[2];
	struct connect_bpf *connect; /* NULL unless connect() is seen to fail */
	struct bpf_link *connect_links[CONNECT_LINKS];
	bool attached;
	bool garbled; /* the ring held what is no event, and that was said */
	enum accept_wait accept_wait;
	enum connect_errors connect_errors;
	struct ring_buffer *ring;
	struct ring_reader *reader; /* in memory that the programs read */
	void *per_cpu; /* room for a copy of counters, or of less, of each CPU */
	int cpus;
	uint32_t unreported;
	const char *core; /* what programs are relocated by; NULL: libbpf takes all of the kernel's types */
	char core_path[CORE_PATH_LEN];
	int core_fd;
	struct kernel_enums enums;
	bool guards; /* a program does not interrupt itself: since the version that has such atomics */
	bool closes; /* how connections end is wanted */
	bool preempts; /* tasks, inside of tracepoints' programs */
	struct latencies *latencies; /* NULL unless histograms are kept */
	struct capability capabilities[CAPABILITIES];
};

/* Hand s->settings on to the programs. 0 or a negative errno. */
int source_write_settings(const struct source *s);

/* Is any program of that object loaded? */
bool optional_loaded(const struct source *s, int which);
/* Load those that the kernel takes, and attach what has to be before any event is counted. 0 or a negative errno. */
int optionals_load(struct source *s);
void optional_attach(struct source *s, int which);
/* What is not reported, for what could not be attached: enum unreported. */
uint32_t optionals_unreported(const struct source *s);

/* See accept() by its function, or by its system calls. 0 or a negative errno, which its capability has then. */
int accept_load(struct source *s, bool function);
void accept_unload(struct source *s);

/* See connect() fail at once, if that is asked for. 0 or a negative errno; what the kernel refuses its capability has. */
int source_watch_connects(struct source *s);
void connect_unload(struct source *s);

/* Before and after the programs are loaded, and at the end (NULL-safe): the histograms' maps. */
void latencies_prepare(struct source *s);
int latencies_begin(struct source *s);
void latencies_free(struct latencies *l);

#endif
