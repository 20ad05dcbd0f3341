// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "bpf/counters.h"
#include "common/clock.h"
#include "common/duration.h"
#include "common/log.h"
#include "daemon/notify.h"

#define DRAIN_MS 25 /* how long a record waits at most */
#define DRAINS_AWAKE 8 /* so many that find nothing, and the reader sleeps */
#define IDLE_LOOKS 3 /* so many intervals without traffic go by without a look, then comes one */
#define TICK_S 1 /* losses, the clocks' offset, owners that went away */
#define FINISH_MS 2000 /* how long slow readers may take at the end */

static const struct timeval drain_interval = { .tv_usec = DRAIN_MS * 1000 };

/* Events came: more may follow. */
static void on_busy(void *ctx)
{
	struct daemon *d = ctx;

	d->busy = true;
	d->empty_drains = 0;
	if (!event_pending(d->drain, EV_TIMEOUT, NULL))
		event_add(d->drain, &drain_interval);
}

static void drain(struct daemon *d)
{
	looks_drain(&d->events.looks);
	handshakes_release(&d->events.handshakes, clock_mono_ns());
}

/* Much is waiting, or the first event since the reader fell asleep. */
static void on_waiting(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	drain(ctx);
}

/* While nothing happens, no timer runs for it. */
static void on_drain(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)fd;
	(void)what;
	d->empty_drains++;
	drain(d);
	if (d->empty_drains >= DRAINS_AWAKE && !handshakes_held(&d->events.handshakes)) {
		source_sleep(d->events.source);
		drain(d);
	} else if (!event_pending(d->drain, EV_TIMEOUT, NULL)) {
		event_add(d->drain, &drain_interval);
	}
}

/* From the loop: one that hangs sends none, and is started anew. */
static void on_watchdog(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
	notify_send(NOTIFY_WATCHDOG);
}

static bool listens(void *ctx, uint32_t netns, uint16_t port)
{
	return listeners_any(ctx, netns, port);
}

static struct timeval timeval_of(uint64_t ns)
{
	return (struct timeval){ .tv_sec = (time_t)(ns / NSEC_PER_SEC),
				 .tv_usec = (suseconds_t)(ns % NSEC_PER_SEC / 1000) };
}

/* Once for each doubling, and when it is as asked again. */
static void log_interval(struct daemon *d)
{
	const struct pace *pace = &d->events.looks.pace;
	uint64_t now = pace->interval_ns, asked = pace->wanted_ns, before = d->logged_interval_ns;
	char cost[16], text[16];

	if (now == before || (now != asked && now < (before == asked ? asked + asked / 4 : 2 * before)))
		return;
	d->logged_interval_ns = now;
	log_warning("a look at %zu listeners takes %s of CPU time: from now on every %s%s",
		    listeners_count(d->events.listeners), duration_format(pace->cost_ns, cost, sizeof(cost)),
		    duration_format(now, text, sizeof(text)),
		    now == asked ? " again" :
				   ", so that looks take 1 % of a CPU at most (--listener-interval keeps one)");
}

static void look(struct daemon *d)
{
	struct looks *looks = &d->events.looks;

	d->busy = false;
	d->skipped_looks = 0;
	looks_at_queues(looks, false);
	source_sweep_latencies(d->events.source, listens, d->events.listeners);
	pace_next(&looks->pace, looks->cost_ns);
	if (d->options.listener_interval_given)
		looks->pace.interval_ns = looks->pace.wanted_ns;
	else
		log_interval(d);
}

/* On a host without traffic, a look now and then will do; the first event, and what was not streamed, end that. */
static bool look_can_wait(struct daemon *d)
{
	return !d->busy && !d->options.listener_interval_given && queues_quiet(d->events.queues) &&
	       d->skipped_looks++ < IDLE_LOOKS;
}

/* The next look is so far away that all of them take 1 % of a CPU at most. */
static void on_interval(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	struct timeval next;

	(void)fd;
	(void)what;
	if (look_can_wait(d))
		queues_skip_interval(d->events.queues);
	else
		look(d);
	next = timeval_of(d->events.looks.pace.interval_ns);
	event_add(d->interval, &next);
}

/* Did anything happen, streamed or not? */
static bool counters_moved(const struct counters *now, const struct counters *before)
{
	return memcmp(now, before, offsetof(struct counters, unwoken)) != 0;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;
	struct events *events = &d->events;
	uint64_t now = clock_mono_ns();
	struct counters counters;
	bool moved = true;

	(void)fd;
	(void)what;
	events->emit.offset_ns = clock_real_offset_ns();
	if (source_counters(events->source, &counters) == 0) {
		moved = counters_moved(&counters, &events->losses.reported);
		losses_report(&events->losses, &counters);
	}
	d->busy |= moved;
	looks_drain(&events->looks);
	handshakes_expire(&events->handshakes, now);
	if (moved) /* the kernel's tables need room */
		source_expire(events->source, now);
	if (filter_renew_cgroup(&d->options.filter)) /* a service was started again */
		source_set_cgroup(events->source, d->options.filter.stream.cgroup_id);
	looks_scan_if_needed(&events->looks, now);
	losses_report_own(&events->losses);
	sinks_flush(d->sinks);
	sinks_tidy(d->sinks);
}

