/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What each view does. */
#ifndef TCPSHAKE_VIEW_H
#define TCPSHAKE_VIEW_H

#include "cli/options.h"

enum exit_status top_run(const struct options *o);
enum exit_status tail_run(const struct options *o);
enum exit_status listeners_run(const struct options *o);
enum exit_status stats_run(const struct options *o);
enum exit_status states_run(const struct options *o);
enum exit_status explain_run(const struct options *o);
enum exit_status report_run(const struct options *o);
enum exit_status record_run(const struct options *o);
enum exit_status doctor_run(const struct options *o);
enum exit_status lab_run_view(const struct options *o);

#endif
