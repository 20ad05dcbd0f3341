/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel side: loads and attaches the BPF programs, hands on their events, reads their
 * counters. It knows no record and no sink.
 */
#ifndef TCPSHAKE_SOURCE_H
#define TCPSHAKE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/event.h"
#include "common/filter.h"

struct source;

struct source_handler {
	void (*handshake)(void *ctx, const struct event_handshake *e);
	void (*listener)(void *ctx, const struct event_listener *e);
	void *ctx;
};

/* What the kernel grants, in the order of source_capabilities(). */
struct capability {
	const char *name;
	const char *needed_for;
	bool required;
	int error; /* 0 or a negative errno */
};

struct source *source_new(const struct source_handler *handler);
void source_free(struct source *s);

/* Load the programs with the stream filtered as asked. 0 or a negative errno. */
int source_load(struct source *s, const struct filter *filter);
int source_attach(struct source *s);
/* Stop new events; those in the ring stay for source_drain(). */
void source_detach(struct source *s);

/* Readable when much is waiting; below that only a timer's source_drain() fetches events. */
int source_fd(const struct source *s);
/* Hand on everything that waits. A negative errno if the ring is broken. */
int source_drain(struct source *s);

/* Hand every listener that a process (`pid`, or any for 0) holds open to the handler. */
int source_scan_listeners(struct source *s, uint32_t pid);

/* The sums over all CPUs. */
int source_counters(const struct source *s, struct counters *sum);
/* State changes that a program missed since it was running already on that CPU. */
uint64_t source_missed(const struct source *s);

/* Forget retransmitted requests that can no longer complete, and attempts whose end was missed. */
void source_expire(struct source *s, uint64_t now_ns);

const struct capability *source_capabilities(const struct source *s, size_t *count);

#endif
