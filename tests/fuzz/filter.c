// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The grammar of the filters, three ways in: a flag of the CLI, a key and its value, and a JSON
 * object. A line that starts with '{' is the object; any other is a flag, "port=443". What is
 * taken must say the same when written as JSON and read again, as it is for a subscription.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/view.h"
#include "common/duration.h"
#include "tests/fuzz/fuzz.h"

static const struct view views[] = {
	{ .name = "tail", .bit = VIEW_TAIL },	  { .name = "listeners", .bit = VIEW_LISTENERS },
	{ .name = "stats", .bit = VIEW_STATS },	  { .name = "explain", .bit = VIEW_EXPLAIN },
	{ .name = "doctor", .bit = VIEW_DOCTOR }, { .name = "record", .bit = VIEW_RECORD, .operand = "FILE" },
	{ .name = "states", .bit = VIEW_STATES },
};

/* One line, whatever was given. */
static void check_error(const char *error)
{
	FUZZ_CHECK(*error);
	for (; *error; error++)
		FUZZ_CHECK((unsigned char)*error >= ' ' && *error != 0x7f);
}

static void check_round_trip(const struct filter *f)
{
	struct filter again = { .recorded = f->recorded }; /* whose cgroups need not be here */
	cJSON *json = filter_to_json(f);
	char *text = cJSON_PrintUnformatted(json), error[256];
	cJSON *read = text ? cJSON_Parse(text) : NULL;

	FUZZ_CHECK(read && filter_set_json(&again, read, error, sizeof(error)) == 0);
	FUZZ_CHECK(memcmp(&f->stream, &again.stream, sizeof(again.stream)) == 0);
	FUZZ_CHECK(memcmp(f->ports, again.ports, sizeof(again.ports)) == 0);
	FUZZ_CHECK(memcmp(f->remote, again.remote, sizeof(again.remote)) == 0);
	FUZZ_CHECK(f->remote_prefix == again.remote_prefix);
	cJSON_Delete(json);
	cJSON_Delete(read);
	cJSON_free(text);
	filter_free(&again);
}

static void try_match(const struct filter *f)
{
	static const uint8_t address[16] = { [10] = 0xff, 0xff, 10, 0, 0, 1 };

	for (unsigned i = 0; i < 16; i++)
		filter_match(f, &(struct filter_subject){
					.ends_only = i & 1,
					.audit = i & 2,
					.netns = i & 4,
					.role = (uint8_t)i,
					.outcome = (uint8_t)(i * 17),
					.local_port = (uint16_t)(i * 4099),
					.remote_port = (uint16_t)(65535 - i),
					.remote_addr = i & 8 ? address : NULL,
					.latency_ns = 1ULL << (4 * i),
				});
}

static void take_json(struct filter *f, const char *line, size_t len)
{
	cJSON *json = cJSON_ParseWithLength(line, len);
	char error[256] = "";

	if (json && filter_set_json(f, json, error, sizeof(error)) < 0)
		check_error(error);
	cJSON_Delete(json);
}

static void take_pair(struct filter *f, char *line)
{
	char *value = strchr(line, '='), error[256] = "";

	if (!value)
		return;
	*value = '\0';
	if (filter_set(f, line, value + 1, error, sizeof(error)) < 0)
		check_error(error);
	*value = '=';
}

static void take_flags(const struct view *view, char **lines, int count)
{
	struct options o = { .socket = DEFAULT_SOCKET };
	char *argv[34] = { (char *)(uintptr_t)"tcpshake" };

	for (int i = 0; i < count; i++)
		argv[i + 1] = lines[i];
	optind = 0; /* begin anew, with the GNU extensions */
	if (cli_options_parse(&o, view, count + 1, argv) == STATUS_OK)
		check_round_trip(&o.filter);
	cli_options_free(&o);
}

static void check_duration(const char *text)
{
	char out[32];
	uint64_t ns;

	if (duration_parse(text, &ns) == 0)
		FUZZ_CHECK(strlen(duration_format(ns, out, sizeof(out))) <= 24);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1), *flags[32], *rest = copy, *line;
	struct filter f = { 0 };
	int count = 0;

	FUZZ_CHECK(copy);
	memcpy(copy, data, size);
	copy[size] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		check_duration(line);
		if (*line == '{') {
			take_json(&f, line, strlen(line));
			continue;
		}
		take_pair(&f, line);
		if (count < 32 && asprintf(&flags[count], "--%s", line) > 0)
			count++;
	}
	check_round_trip(&f);
	try_match(&f);
	/* getopt_long() moves pointers about, so each view has its own array. */
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		char *moved[32];

		memcpy(moved, flags, sizeof(flags[0]) * (size_t)count);
		take_flags(&views[i], moved, count);
	}
	while (count)
		free(flags[--count]);
	filter_free(&f);
	free(copy);
	return 0;
}
