// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The view `doctor`: what tcpshaked can see here and what it misses, and what on this host
 * decides handshakes. It looks once. Where no daemon can be asked it says as much as it can.
 */
#include "cli/feed/ask.h"
#include "cli/doctor/host.h"
#include "cli/doctor/model.h"
#include "cli/feed/private.h"
#include "cli/host/sysctl.h"
#include "cli/text/output.h"
#include "cli/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/lines.h"
#include "common/log.h"

struct doctor_view {
	const struct options *options;
	struct doctor doctor;
	struct listener_list *listeners;
	struct record probe;
	bool probed; /* `probe` is there */
	bool listed; /* `listeners` are what the daemon knows */
	struct utsname name;
	struct sysctls sysctls;
	pid_t pid; /* of the daemon, or 0 */
	char from[160];
};

/* Once more, because what is given is gone when this returns. */
static void keep_probe(struct doctor_view *v, const char *line, size_t len)
{
	char why[160];

	if (!v->probed)
		v->probed = record_parse(line, len, &v->probe, why, sizeof(why)) == RECORD_GOOD;
}

static void take_probe(void *ctx, const struct record *r, const char *line, size_t len)
{
	struct doctor_view *v = ctx;

	if (r->type != RECORD_PROBE)
		return;
	keep_probe(v, line, len);
	/* What can be seen of listeners, before they are listed. */
	listener_list_add(v->listeners, NULL, line, len);
}

static void take_listener(void *ctx, const struct record *r, const char *line, size_t len)
{
	struct doctor_view *v = ctx;

	(void)r;
	listener_list_add(v->listeners, NULL, line, len);
}

/* What `tcpshaked --probe` says, where it cannot serve: it can still say why. */
static void probe_alone(struct doctor_view *v)
{
	pid_t pid;
	int fd = private_probe(&pid);
	struct lines *lines = fd >= 0 ? lines_new(fd) : NULL;
	const char *line;
	size_t len;

	while (lines && lines_fill(lines) > 0)
		while (lines_next(lines, &line, &len) == LINE_WHOLE)
			keep_probe(v, line, len);
	lines_free(lines);
	if (fd < 0)
		return;
	close(fd);
	private_wait(pid);
	snprintf(v->from, sizeof(v->from), "tcpshaked --probe");
}

/* 0; -EINTR if somebody wants us to stop; another negative errno, said on stderr. */
static int ask(struct doctor_view *v)
{
	struct signals signals = { 0 };
	struct ask *a;
	int err = signals_init(&signals);

	if (err) {
		log_error("cannot take signals: %s", strerror(-err));
		return err;
	}
	a = ask_open(v->options, &signals);
	err = a ? ask_question(a, "probe", take_probe, v) : signals.stops ? -EINTR : -ENOTCONN;
	if (!err)
		err = ask_question(a, "listeners", take_listener, v);
	if (!err) {
		v->pid = input_daemon(ask_input(a));
		v->listed = true;
		snprintf(v->from, sizeof(v->from), "%s", input_state(ask_input(a))->name);
		/* While it lives: a private one is gone with ask_close(). */
		doctor_look_at_host(&v->doctor, v->pid);
	}
	ask_close(a);
	close(signals.fd);
	return err;
}

static bool read_sysctl(void *ctx, const char *name, uint64_t netns, uint64_t pid, char *out,
			size_t size)
{
	return sysctls_read(ctx, name, netns, pid, out, size);
}

static int look_at_ports(void *ctx, uint16_t low, uint16_t high, struct ports_summary *sum)
{
	(void)ctx;
	return ports_look(low, high, sum);
}

static void judge(struct doctor_view *v)
{
	struct doctor_host host = {
		.sysctl = read_sysctl,
		.ports = look_at_ports,
		.ctx = &v->sysctls,
		.listeners = v->listed ? v->listeners : NULL,
	};

	sysctls_open(&v->sysctls);
	host.netns = v->sysctls.netns;
	if (!v->listed)
		doctor_look_at_host(&v->doctor, 0);
	if (v->probed)
		doctor_take_probe(&v->doctor, v->probe.json);
	if (v->listed)
		listener_list_sort(v->listeners, SORT_QUEUE);
	doctor_judge_sysctls(&v->doctor, &host);
	doctor_judge_listeners(&v->doctor, &host);
	sysctls_close(&v->sysctls);
}

static const char *probe_string(const struct doctor_view *v, const char *key)
{
	const cJSON *json = v->probed ? v->probe.json : NULL;

	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static void put(struct doctor_view *v, const struct style *style, struct buf *b)
{
	struct doctor_source from = {
		.version = probe_string(v, "version"),
		.host = probe_string(v, "host"),
		.kernel = probe_string(v, "kernel"),
		.evidence = probe_string(v, "evidence"),
		.from = v->from,
	};

	if (!from.host && uname(&v->name) == 0) {
		from.host = v->name.nodename;
		from.kernel = v->name.release;
	}
	if (v->options->json)
		doctor_json(&v->doctor, b);
	else
		doctor_render(&v->doctor, &from, style, b);
	b->failed |= listener_list_failed(v->listeners);
}

static enum exit_status print(struct doctor_view *v)
{
	struct style style;
	struct output out = { 0 };
	int err;

	terminal_detect(&style, v->options->color);
	put(v, &style, &out.buf);
	err = output_print(&out);
	buf_free(&out.buf);
	return err ? STATUS_FAILED : STATUS_OK;
}

/* Something that tcpshaked does not run without. */
static bool cannot_run(const struct doctor *d)
{
	for (size_t i = 0; i < doctor_count(d); i++)
		if (doctor_at(d, i)->required && doctor_at(d, i)->verdict == DOCTOR_MISSING)
			return true;
	return false;
}

enum exit_status doctor_run(const struct options *o)
{
	struct doctor_view v = { .options = o, .listeners = listener_list_new(&o->filter),
				 .from = "no daemon could be asked" };
	enum exit_status status = STATUS_FAILED, printed;
	int err = -ENOMEM;

	if (v.listeners)
		err = ask(&v);
	else
		log_error("out of memory");
	if (v.listeners && err != -EINTR) {
		if (err && !o->socket_given)
			probe_alone(&v);
		judge(&v);
		printed = print(&v);
		status = err || cannot_run(&v.doctor) ? STATUS_FAILED : printed;
	} else if (err == -EINTR) {
		status = STATUS_OK;
	}
	if (v.probed)
		record_free(&v.probe);
	listener_list_free(v.listeners);
	doctor_free(&v.doctor);
	return status;
}
