// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpshaked: from the kernel's events to the feeds. */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "control.h"
#include "identity.h"
#include "listeners.h"
#include "options.h"
#include "reports.h"
#include "sinks.h"
#include "source.h"

#define DRAIN_MS 25 /* how long a record of a quiet host waits at most */
#define TICK_S 1 /* losses, the clocks' offset, owners that went away */
#define FINISH_MS 2000 /* how long slow readers may take at the end */
#define RESCAN_MAX_S 64

struct daemon {
	struct options options;
	struct event_base *base;
	struct event *events[8];
	int event_count;
	struct source *source;
	struct identity *identity;
	struct listeners *listeners;
	struct sinks *sinks;
	struct control *control;
	struct record record; /* the one being written; its buffer is kept */
	int64_t offset_ns;
	uint64_t start_ns;
	struct counters told; /* losses up to here are in the feeds */
	uint64_t told_missed;
	bool scan_wanted;
	uint64_t next_scan_ns;
	unsigned int scan_backoff_s;
	const char *reason;
	int exit_code;
};

/* ---- events of the kernel side ---- */

static void on_handshake(void *ctx, const struct event_handshake *e)
{
	struct daemon *d = ctx;
	const struct listener_owner *owner = NULL;
	struct filter_subject subject = {
		.role = e->role,
		.outcome = e->outcome,
		.local_port = e->local_port,
		.remote_port = e->remote_port,
		.remote_addr = e->remote_addr,
		.latency_ns = e->latency_ns,
	};

	if (e->role == ROLE_PASSIVE) {
		owner = listeners_owner(d->listeners, e->header.netns, e->local_addr, e->local_port);
		d->scan_wanted |= !owner;
	}
	record_begin(&d->record, RECORD_HANDSHAKE, e->end_ns, d->offset_ns);
	record_handshake(&d->record.body, e, d->identity, owner);
	if (d->record.body.failed)
		log_error("out of memory: a handshake record was not written");
	else
		sinks_put(d->sinks, &d->record, &subject);
}

static void on_listener(void *ctx, const struct event_listener *e)
{
	struct daemon *d = ctx;

	listeners_apply(d->listeners, e);
	if (e->event == LISTENER_OPENED && !e->local_port)
		source_scan_listeners(d->source, e->pid); /* listen() without bind(): bound by now */
}

/* ---- the loop ---- */

static void drain(struct daemon *d)
{
	int err = source_drain(d->source);

	if (err)
		log_error("reading the ring buffer failed: %s", strerror(-err));
	sinks_flush(d->sinks);
}

static void on_drain(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	drain(ctx);
}

static void scan_listeners(struct daemon *d)
{
	int err;

	listeners_scan_begin(d->listeners);
	err = source_scan_listeners(d->source, 0);
	if (err)
		log_debug("cannot look for listeners: %s", strerror(-err));
	else
		listeners_scan_end(d->listeners);
}

