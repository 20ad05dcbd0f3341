// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The view `lab`: what listen(), accept(), connect() and close() do on this kernel, step by step. */
#include "cli/lab/library.h"
#include "cli/lab/parse.h"
#include "cli/lab/run.h"
#include "cli/view.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

/* A scenario that was read. */
struct read_scenario {
	char path[PATH_MAX];
	struct lab_scenario scenario;
};

static enum exit_status read_one(const char *name, struct read_scenario *r)
{
	char error[512], *text;
	int err;

	if (lab_library_find(name, r->path, sizeof(r->path)) < 0)
		return STATUS_USAGE;
	text = lab_library_read(r->path);
	if (!text)
		return STATUS_FAILED;
	err = lab_parse(r->path, text, &r->scenario, error, sizeof(error));
	free(text);
	if (!err)
		return STATUS_OK;
	log_error("%s", error);
	return STATUS_USAGE;
}

/* Its first line, which says what it is about. */
static const char *title(const struct lab_scenario *s)
{
	const char *text = s->count && s->statements[0].kind == LAB_REMARK ? s->statements[0].text : "";

	return text + strspn(text, "# ");
}

static enum exit_status list(void)
{
	size_t count;
	char **names = lab_library_names(&count);
	enum exit_status status = names ? STATUS_OK : STATUS_FAILED;

	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		struct read_scenario r;

		status = read_one(names[i], &r);
		if (status == STATUS_OK) {
			printf("%-22s %s\n", names[i], title(&r.scenario));
			lab_scenario_free(&r.scenario);
		}
	}
	lab_library_free(names, count);
	return status;
}

/* ---- running ---- */

static void put_verdict(struct lab_bench *bench, const char *name, enum lab_verdict verdict)
{
	static const struct {
		const char *text;
		enum paint paint;
	} verdicts[] = {
		[LAB_HELD] = { "all that was expected held", PAINT_GOOD },
		[LAB_NOT_HELD] = { "not all that was expected held", PAINT_BAD },
		[LAB_SKIPPED] = { "not on this kernel: something that it requires is not there", PAINT_WARN },
	};
	struct line l = { .out = &bench->out.buf, .style = &bench->style };

	if (bench->options->json || verdict > LAB_SKIPPED)
		return;
	line_put(&l, PAINT_BOLD, name);
	line_put(&l, PAINT_NONE, ": ");
	line_put(&l, verdicts[verdict].paint, verdicts[verdict].text);
	line_end(&l);
	buf_lit(&bench->out.buf, "\n");
	output_flush(&bench->out, &bench->signals);
}

/* All are read before the first runs: what is wrong is said at once. */
static enum exit_status read_all(char **names, size_t count, struct read_scenario *scenarios)
{
	enum exit_status status = STATUS_OK;

	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = read_one(names[i], &scenarios[i]);
	return status;
}

static enum exit_status run_all(struct lab_bench *bench, char **names, size_t count,
				const struct read_scenario *scenarios)
{
	enum exit_status status = STATUS_OK;

	for (size_t i = 0; i < count; i++) {
		const char *slash = strrchr(names[i], '/');
		const char *name = slash ? slash + 1 : names[i];
		enum lab_verdict verdict = lab_run(bench, name, &scenarios[i].scenario);

		put_verdict(bench, name, verdict);
		if (verdict != LAB_HELD && verdict != LAB_SKIPPED)
			status = STATUS_FAILED;
		if (verdict == LAB_STOPPED || bench->signals.stops)
			break;
	}
	return status;
}

static enum exit_status watch_and_run(const struct options *o, char **names, size_t count,
				      const struct read_scenario *scenarios)
{
	struct lab_bench bench = { .options = o };
	enum exit_status status = STATUS_FAILED;
	int err = signals_init(&bench.signals);

	if (err) {
		log_error("cannot take signals: %s", strerror(-err));
		return STATUS_FAILED;
	}
	terminal_detect(&bench.style, o->color);
	bench.watch = lab_watch_open(&bench.signals);
	if (bench.watch)
		status = run_all(&bench, names, count, scenarios);
	lab_watch_close(bench.watch);
	buf_free(&bench.out.buf);
	close(bench.signals.fd);
	return status;
}

static enum exit_status run_named(const struct options *o, char **names, size_t count)
{
	struct read_scenario *scenarios = calloc(count + 1, sizeof(*scenarios));
	enum exit_status status = scenarios ? read_all(names, count, scenarios) : STATUS_FAILED;

	if (!scenarios)
		log_error("out of memory");
	if (status == STATUS_OK && geteuid() != 0) {
		log_error("the lab makes network namespaces and starts a private tcpshaked: run it as root");
		status = STATUS_FAILED;
	}
	if (status == STATUS_OK)
		status = watch_and_run(o, names, count, scenarios);
	for (size_t i = 0; scenarios && i < count; i++)
		lab_scenario_free(&scenarios[i].scenario);
	free(scenarios);
	return status;
}

static enum exit_status run_library(const struct options *o)
{
	size_t count;
	char **names = lab_library_names(&count);
	enum exit_status status = names ? run_named(o, names, count) : STATUS_FAILED;

	lab_library_free(names, count);
	return status;
}

enum exit_status lab_run_view(const struct options *o)
{
	char *name = (char *)(uintptr_t)o->file;

	if (o->list)
		return list();
	if (o->all)
		return run_library(o);
	if (!o->file) {
		log_error("which scenario? give its name or a file, --all, or --list to see what there is");
		return STATUS_USAGE;
	}
	return run_named(o, &name, 1);
}
