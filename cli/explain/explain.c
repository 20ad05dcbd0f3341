// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `explain`: why handshakes failed or were slow, worst first, when the feed has ended. */
#include "cli/explain/findings.h"
#include "cli/explain/model.h"
#include "cli/explain/render.h"
#include "cli/explain/source.h"
#include "cli/feed/reader.h"
#include "cli/states/look.h"
#include "cli/text/terminal.h"
#include "cli/view.h"

#include <linux/types.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/log.h"

#define LIVE_DURATION_NS (10 * NSEC_PER_SEC)
#define MOST_ON_TERMINAL 10 /* the worst come first, and would be the first to scroll away */

struct explain_view {
	const struct options *options;
	struct explain *model;
	struct findings *findings;
	struct style style;
	struct output out;
};

static void take(void *view, const struct record *r, const char *line, size_t len)
{
	struct explain_view *v = view;
	char text[32];

	(void)line;
	(void)len;
	explain_add(v->model, r);
	findings_add(v->findings, r);
	/* It is silent until its end: somebody should know what is being waited for. */
	if (r->type == RECORD_HELLO && !v->options->from)
		log_info("watching for %s; Ctrl-C ends it sooner",
			 duration_format(v->options->duration_ns, text, sizeof(text)));
}

static void resized(void *view)
{
	struct explain_view *v = view;

	terminal_resize(&v->style);
}

/* The sockets that there are now, where the feed is of now and of this host. What cannot be looked at is no finding. */
static void look(struct explain_view *v)
{
	struct states *states = states_new(&v->options->filter);
	struct states_look seen;

	if (states && states_look(&seen, states, &v->options->filter) == 0)
		findings_look(v->findings, states);
	states_free(states);
}

static enum exit_status print(struct explain_view *v, const struct input_report *report)
{
	struct explain_source from = { .recorded = v->options->from,
				       .most = v->style.terminal ? MOST_ON_TERMINAL : SIZE_MAX };
	struct sysctls sysctls;
	struct buf text = { 0 };

	explain_source_open(&from, &sysctls, v->model);
	if (!v->options->from && from.host.sysctl)
		look(v);
	if (findings_finish(v->findings) == 0)
		from.findings = v->findings;
	else
		v->out.buf.failed = true;
	if (v->options->json)
		explain_json(v->model, &from, report, &text);
	else
		explain_render(v->model, &from, report, &v->style, &v->out.buf);
	sysctls_close(&sysctls);
	output_json(&v->out, v->style.terminal, text.data, text.len);
	v->out.buf.failed = v->out.buf.failed || text.failed;
	buf_free(&text);
	return output_print(&v->out) < 0 ? STATUS_FAILED : STATUS_OK;
}

enum exit_status explain_run(const struct options *o)
{
	static const struct reader_ops ops = { .record = take, .resized = resized, .silent = true };
	struct options options = *o;
	struct explain_view v = { .options = &options, .model = explain_new(), .findings = findings_new() };
	struct input_report report = { 0 };
	enum exit_status status = STATUS_FAILED;

	if (!o->from && !o->duration_ns)
		options.duration_ns = LIVE_DURATION_NS;
	terminal_detect(&v.style, o->color);
	if (v.model && v.findings)
		status = reader_run(&options, &v.out, &ops, &v, &report);
	if (!v.model || !v.findings || explain_finish(v.model, &report) < 0) {
		log_error("out of memory");
		status = STATUS_FAILED;
	} else if (!v.out.closed && (report.lines || status == STATUS_OK)) {
		enum exit_status printed = print(&v, &report);

		status = status == STATUS_OK ? printed : status;
	}
	buf_free(&v.out.buf);
	explain_free(v.model);
	findings_free(v.findings);
	return status;
}
