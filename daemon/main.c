// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcpshaked: from the command line to the loop. */
#include "daemon/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/host/resources.h"
#include "daemon/kernel/capabilities.h"
#include "daemon/metrics/measures.h"
#include "daemon/notify.h"
#include "daemon/privilege/privilege.h"

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
	static const struct {
		const char *what, *option;
	} calls[CALLS] = {
		[CALL_ACCEPT] = { "accept()", "--accept-wait" },
		[CALL_CONNECT] = { "a connect() that fails at once", "--connect-errors" },
	};
	struct source *source = d->events.source;
	int err;

	if (d->options.metrics.port)
		source_want_latencies(source);
	for (int call = 0; call < CALLS; call++)
		source_observe(source, call, d->options.observe[call]);
	err = source_load(source, &d->options.filter);
	if (!err)
		err = source_attach(source);
	for (int call = 0; !err && call < CALLS; call++) {
		err = source_call_error(source, call);
		if (!err)
			continue;
		log_error("the kernel does not let %s be seen this way: %s; choose another %s; "
			  "tcpshaked --probe says what works here", calls[call].what, strerror(-err), calls[call].option);
		return err;
	}
	if (err)
		log_error("the kernel refused the BPF programs: %s; tcpshaked --probe says what is "
			  "missing, -v what libbpf and the verifier said",
			  strerror(-err));
	return err;
}

/* Before programs are loaded, which takes a while: who looks for a daemon finds that one starts. */
static int open_control(struct daemon *d)
{
	const struct control_handler handler = answers_handler(&d->events.answers);
	const struct control_place place = { d->options.socket, d->options.socket_gid };
	const char *path = place.path;
	int err;

	if (!path)
		return 0;
	err = control_open(&d->control, &place, d->base, d->sinks, &handler);
	if (err == -EADDRINUSE)
		log_error("%s is served by another tcpshaked already: stop that one, or give "
			  "another path with -s, or -s none",
			  path);
	else if (err == -EPERM && d->options.socket_group)
		log_error("not allowed to give %s to the group %s: run it as root, or with CAP_CHOWN, or as a "
			  "member of that group",
			  path, d->options.socket_group);
	else if (err)
		log_error("cannot serve %s: %s; give another path with -s, or -s none", path,
			  strerror(-err));
	return err;
}

static int start_control(struct daemon *d)
{
	int err = d->control ? control_listen(d->control) : 0;

	if (err)
		log_error("cannot listen at %s: %s", d->options.socket, strerror(-err));
	return err;
}

static void put_metrics(void *ctx, struct exposition *e)
{
	struct daemon *d = ctx;
	const struct limits *const limits[] = {
		d->control ? control_limits(d->control) : NULL,
		d->metrics ? metrics_limits(d->metrics) : NULL,
	};

	e->containers = d->options.metrics_containers ? d->events.identity : NULL;
	measures_put(&d->events, e);
	measures_put_limits(limits, 2, e);
}

static int start_metrics(struct daemon *d)
{
	const struct metrics_address *address = &d->options.metrics;
	int err;

	if (!address->port)
		return 0;
	err = metrics_open(&d->metrics, d->base, address, put_metrics, d);
	if (err)
		log_error("cannot serve metrics at %s port %u: %s; give another address with --metrics",
			  address->host, address->port, strerror(-err));
	return err;
}

static int open_output(struct daemon *d)
{
	const struct output_place place = { d->options.output, d->options.output_max, d->options.output_keep };
	int err = place.path ? sinks_open_output(d->sinks, &place, loop_output_dead, loop_output_stuck, d) : 0;

	if (err == -ELOOP)
		log_error("%s is a link that another user made, and is not followed: give the file itself with -o",
			  place.path);
	else if (err)
		log_error("cannot open %s: %s; give another file with -o", place.path,
			  err == -EINVAL && place.max ? "--output-max is for a regular file" : strerror(-err));
	return err;
}

static int start_output(struct daemon *d)
{
	struct filter everything = {};
	struct record *hello = &d->events.emit.record;
	int err;

	if (!sinks_output(d->sinks))
		return 0;
	answers_hello(&d->events.answers, hello, NULL);
	feed_put(sinks_output(d->sinks), hello);
	sinks_subscribe(d->sinks, sinks_output(d->sinks), &everything);
	err = feed_flush(sinks_output(d->sinks));
	if (err)
		loop_output_failed(d, err);
	return err;
}

static void libevent_message(int severity, const char *message)
{
	(void)severity;
	log_debug("libevent: %s", message);
}