static bool process_alive(uint32_t pid)
{
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

/*
 * A scan walks all open files of the host: only when an owner is missing, and less and less often
 * if that does not find it (a socket of the kernel has none).
 */
static void rescan_if_needed(struct daemon *d, uint64_t now)
{
	if (!d->scan_wanted && !listeners_orphaned(d->listeners, process_alive)) {
		d->scan_backoff_s = TICK_S;
		return;
	}
	if (now < d->next_scan_ns)
		return;
	scan_listeners(d);
	d->scan_wanted = false;
	d->next_scan_ns = now + d->scan_backoff_s * NSEC_PER_SEC;
	if (d->scan_backoff_s < RESCAN_MAX_S)
		d->scan_backoff_s *= 2;
}

static void tell_loss(struct daemon *d, const char *what, const char *why, uint64_t count)
{
	if (!count)
		return;
	record_begin(&d->record, RECORD_LOSS, clock_mono_ns(), d->offset_ns);
	record_loss(&d->record.body, what, why, count);
	sinks_put(d->sinks, &d->record, NULL);
}

static void tell_losses(struct daemon *d, const struct counters *now)
{
	uint64_t missed = source_missed(d->source);
	const struct counters *told = &d->told;

	tell_loss(d, "handshake", "ring_full",
		  now->ring_full[EVENT_HANDSHAKE] - told->ring_full[EVENT_HANDSHAKE]);
	tell_loss(d, "listener", "ring_full",
		  now->ring_full[EVENT_LISTENER] - told->ring_full[EVENT_LISTENER]);
	tell_loss(d, "beginning", "map_full", now->attempt_map_full - told->attempt_map_full);
	tell_loss(d, "retransmit", "map_full", now->request_map_full - told->request_map_full);
	tell_loss(d, "transition", "nested", missed - d->told_missed);
	if (now->ring_full[EVENT_LISTENER] != told->ring_full[EVENT_LISTENER])
		d->scan_wanted = true;
	d->told = *now;
	d->told_missed = missed;
}

/* A reader that was slow and reads again, but gets no record that would tell it. */
static void tell_slow_reader(void *ctx, struct feed *feed)
{
	struct daemon *d = ctx;

	record_begin(&d->record, RECORD_LOSS, clock_mono_ns(), d->offset_ns);
	feed_tell_losses(feed, &d->record);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	uint64_t now = clock_mono_ns();
	struct counters counters;

	(void)fd;
	(void)what;
	d->offset_ns = clock_real_offset_ns();
	if (source_counters(d->source, &counters) == 0)
		tell_losses(d, &counters);
	source_expire(d->source, now);
	rescan_if_needed(d, now);
	sinks_each(d->sinks, tell_slow_reader, d);
	sinks_flush(d->sinks);
}

static void stop(struct daemon *d, const char *reason)
{
	d->reason = reason;
	event_base_loopbreak(d->base);
}

static void on_stop_signal(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	stop(ctx, "signal");
}

static void on_duration(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	stop(ctx, "duration");
}

static void on_hup(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	int err = sinks_reopen_output(d->sinks);

	(void)fd;
	(void)what;
	if (err)
		log_error("cannot open %s again, going on with the old file: %s", d->options.output,
			  strerror(-err));
}

static void output_failed(struct daemon *d, int error)
{
	const char *to = strcmp(d->options.output, "-") == 0 ? "standard output" : d->options.output;

	d->exit_code = 1;
	if (error == -EPIPE)
		log_error("the reader of %s went away: stopped", to);
	else if (error == -ENOSPC)
		log_error("no space left to write %s: free some, then start again", to);
	else
		log_error("cannot write %s: %s", to, strerror(-error));
}

static void on_output_dead(void *ctx, int error)
{
	struct daemon *d = ctx;

	output_failed(d, error);
	stop(d, "error");
}

/* ---- records about the daemon ---- */

static void make_hello(void *ctx, struct record *r, const struct filter *subscription)
{
	struct daemon *d = ctx;

	if (subscription)
		drain(d); /* what is older than this hello is not the subscriber's */
	record_begin(r, RECORD_HELLO, clock_mono_ns(), d->offset_ns);
	report_hello(&r->body, d->source, &d->options.filter, subscription);
}

static void make_probe(void *ctx, struct record *r)
{
	struct daemon *d = ctx;

	record_begin(r, RECORD_PROBE, clock_mono_ns(), d->offset_ns);
	report_probe(&r->body, d->source);
}

static void make_end(void *ctx, struct record *r, const char *error)
{
	struct daemon *d = ctx;

	record_begin(r, RECORD_END, clock_mono_ns(), d->offset_ns);
	report_end(&r->body, error);
}

struct farewell {
	struct daemon *daemon;
	struct totals totals;
};

static void say_bye(void *ctx, struct feed *feed)
{
	struct farewell *farewell = ctx;
	struct daemon *d = farewell->daemon;

	if (!feed_is_subscribed(feed))
		return;
	record_begin(&d->record, RECORD_BYE, clock_mono_ns(), d->offset_ns);
	feed_tell_losses(feed, &d->record);
	report_bye(&d->record.body, &farewell->totals, feed);
	feed_put(feed, &d->record);
}

/* Nothing new from here on: fetch what waits, account for all of it, say so, write it out. */
static void finish(struct daemon *d)
{
	struct farewell farewell = { .daemon = d, .totals.reason = d->reason };

	source_detach(d->source);
	drain(d);
	if (source_counters(d->source, &farewell.totals.counters) == 0)
		tell_losses(d, &farewell.totals.counters);
	farewell.totals.uptime_ns = clock_mono_ns() - d->start_ns;
	sinks_each(d->sinks, say_bye, &farewell);
	sinks_finish(d->sinks, FINISH_MS);
}

/* ---- start ---- */

static bool has_capability(cap_value_t value)
{
	cap_flag_value_t set = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps)
		cap_get_flag(caps, value, CAP_EFFECTIVE, &set);
	cap_free(caps);
	return set == CAP_SET;
}

