/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the source's files share: source.c loads and attaches what is required, source_optional.c what a kernel may
 * refuse, source_calls.c what sees accept() and a connect() that fails; source_read.c reads what the maps hold,
 * source_queues.c what is kept of listeners' queues, source_memory.c how much they take, latencies.c the histograms.
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
	OPTIONAL_CLOSE_TAKEOVER,
	OPTIONALS,
};

#define CALL_LINKS 5

/* What sees a call. */
struct observed {
	enum observe how; /* as it is asked for */
	struct bpf_object *object; /* NULL: it is not seen */
	struct bpf_link *links[CALL_LINKS];
};

struct source {
	struct source_handler handler;
	struct handshake_bpf *bpf; /* the maps of all programs */
	struct programs required; /* first that of state changes */
	struct programs optional[OPTIONALS];
	struct look look;
	struct settings settings;
	struct observed calls[CALLS];
	bool attached;
	bool garbled; /* the ring held what is no event, and that was said */
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

/* Load what the daemon does not run without. 0 or a negative errno. */
int required_load(struct source *s);

/* Is any program of that object loaded? */
bool optional_loaded(const struct source *s, int which);
/*
 * Load what is required and, of the others, those that the kernel takes; attach what has to be before any event is counted.
 * 0 or a negative errno.
 */
int objects_load(struct source *s);
void optional_attach(struct source *s, int which);
/* What is not reported, for what could not be attached: enum unreported. */
uint32_t optionals_unreported(const struct source *s);

/* See the calls that were asked for. 0 or a negative errno; what the kernel refuses of them their capabilities have. */
int source_watch_calls(struct source *s);

/* They are seen no more, but what their programs missed can still be asked for. */
void source_detach_calls(struct source *s);
void source_unload_calls(struct source *s);

/* Structs of 64-bit words, word by word. */
static inline void add_words(void *sum, const void *more, size_t size)
{
	for (size_t i = 0; i < size / sizeof(__u64); i++)
		((__u64 *)sum)[i] += ((const __u64 *)more)[i];
}

/* Before and after the programs are loaded, and at the end (NULL-safe): the histograms' maps. */
void latencies_prepare(struct source *s);
int latencies_begin(struct source *s);
void latencies_free(struct latencies *l);

#endif
