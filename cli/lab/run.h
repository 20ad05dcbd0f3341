/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs a scenario in namespaces of its own. */
#ifndef TCPSHAKE_LAB_RUN_H
#define TCPSHAKE_LAB_RUN_H

#include "cli/lab/scene.h"

enum lab_verdict {
	LAB_HELD, /* all that was expected */
	LAB_NOT_HELD,
	LAB_SKIPPED, /* something that it requires is not there */
	LAB_BROKEN, /* a statement could not be carried out; said */
	LAB_STOPPED, /* by a signal, or because nobody reads what is shown */
};

/* `name` is what it is called in what is shown. */
enum lab_verdict lab_run(struct lab_bench *bench, const char *name, const struct lab_scenario *s);

#endif