/* What would otherwise fail deep in libbpf with an errno that says little. */
static int check_host(void)
{
	if (!has_capability(CAP_SYS_ADMIN) &&
	    !(has_capability(CAP_BPF) && has_capability(CAP_PERFMON))) {
		log_error("not allowed to load BPF programs: run it as root (sudo), or with "
			  "CAP_BPF and CAP_PERFMON");
		return -EPERM;
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) {
		log_error("the kernel shows no BTF at /sys/kernel/btf/vmlinux: mount sysfs, or "
			  "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y (5.10 or later)");
		return -ENOENT;
	}
	return 0;
}

static int start_source(struct daemon *d)
{
	const struct source_handler handler = { on_handshake, on_listener, d };
	int err;

	d->source = source_new(&handler);
	if (!d->source)
		return -ENOMEM;
	err = source_load(d->source, &d->options.filter);
	if (!err)
		err = source_attach(d->source);
	if (err)
		log_error("the kernel refused the BPF programs: %s; tcpshaked --probe says what is "
			  "missing, -v what libbpf and the verifier said",
			  strerror(-err));
	return err;
}

static int start_control(struct daemon *d)
{
	const struct control_handler handler = { make_hello, make_probe, make_end, d };
	const char *path = d->options.socket;
	int err;

	if (!path)
		return 0;
	err = control_open(&d->control, path, d->base, d->sinks, &handler);
	if (err == -EADDRINUSE)
		log_error("%s is served by another tcpshaked already: stop that one, or give "
			  "another path with -s, or -s none",
			  path);
	else if (err)
		log_error("cannot serve %s: %s; give another path with -s, or -s none", path,
			  strerror(-err));
	return err;
}

static int start_output(struct daemon *d)
{
	const char *path = d->options.output;
	struct filter everything = {};
	int err;

	if (!path)
		return 0;
	err = sinks_open_output(d->sinks, path, on_output_dead, d);
	if (err) {
		log_error("cannot open %s: %s; give another file with -o", path, strerror(-err));
		return err;
	}
	make_hello(d, &d->record, NULL);
	feed_put(sinks_output(d->sinks), &d->record);
	feed_subscribe(sinks_output(d->sinks), &everything);
	err = feed_flush(sinks_output(d->sinks));
	if (err)
		output_failed(d, err);
	return err;
}

static int add_event(struct daemon *d, evutil_socket_t fd, short what, event_callback_fn fn,
		     uint64_t ns)
{
	struct timeval tv = { .tv_sec = (time_t)(ns / NSEC_PER_SEC),
			      .tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / 1000) };
	struct event *e = event_new(d->base, fd, what, fn, d);

	if (!e)
		return -ENOMEM;
	d->events[d->event_count++] = e;
	return event_add(e, ns ? &tv : NULL) == 0 ? 0 : -ENOMEM;
}

