/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a process may, and what is mounted where it lives: the rights that tcpshaked uses. */
#ifndef TCPSHAKE_DOCTOR_HOST_H
#define TCPSHAKE_DOCTOR_HOST_H

#include <sys/types.h>

#include "cli/doctor/model.h"

/* Of process `pid`; 0 is ourselves. */
void doctor_look_at_host(struct doctor *d, pid_t pid);

#endif
