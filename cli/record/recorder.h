/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The view `record` with --keep: the feed into a ring, whatever the daemon does. */
#ifndef TCPSHAKE_RECORDER_H
#define TCPSHAKE_RECORDER_H

#include "cli/options.h"
#include "cli/tail/summary.h"

/* The program's exit status. */
enum exit_status recorder_keep(const struct options *o, struct summary *summary);

#endif