/* Before anything is written: who has read `hello` may send SIGTERM and expect `bye`. */
static int watch_signals(struct daemon *d)
{
	int err = 0;

	err |= add_event(d, SIGINT, EV_SIGNAL | EV_PERSIST, on_stop_signal, 0);
	err |= add_event(d, SIGTERM, EV_SIGNAL | EV_PERSIST, on_stop_signal, 0);
	err |= add_event(d, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hup, 0);
	return err;
}

static int watch_source(struct daemon *d)
{
	int err = 0;

	err |= add_event(d, source_fd(d->source), EV_READ | EV_PERSIST, on_drain, 0);
	err |= add_event(d, -1, EV_PERSIST, on_drain, DRAIN_MS * 1000000ULL);
	err |= add_event(d, -1, EV_PERSIST, on_tick, TICK_S * NSEC_PER_SEC);
	if (d->options.duration_ns)
		err |= add_event(d, -1, 0, on_duration, d->options.duration_ns);
	return err;
}

static void libevent_message(int severity, const char *message)
{
	(void)severity;
	log_debug("libevent: %s", message);
}

static int start(struct daemon *d)
{
	int err;

	d->start_ns = clock_mono_ns();
	d->offset_ns = clock_real_offset_ns();
	d->scan_backoff_s = TICK_S;
	event_set_log_callback(libevent_message);
	d->base = event_base_new();
	d->sinks = d->base ? sinks_new(d->base) : NULL;
	d->identity = identity_new();
	d->listeners = listeners_new();
	if (!d->sinks || !d->identity || !d->listeners || watch_signals(d)) {
		log_error("out of memory at start");
		return -ENOMEM;
	}
	if ((err = start_source(d)) || (err = start_control(d)))
		return err;
	err = watch_source(d);
	if (err) {
		log_error("cannot set up the event loop: %s", strerror(-err));
		return err;
	}
	err = start_output(d);
	if (!err)
		scan_listeners(d);
	return err;
}

static int print_probe(struct daemon *d)
{
	const struct source_handler handler = { on_handshake, on_listener, d };

	d->offset_ns = clock_real_offset_ns();
	d->source = source_new(&handler);
	if (!d->source)
		return 1;
	if (source_load(d->source, &d->options.filter) == 0)
		source_attach(d->source);
	make_probe(d, &d->record);
	printf("{\"v\":1,\"type\":\"probe\",\"seq\":1,%.*s", (int)d->record.body.len,
	       d->record.body.data);
	return fflush(stdout) == 0 ? 0 : 1;
}

static void release(struct daemon *d)
{
	for (int i = 0; i < d->event_count; i++)
		event_free(d->events[i]);
	control_free(d->control);
	sinks_free(d->sinks);
	source_free(d->source);
	identity_free(d->identity);
	listeners_free(d->listeners);
	buf_free(&d->record.body);
	filter_free(&d->options.filter);
	if (d->base)
		event_base_free(d->base);
}

int main(int argc, char **argv)
{
	static struct daemon d = { .reason = "error" };

	log_init("tcpshaked", LOG_LEVEL_WARNING);
	switch (options_parse(&d.options, argc, argv)) {
	case PARSED_DONE:
		return 0;
	case PARSED_ERROR:
		return 2;
	case PARSED_RUN:
		break;
	}
	if (d.options.verbose)
		log_init("tcpshaked", LOG_LEVEL_DEBUG);
	if (check_host())
		return 1;
	if (d.options.probe) {
		d.exit_code = print_probe(&d);
	} else {
		signal(SIGPIPE, SIG_IGN);
		if (start(&d)) {
			d.exit_code = 1;
		} else {
			event_base_dispatch(d.base);
			finish(&d);
		}
	}
	release(&d);
	return d.exit_code;
}
