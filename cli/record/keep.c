// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/connect.h"
#include "cli/feed/reader.h"
#include "cli/feed/record_scan.h"
#include "cli/feed/recording.h"
#include "cli/record/recorder.h"
#include "cli/record/ring.h"
#include "cli/record/trigger.h"
#include "cli/text/text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define RETRY_MS 1000

#define BEFORE_NS (60 * NSEC_PER_SEC)
#define AFTER_NS (30 * NSEC_PER_SEC)

struct keeper {
	struct options options; /* changed for a second feed */
	struct ring *ring;
	uint32_t parts[RECORD_TYPES]; /* what is needed of each type of record */
	struct trigger *triggers[TRIGGERS_MAX]; /* up to NULL, if there are fewer */
	struct summary *summary;
	struct output out; /* nothing goes there */
	struct input_report report; /* of all feeds */
	uint64_t stop_at; /* CLOCK_MONOTONIC; 0: when somebody wants it */
};

/* The record may be only in part what the line says: its cause is in the name of the file. */
static void strike(struct keeper *k, const struct trigger *t, const char *line, size_t len)
{
	char word[TRIGGER_WORD_SIZE], why[160];
	struct record whole;

	if (record_parse(line, len, &whole, why, sizeof(why)) != RECORD_GOOD)
		return;
	ring_strike(k->ring, trigger_word(t, &whole, word));
	record_free(&whole);
}

static void take(void *view, const struct record *r, const char *line, size_t len)
{
	struct keeper *k = view;

	if (!k->options.no_summary)
		summary_add(k->summary, r);
	ring_put(k->ring, r, line, len);
	for (size_t i = 0; i < TRIGGERS_MAX && k->triggers[i]; i++)
		if (trigger_take(k->triggers[i], r))
			strike(k, k->triggers[i], line, len);
}

static int pass(void *view, uint64_t *again_at)
{
	struct keeper *k = view;

	ring_flush(k->ring, clock_mono_ns(), again_at);
	return 0;
}

static void add_report(struct input_report *all, const struct input_report *one)
{
	all->lines += one->lines;
	all->bad += one->bad;
	all->foreign += one->foreign;
	all->oversized += one->oversized;
	all->missing += one->missing;
	all->damaged += one->damaged;
	all->gaps += one->gaps;
	all->gap_ns += one->gap_ns;
	all->cut = all->cut || one->cut;
}

/* Another daemon than ours is waited for, and not replaced. */
static bool is_back(const struct keeper *k)
{
	int fd = k->options.socket_given ? daemon_connect(k->options.socket) : -ENOENT;

	if (fd >= 0)
		close(fd);
	return fd >= 0 || !k->options.socket_given;
}

static bool is_over(const struct keeper *k)
{
	return k->stop_at && clock_mono_ns() >= k->stop_at;
}

/* Until there is a daemon again; false if somebody wants us to stop first. */
static bool await_daemon(struct keeper *k)
{
	struct signals signals = { 0 };
	struct pollfd fd = { .events = POLLIN };
	uint64_t again_at;

	if (signals_init(&signals) < 0)
		return false;
	fd.fd = signals.fd;
	do {
		pass(k, &again_at);
		if (poll(&fd, 1, RETRY_MS) > 0)
			signals_read(&signals);
	} while (!signals.stops && !is_over(k) && !is_back(k));
	close(signals.fd);
	return !signals.stops && !is_over(k);
}

/* A daemon that ends is no reason to end: the next one's feed follows, even if that one dies before it begins. */
static enum exit_status read_feeds(struct keeper *k)
{
	static const struct reader_ops ops = { .record = take, .pass = pass };
	struct input_report report;
	enum exit_status status;
	bool begun = false, waits;

	do {
		uint64_t now = clock_mono_ns();

		report = (struct input_report){ 0 };
		if (k->stop_at)
			k->options.duration_ns = k->stop_at > now ? k->stop_at - now : 1;
		status = reader_run(&k->options, &k->out, &ops, k, &report);
		add_report(&k->report, &report);
		begun = begun || report.ended;
		waits = report.ended || (report.absent && begun);
		k->options.socket_given = k->options.socket_given || !report.private;
		if (waits)
			log_info(report.ended ? "the daemon has ended; its next feed will be recorded, too" :
						"the next daemon is waited for");
	} while (waits && await_daemon(k));
	return waits ? STATUS_OK : status;
}

static enum exit_status read_triggers(struct keeper *k)
{
	char why[320];

	for (uint32_t i = 0; i < k->options.trigger_count; i++) {
		k->triggers[i] = trigger_new(k->options.triggers[i], why, sizeof(why));
		if (k->triggers[i])
			continue;
		log_error("--trigger: %s", why);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/* Most records are only passed on: nobody looks into them, or only for what a trigger compares. */
static const uint32_t *needed(struct keeper *k)
{
	if (!k->options.no_summary)
		return NULL;
	for (enum record_type type = 0; type < RECORD_TYPES; type++) {
		k->parts[type] = PART_HEAD;
		for (size_t i = 0; i < TRIGGERS_MAX && k->triggers[i]; i++)
			k->parts[type] |= trigger_parts(k->triggers[i], type);
	}
	return k->parts;
}

/* "1 segment was", "2 segments were" */
static const char *were(char *out, size_t size, uint64_t count, const char *what)
{
	snprintf(out, size, "%llu %s", (unsigned long long)count, what);
	snprintf(out + strlen(out), size - strlen(out), count == 1 ? " was" : "s were");
	return out;
}

static void report_end(const struct keeper *k, const struct ring_report *report)
{
	char one[40], other[40];

	if (!k->options.no_summary)
		summary_write(k->summary, &k->report, stderr);
	log_info("%s in %s; %s dropped", text_plural(one, sizeof(one), report->written, "record"), k->options.file,
		 were(other, sizeof(other), report->dropped, "segment"));
	if (k->options.trigger_count)
		log_info("the trigger struck %s; %s kept", text_plural(one, sizeof(one), report->strikes, "time"),
			 were(other, sizeof(other), report->incidents, "incident"));
}

static enum exit_status keep(struct keeper *k)
{
	const struct options *o = &k->options;
	struct incident_plan plan = {
		.before_ns = !o->trigger_count ? 0 : o->before_ns ? o->before_ns : BEFORE_NS,
		.after_ns = o->after_ns ? o->after_ns : AFTER_NS,
		.then = o->then,
	};
	struct ring_report report;
	enum exit_status status;

	k->ring = ring_open(o->file, o->keep_bytes, &plan);
	if (!k->ring)
		return STATUS_FAILED;
	if (o->duration_ns && !o->from)
		k->stop_at = clock_mono_ns() + o->duration_ns;
	k->options.parts = needed(k);
	status = read_feeds(k);
	if (!ring_close(k->ring, &report))
		status = STATUS_FAILED;
	if (k->report.lines || status == STATUS_OK)
		report_end(k, &report);
	return status;
}

enum exit_status recorder_keep(const struct options *o, struct summary *summary)
{
	struct keeper k = { .options = *o, .summary = summary };
	enum exit_status status = read_triggers(&k);
	struct stat st;

	if (status == STATUS_OK && stat(o->file, &st) == 0 && recording_is_source(&st, o)) {
		log_error("%s is what --from reads; give another directory", o->file);
		status = STATUS_FAILED;
	} else if (status == STATUS_OK) {
		status = keep(&k);
	}
	for (size_t i = 0; i < TRIGGERS_MAX; i++)
		trigger_free(k.triggers[i]);
	buf_free(&k.out.buf);
	return status;
}