static int init_events(struct daemon *d)
{
	return events_init(&d->events, &(struct events_setup){
					       .sinks = d->sinks,
					       .filter = &d->options.filter,
					       .types = d->options.events,
					       .look_interval_ns = d->options.listener_interval_ns,
				       });
}

static bool source_answers(void *ctx)
{
	struct counters counters;

	return source_counters(ctx, &counters) == 0;
}

/* All that takes more has been done: files and sockets are open, programs attached, and what is to be probed is. */
static void drop_privileges(struct daemon *d)
{
	const char *output = d->options.output;
	struct calls_wanted wanted = {};

	if (d->control)
		control_probe(d->control);
	if (output && strcmp(output, "-") != 0)
		wanted.uses |= USE_OUTPUT;
	if (d->options.output_max)
		wanted.uses |= USE_ROTATION;
	if (d->control)
		wanted.uses |= USE_SOCKET;
	if (d->metrics)
		wanted.uses |= USE_METRICS;
	privilege_drop(&wanted, source_answers, d->events.source);
}

static int start(struct daemon *d)
{
	int err;

	uname(&d->host);
	d->logged_interval_ns = d->options.listener_interval_ns;
	event_set_log_callback(libevent_message);
	d->base = event_base_new();
	d->sinks = d->base ? sinks_new(d->base) : NULL;
	if (!d->sinks || init_events(d) || loop_watch_signals(d)) {
		log_error("out of memory at start");
		return -ENOMEM;
	}
	err = notify_open();
	if (err)
		log_warning("cannot report to the service manager at $NOTIFY_SOCKET: %s; going on", strerror(-err));
	if (d->options.with_host)
		sinks_name(d->sinks, d->host.nodename);
	/* Who finds the socket served finds the metrics, too. */
	if ((err = open_control(d)) || (err = start_source(d)) || (err = start_metrics(d)) ||
	    (err = start_control(d)) || (err = open_output(d)))
		return err;
	err = loop_watch_source(d);
	if (err) {
		log_error("cannot set up the event loop: %s", strerror(-err));
		return err;
	}
	drop_privileges(d);
	/* What happens from `hello` on is reported, so what was before is looked at before it. */
	looks_scan(&d->events.looks);
	looks_at_queues(&d->events.looks, false);
	err = start_output(d);
	if (err)
		return err;
	events_put_listeners(&d->events);
	notify_send(NOTIFY_READY);
	return 0;
}

static int print_probe(struct daemon *d)
{
	struct record *probe = &d->events.emit.record;
	struct source *source;

	if (init_events(d))
		return 1;
	source = d->events.source;
	if (source_load(source, &d->options.filter) == 0 && source_attach(source) == 0)
		source_probe_calls(source);
	record_begin(probe, RECORD_PROBE, clock_mono_ns(), d->events.emit.offset_ns);
	report_probe(&probe->body, source);
	printf("{\"v\":%d,\"type\":\"%s\",\"seq\":1,%.*s", RECORD_VERSION, record_type_names[RECORD_PROBE],
	       (int)probe->body.len, probe->body.data);
	return fflush(stdout) == 0 ? 0 : 1;
}

static void release(struct daemon *d)
{
	loop_free(d);
	control_free(d->control);
	metrics_free(d->metrics);
	sinks_free(d->sinks);
	events_free(&d->events);
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
	if (!(d.options.events & (1U << RECORD_HANDSHAKE)))
		d.options.filter.stream.unwanted |= 1U << EVENT_HANDSHAKE;
	if (!(d.options.events & (1U << RECORD_RESET)))
		d.options.filter.stream.unwanted |= 1U << EVENT_RESET;
	if (!(d.options.events & (1U << RECORD_ACCEPT)))
		d.options.filter.stream.unwanted |= 1U << EVENT_ACCEPT;
	if (!(d.options.events & (1U << RECORD_CLOSE)) && !d.options.probe)
		d.options.filter.stream.unwanted |= 1U << EVENT_CLOSE;
	if (d.options.verbose)
		log_init("tcpshaked", LOG_LEVEL_DEBUG);
	if (!capabilities_check_refusals())
		return 2;
	if (check_host())
		return 1;
	resources_raise_descriptors();
	if (d.options.probe) {
		d.exit_code = print_probe(&d);
	} else {
		signal(SIGPIPE, SIG_IGN);
		signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error like others */
		if (start(&d)) {
			d.exit_code = 1;
		} else {
			resources_return_memory();
			event_base_dispatch(d.base);
			loop_finish(&d);
		}
	}
	release(&d);
	return d.exit_code;
}
