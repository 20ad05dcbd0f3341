// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `record`: the feed to a file, to be shown later with --from; a summary at the end. */
#include "cli/feed/reader.h"
#include "cli/feed/recording.h"
#include "cli/record/recorder.h"
#include "cli/tail/summary.h"
#include "cli/view.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

struct recorder {
	struct recording *file; /* NULL: standard output */
	struct output out;
	struct summary *summary;
	uint64_t lines;
};

static void take(void *view, const struct record *r, const char *line, size_t len)
{
	struct recorder *v = view;

	summary_add(v->summary, r);
	v->lines++;
	if (v->file) {
		recording_put(v->file, line, len);
		return;
	}
	buf_mem(&v->out.buf, line, len);
	buf_lit(&v->out.buf, "\n");
}

static int pass(void *view, uint64_t *again_at)
{
	struct recorder *v = view;

	return v->file ? recording_flush(v->file, clock_mono_ns(), again_at) : 0;
}

static enum exit_status run(struct recorder *v, const struct options *o)
{
	static const struct reader_ops ops = { .record = take, .pass = pass };
	struct input_report report = { 0 };
	enum exit_status status = reader_run(o, &v->out, &ops, v, &report);

	if (v->file && recording_close(v->file) < 0)
		status = STATUS_FAILED;
	if (report.lines || status == STATUS_OK) {
		if (!o->no_summary && !v->out.closed)
			summary_write(v->summary, &report, stderr);
		if (v->file && status == STATUS_OK)
			log_info("%llu records in %s", (unsigned long long)v->lines, o->file);
	}
	return status;
}

enum exit_status record_run(const struct options *o)
{
	struct recorder v = { .summary = summary_new() };
	bool to_stdout = strcmp(o->file, "-") == 0;
	enum exit_status status = STATUS_FAILED;

	if (o->keep_bytes && v.summary) {
		status = recorder_keep(o, v.summary);
	} else if (to_stdout && isatty(STDOUT_FILENO)) {
		log_error("standard output is a terminal; pipe it, or use tcpshake tail --json");
	} else if (!v.summary) {
		log_error("out of memory");
	} else {
		v.file = to_stdout ? NULL : recording_open(o);
		if (v.file || to_stdout)
			status = run(&v, o);
	}
	buf_free(&v.out.buf);
	summary_free(v.summary);
	return status;
}
