// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/feed/reader.h"
#include "cli/feed/feed.h"
#include "cli/feed/replay.h"
#include "cli/text/signals.h"
#include "cli/text/text.h"
#include "cli/feed/unpack.h"

#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/lines.h"
#include "common/log.h"

#define NSEC_PER_MSEC 1000000ULL
#define HINT_AFTER_NS (3 * NSEC_PER_SEC)
#define NEVER UINT64_MAX
/* Of --events; the others tell where a feed begins, ends and has gaps. */
#define SELECTABLE                                                                            \
	(1U << RECORD_HANDSHAKE | 1U << RECORD_LISTENER | 1U << RECORD_OVERFLOW |             \
	 1U << RECORD_AUDIT | 1U << RECORD_ACCEPT | 1U << RECORD_RESET | 1U << RECORD_RETRANSMIT)

/* The record of a replay whose time has not come. */
struct held {
	bool any;
	struct record record;
	const char *line; /* in `lines`, which are not filled meanwhile */
	size_t len;
	uint64_t due_at;
};

struct reader {
	const struct options *options;
	const struct reader_ops *ops;
	void *view;
	struct reader_report *report;
	struct output *out;
	struct signals signals;
	struct input *input;
	struct unpack *unpack; /* of a recording */
	struct lines *lines;
	struct replay replay;
	struct held held;
	uint64_t seq; /* of the last record */
	uint64_t hint_at, stop_at, give_up_at, pass_at; /* CLOCK_MONOTONIC, or NEVER */
	bool hello, bye;
	bool drained; /* nothing more is to be read */
	uint64_t whole; /* the number of the last line that was */
	bool stopping; /* we asked for the end */
	bool ended;
	bool failed; /* said so already */
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void fail(struct reader *r)
{
	r->failed = true;
	r->ended = true;
}

static void stop(struct reader *r)
{
	int patience_ms;

	if (r->stopping)
		return;
	r->stopping = true;
	r->hint_at = r->stop_at = NEVER;
	if (input_stop(r->input, &patience_ms))
		r->give_up_at = clock_mono_ns() + (uint64_t)patience_ms * NSEC_PER_MSEC;
	else
		r->ended = true;
}

/* A person waiting at an idle host should know that it is the host that is idle. */
static void hint(struct reader *r)
{
	r->hint_at = NEVER;
	if (!r->hello)
		log_info("no answer from %s yet", input_name(r->input));
	else if (!filter_is_empty(&r->options->filter))
		log_info("no handshake that matches the filter yet; others are not shown");
	else
		log_info("no handshake yet; to make one: curl -s http://127.0.0.1/");
}

static void check_time(struct reader *r)
{
	uint64_t now = clock_mono_ns();

	if (now >= r->hint_at)
		hint(r);
	if (now >= r->stop_at)
		stop(r);
	if (now >= r->give_up_at) {
		if (input_kill(r->input))
			log_error("%s did not end in time and was killed; its last records are "
				  "missing", input_name(r->input));
		r->ended = true;
	}
}

static bool may_read(const struct reader *r)
{
	return !r->ended && !r->drained && !r->held.any;
}

static int timeout_ms(const struct reader *r)
{
	uint64_t next = min_u64(r->hint_at, min_u64(r->stop_at, r->give_up_at));
	uint64_t now = clock_mono_ns(), ms;

	next = min_u64(next, min_u64(r->pass_at, r->held.any ? r->held.due_at : NEVER));
	if (may_read(r) && r->unpack && unpack_waits(r->unpack))
		return 0;
	if (next == NEVER)
		return -1;
	ms = next > now ? (next - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC : 0;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static uint64_t after(uint64_t now, uint64_t ns)
{
	return ns && ns < NEVER - now ? now + ns : NEVER;
}

/* Both clocks run from the moment that the daemon watches, not from when we asked it to. */
static void take_hello(struct reader *r)
{
	uint64_t now = clock_mono_ns();

	r->hello = true;
	if (!input_is_live(r->input) || r->stopping)
		return;
	r->hint_at = after(now, HINT_AFTER_NS);
	r->stop_at = after(now, r->options->duration_ns);
}

static void take_end(struct reader *r, const struct record_end *end)
{
	struct buf why = { 0 };

	r->ended = r->ended || input_is_live(r->input);
	if (end->ok) {
		r->bye = true;
		return;
	}
	text_append(&why, end->error ? end->error : "it gives no reason", false);
	buf_mem(&why, "", 1);
	log_error("%s refused: %s", input_name(r->input), why.failed ? "?" : why.data);
	buf_free(&why);
	if (input_is_live(r->input))
		fail(r);
}

/* What they are about has ends, and no role, outcome or latency; as the daemon filters them. */
static bool ends_wanted(const struct filter *f, const struct record *record)
{
	static const struct endpoint none;
	const struct endpoint *local = &none, *remote = &none;

	if (record->type == RECORD_OVERFLOW) {
		local = record->overflow.has_listener ? &record->overflow.listener : &none;
		remote = record->overflow.has_remote ? &record->overflow.remote : &none;
	} else if (record->type == RECORD_ACCEPT) {
		local = &record->accept.local;
		remote = &record->accept.remote;
	} else if (record->type == RECORD_RESET) {
		local = &record->reset.local;
		remote = &record->reset.remote;
	} else if (record->type == RECORD_RETRANSMIT) {
		local = &record->retransmit.local;
		remote = &record->retransmit.remote;
	} else if (record->type != RECORD_AUDIT) {
		return true;
	}
	return filter_match(f, &(struct filter_subject){
				       .ends_only = true,
				       .audit = record->type == RECORD_AUDIT,
				       .netns = (uint32_t)record->netns,
				       .local_port = local->port,
				       .remote_port = remote->port,
				       .remote_addr = remote->numeric ? remote->bytes : NULL,
				       .cgroup_path = record->cgroup_path,
			       });
}

static bool is_wanted(const struct reader *r, const struct record *record)
{
	const struct record_handshake *h = &record->handshake;
	uint32_t events = r->options->event_mask;
	struct filter_subject subject;

	if (events && ((1U << record->type) & SELECTABLE & ~events))
		return false;
	if (!input_needs_filter(r->input) || filter_is_empty(&r->options->filter))
		return true;
	if (record->type != RECORD_HANDSHAKE)
		return ends_wanted(&r->options->filter, record);
	/* A word or an address unknown here cannot be what a criterion asks for. */
	if (r->options->filter.stream.by_remote && !h->remote.numeric)
		return false;
	subject = (struct filter_subject){
		.netns = (uint32_t)record->netns,
		.role = (uint8_t)h->role,
		.outcome = (uint8_t)h->outcome,
		.local_port = h->local.port,
		.remote_port = h->remote.port,
		.remote_addr = h->remote.bytes,
		.latency_ns = h->latency_ns,
		.cgroup_path = record->cgroup_path,
	};
	return filter_match(&r->options->filter, &subject);
}

static void take_record(struct reader *r, const struct record *record, const char *line,
			size_t len)
{
	/* A recording may be several feeds, one after the other: each starts with its hello. */
	if (record->type != RECORD_HELLO && r->seq && record->seq > r->seq + 1)
		r->report->missing += record->seq - r->seq - 1;
	r->seq = record->seq;
	if (record->type == RECORD_HELLO)
		take_hello(r);
	else if (record->type == RECORD_HANDSHAKE)
		r->hint_at = NEVER;
	if (is_wanted(r, record))
		r->ops->record(r->view, record, line, len);
	if (record->type == RECORD_END)
		take_end(r, &record->end);
	if (record->type == RECORD_BYE) {
		r->bye = true;
		r->ended = r->ended || input_is_live(r->input);
	}
}

static void give(struct reader *r, struct record *record, const char *line, size_t len)
{
	uint64_t now = clock_mono_ns(), due_at = 0;

	if (r->options->speed > 0 && !input_is_live(r->input))
		due_at = replay_due(&r->replay, r->options->speed, record->type == RECORD_HELLO,
				    record->mono_ns, now);
	if (due_at > now) {
		r->held = (struct held){ true, *record, line, len, due_at };
		return;
	}
	take_record(r, record, line, len);
	record_free(record);
}

static void give_held(struct reader *r)
{
	struct held *held = &r->held;

	if (clock_mono_ns() < held->due_at)
		return;
	held->any = false;
	take_record(r, &held->record, held->line, held->len);
	record_free(&held->record);
}

static bool is_blank(const char *line, size_t len)
{
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
		len--;
	return len == 0;
}

/* Only the first of each kind is worth a line; all are counted. */
static void report_bad(struct reader *r, enum record_status status, const char *why)
{
	unsigned long long number = lines_number(r->lines);

	/* What such a record means nobody here knows, nor what those beside it do. */
	if (status == RECORD_FOREIGN) {
		r->report->foreign++;
		log_error("%s, line %llu: %s; use the tcpshake of the daemon that wrote it",
			  input_name(r->input), number, why);
		fail(r);
	}
	if (status == RECORD_BAD && r->report->bad++ == 0)
		log_warning("%s, line %llu is skipped: %s", input_name(r->input), number, why);
}

static void take_line(struct reader *r, const char *line, size_t len, bool cut)
{
	struct record record;
	enum record_status status;
	char why[160];

	if (is_blank(line, len))
		return;
	status = record_parse(line, len, &record, why, sizeof(why));
	/* A refusal is no feed. */
	r->report->lines += status != RECORD_GOOD || record.type != RECORD_END;
	if (status == RECORD_GOOD) {
		give(r, &record, line, len);
	} else if (cut) {
		r->report->cut = true;
		return;
	} else {
		report_bad(r, status, why);
	}
	r->whole = lines_number(r->lines);
}

static void take_lines(struct reader *r)
{
	enum line_kind kind;
	const char *line;
	size_t len;

	while (!r->ended && !r->held.any && (kind = lines_next(r->lines, &line, &len)) != LINE_NONE) {
		if (kind != LINE_OVERSIZED) {
			take_line(r, line, len, kind == LINE_CUT);
			continue;
		}
		r->report->lines++;
		if (r->report->oversized++ == 0)
			log_warning("%s, line %llu is skipped: it is longer than %d bytes",
				    input_name(r->input),
				    (unsigned long long)lines_number(r->lines), LINES_MAX);
	}
}

static void read_feed(struct reader *r)
{
	ssize_t got = lines_fill(r->lines);

	if (got == -EAGAIN)
		return;
	if (got == -EBADMSG) {
		log_error("%s is damaged after line %llu; what follows cannot be read", input_name(r->input),
			  (unsigned long long)lines_number(r->lines));
		fail(r);
		return;
	}
	/* A daemon that dies with our request unread resets the connection: an end like another. */
	if (got < 0 && !(got == -ECONNRESET && input_is_live(r->input))) {
		log_error("cannot read %s: %s", input_name(r->input), strerror((int)-got));
		fail(r);
		return;
	}
	r->drained = got <= 0;
	if (r->drained && r->unpack && unpack_is_cut(r->unpack))
		r->report->cut = true;
	take_lines(r);
}

/* What is there, as far as its time has come. */
static void go_on(struct reader *r, bool readable)
{
	if (r->held.any) {
		give_held(r);
		take_lines(r);
	} else if (may_read(r) && readable) {
		read_feed(r);
	}
	if (!r->drained || r->held.any || r->ended)
		return;
	r->ended = true;
	if (r->report->cut)
		log_warning("%s is cut off: it is read up to line %llu, the last whole one",
			    input_name(r->input), (unsigned long long)r->whole);
}

static void pass(struct reader *r)
{
	if (r->ops->pass && !r->failed && r->ops->pass(r->view, &r->pass_at) < 0)
		fail(r);
}

static void flush(struct reader *r)
{
	int err = output_flush(r->out, &r->signals);

	if (r->out->closed)
		stop(r);
	if (!err || err == -EINTR)
		return;
	log_error("cannot write to standard output: %s", strerror(-err));
	r->failed = true;
	r->out->closed = true;
	stop(r);
}

static void take_signals(struct reader *r)
{
	if (r->signals.resized) {
		r->signals.resized = false;
		if (r->ops->resized)
			r->ops->resized(r->view);
	}
	if (r->signals.stops)
		stop(r);
	if (r->signals.stops > 1) {
		input_kill(r->input);
		fail(r);
	}
}

static void run(struct reader *r)
{
	while (!r->ended) {
		struct pollfd fds[] = {
			{ .fd = may_read(r) ? input_fd(r->input) : -1, .events = POLLIN },
			{ .fd = r->signals.fd, .events = POLLIN },
			/* Only for POLLERR: `tcpshake | head` ends when head does. */
			{ .fd = r->out->closed ? -1 : STDOUT_FILENO },
		};

		if (poll(fds, 3, timeout_ms(r)) < 0) {
			log_error("cannot wait for %s: %s", input_name(r->input), strerror(errno));
			fail(r);
			return;
		}
		if (fds[1].revents)
			signals_read(&r->signals);
		take_signals(r);
		check_time(r);
		if (fds[2].revents & POLLERR) {
			r->out->closed = true;
			stop(r);
		}
		if (!r->ended)
			go_on(r, fds[0].revents || (r->unpack && unpack_waits(r->unpack)));
		pass(r);
		flush(r);
		take_signals(r);
	}
}

static enum exit_status finish(struct reader *r)
{
	enum exit_status status;

	/* After a failure of our own the private daemon is still there. */
	if (r->failed)
		stop(r);
	status = input_close(r->input, r->bye || r->stopping);
	if (status == STATUS_OK && (r->failed || r->report->foreign))
		status = STATUS_FAILED;
	return status;
}

enum exit_status reader_run(const struct options *o, struct output *out,
			    const struct reader_ops *ops, void *view,
			    struct reader_report *report)
{
	struct reader r = {
		.options = o,
		.ops = ops,
		.view = view,
		.report = report,
		.out = out,
		.hint_at = NEVER,
		.stop_at = NEVER,
		.give_up_at = NEVER,
		.pass_at = NEVER,
	};
	enum exit_status status = STATUS_FAILED;
	int err = signals_init(&r.signals);

	if (err) {
		log_error("cannot take signals: %s", strerror(-err));
		return STATUS_FAILED;
	}
	r.input = input_open(o);
	if (r.input) {
		r.lines = input_lines(r.input, &r.unpack);
		if (input_is_live(r.input))
			r.hint_at = after(clock_mono_ns(), HINT_AFTER_NS);
		r.stop_at = after(clock_mono_ns(), o->duration_ns);
		if (r.lines)
			run(&r);
		else
			log_error("out of memory");
		r.failed = r.failed || !r.lines;
		status = finish(&r);
	}
	lines_free(r.lines);
	unpack_free(r.unpack);
	if (r.held.any)
		record_free(&r.held.record);
	close(r.signals.fd);
	return status;
}
