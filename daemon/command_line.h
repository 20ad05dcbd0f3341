/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The daemon's command line. */
#ifndef TCPSHAKE_COMMAND_LINE_H
#define TCPSHAKE_COMMAND_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/filter.h"
#include "common/option_table.h"
#include "daemon/kernel/source.h"
#include "daemon/metrics/http.h"
#include "daemon/output/socket_file.h"

struct options {
	const char *output; /* a path, "-" for stdout, NULL for none */
	uint64_t output_max; /* bytes of one file; 0: any number */
	unsigned output_keep; /* full files; 0: not given */
	struct metrics_address metrics; /* port 0: none */
	bool metrics_containers; /* as labels of listeners' series */
	const char *socket; /* a path, NULL for none */
	const char *socket_group; /* as given: a name or a number; NULL: none */
	gid_t socket_gid; /* of it; GROUP_UNCHANGED without one */
	uint64_t duration_ns; /* 0: until it is asked to stop */
	uint64_t listener_interval_ns;
	bool listener_interval_given; /* then it is kept, whatever it costs */
	enum observe observe[CALLS]; /* --accept-wait, --connect-errors */
	bool events_given;
	uint32_t events; /* 1 << enum record_type: those of the stream */
	struct filter filter;
	bool with_host; /* each record names its host and its feed */
	bool probe;
	bool verbose;
	unsigned completion; /* print that of this shell of completion_shells; 0: none */
	bool help;
	bool version;
};

enum parsed { PARSED_RUN, PARSED_DONE, PARSED_ERROR };

/* PARSED_DONE: --help or --version was printed. PARSED_ERROR: one line was, to stderr. */
enum parsed options_parse(struct options *o, int argc, char **argv);

#endif