/* Records say the new time at once; that a clock goes faster or slower, a tick will do for. */
static void on_clock_set(evutil_socket_t fd, short what, void *ctx)
{
	struct daemon *d = ctx;

	(void)what;
	if (!clock_was_set(fd))
		return;
	d->events.emit.offset_ns = clock_real_offset_ns();
	log_info("the clock was set");
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

static const char *output_name(const struct daemon *d)
{
	return strcmp(d->options.output, "-") == 0 ? "standard output" : d->options.output;
}

void loop_output_stuck(void *ctx, int error)
{
	struct daemon *d = ctx;
	struct feed *feed = sinks_output(d->sinks);

	if (error)
		log_error("cannot write %s: %s; going on, trying again: what 4 MiB of memory cannot "
			  "keep until then is counted as lost",
			  output_name(d), strerror(-error));
	else
		log_warning("%s is written again; %" PRIu64 " records were lost, as its loss records say",
			    output_name(d), feed_lost_lately(feed));
}

void loop_output_failed(struct daemon *d, int error)
{
	const char *to = output_name(d);

	d->exit_code = 1;
	if (error == -EPIPE)
		log_error("the reader of %s went away: stopped", to);
	else if (error == -ENOSPC)
		log_error("no space left to write %s: free some, then start again", to);
	else
		log_error("cannot write %s: %s", to, strerror(-error));
}

void loop_output_dead(void *ctx, int error)
{
	struct daemon *d = ctx;

	loop_output_failed(d, error);
	stop(d, "error");
}

/* The file that could not be written until now cannot say so itself. */
static void end_output(struct daemon *d)
{
	struct feed *feed = sinks_output(d->sinks);
	int error = feed ? feed_write_error(feed) : 0;

	if (!error)
		return;
	d->exit_code = 1;
	log_error("cannot write the end of %s: %s; %" PRIu64 " records were lost", output_name(d),
		  strerror(-error), feed_lost_lately(feed));
}

void loop_finish(struct daemon *d)
{
	struct events *events = &d->events;
	struct counters counted;
	struct totals totals;

	notify_send(NOTIFY_STOPPING);
	source_detach(events->source);
	looks_at_queues(&events->looks, true);
	looks_drain_last(&events->looks, &counted);
	handshakes_release(&events->handshakes, UINT64_MAX);
	sinks_flush(d->sinks);
	if (answers_totals(&events->answers, &totals) == 0) {
		totals.counters = counted;
		losses_report(&events->losses, &counted);
	}
	totals.reason = d->reason;
	sinks_give_up(d->sinks);
	answers_bye(&events->answers, &totals);
	sinks_finish(d->sinks, FINISH_MS);
	end_output(d);
}

static int add_event(struct daemon *d, evutil_socket_t fd, short what, event_callback_fn fn,
		     uint64_t ns)
{
	struct timeval tv = timeval_of(ns);
	struct event *e = event_new(d->base, fd, what, fn, d);

	if (!e)
		return -ENOMEM;
	d->timers[d->timer_count++] = e;
	return event_add(e, ns ? &tv : NULL) == 0 ? 0 : -ENOMEM;
}

int loop_watch_signals(struct daemon *d)
{
	int err = 0;

	err |= add_event(d, SIGINT, EV_SIGNAL | EV_PERSIST, on_stop_signal, 0);
	err |= add_event(d, SIGTERM, EV_SIGNAL | EV_PERSIST, on_stop_signal, 0);
	err |= add_event(d, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hup, 0);
	return err;
}

int loop_watch_source(struct daemon *d)
{
	uint64_t watchdog_ns = notify_watchdog_ns();
	int err = 0;

	err |= add_event(d, source_fd(d->events.source), EV_READ | EV_PERSIST, on_waiting, 0);
	err |= add_event(d, -1, 0, on_drain, DRAIN_MS * 1000000ULL);
	d->drain = d->timers[d->timer_count - 1];
	d->events.looks.busy = on_busy;
	d->events.looks.busy_ctx = d;
	d->clock = clock_watch();
	if (d->clock >= 0) /* else a tick notices */
		err |= add_event(d, d->clock, EV_READ | EV_PERSIST, on_clock_set, 0);
	err |= add_event(d, -1, EV_PERSIST, on_tick, TICK_S * NSEC_PER_SEC);
	err |= add_event(d, -1, 0, on_interval, d->options.listener_interval_ns);
	d->interval = d->timers[d->timer_count - 1];
	if (watchdog_ns)
		err |= add_event(d, -1, EV_PERSIST, on_watchdog, watchdog_ns / 2);
	if (d->options.duration_ns)
		err |= add_event(d, -1, 0, on_duration, d->options.duration_ns);
	return err;
}

void loop_free(struct daemon *d)
{
	for (int i = 0; i < d->timer_count; i++)
		event_free(d->timers[i]);
	if (d->clock > 0)
		close(d->clock);
}
