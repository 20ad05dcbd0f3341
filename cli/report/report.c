// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `report`: a page about a recording, or about the next seconds. */
#include "cli/explain/source.h"
#include "cli/feed/reader.h"
#include "cli/feed/recording.h"
#include "cli/report/page.h"
#include "cli/view.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/log.h"

#define LIVE_DURATION_NS (10 * NSEC_PER_SEC)

struct report_view {
	const struct options *options;
	struct report_model *model;
	struct output out; /* if the page goes to standard output */
	int fd; /* of the file; -1: standard output */
	bool created; /* by us: it was not there */
	bool whole; /* the page is in the file */
};

static void take(void *view, const struct record *r, const char *line, size_t len)
{
	struct report_view *v = view;
	char text[32];

	(void)line;
	(void)len;
	report_model_add(v->model, r);
	/* It is silent until its end: somebody should know what is being waited for. */
	if (r->type == RECORD_HELLO && !v->options->from)
		log_info("watching for %s; Ctrl-C ends it sooner",
			 duration_format(v->options->duration_ns, text, sizeof(text)));
}

/* 0, or -1 after one line on stderr. */
static int write_file(const struct report_view *v, const struct buf *page)
{
	size_t written;
	int err;

	if (recording_empty(v->fd, v->options->output) < 0)
		return -1;
	err = recording_write(v->fd, page, &written);
	if (err)
		log_error("cannot write to %s: %s", v->options->output, strerror(-err));
	return err ? -1 : 0;
}

static enum exit_status print(struct report_view *v, const struct input_report *input, bool to_the_end)
{
	struct explain_source source = { .recorded = v->options->from };
	struct report_page page = { .model = v->model, .source = &source, .input = input, .filter = &v->options->filter,
				    .since_ns = v->options->since_ns, .until_ns = v->options->until_ns,
				    .to_the_end = to_the_end };
	struct sysctls sysctls;
	int err;

	explain_source_open(&source, &sysctls, v->model->explain);
	report_page(&page, &v->out.buf);
	sysctls_close(&sysctls);
	if (v->fd < 0)
		return output_print(&v->out) < 0 ? STATUS_FAILED : STATUS_OK;
	if (v->out.buf.failed) {
		log_error("out of memory");
		return STATUS_FAILED;
	}
	err = write_file(v, &v->out.buf);
	v->whole = !err;
	buf_clear(&v->out.buf);
	return err ? STATUS_FAILED : STATUS_OK;
}

static enum exit_status run(struct report_view *v)
{
	static const struct reader_ops ops = { .record = take, .silent = true };
	struct input_report input = { 0 };
	enum exit_status status = reader_run(v->options, &v->out, &ops, v, &input), printed;

	if (report_model_finish(v->model, &input) < 0) {
		log_error("out of memory");
		return STATUS_FAILED;
	}
	if (v->out.closed || (!input.lines && status != STATUS_OK))
		return status;
	printed = print(v, &input, status == STATUS_OK);
	return status == STATUS_OK ? printed : status;
}

/* A network file system, or a quota, may say only now that there is no room. What is not whole goes. */
static enum exit_status close_file(struct report_view *v, enum exit_status status)
{
	if (v->fd < 0)
		return status;
	if (close(v->fd) < 0 && v->whole) {
		log_error("cannot write to %s: %s", v->options->output, strerror(errno));
		status = STATUS_FAILED;
		v->whole = false;
	}
	if (!v->whole && v->created && unlink(v->options->output) < 0)
		log_warning("cannot remove %s, which is not whole: %s", v->options->output, strerror(errno));
	return status;
}

enum exit_status report_run(const struct options *o)
{
	struct options options = *o;
	struct report_view v = { .options = &options, .fd = -1 };
	bool to_file = strcmp(o->output, "-") != 0;
	enum exit_status status = STATUS_FAILED;

	if (!o->from && !o->duration_ns)
		options.duration_ns = LIVE_DURATION_NS;
	if (to_file)
		v.fd = recording_create(o, o->output, &v.created);
	if (to_file && v.fd < 0)
		return STATUS_FAILED;
	v.model = report_model_new();
	if (v.model)
		status = run(&v);
	else
		log_error("out of memory");
	status = close_file(&v, status);
	buf_free(&v.out.buf);
	report_model_free(v.model);
	return status;
}
